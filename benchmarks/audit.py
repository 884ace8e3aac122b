"""How fast, and in how much memory, an audit runs beside the plain pandas way, and beside DuckDB, which only votes.

    python benchmarks/audit.py [--seeds 30] [--examples 549367] [--classes 3] [--out FILE]

Makes prediction tables of two times ``seeds`` models (30 of 549,367 examples, SNLI's training
split, by default: about 400 MB), audits them, and finds the same PIEs by pandas: concat, groupby,
mode. Where `duckdb` is installed (nothing else needs it), it finds them as well, without anything an audit has beyond
the votes. Each runs in a process of its own; its wall time, processor time and peak memory go into a JSON file, of the
audit also when the scores are printed. Fails where the PIEs differ, or where the audit takes more than 1 GB.
"""

from __future__ import annotations

import argparse
import datetime
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import psutil

from machine import processor

MEMORY_LIMIT_MB = 1000

AUDIT = """
import sys
from prunescope.cli import main
dense, pruned, out = sys.argv[1:]
sys.argv[1:] = ["audit", "--dense", dense, "--pruned", pruned, "--out", out]
main()
"""

DUCKDB = """
import sys
import duckdb
dense, pruned, out = sys.argv[1:]
votes = '''(
    select example, vote from (
        select example, list_position(logits, list_max(logits)) - 1 as vote, count(*) as votes
        from read_parquet('{}/*.parquet') group by all
    ) qualify row_number() over (partition by example order by votes desc, vote) = 1
)'''
duckdb.sql("set threads = 1")
duckdb.sql(
    f"copy (select example, d.vote <> p.vote as is_pie from {votes.format(dense)} d "
    f"join {votes.format(pruned)} p using (example) order by example) to '{out}' (format parquet)"
)
"""

