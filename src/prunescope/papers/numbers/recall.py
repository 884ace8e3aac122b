"""The recall paper's tables ("Recall Distortion in Neural Network Pruning and the Undecayed Pruning Algorithm")."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cache
from typing import Literal

from prunescope.config.pruners import NO_PRUNER
from prunescope.papers.numbers.printed import PrintedNumber, read_rows

PAPER = "recall"

#: Section 6.1, and the two methods of appendix H.
CLASSIC = ("MP", "GP", "UP", "RP")
PRUNERS = (*CLASSIC, "LTH", "CHIP")

RATIOS = (2.0, 4.0, 10.0, 20.0, 50.0)

#: The paper's data sets by the sources of this project, and by complexity as the paper judges it (section
#: 7.3): MNIST and Fashion-MNIST are comparable, each later number is harder.
SOURCES = {"mnist": "MNIST", "fashion_mnist": "Fashion", "cifar10": "CIFAR-10", "cifar100": "CIFAR-100"}
COMPLEXITY = {"MNIST": 0, "Fashion": 0, "CIFAR-10": 1, "CIFAR-100": 2}

#: "the default model of each data set" (sections 6.1 and 6.2)
DEFAULTS = {"MNIST": "LeNet", "Fashion": "LeNet", "CIFAR-10": "ResNet-56", "CIFAR-100": "ResNet-56"}
DEPTHS = (20, 32, 44, 56, 110)

#: "the usual significance level" (section 6.2), of corrected p-values.
LEVEL = 0.05

#: A study's cell is at a printed ratio if its own is within this, as a part of it. Single weights can be
#: pruned to a ratio almost exactly; whole filters cannot.
SAME_RATIO = 0.01
SAME_RATIO_OF_FILTERS = 0.05

#: What each level of LTH leaves of the prunable weights (appendix H: 20 levels of 20%).
_LEFT_BY_LEVEL = 0.8

_SPELLINGS = {"fashionmnist": "Fashion", "lenet5": "LeNet"} | {
    "".join(filter(str.isalnum, name.casefold())): name
    for name in (*COMPLEXITY, "LeNet", *(f"ResNet-{depth}" for depth in DEPTHS))
}

Sign = Literal[-1, 1]


@dataclass(frozen=True)
class Place:
    """A cell of the paper's grid, in its own names."""

    dataset: str
    arch: str
    pruner: str
    ratio: float


@dataclass(frozen=True)
class PrintedTest:
    """One p-value of Tables 1 to 9.

    varied: what a and b differ in: ratio, arch, dataset or pruner. alternative: of mean alpha of a - mean
    alpha of b against 0. p: corrected for ``family_size`` tests (Bonferroni), or the bound that it is below
    (``text`` is how it is printed). sign: of mean alpha of a - mean alpha of b, None where the paper does
    not say. A one-sided test says it if its corrected p-value is below 1: then the p-value itself is below
    one half. Of two-sided tests section 7.4 says it of MP against UP ("always smaller for UP") and of all
    others against RP ("RP always has negative slopes").
    """

    table: str
    varied: str
    a: Place
    b: Place
    alternative: Literal["less", "greater", "two-sided"]
    family_size: int
    p: float
    text: str

    @property
    def significant(self) -> bool:
        return self.p < LEVEL

    @property
    def sign(self) -> Sign | None:
        if self.alternative == "two-sided":
            others = (self.a.pruner, self.b.pruner)
            return 1 if others == ("MP", "UP") or others[1] == "RP" else None
        if self.p >= 1:
            return None
        return -1 if self.alternative == "less" else 1


def dataset_name(name: str, source: str | None) -> str | None:
    """The paper's name of a study's data set: by its source, or by its name where the source is not known."""
    if source is not None:
        return SOURCES.get(source)
    known = _SPELLINGS.get(_plain(name))
    return known if known in COMPLEXITY else None


def arch_name(name: str, family: str | None, depth: int | None) -> str | None:
    """The paper's name of a study's network: by family and depth, or by its name where they are not known."""
    if family is None:
        known = _SPELLINGS.get(_plain(name))
        return None if known in COMPLEXITY else known
    if family == "lenet5":
        return "LeNet"
    return f"ResNet-{depth}" if family == "resnet" and depth in DEPTHS else None


