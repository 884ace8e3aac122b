"""What can be said of a study's data, and of the files its archs need, before a job starts."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable
from functools import partial
from typing import TypeVar

from prunescope.config.spec import Spec
from prunescope.config.study import Study
from prunescope.errors import Problems, UserError

T = TypeVar("T")


def data_lines(study: Study, names: Collection[str] | None = None, *, elsewhere: bool = False) -> list[str]:
    """Notes and warnings of the data sets in the grid, and of their archs' files, a line each.

    Args:
        names: of the data sets that matter; None: all.
        elsewhere: the study may run on another machine: a published data set's path below an environment variable
            need not be here, as its counts are known.

    Raises:
        Problems: data is not there or unusable, or does not suit an arch; all of it, a line each.
    """
    lines: list[str] = []
    problems: list[str] = []

    def tried(name: str, check: Callable[[], T]) -> T | None:
        try:
            return check()
        except UserError as error:
            hint = study.datasets[name].obtained
            problems.extend(
                _placed(f"datasets.{name}", study.datasets[name], line) + (hint and f"; {hint}")
                for line in str(error).splitlines()
            )
            return None

    for name in dict.fromkeys(cell.dataset for cell in study.cells if names is None or cell.dataset in names):
        dataset = study.datasets[name]
        found = tried(name, dataset.checked)
        if found is None:
            if elsewhere and dataset.counts_published and "$" in (getattr(dataset, "path", None) or ""):
                lines.append(f"{problems.pop()} (counts are the published ones)")
            continue
        notes, warnings = found
        lines += [f"{name}: {note}" for note in notes]
        lines += [f"{name}: WARNING: {warning}" for warning in warnings]
        for arch in dict.fromkeys(cell.arch for cell in study.cells if cell.dataset == name):
            tried(name, partial(dataset.check_arch, arch, study.archs[arch]))
    for arch in dict.fromkeys(cell.arch for cell in study.cells if names is None or cell.dataset in names):
        spec = study.archs[arch]
        try:
            lines += [f"{arch}: {note}" for note in spec.checked()]
        except UserError as error:
            line = _placed(f"archs.{arch}", spec, str(error))
            files = (
                getattr(spec, key, None) or ""
                for key in ("vectors_path", "pretrained", "checkpoint", "weights")
            )
            if elsewhere and any("$" in file for file in files):
                lines.append(line)
            else:
                problems.append(line)
    if problems:
        raise Problems(problems)
    return lines


def try_builds(study: Study, names: Iterable[str]) -> None:
    """Build data sets in memory alone, to see that they can be.

    Raises:
        Problems: some cannot; a line each.
    """
    problems = []
    for name in names:
        try:
            study.datasets[name].build(name)
        except UserError as error:
            problems += [
                _placed(f"datasets.{name}", study.datasets[name], line) for line in str(error).splitlines()
            ]
    if problems:
        raise Problems(problems)


def _placed(where: str, spec: Spec, message: str) -> str:
    """The message with the key in front: ``datasets.mine.path: ...``."""
    key = re.match(r"(\w+)[:.]", message)
    joint = "." if key and key[1] in type(spec).model_fields else ": "
    return f"{where}{joint}{message}"
