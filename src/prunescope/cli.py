"""The command ``prunescope``: its exit codes and error lines. What it does is in ``commands``."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Sequence
from contextlib import suppress
from typing import NoReturn

from prunescope.errors import Problems, UserError, missing_extra, one_line
from prunescope.running.warm import run_warm


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit code."""
    warm = run_warm(sys.argv[1:] if argv is None else argv)
    if warm is not None:
        return warm
    # After the line above, which ends most jobs of a run: importing this takes longer.
    from prunescope.commands.arguments import reading
    from prunescope.commands.parser import build_parser

    # A scheduler that ends a job sends the first, a terminal that is closed or Ctrl-\ the others: an exit, so that
    # files half written are taken away.
    for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT):
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
        print(f"prunescope: error: {one_line(problem)}", file=sys.stderr)
    return 2


def _terminated(number: int, frame: object) -> NoReturn:
    with suppress(OSError, RuntimeError):  # nobody reads; or it was printing
        name = signal.Signals(number).name
        print(f"prunescope: stopped ({name}); run the same command again to resume", file=sys.stderr)
    sys.exit(128 + number)
