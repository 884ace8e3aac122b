"""The command ``prunescope``: its parser, exit codes and error lines. What it does is in ``commands``."""

from __future__ import annotations

import argparse
import os
import signal
import sys
from collections.abc import Sequence
from typing import NoReturn

from prunescope import __version__
from prunescope.commands import analysis, data, models, report, users
from prunescope.commands.arguments import reading
from prunescope.errors import Problems, UserError, missing_extra


class _Parser(argparse.ArgumentParser):
    """Usage errors in the form of all our errors: one line, exit code 2."""

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"prunescope: error: {message} (see {self.prog} --help)\n")


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit code."""
    # A scheduler that ends a job sends the first, a terminal that is closed the other: an exit, so that files half
    # written are taken away.
    for number in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, _terminated)
    try:
        arguments = build_parser().parse_args(argv)
        with reading(arguments):
            code = arguments.run(arguments)
        sys.stdout.flush()
    except BrokenPipeError:
        # `prunescope plan | head` has read enough. The signal's default action would also end a job whose download
        # breaks off. What is still buffered must not raise at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 128 + signal.SIGPIPE
    except UserError as error:
        return _refused(error)
    except ModuleNotFoundError as error:
        missing = missing_extra(error, arguments.extras)
        if missing is None:
            raise
        return _refused(missing)
    except MemoryError:
        print(
            "prunescope: error: out of memory; close other programs or use a larger machine", file=sys.stderr
        )
        return 1
    except KeyboardInterrupt:
        print("prunescope: stopped; run the same command again to resume", file=sys.stderr)
        return 130
    return int(code or 0)


def _refused(error: UserError) -> int:
    # A line each, whatever a column or a file is called.
    for problem in error.lines if isinstance(error, Problems) else [str(error)]:
        print(f"prunescope: error: {' '.join(problem.splitlines())}", file=sys.stderr)
    return 2


def _terminated(number: int, frame: object) -> NoReturn:
    sys.exit(128 + number)


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
    return parser
