"""What the workflow's rules ask of a study: files of a job, settings it is given, resources.

Every job of a cluster run reads the Snakefile again, so nothing heavy is imported here.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import sys
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from prunescope.analysis.tables.papers import TABLES as PAPER_TABLES
from prunescope.analysis.tables.registry import TABLES as ANALYSIS_TABLES
from prunescope.config.architectures import RUNNING
from prunescope.config.grid import Cell
from prunescope.config.jobs import model_job
from prunescope.config.pruners import NO_PRUNER
from prunescope.config.shipped import program
from prunescope.config.study import Study
from prunescope.config.tracking import check_trackers
from prunescope.errors import Problems, UserError, missing_extra
from prunescope.figures.registry import families
from prunescope.paths import Layout, block_seeds, cell_below, dense_cell, fill, keeps_models, seeds_name
from prunescope.planning.blocks import blocks
from prunescope.planning.data import data_lines, try_builds
from prunescope.planning.resources import resources_of

#: Settings that change where files lie and how jobs are cut, and nothing that the report says.
NOT_REPORTED = frozenset(
    {
        "results",
        "logits",
        "keep_models",
        "keep_dense_checkpoints",
        "checkpoint_seconds",
        "job_minutes",
        "tune",
        "weight_statistics",
        "exported_scores",
        "track",
    }
)

#: The analysis of one cell, below its folder.
ANALYSES = ("test/summary.json", "train/summary.json", "models.json")

#: Of a data set.
DATA_FILES = ("train.parquet", "validation.parquet", "test.parquet", "card.json", "card.md")


@contextmanager
def errors_in_one_line() -> Iterator[None]:
    """End the process with a line for each mistake of a user, as the command line does, or for a missing extra."""
    try:
        yield
    except UserError as error:
        lines = error.lines if isinstance(error, Problems) else [str(error)]
        sys.exit("\n".join(f"prunescope: error: {line}" for line in lines))
    except ModuleNotFoundError as error:
        missing = missing_extra(error, ("workflow", "train"))
        if missing is None:
            raise
        sys.exit(f"prunescope: error: {missing}")


def use_own_command() -> None:
    """Put the command ``prunescope`` of this Python's environment first in ``PATH``, for the jobs.

    Another installation's, though first in the user's ``PATH``, would read their settings with another version.

    Raises:
        UserError: this environment has no such command.
    """
    own = program("prunescope")
    if own is None:
        raise UserError(
            f"prunescope: not installed as a command for {sys.executable}; "
            f"run {sys.executable} -m pip install prunescope"
        )
    first = shutil.which("prunescope")
    if first is None or not own.samefile(first):
        os.environ["PATH"] = f"{own.parent}{os.pathsep}{os.environ.get('PATH', '')}"


def any_of(names: Iterable[str]) -> str:
    """A pattern for a wildcard that is one of these names."""
    return "|".join(re.escape(name) for name in sorted(set(names), key=len, reverse=True))


def settings_of(spec: BaseModel, exclude: Collection[str] = ()) -> str:
    """Settings as JSON: what a job is given, and what it is rerun for when they change."""
    return json.dumps(spec.model_dump(mode="json", exclude=set(exclude)), sort_keys=True)


def refuse_impossible_models(study: Study) -> None:
    """Check checkpoints, ratios and schedules, which needs torch: at the start of a run, not in dry runs and jobs.

    Raises:
        UserError: a cell of the grid cannot be made; the line names it.
    """
    from prunescope.planning.architectures import check_checkpoints, check_ratios
    from prunescope.planning.schedules import check_schedules
    from prunescope.planning.starts import check_starts

    check_trackers(study)
    check_checkpoints(study)
    check_ratios(study)
    check_starts(study)
    check_schedules(study)


def refuse_unusable_data(study: Study, replaces: Mapping[str, bool]) -> None:
    """Check the data sets that a run builds or encodes; what is odd about them is printed.

    Snakemake deletes what a job makes before the job starts. Data that models were trained on must not go for files
    that cannot be read, so a data set that is there is first built in memory alone.

    Args:
        replaces: by data set, whether the run replaces one that is there.

    Raises:
        UserError: data is not there, unusable, or does not suit an arch; a line each.
    """
    for line in data_lines(study, replaces):
        print(f"prunescope: {line}", file=sys.stderr)
    try_builds(study, [name for name, there in replaces.items() if there])


class WorkflowGrid:
    """The cells of a study, as rules see them: by wildcards.

    Methods with ``wildcards`` are input functions and parameters; methods that name a file return such a function.
    """

    def __init__(self, study: Study) -> None:
        self.study = study
        self.layout = Layout(study.results)
        self._cells = {(c.dataset, c.arch, c.pruner, c.compression.token): c for c in study.cells}
        self._seeds = {seeds_name(seeds): seeds for seeds in {cell.seeds for cell in study.cells}}
        self._blocks: dict[Cell, list[str]] = {}

    @cached_property
    def in_levels(self) -> list[str]:
        """Pruners whose cells start from the level below."""
        return [name for name, pruner in self.study.all_pruners.items() if pruner.in_levels]

    @cached_property
    def others(self) -> list[str]:
        """Pruners whose cells start from the dense model."""
        return [name for name in self.study.all_pruners if name not in self.in_levels]

    @property
    def datasets(self) -> list[str]:
        """Data sets of the grid, in its order."""
        return list(dict.fromkeys(cell.dataset for cell in self.study.cells))

    def cell(self, wildcards: Any) -> Cell:
        """The cell of a job.

        Raises:
            UserError: the grid has none of this name.
        """
        key = (wildcards.dataset, wildcards.arch, wildcards.pruner, wildcards.amount)
        if key not in self._cells:
            raise UserError(f"{' '.join(key)}: not in this study's grid")
        return self._cells[key]

    def seeds(self, wildcards: Any) -> tuple[int, ...]:
        return self.cell(wildcards).seeds

    def el2n_seeds(self, wildcards: Any) -> tuple[int, ...]:
        return self._seeds[wildcards.seeds]

    # Settings.

    def dataset_settings(self, wildcards: Any) -> str:
        """Settings of a data set but for training, which does not change its examples; of own files, their content."""
        dataset = self.study.datasets[wildcards.dataset]
        content = dataset.fingerprint()
        given = dataset if content is None else dataset.model_copy(update={"content": content})
        return settings_of(given, exclude={"training"})

    def arch_settings(self, wildcards: Any) -> str:
        return settings_of(self.study.archs[wildcards.arch], exclude={"training", "start", *RUNNING})

    def job_settings(self, wildcards: Any) -> str:
        """The ``ModelJob`` of one block of seeds."""
        return settings_of(model_job(self.study, self.cell(wildcards), block_seeds(wildcards.block)))

    def report_settings(self, wildcards: Any) -> str:
        return settings_of(self.study, exclude=NOT_REPORTED)

    def resource(self, name: str) -> Callable[[Any, int], Any]:
        """What a job that trains asks for; more with every attempt."""

        def resource(wildcards: Any, attempt: int) -> Any:
            seeds = len(block_seeds(wildcards.block))
            return getattr(resources_of(self.study, self.cell(wildcards), seeds, attempt), name)

        return resource

    # Files of a block of seeds.

    def start(self, wildcards: Any) -> list[str]:
        """Files of the checkpoints that a block's dense models are, where they are not trained here."""
        arch = self.study.archs[wildcards.arch]
        if arch.start is None:
            return []
        found: dict[str, None] = {}
        for seed in block_seeds(wildcards.block):
            try:
                path = arch.start_of(seed)
            except UserError:
                continue  # said before any job starts (planning.starts); or the hub's, which the run fetches first
            inside = sorted(path.glob("*.safetensors")) if path.is_dir() else [path]
            found.update(dict.fromkeys(map(str, inside)))
        return list(found)

    def pretrained(self, wildcards: Any) -> list[str]:
        """Proof that the checkpoint or the word vectors of an arch were fetched; none for others."""
        return [self.layout.pretrained] if self.study.archs[wildcards.arch].fetched else []

    def dense_checkpoints(self, wildcards: Any) -> list[str]:
        """Checkpoints of the dense models with this block's seeds; none where the pruner asks for none."""
        below = cell_below(self.study, self.cell(wildcards))
        if not below.dense or not self.study.all_pruners[wildcards.pruner].needs_dense:
            return []
        return self._of_seeds(below, "checkpoint.safetensors", wildcards.block)

    def level_below(self, wildcards: Any) -> list[str]:
        """Models of the level below with this block's seeds; none for a first level and for other pruners."""
        below = cell_below(self.study, self.cell(wildcards))
        return [] if below.dense else self._of_seeds(below, "models.safetensors", wildcards.block)

    def models(self, wildcards: Any) -> str:
        """A block's models, as training or pruning leaves them."""
        return self.layout.model(self.models_file(wildcards.pruner == NO_PRUNER))

    @staticmethod
    def models_file(dense: bool) -> str:
        return "checkpoint.safetensors" if dense else "models.safetensors"

    def _of_seeds(self, cell: Cell, file: str, block: str) -> list[str]:
        """One file of those blocks of a cell that share seeds with ``block``."""
        seeds = set(block_seeds(block))
        names = [name for name in self._blocks_of(cell) if seeds & set(block_seeds(name))]
        return [fill(self.layout.model(file), cell, name) for name in names]

    def _blocks_of(self, cell: Cell) -> list[str]:
        # Every job of a cell asks, and every answer lists a folder.
        if cell not in self._blocks:
            self._blocks[cell] = blocks(self.layout, self.study, cell)
        return self._blocks[cell]

    # Files of a cell.

    def _of_blocks(self, cell: Cell, file: str) -> list[str]:
        return [fill(self.layout.model(file), cell, block) for block in self._blocks_of(cell)]

    def dense(self, file: str) -> Callable[[Any], list[str]]:
        """One file of every block of the dense models that a cell is compared with."""
        return lambda wildcards: self._of_blocks(dense_cell(self.study, self.cell(wildcards)), file)

    def pruned(self, file: str) -> Callable[[Any], list[str]]:
        """One file of every block of a cell."""
        return lambda wildcards: self._of_blocks(self.cell(wildcards), file)

    def early(self, wildcards: Any) -> list[str]:
        return self._of_blocks(self.study.dense_cells[wildcards.dataset, wildcards.arch], "early.parquet")

    def final(self, wildcards: Any) -> list[str]:
        """Predictions of the training examples by the models of ``early``, at the end of training."""
        return self._of_blocks(self.study.dense_cells[wildcards.dataset, wildcards.arch], "train.parquet")

    def el2n(self, wildcards: Any) -> list[str]:
        """EL2N scores over the seeds of a cell, where there are any."""
        if not self.study.has_el2n(wildcards.dataset, wildcards.arch):
            return []
        seeds = seeds_name(self.seeds(wildcards))
        return [self.layout.el2n.format(dataset=wildcards.dataset, arch=wildcards.arch, seeds=seeds)]

    def readability(self, wildcards: Any) -> list[str]:
        """Readability scores of the test texts; images have none."""
        if self.study.datasets[wildcards.dataset].input != "text":
            return []
        return [self.layout.data("readability.parquet").format(dataset=wildcards.dataset)]

    def groups(self, wildcards: Any) -> list[str]:
        """Columns by which a data set's examples are grouped."""
        return list(getattr(self.study.datasets[wildcards.dataset], "groups", ()))

    def group_table(self, wildcards: Any) -> list[str]:
        """The test examples' data, where they are grouped."""
        name = self.layout.data("test.parquet").format(dataset=wildcards.dataset)
        return [name] if self.groups(wildcards) else []

    def weights(self, wildcards: Any) -> list[str]:
        """Measures of a cell's weights; only of archs for which the study asks."""
        cell = self.cell(wildcards)
        return self._of_blocks(cell, "weights.json") if cell.arch in self.study.weight_statistics else []

    def exported_on(self, wildcards: Any) -> list[str]:
        """The encoded data set on which a block of models is scored as exported, where the study asks for it."""
        if wildcards.dataset not in self.study.exported_scores:
            return []
        return [self.layout.inputs.format(dataset=wildcards.dataset, arch=wildcards.arch)]

    # Files of the whole study, or (scope ``only/<data set>/``) of one data set.

    def _in_scope(self, wildcards: Any) -> list[Cell]:
        return [cell for cell in self.study.cells if wildcards.scope in ("", f"only/{cell.dataset}/")]

    def cell_files(self, file: str) -> Callable[[Any], list[str]]:
        return lambda wildcards: [fill(self.layout.cell(file), cell) for cell in self._in_scope(wildcards)]

    def cards(self, wildcards: Any) -> list[str]:
        names = dict.fromkeys(cell.dataset for cell in self._in_scope(wildcards))
        return [self.layout.data("card.json").format(dataset=name) for name in names]

    def results(self, dataset: str | None = None) -> Callable[[Any], list[str]]:
        """Prediction tables and analyses of a data set's cells, or of all, as targets of their own.

        Pages can be up to date where a table behind them was deleted; with these targets, it is rebuilt. A function:
        every job of a cluster run reads the Snakefile, and none of those needs the list.
        """

        def files(wildcards: Any) -> list[str]:
            found = []
            for cell in self.study.cells:
                if dataset in (None, cell.dataset):
                    found += [fill(self.layout.cell(name), cell) for name in ANALYSES]
                    for name in ("test.parquet", "train.parquet"):
                        found += self._of_blocks(cell, name)
            return found

        return files

    def outputs(self) -> Iterator[str]:
        """Every output of the study that stays, as named below the results folder."""
        layout, study = Layout("."), self.study
        paths: list[str] = []
        for name in self.datasets:
            paths += [layout.data(file).format(dataset=name) for file in (*DATA_FILES, "readability.parquet")]
        for cell in study.cells:
            paths += [fill(path, cell) for path in (layout.inputs, layout.pretrained)]
            paths += [fill(layout.cell(file), cell) for file in ANALYSES]
            seeds = seeds_name(cell.seeds)
            paths.append(layout.el2n.format(dataset=cell.dataset, arch=cell.arch, seeds=seeds))
            dense = cell.pruner == NO_PRUNER
            kept = study.keep_dense_checkpoints if dense else keeps_models(study, cell.pruner)
            files = ["test.parquet", "train.parquet", "metrics.json"]
            files += ["early.parquet"] if dense else []
            files += ["weights.json"] if cell.arch in study.weight_statistics else []
            files += [self.models_file(dense)] if kept else []
            paths += [
                fill(layout.model(file), cell, block) for block in self._blocks_of(cell) for file in files
            ]
        pages = ["cells.txt", "tables/latex", "figures/figures.json", "paper/index.html", "index.html"]
        pages += [f"tables/{table}.csv" for table in (*ANALYSIS_TABLES, *PAPER_TABLES)]
        pages += [f"figures/{family}" for family in families()]
        here = Path(study.results)
        scopes = [
            "",
            *(f"only/{name}/" for name in self.datasets if (here / "only" / name / "index.html").exists()),
        ]
        yield from (path.removeprefix("./") for path in paths)
        yield from (f"{scope}{page}" for scope in scopes for page in pages)

    # Searches (``snakemake tune``).

    def searches(self, file: str) -> list[str]:
        template = self.layout.search(file)
        return [template.format(dataset=dataset, arch=arch) for dataset, arch in self.study.tuned]

    def tuned(self, wildcards: Any) -> list[str]:
        """What ``tune`` leads to.

        Raises:
            UserError: the study has no search space.
        """
        if not self.study.tuned:
            raise UserError(
                "tune: no data set and arch of the grid has a search space; add for example "
                "`tune: {spaces: {<data set>: {<arch>: {epochs: {min: 2, max: 6}, lr: {min: 2.0e-5, max: 2.0e-4}}}}}`"
            )
        return [self.layout.tuning("tuned.yaml"), self.layout.tuning("tuning.csv")]
