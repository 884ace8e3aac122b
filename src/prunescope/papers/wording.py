"""Numbers and titles as the papers' tables write them; blank where there is no value."""

from __future__ import annotations


def yes(value: bool) -> str:
    """A flag as CSV files have it."""
    return "yes" if value else ""


def count(value: float | None) -> str:
    """``1,203``."""
    return "" if value is None else f"{round(value):,}"


def percent(value: float | None, digits: int = 1) -> str:
    """``0.123`` as ``12.3%``."""
    return "" if value is None else f"{100 * value:.{digits}f}%"


def decimal(value: float | None, digits: int = 3) -> str:
    return "" if value is None else f"{value:.{digits}f}".replace("-", "−")


def spread(mean: float | None, std: float | None, digits: int = 3) -> str:
    """A mean, with ``± std`` where there is one."""
    return decimal(mean, digits) + ("" if mean is None or std is None else f" ± {decimal(std, digits)}")
