"""``prunescope slurm``: arguments -> one call."""

from __future__ import annotations

import argparse
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

from prunescope.commands.arguments import add_command, add_configfile
from prunescope.errors import UserError

#: What a cluster is for.
_STUDY = "studies/full.yaml"


def add_commands(parser: argparse.ArgumentParser) -> None:
    commands = parser.add_subparsers(dest="action", required=True, metavar="ACTION")

    setup = add_command(
        commands,
        "setup",
        "write Snakemake's profile, with this site's values",
        "slurm setup",
        description="Write the profile that `snakemake --profile slurm` reads, from config.yaml and site.yaml.",
    )
    setup.add_argument(
        "--source",
        type=Path,
        default=Path("profiles/slurm"),
        metavar="DIR",
        help="folder of config.yaml and site.yaml (default: %(default)s)",
    )
    setup.set_defaults(run=_setup)

    run = add_command(
        commands,
        "run",
        "run a study unattended: restart Snakemake when it hangs or is killed, never run a job twice",
        f"slurm run --configfile {_STUDY} --background",
        description="Start Snakemake with the profile and the arguments after `--`, and watch it. Ctrl-C stops "
        "watching and leaves running jobs alone; the same command resumes.",
        extras=("workflow", "train"),
    )
    add_configfile(run, _STUDY)
    run.add_argument(
        "--background",
        action="store_true",
        help="return at once and run on after logout; messages go to RESULTS/logs/slurm-run.log",
    )
    run.add_argument(
        "--detach",
        nargs="?",
        type=int,
        const=0,
        metavar="MINUTES",
        help="submit the supervisor itself as a job, for sites whose login nodes end long processes; it returns to the "
        "queue when its time (MINUTES, else the partition's default) is up",
    )
    run.add_argument(
        "--patience",
        type=seconds,
        default=400.0,
        metavar="SECONDS",
        help="restart Snakemake if it has not asked for its jobs for this long (default: 400)",
    )
    run.add_argument(
        "--interval",
        type=seconds,
        default=30.0,
        metavar="SECONDS",
        help="how often Snakemake is looked at (default: 30)",
    )
    run.add_argument("snakemake", nargs="*", metavar="-- ARGUMENT", help="passed to snakemake")
    run.set_defaults(run=_run)

    status = add_command(
        commands,
        "status",
        "show the study's jobs in the queue, and what is done and failed",
        f"slurm status --configfile {_STUDY}",
    )
    add_configfile(status, _STUDY)
    status.set_defaults(run=_status)

    cancel = add_command(
        commands,
        "cancel",
        "stop the run and cancel all its jobs",
        f"slurm cancel --configfile {_STUDY}",
    )
    add_configfile(cancel, _STUDY)
    cancel.set_defaults(run=_cancel)


def seconds(text: str) -> float:
    value = float(text)
    if not 0 < value < 1e6:
        raise argparse.ArgumentTypeError("must be a number of seconds above 0")
    return value


def _setup(arguments: argparse.Namespace) -> int:
    from prunescope.running.slurm.profile import set_up

    target = set_up(arguments.source)
    print(f"{target}: written; `snakemake --profile slurm` and `prunescope slurm run` read it")
    return 0


def _run(arguments: argparse.Namespace) -> int:
    from prunescope.config.load import load_study
    from prunescope.running.slurm.supervisor import Supervision, supervise

    study = load_study(arguments.configfile)
    results = Path(study.results)
    if arguments.detach is not None:
        return _detach(results, arguments.detach)
    if arguments.background:
        return _in_background(results)
    return supervise(
        Supervision(
            arguments.configfile,
            results,
            tuple(arguments.snakemake),
            patience=arguments.patience,
            interval=arguments.interval,
        )
    )


def _detach(results: Path, minutes: int) -> int:
    from prunescope.running.slurm import queue
    from prunescope.running.slurm.profile import cpu_partition

    words = sys.argv[1:]
    at = next(index for index, word in enumerate(words) if word.partition("=")[0] == "--detach")
    end = at + (2 if words[at] == "--detach" and words[at + 1 : at + 2] == [str(minutes)] else 1)
    command = [sys.executable, "-m", "prunescope", *words[:at], *words[end:]]
    log = results / "logs" / "slurm-run.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    number = queue.submit_supervisor(command, results, log, cpu_partition(), minutes or None)
    print(f"submitted as job {number}; messages: {log}; `prunescope slurm cancel` ends it and its jobs")
    return 0


