"""Which models of a study are done, running or failed, from its files, and how long the rest will take."""

from __future__ import annotations

import base64
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from prunescope.analysis.chance import warning
from prunescope.config.grid import Cell
from prunescope.config.study import Study
from prunescope.errors import UserError
from prunescope.files import read_json
from prunescope.files.meter import duration
from prunescope.paths import Layout, block_seeds, fill
from prunescope.planning.blocks import blocks
from prunescope.running.progress import reason
from prunescope.running.results_lock import ResultsLock


@dataclass(frozen=True)
class Block:
    """One block of models of a cell and what its files say: ``done``, ``running``, ``failed`` or ``waiting``."""

    cell: Cell
    name: str
    seeds: tuple[int, ...]
    state: str
    metrics: str
    log: str

    @property
    def what(self) -> str:
        cell = self.cell
        return f"{cell.dataset} {cell.arch} {cell.pruner} {cell.compression.token} seeds {self.name}"


def blocks_of(study: Study, workdir: Path) -> Iterator[Block]:
    """Every block of a study with its state.

    A block is done when its metrics are there and Snakemake does not have it marked as begun. What is
    marked is running while a run holds the results tree, and else was interrupted and waits for the next
    run. A block that left a log and nothing else has failed.
    """
    layout = Layout(study.results)
    begun = recorded(workdir, "incomplete")
    holder = ResultsLock(workdir / study.results).holder()
    held = holder is not None and holder.lives
    for cell in study.cells:
        for block in blocks(layout, study, cell, workdir):
            metrics = fill(layout.model("metrics.json"), cell, block)
            rule = "train" if cell.dense else "prune"
            log = fill(layout.log(rule, "dataset", "arch", "pruner", "amount", "block"), cell, block)
            if metrics in begun:
                state = "running" if held else "waiting"
            elif (workdir / metrics).is_file():
                state = "done"
            else:
                state = "failed" if (workdir / log).is_file() else "waiting"
            seeds = tuple(sorted(set(block_seeds(block)) & set(cell.seeds)))
            yield Block(cell, block, seeds, state, metrics, log)


def status_of(study: Study, workdir: Path) -> dict[str, Any]:
    """Models per data set by state, with failures and diverged seeds by name, and the time that the rest will take."""
    rows: dict[str, Counter[str]] = {}
    failed, diverged, damaged = [], [], []
    dense: dict[tuple[str, str], list[Mapping[str, Any]]] = {}
    done: list[Done] = []
    left: Counter[Kind] = Counter()
    for block in blocks_of(study, workdir):
        cell = block.cell
        row = rows.setdefault(
            cell.dataset, Counter({"models": 0, "done": 0, "running": 0, "failed": 0, "waiting": 0})
        )
        row["models"] += len(block.seeds)
        row[block.state] += len(block.seeds)
        kind = (cell.dataset, cell.arch, cell.pruner)
        if block.state == "done":
            path = workdir / block.metrics
            try:
                models = read_json(path)["models"]
                diverged += [
                    f"{block.what}: seed {m['seed']}: {m['reason']}" for m in models if m["diverged"]
                ]
                if cell.dense:
                    dense.setdefault((cell.dataset, cell.arch), []).extend(models)
                seconds = sum(float(m.get("seconds") or 0.0) for m in models)
                done.append(Done(*kind, len(models), seconds, path.stat().st_mtime))
            except (UserError, KeyError, TypeError):
                damaged.append(block.metrics)
            continue
        left[kind] += len(block.seeds)
        if block.state == "failed":
            last = reason(workdir / block.log)
            failed.append({"what": block.what, "log": block.log, "last_line": last})
    total = sum(rows.values(), Counter())
    return {
        "study": study.name,
        "results": study.results,
        "models": total["models"],
        "done": total["done"],
        "running": total["running"],
        "failed": total["failed"],
        "waiting": total["waiting"],
        "seconds_left": seconds_left(done, left.items()),
        "report": f"{study.results}/index.html"
        if (workdir / study.results / "index.html").is_file()
        else None,
        "datasets": [{"dataset": name, **counts} for name, counts in rows.items()],
        "failures": failed,
        "diverged": diverged,
        "damaged": damaged,
        "at_chance": _at_chance(study, workdir, dense),
    }


