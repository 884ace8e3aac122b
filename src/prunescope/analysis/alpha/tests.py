"""``alpha_tests.csv``: the recall paper's tests of Tables 1-9 on the cells of a study (section 6.2)."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from prunescope.analysis.alpha.cells import AlphaCell
from prunescope.analysis.alpha.comparisons import Comparison, comparisons
from prunescope.analysis.corrections import bonferroni, holm
from prunescope.analysis.csv_text import write_csv
from prunescope.analysis.stats import mean
from prunescope.analysis.ttests import TTest, independent, paired
from prunescope.config.analysis import Analysis

COLUMNS = (
    "family",
    "varied",
    "fixed",
    "a",
    "b",
    "statistic",
    "df",
    "p_value",
    "p_corrected",
    "alternative",
    "correction",
    "family_size",
    "p_holm",
    "significant",
    "test",
    "mean_a",
    "mean_b",
    "mean_difference",
    "difference_low",
    "difference_high",
    "effect",
    "effect_size",
    "effect_low",
    "effect_high",
    "confidence",
    "n_a",
    "n_b",
    "n_dropped",
    "cell_a",
    "cell_b",
    "note",
)
#: "the usual significance level" (recall paper, section 6.2), of corrected p-values
LEVEL = 0.05


def write_tests(path: Path, cells: Sequence[AlphaCell], analysis: Analysis) -> None:
    """Write the table; one row per test, families together."""
    write_csv(path, COLUMNS, test_rows(cells, analysis))


def test_rows(cells: Sequence[AlphaCell], analysis: Analysis) -> list[list[Any]]:
    """The rows of ``COLUMNS``.

    ``a`` - ``b`` is what ``statistic``, ``mean_difference`` and ``effect_size`` are of. ``n_a``, ``n_b``:
    models that entered; paired tests take the seeds that both sides have. ``n_dropped``: models that did
    not, because they are missing, diverged, have no alpha, or (paired) have no partner. ``family_size``:
    tests of the family, also those that had no outcome, whose ``note`` says why. ``tested_amounts`` are ratios
    and sparsities; all levels of a ladder are compared.
    """
    tested = analysis.tested_amounts
    chosen = [
        cell
        for cell in cells
        if tested is None or cell.compression.kind == "level" or cell.compression.value in tested
    ]
    families: dict[str, list[Comparison]] = {}
    for comparison in comparisons(chosen):
        families.setdefault(comparison.family, []).append(comparison)
    return [row for family in families.values() for row in _family_rows(family, analysis)]


def _family_rows(family: Sequence[Comparison], analysis: Analysis) -> list[list[Any]]:
    results = [_test(comparison, analysis) for comparison in family]
    p_values = [None if c.undecided else result.p_value for c, result in zip(family, results, strict=True)]
    by_holm = holm(p_values)
    corrected = by_holm if analysis.correction == "holm" else bonferroni(p_values)
    rows = []
    for c, result, p, p_corrected, p_holm in zip(family, results, p_values, corrected, by_holm, strict=True):
        tested = not c.undecided
        rows.append(
            [
                c.family,
                c.varied,
                c.fixed,
                c.a,
                c.b,
                result.statistic if tested else None,
                result.df if tested else None,
                p,
                p_corrected,
                c.alternative,
                analysis.correction,
                len(family),
                p_holm,
                None if p_corrected is None else str(p_corrected < LEVEL).lower(),
                "paired" if c.paired else "independent",
                *_means(c),
                result.difference.mean,
                result.difference.low,
                result.difference.high,
                result.effect,
                result.size.mean,
                result.size.low,
                result.size.high,
                analysis.confidence,
                result.n_a,
                result.n_b,
                _dropped(c, result),
                c.first.place,
                c.second.place,
                c.undecided or result.note,
            ]
        )
    return rows


def _test(c: Comparison, analysis: Analysis) -> TTest:
    first, second = c.first.alpha, c.second.alpha
    if c.paired:
        return paired(first, second, c.alternative, analysis.confidence)
    return independent(
        list(first.values()),
        list(second.values()),
        c.alternative,
        analysis.confidence,
        equal_variances=analysis.equal_variances,
    )


def _means(c: Comparison) -> list[float | None]:
    """Mean alpha of both sides over the models that entered."""
    common = c.first.alpha.keys() & c.second.alpha.keys()
    return [
        mean([alpha for seed, alpha in cell.alpha.items() if not c.paired or seed in common])
        for cell in (c.first, c.second)
    ]


def _dropped(c: Comparison, result: TTest) -> int:
    if c.paired:
        return len(c.first.seeds | c.second.seeds) - result.n_a
    return len(c.first.seeds) - result.n_a + len(c.second.seeds) - result.n_b
