"""Small charts as inline SVG, coloured by the page's CSS so that they follow light and dark."""

from __future__ import annotations

import math
from collections.abc import Sequence

from markupsafe import Markup, escape


def short(value: float) -> str:
    return f"{value:.2f}".rstrip("0").rstrip(".")


def nice_ticks(top: float, most: int = 5) -> list[float]:
    """Round numbers from 0 to at least ``top``."""
    if top <= 0 or not math.isfinite(top):
        return [0.0, 1.0]
    raw = top / most
    scale = 10.0 ** math.floor(math.log10(raw))
    step = next(scale * factor for factor in (1, 2, 2.5, 5, 10) if scale * factor >= raw * (1 - 1e-9))
    return [step * i for i in range(math.ceil(top / step - 1e-9) + 1)]


def frame(width: int, height: int, label: str, body: Sequence[str], name: str) -> Markup:
    return Markup(
        '<svg class="chart {}" viewBox="0 0 {} {}" role="img" aria-label="{}" preserveAspectRatio="xMinYMin meet">'
    ).format(name, width, height, label) + Markup("".join(body) + "</svg>")


def columns(
    shares: Sequence[float],
    names: Sequence[str],
    titles: Sequence[str],
    *,
    x_label: str,
    y_label: str,
    label: str,
    marks: Sequence[float | None] = (),
) -> Markup:
    """Vertical bars of shares (fractions, read as percent) with axes.

    Args:
        shares: one height per bar.
        names: what stands under each bar; neighbours that would touch are left out.
        titles: what each bar says when pointed at.
        label: alternative text.
        marks: a line across each bar, where there is a value to compare it with.
    """
    width, height, left, bottom, top = 680, 250, 58, 48, 26
    marks = marks or [None] * len(shares)
    ticks = nice_ticks(max((value for value in (*shares, *marks) if value is not None), default=0.0))
    high = ticks[-1]
    plot_w, plot_h = width - left - 8, height - bottom - top
    body: list[str] = []
    for tick in ticks:
        y = top + plot_h * (1 - tick / high)
        body.append(f'<line class="grid" x1="{left}" x2="{width - 8}" y1="{short(y)}" y2="{short(y)}"/>')
        body.append(
            f'<text class="tick" x="{left - 7}" y="{short(y + 4)}" text-anchor="end">{100 * tick:.4g}%</text>'
        )
    step = plot_w / max(len(shares), 1)
    every = max(1, math.ceil(30 / step))
    for i, (share, name, title, mark) in enumerate(zip(shares, names, titles, marks, strict=True)):
        x, tall = left + step * i + step * 0.12, plot_h * share / high
        body.append(
            f'<rect class="bar" x="{short(x)}" y="{short(top + plot_h - tall)}" '
            f'width="{short(step * 0.76)}" height="{short(tall)}"><title>{escape(title)}</title></rect>'
        )
        if mark is not None:
            at = short(top + plot_h * (1 - mark / high))
            body.append(
                f'<line class="mark" x1="{short(x - step * 0.08)}" x2="{short(x + step * 0.84)}" '
                f'y1="{at}" y2="{at}"/>'
            )
        if i % every == 0 or i == len(shares) - 1:
            middle = x + step * 0.38
            body.append(
                f'<text class="tick" x="{short(middle)}" y="{top + plot_h + 16}" '
                f'text-anchor="middle">{escape(name)}</text>'
            )
    body.append(f'<line class="axis" x1="{left}" x2="{width - 8}" y1="{top + plot_h}" y2="{top + plot_h}"/>')
    body.append(
        f'<text class="label" x="{left + plot_w / 2}" y="{height - 8}" text-anchor="middle">{escape(x_label)}</text>'
    )
    body.append(f'<text class="label" x="4" y="13">{escape(y_label)}</text>')
    return frame(width, height, label, body, "columns")


def interval(
    values: Sequence[float],
    mean: float,
    low: float | None,
    high: float | None,
    *,
    label: str,
    reference: float = 1.0,
) -> Markup:
    """Dots for single values, a bar for an interval around their mean, a line at ``reference``."""
    width, height, left, right = 680, 104, 20, 20
    known = [*values, mean, reference, *(v for v in (low, high) if v is not None)]
    least, most = min(known), max(known)
    spread = most - least
    if spread < 1e-6 * max(1.0, abs(least), abs(most)):
        # All one number but for rounding: ticks that close would be the same number too.
        spread = max(1.0, abs(most))
    least, most = least - 0.06 * spread, most + 0.06 * spread

    def x(value: float) -> str:
        return short(left + (width - left - right) * (value - least) / (most - least))

    step = nice_ticks(most - least, 6)[1]
    body: list[str] = []
    first = math.ceil(least / step)
    for number in range(first, math.floor(most / step + 1e-9) + 1):
        tick = number * step
        at = x(tick)
        body.append(f'<line class="grid" x1="{at}" x2="{at}" y1="20" y2="80"/>')
        text = f"{tick + 0.0:.4g}".replace("-", "−") if abs(tick) > step / 1e6 else "0"
        body.append(f'<text class="tick" x="{at}" y="97" text-anchor="middle">{text}</text>')
    one = x(reference)
    body.append(f'<line class="reference" x1="{one}" x2="{one}" y1="14" y2="80"/>')
    body.append(f'<text class="label" x="{one}" y="11" text-anchor="middle">{reference:g}: no change</text>')
    if low is not None and high is not None:
        body.append(
            f'<line class="interval" x1="{x(low)}" x2="{x(high)}" y1="38" y2="38"><title>'
            f"{low:.3f} to {high:.3f}</title></line>"
        )
    body.append(f'<circle class="mean" cx="{x(mean)}" cy="38" r="6"><title>mean {mean:.3f}</title></circle>')
    for value in values:
        body.append(f'<circle class="dot" cx="{x(value)}" cy="64" r="4"><title>{value:.3f}</title></circle>')
    return frame(width, height, label, body, "interval")


def bar(share: float | None, largest: float, kind: str) -> Markup:
    """A bar for a table's cell, its length relative to ``largest``."""
    if share is None or largest <= 0:
        return Markup("")
    return Markup('<span class="meter {}" aria-hidden="true"><span style="width:{}%"></span></span>').format(
        kind, short(100 * min(max(share / largest, 0.0), 1.0))
    )


def ratio_bar(ratio: float | None, reach: float) -> Markup:
    """A bar from the middle (ratio 1) to the right (above) or left (below)."""
    if ratio is None or reach <= 0:
        return Markup("")
    length = 50 * min(abs(ratio - 1) / reach, 1.0)
    start = 50.0 if ratio >= 1 else 50 - length
    return Markup(
        '<span class="ratio" aria-hidden="true"><span class="{}" style="left:{}%;width:{}%"></span></span>'
    ).format("above" if ratio >= 1 else "below", short(start), short(length))
