"""A paper's figures, and the pictures of a study that show the same."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from prunescope.errors import UserError
from prunescope.files import read_json
from prunescope.report import page

#: Names that the papers and our studies spell differently.
_ALIASES = {"fashionmnist": "fashion", "lenet": "lenet5"}


def plain(name: str) -> str:
    """A name, or several joined by ``--`` or `` · ``, in one spelling: ``ResNet-20`` and ``resnet20`` are the same."""
    parts = [re.sub(r"[^a-z0-9]", "", part) for part in re.split(r"--| · ", name.casefold())]
    return "--".join(_ALIASES.get(part, part) for part in parts)


@dataclass(frozen=True)
class PaperFigure:
    """Figures of the paper that show one thing, by the family of pictures that does so here.

    ``by_picture``: the paper's own number for a picture, by its file stem; numbers that the paper gives to
    another cut of the same data stand under ``numbers`` alone. ``shown``: what the figure of a number sets
    side by side; a picture has that number only if it shows at least two of them.
    """

    numbers: str
    title: str
    paper: str
    family: str
    by_picture: Mapping[str, str]
    shown: Mapping[str, Collection[str]] = field(default_factory=dict)

    def number(self, stem: str, shows: Collection[str]) -> str | None:
        """The paper's number of a picture, by file stem and what it sets side by side."""
        numbers = {plain(name): number for name, number in self.by_picture.items()}
        number = numbers.get(plain(stem))
        if number is None or number not in self.shown:
            return number
        common = {plain(name) for name in self.shown[number]} & {plain(name) for name in shows}
        return number if len(common) > 1 else None


def listing(paper: Sequence[PaperFigure], figures: Path, where: Path) -> list[dict[str, Any]]:
    """Every figure of a paper with the pictures there are, and what was left out and why.

    Args:
        paper: its figures, in order.
        figures: folder with a folder per family, each with its ``figures.json``.
        where: the page, from which links start.

    Raises:
        UserError: a ``figures.json`` cannot be read.
    """
    found = []
    for figure in paper:
        folder = figures / figure.family
        pictures, skipped = _family(folder)
        if figure.family == "el2n_pruners" and not pictures:
            continue  # One network: its own picture has a plot for every pruner.
        shown = [_picture(figure, picture, folder, where) for picture in pictures]
        found.append(
            {
                "figure": figure,
                "anchor": f"figure-{figure.family}",
                # The paper's own first; the others keep their order.
                "pictures": sorted(shown, key=lambda picture: picture["number"] is None),
                "skipped": skipped,
            }
        )
    return found


def _picture(figure: PaperFigure, picture: Mapping[str, Any], folder: Path, where: Path) -> dict[str, Any]:
    links = {"svg": picture["file"], "png": picture["png"], "data": picture["data"]}
    return {
        "title": picture["title"],
        "caption": picture["caption"],
        "number": figure.number(Path(picture["file"]).stem, picture.get("shows", ())),
        **{name: page.link(folder / file, where) for name, file in links.items()},
    }


def _family(folder: Path) -> tuple[list[dict[str, Any]], list[dict[str, str]]]:
    index = folder / "figures.json"
    if not index.exists():
        return [], []
    value = read_json(index)
    try:
        return list(value["figures"]), list(value["skipped"])
    except (KeyError, TypeError):
        raise UserError(f"{index}: not a list of figures; delete it and run again") from None
