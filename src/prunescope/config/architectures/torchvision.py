"""Any classification model of torchvision."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar, Literal

from pydantic import Field

from prunescope.config.architectures.measured import MeasuredArchitecture
from prunescope.files import expanded


class Torchvision(MeasuredArchitecture):
    """A classification model of torchvision, by name: ResNet, MobileNet, ConvNeXt, ViT, ..."""

    module = "prunescope.models.vision"
    input = "image"
    encoding = "image"
    bf16: ClassVar[bool] = True
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

    def checked(self) -> list[str]:
        self.own_checkpoint()
        return []

    @property
    def fetched(self) -> bool:
        return self.weights == "DEFAULT"
