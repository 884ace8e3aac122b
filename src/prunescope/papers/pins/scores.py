"""The PINS paper's score tables: a row per method and amount, a column per data set and metric."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from prunescope.analysis.csv_text import number, read_csv
from prunescope.config.pruners import NO_PRUNER
from prunescope.config.study import Study
from prunescope.papers.pins import printed as pins
from prunescope.papers.printed import numbers as printed_numbers

#: The paper's order of methods; further ones follow by name.
_ORDER = (NO_PRUNER, "GMP", "L0", "SMvP", "PST", "PLATON", pins.PLAIN, pins.DISTILLED, pins.PINS)

#: Tables by kind of data set, and the paper's number by its network.
_KINDS: tuple[tuple[str, tuple[str, ...], dict[str, str]], ...] = (
    (
        "GLUE",
        pins.GLUE,
        {"BERT-base": "1, 5 and 6", "MiniLM-12L-384H": "8", "Electra-base": "9"},
    ),
    ("questions", ("SQuAD",), {"BERT-base": "2"}),
    ("entities", ("CoNLL-2003",), {"BERT-base": "3"}),
    ("texts from data", ("E2E", "DART", "WebNLG"), {"GPT-2": "4"}),
)

COLUMNS = (
    "table",
    "dataset",
    "arch",
    "pruner",
    "sparsity",
    "metric",
    "mean",
    "std",
    "n_seeds",
    "published",
    "difference",
)


class Column(NamedTuple):
    """``dataset``: the study's name."""

    dataset: str
    metric: str


class Row(NamedTuple):
    pruner: str
    sparsity: float


@dataclass(frozen=True)
class Score:
    """Over the models of a cell; ``published`` where the paper prints it of that very network."""

    mean: float | None
    std: float | None
    n_seeds: int
    published: float | None = None


@dataclass(frozen=True)
class Table:
    """``number``: the paper's, empty for a network that is not its own."""

    number: str
    title: str
    arch: str
    columns: Sequence[Column]
    rows: Sequence[Row]
    cells: dict[tuple[Row, Column], Score]

    def best(self, row: Row, column: Column) -> bool:
        """Whether no other pruned row of this sparsity has a higher mean in the column."""
        own = self.cells.get((row, column))
        if row.pruner == NO_PRUNER or own is None or own.mean is None:
            return False
        rivals = (
            score.mean
            for (other, where), score in self.cells.items()
            if where == column and other != row and other.sparsity == row.sparsity
        )
        known = [mean for mean in rivals if mean is not None]
        return bool(known) and own.mean >= max(known)


def tables(study: Study, folder: Path) -> list[Table]:
    """Tables of the paper's data sets that the study has, from ``task_metrics.csv`` in ``folder``."""
    path = folder / "task_metrics.csv"
    rows = read_csv(path) if path.exists() else []
    printed: dict[tuple[str | None, str | None, str, float, str], float] = {
        (n.dataset, n.arch, n.pruner, round(n.sparsity or 0.0, 6), _metric(n.quantity, n.metric)): n.value
        for n in printed_numbers(pins.PAPER)
    }
    names = {name: pins.dataset_name(name, spec.source) for name, spec in study.datasets.items()}
    found: list[Table] = []
    for title, datasets, numbers in _KINDS:
        own = [row for row in rows if names.get(row["dataset"]) in datasets]
        for arch in dict.fromkeys(row["arch"] for row in own):
            cells: dict[tuple[Row, Column], Score] = {}
            for row in own:
                if row["arch"] == arch:
                    sparsity = round(number(row["sparsity"]) or 0.0, 6)
                    where = (
                        names[row["dataset"]],
                        pins.arch_name(arch),
                        row["pruner"],
                        sparsity,
                        row["metric"],
                    )
                    cells[Row(row["pruner"], sparsity), Column(row["dataset"], row["metric"])] = Score(
                        number(row["mean"]), number(row["std"]), int(row["n_seeds"]), printed.get(where)
                    )
            found.append(
                Table(
                    numbers.get(pins.arch_name(arch) or "", ""),
                    title,
                    arch,
                    _columns(cells, [name for name in study.datasets if names[name] in datasets]),
                    sorted({row for row, _ in cells}, key=lambda row: (row.sparsity, _place(row.pruner))),
                    cells,
                )
            )
    return found


def csv_rows(found: Iterable[Table]) -> tuple[tuple[str, ...], list[list[object]]]:
    """All tables in one, a row per score."""
    rows: list[list[object]] = []
    for table in found:
        for (row, column), score in table.cells.items():
            apart = (
                None
                if score.published is None or score.mean is None
                else round(score.mean - score.published, 6)
            )
            rows.append(
                [
                    table.number,
                    column.dataset,
                    table.arch,
                    row.pruner,
                    row.sparsity,
                    column.metric,
                    score.mean,
                    score.std,
                    score.n_seeds,
                    score.published,
                    apart,
                ]
            )
    return COLUMNS, rows


def _columns(cells: Iterable[tuple[Row, Column]], datasets: Sequence[str]) -> list[Column]:
    """In the study's order of data sets; of each, metrics in the order of the table."""
    return sorted(
        dict.fromkeys(column for _, column in cells), key=lambda column: datasets.index(column.dataset)
    )


def _place(pruner: str) -> tuple[int, str]:
    return (_ORDER.index(pruner) if pruner in _ORDER else len(_ORDER) - 1, pruner)


def _metric(quantity: str, leading: str) -> str:
    return leading if quantity == "score_mean" else quantity
