"""The figure of a search: score against learning rate, coloured by epochs."""

from __future__ import annotations

from pathlib import Path

from prunescope.figures import layout, style
from prunescope.files import atomic_directory
from prunescope.tuning.job import Evaluation, TuneJob, ranked


def draw(job: TuneJob, metric: str, evaluations: list[Evaluation], folder: Path) -> None:
    """Write ``search.svg`` and ``search.png`` into ``folder``, which appears as a whole.

    The best evaluation has a ring; diverged ones are crosses at the bottom.
    """
    with atomic_directory(folder) as temporary, style.styled():
        from matplotlib import ticker

        figure, (panel,) = layout.panels(1, height=2.6)
        figure.set_figwidth(0.85 * style.FULL_WIDTH)
        scored = [e for e in evaluations if e.score is not None]
        lost = [e for e in evaluations if e.score is None]
        points = panel.scatter(
            [e.lr for e in scored],
            [e.score for e in scored],
            c=[e.epochs for e in scored],
            cmap="viridis",
            vmin=job.space.epochs.min,
            vmax=job.space.epochs.max,
            s=16,
        )
        best = ranked(evaluations)[0]
        if best.score is not None:
            panel.scatter(
                [best.lr], [best.score], s=70, facecolors="none", edgecolors=style.PIE_COLOUR, linewidths=1.3
            )
        if lost:
            # In the axis' own height: they have no score.
            panel.scatter(
                [e.lr for e in lost],
                [0.02] * len(lost),
                marker="x",
                color=style.DENSE_COLOUR,
                s=14,
                linewidths=0.9,
                transform=panel.get_xaxis_transform(),
            )
        if job.space.lr.log:
            panel.set_xscale("log")
            panel.set_xlim(job.space.lr.min / 1.08, job.space.lr.max * 1.08)
            # Few and plain: the style prints no mathematics, which a logarithmic axis would.
            panel.xaxis.set_major_locator(ticker.LogLocator(subs=(1.0, 2.0, 5.0)))
            panel.xaxis.set_major_formatter(ticker.FuncFormatter(lambda rate, _: f"{rate:g}"))
            panel.xaxis.set_minor_formatter(ticker.NullFormatter())
        bar = figure.colorbar(points, ax=panel, pad=0.02)
        bar.set_label("epochs")
        bar.locator = ticker.MaxNLocator(integer=True)
        bar.update_ticks()
        bar.outline.set_visible(False)
        panel.set_xlabel("learning rate")
        panel.set_ylabel(f"{style.pretty_metric(metric)} on validation")
        counts = f"{len(evaluations)} evaluations" + (f", {len(lost)} diverged (crosses)" if lost else "")
        panel.set_title(f"{job.dataset} · {job.arch} ({counts}; ring: the best)")
        style.save(figure, temporary, "search")