PANDAS = """
import sys
from pathlib import Path
import numpy as np
import pandas as pd
dense, pruned, out = map(Path, sys.argv[1:])
votes = {}
for name, folder in (("dense", dense), ("pruned", pruned)):
    parts = []
    for path in sorted(folder.glob("*.parquet")):
        part = pd.read_parquet(path)
        part["prediction"] = np.stack(part.pop("logits").to_numpy()).argmax(axis=1)
        parts.append(part)
    table = pd.concat(parts)
    votes[name] = table.groupby("example")["prediction"].agg(lambda votes: votes.mode()[0])
is_pie = votes["dense"] != votes["pruned"]
is_pie.rename("is_pie").reset_index().to_parquet(out)
"""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=30, help="models of each side (default: %(default)s)")
    parser.add_argument("--examples", type=int, default=549_367, help="default: %(default)s")
    parser.add_argument("--classes", type=int, default=3, help="default: %(default)s")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results" / "audit.json")
    parser.add_argument("--repeats", type=int, default=3, help="runs of the audit; the median counts")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for side, noise in (("dense", 0.5), ("pruned", 1.5)):
            make_tables(folder / side, args.seeds, args.examples, args.classes, noise)
        size = sum(path.stat().st_size for path in folder.rglob("*.parquet"))
        inputs = [str(folder / "dense"), str(folder / "pruned")]
        ours = [measured(AUDIT, [*inputs, str(folder / "audit")]) for _ in range(args.repeats)]
        plain = measured(PANDAS, [*inputs, str(folder / "plain.parquet")])
        n_pies = compared(folder / "audit" / "pies.parquet", folder / "plain.parquet")
        voted = None
        if find_spec("duckdb"):
            voted = measured(DUCKDB, [*inputs, str(folder / "duckdb.parquet")])
            compared(folder / "audit" / "pies.parquet", folder / "duckdb.parquet")
    audit = sorted(ours, key=lambda run: run["processor_seconds"])[len(ours) // 2]
    audit["peak_mb"] = max(run["peak_mb"] for run in ours)
    times = plain["processor_seconds"] / audit["processor_seconds"]
    record = {
        "what": "audit against pandas (concat, groupby, mode), single-label, PIEs the same",
        "seeds_per_side": args.seeds,
        "examples": args.examples,
        "classes": args.classes,
        "tables_mb": round(size / 1e6, 1),
        "n_pies": n_pies,
        "audit": audit,
        "audit_runs_processor_seconds": [run["processor_seconds"] for run in ours],
        "pandas": plain,
        "duckdb_votes_alone": voted,
        "times_faster": round(times, 1),
        "limits": {"memory_mb": MEMORY_LIMIT_MB},
        "command": " ".join(["python", "benchmarks/audit.py", *sys.argv[1:]]),
        "date": datetime.date.today().isoformat(),
        "device": {"processor": processor(), "cores": os.cpu_count(), "load": os.getloadavg()},
        "versions": versions(),
    }
    args.out.parent.mkdir(parents=True, exist_ok=True)
    args.out.write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")
    print(json.dumps(record, indent=2))
    if audit["peak_mb"] > MEMORY_LIMIT_MB:
        print("the audit takes more memory than its limit", file=sys.stderr)
        return 1
    return 0


def make_tables(folder: Path, seeds: int, n: int, n_classes: int, noise: float) -> None:
    """Models whose logits share a signal and differ by noise, in files of five seeds."""
    from prunescope.predictions.store import SeedBlock, TableMeta, write_predictions

    shared = np.random.default_rng(0)
    label = shared.integers(0, n_classes, n).astype(np.int32)
    signal = shared.standard_normal((n, n_classes), dtype=np.float32)
    signal[np.arange(n), label] += 1.5

    def blocks(first: int) -> Iterator[SeedBlock]:
        for seed in range(first, min(first + 5, seeds)):
            own = np.random.default_rng([seed, int(noise * 10)])
            logits = signal + noise * own.standard_normal((n, n_classes), dtype=np.float32)
            yield SeedBlock(seed, label, logits)

    meta = TableMeta("single-label", tuple(f"class {i}" for i in range(n_classes)), split="train")
    for first in range(0, seeds, 5):
        write_predictions(folder / f"seeds-{first:03}.parquet", meta, blocks(first))


def measured(code: str, arguments: list[str]) -> dict[str, Any]:
    """Wall time, processor time and peak memory of a Python program, imports included."""
    program = (
        f"{code}\nimport json, resource\n"
        "used = resource.getrusage(resource.RUSAGE_SELF)\n"
        "print(json.dumps([used.ru_maxrss, used.ru_utime + used.ru_stime]))\n"
    )
    started = time.perf_counter()
    found: dict[str, Any] = {}
    with subprocess.Popen(
        [sys.executable, "-c", program, *arguments], stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        for line in process.stdout:
            if line.endswith("intervals follow\n"):
                times = psutil.Process(process.pid).cpu_times()
                found = {
                    "first_result_seconds": round(time.perf_counter() - started, 2),
                    "first_result_processor_seconds": round(times.user + times.system, 2),
                }
    if process.returncode:
        raise SystemExit(process.returncode)
    seconds = time.perf_counter() - started
    peak, processor_time = json.loads(line)
    return {
        "seconds": round(seconds, 2),
        "processor_seconds": round(processor_time, 2),
        "peak_mb": round(peak * kilobyte() / 1e6, 1),
        **found,
    }


def kilobyte() -> int:
    """Unit of ru_maxrss: kilobytes on Linux, bytes on macOS."""
    return 1 if sys.platform == "darwin" else 1024


def compared(ours: Path, plain: Path) -> int:
    """Number of PIEs, the same in both files."""
    import pyarrow.parquet as pq

    columns = ["example", "is_pie"]
    a, b = (pq.read_table(path, columns=columns) for path in (ours, plain))
    if not a.replace_schema_metadata().equals(b.select(columns).replace_schema_metadata()):
        raise SystemExit("the audit and pandas found different PIEs")
    return int(np.count_nonzero(a["is_pie"].to_numpy()))


def versions() -> dict[str, str]:
    import pandas
    import pyarrow

    return {
        "python": platform.python_version(),
        "numpy": np.__version__,
        "pandas": pandas.__version__,
        "pyarrow": pyarrow.__version__,
    }


if __name__ == "__main__":
    sys.exit(main())
