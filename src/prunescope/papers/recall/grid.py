"""The recall paper's own grid: what says that a table or picture is the paper's (section 6.1)."""

from __future__ import annotations

from collections.abc import Iterable

from prunescope.papers.layout import plain

PRUNERS = ("MP", "GP", "UP", "RP")
SIZES = ("ResNet-20", "ResNet-32", "ResNet-44", "ResNet-56", "ResNet-110")
#: "When the dataset or model does not vary, we use CIFAR-10 and ResNet-56".
DATASET, ARCH = "CIFAR-10", "ResNet-56"
#: The architecture for each data set where data sets vary.
DEFAULTS = {"MNIST": "LeNet", "Fashion": "LeNet", "CIFAR-10": "ResNet-56", "CIFAR-100": "ResNet-56"}


def is_one_of(name: str, names: Iterable[str]) -> bool:
    """Whether the paper's names have this one, however it is spelt."""
    return plain(name) in {plain(known) for known in names}


def is_fixed(dataset: str, arch: str) -> bool:
    """Whether data set and architecture are those that the paper keeps where they do not vary."""
    return is_one_of(dataset, [DATASET]) and is_one_of(arch, [ARCH])


def is_sized(dataset: str, archs: Iterable[str]) -> bool:
    """Whether the paper compares sizes on this data set, and one of them is among the architectures."""
    return is_one_of(dataset, [DATASET]) and any(is_one_of(arch, SIZES) for arch in archs)


def is_default(dataset: str, arch: str) -> bool:
    """Whether the paper has this architecture for this data set where data sets vary."""
    return is_one_of(f"{dataset} · {arch}", [f"{d} · {a}" for d, a in DEFAULTS.items()])