def _in_background(results: Path) -> int:
    log = results / "logs" / "slurm-run.log"
    command = [sys.executable, "-m", "prunescope", *(word for word in sys.argv[1:] if word != "--background")]
    try:
        log.parent.mkdir(parents=True, exist_ok=True)
        with open(log, "ab") as record:
            process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=record, stderr=record, start_new_session=True
            )
    except OSError as error:
        raise UserError(f"{log}: could not be written ({error.strerror})") from None
    # Long enough to see what stops it at once: another run, a profile that is not there.
    time.sleep(2)
    if process.poll() not in (None, 0):
        raise UserError(log.read_text(encoding="utf-8", errors="replace").strip().splitlines()[-1])
    print(f"runs in the background as process {process.pid}; messages: {log}")
    return 0


def _status(arguments: argparse.Namespace) -> int:
    from prunescope.config.load import load_study
    from prunescope.running.results_lock import STATE, ResultsLock
    from prunescope.running.slurm import queue
    from prunescope.running.slurm.supervisor import FAILURES
    from prunescope.running.status import status_of, status_text

    study = load_study(arguments.configfile)
    results = Path(study.results)
    holder = ResultsLock(results).holder()
    if holder is None:
        print("no run holds this results tree")
    else:
        print(f"held by {holder}" + ("" if holder.lives else "; that process is gone"))
    try:
        living = [job for job in queue.jobs_of(results) if job.lives]
    except queue.QueueError as error:
        print(f"queue: no answer ({error})")
    else:
        counts = Counter(
            (job.rule.partition("_wildcards_")[0], job.state, job.reason if job.waits else "")
            for job in living
        )
        print(f"queue: {len(living)} jobs")
        for (rule, state, reason), count in sorted(counts.items()):
            print(f"  {rule:<16}{state.lower():<12}{count:>6}  {reason}".rstrip())
    print(status_text(status_of(study, Path.cwd())))
    failures = results / STATE / FAILURES
    if failures.is_file():
        print(failures.read_text(encoding="utf-8", errors="replace"), end="")
    return 0


def _cancel(arguments: argparse.Namespace) -> int:
    from prunescope.config.load import load_study
    from prunescope.running.results_lock import ResultsLock
    from prunescope.running.slurm import queue
    from prunescope.running.slurm.supervisor import CANCELLED

    results = Path(load_study(arguments.configfile).results)
    try:
        queue.cancel_supervisor(results)
    except queue.QueueError as error:
        raise UserError(f"queue: no answer ({error}); run this again later") from None
    lock = ResultsLock(results)
    holder = lock.holder()
    if holder is not None and not holder.here:
        # A supervisor that was a job takes a moment to end.
        time.sleep(10)
        holder = lock.holder()
    if holder is not None and holder.lives:
        if not holder.here:
            raise UserError(
                f"{results}: in use by {holder}; cancel it on that machine, where its process can be ended"
            )
        os.kill(holder.pid, CANCELLED if holder.supervises else signal.SIGTERM)
        deadline = time.monotonic() + 30
        while holder.lives:
            if time.monotonic() > deadline:
                raise UserError(f"process {holder.pid} does not end; kill it, then run this again")
            time.sleep(0.1)
    try:
        living = [job for job in queue.jobs_of(results) if job.lives]
        queue.cancel(living)
    except queue.QueueError as error:
        raise UserError(f"queue: no answer ({error}); run this again later") from None
    print(f"{len(living)} jobs cancelled; what they finished is kept")
    return 0


def unlock(arguments: argparse.Namespace) -> int:
    """``prunescope unlock``."""
    from prunescope.config.load import load_study
    from prunescope.running.results_lock import ResultsLock

    results = Path(load_study(arguments.configfile).results)
    holder = ResultsLock(results).clear()
    print(f"{results}: {f'cleared; it was held by {holder}' if holder else 'not locked'}")
    return 0
