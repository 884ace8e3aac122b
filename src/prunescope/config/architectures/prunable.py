"""Which parameters of a model are prunable, as a setting. No torch here."""

from __future__ import annotations

from typing import Annotated, Any, Literal, TypeAlias

from pydantic import BeforeValidator, Field, SerializerFunctionWrapHandler, model_serializer

from prunescope.config.spec import Spec
from prunescope.errors import listed


class Prunable(Spec):
    """What is prunable besides the weight matrices and convolution kernels of the layers.

    A parameter that is of two kinds is prunable where both are: the bias of a normalization needs ``biases`` and
    ``normalization``, and the normalization of the embeddings ``embeddings`` and ``normalization``.
    """

    biases: bool = Field(False, description="of convolutions, linear layers and LSTMs")
    normalization: bool = Field(False, description="gains of batch and layer normalization")
    embeddings: bool = Field(
        False, description="tables of tokens and positions; not word vectors, which are data"
    )
    pooler: bool = Field(True, description="of an encoder: the layer between its states and the classifier")
    classifier: bool = Field(False, description="the last layer")
    never: tuple[str, ...] = Field(
        (), description="names that are never pruned, whatever they are; `*` stands for any part"
    )
    also: tuple[str, ...] = Field((), description="names that are pruned, whatever they are")

    @model_serializer(mode="wrap")
    def _without_names(self, whole: SerializerFunctionWrapHandler) -> dict[str, Any]:
        # Later than the kinds: what was trained from the text without them stands.
        settings: dict[str, Any] = whole(self)
        return {key: value for key, value in settings.items() if key not in ("never", "also") or value}


#: The papers' choices. PIE, appendix A.3: all but embeddings, biases and the final layer. Recall distortion, by
#: ShrinkBench: weights and biases of convolutions and linear layers but the classifier. PINS: the matrices of the
#: encoder's layers.
PRESETS = {
    "matrices": Prunable(),
    "pie": Prunable(normalization=True),
    "recall": Prunable(biases=True),
    "pins": Prunable(pooler=False),
}

Preset = Literal["matrices", "pie", "recall", "pins"]


def _preset(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    if value not in PRESETS:
        raise ValueError(f"unknown preset {value!r}; there are {listed(PRESETS)}; or give a mapping of kinds")
    return PRESETS[value]


#: ``Prunable``, which a study may also give by the name of a preset.
PrunableSetting: TypeAlias = Annotated[
    Prunable, BeforeValidator(_preset, json_schema_input_type=Preset | Prunable)
]
