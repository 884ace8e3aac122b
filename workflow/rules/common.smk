# The study, checked before anything else, and the functions that rules ask for their files.
# Every job of a cluster run reads this again: nothing heavy is imported here.

import functools
import json
import re
import signal
import sys

from prunescope.config.compression import COMPRESSION_TOKEN
from prunescope.config.architectures import RUNNING
from prunescope.config.load import study_from
from prunescope.errors import UserError
from prunescope.figures import FAMILIES
from prunescope.files import write_text
from prunescope.running.holding import hold, tell_of_holder
from prunescope.config.jobs import model_job
from prunescope.paths import (
    Layout,
    block_seeds,
    cell_below,
    dense_cell,
    fill,
    keeps_models,
    seeds_name,
)
from prunescope.papers.layouts import FILES as PAPER_FILES
from prunescope.config.pruners import NO_PRUNER
from prunescope.planning.blocks import blocks
from prunescope.planning.resources import resources_of
from prunescope.tuning.job import tune_job

try:
    STUDY = study_from(config)
except UserError as error:
    sys.exit(f"prunescope: error: {error}")

LAYOUT = Layout(STUDY.results)
if workflow.is_main_process:
    tell_of_holder(STUDY.results)
else:
    # SLURM's warning before the time limit goes to every process of a job's step. The one that trains keeps its
    # progress and ends; this one would die of it, and take the other along.
    signal.signal(signal.SIGUSR1, signal.SIG_IGN)
CELLS = {
    (cell.dataset, cell.arch, cell.pruner, cell.compression.token): cell
    for cell in STUDY.cells
}

#: For `snakemake --sdm conda`; without it, jobs run in the environment that Snakemake runs in.
CONDA = workflow.source_path("../../envs/conda.yaml")

#: Cross-study tables, one row per cell.
TABLES = [
    "effectiveness",
    "task_metrics",
    "pie_share",
    "effectiveness_on_pies",
    "el2n_bins",
    "readability",
    "alpha",
    "alpha_tests",
    "alpha_variants",
    "alpha_intensification",
    "recall_variance",
    "pie_intervals",
    "pie_share_by_seeds",
    "agreement",
    "spearman_pies",
    "pruning_loss",
    "layer_collapse",
    "objectives",
    "who_pays",
    "who_pays_classes",
    "published",
    "published_tests",
    "claims",
    "claims_by_cell",
    "weights",
    "weight_values",
]

# Raised on purpose when the code of a stage changes what it writes: Snakemake does not see edits of
# imported modules, and rerunning everything for a comment would be worse.
VERSION = {
    "data": 1,
    "encode": 1,
    "model": 1,
    "weights": 2,
    "el2n": 1,
    "cell": 6,
    "tables": 11,
    "figures": 11,
    "paper": 6,
    "report": 8,
    "tune": 1,
}



def hold_results():
    # One run at a time in a results tree, and none beside the jobs that a killed one has left in a queue.
    try:
        hold(STUDY.results, on_slurm=workflow.non_local_exec)
    except UserError as error:
        sys.exit(f"prunescope: error: {error}")


def refuse_impossible_networks():
    # Asked at the start of a run alone: parameters are counted with torch, whose import no dry run
    # and no job should wait for.
    from prunescope.planning.plan import check_checkpoints, check_ratios
    from prunescope.planning.schedules import check_schedules

    try:
        check_checkpoints(STUDY)
        check_ratios(STUDY)
        check_schedules(STUDY)
    except UserError as error:
        sys.exit(f"prunescope: error: {error}")


#: Pruners that prune level by level, and the others.
IN_LEVELS = [name for name, pruner in STUDY.all_pruners.items() if pruner.in_levels]
OTHERS = [name for name in STUDY.all_pruners if name not in IN_LEVELS]


def any_of(names):
    """A wildcard that is one of these names."""
    return "|".join(
        re.escape(name) for name in sorted(set(names), key=len, reverse=True)
    )


