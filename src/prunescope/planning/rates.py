"""How fast models train: measured rates from files, assumed ones where nothing was measured.

A rates file is JSON in the form of ``RatesFile``; ``benchmarks/rates.py`` writes one for the device it runs on.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, ValidationError

from prunescope.config.architectures import FAMILIES, Arch, Training, family_names
from prunescope.config.checkpoints import BERT_BASE
from prunescope.config.spec import Spec, problem_line
from prunescope.errors import UserError, given
from prunescope.files import read_json

#: Names of assumed rates in a rates file: a family, or a family and a precision.
ASSUMED = tuple(
    key
    for name, family in FAMILIES.items()
    for key, rate in ((name, family.assumed_rate), (f"{name}-bf16", family.assumed_rate_bf16))
    if rate is not None
)

#: What the families' own assumed rates are of.
ASSUMED_DEVICE = "an H200"

#: Multiplications and additions of a training step over those of a forward pass.
STEP_OVER_FORWARD = 3

#: How a number came about: timed with this very model and batch, scaled by operations from the most
#: similar timed model of its family, or assumed.
Basis = Literal["measured", "scaled", "assumed"]

#: Settings of a model that do not change how long a step takes, or are compared in another way.
_FREE_OF_ARCH = frozenset(
    (
        "training",
        "block",
        "pretrained",
        "revision",
        "vectors_path",
        "published_vectors",
        "min_count",
        "padding_vector",
        "head_dropout",
        "token_types",
        "vocabulary",
        "initializer_range",
    )
)

#: Likewise of training. What is not listed here, settings still to come included, must agree.
_FREE_OF_TRAINING = frozenset(
    """lr epochs weight_decay momentum milestones finetune_epochs finetune_lr_factor keep threshold_split
    early_fraction early_epochs_from""".split()  # noqa: SIM905
)


class MeasuredRate(Spec):
    """What was timed with one model: ``replicas`` of it trained side by side in one process.

    ``step_seconds``: a training step of all replicas together, ``training.batch_size`` examples each.
    ``predict_seconds``: an example of one replica, without gradients. ``mean_tokens``: of texts without padding, which
    ``forward_flops`` counts then; None where all are as long as ``tokens``.
    """

    architecture: Arch
    training: Training
    classes: int = Field(ge=1)
    tokens: int = Field(0, ge=0, description="length of the texts; 0 for images")
    mean_tokens: float | None = Field(None, gt=0)
    image: tuple[int, int, int] | None = None
    replicas: int = Field(1, ge=1)
    steps: int = Field(ge=1, description="training steps timed")
    step_seconds: float = Field(gt=0)
    predict_seconds: float = Field(gt=0)
    forward_flops: float = Field(gt=0, description="operations of one example's forward pass")

    @property
    def operations_per_second(self) -> float:
        step = STEP_OVER_FORWARD * self.forward_flops * self.training.batch_size * self.replicas
        return step / self.step_seconds


class RatesFile(Spec):
    """Rates of one device.

    ``assumed``: operations per second by family (``encoder``) or family and precision (``encoder-bf16``), for
    projections, never measured.
    """

    what: str
    device: str = Field(min_length=1)
    date: str
    command: str
    versions: dict[str, str]
    threads: int | None = None
    cores: int | None = None
    load: tuple[float, float, float] | None = None
    rates: tuple[MeasuredRate, ...] = ()
    assumed: dict[str, float] = Field(default_factory=dict)


@dataclass(frozen=True)
class Work:
    """What one model of a cell does.

    ``steps``: training steps; ``trained``, ``predicted``: examples; ``forward_flops``: operations of a forward
    pass at full length, ``unpadded_flops`` at the mean length of the texts, None where it is not known.
    ``packed``: texts are computed without padding.
    """

    steps: int
    trained: int
    predicted: int
    forward_flops: float
    unpadded_flops: float | None
    packed: bool = False

    @property
    def computed_flops(self) -> float:
        """Operations of a forward pass as it is done; at full length where batches are padded, or no mean is known."""
        if self.packed and self.unpadded_flops is not None:
            return self.unpadded_flops
        return self.forward_flops

    @property
    def flops(self) -> float:
        return self._flops(self.forward_flops)

    @property
    def flops_without_padding(self) -> float | None:
        return None if self.unpadded_flops is None else self._flops(self.unpadded_flops)

    def _flops(self, forward: float) -> float:
        return forward * (STEP_OVER_FORWARD * self.trained + self.predicted)


@dataclass(frozen=True)
class Rate:
    """How long work takes on ``device``; ``entry`` is None where nothing of the family was timed."""

    basis: Basis
    device: str
    assumed: float
    entry: MeasuredRate | None = None
    unpadded: bool = False

    def seconds(self, work: Work) -> float:
        """Seconds of one model."""
        computed = work.computed_flops
        if self.entry is None:
            return computed * (STEP_OVER_FORWARD * work.trained + work.predicted) / self.assumed
        step = self.entry.step_seconds / self.entry.replicas
        predict = self.entry.predict_seconds
        if self.basis == "measured":
            return work.steps * step + work.predicted * predict
        # Per example and operation: batches of another size take as long as their operations.
        per_example = step / self.entry.training.batch_size
        scale = computed / self.entry.forward_flops
        return scale * (work.trained * per_example + work.predicted * predict)

    @property
    def operations_per_second(self) -> float:
        return self.assumed if self.entry is None else self.entry.operations_per_second


@dataclass(frozen=True)
class Rates:
    """All that is known: ``device`` is None where no file was given."""

    device: str | None = None
    entries: tuple[MeasuredRate, ...] = ()
    assumed: Mapping[str, float] | None = None

    def rate(
        self,
        arch: Arch,
        training: Training,
        *,
        tokens: int,
        image: tuple[int, int, int] | None,
        block: int,
        forward_flops: float,
        mean_tokens: float | None = None,
    ) -> Rate:
        """The rate that comes closest to this model, trained like this, ``block`` of them side by side.

        Args:
            forward_flops: of an example as it is computed.
            mean_tokens: of texts without padding; None where all count as ``tokens``.
        """
        fits = [
            entry
            for entry in self.entries
            if entry.architecture.family == arch.family and entry.replicas <= block
        ]
        same = [
            entry
            for entry in fits
            if _architecture(entry.architecture) == _architecture(arch)
            and _way(entry.training) == _way(training)
            and (entry.tokens, entry.image, entry.mean_tokens) == (tokens, image, mean_tokens)
        ]
        assumed, named = self.assumed_rate(arch, training.precision, block > 1)
        unpadded = mean_tokens is not None
        if same:
            entry = max(same, key=lambda entry: entry.replicas)
            return Rate("measured", self.device or "", assumed, entry, unpadded)
        if fits:
            size = math.log(forward_flops * training.batch_size)

            def distance(entry: MeasuredRate) -> tuple[float, int]:
                # What a step of a replica holds decides how well a device is used, most of all.
                other = math.log(entry.forward_flops * entry.training.batch_size)
                return abs(size - other), -entry.replicas

            return Rate("scaled", self.device or "", assumed, min(fits, key=distance), unpadded)
        return Rate("assumed", self.device or "" if named else ASSUMED_DEVICE, assumed, unpadded=unpadded)

    def assumed_rate(self, arch: Arch, precision: str, together: bool = False) -> tuple[float, bool]:
        """Operations per second, and whether a file names them; a file's rate of a family is of any precision."""
        for key in (f"{arch.family}-{precision}", arch.family):
            if key in (self.assumed or {}):
                return (self.assumed or {})[key], True
        fast = (
            arch.assumed_rate_together
            if together
            else arch.assumed_rate_bf16
            if precision == "bf16"
            else None
        )
        return fast or arch.assumed_rate, False


