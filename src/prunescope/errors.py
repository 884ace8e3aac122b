"""The one kind of error a user is meant to see."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path


class UserError(Exception):
    """Bad input: one line that names the thing, says what is wrong with it and what to do.

    The command line prints it as ``prunescope: error: <message>`` and exits with code 2;
    everything else is a defect of ours and keeps its traceback.
    """


class DamagedFileError(UserError):
    """A file that is cut off or not what its name says; ``path`` is the file."""

    def __init__(self, path: Path, message: str) -> None:
        super().__init__(message)
        self.path = path


def listed(names: Iterable[object], limit: int = 12) -> str:
    """``a, b, c`` for messages; long lists end in a count, so that a message stays one line."""
    items = [str(name) for name in names]
    if len(items) <= limit:
        return ", ".join(items)
    return f"{', '.join(items[:limit])} and {len(items) - limit} more"
