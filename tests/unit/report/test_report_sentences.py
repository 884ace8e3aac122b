from __future__ import annotations

from dataclasses import replace

import pytest

from prunescope.report import sentences
from prunescope.report.audit_files import ClassRow

SUMMARY = {
    "task": "single-label",
    "metric": "accuracy",
    "n_examples": 200,
    "n_seeds": 4,
    "n_pies": 30,
    "pie_share": 0.15,
    "dense_score": 0.9,
    "pruned_score": 0.85,
    "dense_score_on_pies": 0.55,
    "pruned_score_on_pies": 0.25,
    "n_flips_mean": 34.0,
    "alpha": {"mean": 1.5, "ci_low": 1.1, "ci_high": 1.9, "confidence": 0.99, "verdict": ">"},
}


def test_score_falls_by_five_points() -> None:
    assert sentences.score_sentence(SUMMARY) == (
        "Mean accuracy over 4 seeds falls from 90.0% to 85.0%, by 5.0 points."
    )


def test_changes_stand_with_their_intervals() -> None:
    change = {"mean": -0.05, "ci_low": -0.08, "ci_high": -0.02, "confidence": 0.99, "n_seeds": 4}
    assert sentences.score_sentence({**SUMMARY, "change": change}) == (
        "Mean accuracy over 4 seeds falls from 90.0% to 85.0%, by 5.0 points (99% interval of the change −8.0 to −2.0)."
    )
    text = sentences.on_pies_sentence(
        {**SUMMARY, "change_on_pies": {**change, "ci_low": -0.4, "ci_high": 0.1}}
    )
    assert "25.0% for pruned models (99% interval of the change −40.0 to +10.0); before" in str(text)
    one = {**change, "ci_low": None, "ci_high": None}
    assert "interval" not in sentences.score_sentence({**SUMMARY, "change": one})


def test_flips_are_not_held_against_a_change_that_may_be_none() -> None:
    change = {"mean": -0.05, "ci_low": -0.12, "ci_high": 0.02, "confidence": 0.99, "n_seeds": 4}
    text = sentences.flips_sentence({**SUMMARY, "change": change})
    assert text == "In the average seed, 34 of 200 examples (17.0%) change between right and wrong."
    assert "3.4 times" in str(sentences.flips_sentence({**SUMMARY, "change": {**change, "ci_high": -0.01}}))


def test_score_rises_stays_and_one_seed() -> None:
    assert "rises from 85.0% to 90.0%" in sentences.score_sentence(
        {**SUMMARY, "dense_score": 0.85, "pruned_score": 0.9}
    )
    assert (
        sentences.score_sentence({**SUMMARY, "pruned_score": 0.9001, "n_seeds": 1})
        == "With one seed, accuracy stays at 90.0%."
    )


def test_no_scores() -> None:
    assert (
        sentences.score_sentence({**SUMMARY, "dense_score": None})
        == "4 pairs of models were compared on 200 examples."
    )


def test_flips_against_the_net_change() -> None:
    # 5 points of 200 examples are 10 examples; 34 flips are 3.4 times as many.
    assert sentences.flips_sentence(SUMMARY) == (
        "In the average seed, 34 of 200 examples (17.0%) change between right and wrong, "
        "3.4 times as many as the change of the mean shows."
    )


def test_flips_behind_an_unmoved_mean_and_none() -> None:
    still = {**SUMMARY, "pruned_score": 0.9}
    assert sentences.flips_sentence(still).endswith("though the mean hardly moves.")  # type: ignore[union-attr]
    assert sentences.flips_sentence({**SUMMARY, "n_flips_mean": 0}) == (
        "No single example changes between right and wrong in any seed."
    )
    assert sentences.flips_sentence({**SUMMARY, "n_flips_mean": None}) is None


def test_macro_f1_is_not_counted_in_examples() -> None:
    text = sentences.flips_sentence({**SUMMARY, "task": "multi-label", "metric": "macro_f1"})
    assert text is not None
    assert "times as many" not in text
    assert "Mean macro F1" in sentences.score_sentence({**SUMMARY, "metric": "macro_f1"})


def test_pies() -> None:
    assert sentences.pies_sentence(SUMMARY).startswith(
        "The models' majority vote changes for 30 of 200 examples (15.0%): these are"
    )
    assert "for none of 200 examples" in sentences.pies_sentence({**SUMMARY, "n_pies": 0})
    assert "this one is" in sentences.pies_sentence({**SUMMARY, "n_pies": 1, "pie_share": 0.005})


