"""Network architectures and how they are trained, as settings. The networks are in ``prunescope.models``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import Field, SerializerFunctionWrapHandler, model_serializer, model_validator

from prunescope.config.spec import Spec


class Training(Spec):
    """How a network is trained, and trained again after pruning."""

    optimizer: Literal["adam", "adamw", "sgd"] = "adam"
    lr: float = Field(1e-3, gt=0, description="learning rate")
    epochs: int = Field(3, ge=1)
    batch_size: int = Field(32, ge=1)
    weight_decay: float = Field(0.0, ge=0)
    momentum: float = Field(0.9, ge=0, lt=1, description="of SGD")
    clip_norm: float | None = Field(None, gt=0, description="gradient norm is clipped to this")
    milestones: tuple[Annotated[float, Field(gt=0, lt=1)], ...] = Field(
        (), description="fractions of the epochs after which the learning rate falls to a tenth"
    )
    lr_warm_up: float = Field(
        0.0,
        ge=0,
        description="the learning rate rises over the first steps of each stretch of training: so many, or below 1 a "
        "fraction of all",
    )
    lr_decay: Literal["none", "linear"] = Field(
        "none",
        description="linear: after its rise the learning rate falls to zero until the end of the stretch",
    )
    finetune_epochs: int | None = Field(
        None, ge=0, description="epochs of fine-tuning after each pruning; null means as many as `epochs`"
    )
    finetune_lr_factor: float = Field(
        1.0, gt=0, description="learning rate of fine-tuning over that of training"
    )
    rewind_epochs: int | None = Field(
        None, ge=1, description="epochs of training after each rewinding; null means as many as `epochs`"
    )
    keep: Literal["last", "best-validation"] = Field(
        "last", description="the weights that count: of the last epoch, or of the lowest validation loss"
    )
    threshold_split: Literal["train", "validation"] = Field(
        "train", description="several labels: where the probability threshold is chosen, by macro F1"
    )
    early_fraction: float = Field(
        0.3, ge=0, lt=1, description="EL2N uses the first epoch e >= 1 with e / epochs above this"
    )
    precision: Literal["float32", "bf16"] = Field(
        "float32",
        description="encoder, causal-lm: bf16 multiplies matrices in bfloat16; weights, sums and optimizer are float32",
    )
    padding: Literal["longest", "none"] = Field(
        "longest",
        description="encoder: texts of a batch are padded to the longest, or stand one behind the other without "
        "padding; the same function",
    )
    order: Literal["shuffled", "by-length"] = Field(
        "shuffled",
        description="encoder, causal-lm: batches in training, of any texts or of texts of like length, shuffled",
    )

    @model_serializer(mode="wrap")
    def _with_what_is_set(self, dump: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Without later settings that are not set: no job is rerun for a setting that changes nothing."""
        values: dict[str, Any] = dump(self)
        return {
            name: value
            for name, value in values.items()
            if name not in _LATER or value != Training.model_fields[name].default
        }

    @property
    def steady(self) -> bool:
        """Whether the learning rate is the same at all steps of an epoch."""
        return self.lr_warm_up == 0 and self.lr_decay == "none"

    @property
    def early_epoch(self) -> int:
        """The 1-based epoch after which EL2N scores are taken (PIE paper, section 4.2, note 5)."""
        return next(e for e in range(1, self.epochs + 1) if e / self.epochs > self.early_fraction)


#: Settings of training that came after networks had been trained from the text of the others.
_LATER = ("rewind_epochs", "lr_warm_up", "lr_decay", "precision", "padding", "order")


class Stackable(Spec):
    """Settings of families whose networks are small enough to be trained many at a time (training.together)."""

    replicas: Literal["auto", "together", "alone"] = Field(
        "auto",
        description="a job's seeds train together in lock step, or one after the other; results agree to "
        "rounding. auto: together on a GPU",
    )
    together: int = Field(
        32, ge=1, description="replicas trained together at most; fewer where a GPU's memory is short"
    )

    @model_serializer(mode="wrap")
    def _without_defaults(self, whole: SerializerFunctionWrapHandler) -> dict[str, Any]:
        # Left out at their defaults, so that settings of jobs and searches that do without them are the
        # same text, and what was trained from that text stands.
        settings: dict[str, Any] = whole(self)
        for name in Stackable.model_fields:
            if settings.get(name) == Stackable.model_fields[name].default:
                settings.pop(name, None)
        return settings


