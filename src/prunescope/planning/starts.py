"""Whether checkpoints that a study starts from are those of its models."""

from __future__ import annotations

from prunescope.config.architectures import Torchvision
from prunescope.config.study import Study
from prunescope.errors import Problems, UserError
from prunescope.planning.architectures import counted_on


def check_start_files(study: Study) -> None:
    """Refuse a study that starts from checkpoints that are not there.

    Raises:
        Problems: a line for each arch and file.
    """
    problems: dict[str, None] = {}
    for cell in study.dense_cells.values():
        arch = study.archs[cell.arch]
        if arch.start is None or (arch.start == "checkpoint" and arch.fetched):
            continue
        for seed in cell.seeds:
            try:
                arch.start_of(seed)
            except UserError as error:
                problems[f"archs.{cell.arch}.{error}"] = None
    if problems:
        raise Problems(list(problems))


def check_starts(study: Study) -> None:
    """Refuse checkpoints that are not there, cannot be read, or are of other models or classes.

    Raises:
        Problems: a line for each arch and data set.
    """
    problems = []
    for cell in study.dense_cells.values():
        arch = study.archs[cell.arch]
        from_file = isinstance(arch, Torchvision) and arch.weights is not None and not arch.fetched
        if arch.start is None and not from_file:
            continue
        from prunescope.models.registry import build
        from prunescope.models.shape import Shape
        from prunescope.models.start import check_classes, check_start

        try:
            if from_file:
                declared = study.datasets[cell.dataset].declared()
                build(arch, Shape(classes=declared.classes, image=declared.image), 0)
            if arch.start is None:
                continue
            if arch.start == "checkpoint" and arch.fetched and arch.own_checkpoint() is None:
                continue  # it comes when the run fetches it
            check_start(counted_on(study, cell.dataset, cell.arch)[0], arch, cell.seeds)
            for start in dict.fromkeys(map(arch.start_of, cell.seeds)):
                classes = study.datasets[cell.dataset].class_names()
                if classes is not None:
                    check_classes(start, classes)
        except UserError as error:
            problems.append(f"archs.{cell.arch}.{error} (data set {cell.dataset})")
    if problems:
        raise Problems(problems)
