"""The recall paper's grid, as its tests compare it: what says that a table or figure is the paper's (section 6.1)."""

from __future__ import annotations

from prunescope.papers.recall.printed import arch_name, dataset_name, tests

_SIDES = [(test.varied, cell) for test in tests() for cell in (test.a, test.b)]

PRUNERS = frozenset(cell.pruner for _, cell in _SIDES)
SIZES = frozenset(cell.arch for varied, cell in _SIDES if varied == "arch")
#: The architecture for each data set where data sets vary.
DEFAULTS = {cell.dataset: cell.arch for varied, cell in _SIDES if varied == "dataset"}
#: "When the dataset or model does not vary, we use CIFAR-10 and ResNet-56".
FIXED = ("CIFAR-10", "ResNet-56")


def named(dataset: str, arch: str) -> tuple[str | None, str | None]:
    """The paper's names, however these are spelt."""
    return dataset_name(dataset, None), arch_name(arch, None, None)
