"""Draws ``docs/pictures/orchestration.png`` from ``results/orchestration.json``: seconds by number of jobs.

python benchmarks/curves.py
"""

from __future__ import annotations

import json
from pathlib import Path

from prunescope.figures import style

HERE = Path(__file__).resolve().parent

#: Measurement -> how the legend names it, and its look.
LINES = {
    "bookkeeping": ("a whole run, Snakemake's own work", "#b04a2f", "s"),
    "dry_run": ("dry run before it", "#0072b2", "o"),
    "noop_run": ("run with nothing to do", "#4f7d3a", "^"),
    "status": ("prunescope status", "#6a4c93", "D"),
    "plan": ("prunescope plan", "#55585c", "v"),
}


def main() -> int:
    measured = json.loads((HERE / "results" / "orchestration.json").read_text(encoding="utf-8"))
    with style.styled():
        import matplotlib.pyplot as plt

        figure, axes = plt.subplots(figsize=(6.4, 3.8), layout="constrained")
        for name, (label, colour, marker) in LINES.items():
            known = [size for size in measured["sizes"] if name in size["measured"]]
            jobs = [size["jobs"] for size in known]
            seconds = [size["measured"][name]["cpu_s"] for size in known]
            growth = measured["growth"][name]["jobs"]["exponent"]
            axes.plot(jobs, seconds, color=colour, marker=marker, label=f"{label}: slope {growth:.2f}")
        low, high = measured["sizes"][0], measured["sizes"][-1]
        first = low["measured"]["dry_run"]["cpu_s"]
        ends = (low["jobs"], high["jobs"])
        axes.plot(
            ends, [first, first * ends[1] / ends[0]], color="#a0a4aa", linestyle=":", label="linear: slope 1"
        )
        axes.set_xscale("log")
        axes.set_yscale("log")
        axes.xaxis.set_major_formatter("{x:,.0f}")
        axes.yaxis.set_major_formatter("{x:,g}")
        axes.grid(visible=True, axis="both")
        axes.set_xlabel(f"jobs of the study ({low['models']:,} to {high['models']:,} models)")
        axes.set_ylabel("processor seconds")
        axes.set_title("The workflow's own cost by size of study")
        axes.legend(loc="upper left")
        picture = HERE.parent / "docs" / "pictures" / "orchestration.png"
        figure.savefig(picture, dpi=130, metadata={"Software": None})
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
