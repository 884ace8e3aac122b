"""What small convolutional networks do around their convolutions, on a CPU, as one compiled function each.

Several times as fast as torch's, which are three. The C++ compiler of the machine compiles it at its first use, for
this processor; the result is cached. Without a compiler, torch's operations do the same up to rounding.
``kernels(source)`` says which of the two it is.
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

#: "torch" turns compiled functions off.
SETTING = "PRUNESCOPE_KERNELS"

_FLAGS = ("-std=gnu++17", "-O3", "-march=native", "-ffp-contract=fast", "-fPIC", "-shared")

#: As in pooled.cpp: the side of the filters, and the most channels.
_SIZE, _CHANNELS = 5, 8

#: As in normalized.cpp.
_WIDTHS = (16, 32, 64)


class _Shape(ctypes.Structure):
    _fields_ = [
        (name, ctypes.c_int64) for name in ("images", "height", "width", "channels", "filters", "padding")
    ]


#: What the functions of a file take: numbers, then how many arrays.
_NUMBERS: dict[str, tuple[Any, ...]] = {
    "pooled": (_Shape,),
    "normalized": (ctypes.c_int64, ctypes.c_int64, ctypes.c_float),
}
_ARRAYS = {"pooled": {"forward": 5, "backward": 7}, "normalized": {"forward": 7, "backward": 10}}


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


def normalized(layer: nn.BatchNorm2d, maps: Tensor, other: Tensor | None = None) -> Tensor:
    """relu(layer(maps) + other), with the running statistics of ``layer`` kept as it does.

    (B, C, height, width) -> (B, C, height, width). Compiled for training in bfloat16 and channels-last.
    """
    if not _normalizes(layer, maps, other):
        result = layer(maps)
        return torch.relu(result if other is None else result + other)
    out, mean, variance = _Normalized.apply(maps, other, layer.weight, layer.bias, layer.eps)
    if layer.track_running_stats:
        assert layer.running_mean is not None
        assert layer.running_var is not None
        assert layer.num_batches_tracked is not None
        layer.num_batches_tracked.add_(1)
        count, momentum = maps.numel() // maps.shape[1], layer.momentum
        share = 1 / float(layer.num_batches_tracked) if momentum is None else momentum
        layer.running_mean.lerp_(mean, share)
        layer.running_var.lerp_(variance * (count / (count - 1)), share)
    found: Tensor = out
    return found


def kernels(source: str = "pooled") -> str:
    """``compiled``, or ``torch: `` and why nothing is compiled."""
    _, reason = _library(source)
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
        and _library("pooled")[0] is not None
    )


def _normalizes(layer: nn.BatchNorm2d, maps: Tensor, other: Tensor | None) -> bool:
    return (
        layer.training
        and maps.device.type == "cpu"
        and all(one.dtype == torch.bfloat16 for one in (maps, other) if one is not None)
        and layer.weight is not None
        and layer.weight.dtype == torch.float32
        and not layer._forward_hooks
        and not layer._forward_pre_hooks
        and maps.shape[1] in _WIDTHS
        and maps.numel() > maps.shape[1]
        and _library("normalized")[0] is not None
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
        _call("pooled", "forward", (ctx.shape,), images, weight, bias, out, corner)
        return out.permute(0, 3, 1, 2)

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, Tensor, Tensor, None]:
        images, weight, corner = ctx.saved_tensors
        of_weight, of_bias = torch.empty_like(weight), weight.new_empty(len(weight))
        of_images = torch.empty_like(images) if ctx.needs_input_grad[0] else None
        by_place = gradient.permute(0, 2, 3, 1).contiguous()
        arrays = (images, weight, by_place, corner, of_weight, of_bias, of_images)
        _call("pooled", "backward", (ctx.shape,), *arrays)
        return of_images, of_weight, of_bias, None


class _Normalized(torch.autograd.Function):
    """Arguments and layouts: normalized.cpp. Mean and variance of the batch are no part of the graph."""

    @staticmethod
    def forward(
        ctx: Any, maps: Tensor, other: Tensor | None, weight: Tensor, bias: Tensor, eps: float
    ) -> tuple[Tensor, Tensor, Tensor]:
        maps = maps.contiguous(memory_format=torch.channels_last)
        other = None if other is None else other.contiguous(memory_format=torch.channels_last)
        out = torch.empty_like(maps)
        mean, variance = weight.new_empty(2, len(weight))
        ctx.numbers, ctx.adds = (maps.numel() // len(weight), len(weight), eps), other is not None
        ctx.save_for_backward(maps, out, weight, mean, variance)
        _call("normalized", "forward", ctx.numbers, maps, other, weight, bias, mean, variance, out)
        ctx.mark_non_differentiable(mean, variance)
        return out, mean, variance

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(
        ctx: Any, gradient: Tensor, *_: Tensor
    ) -> tuple[Tensor, Tensor | None, Tensor, Tensor, None]:
        maps, out, weight, mean, variance = ctx.saved_tensors
        gradient = gradient.contiguous(memory_format=torch.channels_last)
        of_maps, of_other = torch.empty_like(maps), torch.empty_like(maps) if ctx.adds else None
        of_weight, of_bias = torch.empty_like(weight), torch.empty_like(weight)
        arrays = (maps, out, gradient, weight, mean, variance, of_maps, of_other, of_weight, of_bias)
        _call("normalized", "backward", ctx.numbers, *arrays)
        return of_maps, of_other, of_weight, of_bias, None


def _call(source: str, name: str, numbers: tuple[Any, ...], *tensors: Tensor | None) -> None:
    library, _ = _library(source)
    getattr(library, name)(*numbers, *(None if one is None else one.data_ptr() for one in tensors))


@functools.cache
def _library(source: str) -> tuple[ctypes.CDLL | None, str]:
    """The compiled functions of a file, or None and why there are none."""
    if os.environ.get(SETTING) == "torch":
        return None, f"{SETTING} is torch"
    compiler = shlex.split(os.environ.get("CXX", "c++"))
    try:
        # What the compiler defines for this processor names both: nodes of a cluster may share the cache.
        macros = _run([*compiler, *_FLAGS[:3], "-dM", "-E", "-x", "c++", os.devnull])
        text = Path(__file__).with_name(f"{source}.cpp")
        key = hashlib.sha256(text.read_bytes() + macros + " ".join(_FLAGS).encode()).hexdigest()[:16]
        library = _loaded(compiler, text, cache_folder() / "kernels" / f"{source}-{key}.so")
    except (OSError, subprocess.CalledProcessError) as error:
        return None, f"{' '.join(compiler)} does not compile ({type(error).__name__})"
    for name, arrays in _ARRAYS[source].items():
        function = getattr(library, name)
        function.argtypes, function.restype = [*_NUMBERS[source], *[ctypes.c_void_p] * arrays], None
    return library, ""


def _loaded(compiler: list[str], source: Path, cached: Path) -> ctypes.CDLL:
    """The library in the cache; compiled first where it is not there, or beside it where the cache cannot be written.

    Raises:
        CalledProcessError: it does not compile.
        OSError: there is no compiler, or what it made cannot be loaded.
    """
    if not cached.exists():
        with suppress(UserError), atomic_path(cached) as path:
            _run([*compiler, *_FLAGS, str(source), "-o", str(path)])
    if cached.exists():
        return ctypes.CDLL(str(cached))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, cached.name)
        _run([*compiler, *_FLAGS, str(source), "-o", str(path)])
        return ctypes.CDLL(str(path))


def _run(command: list[str]) -> bytes:
    return subprocess.run(command, check=True, capture_output=True).stdout
