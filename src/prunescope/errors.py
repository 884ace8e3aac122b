"""The one kind of error a user is meant to see."""

from __future__ import annotations

import re
from collections.abc import Iterable
from difflib import get_close_matches
from importlib import metadata
from pathlib import Path

#: Packages that are imported under another name than they are installed under.
_IMPORTED_AS = {"PIL": "pillow"}


class UserError(Exception):
    """Bad input: one line that names the thing, says what is wrong with it and what to do.

    The command line prints it as ``prunescope: error: <message>`` and exits with code 2;
    everything else is a defect of ours and keeps its traceback.
    """


class Problems(UserError):
    """Several of them at once, a line each."""

    def __init__(self, problems: Iterable[str]) -> None:
        self.lines = list(dict.fromkeys(problems))
        super().__init__("\n".join(self.lines))


class DamagedFileError(UserError):
    """A file that is cut off or not what its name says; ``path`` is the file."""

    def __init__(self, path: Path, message: str) -> None:
        super().__init__(message)
        self.path = path


def missing_extra(error: ModuleNotFoundError) -> UserError | None:
    """What to install where an optional package is missing; None where ``error`` has another cause."""
    module = (error.name or "").partition(".")[0]
    wanted = _IMPORTED_AS.get(module, module).replace("_", "-").lower()
    try:
        requirements = metadata.requires("prunescope") or []
    except metadata.PackageNotFoundError:
        return None
    for requirement in requirements:
        match = re.match(r"""([\w.-]+).*;.*extra == ["'](\w+)["']""", requirement)
        if match and match[2] != "all" and match[1].replace("_", "-").lower() == wanted:
            return UserError(f"{module}: not installed; pip install 'prunescope[{match[2]}]'")
    return None


def listed(names: Iterable[object], limit: int = 12) -> str:
    """``a, b, c`` for messages; long lists end in a count, so that a message stays one line."""
    items = [str(name) for name in names]
    if len(items) <= limit:
        return ", ".join(items)
    return f"{', '.join(items[:limit])} and {len(items) - limit} more"


def nearest(name: object, known: Iterable[object]) -> str:
    """`` (did you mean 'train'?)`` for a name that is close to a known one, else nothing.

    >>> nearest("lable", ["text", "label"])
    " (did you mean 'label'?)"
    """
    by_case = {str(one).casefold(): str(one) for one in known}
    found = get_close_matches(str(name).casefold(), by_case, 1, 0.7)
    return f" (did you mean {by_case[found[0]]!r}?)" if found else ""
