"""Training and evaluation where a GPU's memory is too short for a batch: in parts that add up to the same."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

import torch
from torch import Tensor
from torch.nn.modules.batchnorm import _BatchNorm

from prunescope.errors import UserError
from prunescope.models.packed import PackedTexts
from prunescope.training.state import TrainingState
from prunescope.training.task import loss_terms

T = TypeVar("T")

#: Numbers of examples, model inputs and labels -> the task's mean loss, and the loss to minimize: scalars.
Losses = Callable[[Tensor, Any, Tensor], tuple[Tensor, Tensor]]

#: What ``Split.batch`` gives.
Batch = tuple[Tensor | PackedTexts, Tensor]


def backward(state: TrainingState, index: Tensor, batch: Batch, losses: Losses) -> Tensor:
    """Set the gradients of the minimized loss over a batch, in ``state.parts`` parts.

    Where memory is too short, this batch and all later ones are split into twice as many parts. Each part has the
    weight of the number of terms in its mean loss, so that the gradient equals the whole batch's up to rounding
    (dropout draws differ). With one part, this is ``backward`` on the loss.

    Args:
        index: numbers of the examples of ``batch``.

    Returns: the task's mean loss over the batch, detached.

    Raises:
        UserError: not even one example fits, or the batch does not fit and the model has batch normalization.
    """
    while True:
        state.optimizer.zero_grad(set_to_none=True)
        loss = attempted(lambda: _in_parts(state, index, batch, losses))
        if loss is not None:
            return loss
        _halve(state, len(index))


def _in_parts(state: TrainingState, index: Tensor, batch: Batch, losses: Losses) -> Tensor:
    inputs, labels = batch
    if state.parts == 1:
        loss, minimized = losses(index, inputs, labels)
        minimized.backward()
        return loss.detach()
    task = state.data.task
    numbers = index.chunk(state.parts)
    if isinstance(inputs, PackedTexts):
        split = state.data.splits["train"]
        parts = [split.batch(part) for part in numbers]
    else:
        parts = list(zip(inputs.chunk(state.parts), labels.chunk(state.parts), strict=True))
    whole = loss_terms(task, labels)
    total = torch.zeros((), device=labels.device)
    for part, (some, theirs) in zip(numbers, parts, strict=True):
        terms = loss_terms(task, theirs)
        if terms:
            loss, minimized = losses(part, some, theirs)
            (minimized * (terms / whole)).backward()
            total += loss.detach() * (terms / whole)
    return total


def _halve(state: TrainingState, size: int) -> None:
    batch = state.settings.batch_size
    if any(isinstance(module, _BatchNorm) and module.training for module in state.model.modules()):
        raise UserError(
            f"out of GPU memory with batches of {batch}, which batch normalization looks at as a whole; lower the "
            "arch's `batch_size`, or give the job more memory"
        )
    if state.parts >= size:
        raise UserError(
            "out of GPU memory with one example at a time; use shorter texts, or a GPU with more memory"
        )
    state.parts *= 2
    print(
        f"seed {state.seed}: batches of {batch} do not fit into the GPU's memory: in {state.parts} parts from now "
        "on, whose gradients are summed",
        file=sys.stderr,
        flush=True,
    )


def in_batches(examples: Tensor, size: int, outputs_of: Callable[[Tensor], T]) -> Iterator[tuple[Tensor, T]]:
    """Apply ``outputs_of`` to at most ``size`` examples at a time, fewer if memory is short. Yields their numbers and
    the result.

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
    """The result of ``action``; None where there was not enough GPU memory for it."""
    try:
        return action()
    except torch.OutOfMemoryError:
        pass
    # Here rather than where the error is: its traceback holds on to the memory.
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
    return None


@contextmanager
def reported_memory() -> Iterator[None]:
    """Turn a lack of memory, where work cannot be split into parts, into an error of one line.

    Raises:
        UserError: instead of torch's error.
    """
    try:
        yield
    except torch.OutOfMemoryError as error:
        reason = str(error).split(". ")[0]
        raise UserError(f"{reason}; give the job a GPU with more memory, or fewer jobs beside it") from None
