"""What a teacher adds to the loss, by hand; when a model becomes its own teacher."""

from __future__ import annotations

import copy
import math
from dataclasses import replace

import pytest
import torch
from torch import Tensor

from prunescope.config.architectures import Training
from prunescope.config.pruners import PRUNERS, Pruner
from prunescope.errors import UserError
from prunescope.training.loop import learning_rates, train
from prunescope.training.objectives import SelfTaught, divergence, mixture
from prunescope.training.state import Phase, StepHook


def logs(*rows: list[float]) -> Tensor:
    """Logits of these probabilities."""
    return torch.tensor(rows, dtype=torch.float64).log()


def kl(p: list[float], q: list[float]) -> float:
    return sum(a * math.log(a / b) for a, b in zip(p, q, strict=True) if a)


P, Q, R = [0.5, 0.3, 0.2], [0.2, 0.2, 0.6], [0.1, 0.8, 0.1]


def test_of_classes_it_is_the_mean_divergence_from_the_teacher():
    found = divergence("single-label", logs(Q, R), logs(P, P), torch.tensor([0, 1]))
    assert float(found) == pytest.approx((kl(P, Q) + kl(P, R)) / 2)
    assert float(divergence("single-label", logs(P), logs(P) + 3.0, torch.tensor([0]))) == pytest.approx(0)


def test_of_several_labels_it_is_the_mean_over_yes_and_no():
    p, q = torch.tensor([[0.9, 0.4]]), torch.tensor([[0.6, 0.4]])
    found = divergence("multi-label", torch.logit(q.double()), torch.logit(p.double()), torch.ones(1, 2))
    assert float(found) == pytest.approx(kl([0.9, 0.1], [0.6, 0.4]) / 2, rel=1e-6)


def test_of_numbers_it_is_the_squared_error():
    found = divergence(
        "regression", torch.tensor([[1.0], [4.0]]), torch.tensor([[3.0], [4.0]]), torch.zeros(2)
    )
    assert float(found) == 2.0


@pytest.mark.parametrize("task", ["tokens", "text"])
def test_of_tokens_only_those_count_that_have_a_label(task):
    logits, reference = logs(Q, R, P).unsqueeze(0), logs(P, P, Q).unsqueeze(0)
    found = divergence(task, logits, reference, torch.tensor([[1, -100, 0]]))
    assert float(found) == pytest.approx((kl(P, Q) + kl(Q, P)) / 2)
    nothing = divergence(task, logits.requires_grad_(), reference, torch.full((1, 3), -100))
    nothing.backward()
    assert nothing.item() == 0.0
    assert not logits.grad.any()


def test_of_spans_it_is_over_positions():
    logits = torch.stack((logs(Q)[0], logs(R)[0]), dim=-1).unsqueeze(0)
    reference = torch.stack((logs(P)[0], logs(P)[0]), dim=-1).unsqueeze(0)
    found = divergence("span", logits, reference, torch.zeros(1, 2))
    assert float(found) == pytest.approx((kl(P, Q) + kl(P, R)) / 2)


SETTINGS = Training(optimizer="adam", lr=5e-3, epochs=1, batch_size=8)


FIRST = -1.0  # in place of a step's number: the model as it was given


