"""What of a study is done, running, failed, as its files say."""

from __future__ import annotations

import base64
from collections import Counter
from pathlib import Path
from typing import Any

from prunescope.config import Study
from prunescope.errors import UserError
from prunescope.files import read_json
from prunescope.layout import Layout, block_seeds, blocks, fill


def status_of(study: Study, workdir: Path) -> dict[str, Any]:
    """Blocks of models per data set, with failures and diverged seeds by name.

    A block is done when its metrics are there and Snakemake does not have it marked as begun. What is
    marked is running while Snakemake holds its lock, and else was interrupted and waits for the next
    run. A block that left a log and nothing else has failed.
    """
    layout = Layout(study.results)
    begun = _begun(workdir)
    held = any((workdir / ".snakemake" / "locks").glob("*"))
    rows: dict[str, Counter[str]] = {}
    failed, diverged, damaged = [], [], []
    for cell in study.cells:
        row = rows.setdefault(
            cell.dataset, Counter({"models": 0, "done": 0, "running": 0, "failed": 0, "waiting": 0})
        )
        for block in blocks(layout, study, cell, workdir):
            seeds = len(set(block_seeds(block)) & set(cell.seeds))
            row["models"] += seeds
            metrics = fill(layout.model("metrics.json"), cell, block)
            rule = "train" if cell.dense else "prune"
            log = fill(layout.log(rule, "dataset", "arch", "pruner", "amount", "block"), cell, block)
            name = f"{cell.dataset} {cell.arch} {cell.pruner} {cell.amount.token} seeds {block}"
            if metrics in begun:
                state = "running" if held else "waiting"
            elif (workdir / metrics).is_file():
                state = "done"
                try:
                    models = read_json(workdir / metrics)["models"]
                    diverged += [f"{name}: seed {m['seed']}: {m['reason']}" for m in models if m["diverged"]]
                except (UserError, KeyError, TypeError):
                    damaged.append(metrics)
            elif (workdir / log).is_file():
                state = "failed"
                failed.append({"what": name, "log": log, "last_line": _last_line(workdir / log)})
            else:
                state = "waiting"
            row[state] += seeds
    total = sum(rows.values(), Counter())
    return {
        "study": study.name,
        "results": study.results,
        "models": total["models"],
        "done": total["done"],
        "running": total["running"],
        "failed": total["failed"],
        "waiting": total["waiting"],
        "report": f"{study.results}/index.html"
        if (workdir / study.results / "index.html").is_file()
        else None,
        "datasets": [{"dataset": name, **counts} for name, counts in rows.items()],
        "failures": failed,
        "diverged": diverged,
        "damaged": damaged,
    }


def status_text(status: dict[str, Any]) -> str:
    """The status for a terminal."""
    lines = [
        f"{status['study']}: {status['done']} of {status['models']} models done, {status['running']} running, "
        f"{status['failed']} failed, {status['waiting']} waiting",
        f"{'data set':<24}{'models':>8}{'done':>8}{'running':>9}{'failed':>8}{'waiting':>9}",
    ]
    for row in status["datasets"]:
        lines.append(
            f"{row['dataset']:<24}{row['models']:>8}{row['done']:>8}{row['running']:>9}{row['failed']:>8}"
            f"{row['waiting']:>9}"
        )
    for failure in status["failures"]:
        lines.append(f"failed: {failure['what']}: {failure['last_line']} ({failure['log']})")
    lines += [f"diverged: {line}" for line in status["diverged"]]
    lines += [f"damaged: {path}: delete it and run again" for path in status["damaged"]]
    lines.append(f"report: {status['report']}" if status["report"] else "report: not made yet")
    return "\n".join(lines)


def _begun(workdir: Path) -> set[str]:
    """Outputs of jobs that Snakemake has marked as begun and not yet as finished."""
    incomplete = workdir / ".snakemake" / "incomplete"
    begun = set()
    for marker in incomplete.glob("**/*"):
        if marker.is_file():
            # Long names are cut into folders; joined again they are the path in base64.
            encoded = "".join(marker.relative_to(incomplete).parts).replace("@", "")
            try:
                begun.add(base64.b64decode(encoded, altchars=b"-_").decode())
            except ValueError:
                continue
    return begun


def _last_line(log: Path) -> str:
    lines = log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
    return lines[-1].strip() if lines else "no output"
