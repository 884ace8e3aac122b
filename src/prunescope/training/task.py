"""What a task means for training: its loss and the form of its labels."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

Loss = Callable[[Tensor, Tensor], Tensor]


def loss_for(task: str) -> Loss:
    """The mean loss over a batch: logits (B, C) and labels -> scalar.

    Labels are (B,) int64 class numbers for one label, (B, C) 0/1 for several, (B,) numbers for regression,
    whose loss is the squared error of (B, 1). Tokens and text: (B, L) class numbers for logits (B, L, C), the
    mean over positions whose label is not -100. Span: (B, 2) positions for logits (B, L, 2), the mean of both
    cross-entropies (Devlin et al. 2019, section 4.2).
    """
    if task == "single-label":
        return nn.functional.cross_entropy
    if task == "multi-label":
        return _binary_cross_entropy
    if task == "regression":
        return _squared_error
    if task in ("tokens", "text"):
        return _of_positions
    if task == "span":
        return _of_span
    raise ValueError(f"no loss for task {task!r}")


def replica_losses_for(task: str) -> Loss:
    """The same mean loss for each of R replicas: logits (R, B, C) and labels (R, B) or (R, B, C) -> (R,)."""
    if task not in ("single-label", "multi-label", "regression"):
        raise ValueError(f"no loss for task {task!r}")

    def losses(logits: Tensor, labels: Tensor) -> Tensor:
        replicas, batch, classes = logits.shape
        if task == "regression":
            return ((logits.squeeze(-1) - labels) ** 2).mean(dim=1)
        if task == "multi-label":
            values = nn.functional.binary_cross_entropy_with_logits(
                logits, labels.to(logits.dtype), reduction="none"
            )
            return values.mean(dim=(1, 2))
        flat = nn.functional.cross_entropy(logits.reshape(-1, classes), labels.reshape(-1), reduction="none")
        return flat.view(replicas, batch).mean(dim=1)

    return losses


def _binary_cross_entropy(logits: Tensor, labels: Tensor) -> Tensor:
    return nn.functional.binary_cross_entropy_with_logits(logits, labels.to(logits.dtype))


def _squared_error(logits: Tensor, labels: Tensor) -> Tensor:
    return nn.functional.mse_loss(logits.squeeze(-1), labels.to(logits.dtype))


def _of_positions(logits: Tensor, labels: Tensor) -> Tensor:
    return nn.functional.cross_entropy(logits.flatten(0, 1), labels.flatten())


def _of_span(logits: Tensor, labels: Tensor) -> Tensor:
    start, end = (nn.functional.cross_entropy(logits[..., column], labels[:, column]) for column in (0, 1))
    return (start + end) / 2


def loss_terms(task: str, labels: Tensor) -> int:
    """The number of terms in a batch's mean loss: examples, or, of tokens and text, the positions with a label."""
    return int((labels != -100).sum()) if task in ("tokens", "text") else len(labels)


def outputs_of(task: str, classes: int) -> int:
    """The number of outputs per example or token: one per class, one number, or a start and an end."""
    return {"regression": 1, "span": 2}.get(task, classes)


def labels_tensor(task: str, labels: Tensor) -> Tensor:
    """Labels in the type that the task's loss takes."""
    return labels.to(torch.float32 if task in ("multi-label", "regression") else torch.int64)
