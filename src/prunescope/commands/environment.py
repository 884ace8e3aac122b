"""What a stage sets for its process before it imports anything heavy."""

from __future__ import annotations

import os


def without_hub() -> None:
    """From here on only the hub's cache is read: this may be a machine without internet access."""
    os.environ.setdefault("HF_HUB_OFFLINE", "1")


def use_threads(threads: int) -> None:
    """Compute with so many threads, in torch and in what it calls."""
    # Before torch is imported: its thread pools are sized by these.
    for variable in ("OMP_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ[variable] = str(threads)
    import torch

    torch.set_num_threads(threads)
