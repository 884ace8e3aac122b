"""Families of figures, each a folder of files."""

from __future__ import annotations

import importlib
import textwrap
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

from prunescope.errors import UserError, listed
from prunescope.figures import style
from prunescope.figures.registry import families
from prunescope.figures.source import Source
from prunescope.files import atomic_directory, write_json


def draw(name: str, tables: Path, cells: Sequence[Path], out: Path) -> dict[str, Any]:
    """Draw one family of figures into the folder ``out``, which appears as a whole.

    For every figure: ``<stem>.svg``, ``<stem>.pdf``, ``<stem>.png`` and its data ``<stem>.csv``; and
    ``figures.json``, which lists them with title and caption, and names what was skipped and why.

    Args:
        name: a key of ``registry.families()``.
        tables: the folder of the study's tables.
        cells: cell folders ``.../<dataset>/<arch>/<pruner>/<amount>``; dense ones are skipped.
        out: the folder to make.

    Returns:
        What stands in ``figures.json``.

    Raises:
        UserError: no such family, or a table or cell cannot be read.
    """
    known = families()
    if name not in known:
        raise UserError(f"figure {name!r}: there is no such family; there are {listed(known)}")
    source = Source.of(tables, cells)
    module, function = known[name].draw.split(":")
    figures: list[dict[str, Any]] = []
    with atomic_directory(out) as folder, style.styled():
        for drawn in getattr(importlib.import_module(module), function)(source):
            # About so many letters of the title's size to an inch.
            drawn.figure.suptitle(textwrap.fill(drawn.title, int(11.5 * drawn.figure.get_figwidth())))
            style.save(drawn.figure, folder, drawn.stem)
            drawn.data.to_csv(folder / f"{drawn.stem}.csv", index=False, lineterminator="\n")
            figures.append(
                {
                    "file": f"{drawn.stem}.svg",
                    **{form: f"{drawn.stem}.{form}" for form in style.FORMATS if form != "svg"},
                    "data": f"{drawn.stem}.csv",
                    "title": drawn.title,
                    "caption": drawn.caption,
                    "shows": list(drawn.shows),
                }
            )
        index = {
            "family": name,
            "title": known[name].title,
            "figures": figures,
            "skipped": [{"what": what, "why": why} for what, why in source.skipped],
        }
        write_json(folder / "figures.json", index)
    return index


def _draw(*job: Any) -> dict[str, Any]:
    """``draw`` in another process, whose errors reach the first one as what they say."""
    try:
        return draw(*job)
    except UserError as error:
        raise UserError(str(error)) from None


def draw_all(tables: Path, cells: Sequence[Path], out: Path, processes: int = 1) -> None:
    """Draw every family into ``out/<family>/``, and last ``out/figures.json``, which lists them all.

    Args:
        processes: families that are drawn side by side; the files are the same.

    Raises:
        UserError: a table or cell cannot be read.
    """
    jobs = [(name, Path(tables), tuple(cells), Path(out) / name) for name in families()]
    if processes > 1:
        with ProcessPoolExecutor(processes) as pool:
            index = [one.result() for one in [pool.submit(_draw, *job) for job in jobs]]
    else:
        index = [draw(*job) for job in jobs]
    write_json(Path(out) / "figures.json", {"families": index})