def test_on_pies_below_and_above() -> None:
    text = sentences.on_pies_sentence(SUMMARY)
    assert text is not None
    assert "55.0% for dense and 25.0% for pruned models; before pruning that was 35.0 points below" in text
    above = sentences.on_pies_sentence({**SUMMARY, "dense_score_on_pies": 0.95})
    assert above is not None
    assert "5.0 points above" in above
    assert sentences.on_pies_sentence({**SUMMARY, "dense_score_on_pies": None}) is None


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({}, "1.10 to 1.90: above 1)"),
        ({"mean": 0.6, "ci_low": 0.4, "ci_high": 0.8, "verdict": "<"}, "0.40 to 0.80: below 1)"),
        (
            {"mean": 1.1, "ci_low": 0.4, "ci_high": 1.8, "verdict": "?"},
            "0.40 to 1.80: not distinguished from 1)",
        ),
        ({"ci_low": None, "ci_high": None, "verdict": "?"}, "one seed gives no interval"),
        ({"mean": None, "ci_low": None, "ci_high": None, "verdict": "?"}, "has no value"),
    ],
)
def test_alpha_verdicts(change: dict[str, object], says: str) -> None:
    text = sentences.alpha_sentence({**SUMMARY, "alpha": {**SUMMARY["alpha"], **change}})  # type: ignore[dict-item]
    assert text is not None
    assert says in text


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (
            {},
            "α 1.50 (99% interval over seeds and examples 1.10 to 1.90; 1: no change): differences",
        ),
        ({"ci_high": None}, "at least 1.10; 1: no change): differences between classes grow"),
        ({"mean": 0.6, "ci_low": 0.4, "ci_high": 0.8, "verdict": "<"}, "differences between classes shrink"),
        ({"mean": -0.6, "ci_low": -0.9, "ci_high": -0.3, "verdict": "<"}, "classes change sides"),
        (
            {"mean": -0.6, "ci_low": None, "ci_high": 0.3, "verdict": "<"},
            "at most 0.30; 1: no change): classes come closer",
        ),
        ({"mean": 1.1, "ci_low": 0.4, "ci_high": 1.8, "verdict": "?"}, "it is undecided"),
        ({"ci_low": None, "ci_high": None, "verdict": "?"}, "cannot be told"),
        ({"mean": None, "ci_low": None, "ci_high": None, "verdict": "?"}, "cannot be told"),
    ],
)
def test_words_follow_the_corrected_alpha(change: dict[str, object], says: str) -> None:
    paper = {"mean": 0.5, "ci_low": 0.4, "ci_high": 0.6, "confidence": 0.99, "verdict": "<"}
    corrected = {**SUMMARY["alpha"], **change}  # type: ignore[dict-item]
    found = {**SUMMARY, "alpha": paper, "alpha_corrected": corrected, "alpha_null": {"mean": 0.55, "n": 12}}
    text = str(sentences.alpha_sentence(found))
    assert says in text
    assert text.endswith(
        "Computed as the recall paper does, α is 0.50 (99% interval over seeds 0.40 to 0.60: below 1); between dense "
        "models of different seeds, where nothing is pruned, it is 0.55."
    )


def test_alpha_interval_is_named() -> None:
    assert "α is 1.50 (99% interval over seeds 1.10 to 1.90" in str(sentences.alpha_sentence(SUMMARY))
    assert sentences.alpha_sentence({"task": "regression"}) is None


def test_correlations_are_not_percent() -> None:
    summary = {
        "task": "regression",
        "metric": "pearson",
        "dense_score": 0.8,
        "pruned_score": 0.7,
        "n_seeds": 2,
    }
    assert (
        sentences.score_sentence(summary)
        == "Mean Pearson correlation over 2 seeds falls from 0.800 to 0.700."
    )


def test_dropped_seeds_are_said() -> None:
    assert (
        sentences.story({**SUMMARY, "n_seeds_dropped": 1})[-1]
        == "1 seed was excluded: missing or diverged on one side."
    )
    assert len(sentences.story(SUMMARY)) == 5


