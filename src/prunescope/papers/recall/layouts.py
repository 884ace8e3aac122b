"""The tables and figures of the recall paper, as it lays them out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from prunescope.analysis.stats import mean, std
from prunescope.papers.layout import Cell, Column, Csv, Figure, Paper, Table, View
from prunescope.papers.recall import pvalues
from prunescope.papers.recall.grid import DEFAULTS, FIXED, PRUNERS, SIZES, named
from prunescope.papers.recall.pvalues import Layout, bare
from prunescope.papers.results import Inputs, PrunedCell, Record, Setup
from prunescope.papers.wording import captioned, decimal, spread, yes

#: The pruners that have a table of their own.
NUMBERS = {"LTH": "12", "CHIP": "13"}

_ALPHA = ("ratio", "accuracy", "alpha", "ci_low", "ci_high", "verdict")


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
    column = ("recall_variance", "mean_recall_variance")
    records = inputs.results.records(dense_before=column, after=column)
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
            cells = [cell for cell in every if cell.pruner == pruner and results.row("alpha", cell)]
            if cells:
                cells.sort(key=lambda cell: (results.value("alpha", cell, "ratio") or 0.0, cell.compression))
                number = NUMBERS.get(pruner, "") if named(*setup) == FIXED else ""
                kind = cells[-1].compression.kind
                shared = {"table": number, **setup._asdict(), "pruner": pruner, "setup": setup, "kind": kind}
                dense = dict.fromkeys(("amount", *_ALPHA)) | {"level": "dense", "ratio": 1.0}
                dense["accuracy"] = results.of_dense(setup, "mean")
                found.append([shared | step for step in (dense, *(_step(inputs, cell) for cell in cells))])
    found.sort(key=lambda own: (own[0]["table"] or "99", own[0]["pruner"] not in NUMBERS))
    return [record for own in found for record in own]


def _step(inputs: Inputs, cell: PrunedCell) -> dict[str, Any]:
    values = {name: inputs.results.value("alpha", cell, name) for name in _ALPHA}
    return {"amount": cell.compression.text, "level": bare(cell.compression), **values}


def _interval(record: Record) -> str:
    low, high = record["ci_low"], record["ci_high"]
    return "" if low is None else f"{decimal(low, 2)} to {decimal(high, 2)}"


def _steps_note(inputs: Inputs, records: Sequence[Record]) -> str:
    there = {record["pruner"] for record in records}
    missing = [f"Table {NUMBERS[name]}: the study has no {name}." for name in NUMBERS if name not in there]
    interval = f"{100 * inputs.study.analysis.confidence:g}%"
    return " ".join([f"Means over models; α with its {interval} t interval and verdict.", *missing])


_BY_SIZE = dict.fromkeys(("2", "4", "6", "8", "10", "12"), SIZES)
_BY_DATASET = dict.fromkeys(("3", "7", "11"), tuple(f"{d} · {a}" for d, a in DEFAULTS.items()))
_SHOWN = {**_BY_SIZE, **_BY_DATASET, **dict.fromkeys(("1", "5", "9"), PRUNERS)}


def _across(mp: str, datasets: str, up: str) -> dict[str, str]:
    return {"sizes--cifar10--resnet--MP": mp, "datasets--MP": datasets, "sizes--cifar10--resnet--UP": up}


_PAIRED = "tests between models of the same seed: α"
_LEVELS = f"Paired one-sided {_PAIRED} is smaller at the lower compression level."
_TWO_SIDED = f"Paired two-sided {_PAIRED} differs."

# fmt: off
RECALL = Paper(
    "recall", "recall", "Good et al.",
    about="Whether pruning sets well and badly recalled classes further apart, by compression level, architecture, "
          "data set and pruner.",
    lead="Every data set with one label per example is here. α is the slope of the classes' recall balance after "
         "pruning over that before: above 1, pruning sets classes further apart. Blank cells have not been run or "
         "have no value.",
    has=lambda inputs: bool(inputs.once(pvalues.alpha_cells)),
    contents=(
        Figure(
            "1", "α by pruner", "alpha", {"cifar10--resnet56": "1"}, shown=_SHOWN,
            paper="Boxplots of α across models, at each ratio within each pruner (ResNet-56 on CIFAR-10). <, > or ? "
                  "denote where 99% intervals were below 1, above 1, or overlapped 1.",
        ),
        Figure(
            "2 to 4", "α by size of the architecture, and by data set", "alpha_across", _across("2", "3", "4"),
            shown=_SHOWN,
            paper="Boxplots of α across models, at each ratio within each size of ResNet on CIFAR-10 (Figure 2: MP, "
                  "Figure 4: UP) and within each data set (Figure 3: MP).",
        ),
        Figure(
            "5", "Recall balance before and after pruning, by pruner", "balance", {"cifar10--resnet56": "5"},
            shown=_SHOWN,
            paper="Scatterplot matrix of normalized recall balances before (x) against after pruning (y), at several "
                  "ratios (rows) and pruners (columns). Each point is one class of one model.",
        ),
        Figure(
            "6 to 8", "Recall balance before and after pruning, by size of the architecture and by data set",
            "balance_across", _across("6", "7", "8"), shown=_SHOWN,
            paper="The same at several sizes of ResNet (Figure 6: MP, Figure 8: UP) and several data sets (Figure 7).",
        ),
        pvalues.table(
            "1 and 2", "neighbouring levels, within each architecture", "table-1-2-amounts-by-network.csv",
            "neighbouring compression levels, a column per architecture", _LEVELS,
            Layout("dataset, pruner", rows="levels", columns="arch", grid="sizes", numbers={"MP": "1", "UP": "2"}),
        ),
        pvalues.table(
            "3", "neighbouring levels, within each data set", "table-3-amounts-by-dataset.csv",
            "the same, a column per data set with its default architecture",
            f"{_LEVELS} Each data set stands with its default architecture.",
            Layout("pruner, networks", rows="levels", columns="dataset", grid="datasets", numbers={"MP": "3"}),
        ),
        pvalues.table(
            "4", "neighbouring levels, within each pruner", "table-4-amounts-by-pruner.csv",
            "the same, a column per pruner", _LEVELS,
            Layout("dataset, arch", rows="levels", columns="pruner", grid="fixed", numbers={"": "4"}),
        ),
        pvalues.table(
            "5 and 6", "sizes of an architecture", "table-5-6-sizes.csv",
            "neighbouring sizes of an architecture, a column per compression level",
            "Independent one-sided tests: α is larger in the smaller model.",
            Layout("dataset, networks, pruner", rows="arch", columns="level", grid="sizes",
                   numbers={"MP": "5", "UP": "6"}),
        ),
        pvalues.table(
            "7", "data sets", "table-7-datasets.csv",
            "data sets of neighbouring difficulty, a column per compression level",
            "Independent one-sided tests: α is smaller on the easier data set, which stands first.",
            Layout("pruner, networks", rows="dataset", columns="level", grid="datasets", numbers={"MP": "7"}),
        ),
        pvalues.table(
            "8", "pruners", "table-8-pruners.csv", "all pairs of pruners, a column per compression level", _TWO_SIDED,
            Layout("dataset, arch", rows="pruner", columns="level", grid="fixed", numbers={"": "8"}),
        ),
        pvalues.table(
            "9", "MP against UP over all sizes", "table-9-mp-and-up.csv",
            "MP against UP, a row per compression level, a column per architecture", _TWO_SIDED,
            Layout("dataset, networks, pruners", rows="level", columns="arch", grid="sizes", numbers={"": "9"}),
        ),
        Figure(
            "9 to 12", "Intervals of mean α", "alpha_intervals",
            {"cifar10--resnet56": "9", **_across("10", "11", "12")}, shown=_SHOWN,
            paper="99% confidence intervals of mean α behind each boxplot: by pruner (Figure 9), size (10: MP, 12: UP) "
                  "and data set (11).",
        ),
        Table(
            "10", "accuracy before pruning", "table-10-accuracy.csv",
            "accuracy before pruning, mean and standard deviation over seeds",
            accuracies,
            View([
                Column("model", lambda r: r["model"], "name"), Column("data set", lambda r: r["dataset"], "name"),
                Column("pruner", lambda r: r["pruner"], "name"),
                Column("accuracy", lambda r: spread(r["accuracy"], r["std"])),
                Column("models", lambda r: str(r["n_seeds"])),
            ]),
            Csv("model, dataset, pruner, accuracy, std, n_seeds"),
            note="Mean ± standard deviation over the dense models that a pruner's models are compared with.",
            empty="No model has an α yet.",
        ),
        Figure(
            "13", "Accuracy against intensification", "accuracy_alpha", {"cifar10": "13"},
            paper="Mean accuracy and mean intensification with their standard errors, on CIFAR-10 at ratios 2, 4, 6, 8 "
                  "and 10.",
        ),
        Table(
            "11", "variance of recall", "table-11-recall-variance.csv",
            "variance of recall over classes before and after pruning",
            variances,
            View(
                [
                    Column("model", lambda r: f"{r['dataset']} @ {r['arch']} → {r['pruner']}", "name"),
                    Column("before", lambda r: decimal(r["before"], 4)),
                ],
                row="setup, pruner",
                grid="kind",
                column="compression",
                cells=[Column("", lambda r: Cell(decimal(r["after"], 4), "strong" if r["grew"] else ""))],
            ),
            Csv("dataset, arch, pruner, before", {"": "after", "above before": "grew"},
                row="kind, dataset, arch, pruner"),
            note="Variance over classes of a model's recalls, mean over models. **Bold**: greater than before pruning.",
            empty="No model has recalls yet.",
        ),
        Table(
            "12 and 13", "accuracy and intensification of LTH and CHIP", "table-12-13-accuracy-alpha.csv",
            "accuracy and α by compression level, of LTH and CHIP and of every other pruner",
            steps,
            View(
                [
                    Column(lambda r: r["kind"], lambda r: r["level"], "name"),
                    Column("ratio reached", lambda r: decimal(r["ratio"], 2)),
                    Column("accuracy", lambda r: decimal(r["accuracy"])),
                    Column("α", lambda r: decimal(r["alpha"]) if r["amount"] else "–"),
                    Column("interval", _interval),
                    Column("", lambda r: Cell(r["verdict"] or "", "strong"), "name"),
                ],
                grid="table, setup, pruner",
                caption=lambda r: captioned(r["table"], f"{r['pruner']} on {r['setup'].text}"),
                folded=lambda r: r["pruner"] not in NUMBERS,
                narrow=True,
            ),
            Csv("table, dataset, arch, pruner, amount, ratio, accuracy, alpha, ci_low, ci_high, verdict"),
            note=_steps_note,
        ),
    ),
)
# fmt: on
