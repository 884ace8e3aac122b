"""How fast, and in how much memory, word vectors are read beside the plain way.

    python benchmarks/vectors.py [--megabytes 300] [--wanted 4000] [--out FILE]

Makes a file in GloVe's form (300 numbers a word, 300 MB by default), reads the vectors of ``wanted``
words of it (a study's words are a few per cent of GloVe 840B's) with ``prunescope.data.encoding.vectors``, and the
same by a loop that splits every line into a dict of arrays. Each runs in a process of its own; its wall time
and peak memory, imports included, go into a JSON file. Fails where the vectors differ.
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
from pathlib import Path
from typing import Any

import numpy as np

from machine import processor

DIMENSIONS = 300

OURS = """
import sys
from pathlib import Path
import numpy as np
from prunescope.data.encoding.vectors import read_vectors
path, vocabulary, out = sys.argv[1:]
words = ["<pad>", "<unk>", *Path(vocabulary).read_text().split()]
np.save(out, read_vectors(Path(path), words, 300)[1][2:])
"""

PLAIN = """
import sys
from pathlib import Path
import numpy as np
path, vocabulary, out = sys.argv[1:]
vectors = {}
with open(path, encoding="utf-8") as file:
    for line in file:
        word, *numbers = line.rstrip("\\n").split(" ")
        vectors[word] = np.array(numbers, dtype=np.float32)
np.save(out, np.stack([vectors[word] for word in Path(vocabulary).read_text().split() if word in vectors]))
"""

#: What importing alone takes, which both numbers hold.
NOTHING = "import sys, numpy, prunescope.data.encoding.vectors"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--megabytes", type=int, default=300, help="size of the file (default: %(default)s)")
    parser.add_argument("--wanted", type=int, default=4_000, help="words of the study (default: %(default)s)")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results" / "vectors.json")
    parser.add_argument("--repeats", type=int, default=3, help="runs of ours; the median counts")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        n = make_file(folder / "made.txt", args.megabytes * 10**6)
        # Spread over the file, a tenth of them not in it.
        wanted = np.linspace(0, n * 1.1, args.wanted).astype(int)
        (folder / "wanted.txt").write_text("".join(f"word{number}\n" for number in wanted), encoding="utf-8")
        inputs = [str(folder / "made.txt"), str(folder / "wanted.txt")]
        runs = [measured(OURS, [*inputs, str(folder / "ours.npy")]) for _ in range(args.repeats)]
        plain = measured(PLAIN, [*inputs, str(folder / "plain.npy")])
        imports = measured(NOTHING, [])
        ours_found, plain_found = np.load(folder / "ours.npy"), np.load(folder / "plain.npy")
    if not np.array_equal(ours_found, plain_found):
        raise SystemExit("the two ways read different vectors")
    ours = sorted(runs, key=lambda run: run["seconds"])[len(runs) // 2]
    ours["peak_mb"] = max(run["peak_mb"] for run in runs)
    record = {
        "what": "word vectors of a study's words from a GloVe text file, the same from both ways",
        "file_mb": args.megabytes,
        "lines": n,
        "dimensions": DIMENSIONS,
        "words_wanted": args.wanted,
        "words_found": len(ours_found),
        "ours": ours,
        "ours_runs_seconds": [run["seconds"] for run in runs],
        "plain": plain,
        "imports_alone": imports,
        "times_faster": round(plain["seconds"] / ours["seconds"], 1),
        "times_less_memory": round(plain["peak_mb"] / ours["peak_mb"], 1),
        "command": " ".join(["python", "benchmarks/vectors.py", *sys.argv[1:]]),
        "date": datetime.date.today().isoformat(),
        "device": {"processor": processor(), "cores": os.cpu_count(), "load": os.getloadavg()},
        "versions": {"python": platform.python_version(), "numpy": np.__version__},
    }
    args.out.parent.mkdir(parents=True, exist_ok=True)
    args.out.write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")
    print(json.dumps(record, indent=2))
    return 0


def make_file(path: Path, size: int) -> int:
    """A file of about ``size`` bytes with numbers as GloVe prints them; the number of its lines."""
    rng = np.random.default_rng(0)
    # A few hundred different vectors in turn: to print each anew would take longer than to read them.
    bodies = [" ".join(f"{x:.5g}" for x in rng.standard_normal(DIMENSIONS) / 3) for _ in range(400)]
    written = n = 0
    with path.open("w", encoding="utf-8") as file:
        while written < size:
            written += file.write(f"word{n} {bodies[n % len(bodies)]}\n")
            n += 1
    return n


def measured(code: str, arguments: list[str]) -> dict[str, Any]:
    """Wall time and peak memory of a Python program, imports included."""
    program = (
        f"{code}\nimport json, resource\n"
        "print(json.dumps(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss))\n"
    )
    started = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-c", program, *arguments], check=True, stdout=subprocess.PIPE, text=True
    )
    seconds = time.perf_counter() - started
    unit = 1 if sys.platform == "darwin" else 1024
    return {"seconds": round(seconds, 2), "peak_mb": round(int(done.stdout) * unit / 1e6, 1)}


if __name__ == "__main__":
    sys.exit(main())
