"""The analysis of a study of true size: from prediction tables to tables, figures and report, beside plain pandas.

    python benchmarks/analysis.py [--study FILE] [--distinct 5] [--cores 2] [--folder DIR] [--no-plain]

Made-up tables (made_tables.py) of every cell of a study lie where a finished run leaves them, logits in float16, and
Snakemake runs what is left of the study: EL2N scores, every cell, the cross-study tables, the figures, the report
with its pages. Timed: wall and processor seconds of each part with all that Snakemake itself does, and the resident
memory of all its processes together (pages that they share counted for each).

With ``--distinct N`` only N pruned cells of each network have tables of their own, and the others are hard links to
them: as many rows are read and analysed, less disk is needed. No table is in the disk's cache when the analysis starts.

Then one cell of each data set is analysed by ``prunescope el2n`` and ``prunescope cell`` and by plain_analysis.py, and
what both find is compared. Cells of a network share its EL2N scores, here as there: what both would take for all cells
of the networks is that of the one cell times their number, and of the scores once.
"""

from __future__ import annotations

import argparse
import csv
import datetime
import importlib.metadata
import json
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import psutil
import pyarrow.parquet as pq

from machine import processor
from made_tables import Truth, make_cell, make_data
from prunescope.config.grid import Cell
from prunescope.config.load import load_study
from prunescope.config.study import Study
from prunescope.paths import Layout, fill
from prunescope.planning.plan import make_plan

ROOT = Path(__file__).resolve().parents[1]

#: What Snakemake is asked for, in order.
PARTS = {
    "cells": "cells.txt",
    "tables": "tables/effectiveness.csv",
    "figures": "figures/figures.json",
    "report": "index.html",
}

#: Columns that the analysis reads.
READ = ("seed", "example", "label", "prediction")


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--study", type=Path, default=ROOT / "studies" / "pie.yaml")
    parser.add_argument("--distinct", type=int, default=5, help="pruned cells of a network that are made")
    parser.add_argument("--cores", type=int, default=2)
    parser.add_argument("--folder", type=Path, help="for the tables; they are deleted at the end")
    parser.add_argument(
        "--keep", type=Path, help="a folder where tables stay, and are used again if they are there"
    )
    parser.add_argument("--no-plain", action="store_true", help="without the comparison with pandas")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results" / "analysis.json")
    args = parser.parse_args()
    study = load_study(args.study)
    with kept(args.keep) if args.keep else tempfile.TemporaryDirectory(dir=args.folder) as name:
        root = Path(name)
        made = make(study, root, args.distinct, args.cores)
        print(json.dumps(made), flush=True)
        result: dict[str, Any] = {
            "what": "made-up prediction tables of true size to all tables and figures",
            "study": study.name,
            "tables": made,
            "parts": grid(study, args.study, root, args.cores),
        }
        print(json.dumps(result["parts"]), flush=True)
        total = list(result["parts"].values())
        for name, parts in {"until_tables": total[:2], "figures_and_report": total[2:]}.items():
            result[name] = {key: round(sum(part[key] for part in parts), 1) for key in ("wall_s", "cpu_s")}
        result["rows_per_cpu_second"] = round(made["rows"] / result["until_tables"]["cpu_s"])
        if not args.no_plain:
            result["one_cell"] = [beside_plain(study, root, cell) for cell in of_each_dataset(study)]
            result["all_four"] = together(result["one_cell"])
    result |= {
        "command": f"python benchmarks/analysis.py --distinct {args.distinct} --cores {args.cores}",
        "date": f"{datetime.date.today():%Y-%m-%d}",
        "device": {"processor": processor(), "cores": os.cpu_count(), "load": os.getloadavg()},
        "versions": {
            "python": platform.python_version(),
            **{
                name: importlib.metadata.version(name) for name in ("numpy", "pyarrow", "pandas", "snakemake")
            },
        },
    }
    args.out.parent.mkdir(parents=True, exist_ok=True)
    args.out.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    return 0


