"""Any classifier of texts that transformers can make of a checkpoint."""

from __future__ import annotations

import json
from functools import cached_property
from importlib import import_module
from math import prod
from pathlib import Path
from typing import Any, ClassVar, Literal

from pydantic import Field

from prunescope.config.architectures.base import Architecture, Facts, Shapes
from prunescope.config.checkpoints import checkpoint_config_file, is_hub_id
from prunescope.errors import UserError


class Transformers(Architecture):
    """A checkpoint of transformers as a classifier of texts or tokens: encoders and decoders alike."""

    module = "prunescope.models.automodel"
    input = "text"
    answers: ClassVar[tuple[str, ...]] = ("classes", "number", "tokens")
    encoding = "subwords"
    masks_padding: ClassVar[bool] = True
    assumed_rate: ClassVar[float] = 3e13

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

    @property
    def pretrained(self) -> str:
        return self.checkpoint

    def own_checkpoint(self) -> Path | None:
        path = checkpoint_config_file(self.checkpoint, self.revision)
        return None if path is None else path.parent

    @property
    def from_hub(self) -> bool:
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

    # What follows from the model itself, without memory for its weights. Torch is imported, but only here.

    def _measured(self, facts: Facts, per_token: bool) -> Any:
        return import_module(self.module).measured(self, max(1, facts.classes), per_token)

    def shapes(self, facts: Facts, *, per_token: bool = False) -> Shapes:
        return dict(self._measured(facts, per_token)[0])

    def parameters(self, facts: Facts, *, per_token: bool = False) -> int:
        return int(self._measured(facts, per_token)[1])

    def activation_bytes(self, facts: Facts) -> int:
        """About five numbers for each output of a matrix: itself, normalization, dropout, activation, attention."""
        return 20 * facts.tokens * sum(prod(shape) // min(shape) for shape in self.shapes(facts).values())
