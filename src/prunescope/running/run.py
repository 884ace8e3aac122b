"""``prunescope run``: Snakemake on a study, from a tree that is checked first to one that is complete.

Whatever ends it, a signal, a closed terminal or a closed pipe: its jobs end too, the tree's lock is free, and the same
command goes on.
"""

from __future__ import annotations

import errno
import os
import select
import signal
import stat
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from types import FrameType
from typing import TextIO

from prunescope.config.load import load_study
from prunescope.config.study import Study
from prunescope.config.tracking import check_trackers
from prunescope.errors import UserError
from prunescope.files import sweep
from prunescope.files.ledger import STATE
from prunescope.files.meter import QUIET, duration
from prunescope.paths import Layout
from prunescope.planning.data import data_lines
from prunescope.planning.starts import check_start_files
from prunescope.running.board import Board
from prunescope.running.holding import SUPERVISOR
from prunescope.running.mending import Mender
from prunescope.running.progress import (
    NO_LOCK,
    Progress,
    reason,
    snakefile_arguments,
    snakemake_program,
    without_targets,
)
from prunescope.running.results_lock import ResultsLock
from prunescope.running.retraining import refuse_retraining
from prunescope.running.status import status_of
from prunescope.running.workflow import WorkflowGrid

#: Seconds between looks at Snakemake's output.
LOOK = 0.1

#: What ends a run.
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT)

#: How long the processes of a run have to end: after they are asked, told and killed. A terminal's Ctrl-C has reached
#: them all already.
_BY_THEMSELVES, _ASKED, _TOLD, _KILLED = 2.0, 12.0, 5.0, 3.0

#: Options with which Snakemake runs no job, or none of a study's.
_QUESTIONS = {
    *(
        "-n",
        "-np",
        "-nq",
        "-pn",
        "--dry-run",
        "--dryrun",
        "--summary",
        "-S",
        "--detailed-summary",
        "-D",
        "--dag",
    ),
    *("--rulegraph", "--filegraph", "--d3dag", "--list", "--list-rules", "-l", "--list-target-rules", "--lt"),
    *(
        "--lint",
        "--unlock",
        "--report",
        "--touch",
        "-t",
        "--delete-all-output",
        "--delete-temp-output",
        "--help",
    ),
    *("-h", "--version", "-v", "--archive", "--cleanup-metadata", "--conda-create-envs-only"),
}

#: Bytes of a disk that is full: files are written whole, so that what a job lacked may be free again after it.
_ROOM = 1 << 20


