"""``report.html`` of ``prunescope audit``: one self-contained page."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from prunescope.report import page, parts, sentences
from prunescope.report.audit_files import AuditFiles


def render(
    directory: Path,
    texts: parts.Shown | None = None,
    answers: parts.Said | None = None,
    suite: str | None = None,
) -> str:
    """The page for an audit folder, from its files alone.

    Args:
        directory: the folder with ``summary.json`` and the other files of the audit; files that its
            task does not have may be missing.
        texts: text by example, one per row of ``pies.parquet``, or a function of rows; shown as text, whatever it
            holds.
        answers: what both models said, whole, from rows.
        suite: address of the page of all tasks and models that this one belongs to.

    Raises:
        UserError: ``summary.json`` is missing or a file cannot be read.
    """
    audit = AuditFiles(Path(directory))
    body = parts.body(audit, texts, answers=answers)
    task = audit.summary.get("task_name")
    return page.render(
        "audit.html",
        title=f"{task}: who pays for this compression?" if task else "Who pays for this compression?",
        what=_what(audit.summary),
        suite=suite,
        read=sentences.read_lines(audit.summary),
        warnings=audit.summary.get("warnings") or [],
        contents=parts.contents(
            body,
            *([("metrics", "Metrics")] if audit.metrics else []),
            ("compared", "What was compared"),
        ),
        classes_link="classes.csv",
        compared=_compared(audit.summary),
        **body,
    )


def _what(summary: Mapping[str, Any]) -> str:
    """What was compared, as far as the summary says."""
    names = [str(summary[key]) for key in ("dataset", "arch", "pruner") if summary.get(key)]
    sparsity = summary.get("sparsity")
    if isinstance(sparsity, int | float) and sparsity > 0:
        names.append(f"sparsity {sentences.percent(sparsity)}")
    head = f"{' · '.join(names)}. " if names else ""
    sides = {"dense": "Dense", "pruned": "pruned models", **(summary.get("log_models") or {})}
    if summary.get("task_name"):
        head = f"{summary['task_name']}. {head}"
    return (
        f"{head}{sides['dense']} against {sides['pruned']}: {sentences.count(summary.get('n_seeds'), 'pair')}, "
        f"{sentences.count(summary.get('n_examples'), 'example')}, task {summary.get('task', 'unknown')}."
    )


def _compared(summary: Mapping[str, Any]) -> dict[str, Any]:
    """Models, seeds and files of both sides, and how intervals were made, as far as the summary says."""
    sources, diverged = summary.get("sources") or {}, summary.get("diverged") or {}
    alpha, change = summary.get("alpha") or {}, summary.get("change") or {}
    known = {
        "task": summary.get("task"),
        "classes": summary.get("n_classes"),
        "examples": summary.get("n_examples"),
        "seeds": summary.get("seeds") or summary.get("n_seeds"),
        "seeds excluded (missing or diverged on one side)": summary.get("n_seeds_dropped"),
        "diverged, dense": diverged.get("dense") or "none",
        "diverged, pruned": diverged.get("pruned") or "none",
        "confidence of intervals": alpha.get("confidence") or change.get("confidence"),
        "dense predictions": sources.get("dense"),
        "pruned predictions": sources.get("pruned"),
    }
    return {name: value for name, value in known.items() if value not in (None, [], "")}