@pytest.mark.parametrize(
    ("at_start", "scores", "teachers"),
    [
        # Scored after steps 2, 4, ...; an equal score does not replace it, no number is no score.
        (False, [0.5, 0.4, 0.5, float("nan"), 0.6], [FIRST] + [2.0] * 8 + [10.0]),
        # Algorithm 1: also at t = 0, and what comes later has to be better than that.
        (True, [0.5, 0.4, 0.5, 0.6, 0.1, 0.7], [FIRST] * 5 + [6.0] * 4 + [10.0]),
        (True, [float("nan"), 0.4, 0.3, 0.4, 0.4, 0.4], [FIRST] + [2.0] * 9),
    ],
)
def test_the_best_model_so_far_is_the_teacher(make_state, monkeypatch, at_start, scores, teachers):
    state = make_state("encoder", SETTINGS)
    given = iter(scores)
    monkeypatch.setattr("prunescope.training.objectives.score_on", lambda *_: next(given))
    name, weight = next(iter(state.model.named_parameters()))
    with torch.no_grad():
        weight.fill_(FIRST)
    state.model.train()
    hook = SelfTaught(state, 2, at_start=at_start)
    assert state.model.training
    taken = []
    for step in range(1, 11):
        with torch.no_grad():
            weight.fill_(float(step))
        hook.after_step()
        taken.append(float(hook.teacher.state_dict()[name].flatten()[0]))
    assert taken == teachers
    assert next(given, None) is None
    assert state.model.training
    assert not hook.teacher.training


def test_a_teacher_changes_neither_dropout_nor_what_is_learned_of_it(make_state):
    plain, taught = make_state("encoder", SETTINGS), make_state("encoder", SETTINGS)
    hook = SelfTaught(taught, 1, at_start=True)
    taught.hooks.append(hook)
    hook.further_loss = lambda index, inputs, *_: hook.teacher(inputs).sum() * 0.0
    for state in (plain, taught):
        train(state, Phase("train", 1))
    for key, value in plain.model.state_dict().items():
        assert torch.equal(value, taught.model.state_dict()[key]), key


def test_a_teacher_is_asked_once_for_each_example_until_it_changes(make_state, monkeypatch):
    state = make_state("encoder", SETTINGS)
    hook = SelfTaught(state, 5, at_start=False)  # an epoch: 40 examples in batches of 8
    state.hooks.append(hook)
    scores = iter([0.5, 0.4, 0.6, 0.1])
    monkeypatch.setattr("prunescope.training.objectives.score_on", lambda *_: next(scores))
    asked: list[int] = []
    hook.teacher.register_forward_hook(lambda *_: asked.append(hook._step))
    train(state, Phase("train", 4))
    # In epochs 1, 2 (after a first score) and 4 (after a better one), not in 3.
    assert [sum(5 * k <= step < 5 * k + 5 for step in asked) for k in range(4)] == [5, 5, 0, 5]
    # What is remembered is what it says.
    index = torch.tensor([7, 3])
    inputs, _ = state.data.splits["train"].batch(index)
    with torch.no_grad():
        torch.testing.assert_close(hook._reference(index, inputs), hook.teacher(inputs))


def test_a_teacher_s_state_comes_back(make_state):
    state = make_state("encoder", SETTINGS)
    first = SelfTaught(state, 3, at_start=True)
    state.hooks.append(first)
    train(state, Phase("train", 1))
    kept = {name: value.clone() for name, value in first.capture().items()}
    second = SelfTaught(make_state("encoder", SETTINGS, seed=9), 3, at_start=True)
    second.restore(kept)
    assert {name: value.tolist() for name, value in second.capture().items()} == {
        name: value.tolist() for name, value in kept.items()
    }


def test_without_a_validation_split_there_is_nothing_to_choose_by(make_state):
    state = make_state("encoder", SETTINGS)
    splits = {name: split for name, split in state.data.splits.items() if name != "validation"}
    state.data = replace(state.data, splits=splits)
    with pytest.raises(UserError, match=r"objective self-regularized: .* validation split"):
        SelfTaught(state, None, at_start=True)


def test_learning_rates_rise_and_fall():
    settings = Training(lr=1.0, lr_warm_up=4, lr_decay="linear")
    found = [rate for epoch in (1, 2) for rate in learning_rates(settings, epoch, 2, 5)]
    assert found == pytest.approx([1 / 4, 2 / 4, 3 / 4, 1, 1, 5 / 6, 4 / 6, 3 / 6, 2 / 6, 1 / 6])
    share = settings.model_copy(update={"lr_warm_up": 0.4})
    assert learning_rates(share, 1, 2, 5) == found[:5]
    kept = settings.model_copy(update={"lr_decay": "none"})
    assert learning_rates(kept, 2, 2, 5, lr_factor=0.5) == [0.5] * 5


