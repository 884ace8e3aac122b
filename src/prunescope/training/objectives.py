"""What pruned models are trained for beside the task: to predict as a teacher does."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping

import torch
from torch import Tensor, nn

from prunescope.errors import UserError
from prunescope.models.packed import PackedTexts
from prunescope.models.precision import outputs
from prunescope.predictions.arrays import LOGIT_TASKS
from prunescope.training.predict import mean_loss, score_on
from prunescope.training.state import StepHook, TrainingState


def divergence(task: str, logits: Tensor, reference: Tensor, labels: Tensor) -> Tensor:
    """The divergence of a model's outputs from those of ``reference``, averaged over the terms of the task's loss.

    KL(reference || model) over the classes; over yes and no for several labels; over starts and ends, their mean;
    for regression the squared error (PINS paper, Eq. 13). Shapes as in ``task.loss_for``.
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
        labelled = labels != -100
        return values[labelled].mean() if bool(labelled.any()) else values.sum() * 0.0
    return values.mean()


def _kl(logits: Tensor, reference: Tensor) -> Tensor:
    """KL(softmax(reference) || softmax(logits)) over the last dimension."""
    target = torch.log_softmax(reference, dim=-1)
    return (target.exp() * (target - torch.log_softmax(logits, dim=-1))).sum(dim=-1)


class Taught(StepHook):
    """Adds the divergence from a teacher, which does not change, to the loss: distillation.

    The teacher's logits of an example are cached where there are few of them and the example never changes.
    """

    def __init__(self, state: TrainingState, teacher: nn.Module) -> None:
        self.state, self.teacher = state, teacher.eval().requires_grad_(False)
        split = state.data.splits["train"]
        self._changing = split.pixels is not None and split.pixels.augment != "none"
        #: (n, C) logits of the teacher, None where nothing is cached; and (n,) whether they are there.
        self._said: Tensor | None = None
        self._known = torch.zeros(len(split), dtype=torch.bool)

    def further_loss(
        self, index: Tensor, inputs: Tensor | PackedTexts, logits: Tensor, labels: Tensor
    ) -> Tensor | None:
        return divergence(self.state.data.task, logits, self._reference(index, inputs), labels)

    def _reference(self, index: Tensor, inputs: Tensor | PackedTexts) -> Tensor:
        """The teacher's logits of these examples."""
        if self._said is not None and bool(self._known[index].all()):
            return self._said[index.to(self._said.device)]
        with torch.no_grad():
            said = outputs(self.teacher, inputs, self.state.settings.precision)
        if self.state.data.task in LOGIT_TASKS and not self._changing:
            if self._said is None:
                self._said = said.new_zeros(len(self._known), said.shape[1])
            self._said[index.to(said.device)] = said
            self._known[index] = True
        return said

    def capture(self) -> dict[str, Tensor]:
        teacher = {f"teacher/{name}": value for name, value in self.teacher.state_dict().items()}
        return {"known": self._known} | teacher | ({} if self._said is None else {"said": self._said})

    def restore(self, tensors: Mapping[str, Tensor]) -> None:
        prefix = "teacher/"
        self.teacher.load_state_dict(
            {name.removeprefix(prefix): v for name, v in tensors.items() if name.startswith(prefix)}
        )
        self._known = tensors["known"].cpu().clone()
        said = tensors.get("said")
        device = next(self.teacher.parameters()).device
        self._said = None if said is None else said.to(device).clone()


class SelfTaught(Taught):
    """The teacher is the model's own best checkpoint so far (PINS paper, Algorithm 1).

    At first it is the model as given. Every ``interval`` steps the model, as sparse as it then is, is scored on the
    validation split, and becomes the teacher if its score is the best so far. For text the score is the negative
    validation loss: generating texts takes too long.

    Args:
        at_start: score the model as given too, as Algorithm 1 does at t = 0. False where it is still to be pruned in
            one shot: the first pruned model that is scored then becomes the teacher.

    Raises:
        UserError: the data set has no validation split.
        DivergedError: the outputs of the model as given are not finite.
    """

    def __init__(self, state: TrainingState, interval: int | None, *, at_start: bool) -> None:
        if "validation" not in state.data.splits:
            raise UserError(
                "objective self-regularized: chooses its checkpoints on a validation split, which the data set does "
                "not have; use task or distilled"
            )
        super().__init__(state, copy.deepcopy(state.model))
        self.interval = interval or state.steps_per_epoch
        self.best = float("-inf")
        self._step = 0
        if at_start and not state.skipping:
            self._consider()

    def after_step(self) -> None:
        self._step += 1
        if self._step % self.interval == 0:
            self._consider()

    def _consider(self) -> None:
        """Make the model the teacher if it is the best so far."""
        model = self.state.model
        was_training = model.training
        with self.state.evaluating():
            score = self._score()
            if score > self.best:
                self.best = score
                self.teacher.load_state_dict(model.state_dict())
                self._known.zero_()
        model.train(was_training)

    def capture(self) -> dict[str, Tensor]:
        counts = {
            "step": torch.tensor(self._step),
            "best": torch.tensor(self.best, dtype=torch.float64),
        }
        return super().capture() | counts

    def restore(self, tensors: Mapping[str, Tensor]) -> None:
        super().restore(tensors)
        self._step, self.best = int(tensors["step"]), float(tensors["best"])

    def _score(self) -> float:
        if self.state.data.task == "text":
            return -mean_loss(self.state, "validation")
        return score_on(self.state, "validation")


def dense_teacher(state: TrainingState, make: Callable[[TrainingState], None]) -> nn.Module:
    """The dense model of a state at initialization; ``make`` trains or restores a copy of the state."""
    dense = TrainingState(copy.deepcopy(state.model), state.data, state.settings, state.seed)
    make(dense)
    return dense.model
