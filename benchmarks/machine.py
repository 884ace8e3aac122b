"""What benchmarks say of the machine, and how they take time on it."""

from __future__ import annotations

import platform
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch


def processor() -> str:
    """The processor's name where the system tells it."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        return next(line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()


def timed(place: torch.device, work: Callable[[], Any]) -> float:
    """Seconds that ``work`` takes, what it leaves running on a GPU included."""
    # Here rather than above: half of the benchmarks do without torch, whose import takes seconds.
    import torch

    def wait() -> None:
        if place.type == "cuda":
            torch.cuda.synchronize(place)

    wait()
    started = time.perf_counter()
    work()
    wait()
    return time.perf_counter() - started


def spent(place: torch.device, work: Callable[[], Any]) -> float:
    """``timed`` on a GPU; on a CPU the processor seconds of this process.

    With one thread these are what an idle machine would take, whatever else this one does.
    """
    if place.type == "cuda":
        return timed(place, work)
    started = time.process_time()
    work()
    return time.process_time() - started
