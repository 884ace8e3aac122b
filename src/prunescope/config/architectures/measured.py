"""Architectures whose layers only the code of their models knows."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from math import prod
from typing import Any

from prunescope.config.architectures.base import Architecture, Facts, Shapes


class MeasuredArchitecture(Architecture):
    """``module`` has ``measured_on(arch, facts, per_token)``, a ``models.measure.Measured``, beside ``build``.

    Torch is imported for it, but only where it is asked.
    """

    def _measured(self, facts: Facts, per_token: bool = False) -> Any:
        return import_module(self.module).measured_on(self, facts, per_token)

    def shapes(self, facts: Facts, *, per_token: bool = False) -> Shapes:
        return dict(self._measured(facts, per_token).shapes)

    def uses(self, name: str, facts: Facts) -> int:
        return int(self._measured(facts).uses.get(name, 1))

    def forward_flops(self, facts: Facts, sizes: Mapping[str, int]) -> float:
        return 2.0 * sum(prod(shape) * self.uses(name, facts) for name, shape in self.shapes(facts).items())

    def parameters(self, facts: Facts, *, per_token: bool = False) -> int:
        return int(self._measured(facts, per_token).parameters)

    def activation_bytes(self, facts: Facts) -> int:
        return int(4 * self._measured(facts).outputs)
