"""Snapshots as files, which say which job may use them and whether they are whole."""

from __future__ import annotations

import json
import sys
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from prunescope.files import atomic_path
from prunescope.training.state import Snapshot

#: Raised when the form of these files changes.
_FORM = 2


def write(
    path: Path, owner: Mapping[str, str], tensors: Mapping[str, Tensor], facts: Mapping[str, Any]
) -> None:
    """Write atomically. ``owner``: what identifies the job, by name.

    Raises:
        UserError: the disk is full.
    """
    copies, seen = {}, set()
    for name, tensor in tensors.items():
        copy = tensor.detach().cpu().contiguous()
        # Tied weights: the file format refuses memory that two names share.
        where = copy.untyped_storage().data_ptr()
        copies[name] = copy.clone() if where in seen else copy
        seen.add(where)
    text = json.dumps(facts)
    about = {"form": _FORM, "owner": dict(owner), "checksum": _checksum(copies, text)}
    with atomic_path(path) as temporary:
        try:
            save_file(copies, temporary, metadata={"prunescope": json.dumps(about), "facts": text})
        except SafetensorError as error:
            raise OSError(str(error)) from error


def read(path: Path, owner: Mapping[str, str]) -> Snapshot | None:
    """The snapshot in the file; None where there is none, or none that can be used, which a line on stderr explains."""
    try:
        return _read(path, owner)
    except FileNotFoundError:
        return None
    except _UselessError as error:
        why = str(error)
    except (SafetensorError, OSError, ValueError, KeyError, TypeError, AttributeError):
        why = "is damaged"
    print(f"{path}: {why}; training starts again", file=sys.stderr, flush=True)
    return None


class _UselessError(Exception):
    """The file is whole, but of another job."""


def _read(path: Path, owner: Mapping[str, str]) -> Snapshot:
    with safe_open(path, framework="pt") as file:
        metadata = file.metadata() or {}
        about = json.loads(metadata["prunescope"])
        if about["form"] != _FORM:
            raise _UselessError("is of another version of prunescope")
        other = [name for name, value in owner.items() if about["owner"].get(name) != value]
        if other:
            raise _UselessError(f"is of a job with other {' and '.join(other)}")
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (not a mapping)
    if _checksum(tensors, metadata["facts"]) != about["checksum"]:
        raise ValueError("checksum")
    return tensors, json.loads(metadata["facts"])


def _checksum(tensors: Mapping[str, Tensor], facts: str) -> int:
    """CRC-32 over everything; safetensors has none of its own."""
    value = zlib.crc32(facts.encode())
    for name in sorted(tensors):
        value = zlib.crc32(name.encode(), value)
        value = zlib.crc32(tensors[name].reshape(-1).view(torch.uint8).numpy().data, value)
    return value
