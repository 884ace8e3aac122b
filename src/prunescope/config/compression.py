"""How much is pruned: a sparsity, a ratio or a level, and how paths and readers spell it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from fractions import Fraction
from typing import Literal

from prunescope.errors import UserError

#: What a level removes of the weights that are left, where its pruner does not say.
LEVEL_STEP = Fraction(1, 5)

#: By kind: units in one, and how a number of units is called in paths.
_UNITS: dict[Literal["sparsity", "ratio", "level"], tuple[int, str]] = {
    "sparsity": (1000, "permille"),
    "ratio": (100, "percent"),
    "level": (1, ""),
}

#: The compression levels of paths, as a regular expression with a group of digits for each kind.
COMPRESSION_TOKEN = "|".join(rf"{kind}-(\d+){unit}" for kind, (_, unit) in _UNITS.items())


@dataclass(frozen=True, order=True)
class Compression:
    """How much is pruned, as asked for: a sparsity, a ratio or a level, with one spelling in paths."""

    kind: Literal["sparsity", "ratio", "level"]
    units: int  # per-mille of a sparsity, percent of a ratio, number of a level

    @classmethod
    def of_sparsity(cls, value: float) -> Compression:
        return cls("sparsity", _exact("sparsities", value, 1000))

    @classmethod
    def of_ratio(cls, value: float) -> Compression:
        return cls("ratio", _exact("ratios", value, 100))

    @classmethod
    def of_level(cls, number: int) -> Compression:
        """``number``: 1 for the first pruning."""
        return cls("level", number)

    @classmethod
    def parse(cls, token: str) -> Compression:
        """Inverse of ``token``.

        Raises:
            UserError: not a token.
        """
        match = re.fullmatch(COMPRESSION_TOKEN, token)
        if not match:
            raise UserError(
                f"{token!r}: not a compression level such as sparsity-900permille, ratio-1000percent or level-7"
            )
        for kind, units in zip(_UNITS, match.groups(), strict=True):
            if units is not None:
                return cls(kind, int(units))
        raise AssertionError(token)

    @property
    def value(self) -> float:
        return self.units / _UNITS[self.kind][0]

    @property
    def text(self) -> str:
        """``90%``, ``ratio 10`` or ``level 7``, for readers."""
        return f"{self.units / 10:g}%" if self.kind == "sparsity" else f"{self.kind} {self.value:g}"

    @property
    def token(self) -> str:
        return f"{self.kind}-{self.units}{_UNITS[self.kind][1]}"

    def share(self, total: int, prunable: int, step: Fraction = LEVEL_STEP) -> Fraction:
        """The fraction of the ``prunable`` weights that become zero in a model of ``total`` parameters.

        A ratio t removes (1 - 1/t) of all parameters, so s = (1 - 1/t) * total / prunable of
        the prunable ones. At level k, where each level removes ``step`` of what is left, it is
        1 - (1 - step)^k. Exact, so that counts of weights round half to even as numbers do on paper.

        Raises:
            UserError: the ratio asks for more weights than are prunable.
        """
        if self.kind == "sparsity":
            return Fraction(self.units, 1000)
        if self.kind == "level":
            return 1 - (1 - step) ** self.units
        share = (1 - Fraction(100, self.units)) * Fraction(total, prunable)
        if share >= 1:
            raise UserError(
                f"ratio {self.value:g}: asks for {round(share * prunable)} zeros but only {prunable} of {total} "
                f"parameters are prunable; choose a ratio below {total / (total - prunable):.4g}"
            )
        return share


def _exact(key: str, value: float, scale: int) -> int:
    units = round(value * scale)
    if abs(units - value * scale) > 1e-6:
        raise UserError(f"{key}: {value} has more decimals than paths keep; use multiples of {1 / scale:g}")
    return units


#: The compression level of dense models.
DENSE = Compression("sparsity", 0)
