"""Data sets of a study: where their examples come from, and what can be set about them.

Settings only, checked and typed; ``prunescope.data`` holds the loaders.
"""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal, Self, get_args

from pydantic import Field, SerializerFunctionWrapHandler, field_validator, model_serializer, model_validator

from prunescope.config.spec import Spec, distinct

#: One or several classes; a number; a class of every token; a span of the text; a text of its own.
Answers = Literal["classes", "number", "tokens", "span", "text"]


class _Dataset(Spec):
    """What every data set has."""

    training: dict[str, dict[str, Any]] = Field(
        default_factory=dict, description="per arch: training settings that differ on this data set"
    )

    #: What the examples are, and so which architectures can take them.
    input: ClassVar[Literal["image", "text"]]

    @property
    def answers(self) -> Answers:
        """What a network says of an example, and so which architectures can say it."""
        return "classes"


class Digits(_Dataset):
    """scikit-learn's 1,797 handwritten digits, 8 x 8 pixels, 10 classes."""

    input = "image"
    source: Literal["digits"]


class Docstrings(_Dataset):
    """English prose from the docstrings of installed libraries."""

    input = "text"
    source: Literal["docstrings"]
    labels: Literal["library", "topics"] = Field(
        "library", description="one label, the library; or several, the themes a text mentions"
    )
    libraries: tuple[str, ...] = Field(
        ("numpy", "scipy", "pandas", "sklearn", "matplotlib", "torch", "transformers"), min_length=2
    )
    per_library: int = Field(400, ge=20, description="texts taken from each library, at most")
    max_tokens: int | None = Field(
        None, ge=4, description="texts are cut after this many tokens; null: the power of two covering 85 %"
    )

    @field_validator("libraries")
    @classmethod
    def _each_once(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        distinct("", value)
        return value


_CUT = "texts are cut after this many tokens; null: the first power of two that covers 85 % of the training texts"


class _Corpus(_Dataset):
    """A published data set of texts, read from local files or the Hugging Face hub."""

    input = "text"
    max_tokens: int | None = Field(256, ge=4, description=_CUT)
    max_examples: int | None = Field(
        None,
        ge=2,
        description="examples kept of each split, at most, in the proportions of the labels; null: all",
    )


_LOCAL = "local folder; environment variables such as $PRUNESCOPE_DATA are filled in"
_OR_HUB = f"{_LOCAL}; null: from the Hugging Face hub"
_REVISION = "branch, tag or commit on the hub; null: the commit that is pinned in the code"


class _Archived(_Corpus):
    """A published data set whose original distribution is one archive.

    ``url`` and ``sha256`` are left out of settings in which they are not given, so that those written before
    these keys existed are still the same settings.
    """

    path: str | None = Field(None, min_length=1, description=_LOCAL)
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


_DOWNLOAD = ("url", "sha256")

_AUGMENT = (
    "what training does to its pictures, anew in every epoch: nothing, or a crop with 4 pixels of padding and "
    "a flip from left to right of every other one"
)

#: Changes of training pictures by name; ``prunescope.training.augment`` makes them.
Augment = Literal["none", "crop-flip"]


class Imdb(_Corpus):
    """IMDB movie reviews (Maas et al. 2011), 2 classes; a fifth of the training texts is validation."""

    source: Literal["imdb"]
    path: str | None = Field(None, min_length=1, description=_OR_HUB)
    revision: str | None = Field(None, min_length=1, description=_REVISION)
    max_tokens: int | None = Field(512, ge=4, description=_CUT)


class Snli(_Corpus):
    """Stanford Natural Language Inference 1.0 (Bowman et al. 2015), pairs of sentences, 3 classes."""

    source: Literal["snli"]
    path: str | None = Field(None, min_length=1, description=_OR_HUB)
    revision: str | None = Field(None, min_length=1, description=_REVISION)
    max_tokens: int | None = Field(128, ge=4, description=_CUT)


class Reuters(_Archived):
    """Reuters-21578 news with its frequent topics, several labels."""

    source: Literal["reuters"]
    path: str | None = Field(
        None,
        min_length=1,
        description=f"{_LOCAL}; or one file with all documents; null: the original distribution is downloaded",
    )
    min_documents: int = Field(100, ge=1, description="topics of fewer documents are left out")


class Aapd(_Archived):
    """arXiv Academic Paper Dataset (Yang et al. 2018), abstracts with several of 54 subjects."""

    source: Literal["aapd"]
    train_from: Literal["train", "validation"] = Field(
        "train",
        description="validation: without the training split; four fifths of the validation split are trained on",
    )

    @model_validator(mode="after")
    def _has_files(self) -> Self:
        if self.path is None and self.url is None:
            raise ValueError(
                "path: required, or `url` and `sha256` of the original archive: its authors publish neither a stable "
                "address nor a checksum (their README: github.com/lancopku/SGM)"
            )
        return self


class Pictures(_Dataset):
    """A published data set of pictures; a stratified tenth of its training split is validation.

    Networks see pixels less the training split's mean of each channel, over its deviation.
    """

    input = "image"
    source: Literal["mnist", "fashion_mnist", "cifar10", "cifar100"]
    path: str | None = Field(None, min_length=1, description=f"{_LOCAL}; null: downloaded by torchvision")
    max_examples: int | None = Field(
        None,
        ge=2,
        description="examples kept of each split, at most, in the proportions of the labels; null: all",
    )
    augment: Augment = Field("none", description=_AUGMENT)


class Mnist(Pictures):
    """MNIST (LeCun et al. 1998), handwritten digits of 28 x 28 pixels, 10 classes."""

    source: Literal["mnist"]


class FashionMnist(Pictures):
    """Fashion-MNIST (Xiao et al. 2017), clothing in grey, 28 x 28 pixels, 10 classes."""

    source: Literal["fashion_mnist"]


class Cifar10(Pictures):
    """CIFAR-10 (Krizhevsky 2009), 32 x 32 pixels in colour, 10 classes."""

    source: Literal["cifar10"]
    augment: Augment = Field("crop-flip", description=_AUGMENT)


class Cifar100(Pictures):
    """CIFAR-100 (Krizhevsky 2009), 32 x 32 pixels in colour, 100 classes."""

    source: Literal["cifar100"]
    augment: Augment = Field("crop-flip", description=_AUGMENT)


GlueSource = Literal[
    "glue_cola",
    "glue_sst2",
    "glue_mrpc",
    "glue_stsb",
    "glue_rte",
    "glue_wnli",
    "glue_qnli",
    "glue_mnli",
    "glue_qqp",
]


class Glue(_Corpus):
    """A task of GLUE (Wang et al. 2019): sentences or pairs of them, with a class or a score (STS-B).

    GLUE's validation set is the test set here, a part of its training set is validation.
    """

    source: GlueSource
    path: str | None = Field(None, min_length=1, description=_OR_HUB)
    revision: str | None = Field(None, min_length=1, description=_REVISION)
    max_tokens: int | None = Field(128, ge=4, description=_CUT)
    validation: float = Field(
        0.1, gt=0, lt=1, description="share of GLUE's training set that becomes the validation set"
    )

    @property
    def answers(self) -> Answers:
        return "number" if self.source == "glue_stsb" else "classes"


GLUE: tuple[str, ...] = get_args(GlueSource)

_VALIDATION = "share of the training set that becomes the validation set"


class Squad(_Corpus):
    """SQuAD v1.1 (Rajpurkar et al. 2016): questions answered by a span of a paragraph.

    Its development set is the test set here, a part of its training set is validation.
    """

    source: Literal["squad"]
    path: str | None = Field(None, min_length=1, description=_OR_HUB)
    revision: str | None = Field(None, min_length=1, description=_REVISION)
    max_tokens: int = Field(
        384, ge=16, description="of a question and a piece of its paragraph; longer ones are cut into windows"
    )
    stride: int = Field(128, ge=1, description="tokens that windows which follow one another share")
    max_question: int = Field(64, ge=4, description="questions are cut after this many tokens")
    max_answer: int = Field(30, ge=1, description="longest answer, in tokens")
    validation: float = Field(0.1, gt=0, lt=1, description=_VALIDATION)

    @model_validator(mode="after")
    def _windows_move_on(self) -> Self:
        # Three special pieces beside the question; some encoders have four.
        if self.stride >= self.max_tokens - self.max_question - 4:
            raise ValueError(
                f"stride: {self.stride} tokens leave a window of {self.max_tokens} with a question of "
                f"{self.max_question} no step; lower it"
            )
        return self

    @property
    def answers(self) -> Answers:
        return "span"


class Conll2003(_Corpus):
    """CoNLL-2003 (Tjong Kim Sang and De Meulder 2003): a tag of named entities for every word."""

    source: Literal["conll2003"]
    path: str | None = Field(None, min_length=1, description=_OR_HUB)
    revision: str | None = Field(None, min_length=1, description=_REVISION)
    max_tokens: int | None = Field(128, ge=4, description=_CUT)

    @property
    def answers(self) -> Answers:
        return "tokens"


class DataToText(_Corpus):
    """E2E (Novikova et al. 2017), DART (Nan et al. 2021) or WebNLG (Gardent et al. 2017): texts from records."""

    source: Literal["e2e", "dart", "webnlg"]
    path: str = Field(min_length=1, description=_LOCAL)
    max_tokens: int = Field(
        256, ge=8, description="of a record and its text; a record has at most half of them"
    )

    @property
    def answers(self) -> Answers:
        return "text"


Dataset = Annotated[
    Digits
    | Docstrings
    | Imdb
    | Snli
    | Reuters
    | Aapd
    | Mnist
    | FashionMnist
    | Cifar10
    | Cifar100
    | Glue
    | Squad
    | Conll2003
    | DataToText,
    Field(discriminator="source"),
]

SOURCES: dict[str, type[_Dataset]] = {
    "digits": Digits,
    "docstrings": Docstrings,
    "imdb": Imdb,
    "snli": Snli,
    "reuters": Reuters,
    "aapd": Aapd,
    "mnist": Mnist,
    "fashion_mnist": FashionMnist,
    "cifar10": Cifar10,
    "cifar100": Cifar100,
    **dict.fromkeys(GLUE, Glue),
    "squad": Squad,
    "conll2003": Conll2003,
    **dict.fromkeys(("e2e", "dart", "webnlg"), DataToText),
}
