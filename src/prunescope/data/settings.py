"""Settings that data sets of one kind share: texts, archives of texts, spans, images; and what is published of them.

Nothing heavy is imported: a study's settings are made of these.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Literal, Self

from pydantic import Field, SerializerFunctionWrapHandler, model_serializer, model_validator

from prunescope.config.datasets import Answers, Dataset, Declared

CUT = "texts are cut after this many tokens; null: the first power of two that covers 85 % of the training texts"
LOCAL = "local folder; environment variables such as $PRUNESCOPE_DATA are filled in"
LOCAL_OR_HUB = f"{LOCAL}; null: from the Hugging Face hub"
REVISION = "branch, tag or commit on the hub; null: the commit that is pinned in the code"
VALIDATION = "share of the training set that becomes the validation set"
MOST = "examples kept of each split, at most, in the proportions of the labels; null: all"
AUGMENT = (
    "how training augments images, drawn again in every epoch: not at all, or a crop with 4 pixels of padding and "
    "a horizontal flip of every other image"
)

#: Augmentations by name; ``prunescope.training.augment`` has them.
Augment = Literal["none", "crop-flip"]


@dataclass(frozen=True)
class Lengths:
    """Tokens per text over all splits, as printed; ``p85``: 85 % of the texts have at most so many."""

    mean: int
    median: int
    min: int
    max: int
    std: int
    p85: int


@dataclass(frozen=True)
class Published:
    """A row of the PIE paper's Table 7, after its preprocessing.

    ``counts``: examples of training, validation and test. ``max_tokens``: longer texts are cut.
    ``exception``: why that is not what the paper's rule gives.
    """

    title: str
    counts: tuple[int, int, int]
    classes: int
    lengths: Lengths
    max_tokens: int
    exception: str = ""


@dataclass(frozen=True)
class PublishedImages:
    """``published``: examples of training and test; ``counts``: with a tenth of training as validation.

    ``classes``: in the order of the label numbers in the published files.
    """

    title: str
    classes: tuple[str, ...]
    image: tuple[int, int, int]
    published: tuple[int, int]
    counts: tuple[int, int, int]


@dataclass(frozen=True)
class Distribution:
    """An original archive.

    ``files``: what is read of it. ``most_bytes``: bound on the archive, and on its unpacked files.
    """

    archive: str
    files: Collection[str]
    most_bytes: int
    urls: tuple[str, ...] = ()
    sha256: str | None = None


class Corpus(Dataset):
    """A published data set of texts."""

    input = "text"
    max_tokens: int | None = Field(256, ge=4, description=CUT)
    max_examples: int | None = Field(None, ge=2, description=MOST)

    #: What the PIE paper prints of it.
    published: ClassVar[Published | None] = None

    def at_most(self, train: int, validation: int, test: int, classes: int, **further: Any) -> Declared:
        """The counts, cut to ``max_examples``; ``further``: fields of ``Declared``."""
        train, validation, test = _cut((train, validation, test), self.max_examples)
        tokens = self.max_tokens or (self.published.max_tokens if self.published else 128)
        return Declared(classes, train, validation, test, **{"tokens": tokens, **further})


class PieCorpus(Corpus):
    """A data set of the PIE paper."""

    paper = "pie"
    published: ClassVar[Published]

    #: Longest text, and mean over texts cut to it, in subwords of BERT (uncased), [CLS] and [SEP] included.
    #: Counted by benchmarks/lengths.py.
    mean_tokens: ClassVar[tuple[int, float]]
    several_labels: ClassVar[bool] = False

    def declared(self) -> Declared:
        facts = self.published
        found = self.at_most(*facts.counts, classes=facts.classes)
        longest, mean = self.mean_tokens
        return replace(
            found, mean_tokens=mean if found.tokens == longest else None, several_labels=self.several_labels
        )


_DOWNLOAD = ("url", "sha256")


class Archived(PieCorpus):
    """A published data set whose original distribution is one archive.

    ``url`` and ``sha256`` are left out of settings in which they are not given, so that those written before
    these keys existed are still the same settings.
    """

    distribution: ClassVar[Distribution]
    path: str | None = Field(None, min_length=1, description=LOCAL)
    url: str | None = Field(
        None, pattern=r"^https?://\S+$", description="address of the original archive, .tar.gz or .zip"
    )
    sha256: str | None = Field(
        None, pattern=r"^[0-9a-f]{64}$", description="its checksum; nothing is downloaded without one"
    )

    @model_validator(mode="after")
    def _checked_download(self) -> Self:
        if (self.url is None) != (self.sha256 is None):
            missing = "url" if self.url is None else "sha256"
            raise ValueError(f"{missing}: `url` and `sha256` belong together; give both or neither")
        if self.url is not None and self.path is not None:
            raise ValueError("url: `path` is given too; keep one of them")
        return self

    @model_serializer(mode="wrap")
    def _without_absent(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        values: dict[str, Any] = handler(self)
        return {key: value for key, value in values.items() if key not in _DOWNLOAD or value is not None}


class Spans(Corpus):
    """Questions answered by a span of a paragraph, which is read in overlapping windows."""

    max_tokens: int = Field(
        384,
        ge=16,
        description="of a question and a part of its paragraph; longer ones are cut into windows",
    )
    stride: int = Field(128, ge=1, description="tokens that consecutive windows share")
    max_question: int = Field(64, ge=4, description="questions are cut after this many tokens")
    max_answer: int = Field(30, ge=1, description="longest answer, in tokens")

    @model_validator(mode="after")
    def _windows_move_on(self) -> Self:
        # Three special tokens beside the question; some encoders have four.
        if self.stride >= self.max_tokens - self.max_question - 4:
            raise ValueError(
                f"stride: {self.stride} tokens leave a window of {self.max_tokens} with a question of "
                f"{self.max_question} no step; lower it"
            )
        return self

    @property
    def answers(self) -> Answers:
        return "span"


class Texts(Corpus):
    """Records, and texts that say what they hold."""

    max_tokens: int = Field(
        256, ge=8, description="of a record and its text; a record has at most half of them"
    )

    @property
    def answers(self) -> Answers:
        return "text"


class Images(Dataset):
    """A published data set of images; a stratified tenth of its training split is validation.

    Models see pixels less the training split's mean of each channel, over its standard deviation.
    """

    input = "image"
    paper = "recall"
    path: str | None = Field(None, min_length=1, description=f"{LOCAL}; null: downloaded by torchvision")
    max_examples: int | None = Field(None, ge=2, description=MOST)
    augment: Augment = Field("none", description=AUGMENT)

    published: ClassVar[PublishedImages]

    def declared(self) -> Declared:
        facts = self.published
        counts = _cut(facts.counts, self.max_examples)
        return Declared(len(facts.classes), *counts, image=facts.image)


def _cut(counts: tuple[int, int, int], most: int | None) -> tuple[int, int, int]:
    train, validation, test = (min(count, most or count) for count in counts)
    return train, validation, test
