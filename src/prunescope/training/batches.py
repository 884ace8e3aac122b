"""A data set's splits on the device, and batches from them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from prunescope.data.encode import Inputs
from prunescope.models.registry import Shape
from prunescope.seeds import stream
from prunescope.training.task import labels_tensor


@dataclass(frozen=True)
class Split:
    """One split, resident on the device.

    ``inputs``: (n, channels, height, width) float32 pictures, or (n, L) int64 token ids.
    ``labels``: (n,) int64 or (n, C) float32. ``lengths``: (n,) int64 tokens on the CPU, or None.
    """

    inputs: Tensor
    labels: Tensor
    lengths: Tensor | None
    trim: bool

    def __len__(self) -> int:
        return self.labels.shape[0]

    def batch(self, index: Tensor) -> tuple[Tensor, Tensor]:
        """Inputs and labels of the examples ``index`` (on the CPU), in its order.

        Where the network masks padding, columns that are padding in the whole batch are cut off:
        the same function, less work.
        """
        inputs = self.inputs
        if self.trim and self.lengths is not None:
            inputs = inputs[:, : int(self.lengths[index].max())]
        where = index.to(self.inputs.device)
        return inputs[where], self.labels[where]


@dataclass(frozen=True)
class TrainingData:
    """Everything a job needs of its data set."""

    task: str
    classes: tuple[str, ...]
    shape: Shape
    splits: dict[str, Split]


def training_data(inputs: Inputs, *, trim: bool, device: torch.device) -> TrainingData:
    """Move encoded inputs to the device.

    ``trim``: whether the network masks padding, so that batches may be cut to their longest text.
    """
    splits = {}
    for name, arrays in inputs.splits.items():
        raw = torch.from_numpy(np.ascontiguousarray(arrays.inputs))
        pictures = inputs.kind == "image"
        tensor = raw.to(torch.float32) / inputs.image_scale if pictures else raw.to(torch.int64)
        labels = labels_tensor(inputs.task, torch.from_numpy(np.ascontiguousarray(arrays.labels)))
        lengths = None if arrays.lengths is None else torch.from_numpy(arrays.lengths.astype(np.int64))
        splits[name] = Split(tensor.to(device), labels.to(device), lengths, trim)
    first = next(iter(splits.values())).inputs
    shape = Shape(
        classes=len(inputs.classes),
        image=(first.shape[1], first.shape[2], first.shape[3]) if inputs.kind == "image" else None,
        vectors=None if inputs.vectors is None else torch.from_numpy(np.array(inputs.vectors)),
        vocabulary=inputs.vocabulary_size or 0,
        length=first.shape[1] if inputs.kind != "image" else 0,
        pad=inputs.pad or 0,
        separator=inputs.sep if inputs.parts > 1 else None,
    )
    return TrainingData(inputs.task, tuple(inputs.classes), shape, splits)


def shuffled(n: int, batch_size: int, seed: int, *where: int | str) -> Iterator[Tensor]:
    """Batches of example numbers in the order of the seed's stream ``order`` at ``where``."""
    generator = torch.Generator().manual_seed(stream(seed, "order", *where))
    return iter(torch.randperm(n, generator=generator).split(batch_size))


def in_order(n: int, batch_size: int) -> Iterator[Tensor]:
    return iter(torch.arange(n).split(batch_size))
