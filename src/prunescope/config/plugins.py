"""What installed packages add to prunescope: criteria, architectures, data set sources and figures, by entry point.

A configuration names an addition; only the installation of a package makes its code run.
"""

from __future__ import annotations

from functools import cache
from importlib.metadata import EntryPoint, entry_points
from typing import Any, Literal

from prunescope.errors import UserError

Group = Literal["criteria", "architectures", "sources", "figures"]


@cache
def plugins(group: Group) -> dict[str, EntryPoint]:
    """Entry points of ``prunescope.<group>`` by name; nothing is loaded.

    Raises:
        UserError: two installed packages give the same name.
    """
    found: dict[str, EntryPoint] = {}
    for point in entry_points(group=f"prunescope.{group}"):
        other = found.setdefault(point.name, point)
        if other.value != point.value:
            raise UserError(
                f"{point.name}: two installed packages give prunescope.{group} this name ({other.value}, "
                f"{point.value}); uninstall one of them"
            )
    return found


def load_plugin(group: Group, name: str) -> Any:
    """The object that the entry point ``name`` refers to.

    Raises:
        UserError: the package's code cannot be imported.
    """
    point = plugins(group)[name]
    try:
        return point.load()
    except Exception as error:
        raise UserError(
            f"{name}: the installed package's {point.value} cannot be loaded "
            f"({type(error).__name__}: {error}); repair or uninstall it"
        ) from error
