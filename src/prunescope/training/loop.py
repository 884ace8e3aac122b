"""The training loop: one phase of one model, under masks, from any state it was left in."""

from __future__ import annotations

import copy
import math
import time
from collections.abc import Mapping, Sequence
from itertools import islice
from typing import Any

import torch
from torch import Tensor, nn

from prunescope.config.architectures import Training
from prunescope.models.packed import PackedTexts
from prunescope.models.precision import outputs
from prunescope.pruning.mask import erasers, set_to_zero
from prunescope.seeds import stream
from prunescope.training.batches import augmenting, epoch_batches
from prunescope.training.memory import backward
from prunescope.training.predict import mean_loss
from prunescope.training.state import DivergedError, Epoch, Phase, Snapshot, TrainingState, copied_state


def train(state: TrainingState, phase: Phase) -> None:
    """Train for the phase's epochs, then leave the model with the weights that the settings keep.

    Raises:
        DivergedError: the mean loss of an epoch, or the validation loss after it, is not finite.
    """
    keeper = Keeper(state.settings.keep)
    position = Position(state, phase, keeper)
    state.watch.enter(position)
    for epoch in range(position.epoch, phase.epochs + 1):
        started = time.perf_counter()
        loss = _train_epoch(state, phase, epoch, position)
        state.seconds += time.perf_counter() - started
        if not math.isfinite(loss):
            raise DivergedError(f"loss is {loss} in epoch {epoch} of {phase.name}")
        validation_loss = None
        if "validation" in state.data.splits:
            with state.evaluating():
                validation_loss = mean_loss(state, "validation")
            if not math.isfinite(validation_loss):
                raise DivergedError(
                    f"validation loss is {validation_loss} after epoch {epoch} of {phase.name}"
                )
        state.curve.append(Epoch(phase.name, epoch, loss, validation_loss))
        state.noted(len(state.curve), state.curve[-1])
        if all(hook.final for hook in state.hooks):
            keeper.offer(state, validation_loss)
        if phase.after_epoch is not None:
            phase.after_epoch(epoch)
    state.watch.leave()
    keeper.restore(state)


def _train_epoch(state: TrainingState, phase: Phase, epoch: int, position: Position) -> float:
    """Returns the mean loss of the task."""
    split, settings = state.data.splits["train"], state.settings
    model, optimizer, loss_of = state.model, state.optimizer, state.loss
    weights = dict(model.named_parameters())
    gone = erasers(weights, state.masks or {})
    rates = learning_rates(settings, epoch, phase.epochs, state.steps_per_epoch, phase.lr_factor)

    def losses(index: Tensor, inputs: Tensor | PackedTexts, labels: Tensor) -> tuple[Tensor, Tensor]:
        logits = outputs(model, inputs, settings.precision)
        loss = loss_of(logits, labels)
        further = (hook.further_loss(index, inputs, logits, labels) for hook in state.hooks)
        return loss, sum((more for more in further if more is not None), loss)

    model.train()
    # Summed on the device: reading it every step would make the host wait for each batch.
    total = torch.zeros((), dtype=torch.float64, device=split.labels.device)
    devices = [split.labels.device] if split.labels.is_cuda else []
    with torch.random.fork_rng(devices=devices), state.watch.steps():
        torch.manual_seed(stream(state.seed, "dropout", phase.name, epoch))
        draws = augmenting(state.seed, phase.name, epoch)
        done = position.begin(epoch, total, draws)
        batches = epoch_batches(split, settings, state.seed, phase.name, epoch)
        steps = zip(batches, rates, strict=True)
        for index, rate in islice(steps, done, None):
            batch = split.batch(index, draws)
            for hook in state.hooks:
                hook.before_forward()
            loss = backward(state, index, batch, losses)
            for hook in state.hooks:
                hook.after_backward(loss, len(index))
            # Before clipping: pruned weights have no part in the gradient's norm.
            set_to_zero({name: weights[name].grad for name in gone}, gone)
            if settings.clip_norm is not None:
                nn.utils.clip_grad_norm_(list(weights.values()), settings.clip_norm)
            for group in optimizer.param_groups:
                group["lr"] = rate
            for hook in state.hooks:
                hook.before_step(rate)
            optimizer.step()
            set_to_zero(weights, gone)
            for hook in state.hooks:
                hook.after_step()
            total += loss.double() * len(index)
            state.examples_seen += len(index)
            position.step += 1
            state.watch.step()
    return float(total) / len(split)


