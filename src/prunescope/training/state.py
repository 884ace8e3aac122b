"""A model in training: its weights, optimizer, masks, hooks and progress."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from dataclasses import dataclass, field
from functools import cache
from typing import Any, Protocol, TypeAlias

import torch
from torch import Tensor, nn

from prunescope.config.architectures import Training
from prunescope.models.packed import PackedTexts
from prunescope.pruning.mask import Masks, apply_masks
from prunescope.training.batches import TrainingData
from prunescope.training.task import Loss, loss_for

#: What is saved of something: tensors by name, and values that JSON can hold.
Snapshot: TypeAlias = tuple[dict[str, Tensor], dict[str, Any]]


class DivergedError(ArithmeticError):
    """The loss or the outputs of a model are no longer finite."""


@dataclass
class Epoch:
    """One line of a model's training curve; losses are means over examples."""

    phase: str
    epoch: int
    loss: float
    validation_loss: float | None


@dataclass(frozen=True)
class PruningPoint:
    """Consecutive steps of gradual pruning.

    Attributes:
        step: the last of them, counted from 1.
        sparsity: share of the prunable weights that are pruned after it.
        loss: the task's mean loss over the examples of these steps, each before the pruning of its step.
    """

    step: int
    sparsity: float
    loss: float


@dataclass(frozen=True)
class Phase:
    """Some epochs of training, which a recipe asks for.

    Attributes:
        name: names the random streams (``train``, ``round-1``, ...): the same phase of the same seed sees the same
            batches in the same order.
        lr_factor: on the settings' learning rate.
        after_epoch: called with the number (1-based) of each finished epoch.
    """

    name: str
    epochs: int
    lr_factor: float = 1.0
    after_epoch: Callable[[int], None] | None = None


class StepHook:
    """What prunes or teaches a model in every training step. The loop calls these in order; the defaults do nothing."""

    @property
    def final(self) -> bool:
        """Whether the model has its final sparsity, so that its weights may be the ones kept."""
        return True

    def before_forward(self) -> None:
        """Before the forward pass."""

    def further_loss(
        self, index: Tensor, inputs: Tensor | PackedTexts, logits: Tensor, labels: Tensor
    ) -> Tensor | None:
        """A scalar to add to the task's loss of this batch, or None. ``index``: the numbers of its examples."""
        return None

    def after_backward(self, loss: Tensor, examples: int) -> None:
        """The gradients are set. ``loss``: the task's mean loss over the batch's ``examples``, a detached scalar."""

    def before_step(self, lr: float) -> None:
        """The gradients are final and clipped. The optimizer steps next, at this learning rate."""

    def after_step(self) -> None:
        """After the optimizer's step.

        Raises:
            DivergedError: what the hook computes is no longer finite.
        """

    def evaluating(self) -> AbstractContextManager[None]:
        """Entered while the model is evaluated between steps."""
        return nullcontext()

    def capture(self) -> dict[str, Tensor]:
        """All that the rest of training depends on, by name, sharing memory."""
        return {}

    def restore(self, tensors: Mapping[str, Tensor]) -> None:
        """Continue from what ``capture`` gave for another hook of the same kind, at the same step of training."""


class Course(Protocol):
    """A phase under way, of one model or of several in lock step."""

    def capture(self) -> Snapshot:
        """What continuing from here needs besides the training states; called between two steps."""

    def restore(self, tensors: Mapping[str, Tensor], facts: Mapping[str, Any]) -> None:
        """Begin where ``capture`` was called, with the training states of that time."""


class Watch:
    """Is notified of training's progress. This one does nothing; ``resume`` saves it."""

    def enter(self, course: Course) -> None:
        """A phase begins: at its start, or where ``course`` is restored to."""

    def steps(self) -> AbstractContextManager[None]:
        """Around the steps of an epoch; between epochs models are only evaluated."""
        return nullcontext()

    def step(self) -> None:
        """A step is done."""

    def leave(self) -> None:
        """The epochs of the phase are done."""


#: Is called after every epoch, with the number of epochs of all phases so far.
Noted = Callable[[int, Epoch], None]


def _unnoted(step: int, epoch: Epoch) -> None:
    """Nobody tracks the curve."""


@dataclass
class TrainingState:
    """A model with all that its training has reached.

    Attributes:
        masks: None before anything is pruned. Of prunable weights; where whole filters are pruned also of the
            normalization, the biases and the classifier's weights that go with them.
        pruning_curve: the loss while the model is pruned gradually.
        skipping: whether a resumed job is still at what was done before; recipes then leave the model alone.
        parts: the number of micro-batches per batch; above 1 only where GPU memory is short (``memory``).
    """

    model: nn.Module
    data: TrainingData
    settings: Training
    seed: int
    optimizer: torch.optim.Optimizer = field(init=False)
    masks: Masks | None = None
    hooks: list[StepHook] = field(default_factory=list)
    curve: list[Epoch] = field(default_factory=list)
    pruning_curve: list[PruningPoint] = field(default_factory=list)
    examples_seen: int = 0
    seconds: float = 0.0
    watch: Watch = field(default_factory=Watch)
    noted: Noted = _unnoted
    skipping: bool = False
    parts: int = 1

    def __post_init__(self) -> None:
        self.restart_optimizer()

    @property
    def loss(self) -> Loss:
        return loss_for(self.data.task)

    @property
    def steps_per_epoch(self) -> int:
        return -(-len(self.data.splits["train"]) // self.settings.batch_size)

    def set_masks(self, masks: Masks) -> None:
        """Prune: from now on these weights are exactly zero, before and after every step."""
        self.masks = masks
        apply_masks(dict(self.model.named_parameters()), masks)

    @contextmanager
    def evaluating(self) -> Iterator[None]:
        """While this lasts, between steps, the model has the weights that it predicts with."""
        with ExitStack() as stack:
            for hook in self.hooks:
                stack.enter_context(hook.evaluating())
            yield

    def restart_optimizer(self) -> None:
        """A fresh optimizer: no momentum, no moments, step 0."""
        self.optimizer = make_optimizer(self.model, self.settings)


def copied_state(model: nn.Module) -> dict[str, Tensor]:
    """The state dict as copies: a state dict's own tensors are the live weights."""
    return {name: value.detach().clone() for name, value in model.state_dict().items()}


def make_optimizer(model: nn.Module, settings: Training) -> torch.optim.Optimizer:
    """The settings' optimizer over all parameters, in torch's fused form: one kernel a step."""
    common: dict[str, Any] = {"lr": settings.lr, "weight_decay": settings.weight_decay, "fused": True}
    if settings.optimizer == "sgd":
        return without_compiler(torch.optim.SGD)(model.parameters(), momentum=settings.momentum, **common)
    kind = torch.optim.Adam if settings.optimizer == "adam" else torch.optim.AdamW
    return without_compiler(kind)(model.parameters(), **common)


@cache
def without_compiler(kind: type[torch.optim.Optimizer]) -> Callable[..., torch.optim.Optimizer]:
    """The same optimizer without its decorators, which import torch's compiler to keep it out: 2 s of every job."""
    wrapped = ("add_param_group", "zero_grad", "state_dict", "load_state_dict")
    plain = {name: inspect.unwrap(getattr(kind, name)) for name in wrapped}
    return type(kind.__name__, (kind,), {**plain, "step": torch.no_grad()(inspect.unwrap(kind.step))})
