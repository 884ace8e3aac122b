"""A model of an installed package."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

from pydantic import Field

from prunescope.config.architectures.measured import MeasuredArchitecture


class Module(MeasuredArchitecture):
    """A class of ``torch.nn.Module`` that an installed package names by an entry point ``prunescope.modules``."""

    module = "prunescope.models.module"
    answers: ClassVar[tuple[str, ...]] = ("classes", "number")

    family: Literal["module"]
    name: str = Field(min_length=1, description="name of the entry point")
    input: Literal["image", "text"] = Field("image", description="what an example is")  # type: ignore[misc]
    settings: dict[str, Any] = Field(default_factory=dict, description="arguments of the class, by name")
    classifier: str | None = Field(
        None, description="name of the last layer; null: the last linear layer with an output for each class"
    )
    vocabulary: int = Field(
        8192, ge=64, description="texts: subwords learned from the training texts, at most"
    )
    pretrained: ClassVar[None] = None

    @property
    def encoding(self) -> Literal["image", "subwords"]:  # type: ignore[override]
        return "image" if self.input == "image" else "subwords"

    @property
    def vocabulary_size(self) -> int:
        return 0 if self.input == "image" else self.vocabulary
