"""``report.html`` and the Markdown summary of a suite: several tasks, or several compressed models."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from prunescope.analysis.audit_tables import MatrixRow, SliceRow
from prunescope.analysis.conditions import LEVEL
from prunescope.analysis.tables.declared import read_table
from prunescope.figures.style import pretty_metric
from prunescope.files import read_json
from prunescope.report import page, sentences, who


def render(directory: Path) -> str:
    """The page of a suite's folder, from its files alone.

    Raises:
        UserError: ``summary.json`` or ``matrix.csv`` is missing or cannot be read.
    """
    summary = read_json(Path(directory) / "summary.json")
    cells = {(one["model"], one["task"]): one for one in summary["cells"]}
    return page.render(
        "suite.html",
        title="Who pays for these compressions?",
        summary=summary,
        cells=cells,
        headlines=[
            {
                "text": headline(one),
                "who": who.slice_sentences(one["slices"]) if (one["slices"] or {}).get("confirmed") else [],
            }
            for one in summary["overall"]
        ],
        pooled={(one["model"], one["task"]): one for one in summary["benchmarks"]},
        benchmarks={one["task"]: one["n_tasks"] for one in summary["benchmarks"]},
        slices=read_table(Path(directory), SliceRow),
        rows=read_table(Path(directory), MatrixRow),
        folders=_folders(summary["cells"]),
        level=LEVEL,
    )


def _folders(cells: Sequence[Mapping[str, Any]]) -> dict[str, dict[str, str]]:
    """The folder of each task, by model."""
    found: dict[str, dict[str, str]] = {}
    for one in cells:
        found.setdefault(one["model"], {})[one["task"]] = one["folder"]
    return found


def headline(overall: Mapping[str, Any]) -> str:
    """``int4: the scores of 3 tasks moved by −0.3 points on average, and 9.0% of the answers changed: ...``."""
    tasks = sentences.count(overall["n_tasks"], "task")
    change = overall["change"]
    mean = " on average" if overall["n_tasks"] > 1 else ""
    moved = f"the score of {tasks} moved by {sentences.signed_points(change)} points{mean}"
    if change is None:
        moved = f"{tasks} without a score"
    wrong, right = (sentences.count(overall[name]) for name in ("to_wrong", "to_right"))
    text = (
        f"{overall['model']}: {moved}, and {sentences.percent(overall['share_changed'])} of "
        f"{sentences.count(overall['n_examples'], 'answer')} changed: {wrong} became wrong, {right} became right."
    )
    if change is None:
        return text
    worse, better = overall["n_worse"], overall["n_better"]
    if not worse and not better:
        return f"{text} No task's change survives correction for the number of tests."
    told = [f"{sentences.count(n, 'task')} {word}" for n, word in ((worse, "lost"), (better, "gained")) if n]
    return f"{text} After correction, {' and '.join(told)}; {overall['worst_task']} lost most."


def markdown(summary: Mapping[str, Any]) -> str:
    """A summary for a pull request or a model card: headlines, a table of cells, warnings.

    Args:
        summary: what stands in ``summary.json`` of a suite or of one audit.
    """
    lines = ["## Who pays for this compression?", ""]
    if summary.get("suite"):
        for one in summary["overall"]:
            lines.append(f"- {_escaped(headline(one))}")
            lines += [f"  - {_escaped(line)}" for line in who.slice_sentences(one["slices"])]
        rows = [*summary["benchmarks"], *summary["cells"]]
        lines += ["", *_table([(one["model"], one["task"], one) for one in rows])]
    else:
        lines += [f"- {_escaped(sentence)}" for sentence in sentences.story(summary)]
        flips, change = summary.get("mcnemar") or {}, summary.get("change") or {}
        row = {
            "metric": summary["metric"],
            "dense": summary.get("dense_score"),
            "pruned": summary.get("pruned_score"),
            "change": change.get("mean"),
            "ci_low": change.get("ci_low"),
            "ci_high": change.get("ci_high"),
            "p_corrected": flips.get("p_value"),
            **{name: flips.get(name) for name in ("to_wrong", "to_right")},
            **{name: summary[name] for name in ("n_examples", "n_pies")},
        }
        lines += ["", *_table([("pruned", str(summary.get("task_name", summary["task"])), row)])]
    told = [*sentences.group_sentences(summary), *who.slice_sentences(summary.get("slices"))]
    lines += [line for one in told for line in ("", _escaped(one))]
    if warnings := summary.get("warnings"):
        lines += ["", *(f"> Warning: {_escaped(line)}" for line in warnings)]
    return "\n".join(lines) + "\n"


def _table(cells: Sequence[tuple[str, str, Mapping[str, Any]]]) -> list[str]:
    names = "model|task|metric|n|dense|pruned|change|interval|changed|to wrong|to right|p (corrected)"
    lines = [f"| {names.replace('|', ' | ')} |", "|---|---|---|---:|---:|---:|---:|---|---:|---:|---:|---:|"]
    for model, task, one in cells:
        of = {"metric": one["metric"]}
        low, high = one["ci_low"], one["ci_high"]
        interval = (
            sentences.GAP
            if low is None
            else f"{sentences.change_text(low, of)} to {sentences.change_text(high, of)}"
        )
        values = (
            model,
            task,
            pretty_metric(one["metric"]),
            sentences.count(one["n_examples"]),
            sentences.score_text(one["dense"], of),
            sentences.score_text(one["pruned"], of),
            sentences.change_text(one["change"], of),
            interval,
            sentences.percent(one["n_pies"] / one["n_examples"]) if "n_pies" in one else sentences.GAP,
            sentences.count(one["to_wrong"]),
            sentences.count(one["to_right"]),
            page.p_value(one["p_corrected"]),
        )
        lines.append("| " + " | ".join(_escaped(str(value)) for value in values) + " |")
    return lines


def _escaped(text: str) -> str:
    """Text of others as Markdown shows it: no table, tag, link or emphasis comes out of it."""
    marks = "".join("\\" + mark if mark in "\\`*_{}[]<>|#!" else mark for mark in " ".join(text.split()))
    return marks.replace("&", "&amp;")
