"""The records of the recall paper's tables, and how their cells are shown (``layouts.yaml``)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from prunescope.analysis.stats import mean, std
from prunescope.papers.layout import Paper
from prunescope.papers.recall import pvalues
from prunescope.papers.recall.printed import DEFAULTS, FIXED, SIZES, TESTED, named
from prunescope.papers.recall.pvalues import bare
from prunescope.papers.results import Inputs, PrunedCell, Record, Setup
from prunescope.papers.wording import decimal, yes

#: The pruners that have a table of their own.
NUMBERS = {"LTH": "12", "CHIP": "13"}

#: Fields of a level, by quantity; and the same of what it is beside its control.
_ALPHA = {
    "alpha_ratio": "ratio", "alpha_accuracy": "accuracy", "alpha": "alpha", "alpha_low": "ci_low",
    "alpha_high": "ci_high", "alpha_verdict": "verdict",
}  # fmt: skip
_CONTROL = ("change_from_control", "change_from_control_low", "change_from_control_high", "alpha_control")


def accuracies(inputs: Inputs) -> list[dict[str, Any]]:
    """Table 10: of the dense models that a pruner's cells are compared with; those of pruners that have an alpha."""
    by_pruner: dict[tuple[Setup, str], dict[int, float]] = {}
    for cell in inputs.once(pvalues.alpha_cells):
        key = (Setup(cell.dataset, cell.arch), cell.pruner)
        by_pruner.setdefault(key, {}).update(cell.accuracy_dense)
    records = []
    for setup in inputs.results.setups:
        for pruner in inputs.results.pruners(setup):
            found = by_pruner.get((setup, pruner), {})
            values = [found[seed] for seed in sorted(found)]
            if values:
                numbers = {"accuracy": mean(values), "std": std(values), "n_seeds": len(values)}
                records.append({"model": setup.arch, "dataset": setup.dataset, "pruner": pruner, **numbers})
    return records


def variances(inputs: Inputs) -> list[dict[str, Any]]:
    """Table 11: of setups whose dense models have recalls; levels of one kind stand together."""
    records = inputs.results.records(dense_before="mean_recall_variance", after="mean_recall_variance")
    asked = [r for r in records if r["dense_before"] is not None and r["cell"] in inputs.results.cells]
    for record in asked:
        before, after = record["dense_before"], record["after"]
        record |= {"kind": record["compression"].kind, "before": before}
        record["grew"] = yes(after is not None and after > before)
    return sorted(asked, key=lambda record: record["kind"])


def steps(inputs: Inputs) -> list[dict[str, Any]]:
    """Tables 12 and 13 first, then every other setup and pruner that has an alpha; dense models head each."""
    results, found = inputs.results, []
    for setup in results.setups:
        for pruner in results.pruners(setup):
            every = results.crossed(setup)
            own = [cell for cell in every if cell.pruner == pruner]
            cells = [cell for cell in own if results.value("alpha_verdict", cell) is not None]
            if cells:
                cells.sort(key=lambda cell: (results.value("alpha_ratio", cell) or 0.0, cell.compression))
                number = NUMBERS.get(pruner, "") if named(*setup) == FIXED else ""
                kind = cells[-1].compression.kind
                shared = {"table": number, **setup._asdict(), "pruner": pruner, "setup": setup, "kind": kind}
                shared["others"] = pruner not in NUMBERS
                dense = dict.fromkeys(
                    ("amount", "interval", "beside_control", "alpha_control", *_ALPHA.values())
                ) | {"level": "dense", "ratio": 1.0, "shown": "–"}
                dense["accuracy"] = results.of_dense("score_mean", setup)
                found.append([shared | step for step in (dense, *(_step(inputs, cell) for cell in cells))])
    found.sort(key=lambda own: (own[0]["table"] or "99", own[0]["pruner"] not in NUMBERS))
    return [record for own in found for record in own]


def _step(inputs: Inputs, cell: PrunedCell) -> dict[str, Any]:
    values = {name: inputs.results.value(quantity, cell) for quantity, name in _ALPHA.items()}
    low, high = values["ci_low"], values["ci_high"]
    interval = "" if low is None else f"{decimal(low, 2)} to {decimal(high, 2)}"
    shown: dict[str, Any] = {
        "level": bare(cell.compression),
        "shown": decimal(values["alpha"]),
        "interval": interval,
    }
    change, *ends, alpha = (inputs.results.value(quantity, cell) for quantity in _CONTROL)
    within = "" if None in ends else " ({} to {})".format(*map(decimal, ends))
    shown |= {"beside_control": decimal(change) + within, "alpha_control": alpha}
    return {"amount": cell.compression.text, **shown, **values}


def _steps_note(inputs: Inputs, records: Sequence[Record]) -> str:
    there = {record["pruner"] for record in records}
    missing = [f"Table {NUMBERS[name]}: the study has no {name}." for name in NUMBERS if name not in there]
    interval = f"{100 * inputs.study.analysis.confidence:g}%"
    if any(record["beside_control"] for record in records):
        missing.append("Control: models that train exactly so and are not pruned; differences are by seed.")
    return " ".join([f"Means over models; α with its {interval} t interval and verdict.", *missing])


#: What the figures of these numbers set side by side.
_SHOWN = {
    **dict.fromkeys(("2", "4", "6", "8", "10", "12"), SIZES),
    **dict.fromkeys(("3", "7", "11"), frozenset(f"{d} · {a}" for d, a in DEFAULTS.items())),
    **dict.fromkeys(("1", "5", "9"), TESTED),
}

RECALL = Paper.read(
    "recall",
    has=lambda inputs: bool(inputs.once(pvalues.alpha_cells)),
    functions=vars(pvalues) | globals(),
    shown=_SHOWN,
)
