"""Damage files of a small finished study, one or some at a time, and see that one run mends each.

    python -m tests.soak.damage FOLDER [--together 6] [--minutes 60]

Of every kind of file that a study leaves, one file, and every damage: a flipped bit, cut, empty, edited, deleted,
another file's content, a time in the future or the past; and the state below ``results/.prunescope``. After
``prunescope run``: exit code 0, every file has the bytes of the undisturbed tree, nothing is left over, and the
records know nothing wrong. Each kind of file has its turn before the next damage.

Not part of the tests: it takes hours. It keeps its count in FOLDER/damage.json; the same command goes on from there.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import re
import shutil
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import yaml

from prunescope.config.load import load_study
from prunescope.running.mending import Mender
from prunescope.running.workflow import WorkflowGrid
from tests.workflow.conftest import STUDY
from tests.workflow.test_mending import flip, tree

#: Times of training, which no second training repeats, and what is made of them.
WITH_SECONDS = re.compile(
    r"metrics\.json|models\.json|effectiveness|weights\.|\.html|figures\.json|paper/|summary"
)


def kind_of(name: str) -> str:
    """What a file is, without the names of data sets, cells, tables and figures in it.

    >>> kind_of("cells/digits/lenet5/MP/sparsity-500permille/test/alpha.csv")
    'cells/test/alpha.csv'
    """
    parts = name.split("/")
    suffix = Path(name).suffix
    match parts:
        case ["models", _, _, pruner, _, _, file]:
            return f"models/{'dense' if pruner == 'none' else 'pruned'}/{file}"
        case ["cells", _, _, _, _, *rest]:
            return "/".join(["cells", *rest])
        case ["data", _, "inputs", _]:
            return f"data/inputs/{suffix}"
        case ["data" | "cells", _, *rest]:
            return f"{parts[0]}/{rest[-1]}"
        case ["tables", *rest]:
            return f"tables{'/latex' * (len(rest) > 1)}/{suffix}"
        case ["figures", _, file]:
            return f"figures/{'figures' if file == 'figures.json' else ''}{suffix}"
        case ["paper", _, *rest]:
            return f"paper/{suffix if rest else 'index.html'}"
        case ["report", folder, _, *_]:
            return f"report/{folder}/{suffix}"
    return name


def edit(path: Path) -> None:
    path.write_bytes(path.read_bytes() + b"\n")


def swap(path: Path, results: Path) -> None:
    """The content of another file of its kind, or of any other where there is none."""
    name = str(path.relative_to(results))
    files = [other for other in tree(results) if other != name]
    alike = [other for other in files if kind_of(other) == kind_of(name)] or files
    shutil.copyfile(results / random.Random(name).choice(alike), path)


DAMAGES: dict[str, Callable[[Path, Path], object]] = {
    "flipped bit": lambda path, _: flip(path),
    "cut": lambda path, _: path.write_bytes(path.read_bytes()[: path.stat().st_size // 2]),
    "deleted": lambda path, _: path.unlink(),
    "swapped": swap,
    "empty": lambda path, _: path.write_bytes(b""),
    "edited": lambda path, _: edit(path),
    "future": lambda path, _: os.utime(path, (4e9, 4e9)),
    "past": lambda path, _: os.utime(path, (0, 0)),
}


def state_gone(path: Path, _: Path) -> None:
    shutil.rmtree(path)


def alone(name: str) -> bool:
    return name.endswith("metrics.json") or name.startswith(".")


def run(folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "prunescope", "run", "--", "--cores", "2"],
        cwd=folder,
        env={**os.environ, "PRUNESCOPE_DEVICE": "cpu"},
        capture_output=True,
        text=True,
        timeout=1800,
    )


def cases(results: Path) -> list[tuple[str, str]]:
    """(file, damage), each kind of file before the next damage."""
    chance = random.Random(0)
    by_kind: dict[str, list[str]] = {}
    for name in tree(results):
        by_kind.setdefault(kind_of(name), []).append(name)
    files = [chance.choice(names) for _, names in sorted(by_kind.items())]
    records = sorted(str(p.relative_to(results)) for p in (results / ".prunescope/made").rglob("*.json"))
    kinds = list(DAMAGES)
    found = []
    for turn in range(len(kinds)):
        found += [(name, kinds[(turn + at) % len(kinds)]) for at, name in enumerate(files)]
        found.append((chance.choice(records), kinds[turn]))
    return [(".prunescope", "all deleted"), *found]


def damaged(work: Path, whole: dict[str, bytes], chosen: list[tuple[str, str]]) -> dict[str, Any]:
    """(file, damage) for one run: what it was, and what is wrong afterwards."""
    results = work / "results"
    for name, damage in chosen:
        (state_gone if damage == "all deleted" else DAMAGES[damage])(results / name, results)
    began = time.monotonic()
    done = run(work)
    wrong = []
    if done.returncode:
        wrong.append(f"exit code {done.returncode}: {done.stderr[-2000:]}")
    now = tree(results)
    other = {file for file in {*whole, *now} if whole.get(file) != now.get(file)}
    if any(name.endswith("metrics.json") for name, _ in chosen):
        other = {file for file in other if file not in now or not WITH_SECONDS.search(file)}
    if other:
        wrong.append(f"other files: {len(other)}: {sorted(other)[:5]}")
    if left := [*results.rglob("*.part"), *results.rglob("*.damaged"), *results.rglob("aside")]:
        wrong.append(f"left over: {left[:5]}")
    here = Path.cwd()
    try:
        os.chdir(work)
        study = load_study("study.yaml")
        again = Mender(Path(study.results), WorkflowGrid(study).outputs()).check(before=True)
    finally:
        os.chdir(here)
    if again:
        wrong.append(f"still wrong: {again[:3]}")
    for name, damage in chosen:
        touched = damage in ("future", "past", "all deleted") or name.startswith(".")
        if not touched and f"{name}: " not in done.stderr:
            wrong.append(f"{name} is not named: {done.stderr[-2000:]}")
    jobs = re.search(r"^done: (.*) in ", done.stderr, re.M)
    return {
        "damages": chosen,
        "then": jobs[1] if jobs else None,
        "seconds": round(time.monotonic() - began, 1),
        "wrong": wrong,
    }


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path)
    parser.add_argument("--together", type=int, default=1, help="files that are damaged before each run")
    parser.add_argument("--minutes", type=float, default=600)
    arguments = parser.parse_args()
    until = time.monotonic() + 60 * arguments.minutes
    origin, work = arguments.folder / "whole", arguments.folder / "damaged"
    if not (origin / "results/index.html").exists():
        origin.mkdir(parents=True, exist_ok=True)
        study = {**STUDY, "weight_statistics": ["lenet5"]}
        (origin / "study.yaml").write_text(yaml.safe_dump(study))
    # The second run notes the times of what the first has made.
    for _ in range(2):
        assert run(origin).returncode == 0
    whole = tree(origin / "results")
    count = arguments.folder / "damage.json"
    record: list[dict[str, Any]] = json.loads(count.read_text())["all"] if count.is_file() else []
    todo = cases(origin / "results")
    at = sum(len(one["damages"]) for one in record)
    while at < len(todo):
        # Of each file at most one damage; what has looser rules stands by itself.
        chosen = todo[at : at + 1]
        for case in todo[at + 1 : at + arguments.together]:
            if any(alone(name) for name, _ in (chosen[0], case)) or case[0] in dict(chosen):
                break
            chosen.append(case)
        at += len(chosen)
        if time.monotonic() > until:
            break
        shutil.rmtree(work, ignore_errors=True)
        shutil.copytree(origin, work, symlinks=True)
        one = damaged(work, whole, chosen)
        print(json.dumps(one), flush=True)
        record.append(one)
        found = {
            "cases": len(todo),
            "done": at,
            "runs": len(record),
            "by damage": dict(Counter(damage for one in record for _, damage in one["damages"])),
            "kinds of files": len({kind_of(name) for one in record for name, _ in one["damages"]}),
            "wrong": [one for one in record if one["wrong"]],
            "all": record,
        }
        count.write_text(json.dumps(found, indent=1) + "\n")
    return int(any(one["wrong"] for one in record))


if __name__ == "__main__":
    sys.exit(main())
