"""From outputs to answers, and the losses of positions and spans, against slow computations by the definition."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from prunescope.config.architectures import Training
from prunescope.models.shape import Shape
from prunescope.training.batches import Split, TrainingData
from prunescope.training.decoding import answers_of, best_span, labels_of
from prunescope.training.predict import mean_loss
from prunescope.training.state import DivergedError
from prunescope.training.task import loss_for


def slow_best_span(logits: np.ndarray, offsets: np.ndarray, longest: int) -> tuple[float, int, int] | None:
    best = None
    for start in range(len(logits)):
        for end in range(start, min(start + longest, len(logits))):
            if offsets[start, 0] < 0 or offsets[end, 0] < 0:
                continue
            score = float(logits[start, 0]) + float(logits[end, 1])
            if best is None or score > best[0]:
                best = (score, int(offsets[start, 0]), int(offsets[end, 1]))
    return best


def test_the_best_span_is_valid_and_the_best() -> None:
    rng = np.random.default_rng(0)
    for _ in range(200):
        # No more pieces than starts and ends that are looked at: the search is then exhaustive.
        length = int(rng.integers(3, 20))
        logits = rng.normal(size=(length, 2)).astype(np.float32).round(1)
        offsets = np.full((length, 2), -1, dtype=np.int32)
        first = int(rng.integers(0, length))
        inside = np.arange(first, length)
        offsets[inside, 0], offsets[inside, 1] = 3 * inside, 3 * inside + 2
        longest = int(rng.integers(1, 6))
        assert best_span(logits, offsets, longest) == slow_best_span(logits, offsets, longest)
    assert best_span(np.zeros((3, 2), np.float32), np.full((3, 2), -1), 3) is None


class Given(nn.Module):
    """Gives the outputs that belong to the ids it is asked about."""

    def __init__(self, outputs: torch.Tensor) -> None:
        super().__init__()
        self.outputs = nn.Parameter(outputs)

    def forward(self, pieces: torch.Tensor) -> torch.Tensor:
        return self.outputs[pieces[:, 0]][:, : pieces.shape[1]]


def data(task: str, split: Split, **more: Any) -> TrainingData:
    return TrainingData(task, ("O", "B-PER", "I-PER"), Shape(classes=3), {"test": split}, **more)


def test_tags_of_words_and_of_those_beyond_the_limit() -> None:
    outputs = torch.zeros(2, 4, 3)
    outputs[0, 1, 1] = outputs[0, 2, 0] = outputs[0, 3, 2] = 1
    outputs[1, 1, 2] = 1
    inputs = torch.tensor([[0, 9, 9, 9], [1, 9, 0, 0]])
    words = np.array([[-1, 0, -1, 1], [-1, 0, -1, -1]], dtype=np.int32)
    labels = torch.tensor([[-100, 1, -100, 2], [-100, 2, -100, -100]])
    truth = {"label": [[1, 2, 1], [2]]}
    split = Split(
        inputs,
        labels,
        torch.tensor([4, 2]),
        True,
        per_token=True,
        further={"words": words},
        truth=truth,
    )
    tokens = data("tokens", split)
    assert [label.tolist() for label in labels_of(tokens, "test")] == [[1, 2, 1], [2]]
    # The third word has no token within the limit: the first class.
    assert [row.tolist() for row in answers_of(Given(outputs), tokens, "test")] == [[1, 2, 0], [2]]
    outputs[0, 0, 0] = float("nan")
    with pytest.raises(DivergedError):
        answers_of(Given(outputs), tokens, "test")


def test_the_best_of_all_windows_counts() -> None:
    context = ["red dog blue", "a b"]
    # Two windows of the first question, one of the second; ids name the window.
    outputs = torch.full((3, 3, 2), -5.0)
    outputs[0, 1] = 1.0  # "red", 2 in all
    outputs[1, 1, 0], outputs[1, 2, 1] = 2.0, 3.0  # "dog blue", 5 in all
    outputs[2, 2] = 0.0
    offsets = np.array(
        [[[-1, -1], [0, 3], [4, 7]], [[-1, -1], [4, 7], [8, 12]], [[-1, -1], [0, 1], [2, 3]]], np.int32
    )
    split = Split(
        torch.tensor([[0, 1, 1], [1, 1, 1], [2, 1, 1]]),
        torch.zeros(3, 2, dtype=torch.int64),
        torch.tensor([3, 3, 3]),
        True,
        further={"owners": np.array([0, 0, 1]), "offsets": offsets},
        truth={"label": [["dog blue"], ["b"]], "context": context},
    )
    spans = data("span", split, max_answer=2)
    assert labels_of(spans, "test").tolist() == [["dog blue"], ["b"]]
    assert answers_of(Given(outputs), spans, "test").tolist() == ["dog blue", "b"]
    # With one token at most, "dog" and "blue" tie at -2 and -3 with the first window's "red".
    assert answers_of(Given(outputs), data("span", split, max_answer=1), "test").tolist() == ["red", "b"]


def test_losses_by_the_definition() -> None:
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(3, 5, 4, generator=generator)
    labels = torch.tensor([[1, -100, 2, 3, -100], [-100] * 5, [0, 0, -100, -100, 1]])
    terms = [
        -logits[b, t].log_softmax(0)[labels[b, t]] for b in range(3) for t in range(5) if labels[b, t] >= 0
    ]
    for task in ("tokens", "text"):
        torch.testing.assert_close(loss_for(task)(logits, labels), torch.stack(terms).mean())
    spans, places = logits[..., :2], torch.tensor([[0, 3], [1, 1], [4, 4]])
    terms = [-spans[b, :, c].log_softmax(0)[places[b, c]] for b in range(3) for c in (0, 1)]
    torch.testing.assert_close(loss_for("span")(spans, places), torch.stack(terms).mean())
    numbers = torch.tensor([[1.0], [2.0]])
    torch.testing.assert_close(loss_for("regression")(numbers, torch.tensor([0.0, 4.0])), torch.tensor(2.5))


@pytest.mark.parametrize("batch_size", [1, 2, 7])
def test_the_mean_loss_of_a_split_does_not_depend_on_batches(batch_size: int) -> None:
    generator = torch.Generator().manual_seed(0)
    outputs = torch.randn(5, 4, 3, generator=generator)
    labels = torch.randint(-1, 3, (5, 4), generator=generator)
    labels[labels < 0] = -100
    labels[3] = -100
    inputs = torch.stack([torch.arange(5), *[torch.ones(5, dtype=torch.int64)] * 3], dim=1)
    split = Split(inputs, labels, torch.full((5,), 4), True, per_token=True)
    state: Any = SimpleNamespace(
        data=data("tokens", split),
        model=Given(outputs),
        settings=Training(batch_size=batch_size),
        loss=loss_for("tokens"),
    )
    assert mean_loss(state, "test") == pytest.approx(float(loss_for("tokens")(outputs.double(), labels)))
