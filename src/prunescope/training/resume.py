"""A job's progress, kept on disk while it trains, so that one that was stopped goes on from there.

At fixed intervals, and when the job is asked to end (SIGTERM; SIGUSR1, which schedulers are told to send some time
before the time limit), everything that going on takes is written into a folder: what finished seeds left, and the
networks in training with optimizer state, masks, best weights so far, random states, the place in the stretch of
training. A job of the same settings, inputs and software then ends with the same bytes as one that was never stopped
(on a CPU; on a GPU as far as its kernels are deterministic).

A recipe is followed again from its start, but what was done is passed by: its stretches are not trained, and it
leaves the networks alone (``Trainee.skipping``) until it is back where it was.
"""

from __future__ import annotations

import shutil
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any

import numpy as np
import torch
from torch import Tensor

from prunescope.errors import UserError
from prunescope.pruning.mask import ScoreError
from prunescope.training import left
from prunescope.training.checkpoint import give_state, mask_tensors, trainee_tensors
from prunescope.training.lockstep import Trainer
from prunescope.training.loop import DivergedError, Epoch, Stretch, Trainee
from prunescope.training.pruning_curve import PruningPoint
from prunescope.training.recipes import Recipe
from prunescope.training.watch import Course, State, Watch

#: Signals that ask a job to end: preemption or a shutdown, and the time limit that comes near.
SIGNALS = (signal.SIGTERM, signal.SIGUSR1)

_CURRENT = "in-training.safetensors"


class Stopped(SystemExit):
    """The job was asked to end and has kept its progress."""


