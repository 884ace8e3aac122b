"""A study: what is trained, how it is pruned, what is analysed. Typed, frozen, checked at once.

The JSON schema in ``workflow/schemas/config.schema.json`` is generated from these classes.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable
from functools import cached_property
from typing import Annotated, Any, Literal

from pydantic import Field, ValidationError, field_validator, model_validator

from prunescope.config.analysis import Analysis
from prunescope.config.architectures import Arch, Training, merged_training
from prunescope.config.compression import DENSE, Compression
from prunescope.config.controls import control_of, named_controls
from prunescope.config.datasets import Dataset
from prunescope.config.grid import Cell, Grid, grid_compressions, pruned_cells
from prunescope.config.grid_checks import check_grid, check_overlaps
from prunescope.config.pruners import CONTROL, NO_PRUNER, PRUNERS, Pruner
from prunescope.config.spec import Spec, distinct, problem_line
from prunescope.config.tuning import Tune
from prunescope.errors import listed, nearest

#: Names become folder names and Snakemake targets.
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")

#: Characters of a name, at most: a file of a figure is called by three of them, and file systems end at 255.
LONGEST_NAME = 60

#: Snakemake's rules and targets, and folders, that a data set may not be called by.
RESERVED = frozenset(
    """all cell cells data dataset el2n encode figures index level lint manifest models none only paper pretrained prune
    readability report results search site tables train tune tuned weights""".split()  # noqa: SIM905
)


def _check_name(kind: str, name: str) -> None:
    if not NAME.fullmatch(name):
        raise ValueError(
            f"{kind}.{name}: names are letters, digits, '.', '_' and '-', and start with a letter or digit"
        )
    if len(name) > LONGEST_NAME:
        raise ValueError(
            f"{kind}.{name[:LONGEST_NAME]}...: {len(name)} characters; names have at most {LONGEST_NAME}"
        )
    if kind == "datasets" and name in RESERVED:
        raise ValueError(f"datasets.{name}: the name is taken by a target; choose another one")
    if kind == "pruners" and name.startswith(CONTROL):
        raise ValueError(
            f"pruners.{name}: names that begin with {CONTROL} are of controls (grid: `controls: true`); choose another "
            "one"
        )
    if kind == "pruners" and (name in PRUNERS or name == NO_PRUNER):
        raise ValueError(f"pruners.{name}: the name is taken by a built-in pruner; choose another one")


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
    keep_models: bool = Field(True, description="keep the pruned models' weights")
    keep_dense_checkpoints: bool = Field(
        True,
        description="keep dense models with optimizer state, so that later additions start from them",
    )
    weight_statistics: tuple[str, ...] = Field(
        (),
        description="archs whose weights, as pruning leaves them, are measured: how many, where, how large, of what "
        "rank",
    )
    exported_scores: tuple[str, ...] = Field(
        (),
        description="data sets on which models of archs in `weight_statistics` are also scored as `prunescope export` "
        "writes them, in INT8, on the CPU",
    )
    job_minutes: float | None = Field(
        None,
        gt=0,
        description="archs without `block` of their own: a job takes as many seeds as train in this time, by assumed "
        "rates of an H200; null: one seed",
    )
    checkpoint_seconds: float = Field(
        300.0,
        ge=0,
        description="how often a job that trains keeps its progress, besides when it is asked to end",
    )
    track: tuple[Literal["tensorboard", "mlflow", "wandb"], ...] = Field(
        (),
        description="where training curves go while models train, beside the results; nothing else depends on it",
    )

    @field_validator("name", "title", "results")
    @classmethod
    def _one_line(cls, value: str | None) -> str | None:
        if any(unicodedata.category(character) == "Cc" for character in value or ""):
            raise ValueError("must be one line of text, without control characters")
        return value

    @field_validator("results")
    @classmethod
    def _plain_folder(cls, value: str) -> str:
        if set("{}*") & set(value) or value.startswith("-") or not value.strip("/. "):
            raise ValueError("must name a folder, without braces or stars or a leading dash")
        return value.rstrip("/")

    @model_validator(mode="after")
    def _consistent(self) -> Study:
        problems: list[str] = []

        def attempt(check: Callable[..., None], *arguments: Any) -> None:
            try:
                check(*arguments)
            except ValidationError:
                pass  # of training settings, which are checked by themselves
            except ValueError as error:
                _, _, what = str(error).partition(": ")
                # What is wrong with a data set and an arch is said once, not for every entry of the grid.
                if not any(what and problem.endswith(what) for problem in problems):
                    problems.append(str(error))

        for kind, names in (("datasets", self.datasets), ("archs", self.archs), ("pruners", self.pruners)):
            for name in names:
                attempt(_check_name, kind, name)
        attempt(distinct, "seeds", self.seeds)
        attempt(distinct, "track", self.track)
        for name in self.datasets:
            attempt(self._check_training, name)
        attempt(self._check_weight_statistics)
        for number, grid in enumerate(self.grid):
            attempt(check_grid, f"grid.{number}", grid, self.datasets, self.archs, self._named_pruners)
        if not problems:
            for check in (lambda: check_overlaps(self.grid), self._check_spaces, self._check_tested):
                attempt(check)
        if problems:
            raise ValueError("\n".join(problems))
        return self

    def _check_training(self, name: str) -> None:
        for arch, settings in self.datasets[name].training.items():
            key = f"datasets.{name}.training.{arch}"
            if arch not in self.archs:
                near = nearest(arch, self.archs)
                raise ValueError(f"{key}: unknown arch{near}; there are {listed(self.archs, 40)}")
            try:
                merged_training(self.archs[arch].training, settings)
            except ValidationError as error:
                raise ValueError(f"{key}.{problem_line(error, Training, {}, {})}") from None

    def _check_weight_statistics(self) -> None:
        distinct("weight_statistics", self.weight_statistics)
        distinct("exported_scores", self.exported_scores)
        for name in self.exported_scores:
            if name not in self.datasets:
                there = listed(self.datasets, 40)
                raise ValueError(f"exported_scores: unknown data set {name!r}; there are {there}")
            if not self.weight_statistics:
                raise ValueError("exported_scores: are of archs in `weight_statistics`; list some there")
        for name in self.weight_statistics:
            if name not in self.archs:
                raise ValueError(
                    f"weight_statistics: unknown arch {name!r}; there are {listed(self.archs, 40)}"
                )

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
                if self.archs[arch].start is not None:
                    raise ValueError(
                        f"tune.spaces.{dataset}.{arch}: its dense models are trained already (`start`); leave it out"
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
            compression.value
            for grid in self.grid
            for compression in grid_compressions(grid)
            if compression.kind != "level"
        }
        for value in tested:
            if value not in known:
                there = ", ".join(f"{compression:g}" for compression in sorted(known)) or "none"
                raise ValueError(f"analysis.tested_amounts: {value:g} is in no grid entry; there are {there}")

    @property
    def _named_pruners(self) -> dict[str, Pruner]:
        """Those that a grid may name."""
        return {**PRUNERS, **self.pruners}

    @cached_property
    def controls(self) -> dict[str, Pruner]:
        """What the grid's ``controls`` come to, by name."""
        known = self._named_pruners
        return named_controls(known[name] for grid in self.grid if grid.controls for name in grid.pruners)

    @cached_property
    def all_pruners(self) -> dict[str, Pruner]:
        """The built-in pruners, the study's own and its controls, by name."""
        return {**self._named_pruners, **self.controls}

    def training(self, dataset: str, arch: str) -> Training:
        """Training settings of an arch on a data set: the arch's, with the data set's changes."""
        return merged_training(self.archs[arch].training, self.datasets[dataset].training.get(arch, {}))

    @cached_property
    def cells(self) -> tuple[Cell, ...]:
        """Every cell of the grid, dense ones first within their (dataset, arch), then controls.

        The dense models of a (dataset, arch) cover the seeds of all grid entries that use it, a control those of all
        that ask for it.
        """
        names = {control: name for name, control in self.controls.items()}
        dense: dict[tuple[str, str], set[int]] = {}
        controls: dict[tuple[str, str], dict[str, set[int]]] = {}
        pruned: dict[tuple[str, str], list[Cell]] = {}
        for grid in self.grid:
            seeds = tuple(sorted(grid.seeds if grid.seeds is not None else self.seeds))
            for dataset in grid.datasets:
                for arch in grid.archs:
                    dense.setdefault((dataset, arch), set()).update(seeds)
                    for pruner in grid.pruners if grid.controls else ():
                        control = control_of(self.all_pruners[pruner])
                        if control is not None:
                            own = controls.setdefault((dataset, arch), {})
                            own.setdefault(names[control], set()).update(seeds)
            for dataset, arch, pruner, compression in pruned_cells(grid):
                pruned.setdefault((dataset, arch), []).append(Cell(dataset, arch, pruner, compression, seeds))
        cells: list[Cell] = []
        for (dataset, arch), seeds_of in dense.items():
            cells.append(Cell(dataset, arch, NO_PRUNER, DENSE, tuple(sorted(seeds_of))))
            cells.extend(
                Cell(dataset, arch, name, DENSE, tuple(sorted(own)))
                for name, own in sorted(controls.get((dataset, arch), {}).items())
            )
            cells.extend(pruned.get((dataset, arch), []))
        return tuple(cells)

    def has_el2n(self, dataset: str, arch: str) -> bool:
        """Whether examples have EL2N scores: answers that are classes, and models that are seen early in training."""
        return self.datasets[dataset].answers == "classes" and self.archs[arch].start is None

    @cached_property
    def cell_at(self) -> dict[tuple[str, str, str, Compression], Cell]:
        """Every cell by its dataset, arch, pruner and compression."""
        return {(cell.dataset, cell.arch, cell.pruner, cell.compression): cell for cell in self.cells}

    @cached_property
    def dense_cells(self) -> dict[tuple[str, str], Cell]:
        """The dense cell of every (dataset, arch) of the grid."""
        return {(cell.dataset, cell.arch): cell for cell in self.cells if cell.dense}
