"""A study: what is trained, how it is pruned, what is analysed. Typed, frozen, checked at once.

The JSON schema in ``workflow/schemas/config.schema.json`` is generated from these classes.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import (
    BaseModel,
    Field,
    ValidationError,
    field_validator,
    model_validator,
)

from prunescope.analysis.corrections import Correction
from prunescope.archs import (
    FAMILIES,
    FAMILIES_WITH_FILTERS,
    FAMILY_ANSWERS,
    FAMILY_INPUT,
    Arch,
    CausalLM,
    Encoder,
    Training,
    merged_training,
    training_problem,
)
from prunescope.datasets import SOURCES, Dataset
from prunescope.encoder_types import with_checkpoint_sizes
from prunescope.errors import UserError, listed
from prunescope.gradual import Gradual
from prunescope.pruners import PRUNERS, UNPRUNED, Pruner
from prunescope.spec import Spec, distinct, problem_line
from prunescope.tuning.spec import EpochRange, RateRange, Space, Tune

#: Names become folder names and Snakemake targets.
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")

#: Snakemake's rules and targets, and folders, that a data set may not be called by.
RESERVED = frozenset(
    """all cell cells data dataset el2n encode figures index level lint manifest models none only paper pretrained prune
    readability report results search site tables train tune tuned weights""".split()  # noqa: SIM905
)


class Grid(Spec):
    """A block of the study: every combination of what it lists."""

    datasets: tuple[str, ...] = Field(min_length=1)
    archs: tuple[str, ...] = Field(min_length=1)
    pruners: tuple[str, ...] = Field((), description="empty: unpruned models only")
    sparsities: tuple[Annotated[float, Field(gt=0, lt=1)], ...] = Field(
        (), description="fractions of the prunable weights that become zero"
    )
    ratios: tuple[Annotated[float, Field(gt=1)], ...] = Field(
        (), description="all parameters before over parameters left after; instead of sparsities"
    )
    levels: int | None = Field(
        None,
        ge=1,
        le=100,
        description="for pruners that climb a ladder, how far: every level from 1 to this one",
    )
    seeds: tuple[Annotated[int, Field(ge=0, lt=2**31)], ...] | None = Field(
        None, description="instead of the study's seeds"
    )


class Analysis(Spec):
    confidence: float = Field(0.99, gt=0, lt=1, description="of the t intervals of alpha")
    bins: int = Field(20, ge=2, le=1000, description="EL2N bins")
    correction: Correction = Field(
        "bonferroni", description="of the p-values in alpha_tests.csv, within a family"
    )
    equal_variances: bool = Field(
        False, description="independent tests of alpha: Student's t-test instead of Welch's"
    )
    tested_amounts: tuple[Annotated[float, Field(gt=0)], ...] | None = Field(
        None,
        min_length=1,
        description="the ratios (above 1) and sparsities (below 1) that tests of alpha compare, besides all levels "
        "of ladders; null: all",
    )


#: What a level of a ladder removes of the weights that are left, where its pruner does not say.
LEVEL_STEP = Fraction(1, 5)

#: By kind of amount: units in one, and how a number of units is called in paths.
_UNITS: dict[Literal["sparsity", "ratio", "level"], tuple[int, str]] = {
    "sparsity": (1000, "permille"),
    "ratio": (100, "percent"),
    "level": (1, ""),
}

#: The amounts of paths, as a regular expression with a group of digits for each kind.
AMOUNT_TOKEN = "|".join(rf"{kind}-(\d+){unit}" for kind, (_, unit) in _UNITS.items())


@dataclass(frozen=True, order=True)
class Amount:
    """How much is pruned, as asked for: a sparsity, a ratio or a ladder's level, with one spelling in paths."""

    kind: Literal["sparsity", "ratio", "level"]
    units: int  # per-mille of a sparsity, percent of a ratio, number of a level

    @classmethod
    def of_sparsity(cls, value: float) -> Amount:
        return cls("sparsity", _exact("sparsities", value, 1000))

    @classmethod
    def of_ratio(cls, value: float) -> Amount:
        return cls("ratio", _exact("ratios", value, 100))

    @classmethod
    def of_level(cls, number: int) -> Amount:
        """``number``: 1 for the first pruning."""
        return cls("level", number)

    @classmethod
    def parse(cls, token: str) -> Amount:
        """Inverse of ``token``.

        Raises:
            UserError: not a token.
        """
        match = re.fullmatch(AMOUNT_TOKEN, token)
        if not match:
            raise UserError(
                f"{token!r}: not an amount such as sparsity-900permille, ratio-1000percent or level-7"
            )
        for kind, units in zip(_UNITS, match.groups(), strict=True):
            if units is not None:
                return cls(kind, int(units))
        raise AssertionError(token)

    @property
    def value(self) -> float:
        return self.units / _UNITS[self.kind][0]

    @property
    def text(self) -> str:
        """``90%``, ``ratio 10`` or ``level 7``, for readers."""
        return f"{self.units / 10:g}%" if self.kind == "sparsity" else f"{self.kind} {self.value:g}"

    @property
    def token(self) -> str:
        return f"{self.kind}-{self.units}{_UNITS[self.kind][1]}"

    def share(self, total: int, prunable: int, step: Fraction = LEVEL_STEP) -> Fraction:
        """The fraction of the ``prunable`` weights that become zero in a network of ``total`` parameters.

        A ratio t removes (1 - 1/t) of all parameters, so s = (1 - 1/t) * total / prunable of
        the prunable ones. At level k of a ladder whose levels each remove ``step`` of what is left it is
        1 - (1 - step)^k. Exact, so that counts of weights round half to even as numbers do on paper.

        Raises:
            UserError: the ratio asks for more weights than are prunable.
        """
        if self.kind == "sparsity":
            return Fraction(self.units, 1000)
        if self.kind == "level":
            return 1 - (1 - step) ** self.units
        share = (1 - Fraction(100, self.units)) * Fraction(total, prunable)
        if share >= 1:
            raise UserError(
                f"ratio {self.value:g}: asks for {round(share * prunable)} zeros but only {prunable} of {total} "
                f"parameters are prunable; choose a ratio below {total / (total - prunable):.4g}"
            )
        return share


