"""How users' tables are read: what a user says of them, and the usual names of their columns."""

from __future__ import annotations

import codecs
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from prunescope.errors import UserError, listed
from prunescope.predictions.arrow import Source
from prunescope.predictions.metadata import TASKS

#: The columns of the contract, and how else people call them (case, blanks, ``_`` and ``-`` aside).
USUAL = {
    "example": ("example", "exampleid", "idx", "id", "index", "guid", "uid", "sampleid", "docid"),
    "label": (
        "label",
        "labels",
        "labelid",
        "ytrue",
        "true",
        "truelabel",
        "gold",
        "goldlabel",
        "target",
        "groundtruth",
        "reference",
    ),
    "prediction": (
        "prediction",
        "predictions",
        "pred",
        "preds",
        "ypred",
        "predicted",
        "predictedlabel",
        "predlabel",
        "yhat",
    ),
    "seed": ("seed",),
}

#: The option that names each column.
OPTIONS = {"example": "--id", "label": "--label", "prediction": "--prediction", "seed": "--seed-column"}


@dataclass(frozen=True)
class Reading:
    """What a user says of tables of their own; prediction tables say it themselves.

    columns: by role (a key of ``OPTIONS``), the column's name in the file.
    """

    task: str | None = None
    classes: tuple[str, ...] | None = None
    columns: Mapping[str, str] = field(default_factory=dict)
    sep: str | None = None
    encoding: str | None = None

    def __post_init__(self) -> None:
        if self.task is not None and self.task not in TASKS:
            raise UserError(f"--task: {self.task!r} is no task; there are {listed(TASKS)}")
        if self.sep is not None and len(self.sep) != 1:
            raise UserError(f"--sep: {self.sep!r} is not one character; give one, or 'tab'")
        if self.encoding is not None:
            try:
                codecs.lookup(self.encoding)
            except LookupError:
                raise UserError(
                    f"--encoding: {self.encoding!r} is no encoding Python knows; try utf-8, latin-1 or cp1252"
                ) from None
        if self.classes is not None:
            twice = [name for name in dict.fromkeys(self.classes) if self.classes.count(name) > 1]
            if twice:
                raise UserError(f"--classes: {twice[0]!r} is listed twice; give each class once")


#: Nothing is said of them.
UNSAID = Reading()


def separator(text: str) -> str:
    """A separator as people type it: ``\\t`` and ``tab`` are the tabulator."""
    return "\t" if text in ("\\t", "tab") else text


def class_names(text: str) -> tuple[str, ...]:
    """Class names in their order: ``a,b,c``, or the lines of a file.

    Raises:
        UserError: the file cannot be read, or there is no name.
    """
    path = Path(text)
    if path.is_file():
        try:
            names = path.read_text(encoding="utf-8-sig").splitlines()
        except (OSError, ValueError) as error:
            raise UserError(f"--classes: {path}: cannot be read ({error}); give a name a line") from None
    else:
        names = [name.strip() for name in text.split(",")]
    found = tuple(name for name in names if name.strip())
    if not found:
        raise UserError(f"--classes: {text!r} holds no name; give a,b,c or a file with a name a line")
    if len(found) == 1 and ("/" in text or path.suffix in (".txt", ".csv", ".json")):
        raise UserError(f"--classes: {path}: no such file")
    return found


def columns_of(source: Source, reading: Reading) -> dict[str, str]:
    """The column of each role that the file has; ``prediction`` always.

    A column that the user names comes first, then one that is called as the contract says, then one that is usually
    called so. Without a column of examples, rows pair by their number.

    Raises:
        UserError: a column that is named, or that must be there, is not; several could be meant.
    """
    found: dict[str, str] = {}
    for role, usual in USUAL.items():
        asked = reading.columns.get(role)
        if asked is not None:
            if asked not in source.columns:
                raise UserError(
                    f"{source.path}: no column {asked!r}, which {OPTIONS[role]} names; the file has "
                    f"{listed(source.columns)}"
                )
            found[role] = asked
        elif role in source.columns:
            found[role] = role
        else:
            taken = set(reading.columns.values())
            close = [name for name in source.columns if bare(name) in usual and name not in taken]
            if len(close) > 1:
                raise UserError(
                    f"{source.path}: columns {listed(map(repr, close))} could all be the {role}; name one with "
                    f"{OPTIONS[role]}"
                )
            if close:
                found[role] = close[0]
    wanted = ("example", "label", "prediction")
    nothing = "label" not in found and "example" not in found and not source.positional
    if "prediction" not in found or nothing:
        missing = [role for role in wanted if role not in found]
        raise UserError(
            f"{source.path}: no column {listed(map(repr, missing))}; the file has {listed(source.columns)}; "
            f"name it with {listed(OPTIONS[role] for role in missing)}"
        )
    source.require(list(found.values()))
    return found


def bare(name: str) -> str:
    """A column's name without case, blanks, ``_`` and ``-``."""
    return re.sub(r"[\s_\-]+", "", name.casefold())
