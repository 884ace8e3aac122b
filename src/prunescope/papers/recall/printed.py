"""Names and tests of the recall paper ("Recall Distortion in Neural Network Pruning and the Undecayed ...")."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache, cached_property
from typing import Literal, NamedTuple

from prunescope.analysis.tables.declared import Row
from prunescope.papers.printed import Names, read_as, read_yaml

PAPER = "recall"

#: Section 6.1, and the two methods of appendix H.
PRUNERS = ("MP", "GP", "UP", "RP", "LTH", "CHIP")

RATIOS = (2.0, 4.0, 10.0, 20.0, 50.0)

#: The paper's names of data sets and models.
NAMES = read_yaml(PAPER, "names.yaml", Names)
dataset_name = NAMES.dataset

#: Section 7.3: MNIST and Fashion-MNIST are comparable, each later number is harder.
COMPLEXITY = {"MNIST": 0, "Fashion": 0, "CIFAR-10": 1, "CIFAR-100": 2}

#: "the default model of each data set" (sections 6.1 and 6.2)
_DEFAULTS = {"MNIST": "LeNet", "Fashion": "LeNet", "CIFAR-10": "ResNet-56", "CIFAR-100": "ResNet-56"}

#: "the usual significance level" (section 6.2), of corrected p-values.
LEVEL = 0.05

#: Two ratios are one if they differ by less, as a part of the one that was meant.
SAME_RATIO = 0.01


class Cell(NamedTuple):
    """A cell of the paper's grid, in its own names."""

    dataset: str
    arch: str
    pruner: str
    ratio: float


@dataclass(frozen=True)
class PrintedTest(Row):
    """One p-value of Tables 1 to 9.

    varied: what a and b differ in: ratio, arch, dataset or pruner; the columns of these names say all but that.
    alternative: of mean alpha of a - mean alpha of b against 0.
    p_corrected: as printed, for ``family_size`` tests (Bonferroni).
    """

    table: str
    varied: str
    dataset: str | None
    arch: str | None
    pruner: str | None
    ratio: str | None
    a_: str
    b_: str
    alternative: str
    family_size: int
    p_corrected: str

    @cached_property
    def a(self) -> Cell:
        return self._side(self.a_)

    @cached_property
    def b(self) -> Cell:
        return self._side(self.b_)

    def _side(self, value: str) -> Cell:
        own = vars(self) | {self.varied: value}
        return Cell(
            own["dataset"], own["arch"] or _DEFAULTS[own["dataset"]], own["pruner"], float(own["ratio"])
        )

    @property
    def p(self) -> float:
        """Or the bound that it is below."""
        return float(self.p_corrected.removeprefix("<"))

    @property
    def significant(self) -> bool:
        return self.p < LEVEL

    @property
    def sign(self) -> Literal[-1, 1] | None:
        """Of mean alpha of a - mean alpha of b; None where the paper does not say.

        A one-sided test says it if its corrected p-value is below 1: then the p-value itself is below one half. Of
        two-sided tests section 7.4 says it of MP against UP ("always smaller for UP") and of all others against RP
        ("RP always has negative slopes").
        """
        if self.alternative == "two-sided":
            return 1 if (self.a.pruner, self.b.pruner) == ("MP", "UP") or self.b.pruner == "RP" else None
        if self.p >= 1:
            return None
        return -1 if self.alternative == "less" else 1


@cache
def tests() -> tuple[PrintedTest, ...]:
    """Tables 1 to 9, in their order."""
    return tuple(read_as(PAPER, "tests.csv", PrintedTest))


def arch_name(name: str, family: str | None, depth: int | None) -> str | None:
    """The paper's name of a study's model: by family and depth; by its name where they are not known."""
    if family is None:
        return NAMES.arch(name)
    return NAMES.arch(family if family == "lenet5" else f"{family}-{depth}")


def same_ratio(ratio: float, other: float) -> bool:
    """Whether two ratios are one, ``other`` being the one that was meant."""
    return abs(ratio / other - 1) <= SAME_RATIO


def named(dataset: str, arch: str) -> tuple[str | None, str | None]:
    """The paper's names, however these are spelt."""
    return dataset_name(dataset, None), arch_name(arch, None, None)


_SIDES = [(test.varied, cell) for test in tests() for cell in (test.a, test.b)]

#: What tests compare: pruners, sizes, and data sets with the architecture that each has where data sets vary.
TESTED = frozenset(cell.pruner for _, cell in _SIDES)
SIZES = frozenset(cell.arch for varied, cell in _SIDES if varied == "arch")
DEFAULTS = {cell.dataset: cell.arch for varied, cell in _SIDES if varied == "dataset"}

#: "When the dataset or model does not vary, we use CIFAR-10 and ResNet-56".
FIXED = ("CIFAR-10", "ResNet-56")
