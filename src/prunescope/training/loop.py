"""The training loop: epochs of one network, under masks, from any state it was left in."""

from __future__ import annotations

import copy
import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

import torch
from torch import Tensor, nn

from prunescope.config.architectures import Training
from prunescope.models.packed import PackedTexts
from prunescope.models.precision import outputs
from prunescope.pruning.mask import Masks, apply_masks, set_to_zero
from prunescope.seeds import stream
from prunescope.training.batches import TrainingData, augmenting, epoch_batches
from prunescope.training.hooks import StepHook
from prunescope.training.learning_rate import learning_rates
from prunescope.training.memory import backward, in_batches
from prunescope.training.pruning_curve import PruningPoint
from prunescope.training.task import Loss, judged, loss_for
from prunescope.training.watch import Place, Watch


class DivergedError(ArithmeticError):
    """The loss or the logits of a network are no longer finite."""


@dataclass
class Epoch:
    """One line of a model's training curve; losses are means over examples."""

    phase: str
    epoch: int
    loss: float
    validation_loss: float | None


@dataclass(frozen=True)
class Stretch:
    """A piece of training that a recipe asks for; its fields are the arguments of ``train``."""

    phase: str
    epochs: int
    lr_factor: float = 1.0
    after_epoch: Callable[[int], None] | None = None