def test_learning_rates_fall_at_milestones():
    settings = Training(lr=1.0, milestones=(0.5,))
    assert [learning_rates(settings, epoch, 4, 2) for epoch in (2, 3)] == [[1.0] * 2, [0.1] * 2]


def entropy(p: list[float]) -> float:
    return -sum(a * math.log(a) for a in p if a)


def cross_entropy(p: list[float], label: int) -> float:
    return -math.log(p[label])


def tempered(p: list[float], t: float) -> list[float]:
    powers = [a ** (1 / t) for a in p]
    return [a / sum(powers) for a in powers]


@pytest.mark.parametrize("weight", ["own-entropy", "teacher-entropy"])
@pytest.mark.parametrize("t", [1.0, 2.0])
def test_a_certain_answer_makes_the_teacher_count_and_an_uncertain_one_the_label(weight, t):
    own, teacher, labels = [Q, R], [P, P], [0, 2]
    expected = 0.0
    for q, p, label in zip(own, teacher, labels, strict=True):
        w = 1 - entropy(q if weight == "own-entropy" else p) / math.log(3)
        kd = t**2 * kl(tempered(p, t), tempered(q, t))
        expected += (w * kd + (1 - w) * cross_entropy(q, label)) / 2
    logits = logs(*own).requires_grad_()
    classes = torch.tensor(labels)
    loss = torch.nn.functional.cross_entropy(logits, classes)
    further = mixture("single-label", weight, t, logits, logs(*teacher), classes)
    assert (loss + further).item() == pytest.approx(expected)


def test_the_weight_of_a_mixture_has_no_gradient():
    q, p, label = [0.7, 0.3], [0.4, 0.6], 0
    logits = logs(q).requires_grad_()
    classes = torch.tensor([label])
    loss = torch.nn.functional.cross_entropy(logits, classes)
    (loss + mixture("single-label", "own-entropy", 2.0, logits, logs(p), classes)).backward()
    w = 1 - entropy(q) / math.log(2)
    soft, aim = tempered(q, 2), tempered(p, 2)
    # d KL(p || q) / d logit = q - p at temperature 1; T^2 / T at T.
    expected = [w * 2 * (a - b) + (1 - w) * (c - y) for a, b, c, y in zip(soft, aim, q, (1, 0), strict=True)]
    assert logits.grad[0].tolist() == pytest.approx(expected)


def test_a_mixture_s_extremes_are_the_label_alone_and_the_teacher_alone():
    labels = torch.tensor([1])
    even, sure = logs([1 / 3] * 3), torch.tensor([[0.0, 80.0, 0.0]], dtype=torch.float64)
    assert float(mixture("single-label", "own-entropy", 1.0, even, logs(P), labels)) == pytest.approx(0)
    loss = torch.nn.functional.cross_entropy(logs(Q), labels)
    further = mixture("single-label", "teacher-entropy", 1.0, logs(Q), sure, labels)
    assert float(loss + further) == pytest.approx(-math.log(Q[1]), rel=1e-6)


