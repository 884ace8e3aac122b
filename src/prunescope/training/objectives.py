"""What pruned networks are trained for beside the task: to answer as another network does."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping

import torch
from torch import Tensor, nn

from prunescope.errors import UserError
from prunescope.models.packed import PackedTexts
from prunescope.models.precision import outputs
from prunescope.predictions.arrays import LOGIT_TASKS
from prunescope.training.hooks import StepHook
from prunescope.training.loop import Trainee, mean_loss
from prunescope.training.scoring import score_on


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
    """Adds the divergence from a teacher, which does not change, to the loss: distillation.

    What the teacher says of an example is remembered where it is a few numbers and always the same: it is not asked
    again in later epochs.
    """

    def __init__(self, trainee: Trainee, teacher: nn.Module) -> None:
        self.trainee, self.teacher = trainee, teacher.eval().requires_grad_(False)
        split = trainee.data.splits["train"]
        self._changing = split.pixels is not None and split.pixels.augment != "none"
        #: (n, C) answers of the teacher, and (n,) whether they are there; None: not remembered, or nothing yet.
        self._said: Tensor | None = None
        self._known = torch.zeros(len(split), dtype=torch.bool)

    def further_loss(
        self, index: Tensor, inputs: Tensor | PackedTexts, logits: Tensor, labels: Tensor
    ) -> Tensor | None:
        return divergence(self.trainee.data.task, logits, self._reference(index, inputs), labels)

    def _reference(self, index: Tensor, inputs: Tensor | PackedTexts) -> Tensor:
        """The teacher's logits of these examples."""
        if self._said is not None and bool(self._known[index].all()):
            return self._said[index.to(self._said.device)]
        with torch.no_grad():
            said = outputs(self.teacher, inputs, self.trainee.settings.precision)
        if self.trainee.data.task in LOGIT_TASKS and not self._changing:
            if self._said is None:
                self._said = said.new_zeros(len(self._known), said.shape[1])
            self._said[index.to(said.device)] = said
            self._known[index] = True
        return said

    def state(self) -> dict[str, Tensor]:
        teacher = {f"teacher/{name}": value for name, value in self.teacher.state_dict().items()}
        return {"known": self._known} | teacher | ({} if self._said is None else {"said": self._said})

    def load_state(self, state: Mapping[str, Tensor]) -> None:
        prefix = "teacher/"
        self.teacher.load_state_dict(
            {name.removeprefix(prefix): v for name, v in state.items() if name.startswith(prefix)}
        )
        self._known = state["known"].cpu().clone()
        said = state.get("said")
        device = next(self.teacher.parameters()).device
        self._said = None if said is None else said.to(device).clone()


class SelfTaught(Taught):
    """The teacher is the network's own best checkpoint so far (PINS paper, Algorithm 1).

    At first it is the network as it is given. Every ``interval`` steps the network, as sparse as it then is, is
    scored on the validation split, and takes the teacher's place if it is better than all before it. Text that is
    written word by word takes too long: of text, the lower validation loss is the better one.

    Args:
        at_start: score the network as it is given too, as Algorithm 1 does at t = 0. Not where it is yet to be
            pruned all at once: its place goes to the first pruned one that is scored.

    Raises:
        UserError: the data set has no validation split.
        DivergedError: the outputs of the network as it is given are not finite.
    """

    def __init__(self, trainee: Trainee, interval: int | None, *, at_start: bool) -> None:
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
        if at_start and not trainee.skipping:
            self._judge()

    def after_step(self) -> None:
        self._step += 1
        if self._step % self.interval == 0:
            self._judge()

    def _judge(self) -> None:
        """Make the network the teacher if it is the best so far."""
        model = self.trainee.model
        was_training = model.training
        with self.trainee.evaluating():
            score = self._score()
            if score > self.best:
                self.best = score
                self.teacher.load_state_dict(model.state_dict())
                self._known.zero_()
        model.train(was_training)

    def state(self) -> dict[str, Tensor]:
        counts = {
            "step": torch.tensor(self._step),
            "best": torch.tensor(self.best, dtype=torch.float64),
        }
        return super().state() | counts

    def load_state(self, state: Mapping[str, Tensor]) -> None:
        super().load_state(state)
        self._step, self.best = int(state["step"]), float(state["best"])

    def _score(self) -> float:
        if self.trainee.data.task == "text":
            return -mean_loss(self.trainee, "validation")
        return score_on(self.trainee, "validation")


def dense_teacher(trainee: Trainee, make: Callable[[Trainee], None]) -> nn.Module:
    """The unpruned network of a trainee at initialization; ``make`` trains or restores a copy of the trainee."""
    dense = Trainee(copy.deepcopy(trainee.model), trainee.data, trainee.settings, trainee.seed)
    make(dense)
    return dense.model