class Progress(Watch):
    """What a job keeps of its progress in ``folder``, every ``interval`` seconds; nothing where that is None.

    ``owner`` says what the job is known by; progress of another one is not used. It is asked when it is needed.
    """

    def __init__(
        self, folder: Path | None, interval: float, owner: Callable[[], Mapping[str, str]] = dict
    ) -> None:
        self.folder, self.interval = folder, interval
        self._owner = owner
        self._known_owner: Mapping[str, str] | None = None
        self._finished: list[tuple[tuple[int, ...], State]] = []
        self._group: list[Trainee] = []
        self._early: dict[int, np.ndarray] = {}
        self._ended: dict[int, str] = {}
        self._stretch = 0
        self._over = False
        self._course: Course | None = None
        self._left: State | None = None
        self._due = time.monotonic() + interval
        self._asked: int | None = None
        self._kept = False
        self._open = False

    # What a job says of its seeds, some of which are trained at a time.

    def finished(self, seeds: Sequence[int]) -> State | None:
        """What these seeds left, if a job before this one finished them (``complete``)."""
        return self._read(_file_of(seeds))

    def begin(self, group: Sequence[Trainee], early: dict[int, np.ndarray]) -> None:
        """These networks, at initialization, are trained next. ``early``: seed -> logits, kept with them."""
        self._open = False
        self._group, self._early = list(group), early
        self._ended, self._stretch, self._over, self._course = {}, 0, False, None
        for trainee in group:
            trainee.watch = self
        self._left = self._read(_CURRENT)
        if self._left is None:
            return
        tensors, facts = self._left
        if facts["seeds"] != [trainee.seed for trainee in group]:
            self._left = None
            return
        self._ended = {int(seed): reason for seed, reason in facts["ended"].items()}
        for trainee in group:
            logits = tensors.get(f"{trainee.seed}/early")
            if logits is not None:
                early[trainee.seed] = logits.numpy()
        seeds = ", ".join(str(trainee.seed) for trainee in group)
        where = "evaluation" if facts["over"] else f"stretch {facts['stretch']} of training"
        print(f"seed {seeds}: goes on in {where}, where it was stopped", file=sys.stderr, flush=True)

    def followed(self, trainee: Trainee, recipe: Recipe) -> Iterator[Stretch]:
        """The recipe of a network of the group, from where it was."""
        number = 0
        if self._left is not None:
            if trainee.seed in self._ended:
                self._give(trainee)
                raise DivergedError(self._ended[trainee.seed])
            if self._left[1]["over"]:
                self._give(trainee)
                return
            trainee.skipping = True
        while True:
            self._open = False
            try:
                stretch = next(recipe)
            except StopIteration:
                assert not trainee.skipping, "the recipe has fewer stretches than before"
                return
            except (DivergedError, ScoreError) as error:
                self._ended[trainee.seed] = str(error)
                raise
            number += 1
            if trainee.skipping:
                assert self._left is not None
                if number < self._left[1]["stretch"]:
                    continue
                trainee.skipping = False
                self._give(trainee)
            self._stretch = number
            yield stretch

    def noting(self, trainer: Trainer) -> Trainer:
        """``trainer``, with a note of who diverges."""

        def train(asked: Sequence[tuple[Trainee, Stretch]]) -> list[DivergedError | None]:
            ends = trainer(asked)
            self._ended |= {
                trainee.seed: str(end)
                for (trainee, _), end in zip(asked, ends, strict=True)
                if end is not None
            }
            return ends

        return train

    def trained(self) -> None:
        """The recipes of the group are done; its networks are only looked at from now on."""
        self._over, self._course, self._left = True, None, None
        self._reopen()

    def complete(self, result: State) -> None:
        """``result`` is all that the group leaves."""
        self._open = False
        if self.folder is not None:
            self._finished.append((tuple(trainee.seed for trainee in self._group), result))
        self._group, self._early = [], {}
        self._reopen()
        if time.monotonic() >= self._due:
            self._open = False
            self.save()
            self._reopen()

    def forget(self) -> None:
        """The job is done: nothing is left to go on with."""
        self._open = False
        if self.folder is not None:
            shutil.rmtree(self.folder, ignore_errors=True)

    # What training says.

    def enter(self, course: Course) -> None:
        self._course = course
        if self._left is not None:
            tensors, facts = self._left
            self._left = None
            course.restore(_below("course/", tensors), facts["course"])

    @contextmanager
    def steps(self) -> Iterator[None]:
        self._open = False
        yield
        self._reopen()

    def step(self) -> None:
        if self._asked is not None or time.monotonic() >= self._due:
            self.save()
            self._kept = self._asked is not None
        if self._asked is not None:
            self._stop()

    def leave(self) -> None:
        self._open = False

    # Signals and the disk.

    @contextmanager
    def listening(self) -> Iterator[None]:
        """While this lasts, being asked to end means to keep the progress first."""
        if self.folder is None or threading.current_thread() is not threading.main_thread():
            yield
            return
        before = {number: signal.signal(number, self._signalled) for number in SIGNALS}
        try:
            yield
        except Stopped:
            self._keep_and_tell()
            raise
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def save(self) -> None:
        """Write what there is. Where that fails, a line says so, and training goes on."""
        if self.folder is None:
            return
        try:
            while self._finished:
                seeds, (tensors, facts) = self._finished[0]
                left.write(self.folder / _file_of(seeds), self._known(), tensors, facts)
                self._finished.pop(0)
            if self._group:
                left.write(self.folder / _CURRENT, self._known(), *self._capture())
            else:
                (self.folder / _CURRENT).unlink(missing_ok=True)
        except (UserError, OSError) as error:
            print(f"progress is not kept: {error}; training goes on", file=sys.stderr, flush=True)
        self._due = time.monotonic() + self.interval

    def _reopen(self) -> None:
        self._open = True
        if self._asked is not None:
            self._stop()

    def _signalled(self, number: int, frame: FrameType | None) -> None:
        # In the middle of a step, or of pruning, networks are in no state to be kept: the next step does it.
        if self._asked is None:
            self._asked = number
            if self._open:
                self._stop()

    def _stop(self) -> None:
        assert self._asked is not None
        self._open = False
        raise Stopped(128 + self._asked)

    def _keep_and_tell(self) -> None:
        """After a stop. While a network is looked at it may be other than it trains: not before that is over."""
        assert self._asked is not None
        if not self._kept:
            self.save()
        print(
            f"prunescope: stopped by {signal.Signals(self._asked).name}; the same command goes on from what is in "
            f"{self.folder}",
            file=sys.stderr,
            flush=True,
        )

    def _capture(self) -> State:
        tensors: dict[str, Tensor] = {}
        trainees = {}
        for trainee in self._group:
            seed = trainee.seed
            tensors |= trainee_tensors(trainee) | mask_tensors(trainee)
            for number, hook in enumerate(trainee.hooks):
                # Copies: what hooks give may share memory, which the file's form does not allow.
                tensors |= {
                    f"{seed}/hook/{number}/{name}": value.detach().clone()
                    for name, value in hook.state().items()
                }
            if seed in self._early:
                tensors[f"{seed}/early"] = torch.from_numpy(self._early[seed])
            trainees[seed] = {
                "curve": [[one.phase, one.epoch, one.loss, one.validation_loss] for one in trainee.curve],
                "pruning_curve": [[one.step, one.sparsity, one.loss] for one in trainee.pruning_curve],
                "examples_seen": trainee.examples_seen,
                "seconds": trainee.seconds,
                "parts": trainee.parts,
            }
        course: dict[str, Any] = {}
        if self._course is not None:
            more, course = self._course.capture()
            tensors |= {f"course/{name}": value for name, value in more.items()}
        facts = {
            "seeds": list(trainees),
            "trainees": trainees,
            "ended": self._ended,
            "stretch": self._stretch,
            "over": self._over,
            "course": course,
        }
        return tensors, facts

    def _give(self, trainee: Trainee) -> None:
        """Make of a network what it was."""
        assert self._left is not None
        tensors = _below(f"{trainee.seed}/", self._left[0])
        facts = self._left[1]["trainees"][str(trainee.seed)]
        trainee.restart_optimizer()
        trainee.masks = None
        give_state(trainee, tensors)
        # After the masks, which change weights: a network that diverged is kept as it was found.
        trainee.model.load_state_dict(_below("model/", tensors))
        for number, hook in enumerate(trainee.hooks):
            hook.load_state(_below(f"hook/{number}/", tensors))
        trainee.curve = [Epoch(*line) for line in facts["curve"]]
        trainee.pruning_curve = [PruningPoint(*line) for line in facts["pruning_curve"]]
        trainee.examples_seen, trainee.seconds = facts["examples_seen"], facts["seconds"]
        trainee.parts = facts["parts"]

    def _read(self, file: str) -> State | None:
        path = None if self.folder is None else self.folder / file
        # What the job is known by takes reading its inputs: not for nothing.
        return left.read(path, self._known()) if path is not None and path.exists() else None

    def _known(self) -> Mapping[str, str]:
        if self._known_owner is None:
            self._known_owner = dict(self._owner())
        return self._known_owner


def _file_of(seeds: Sequence[int]) -> str:
    return f"seeds-{seeds[0]}-{seeds[-1]}.safetensors"


def _below(prefix: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): value for name, value in tensors.items() if name.startswith(prefix)}
