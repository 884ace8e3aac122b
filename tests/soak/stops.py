"""Stop runs of a small real study at random moments, and see that each ends as it should and that nothing is lost.

    python tests/soak/stops.py FOLDER --times 200

What stops a run: a signal to it or to all its processes, Ctrl-C at its terminal, a terminal or a pipe that is closed.
After each stop: it has ended in time, none of its processes is left, the tree's lock is free, it has said how to go
on, the exit code is 128 + the signal, and every finished output is there with its bytes. Runs go on from each other;
each tree that is finished is compared with that of an undisturbed run, and the next run starts from nothing.

Not part of the tests: it takes an hour. It keeps its count in FOLDER/stops.json; the same command goes on from there.
"""

from __future__ import annotations

import argparse
import fcntl
import json
import os
import pty
import random
import shutil
import signal
import subprocess
import sys
import termios
import time
from collections import Counter
from pathlib import Path
from typing import Any

import yaml

from prunescope.files.ledger import Ledger, checksum
from prunescope.running.results_lock import ResultsLock
from prunescope.running.run import SIGNALS, _processes, _wait

#: Seconds that an end may take.
MOST = 30.0

#: Every kind of stage but readability, in a minute; one model takes a second.
STUDY: dict[str, Any] = {
    "name": "soak",
    "seeds": [0, 1],
    "datasets": {"digits": {"source": "digits"}},
    "archs": {
        "lenet5": {
            "family": "lenet5",
            "block": 1,
            "training": {"optimizer": "sgd", "lr": 0.05, "epochs": 1, "batch_size": 256},
        }
    },
    "grid": [{"datasets": ["digits"], "archs": ["lenet5"], "pruners": ["MP", "IMP-FT"], "sparsities": [0.5]}],
}

#: Files that are the same after every run: they do not hold the seconds that training took.
SAME = (
    "models/**/*.parquet",
    "cells/**/*.csv",
    "cells/**/*.parquet",
    "tables/*.csv",
    "figures/**/*.svg",
    "data/**/*",
)

#: By name: the signal that the exit code is to say.
STOPS = {
    "SIGINT": signal.SIGINT,
    "SIGTERM": signal.SIGTERM,
    "SIGHUP": signal.SIGHUP,
    "SIGQUIT": signal.SIGQUIT,
    "SIGTERM to all": signal.SIGTERM,
    "Ctrl-C": signal.SIGINT,
    "closed terminal": signal.SIGHUP,
    "closed pipe": signal.SIGPIPE,
}


class Started:
    """``prunescope run`` in a session of its own, whose errors go to a file, a terminal or a pipe."""

    def __init__(self, folder: Path, stop: str) -> None:
        self.stop = stop
        self.errors = folder / "errors"
        self.mine: int | None = None
        theirs = -1
        if stop == "closed pipe":
            self.mine, theirs = os.pipe()
        elif stop in ("Ctrl-C", "closed terminal"):
            self.mine, theirs = pty.openpty()
        terminal = self.mine is not None and stop != "closed pipe"

        def as_a_shell_does() -> None:
            # The soak itself may be under `nohup`.
            for number in SIGNALS:
                signal.signal(
                    number, signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL
                )
            if terminal:
                fcntl.ioctl(theirs, termios.TIOCSCTTY, 0)

        with open(self.errors, "wb") as file:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "prunescope", "run"],
                cwd=folder,
                env={**os.environ, "PRUNESCOPE_DEVICE": "cpu"},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=file if theirs < 0 else theirs,
                start_new_session=True,
                preexec_fn=as_a_shell_does,
            )
        if theirs >= 0:
            os.close(theirs)

    def end(self) -> None:
        """Stop it."""
        if self.stop == "Ctrl-C":
            assert self.mine is not None
            os.write(self.mine, b"\x03")
        elif self.mine is not None:
            os.close(self.mine)
            self.mine = None
        elif self.stop == "SIGTERM to all":
            os.killpg(self.process.pid, signal.SIGTERM)
        else:
            os.kill(self.process.pid, STOPS[self.stop])

    def said(self) -> str:
        """What it said, where that is still to be read; a terminal's and a pipe's is not read before."""
        if self.mine is None:
            return self.errors.read_text(errors="replace")
        found = b""
        try:
            while part := os.read(self.mine, 65536):
                found += part
        except OSError:  # a terminal whose other side is closed
            pass
        os.close(self.mine)
        return found.decode(errors="replace")


def outputs(results: Path) -> dict[str, str]:
    """Checksums of what jobs have made and is there, but for what goes when nothing needs it any more."""
    return {
        file: entry.sha256
        for _, file, entry in Ledger(results).entries()
        if not file.endswith("models.safetensors") and (results / file).is_file()
    }


def lost(results: Path, before: dict[str, str]) -> list[str]:
    """Files that are gone or have other bytes; metrics hold the seconds of the last training.

    A job that was stopped after it had written its files, and before Snakemake knew, is done again.
    """
    return [
        file
        for file, digest in before.items()
        if not (results / file).is_file()
        or (not file.endswith("/metrics.json") and checksum(results / file) != digest)
    ]


