"""Following the recipes of several models at once: phases that are alike are trained together."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeAlias

from prunescope.pruning.mask import ScoreError
from prunescope.training.loop import train
from prunescope.training.recipes import Recipe
from prunescope.training.state import DivergedError, Phase, TrainingState

#: Trains each model for its phase, all of the same name, epochs and rate. Returns for each None, or how it diverged.
Trainer: TypeAlias = Callable[[Sequence[tuple[TrainingState, Phase]]], list[DivergedError | None]]


def train_each(asked: Sequence[tuple[TrainingState, Phase]]) -> list[DivergedError | None]:
    """One model after the other."""
    return [_train_one(state, phase) for state, phase in asked]


def _train_one(state: TrainingState, phase: Phase) -> DivergedError | None:
    try:
        train(state, phase)
    except DivergedError as error:
        return error
    return None


def follow(
    runs: Sequence[tuple[TrainingState, Recipe]], trainer: Trainer
) -> list[DivergedError | ScoreError | None]:
    """Follow every recipe to its end; models that need the same phase are trained together.

    Returns: for each run None, or how it diverged. The others then go on.
    """
    ends: list[DivergedError | ScoreError | None] = [None] * len(runs)
    asked: dict[int, Phase] = {}

    def advance(number: int, failure: DivergedError | None = None) -> None:
        asked.pop(number, None)
        recipe = runs[number][1]
        try:
            if failure is not None:
                raise failure
            asked[number] = next(recipe)
        except StopIteration:
            pass
        except (DivergedError, ScoreError) as error:
            ends[number] = error

    for number in range(len(runs)):
        advance(number)
    while asked:
        first = next(iter(asked.values()))
        alike = [number for number, phase in asked.items() if _same(phase, first)]
        failures = trainer([(runs[number][0], asked[number]) for number in alike])
        for number, failure in zip(alike, failures, strict=True):
            advance(number, failure)
    return ends


def _same(a: Phase, b: Phase) -> bool:
    return (a.name, a.epochs, a.lr_factor) == (b.name, b.epochs, b.lr_factor)
