"""Slopes alpha and the tests between them, as a study's tables have them, for those who judge by them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Literal

from prunescope.analysis.alpha.tests import LEVEL
from prunescope.analysis.tables import registry
from prunescope.analysis.tables.declared import Key

#: Kinds of amounts: what differs between the sides of a test along a curve.
COMPRESSIONS = frozenset({"ratio", "sparsity", "level"})

#: How families begin of tests of MP against UP over all sizes (Table 9), not at one network (Table 8).
_OVER_SIZES = "MP and UP over sizes:"


@dataclass(frozen=True)
class Alpha:
    """Mean over models. ``low``, ``high``: of its interval, None with one model."""

    mean: float
    low: float | None
    high: float | None

    @property
    def clearly_below(self) -> bool:
        """The whole interval is below 1."""
        return self.high is not None and self.high < 1

    @property
    def clearly_above(self) -> bool:
        return self.low is not None and self.low > 1


@dataclass(frozen=True)
class AlphaTest:
    """A row of ``alpha_tests.csv``.

    alternative: of mean alpha of a - mean alpha of b (``difference``) against 0. p_value: not corrected;
    None where the test has no outcome. places: of a and b, as in the results folder.
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
    places: tuple[str, str] = ("", "")
    note: str = ""

    @property
    def p_corrected(self) -> float | None:
        """Bonferroni's, the recall paper's correction, whatever the study's tables are corrected by."""
        return None if self.p_value is None else min(1.0, self.p_value * self.family_size)

    @property
    def significant(self) -> bool:
        return self.p_corrected is not None and self.p_corrected < LEVEL

    @property
    def sign(self) -> int | None:
        """Of mean alpha of a - mean alpha of b."""
        if self.difference is None:
            return None
        return (self.difference > 0) - (self.difference < 0)

    @property
    def over_sizes(self) -> bool:
        return self.family.startswith(_OVER_SIZES)

    @property
    def of_table_7(self) -> bool:
        """Whether two data sets were compared as ones of different complexity, each with its default network.

        Families of other data sets that share a network tell the network: ``dataset: lenet5, MP, ratio 2``.
        """
        return self.varied == "dataset" and self.family.count(", ") == 1

    def turned(self) -> AlphaTest:
        """The same test with b in the place of a: what is one-sided asks for the other side.

        The p-values of the two one-sided t-tests of one difference add to 1.
        """
        p_value = self.p_value
        if p_value is not None and self.alternative != "two-sided":
            p_value = 1 - p_value
        return replace(
            self,
            a=self.b,
            b=self.a,
            p_value=p_value,
            difference=None if self.difference is None else -self.difference,
            n_a=self.n_b,
            n_b=self.n_a,
            places=(self.places[1], self.places[0]),
        )


def read_tests(rows: Iterable[registry.AlphaTest], cells: Mapping[str, Key]) -> list[AlphaTest]:
    """The tests of ``alpha_tests.csv`` whose sides are both among ``cells``, which are by place."""
    found = []
    for row in rows:
        a, b = cells.get(row.cell_a), cells.get(row.cell_b)
        if a is not None and b is not None:
            found.append(
                AlphaTest(
                    family=row.family,
                    varied=row.varied,
                    a=a,
                    b=b,
                    alternative=row.alternative,  # type: ignore[arg-type]
                    p_value=row.p_value,
                    family_size=row.family_size,
                    difference=row.mean_difference,
                    n_a=row.n_a,
                    n_b=row.n_b,
                    places=(row.cell_a, row.cell_b),
                    note=row.note,
                )
            )
    return found