def same_everywhere(results: Path) -> dict[str, str]:
    return {
        str(path.relative_to(results)): checksum(path)
        for pattern in SAME
        for path in results.glob(pattern)
        if path.is_file() and not path.name.startswith(".")
    }


def stopped(folder: Path, number: int, longest: float, seed: int) -> dict[str, Any]:
    """One stop: what it was and what is wrong with how the run ended."""
    chance = random.Random(f"{seed} {number}")
    results = folder / "results"
    stop, moment = chance.choice(list(STOPS)), chance.uniform(0, longest)
    if chance.random() < 0.15:  # so that a tree is finished now and then
        moment = chance.uniform(longest, 5 * longest)
    before = outputs(results)
    run = Started(folder, stop)
    time.sleep(moment)
    finished = run.process.poll() is not None
    if not finished:
        run.end()
    began = time.monotonic()
    wrong = []
    try:
        code: int | None = run.process.wait(2 * MOST)
    except subprocess.TimeoutExpired:
        os.killpg(run.process.pid, signal.SIGKILL)
        run.process.wait()
        code = None
    seconds = time.monotonic() - began
    if seconds > MOST:
        wrong.append(f"ended after {seconds:.0f} s")
    which = STOPS[stop]
    # Before its handlers stand, a signal has its own effect; a run that had just ended is as good.
    expected = (0,) if finished else (0, 128 + which, -which)
    said = run.said() if run.mine is not None or stop not in ("closed pipe", "closed terminal") else None
    # Python itself had not started: its own words, and a code of its own.
    early = any(words in (said or "") for words in ("Could not import runpy", "init_import_site"))
    if code not in expected and not early:
        wrong.append(f"exit code {code}: {(said or '')[-2000:]}")
    if code == 128 + which and said is not None and "run the same command again" not in said:
        wrong.append(f"says not how to go on: {said[-2000:]}")
    if said is not None and "Traceback" in said and code != -which and not early:
        wrong.append(f"a traceback: {said[-2000:]}")
    _wait(run.process.pid, 2)  # the warm process ends after Snakemake
    if found := _processes(run.process.pid):
        wrong.append(f"processes are left: {sorted(found)}")
    holder = ResultsLock(results).holder()
    if holder is not None:
        wrong.append(f"the lock is held by {holder}")
    if gone := lost(results, before):
        wrong.append(f"lost or changed: {gone[:5]}")
    return {
        "number": number,
        "stop": stop,
        "after": round(moment, 2),
        "code": code,
        "seconds": round(seconds, 2),
        "outputs": len(before),
        "wrong": wrong,
    }


def whole(folder: Path) -> Path:
    """The tree of an undisturbed run."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "study.yaml").write_text(yaml.safe_dump(STUDY))
    command = [sys.executable, "-m", "prunescope", "run"]
    environment = {**os.environ, "PRUNESCOPE_DEVICE": "cpu"}
    subprocess.run(command, cwd=folder, env=environment, check=True)
    return folder / "results"


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path)
    parser.add_argument("--times", type=int, default=200)
    parser.add_argument("--longest", type=float, default=20.0, help="seconds of most runs, at most")
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    expected = same_everywhere(whole(arguments.folder / "whole"))
    assert expected
    work = arguments.folder / "stopped"
    work.mkdir(exist_ok=True)
    (work / "study.yaml").write_text(yaml.safe_dump(STUDY))
    count = arguments.folder / "stops.json"
    record = json.loads(count.read_text()) if count.is_file() else {"trees": [], "stops": []}
    for number in range(len(record["stops"]), arguments.times):
        one = stopped(work, number, arguments.longest, arguments.seed)
        print(json.dumps(one), flush=True)
        record["stops"].append(one)
        if one["code"] == 0:
            record["trees"].append(different(work / "results", expected))
            print(f"finished; other files: {record['trees'][-1]}", flush=True)
            shutil.rmtree(work / "results")
            shutil.rmtree(work / ".snakemake")
        write(count, record)
    if (work / "results").exists():
        whole(work)
        record["trees"].append(different(work / "results", expected))
        write(count, record)
        shutil.rmtree(work / "results")
    print(json.dumps(record["sum"], indent=2))
    return int(bool(record["sum"]["wrong"] or record["sum"]["trees with other files"]))


def different(results: Path, expected: dict[str, str]) -> list[str]:
    """Files of a finished tree that are not those of an undisturbed run, and what is left of writers."""
    found = same_everywhere(results)
    rubbish = [str(path) for path in results.rglob("*.part")] + [str(path) for path in results.rglob("aside")]
    files = found.keys() | expected.keys()
    return sorted([*rubbish, *(name for name in files if found.get(name) != expected.get(name))])


def write(path: Path, record: dict[str, Any]) -> None:
    stops = record["stops"]
    record["sum"] = {
        "stops": len(stops),
        "by kind": dict(Counter(one["stop"] for one in stops)),
        "run had ended before": sum(one["code"] == 0 for one in stops),
        "slowest end in seconds": max(one["seconds"] for one in stops),
        "wrong": [one for one in stops if one["wrong"]],
        "trees finished": len(record["trees"]),
        "trees with other files": sum(map(bool, record["trees"])),
    }
    path.write_text(json.dumps(record, indent=1) + "\n")


if __name__ == "__main__":
    sys.exit(main())
