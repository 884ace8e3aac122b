"""A study's tests between mean alphas, which the recall paper's tables and claims are held against."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Literal, NamedTuple

from prunescope.analysis.tables import registry
from prunescope.analysis.tables.declared import Key, read_table
from prunescope.papers.recall.printed import LEVEL

#: The architectures of a family of data sets that do not share one.
DEFAULTS = "default architectures"


class Family(NamedTuple):
    """What tests that are corrected together are called: what they are over, and the names of what they share."""

    over: str
    names: list[str]

    @classmethod
    def of(cls, text: str) -> Family:
        """Of ``dataset: lenet5, MP, ratio 2``."""
        over, _, names = text.partition(": ")
        return cls(over, names.split(", "))

    @property
    def over_sizes(self) -> bool:
        """Of MP against UP over all sizes (Table 9), not at one model (Table 8)."""
        return self.over.endswith(" over sizes")

    @property
    def archs(self) -> str:
        """Of sizes: their family. Of data sets: the architecture that they share, where they do not have their own."""
        if self.over == "dataset":
            return self.names[0] if len(self.names) > 2 else DEFAULTS
        return self.names[1] if self.over == "arch" or self.over_sizes else ""


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
        return Family.of(self.family).over_sizes

    def turned(self) -> AlphaTest:
        """The same test with a and b exchanged; a one-sided one then asks for the other side.

        The p-values of the two one-sided t-tests of one difference add to 1.
        """
        p_value = self.p_value
        return replace(
            self, a=self.b, b=self.a, n_a=self.n_b, n_b=self.n_a, cells=(self.cells[1], self.cells[0]),
            p_value=p_value if p_value is None or self.alternative == "two-sided" else 1 - p_value,
            difference=None if self.difference is None else -self.difference,
        )  # fmt: skip


def read_tests(tables: Path, cells: Mapping[str, Key]) -> list[AlphaTest]:
    """Rows of ``alpha_tests.csv`` whose two sides are among ``cells``, which are by place in the results folder."""
    own = {"a", "b", "difference", "cells"}
    names = [field.name for field in fields(AlphaTest) if field.name not in own]
    return [
        AlphaTest(
            a=cells[row.cell_a],
            b=cells[row.cell_b],
            difference=row.mean_difference,
            cells=(row.cell_a, row.cell_b),
            **{name: getattr(row, name) for name in names},
        )
        for row in read_table(tables, registry.AlphaTest)
        if row.cell_a in cells and row.cell_b in cells
    ]
