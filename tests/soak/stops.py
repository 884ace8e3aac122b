"""Stop runs of a real study at random moments, and see that each ends; at last, let one run to its end.

    python tests/soak/stops.py study.yaml --times 200

Not part of the tests: it takes as long as it is let. Start it in a folder of its own.
"""

from __future__ import annotations

import argparse
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

from prunescope.config.load import load_study
from prunescope.running.results_lock import ResultsLock
from prunescope.running.run import SIGNALS, _processes

#: Seconds that an end may take.
MOST = 30.0


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("study")
    parser.add_argument("--times", type=int, default=200)
    parser.add_argument("--longest", type=float, default=60.0, help="seconds of a run, at most")
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    results = Path(load_study(arguments.study).results)
    command = [sys.executable, "-m", "prunescope", "run", "--configfile", arguments.study]
    chance = random.Random(arguments.seed)
    slowest = 0.0
    for number in range(arguments.times):
        pipe = chance.random() < 0.25
        process = subprocess.Popen(
            command, stderr=subprocess.PIPE if pipe else subprocess.DEVNULL, start_new_session=True
        )
        moment = chance.uniform(0, arguments.longest)
        which = chance.choice(SIGNALS)
        time.sleep(moment)
        began = time.monotonic()
        finished = process.poll() is not None
        if not finished and pipe:
            assert process.stderr is not None
            process.stderr.close()
            which = signal.SIGPIPE
        elif not finished:
            (os.killpg if chance.random() < 0.5 else os.kill)(process.pid, which)
        code = process.wait(MOST)
        slowest = max(slowest, time.monotonic() - began)
        print(
            f"{number}: {which.name} after {moment:.1f} s: code {code}, {time.monotonic() - began:.1f} s",
            flush=True,
        )
        assert finished or code in (0, 128 + which, -which), code
        assert not _processes(process.pid), "processes are left"
        holder = ResultsLock(results).holder()
        assert holder is None or not holder.lives, "the lock is held"
    print(f"slowest end: {slowest:.1f} s")
    return subprocess.run(command, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
