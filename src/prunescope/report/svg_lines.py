"""Lines and points as inline SVG, in the colours of pruners or of the page."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from markupsafe import Markup, escape

from prunescope.report.svg import frame, nice_ticks, short

#: Between the base lines of two names that are one above the other.
_LINE = 13.5
#: The width of a letter, and so many points of a scatter are all named.
_LETTER, _NAMED = 7.5, 10
_WIDTH, _HEIGHT, _LEFT, _RIGHT, _TOP, _BOTTOM = 680, 280, 62, 14, 26, 46


@dataclass(frozen=True)
class Line:
    """One line of a chart; values that are None leave a gap.

    colour: of a pruner, as figures draw it; empty for the page's own · faint: drawn behind, thin and grey ·
    dashed: for a second kind of line of the same colour.
    """

    name: str
    values: Sequence[float | None]
    colour: str = ""
    faint: bool = False
    dashed: bool = False
    marks: bool = True


def lines(
    drawn: Sequence[Line],
    names: Sequence[str],
    *,
    x_label: str,
    y_label: str,
    label: str,
    text: Callable[[float], str],
    from_zero: bool = False,
    here: int | None = None,
    reference: tuple[float, str] | None = None,
) -> Markup:
    """Lines over equally spaced positions; an empty string where there is nothing to draw.

    Args:
        names: label under each position; labels that would touch are left out.
        label: alternative text.
        text: how a value is written.
        from_zero: start the y axis at 0, else a little below the smallest value.
        here: a position to mark with a vertical band.
        reference: a level to draw across, and its name.
    """
    known = [v for line in drawn for v in line.values if v is not None and math.isfinite(v)]
    if not known:
        return Markup("")
    if reference is not None:
        known.append(reference[0])
    low, high, ticks = _range(min(known), max(known), from_zero)
    plot_w, plot_h = _WIDTH - _LEFT - _RIGHT, _HEIGHT - _BOTTOM - _TOP
    step = plot_w / max(len(names), 1)

    def x(index: int) -> float:
        return _LEFT + step * (index + 0.5)

    def y(value: float) -> float:
        return _TOP + plot_h * (1 - (value - low) / (high - low))

    body: list[str] = []
    if here is not None:
        start = short(x(here) - step / 2)
        body.append(f'<rect class="here" x="{start}" y="{_TOP}" width="{short(step)}" height="{plot_h}"/>')
    end = _WIDTH - _RIGHT
    for tick in ticks:
        body.append(_stroke("grid", _LEFT, y(tick), end, y(tick)))
        body.append(_text("tick", _LEFT - 7, y(tick) + 4, text(tick), "end"))
    every = max(1, math.ceil(8 * max(map(len, names), default=1) / step))
    for index in range(0, len(names), every):
        body.append(_text("tick", x(index), _TOP + plot_h + 17, names[index], "middle"))
    if reference is not None:
        level, title = reference
        body.append(_stroke("reference", _LEFT, y(level), end, y(level)))
        body.append(_text("label", end, y(level) - 5, title, "end"))
    for line in sorted(drawn, key=lambda one: not one.faint):
        body.append(_one(line, names, x, y, text))
    body.append(_text("label", 4, 13, y_label))
    body.append(_text("label", _LEFT + plot_w / 2, _HEIGHT - 7, x_label, "middle"))
    return frame(_WIDTH, _HEIGHT, label, body, "lines")


def _stroke(kind: str, x1: float, y1: float, x2: float, y2: float) -> str:
    return f'<line class="{kind}" x1="{short(x1)}" y1="{short(y1)}" x2="{short(x2)}" y2="{short(y2)}"/>'


def _text(kind: str, x: float, y: float, text: str, anchor: str = "start") -> str:
    return f'<text class="{kind}" x="{short(x)}" y="{short(y)}" text-anchor="{anchor}">{escape(text)}</text>'


def _one(
    line: Line,
    names: Sequence[str],
    x: Callable[[int], float],
    y: Callable[[float], float],
    text: Callable[[float], str],
) -> str:
    style = f' style="--c:{escape(line.colour)}"' if line.colour else ""
    kind = "series" + (" faint" if line.faint else "") + (" dashed" if line.dashed else "")
    path, pen = [], "M"
    dots = []
    for index, value in enumerate(line.values):
        if value is None or not math.isfinite(value):
            pen = "M"
            continue
        path.append(f"{pen}{short(x(index))} {short(y(value))}")
        pen = "L"
        if line.marks:
            dots.append(
                f'<circle cx="{short(x(index))}" cy="{short(y(value))}" r="{3 if line.faint else 4}"><title>'
                f"{escape(line.name)}, {escape(names[index])}: {escape(text(value))}</title></circle>"
            )
    title = "" if line.marks else f"<title>{escape(line.name)}</title>"
    return f'<g class="{kind}"{style}><path d="{"".join(path)}">{title}</path>{"".join(dots)}</g>'


def _range(low: float, high: float, from_zero: bool) -> tuple[float, float, list[float]]:
    """Ends of the axis, and its ticks."""
    if from_zero and low >= 0:
        ticks = nice_ticks(high)
        return 0.0, max(ticks[-1], 1e-12), ticks
    spread = high - low
    if spread <= 1e-9 * max(1.0, abs(high)):
        spread = max(abs(high), 1.0) * 0.1
        low, high = low - spread / 2, high + spread / 2
    step = nice_ticks(high - low)[1]
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    ticks = [tick * step for tick in range(first, last + 1)]
    return ticks[0], ticks[-1], ticks


def scatter(
    points: Sequence[tuple[str, float, float, str]], *, x_label: str, y_label: str, label: str
) -> Markup:
    """Shares against shares, each axis around its data, with the diagonal of no change as far as it is there.

    Args:
        points: name, x, y, and ``below``, ``above`` or an empty string for their colour. A few points are all named,
            of more those furthest below the diagonal; names stand on their side of it, apart from each other.
    """
    size, left, bottom, top, right = 420, 56, 46, 26, 26
    plot = size - left - right
    height = top + plot + bottom
    axes = []
    for values in ([before for _, before, _, _ in points], [after for _, _, after, _ in points]):
        low, high, ticks = _range(min(values, default=0.0), max(values, default=1.0), False)
        axes.append((max(low, 0.0), min(high, 1.0), [tick for tick in ticks if -1e-9 <= tick <= 1 + 1e-9]))
    (left_end, right_end, x_ticks), (bottom_end, top_end, y_ticks) = axes
    body: list[str] = []

    def x(value: float) -> float:
        return left + plot * (value - left_end) / (right_end - left_end)

    def y(value: float) -> float:
        return top + plot * (1 - (value - bottom_end) / (top_end - bottom_end))

    for tick in y_ticks:
        body.append(_stroke("grid", left, y(tick), size - right, y(tick)))
        body.append(_text("tick", left - 7, y(tick) + 4, f"{100 * tick:.4g}%", "end"))
    for tick in x_ticks:
        body.append(_stroke("grid", x(tick), top, x(tick), top + plot))
        body.append(_text("tick", x(tick), top + plot + 17, f"{100 * tick:.4g}%", "middle"))
    start, end = max(left_end, bottom_end), min(right_end, top_end)
    if start < end:
        body.append(_stroke("reference", x(start), y(start), x(end), y(end)))
    lost = sorted(points, key=lambda p: p[2] - p[1])[:4]
    named = points if len(points) <= _NAMED else [p for p in lost if p[1] - p[2] > 0.02]
    for name, before, after, kind in points:
        title = f"{escape(name)}: {100 * before:.1f}% → {100 * after:.1f}%"
        centre = f'cx="{short(x(before))}" cy="{short(y(after))}"'
        body.append(f'<circle class="dot {kind}" {centre} r="4.5"><title>{title}</title></circle>')
    placed: list[tuple[float, float, float]] = []
    for name, before, after, _ in sorted(named, key=lambda p: -p[2]):
        cut = name if len(name) <= 18 else name[:17] + "…"
        wide = 8 + _LETTER * len(cut)
        at_left = x(before) + wide > size if after < before else x(before) - wide > left
        begin, at = x(before) - wide * at_left, y(after) + 4
        for start, end, other in sorted(placed, key=lambda one: one[2]):
            if start < begin + wide and begin < end:
                at = max(at, other + _LINE)
        placed.append((begin, begin + wide, at))
        body.append(_text("tick", x(before) + (-8 if at_left else 8), at, cut, "end" if at_left else "start"))
    body.append(_text("label", 4, 13, y_label))
    body.append(_text("label", left + plot / 2, height - 7, x_label, "middle"))
    return frame(size, height, label, body, "scatter")
