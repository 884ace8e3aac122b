"""Where in its training a network is, for whoever keeps that on disk (``resume``)."""

from __future__ import annotations

import time
from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

import torch
from torch import Tensor

if TYPE_CHECKING:
    from prunescope.training.loop import Keeper, Trainee

#: What is kept of something: tensors by name, and what JSON can hold.
State: TypeAlias = tuple[dict[str, Tensor], dict[str, Any]]


class Course(Protocol):
    """A stretch of training under way, of one network or of many."""

    def capture(self) -> State:
        """What going on from here needs besides the networks as they are; asked between two steps."""

    def restore(self, tensors: Mapping[str, Tensor], facts: Mapping[str, Any]) -> None:
        """Begin where ``capture`` was asked, the networks being as they were then."""


class Watch:
    """Told by training where it is. This one takes no notice."""

    def enter(self, course: Course) -> None:
        """A stretch begins: from its start, or from where ``course`` is set back to."""

    def steps(self) -> AbstractContextManager[None]:
        """Around the steps of an epoch; between epochs networks are only looked at."""
        return nullcontext()

    def step(self) -> None:
        """A step is done."""

    def leave(self) -> None:
        """The epochs of the stretch are done."""


class Place:
    """Where in a stretch a network that is trained alone is: the course of ``loop.train``.

    ``epoch`` (1-based) and the ``step`` of it that was done last; the epoch may be over already.
    """

    def __init__(self, trainee: Trainee, phase: str, keeper: Keeper) -> None:
        self.trainee, self.phase, self.keeper = trainee, phase, keeper
        self.epoch, self.step = 1, 0
        self._total = torch.zeros((), dtype=torch.float64)
        self._draws = torch.Generator()
        self._left: State | None = None
        self._began = self._seconds = 0.0

    def begin(self, epoch: int, total: Tensor, draws: torch.Generator) -> int:
        """An epoch begins: how many of its steps are done already.

        ``total``, the sum of losses, ``draws`` and the random state of dropout are then set to what they were.
        """
        self._total, self._draws = total, draws
        self.epoch, self.step = epoch, 0
        self._began, self._seconds = time.perf_counter(), self.trainee.seconds
        if self._left is not None:
            tensors, facts = self._left
            self._left = None
            self.step = int(facts["step"])
            total.copy_(tensors["total"])
            draws.set_state(tensors["draws"])
            torch.set_rng_state(tensors["random"])
            if total.is_cuda and "random-cuda" in tensors:
                torch.cuda.set_rng_state(tensors["random-cuda"], total.device)
        return self.step

    def capture(self) -> State:
        tensors = {
            "total": self._total,
            "draws": self._draws.get_state(),
            "random": torch.get_rng_state(),
        }
        if self._total.is_cuda:
            tensors["random-cuda"] = torch.cuda.get_rng_state(self._total.device)
        # The loop adds the epoch's time when its steps are done.
        under_way = self.trainee.seconds == self._seconds
        facts = {
            "epoch": self.epoch,
            "step": self.step,
            "seconds": time.perf_counter() - self._began if under_way else 0.0,
        }
        kept, lowest = self.keeper.capture()
        return tensors | {f"kept/{name}": tensor for name, tensor in kept.items()}, {
            **facts,
            "lowest": lowest,
        }

    def restore(self, tensors: Mapping[str, Tensor], facts: Mapping[str, Any]) -> None:
        self._left = dict(tensors), dict(facts)
        self.epoch = int(facts["epoch"])
        self.trainee.seconds += facts["seconds"]
        # What follows the steps of an epoch is done again: it only looks at the network.
        self.trainee.curve = [
            done for done in self.trainee.curve if (done.phase, done.epoch) != (self.phase, self.epoch)
        ]
        kept = {
            name.removeprefix("kept/"): tensor for name, tensor in tensors.items() if name.startswith("kept/")
        }
        self.keeper.restore_from(self.trainee, kept, facts["lowest"])
