"""What transformers have in common, from scratch or from a checkpoint."""

from __future__ import annotations

from typing import ClassVar, Self

from pydantic import Field, model_validator

from prunescope.config.architectures.base import Architecture, Facts, Shapes
from prunescope.config.checkpoints import check_folder, is_hub_id


class Transformer(Architecture):
    """Layers of attention and a feed-forward part of ``wide`` units, over subwords."""

    input = "text"
    masks_padding: ClassVar[bool] = True
    bf16: ClassVar[bool] = True
    assumed_rate: ClassVar[float] = 4e13
    assumed_rate_bf16: ClassVar[float | None] = 4e14

    pretrained: str | None = Field(None, min_length=1)
    revision: str | None = Field(None, min_length=1, description="branch, tag or commit on the hub")
    hidden: int = Field(768, ge=1)
    layers: int = Field(12, ge=1)
    heads: int = Field(12, ge=1)
    vocabulary: int
    positions: int
    initializer_range: float = Field(
        0.02, gt=0, description="standard deviation of the initial weights; narrow models need more"
    )
    dropout: float = Field(0.1, ge=0, lt=1)

    @model_validator(mode="after")
    def _divisible(self) -> Self:
        if self.hidden % self.heads:
            raise ValueError(f"hidden: {self.hidden} is not a multiple of heads ({self.heads})")
        if self.revision and not self.pretrained:
            raise ValueError("revision: is of a pretrained model; give `pretrained` too or leave it out")
        return self

    @property
    def wide(self) -> int:
        """Units of the feed-forward part."""
        return 4 * self.hidden

    def checked(self) -> list[str]:
        if self.pretrained is not None:
            check_folder(self.pretrained, "pretrained")
        return []

    @property
    def fetched(self) -> bool:
        return self.pretrained is not None and is_hub_id(self.pretrained)

    @property
    def positions_at_most(self) -> int | None:
        return self.positions

    @property
    def vocabulary_size(self) -> int:
        return self.vocabulary

    @property
    def layers_in_turn(self) -> int:
        return self.layers

    def repeated(self, name: str, block: dict[str, tuple[int, int]]) -> Shapes:
        """``block`` of every layer."""
        return {f"{name}.{n}.{part}": shape for n in range(self.layers) for part, shape in block.items()}

    def activation_bytes(self, facts: Facts) -> int:
        """After Korthikanti et al. 2022 (Reducing activation recomputation), section 4.1.

        In float32, with dropout, and without the scores of attention, which GPUs' kernels do not keep.
        """
        return facts.tokens * (self.layers * (44 * self.hidden + 8 * self.wide) + 12 * self.hidden)
