"""What pruned networks are trained for beside the task: to answer as another network does."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from prunescope.errors import UserError
from prunescope.models.packed import PackedTexts
from prunescope.models.precision import outputs
from prunescope.training.hooks import StepHook
from prunescope.training.loop import Trainee, mean_loss
from prunescope.training.scoring import score_on
from prunescope.training.watch import State


def divergence(task: str, logits: Tensor, reference: Tensor, labels: Tensor) -> Tensor:
    """How far a network's answers are from those of ``reference``, in the mean over what its loss is a mean of.

    KL(reference || network) of the classes; of yes and no for several labels; of starts and of ends, their mean;
    of regression the squared error (PINS paper, Eq. 13). Shapes as in ``task.loss_for``.
    """
    if task == "regression":
        return nn.functional.mse_loss(logits, reference)
    if task == "multi-label":
        p = torch.sigmoid(reference)
        yes = p * (nn.functional.logsigmoid(reference) - nn.functional.logsigmoid(logits))
        no = (1 - p) * (nn.functional.logsigmoid(-reference) - nn.functional.logsigmoid(-logits))
        return (yes + no).mean()
    if task == "span":
        parts = (_kl(logits[..., column], reference[..., column]) for column in (0, 1))
        start, end = (part.mean() for part in parts)
        return (start + end) / 2
    values = _kl(logits, reference)
    if task in ("tokens", "text"):
        judged = labels != -100
        return values[judged].mean() if bool(judged.any()) else values.sum() * 0.0
    return values.mean()


def _kl(logits: Tensor, reference: Tensor) -> Tensor:
    """KL(softmax(reference) || softmax(logits)) over the last dimension."""
    target = torch.log_softmax(reference, dim=-1)
    return (target.exp() * (target - torch.log_softmax(logits, dim=-1))).sum(dim=-1)


class Taught(StepHook):
    """Adds the divergence from a teacher, which does not change, to the loss: distillation."""

    def __init__(self, trainee: Trainee, teacher: nn.Module) -> None:
        self.trainee, self.teacher = trainee, teacher.eval().requires_grad_(False)

    def further_loss(self, inputs: Tensor | PackedTexts, logits: Tensor, labels: Tensor) -> Tensor | None:
        with torch.no_grad():
            reference = outputs(self.teacher, inputs, self.trainee.settings.precision)
        return divergence(self.trainee.data.task, logits, reference, labels)

    def capture(self) -> State:
        return dict(self.teacher.state_dict()), {}

    def restore(self, tensors: Mapping[str, Tensor], facts: Mapping[str, Any]) -> None:
        self.teacher.load_state_dict(dict(tensors))


class SelfTaught(Taught):
    """The teacher is the network's own best checkpoint so far (PINS paper, Algorithm 1).

    At first it is the network as training begins; every ``interval`` steps the network, as sparse as it then is, is
    scored on the validation split, and takes the teacher's place if it is better than all before it. Text that is
    written word by word takes too long: of text, the lower validation loss is the better one.

    Raises:
        UserError: the data set has no validation split.
    """

    def __init__(self, trainee: Trainee, interval: int | None) -> None:
        if "validation" not in trainee.data.splits:
            raise UserError(
                "objective self-regularized: chooses its checkpoints on a validation split, which the data set does "
                "not have; use task or distilled"
            )
        super().__init__(trainee, copy.deepcopy(trainee.model))
        steps = -(-len(trainee.data.splits["train"]) // trainee.settings.batch_size)
        self.interval = interval or steps
        self.best = float("-inf")
        self._step = 0

    def after_step(self) -> None:
        self._step += 1
        if self._step % self.interval:
            return
        model = self.trainee.model
        was_training = model.training
        with self.trainee.evaluating():
            score = self._score()
            if score > self.best:
                self.best = score
                self.teacher.load_state_dict(model.state_dict())
        model.train(was_training)

    def capture(self) -> State:
        return super().capture()[0], {"best": self.best, "step": self._step}

    def restore(self, tensors: Mapping[str, Tensor], facts: Mapping[str, Any]) -> None:
        super().restore(tensors, facts)
        self.best, self._step = facts["best"], facts["step"]

    def _score(self) -> float:
        if self.trainee.data.task == "text":
            return -mean_loss(self.trainee, "validation")
        return score_on(self.trainee, "validation")


def unpruned_teacher(trainee: Trainee, make: Callable[[Trainee], None]) -> nn.Module:
    """The unpruned network of a trainee at initialization; ``make`` trains or restores a copy of the trainee."""
    dense = Trainee(copy.deepcopy(trainee.model), trainee.data, trainee.settings, trainee.seed)
    make(dense)
    return dense.model
