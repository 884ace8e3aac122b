"""Residual networks for CIFAR."""

from __future__ import annotations

from math import prod
from typing import ClassVar, Literal

from pydantic import Field, model_validator

from prunescope.config.architectures.base import Facts, Shapes, Stackable


class ResNet(Stackable):
    """The residual networks of He et al. (2016) for CIFAR: three stages of 16, 32 and 64 filters."""

    module = "prunescope.models.resnet"
    input = "image"
    encoding = "image"
    has_filters: ClassVar[bool] = True
    bf16: ClassVar[bool] = True
    assumed_rate: ClassVar[float] = 2e13

    family: Literal["resnet"]
    depth: int = Field(20, ge=8, description="layers with weights, 6n + 2: 20, 32, 44, 56, 110, ...")
    shortcut: Literal["A", "B"] = Field(
        "A", description="where sizes change: A pads with zero channels, without parameters; B projects"
    )

    @model_validator(mode="after")
    def _whole_stages(self) -> ResNet:
        if self.depth % 6 != 2:
            raise ValueError(f"depth: {self.depth} is not 6n + 2, such as 20, 32, 44, 56 or 110")
        return self

    @property
    def layers_in_turn(self) -> int:
        return self.depth // 2

    def shapes(self, facts: Facts, *, per_token: bool = False) -> Shapes:
        channels = (facts.image or (3, 32, 32))[0]
        found: Shapes = {"conv1.weight": (16, channels, 3, 3)}
        before = 16
        for stage in (1, 2, 3):
            width = 16 * 2 ** (stage - 1)
            for block in range((self.depth - 2) // 6):
                name = f"stage{stage}.{block}"
                found[f"{name}.conv1.weight"] = (width, before, 3, 3)
                found[f"{name}.conv2.weight"] = (width, width, 3, 3)
                if self.shortcut == "B" and before != width:
                    found[f"{name}.shortcut.0.weight"] = (width, before, 1, 1)
                before = width
        return found

    def uses(self, name: str, facts: Facts) -> int:
        """Each stage but the first halves both sides."""
        _, height, width = facts.image or (3, 32, 32)
        stage = int(name[len("stage")]) if name.startswith("stage") else 1
        side = 2 ** (stage - 1)
        return -(-height // side) * -(-width // side)

    def parameters(self, facts: Facts, *, per_token: bool = False) -> int:
        shapes = self.shapes(facts).values()
        outputs = max(1, facts.classes)
        # Two of normalization for each filter.
        return sum(map(prod, shapes)) + sum(2 * shape[0] for shape in shapes) + 65 * outputs
