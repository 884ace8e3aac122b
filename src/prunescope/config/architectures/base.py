"""What is asked of an architecture: by checks, encoding, training and planning. No torch here."""

from __future__ import annotations

from collections.abc import Mapping
from math import prod
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, Protocol

from pydantic import Field, SerializerFunctionWrapHandler, model_serializer

from prunescope.config.architectures.prunable import PRESETS, PrunableSetting
from prunescope.config.architectures.training import Training
from prunescope.config.spec import Spec
from prunescope.errors import UserError
from prunescope.files import expanded

Shapes = dict[str, tuple[int, ...]]


#: How a model writes a text.
Beams = Annotated[int, Field(ge=1, description="of the search for a text; 1: the likeliest token each time")]
LengthPenalty = Annotated[float, Field(description="above 0 favours longer texts, for several beams")]
MaxNewTokens = Annotated[int, Field(ge=1, description="longest text that is written")]


class Facts(Protocol):
    """What the sizes of a model depend on in its data set; ``tokens``: of its longest text; ``writes``: answers are."""

    @property
    def classes(self) -> int: ...
    @property
    def tokens(self) -> int: ...
    @property
    def image(self) -> tuple[int, int, int] | None: ...
    @property
    def writes(self) -> bool: ...


class Architecture(Spec):
    """Settings of an architecture, and what follows from them without its model.

    A new one is a subclass with a ``family`` of its own (``Literal["..."]``), a line in ``FAMILIES`` or an entry point
    ``prunescope.architectures`` of its family's name, and the module that ``module`` names, with

    - ``build(arch, shape)``: the model (torch) for a ``models.registry.Shape``. Its attribute ``final_layer`` names the
      classifier; with ``has_filters`` its method ``channels()`` gives what can be removed
      (``models.channels``), and if it has ``stacked()``, replicas train in lock step (``models.stacked``).
    - where checkpoints matter: ``counted(arch, shape)``, ``fetch(arch)``, ``check(arch)`` (``models.registry``).
    """

    family: str
    training: Training = Training()
    block: int = Field(1, ge=1, description="seeds trained by one job")
    prunable: PrunableSetting = Field(
        PRESETS["matrices"],
        description="which parameters are prunable: one of the papers' presets, or a mapping of kinds; matrices: "
        "weight matrices and kernels of all layers but embeddings and the classifier",
    )

    start: str | dict[int, str] | None = Field(
        None,
        description="dense models that are trained already, instead of training them: a folder or a safetensors file, "
        "`{seed}` in it standing for the seed, or one for each seed ({0: ..., 1: ...}); `checkpoint`: the family's own "
        "`checkpoint` or `weights`, with its classifier",
    )

    #: Settings that are left out of a job's text at their defaults: what was trained from the text without them stands.
    later: ClassVar[tuple[str, ...]] = ("prunable", "start")

    #: Module of the model.
    module: ClassVar[str]

    #: What an example is.
    input: ClassVar[Literal["image", "text"]]

    #: What the model can say of one (``datasets.Answers``).
    answers: ClassVar[tuple[str, ...]] = ("classes",)

    #: How data sets are encoded (``data.encoding``): images as they are; words with vectors (as ``BiLSTM``'s settings
    #: say); subwords around separators, or going on from a text (``vocabulary``, ``pretrained``).
    encoding: ClassVar[Literal["image", "words", "subwords", "continued"]]

    #: Whether it consists of channels that can be removed with their filters.
    has_filters: ClassVar[bool] = False

    #: Whether padding changes nothing, so that a batch may be cut to its longest text.
    masks_padding: ClassVar[bool] = False

    #: Whether texts can stand one behind the other without padding (``models.packed``); whether bfloat16 will do.
    packs: ClassVar[bool] = False
    bf16: ClassVar[bool] = False

    #: Operations a second that training is assumed to sustain on an H200, in float32, in bf16, and of many models that
    #: train in lock step (docs/performance.md, Projection).
    assumed_rate: ClassVar[float] = 2e12
    assumed_rate_bf16: ClassVar[float | None] = None
    assumed_rate_together: ClassVar[float | None] = None

    @model_serializer(mode="wrap")
    def _without_later_defaults(self, whole: SerializerFunctionWrapHandler) -> dict[str, Any]:
        settings: dict[str, Any] = whole(self)
        fields = type(self).model_fields
        return {
            name: value
            for name, value in settings.items()
            if name not in self.later or getattr(self, name) != fields[name].default
        }

    @classmethod
    def completed(cls, raw: Mapping[str, Any]) -> Mapping[str, Any]:
        """Settings as given, with those that are known from elsewhere (``Encoder``)."""
        return raw

    def start_of(self, seed: int) -> Path:
        """The folder or file of the dense model of a seed, where ``start`` is given.

        Raises:
            UserError: it is not there, or none is named for this seed.
        """
        assert self.start is not None
        if isinstance(self.start, dict):
            if seed not in self.start:
                raise UserError(f"start: names no checkpoint of seed {seed}; add one, or leave out the seed")
            return expanded(self.start[seed], "start")
        if self.start != "checkpoint":
            return expanded(self.start.replace("{seed}", str(seed)), "start")
        own = self.own_checkpoint()
        if own is None:
            raise UserError(
                f"start: checkpoint: family {self.family} names no checkpoint here; give a folder or a file"
            )
        return own

    def own_checkpoint(self) -> Path | None:
        """The folder or file that the family's own settings name, for ``start: checkpoint``."""
        return None

    @property
    def fetched(self) -> bool:
        """Whether a checkpoint from the hub, or word vectors, have to be fetched before data is encoded."""
        return False

    def checked(self) -> list[str]:
        """Notes for people on the files that the arch needs, before a job starts.

        Raises:
            UserError: a file is not there.
        """
        return []

    @property
    def input_known(self) -> bool:
        """Whether what it takes is known, rather than assumed of a checkpoint that is not at hand."""
        return True

    @property
    def sizes_unknown(self) -> bool:
        """Whether sizes that only a look at the checkpoint can tell are not given."""
        return False

    @property
    def positions_at_most(self) -> int | None:
        """Tokens of the longest text that the model takes; None: any."""
        return None

    @property
    def vocabulary_size(self) -> int:
        """Rows of the table of subwords; 0 without one."""
        return 0

    @property
    def word_dimensions(self) -> int:
        """Dimensions of word vectors that are data; 0 without."""
        return 0

    @property
    def lock_step(self) -> Literal["auto", "together", "alone"]:
        """Whether a job's seeds train in lock step."""
        return "alone"

    @property
    def most_at_once(self) -> int:
        """Models of a job that train at a time, at most."""
        return 1

    @property
    def layers_in_turn(self) -> int:
        """Layers whose activations follow one another in memory where no gradient needs them."""
        return 1

    def shapes(self, facts: Facts, *, per_token: bool = False) -> Shapes:
        """The weight matrices and kernels by name, all but embeddings and the classifier's: where operations are.

        ``per_token``: the model answers for every token.
        """
        raise NotImplementedError

    def sizes(self, facts: Facts, *, per_token: bool = False) -> dict[str, int]:
        """How many weights each of ``shapes`` has."""
        return {name: prod(shape) for name, shape in self.shapes(facts, per_token=per_token).items()}

    def uses(self, name: str, facts: Facts) -> int:
        """How often an example uses each weight of a layer: at how many tokens, or positions of a kernel."""
        return max(1, facts.tokens)

    def forward_flops(self, facts: Facts, sizes: Mapping[str, int]) -> float:
        """Operations of one example's forward pass: two per weight and use."""
        return sum(2 * size * self.uses(name, facts) for name, size in sizes.items())

    def parameters(self, facts: Facts, *, per_token: bool = False) -> int:
        """All trained parameters: here with a bias per row and a linear classifier over the last layer."""
        shapes = list(self.shapes(facts, per_token=per_token).values())
        outputs = max(1, facts.classes)
        return sum(map(prod, shapes)) + sum(shape[0] for shape in shapes) + (shapes[-1][0] + 1) * outputs

    def activation_bytes(self, facts: Facts) -> int:
        """What an example leaves in a forward pass for the backward one, in float32, at full length.

        Here each layer leaves its output, normalization or bias another, ReLU or pooling a third.
        """
        return 12 * sum(shape[0] * self.uses(name, facts) for name, shape in self.shapes(facts).items())


class Stackable(Architecture):
    """Families whose models are small enough to be trained many at a time (training.together)."""

    later: ClassVar[tuple[str, ...]] = (*Architecture.later, "replicas", "together")

    replicas: Literal["auto", "together", "alone"] = Field(
        "auto",
        description="a job's seeds train together in lock step, or one after the other; results agree to "
        "rounding. auto: together on a GPU",
    )
    together: int = Field(
        32, ge=1, description="replicas trained together at most; fewer where a GPU's memory is short"
    )

    @property
    def lock_step(self) -> Literal["auto", "together", "alone"]:
        return self.replicas

    @property
    def most_at_once(self) -> int:
        return 1 if self.replicas == "alone" else self.together
