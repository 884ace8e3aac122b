"""Which GPU of a machine a job takes, and when: the one with the most memory left of what others have asked for.

What jobs ask for is written in a folder of the machine, a file a job, which its process keeps locked: a lock ends with
its process, however that ends. Where a scheduler (SLURM) or a person has set what GPUs a job sees, nothing is chosen.
Nothing here imports torch: the choice must come first.
"""

from __future__ import annotations

import fcntl
import json
import os
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO

#: Any of them: the GPUs of this process are chosen already.
CHOSEN = ("CUDA_VISIBLE_DEVICES", "HIP_VISIBLE_DEVICES", "ROCR_VISIBLE_DEVICES", "GPU_DEVICE_ORDINAL")

_WAIT = 2.0


@dataclass(frozen=True)
class Gpu:
    """``name``: as ``variable`` takes it."""

    name: str
    memory_mb: int
    variable: str


def gpus() -> list[Gpu]:
    """The machine's GPUs; none where the tools of their makers are not there."""
    rows = _output(["nvidia-smi", "--query-gpu=uuid,memory.total", "--format=csv,noheader,nounits"])
    if rows:
        found = (line.rsplit(",", 1) for line in rows.splitlines() if "," in line)
        return [Gpu(name.strip(), int(size), CHOSEN[0]) for name, size in found if size.strip().isdigit()]
    try:
        cards = json.loads(_output(["rocm-smi", "--showmeminfo", "vram", "--json"]) or "{}")
        totals = [
            int(card["VRAM Total Memory (B)"]) for name, card in sorted(cards.items()) if "card" in name
        ]
    except (ValueError, KeyError, TypeError, AttributeError):
        return []
    return [Gpu(str(number), total // 2**20, CHOSEN[1]) for number, total in enumerate(totals)]


@contextmanager
def one_gpu(
    memory_mb: int, folder: Path | None = None, known: list[Gpu] | None = None
) -> Iterator[Gpu | None]:
    """While this lasts, one GPU is this process's: the only one it sees. None where there is nothing to choose.

    Waits until ``memory_mb`` are left on one, or one is free altogether: so many jobs share one GPU, too, as fit.

    Args:
        folder: of the machine, shared by all jobs of this user; None: below the temporary folder.
        known: the machine's GPUs; None: looked up.
    """
    if any(os.environ.get(name) is not None for name in CHOSEN):
        yield None
        return
    found = gpus() if known is None else known
    if not found:
        yield None
        return
    claims = folder or Path(tempfile.gettempdir()) / f"prunescope-gpus-{os.getuid()}"
    claims.mkdir(mode=0o700, exist_ok=True)
    gpu, held = _claimed(found, memory_mb, claims)
    os.environ[gpu.variable] = gpu.name
    try:
        yield gpu
    finally:
        os.environ.pop(gpu.variable, None)
        Path(held.name).unlink(missing_ok=True)
        held.close()


def _claimed(found: list[Gpu], memory_mb: int, folder: Path) -> tuple[Gpu, IO[str]]:
    while True:
        with open(folder / "choosing", "w") as turn:
            fcntl.flock(turn, fcntl.LOCK_EX)
            taken = claims(folder)
            left = {gpu: gpu.memory_mb - taken.get(gpu.name, 0) for gpu in found}
            best = max(found, key=lambda gpu: left[gpu])
            if left[best] >= memory_mb or not taken.get(best.name):
                claim = open(folder / f"{os.getpid()}.claim", "w")  # noqa: SIM115 (held while the job lasts)
                fcntl.flock(claim, fcntl.LOCK_EX)
                claim.write(json.dumps({"gpu": best.name, "memory_mb": memory_mb}))
                claim.flush()
                return best, claim
        time.sleep(_WAIT)


def claims(folder: Path) -> Mapping[str, int]:
    """MB that living processes have asked for, by GPU. What others left is taken away."""
    sums: dict[str, int] = {}
    for path in folder.glob("*.claim"):
        with suppress(OSError, ValueError, KeyError), open(path, "r+") as claim:
            try:
                fcntl.flock(claim, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                said = json.loads(claim.read())
                sums[said["gpu"]] = sums.get(said["gpu"], 0) + int(said["memory_mb"])
            else:
                path.unlink()
    return sums


def _output(command: list[str]) -> str:
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        return ""
