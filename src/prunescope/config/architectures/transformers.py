"""Any classifier or language model that transformers can make of a checkpoint."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cached_property
from math import prod
from pathlib import Path
from typing import Any, ClassVar, Literal

from pydantic import Field

from prunescope.config.architectures.base import Beams, Facts, LengthPenalty, MaxNewTokens
from prunescope.config.architectures.measured import MeasuredArchitecture
from prunescope.config.checkpoints import check_folder, checkpoint_config_file, is_hub_id
from prunescope.errors import UserError


class Transformers(MeasuredArchitecture):
    """A checkpoint of transformers: a classifier of texts, words or images, or a language model that writes texts."""

    module = "prunescope.models.automodel"
    answers: ClassVar[tuple[str, ...]] = ("classes", "number", "tokens", "text")
    assumed_rate: ClassVar[float] = 4e13

    family: Literal["transformers"]
    checkpoint: str = Field(
        min_length=1,
        description="local folder (beginning with `/`, `.` or `~`, or with a `$NAME`) or hub id; config.json, "
        "tokenizer, and weights in safetensors",
    )
    revision: str | None = Field(None, min_length=1, description="branch, tag or commit on the hub")
    weights: Literal["pretrained", "random"] = Field(
        "pretrained",
        description="random: its configuration and tokenizer alone; every seed draws its own weights",
    )

    reads: Literal["image", "text"] | None = Field(
        None, description="what it takes; null: by its configuration, text where that was never fetched"
    )

    beams: Beams = 1
    length_penalty: LengthPenalty = 1.0
    max_new_tokens: MaxNewTokens = 128

    later: ClassVar[tuple[str, ...]] = (
        *MeasuredArchitecture.later,
        *("reads", "beams", "length_penalty", "max_new_tokens"),
    )

    @property
    def input(self) -> Literal["image", "text"]:  # type: ignore[override]
        if self.reads is not None:
            return self.reads
        sees = {"image_size", "num_channels", "vision_config"} & self._config.keys()
        return "image" if sees else "text"

    @property
    def input_known(self) -> bool:
        return self.reads is not None or bool(self._config)

    @property
    def encoding(self) -> Literal["image", "subwords"]:  # type: ignore[override]
        return "image" if self.input == "image" else "subwords"

    @property
    def masks_padding(self) -> bool:  # type: ignore[override]
        return self.input == "text"

    @property
    def pretrained(self) -> str:
        return self.checkpoint

    def own_checkpoint(self) -> Path | None:
        path = checkpoint_config_file(self.checkpoint, self.revision)
        return None if path is None else path.parent

    def checked(self) -> list[str]:
        check_folder(self.checkpoint, "checkpoint", weights=self.weights == "pretrained")
        return []

    @property
    def fetched(self) -> bool:
        return is_hub_id(self.checkpoint)

    @cached_property
    def _config(self) -> dict[str, Any]:
        """config.json, where it is at hand."""
        try:
            path = checkpoint_config_file(self.checkpoint, self.revision)
            found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8")) if path is not None else {}
        except (UserError, OSError, ValueError):
            return {}
        return found

    @property
    def positions_at_most(self) -> int | None:
        most = self._config.get("max_position_embeddings", self._config.get("n_positions"))
        if most is None or (
            self._config.get("model_type") == "deberta-v2" and self._config.get("relative_attention")
        ):
            return None
        # RoBERTa and its kin number positions from behind the padding token's.
        roberta = self._config.get("model_type") in ("camembert", "mpnet", "roberta", "xlm-roberta")
        return int(most) - (int(self._config.get("pad_token_id", 1)) + 1 if roberta else 0)

    @property
    def vocabulary_size(self) -> int:
        return int(self._config.get("vocab_size", 0))

    @property
    def layers_in_turn(self) -> int:
        return int(self._config.get("num_hidden_layers", self._config.get("n_layer", 1)))

    def uses(self, name: str, facts: Facts) -> int:
        return super().uses(name, facts) if self.input == "image" else max(1, facts.tokens)

    def forward_flops(self, facts: Facts, sizes: Mapping[str, int]) -> float:
        found = sum(2.0 * size * self.uses(name, facts) for name, size in sizes.items())
        # A language model's output layer, at every token.
        wide = int(self._config.get("hidden_size", self._config.get("n_embd", 0)))
        return found + 2.0 * wide * self.vocabulary_size * facts.tokens * facts.writes

    def activation_bytes(self, facts: Facts) -> int:
        """About five numbers for each output of a matrix: itself, normalization, dropout, activation, attention."""
        if self.input == "image":
            return super().activation_bytes(facts)
        outputs = 20 * sum(prod(shape) // min(shape) for shape in self.shapes(facts).values())
        return facts.tokens * (outputs + 12 * self.vocabulary_size * facts.writes)
