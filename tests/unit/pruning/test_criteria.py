"""Criteria against their formulas in numpy, and against each other where the papers say they meet."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
import torch

from prunescope.config.gradual import Gradual
from prunescope.config.pruners import PRUNERS, Pruner
from prunescope.criteria import CRITERIA, Evidence

RNG = np.random.default_rng(0)
WEIGHTS = {
    "a": RNG.standard_normal((4, 5)).astype(np.float32),
    "b": RNG.standard_normal(7).astype(np.float32),
}
GRADIENTS = {name: RNG.standard_normal(w.shape).astype(np.float32) for name, w in WEIGHTS.items()}


def scores(criterion, gradients=None, decay=0.0, seed=0, weights=None):
    gradients = GRADIENTS if gradients is None else gradients
    evidence = Evidence(
        {name: torch.from_numpy(g) for name, g in gradients.items()},
        decay,
        torch.Generator().manual_seed(seed),
    )
    tensors = {name: torch.from_numpy(w) for name, w in (weights or WEIGHTS).items()}
    return {name: value.numpy() for name, value in CRITERIA[criterion](tensors, evidence).items()}


def ranks(values):
    return np.argsort(np.concatenate([v.ravel() for v in values.values()]), kind="stable")


def test_formulas():
    eps = 0.3
    for name, w in WEIGHTS.items():
        g = GRADIENTS[name]
        assert np.array_equal(scores("magnitude")[name], np.abs(w))
        np.testing.assert_allclose(scores("impact")[name], np.abs(w * g), rtol=1e-6)
        expected = np.abs(-w.astype(float) * g + eps * w.astype(float) ** 2)
        np.testing.assert_allclose(scores("undecayed", decay=eps)[name], expected, rtol=1e-4, atol=1e-6)


def test_undecayed_ranks_as_magnitude_where_the_gradient_is_zero():
    zero = {name: np.zeros_like(w) for name, w in WEIGHTS.items()}
    assert np.array_equal(ranks(scores("undecayed", zero, decay=5e-4)), ranks(scores("magnitude")))
    assert not np.array_equal(ranks(scores("undecayed", decay=5e-4)), ranks(scores("magnitude")))


def test_undecayed_is_impact_where_there_is_no_decay():
    without, impact = scores("undecayed", decay=0.0), scores("impact")
    for name in WEIGHTS:
        np.testing.assert_array_equal(without[name], impact[name])
    assert not np.array_equal(ranks(scores("undecayed", decay=1.0)), ranks(impact))


def test_undecayed_with_the_total_gradient_is_the_data_part_of_impact():
    eps = 0.25
    total = {name: GRADIENTS[name] + np.float32(eps) * w for name, w in WEIGHTS.items()}
    for name, score in scores("undecayed", total, decay=eps).items():
        np.testing.assert_allclose(score, np.abs(WEIGHTS[name] * GRADIENTS[name]), atol=1e-6)


def test_random_is_uniform_and_decided_by_its_stream_alone():
    weights = {"a": np.zeros((100, 100), dtype=np.float32), "b": np.zeros(5000, dtype=np.float32)}
    first = scores("random", seed=3, weights=weights)
    torch.rand(11)  # the global stream has no say
    again = scores("random", seed=3, weights={name: w + 1 for name, w in weights.items()})
    other = scores("random", seed=4, weights=weights)
    for name in weights:
        np.testing.assert_array_equal(first[name], again[name])
        assert not np.array_equal(first[name], other[name])
    values = np.sort(np.concatenate([v.ravel() for v in first.values()]))
    assert values[0] >= 0
    assert values[-1] < 1
    distance = np.abs(values - (np.arange(len(values)) + 0.5) / len(values)).max()
    assert distance < 1.63 / np.sqrt(len(values))  # Kolmogorov-Smirnov, 1 %
    assert not np.array_equal(first["a"].ravel()[:5000], first["b"])


def test_random_draws_on_the_processor_whatever_the_device_of_the_weights():
    evidence = Evidence({}, 0.0, torch.Generator().manual_seed(3))
    CRITERIA["random"]({"w": torch.empty(10, device="meta")}, evidence)
    after = torch.rand(1, generator=evidence.generator)
    reference = torch.Generator().manual_seed(3)
    torch.rand(10, generator=reference)
    assert torch.equal(after, torch.rand(1, generator=reference))


def test_the_papers_names():
    pie = {
        "IIBP-WR": ("impact", "iterative", "rewind"),
        "IIBP-FT": ("impact", "iterative", "fine-tune"),
        "IBP-AI": ("impact", "at-init", "fine-tune"),
        "IMP-WR": ("magnitude", "iterative", "rewind"),
        "IMP-FT": ("magnitude", "iterative", "fine-tune"),
        "MP-AI": ("magnitude", "at-init", "fine-tune"),
        "IRP-FT": ("random", "iterative", "fine-tune"),
        "RP-AI": ("random", "at-init", "fine-tune"),
    }
    recall = {
        "MP": ("magnitude", "global"),
        "GP": ("impact", "global"),
        "UP": ("undecayed", "global"),
        "RP": ("random", "layer"),
    }
    gradual = {
        "PINS": ("pins", "self-regularized"),
        "PINS-authors": ("pins", "self-regularized"),
        "PINS-plain": ("pins-plain", "self-regularized"),
        "GMP": ("magnitude", "task"),
        "sensitivity": ("sensitivity", "task"),
        "PLATON": ("platon", "task"),
        "SMvP": ("movement", "task"),
        "PST": ("pst", "task"),
        "L0": ("l0", "task"),
    }
    assert set(PRUNERS) == set(pie) | set(recall) | set(gradual) | {"LTH", "CHIP", "UP-derived"}
    for name, (criterion, objective) in gradual.items():
        pruner = PRUNERS[name]
        assert (pruner.criterion, pruner.objective) == (criterion, objective)
        assert (pruner.scope, pruner.schedule, pruner.needs_trained) == ("global", "gradual", False)
    assert (PRUNERS["PINS"].gradual.window, PRUNERS["PINS"].gradual.beta1) == (10, 0.85)
    assert PRUNERS["PINS"].gradual.beta2 == 0.99
    for name, (criterion, schedule, recovery) in pie.items():
        pruner = PRUNERS[name]
        assert (pruner.criterion, pruner.schedule, pruner.recovery) == (criterion, schedule, recovery)
        assert pruner.scope == "layer"
        assert pruner.rounds == (3 if schedule == "iterative" else 1)
        assert pruner.gradient_batches * (pruner.gradient_batch_size or 0) == 100
    for name, (criterion, scope) in recall.items():
        pruner = PRUNERS[name]
        assert (pruner.criterion, pruner.scope, pruner.schedule) == (criterion, scope, "one-shot")
        assert (pruner.gradient_batches, pruner.gradient_batch_size, pruner.gradient) == (1, None, "data")
    lth, chip = PRUNERS["LTH"], PRUNERS["CHIP"]
    assert (lth.criterion, lth.scope, lth.schedule, lth.recovery) == (
        "magnitude",
        "global",
        "levels",
        "rewind",
    )
    assert (lth.step, lth.structure) == (Fraction(1, 5), "weights")
    assert (chip.criterion, chip.structure, chip.schedule) == ("channel-independence", "filters", "one-shot")
    assert (chip.recovery, chip.map_batches, chip.map_batch_size) == ("fine-tune", 5, 128)


def test_undecayed_pruning_never_becomes_impact_pruning_by_accident():
    up = PRUNERS["UP"]
    assert up.decay_for(1e-4) == 1e-4
    assert up.decay_for(0.0) == 5e-4
    assert up.model_copy(update={"decay": 0.0}).decay_for(1e-4) == 0.0
    assert PRUNERS["GP"].decay_for(0.0) == 0.0


@pytest.mark.parametrize(
    ("fields", "key"),
    [
        ({"criterion": "magnitude", "schedule": "one-shot", "rounds": 2}, "rounds"),
        ({"criterion": "magnitude", "schedule": "at-init", "recovery": "rewind"}, "recovery"),
        ({"criterion": "random", "schedule": "one-shot", "recovery": "rewind"}, "recovery"),
        ({"criterion": "magnitude", "schedule": "iterative", "rounds": True}, "rounds"),
        ({"criterion": "pins", "schedule": "one-shot"}, "schedule"),
        ({"criterion": "random", "schedule": "gradual", "scope": "global"}, "criterion"),
        ({"criterion": "pins", "schedule": "gradual"}, "scope"),
        ({"criterion": "pins", "schedule": "gradual", "scope": "global", "recovery": "rewind"}, "recovery"),
        (
            {"criterion": "magnitude", "schedule": "levels", "recovery": "rewind", "objective": "distilled"},
            "objective",
        ),
    ],
)
def test_compositions_without_a_meaning_are_refused(fields, key):
    with pytest.raises(ValueError, match=f"{key}: "):
        Pruner(**fields)


def test_the_documentation_names_every_criterion_and_gradual_knows_what_they_look_at():
    docs = (Path(__file__).parents[3] / "docs" / "configuration.md").read_text()
    for name, criterion in CRITERIA.items():
        assert name in docs, name
        assert criterion.words
        assert set(criterion.settings) <= set(Gradual.model_fields)
