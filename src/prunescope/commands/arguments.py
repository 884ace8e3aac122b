"""Arguments that commands share: the study, settings as JSON, lists of folders in files."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TypeVar

from pydantic import TypeAdapter, ValidationError

from prunescope.config.shipped import study_file
from prunescope.errors import Problems, UserError

T = TypeVar("T")


def add_configfile(parser: argparse.ArgumentParser, default: str = "config.yaml") -> None:
    """Add ``--configfile``, the study that a command is about."""
    parser.add_argument(
        "--configfile",
        type=study_file,
        default=default,
        metavar="FILE",
        help="the study, a YAML file (default: %(default)s)",
    )


def parsed(adapter: TypeAdapter[T], text: str, option: str) -> T:
    """The settings that ``option`` gives as JSON ``text``.

    Raises:
        UserError: they are none; the line names the option and the key.
    """
    from prunescope.config.load import problems

    try:
        return adapter.validate_json(text)
    except ValidationError as error:
        raise Problems(f"{option}: {line}" for line in problems(error)) from None


def listed_folders(path: Path) -> list[Path]:
    """The folders that a file names, one a line.

    Raises:
        UserError: the file cannot be read.
    """
    try:
        return [Path(line) for line in path.read_text(encoding="utf-8").splitlines() if line]
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror})") from None
