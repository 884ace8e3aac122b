"""The checks of the PIE paper's claims: on small results by hand, and on the paper's own numbers."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace

import pytest
from pydantic import ValidationError

from prunescope.analysis.audit_tables import ClassCount
from prunescope.analysis.tables.declared import Key
from prunescope.papers.against_papers import CLAIMS as ALL
from prunescope.papers.against_papers import claim_rows
from prunescope.papers.claims import Claims, Count, Finding, Words
from prunescope.papers.measured import Measured, Part
from prunescope.papers.pie.claims import CLAIMS
from prunescope.papers.pie.printed import PAPER
from prunescope.papers.printed import numbers

#: Models of a study; ``mini`` is an encoder by its family, ``BiLSTM`` by its name alone.
FAMILIES = {"mini": "encoder", "lenet": "lenet5"}


def key(text: str, dataset: str = "news") -> Key:
    """``mini IIBP-FT 0.5`` (an arch alone: dense)."""
    arch, *rest = text.split()
    return Key(dataset, arch, rest[0], float(rest[1])) if rest else Key(dataset, arch, "none", 0.0)


def scores(values: Mapping[str, float], metric: str = "accuracy") -> Measured:
    found = {key(name): value for name, value in values.items()}
    return Measured(metrics=dict.fromkeys(found, metric), values={"score_mean": found}, families=FAMILIES)


def with_values(study: Measured, **values: Mapping[Key, float]) -> Measured:
    return replace(study, values={**study.values, **values})


def shares(values: Mapping[str, float], with_scores: Mapping[str, float] | None = None) -> Measured:
    return with_values(
        scores(with_scores or {}), pie_share={key(name): share for name, share in values.items()}
    )


def on_pies(
    values: Mapping[str, tuple[float, float]], with_scores: Mapping[str, float] | None = None
) -> Measured:
    """dense, pruned"""
    return with_values(
        scores(with_scores or {}),
        dense_score_on_pies={key(name): dense for name, (dense, _) in values.items()},
        pruned_score_on_pies={key(name): pruned for name, (_, pruned) in values.items()},
    )


def parts(counts: list[tuple[int, int]]) -> tuple[Part, ...]:
    """examples, PIEs"""
    return tuple(ClassCount(str(i), n, None, pies, None) for i, (n, pies) in enumerate(counts))


def bins(values: Mapping[str, list[int]], size: int = 10) -> Measured:
    """PIEs by bin of ``size`` examples"""
    return Measured(
        bins={key(name): parts([(size, pies) for pies in counts]) for name, counts in values.items()},
        families=FAMILIES,
    )


def ratios(values: Mapping[str, Mapping[str, float]], dataset: str = "news") -> Measured:
    cells = {key(name, dataset): measures for name, measures in values.items()}
    names = {f"readability.{measure}": measure for measures in cells.values() for measure in measures}
    return Measured(
        values={name: {cell: of[measure] for cell, of in cells.items()} for name, measure in names.items()},
        families=FAMILIES,
    )


def classes(values: Mapping[str, list[tuple[int, int]]], metric: str = "macro_f1") -> Measured:
    return replace(
        scores({"mini": 0.5}, metric), classes={key(name): parts(counts) for name, counts in values.items()}
    )


def found(claim: str, study: Measured) -> Finding:
    return CLAIMS.findings(study)[claim]


FLAT = [1] * 20
LAST = [0] * 19 + [9]
FORMULAS = (
    "automated_readability_index",
    "coleman_liau_index",
    "flesch_kincaid_grade",
    "linsear_write_formula",
    "gunning_fog",
    "dale_chall_readability_score",
)


def reading(formulas: float, words: float) -> dict[str, float]:
    return {**dict.fromkeys(FORMULAS, formulas), "difficult_words": words}


#: Claim, study, verdict, and what the evidence must say.
CASES: list[tuple[str, Measured, str, str]] = [
    (
        "PIE-01",
        shares({"mini IMP-WR 0.2": 0.1, "mini IMP-WR 0.5": 0.1, "mini IMP-WR 0.9": 0.3}),
        "holds",
        "1 of 2 steps rise, 1 stay equal, 0 fall, over 1 curves",
    ),
    (
        # 1 of 4 falls: more than a fifth
        "PIE-01",
        shares({f"mini IMP-WR {s}": v for s, v in ((0.1, 1), (0.2, 2), (0.3, 3), (0.4, 2), (0.5, 4))}),
        "fails",
        "3 of 4 steps rise, 0 stay equal, 1 fall",
    ),
    (
        # 1 of 6 falls, but it is all that MP-AI does
        "PIE-01",
        shares(
            {
                **{f"mini IMP-WR {s}": s for s in (0.1, 0.2, 0.3, 0.4, 0.5, 0.6)},
                "mini MP-AI 0.1": 0.2,
                "mini MP-AI 0.2": 0.1,
            }
        ),
        "fails",
        "5 of 6 steps rise, 0 stay equal, 1 fall, over 2 curves; more steps rise than fall in 1 of 2 "
        "pruners (not in MP-AI)",
    ),
    ("PIE-01", shares({"mini IMP-WR 0.2": 0.1, "mini MP-AI 0.5": 0.2}), "not measured", "two sparsities"),
    (
        "PIE-02",
        shares({"mini IMP-WR 0.2": 0.015, "BiLSTM IMP-WR 0.2": 0.2}),
        "holds",
        "PIEs in 2 of 2 cells; smallest share 1.5% (news, mini, IMP-WR at 20%)",
    ),
    ("PIE-02", shares({"mini IMP-WR 0.2": 0.0, "mini IMP-WR 0.5": 0.2}), "fails", "1 of 2 cells"),
    # Only other models, only other pruners
    (
        "PIE-02",
        shares({"lenet IMP-WR 0.2": 0.1, "mini UP 0.2": 0.1}),
        "not measured",
        "needs a pruned model",
    ),
    (
        "PIE-03",
        shares({"mini IMP-WR 0.2": 0.3, "BiLSTM IMP-WR 0.2": 0.2, "mini IMP-WR 0.5": 0.3}),
        "holds",
        "larger for BERT (here mini) than for BiLSTM in 1 of 1 pairs (equal in 0, smaller in 0)",
    ),
    (
        "PIE-03",
        shares({"mini IMP-WR 0.2": 0.2, "BiLSTM IMP-WR 0.2": 0.2}),
        "fails",
        "in 0 of 1 pairs (equal in 1, smaller in 0)",
    ),
    (
        "PIE-03",
        shares({"mini IMP-WR 0.2": 0.2, "BiLSTM IMP-WR 0.5": 0.1, "BiLSTM MP-AI 0.2": 0.1}),
        "not measured",
        "at equal data set, pruner and sparsity",
    ),
    (
        "PIE-04",
        shares(
            {"mini IMP-WR 0.2": 0.1, "mini MP-AI 0.2": 0.3, "mini RP-AI 0.2": 0.2},
            {"mini IMP-WR 0.2": 0.9, "mini MP-AI 0.2": 0.7, "mini RP-AI 0.2": 0.8},
        ),
        "holds",
        "so in 1 of 1 groups",
    ),
    (
        # MP-AI and RP-AI are tied for the best score: their mean share is 0.2, IMP-WR's 0.15
        "PIE-04",
        shares(
            {"mini IMP-WR 0.2": 0.15, "mini MP-AI 0.2": 0.3, "mini RP-AI 0.2": 0.1},
            {"mini IMP-WR 0.2": 0.7, "mini MP-AI 0.2": 0.8, "mini RP-AI 0.2": 0.8},
        ),
        "fails",
        "so in 0 of 1 groups of data set, model and sparsity (not in news mini at 20%)",
    ),
    (
        # One score missing, and one group of equal scores
        "PIE-04",
        shares(
            {
                "mini IMP-WR 0.2": 0.1,
                "mini MP-AI 0.2": 0.3,
                "mini IMP-WR 0.5": 0.1,
                "mini MP-AI 0.5": 0.3,
            },
            {"mini IMP-WR 0.2": 0.9, "mini IMP-WR 0.5": 0.9, "mini MP-AI 0.5": 0.9},
        ),
        "not measured",
        "two pruners with different scores",
    ),
    (
        # IIBP-FT loses 0.3 on a cell that IMP-FT does not have: not counted between the two
        "PIE-05",
        scores(
            {
                "mini": 0.9,
                "mini IIBP-FT 0.2": 0.85,
                "mini IMP-FT 0.2": 0.8,
                "mini IIBP-FT 0.5": 0.6,
                "mini MP-AI 0.5": 0.5,
            }
        ),
        "holds",
        "mean drop smaller in 2 of 2 comparisons with other pruners; the one that comes closest or is ahead is "
        "IMP-FT (IIBP-FT 0.050, IMP-FT 0.100, over 1 cells)",
    ),
    (
        "PIE-05",
        scores({"mini": 0.9, "mini IIBP-FT 0.2": 0.7, "mini IMP-FT 0.2": 0.8, "mini MP-AI 0.2": 0.5}),
        "fails",
        "1 of 2 comparisons with other pruners (not in IMP-FT); the one that comes closest or is ahead is IMP-FT "
        "(IIBP-FT 0.200, IMP-FT 0.100, over 1 cells); smallest drop of all in 0 of 1 cells",
    ),
    (
        "PIE-05",
        scores({"mini": 0.9, "mini IIBP-FT 0.2": 0.7, "mini IMP-FT 0.5": 0.8}),
        "not measured",
        "needs IIBP-FT and another pruner",
    ),
    (
        "PIE-06",
        scores({"BiLSTM": 0.7, "BiLSTM IIBP-FT 0.2": 0.71, "BiLSTM IIBP-FT 0.9": 0.6}),
        "holds",
        "in 1 of 2 cells (news, BiLSTM, IIBP-FT at 20%)",
    ),
    ("PIE-06", scores({"BiLSTM": 0.7, "BiLSTM IIBP-FT 0.2": 0.7}), "fails", "in 0 of 1 cells"),
    ("PIE-06", scores({"mini": 0.7, "mini IIBP-FT 0.2": 0.8}), "not measured", "needs a BiLSTM"),
    (
        "PIE-07",
        scores({"mini": 0.9, "BiLSTM": 0.7}),
        "holds",
        "better for BERT (here mini) than for BiLSTM in 1 of 1 comparisons (news 0.900/0.700)",
    ),
    ("PIE-07", scores({"mini": 0.7, "BiLSTM": 0.7}), "fails", "in 0 of 1 comparisons"),
    ("PIE-07", scores({"mini": 0.7, "lenet": 0.1}), "not measured", "needs a BERT-like encoder and a BiLSTM"),
    (
        "PIE-08",
        scores(
            {
                "mini": 0.9,
                "BiLSTM": 0.8,
                "mini MP-AI 0.2": 0.8,
                "BiLSTM MP-AI 0.2": 0.75,
                "mini MP-AI 0.9": 0.5,
                "BiLSTM MP-AI 0.9": 0.7,
            }
        ),
        "holds",
        "mean drop of BERT (here mini) against that of BiLSTM: 0.250 against 0.075 over 2 pairs, 0.400 against 0.100 "
        "at 70-99%, 0.100 against 0.050 below",
    ),
    (
        # It hurts more, but most at 20 %
        "PIE-08",
        scores(
            {
                "mini": 0.9,
                "BiLSTM": 0.8,
                "mini MP-AI 0.2": 0.5,
                "BiLSTM MP-AI 0.2": 0.75,
                "mini MP-AI 0.9": 0.5,
                "BiLSTM MP-AI 0.9": 0.5,
            }
        ),
        "fails",
        "0.400 against 0.300 at 70-99%, 0.400 against 0.050 below",
    ),
    (
        # BiLSTM gains more than BERT does, and nobody is hurt
        "PIE-08",
        scores(
            {
                "mini": 0.8,
                "BiLSTM": 0.7,
                "mini MP-AI 0.2": 0.8,
                "BiLSTM MP-AI 0.2": 0.71,
                "mini MP-AI 0.9": 0.8,
                "BiLSTM MP-AI 0.9": 0.75,
            }
        ),
        "fails",
        "mean drop of BERT (here mini) against that of BiLSTM: 0.000 against -0.030 over 2 pairs",
    ),
    (
        "PIE-08",
        scores({"mini": 0.9, "BiLSTM": 0.8, "mini MP-AI 0.9": 0.5, "BiLSTM MP-AI 0.9": 0.5}),
        "not measured",
        "at sparsities below 70% and of 70-99%",
    ),
    (
        "PIE-09",
        scores({"mini": 0.9, "mini MP-AI 0.5": 0.86, "mini IMP-WR 0.2": 0.88, "mini RP-AI 0.2": 0.5}),
        "holds",
        "mean drop at most 0.05 in 2 of 3 pruners (not in RP-AI); drop at most 0.05 in 2 of 3 cells up to 50%",
    ),
    (
        # Half is not most
        "PIE-09",
        scores({"mini": 0.9, "mini MP-AI 0.5": 0.86, "mini RP-AI 0.2": 0.5}),
        "fails",
        "in 1 of 2 pruners (not in RP-AI)",
    ),
    ("PIE-09", scores({"mini": 0.9, "mini MP-AI 0.7": 0.9}), "not measured", "needs sparsities up to 50%"),
    (
        "PIE-10",
        on_pies({"mini MP-AI 0.5": (0.6, 0.3)}, {"mini": 0.9, "mini MP-AI 0.5": 0.8}),
        "holds",
        "pruned models score lower on PIEs in 1 of 1 cells; dense models score lower on PIEs in 1 of 1",
    ),
    (
        "PIE-10",
        on_pies({"mini MP-AI 0.5": (0.95, 0.3)}, {"mini": 0.9, "mini MP-AI 0.5": 0.8}),
        "fails",
        "dense models score lower on PIEs in 0 of 1 cells (exceptions at 50%)",
    ),
    (
        # Every example is a PIE: nothing to tell
        "PIE-10",
        with_values(
            on_pies({"mini MP-AI 0.5": (0.9, 0.8)}, {"mini": 0.9, "mini MP-AI 0.5": 0.8}),
            pie_share={key("mini MP-AI 0.5"): 1.0},
        ),
        "not measured",
        "needs scores on PIEs",
    ),
    (
        # A gain on PIEs counts by its size
        "PIE-11",
        on_pies(
            {"mini MP-AI 0.5": (0.6, 0.3), "mini MP-AI 0.2": (0.4, 0.5)},
            {"mini": 0.9, "mini MP-AI 0.5": 0.8, "mini MP-AI 0.2": 0.9},
        ),
        "holds",
        "larger on PIEs in 2 of 2 cells; mean difference of the scores 0.200 on PIEs, 0.050 on all",
    ),
    (
        # Larger everywhere, but not much
        "PIE-11",
        on_pies({"mini MP-AI 0.5": (0.6, 0.45)}, {"mini": 0.9, "mini MP-AI 0.5": 0.8}),
        "fails",
        "larger on PIEs in 1 of 1 cells; mean difference of the scores 0.150 on PIEs, 0.100 on all",
    ),
    ("PIE-11", on_pies({"mini MP-AI 0.5": (0.6, 0.4)}), "not measured", "needs scores on PIEs"),
    (
        "PIE-12",
        on_pies({"mini MP-AI 0.2": (0.4, 0.5), "mini MP-AI 0.5": (0.6, 0.5), "mini MP-AI 0.9": (0.7, 0.1)}),
        "fails",
        "1 of 1 curves (0 of 2 steps rise, 1 stay equal, 1 fall)",
    ),
    (
        "PIE-12",
        on_pies({"mini MP-AI 0.2": (0.4, 0.5), "mini MP-AI 0.5": (0.6, 0.3), "mini MP-AI 0.9": (0.7, 0.1)}),
        "holds",
        "dense score on PIEs rises from the lowest to the highest sparsity in 1 of 1 curves (2 of 2 "
        "steps rise, 0 stay equal, 0 fall); pruned score on PIEs falls from the lowest to the highest sparsity in "
        "1 of 1 curves",
    ),
    (
        "PIE-12",
        on_pies({"mini MP-AI 0.2": (0.4, 0.5), "mini MP-AI 0.5": (0.3, 0.3)}),
        "fails",
        "rises from the lowest to the highest sparsity in 0 of 1 curves",
    ),
    ("PIE-12", on_pies({"mini MP-AI 0.2": (0.4, 0.5)}), "not measured", "two sparsities"),
    (
        "PIE-13",
        on_pies({"BiLSTM MP-AI 0.5": (0.4, 0.5), "BiLSTM MP-AI 0.9": (0.6, 0.3)}),
        "holds",
        "in 1 of 1 cells up to 50% (news, BiLSTM, MP-AI at 50%); ahead in 1 of 2 cells of all sparsities",
    ),
    (
        "PIE-13",
        on_pies({"BiLSTM MP-AI 0.5": (0.5, 0.5), "BiLSTM MP-AI 0.9": (0.3, 0.6)}),
        "fails",
        "in 0 of 1 cells up to 50%; ahead in 1 of 2",
    ),
    (
        "PIE-13",
        on_pies({"BiLSTM MP-AI 0.9": (0.3, 0.6), "mini MP-AI 0.2": (0.1, 0.9)}),
        "not measured",
        "needs a BiLSTM's scores",
    ),
    (
        # 4/14 of the PIEs' labels against 10/16 of all; a class that the test split lacks is no class
        "PIE-14",
        classes({"mini MP-AI 0.5": [(4, 4), (10, 4), (0, 0), (2, 6)]}),
        "holds",
        "every class has PIEs in 1 of 1 cells (3 of 3 classes over all cells); the most frequent class is "
        "under-represented in 1 of 1",
    ),
    ("PIE-14", classes({"mini MP-AI 0.5": [(4, 0), (10, 4), (2, 6)]}), "fails", "in 0 of 1 cells (2 of 3"),
    (
        "PIE-14",
        classes({"mini MP-AI 0.5": [(4, 2), (10, 5), (2, 1)]}),
        "fails",
        "under-represented in 0 of 1",
    ),
    (
        "PIE-14",
        classes({"mini MP-AI 0.5": [(4, 1), (10, 2)]}, metric="accuracy"),
        "not measured",
        "multi-label data set",
    ),
    ("PIE-14", classes({"mini MP-AI 0.5": [(4, 0), (10, 0)]}), "not measured", "needs PIEs"),
    (
        # 75 % is 80 % when read to tens
        "PIE-15",
        bins({"mini IIBP-FT 0.9": [*FLAT[:19], 15], "BiLSTM IIBP-FT 0.9": [*FLAT[:19], 14]}, size=20),
        "holds",
        "the last bin is above the average in 2 of 2 cells; with IIBP-FT up to 75% PIEs in it for BERT (here "
        "mini); with IIBP-FT up to 70% PIEs in it for BiLSTM",
    ),
    ("PIE-15", bins({"mini IIBP-FT 0.9": LAST, "BiLSTM IIBP-FT 0.9": LAST}), "fails", "up to 90% PIEs"),
    ("PIE-15", bins({"mini IIBP-FT 0.9": FLAT, "BiLSTM IIBP-FT 0.9": FLAT}), "fails", "in 0 of 2 cells"),
    (
        "PIE-15",
        bins({"mini IIBP-FT 0.9": LAST}),
        "not measured",
        "of a BiLSTM pruned with IIBP-FT; the last bin is above the average in 1 of 1 cells",
    ),
    ("PIE-15", bins({"mini IIBP-FT 0.9": [0, 9]}), "not measured", "in 20 bins"),
    (
        "PIE-16",
        bins({"mini MP-AI 0.2": [0, 4], "mini MP-AI 0.9": [4, 8]}),
        "holds",
        "unevenness falls from the lowest to the highest sparsity in 1 of 1 "
        "curves (0 of 1 steps rise, 0 stay equal, 1 fall)",
    ),
    ("PIE-16", bins({"mini MP-AI 0.2": [4, 8], "mini MP-AI 0.9": [0, 4]}), "fails", "in 0 of 1 curves"),
    ("PIE-16", bins({"mini MP-AI 0.2": [0, 0], "mini MP-AI 0.9": [0, 4]}), "not measured", "needs PIEs"),
    (
        # One pruner's ratio is below 1, their mean is not
        "PIE-17",
        ratios({"mini MP-AI 0.2": reading(0.99, 1.1), "mini RP-AI 0.2": reading(1.05, 1.0)}),
        "holds",
        "mean over pruners, BERT (here mini): formula ratios above 1 in 6 of 6 means (at most 1.02 on news); mean "
        "over pruners, BERT (here mini): difficult words above 1 in 1 of 1 means (at most 1.05 on news)",
    ),
    ("PIE-17", ratios({"mini MP-AI 0.2": reading(1.02, 0.98)}), "fails", "difficult words above 1 in 0 of 1"),
    ("PIE-17", ratios({"mini MP-AI 0.2": reading(0.98, 1.2)}), "fails", "formula ratios above 1 in 0 of 6"),
    ("PIE-17", ratios({"BiLSTM MP-AI 0.2": reading(1.02, 1.2)}), "not measured", "BERT-like encoder"),
    ("PIE-17", ratios({"mini MP-AI 0.2": reading(1.02, 1.2)}, "aapd"), "not measured", "other than AAPD"),
    (
        "PIE-18",
        ratios({"mini MP-AI 0.2": {"text_length": 0.9}, "mini RP-AI 0.2": {"text_length": 1.3}}),
        "holds",
        "text length above 1 in 1 of 1 means (at most 1.10 on news)",
    ),
    ("PIE-18", ratios({"BiLSTM MP-AI 0.2": {"text_length": 1.0}}), "fails", "above 1 in 0 of 1"),
    ("PIE-18", ratios({"mini MP-AI 0.2": {"text_length": 1.1}}, "AAPD"), "not measured", "other than AAPD"),
]


@pytest.mark.parametrize(
    ("claim", "study", "verdict", "said"), CASES, ids=[f"{c}-{v}-{i}" for i, (c, _, v, _) in enumerate(CASES)]
)
def test_checks(claim: str, study: Measured, verdict: str, said: str) -> None:
    finding = found(claim, study)
    assert (finding.verdict, said in finding.evidence) == (verdict, True), finding


def test_every_check_is_tried_all_three_ways() -> None:
    tried = {(claim, verdict) for claim, _, verdict, _ in CASES}
    ids = [claim.id for claim in CLAIMS.claims]
    assert tried == {(claim, verdict) for claim in ids for verdict in ("holds", "fails", "not measured")}


@pytest.mark.parametrize("paper", ALL, ids=lambda claims: claims.paper)
def test_every_claim_in_words_has_a_check_and_stands_in_the_papers_order(paper: Claims) -> None:
    assert [claim.id for claim in paper.claims] == list(paper.words)
    with pytest.raises(ValidationError, match="rule"):
        Words.model_validate({"says": "no rule"})


def test_a_fifth_of_exceptions_is_few() -> None:
    assert Count(4, 5).nearly_all()
    assert not Count(79, 100).nearly_all()


def test_an_empty_study_measures_nothing() -> None:
    rows = claim_rows(Measured())
    assert [row.id for row in rows if row.id.startswith(PAPER)] == [claim.id for claim in CLAIMS.claims]
    assert {row.verdict for row in rows} == {"not measured"}
    assert all(row.evidence for row in rows)


def printed_study() -> Measured:
    """The paper's own tables as if it were a study's."""
    values: dict[str, dict[Key, float]] = {}
    metrics: dict[Key, str] = {}
    for n in numbers(PAPER):
        assert n.sparsity is not None
        cell = Key(n.dataset, n.arch, n.pruner, n.sparsity)
        values.setdefault(n.quantity, {})[cell] = n.value
        metrics[cell] = n.metric
    return Measured(metrics=metrics, values=values)


#: Where the pruned BiLSTM of the paper is above the dense one.
BETTER = (("IMDB", "20%"), ("IMDB", "50%"), ("Reuters", "90%"), ("AAPD", "90%"))

#: What the check of the printed numbers, which was done apart from this code, counts.
COUNTED = {
    "PIE-01": ("201 of 256", "37 stay equal", "18 fall", "64 curves"),
    "PIE-02": ("320 of 320 cells", "smallest share 2%"),
    "PIE-03": ("138 of 160", "equal in 8", "smaller in 14"),
    "PIE-04": ("32 of 34", "IMDB BiLSTM at 20%; IMDB BiLSTM at 50%"),
    "PIE-05": ("7 of 7", "closest or is ahead is IMP-FT", "15 of 34"),
    "PIE-06": ("in 7 of", *(f"{d}, BiLSTM, IIBP-FT at {s}" for d, s in BETTER)),
    "PIE-07": ("IMDB 0.932/0.879", "SNLI 0.901/0.778", "Reuters 0.836/0.731", "AAPD 0.578/0.468"),
    "PIE-08": ("BERT", "at 70-99%"),
    "PIE-09": ("7 of 8 pruners", "95 of 123 cells"),
    "PIE-10": ("270 of 270", "251 of 279", "exceptions at 70%, 90%, 99%"),
    "PIE-11": ("262 of 289",),
    "PIE-12": ("190 of 237 steps rise", "187 fall"),
    "PIE-13": ("in 42 of",),
}


def test_the_papers_own_numbers_bear_its_claims_out() -> None:
    for claim, finding in CLAIMS.findings(printed_study()).items():
        # The paper prints no numbers behind its figures.
        assert finding.verdict == ("holds" if claim in COUNTED else "not measured"), (claim, finding)
        assert all(part in finding.evidence for part in COUNTED.get(claim, ())), finding


def test_the_papers_numbers_turned_round_do_not() -> None:
    """Swapping the models, or the sides, turns the claims about them."""
    study = printed_study()

    def swapped(k: Key) -> Key:
        return k._replace(arch={"BERT": "BiLSTM", "BiLSTM": "BERT"}[k.arch])

    other = with_values(
        study,
        score_mean={swapped(k): v for k, v in study["score_mean"].items()},
        pie_share={swapped(k): v for k, v in study["pie_share"].items()},
        dense_score_on_pies=study["pruned_score_on_pies"],
        pruned_score_on_pies=study["dense_score_on_pies"],
    )
    for claim in ("PIE-03", "PIE-07", "PIE-08", "PIE-12"):
        assert found(claim, other).verdict == "fails"


def test_numbers_of_the_check_are_in_print() -> None:
    """PIE-09's share of the cells, from the evidence's own counts."""
    evidence = found("PIE-09", printed_study()).evidence
    cells = re.search(r"(\d+) of (\d+) cells", evidence)
    assert cells is not None
    assert round(100 * int(cells[1]) / int(cells[2])) == 77