class LeNet5(Stackable):
    """LeNet-5 with ReLU and max pooling; convolutions are padded where the picture is small."""

    family: Literal["lenet5"]
    training: Training = Training()
    block: int = Field(1, ge=1, description="seeds trained by one job")


class ResNet(Stackable):
    """The residual networks of He et al. (2016) for CIFAR: three stages of 16, 32 and 64 filters."""

    family: Literal["resnet"]
    depth: int = Field(20, ge=8, description="layers with weights, 6n + 2: 20, 32, 44, 56, 110, ...")
    shortcut: Literal["A", "B"] = Field(
        "A", description="where sizes change: A pads with zero channels, without parameters; B projects"
    )
    training: Training = Training()
    block: int = Field(1, ge=1, description="seeds trained by one job")

    @model_validator(mode="after")
    def _whole_stages(self) -> ResNet:
        if self.depth % 6 != 2:
            raise ValueError(f"depth: {self.depth} is not 6n + 2, such as 20, 32, 44, 56 or 110")
        return self


class BiLSTM(Stackable):
    """The PIE paper's BiLSTM over fixed word vectors, with a three-layer head."""

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
    min_count: int = Field(
        2, ge=1, description="learned vectors: words seen less often in the training texts are unknown"
    )
    training: Training = Training()
    block: int = Field(1, ge=1, description="seeds trained by one job")


class Encoder(Spec):
    """A transformer encoder of texts, classified from its pooled output: BERT, or a pretrained one."""

    family: Literal["encoder"]
    pretrained: str | None = Field(
        None,
        min_length=1,
        description="local folder (environment variables are filled in) or hub id of a text encoder's "
        "checkpoint in safetensors with its tokenizer; sizes that are not given are the checkpoint's, those given "
        "must be, but fewer layers keep the lower ones. null: a BERT trained from scratch",
    )
    revision: str | None = Field(None, min_length=1, description="branch, tag or commit on the hub")
    hidden: int = Field(768, ge=1)
    layers: int = Field(12, ge=1)
    heads: int = Field(12, ge=1)
    intermediate: int = Field(3072, ge=1)
    vocabulary: int = Field(30522, ge=64, description="word pieces learned from the training texts, at most")
    positions: int = Field(512, ge=4, description="longest text the network can take, in tokens")
    initializer_range: float = Field(
        0.02, gt=0, description="standard deviation of the initial weights; narrow networks need more"
    )
    dropout: float = Field(0.1, ge=0, lt=1)
    prune_pooler: bool = Field(
        True,
        description="whether the pooler's matrix is among the prunable weights, as in the PIE paper; false: those of "
        "the encoder's layers alone, as in the PINS paper",
    )
    training: Training = Training()
    block: int = Field(1, ge=1, description="seeds trained by one job")

    @model_serializer(mode="wrap")
    def _without_default(self, whole: SerializerFunctionWrapHandler) -> dict[str, Any]:
        # As in Stackable: what was trained from the text without this setting stands.
        settings: dict[str, Any] = whole(self)
        if self.prune_pooler:
            settings.pop("prune_pooler", None)
        return settings

    @model_validator(mode="after")
    def _divisible(self) -> Encoder:
        if self.hidden % self.heads:
            raise ValueError(f"hidden: {self.hidden} is not a multiple of heads ({self.heads})")
        if self.revision and not self.pretrained:
            raise ValueError("revision: is of a pretrained network; give `pretrained` too or leave it out")
        return self


