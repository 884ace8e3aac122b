"""Finished models that a run would train again, because the study's settings are no longer those of their training.

Snakemake keeps the settings of every job that ended, and compares them; so does this, before it is started.
"""

from __future__ import annotations

import ast
import json
import sys
from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from prunescope.config.study import Study
from prunescope.errors import Problems
from prunescope.files import read_json
from prunescope.paths import block_seeds, fill
from prunescope.planning.blocks import blocks
from prunescope.running.progress import NOTE
from prunescope.running.status import recorded
from prunescope.running.workflow import WorkflowGrid

#: Changed settings that a line names; the others are counted.
_NAMED = 3

#: Characters of a value in a line.
_SHOWN = 40


def retrained_lines(study: Study, workdir: Path, names: Collection[str] | None = None) -> list[str]:
    """Finished models that a run would train again, a line for each change of settings; none for a new study.

    Args:
        workdir: where Snakemake runs; its records lie below it.
        names: of the data sets that the run asks for; None: all.
    """
    records, begun, grid = recorded(workdir, "metadata"), recorded(workdir, "incomplete"), WorkflowGrid(study)
    changes_of_data: dict[str, str] = {}
    models: Counter[tuple[str, str]] = Counter()
    for cell in study.cells if records else ():
        if names is not None and cell.dataset not in names:
            continue
        for block in blocks(grid.layout, study, cell, workdir):
            metrics = fill(grid.layout.model("metrics.json"), cell, block)
            if metrics in begun or not (workdir / metrics).is_file():
                continue
            wildcards = SimpleNamespace(
                dataset=cell.dataset,
                arch=cell.arch,
                pruner=cell.pruner,
                amount=cell.compression.token,
                block=block,
            )
            if cell.dataset not in changes_of_data:
                card = grid.layout.data("card.json").format(dataset=cell.dataset)
                changes_of_data[cell.dataset] = _change(records.get(card), grid.dataset_settings(wildcards))
            change = changes_of_data[cell.dataset] or _change(
                records.get(metrics), grid.job_settings(wildcards)
            )
            if change:
                models[cell.dataset, change] += len(set(block_seeds(block)) & set(cell.seeds))
    return [
        f"{count} finished model{'s' * (count > 1)} of data set {dataset} {'are' if count > 1 else 'is'} of other "
        f"settings ({change}) and would be trained again"
        for (dataset, change), count in models.items()
    ]


def tell_of_retraining(study: Study) -> None:
    """Say before the first job of a Snakemake which finished models it trains again."""
    for line in retrained_lines(study, Path.cwd()):
        print(f"{NOTE}{line}; to keep them, stop now and name another `results` folder", file=sys.stderr)


def refuse_retraining(study: Study, workdir: Path, names: Collection[str]) -> None:
    """Refuse a run that would train finished models again.

    Raises:
        Problems: a line for each change of settings.
    """
    lines = retrained_lines(study, workdir, names)
    if lines:
        hint = "undo the change, name another `results` folder, or, to train them again, give `run --retrain`"
        raise Problems([f"{line}; {hint}" for line in lines])


def _change(record: Path | None, settings: str) -> str:
    """What differs between the settings of a finished job and those it would be given now; empty: nothing."""
    before = None if record is None else _settings(record)
    if before is None:
        return ""
    old, new = dict(_flat(before)), dict(_flat(json.loads(settings)))
    changed = [name for name in sorted({*old, *new}) if old.get(name) != new.get(name)]
    shown = [f"{name}: {_value(old, name)} -> {_value(new, name)}" for name in changed[:_NAMED]]
    if len(changed) > _NAMED:
        shown.append(f"and {len(changed) - _NAMED} more")
    if changed == ["path"] and "content" in old:
        shown.append("the file's content is the same: with the old path nothing is trained again")
    return "; ".join(shown)


def _settings(record: Path) -> dict[str, Any] | None:
    """The settings in a record of Snakemake's: of its parameters, each as Python writes it, the one that is JSON."""
    try:
        parameters = read_json(record)["params"]
        found = [json.loads(text) for text in map(ast.literal_eval, parameters) if isinstance(text, str)]
    except Exception:  # another version's record: Snakemake itself decides then
        return None
    return next((one for one in found if isinstance(one, dict)), None)


def _flat(settings: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in settings.items():
        if isinstance(value, dict) and value:
            yield from _flat(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", value


def _value(settings: Mapping[str, Any], name: str) -> str:
    text = json.dumps(settings[name]) if name in settings else "not given"
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}..."