def _exact(key: str, value: float, scale: int) -> int:
    units = round(value * scale)
    if abs(units - value * scale) > 1e-6:
        raise UserError(f"{key}: {value} has more decimals than paths keep; use multiples of {1 / scale:g}")
    return units


#: The amount of unpruned models.
DENSE = Amount("sparsity", 0)


@dataclass(frozen=True)
class Cell:
    """One (dataset, arch, pruner, amount) with its seeds; the unpruned one has pruner ``none``."""

    dataset: str
    arch: str
    pruner: str
    amount: Amount
    seeds: tuple[int, ...]

    @property
    def dense(self) -> bool:
        return self.pruner == UNPRUNED


class Study(Spec):
    """A whole configuration file."""

    name: str = Field(description="what the study is called in the report")
    title: str | None = Field(None, description="one line above the report")
    results: str = Field("results", min_length=1, description="folder for everything the study leaves")
    seeds: tuple[Annotated[int, Field(ge=0, lt=2**31)], ...] = Field(min_length=1)
    datasets: dict[str, Dataset] = Field(min_length=1)
    archs: dict[str, Arch] = Field(min_length=1)
    pruners: dict[str, Pruner] = Field(
        default_factory=dict, description="compositions beyond the papers' own names"
    )
    grid: tuple[Grid, ...] = Field(min_length=1)
    analysis: Analysis = Analysis()
    tune: Tune | None = Field(None, description="what `snakemake tune` searches")
    logits: Literal["float32", "float16"] = Field(
        "float32",
        description="how prediction tables store raw outputs; float16 halves the largest part of a study's disk, "
        "keeps predictions made before rounding beside them, and is faster to analyse. EL2N's tables stay float32",
    )
    keep_models: bool = Field(True, description="keep the pruned networks' weights")
    keep_dense_checkpoints: bool = Field(
        True,
        description="keep unpruned networks with optimizer state, so that later additions start from them",
    )
    weight_statistics: tuple[str, ...] = Field(
        (),
        description="archs whose weights, as pruning leaves them, are measured: how many, where, how large, of what "
        "rank",
    )
    job_minutes: float | None = Field(
        None,
        gt=0,
        description="archs without `block` of their own: a job takes as many seeds as train in this time, by assumed "
        "rates of a data-centre GPU; null: one seed",
    )
    checkpoint_seconds: float = Field(
        300.0,
        ge=0,
        description="how often a job that trains keeps its progress, besides when it is asked to end",
    )

    @field_validator("results")
    @classmethod
    def _plain_folder(cls, value: str) -> str:
        if set("{}*\n") & set(value) or value.startswith("-") or not value.strip("/. "):
            raise ValueError("must name a folder, without braces or stars or a leading dash")
        return value.rstrip("/")

    @model_validator(mode="after")
    def _consistent(self) -> Study:
        for kind, names in (("datasets", self.datasets), ("archs", self.archs), ("pruners", self.pruners)):
            for name in names:
                if not NAME.fullmatch(name):
                    raise ValueError(
                        f"{kind}.{name}: names are letters, digits, '.', '_' and '-', and start with a letter or digit"
                    )
        for name in self.datasets:
            if name in RESERVED:
                raise ValueError(f"datasets.{name}: the name is taken by a target; choose another one")
        for name in self.pruners:
            if name in PRUNERS or name == UNPRUNED:
                raise ValueError(
                    f"pruners.{name}: the name is taken by a built-in pruner; choose another one"
                )
        distinct("seeds", self.seeds)
        for name, dataset in self.datasets.items():
            for arch, settings in dataset.training.items():
                key = f"datasets.{name}.training.{arch}"
                if arch not in self.archs:
                    raise ValueError(f"{key}: unknown arch; there are {listed(self.archs, 40)}")
                try:
                    merged_training(self.archs[arch].training, settings)
                except ValidationError as error:
                    raise ValueError(f"{key}.{first_problem(error)}") from None
        distinct("weight_statistics", self.weight_statistics)
        for name in self.weight_statistics:
            if name not in self.archs:
                raise ValueError(
                    f"weight_statistics: unknown arch {name!r}; there are {listed(self.archs, 40)}"
                )
        for number, grid in enumerate(self.grid):
            self._check_grid(f"grid.{number}", grid)
        self._check_overlaps()
        self._check_spaces()
        self._check_tested()
        return self

    def _check_grid(self, key: str, grid: Grid) -> None:
        known: dict[str, Mapping[str, Any]] = {
            "datasets": self.datasets,
            "archs": self.archs,
            "pruners": self.all_pruners,
        }
        for field, names in known.items():
            chosen = getattr(grid, field)
            distinct(f"{key}.{field}", chosen)
            for name in chosen:
                if name not in names:
                    raise ValueError(f"{key}.{field}: unknown name {name!r}; there are {listed(names, 40)}")
        given = [name for name in ("sparsities", "ratios", "levels") if getattr(grid, name)]
        if len(given) > 1:
            raise ValueError(f"{key}: give sparsities, ratios or levels, not {' and '.join(given)}")
        if grid.pruners and not given:
            raise ValueError(f"{key}: pruners need sparsities, ratios or levels")
        self._check_kinds(key, grid)
        distinct(f"{key}.sparsities", grid.sparsities)
        distinct(f"{key}.ratios", grid.ratios)
        if grid.seeds is not None:
            if not grid.seeds:
                raise ValueError(f"{key}.seeds: the list is empty; leave it out to use the study's seeds")
            distinct(f"{key}.seeds", grid.seeds)
        try:
            grid_amounts(grid)
        except UserError as error:
            raise ValueError(f"{key}.{error}") from None
        for dataset in grid.datasets:
            for arch in grid.archs:
                takes, has = FAMILY_INPUT[self.archs[arch].family], self.datasets[dataset].input
                if takes != has:
                    raise ValueError(
                        f"{key}: arch {arch!r} takes {takes}s but data set {dataset!r} has {has}s; "
                        "put them into different grid entries"
                    )
                answers = self.datasets[dataset].answers
                if answers not in FAMILY_ANSWERS[self.archs[arch].family]:
                    fit = [name for name, says in FAMILY_ANSWERS.items() if answers in says]
                    raise ValueError(
                        f"{key}: data set {dataset!r} asks for {answers}, which arch {arch!r} of family "
                        f"{self.archs[arch].family!r} does not give; choose one of family {listed(fit)}"
                    )
                self._check_lengths(key, dataset, arch)
                problem = training_problem(self.archs[arch], self.training(dataset, arch), answers)
                if problem is not None:
                    raise ValueError(f"{key}: training of arch {arch!r} on data set {dataset!r}: {problem}")

    def _check_kinds(self, key: str, grid: Grid) -> None:
        """Levels are of ladders and ladders have levels; filters are removed to ratios, where there are any."""
        elsewhere = "put it into another grid entry"
        for name in grid.pruners:
            pruner = self.all_pruners[name]
            if pruner.is_ladder and not grid.levels:
                raise ValueError(
                    f"{key}: pruner {name!r} climbs a ladder, whose amounts are levels; give `levels`, or "
                    f"{elsewhere}"
                )
            if grid.levels and not pruner.is_ladder:
                raise ValueError(
                    f"{key}: levels are of pruners with schedule ladder, which {name!r} does not have; {elsewhere}"
                )
            if pruner.structure == "filters" and not grid.ratios:
                raise ValueError(
                    f"{key}: pruner {name!r} removes whole filters, as many as a ratio asks for; give `ratios`, or "
                    f"{elsewhere}"
                )
            for arch in grid.archs if pruner.structure == "filters" else ():
                if self.archs[arch].family not in FAMILIES_WITH_FILTERS:
                    raise ValueError(
                        f"{key}: pruner {name!r} removes filters, which arch {arch!r} does not have; use it with "
                        f"the families {listed(sorted(FAMILIES_WITH_FILTERS))}"
                    )

    def _check_lengths(self, key: str, dataset: str, arch: str) -> None:
        network, texts = self.archs[arch], self.datasets[dataset]
        # Every data set of texts has this setting; without it the length is known once the texts are.
        longest = getattr(texts, "max_tokens", None)
        if isinstance(network, Encoder | CausalLM) and longest is not None and longest > network.positions:
            raise ValueError(
                f"{key}: data set {dataset!r} has texts of up to {longest} tokens but arch {arch!r} only "
                f"{network.positions} positions; raise `positions` or lower `max_tokens`"
            )

    def _check_overlaps(self) -> None:
        seen: set[tuple[str, str, str, Amount]] = set()
        for grid in self.grid:
            for dataset, arch, pruner, amount in _pruned_cells(grid):
                if (dataset, arch, pruner, amount) in seen:
                    raise ValueError(
                        f"grid: {dataset}, {arch}, {pruner}, {amount.kind} {amount.value:g} is listed by two "
                        "entries; keep it in one"
                    )
                seen.add((dataset, arch, pruner, amount))

    def _check_spaces(self) -> None:
        for dataset, spaces in (self.tune.spaces if self.tune else {}).items():
            if dataset not in self.datasets:
                raise ValueError(
                    f"tune.spaces.{dataset}: unknown data set; there are {listed(self.datasets, 40)}"
                )
            for arch in spaces:
                if arch not in self.archs:
                    raise ValueError(
                        f"tune.spaces.{dataset}.{arch}: unknown arch; there are {listed(self.archs, 40)}"
                    )

    @cached_property
    def tuned(self) -> tuple[tuple[str, str], ...]:
        """Every (dataset, arch) of the grid that has a search space."""
        spaces = self.tune.spaces if self.tune else {}
        pairs = dict.fromkeys((cell.dataset, cell.arch) for cell in self.cells)
        return tuple((dataset, arch) for dataset, arch in pairs if arch in spaces.get(dataset, {}))

    def _check_tested(self) -> None:
        tested = self.analysis.tested_amounts or ()
        distinct("analysis.tested_amounts", tested)
        known = {
            amount.value for grid in self.grid for amount in grid_amounts(grid) if amount.kind != "level"
        }
        for value in tested:
            if value not in known:
                there = ", ".join(f"{amount:g}" for amount in sorted(known)) or "none"
                raise ValueError(f"analysis.tested_amounts: {value:g} is in no grid entry; there are {there}")

    @cached_property
    def all_pruners(self) -> dict[str, Pruner]:
        """The built-in pruners and the study's own, by name."""
        return {**PRUNERS, **self.pruners}

    def training(self, dataset: str, arch: str) -> Training:
        """Training settings of an arch on a data set: the arch's, with the data set's changes."""
        return merged_training(self.archs[arch].training, self.datasets[dataset].training.get(arch, {}))

    @cached_property
    def cells(self) -> tuple[Cell, ...]:
        """Every cell of the grid, unpruned ones first within their (dataset, arch).

        The unpruned models of a (dataset, arch) cover the seeds of all grid entries that use it.
        """
        dense: dict[tuple[str, str], set[int]] = {}
        pruned: dict[tuple[str, str], list[Cell]] = {}
        for grid in self.grid:
            seeds = tuple(sorted(grid.seeds if grid.seeds is not None else self.seeds))
            for dataset in grid.datasets:
                for arch in grid.archs:
                    dense.setdefault((dataset, arch), set()).update(seeds)
            for dataset, arch, pruner, amount in _pruned_cells(grid):
                pruned.setdefault((dataset, arch), []).append(Cell(dataset, arch, pruner, amount, seeds))
        cells: list[Cell] = []
        for (dataset, arch), seeds_of in dense.items():
            cells.append(Cell(dataset, arch, UNPRUNED, DENSE, tuple(sorted(seeds_of))))
            cells.extend(pruned.get((dataset, arch), []))
        return tuple(cells)

    @cached_property
    def cell_at(self) -> dict[tuple[str, str, str, Amount], Cell]:
        """Every cell by its dataset, arch, pruner and amount."""
        return {(cell.dataset, cell.arch, cell.pruner, cell.amount): cell for cell in self.cells}

    @cached_property
    def dense_cells(self) -> dict[tuple[str, str], Cell]:
        """The unpruned cell of every (dataset, arch) of the grid."""
        return {(cell.dataset, cell.arch): cell for cell in self.cells if cell.dense}


