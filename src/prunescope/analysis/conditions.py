"""Conditions on the numbers of an audit, for continuous integration of a model: ``harm > 0.02``."""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from prunescope.analysis.leading import led
from prunescope.errors import UserError

_COMPARE: dict[str, Callable[[float, float], bool]] = {
    ">": operator.gt,
    ">=": operator.ge,
    "<": operator.lt,
    "<=": operator.le,
}

_FORM = re.compile(r"\s*([a-z_]+)\s*(>=|<=|>|<)\s*([-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?)\s*(%?)\s*")

#: Corrected p-values below this support a sentence.
LEVEL = 0.05

#: What a condition can be about: its meaning, and where it stands in ``summary.json``.
NAMES: dict[str, tuple[str, str]] = {
    "harm": ("answers that become wrong less those that become right, share of the examples", ""),
    "class_harm": ("the same of the class that it is largest for", "most_harmed.harm"),
    "group_harm": ("the same of the group that it is largest for, with --groups", ""),
    "change": ("change of the score", "change.mean"),
    "change_low": ("lower end of its interval", "change.ci_low"),
    "flips": ("answers that become wrong or right, share of the examples", "flips.share"),
    "pie_share": ("share of the examples that are PIEs", "pie_share"),
    "p_value": ("p-value of McNemar's test", "mcnemar.p_value"),
    "alpha": ("recall distortion", "alpha.mean"),
    "alpha_corrected": ("recall distortion, corrected for noise", "alpha_corrected.mean"),
    "kl": ("Kullback-Leibler divergence of the pruned from the dense models, nats", "kl_mean"),
    "js": ("Jensen-Shannon divergence, nats", "js_mean"),
    "nll": ("negative log-likelihood of the pruned models", "nll_pruned"),
    "ece": ("calibration error of the pruned models", "ece_pruned"),
}


@dataclass(frozen=True)
class Condition:
    """``text``: as it was given, blanks aside."""

    name: str
    sign: str
    bound: float

    @property
    def text(self) -> str:
        return f"{self.name} {self.sign} {self.bound:g}"

    def applies(self, summary: Mapping[str, Any]) -> bool:
        """Whether what it says is so.

        Raises:
            UserError: the audit has no such number.
        """
        value = value_of(self.name, summary)
        if value is None:
            raise UserError(
                f"--fail-on {self.text!r}: this audit has no {self.name} ({NAMES[self.name][0]}); "
                "leave the condition out"
            )
        return _COMPARE[self.sign](value, self.bound)


def parse(text: str) -> Condition:
    """A condition as ``name sign number``; ``%`` after the number divides it by 100.

    Raises:
        UserError: it has another form, or the name is unknown.
    """
    found = _FORM.fullmatch(text)
    if found is None:
        raise UserError(f'--fail-on {text!r}: not a condition; write one like "harm > 0.02"')
    name, sign, number, percent = found.groups()
    if name not in NAMES:
        raise UserError(f"--fail-on {text!r}: {name!r} is unknown; there are {', '.join(NAMES)}")
    return Condition(name, sign, float(number) / (100 if percent else 1))


def value_of(name: str, summary: Mapping[str, Any]) -> float | None:
    """The number that a name of ``NAMES`` stands for; None where the audit has none."""
    summary = led(summary)
    if name == "harm":
        flips = summary.get("flips")
        return (flips["to_wrong"] - flips["to_right"]) / summary["n_examples"] if flips else None
    if name == "group_harm":
        groups = (summary.get("groups") or {}).values()
        return max((one["most_harm"] for one in groups if "most_harm" in one), default=None)
    value: Any = summary
    for key in NAMES[name][1].split("."):
        value = value.get(key) if isinstance(value, Mapping) else None
    return None if value is None else float(value)


def within_margin(summary: Mapping[str, Any], margin: float) -> bool:
    """Whether the score is not lower by ``margin`` or more: the interval of its change ends above (non-inferiority).

    Raises:
        UserError: the change has no interval.
    """
    low = value_of("change_low", summary)
    if low is None:
        why = (
            "there are no labels"
            if summary.get("labelled") is False
            else "its models have no score, or too few examples"
        )
        raise UserError(f"--margin: the score's change has no interval here, as {why}; leave it out")
    return low > -margin
