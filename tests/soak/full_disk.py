"""Fill the disk at many stages of a small real study: a small file system is enlarged after each run that it stopped.

    python -m tests.soak.full_disk FOLDER

After each run: it has ended by itself, says in a line that no space is left, has no traceback, holds no lock, and has
lost nothing that was finished. The last run ends well, with the files of a run that was never short of space. Needs
the right to mount. What was found lies in FOLDER/full_disk.json.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import yaml

from prunescope.running.results_lock import ResultsLock
from tests.soak.stops import STUDY, different, lost, outputs, same_everywhere, whole

#: Kilobytes of the first file system, and how many are added after each run.
FIRST, STEP = 150, 450


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path)
    folder = parser.parse_args().folder.absolute()
    if "FULL_DISK" not in os.environ:
        command = ["unshare", "-m", sys.executable, "-m", "tests.soak.full_disk", str(folder)]
        return subprocess.run(command, env={**os.environ, "FULL_DISK": "1"}, check=False).returncode
    expected = same_everywhere(whole(folder / "whole"))
    work = folder / "full"
    results = work / "results"
    results.mkdir(parents=True)
    (work / "study.yaml").write_text(yaml.safe_dump(STUDY))
    size, code = FIRST, 1
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}k", "tmpfs", str(results)], check=True)
    record: list[dict[str, Any]] = []
    while code and size < 20_000:
        before = outputs(results)
        done = subprocess.run(
            [sys.executable, "-m", "prunescope", "run"],
            cwd=work,
            env={**os.environ, "PRUNESCOPE_DEVICE": "cpu"},
            capture_output=True,
            text=True,
            timeout=1200,
        )
        code = done.returncode
        lines = [line for line in done.stderr.splitlines() if "No space left" in line]
        wrong = []
        if code and not lines:
            wrong.append("does not say that no space is left")
        if "Traceback" in done.stderr:
            wrong.append("a traceback")
        if ResultsLock(results).holder() is not None:
            wrong.append("the lock is held")
        if gone := lost(results, before):
            wrong.append(f"lost or changed: {gone[:5]}")
        one: dict[str, Any] = {
            "kilobytes": size,
            "code": code,
            "outputs before": len(before),
            "after": len(outputs(results)),
            "said": lines[:1],
            "wrong": wrong,
        }
        if wrong:
            one["all"] = done.stderr[-3000:]
        print(json.dumps(one), flush=True)
        record.append(one)
        if code:
            size += STEP
            subprocess.run(["mount", "-o", f"remount,size={size}k", str(results)], check=True)
    found = {"runs": record, "other files": different(results, expected)}
    (folder / "full_disk.json").write_text(json.dumps(found, indent=1) + "\n")
    print(f"stopped {sum(one['code'] != 0 for one in record)} times; other files: {found['other files']}")
    return int(bool(code or found["other files"] or any(one["wrong"] for one in record)))


if __name__ == "__main__":
    sys.exit(main())
