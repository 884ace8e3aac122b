"""How a command describes itself, and arguments that commands share: the study, settings as JSON, lists of folders."""

from __future__ import annotations

import argparse
import textwrap
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

from pydantic import TypeAdapter, ValidationError

from prunescope.config.shipped import study_file
from prunescope.errors import BadFileError, DamagedFileError, Problems, UserError
from prunescope.files import check_file
from prunescope.files.ledger import require

#: Files that stand for what is in other folders: a list of cells, and a data set's tables.
CELLS, CARD = "cells.txt", "card.json"

T = TypeVar("T")


def add_command(
    commands: Any,
    name: str,
    summary: str,
    example: str,
    *,
    description: str = "",
    extras: Sequence[str] = (),
    reads: Sequence[str] | None = None,
) -> argparse.ArgumentParser:
    """Add a command with its help: what it does, its options, and one example.

    Args:
        summary: one line without a full stop; example: arguments after ``prunescope``.
        description: in place of the summary, for a command that needs more words.
        extras: of this package, that the command needs. reads: of a stage, which the workflow calls, the arguments
            that name files it reads; they are checked first (``reading``).
    """
    stage = reads is not None
    text = description or f"{summary[0].upper()}{summary[1:]}." + (stage * " The workflow calls this stage.")
    parser: argparse.ArgumentParser = commands.add_parser(
        name,
        help=f"stage: {summary}" if stage else summary,
        description=textwrap.fill(text, 78),
        epilog=f"example: prunescope {example}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.set_defaults(extras=tuple(extras), reads=reads)
    return parser


@contextmanager
def reading(arguments: argparse.Namespace) -> Iterator[None]:
    """Check what a command reads before it does; a stage's file that is not what was written is set aside.

    Raises:
        UserError: there is such a file, or a pipe or device; the line says what is wrong with it.
    """
    for value in vars(arguments).values():
        for path in _paths(value):
            check_file(path)
    if arguments.reads is None:
        yield
        return
    given = [value for name in arguments.reads for value in _paths(getattr(arguments, name))]
    try:
        folders = [path for path in given if path.is_dir()]
        files = [path for path in given if path not in folders]
        for path in files:
            if path.name == CELLS:
                folders += listed_folders(path)
            elif path.name == CARD:
                folders.append(path.parent)
        require(files, folders)
        yield
    except (BadFileError, DamagedFileError) as error:
        from prunescope.running.mending import set_aside

        raise set_aside(error) from None


def _paths(value: object) -> list[Path]:
    values = value if isinstance(value, list) else [value]
    return [one for one in values if isinstance(one, Path)]


def add_file(parser: argparse.ArgumentParser, name: str, text: str, *, required: bool = True) -> None:
    """Add an option that takes one file."""
    parser.add_argument(name, required=required, type=Path, metavar="FILE", help=text)


def add_files(parser: argparse.ArgumentParser, name: str, text: str, *, required: bool = True) -> None:
    """Add an option that takes several files, or none where it is not ``required``."""
    parser.add_argument(
        name,
        required=required,
        nargs="+" if required else "*",
        default=[],
        type=Path,
        metavar="FILE",
        help=text,
    )


def add_folder(parser: argparse.ArgumentParser, name: str, text: str) -> None:
    """Add an option that takes a folder."""
    parser.add_argument(name, required=True, type=Path, metavar="DIR", help=text)


def add_settings(parser: argparse.ArgumentParser, name: str, text: str, otherwise: str = "") -> None:
    """Add an option that takes JSON; required unless ``otherwise`` says what holds without it (then it is ``{}``)."""
    default = "{}" if otherwise else None
    text += ", as JSON" + (f" (default: {otherwise})" if otherwise else "")
    parser.add_argument(name, required=not otherwise, default=default, metavar="JSON", help=text)


def add_cells(parser: argparse.ArgumentParser) -> None:
    """Add ``--cells``."""
    add_file(parser, "--cells", "file that lists the cells' folders, one per line (RESULTS/cells.txt)")


def add_processes(parser: argparse.ArgumentParser) -> None:
    """Add ``--processes``."""
    text = "number of processes (default: %(default)s)"
    parser.add_argument("--processes", type=int, default=1, metavar="NUMBER", help=text)


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
    """The folders that a file names, one a line; relative ones from the folder above the file that has them.

    So another working folder reads the same results tree.

    Raises:
        UserError: the file cannot be read.
    """
    try:
        named = [Path(line) for line in path.read_text(encoding="utf-8").splitlines() if line]
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror})") from None
    if not named:
        return []
    above = (folder for folder in path.absolute().parents if (folder / named[0]).is_dir())
    root = next(above, Path.cwd())
    return named if root == Path.cwd() else [root / folder for folder in named]
