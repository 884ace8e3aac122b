"""The records of the PIE paper's tables, and how their cells are shown (``layouts.yaml``)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from prunescope.analysis.tables.cell import CellResults
from prunescope.figures.style import ordered, pretty_metric
from prunescope.papers.layout import Paper
from prunescope.papers.pie.printed import PAPER, searches
from prunescope.papers.printed import read_yaml
from prunescope.papers.results import Inputs, Record, Setup, alike
from prunescope.papers.wording import count, percent, spread, yes

_MARKS = ("pruned_better", "pruned_above_all", "unpruned_above_all")


def extremes(scores: Mapping[str, float]) -> dict[str, str]:
    """``best`` and ``worst`` pruner of one data set, architecture and compression level (Tables 4 and 9).

    Several share a mark where their scores are equal; none has one where all scores are.

    Args:
        scores: mean accuracy or F1 by pruner.
    """
    if not scores or min(scores.values()) == max(scores.values()):
        return dict.fromkeys(scores, "")
    marks = {max(scores.values()): "best", min(scores.values()): "worst"}
    return {pruner: marks.get(score, "") for pruner, score in scores.items()}


def _marked(inputs: Inputs, **fields: str) -> list[dict[str, Any]]:
    """Records with the ``mark`` of their pruner."""
    records = inputs.results.records(score="score_mean", **fields)
    for line in alike(records, "setup, compression"):
        marks = extremes({r["pruner"]: r["score"] for r in line if r["score"] is not None})
        for record in line:
            record["mark"] = marks.get(record["pruner"], "")
    return records


def pie_shares(inputs: Inputs) -> list[dict[str, Any]]:
    """Table 4. A row's noise floor is the mean of its cells': they share their dense models but for dropped seeds."""
    records = _marked(inputs, share="pie_share", floor="noise_floor", verdict="pie_verdict")
    for line in alike(records, "dataset, arch, pruner"):
        floor = _mean([record["floor"] for record in line if record["floor"] is not None])
        for record in line:
            share, mark, verdict = record["share"], record["mark"], record["verdict"]
            shown = percent(share, 0 if share is not None and share >= 0.0995 else 1)
            record |= {
                "noise_floor": floor,
                "best": mark == "best",
                "worst": mark == "worst",
                "open": verdict == "?",
            }
            record["shown"] = shown and shown + {"?": " ?", "<": " <"}.get(verdict, "")
            record["sign"] = shown and {"best": " +", "worst": " −"}.get(mark, "")
    return records


def effectiveness(inputs: Inputs) -> list[dict[str, Any]]:
    """Table 9."""
    scores = {"mean": "score_mean", "std": "score_std"}
    records = _marked(inputs, **scores, **{f"dense_{name}": quantity for name, quantity in scores.items()})
    for record in records:
        dense = record["dense_mean"], record["dense_std"]
        record |= {"best": yes(record["mark"] == "best"), "unpruned mean": dense[0], "unpruned std": dense[1]}
        record["aside"] = pretty_metric(record["metric"] or "score")
        record["aside"] += f"; dense {spread(*dense)}" if dense[0] is not None else ""
    return records


def on_pies(inputs: Inputs) -> list[dict[str, Any]]:
    """Table 10: scores of pruned and dense models on the same PIEs, and what it prints blue and bold."""
    sides = {side: f"{side}_score_on_pies" for side in ("pruned", "dense")}
    records = inputs.results.records(**sides, pruned_on_all="score_mean", dense_on_all="score_mean")
    for record in records:
        record |= marks_on_pies(record) | {"metric_name": pretty_metric(record["metric"] or "score")}
    return records


def marks_on_pies(scores: Record) -> dict[str, str]:
    """Blue: pruned models beat dense ones on the PIEs. Bold: models score higher on the PIEs than on all examples."""
    pairs = (("pruned", "dense"), ("pruned", "pruned_on_all"), ("dense", "dense_on_all"))
    values = ((scores[one], scores[other]) for one, other in pairs)
    return {
        mark: yes(None not in pair and pair[0] > pair[1]) for mark, pair in zip(_MARKS, values, strict=True)
    }


def parameters(inputs: Inputs) -> list[dict[str, Any]]:
    """Tables 5 and 6: as counted in the models of all pruners at one level, diverged ones left out."""
    results, records = inputs.results, []
    for setup in results.setups:
        own_cells = [cell for cell in results.found.values() if Setup(*cell.pair) == setup]
        known = _counted(cell for cell in own_cells if cell.dense)
        own = []
        for level in results.compressions(setup):
            found = _counted(cell for cell in own_cells if cell.compression == level)
            known += found
            shares = [1.0 - 1.0 / float(model["ratio"]) for model in found]
            left = _mean([float(model["parameters"]) / float(model["ratio"]) for model in found])
            record = {"setup": setup, **setup._asdict(), "compression": level, "removed": _mean(shares)}
            record["range"] = f"{percent(min(shares), 2)} to {percent(max(shares), 2)}" if shares else ""
            own.append(record | {"remaining": None if left is None else round(left)})
        shared = {name: known[0].get(name) if known else None for name in ("parameters", "prunable")}
        text = "{} parameters, {} of them prunable".format(*map(count, shared.values())) if known else ""
        records += [shared | {"counts": text, "blank": ""} | record for record in own]
    return records


def _mean(values: Sequence[float]) -> float | None:
    return sum(values) / len(values) if values else None


def _counted(cells: Iterable[CellResults]) -> list[Mapping[str, Any]]:
    """Records of models that say how many parameters they have."""
    every = (model for cell in cells for model in cell.models if not model.get("diverged"))
    return [model for model in every if model.get("parameters") and model.get("prunable")]


_DECLARED = read_yaml(PAPER, "layouts.yaml", dict[str, Any])

#: What schedules are called, and criteria, in the paper's order; the others follow.
_SCHEDULES = {(schedule, recovery): words for words, (schedule, recovery) in _DECLARED["schedules"].items()}
_SCORING = _DECLARED["criteria"]


def pruners(inputs: Inputs) -> list[dict[str, Any]]:
    """Table 3: pruners by schedule and criterion; others of the study than the paper's too."""
    compositions = inputs.study.all_pruners
    names = ordered(cell.pruner for cell in inputs.results.cells)
    schedules, parts = list(_SCHEDULES), []
    for name in names:
        if (own := compositions.get(name)) is not None:
            schedule = own.schedule, own.recovery
            known = _SCORING.index(own.criterion) if own.criterion in _SCORING else len(_SCORING)
            places = {"order": schedules.index(schedule), "position": (known, own.criterion)}
            words = {"scheduling": _SCHEDULES[schedule], "scoring": own.criterion.capitalize()}
            parts.append({"pruner": name, **words, **places})
    parts.sort(key=lambda part: (part["order"], part["position"]))
    cells = alike(parts, "scheduling, scoring")
    return [{**cell[0], "pruners": ", ".join(str(part["pruner"]) for part in cell)} for cell in cells]


