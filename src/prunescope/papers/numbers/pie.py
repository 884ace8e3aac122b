"""The PIE paper's tables ("As easy as PIE: understanding when pruning causes language models to disagree")."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache

from prunescope.papers.numbers.printed import PrintedNumber, read_rows

PAPER = "PIE"

#: The eight pruners of the paper's Table 3.
PRUNERS = ("IIBP-WR", "IIBP-FT", "IBP-AI", "IMP-WR", "IMP-FT", "MP-AI", "IRP-FT", "RP-AI")

#: File, number of the table, and quantity by column.
_TABLES: tuple[tuple[str, str, dict[str, str]], ...] = (
    ("pie_share.csv", "4", {"pie_share": "pie_share"}),
    ("pie_effectiveness.csv", "9", {"mean": "score_mean", "std": "score_std"}),
    (
        "pie_effectiveness_on_pies.csv",
        "10",
        {"dense": "dense_score_on_pies", "pruned": "pruned_score_on_pies"},
    ),
)


@dataclass(frozen=True)
class DatasetFacts:
    """Tables 2 and 7. Token counts are per text, after the paper's preprocessing."""

    dataset: str
    n_train: int
    n_validation: int
    n_test: int
    mean_tokens: int
    median_tokens: int
    min_tokens: int
    max_tokens: int
    std_tokens: int
    p85_tokens: int
    truncation_tokens: int
    n_classes: int
    purpose: str
    task: str


@dataclass(frozen=True)
class SearchFacts:
    """Table 8: the hyper-parameters of one network, the ranges searched and the values chosen."""

    dataset: str
    arch: str
    batch_size: int
    epochs: tuple[int, int]
    best_epoch: int
    lr: tuple[float, float]
    best_lr: float


@dataclass(frozen=True)
class ParameterFact:
    """One number of Tables 5 and 6.

    ``quantity``: ``n_parameters``, ``n_remaining`` or ``share_removed`` (of all parameters).
    ``dataset``: ``all`` where one cell is printed for all data sets.
    """

    table: str
    arch: str
    dataset: str
    sparsity: float
    quantity: str
    value: float
    doubtful: bool


@cache
def printed() -> tuple[PrintedNumber, ...]:
    """Every legible number of Tables 4, 9 and 10, in their order."""
    return tuple(_printed())


def _printed() -> Iterator[PrintedNumber]:
    doubtful, metrics = _doubtful(), _metrics()
    for file, table, quantities in _TABLES:
        for row in read_rows(file):
            dataset, arch, pruner, sparsity = (row[n] for n in ("dataset", "arch", "pruner", "sparsity"))
            for column, quantity in quantities.items():
                if row[column]:
                    yield PrintedNumber(
                        paper=PAPER,
                        table=table,
                        dataset=dataset,
                        arch=arch,
                        pruner=pruner,
                        sparsity=float(sparsity),
                        quantity=quantity,
                        value=float(row[column]),
                        metric=metrics[dataset],
                        doubtful=(table, dataset, arch, pruner, sparsity, column) in doubtful,
                    )


@cache
def datasets() -> dict[str, DatasetFacts]:
    """By the paper's name of the data set."""
    return {
        row["dataset"]: DatasetFacts(
            dataset=row["dataset"],
            n_train=int(row["n_train"]),
            n_validation=int(row["n_val"]),
            n_test=int(row["n_test"]),
            mean_tokens=int(row["mean_tokens"]),
            median_tokens=int(row["median_tokens"]),
            min_tokens=int(row["min_tokens"]),
            max_tokens=int(row["max_tokens"]),
            std_tokens=int(row["std_tokens"]),
            p85_tokens=int(row["p85_tokens"]),
            truncation_tokens=int(row["truncation_tokens"]),
            n_classes=int(row["n_classes"]),
            purpose=row["task"],
            task=row["classification"],
        )
        for row in read_rows("pie_datasets.csv")
    }


@cache
def searches() -> tuple[SearchFacts, ...]:
    """Table 8, in its order."""
    return tuple(
        SearchFacts(
            dataset=row["dataset"],
            arch=row["arch"],
            batch_size=int(row["batch_size"]),
            epochs=(int(row["min_epochs"]), int(row["max_epochs"])),
            best_epoch=int(row["best_epoch"]),
            lr=(float(row["min_lr"]), float(row["max_lr"])),
            best_lr=float(row["best_lr"]),
        )
        for row in read_rows("pie_hyperparameters.csv")
    )


@cache
def parameters() -> tuple[ParameterFact, ...]:
    """Tables 5 and 6, in their order; cells that cannot be read are absent."""
    doubtful = _doubtful()
    return tuple(
        ParameterFact(
            table=row["table"],
            arch=row["arch"],
            dataset=row["dataset"],
            sparsity=float(row["sparsity"]),
            quantity=row["quantity"],
            value=float(row["value"]),
            doubtful=(row["table"], row["dataset"], row["arch"], "", row["sparsity"], row["quantity"])
            in doubtful,
        )
        for row in read_rows("pie_parameters.csv")
    )


def _doubtful() -> frozenset[tuple[str, ...]]:
    names = ("table", "dataset", "arch", "pruner", "sparsity", "field")
    rows = read_rows("pie_doubtful.csv")
    return frozenset(tuple(row[name] for name in names) for row in rows if row["status"] == "kept")


def _metrics() -> dict[str, str]:
    return {row["dataset"]: row["metric"] for row in read_rows("pie_effectiveness.csv")}
