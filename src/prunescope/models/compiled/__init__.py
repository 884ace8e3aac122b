"""relu(max_pool2d(conv2d)) on a CPU as one compiled function, several times as fast as torch's three.

The C++ compiler of the machine compiles it at its first use, for this processor; the result is cached. Without a
compiler, torch's operations do the same up to rounding. ``kernels()`` says which of the two it is.
"""

from __future__ import annotations

import ctypes
import functools
import hashlib
import os
import shlex
import subprocess
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from prunescope.data.fetch import cache_folder
from prunescope.errors import UserError
from prunescope.files import atomic_path

SOURCE = Path(__file__).with_name("pooled.cpp")

#: "torch" turns compiled functions off.
SETTING = "PRUNESCOPE_KERNELS"

_FLAGS = ("-std=gnu++17", "-O3", "-march=native", "-ffp-contract=fast", "-fPIC", "-shared")

#: As in pooled.cpp: the side of the filters, and the most channels.
_SIZE, _CHANNELS = 5, 8


class _Shape(ctypes.Structure):
    _fields_ = [
        (name, ctypes.c_int64) for name in ("images", "height", "width", "channels", "filters", "padding")
    ]


def pooled(layer: nn.Conv2d, images: Tensor) -> Tensor:
    """relu(max_pool2d(layer(images), 2)); pooling first is the same and leaves ReLU a quarter of the work.

    (B, C, height, width) -> (B, filters, ...). Hooks of ``layer`` are called.
    """
    if _compiles(layer, images):
        assert layer.bias is not None
        result: Tensor = _Pooled.apply(images, layer.weight, layer.bias, int(layer.padding[0]))
        return result
    maps = layer(images)
    if not images.is_cuda:
        maps = maps.contiguous(memory_format=torch.channels_last)  # torch pools and convolves these faster
    return torch.relu(torch.max_pool2d(maps, 2))


def kernels() -> str:
    """``compiled``, or ``torch: `` and why nothing is compiled."""
    _, reason = _library()
    return f"torch: {reason}" if reason else "compiled"


def _compiles(layer: nn.Conv2d, images: Tensor) -> bool:
    return (
        images.device.type == "cpu"
        and images.dtype == layer.weight.dtype == torch.float32
        and not torch.is_autocast_enabled("cpu")
        and not layer._forward_hooks
        and not layer._forward_pre_hooks
        and layer.kernel_size == (_SIZE, _SIZE)
        and layer.stride == layer.dilation == (1, 1)
        and layer.padding_mode == "zeros"
        and layer.padding in ((0, 0), (1, 1), (2, 2))
        and layer.groups == 1
        and layer.bias is not None
        and layer.in_channels <= _CHANNELS
        and _library()[0] is not None
    )


class _Pooled(torch.autograd.Function):
    """Arguments and layouts: pooled.cpp."""

    @staticmethod
    def forward(ctx: Any, images: Tensor, weight: Tensor, bias: Tensor, padding: int) -> Tensor:
        images, weight = images.contiguous(memory_format=torch.channels_last), weight.contiguous()
        count, channels, height, width = images.shape
        rows, columns = ((side + 2 * padding - _SIZE + 1) // 2 for side in (height, width))
        out = images.new_empty(count, rows, columns, len(weight))
        corner = torch.empty(out.shape, dtype=torch.uint8)
        ctx.shape = _Shape(count, height, width, channels, len(weight), padding)
        ctx.save_for_backward(images, weight, corner)
        _call("forward", ctx.shape, images, weight, bias, out, corner)
        return out.permute(0, 3, 1, 2)

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, Tensor, Tensor, None]:
        images, weight, corner = ctx.saved_tensors
        of_weight, of_bias = torch.empty_like(weight), weight.new_empty(len(weight))
        of_images = torch.empty_like(images) if ctx.needs_input_grad[0] else None
        by_place = gradient.permute(0, 2, 3, 1).contiguous()
        _call("backward", ctx.shape, images, weight, by_place, corner, of_weight, of_bias, of_images)
        return of_images, of_weight, of_bias, None


def _call(name: str, shape: _Shape, *tensors: Tensor | None) -> None:
    library, _ = _library()
    getattr(library, name)(shape, *(None if one is None else one.data_ptr() for one in tensors))


@functools.cache
def _library() -> tuple[ctypes.CDLL | None, str]:
    """The compiled functions, or None and why there are none."""
    if os.environ.get(SETTING) == "torch":
        return None, f"{SETTING} is torch"
    compiler = shlex.split(os.environ.get("CXX", "c++"))
    try:
        # What the compiler defines for this processor names both: nodes of a cluster may share the cache.
        macros = _run([*compiler, *_FLAGS[:3], "-dM", "-E", "-x", "c++", os.devnull])
        key = hashlib.sha256(SOURCE.read_bytes() + macros + " ".join(_FLAGS).encode()).hexdigest()[:16]
        library = _loaded(compiler, cache_folder() / "kernels" / f"{SOURCE.stem}-{key}.so")
    except (OSError, subprocess.CalledProcessError) as error:
        return None, f"{' '.join(compiler)} does not compile ({type(error).__name__})"
    pointer = ctypes.c_void_p
    library.forward.argtypes, library.forward.restype = [_Shape, *[pointer] * 5], None
    library.backward.argtypes, library.backward.restype = [_Shape, *[pointer] * 7], None
    return library, ""


def _loaded(compiler: list[str], cached: Path) -> ctypes.CDLL:
    """The library in the cache; compiled first where it is not there, or beside it where the cache cannot be written.

    Raises:
        CalledProcessError: it does not compile.
        OSError: there is no compiler, or what it made cannot be loaded.
    """
    if not cached.exists():
        with suppress(UserError), atomic_path(cached) as path:
            _run([*compiler, *_FLAGS, str(SOURCE), "-o", str(path)])
    if cached.exists():
        return ctypes.CDLL(str(cached))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, cached.name)
        _run([*compiler, *_FLAGS, str(SOURCE), "-o", str(path)])
        return ctypes.CDLL(str(path))


def _run(command: list[str]) -> bytes:
    return subprocess.run(command, check=True, capture_output=True).stdout
