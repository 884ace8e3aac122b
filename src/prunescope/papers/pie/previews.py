"""Pictures of disagreements for the page that browses them: one PNG per data set, beside the page."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from prunescope.papers.pie.disagreements import Disagreement
from prunescope.report.images import PictureTable, png, tiled

#: Examples of a data set that have a picture on the page: about 2.5 MB for CIFAR, 0.4 MB for MNIST.
MOST = 1000
_COLUMNS = 32


@dataclass(frozen=True)
class Preview:
    """The pictures of one data set in one file.

    places: by example, row by row from the top left, ``columns`` in a row · width, height: of one picture on
    the page, in CSS pixels.
    """

    file: str
    places: dict[int, int]
    width: int
    height: int
    columns: int = _COLUMNS

    @property
    def payload(self) -> dict[str, Any]:
        """What the page's script needs; ``rows``: how many the file has."""
        return {
            "file": self.file,
            "width": self.width,
            "height": self.height,
            "columns": self.columns,
            "rows": -(-len(self.places) // self.columns),
            "places": {str(example): place for example, place in self.places.items()},
        }


@dataclass(frozen=True)
class Previews:
    """By data set; ``missing``: data sets of pictures whose data table is not there."""

    found: dict[str, Preview]
    missing: tuple[str, ...] = ()


def write(
    shown: Sequence[Disagreement],
    datasets: Sequence[str],
    pictures: Callable[[str], PictureTable | None],
    folder: Path,
) -> Previews:
    """Write ``pictures-<dataset>.png`` for every data set of pictures that has disagreements.

    Args:
        shown: the rows of the page. Examples with the most agreed rows come first, and ``MOST`` are drawn.
        datasets: those of pictures.
        pictures: the test split of a data set, None where its table is missing.

    Raises:
        UserError: a data table is not the one that was voted on.
    """
    found: dict[str, Preview] = {}
    missing = []
    for dataset in datasets:
        rows = [row for row in shown if row.place.network.dataset == dataset]
        if not rows:
            continue
        table = pictures(dataset)
        if table is None:
            missing.append(dataset)
            continue
        rows.sort(key=lambda row: (-(row.dense_agreement + row.pruned_agreement), row.example))
        labels = {row.example: row.true for row in reversed(rows)}
        chosen = list(dict.fromkeys(row.example for row in rows))[:MOST]
        images = [table.picture(example, "|".join(labels[example])) for example in chosen]
        name = f"pictures-{dataset}.png"
        (folder / name).write_bytes(png(tiled(images, _COLUMNS)))
        places = {example: place for place, example in enumerate(chosen)}
        found[dataset] = Preview(name, places, *table.shown_size)
    return Previews(found, tuple(missing))
