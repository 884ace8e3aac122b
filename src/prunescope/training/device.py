"""The device that a job trains on."""

from __future__ import annotations

import os
import platform
import resource

import torch

from prunescope.errors import UserError


def choose_device(name: str) -> torch.device:
    """The device called ``auto``, ``cpu`` or ``cuda``, set up for training.

    Raises:
        UserError: there is no such device.
    """
    torch.set_flush_denormal(True)  # pruned models have many denormals; arithmetic on them is slow
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    if name == "cuda" and not torch.cuda.is_available():
        raise UserError("--device cuda: no GPU is visible; use --device cpu or auto")
    if name == "cuda":
        # Deterministic kernels where there are any; cuBLAS wants this workspace for them.
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
        torch.use_deterministic_algorithms(True, warn_only=True)
    return torch.device(name)


def device_name(device: torch.device) -> str:
    return torch.cuda.get_device_name(device) if device.type == "cuda" else f"cpu ({platform.machine()})"


def reset_peak_memory(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)


def peak_memory_mb(device: torch.device) -> float:
    """MiB: on a GPU since ``reset_peak_memory``, on a CPU of this process since its start."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device) / 2**20
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**10
