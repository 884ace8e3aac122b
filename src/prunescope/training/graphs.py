"""CUDA graphs: a training step recorded once and then launched as one, without the host's share of its time."""

from __future__ import annotations

import sys
from collections.abc import Callable

import torch

Step = Callable[[], None]

#: Steps run as they are before one is recorded: libraries set themselves up in them.
WARM_UP = 3


class Replayed:
    """Runs a step again and again; from its fourth run on as a CUDA graph where that is possible.

    The step must read and write the same memory each time and must not wait for the device. The
    steps before the recording are real ones, and recording runs nothing, so that results
    are those of calling the step each time. Where recording fails, it is called each time, and ``failure`` says why.
    """

    def __init__(self, step: Step, record: Callable[[Step], Step] | None) -> None:
        """
        Args:
            record: makes of the step what replays it; None: never recorded.
        """
        self._step, self._record = step, record
        self._runs = 0
        self._replay: Step | None = None
        self.failure: str | None = None

    @property
    def recorded(self) -> bool:
        return self._replay is not None

    def __call__(self) -> None:
        if self._record is not None and self._replay is None and self._runs == WARM_UP:
            self._replay = self._recorded()
        self._runs += 1
        (self._replay or self._step)()

    def _recorded(self) -> Step | None:
        assert self._record is not None
        try:
            return self._record(self._step)
        except torch.OutOfMemoryError:
            raise
        except RuntimeError as error:
            self.failure = " ".join(str(error).split())
            self._record = None
            print(f"CUDA graph: not recorded, steps run one by one: {self.failure}", file=sys.stderr)
            return None


def recorder(device: torch.device) -> Callable[[Step], Step] | None:
    """What records steps on a device; None where there are no graphs."""
    return cuda_graph if device.type == "cuda" else None


def cuda_graph(step: Step) -> Step:
    """Record ``step``, without running it.

    Raises:
        RuntimeError: it does something that a graph cannot hold.
    """
    graph = torch.cuda.CUDAGraph()
    torch.cuda.synchronize()
    with torch.cuda.graph(graph):
        step()
    return graph.replay