def _at_chance(
    study: Study, workdir: Path, dense: Mapping[tuple[str, str], Sequence[Mapping[str, Any]]]
) -> list[str]:
    """A sentence for each architecture on a data set whose dense models do no better than the most frequent class."""
    found = []
    for (dataset, arch), models in dense.items():
        with suppress(UserError):
            card = read_json(workdir / Layout(study.results).data("card.json").format(dataset=dataset))
            found.append(warning(f"{dataset}, {arch}", models, card))
    return [sentence for sentence in found if sentence is not None]


@dataclass(frozen=True)
class Done:
    """One finished block: its number of models, working time (seconds) and end (seconds since 1970)."""

    dataset: str
    arch: str
    pruner: str
    models: int
    seconds: float
    ended: float


#: Of a model: data set, architecture, pruner.
Kind = tuple[str, str, str]


def side_by_side(done: Sequence[Done]) -> float:
    """The mean number of blocks that ran at once: their total time over the time in which any ran.

    Breaks between runs of a study do not count.
    """
    spans = sorted((one.ended - one.seconds, one.ended) for one in done)
    covered, until = 0.0, float("-inf")
    for start, end in spans:
        covered += max(end - max(start, until), 0.0)
        until = max(until, end)
    return sum(one.seconds for one in done) / covered if covered > 0 else 1.0


def seconds_left(done: Sequence[Done], left: Iterable[tuple[Kind, int]]) -> float | None:
    """Wall time for the models that are left, as many at once as so far; None where none is done or none is left.

    A model is expected to take the mean time of those of its data set, architecture and pruner; without any, of its
    data set and architecture, of its architecture, or of all.

    Args:
        left: what is left of each kind, with how many models.
    """
    waiting = [(kind, models) for kind, models in left if models]
    if not waiting or not done or not any(one.models for one in done):
        return None
    means: dict[tuple[str, ...], tuple[float, int]] = {}
    for one in done:
        for key in _keys((one.dataset, one.arch, one.pruner)):
            seconds, models = means.get(key, (0.0, 0))
            means[key] = (seconds + one.seconds, models + one.models)
    total = 0.0
    for kind, models in waiting:
        seconds, known = next(means[key] for key in _keys(kind) if means.get(key, (0.0, 0))[1])
        total += models * seconds / known
    return total / max(side_by_side(done), 1.0)


def _keys(kind: Kind) -> tuple[tuple[str, ...], ...]:
    """From the most similar models to all."""
    return (kind, kind[:2], (kind[1],), ())


def status_text(status: dict[str, Any]) -> str:
    """The status for a terminal."""
    lines = [
        f"{status['study']}: {status['done']} of {status['models']} models done, {status['running']} running, "
        f"{status['failed']} failed, {status['waiting']} waiting",
        f"{'data set':<24}{'models':>8}{'done':>8}{'running':>9}{'failed':>8}{'waiting':>9}",
    ]
    for row in status["datasets"]:
        lines.append(
            f"{row['dataset']:<24}{row['models']:>8}{row['done']:>8}{row['running']:>9}{row['failed']:>8}"
            f"{row['waiting']:>9}"
        )
    if status["seconds_left"] is not None:
        lines.append(
            f"time left: about {duration(status['seconds_left'])} for the models that are not done, as many at once "
            "as so far; the analysis comes after them"
        )
    for failure in status["failures"]:
        lines.append(f"failed: {failure['what']}: {failure['last_line']} ({failure['log']})")
    lines += [f"diverged: {line}" for line in status["diverged"]]
    lines += [f"damaged: {path}: the next `prunescope run` rebuilds it" for path in status["damaged"]]
    lines += [f"WARNING: {line}" for line in status["at_chance"]]
    lines.append(f"report: {status['report']}" if status["report"] else "report: not made yet")
    return "\n".join(lines)


def recorded(workdir: Path, kind: str) -> dict[str, Path]:
    """Snakemake's records by output; ``kind``: ``incomplete``, of jobs begun, or ``metadata``, of jobs that ended."""
    folder = workdir / ".snakemake" / kind
    found = {}
    for record in folder.glob("**/*"):
        if record.is_file():
            # Long names are cut into folders; joined again they are the path in base64.
            encoded = "".join(record.relative_to(folder).parts).replace("@", "")
            try:
                found[base64.b64decode(encoded, altchars=b"-_").decode()] = record
            except ValueError:
                continue
    return found
