"""What the recall paper varies, put in order: sizes of architectures, difficulties of data sets (section 6.1)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from prunescope.analysis.alpha.cells import AlphaCell, dense_accuracies
from prunescope.analysis.stats import mean


def default_architectures(cells: Iterable[AlphaCell]) -> dict[str, str]:
    """Each data set's architecture where data sets are compared.

    The one that most data sets have, then the one with most pruners, then the one of middle size.
    """
    datasets: dict[str, set[str]] = {}
    by_dataset: dict[str, dict[str, list[AlphaCell]]] = {}
    for cell in cells:
        datasets.setdefault(cell.arch, set()).add(cell.dataset)
        by_dataset.setdefault(cell.dataset, {}).setdefault(cell.arch, []).append(cell)
    chosen = {}
    for dataset, archs in by_dataset.items():
        worth = {
            arch: (len(datasets[arch]), len({cell.pruner for cell in own})) for arch, own in archs.items()
        }
        sizes = {arch: own[-1].parameters or 0 for arch, own in archs.items()}
        tied = sorted((sizes[arch], arch) for arch in worth if worth[arch] == max(worth.values()))
        _, chosen[dataset] = tied[(len(tied) - 1) // 2]
    return chosen


def levels(cells: Iterable[AlphaCell], accuracies: Mapping[tuple[str, str], float]) -> list[list[AlphaCell]]:
    """Cells by the difficulty of their data sets, the easiest first.

    Data sets with the same architecture and as many classes are of comparable difficulty; such levels are put
    in order by the mean accuracy of their dense models.

    Args:
        accuracies: of the dense models, by (data set, arch) of every cell.
    """
    found: dict[tuple[str, int], list[AlphaCell]] = {}
    for cell in cells:
        found.setdefault((cell.arch, cell.n_classes), []).append(cell)

    def by_accuracy(key: tuple[str, int]) -> tuple[float, tuple[str, int]]:
        return (-(mean([accuracies[cell.pair] for cell in found[key]]) or 0.0), key)

    return [found[key] for key in sorted(found, key=by_accuracy)]


def easiest_first(cells: Sequence[AlphaCell]) -> list[tuple[str, str]]:
    """Distinct (data set, arch) by level, within one by dense accuracy; those without one come last."""
    accuracies = dense_accuracies(cells)
    one_each = {cell.pair: cell for cell in cells}
    known = [cell for _, cell in sorted(one_each.items()) if cell.pair in accuracies]
    ordered = [
        cell.pair
        for level in levels(known, accuracies)
        for cell in sorted(level, key=lambda cell: (-accuracies[cell.pair], cell.pair))
    ]
    return ordered + sorted(pair for pair in one_each if pair not in accuracies)


def smallest_first(cells: Iterable[AlphaCell]) -> list[str]:
    """Distinct archs by the number of their parameters; those that do not tell come first."""
    sizes: dict[str, int] = {}
    for cell in cells:
        sizes[cell.arch] = max(sizes.get(cell.arch, 0), cell.parameters or 0)
    return sorted(sizes, key=lambda arch: (sizes[arch], arch))
