"""The PINS paper's folder: its tables as CSV, and a page that lays them out as it prints them."""

from __future__ import annotations

from pathlib import Path

from prunescope.analysis.csv_text import write_csv
from prunescope.config.study import Study
from prunescope.papers import PINS_FILES
from prunescope.papers.pins import efficiency, scores
from prunescope.report import page


def write(study: Study, *, tables: Path, folder: Path, out: Path) -> bool:
    """Write ``index.html`` and ``PINS_FILES`` into ``folder``; returns whether there is anything to show.

    Args:
        study: the configuration.
        tables: folder of the cross-study tables, for ``task_metrics.csv``.
        folder: an empty folder, which will be moved to
        out: where links start from; the papers' contents page is one above, the study's two.

    Raises:
        UserError: a file cannot be read.
    """
    where = out / "index.html"
    title = study.title or study.name
    found = scores.tables(study, tables)
    write_csv(folder / "table-1-to-9-scores.csv", *scores.csv_rows(found))
    sizes = efficiency.tables(study, tables)
    write_csv(folder / "table-7-efficiency.csv", *efficiency.csv_rows(sizes))
    text = page.render(
        "pins.html",
        title=f"{title}, as the PINS paper prints it",
        study=title,
        home=page.link(out.parents[1] / "index.html", where),
        papers=page.link(out.parent / "index.html", where),
        style=page.asset("printed.css"),
        tables=found,
        sizes=sizes,
        files=PINS_FILES,
    )
    (folder / "index.html").write_text(text, encoding="utf-8")
    return bool(found)
