"""A transformer encoder."""

from __future__ import annotations

import json
from collections.abc import Mapping
from math import prod
from typing import Any, ClassVar, Literal

from pydantic import Field, SerializerFunctionWrapHandler, model_serializer

from prunescope.config.architectures.base import Facts, Shapes
from prunescope.config.architectures.transformer import Transformer
from prunescope.config.checkpoints import (
    BERT_BASE,
    SIZES,
    checkpoint_config_file,
    checkpoint_sizes,
    encoder_type,
)
from prunescope.errors import UserError


class Encoder(Transformer):
    """A transformer encoder of texts, classified from its pooled output: BERT, or a pretrained one."""

    module = "prunescope.models.encoder"
    answers: ClassVar[tuple[str, ...]] = ("classes", "number", "tokens", "span")
    encoding = "subwords"
    packs: ClassVar[bool] = True

    family: Literal["encoder"]
    pretrained: str | None = Field(
        None,
        min_length=1,
        description="local folder (environment variables are filled in) or hub id of a text encoder's "
        "checkpoint in safetensors with its tokenizer; sizes that are not given are the checkpoint's, those given "
        "must be, but fewer layers keep the lower ones. null: a BERT trained from scratch",
    )
    intermediate: int = Field(3072, ge=1)
    vocabulary: int = Field(30522, ge=64, description="subwords learned from the training texts, at most")
    positions: int = Field(512, ge=4, description="longest text the model can take, in tokens")
    prune_pooler: bool = Field(
        True,
        description="whether the pooler's matrix is among the prunable weights, as in the PIE paper; false: those of "
        "the encoder's layers alone, as in the PINS paper",
    )

    @model_serializer(mode="wrap")
    def _without_default(self, whole: SerializerFunctionWrapHandler) -> dict[str, Any]:
        # As in Stackable: what was trained from the text without this setting stands.
        settings: dict[str, Any] = whole(self)
        if self.prune_pooler:
            settings.pop("prune_pooler", None)
        return settings

    @classmethod
    def completed(cls, raw: Mapping[str, Any]) -> Mapping[str, Any]:
        """With the sizes of the checkpoint, from its config.json in a local folder or in the hub's cache.

        Sizes that are not known here are left out, as is all that is malformed: a study can be read without its
        checkpoints, which are held against the settings when they are loaded.
        """
        checkpoint, revision = raw.get("pretrained"), raw.get("revision")
        if (
            not isinstance(checkpoint, str)
            or not isinstance(revision, str | None)
            or all(s in raw for s in SIZES)
        ):
            return raw
        return {**cls._known_sizes(checkpoint, revision), **raw}

    @classmethod
    def _known_sizes(cls, checkpoint: str, revision: str | None) -> dict[str, int]:
        try:
            path = checkpoint_config_file(checkpoint, revision)
            if path is not None:
                config = json.loads(path.read_text(encoding="utf-8"))
                return checkpoint_sizes(config, encoder_type(config, checkpoint))
        except (UserError, OSError, ValueError, AttributeError):
            return {}
        return {name: cls.model_fields[name].default for name in SIZES} if checkpoint in BERT_BASE else {}

    @property
    def sizes_unknown(self) -> bool:
        return self.pretrained is not None and not set(SIZES) <= self.model_fields_set

    @property
    def wide(self) -> int:
        return self.intermediate

    def shapes(self, facts: Facts, *, per_token: bool = False) -> Shapes:
        """Those of a BERT; without a pooler where every token has an answer."""
        square = (self.hidden, self.hidden)
        block = dict.fromkeys(("query", "key", "value", "output"), square)
        block |= {"up": (self.intermediate, self.hidden), "down": (self.hidden, self.intermediate)}
        found = self.repeated("layer", block)
        return found if per_token or not self.prune_pooler else {**found, "pooler": square}

    def parameters(self, facts: Facts, *, per_token: bool = False) -> int:
        h, outputs = self.hidden, max(1, facts.classes)
        weights = sum(map(prod, self.shapes(facts, per_token=per_token).values()))
        block = 5 * h + self.intermediate + 4 * h
        tables = (self.vocabulary + self.positions + 2) * h + 2 * h
        pooler = 0 if per_token else h if self.prune_pooler else h * h + h
        return weights + self.layers * block + tables + pooler + outputs * h + outputs
