"""A causal language model."""

from __future__ import annotations

from collections.abc import Mapping
from math import prod
from typing import ClassVar, Literal

from pydantic import Field

from prunescope.config.architectures.base import Beams, Facts, LengthPenalty, MaxNewTokens, Shapes
from prunescope.config.architectures.transformer import Transformer


class CausalLM(Transformer):
    """A causal language model of GPT-2's form that continues a text: trained from scratch, or pretrained."""

    module = "prunescope.models.causal"
    answers: ClassVar[tuple[str, ...]] = ("text",)
    encoding = "continued"

    family: Literal["causal-lm"]
    pretrained: str | None = Field(
        None,
        min_length=1,
        description="local folder (environment variables are filled in) or hub id of a GPT-2 checkpoint in safetensors "
        "with its tokenizer, whose sizes must be those given here; null: trained from scratch",
    )
    vocabulary: int = Field(
        50257, ge=257, description="byte-level subwords learned from the training texts, at most"
    )
    positions: int = Field(1024, ge=8, description="longest text the model can take, in tokens")
    beams: Beams = 1
    length_penalty: LengthPenalty = 1.0
    max_new_tokens: MaxNewTokens = 128

    def shapes(self, facts: Facts, *, per_token: bool = False) -> Shapes:
        block = {"c_attn": (self.hidden, 3 * self.hidden), "c_proj": (self.hidden, self.hidden)}
        block |= {"c_fc": (self.hidden, self.wide), "mlp.c_proj": (self.wide, self.hidden)}
        return self.repeated("h", block)

    def forward_flops(self, facts: Facts, sizes: Mapping[str, int]) -> float:
        # The token embedding is the output layer, used at every token.
        return 2.0 * (sum(sizes.values()) + self.hidden * self.vocabulary) * facts.tokens

    def parameters(self, facts: Facts, *, per_token: bool = False) -> int:
        h = self.hidden
        weights = sum(map(prod, self.shapes(facts).values()))
        # Biases (3 + 1 + 4 + 1) and two normalizations a layer, the last one, and tables.
        return weights + self.layers * 13 * h + 2 * h + (self.vocabulary + self.positions) * h

    def activation_bytes(self, facts: Facts) -> int:
        return super().activation_bytes(facts) + facts.tokens * 12 * self.vocabulary
