"""Going on where a GPU's memory is too short for a batch: in halves, whose sum is the same."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeVar

import torch
from torch import Tensor
from torch.nn.modules.batchnorm import _BatchNorm

from prunescope.errors import UserError
from prunescope.models.packed import PackedTexts
from prunescope.training.task import judged

if TYPE_CHECKING:
    from prunescope.training.loop import Trainee

T = TypeVar("T")

#: Numbers of examples, what a network takes in, and labels -> the task's mean loss, and what is minimized: scalars.
Losses = Callable[[Tensor, Any, Tensor], tuple[Tensor, Tensor]]

#: What ``Split.batch`` gives.
Batch = tuple[Tensor | PackedTexts, Tensor]


def backward(trainee: Trainee, index: Tensor, batch: Batch, losses: Losses) -> Tensor:
    """Gradients of what is minimized over a batch, set, not added to; in ``trainee.parts`` parts.

    Where memory is too short, the batch is done again in twice as many parts, and later ones likewise. Parts weigh
    by how many terms their mean loss has, so that the gradient is the whole batch's to rounding (dropout draws
    differ). In one part, nothing differs from calling ``backward`` on the loss.

    Args:
        index: numbers of the examples of ``batch``.

    Returns: the task's mean loss over the batch, detached.

    Raises:
        UserError: not even one example fits, or parts are too few for a network with batch normalization.
    """
    while True:
        trainee.optimizer.zero_grad(set_to_none=True)
        loss = attempted(lambda: _in_parts(trainee, index, batch, losses))
        if loss is not None:
            return loss
        _halve(trainee, len(index))


def _in_parts(trainee: Trainee, index: Tensor, batch: Batch, losses: Losses) -> Tensor:
    inputs, labels = batch
    if trainee.parts == 1:
        loss, minimized = losses(index, inputs, labels)
        minimized.backward()
        return loss.detach()
    task = trainee.data.task
    numbers = index.chunk(trainee.parts)
    if isinstance(inputs, PackedTexts):
        split = trainee.data.splits["train"]
        parts = [split.batch(part) for part in numbers]
    else:
        parts = list(zip(inputs.chunk(trainee.parts), labels.chunk(trainee.parts), strict=True))
    whole = judged(task, labels)
    total = torch.zeros((), device=labels.device)
    for part, (some, theirs) in zip(numbers, parts, strict=True):
        terms = judged(task, theirs)
        if terms:
            loss, minimized = losses(part, some, theirs)
            (minimized * (terms / whole)).backward()
            total += loss.detach() * (terms / whole)
    return total


def _halve(trainee: Trainee, size: int) -> None:
    batch = trainee.settings.batch_size
    if any(isinstance(module, _BatchNorm) and module.training for module in trainee.model.modules()):
        raise UserError(
            f"out of GPU memory with batches of {batch}, which batch normalization looks at as a whole; lower the "
            "arch's `batch_size`, or give the job more memory"
        )
    if trainee.parts >= size:
        raise UserError(
            "out of GPU memory with one example at a time; use shorter texts, or a GPU with more memory"
        )
    trainee.parts *= 2
    print(
        f"seed {trainee.seed}: batches of {batch} do not fit into the GPU's memory: in {trainee.parts} parts from now "
        "on, whose gradients are summed",
        file=sys.stderr,
        flush=True,
    )


def in_batches(examples: Tensor, size: int, outputs_of: Callable[[Tensor], T]) -> Iterator[tuple[Tensor, T]]:
    """Numbers of examples, at most ``size`` at a time and fewer if memory is short, with what is made of them.

    Raises:
        UserError: not even one example fits.
    """
    start = 0
    while start < len(examples):
        index = examples[start : start + size]
        found = attempted(lambda index=index: outputs_of(index))  # type: ignore[misc]
        if found is not None:
            yield index, found
            start += len(index)
            continue
        if len(index) == 1:
            raise UserError("out of GPU memory with one example at a time; use a GPU with more memory")
        size = -(-len(index) // 2)
        print(
            f"batches do not fit into the GPU's memory: {size} examples at once", file=sys.stderr, flush=True
        )


def attempted(action: Callable[[], T]) -> T | None:
    """What ``action`` gives; None where there was not enough GPU memory for it."""
    try:
        return action()
    except torch.OutOfMemoryError:
        pass
    # Here rather than where the error is: its traceback holds on to the memory.
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
    return None


@contextmanager
def memory_told() -> Iterator[None]:
    """One line where memory is too short for what cannot be done in parts.

    Raises:
        UserError: instead of torch's error.
    """
    try:
        yield
    except torch.OutOfMemoryError as error:
        reason = str(error).split(". ")[0]
        raise UserError(f"{reason}; give the job a GPU with more memory, or fewer jobs beside it") from None