@dataclass
class Trainee:
    """A network in training: its weights, its optimizer, its masks, its hooks, its curve so far.

    ``masks`` is None before anything is pruned. They are of prunable weights; where whole filters are pruned
    also of the normalization, the biases and the classifier's weights that go with them. ``pruning_curve``: what
    gradual pruning notes of the loss. ``skipping``: a resumed
    job passes by what it did before; until it is back where it was, recipes leave the network alone. ``parts``: in
    how many a batch is trained, more than one where a GPU's memory is short (``memory``).
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
    skipping: bool = False
    parts: int = 1

    def __post_init__(self) -> None:
        self.optimizer = make_optimizer(self.model, self.settings)

    @property
    def loss(self) -> Loss:
        return loss_for(self.data.task)

    def set_masks(self, masks: Masks) -> None:
        """Prune: from now on these weights are exactly zero, before and after every step."""
        self.masks = masks
        apply_masks(dict(self.model.named_parameters()), masks)

    @contextmanager
    def evaluating(self) -> Iterator[None]:
        """While this lasts, between steps, the network is what it answers with."""
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
        return torch.optim.SGD(model.parameters(), momentum=settings.momentum, **common)
    kind = torch.optim.Adam if settings.optimizer == "adam" else torch.optim.AdamW
    return kind(model.parameters(), **common)


def train(
    trainee: Trainee,
    phase: str,
    epochs: int,
    *,
    lr_factor: float = 1.0,
    after_epoch: Callable[[int], None] | None = None,
) -> None:
    """Train for some epochs, then leave the network in the state that the settings keep.

    Args:
        phase: names the random streams of this stretch of training (``train``, ``round-1``, ...);
            the same phase of the same seed sees the same batches in the same order.
        lr_factor: on the settings' learning rate.
        after_epoch: called with the number (1-based) of each epoch that is done.

    Raises:
        DivergedError: the mean loss of an epoch, or the validation loss after it, is not finite.
    """
    settings = trainee.settings
    weights = dict(trainee.model.named_parameters())
    steps = -(-len(trainee.data.splits["train"]) // settings.batch_size)
    keeper = Keeper(settings.keep)
    place = Place(trainee, phase, keeper)
    trainee.watch.enter(place)
    for epoch in range(place.epoch, epochs + 1):
        started = time.perf_counter()
        rates = learning_rates(settings, epoch, epochs, steps, lr_factor)
        loss = _train_epoch(trainee, weights, phase, epoch, rates, place)
        trainee.seconds += time.perf_counter() - started
        if not math.isfinite(loss):
            raise DivergedError(f"loss is {loss} in epoch {epoch} of {phase}")
        validation_loss = None
        if "validation" in trainee.data.splits:
            with trainee.evaluating():
                validation_loss = mean_loss(trainee, "validation")
            if not math.isfinite(validation_loss):
                raise DivergedError(f"validation loss is {validation_loss} after epoch {epoch} of {phase}")
        trainee.curve.append(Epoch(phase, epoch, loss, validation_loss))
        if all(hook.final for hook in trainee.hooks):
            keeper.offer(trainee, validation_loss)
        if after_epoch is not None:
            after_epoch(epoch)
    trainee.watch.leave()
    keeper.restore(trainee)


def _train_epoch(
    trainee: Trainee,
    weights: dict[str, nn.Parameter],
    phase: str,
    epoch: int,
    rates: Sequence[float],
    place: Place,
) -> float:
    """``rates``: the learning rate of each step. Returns the mean loss of the task."""
    split, settings = trainee.data.splits["train"], trainee.settings
    model, optimizer, loss_of = trainee.model, trainee.optimizer, trainee.loss
    parameters = list(model.parameters())

    def losses(index: Tensor, inputs: Tensor | PackedTexts, labels: Tensor) -> tuple[Tensor, Tensor]:
        logits = outputs(model, inputs, settings.precision)
        loss = loss_of(logits, labels)
        further = (hook.further_loss(index, inputs, logits, labels) for hook in trainee.hooks)
        return loss, sum((more for more in further if more is not None), loss)

    gone = {name: ~mask for name, mask in (trainee.masks or {}).items()}
    model.train()
    # Summed on the device: reading it every step would make the host wait for each batch.
    total = torch.zeros((), dtype=torch.float64, device=split.labels.device)
    devices = [split.labels.device] if split.labels.is_cuda else []
    with torch.random.fork_rng(devices=devices), trainee.watch.steps():
        torch.manual_seed(stream(trainee.seed, "dropout", phase, epoch))
        draws = augmenting(trainee.seed, phase, epoch)
        done = place.begin(epoch, total, draws)
        batches = epoch_batches(split, settings, trainee.seed, phase, epoch)
        steps = zip(batches, rates, strict=True)
        for index, rate in islice(steps, done, None):
            batch = split.batch(index, draws)
            for hook in trainee.hooks:
                hook.before_forward()
            loss = backward(trainee, index, batch, losses)
            for hook in trainee.hooks:
                hook.after_backward(loss, len(index))
            for name, pruned in gone.items():
                gradient = weights[name].grad
                if gradient is not None:
                    # Before clipping: weights that are gone have no say in the gradient's norm.
                    gradient.masked_fill_(pruned, 0.0)
            if settings.clip_norm is not None:
                nn.utils.clip_grad_norm_(parameters, settings.clip_norm)
            for group in optimizer.param_groups:
                group["lr"] = rate
            for hook in trainee.hooks:
                hook.before_step(rate)
            optimizer.step()
            set_to_zero(weights, gone)
            for hook in trainee.hooks:
                hook.after_step()
            total += loss.double() * len(index)
            trainee.examples_seen += len(index)
            place.step += 1
            trainee.watch.step()
    return float(total) / len(split)


def logits_of(
    model: nn.Module, data: TrainingData, split: str, batch_size: int = 512, *, precision: str = "float32"
) -> Tensor:
    """Logits (n, C) float32 on the CPU, in the order of the examples; dropout off."""
    examples = data.splits[split]
    model.eval()
    with torch.no_grad():
        parts = [
            part
            for _, part in in_batches(
                torch.arange(len(examples)),
                batch_size,
                lambda index: outputs(model, examples.batch(index)[0], precision).float(),
            )
        ]
    return torch.cat(parts).cpu()


def mean_loss(trainee: Trainee, split: str) -> float:
    if trainee.data.task in ("tokens", "span", "text"):
        return _mean_loss_by_batch(trainee, split)
    logits = logits_of(trainee.model, trainee.data, split, precision=trainee.settings.precision)
    return float(trainee.loss(logits.double(), trainee.data.splits[split].labels.cpu()))


def _mean_loss_by_batch(trainee: Trainee, split: str) -> float:
    """The same mean where outputs of every token are too many to be held at once."""
    examples, task = trainee.data.splits[split], trainee.data.task
    trainee.model.eval()
    total, count = 0.0, 0

    def of_batch(index: Tensor) -> tuple[float, int]:
        inputs, labels = examples.batch(index)
        terms = judged(task, labels)
        if not terms:
            return 0.0, 0
        said = outputs(trainee.model, inputs, trainee.settings.precision)
        return float(trainee.loss(said.double(), labels)) * terms, terms

    with torch.no_grad():
        for _, (losses, terms) in in_batches(
            torch.arange(len(examples)), trainee.settings.batch_size, of_batch
        ):
            total, count = total + losses, count + terms
    return total / count if count else float("nan")


class Keeper:
    """Holds the weights that count: none for ``last``, else those of the lowest validation loss."""

    def __init__(self, keep: str) -> None:
        self.keep = keep
        self.lowest = float("inf")
        self.model: dict[str, Tensor] | None = None
        self.optimizer: dict[str, Any] | None = None

    def offer(self, trainee: Trainee, validation_loss: float | None) -> None:
        if self.keep == "last" or validation_loss is None or not validation_loss < self.lowest:
            return
        self.lowest = validation_loss
        self.model = copied_state(trainee.model)
        self.optimizer = copy.deepcopy(trainee.optimizer.state_dict())

    def restore(self, trainee: Trainee) -> None:
        if self.model is not None and self.optimizer is not None:
            trainee.model.load_state_dict(self.model)
            trainee.optimizer.load_state_dict(self.optimizer)

    def capture(self) -> tuple[dict[str, Tensor], float]:
        """What is held, as tensors by name, and the lowest loss."""
        held = {f"model/{name}": value for name, value in (self.model or {}).items()}
        for number, moments in (self.optimizer or {"state": {}})["state"].items():
            held |= {
                f"optimizer/{number}/{key}": value for key, value in moments.items() if value is not None
            }
        return held, self.lowest

    def restore_from(self, trainee: Trainee, held: Mapping[str, Tensor], lowest: float) -> None:
        """Hold what ``capture`` gave."""
        self.lowest = lowest
        model = {name.removeprefix("model/"): v for name, v in held.items() if name.startswith("model/")}
        if not model:
            return
        moments: dict[int, dict[str, Tensor]] = {}
        for name, value in held.items():
            kind, *where = name.split("/")
            if kind == "optimizer":
                moments.setdefault(int(where[0]), {})[where[1]] = value
        groups = trainee.optimizer.state_dict()["param_groups"]
        self.model, self.optimizer = model, {"state": moments, "param_groups": groups}
