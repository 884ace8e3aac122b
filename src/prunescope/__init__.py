"""prunescope shows who pays when a model is pruned: which examples, which classes, by how much.

import prunescope as ps

ps.audit(dense, pruned)                 compare models from their predictions
ps.load_study("results/")               the tables and predictions of a study
ps.pies, ps.el2n, ps.alpha, ps.effect_on_classes        the measures on plain arrays
"""

from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from typing import Any

#: The Python interface, and where each name is: nothing of it is loaded before it is used.
_INTERFACE = {
    "audit": "api.comparison",
    "AuditResult": "api.comparison",
    "load_study": "api.study",
    "Study": "api.study",
    "pies": "api.measures",
    "el2n": "api.measures",
    "alpha": "api.measures",
    "Alpha": "api.measures",
    "effect_on_classes": "api.measures",
    "UserError": "errors",
}

__all__ = [*_INTERFACE, "__version__"]

try:
    __version__ = version("prunescope")
except PackageNotFoundError:  # a source tree that was never installed
    __version__ = "0+unknown"


def code_revision() -> str:
    """The commit of the source tree this code runs from, for the records; empty where git does not track it.

    Ends in ``+changes`` where tracked files differ from the commit.
    """
    import subprocess
    from pathlib import Path

    git = ["git", "-C", str(Path(__file__).parent)]
    try:
        # Installed into an environment inside some other project, the commit around it is not ours.
        subprocess.run([*git, "ls-files", "--error-unmatch", "__init__.py"], capture_output=True, check=True)
        head = subprocess.run([*git, "rev-parse", "HEAD"], capture_output=True, text=True, check=True).stdout
        status = [*git, "status", "--porcelain", "--untracked-files=no"]
        changes = subprocess.run(status, capture_output=True, text=True, check=True).stdout
    except (OSError, subprocess.CalledProcessError):
        return ""
    return head.strip() + ("+changes" if changes.strip() else "")


def __getattr__(name: str) -> Any:
    if name not in _INTERFACE:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_INTERFACE[name]}"), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *_INTERFACE})
