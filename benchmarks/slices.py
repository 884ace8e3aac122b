"""How fast slices that pay are found, and groups get their intervals: 100,000 examples, 8 columns.

    python benchmarks/slices.py [--examples 100000] [--out FILE]

One core. A slice of two conditions is planted; it fails where another one is found. Groups: all single ones and pairs
of 8 columns, 1,000 bootstrap draws. With `sliceline` installed, its search on the same data is timed beside.
"""

from __future__ import annotations

import argparse
import datetime
import json
import os
import platform
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
from threadpoolctl import threadpool_limits

from machine import processor

LIMIT_SECONDS = 5.0


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--examples", type=int, default=100_000, help="default: %(default)s")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results" / "slices.json")
    args = parser.parse_args()
    threadpool_limits(1)
    from prunescope.analysis.groups import group_rows
    from prunescope.analysis.slices import find
    from prunescope.predictions.scores import one_model

    rng = np.random.default_rng(0)
    n = args.examples
    held = {
        f"c{i}": rng.integers(0, k, n).astype(str).astype(object)
        for i, k in enumerate((2, 3, 4, 5, 6, 8, 10, 12))
    }
    pays = (held["c3"] == "3") & (held["c6"] == "7")
    before = rng.random(n) < 0.8
    after = before & (rng.random(n) >= np.where(pays, 0.15, 0.03)) | ~before & (rng.random(n) < 0.08)
    started = time.perf_counter()
    found = find(before, after, held)
    seconds = {"slices": time.perf_counter() - started}
    sides = [
        one_model("single-label", np.ones(n, dtype=np.int64), one.astype(np.int8), ("a", "b"))
        for one in (before, after)
    ]
    started = time.perf_counter()
    rows = group_rows(sides[0], sides[1], held, 0.95, draws=1000)
    seconds["groups"] = time.perf_counter() - started
    if (other := sliceline(held, before & ~after)) is not None:
        seconds["sliceline"] = other
    record = {
        "what": "slices that pay, and groups with 1,000 bootstrap draws, one core",
        "examples": n,
        "columns": len(held),
        "found": [row.slice for row in found.rows],
        "group_rows": len(rows),
        "seconds": {name: round(value, 2) for name, value in seconds.items()},
        "command": " ".join(["python", "benchmarks/slices.py", *sys.argv[1:]]),
        "versions": {"python": platform.python_version(), "numpy": np.__version__},
        "date": datetime.date.today().isoformat(),
        "device": {"processor": processor(), "cores": os.cpu_count(), "load": os.getloadavg()},
    }
    args.out.parent.mkdir(parents=True, exist_ok=True)
    args.out.write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")
    print(json.dumps(record, indent=2))
    if record["found"] != ["c3 “3” and c6 “7”"] or max(seconds["slices"], seconds["groups"]) > LIMIT_SECONDS:
        print("another slice was found, or it took too long", file=sys.stderr)
        return 1
    return 0


def sliceline(held: dict[str, Any], errors: np.ndarray) -> float | None:
    """Seconds of the published implementation; None where it is not installed."""
    try:
        from sliceline.slicefinder import Slicefinder  # type: ignore[import-not-found]
    except ImportError:
        return None
    table = np.stack([values.astype(int) for values in held.values()], axis=1)
    started = time.perf_counter()
    Slicefinder(alpha=0.95, k=5, max_l=2, min_sup=len(errors) // 200).fit(table, errors.astype(float))
    return time.perf_counter() - started


if __name__ == "__main__":
    sys.exit(main())
