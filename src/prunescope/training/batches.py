"""A data set's splits on the device, and batches from them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor

from prunescope.config.architectures import Training
from prunescope.data.encoding.encode import Inputs
from prunescope.models.packed import PackedTexts, packed, sent
from prunescope.models.shape import Shape
from prunescope.seeds import stream
from prunescope.training.augment import PADDING, crop_flip, cropped
from prunescope.training.task import labels_tensor, outputs_of

#: Batches in a pool that is sorted by length: from many texts, but not always the same ones together.
POOL = 50


@dataclass(frozen=True)
class Pixels:
    """From uint8 pixels to what a model takes in, a batch at a time: a quarter of the memory of floats.

    Values are divided by ``scale``; ``mean`` and ``std``, (channels, 1, 1) float32 on the device, are
    taken off and divided by where given. ``augment``: a name in ``datasets.Augment``.
    """

    scale: float
    mean: Tensor | None = None
    std: Tensor | None = None
    augment: str = "none"

    def __call__(self, images: Tensor, draws: torch.Generator | None) -> Tensor:
        if draws is not None and self.augment == "crop-flip":
            images = crop_flip(images, draws)
        return self.values(images)

    def values(self, images: Tensor) -> Tensor:
        """(..., channels, height, width) pixels -> what a model takes in, of that shape."""
        values = images.to(torch.float32).div_(self.scale)
        if self.mean is not None and self.std is not None:
            values = values.sub_(self.mean).div_(self.std)
        return values


@dataclass(frozen=True)
class Split:
    """One split, resident on the device.

    ``inputs``: (n, channels, height, width) uint8 pixels with ``pixels``, what makes of them what a
    model takes in; or what it takes in itself, (n, L) int64 token ids among it.
    ``per_token``: labels are (n, L), cut as the inputs are. ``further`` and ``truth``: as in ``SplitInputs``.
    ``labels``: (n,) int64 or (n, C) float32. ``lengths``: (n,) int64 tokens on the CPU, or None. ``pack``:
    batches of texts have no padding.
    """

    inputs: Tensor
    labels: Tensor
    lengths: Tensor | None
    trim: bool
    pixels: Pixels | None = None
    per_token: bool = False
    further: Mapping[str, np.ndarray] = field(default_factory=dict)
    truth: Any = None
    pack: bool = False

    def __len__(self) -> int:
        return self.labels.shape[0]

    def batch(
        self, index: Tensor, augment: torch.Generator | None = None
    ) -> tuple[Tensor | PackedTexts, Tensor]:
        """Inputs and labels of the examples ``index`` (on the CPU), in its order.

        ``augment``: the draws for changes of images, for training alone; None leaves them as they are.
        Where the model masks padding, columns that are padding in the whole batch are cut off:
        the same function, less work.
        """
        inputs = self.inputs
        if self.pack:
            return packed(inputs, index, self._lengths_of(index)), self.labels[sent(index, inputs.device)]
        if self.trim and self.lengths is not None:
            inputs = inputs[:, : int(self.lengths[index].max())]
        where = sent(index, self.inputs.device)
        chosen = inputs.index_select(0, where)  # several times as fast as inputs[where] on a CPU
        if self.pixels is not None:
            chosen = self.pixels(chosen, augment)
        labels = self.labels.index_select(0, where)
        return chosen, labels[:, : chosen.shape[1]] if self.per_token else labels

    def _lengths_of(self, index: Tensor) -> Tensor:
        return torch.full_like(index, self.inputs.shape[1]) if self.lengths is None else self.lengths[index]

    def stacked_batch(self, index: Tensor, crops: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """A batch for each replica: inputs (R, B, ...) and labels (R, B) or (R, B, C).

        ``index``: (R, B) int64 on the device. ``crops``: (3, R, B) int64 there, top, left and flip of each
        image where the split's images are changed; None leaves them as they are. Nothing waits for the
        device, and texts keep their padding.
        """
        chosen = self.inputs[index]
        if self.pixels is not None:
            if crops is not None:
                top, left, flip = crops.flatten(1)
                moved = cropped(chosen.flatten(0, 1), top, left, flip.bool(), PADDING)
                chosen = moved.view(chosen.shape)
            chosen = self.pixels.values(chosen)
        return chosen, self.labels[index]


@dataclass(frozen=True)
class TrainingData:
    """Everything a job needs of its data set."""

    task: str
    classes: tuple[str, ...]
    shape: Shape
    splits: dict[str, Split]
    metrics: tuple[str, ...] = ()
    test_parts: Mapping[str, int] = field(default_factory=dict)
    tokenizer: str | None = None
    max_answer: int = 0


def training_data(
    inputs: Inputs, *, trim: bool, device: torch.device, padding: str = "longest"
) -> TrainingData:
    """Move encoded inputs to the device.

    ``trim``: whether the model masks padding, so that batches may be cut to their longest text.
    ``padding``: as in ``archs.Training``.
    """
    splits = {}
    pixels = Pixels(
        inputs.image_scale,
        _by_channel(inputs.image_mean, device),
        _by_channel(inputs.image_std, device),
        inputs.augment,
    )
    for name, arrays in inputs.splits.items():
        raw = torch.from_numpy(np.ascontiguousarray(arrays.inputs))
        images = inputs.kind == "image"
        tensor = raw if images else raw.to(torch.int64)
        labels = labels_tensor(inputs.task, torch.from_numpy(np.ascontiguousarray(arrays.labels)))
        lengths = None if arrays.lengths is None else torch.from_numpy(arrays.lengths.astype(np.int64))
        splits[name] = Split(
            tensor.to(device),
            labels.to(device),
            lengths,
            trim,
            pixels if images else None,
            per_token=inputs.task in ("tokens", "text"),
            further=arrays.further,
            truth=arrays.truth,
            pack=padding == "none",
        )
    first = next(iter(splits.values())).inputs
    shape = Shape(
        classes=outputs_of(inputs.task, len(inputs.classes)),
        image=(first.shape[1], first.shape[2], first.shape[3]) if inputs.kind == "image" else None,
        vectors=None if inputs.vectors is None else torch.from_numpy(np.array(inputs.vectors)),
        vocabulary=inputs.vocabulary_size or 0,
        length=first.shape[1] if inputs.kind != "image" else 0,
        pad=inputs.pad or 0,
        separator=inputs.sep if inputs.parts > 1 else None,
        per_token=inputs.task in ("tokens", "span"),
        writes=inputs.task == "text",
    )
    return TrainingData(
        inputs.task,
        tuple(inputs.classes),
        shape,
        splits,
        inputs.metrics,
        dict(inputs.test_parts),
        inputs.tokenizer,
        inputs.max_answer,
    )


def shuffled(n: int, batch_size: int, seed: int, *where: int | str) -> Iterator[Tensor]:
    """Batches of example numbers in the order of the seed's stream ``order`` at ``where``."""
    return iter(order_of(n, seed, *where).split(batch_size))


