"""A transformer encoder."""

from __future__ import annotations

import json
from collections.abc import Mapping
from math import prod
from typing import Any, ClassVar, Literal

from pydantic import Field, SerializerFunctionWrapHandler, model_serializer, model_validator

from prunescope.config.architectures.base import Facts, Shapes
from prunescope.config.architectures.prunable import PRESETS
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
    later: ClassVar[tuple[str, ...]] = (*Transformer.later, "head_dropout", "token_types")

    intermediate: int = Field(3072, ge=1)
    vocabulary: int = Field(30522, ge=64, description="subwords learned from the training texts, at most")
    positions: int = Field(512, ge=4, description="longest text the model can take, in tokens")
    head_dropout: float | None = Field(
        None,
        ge=0,
        lt=1,
        description="before the classifier; null: `dropout`, which is that of the whole encoder",
    )
    token_types: bool = Field(
        True, description="number the two texts of a pair 0 and 1, where the encoder has types; false: all 0"
    )

    @model_validator(mode="before")
    @classmethod
    def _old_name(cls, values: Any) -> Any:
        """``prune_pooler: false`` is the old name of ``prunable: pins``, in studies and in jobs of results trees."""
        if not isinstance(values, Mapping) or "prune_pooler" not in values:
            return values
        rest = {name: value for name, value in values.items() if name != "prune_pooler"}
        if "prunable" in rest:
            raise ValueError("prune_pooler: the old name of `prunable: {pooler: ...}`; give `prunable` alone")
        if not isinstance(values["prune_pooler"], bool):
            raise ValueError("prune_pooler: must be true or false; its new name is `prunable: {pooler: ...}`")
        return {**rest, "prunable": {"pooler": values["prune_pooler"]}}

    @model_serializer(mode="wrap")
    def _by_old_name(self, whole: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Jobs are rerun when their settings' text changes."""
        settings: dict[str, Any] = self._without_later_defaults(whole)
        if self.prunable == PRESETS["pins"]:
            return {name: value for name, value in settings.items() if name != "prunable"} | {
                "prune_pooler": False
            }
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
        return found if per_token else {**found, "pooler": square}

    def parameters(self, facts: Facts, *, per_token: bool = False) -> int:
        h, outputs = self.hidden, max(1, facts.classes)
        weights = sum(map(prod, self.shapes(facts, per_token=per_token).values()))
        block = 5 * h + self.intermediate + 4 * h
        tables = (self.vocabulary + self.positions + 2) * h + 2 * h
        pooler_bias = 0 if per_token else h
        return weights + self.layers * block + tables + pooler_bias + outputs * h + outputs
