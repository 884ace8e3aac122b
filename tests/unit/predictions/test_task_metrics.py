"""The data sets' own metrics, against other implementations and by hand."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.stats import pearsonr, spearmanr
from sklearn.metrics import f1_score, matthews_corrcoef

from prunescope.analysis.audit import audit
from prunescope.errors import UserError
from prunescope.predictions.arrow import objects
from prunescope.predictions.store import Predictions, SeedBlock, TableMeta, write_predictions
from prunescope.predictions.task_metrics import METRICS, task_scores, words_of

RNG = np.random.default_rng(0)


def side(task: str, label: Any, prediction: Any, classes: Sequence[str] = ("no", "yes")) -> Predictions:
    if task in ("tokens", "span", "text"):
        label, prediction = objects(label), np.stack([objects(one) for one in prediction])
    return Predictions(
        task,
        tuple(classes),
        np.arange(len(prediction)),
        np.arange(len(label)),
        np.asarray(label),
        np.asarray(prediction),
        (),
        None,
        (),
    )


def test_one_label() -> None:
    label, prediction = RNG.integers(0, 2, 50), RNG.integers(0, 2, (3, 50))
    found = task_scores(side("single-label", label, prediction), ("matthews", "f1", "accuracy"))
    assert list(found) == ["matthews", "f1", "accuracy"]
    for s in range(3):
        assert found["matthews"][s] == pytest.approx(matthews_corrcoef(label, prediction[s]))
        assert found["f1"][s] == pytest.approx(f1_score(label, prediction[s]))
        assert found["accuracy"][s] == np.mean(label == prediction[s])
    constant = task_scores(side("single-label", [1, 0], [[0, 0]]), ("matthews", "f1"))
    assert (constant["matthews"][0], constant["f1"][0]) == (0, 0)


def test_mean_of_two_parts_is_not_the_pooled_accuracy() -> None:
    data = side("single-label", [0, 0, 0, 1], [[0, 0, 1, 1]])
    found = task_scores(data, ("mean_accuracy", "accuracy"), {"matched": 3, "mismatched": 1})
    assert found["mean_accuracy"][0] == pytest.approx((2 / 3 + 1) / 2)
    assert found["accuracy"][0] == 0.75
    assert list(task_scores(data, ("mean_accuracy", "accuracy"))) == ["accuracy"]
    with pytest.raises(UserError, match="its parts hold 3 examples"):
        task_scores(data, ("mean_accuracy",), {"matched": 3})


def test_numbers() -> None:
    label, prediction = RNG.normal(size=40), RNG.normal(size=(2, 40)).round(1)
    found = task_scores(side("regression", label, prediction), ("pearson", "spearman"))
    for s in range(2):
        assert found["pearson"][s] == pytest.approx(pearsonr(label, prediction[s]).statistic)
        assert found["spearman"][s] == pytest.approx(spearmanr(label, prediction[s]).statistic)


def test_entities_by_hand() -> None:
    classes = ("O", "B-PER", "I-PER", "B-LOC")
    label = [np.array([1, 2, 0, 3]), np.array([0, 3])]
    # One of two predicted entities is right (the person is cut short); three are there.
    prediction = [np.array([1, 0, 0, 3]), np.array([0, 0])]
    found = task_scores(
        side("tokens", label, [prediction], classes), ("f1", "precision", "recall", "accuracy")
    )
    assert found["precision"][0] == pytest.approx(1 / 2)
    assert found["recall"][0] == pytest.approx(1 / 3)
    assert found["f1"][0] == pytest.approx(0.4)
    assert found["accuracy"][0] == pytest.approx(4 / 6)


def test_answers_by_hand() -> None:
    label = [["The Big Dog", "dog"], ["in 1999"], ["x"]]
    prediction = ["big dog!", "1999", ""]
    found = task_scores(side("span", label, [prediction], ()), ("f1", "exact_match"))
    assert found["exact_match"][0] == pytest.approx(1 / 3)
    # 1, then one shared word of 2 + 1, then nothing.
    assert found["f1"][0] == pytest.approx((1 + 2 / 3 + 0) / 3)


def test_texts() -> None:
    label = [["the cat sat on the mat", "a cat was on the mat"], ["dogs bark loudly at night"]]
    same = side("text", label, [[answers[0] for answers in label]], ())
    found = task_scores(same, tuple(METRICS["text"]))
    for name in ("bleu", "rouge_l", "chrf", "exact_match"):
        assert found[name][0] == pytest.approx(1), name
    # One chunk of m words: METEOR's penalty is 0.5 / m^3.
    assert found["meteor"][0] == pytest.approx(1 - (0.5 / 6**3 + 0.5 / 5**3) / 2)
    made = side("text", label, [["the cat is on the mat", "dogs barked loudly"]], ())
    some = task_scores(made, tuple(METRICS["text"]))
    assert all(0 <= some[name][0] < found[name][0] for name in METRICS["text"])
    # Longest common subsequences: 5 of 6 and 6; 2 of 5 and 3 (rouge-score's own tokens, without stems).
    assert some["rouge_l"][0] == pytest.approx((5 / 6 + 2 * 2 / 8) / 2)


def test_unknown_metrics_are_refused() -> None:
    with pytest.raises(UserError, match="metric 'bleu': unknown for task single-label; there are accuracy"):
        task_scores(side("single-label", [0], [[0]]), ("bleu",))


def test_an_audit_puts_them_beside_its_own_score(tmp_path: Path) -> None:
    label = np.array([0, 1, 1, 1])
    for name, prediction in (("dense", [0, 1, 1, 1]), ("pruned", [1, 1, 1, 0])):
        meta = TableMeta("single-label", ("no", "yes"), split="test", extra={"metrics": ["f1", "matthews"]})
        blocks = [SeedBlock(seed, label, prediction=np.array(prediction)) for seed in (0, 1)]
        write_predictions(tmp_path / f"{name}.parquet", meta, blocks)
    summary = audit([tmp_path / "dense.parquet"], [tmp_path / "pruned.parquet"], tmp_path / "out")
    assert (summary["metric"], summary["dense_score"], summary["pruned_score"]) == ("accuracy", 1.0, 0.5)
    own = summary["task_metrics"]["f1"]
    changes = {name: own.pop(name) for name in ("change", "change_on_pies")}
    assert own == {
        "dense": 1.0,
        "pruned": pytest.approx(2 / 3),
        "dense_std": 0.0,
        "pruned_std": 0.0,
        "n_scored": 2,
        "n_scored_on_pies": 2,
        # The first and the last example.
        "dense_on_pies": 1.0,
        "pruned_on_pies": 0.0,
    }
    assert changes["change"]["mean"] == pytest.approx(-1 / 3)
    assert changes["change_on_pies"]["mean"] == -1
    assert json.loads((tmp_path / "out/summary.json").read_text())["task_metrics"]["matthews"]["dense"] == 1
    lines = (tmp_path / "out/task_metrics.csv").read_text().splitlines()
    assert lines[:2] == ["seed,metric,dense,pruned", "0,f1,1.0,0.6666666666666666"]
    assert len(lines) == 5


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("The Adriatic is near (the) River, isn't it?", "the adriatic is near the river is n't it"),
        (
            'By the Adriatic. It\'s £20-25 ... "family-friendly"!',
            "by the adriatic it 's £ 20-25 family-friendly",
        ),
        ("Adriatic .", "adriatic"),
        ("...", ""),
    ],
)
def test_meteor_compares_the_e2e_scorer_s_words(text: str, words: str) -> None:
    assert " ".join(words_of(text)) == words


def test_meteor_is_the_same_however_punctuation_is_spaced() -> None:
    """By hand (Banerjee and Lavie 2005): F = 10 P R / (R + 9 P), less half of (chunks / matches) cubed."""
    label = objects([["Near the Adriatic .", "By the sea."], ["It is not cheap."]])
    spaced = side("text", label, [["near the adriatic.", "It is cheap ."]], ())
    # 3 of 3 words in one chunk; 3 matches of 3 and 4 words in two chunks ("it is", "cheap").
    first = 1 - 0.5 * (1 / 3) ** 3
    precision, recall = 1.0, 3 / 4
    second = 10 * precision * recall / (recall + 9 * precision) * (1 - 0.5 * (2 / 3) ** 3)
    assert task_scores(spaced, ("meteor",))["meteor"][0] == pytest.approx((first + second) / 2)
