"""Any classification model of torchvision."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from math import prod
from pathlib import Path
from typing import Any, ClassVar, Literal

from pydantic import Field

from prunescope.config.architectures.base import Architecture, Facts, Shapes
from prunescope.files import expanded


class Torchvision(Architecture):
    """A classification model of torchvision, by name: ResNet, MobileNet, ConvNeXt, ViT, ..."""

    module = "prunescope.models.vision"
    input = "image"
    encoding = "image"
    assumed_rate: ClassVar[float] = 5e12

    family: Literal["torchvision"]
    model: str = Field(
        pattern=r"^[a-z][a-z0-9_]+$", description="such as resnet18, mobilenet_v3_small, vit_b_16"
    )
    weights: str | None = Field(
        None,
        min_length=1,
        description="where training starts: null, at random; DEFAULT, torchvision's own, which are downloaded; or a "
        "file (.safetensors, or .pth of tensors alone). The classifier is new where classes are others",
    )
    side: int | None = Field(
        None, ge=16, description="pixels of a side that images are scaled to; null: their own, at least 64"
    )

    def own_checkpoint(self) -> Path | None:
        return None if self.weights in (None, "DEFAULT") else expanded(str(self.weights), "weights")

    @property
    def from_hub(self) -> bool:
        return self.weights == "DEFAULT"

    # What follows from the model itself, without memory for its weights. Torch is imported, but only here.

    def _measured(self, facts: Facts) -> Any:
        return import_module(self.module).measured(
            self.model, self.side, facts.image or (3, 64, 64), max(1, facts.classes)
        )

    def shapes(self, facts: Facts, *, per_token: bool = False) -> Shapes:
        return dict(self._measured(facts).shapes)

    def uses(self, name: str, facts: Facts) -> int:
        return int(self._measured(facts).uses.get(name, 1))

    def forward_flops(self, facts: Facts, sizes: Mapping[str, int]) -> float:
        return 2.0 * sum(prod(shape) * self.uses(name, facts) for name, shape in self.shapes(facts).items())

    def parameters(self, facts: Facts, *, per_token: bool = False) -> int:
        return int(self._measured(facts).parameters)

    def activation_bytes(self, facts: Facts) -> int:
        return int(4 * self._measured(facts).outputs)
