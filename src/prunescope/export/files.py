"""The exported file: safetensors whose layout docs/export.md gives, and a loader that needs no torch.

For a prunable tensor ``w`` of shape (rows, ...), seen as a matrix (rows, all others):

    w.values   (stored,) int8
    w.columns  uint8, as the encoding of ``w`` says (``rows.Rows``)
    w.starts   (rows + 1,) int32
    w.scale    (rows,) float32: weight = scale * value

All other tensors stand under their own names as they are. The header's metadata has one key,
``prunescope``: a JSON object with ``format`` (1), ``matrices`` (name: {``shape``, ``encoding``}) and ``about``.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from prunescope.errors import DamagedFileError, UserError
from prunescope.export.rows import Rows, decode, encode
from prunescope.files import atomic_path

FORMAT = 1
_KEY = "prunescope"
_PARTS = ("values", "columns", "starts", "scale")

#: The largest magnitude that is used; -128 is not, so that the range is symmetric.
LARGEST = 127


@dataclass(frozen=True)
class Exported:
    """An exported model.

    ``matrices``: sparse rows and scales by name, ``shapes`` their tensors' own shapes; ``others``: all
    other tensors; ``about``: what the model is.
    """

    matrices: dict[str, Rows]
    scales: dict[str, np.ndarray]
    shapes: dict[str, tuple[int, ...]]
    others: dict[str, np.ndarray]
    about: dict[str, Any] = field(default_factory=dict)

    def weights(self) -> dict[str, np.ndarray]:
        """Every tensor by name, dequantized: float32, in its own shape.

        Raises:
            ValueError: parts of a matrix do not fit together.
        """
        dense = {
            name: (decode(rows) * self.scales[name][:, None]).astype(np.float32).reshape(self.shapes[name])
            for name, rows in self.matrices.items()
        }
        return {**self.others, **dense}

    @property
    def matrix_bytes(self) -> int:
        """What the prunable tensors take, scales included."""
        return sum(rows.bytes + self.scales[name].nbytes for name, rows in self.matrices.items())

    @property
    def matrix_bytes_dense(self) -> int:
        """What the prunable tensors take as float32, as the PINS paper counts (Table 7)."""
        return sum(4 * int(np.prod(shape)) for shape in self.shapes.values())


def compress(tensors: Mapping[str, np.ndarray], prunable: set[str], about: Mapping[str, Any]) -> Exported:
    """Quantize and encode the ``prunable`` tensors; zeros are what is pruned.

    Args:
        tensors: a model's state, prunable tensors with at least two dimensions and float32.
    """
    matrices, scales, shapes = {}, {}, {}
    for name in sorted(prunable):
        tensor = np.asarray(tensors[name], dtype=np.float32)
        matrix = tensor.reshape(len(tensor), -1)
        q, scales[name] = quantize(matrix)
        matrices[name], shapes[name] = encode(q, matrix != 0), tensor.shape
    others = {name: np.asarray(tensor) for name, tensor in tensors.items() if name not in prunable}
    return Exported(matrices, scales, shapes, others, dict(about))


def stored_bytes(weight: np.ndarray) -> int:
    """What a prunable tensor, (rows, ...) float32, takes in an exported file, its scales included."""
    return compress({"": weight}, {""}, {}).matrix_bytes


def write(path: Path | str, exported: Exported) -> None:
    """Write atomically.

    Raises:
        UserError: the disk is full or the folder cannot be written.
    """
    tensors = dict(exported.others)
    for name, rows in exported.matrices.items():
        parts = (rows.values, rows.columns, rows.starts, exported.scales[name])
        tensors.update({f"{name}.{part}": value for part, value in zip(_PARTS, parts, strict=True)})
    meta = {
        "format": FORMAT,
        "matrices": {
            name: {"shape": list(exported.shapes[name]), "encoding": rows.encoding}
            for name, rows in exported.matrices.items()
        },
        "about": exported.about,
    }
    with atomic_path(path) as temporary:
        try:
            save_file(
                {name: np.ascontiguousarray(value) for name, value in tensors.items()},
                temporary,
                metadata={_KEY: json.dumps(meta, allow_nan=False)},
            )
        except SafetensorError as error:
            raise OSError(str(error)) from error


def read(path: Path | str) -> Exported:
    """Read an exported model; inverse of ``write``.

    Raises:
        UserError: the file is missing, or is no export of ours, or of a later format.
        DamagedFileError: it is cut off, or its parts do not fit together.
    """
    path = Path(path)
    try:
        with safe_open(path, framework="numpy") as file:
            header = (file.metadata() or {}).get(_KEY)
            if header is None:
                raise UserError(f"{path}: not an exported model; make one with `prunescope export`")
            meta = json.loads(header)
            if meta["format"] != FORMAT:
                raise UserError(f"{path}: format {meta['format']}; this version reads format {FORMAT}")
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        matrices, scales, shapes = {}, {}, {}
        for name, facts in meta["matrices"].items():
            values, columns, starts, scales[name] = (tensors.pop(f"{name}.{part}") for part in _PARTS)
            shapes[name] = tuple(facts["shape"])
            flat = (shapes[name][0], int(np.prod(shapes[name][1:])))
            matrices[name] = Rows(flat, facts["encoding"], starts, values, columns)
    except FileNotFoundError:
        raise UserError(f"{path}: no such file") from None
    except (SafetensorError, OSError, KeyError, TypeError, ValueError) as error:
        raise DamagedFileError(path, f"{path}: damaged export ({error}); export again") from None
    return Exported(matrices, scales, shapes, tensors, meta["about"])


def quantize(matrix: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Symmetric quantization, w ~ scale * q with scale = max |w| / 127 of the row.

    Args:
        matrix: (rows, columns) float32.

    Returns:
        q, (rows, columns) int8, and scale, (rows,) float32; a row of zeros has scale 1. No weight is off by
        more than half its row's scale.
    """
    largest = np.abs(matrix).max(axis=1, initial=0.0)
    scale = np.where(largest > 0, largest / LARGEST, 1.0).astype(np.float32)
    q = np.clip(np.rint(matrix / scale[:, None]), -LARGEST, LARGEST).astype(np.int8)
    return q, scale
