"""The recall paper's folder: its tables as CSV, and a page that lays them out as it prints them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from prunescope.analysis.alpha.cells import AlphaCell, read_alpha_cell
from prunescope.analysis.csv_text import write_csv
from prunescope.config.study import Study
from prunescope.papers import RECALL_FILES, pictures
from prunescope.papers.recall import numbers, pvalues
from prunescope.papers.recall.paper import FIGURES
from prunescope.papers.results import Results
from prunescope.report import page


@dataclass(frozen=True)
class _Tests:
    """Tables of one kind: the paper's numbers for them, what they test, and where they are written."""

    numbers: str
    title: str
    hypothesis: str
    file: str
    tables: Callable[[Sequence[pvalues.Test], pvalues.Order], list[pvalues.Table]]


_PAIRED = "Paired one-sided tests between models of the same seed: α is smaller at the lower amount."
_TESTS = (
    _Tests(
        "1 and 2",
        "neighbouring amounts, within each network",
        _PAIRED,
        "table-1-2-amounts-by-network.csv",
        pvalues.amounts_by_network,
    ),
    _Tests(
        "3",
        "neighbouring amounts, within each data set",
        _PAIRED + " Each data set stands with its default network.",
        "table-3-amounts-by-dataset.csv",
        pvalues.amounts_by_dataset,
    ),
    _Tests(
        "4",
        "neighbouring amounts, within each pruner",
        _PAIRED,
        "table-4-amounts-by-pruner.csv",
        pvalues.amounts_by_pruner,
    ),
    _Tests(
        "5 and 6",
        "sizes of a network",
        "Independent one-sided tests: α is larger in the smaller network.",
        "table-5-6-sizes.csv",
        pvalues.sizes,
    ),
    _Tests(
        "7",
        "data sets",
        "Independent one-sided tests: α is smaller on the easier data set, which stands first.",
        "table-7-datasets.csv",
        pvalues.datasets,
    ),
    _Tests(
        "8",
        "pruners",
        "Paired two-sided tests between models of the same seed: α differs.",
        "table-8-pruners.csv",
        pvalues.pruners,
    ),
    _Tests(
        "9",
        "MP against UP over all sizes",
        "Paired two-sided tests between models of the same seed: α differs. All of one table are corrected together.",
        "table-9-mp-and-up.csv",
        pvalues.over_sizes,
    ),
)


def write(study: Study, results: Results, *, tables: Path, figures: Path, folder: Path, out: Path) -> bool:
    """Write ``index.html`` and ``RECALL_FILES`` into ``folder``; returns whether there is anything to show.

    Args:
        study: the configuration.
        results: what there is of it.
        tables: folder of the cross-study tables, for ``alpha_tests.csv``.
        figures: folder with a folder per figure family.
        folder: an empty folder, which will be moved to
        out: where links start from; the papers' contents page is one above, the study's two.

    Raises:
        UserError: a file cannot be read.
    """
    where = out / "index.html"
    title = study.title or study.name
    cells = _alpha_cells(results)
    order = pvalues.Order.of(cells)
    tests = pvalues.read_tests(tables / "alpha_tests.csv")
    # The paper's own tables first; the others keep their order.
    tested = [
        (kind, sorted(kind.tables(tests, order), key=lambda table: table.number or "~")) for kind in _TESTS
    ]
    for kind, found in tested:
        write_csv(folder / kind.file, *pvalues.csv_rows(found))
    accuracies, variances = numbers.accuracies(results, cells), numbers.variances(results)
    steps = numbers.steps(results)
    write_csv(folder / "table-10-accuracy.csv", *numbers.accuracies_csv(accuracies))
    write_csv(folder / "table-11-recall-variance.csv", *numbers.variances_csv(variances))
    write_csv(folder / "table-12-13-accuracy-alpha.csv", *numbers.steps_csv(steps))
    listed = pictures.listing(FIGURES, Path(figures), where)
    text = page.render(
        "recall.html",
        title=f"{title}, as the recall paper prints it",
        study=title,
        home=page.link(out.parents[1] / "index.html", where),
        papers=page.link(out.parent / "index.html", where),
        style=page.asset("printed.css"),
        tested=[
            {"kind": kind, "anchor": f"table-{kind.numbers[0]}", "tables": found} for kind, found in tested
        ],
        correction=study.analysis.correction.capitalize(),
        confidence=study.analysis.confidence,
        accuracies=accuracies,
        variances=variances,
        grew=numbers.grew,
        own_steps=[table for table in steps if table.pruner in numbers.NUMBERS],
        other_steps=[table for table in steps if table.pruner not in numbers.NUMBERS],
        missing=[name for name in numbers.NUMBERS if name not in {table.pruner for table in steps}],
        numbers=numbers.NUMBERS,
        bare=pvalues.bare,
        figures={entry["figure"].numbers: entry for entry in listed},
        files=RECALL_FILES,
    )
    (folder / "index.html").write_text(text, encoding="utf-8")
    return bool(cells)


def _alpha_cells(results: Results) -> list[AlphaCell]:
    """Every analysed cell that has an alpha."""
    paths = [results.folders[place] for place in sorted(results.folders)]
    found = [read_alpha_cell(path) for path in paths if (path / "test" / "summary.json").exists()]
    return [cell for cell in found if cell is not None and cell.alpha]