@contextmanager
def kept(root: Path) -> Iterator[str]:
    """A folder of tables with nothing beside them: an earlier run's analysis and Snakemake's records go."""
    shutil.rmtree(root / ".snakemake", ignore_errors=True)
    for path in root.glob("*/*"):
        if path.name not in ("models", "data"):
            shutil.rmtree(path) if path.is_dir() else path.unlink()
    yield str(root)


def make(study: Study, root: Path, distinct: int, processes: int) -> dict[str, Any]:
    """All tables, and what they hold and take."""
    took = {}
    if not (root / study.results / "models").exists():
        started = time.perf_counter()
        make_data(study, root)
        pairs = list(study.dense_cells)
        with ProcessPoolExecutor(processes, mp_context=get_context("spawn")) as pool:
            list(
                pool.map(make_network, *zip(*((study, root, *pair, distinct) for pair in pairs), strict=True))
            )
        took["made_in_s"] = round(time.perf_counter() - started, 1)
    files = sorted((root / study.results / "models").glob("*/*/*/*/*/*.parquet"))
    size = read = 0
    by_dataset: dict[str, dict[str, float]] = {}
    by_source: Counter[str] = Counter()
    known: dict[int, tuple[int, int, int]] = {}
    for path in files:
        state = path.stat()
        if state.st_ino not in known:
            found = pq.read_metadata(path)
            groups = [found.row_group(i) for i in range(found.num_row_groups)]
            narrow = sum(
                group.column(j).total_compressed_size
                for group in groups
                for j in range(group.num_columns)
                if group.column(j).path_in_schema.split(".")[0] in READ
            )
            known[state.st_ino] = (found.num_rows, narrow, state.st_size)
        count, narrow, file_size = known[state.st_ino]
        size += file_size
        read += narrow
        by_source[path.parts[-6]] += file_size
        row = by_dataset.setdefault(f"{path.parts[-6]} {path.name}", {"rows": 0, "bytes": 0})
        row["rows"] += count
        row["bytes"] += file_size
    os.sync()
    for path in files:
        forget(path)
    planned = {row["dataset"]: round(row["tables_gb"], 3) for row in make_plan(study)["datasets"]}
    return {
        "models": sum(len(cell.seeds) for cell in study.cells),
        "cells": len(study.cells),
        "files": len(files),
        "rows": int(sum(row["rows"] for row in by_dataset.values())),
        "gb": round(size / 1e9, 2),
        "gb_by_dataset": {name: round(value / 1e9, 3) for name, value in by_source.items()},
        "gb_planned": planned,
        "planned_over_made": {name: round(planned[name] / (by_source[name] / 1e9), 3) for name in by_source},
        "gb_of_columns_read": round(read / 1e9, 2),
        "gb_on_this_disk": round(sum(file_size for _, _, file_size in known.values()) / 1e9, 2),
        "distinct_pruned_cells_of_a_network": distinct,
        "bytes_per_row": {name: round(row["bytes"] / row["rows"], 2) for name, row in by_dataset.items()},
        **took,
    }