def read_rates(paths: Sequence[Path]) -> Rates:
    """Rates from files, which must be of one device.

    Raises:
        UserError: a file is missing, damaged, no rates file, or of another device than the first.
    """
    if not paths:
        return Rates()
    files = [(path, _read(path)) for path in paths]
    first_path, first = files[0]
    assumed: dict[str, float] = {}
    for path, file in files:
        if file.device != first.device:
            raise UserError(
                f"{path}: rates of {file.device!r}, but {first_path} has those of {first.device!r}; hours of two "
                "devices do not add up, give files of one"
            )
        assumed |= file.assumed
    return Rates(
        device=first.device,
        entries=tuple(entry for _, file in files for entry in file.rates),
        assumed=assumed,
    )


def basis_text(rate: Rate) -> str:
    """Where a rate comes from, for people."""
    if rate.entry is None:
        return f"assumed: {quantity(rate.assumed, 'FLOP/s')} on {rate.device}" + (
            ", no padding" if rate.unpadded else ""
        )
    entry = rate.entry
    what = f"batches of {entry.training.batch_size}"
    if entry.mean_tokens is not None:
        what += f" texts of {entry.mean_tokens:g} tokens on average, no padding"
    elif entry.tokens:
        what += f" texts of {entry.tokens} tokens"
    if entry.replicas > 1:
        what += f", {entry.replicas} models at once"
    if rate.basis == "measured":
        return f"measured: {entry.step_seconds:.3g} s per step, {what}"
    return f"scaled by operations from {quantity(entry.operations_per_second, 'FLOP/s')}, {what}"


def quantity(value: float, unit: str) -> str:
    """``2.3 TB``: three digits, with the prefix that suits."""
    for factor, prefix in zip((1e18, 1e15, 1e12, 1e9, 1e6, 1e3), "EPTGMk", strict=True):
        if value >= 0.9995 * factor:
            return f"{value / factor:.3g} {prefix}{unit}"
    return f"{value:.3g} {unit}"


def summed(parts: Iterable[tuple[Basis, float]]) -> dict[str, float]:
    """Hours by how they came about; all three keys, in this order."""
    sums: dict[str, float] = {"measured": 0.0, "scaled": 0.0, "assumed": 0.0}
    for basis, hours in parts:
        sums[basis] += hours
    return sums


def _read(path: Path) -> RatesFile:
    with given("give a file that benchmarks/rates.py wrote"):
        raw = read_json(path)
    try:
        file = RatesFile.model_validate_json(json.dumps(raw))
    except ValidationError as error:
        specs: dict[str, type[Spec]] = {"rates": MeasuredRate, "training": Training, **FAMILIES}
        raise UserError(
            f"{path}: no rates file: {problem_line(error, RatesFile, specs, {'family': family_names()})}; "
            "benchmarks/rates.py writes one"
        ) from None
    known = dict.fromkeys((*family_names(), *ASSUMED))
    for family, rate in file.assumed.items():
        if family not in known or not rate > 0:
            raise UserError(
                f"{path}: assumed.{family}: must be one of {', '.join(known)}, with operations per second above 0"
            )
    if not file.rates and not file.assumed:
        raise UserError(f"{path}: holds no rates; measure some with benchmarks/rates.py")
    return file


def _architecture(arch: Arch) -> dict[str, Any]:
    settings = arch.model_dump(exclude=set(_FREE_OF_ARCH))
    pretrained = getattr(arch, "pretrained", None)
    # A checkpoint of another kind than BERT may have other layers of the same sizes.
    return {**settings, "pretrained": None if pretrained in BERT_BASE else pretrained}


def _way(training: Training) -> dict[str, Any]:
    return training.model_dump(exclude=set(_FREE_OF_TRAINING))
