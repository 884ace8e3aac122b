"""``alpha_tests.csv``: the recall paper's tests of Tables 1-9 on the cells of a study (section 6.2)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from prunescope.analysis.alpha.cells import AlphaCell, alpha_cell
from prunescope.analysis.alpha.comparisons import Comparison, comparisons
from prunescope.analysis.stats import mean
from prunescope.analysis.tables.registry import AlphaTest
from prunescope.analysis.tables.results import StudyResults
from prunescope.analysis.ttests import TTest, bonferroni, holm, independent, paired
from prunescope.config.analysis import Analysis

#: "the usual significance level" (recall paper, section 6.2), of corrected p-values
LEVEL = 0.05


def rows(study: StudyResults) -> list[AlphaTest]:
    """The tests between the cells of a study."""
    alphas = (alpha_cell(cell) for cell in study.cells)
    return alpha_test_rows([one for one in alphas if one is not None], study.analysis)


def alpha_test_rows(cells: Sequence[AlphaCell], analysis: Analysis) -> list[AlphaTest]:
    """One row per test, families together.

    Paired tests take the seeds that both sides have. ``tested_amounts`` of ``analysis`` are ratios and sparsities; all
    levels of iterative magnitude pruning are compared.
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


def _family_rows(family: Sequence[Comparison], analysis: Analysis) -> Iterator[AlphaTest]:
    results = [_test(comparison, analysis) for comparison in family]
    p_values = [None if c.undecided else result.p_value for c, result in zip(family, results, strict=True)]
    by_holm = holm(p_values)
    corrected = by_holm if analysis.correction == "holm" else bonferroni(p_values)
    for c, result, p, p_corrected, p_holm in zip(family, results, p_values, corrected, by_holm, strict=True):
        mean_a, mean_b = _means(c)
        yield AlphaTest(
            family=c.family,
            varied=c.varied,
            fixed=c.fixed,
            a=c.a,
            b=c.b,
            statistic=None if c.undecided else result.statistic,
            df=None if c.undecided else result.df,
            p_value=p,
            p_corrected=p_corrected,
            alternative=c.alternative,
            correction=analysis.correction,
            family_size=len(family),
            p_holm=p_holm,
            significant=None if p_corrected is None else p_corrected < LEVEL,
            test="paired" if c.paired else "independent",
            mean_a=mean_a,
            mean_b=mean_b,
            mean_difference=result.difference.mean,
            difference_low=result.difference.low,
            difference_high=result.difference.high,
            effect=result.effect,
            effect_size=result.size.mean,
            effect_low=result.size.low,
            effect_high=result.size.high,
            confidence=analysis.confidence,
            n_a=result.n_a,
            n_b=result.n_b,
            n_dropped=_dropped(c, result),
            cell_a=c.first.path,
            cell_b=c.second.path,
            note=c.undecided or result.note,
        )


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