class Stopped(BaseException):
    """A signal ends the run; ``number``: which."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = number


def run_study(configfile: Path, arguments: Sequence[str], *, retrain: bool = False) -> int:
    """Run Snakemake on a study; its exit code, or 128 + the number of the signal that ended the run.

    Files of the results tree that are not what was written (``mending``) are rebuilt first. Snakemake's own output goes
    to ``<results>/logs/run-<time>.log``.

    Args:
        retrain: finished models whose settings have changed are trained again, and not refused.

    Raises:
        UserError: the study is not a valid one, its data or a checkpoint is not there or unusable, finished models
            would be trained again, a run is in progress here, or the log cannot be written.
        ModuleNotFoundError: Snakemake is not installed.
    """
    study = load_study(configfile)
    check_trackers(study)
    snakemake = snakemake_program()
    for line in data_lines(study, _data_to_check(study, arguments)):
        print(line, file=sys.stderr)
    check_start_files(study)
    if not retrain and not _QUESTIONS.intersection(arguments):
        refuse_retraining(study, Path.cwd(), _asked_data(study, arguments))
    log = Path(study.results) / "logs" / f"run-{datetime.now():%Y%m%d-%H%M%S}.log"
    run = Run(study, configfile, tuple(arguments), snakemake, log)
    try:
        with _stopping():
            if _QUESTIONS.intersection(arguments):
                return run.asked()
            log.parent.mkdir(parents=True, exist_ok=True)
            log.touch()
            return run.held()
    except Stopped as stopped:
        number = stopped.number
    except OSError as error:
        raise UserError(
            f"{log}: could not be written ({error.strerror}); free space or choose another "
            "results folder, then run the same command again"
        ) from None
    try:
        name = signal.Signals(number).name
        print(
            f"\nstopped ({name}); run the same command again to go on (log: {log})",
            file=sys.stderr,
            flush=True,
        )
    except OSError:
        # Nobody reads any more. What is still buffered must not raise at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stderr.fileno())
    return 128 + number


@contextmanager
def _stopping() -> Iterator[None]:
    """Signals raise ``Stopped`` here, unless whoever started this process has them ignored (``nohup``)."""
    before = {number: signal.getsignal(number) for number in SIGNALS}
    _asked.clear()
    try:
        for number, handler in before.items():
            if handler is not signal.SIG_IGN:
                signal.signal(number, _stop)
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _stop(number: int, frame: FrameType | None) -> None:
    # One is enough: what ends the run now must not be interrupted.
    for other in SIGNALS:
        signal.signal(other, signal.SIG_IGN)
    _asked.append(number)
    raise Stopped(number)


#: The signal that ends this run. Python drops an exception that a handler raises in some moments, such as while
#: it collects garbage; ``follow`` looks here too.
_asked: list[int] = []


@dataclass
class Run:
    """One call of ``prunescope run``."""

    study: Study
    configfile: Path
    arguments: tuple[str, ...]
    snakemake: str
    log: Path
    started: float = field(default_factory=time.monotonic)

    def asked(self) -> int:
        """A question to Snakemake, which changes nothing, and its answer."""
        return subprocess.run([*self._command(), *self.arguments], env=self._environment()).returncode

    def held(self) -> int:
        """Hold the results tree, and bring it to the state that the study asks for."""
        lock = ResultsLock(Path(self.study.results))
        last = lock.take()
        try:
            if last is not None:
                _end(last.pid)
            sweep(self.study.results)
            return self._until_whole(Mender(Path(self.study.results), WorkflowGrid(self.study).outputs()))
        except Stopped as stopped:
            _end(os.getpid(), wait=_BY_THEMSELVES if stopped.number == signal.SIGINT else 0)
            raise
        except BaseException:
            _end(os.getpid())
            raise
        finally:
            lock.release()

    def _until_whole(self, mender: Mender) -> int:
        last = Progress(time.monotonic())

        def run(targets: Sequence[str]) -> int:
            nonlocal last
            if not targets:
                code, last = self._snakemake(self.arguments)
                return code
            # In front: some of Snakemake's options take all that follows.
            paths = [f"{self.study.results}/{target}" for target in targets]
            code, last = self._snakemake(without_targets(self.arguments), *paths, "--force")
            return code

        code, mended = mender.until_whole(run, lambda line: print(line, file=sys.stderr))
        return self._close(last, code, mended)

    def _command(self, *first: str) -> list[str]:
        # The lock's option last: a target would be taken for another configuration file.
        return [
            self.snakemake, *first, *snakefile_arguments(), "--configfile", str(self.configfile), *NO_LOCK
        ]  # fmt: skip

    def _environment(self) -> dict[str, str]:
        return {**os.environ, **_cache(Path(self.study.results)), SUPERVISOR: str(os.getpid())}

    def _snakemake(self, arguments: Sequence[str], *first: str) -> tuple[int, Progress]:
        progress = Progress(time.monotonic())
        board = Board(self.study) if not first and sys.stderr.isatty() else None
        with (
            # A file and no pipe: nothing waits for a reader that is no more.
            open(self.log, "ab") as record,
            open(self.log, encoding="utf-8", errors="replace") as output,
        ):
            output.seek(0, os.SEEK_END)
            process = subprocess.Popen(
                [*self._command(*first), *arguments],
                stdin=subprocess.DEVNULL,
                stdout=record,
                stderr=subprocess.STDOUT,
                env=self._environment(),
            )
            follow(process, output, progress, sys.stderr, board)
        return process.returncode, progress

    def _close(self, progress: Progress, code: int, mended: Sequence[str]) -> int:
        out = sys.stderr
        if code == 0:
            what = f"{progress.done} jobs" if progress.total else "nothing to do"
            if mended and not progress.total:
                what = "nothing else to do"
            for line in mended:
                print(line, file=out)
            print(f"done: {what} in {duration(time.monotonic() - self.started)}", file=out)
            for line in status_of(self.study, Path.cwd())["at_chance"]:
                print(f"prunescope: WARNING: {line}", file=out)
            index = Path(self.study.results) / "index.html"
            if index.is_file():
                print(f"report: {index.resolve()}", file=out)
            return 0
        tail = self.log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
        if progress.failed:
            for name in dict.fromkeys(progress.logs.values()):
                print(f"failed: {name}: {reason(name)}", file=out)
            count = len(progress.failed)
            print(f"{count} job{'s' if count > 1 else ''} failed; what was run is in {self.log}", file=out)
        elif not progress.done and tail and tail[-1].startswith("prunescope: error: "):
            # A study that cannot be run, found once Snakemake had read it.
            print(*(line for line in tail if line.startswith("prunescope: error: ")), sep="\n", file=out)
            return 2
        else:
            # Nothing ran: a broken workflow, whose own words come last.
            print("\n".join(tail[-5:]), file=out)
        if full := _full(Path(self.study.results)):
            # Even the logs of jobs may be empty then.
            print(f"{self.study.results}: {full}; free some space first", file=out)
        print("run the same command again to go on from here", file=out)
        return code


def _full(results: Path) -> str:
    """The system's words where a results tree has no room: only writing shows a quota. Empty where it has."""
    try:
        with tempfile.TemporaryFile(dir=results) as file:
            file.write(bytes(_ROOM))
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        return os.strerror(error.errno) if error.errno in (errno.ENOSPC, errno.EDQUOT) else ""
    return ""


