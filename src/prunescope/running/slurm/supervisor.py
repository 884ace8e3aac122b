"""Long runs on SLURM: starts Snakemake, notices when it hangs or is gone, and starts it again.

Jobs outlive the process that submitted them. Before Snakemake starts, jobs of an earlier one that wait in the queue are
taken out of it (they have done nothing yet) and those that run are waited for; so no job runs twice, and what they
finished is kept.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from types import FrameType
from typing import NoReturn

from prunescope.config.load import load_study
from prunescope.errors import UserError
from prunescope.files import write_json, write_text
from prunescope.running.holding import SUPERVISOR
from prunescope.running.mending import Mender
from prunescope.running.progress import (
    NO_LOCK,
    NOTE,
    Progress,
    snakefile_arguments,
    snakemake_program,
    without_targets,
)
from prunescope.running.results_lock import STATE, Holder, ResultsLock, process_lives
from prunescope.running.slurm import queue
from prunescope.running.slurm.executor import beat, heartbeat
from prunescope.running.slurm.failures import failure_lines
from prunescope.running.slurm.profile import installed_profile
from prunescope.running.slurm.watch import Failure, Watch
from prunescope.running.workflow import WorkflowGrid

#: What `prunescope slurm cancel` sends, and what SLURM sends before the end of a supervisor's own job.
CANCELLED, TIME_IS_UP = signal.SIGUSR2, signal.SIGUSR1

_STOPPED = {
    signal.SIGINT: "stopped; submitted jobs go on, and the same command finds them again (`prunescope slurm cancel` "
    "ends them)",
    CANCELLED: "cancelled",
    TIME_IS_UP: "the time of this supervisor's own job is up; it goes back to the queue, and submitted jobs go on",
}

#: Restarts in a row after which no job has ended, before the supervisor gives up.
FRUITLESS = 5


#: Below the state folder of a results tree.
FAILURES = "slurm-failures.txt"


@dataclass(frozen=True)
class Supervision:
    """``results``: the tree. ``arguments``: for Snakemake, after the profile and the study. ``targets``: below the
    tree, made by force and instead of those that ``arguments`` name.

    ``patience``: seconds without a question for the states of jobs after which Snakemake hangs; the executor's own
    longest pause is 60. ``interval``: seconds between looks at Snakemake.
    """

    configfile: Path
    results: Path
    arguments: Sequence[str] = ()
    targets: Sequence[str] = ()
    patience: float = 400.0
    interval: float = 30.0

    @property
    def run_file(self) -> Path:
        """What was started last, for the records of what ended unwatched."""
        return self.results / STATE / "slurm-run.json"

    @property
    def failures_file(self) -> Path:
        """The failures of the run in progress, or of the last, in lines for people."""
        return self.results / STATE / FAILURES

    @property
    def config_copy(self) -> Path:
        return self.results / STATE / "slurm-run-config.yaml"


@dataclass
class Outcome:
    """How one Snakemake process ended. ``code`` is None where it was ended because it hung."""

    code: int | None
    progress: Progress
    watch: Watch = field(default_factory=Watch)

    @property
    def lost(self) -> str:
        """Why it is worth starting again; empty where it is not."""
        if self.code is None:
            return "Snakemake no longer follows its jobs"
        if self.code < 0:
            return f"Snakemake was killed ({signal.Signals(-self.code).name})"
        return ""


def supervise(plan: Supervision) -> int:
    """Run a study to its end; the exit code: 0 if all is there, 1 if jobs failed for good.

    Raises:
        UserError: another run holds the results tree, or the profile is not set up.
    """
    if not installed_profile().is_file():
        raise UserError(f"{installed_profile()}: no such file; run `prunescope slurm setup` first")
    program = snakemake_program()
    lock = ResultsLock(plan.results, supervises=True)
    last = lock.take()
    # A closed terminal ends neither this process nor the run.
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    for number in (signal.SIGTERM, CANCELLED, TIME_IS_UP):
        signal.signal(number, _stopped)
    try:
        _end_orphan(last)
        if code := _supervise(plan, program, lock):
            _tell_of_jobs(plan)
        return code
    except UserError:
        _tell_of_jobs(plan)
        raise
    except KeyboardInterrupt as stopped:
        number = stopped.args[0] if stopped.args else signal.SIGINT
        say(_STOPPED.get(number, _STOPPED[signal.SIGINT]))
    finally:
        lock.release()
    if number == TIME_IS_UP:
        queue.requeue_this_job()
    return 128 + number


def _stopped(number: int, frame: FrameType | None) -> NoReturn:
    raise KeyboardInterrupt(number)


def _supervise(plan: Supervision, program: str, lock: ResultsLock) -> int:
    # What jobs still write must not be taken for damaged.
    _settle(plan)
    mender = Mender(plan.results, WorkflowGrid(load_study(plan.configfile)).outputs())
    last = Outcome(1, Progress(time.monotonic()))

    def run(targets: Sequence[str]) -> int:
        nonlocal last
        if targets:
            only = replace(plan, arguments=without_targets(plan.arguments), targets=targets)
            last = _run_to_its_end(only, program, lock)
        else:
            last = _run_to_its_end(plan, program, lock)
        return 1 if last.lost else last.code or 0

    code, mended = mender.until_whole(run, say, late=2 * plan.interval)
    for line in mended:
        say(line)
    return _close(plan, last, code)


def _run_to_its_end(plan: Supervision, program: str, lock: ResultsLock) -> Outcome:
    """Start Snakemake as often as it is lost."""
    fruitless = 0
    while True:
        _settle(plan)
        outcome = _run_once(plan, program, lock)
        if not outcome.lost:
            return outcome
        fruitless = 0 if outcome.watch.finished else fruitless + 1
        if fruitless >= FRUITLESS:
            say(f"{outcome.lost}; {fruitless} starts in a row got nothing done")
            return outcome
        say(f"{outcome.lost}; starting it again")
        time.sleep(min(plan.interval * fruitless, 600))


def _end_orphan(last: Holder | None) -> None:
    """End the Snakemake of a supervisor that was killed: nobody would see it hang."""
    if last is None or not last.snakemake_lives:
        return
    say(
        f"Snakemake (process {last.snakemake}) goes on without the run that started it; ending it to take over"
    )
    _kill(last.snakemake)
    while process_lives(last.snakemake, last.snakemake_started):
        time.sleep(0.1)


def _kill(pid: int) -> None:
    # A session of its own, so that nothing of it is left that could still submit a job.
    try:
        os.killpg(pid, signal.SIGKILL)
    except ProcessLookupError:
        return


def _settle(plan: Supervision) -> None:
    """Bring what an earlier run left to a state that Snakemake can start from."""
    _await_jobs(plan)
    if plan.run_file.is_file():
        _record(plan)


def _await_jobs(plan: Supervision) -> None:
    reported = -1
    # A submission may be under way that the end of its process did not stop.
    time.sleep(1)
    while True:
        living = [job for job in _ask(plan) if job.lives]
        if not living:
            return
        waiting = [job for job in living if job.waits]
        if waiting:
            _cancel_waiting(waiting)
        running = len(living) - len(waiting)
        if running != reported and running:
            say(f"jobs of the last run are at work ({running}); waiting for them")
            reported = running
        time.sleep(min(plan.interval, 10))


def _cancel_waiting(jobs: Sequence[queue.QueuedJob]) -> None:
    try:
        queue.cancel(jobs, waiting_only=True)
    except queue.QueueError as error:
        say(f"scancel: {error}; tried again")


def _ask(plan: Supervision) -> list[queue.QueuedJob]:
    """What the queue holds; asks until it answers."""
    reported = False
    while True:
        try:
            return queue.jobs_of(plan.results)
        except queue.QueueError as error:
            if not reported:
                say(f"the queue does not answer ({error}); asked again every {plan.interval:.0f} s")
                reported = True
            time.sleep(plan.interval)


def _record(plan: Supervision) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "prunescope.running.slurm.records", str(plan.run_file)],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        lines = done.stderr.strip().splitlines()
        say(
            f"jobs that ended unwatched could not be recorded ({lines[-1] if lines else 'no message'}); "
            "their results are kept"
        )
    elif done.stdout:
        say(f"{len(done.stdout.splitlines())} jobs had ended unwatched; their results are kept")


def _arguments(plan: Supervision) -> list[str]:
    return [
        *_targets(plan),
        *snakefile_arguments(),
        *NO_LOCK,
        "--profile",
        "slurm",
        "--configfile",
        str(plan.configfile),
        "--slurm-jobname-prefix",
        queue.run_prefix(plan.results),
        *plan.arguments,
    ]


def _targets(plan: Supervision) -> list[str]:
    # In front: some of Snakemake's options take all that follows.
    return [*(str(plan.results / target) for target in plan.targets), *(["--force"] if plan.targets else [])]


def _note_run(plan: Supervision) -> None:
    # Loaded here, for it takes a second; its own parser knows what is a target and what an option's value.
    from snakemake.cli import get_argument_parser

    parsed = get_argument_parser().parse_args([*_targets(plan), *snakefile_arguments(), *plan.arguments])
    # As it is now: the study may be edited before a restart looks at what this run has left.
    write_text(plan.config_copy, plan.configfile.read_text(encoding="utf-8"))
    write_json(
        plan.run_file,
        {
            "config": str(plan.config_copy),
            "snakefile": str(parsed.snakefile) if parsed.snakefile else None,
            "targets": sorted(parsed.targets),
            "since": time.time(),
        },
    )


def _run_once(plan: Supervision, program: str, lock: ResultsLock) -> Outcome:
    _note_run(plan)
    # What the last run left is old.
    beat(plan.results)
    log = plan.results / "logs" / f"slurm-{datetime.now():%Y%m%d-%H%M%S}.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    say(f"Snakemake's output: {log}")
    # A file and no pipe: it goes on where this process is killed.
    with open(log, "ab") as record:
        process = subprocess.Popen(
            [program, *_arguments(plan)],
            stdin=subprocess.DEVNULL,
            stdout=record,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            env={**os.environ, SUPERVISOR: str(os.getpid())},
        )
    try:
        lock.note_snakemake(process.pid)
        return _follow(plan, process, log)
    finally:
        if process.poll() is None:
            _kill(process.pid)
            process.wait()


def _follow(plan: Supervision, process: subprocess.Popen[bytes], log: Path) -> Outcome:
    outcome = Outcome(None, Progress(time.monotonic()))
    failed: list[Failure] = []
    write_text(plan.failures_file, "")
    looked = shown = time.monotonic()
    with open(log, encoding="utf-8", errors="replace") as output:
        while True:
            code = process.poll()
            changed = _read(output.read(), outcome)
            if list(outcome.watch.failed.values()) != failed:
                failed = list(outcome.watch.failed.values())
                write_text(plan.failures_file, "".join(f"{line}\n" for line in failure_lines(failed)))
            now = time.monotonic()
            if changed and now - shown >= min(plan.interval, 15):
                say(outcome.progress.line(now))
                shown = now
            if code is not None:
                outcome.code = code
                _read(output.read() + "\n", outcome)
                return outcome
            if now - looked >= plan.interval:
                looked = now
                if _hangs(plan, outcome.watch):
                    return outcome
            time.sleep(min(1.0, plan.interval))


def _read(text: str, outcome: Outcome) -> bool:
    """Take in whole lines; what is left of a line comes with the next text."""
    pending = outcome.watch.rest + text
    *lines, outcome.watch.rest = pending.split("\n")
    changed = False
    for line in lines:
        if outcome.watch.quotes.hides(line):
            continue
        outcome.watch.read(line)
        if line.startswith((NOTE, "squeue: ")) or (
            line.startswith("sbatch: ") and "tried again every" in line
        ):
            say(line)
        changed |= outcome.progress.read(line, time.monotonic())
    return changed


def _hangs(plan: Supervision, watch: Watch) -> bool:
    """Whether Snakemake has jobs and has long not asked for their states."""
    if not watch.active:
        return False
    try:
        silent = time.time() - heartbeat(plan.results).stat().st_mtime
    except FileNotFoundError:
        return False
    if silent > plan.patience:
        say(f"Snakemake has not asked for its jobs for {silent:.0f} s")
    return silent > plan.patience


def _close(plan: Supervision, outcome: Outcome, code: int) -> int:
    progress = outcome.progress
    if code == 0:
        say(f"done: {progress.done} jobs" if progress.total else "done: nothing to do")
        index = plan.results / "index.html"
        if index.is_file():
            say(f"report: {index.resolve()}")
        plan.run_file.unlink(missing_ok=True)
        plan.config_copy.unlink(missing_ok=True)
        return 0
    for line in failure_lines(outcome.watch.failed.values()):
        say(line)
    if progress.wanted:
        say(
            f"{progress.done} of {progress.total} jobs are done; run the same command again to go on from here"
        )
    return 1


def _tell_of_jobs(plan: Supervision) -> None:
    """Say which jobs outlive a run that failed: on a full disk it ends before them."""
    try:
        left = sum(job.lives for job in queue.jobs_of(plan.results))
    except (queue.QueueError, UserError):
        return
    if left:
        say(
            f"{left} jobs of this run go on; the same command waits for them, `prunescope slurm cancel` ends them"
        )


def say(text: str) -> None:
    """One line for whoever watches; nobody may."""
    try:
        print(f"{datetime.now():%Y-%m-%d %H:%M:%S} {text}", file=sys.stderr, flush=True)
    except OSError:
        return
