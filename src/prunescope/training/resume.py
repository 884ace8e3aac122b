"""A job's progress, saved on disk while it trains, so that a stopped job resumes from there.

Soon after its start, then at growing intervals, and when the job receives SIGTERM or SIGUSR1 (which the workflow has
schedulers send some time before the time limit), it writes everything that resuming needs into a folder: the results
of finished seeds, and the models in training with optimizer state, masks, best weights so far, random states and the
position in the phase. A job of the same settings, inputs and software then ends with the same bytes as one that was
never stopped (on a CPU; on a GPU as far as its kernels are deterministic).

A resumed job follows its recipes from their start. It skips the phases that were done, and the recipes do not touch the
models (``TrainingState.skipping``) until they reach the phase that was interrupted.
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
from prunescope.training import snapshot
from prunescope.training.checkpoint import give_state, mask_tensors, state_tensors
from prunescope.training.lockstep import Trainer
from prunescope.training.recipes import Recipe
from prunescope.training.state import (
    Course,
    DivergedError,
    Epoch,
    Phase,
    PruningPoint,
    Snapshot,
    TrainingState,
    Watch,
)

#: Signals that ask a job to end: preemption or a shutdown, and the time limit that comes near.
SIGNALS = (signal.SIGTERM, signal.SIGUSR1)

#: Seconds to the first time that progress is saved; each time after it comes twice as long after the last, up to the
#: interval that is asked for. A job that is killed loses no more than half of its work, or an interval of it.
FIRST = 30.0

_CURRENT = "in-training.safetensors"


class Stopped(SystemExit):
    """The job was asked to end and has saved its progress."""


class Progress(Watch):
    """Saves a job's progress in ``folder``, at last every ``interval`` seconds; nothing where ``folder`` is None.

    ``owner`` returns what identifies the job; progress of another job is not used. It is called when first needed.
    """

    def __init__(
        self, folder: Path | None, interval: float, owner: Callable[[], Mapping[str, str]] = dict
    ) -> None:
        self.folder, self.interval = folder, interval
        self._pause = min(FIRST, interval)
        self._owner = owner
        self._known_owner: Mapping[str, str] | None = None
        self._finished: list[tuple[tuple[int, ...], Snapshot]] = []
        self._group: list[TrainingState] = []
        self._early: dict[int, np.ndarray] = {}
        self._ended: dict[int, str] = {}
        self._phase = 0
        self._over = False
        self._course: Course | None = None
        self._found: Snapshot | None = None
        self._due = time.monotonic() + self._pause
        self._asked: int | None = None
        self._kept = False
        self._open = False

    # The job's side: it trains its seeds in groups.

    def finished(self, seeds: Sequence[int]) -> Snapshot | None:
        """The results of these seeds, if an earlier job finished them (``complete``)."""
        return self._read(_file_of(seeds))

    def begin(self, group: Sequence[TrainingState], early: dict[int, np.ndarray]) -> None:
        """These models, at initialization, are trained next. ``early``: seed -> logits, saved with them."""
        self._open = False
        self._group, self._early = list(group), early
        self._ended, self._phase, self._over, self._course = {}, 0, False, None
        for state in group:
            state.watch = self
        self._found = self._read(_CURRENT)
        if self._found is None:
            return
        tensors, facts = self._found
        if facts["seeds"] != [state.seed for state in group]:
            self._found = None
            return
        self._ended = {int(seed): reason for seed, reason in facts["ended"].items()}
        for state in group:
            logits = tensors.get(f"{state.seed}/early")
            if logits is not None:
                early[state.seed] = logits.numpy()
        seeds = ", ".join(str(state.seed) for state in group)
        where = "evaluation" if facts["over"] else f"phase {facts['stretch']} of training"
        print(f"seed {seeds}: resumes in {where}", file=sys.stderr, flush=True)

    def followed(self, state: TrainingState, recipe: Recipe) -> Iterator[Phase]:
        """The recipe of a model of the group, from where it was interrupted."""
        number = 0
        if self._found is not None:
            if state.seed in self._ended:
                self._give(state)
                raise DivergedError(self._ended[state.seed])
            if self._found[1]["over"]:
                self._give(state)
                return
            state.skipping = True
        while True:
            self._open = False
            try:
                phase = next(recipe)
            except StopIteration:
                assert not state.skipping, "the recipe has fewer phases than before"
                return
            except (DivergedError, ScoreError) as error:
                self._ended[state.seed] = str(error)
                raise
            number += 1
            if state.skipping:
                assert self._found is not None
                if number < self._found[1]["stretch"]:
                    continue
                state.skipping = False
                self._give(state)
            self._phase = number
            yield phase

    def noting(self, trainer: Trainer) -> Trainer:
        """``trainer``, recording which models diverge."""

        def train(asked: Sequence[tuple[TrainingState, Phase]]) -> list[DivergedError | None]:
            ends = trainer(asked)
            self._ended |= {
                state.seed: str(end) for (state, _), end in zip(asked, ends, strict=True) if end is not None
            }
            return ends

        return train

    def trained(self) -> None:
        """The recipes of the group are done; its models are only evaluated from now on."""
        self._over, self._course, self._found = True, None, None
        self._reopen()

    def complete(self, result: Snapshot) -> None:
        """``result``: all results of the group."""
        self._open = False
        if self.folder is not None:
            self._finished.append((tuple(state.seed for state in self._group), result))
        self._group, self._early = [], {}
        self._reopen()
        if time.monotonic() >= self._due:
            self._open = False
            self.save()
            self._reopen()

    def forget(self) -> None:
        """The job is done: remove its progress."""
        self._open = False
        if self.folder is not None:
            shutil.rmtree(self.folder, ignore_errors=True)

    # Training's side (``Watch``).

    def enter(self, course: Course) -> None:
        self._course = course
        if self._found is not None:
            tensors, facts = self._found
            self._found = None
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
        """While this lasts, a signal to end saves the progress first."""
        if self.folder is None or threading.current_thread() is not threading.main_thread():
            yield
            return
        before = {number: signal.signal(number, self._signalled) for number in SIGNALS}
        try:
            yield
        except Stopped:
            self._save_and_report()
            raise
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def save(self) -> None:
        """Save the progress. Where that fails, print a line and go on training."""
        if self.folder is None:
            return
        try:
            while self._finished:
                seeds, (tensors, facts) = self._finished[0]
                snapshot.write(self.folder / _file_of(seeds), self._known(), tensors, facts)
                self._finished.pop(0)
            if self._group:
                snapshot.write(self.folder / _CURRENT, self._known(), *self._capture())
            else:
                (self.folder / _CURRENT).unlink(missing_ok=True)
        except (UserError, OSError) as error:
            print(f"progress is not saved: {error}; training goes on", file=sys.stderr, flush=True)
        self._pause = min(2 * self._pause, self.interval)
        self._due = time.monotonic() + self._pause

    def _reopen(self) -> None:
        self._open = True
        if self._asked is not None:
            self._stop()

    def _signalled(self, number: int, frame: FrameType | None) -> None:
        # In the middle of a step, or of pruning, a model cannot be saved: the next step does it.
        if self._asked is None:
            self._asked = number
            if self._open:
                self._stop()

    def _stop(self) -> None:
        assert self._asked is not None
        self._open = False
        raise Stopped(128 + self._asked)

    def _save_and_report(self) -> None:
        """After a stop, not within an evaluation, during which a model's weights may differ from those in training."""
        assert self._asked is not None
        if not self._kept:
            self.save()
        print(
            f"prunescope: stopped by {signal.Signals(self._asked).name}; progress is in {self.folder}: run the same "
            "command to resume",
            file=sys.stderr,
            flush=True,
        )

    def _capture(self) -> Snapshot:
        tensors: dict[str, Tensor] = {}
        models = {}
        for state in self._group:
            seed = state.seed
            tensors |= state_tensors(state) | mask_tensors(state)
            for number, hook in enumerate(state.hooks):
                # Copies: hooks' tensors may share memory, which the file format does not allow.
                tensors |= {
                    f"{seed}/hook/{number}/{name}": value.detach().clone()
                    for name, value in hook.capture().items()
                }
            if seed in self._early:
                tensors[f"{seed}/early"] = torch.from_numpy(self._early[seed])
            models[seed] = {
                "curve": [[one.phase, one.epoch, one.loss, one.validation_loss] for one in state.curve],
                "pruning_curve": [[one.step, one.sparsity, one.loss] for one in state.pruning_curve],
                "examples_seen": state.examples_seen,
                "seconds": state.seconds,
                "parts": state.parts,
            }
        course: dict[str, Any] = {}
        if self._course is not None:
            more, course = self._course.capture()
            tensors |= {f"course/{name}": value for name, value in more.items()}
        facts = {
            "seeds": list(models),
            "trainees": models,
            "ended": self._ended,
            "stretch": self._phase,
            "over": self._over,
            "course": course,
        }
        return tensors, facts

    def _give(self, state: TrainingState) -> None:
        """Restore a model in training."""
        assert self._found is not None
        tensors = _below(f"{state.seed}/", self._found[0])
        facts = self._found[1]["trainees"][str(state.seed)]
        state.restart_optimizer()
        state.masks = None
        give_state(state, tensors)
        # After the masks, which change weights: a diverged model is restored as it was.
        state.model.load_state_dict(_below("model/", tensors))
        for number, hook in enumerate(state.hooks):
            hook.restore(_below(f"hook/{number}/", tensors))
        state.curve = [Epoch(*line) for line in facts["curve"]]
        state.pruning_curve = [PruningPoint(*line) for line in facts["pruning_curve"]]
        state.examples_seen, state.seconds = facts["examples_seen"], facts["seconds"]
        state.parts = facts["parts"]

    def _read(self, file: str) -> Snapshot | None:
        path = None if self.folder is None else self.folder / file
        # Identifying the job reads its inputs: only where there is a file.
        return snapshot.read(path, self._known()) if path is not None and path.exists() else None

    def _known(self) -> Mapping[str, str]:
        if self._known_owner is None:
            self._known_owner = dict(self._owner())
        return self._known_owner


def _file_of(seeds: Sequence[int]) -> str:
    return f"seeds-{seeds[0]}-{seeds[-1]}.safetensors"


def _below(prefix: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): value for name, value in tensors.items() if name.startswith(prefix)}
