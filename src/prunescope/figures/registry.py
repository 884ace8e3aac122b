"""Families of figures, each a folder of files."""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from prunescope.errors import UserError, listed
from prunescope.figures import FAMILIES, style
from prunescope.figures.source import Source
from prunescope.files import atomic_directory, write_json


def draw(name: str, tables: Path, cells: Sequence[Path], out: Path) -> dict[str, Any]:
    """Draw one family of figures into the folder ``out``, which appears as a whole.

    For every picture: ``<stem>.svg``, ``<stem>.png`` and its data ``<stem>.csv``; and
    ``figures.json``, which lists them with title and caption, and names what was skipped and why.

    Args:
        name: a key of ``FAMILIES``.
        tables: the folder of the study's tables.
        cells: cell folders ``.../<dataset>/<arch>/<pruner>/<amount>``; unpruned ones are passed over.
        out: the folder to make.

    Returns:
        What stands in ``figures.json``.

    Raises:
        UserError: no such family, or a table or cell cannot be read.
    """
    if name not in FAMILIES:
        raise UserError(f"figure {name!r}: there is no such family; there are {listed(FAMILIES)}")
    source = Source.of(tables, cells)
    module = importlib.import_module(f"prunescope.figures.{name}")
    pictures: list[dict[str, Any]] = []
    with atomic_directory(out) as folder, style.styled():
        for picture in module.draw(source):
            style.save(picture.figure, folder, picture.stem)
            picture.data.to_csv(folder / f"{picture.stem}.csv", index=False, lineterminator="\n")
            pictures.append(
                {
                    "file": f"{picture.stem}.svg",
                    "png": f"{picture.stem}.png",
                    "data": f"{picture.stem}.csv",
                    "title": picture.title,
                    "caption": picture.caption,
                    "shows": list(picture.shows),
                }
            )
        index = {
            "family": name,
            "title": FAMILIES[name],
            "figures": pictures,
            "skipped": [{"what": what, "why": why} for what, why in source.skipped],
        }
        write_json(folder / "figures.json", index)
    return index


def draw_all(tables: Path, cells: Sequence[Path], out: Path) -> None:
    """Draw every family into ``out/<family>/``, and last ``out/figures.json``, which lists them all.

    Raises:
        UserError: a table or cell cannot be read.
    """
    index = [draw(name, tables, cells, Path(out) / name) for name in FAMILIES]
    write_json(Path(out) / "figures.json", {"families": index})