wildcard_constraints:
    dataset=any_of(STUDY.datasets),
    arch=any_of(STUDY.archs),
    pruner=any_of([*STUDY.all_pruners, NO_PRUNER]),
    amount=COMPRESSION_TOKEN.replace("(", "(?:"),
    block=r"\d+-\d+",
    seeds=r"\d+[-+x][-+0-9a-f]+",
    scope=f"(only/({any_of(STUDY.datasets)})/)?",


def settings_of(spec, exclude=None):
    """Settings as JSON: what a job is given, and what it is rerun for when it changes."""
    return json.dumps(spec.model_dump(mode="json", exclude=exclude), sort_keys=True)


def dataset_settings(wildcards):
    # Training settings of a data set do not change its texts.
    return settings_of(STUDY.datasets[wildcards.dataset], exclude={"training"})


def arch_settings(wildcards):
    return settings_of(STUDY.archs[wildcards.arch], exclude={"training", *RUNNING})


def pretrained_of(wildcards):
    """Proof that an arch's pretrained model was fetched from the hub; none for others and for folders."""
    return LAYOUT.pretrained if STUDY.archs[wildcards.arch].from_hub else []


def cell_of(wildcards):
    key = (wildcards.dataset, wildcards.arch, wildcards.pruner, wildcards.amount)
    if key not in CELLS:
        raise UserError(f"{' '.join(key)}: not in this study's grid")
    return CELLS[key]


def job_settings(wildcards):
    """The settings of one block of seeds (jobs.ModelJob)."""
    seeds = block_seeds(wildcards.block)
    return settings_of(model_job(STUDY, cell_of(wildcards), seeds))


def pruned_version(wildcards):
    """The version of pruned models; a pruner's own leaves the others' models as they are."""
    return VERSION["model"] + STUDY.all_pruners[wildcards.pruner].version


def asked(name):
    """What a job that trains asks for; more in every further try."""

    def resource(wildcards, attempt):
        seeds = len(block_seeds(wildcards.block))
        return getattr(resources_of(STUDY, cell_of(wildcards), seeds, attempt), name)

    return resource


def kept(path, keep):
    """An output that stays, or goes when nothing needs it any more."""
    return path if keep else temp(path)


@functools.cache
def blocks_of(cell):
    """The blocks of seeds of a cell. Every job of it asks, and every answer lists a folder."""
    return blocks(LAYOUT, STUDY, cell)


def dense_checkpoint(wildcards):
    """Checkpoints of the dense models that hold this block's seeds; none where no pruner asks for them."""
    below = cell_below(STUDY, cell_of(wildcards))
    if not below.dense or not STUDY.all_pruners[wildcards.pruner].needs_dense:
        return []
    return blocks_of_seeds(below, "checkpoint.safetensors", wildcards.block)


def level_below(wildcards):
    """Models of the level below that hold this block's seeds; none for its first level."""
    below = cell_below(STUDY, cell_of(wildcards))
    if below.dense:
        return []
    return blocks_of_seeds(below, "models.safetensors", wildcards.block)


def blocks_of_seeds(cell, file, block):
    """One file of those blocks of a cell that share seeds with ``block``."""
    seeds = set(block_seeds(block))
    return [
        fill(LAYOUT.model(file), cell, one)
        for one in blocks_of(cell)
        if seeds & set(block_seeds(one))
    ]


def files_of(cell, file):
    """One file of every block of a cell."""
    return [fill(LAYOUT.model(file), cell, block) for block in blocks_of(cell)]


def dense_files(file):
    def files(wildcards):
        return files_of(dense_cell(STUDY, cell_of(wildcards)), file)

    return files


def pruned_files(file):
    def files(wildcards):
        return files_of(cell_of(wildcards), file)

    return files