def test_a_class_is_named_where_tests_support_it() -> None:
    untested = [ClassRow("cat", 150, 0.75, 10, 0.4), ClassRow("dog", 50, 0.25, 15, 0.6)]
    assert sentences.class_sentence(untested) == (
        "“dog” has 25.0% of the examples and 60.0% of the PIEs, the largest excess; it is not tested."
    )
    assert sentences.class_sentence(untested, "multi-label") == (
        "“dog” has 25.0% of the labels and 60.0% of the PIEs' labels, the largest excess; it is not tested."
    )
    assert sentences.class_sentence([ClassRow("cat", 3, 1.0, 0, None)]) is None
    cat = ClassRow("cat", 150, 0.75, 10, 0.4, 0.9, 0.88, 6, 3, 0.51, 0.06)
    unsure = [cat, ClassRow("dog", 50, 0.25, 15, 0.6, 0.8, 0.7, 8, 3, 0.45, 0.06)]
    assert sentences.class_sentence(unsure) is None
    assert sentences.story(SUMMARY, unsure)[2] == (
        "No class's recall changes beyond chance (smallest corrected p = 0.45, “dog”, of 2 classes)."
    )
    none = [replace(row, p_corrected=1.0) for row in unsure]
    assert sentences.story(SUMMARY, none)[2].endswith("beyond chance (corrected p = 1 for all 2 classes).")
    sure = [cat, ClassRow("dog", 50, 0.25, 15, 0.6, 0.8, 0.6, 11, 1, 0.0127, 4e-5)]
    assert sentences.story(SUMMARY, sure)[2] == (
        "“dog” pays: 11 answers become wrong, 1 right; its recall goes from 80.0% to 60.0% (−20.0 points, corrected "
        "p = 0.013)."
    )
    assert sentences.class_sentence(sure) == (
        "Votes change most beyond its share in “dog”: 25.0% of the examples, 60.0% of the PIEs "
        "(Fisher's exact test, corrected p = 4e-5)."
    )


def test_harm_is_claimed_where_the_test_supports_it() -> None:
    harm = {"to_wrong": 33, "to_right": 2, "p_value": 3.67e-8}
    assert sentences.harm_sentence({**SUMMARY, "n_seeds": 1, "mcnemar": harm}) == (
        "Of the 200 answers, 33 become wrong and 2 right: more harm than chance explains (exact McNemar test, "
        "p = 4e-8)."
    )
    chance = {"to_wrong": 3, "to_right": 2, "p_value": 1.0}
    assert sentences.harm_sentence({**SUMMARY, "mcnemar": chance, "change": {"detectable": 0.031}}) == (
        "Of the majority votes, 3 become wrong and 2 right: no more harm than good beyond chance (exact McNemar "
        "test, p = 1); this many examples would show a change of 3.1 points in four of five cases."
    )


def test_constant_models_and_wide_intervals_are_said() -> None:
    constant = {"dense": [], "pruned": [1, 3]}
    assert sentences.constant_sentence({**SUMMARY, "constant": constant}) == (
        "2 of 4 pruned models give one answer to all examples."
    )
    wide = {"mean": -0.05, "ci_low": -1.0, "ci_high": 0.9, "confidence": 0.99}
    assert "(too few seeds to say how far it would vary)" in sentences.score_sentence(
        {**SUMMARY, "change": wide}
    )


def test_readability_and_el2n() -> None:
    def row(measure: str, difference: float, p: float) -> dict[str, object]:
        return {"measure": measure, "difference": difference, "p_corrected": p}

    rows = [row("gunning_fog", 1.1, 0.01), row("difficult_words", -0.9, 0.2), row("text_length", 4.2, 0.001)]
    assert sentences.readability_sentence(rows) == (
        "By 1 of 2 measures the texts of PIEs are harder to read than the others beyond chance, by 0 easier; they are "
        "4.2 tokens longer (permutation tests, corrected over the measures)."
    )
    assert sentences.readability_sentence([row("gunning_fog", 1.1, 0.4)]) == (
        "No measure tells the texts of PIEs from the others (permutation tests, smallest corrected p = 0.4)."
    )
    assert sentences.readability_sentence([{"measure": "text_length", "ratio": None}]) is None
    bins = [{"bin": 1, "pie_share": 0.01}, {"bin": 2, "pie_share": 0.3}]
    assert str(sentences.el2n_sentence(bins)).endswith(
        "(bin 1), 1.0% are PIEs; of the most influential (bin 2), 30.0%."
    )