def forget(path: Path) -> None:
    """Take a file out of the memory that caches the disk: the analysis of a grid finds its tables there alone."""
    if hasattr(os, "posix_fadvise"):
        with open(path, "rb") as stream:
            os.posix_fadvise(stream.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def make_network(study: Study, root: Path, dataset: str, arch: str, distinct: int) -> None:
    """The cells of one network, the unpruned one first."""
    facts, source = study.datasets[dataset].declared(), study.datasets[dataset].source
    truths = {split: Truth.of(dataset, split, source, facts) for split in ("train", "test")}
    cells = [cell for cell in study.cells if (cell.dataset, cell.arch) == (dataset, arch)]
    make_cell(study, cells[0], root, truths)
    for number, cell in enumerate(cells[1:]):
        # Amounts go round fastest: the cells that are made have all of them.
        same = cells[1 + number % distinct] if number >= distinct else None
        make_cell(study, cell, root, truths, same)


def grid(study: Study, file: Path, root: Path, cores: int) -> dict[str, Any]:
    """Snakemake until the report, part by part."""
    command = [sys.executable, "-m", "snakemake", "--snakefile", str(ROOT / "Snakefile")]
    command += ["--directory", str(root), "--configfile", str(file.resolve()), "--cores", str(cores)]
    # What a finished run leaves in .snakemake is not there; dates of files decide alone.
    command += ["--rerun-triggers", "mtime", "--quiet", "all"]
    found: dict[str, Any] = {}
    for part, target in PARTS.items():
        found[part] = watched([*command, "--", f"{study.results}/{target}"], root)
        print(part, found[part], file=sys.stderr, flush=True)
    cells = len(list((root / study.results / "cells").glob("*/*/*/*/models.json")))
    if cells != len(study.cells):
        raise SystemExit(f"{cells} of {len(study.cells)} cells analysed")
    return found


def beside_plain(study: Study, root: Path, cell: Cell) -> dict[str, Any]:
    """One cell by this package and by pandas: seconds, memory, and whether they agree."""
    layout = Layout(study.results)
    dense, pruned = (
        (root / fill(layout.model("metrics.json"), one, "0-0")).parents[1]
        for one in (study.dense_cells[cell.dataset, cell.arch], cell)
    )

    def files(folder: Path, name: str) -> list[str]:
        return sorted(map(str, folder.glob(f"*/{name}")))

    seeds = [str(seed) for seed in cell.seeds]
    scores = root / "el2n.parquet"
    out = root / "one"
    prunescope = [sys.executable, "-m", "prunescope"]
    el2n = watched(
        [
            *prunescope,
            "el2n",
            "--early",
            *files(dense, "early.parquet"),
            "--seeds",
            *seeds,
            "--out",
            str(scores),
        ],
        root,
    )
    ours = watched(
        [
            *(*prunescope, "cell"),
            *("--dense-test", *files(dense, "test.parquet"), "--pruned-test", *files(pruned, "test.parquet")),
            *(
                "--dense-train",
                *files(dense, "train.parquet"),
                "--pruned-train",
                *files(pruned, "train.parquet"),
            ),
            *("--el2n", str(scores), "--metrics", *files(pruned, "metrics.json"), "--seeds", *seeds),
            *("--readability", str(root / layout.data("readability.parquet").format(dataset=cell.dataset))),
            *("--out", str(out)),
        ],
        root,
    )
    numbers = root / "plain.json"
    script = str(ROOT / "benchmarks" / "plain_analysis.py")
    plain = watched([sys.executable, script, str(dense), str(pruned), str(numbers)], root)
    plain_found = json.loads(numbers.read_text())
    seconds = plain_found.pop("seconds")
    plain |= {"cpu_s_el2n": round(seconds["el2n"], 2)}
    plain |= {"cpu_s_without_resampling": round(seconds["without_resampling"], 2)}
    different = disagreements(out, plain_found)
    found = {
        "dataset": cell.dataset,
        "arch": cell.arch,
        "pruner": cell.pruner,
        "amount": cell.compression.token,
        "cell": ours,
        "el2n": el2n,
        "plain": plain,
        "cells_of_networks": sum((one.dataset, one.arch) == (cell.dataset, cell.arch) for one in study.cells),
        "disagreements": different,
    }
    found |= together([found])
    shutil.rmtree(out)
    scores.unlink()
    print(json.dumps(found), flush=True)
    return found


def together(cells: list[dict[str, Any]]) -> dict[str, float]:
    """How many times less processor time than pandas takes, of all the networks of whose cells one was measured.

    ``times_faster``: cells with EL2N scores once a network; ``cell``, ``el2n``: each alone. ``..._no_resampling``:
    beside pandas without it, what is asked for here still with it.
    """

    def plain(cell: dict[str, Any], key: str = "cpu_s") -> float:
        return float(cell["plain"][key] - cell["plain"]["cpu_s_el2n"])

    def ratio(above: Callable[[dict[str, Any]], float], below: Callable[[dict[str, Any]], float]) -> float:
        return round(sum(map(above, cells)) / sum(map(below, cells)), 1)

    def ours(cell: dict[str, Any]) -> float:
        return float(cell["cells_of_networks"] * cell["cell"]["cpu_s"] + cell["el2n"]["cpu_s"])

    def theirs(cell: dict[str, Any], key: str = "cpu_s") -> float:
        return float(cell["cells_of_networks"] * plain(cell, key) + cell["plain"]["cpu_s_el2n"])

    return {
        "times_faster": ratio(theirs, ours),
        "times_faster_cell": ratio(plain, lambda cell: cell["cell"]["cpu_s"]),
        "times_faster_el2n": ratio(
            lambda cell: cell["plain"]["cpu_s_el2n"], lambda cell: cell["el2n"]["cpu_s"]
        ),
        "times_faster_no_resampling": ratio(lambda cell: theirs(cell, "cpu_s_without_resampling"), ours),
    }


def disagreements(audit: Path, plain: dict[str, Any]) -> list[str]:
    """Numbers that differ by more than rounding, by name; none is what is wanted."""
    wrong = []
    for split, found in plain.items():
        summary = json.loads((audit / split / "summary.json").read_text())
        ours = {
            "n_pies": summary["n_pies"],
            "scores": [summary["dense_score"], summary["pruned_score"]],
            "on_pies": [summary["dense_score_on_pies"], summary["pruned_score_on_pies"]],
            "flips": summary["n_flips_mean"],
            "alpha": (summary.get("alpha") or {}).get("mean"),
            "classes": [count for count in column(audit / split / "classes.csv", "n_pies") if count],
        }
        if split == "train":
            ours["el2n"] = column(audit / split / "el2n.csv", "n_pies")
        for name, value in found.items():
            pairs = zip(*([v] if not isinstance(v, list) else v for v in (ours[name], value)), strict=True)
            if any(abs(a - b) > 1e-9 * max(1, abs(b)) for a, b in pairs):
                wrong.append(f"{split} {name}: {ours[name]} and {value}")
    return wrong


def column(path: Path, name: str) -> list[int]:
    with open(path, encoding="utf-8", newline="") as stream:
        return [int(row[name]) for row in csv.DictReader(stream)]


def of_each_dataset(study: Study) -> list[Cell]:
    """A cell in the middle of each data set's amounts."""
    chosen: dict[str, Cell] = {}
    for cell in study.cells:
        if not cell.dense and cell.compression.value == 0.5:
            chosen.setdefault(cell.dataset, cell)
    return list(chosen.values())


def watched(command: list[str], folder: Path) -> dict[str, float]:
    """Wall and processor seconds of a command with all that it starts, and their resident memory at its peak."""
    load = os.getloadavg()[0]
    with tempfile.TemporaryFile("w+", encoding="utf-8") as out:
        started = time.perf_counter()
        process = subprocess.Popen(command, cwd=folder, env=environment(), stdout=out, stderr=out)
        peak = [0]
        watcher = threading.Thread(target=watch, args=(process.pid, peak), daemon=True)
        watcher.start()
        _, state, usage = os.wait4(process.pid, 0)
        wall = time.perf_counter() - started
        process.returncode = os.waitstatus_to_exitcode(state)
        watcher.join()
        if process.returncode:
            out.seek(0)
            raise SystemExit(f"{' '.join(command)[:500]}: exit {process.returncode}\n{out.read()[-3000:]}")
    return {
        "wall_s": round(wall, 2),
        "cpu_s": round(usage.ru_utime + usage.ru_stime, 2),
        "peak_mib": round(peak[0] / 2**20, 1),
        "load_before": round(load, 1),
    }


def watch(pid: int, peak: list[int]) -> None:
    """Resident memory of a process and all below it, every fifth of a second until it is gone."""
    try:
        top = psutil.Process(pid)
        while top.is_running() and top.status() != psutil.STATUS_ZOMBIE:
            total = 0
            for one in [top, *top.children(recursive=True)]:
                try:
                    total += one.memory_info().rss
                except psutil.Error:
                    continue
            peak[0] = max(peak[0], total)
            time.sleep(0.2)
    except psutil.Error:
        return


def environment() -> dict[str, str]:
    """The code of this folder, whatever is installed; one thread a process, as Snakemake's jobs have."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    one = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")
    nowhere = dict.fromkeys(("PRUNESCOPE_DATA", "PRUNESCOPE_VECTORS"), "/nowhere")
    return {**os.environ, **nowhere, **one, "PATH": path, "PYTHONPATH": str(ROOT / "src")}


if __name__ == "__main__":
    sys.exit(main())