def el2n_of(wildcards):
    """EL2N scores over the seeds of a cell; only answers that are classes have some."""
    if STUDY.datasets[wildcards.dataset].answers != "classes":
        return []
    seeds = seeds_name(cell_of(wildcards).seeds)
    return LAYOUT.el2n.format(
        dataset=wildcards.dataset, arch=wildcards.arch, seeds=seeds
    )


#: Every set of seeds that some cell has, by name.
SEEDS = {seeds_name(seeds): seeds for seeds in {cell.seeds for cell in STUDY.cells}}


def el2n_seeds(wildcards):
    return SEEDS[wildcards.seeds]


def early_files(wildcards):
    return files_of(
        STUDY.dense_cells[wildcards.dataset, wildcards.arch], "early.parquet"
    )


def readability_of(wildcards):
    """Readability scores of the test texts; pictures have none."""
    if STUDY.datasets[wildcards.dataset].input != "text":
        return []
    return LAYOUT.data("readability.parquet").format(dataset=wildcards.dataset)


def weights_of(wildcards):
    """Measures of a cell's weights; only of archs for which the study asks."""
    cell = cell_of(wildcards)
    wanted = cell.arch in STUDY.weight_statistics
    return files_of(cell, "weights.json") if wanted else []


def networks_of(wildcards):
    """A block's models, as training or pruning leaves them."""
    dense = wildcards.pruner == NO_PRUNER
    return LAYOUT.model("checkpoint.safetensors" if dense else "models.safetensors")


def in_scope(wildcards):
    """The cells of the whole study, or of the one data set that the scope names."""
    return [
        cell for cell in STUDY.cells if wildcards.scope in ("", f"only/{cell.dataset}/")
    ]


def cell_files(file):
    def files(wildcards):
        return [fill(LAYOUT.cell(file), cell) for cell in in_scope(wildcards)]

    return files


def results_of(dataset=None):
    """Tables and analyses of the cells of a data set, or of all, as targets of their own.

    Pages are up to date even where a table behind them was taken away; with this, it is made anew. A
    function: every job of a cluster run reads the Snakefile, and none of those needs the list.
    """
    analyses = ("test/summary.json", "train/summary.json", "models.json")

    def files(wildcards):
        return [
            file
            for cell in STUDY.cells
            if dataset in (None, cell.dataset)
            for file in (
                *(fill(LAYOUT.cell(name), cell) for name in analyses),
                *(
                    path
                    for name in ("test.parquet", "train.parquet")
                    for path in files_of(cell, name)
                ),
            )
        ]

    return files


def cards(wildcards):
    names = dict.fromkeys(cell.dataset for cell in in_scope(wildcards))
    return [LAYOUT.data("card.json").format(dataset=name) for name in names]


def seeds_of(wildcards):
    return cell_of(wildcards).seeds


def site_settings(wildcards):
    """What the report says of the study; where its files lie and how jobs are cut is not part of it."""
    return settings_of(
        STUDY,
        exclude={
            "results",
            "logits",
            "keep_models",
            "keep_dense_checkpoints",
            "checkpoint_seconds",
            "job_minutes",
            "tune",
            "weight_statistics",
        },
    )


def tuned_files(wildcards):
    # Asked only where the target is `tune`: every other one does without the section.
    if not STUDY.tuned:
        sys.exit(
            "prunescope: error: tune: no data set and arch of the grid has a search space; add for example "
            "`tune: {spaces: {<data set>: {<arch>: {epochs: {min: 2, max: 6}, lr: {min: 2.0e-5, max: 2.0e-4}}}}}`"
        )
    return [LAYOUT.tuning("tuned.yaml"), LAYOUT.tuning("tuning.csv")]


def search_settings(wildcards):
    """The settings of one search (tuning.job.TuneJob)."""
    job = tune_job(STUDY, wildcards.dataset, wildcards.arch, VERSION["tune"])
    return settings_of(job)


def searches(file):
    return [
        LAYOUT.search(file).format(dataset=dataset, arch=arch)
        for dataset, arch in STUDY.tuned
    ]
