"""Controls: models that train as long and as often as pruned ones do, and of which nothing is pruned.

A fine-tuned model sees more epochs than the dense one it is compared with, so that a gain may be that of training.
"""

from __future__ import annotations

from collections.abc import Iterable

from prunescope.config.gradual import Gradual
from prunescope.config.pruners import CONTROL, Pruner

#: In this order; what comes after the prefix.
_KINDS = ("FT", "WR", "gradual")


def control_of(pruner: Pruner) -> Pruner | None:
    """The pruner's schedule and recovery, at sparsity 0; None at initialization, where the dense model is the control.

    A level of iterative magnitude pruning is trained from the start once, whatever the levels below were. Objectives
    beyond the task's are part of a method, not of its control.
    """
    if pruner.is_gradual:
        start = Gradual(start=pruner.gradual.start)
        return Pruner(criterion="magnitude", scope="global", schedule="gradual", gradual=start)
    if not pruner.needs_trained:
        return None
    schedule = "iterative" if pruner.rounds > 1 else "one-shot"
    return Pruner(criterion="magnitude", schedule=schedule, rounds=pruner.rounds, recovery=pruner.recovery)


def named_controls(pruners: Iterable[Pruner]) -> dict[str, Pruner]:
    """The controls of some pruners by name.

    ``control-FT`` (fine-tuned), ``control-WR`` (rewound) and ``control-gradual``. Of several of a kind the one with
    most rounds has the plain name, the others their number of rounds behind it (``control-FT-1``); gradual ones that
    start from trained models beside others are ``control-gradual-trained``.
    """
    found = dict.fromkeys(control for control in map(control_of, pruners) if control is not None)
    named = {}
    for kind in _KINDS:
        own = sorted((c for c in found if _kind(c) == kind), key=lambda c: (-c.rounds, c.gradual.start))
        for number, control in enumerate(own):
            which = control.gradual.start if control.is_gradual else str(control.rounds)
            named[f"{CONTROL}{kind}{f'-{which}' if number else ''}"] = control
    return named


def _kind(control: Pruner) -> str:
    return "gradual" if control.is_gradual else "WR" if control.recovery == "rewind" else "FT"
