"""Progress of long reads and downloads on standard error: how much is done, how long the rest will take."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from types import TracebackType
from typing import TextIO

#: Seconds between lines where the output is a file, and between updates on a terminal.
QUIET, LIVE = 15.0, 0.2


class Meter:
    """Shows bytes done of ``total`` (None: unknown); one line that is renewed on a terminal, else a line at a time.

    Nothing is shown of what ends before the first interval is over. ``done`` bytes of an earlier
    attempt count as done but not for the speed.
    """

    def __init__(
        self,
        what: str,
        total: int | None,
        done: int = 0,
        out: TextIO | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._what, self._total, self._done, self._first = what, total, done, done
        self._out = sys.stderr if out is None else out
        self._live = self._out.isatty()
        self._clock = clock
        self._started = self._shown = clock()
        self._width = 0

    def __enter__(self) -> Meter:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._width:
            print(file=self._out, flush=True)

    def add(self, size: int) -> None:
        """``size`` more bytes are done."""
        self._done += size
        now = self._clock()
        if now - self._shown < (LIVE if self._live else QUIET):
            return
        self._shown = now
        line = self.line(now)
        if self._live:
            # Blanks cover what a longer line left.
            print(f"\r{line:<{self._width}}", end="", file=self._out, flush=True)
            self._width = len(line)
        else:
            print(line, file=self._out, flush=True)

    def line(self, now: float) -> str:
        """``what: 12.0 of 48.0 MB (25%), 4.0 MB/s, 9 s left``."""
        speed = (self._done - self._first) / max(now - self._started, 1e-9)
        done = f"{self._done / 1e6:.1f}"
        rate = f"{speed / 1e6:.1f} MB/s"
        if not self._total:
            return f"{self._what}: {done} MB, {rate}"
        share = self._done / self._total
        left = f", {duration((self._total - self._done) / speed)} left" if speed > 0 else ""
        return f"{self._what}: {done} of {self._total / 1e6:.1f} MB ({share:.0%}), {rate}{left}"


def duration(seconds: float) -> str:
    """``45 s``, ``3 min 20 s``, ``2 h 5 min``."""
    seconds = max(round(seconds), 0)
    if seconds < 60:
        return f"{seconds} s"
    if seconds < 3600:
        return f"{seconds // 60} min {seconds % 60} s"
    return f"{seconds // 3600} h {seconds % 3600 // 60} min"
