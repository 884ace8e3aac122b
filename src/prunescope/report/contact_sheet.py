"""Contact sheets: small images of PIEs with their majority votes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from prunescope.report.audit_files import Pie
from prunescope.report.images import ImageTable
from prunescope.report.sentences import count, percent

#: Images on one sheet. Those of CIFAR take about 3 kB each, those of MNIST about 0.5 kB.
MOST = 96

_NO_IMAGES = "The images of {dataset} are not shown: its data table, test.parquet, is not among the results."


@dataclass(frozen=True)
class Tile:
    """One example on a sheet; ``source``: the address of its image, None where there is none."""

    example: int
    source: str | None
    true: str
    dense: str
    pruned: str
    agreement: str
    notes: tuple[str, ...] = ()

    @property
    def alt(self) -> str:
        """What the image shows; the votes are beside it as text."""
        return f"Image of example {self.example}, true class {self.true}"


def of_cell(dataset: str, pies: Sequence[Pie], images: ImageTable | None) -> dict[str, Any] | None:
    """What a cell's page prints of its sheet; None without PIEs.

    Args:
        pies: every PIE of the cell, those first on which the models agree most.
        images: of the data set's test split, where its table is there.

    Raises:
        UserError: the data table is not the one that was voted on.
    """
    if not pies:
        return None
    shown = [
        tile(pie, (pie.dense_agreement, pie.pruned_agreement), images)
        for pie in (pies[:MOST] if images is not None else ())
    ]
    return {
        "tiles": shown,
        "size": images.shown_size if images is not None else None,
        "how_many": how_many(len(shown), len(pies)) if shown else "",
        "who_is_right": who_is_right(pies),
        "missing": None if images is not None else missing(dataset),
    }


def tile(
    pie: Pie,
    agreement: tuple[float | None, float | None],
    images: ImageTable | None,
    notes: Sequence[str] = (),
) -> Tile:
    """A tile of one example, with its image where there is one."""
    return Tile(
        example=int(pie.example),
        source=None if images is None else images.address(int(pie.example), pie.label),
        true=pie.label,
        dense=pie.dense_vote,
        pruned=pie.pruned_vote,
        agreement=" → ".join(percent(share, 0) for share in agreement),
        notes=tuple(notes),
    )


def how_many(shown: int, total: int) -> str:
    """How many of how many are on the sheet."""
    if shown < total:
        return f"The {count(shown)} of {count(total, 'PIE')} with the highest agreement"
    return "The only PIE" if total == 1 else f"All {count(total, 'PIE')}, highest agreement first"


def who_is_right(pies: Sequence[Pie]) -> str:
    """On how many PIEs the majority of dense or of pruned models is right."""
    dense = sum(pie.dense_right for pie in pies)
    pruned = sum(pie.pruned_right for pie in pies)
    return (
        f"Of {count(len(pies), 'PIE')}, the dense majority is right on {count(dense)}, the pruned one on "
        f"{count(pruned)} and neither on {count(len(pies) - dense - pruned)}."
    )


def missing(dataset: str) -> str:
    """What a page says instead of images."""
    return _NO_IMAGES.format(dataset=dataset)
