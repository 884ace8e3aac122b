"""``report.html`` of ``prunescope compare``, and its words on a terminal."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from markupsafe import Markup

from prunescope.analysis.studies.comparison import DEMANDS, Comparison
from prunescope.analysis.studies.rows import MOVED, NAMED, Moved
from prunescope.config.compression import Compression
from prunescope.errors import listed
from prunescope.report import page, svg_lines
from prunescope.report.sentences import change_text, count, is_share, number, percent, score_text

#: How a quantity is called.
WORDS = {"score": "score", "pie_share": "PIE share", "alpha": "α"}


def answer(found: Comparison) -> str:
    """Whether anything moved, in a sentence; what could not be compared first."""
    if lost := len(found.uncompared):
        return f"{count(lost, 'cell')} {'was' if lost == 1 else 'were'} not compared. {_moved(found)}"
    return _moved(found)


def _moved(found: Comparison) -> str:
    if not found.cells:
        return f"No value of {found.other.name} could be."
    cells = count(len({row.name for row in found.cells}), "cell")
    other, moved, same = found.other.name, found.differences["moved"], found.predictions
    if moved:
        return f"{moved} of {cells} moved beyond noise in {other}."
    if same.n_both and same.n_identical == same.n_both and not same.n_first and not same.n_second:
        verb = "is" if same.n_both == 1 else "are"
        return f"Identical: {count(same.n_both, 'prediction table')} of {other} {verb} the same to the byte."
    if all(row.state in ("identical", "same") for row in found.cells):
        rest = "other value" if found.uncompared else "value"
        return f"Every {rest} of {cells} is the same in {other}."
    return f"None of {cells} moved beyond noise in {other}."


def lines(found: Comparison) -> list[str]:
    """The comparison for a terminal."""
    told = [f"{found.first.name} and {found.other.name}: {answer(found)}"]
    states = found.states()
    tested = ", ".join(f"{n} {state}" for state, n in states.items() if n)
    told.append(f"values (score, PIE share, alpha): {tested}")
    told += [f"moved: {row.name}: {moved_text(row)}" for row in found.moved[:10]]
    if len(found.moved) > 10:
        told.append(f"moved: {len(found.moved) - 10} more")
    kinds = [f"{row.kind} {row.n_identical} of {row.n_both}" for row in found.files if row.n_both]
    told.append(f"identical to the byte: {', '.join(kinds) or 'no file is in both'}")
    for row in found.settings[:10]:
        of = "" if row.n_cells is None else f" ({count(row.n_cells, 'cell')})"
        told.append(f"setting: {row.key}: {row.first or 'not there'} -> {row.second or 'not there'}{of}")
    if len(found.settings) > 10:
        told.append(f"setting: {len(found.settings) - 10} more")
    if not found.settings:
        told.append("settings, data and software: the same, as far as recorded")
    told += [
        f"conclusion: {row.about}, {row.subject}: {row.first} -> {row.second}"
        for row in found.conclusions[:10]
    ]
    if len(found.conclusions) > 10:
        told.append(f"conclusion: {len(found.conclusions) - 10} more")
    if not found.conclusions:
        told.append("conclusions: none changed")
    for tree, keys in zip((found.first, found.other), found.alone, strict=True):
        if keys:
            cells = listed(map("/".join, keys), NAMED)
            told.append(f"only in {tree.name}: {count(len(keys), 'cell')} ({cells})")
    return [*told, *(f"not compared: {line}" for line in found.problems)]


def missed(found: Comparison, demands: Sequence[str]) -> list[str]:
    """A line for each demand of ``--fail-on`` that is met; ``moved`` also where a cell could not be compared."""
    differences = found.differences
    lines = [
        f"--fail-on {name}: {DEMANDS[name]} in {found.other.name} ({differences[name]})"
        for name in dict.fromkeys(demands)
        if differences[name]
    ]
    if "moved" in demands and not differences["moved"] and found.uncompared:
        cells = listed(found.uncompared, NAMED)
        lines.append(
            f"--fail-on moved: whether every cell moved in {found.other.name} is not known: {cells} not compared"
        )
    return lines


def value_text(value: float | None, row: Moved) -> str:
    if row.quantity == "alpha":
        return number(value)
    return percent(value) if row.quantity == "pie_share" else score_text(value, {"metric": row.metric})


def change(value: float | None, row: Moved) -> str:
    if row.quantity == "alpha":
        return number(value)
    return change_text(value, {"metric": row.metric if row.quantity == "score" else "accuracy"})


def moved_text(row: Moved) -> str:
    """``accuracy 94.5% -> 91.2%, -3.3 (99% interval -5.1 to -1.5), corrected p 0.002``."""
    what = row.metric.replace("_", " ") if row.quantity == "score" else WORDS[row.quantity]
    interval = (
        ""
        if row.ci_low is None
        else f" ({100 * row.confidence:g}% interval {change(row.ci_low, row)} to {change(row.ci_high, row)})"
    )
    return (
        f"{what} {value_text(row.first, row)} -> {value_text(row.second, row)}, {change(row.change, row)}{interval}, "
        f"corrected p {page.p_value(row.p_corrected)}"
    )


def render(found: Sequence[Comparison]) -> str:
    """The page."""
    return page.render(
        "compare.html",
        title="What differs?",
        first=found[0].first,
        comparisons=[_section(number, one) for number, one in enumerate(found)],
        words=WORDS,
        value=value_text,
        change=change,
        moved=MOVED,
    )


def _section(place: int, found: Comparison) -> dict[str, Any]:
    return {
        "id": f"tree-{place + 1}",
        "found": found,
        "answer": answer(found),
        "charts": [chart for quantity in ("score", "pie_share") if (chart := _chart(found, quantity))],
        "rows": sorted(
            found.cells, key=lambda row: (row.state != MOVED, row.p_value is None, row.p_value or 0.0)
        ),
        "alone": [
            (tree.name, keys)
            for tree, keys in zip((found.first, found.other), found.alone, strict=True)
            if keys
        ],
    }


def _chart(found: Comparison, quantity: str) -> dict[str, Markup | str] | None:
    rows = [
        row
        for row in found.cells
        if row.quantity == quantity
        and row.first is not None
        and row.second is not None
        and (quantity == "pie_share" or is_share({"metric": row.metric}))
    ]
    if not rows:
        return None
    points = [
        (
            f"{row.pruner} at {Compression.parse(row.amount).text}, {row.dataset}, {row.arch}",
            row.first or 0.0,
            row.second or 0.0,
            "" if row.state != MOVED else "below" if (row.change or 0.0) < 0 else "above",
        )
        for row in rows
    ]
    words = WORDS[quantity]
    return {
        "svg": svg_lines.scatter(
            points,
            x_label=f"{words}, {found.first.name}",
            y_label=f"{words}, {found.other.name}",
            label=f"{words} of {count(len(rows), 'cell')} in {found.first.name} and {found.other.name}; "
            "the diagonal is no change",
        ),
        "name": f"{words} before and after",
        "caption": f"{words[0].upper()}{words[1:]}: a point is a cell, the line is no change. In colour: moved beyond "
        "noise.",
    }
