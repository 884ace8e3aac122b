"""Whether a block of a grid fits what the study has: names, compression levels, pruners, models and data sets."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from prunescope.config.architectures import (
    FAMILIES,
    Arch,
    families_that,
    merged_training,
    training_problem,
)
from prunescope.config.compression import Compression
from prunescope.config.datasets import Dataset
from prunescope.config.grid import Grid, grid_compressions, pruned_cells
from prunescope.config.pruners import Pruner
from prunescope.config.spec import distinct
from prunescope.errors import UserError, listed, nearest


def check_grid(
    key: str,
    grid: Grid,
    datasets: Mapping[str, Dataset],
    archs: Mapping[str, Arch],
    pruners: Mapping[str, Pruner],
) -> None:
    """Refuse an entry of the grid that names what is not there, or what does not go together.

    Args:
        key: where the entry stands, such as ``grid.0``.
        datasets, archs, pruners: what it may name.

    Raises:
        ValueError: it does; the line begins with the key.
    """
    known: dict[str, Mapping[str, Any]] = {"datasets": datasets, "archs": archs, "pruners": pruners}
    for field, names in known.items():
        chosen = getattr(grid, field)
        distinct(f"{key}.{field}", chosen)
        for problem in unknown_names(f"{key}.{field}", chosen, names):
            raise ValueError(problem)
    given = [name for name in ("sparsities", "ratios", "levels") if getattr(grid, name)]
    if len(given) > 1:
        raise ValueError(f"{key}: give sparsities, ratios or levels, not {' and '.join(given)}")
    if grid.pruners and not given:
        raise ValueError(f"{key}: pruners need sparsities, ratios or levels")
    for name in grid.pruners:
        _check_pruner(key, grid, name, pruners[name], archs)
    distinct(f"{key}.sparsities", grid.sparsities)
    distinct(f"{key}.ratios", grid.ratios)
    if grid.seeds is not None:
        if not grid.seeds:
            raise ValueError(f"{key}.seeds: the list is empty; leave it out to use the study's seeds")
        distinct(f"{key}.seeds", grid.seeds)
    try:
        grid_compressions(grid)
    except UserError as error:
        raise ValueError(f"{key}.{error}") from None
    for dataset in grid.datasets:
        for arch in grid.archs:
            _check_pair(key, dataset, datasets[dataset], arch, archs[arch])


def unknown_names(key: str, chosen: Iterable[Any], names: Iterable[str]) -> list[str]:
    """A line for each name that is not there."""
    names = list(names)
    return [
        f"{key}: unknown name {name!r}{nearest(name, names)}; there are {listed(names, 40)}"
        for name in chosen
        if name not in names
    ]


def check_overlaps(grids: Iterable[Grid]) -> None:
    """Refuse cells that two entries list.

    Raises:
        ValueError: there is one; the line names it.
    """
    seen: set[tuple[str, str, str, Compression]] = set()
    for grid in grids:
        for dataset, arch, pruner, compression in pruned_cells(grid):
            if (dataset, arch, pruner, compression) in seen:
                raise ValueError(
                    f"grid: {dataset}, {arch}, {pruner}, {compression.kind} {compression.value:g} is listed by two "
                    "entries; keep it in one"
                )
            seen.add((dataset, arch, pruner, compression))


def _check_pruner(key: str, grid: Grid, name: str, pruner: Pruner, archs: Mapping[str, Arch]) -> None:
    """Levels are of the schedule ``levels`` alone; filters are removed to ratios, where there are any."""
    elsewhere = "put it into another grid entry"
    if pruner.in_levels and not grid.levels:
        raise ValueError(f"{key}: pruner {name!r} prunes level by level; give `levels`, or {elsewhere}")
    if grid.levels and not pruner.in_levels:
        raise ValueError(
            f"{key}: levels are for pruners with `schedule: levels`, which {name!r} does not have; {elsewhere}"
        )
    if pruner.structure == "filters" and not grid.ratios:
        raise ValueError(
            f"{key}: pruner {name!r} removes whole filters, as many as a ratio asks for; give `ratios`, or "
            f"{elsewhere}"
        )
    for arch in grid.archs if not pruner.fine_tunes else ():
        if archs[arch].start is not None:
            why = "rewinds to it" if pruner.needs_trained else "starts from it"
            raise ValueError(
                f"{key}: pruner {name!r} {why}, but arch {arch!r} has no model before training (`start`: its dense "
                "models are trained already); use a pruner that prunes and fine-tunes, such as MP or GP"
            )
    for arch in grid.archs if pruner.structure == "filters" else ():
        if not archs[arch].has_filters:
            raise ValueError(
                f"{key}: pruner {name!r} removes filters, which arch {arch!r} does not have; use it with "
                f"the families {listed(sorted(families_that('has_filters')))}"
            )


def _check_pair(key: str, dataset: str, data: Dataset, arch: str, model: Arch) -> None:
    """A model takes what the data set has, at its length, answers as it asks and can be trained as set."""
    takes, has = model.input, data.input
    nothing = data.source in ("table", "hub") and all(getattr(data, key) is None for key in ("text", "image"))
    if takes == "text" and nothing:
        raise ValueError(
            f"datasets.{dataset}.text: missing; name the column of the text, or the columns of a pair"
        )
    if takes != has and model.input_known:
        raise ValueError(
            f"{key}: arch {arch!r} takes {takes}s but data set {dataset!r} has {has}s; "
            "put them into different grid entries"
        )
    # Of a folder that is not there, ``checked`` says so.
    if takes != has and model.fetched:
        try:
            model.checked()
        except UserError as error:
            raise ValueError(f"archs.{arch}.{error}") from None
        raise ValueError(
            f"{key}: what arch {arch!r} takes is not known, as its checkpoint was never fetched; give it "
            f"`reads: {has}`, or fetch it with `prunescope pretrained`"
        )
    answers = data.answers
    if answers not in model.answers:
        fit = [name for name, family in FAMILIES.items() if answers in family.answers]
        raise ValueError(
            f"{key}: data set {dataset!r} asks for {answers}, which arch {arch!r} of family "
            f"{model.family!r} does not give; choose one of family {listed(fit)}"
        )
    # Every data set of texts has this setting; without it the length is known once the texts are.
    longest = getattr(data, "max_tokens", None)
    if longest is not None and model.positions_at_most is not None and longest > model.positions_at_most:
        raise ValueError(
            f"{key}: data set {dataset!r} has texts of up to {longest} tokens but arch {arch!r} only "
            f"{model.positions_at_most} positions; raise `positions` or lower `max_tokens`"
        )
    training = merged_training(model.training, data.training.get(arch, {}))
    problem = training_problem(model, training, answers)
    if problem is not None:
        raise ValueError(f"{key}: training of arch {arch!r} on data set {dataset!r}: {problem}")
