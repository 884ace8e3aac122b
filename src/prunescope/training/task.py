"""What a task means for training: its loss and the form of its labels."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

Loss = Callable[[Tensor, Tensor], Tensor]


def loss_for(task: str) -> Loss:
    """The mean loss over a batch: logits (B, C) and labels -> scalar.

    Labels are (B,) int64 class numbers for one label, (B, C) 0/1 for several, (B,) numbers for regression,
    whose loss is the squared error of (B, 1).
    """
    if task == "single-label":
        return nn.functional.cross_entropy
    if task == "multi-label":
        return _binary_cross_entropy
    if task == "regression":
        return _squared_error
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


def outputs_of(task: str, classes: int) -> int:
    """How many numbers a network gives for what it judges: one of each class, or one number."""
    return 1 if task == "regression" else classes


def labels_tensor(task: str, labels: Tensor) -> Tensor:
    """Labels in the type that the task's loss takes."""
    return labels.to(torch.int64 if task == "single-label" else torch.float32)