def _cache(results: Path) -> dict[str, str]:
    """A cache folder in the results tree, for programs that would stop without theirs; nothing where that is there."""
    own = Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache")
    try:
        own = own.expanduser()
        (own / "snakemake").mkdir(parents=True, exist_ok=True)
        if os.access(own / "snakemake", os.W_OK):
            return {}
    except (OSError, RuntimeError):  # no home
        pass
    cache = (results / STATE / "cache").absolute()
    cache.mkdir(parents=True, exist_ok=True)
    return {"XDG_CACHE_HOME": str(cache), "MPLCONFIGDIR": str(cache / "matplotlib")}


def _asked_data(study: Study, arguments: Sequence[str]) -> list[str]:
    return [name for name in study.datasets if name in arguments] or list(study.datasets)


def _data_to_check(study: Study, arguments: Sequence[str]) -> list[str]:
    """The data sets that a run asks for; of published ones, which do not change, those that are not built yet."""
    asked = _asked_data(study, arguments)
    card = Layout(study.results).data("card.json")
    return [
        name
        for name in asked
        if not study.datasets[name].counts_published or not Path(card.format(dataset=name)).exists()
    ]


def follow(
    process: subprocess.Popen[bytes],
    output: TextIO,
    progress: Progress,
    out: TextIO,
    board: Board | None = None,
) -> None:
    """Report what a Snakemake prints into a file until it ends: as a table with ``board``, else line by line.

    Raises:
        Stopped: nobody reads ``out`` any more.
    """
    shown, rest, ended = 0.0, "", False
    with board.shown(out, process.pid) if board is not None else nullcontext() as show:
        while not ended:
            if _asked:
                raise Stopped(_asked[0])
            ended = process.poll() is not None
            *lines, rest = (rest + output.read()).split("\n")
            if not ended and not lines:
                with suppress(subprocess.TimeoutExpired):
                    process.wait(LOOK)
            now, told = time.monotonic(), len(progress.notes)
            changed = sum(progress.read(line, now) for line in lines) > 0
            if _unread(out):
                _stop(signal.SIGPIPE, None)
            if show is not None:
                show(progress, now, last=ended)
                continue
            for note in progress.notes[told:]:
                print(note, file=out, flush=True)
            if changed and (now - shown >= QUIET or progress.done == progress.total):
                print(progress.line(now), file=out, flush=True)
                shown = now


def _unread(out: TextIO) -> bool:
    """Whether ``out`` is a pipe that nobody reads."""
    try:
        descriptor = out.fileno()
        if not stat.S_ISFIFO(os.fstat(descriptor).st_mode):
            return False
    except (OSError, ValueError):
        return False
    ask = select.poll()
    ask.register(descriptor, 0)
    return bool(ask.poll(0))


def _end(supervisor: int, wait: float = 0) -> None:
    """End the Snakemake that a run has started, and its jobs; within half a minute.

    They are known by their environment: a process whose parent is killed has another one.

    Args:
        supervisor: the process of the run. wait: seconds for them to end by themselves.
    """
    _wait(supervisor, wait)
    for signals, seconds in (
        ((signal.SIGINT, signal.SIGTERM), _ASKED),
        ((signal.SIGTERM, signal.SIGTERM), _TOLD),
        ((signal.SIGKILL, signal.SIGKILL), _KILLED),
    ):
        for pid, is_snakemake in _processes(supervisor).items():
            with suppress(ProcessLookupError):
                # Jobs keep their progress when they are terminated; Snakemake would wait for its jobs.
                os.kill(pid, signals[0] if is_snakemake else signals[1])
        _wait(supervisor, seconds)


def _wait(supervisor: int, seconds: float) -> None:
    until = time.monotonic() + seconds
    while time.monotonic() < until and _processes(supervisor):
        time.sleep(LOOK)


def _processes(supervisor: int) -> dict[int, bool]:
    """The processes of a run by number, and whether each is its Snakemake."""
    import psutil

    found = {}
    for process in psutil.process_iter():
        with suppress(psutil.Error, OSError):
            if process.pid in (os.getpid(), supervisor) or process.status() == psutil.STATUS_ZOMBIE:
                continue
            if process.environ().get(SUPERVISOR) == str(supervisor):
                found[process.pid] = process.ppid() == supervisor
    return found
