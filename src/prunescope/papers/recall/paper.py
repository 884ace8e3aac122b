"""The recall paper's own grid and figures: what tells that a table or picture is the paper's (section 6.1)."""

from __future__ import annotations

from collections.abc import Iterable

from prunescope.papers.pictures import PaperFigure, plain

PRUNERS = ("MP", "GP", "UP", "RP")
SIZES = ("ResNet-20", "ResNet-32", "ResNet-44", "ResNet-56", "ResNet-110")
#: "When the dataset or model does not vary, we use CIFAR-10 and ResNet-56".
DATASET, NETWORK = "CIFAR-10", "ResNet-56"
#: The network of each data set where data sets vary.
DEFAULTS = {"MNIST": "LeNet", "Fashion": "LeNet", "CIFAR-10": "ResNet-56", "CIFAR-100": "ResNet-56"}

_BY_SIZE = {"2": SIZES, "4": SIZES, "6": SIZES, "8": SIZES, "10": SIZES, "12": SIZES}
_BY_DATASET = {number: [f"{d} · {n}" for d, n in DEFAULTS.items()] for number in ("3", "7", "11")}
_SHOWN = {**_BY_SIZE, **_BY_DATASET, **dict.fromkeys(("1", "5", "9"), PRUNERS)}


def _across(mp: str, datasets: str, up: str) -> dict[str, str]:
    return {"sizes--cifar10--resnet--MP": mp, "datasets--MP": datasets, "sizes--cifar10--resnet--UP": up}


#: In the paper's order, families of pictures in place of single figures.
FIGURES = (
    PaperFigure(
        "1",
        "α by pruner",
        "Boxplots of α across models, at each ratio within each pruner (ResNet-56 on CIFAR-10). <, > or ? denote "
        "where 99% intervals were below 1, above 1, or overlapped 1.",
        "alpha",
        {"cifar10--resnet56": "1"},
        _SHOWN,
    ),
    PaperFigure(
        "2 to 4",
        "α by size of the network, and by data set",
        "Boxplots of α across models, at each ratio within each size of ResNet on CIFAR-10 (Figure 2: MP, Figure 4: "
        "UP) and within each data set (Figure 3: MP).",
        "alpha_across",
        _across("2", "3", "4"),
        _SHOWN,
    ),
    PaperFigure(
        "5",
        "Recall balance before and after pruning, by pruner",
        "Scatterplot matrix of normalized recall balances before (x) against after pruning (y), at several ratios "
        "(rows) and pruners (columns). Each point is one class of one model.",
        "balance",
        {"cifar10--resnet56": "5"},
        _SHOWN,
    ),
    PaperFigure(
        "6 to 8",
        "Recall balance before and after pruning, by size of the network and by data set",
        "The same at several sizes of ResNet (Figure 6: MP, Figure 8: UP) and several data sets (Figure 7).",
        "balance_across",
        _across("6", "7", "8"),
        _SHOWN,
    ),
    PaperFigure(
        "9 to 12",
        "Intervals of mean α",
        "99% confidence intervals of mean α behind each boxplot: by pruner (Figure 9), size (10: MP, 12: UP) and "
        "data set (11).",
        "alpha_intervals",
        {"cifar10--resnet56": "9", **_across("10", "11", "12")},
        _SHOWN,
    ),
    PaperFigure(
        "13",
        "Accuracy against intensification",
        "Mean accuracy and mean intensification with their standard errors, on CIFAR-10 at ratios 2, 4, 6, 8 and 10.",
        "accuracy_alpha",
        {"cifar10": "13"},
    ),
)


def is_one_of(name: str, names: Iterable[str]) -> bool:
    """Whether the paper's names have this one, however it is spelt."""
    return plain(name) in {plain(known) for known in names}


def is_papers_network(dataset: str, arch: str) -> bool:
    """Whether data set and network are those that the paper keeps where they do not vary."""
    return is_one_of(dataset, [DATASET]) and is_one_of(arch, [NETWORK])


def is_default(dataset: str, arch: str) -> bool:
    """Whether the paper has this network for this data set where data sets vary."""
    return plain(f"{dataset} · {arch}") in {plain(f"{d} · {n}") for d, n in DEFAULTS.items()}