def grid_amounts(grid: Grid) -> tuple[Amount, ...]:
    """The amounts of one grid entry, in its order."""
    return (
        *(Amount.of_sparsity(sparsity) for sparsity in grid.sparsities),
        *(Amount.of_ratio(ratio) for ratio in grid.ratios),
        *(Amount.of_level(number) for number in range(1, (grid.levels or 0) + 1)),
    )


def seed_blocks(seeds: tuple[int, ...], size: int) -> list[tuple[int, int]]:
    """Sorted seeds cut into runs of at most ``size`` consecutive numbers, as (first, last)."""
    blocks: list[tuple[int, int]] = []
    for seed in sorted(seeds):
        if blocks and seed == blocks[-1][1] + 1 and seed - blocks[-1][0] < size:
            blocks[-1] = (blocks[-1][0], seed)
        else:
            blocks.append((seed, seed))
    return blocks


def load_study(path: Path | str) -> Study:
    """Read and check a YAML configuration.

    Raises:
        UserError: the file is missing, not YAML, or not a study; the line names the key.
    """
    try:
        text = Path(path).read_text(encoding="utf-8")
    except FileNotFoundError:
        raise UserError(f"{path}: no such configuration file") from None
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"{path}: cannot be read ({error})") from None
    try:
        raw = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise UserError(f"{path}: not YAML ({' '.join(str(error).split())})") from None
    return study_from(raw, str(path))


