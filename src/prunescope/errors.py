"""The one kind of error a user is meant to see."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager
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


class BadFileError(UserError):
    """A file that is missing or not what it should be.

    ``path``: the file; ``what``: what is wrong with it. ``advice`` suits a file that a run rebuilds; where a user
    names the file, ``given`` says what to give instead.
    """

    def __init__(self, path: Path | str, what: str, advice: str = "run again to rebuild it") -> None:
        super().__init__(f"{path}: {what}; {advice}" if advice else f"{path}: {what}")
        self.path, self.what = path, what


@contextmanager
def given(advice: str) -> Iterator[None]:
    """The user names the files that are read in this block: ``advice`` says which to give instead of a bad one."""
    try:
        yield
    except BadFileError as error:
        raise BadFileError(error.path, error.what, advice) from None


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


def missing_extra(error: ModuleNotFoundError, needed: Collection[str] = ()) -> UserError | None:
    """What to install where an optional package is missing; None where ``error`` has another cause.

    Args:
        needed: all extras of what was asked for, so that one installation is enough.
    """
    module = (error.name or "").partition(".")[0]
    wanted = _IMPORTED_AS.get(module, module).replace("_", "-").lower()
    try:
        requirements = metadata.requires("prunescope") or []
    except metadata.PackageNotFoundError:
        return None
    matches = [re.match(r"""([\w.-]+).*;.*extra == ["'](\w+)["']""", text) for text in requirements]
    extras = {match[2] for match in matches if match and match[1].replace("_", "-").lower() == wanted} - {
        "all"
    }
    if not extras:
        return None
    # Of the extras that bring the package, the first is enough where none is needed anyway.
    names = [*needed] if extras & set(needed) else [*needed, min(extras)]
    return UserError(f"{module}: not installed; pip install 'prunescope[{','.join(names)}]'")


#: Control characters but for tabs and line ends, halves of characters, and what is no character: XML has none of them.
_UNSEEN = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]|\r(?!\n)")

#: What turns the direction of the rest of a line.
_TURNS = re.compile("[\u202a-\u202e\u2066-\u2069]")


def visible(text: str) -> str:
    """A text that may hold names from data, as pages, tables and figures show it: control characters are spelled out.

    >>> visible("red\x1b[31m")
    'red\\u001b[31m'
    """
    return _UNSEEN.sub(_spelled, text)


def one_line(text: str) -> str:
    """The same as one line of a terminal, where a name turns no other text round."""
    return _TURNS.sub(_spelled, visible(" ".join(text.splitlines())))


def _spelled(match: re.Match[str]) -> str:
    return f"\\u{ord(match[0]):04x}"


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
