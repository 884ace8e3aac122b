"""The parser of the command ``prunescope``."""

from __future__ import annotations

import argparse
from typing import NoReturn

from prunescope import __version__
from prunescope.commands import analysis, data, models, report, users


class _Parser(argparse.ArgumentParser):
    """Usage errors in the form of all our errors: one line, exit code 2."""

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"prunescope: error: {message} (see {self.prog} --help)\n")


def build_parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="prunescope",
        description="Shows who pays when a model is pruned: which examples, which classes, by how much.",
        epilog="The workflow calls the commands marked `stage`. `prunescope COMMAND --help` describes one.",
    )
    parser.add_argument("--version", action="version", version=f"prunescope {__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    # First what people call. Then the stages, which the workflow's rules call; a stage reads and writes only the files
    # that its arguments name.
    for group in (users, data, models, analysis, report):
        group.add_commands(commands)
    parser.set_defaults(parser=parser)
    return parser
