"""Training many replicas of a small model in lock step: one step of all of them is one batch of matrix products.

Each replica has its own initial weights, order of the examples, augmentation, masks, optimizer state, clipping of its
gradient's norm, best epoch and divergence. Models that can be stacked have no dropout. Products are summed in another
order than for a replica alone: results agree up to rounding, which training then amplifies. Otherwise they do not
depend on the other replicas.
"""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

import torch
from torch import Tensor

from prunescope.errors import UserError
from prunescope.models.stacked import stacked_forward
from prunescope.training.augment import crop_draws
from prunescope.training.batches import augmenting, in_order, order_of
from prunescope.training.graphs import Replayed, Step, recorder
from prunescope.training.stacked import ALIGNMENT, Layout, StackedOptimizer, gone, stacked_buffers
from prunescope.training.state import DivergedError, Epoch, Phase, Snapshot, TrainingState
from prunescope.training.task import replica_losses_for

#: Examples in a batch of predictions over all replicas, if that is more than in a batch of training.
EVALUATED = 512

Record = Callable[[Step], Step]


class Together:
    """Trains models of one architecture, data set and settings, at most ``most`` of them at a time.

    ``at_once``: how many were trained at a time, at most; ``graphs``: whether steps ran as CUDA graphs, or why not.
    """

    def __init__(self, most: int, record: Callable[[torch.device], Record | None] = recorder) -> None:
        self.most = most
        self.at_once = 0
        self.graphs = "no device that has them"
        self._recorder = record
        self._ends: list[DivergedError | None] = []
        self._stack: Stack | None = None
        self._restored: Snapshot | None = None

    def __call__(self, asked: Sequence[tuple[TrainingState, Phase]]) -> list[DivergedError | None]:
        """A ``lockstep.Trainer``.

        Raises:
            UserError: not even one model fits into the GPU's memory.
        """
        ends: list[DivergedError | None] = []
        self._ends = ends
        asked[0][0].watch.enter(self)
        while len(ends) < len(asked):
            part = asked[len(ends) : len(ends) + self.most]
            done = self._train(part)
            if done is None:
                # Here rather than where the error is: its traceback holds on to the memory.
                if torch.cuda.is_available():
                    torch.cuda.empty_cache()
                if len(part) == 1:
                    raise UserError("out of GPU memory with one replica; lower the arch's `batch_size`")
                self.most = -(-len(part) // 2)
                print(f"{len(part)} replicas do not fit: {self.most} at once", file=sys.stderr, flush=True)
                continue
            self.at_once = max(self.at_once, len(part))
            ends += done
        return ends

    def capture(self) -> Snapshot:
        """The progress of the models of this call: how those that are done ended, and the stack in training."""
        tensors, stack = self._stack.capture() if self._stack is not None else ({}, None)
        facts = {
            "ends": [None if end is None else str(end) for end in self._ends],
            "most": self.most,
            "at_once": self.at_once,
            "stack": stack,
        }
        return tensors, facts

    def restore(self, tensors: Mapping[str, Tensor], facts: Mapping[str, Any]) -> None:
        self._ends += [None if end is None else DivergedError(end) for end in facts["ends"]]
        self.most, self.at_once = int(facts["most"]), int(facts["at_once"])
        self._restored = None if facts["stack"] is None else (dict(tensors), facts["stack"])

    def _train(self, part: Sequence[tuple[TrainingState, Phase]]) -> list[DivergedError | None] | None:
        """None where they do not fit into memory; they are then unchanged."""
        stack = None
        try:
            stack = self._stack = Stack([state for state, _ in part], self._recorder)
            if self._restored is not None:
                stack.restore(*self._restored)
                self._restored = None
            return stack.train([phase for _, phase in part])
        except torch.OutOfMemoryError:
            if stack is not None and stack.epochs_done:
                raise UserError(
                    f"out of GPU memory with {len(part)} replicas at once; lower the arch's `together`"
                ) from None
            return None
        finally:
            if stack is not None:
                self.graphs = stack.graphs
                stack.close()
            self._stack = None


class Stack:
    """Models of one kind trained as one. The models themselves change when their training ends."""

    def __init__(
        self, states: Sequence[TrainingState], record: Callable[[torch.device], Record | None] = recorder
    ) -> None:
        """
        Raises:
            ValueError: there is no stacked form of the model.
        """
        first = states[0]
        forward = stacked_forward(first.model)
        if forward is None:
            raise ValueError(f"{type(first.model).__name__}: replicas cannot be trained together")
        self.states, self.settings = list(states), first.settings
        self.forward, self.losses = forward, replica_losses_for(first.data.task)
        self.layout = Layout.of(first.model)
        like = next(first.model.parameters()).detach()
        self.device = like.device
        self.weights = self.layout.gather([dict(t.model.named_parameters()) for t in states], like)
        self.buffers = stacked_buffers([t.model for t in states])
        self.gone = gone(self.layout, [t.masks for t in states], like)
        self.optimizer = StackedOptimizer(self.settings, self.layout, self.weights)
        self.optimizer.load(states)
        self.epochs_done = 0
        self._gradient = torch.zeros_like(self.weights)
        self._spare = like.new_zeros(len(states), ALIGNMENT)
        self._total = torch.zeros(len(states), dtype=torch.float64, device=self.device)
        self._record = record(self.device)
        self._batches: dict[int, _Batch] = {}
        self.watch = first.watch
        self._courses = [_Course() for _ in states]
        self._kept = _Kept(self)
        self._position = _Position()

    @property
    def graphs(self) -> str:
        """Whether steps ran as CUDA graphs, or why not."""
        if self._record is None:
            return "no device that has them"
        failures = [batch.run.failure for batch in self._batches.values() if batch.run.failure]
        if failures:
            return failures[0]
        return "used" if any(batch.run.recorded for batch in self._batches.values()) else "too few steps"

    def close(self) -> None:
        """Let go of the recorded steps and their memory."""
        self._batches.clear()

    def train(self, phases: Sequence[Phase]) -> list[DivergedError | None]:
        """``loop.train`` for each model; phases may differ in ``after_epoch``.

        Returns: for each model None, or how it diverged.
        """
        phase, courses, kept = phases[0], self._courses, self._kept
        first = self.epochs_done + 1
        draws = self._draws(phase.name, first) if first <= phase.epochs else None
        for epoch in range(first, phase.epochs + 1):
            assert draws is not None
            falls = sum(epoch / phase.epochs > milestone for milestone in self.settings.milestones)
            self.optimizer.lr.fill_(self.settings.lr * phase.lr_factor * 0.1**falls)
            self._position.begin(epoch, [one.to_json() for one in courses])
            with self.watch.steps():
                self._run_epoch(draws)
            # The device works on its own: meanwhile the host draws the next epoch.
            draws = self._draws(phase.name, epoch + 1) if epoch < phase.epochs else None
            examples = len(self.states[0].data.splits["train"])
            losses = (self._total / examples).tolist()
            share = self._position.end() / len(self.states)
            for one in courses:
                if one.diverged is None:
                    one.seconds, one.examples = one.seconds + share, one.examples + examples
            for one, loss in zip(courses, losses, strict=True):
                one.check(loss, f"loss is {loss} in epoch {epoch} of {phase.name}")
            validation = self._validation_losses()
            for state, one, loss, value in zip(self.states, courses, losses, validation, strict=True):
                if value is not None:
                    one.check(value, f"validation loss is {value} after epoch {epoch} of {phase.name}")
                if one.diverged is None:
                    one.curve.append(Epoch(phase.name, epoch, loss, value))
                    state.noted(len(state.curve) + len(one.curve), one.curve[-1])
            if self.settings.keep == "best-validation":
                kept.offer([None if one.diverged else v for one, v in zip(courses, validation, strict=True)])
            self.epochs_done = epoch
            for number, one in enumerate(courses):
                after = phases[number].after_epoch
                if after is not None and one.diverged is None:
                    self._store_weights(number)
                    after(epoch)
            if all(one.diverged is not None for one in courses):
                break
        self.watch.leave()
        kept.restore()
        for number, (state, one) in enumerate(zip(self.states, courses, strict=True)):
            self._store_weights(number)
            if phase.epochs:
                self.optimizer.store(state, number)
            state.curve += one.curve
            state.examples_seen += one.examples
            state.seconds += one.seconds
        return [one.diverged for one in courses]

    def capture(self) -> tuple[dict[str, Tensor], dict[str, Any]]:
        """The replicas between two steps. Courses are those before the epoch: what follows its steps is done again."""
        tensors = {"weights": self.weights, "total": self._total}
        tensors |= {f"buffers/{name}": value for name, value in self.buffers.items()}
        tensors |= {f"optimizer/{key}": value for key, value in self.optimizer.state.items()}
        tensors |= {f"kept/{number}": value for number, value in enumerate(self._kept.best)}
        return tensors, {**self._position.to_json(), "lowest": self._kept.lowest}

    def restore(self, tensors: Mapping[str, Tensor], facts: Mapping[str, Any]) -> None:
        """Continue from what ``capture`` gave."""
        live = {"weights": self.weights, "total": self._total}
        live |= {f"buffers/{name}": value for name, value in self.buffers.items()}
        live |= {f"optimizer/{key}": value for key, value in self.optimizer.state.items()}
        for name, value in live.items():
            value.copy_(tensors[name])
        kept = sum(name.startswith("kept/") for name in tensors)
        self._kept.best = [tensors[f"kept/{number}"].to(self.device) for number in range(kept)]
        self._kept.lowest = list(facts["lowest"])
        self._position = _Position.from_json(facts)
        self._courses = [_Course.from_json(one) for one in facts["courses"]]
        self.epochs_done = self._position.epoch - 1

    def logits(self, split: str) -> Tensor:
        """(R, n, C) on the device, in the order of the examples."""
        examples = self.states[0].data.splits[split]
        replicas = len(self.states)
        size = max(1, min(EVALUATED, max(self.settings.batch_size, EVALUATED // replicas)))
        weights = self.layout.views(self.weights)
        parts = []
        with torch.no_grad():
            for index in in_order(len(examples), size):
                inputs, _ = examples.stacked_batch(index.to(self.device).expand(replicas, -1))
                parts.append(self.forward(weights, self.buffers, inputs, False))
        return torch.cat(parts, dim=1)

    def _validation_losses(self) -> list[float | None]:
        splits = self.states[0].data.splits
        if "validation" not in splits:
            return [None] * len(self.states)
        logits = self.logits("validation").float().double()
        labels = splits["validation"].labels
        return list(self.losses(logits, labels.expand(len(logits), *labels.shape)).tolist())

    def _draws(self, phase: str, epoch: int) -> _Draws:
        """The epoch's order and augmentation of every replica: the same as alone."""
        split = self.states[0].data.splits["train"]
        seeds = [state.seed for state in self.states]
        order = torch.stack([order_of(len(split), seed, phase, epoch) for seed in seeds])
        if split.pixels is None or split.pixels.augment != "crop-flip":
            return _Draws(order, None)
        crops = []
        for seed in seeds:
            generator = augmenting(seed, phase, epoch)
            sizes = [len(part) for part in order[0].split(self.settings.batch_size)]
            drawn = [torch.stack([d.long() for d in crop_draws(size, generator)]) for size in sizes]
            crops.append(torch.cat(drawn, dim=1))
        return _Draws(order, torch.stack(crops, dim=1))

    def _run_epoch(self, draws: _Draws) -> None:
        if not self._position.step:
            self._total.zero_()
        order = draws.order.to(self.device)
        crops = None if draws.crops is None else draws.crops.to(self.device)
        size = self.settings.batch_size
        for start in range(self._position.step * size, draws.order.shape[1], size):
            part = draws.order[0, start : start + size]
            batch = self._batch(len(part), crops is not None)
            batch.index.copy_(order[:, start : start + len(part)])
            if batch.crops is not None and crops is not None:
                batch.crops.copy_(crops[:, :, start : start + len(part)])
            batch.run()
            self._position.step += 1
            self.watch.step()

    def _batch(self, size: int, changed: bool) -> _Batch:
        """The memory of batches of this size: a step reads from the same addresses each time."""
        if size not in self._batches:
            index = torch.zeros(len(self.states), size, dtype=torch.int64, device=self.device)
            crops = index.new_zeros(3, *index.shape) if changed else None
            self._batches[size] = _Batch(
                index, crops, Replayed(lambda: self._step(self._batches[size]), self._record)
            )
        return self._batches[size]

    def _step(self, batch: _Batch) -> None:
        """Forward, backward, masks, clipping, optimizer, masks: ``loop``'s step for every replica."""
        inputs, labels = self.states[0].data.splits["train"].stacked_batch(batch.index, batch.crops)
        # Leaves of this step alone: a CUDA graph must not reach for what was made on another stream.
        views = self.layout.views(self.weights)
        leaves = {name: view.detach().requires_grad_() for name, view in views.items()}
        losses = self.losses(self.forward(leaves, self.buffers, inputs, True), labels)
        # No loss depends on another replica's weights: the gradient of the sum is that of each.
        gradients = torch.autograd.grad(losses.sum(), list(leaves.values()))
        with torch.no_grad():
            gradient = self._gradient
            self.layout.concatenated(gradients, self._spare, gradient)
            if self.gone is not None:
                # Before clipping: pruned weights have no part in the gradient's norm.
                gradient.masked_fill_(self.gone, 0.0)
            if self.settings.clip_norm is not None:
                norm = torch.linalg.vector_norm(gradient, dim=1, keepdim=True)
                gradient.mul_((self.settings.clip_norm / (norm + 1e-6)).clamp(max=1.0))
            self.optimizer.step(gradient)
            if self.gone is not None:
                self.weights.masked_fill_(self.gone, 0.0)
            self._total.add_(losses.detach().double(), alpha=batch.index.shape[1])

    def _store_weights(self, number: int) -> None:
        model = self.states[number].model
        rows = self.layout.row(self.weights, number)
        with torch.no_grad():
            for name, parameter in model.named_parameters():
                parameter.copy_(rows[name])
            for name, buffer in self.buffers.items():
                model.get_buffer(name).copy_(buffer[number])


@dataclass(frozen=True)
class _Draws:
    """On the CPU: ``order`` (R, n), ``crops`` (3, R, n) int64 or None."""

    order: Tensor
    crops: Tensor | None


@dataclass(frozen=True)
class _Batch:
    """``index`` (R, B) and ``crops`` (3, R, B) on the device, and the step that reads them."""

    index: Tensor
    crops: Tensor | None
    run: Replayed


class _Course:
    """The course of one replica's phase. After divergence nothing is added to it."""

    def __init__(self) -> None:
        self.curve: list[Epoch] = []
        self.examples = 0
        self.seconds = 0.0
        self.diverged: DivergedError | None = None

    def to_json(self) -> dict[str, Any]:
        curve = [[one.phase, one.epoch, one.loss, one.validation_loss] for one in self.curve]
        diverged = None if self.diverged is None else str(self.diverged)
        return {"curve": curve, "examples": self.examples, "seconds": self.seconds, "diverged": diverged}

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Self:
        course = cls()
        course.curve = [Epoch(*line) for line in values["curve"]]
        course.examples, course.seconds = values["examples"], values["seconds"]
        course.diverged = None if values["diverged"] is None else DivergedError(values["diverged"])
        return course

    def check(self, loss: float, reason: str) -> None:
        if self.diverged is None and not math.isfinite(loss):
            self.diverged = DivergedError(reason)


class _Position:
    """Where in a phase a stack is: the epoch, how many of its steps are done, their time, the courses before it."""

    def __init__(self) -> None:
        self.epoch, self.step = 1, 0
        self._courses: list[dict[str, Any]] = []
        self._began = self._seconds = 0.0
        self._runs = self._resumed = False

    def begin(self, epoch: int, courses: list[dict[str, Any]]) -> None:
        """An epoch begins, or, resumed, goes on."""
        if not self._resumed:
            self.step, self._seconds = 0, 0.0
        self.epoch, self._courses, self._resumed = epoch, courses, False
        self._began, self._runs = time.perf_counter() - self._seconds, True

    def end(self) -> float:
        """The steps of the epoch are done: how long they took."""
        self._seconds, self._runs = time.perf_counter() - self._began, False
        return self._seconds

    def to_json(self) -> dict[str, Any]:
        seconds = time.perf_counter() - self._began if self._runs else self._seconds
        return {"epoch": self.epoch, "step": self.step, "seconds": seconds, "courses": self._courses}

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Self:
        position = cls()
        position.epoch, position.step = values["epoch"], values["step"]
        position._seconds = values["seconds"]
        position._resumed = True
        return position


class _Kept:
    """Each replica's weights, buffers and optimizer state at its lowest validation loss of a phase."""

    def __init__(self, stack: Stack) -> None:
        self._live = [stack.weights, *stack.buffers.values(), *stack.optimizer.state.values()]
        self.best: list[Tensor] = []
        self.lowest = [math.inf] * len(stack.states)

    def offer(self, losses: Sequence[float | None]) -> None:
        better = [n for n, loss in enumerate(losses) if loss is not None and loss < self.lowest[n]]
        if not better:
            return
        if not self.best:
            self.best = [tensor.clone() for tensor in self._live]
        rows = torch.tensor(better, device=self._live[0].device)
        for best, live in zip(self.best, self._live, strict=True):
            best[rows] = live[rows]
        for n in better:
            loss = losses[n]
            assert loss is not None
            self.lowest[n] = loss

    def restore(self) -> None:
        found = [n for n, loss in enumerate(self.lowest) if loss < math.inf]
        if not found:
            return
        rows = torch.tensor(found, device=self._live[0].device)
        for best, live in zip(self.best, self._live, strict=True):
            live[rows] = best[rows]