def same_ratio(ratio: float, other: float) -> bool:
    """Whether two ratios are one, ``other`` being the one that was meant."""
    return abs(ratio / other - 1) <= SAME_RATIO


@cache
def printed() -> tuple[PrintedNumber, ...]:
    """Every number of Tables 10 to 13, in their order.

    Numbers of unpruned models (``unpruned_...``) are printed once for each pruner whose experiments they
    were trained for; the quantity tells it, the pruner is ``none``. Those of LTH and CHIP were trained in other
    ways than the rest and count only beside these pruners.
    """
    return (*_accuracies(), *_variances(), *_levels(), *_ratios_of_filters())


@cache
def tests() -> tuple[PrintedTest, ...]:
    """Tables 1 to 9, in their order."""
    return tuple(_tests())


def _accuracies() -> Iterator[PrintedNumber]:
    for row in read_rows("recall_accuracy.csv"):
        quantity = f"unpruned_accuracy_for_{row['pruner']}"
        yield _dense("10", row["dataset"], row["arch"], quantity, row["accuracy"])


def _variances() -> Iterator[PrintedNumber]:
    for row in read_rows("recall_variance.csv"):
        value, quantity = row["mean_recall_variance"], "mean_recall_variance"
        dense = f"unpruned_recall_variance_for_{row['pruner']}"
        number = _dense("11", row["dataset"], row["arch"], dense, value)
        if float(row["ratio"]) != 1:
            number = replace(
                number, pruner=row["pruner"], sparsity=None, ratio=float(row["ratio"]), quantity=quantity
            )
            number = replace(number, tolerance=SAME_RATIO)
        yield number


def _levels() -> Iterator[PrintedNumber]:
    """Table 12. Its ratios are 0.8^-level, of the prunable weights alone; a level is told by the sparsity."""
    for row in read_rows("recall_lth.csv"):
        number = _dense("12", "CIFAR-10", "ResNet-56", "unpruned_accuracy_for_LTH", row["accuracy"])
        level = int(row["level"])
        if level == 0:
            yield replace(number, only_with="LTH")
            continue
        sparsity = 1 - _LEFT_BY_LEVEL**level
        number = replace(number, pruner="LTH", sparsity=sparsity, tolerance=SAME_RATIO)
        yield replace(number, quantity="accuracy")
        yield replace(number, quantity="alpha", value=float(row["intensification"]))


def _ratios_of_filters() -> Iterator[PrintedNumber]:
    for row in read_rows("recall_chip.csv"):
        number = _dense("13", "CIFAR-10", "ResNet-56", "unpruned_accuracy_for_CHIP", row["accuracy"])
        if float(row["ratio"]) == 1:
            yield replace(number, only_with="CHIP")
            continue
        number = replace(number, pruner="CHIP", sparsity=None, ratio=float(row["ratio"]))
        number = replace(number, tolerance=SAME_RATIO_OF_FILTERS)
        yield replace(number, quantity="accuracy")
        yield replace(number, quantity="alpha", value=float(row["intensification"]))


def _dense(table: str, dataset: str, arch: str, quantity: str, value: str) -> PrintedNumber:
    return PrintedNumber(
        paper=PAPER,
        table=table,
        dataset=dataset,
        arch=arch,
        pruner=NO_PRUNER,
        sparsity=0.0,
        quantity=quantity,
        value=float(value),
        metric="accuracy",
    )


def _tests() -> Iterator[PrintedTest]:
    for row in read_rows("recall_tests.csv"):
        yield PrintedTest(
            table=row["table"],
            varied=row["varied"],
            a=_side(row, row["a"]),
            b=_side(row, row["b"]),
            alternative=row["alternative"],  # type: ignore[arg-type]
            family_size=int(row["family_size"]),
            p=float(row["p_corrected"].removeprefix("<")),
            text=row["p_corrected"],
        )


def _side(row: dict[str, str], value: str) -> Place:
    """The cell that ``value`` of what varies makes of a row of ``recall_tests.csv``."""
    own = {name: row[name] for name in ("dataset", "arch", "pruner", "ratio")} | {row["varied"]: value}
    arch = own["arch"] or DEFAULTS[own["dataset"]]
    return Place(own["dataset"], arch, own["pruner"], float(own["ratio"]))


def _plain(name: str) -> str:
    return "".join(filter(str.isalnum, name.casefold()))