class CausalLM(Spec):
    """A causal language model of GPT-2's form that goes on with a text: trained from scratch, or pretrained."""

    family: Literal["causal-lm"]
    pretrained: str | None = Field(
        None,
        min_length=1,
        description="local folder (environment variables are filled in) or hub id of a GPT-2 checkpoint in safetensors "
        "with its tokenizer, whose sizes must be those given here; null: trained from scratch",
    )
    revision: str | None = Field(None, min_length=1, description="branch, tag or commit on the hub")
    hidden: int = Field(768, ge=1)
    layers: int = Field(12, ge=1)
    heads: int = Field(12, ge=1)
    vocabulary: int = Field(
        50257, ge=257, description="pieces of bytes learned from the training texts, at most"
    )
    positions: int = Field(1024, ge=8, description="longest text the network can take, in tokens")
    initializer_range: float = Field(
        0.02, gt=0, description="standard deviation of the initial weights; narrow networks need more"
    )
    dropout: float = Field(0.1, ge=0, lt=1)
    beams: int = Field(1, ge=1, description="of the search for a text; 1: the likeliest piece each time")
    length_penalty: float = Field(1.0, description="above 0 favours longer texts, for several beams")
    max_new_tokens: int = Field(128, ge=1, description="longest text that is written")
    training: Training = Training()
    block: int = Field(1, ge=1, description="seeds trained by one job")

    @model_validator(mode="after")
    def _divisible(self) -> CausalLM:
        if self.hidden % self.heads:
            raise ValueError(f"hidden: {self.hidden} is not a multiple of heads ({self.heads})")
        if self.revision and not self.pretrained:
            raise ValueError("revision: is of a pretrained network; give `pretrained` too or leave it out")
        return self


Arch = Annotated[LeNet5 | ResNet | BiLSTM | Encoder | CausalLM, Field(discriminator="family")]

#: How an arch's jobs are cut and run: no part of what a network is.
RUNNING = ("block", "replicas", "together")


def without_running(arch: Arch) -> Arch:
    """``arch`` with what concerns only the running of jobs, and its own training settings, at defaults."""
    fields = type(arch).model_fields
    names = [name for name in RUNNING if name in fields]
    return arch.model_copy(update={"training": Training(), **{n: fields[n].default for n in names}})


FAMILIES: dict[str, type[LeNet5 | ResNet | BiLSTM | Encoder | CausalLM]] = {
    "lenet5": LeNet5,
    "resnet": ResNet,
    "bilstm": BiLSTM,
    "encoder": Encoder,
    "causal-lm": CausalLM,
}

#: What an architecture family takes in.
FAMILY_INPUT: dict[str, Literal["image", "text"]] = {
    "lenet5": "image",
    "resnet": "image",
    "bilstm": "text",
    "encoder": "text",
    "causal-lm": "text",
}

#: What an architecture family can say of an example (``datasets.Answers``).
FAMILY_ANSWERS: dict[str, tuple[str, ...]] = {
    "lenet5": ("classes",),
    "resnet": ("classes",),
    "bilstm": ("classes", "number"),
    "encoder": ("classes", "number", "tokens", "span"),
    "causal-lm": ("text",),
}


#: Families whose networks consist of channels that can be removed with their filters.
FAMILIES_WITH_FILTERS = frozenset({"lenet5", "resnet"})


def merged_training(base: Training, changes: Mapping[str, Any]) -> Training:
    return Training.model_validate({**base.model_dump(), **changes})


def training_problem(arch: Arch, training: Training, answers: str) -> str | None:
    """What of the settings the network cannot do, and what to do, in a line; None if it can do all.

    Args:
        answers: what the data set asks for (``datasets.Answers``).
    """
    texts = isinstance(arch, Encoder | CausalLM)
    if training.precision == "bf16" and not texts:
        return f"precision: bf16 is for the families encoder and causal-lm, not {arch.family}; use float32"
    if training.order == "by-length" and not texts:
        what = "reads padding like words" if isinstance(arch, BiLSTM) else "reads pictures"
        return (
            f"order: by-length is for the families encoder and causal-lm; {arch.family} {what}; use shuffled"
        )
    if training.padding == "none" and not isinstance(arch, Encoder):
        what = "reads padding like words" if isinstance(arch, BiLSTM) else "is none"
        return f"padding: none is for the family encoder; {arch.family} {what}; use longest"
    if training.padding == "none" and answers not in ("classes", "number"):
        return f"padding: none is for classes and scores, not for {answers}, which are judged by batch; use longest"
    return None


def fine_tuning_epochs(training: Training) -> int:
    """Epochs after each pruning of a network that is fine-tuned."""
    return training.epochs if training.finetune_epochs is None else training.finetune_epochs


def rewinding_epochs(training: Training) -> int:
    """Epochs after each pruning of a network that is rewound."""
    return training.epochs if training.rewind_epochs is None else training.rewind_epochs
