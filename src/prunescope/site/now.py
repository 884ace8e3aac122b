"""The report of an unfinished study: while models still run, or after some failed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from prunescope.config.grid import Cell
from prunescope.config.study import Study
from prunescope.errors import UserError
from prunescope.figures.drawing import draw_all
from prunescope.files import remove
from prunescope.papers.against_papers import collect_all
from prunescope.paths import Layout, fill
from prunescope.running.status import blocks_of
from prunescope.site.build import SO_FAR, build
from prunescope.site.state import Key, key_of

_WANTED = ("test/summary.json", "train/summary.json", "models.json")


def report(study: Study, workdir: Path) -> tuple[Path, list[str]]:
    """Write tables, figures and pages of the cells that are analysed into ``<results>/so-far``.

    Models that still run or have failed are counted as such. The pages of the whole study replace the folder; where
    they are there already, they are the answer.

    Returns:
        The page, and what was missing or could not be read.

    Raises:
        UserError: no cell is analysed yet, or a file cannot be written.
    """
    layout = Layout(study.results)
    out = workdir / study.results / SO_FAR
    cells = list(_analysed(study, layout, workdir))
    if not any(not cell.dense for cell, _ in cells):
        raise UserError(
            f"{study.results}: no pruned model is analysed yet; `prunescope status` shows the progress"
        )
    folders = [folder for _, folder in cells]
    whole = workdir / study.results / "index.html"
    if len(cells) == len(study.cells) and _is_newer(whole, [folder / "models.json" for folder in folders]):
        remove(out)
        return whole, []
    sources = {name: dataset.source for name, dataset in study.datasets.items()}
    collect_all(folders, out / "tables", study.analysis, sources)
    draw_all(out / "tables", folders, out / "figures")
    datasets = dict.fromkeys(cell.dataset for cell in study.cells)
    cards = [workdir / layout.data("card.json").format(dataset=name) for name in datasets]
    problems = build(
        study=study,
        cells=folders,
        tables=out / "tables",
        figures=out / "figures",
        cards=[card for card in cards if card.exists()],
        out=out / "index.html",
        live=_live(study, workdir),
    )
    return out / "index.html", problems


def _is_newer(page: Path, files: Iterable[Path]) -> bool:
    return page.is_file() and page.stat().st_mtime_ns >= max(file.stat().st_mtime_ns for file in files)


def _analysed(study: Study, layout: Layout, workdir: Path) -> Iterator[tuple[Cell, Path]]:
    for cell in study.cells:
        folder = workdir / fill(layout.cell(), cell)
        if all((folder / name).is_file() for name in _WANTED):
            yield cell, folder


def _live(study: Study, workdir: Path) -> dict[Key, dict[int, str]]:
    """The state of models without an analysis: running, failed, or trained and not yet analysed."""
    found: dict[Key, dict[int, str]] = {}
    for block in blocks_of(study, workdir):
        state = {"done": "not analysed"}.get(block.state, block.state)
        if state != "waiting":
            found.setdefault(key_of(block.cell), {}).update(dict.fromkeys(block.seeds, state))
    return found