def test_numbers() -> None:
    assert sentences.percent(None) == "–"
    assert sentences.count(1, "seed") == "1 seed"
    assert sentences.count(1234.5, "example") == "1,234.5 examples"
    assert sentences.signed_points(-0.032) == "−3.2"
    assert sentences.signed_points(-0.00001) == "0.0"


@pytest.mark.parametrize(
    ("verdict", "expected"),
    [
        (">", "pruning changes more votes than other seeds do."),
        ("<", "pruning changes fewer votes than other seeds do."),
        ("?", "pruning cannot be distinguished from other seeds."),
    ],
)
def test_noise_floor(verdict: str, expected: str) -> None:
    floor = {"mean": 0.05, "pie_share_half": 0.0623, "verdict": verdict, "n_models": 4}
    assert sentences.noise_sentence({"noise_floor": floor}) == (
        "Noise floor: between disjoint groups of 4 dense models, 5.0% of the votes differ; between as "
        f"many dense and pruned models of other seeds, 6.2%: {expected}"
    )
    assert "two dense models, 5.0%" in str(
        sentences.noise_sentence({"noise_floor": {**floor, "n_models": 1}})
    )
    assert sentences.noise_sentence({"noise_floor": None}) is None
    assert sentences.noise_sentence({}) is None


def test_loyalty_and_number_of_models() -> None:
    loyalty = {"mean": 0.875, "std": None, "between_seeds": None}
    assert sentences.loyalty_sentence({"loyalty": loyalty}) == (
        "Model by model, 87.5% of the predictions stay the same (loyalty)."
    )
    assert "; 90.0% are the same between dense models of other seeds." in str(
        sentences.loyalty_sentence({"loyalty": {**loyalty, "between_seeds": 0.9}})
    )
    assert sentences.loyalty_sentence({"loyalty": None}) is None
    rows = [{"n_models": 1, "pie_share": 0.2}, {"n_models": 30, "pie_share": 0.05}]
    assert sentences.by_seeds_sentence(rows) == (
        "With one model a side, 20.0% of the examples would be PIEs; with all 30, 5.0% are."
    )
    assert sentences.by_seeds_sentence(rows[:1]) is None


def test_spearman() -> None:
    found = {"mean": 0.91234, "n_examples": 100, "n_spearman_pies": 5, "n_both": 2}
    text = str(sentences.spearman_sentence({"spearman": found}))
    assert "(Spearman, 0.912 on average)" in text
    assert "least has 5 examples; 2 of them are PIEs by majority." in text
    assert sentences.spearman_sentence({}) is None


def test_each_thing_is_said_once_of_one_model_a_side() -> None:
    """Flips of one seed are what McNemar's test counts; what a mean is over stands in the sentence of the mean."""
    harm = {"to_wrong": 33, "to_right": 2, "p_value": 3.67e-8}
    one = {**SUMMARY, "n_seeds": 1, "mcnemar": harm}
    assert sentences.flips_sentence(one) is None
    assert sum("become wrong" in text for text in sentences.story(one)) == 1
    assert sentences.pies_sentence(one).startswith("The prediction changes for 30 of 200 examples")
    some = {**SUMMARY, "n_scored": 2, "constant": {"dense": [], "pruned": [0, 1]}}
    assert sentences.score_sentence(some).startswith(
        "Mean accuracy over the 2 of 4 seeds that have one falls"
    )
    assert sentences.constant_sentence(some) == "2 of 4 pruned models give one answer to all examples."
    nothing = {**SUMMARY, "metric": "pearson", "dense_score": None, "n_scored": 0}
    assert sentences.score_sentence(nothing).endswith(
        "None has a Pearson correlation: labels or answers do not vary."
    )


def test_why_alpha_has_no_interval() -> None:
    corrected = {"mean": 1.4, "ci_low": None, "ci_high": None, "confidence": 0.99, "verdict": "?"}
    few = str(sentences.alpha_sentence({**SUMMARY, "n_seeds": 3, "alpha_corrected": corrected}))
    assert "cannot be told: 3 seeds are too few; an interval of α takes 4." in few
    noise = str(sentences.alpha_sentence({**SUMMARY, "n_seeds": 4, "alpha_corrected": corrected}))
    assert "no more than noise makes them" in noise
    clusters = {**SUMMARY, "alpha_corrected": corrected, "clusters": {"column": "passage", "n": 9}}
    assert "takes examples one by one, not in clusters" in str(sentences.alpha_sentence(clusters))
