"""What pruned models are trained for beside the task: to predict as a teacher does."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Mapping

import torch
from torch import Tensor, nn

from prunescope.config.pruners import Teaching
from prunescope.errors import UserError
from prunescope.models.packed import PackedTexts
from prunescope.models.precision import outputs
from prunescope.predictions.arrays import LOGIT_TASKS
from prunescope.training.predict import mean_loss, score_on
from prunescope.training.state import StepHook, TrainingState, copied_state


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


def mixture(
    task: str, weight: str, temperature: float, logits: Tensor, reference: Tensor, labels: Tensor
) -> Tensor:
    """What makes of the task's loss the mean over its terms of w KD + (1 - w) loss; to be added to it.

    KD is T^2 KL(reference || model) of answers at temperature T; w = 1 - H / log(classes), H the entropy of the model's
    (``own-entropy``) or the reference's (``teacher-entropy``) answer at temperature 1, without a gradient. As in
    run_glue.py of the PINS paper's authors, whose weight is by the model's own answer. Shapes as in ``task.loss_for``.
    """
    rows, classes = _choices(task, logits, labels)
    teachers, _ = _choices(task, reference, labels)
    known = (rows if weight == "own-entropy" else teachers).detach().log_softmax(dim=-1)
    w = 1 + (known.exp() * known).sum(dim=-1) / math.log(rows.shape[-1])
    kd = temperature**2 * _kl(rows / temperature, teachers / temperature)
    loss = nn.functional.cross_entropy(rows, classes, reduction="none")
    return (w * (kd - loss)).sum() / max(len(rows), 1)


def _choices(task: str, logits: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
    """The terms of a task's loss as choices: (terms, classes) logits and (terms,) labels."""
    if task == "multi-label":
        return torch.stack((torch.zeros_like(logits), logits), dim=-1).flatten(0, 1), labels.long().flatten()
    if task == "span":
        return logits.movedim(-1, 0).flatten(0, 1), labels.T.flatten()
    if task in ("tokens", "text"):
        labelled = labels != -100
        return logits[labelled], labels[labelled]
    return logits, labels


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

    At first it is the model as given, or ``first``. Every ``interval`` steps the model, as sparse as it then is, is
    scored on the validation split, and becomes the teacher if its score is the best so far. For text the score is the
    negative validation loss: generating texts takes too long.

    Args:
        at_start: score the model as given too, as Algorithm 1 does at t = 0. False where it is still to be pruned in
            one shot: the first pruned model that is scored then becomes the teacher. Another ``first`` is not scored.

    Raises:
        UserError: the data set has no validation split.
        DivergedError: the outputs of the model as given are not finite.
    """

    def __init__(
        self,
        state: TrainingState,
        interval: int | None,
        *,
        at_start: bool,
        teaching: Teaching = Teaching(),  # noqa: B008
        first: nn.Module | None = None,
    ) -> None:
        if "validation" not in state.data.splits:
            raise UserError(
                "objective self-regularized: chooses its checkpoints on a validation split, which the data set does "
                "not have; use task or distilled"
            )
        super().__init__(state, first or copy.deepcopy(state.model))
        self.interval = interval or state.steps_per_epoch
        self.teaching = teaching
        self.best = self.best_final = float("-inf")
        #: The weights of the best evaluation at the final sparsity, where these are kept.
        self.kept: dict[str, Tensor] = {}
        self._step = 0
        if at_start and first is None and not state.skipping:
            self._consider()

    def further_loss(
        self, index: Tensor, inputs: Tensor | PackedTexts, logits: Tensor, labels: Tensor
    ) -> Tensor | None:
        task, how = self.state.data.task, self.teaching
        if how.weight == "added":
            return super().further_loss(index, inputs, logits, labels)
        if task == "regression":
            return None
        return mixture(task, how.weight, how.temperature, logits, self._reference(index, inputs), labels)

    def after_step(self) -> None:
        self._step += 1
        first = self.teaching.first_evaluation or self.interval
        if self._step >= first and (self._step - first) % self.interval == 0:
            self._consider()

    def keep(self) -> None:
        """Give the model the weights of its best evaluation at the final sparsity, if there was one to be kept."""
        if self.kept:
            self.state.model.load_state_dict(self.kept)

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
        final = self.teaching.keep == "best-score" and all(hook.final for hook in self.state.hooks)
        if final and score > self.best_final:
            self.best_final, self.kept = score, copied_state(model)
        model.train(was_training)

    def capture(self) -> dict[str, Tensor]:
        numbers = {
            "step": torch.tensor(self._step),
            "best": torch.tensor(self.best, dtype=torch.float64),
            "best_final": torch.tensor(self.best_final, dtype=torch.float64),
        }
        return super().capture() | numbers | {f"kept/{name}": value for name, value in self.kept.items()}

    def restore(self, tensors: Mapping[str, Tensor]) -> None:
        super().restore(tensors)
        self._step = int(tensors["step"])
        self.best, self.best_final = float(tensors["best"]), float(tensors["best_final"])
        prefix = "kept/"
        self.kept = {name.removeprefix(prefix): v for name, v in tensors.items() if name.startswith(prefix)}

    def _score(self) -> float:
        if self.state.data.task == "text":
            return -mean_loss(self.state, "validation")
        return score_on(self.state, "validation")


def dense_teacher(state: TrainingState, make: Callable[[TrainingState], None]) -> nn.Module:
    """The dense model of a state at initialization; ``make`` trains or restores a copy of the state."""
    dense = TrainingState(copy.deepcopy(state.model), state.data, state.settings, state.seed)
    make(dense)
    return dense.model
