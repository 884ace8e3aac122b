"""The task's loss while networks are pruned, over seeds: rows of ``pruning_loss.csv`` (PINS paper, Figure 3)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from prunescope.analysis.stats import mean, std
from prunescope.errors import UserError

#: The columns after those of the cell. ``reached``: sparsity after the step; ``mean`` and ``std``: of the loss.
COLUMNS = ("step", "reached", "mean", "std", "n_seeds")


def rows(models: Iterable[Mapping[str, Any]], where: object) -> list[list[Any]]:
    """One row per point, in the order of steps; none where no model has a ``pruning_curve``.

    Args:
        models: records of a cell's models. Those that diverged are left out: their curves end early.
        where: what to name in an error.

    Raises:
        UserError: a curve is none, or models of the cell disagree in what was pruned when.
    """
    losses: dict[int, list[float]] = {}
    reached: dict[int, float] = {}
    for model in models:
        curve = model.get("pruning_curve")
        if curve is None or model["diverged"]:
            continue
        try:
            points = list(zip(curve["step"], curve["sparsity"], curve["loss"], strict=True))
            for step, sparsity, loss in points:
                if reached.setdefault(int(step), float(sparsity)) != float(sparsity):
                    raise ValueError
                losses.setdefault(int(step), []).append(float(loss))
        except (KeyError, TypeError, ValueError):
            raise UserError(
                f"{where}: the pruning_curve of seed {model['seed']} is damaged or unlike the others'; "
                "train the cell again"
            ) from None
    return [
        [step, reached[step], mean(found), std(found), len(found)] for step, found in sorted(losses.items())
    ]
