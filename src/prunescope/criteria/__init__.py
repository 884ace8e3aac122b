"""Criteria: what a weight is worth. The lowest are pruned.

A criterion is one decorated function in one module of this package (``declaration.criterion``). What it needs, its
words and the settings it looks at stand with it; names, checks, schema and documentation follow from that. No torch is
imported here: studies are read with it.
"""

from __future__ import annotations

from importlib import import_module
from pkgutil import iter_modules

from prunescope.criteria.declaration import Criterion, Evidence, criterion

__all__ = ["CRITERIA", "Criterion", "Evidence", "criterion"]

#: Every criterion of prunescope itself, by name.
CRITERIA: dict[str, Criterion] = {
    one.name: one
    for module in iter_modules(__path__, f"{__name__}.")
    for one in vars(import_module(module.name)).values()
    if isinstance(one, Criterion)
}
