"""What probabilities lose: golden values, other implementations, and logits times six."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from scipy import optimize
from scipy.special import expit, log_softmax, rel_entr, softmax

from prunescope.analysis.audit import audit
from prunescope.analysis.audit_tables import Certainty
from prunescope.analysis.certainty import calibration_errors, certainty, summary_of, temperature
from prunescope.predictions.metadata import TableMeta
from prunescope.predictions.store import SeedBlock, read_sides, write_predictions

N, SEEDS = 300, 6


def write(path: Path, label: np.ndarray, logits: np.ndarray, task: str = "single-label") -> Path:
    meta = TableMeta(task=task, classes=tuple("abcd"[: logits.shape[-1]]))
    write_predictions(
        path, meta, [SeedBlock(s, label, one.astype(np.float32)) for s, one in enumerate(logits)]
    )
    return path


def compared(
    folder: Path, label: np.ndarray, first: np.ndarray, second: np.ndarray, task: str = "single-label"
) -> list[Certainty]:
    paths = [[write(folder / name, label, one, task)] for name, one in (("a", first), ("b", second))]
    read = read_sides({"dense": paths[0], "pruned": paths[1]})
    return certainty(paths[0], read["dense"], paths[1], read["pruned"], 0.99)


def row(rows: list[Certainty], measure: str, scaled: bool = False, of: str | None = None) -> Certainty:
    return next(r for r in rows if (r.measure, r.scaled, r.class_) == (measure, scaled, of))


@pytest.fixture
def made() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    label = rng.integers(0, 4, N)
    logits = rng.normal(size=(SEEDS, N, 4))
    logits[:, np.arange(N), label] += 1.5
    return label, logits.astype(np.float32)


def test_by_hand(tmp_path: Path) -> None:
    """Dense (1/2, 1/2), pruned (3/4, 1/4), both examples of class a."""
    label, dense = np.zeros(2, int), np.zeros((1, 2, 2))
    pruned = np.tile(np.log([3.0, 1.0]), (1, 2, 1))
    rows = compared(tmp_path, label, dense, pruned)
    expected = {
        "kl": 0.5 * np.log(0.5 / 0.75) + 0.5 * np.log(0.5 / 0.25),
        "nll": np.log(0.5) - np.log(0.75),
        "brier": 2 * 0.25**2 - 2 * 0.5**2,
        "true_probability": 0.25,
        "margin": 0.5,
        "ece": 0.25 - 0.5,
    }
    for measure, value in expected.items():
        assert row(rows, measure).change == pytest.approx(value, abs=1e-6), measure


def test_is_what_scipy_says(tmp_path: Path, made: tuple[np.ndarray, np.ndarray]) -> None:
    label, dense = made
    pruned = dense + np.random.default_rng(1).normal(size=dense.shape)
    rows = compared(tmp_path, label, dense, pruned)
    p, q = softmax(dense, axis=2), softmax(pruned.astype(np.float32), axis=2)
    middle = (p + q) / 2
    assert row(rows, "kl").change == pytest.approx(rel_entr(p, q).sum(axis=2).mean(), rel=1e-5)
    js = (rel_entr(p, middle) + rel_entr(q, middle)).sum(axis=2).mean() / 2
    assert row(rows, "js").change == pytest.approx(js, rel=1e-5)
    nll = -log_softmax(pruned, axis=2)[:, np.arange(N), label].mean()
    assert row(rows, "nll").pruned == pytest.approx(nll, rel=1e-5)
    one = label == 2
    assert row(rows, "nll", of="c").pruned == pytest.approx(
        -log_softmax(pruned, axis=2)[:, np.arange(N), label][:, one].mean(), rel=1e-5
    )
    assert row(rows, "brier").dense == pytest.approx(
        ((p - np.eye(4)[label]) ** 2).sum(axis=2).mean(), rel=1e-5
    )
    for one_row in rows:
        if one_row.ci_low is not None and one_row.ci_high is not None:
            assert one_row.ci_low <= one_row.change <= one_row.ci_high


def test_lost_scale_is_told_from_lost_information(
    tmp_path: Path, made: tuple[np.ndarray, np.ndarray]
) -> None:
    label, dense = made
    rows = compared(tmp_path, label, dense, 6 * dense)
    assert row(rows, "nll").change > 0.3
    assert row(rows, "nll", scaled=True).change == pytest.approx(0, abs=1e-4)
    assert row(rows, "kl", scaled=True).change == pytest.approx(0, abs=1e-4)
    noisy = dense + 2 * np.random.default_rng(2).normal(size=dense.shape)
    low = row(compared(tmp_path, label, dense, noisy), "nll", scaled=True).ci_low
    assert low is not None
    assert low > 0


def test_temperature_is_the_likeliest(made: tuple[np.ndarray, np.ndarray]) -> None:
    label, logits = made[0], 3 * made[1][0]

    def loss(log_scale: float) -> float:
        return float(-log_softmax(logits / np.exp(log_scale), axis=1)[np.arange(N), label].mean())

    found = optimize.minimize_scalar(loss, bounds=(-3, 3), method="bounded", options={"xatol": 1e-9})
    assert temperature(logits, label) == pytest.approx(np.exp(found.x), rel=1e-4)
    assert temperature(np.eye(4)[label], label) < 0.02  # as sure as floats tell apart
    assert temperature(np.zeros((5, 3)), np.zeros(5, int)) == 1


def test_calibration_error_of_two_bins() -> None:
    """Bins (.5, .6) and (.8, .9): gaps 1.1 - 1 and 1.7 - 2, over 4 answers."""
    sure, right = np.array([0.9, 0.5, 0.6, 0.8]), np.array([True, False, True, True])
    found = calibration_errors(sure, right, np.array([0, 1, 1, 1]), bins=2)
    assert found == pytest.approx([(0.1 + 0.3) / 4, (0.1 + 0.2) / 3, 0.1])


def test_several_labels_are_yes_or_no_answers(tmp_path: Path) -> None:
    rng = np.random.default_rng(3)
    label = rng.random((60, 3)) < 0.5
    dense, pruned = rng.normal(size=(2, 1, 60, 3)).astype(np.float32)
    rows = compared(tmp_path, label, dense, pruned, "multi-label")
    p, q = expit(dense.astype(float))[0], expit(pruned.astype(float))[0]
    kl = (rel_entr(p, q) + rel_entr(1 - p, 1 - q)).sum(axis=1).mean()
    assert row(rows, "kl").change == pytest.approx(kl, rel=1e-6)
    nll = -np.log(np.where(label, q, 1 - q)).sum(axis=1).mean()
    assert summary_of(rows)["nll_pruned"] == pytest.approx(nll, rel=1e-6)


def test_tables_without_logits_have_none(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("example,label,prediction\n0,a,a\n1,b,a\n", encoding="utf-8")
    side = read_sides({"dense": [path]})["dense"]
    assert certainty([path], side, [path], side, 0.99) == []
    assert summary_of([]) == {}


def test_probabilities_in_place_of_logits_are_read_as_such(
    tmp_path: Path, made: tuple[np.ndarray, np.ndarray]
) -> None:
    label, dense = made
    pruned = dense + np.random.default_rng(1).normal(size=dense.shape)
    (tmp_path / "true").mkdir()
    true = compared(tmp_path / "true", label, dense, pruned)
    found = compared(tmp_path, label, softmax(dense, axis=2), softmax(pruned, axis=2))
    for measure in ("kl", "nll", "brier", "ece"):
        one, other = row(true, measure), row(found, measure)
        if one.dense is not None:
            assert (other.dense, other.pruned) == pytest.approx((one.dense, one.pruned), rel=1e-4), measure
        assert other.change == pytest.approx(one.change, rel=1e-3), measure
    summary = audit([tmp_path / "a"], [tmp_path / "b"], tmp_path / "out")
    assert summary["warnings"] == [
        f"logits of {tmp_path / name} are probabilities: their logarithms are taken" for name in "ab"
    ]
    assert "warnings" not in audit([tmp_path / "true/a"], [tmp_path / "true/b"], tmp_path / "out")


def test_probabilities_of_several_labels_are_read_as_such(tmp_path: Path) -> None:
    rng = np.random.default_rng(3)
    label = rng.random((N, 4)) < 0.3
    dense = 3 * (label - 0.6) + rng.normal(size=(2, N, 4))
    pruned = dense + rng.normal(size=dense.shape)
    for name, convert in (("true", lambda values: values), ("found", expit)):
        (tmp_path / name).mkdir()
        paths = [
            write(tmp_path / name / side, label, convert(one), "multi-label")
            for side, one in (("a", dense), ("b", pruned))
        ]
        audit([paths[0]], [paths[1]], tmp_path / name / "out")
    one, other = (
        json.loads((tmp_path / name / "out/summary.json").read_text()) for name in ("true", "found")
    )
    assert other["warnings"] == [
        f"logits of {tmp_path / 'found' / name} are probabilities: the logarithms of their odds are taken"
        for name in "ab"
    ]
    for key in ("dense_score", "pruned_score", "n_pies", "kl_mean", "nll_dense", "brier_pruned"):
        assert other[key] == pytest.approx(one[key], rel=1e-4), key
    assert 0 < one["n_pies"] < N
    # Logits that are all positive say that every label holds; they are no probabilities.
    raised = write(tmp_path / "raised", label, rng.uniform(0.5, 1, (1, N, 4)), "multi-label")
    assert read_sides({"dense": [raised]})["dense"].prediction.all()


def test_one_hot_logits_are_no_probabilities(tmp_path: Path) -> None:
    label = np.arange(40) % 4
    logits = np.eye(4)[label][None]
    rows = compared(tmp_path, label, logits, logits)
    assert row(rows, "nll").dense == pytest.approx(-log_softmax(np.eye(4)[0])[0])
