"""Names and tests of the recall paper ("Recall Distortion in Neural Network Pruning and the Undecayed ...")."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Literal, NamedTuple

from prunescope.papers.printed import Names, read_rows, read_yaml

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
class PrintedTest:
    """One p-value of Tables 1 to 9.

    varied: what a and b differ in: ratio, arch, dataset or pruner.
    alternative: of mean alpha of a - mean alpha of b against 0.
    p: corrected for ``family_size`` tests (Bonferroni), or the bound that it is below; ``text``: as printed.
    """

    table: str
    varied: str
    a: Cell
    b: Cell
    alternative: Literal["less", "greater", "two-sided"]
    family_size: int
    text: str

    @property
    def p(self) -> float:
        return float(self.text.removeprefix("<"))

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
    return tuple(
        PrintedTest(
            table=row["table"],
            varied=row["varied"],
            a=_side(row, row["a"]),
            b=_side(row, row["b"]),
            alternative=row["alternative"],  # type: ignore[arg-type]
            family_size=int(row["family_size"]),
            text=row["p_corrected"],
        )
        for row in read_rows(PAPER, "tests.csv")
    )


def _side(row: dict[str, str], value: str) -> Cell:
    """The cell of which a row of ``tests.csv`` says all but what varies, which is ``value``."""
    own = row | {row["varied"]: value}
    arch = own["arch"] or _DEFAULTS[own["dataset"]]
    return Cell(own["dataset"], arch, own["pruner"], float(own["ratio"]))


def arch_name(name: str, family: str | None, depth: int | None) -> str | None:
    """The paper's name of a study's model: by family and depth; by its name where they are not known."""
    if family is None:
        return NAMES.arch(name)
    return NAMES.arch(family if family == "lenet5" else f"{family}-{depth}")


def same_ratio(ratio: float, other: float) -> bool:
    """Whether two ratios are one, ``other`` being the one that was meant."""
    return abs(ratio / other - 1) <= SAME_RATIO
