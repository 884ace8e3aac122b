"""Following the recipes of several networks at once: what they ask for alike is trained in one go."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeAlias

from prunescope.pruning.mask import ScoreError
from prunescope.training.loop import DivergedError, Stretch, Trainee, train
from prunescope.training.recipes import Recipe

#: Trains each network for its stretch, all of the same phase, epochs and rate; says who diverged.
Trainer: TypeAlias = Callable[[Sequence[tuple[Trainee, Stretch]]], list[DivergedError | None]]


def train_each(asked: Sequence[tuple[Trainee, Stretch]]) -> list[DivergedError | None]:
    """One network after the other."""
    return [_train_one(trainee, stretch) for trainee, stretch in asked]


def _train_one(trainee: Trainee, stretch: Stretch) -> DivergedError | None:
    try:
        train(
            trainee,
            stretch.phase,
            stretch.epochs,
            lr_factor=stretch.lr_factor,
            after_epoch=stretch.after_epoch,
        )
    except DivergedError as error:
        return error
    return None


def follow(
    runs: Sequence[tuple[Trainee, Recipe]], trainer: Trainer
) -> list[DivergedError | ScoreError | None]:
    """Follow every recipe to its end; networks that ask for the same training at a time are trained together.

    Returns: for each run None, or why it came to nothing. A network that diverges leaves the others alone.
    """
    ends: list[DivergedError | ScoreError | None] = [None] * len(runs)
    asked: dict[int, Stretch] = {}

    def go_on(number: int, failure: DivergedError | None = None) -> None:
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
        go_on(number)
    while asked:
        first = next(iter(asked.values()))
        alike = [number for number, stretch in asked.items() if _same(stretch, first)]
        failures = trainer([(runs[number][0], asked[number]) for number in alike])
        for number, failure in zip(alike, failures, strict=True):
            go_on(number, failure)
    return ends


def _same(a: Stretch, b: Stretch) -> bool:
    return (a.phase, a.epochs, a.lr_factor) == (b.phase, b.epochs, b.lr_factor)
