"""Snakemake's lock on a working directory, after the run that held it was killed.

Snakemake does not say who holds its lock, so ``prunescope run`` notes it beside the lock. A lock is
cleared only where the note says that its holder ran on this machine and is gone.
"""

from __future__ import annotations

import json
import os
import socket
from pathlib import Path

from prunescope.errors import UserError
from prunescope.files import write_json

_NOTE = Path(".snakemake") / "prunescope-run.json"


def note_holder(workdir: Path, pid: int) -> None:
    """Remember the Snakemake process that runs in ``workdir``."""
    write_json(workdir / _NOTE, {"host": socket.gethostname(), "pid": pid})


def is_stale(workdir: Path) -> bool:
    """Whether ``workdir`` is locked by a process of this machine that is no more.

    Raises:
        UserError: the process still runs.
    """
    if not any((workdir / ".snakemake" / "locks").glob("*")):
        return False
    try:
        note = json.loads((workdir / _NOTE).read_text(encoding="utf-8"))
        host, pid = str(note["host"]), int(note["pid"])
    except (OSError, ValueError, KeyError, TypeError):
        return False
    if host != socket.gethostname():
        return False
    if _runs_snakemake(pid):
        raise UserError(
            f"{workdir}: a run is in progress here (process {pid}); wait for it, or stop it first"
        )
    return True


def _runs_snakemake(pid: int) -> bool:
    """Whether ``pid`` lives and, where the system tells, is Snakemake and no later process."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    try:
        return b"snakemake" in Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return True