def training(inputs: Inputs) -> list[dict[str, Any]]:
    """Table 8. ``..._shown``: the study's setting and in brackets the printed one."""
    records, study = [], inputs.study
    for dataset, arch in inputs.results.setups:
        if dataset not in study.datasets or arch not in study.archs:
            continue
        own, search = study.training(dataset, arch), searches().get((dataset.lower(), arch.lower()))
        record: dict[str, Any] = {"dataset": dataset, "arch": arch}
        for name in ("batch_size", "epochs", "lr"):
            value, printed = getattr(own, name), None if search is None else search.chosen[name]
            record |= {name: value, f"published_{name}": printed}
            record[f"{name}_shown"] = f"{value:g}" + ("" if printed is None else f" ({printed:g})")
        for name in ("epochs", "lr"):
            ends = [getattr(search, f"{end}_{name}", None) for end in ("min", "max")]
            record |= {f"published_min_{name}": ends[0], f"published_max_{name}": ends[1]}
            record[f"{name}_searched"] = " to ".join(f"{end:g}" for end in ends if end is not None)
        records.append(record)
    return records


def _floor_note(inputs: Inputs, records: Sequence[Record]) -> str:
    if all(record["floor"] is None for record in records):
        return ""
    return (
        "Noise floor: the share of PIEs between two disjoint halves of the dense models, which pruning has to exceed. "
        "[open-verdict:Faint with ?]: not distinguished from the noise floor. **<**: below it."
    )


def datasets(inputs: Inputs) -> list[dict[str, Any]]:
    """Tables 2 and 7."""
    # Reads data tables with Arrow, which the workflow does not need for the list of files.
    from prunescope.papers.pie.datasets import datasets

    return datasets(inputs)


def samples(inputs: Inputs) -> Sequence[dict[str, Any]]:
    """Table 1."""
    return inputs.samples


PIE = Paper.read("pie", has=lambda inputs: bool(inputs.results.cells), functions=globals())