def study_from(raw: Any, name: str = "config") -> Study:
    """Check a configuration that is already parsed, as Snakemake hands it over.

    Raises:
        UserError: it is not a study; the line names the key and what is allowed.
    """
    if not isinstance(raw, Mapping):
        raise UserError(f"{name}: must be a mapping of settings (see config.yaml)")
    try:
        return Study.model_validate(with_checkpoint_sizes(raw))
    except ValidationError as error:
        raise UserError(f"{name}: {first_problem(error)}") from None


def json_schema() -> dict[str, Any]:
    """The JSON schema of a configuration file."""
    schema = Study.model_json_schema()
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": "prunescope study", **schema}


def _pruned_cells(grid: Grid) -> Iterator[tuple[str, str, str, Amount]]:
    for dataset in grid.datasets:
        for arch in grid.archs:
            for pruner in grid.pruners:
                for amount in grid_amounts(grid):
                    yield dataset, arch, pruner, amount


#: What stands under which key, or which tag of a union, for messages on unknown keys.
_SPECS: dict[str, type[BaseModel]] = {
    "pruners": Pruner,
    "gradual": Gradual,
    "grid": Grid,
    "analysis": Analysis,
    "training": Training,
    "tune": Tune,
    "spaces": Space,
    "epochs": EpochRange,
    "lr": RateRange,
    **SOURCES,
    **FAMILIES,
}


def first_problem(error: ValidationError) -> str:
    """The first problem as one line, ``key: what is wrong and what is allowed``."""
    roots: tuple[type[BaseModel], ...] = (Study, Training, *SOURCES.values(), *FAMILIES.values())
    root = next((spec for spec in roots if spec.__name__ == error.title), Study)
    return problem_line(error, root, _SPECS, {"family": FAMILIES, "source": SOURCES})
