"""Changes of training images: what they are, that a seed fixes them, and who never sees them."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from prunescope.config.architectures import Training
from prunescope.config.pruners import PRUNERS
from prunescope.models.registry import prunable
from prunescope.training import recipes
from prunescope.training.augment import crop_flip, cropped
from prunescope.training.batches import Pixels, Split, augmenting
from prunescope.training.loop import train
from prunescope.training.predict import logits_of
from prunescope.training.state import Phase, TrainingState

SETTINGS = Training(optimizer="sgd", lr=0.01, epochs=2, batch_size=8)


def test_crops_and_flips_by_hand() -> None:
    picture = torch.tensor([[1, 2, 3], [4, 5, 6], [7, 8, 9]], dtype=torch.uint8)
    batch = torch.stack([picture, picture, picture, picture + 10])[:, None].expand(4, 2, 3, 3)
    top, left = torch.tensor([1, 0, 2, 1]), torch.tensor([1, 2, 1, 0])
    flip = torch.tensor([False, False, False, True])
    got = cropped(batch, top, left, flip, padding=1)
    expected = [
        [[1, 2, 3], [4, 5, 6], [7, 8, 9]],  # as it is
        [[0, 0, 0], [2, 3, 0], [5, 6, 0]],  # the window is one up and one to the right
        [[4, 5, 6], [7, 8, 9], [0, 0, 0]],  # one down
        [[12, 11, 0], [15, 14, 0], [18, 17, 0]],  # one to the left, then mirrored
    ]
    assert got.dtype == torch.uint8
    assert got[:, 0].tolist() == got[:, 1].tolist() == expected


def naive(pictures: Tensor, generator: torch.Generator, padding: int) -> Tensor:
    """As one would write it for an image at a time."""
    n, _, height, width = pictures.shape
    top, left = torch.randint(2 * padding + 1, (2, n), generator=generator)
    flip = torch.rand(n, generator=generator) < 0.5
    result = []
    for picture, y, x, mirrored in zip(pictures, top.tolist(), left.tolist(), flip.tolist(), strict=True):
        window = torch.nn.functional.pad(picture, (padding,) * 4)[:, y : y + height, x : x + width]
        result.append(window.flip(2) if mirrored else window)
    return torch.stack(result)


@pytest.mark.parametrize(("height", "width"), [(32, 32), (5, 9)])
def test_a_batch_is_its_images_one_at_a_time(height: int, width: int) -> None:
    pictures = torch.randint(0, 256, (200, 3, height, width), dtype=torch.uint8)
    got = crop_flip(pictures, augmenting(1, "train", 1))
    assert torch.equal(got, naive(pictures, augmenting(1, "train", 1), 4))
    assert torch.equal(got, crop_flip(pictures, augmenting(1, "train", 1)))
    for other in (augmenting(2, "train", 1), augmenting(1, "train", 2), augmenting(1, "round-1", 1)):
        assert not torch.equal(got, crop_flip(pictures, other))


def test_every_window_and_both_sides_occur_alike() -> None:
    # A single bright pixel: where it goes is where the window was.
    picture = torch.zeros(20_000, 1, 9, 9, dtype=torch.uint8)
    picture[:, 0, 4, 4] = 1
    counts = crop_flip(picture, augmenting(0, "train", 1)).sum(dim=0)[0].float()
    assert int(counts.sum()) == 20_000
    expected = 20_000 / 81
    assert (
        float(((counts - expected) ** 2 / expected).sum()) < 140
    )  # chi-squared, 80 degrees of freedom: 1 in 10^4
    corner = torch.zeros(10_000, 1, 9, 9, dtype=torch.uint8)
    corner[:, 0, 4, 0] = 1
    seen = crop_flip(corner, augmenting(0, "train", 1)).sum(dim=(0, 1, 2)).float()
    # Without a flip it stays left of the middle, with one right of it; the middle takes from both.
    assert 0.45 < seen[5:].sum() / (seen[:4].sum() + seen[5:].sum()) < 0.55
    assert int(seen[:4].min()) > 400


@pytest.fixture
def augmented(make_state) -> TrainingState:
    """A tiny model whose training images are changed."""
    state = make_state("lenet5", SETTINGS)
    for name, split in state.data.splits.items():
        pixels = (split.inputs * 16).to(torch.uint8)
        state.data.splits[name] = Split(pixels, split.labels, None, False, Pixels(16.0, augment="crop-flip"))
    return state


def test_training_is_changed_and_evaluation_never(augmented: TrainingState, make_state) -> None:
    plain = make_state("lenet5", SETTINGS)
    for split in ("train", "validation", "test"):
        assert torch.equal(
            logits_of(augmented.model, augmented.data, split), logits_of(plain.model, plain.data, split)
        )
    train(augmented, Phase("train", 2))
    train(plain, Phase("train", 2))
    assert augmented.curve[0].loss != plain.curve[0].loss


def test_what_training_sees_is_the_seed_s_stream(augmented: TrainingState, monkeypatch) -> None:
    seen: list[Tensor] = []
    forward = type(augmented.model).forward
    monkeypatch.setattr(
        type(augmented.model),
        "forward",
        lambda model, x: (model.training and seen.append(x)) or forward(model, x),
    )
    train(augmented, Phase("train", 1))
    first = list(seen)
    seen.clear()
    train(augmented, Phase("train", 1))
    assert len(first) == 5
    assert all(torch.equal(a, b) for a, b in zip(first, seen, strict=True))
    pixels = augmented.data.splits["train"].inputs
    draws = augmenting(0, "train", 1)
    from prunescope.training.batches import shuffled

    for index, pictures in zip(shuffled(40, 8, 0, "train", 1), first, strict=True):
        assert torch.equal(pictures, naive(pixels[index], draws, 4) / 16)


def test_evidence_for_pruning_comes_from_changed_images(augmented: TrainingState, monkeypatch) -> None:
    # As in ShrinkBench, whose batch comes from the training loader.
    seen: list[Tensor] = []
    forward = type(augmented.model).forward
    monkeypatch.setattr(
        type(augmented.model), "forward", lambda model, x: seen.append(x) or forward(model, x)
    )
    recipes.prune_now(augmented, PRUNERS["GP"], 100, 1)
    assert len(seen) == 1
    train_pixels = augmented.data.splits["train"].inputs
    assert not any(torch.equal(seen[0][0] * 16, picture.float()) for picture in train_pixels)
    assert sum(int((w == 0).sum()) for w in prunable(augmented.model).values()) == 100
