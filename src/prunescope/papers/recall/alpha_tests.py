"""A study's tests between mean alphas, which the recall paper's tables and claims are held against."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

from prunescope.analysis.tables import registry
from prunescope.analysis.tables.declared import Key
from prunescope.papers.recall.printed import LEVEL

#: Fields that are columns of the same names.
_SHARED = ("family", "varied", "alternative", "p_value", "family_size", "n_a", "n_b", "note")


@dataclass(frozen=True)
class AlphaTest:
    """A row of ``alpha_tests.csv``.

    alternative: of mean alpha of a - mean alpha of b (``difference``) against 0.
    p_value: not corrected; None where the test has no outcome.
    cells: a and b as the file names them, by their place in the results folder.
    """

    family: str
    varied: str
    a: Key
    b: Key
    alternative: Literal["less", "greater", "two-sided"]
    p_value: float | None
    family_size: int
    difference: float | None
    n_a: int
    n_b: int
    cells: tuple[str, str] = ("", "")
    note: str = ""

    @property
    def p_corrected(self) -> float | None:
        """By Bonferroni, as the recall paper corrects, however the study's tables are corrected."""
        return None if self.p_value is None else min(1.0, self.p_value * self.family_size)

    @property
    def significant(self) -> bool:
        return self.p_corrected is not None and self.p_corrected < LEVEL

    @property
    def sign(self) -> int | None:
        """Of mean alpha of a - mean alpha of b."""
        return None if self.difference is None else (self.difference > 0) - (self.difference < 0)

    @property
    def over_sizes(self) -> bool:
        """Of the family of MP against UP over all sizes (Table 9), not at one model (Table 8)."""
        return self.family.startswith("MP and UP over sizes:")

    @property
    def of_table_7(self) -> bool:
        """Whether two data sets were compared as ones of different complexity, each with its default model.

        Families of other data sets that share a model name the model: ``dataset: lenet5, MP, ratio 2``.
        """
        return self.varied == "dataset" and self.family.count(", ") == 1

    def turned(self) -> AlphaTest:
        """The same test with a and b exchanged; a one-sided one then asks for the other side.

        The p-values of the two one-sided t-tests of one difference add to 1.
        """
        p_value = self.p_value
        if p_value is not None and self.alternative != "two-sided":
            p_value = 1 - p_value
        difference = None if self.difference is None else -self.difference
        sides: dict[str, Any] = {"a": self.b, "b": self.a, "n_a": self.n_b, "n_b": self.n_a}
        return replace(
            self, p_value=p_value, difference=difference, cells=(self.cells[1], self.cells[0]), **sides
        )


def read_tests(rows: Iterable[registry.AlphaTest], cells: Mapping[str, Key]) -> list[AlphaTest]:
    """Rows of ``alpha_tests.csv`` whose two sides are among ``cells``, which are by place in the results folder."""
    return [
        AlphaTest(
            a=cells[row.cell_a],
            b=cells[row.cell_b],
            difference=row.mean_difference,
            cells=(row.cell_a, row.cell_b),
            **{name: getattr(row, name) for name in _SHARED},
        )
        for row in rows
        if row.cell_a in cells and row.cell_b in cells
    ]
