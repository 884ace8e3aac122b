"""The lock on a results tree: one run at a time, whoever starts it and from wherever.

Snakemake locks a working directory, not what it writes to; two people, or two studies, can have one results tree in
common. The lock is a file in the tree that says who holds it. It is cleared by itself only where its holder ran on
this machine and is gone.
"""

from __future__ import annotations

import getpass
import json
import os
import socket
import tempfile
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Self

from prunescope.errors import UserError
from prunescope.files import write_json
from prunescope.files.ledger import STATE as STATE


@dataclass(frozen=True)
class Holder:
    """Who holds a results tree. ``since``: local time. ``snakemake``: its process where another, which
    ``supervises``, started it.

    ``pid_started``, ``snakemake_started``: when a process started, on the kernel's clock; another process that got the
    same number has another time.
    """

    user: str
    host: str
    pid: int
    pid_started: str
    since: str
    workdir: str
    snakemake: int = 0
    snakemake_started: str = ""
    supervises: bool = False

    @classmethod
    def me(cls, *, supervises: bool = False) -> Self:
        now = datetime.now().isoformat(sep=" ", timespec="seconds")
        host = socket.gethostname()
        return cls(
            _user(),
            host,
            os.getpid(),
            process_started(os.getpid()),
            now,
            str(Path.cwd()),
            supervises=supervises,
        )

    @property
    def here(self) -> bool:
        return self.host == socket.gethostname()

    @property
    def lives(self) -> bool:
        """Whether the process that holds the lock runs; True where another machine would have to tell."""
        return not self.here or process_lives(self.pid, self.pid_started)

    @property
    def snakemake_lives(self) -> bool:
        return self.here and self.snakemake > 0 and process_lives(self.snakemake, self.snakemake_started)

    def __str__(self) -> str:
        return f"{self.user} on {self.host}, process {self.pid}, since {self.since}, from {self.workdir}"


class ResultsLock:
    """The lock of one results tree; ``supervises``: whether this process starts a Snakemake that does the work."""

    def __init__(self, results: Path, *, supervises: bool = False) -> None:
        self.results = results
        self.supervises = supervises
        self.path = results / STATE / "lock.json"

    def holder(self) -> Holder | None:
        """Who holds the tree; None where nobody does.

        Raises:
            UserError: the lock is not readable.
        """
        try:
            return Holder(**json.loads(self.path.read_text(encoding="utf-8")))
        except FileNotFoundError:
            return None
        except (OSError, ValueError, TypeError) as error:
            raise UserError(
                f"{self.path}: cannot be read ({error}); if no run is in progress, clear it with `prunescope unlock`"
            ) from None

    def take(self) -> Holder | None:
        """Hold the tree. Returns the last holder where its process is gone without having released it.

        Raises:
            UserError: another run holds it, or the folder cannot be written.
        """
        last = self.holder()
        if last is not None:
            if last.lives:
                raise UserError(
                    f"{self.results}: in use by {last}; wait for that run or stop it there; if it has ended, clear "
                    "the lock with `prunescope unlock` and the same --configfile"
                )
            self._put_aside(last)
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            # A link, and not an exclusive open: whoever reads the lock then finds it whole.
            with tempfile.NamedTemporaryFile(
                "w", dir=self.path.parent, prefix=".lock.", encoding="utf-8"
            ) as file:
                json.dump(asdict(Holder.me(supervises=self.supervises)), file, indent=2)
                file.flush()
                os.fsync(file.fileno())
                Path(file.name).chmod(0o644)
                try:
                    os.link(file.name, self.path)
                except FileExistsError:
                    raise
                except OSError:  # a file system without links
                    with open(self.path, "x", encoding="utf-8") as lock:
                        lock.write(Path(file.name).read_text(encoding="utf-8"))
        except FileExistsError:
            raise UserError(f"{self.results}: another run has just taken it; run again later") from None
        except OSError as error:
            raise UserError(
                f"{self.path}: could not be written ({error.strerror}); free space or choose another results folder"
            ) from None
        return last

    def _put_aside(self, last: Holder) -> None:
        """Remove the lock of ``last``, unless another run has done so meanwhile and holds the tree itself."""
        aside = self.path.with_name(f".lock.{socket.gethostname()}.{os.getpid()}")
        try:
            self.path.rename(aside)
            found = Holder(**json.loads(aside.read_text(encoding="utf-8")))
            if found != last:
                os.link(aside, self.path)
            aside.unlink()
        except OSError:
            found = None
        if found != last:
            raise UserError(f"{self.results}: another run has just taken it; run again later") from None

    def note_snakemake(self, pid: int) -> None:
        """Say which Snakemake process works for the holder, which must be this process."""
        write_json(
            self.path,
            asdict(
                replace(Holder.me(supervises=True), snakemake=pid, snakemake_started=process_started(pid))
            ),
        )

    def release(self) -> None:
        """Let go, if this process holds the tree."""
        holder = self.holder()
        if holder is not None and holder.here and holder.pid == os.getpid():
            self.path.unlink(missing_ok=True)

    def clear(self) -> Holder | None:
        """Remove the lock of a run that is no more; returns who held it.

        Raises:
            UserError: its holder runs on this machine.
        """
        try:
            holder = self.holder()
        except UserError:
            self.path.unlink(missing_ok=True)
            return None
        if holder is not None:
            if holder.here and holder.lives:
                raise UserError(f"{self.results}: in use by {holder}; stop that process first")
            self.path.unlink(missing_ok=True)
        return holder


def _user() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError):  # a container's number without a name
        return str(os.getuid())


def process_started(pid: int) -> str:
    """When a process of this machine started, as the kernel counts; empty where it does not tell."""
    try:
        # The name, in parentheses, may hold blanks; what follows it does not.
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19]
    except (OSError, IndexError):
        return ""


def process_lives(pid: int, started: str) -> bool:
    """Whether a process of this machine runs, and is the one that started then."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    try:
        if Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z":
            return False
    except (OSError, IndexError):
        return not Path("/proc/self/stat").exists()
    return not started or process_started(pid) == started