def test_several_labels_spans_and_tokens_mix_term_by_term():
    from prunescope.training.task import loss_for

    generator = torch.Generator().manual_seed(3)
    own, teacher = (torch.randn(2, 5, 2, generator=generator, dtype=torch.float64) for _ in range(2))

    def by_term(task, shape, labels, terms):
        logits, reference = own.reshape(shape), teacher.reshape(shape)
        loss = loss_for(task)(logits, labels)
        total = float(loss + mixture(task, "own-entropy", 1.5, logits, reference, labels))
        sides = []
        for (row, aim), label in terms(logits, reference):
            q, p = row.softmax(0).tolist(), aim.softmax(0).tolist()
            w = 1 - entropy(q) / math.log(len(q))
            kd = 1.5**2 * kl(tempered(p, 1.5), tempered(q, 1.5))
            sides.append(w * kd + (1 - w) * cross_entropy(q, label))
        assert total == pytest.approx(sum(sides) / len(sides))

    tags = torch.tensor([[0, 1, -100, 1, 0], [-100, 0, 1, 1, -100]])
    by_term(
        "tokens",
        (2, 5, 2),
        tags,
        lambda a, b: [
            ((a[i, j], b[i, j]), int(tags[i, j])) for i in range(2) for j in range(5) if tags[i, j] != -100
        ],
    )
    span = torch.tensor([[1, 3], [0, 4]])
    by_term(
        "span",
        (2, 5, 2),
        span,
        lambda a, b: [((a[i, :, k], b[i, :, k]), int(span[i, k])) for i in range(2) for k in range(2)],
    )
    several = torch.tensor([[1, 0, 1, 0, 0], [0, 0, 0, 1, 1], [1, 1, 1, 1, 1], [0, 0, 0, 0, 0]])
    zero = torch.zeros((), dtype=torch.float64)
    by_term(
        "multi-label",
        (4, 5),
        several,
        lambda a, b: [
            ((torch.stack((zero, a[i, j])), torch.stack((zero, b[i, j]))), int(several[i, j]))
            for i in range(4)
            for j in range(5)
        ],
    )


def test_numbers_have_no_mixture(make_state):
    state = make_state("encoder", SETTINGS, task="regression")
    hook = SelfTaught(state, 50, at_start=False, teaching=PRUNERS["PINS-authors"].teaching)
    assert hook.further_loss(torch.tensor([0]), torch.zeros(1, 2), torch.ones(1, 1), torch.zeros(1)) is None


def test_by_the_authors_script_the_dense_model_teaches_first_and_the_best_final_model_is_kept(
    make_state, monkeypatch
):
    """Evaluations after steps 1, 4, 7, 10, 13; the sparsity is final from step 7."""
    state = make_state("encoder", SETTINGS)
    dense = make_state("encoder", SETTINGS, seed=5).model
    name, weight = next(iter(state.model.named_parameters()))
    with torch.no_grad():
        dict(dense.named_parameters())[name].fill_(FIRST)
    scores = iter([0.2, 0.9, 0.5, 0.7, 0.7])
    monkeypatch.setattr("prunescope.training.objectives.score_on", lambda *_: next(scores))
    hook = SelfTaught(
        state, 3, at_start=True, teaching=PRUNERS["PINS-authors"].teaching, first=copy.deepcopy(dense)
    )
    pruning = StepHook()
    state.hooks = [pruning, hook]
    taken = [float(hook.teacher.state_dict()[name].flatten()[0])]
    for step in range(1, 15):
        monkeypatch.setattr(StepHook, "final", step >= 7)
        with torch.no_grad():
            weight.fill_(float(step))
        hook.after_step()
        taken.append(float(hook.teacher.state_dict()[name].flatten()[0]))
    assert taken == [FIRST] + [1.0] * 3 + [4.0] * 11
    assert next(scores, None) is None
    hook.keep()
    assert set(weight.flatten().tolist()) == {
        10.0
    }  # .7 at step 10: the first of two alike, at the final sparsity


def test_the_script_s_settings_are_written_only_where_they_are_not_algorithm_1_s():
    assert "teaching" not in PRUNERS["PINS"].model_dump()
    script = PRUNERS["PINS-authors"].model_dump()
    assert (script["objective_steps"], script["teaching"]["keep"]) == (50, "best-score")
    assert PRUNERS["PINS-authors"].needs_dense
    assert not PRUNERS["PINS"].needs_dense
    with pytest.raises(ValueError, match="best-score is of gradual schedules"):
        Pruner.model_validate(
            {"criterion": "magnitude", "schedule": "one-shot", "teaching": {"keep": "best-score"}}
        )
