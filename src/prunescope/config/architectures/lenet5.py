"""LeNet-5."""

from __future__ import annotations

from typing import ClassVar, Literal

from prunescope.config.architectures.base import Facts, Shapes, Stackable


class LeNet5(Stackable):
    """LeNet-5 with ReLU and max pooling; convolutions are padded where the image is small."""

    module = "prunescope.models.lenet"
    input = "image"
    encoding = "image"
    has_filters: ClassVar[bool] = True
    assumed_rate: ClassVar[float] = 2e11
    assumed_rate_together: ClassVar[float | None] = 1e12

    family: Literal["lenet5"]

    def shapes(self, facts: Facts, *, per_token: bool = False) -> Shapes:
        channels, height, width = facts.image or (1, 28, 28)
        padding = 0 if min(height, width) >= 28 else 2
        down, across = (((side // 2) + 2 * padding - 4) // 2 for side in (height, width))
        return {
            "conv1.weight": (6, channels, 5, 5),
            "conv2.weight": (16, 6, 5, 5),
            "fc1.weight": (120, 16 * down * across),
            "fc2.weight": (84, 120),
        }

    def uses(self, name: str, facts: Facts) -> int:
        _, height, width = facts.image or (3, 32, 32)
        positions = {"conv1.weight": height * width, "conv2.weight": (height // 2) * (width // 2)}
        return positions.get(name, 1)
