"""The PIE paper's BiLSTM."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from prunescope.config.architectures.base import Facts, Shapes, Stackable


class BiLSTM(Stackable):
    """The PIE paper's BiLSTM over fixed word vectors, with a three-layer head."""

    module = "prunescope.models.bilstm"
    input = "text"
    answers: ClassVar[tuple[str, ...]] = ("classes", "number")
    encoding = "words"
    assumed_rate: ClassVar[float] = 2e12

    family: Literal["bilstm"]
    hidden: int = Field(100, ge=1, description="units per direction")
    layers: int = Field(2, ge=1)
    head: tuple[Annotated[int, Field(ge=1)], ...] = Field(
        (256, 128), description="widths of the hidden layers of the classifier"
    )
    vectors: int = Field(300, ge=1, description="dimensions of the word vectors")
    vectors_path: str | None = Field(
        None,
        min_length=1,
        description="GloVe or word2vec text file (also .gz), environment variables are filled in; "
        "null: vectors are learned from the training texts",
    )
    later: ClassVar[tuple[str, ...]] = (*Stackable.later, "padding_vector")

    padding_vector: Literal["random", "zeros", "mean"] = Field(
        "random",
        description="what padding is: a random vector with the vectors' mean and standard deviation, zeros, or the "
        "mean vector",
    )
    min_count: int = Field(
        2, ge=1, description="learned vectors: words seen less often in the training texts are unknown"
    )

    @property
    def word_dimensions(self) -> int:
        return self.vectors

    @property
    def layers_in_turn(self) -> int:
        return self.layers

    def shapes(self, facts: Facts, *, per_token: bool = False) -> Shapes:
        found: Shapes = {}
        for layer in range(self.layers):
            inputs = self.vectors if layer == 0 else 2 * self.hidden
            for direction in ("", "_reverse"):
                found[f"lstm.weight_ih_l{layer}{direction}"] = (4 * self.hidden, inputs)
                found[f"lstm.weight_hh_l{layer}{direction}"] = (4 * self.hidden, self.hidden)
        for number, (width, before) in enumerate(zip(self.head, (2 * self.hidden, *self.head), strict=False)):
            found[f"head.{number}.weight"] = (width, before)
        return found

    def uses(self, name: str, facts: Facts) -> int:
        return facts.tokens if name.startswith("lstm") else 1

    def activation_bytes(self, facts: Facts) -> int:
        # Gates, states and outputs of both directions; and the words' vectors.
        return facts.tokens * 4 * (self.layers * 2 * self.hidden * 26 + self.vectors)
