"""What the recall paper's figures set side by side: pruners, sizes of an architecture, or data sets (section 6.2)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

from prunescope.analysis.alpha.cells import AlphaCell, alpha_cell, dense_accuracies
from prunescope.analysis.alpha.order import default_architectures, easiest_first, smallest_first
from prunescope.analysis.tables.results import read_cell
from prunescope.config.compression import Compression
from prunescope.figures.layout import Figure
from prunescope.figures.source import CellFiles, Source
from prunescope.figures.style import ordered

#: Why a cell has no figure of alphas or balances.
NO_ALPHA = "no model has an alpha: that takes one label per example, accuracies above 0 and balances that are not all 0"


def names(cell: CellFiles) -> dict[str, str]:
    """The columns of a figure's data that say which cell a row is of."""
    found = (cell.dataset, cell.arch, cell.pruner, cell.compression.token)
    return dict(zip(("dataset", "arch", "pruner", "amount"), found, strict=True))


@dataclass(frozen=True)
class Group:
    """The cells of one pruner on one architecture, by compression level; ``name``: distinguishes it in its cut."""

    name: str
    pruner: str
    cells: tuple[CellFiles, ...]

    @property
    def compressions(self) -> list[Compression]:
        return [cell.compression for cell in self.cells]


@dataclass(frozen=True)
class Cut:
    """Groups that differ in one thing. ``stem``: of files; ``title``: what is common to all of them."""

    stem: str
    title: str
    groups: tuple[Group, ...]

    @property
    def shows(self) -> tuple[str, ...]:
        """The names of what is set side by side."""
        return tuple(group.name for group in self.groups)

    @property
    def cells(self) -> list[CellFiles]:
        return [cell for group in self.groups for cell in group.cells]


@dataclass(frozen=True)
class Measured:
    """The cells that have an alpha, with what decides how they are put in order."""

    cells: tuple[tuple[CellFiles, AlphaCell], ...]

    @classmethod
    def of(cls, source: Source) -> Measured:
        found = [(cell, alpha_cell(read_cell(cell.path))) for cell in source.cells]
        return cls(tuple((cell, alpha) for cell, alpha in found if alpha is not None and alpha.alpha))

    def alphas(self) -> list[AlphaCell]:
        return [alpha for _, alpha in self.cells]


def by_pruner(measured: Measured) -> list[Cut]:
    """A cut per (data set, arch), its pruners side by side, architectures by size: figures 1, 5 and 9."""
    cuts = []
    by_dataset = sorted(
        measured.cells, key=lambda pair: (pair[0].dataset, pair[1].parameters or 0, pair[0].arch)
    )
    for dataset, arch in dict.fromkeys((cell.dataset, cell.arch) for cell, _ in by_dataset):
        own = [cell for cell, _ in measured.cells if (cell.dataset, cell.arch) == (dataset, arch)]
        groups = [
            _group(name, [c for c in own if c.pruner == name]) for name in ordered(c.pruner for c in own)
        ]
        cuts.append(Cut(f"{dataset}--{arch}", f"{dataset} · {arch}", tuple(groups)))
    return cuts


def each(source: Source, draw: Callable[[Cut], Figure], what: str) -> Iterator[Figure]:
    """A figure of every cut ``by_pruner``; pairs without one are noted."""
    cuts = by_pruner(Measured.of(source))
    yield from map(draw, cuts)
    drawn = {cut.stem for cut in cuts}
    for dataset, arch in source.pairs():
        if f"{dataset}--{arch}" not in drawn:
            source.skip(f"{what}, {dataset} · {arch}", NO_ALPHA)


def by_size(measured: Measured) -> list[Cut]:
    """A cut per (data set, kind of model, pruner) that has several sizes, the smallest first: figures 2, 4, 6,
    8, 10 and 12."""
    kinds: dict[tuple[str, str, str], list[tuple[CellFiles, AlphaCell]]] = {}
    for cell, alpha in measured.cells:
        if alpha.family is not None and alpha.parameters is not None:
            kinds.setdefault((cell.dataset, alpha.family, cell.pruner), []).append((cell, alpha))
    cuts: list[Cut] = []
    for (dataset, family, pruner), found in kinds.items():
        archs = smallest_first(alpha for _, alpha in found)
        groups = [_group(arch, [cell for cell, _ in found if cell.arch == arch]) for arch in archs]
        title = f"{pruner} on sizes of {family}, {dataset}"
        cuts += _compared(f"sizes--{dataset}--{family}--{pruner}", title, groups)
    return cuts


def by_dataset(measured: Measured) -> list[Cut]:
    """A cut per pruner of all data sets with their default architectures, the easiest first: figures 3, 7 and 11.

    Data sets that share another architecture stand in a cut of their own, with that architecture.
    """
    known = [
        (cell, alpha) for cell, alpha in measured.cells if alpha.pair in dense_accuracies(measured.alphas())
    ]
    defaults = default_architectures(alpha for _, alpha in known)
    cuts: list[Cut] = []
    for pruner in ordered(cell.pruner for cell, _ in known):
        own = [(cell, alpha) for cell, alpha in known if cell.pruner == pruner]
        at_defaults = [(cell, alpha) for cell, alpha in own if defaults[cell.dataset] == cell.arch]
        cuts += _of_datasets(f"datasets--{pruner}", f"{pruner} on every data set", at_defaults)
        for arch in dict.fromkeys(cell.arch for cell, _ in own):
            there = [(cell, alpha) for cell, alpha in own if cell.arch == arch]
            if not all(defaults[cell.dataset] == arch for cell, _ in there):
                cuts += _of_datasets(
                    f"datasets--{pruner}--{arch}", f"{pruner} on data sets with {arch}", there
                )
    return cuts


def across(source: Source) -> list[Cut]:
    """The cuts over several architectures; it is noted if there is none."""
    measured = Measured.of(source)
    cuts = [*by_size(measured), *by_dataset(measured)]
    if not cuts:
        source.skip(
            "across architectures and data sets",
            "no pruner was run at one compression level on two sizes of an architecture or on two data sets",
        )
    return cuts


def _of_datasets(stem: str, title: str, found: Sequence[tuple[CellFiles, AlphaCell]]) -> list[Cut]:
    groups = [
        _group(f"{dataset} · {arch}", [c for c, _ in found if (c.dataset, c.arch) == (dataset, arch)])
        for dataset, arch in easiest_first([alpha for _, alpha in found])
    ]
    return _compared(stem, title, groups)


def _group(name: str, cells: Iterable[CellFiles]) -> Group:
    found = sorted(cells, key=lambda cell: cell.compression)
    return Group(name, found[0].pruner, tuple(found))


def _compared(stem: str, title: str, groups: Sequence[Group]) -> list[Cut]:
    """The cut with the compression levels that several groups share; none where there is nothing to compare."""
    counts = Counter(compression for group in groups for compression in group.compressions)
    kept = [
        Group(group.name, group.pruner, cells)
        for group in groups
        if (cells := tuple(cell for cell in group.cells if counts[cell.compression] > 1))
    ]
    return [Cut(stem, title, tuple(kept))] if kept else []
