"""The page of one cell: its audit, how its models were made, and the files behind it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from prunescope.config.study import Study
from prunescope.figures.style import look
from prunescope.report import contact_sheet, page, parts, sentences
from prunescope.report.audit_files import AuditFiles, Pie
from prunescope.report.images import ImageTable
from prunescope.site import cell_charts
from prunescope.site.findings import CellNumbers, emptied
from prunescope.site.state import ModelsFile

#: PIEs in a cell's table; the example explorer has all of them.
MOST_PIES = 100


@dataclass(frozen=True)
class Shown:
    """The test examples of a cell's data set, as far as its data table is there.

    texts: by example; None where there are none · pies: every PIE of the cell, given only for image data
    sets, for the contact sheet · images: None where the data table is missing · study_cells: all cells of the
    study, for the curves.
    """

    texts: Mapping[int, str] | None = None
    pies: Sequence[Pie] = ()
    images: ImageTable | None = None
    study_cells: Sequence[CellNumbers] = ()


def render(
    cell: CellNumbers,
    folder: Path,
    study: Study,
    models: ModelsFile | None,
    shown: Shown,
    where: Path,
    home: Path,
    *,
    navigation: Sequence[page.Link] = (),
    problems: list[str] | None = None,
    explored: str | None = None,
    control: str | None = None,
) -> str:
    """The cell's page.

    Args:
        cell: its names and numbers.
        folder: its folder, with ``test`` and perhaps ``train``.
        study: the configuration it comes from.
        models: what is recorded of its models.
        shown: texts or images of the test examples.
        where: the page's own path, from which links start.
        home: the study's page.
        navigation: the pages that every page leads to.
        problems: files of the cell that are missing or cannot be read are added to it.
        explored: address of the example explorer with this cell chosen.
        control: a sentence on the cell beside its control.

    Raises:
        UserError: the images are not those that were voted on.
    """
    audit = AuditFiles(folder / "test", max_pies=MOST_PIES, lenient=True)
    train = AuditFiles(folder / "train", lenient=True)
    bins = train.el2n or audit.el2n
    body = parts.body(audit, shown.texts, bins, "of the training split" if train.el2n else "")
    pruner = study.all_pruners.get(cell.pruner)
    links = [
        {
            "href": page.link(part.folder / name, where),
            "name": f"{part.folder.name}/{name}",
            "meaning": meaning,
        }
        for part in (audit, train)
        for name, meaning in part.files
    ]
    if models is not None:
        links.append(
            {
                "href": page.link(models.path, where),
                "name": models.path.name,
                "meaning": "record of the models: sparsity of each layer, losses, time, versions",
            }
        )
    sheet = contact_sheet.of_cell(cell.dataset, shown.pies, shown.images)
    pictured = [("pictures", "Images")] if sheet else []
    trained = cell.dataset in study.datasets and cell.arch in study.archs
    what = (
        f"{cell.dataset} · {cell.arch}, pruned by {cell.pruner} to {cell.compression.text}: "
        f"{sentences.count(audit.summary.get('n_seeds'), 'pair')} of models compared on "
        f"{sentences.count(audit.summary.get('n_examples'), 'test example')}."
    )
    empty = models.collapsed if models is not None else []
    gaps = _gaps(audit, train, models, folder)
    if problems is not None:
        problems += gaps
    return page.render(
        "cell.html",
        navigation=navigation,
        gaps=gaps,
        explored=explored,
        control=control,
        classes_link=page.link(audit.folder / "classes.csv", where),
        curves=(drawn := cell_charts.curves(cell, shown.study_cells)),
        colour=look(cell.pruner).colour,
        losses=(losses := cell_charts.training(models.value.get("models", []) if models is not None else [])),
        blocks=models.blocks if models is not None else [],
        title=f"{cell.pruner} at {cell.compression.text} · {cell.dataset} · {cell.arch}",
        what=what,
        contents=parts.contents(
            body,
            *pictured,
            *([("collapse", "Layer collapse")] if empty else []),
            *([("curves", "Curves")] if drawn else []),
            *([("training", "Training")] if losses else []),
            ("settings", "Settings"),
        ),
        cell=cell,
        amount=cell.compression.text,
        study=study.title or study.name,
        home=page.link(home, where),
        pruner=_settings(pruner),
        training=study.training(cell.dataset, cell.arch).model_dump() if trained else {},
        models=models.models if models is not None else [],
        collapsed=empty,
        emptied=emptied(empty),
        versions=_versions(models),
        files=links,
        sheet=sheet,
        sheet_style=page.asset("sheet.css") if sheet else "",
        **body,
    )


def _gaps(audit: AuditFiles, train: AuditFiles, models: ModelsFile | None, folder: Path) -> list[str]:
    """What of the cell is missing or cannot be read."""
    gaps = [f"{audit.folder / name}: no such file" for name in audit.missing]
    if not (train.folder / "summary.json").exists():
        gaps.append(
            f"{train.folder / 'summary.json'}: no such file; the page has no results on the training split"
        )
    if models is None:
        gaps.append(f"{folder / 'models.json'}: missing or not readable")
    return [*gaps, *audit.problems, *train.problems]


def _settings(pruner: Any) -> dict[str, Any]:
    """A pruner's settings; those of gradients only where it uses gradients."""
    if pruner is None:
        return {}
    values: dict[str, Any] = pruner.model_dump()
    if not pruner.needs_gradient:
        values = {k: v for k, v in values.items() if not k.startswith("gradient") and k != "decay"}
    elif pruner.declared.decay is None and pruner.gradient != "total":
        values.pop("decay")
    return values


def _versions(models: ModelsFile | None) -> dict[str, Any]:
    """Device, versions and revision; values that differ between blocks of seeds are listed."""
    found: dict[str, Any] = {}
    for name, key in (("device", "devices"), ("revision", "revisions"), ("versions", "versions")):
        values = [value for value in (models.value.get(key) or [] if models is not None else []) if value]
        if values:
            found[name] = values[0] if len(values) == 1 else values
    return found
