"""torchvision beside a PyTorch that its compiled operators were not built for."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from typing import Any

#: Operators that `import torchvision` gives fake implementations to, so that they must be declared.
_SCHEMAS = (
    "nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
    "qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
)

#: A library's declarations go with the object.
_declared: list[Any] = []


def prepare_torchvision() -> None:
    """Call before importing torchvision, or transformers, which imports it where it is installed.

    The package index's torchvision is a CUDA build. Beside a PyTorch for CPUs its operator library
    does not load, and the import then fails on operators that nobody declared. Nothing here uses
    them: declared without an implementation they are enough for data sets. Where the library loads,
    nothing is done but that.
    """
    if "torchvision" in sys.modules or _declared:
        return
    spec = importlib.util.find_spec("torchvision")
    if spec is None or spec.origin is None:
        return
    import torch

    for library in sorted(Path(spec.origin).parent.glob("_C*")):
        try:
            torch.ops.load_library(str(library))
        except OSError:
            continue
        return
    declarations = torch.library.Library("torchvision", "FRAGMENT")
    for schema in _SCHEMAS:
        if not hasattr(torch.ops.torchvision, schema.split("(", 1)[0]):
            declarations.define(schema)
    _declared.append(declarations)
