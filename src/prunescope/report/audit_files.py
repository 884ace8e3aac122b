"""Reads the files of an audit folder; empty cells are None."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar

from prunescope.analysis import audit_tables
from prunescope.analysis.leading import leading_name, led
from prunescope.analysis.pies.table import Pies, class_text, read_pies
from prunescope.analysis.tables import declared
from prunescope.analysis.tables.declared import read_table
from prunescope.errors import BadFileError, UserError
from prunescope.files import read_json

Row = Mapping[str, Any]
R = TypeVar("R", bound=declared.Row)

#: What each file of an audit folder holds, for the list at the end of a page.
FILES: dict[str, str] = {
    "summary.json": "the headline numbers",
    "pies.parquet": "every example: label, both majority votes, agreement, whether it is a PIE",
    "classes.csv": "examples, PIEs, harm and tests by true class",
    "certainty.csv": "what probabilities lose: divergence, likelihood, calibration, by class and overall",
    "scores.csv": "score and flips of each seed",
    "task_metrics.csv": "the data set's own metrics of each seed",
    "recall.csv": "recall and normalized recall balance of each class and seed",
    "alpha.csv": "accuracy and α of each seed",
    "el2n.csv": "PIEs by bin of EL2N score",
    "el2n_scores.parquet": "EL2N score of every example",
    "data_map.parquet": "every example: confidence, variability and correctness of the dense models over epochs",
    "data_map.csv": "PIEs by confidence and variability of the dense models over epochs",
    "readability.csv": "readability and length of PIEs and of all texts",
    "pie_share_by_seeds.csv": "share of PIEs and noise floor by number of models that vote",
    "matrix.csv": "every metric of the log",
    "groups.csv": "score, its change and harm by group",
    "slices.csv": "slices whose examples pay beyond the rest",
    "spearman.parquet": "every example: rank correlation of its classes' mean probabilities",
}


#: What happens to an example whose answer changes; by whether the dense and the pruned vote are right.
KINDS = ("wrong before and after", "became right", "became wrong", "right before and after")


@dataclass(frozen=True)
class Pie:
    """One pruning-identified exemplar, its classes by name; ``row``: its position among all examples;
    ``dense_right``, ``pruned_right``: whether the vote is the label."""

    row: int
    example: int | str
    label: str
    dense_vote: str
    pruned_vote: str
    dense_agreement: float | None
    pruned_agreement: float | None
    dense_right: bool
    pruned_right: bool

    @property
    def kind(self) -> str:
        """What compression does to the example."""
        return KINDS[2 * self.dense_right + self.pruned_right]


@dataclass(frozen=True)
class ClassRow:
    """One class: its share of the examples and of the PIEs; recalls are means over seeds; as in ``classes.csv``."""

    name: str
    n_examples: int
    share_of_examples: float | None
    n_pies: int
    share_of_pies: float | None
    recall_dense: float | None = None
    recall_pruned: float | None = None
    to_wrong: int | None = None
    to_right: int | None = None
    p_corrected: float | None = None
    pies_p_corrected: float | None = None

    @property
    def harm(self) -> int:
        """Answers that become wrong, less those that become right."""
        return (self.to_wrong or 0) - (self.to_right or 0)


@dataclass(frozen=True)
class AuditFiles:
    """An audit folder; files that its task does not have give empty lists.

    ``lenient``: a file that cannot be read counts as missing and is listed in ``problems``; else it is an error.
    """

    folder: Path
    max_pies: int = field(default=300)
    lenient: bool = False
    problems: list[str] = field(default_factory=list, compare=False)

    @cached_property
    def summary(self) -> Mapping[str, Any]:
        """``summary.json``, its score being the data set's leading metric (``leading.led``).

        Raises:
            UserError: it is missing or not a JSON object.
        """
        path = self.folder / "summary.json"
        value = read_json(path)
        if not isinstance(value, dict):
            raise BadFileError(path, "not a JSON object")
        return led(value)

    def _rows(self, kind: type[R]) -> list[R]:
        try:
            return read_table(self.folder, kind)
        except UserError as error:
            if not self.lenient:
                raise
            self.problems.append(str(error))
            return []

    @property
    def missing(self) -> list[str]:
        """Missing files that an audit of this task always writes."""
        wanted = ["scores.csv", "pies.parquet", "classes.csv"]
        if self.summary.get("alpha") is not None:
            wanted += ["recall.csv", "alpha.csv"]
        compared = bool(self.summary.get("n_seeds"))
        return [name for name in wanted if compared and not (self.folder / name).exists()]

    @property
    def files(self) -> list[tuple[str, str]]:
        """Names and meanings of the files that are there."""
        return [(name, meaning) for name, meaning in FILES.items() if (self.folder / name).exists()]

    @cached_property
    def recalls(self) -> dict[str, list[tuple[float, float]]]:
        """By class, the recalls of the dense and the pruned model of each seed, as in ``recall.csv``."""
        found: dict[str, list[tuple[float, float]]] = {}
        for one in self._rows(audit_tables.Recall):
            if one.recall_dense is not None and one.recall_pruned is not None:
                found.setdefault(one.class_, []).append((one.recall_dense, one.recall_pruned))
        return found

    @cached_property
    def classes(self) -> list[ClassRow]:
        """By true class, most frequent first, as in ``classes.csv`` and ``recall.csv``."""
        found = [
            ClassRow(
                row.class_,
                row.n_examples,
                row.share_of_examples,
                row.n_pies,
                row.share_of_pies,
                *_means(self.recalls.get(row.class_, [])),
                row.to_wrong,
                row.to_right,
                row.p_corrected,
                row.pies_p_corrected,
            )
            for row in self._rows(audit_tables.ClassCount)
        ]
        return sorted(found, key=lambda row: -row.n_examples)

    @cached_property
    def seeds(self) -> list[dict[str, Any]]:
        """One row per seed: ``seed``, ``score_dense``, ``score_pruned``, ``flips``, ``alpha``."""
        found: dict[int, dict[str, Any]] = {}
        for score in self._rows(audit_tables.Score):
            found[score.seed] = {**vars(score), "alpha": None}
        leading = leading_name(self.summary)
        for own in self._rows(audit_tables.OwnScore) if leading else []:
            if own.metric == leading and own.seed in found:
                found[own.seed] |= {"score_dense": own.dense, "score_pruned": own.pruned}
        for row in self._rows(audit_tables.SeedAlpha):
            entry = found.setdefault(
                row.seed,
                {
                    "seed": row.seed,
                    "score_dense": row.accuracy_dense,
                    "score_pruned": row.accuracy_pruned,
                    "flips": None,
                },
            )
            entry["alpha"] = row.alpha
        return [found[seed] for seed in sorted(found)]

    @cached_property
    def el2n(self) -> list[Row]:
        return [vars(row) for row in self._rows(audit_tables.El2nBin) if row.pie_share is not None]

    @cached_property
    def data_map(self) -> list[audit_tables.DataMapRow]:
        return self._rows(audit_tables.DataMapRow)

    @cached_property
    def readability(self) -> list[Row]:
        return [vars(row) for row in self._rows(audit_tables.Readability)]

    @cached_property
    def certainty(self) -> list[Row]:
        return [vars(row) for row in self._rows(audit_tables.Certainty)]

    @cached_property
    def by_seeds(self) -> list[Row]:
        return [vars(row) for row in self._rows(audit_tables.PieShareBySeeds)]

    @cached_property
    def metrics(self) -> list[audit_tables.MatrixRow]:
        return self._rows(audit_tables.MatrixRow)

    @cached_property
    def groups(self) -> list[audit_tables.GroupRow]:
        return self._rows(audit_tables.GroupRow)

    @cached_property
    def slices(self) -> list[audit_tables.SliceRow]:
        return self._rows(audit_tables.SliceRow)

    @cached_property
    def pies(self) -> list[Pie]:
        """The PIEs on which the models of each side agree most, at most ``max_pies``."""
        try:
            return most_agreed(self.folder / "pies.parquet", self.max_pies, self.summary.get("classes") or [])
        except UserError as error:
            if not self.lenient:
                raise
            self.problems.append(str(error))
            return []


#: Of ``pies.parquet``.
_COLUMNS = ("example", "label", "dense_vote", "pruned_vote", "is_pie", "dense_agreement", "pruned_agreement")


def most_agreed(path: Path, most: int, classes: Sequence[str]) -> list[Pie]:
    """The PIEs of ``pies.parquet`` on which the models of each side agree most; none without it.

    Args:
        classes: names of the classes, where the table does not name them.

    Raises:
        UserError: it is not a table of votes.
    """
    if not path.exists():
        return []
    import pyarrow as pa
    import pyarrow.compute as pc

    pies = read_pies(path, _COLUMNS)
    table, names = pies.table, pies.classes or tuple(classes)
    sides = (pc.cast(table[f"{side}_agreement"], pa.float64()) for side in ("dense", "pruned"))
    table = table.append_column("together", pc.add(*sides))
    order = pc.sort_indices(table, sort_keys=[("together", "descending"), ("example", "ascending")])
    if len(order) > most:
        order = _spread(table, order, most, pies)
    return [
        Pie(
            row["row"],
            row["example"],
            class_text(row["label"], names),
            class_text(row["dense_vote"], names),
            class_text(row["pruned_vote"], names),
            row["dense_agreement"],
            row["pruned_agreement"],
            pies.judged(row, "dense"),
            pies.judged(row, "pruned"),
        )
        for row in table.take(order).to_pylist()
    ]


def _spread(table: Any, order: Any, most: int, pies: Pies) -> list[int]:
    """The first so many rows; of the last ones that agree alike, as many of each kind as there are, from all examples.

    One model a side always agrees with itself: then all rows are alike.
    """
    rows, together = order.to_pylist(), table["together"].take(order).to_pylist()
    least = together[most - 1]
    first = [row for row, value in zip(rows, together, strict=True) if value > least]
    alike = [row for row, value in zip(rows, together, strict=True) if value == least]
    alike = alike[:: max(1, len(alike) // (20 * most))]
    turn: dict[int, int] = {}
    places = []
    for row, one in zip(alike, table.take(alike).to_pylist(), strict=True):
        kind = 2 * pies.judged(one, "dense") + pies.judged(one, "pruned")
        turn[kind] = turn.get(kind, 0) + 1
        places.append((turn[kind], -kind, row))
    chosen = {row for _, _, row in sorted(places)[: most - len(first)]}
    return first + [row for row in alike if row in chosen]


def _means(pairs: list[tuple[float, float]]) -> tuple[float | None, float | None]:
    if not pairs:
        return None, None
    return sum(a for a, _ in pairs) / len(pairs), sum(b for _, b in pairs) / len(pairs)