def by_length(lengths: Tensor, batch_size: int, seed: int, *where: int | str) -> Iterator[Tensor]:
    """Batches of texts of like length, every text once, in an order drawn from the same stream.

    The shuffled texts are cut into pools of ``POOL`` batches, each sorted by length and cut into batches, and all
    batches are shuffled. The one that is not full, if there is one, may come anywhere.

    Args:
        lengths: (n,) int64 on the CPU.
    """
    draws = torch.Generator().manual_seed(stream(seed, "order", *where))
    batches: list[Tensor] = []
    for pool in torch.randperm(len(lengths), generator=draws).split(batch_size * POOL):
        batches += pool[torch.argsort(lengths[pool], stable=True)].split(batch_size)
    return (batches[number] for number in torch.randperm(len(batches), generator=draws).tolist())


def epoch_batches(split: Split, training: Training, seed: int, phase: str, epoch: int) -> Iterator[Tensor]:
    """The example numbers (B,) of an epoch's batches, on the CPU, by the settings' order and batch size."""
    if training.order == "by-length" and split.lengths is not None:
        return by_length(split.lengths, training.batch_size, seed, phase, epoch)
    return shuffled(len(split), training.batch_size, seed, phase, epoch)


def order_of(n: int, seed: int, *where: int | str) -> Tensor:
    """(n,) int64 on the CPU: the examples in the order of the seed's stream ``order`` at ``where``."""
    return torch.randperm(n, generator=torch.Generator().manual_seed(stream(seed, "order", *where)))


def augmenting(seed: int, *where: int | str) -> torch.Generator:
    """The draws for changes of images, of the seed's stream ``augment`` at ``where``."""
    return torch.Generator().manual_seed(stream(seed, "augment", *where))


def _by_channel(values: tuple[float, ...] | None, device: torch.device) -> Tensor | None:
    return None if values is None else torch.tensor(values, dtype=torch.float32, device=device).view(-1, 1, 1)


def in_order(n: int, batch_size: int) -> Iterator[Tensor]:
    return iter(torch.arange(n).split(batch_size))
