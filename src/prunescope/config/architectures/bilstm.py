"""The PIE paper's BiLSTM."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal, Self

from pydantic import Field, model_validator

from prunescope.config.architectures.base import Facts, Shapes, Stackable
from prunescope.files import expanded


@dataclass(frozen=True)
class PublishedVectors:
    """An archive of word vectors that its authors publish. ``sha256``: of the archive, as other projects pin it too."""

    archive: str
    dimensions: int
    bytes: int
    sha256: str
    urls: tuple[str, ...]


#: By name: Pennington et al. 2014.
PUBLISHED_VECTORS = {
    "glove.840B.300d": PublishedVectors(
        "glove.840B.300d.zip",
        300,
        2_176_768_927,
        "c06db255e65095393609f19a4cfca20bf3a71e20cc53e892aafa490347e3849f",
        (
            "https://nlp.stanford.edu/data/glove.840B.300d.zip",
            "https://downloads.cs.stanford.edu/nlp/data/glove.840B.300d.zip",
            "https://huggingface.co/stanfordnlp/glove/resolve/main/glove.840B.300d.zip",
        ),
    )
}


class BiLSTM(Stackable):
    """The PIE paper's BiLSTM over fixed word vectors, with a three-layer head."""

    module = "prunescope.models.bilstm"
    input = "text"
    answers: ClassVar[tuple[str, ...]] = ("classes", "number")
    encoding = "words"
    assumed_rate: ClassVar[float] = 2e12
    assumed_rate_together: ClassVar[float | None] = 9e13

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
        description="GloVe or word2vec text file (also .gz, .zip), environment variables are filled in; "
        "null: published ones, or else vectors are learned from the training texts",
    )
    published_vectors: Literal["glove.840B.300d"] | None = Field(
        None, description="vectors that a job of the study downloads, once, into the cache"
    )
    later: ClassVar[tuple[str, ...]] = (*Stackable.later, "padding_vector", "published_vectors")

    padding_vector: Literal["random", "zeros", "mean"] = Field(
        "random",
        description="what padding is: a random vector with the vectors' mean and standard deviation, zeros, or the "
        "mean vector",
    )
    min_count: int = Field(
        2, ge=1, description="learned vectors: words seen less often in the training texts are unknown"
    )

    @model_validator(mode="after")
    def _one_kind_of_vectors(self) -> Self:
        if self.published_vectors is None:
            return self
        if self.vectors_path is not None:
            raise ValueError(
                "published_vectors: `vectors_path` names a file already; leave one of the two out"
            )
        if (found := PUBLISHED_VECTORS[self.published_vectors].dimensions) != self.vectors:
            raise ValueError(
                f"published_vectors: have {found} numbers; set `vectors` to that (not {self.vectors})"
            )
        return self

    @property
    def fetched(self) -> bool:
        return self.published_vectors is not None

    def checked(self) -> list[str]:
        if self.vectors_path is not None:
            expanded(self.vectors_path, "vectors_path")
        if self.published_vectors is None:
            return []
        known = PUBLISHED_VECTORS[self.published_vectors]
        return [
            f"downloads {known.archive} ({known.bytes / 1e9:.1f} GB, SHA-256 {known.sha256}) from {known.urls[0]}, "
            "unless it is in the cache"
        ]

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