def learning_rates(
    settings: Training, epoch: int, epochs: int, steps: int, lr_factor: float = 1.0
) -> Sequence[float]:
    """Of every step of an epoch (1-based) of a phase of ``epochs``, each of ``steps`` steps.

    The rate falls to a tenth after each milestone. It rises from 0 (excluded) over the first ``lr_warm_up`` steps and,
    where the decay is linear, falls to 0 (excluded) over those that follow.
    """
    falls = sum(epoch / epochs > milestone for milestone in settings.milestones)
    base: float = settings.lr * lr_factor * 0.1**falls
    if settings.steady:
        return [base] * steps
    total = epochs * steps
    rise = round(settings.lr_warm_up * total) if settings.lr_warm_up < 1 else int(settings.lr_warm_up)
    rise = min(rise, total)
    rates = []
    for step in range((epoch - 1) * steps, epoch * steps):
        if step < rise:
            rates.append(base * (step + 1) / rise)
        elif settings.lr_decay == "linear":
            rates.append(base * (total - step) / (total - rise))
        else:
            rates.append(base)
    return rates


class Keeper:
    """Holds the weights to keep: none for ``last``, else those of the lowest validation loss."""

    def __init__(self, keep: str) -> None:
        self.keep = keep
        self.lowest = float("inf")
        self.model: dict[str, Tensor] | None = None
        self.optimizer: dict[str, Any] | None = None

    def offer(self, state: TrainingState, validation_loss: float | None) -> None:
        if self.keep == "last" or validation_loss is None or not validation_loss < self.lowest:
            return
        self.lowest = validation_loss
        self.model = copied_state(state.model)
        self.optimizer = copy.deepcopy(state.optimizer.state_dict())

    def restore(self, state: TrainingState) -> None:
        if self.model is not None and self.optimizer is not None:
            state.model.load_state_dict(self.model)
            state.optimizer.load_state_dict(self.optimizer)

    def capture(self) -> tuple[dict[str, Tensor], float]:
        """What is held, as tensors by name, and the lowest loss."""
        held = {f"model/{name}": value for name, value in (self.model or {}).items()}
        for number, moments in (self.optimizer or {"state": {}})["state"].items():
            held |= {
                f"optimizer/{number}/{key}": value for key, value in moments.items() if value is not None
            }
        return held, self.lowest

    def restore_from(self, state: TrainingState, held: Mapping[str, Tensor], lowest: float) -> None:
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
        groups = state.optimizer.state_dict()["param_groups"]
        self.model, self.optimizer = model, {"state": moments, "param_groups": groups}


class Position:
    """Where in a phase a model is that is trained alone: the course of ``train``.

    ``epoch`` (1-based), and ``step``, how many of its steps are done; the epoch may be over.
    """

    def __init__(self, state: TrainingState, phase: Phase, keeper: Keeper) -> None:
        self.state, self.phase, self.keeper = state, phase, keeper
        self.epoch, self.step = 1, 0
        self._total = torch.zeros((), dtype=torch.float64)
        self._draws = torch.Generator()
        self._restored: Snapshot | None = None
        self._began = self._seconds = 0.0

    def begin(self, epoch: int, total: Tensor, draws: torch.Generator) -> int:
        """An epoch begins. Returns how many of its steps are done already.

        If there are any, sets ``total``, the sum of losses, ``draws`` and dropout's random state to what they were.
        """
        self._total, self._draws = total, draws
        self.epoch, self.step = epoch, 0
        self._began, self._seconds = time.perf_counter(), self.state.seconds
        if self._restored is not None:
            tensors, facts = self._restored
            self._restored = None
            self.step = int(facts["step"])
            total.copy_(tensors["total"])
            draws.set_state(tensors["draws"])
            torch.set_rng_state(tensors["random"])
            if total.is_cuda and "random-cuda" in tensors:
                torch.cuda.set_rng_state(tensors["random-cuda"], total.device)
        return self.step

    def capture(self) -> Snapshot:
        tensors = {
            "total": self._total,
            "draws": self._draws.get_state(),
            "random": torch.get_rng_state(),
        }
        if self._total.is_cuda:
            tensors["random-cuda"] = torch.cuda.get_rng_state(self._total.device)
        # The loop adds the epoch's time when its steps are done.
        under_way = self.state.seconds == self._seconds
        kept, lowest = self.keeper.capture()
        facts = {
            "epoch": self.epoch,
            "step": self.step,
            "seconds": time.perf_counter() - self._began if under_way else 0.0,
            "lowest": lowest,
        }
        return tensors | {f"kept/{name}": tensor for name, tensor in kept.items()}, facts

    def restore(self, tensors: Mapping[str, Tensor], facts: Mapping[str, Any]) -> None:
        self._restored = dict(tensors), dict(facts)
        self.epoch = int(facts["epoch"])
        self.state.seconds += facts["seconds"]
        # What follows the steps of an epoch is done again: it only evaluates the model.
        self.state.curve = [
            done for done in self.state.curve if (done.phase, done.epoch) != (self.phase.name, self.epoch)
        ]
        kept = {
            name.removeprefix("kept/"): tensor for name, tensor in tensors.items() if name.startswith("kept/")
        }
        self.keeper.restore_from(self.state, kept, facts["lowest"])
