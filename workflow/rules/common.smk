# The study, checked before anything else; GRID answers what rules ask (prunescope.running.workflow).
# Every job of a cluster run reads this again: nothing heavy is imported here.

import json
import os
import signal
from pathlib import Path

from prunescope.analysis.tables.papers import TABLES as PAPER_TABLES
from prunescope.analysis.tables.registry import TABLES as ANALYSIS_TABLES
from prunescope.config.compression import COMPRESSION_TOKEN
from prunescope.config.load import read_yaml, study_from
from prunescope.config.pruners import NO_PRUNER
from prunescope.config.tracking import track_jobs
from prunescope.figures.registry import families
from prunescope.files import remove, write_text
from prunescope.papers.layouts import FILES as PAPER_FILES
from prunescope.paths import keeps_models
from prunescope.running.cleaning import remove_old_scores
from prunescope.running.holding import hold, supervised, tell_of_holder
from prunescope.running.mending import refuse_damaged, settle
from prunescope.running.retraining import tell_of_retraining
from prunescope.running.slurm.executor import adapt
from prunescope.running.warm_server import start as start_warm_server
from prunescope.running.workflow import (
    WorkflowGrid,
    any_of,
    errors_in_one_line,
    refuse_impossible_models,
    refuse_unusable_data,
    settings_of,
    use_own_command,
)
from prunescope.tuning.job import tune_job

with errors_in_one_line():
    if workflow.is_main_process:
        # Snakemake has read them too, and of a key that is listed twice kept the last one.
        for file in workflow.configfiles:
            read_yaml(file)
    STUDY = study_from(config)
    FAMILIES = families()
    use_own_command()
    track_jobs(STUDY)

GRID = WorkflowGrid(STUDY)
LAYOUT = GRID.layout
if workflow.is_main_process:
    tell_of_holder(STUDY.results)
    adapt(Path(STUDY.results))
else:
    # SLURM's warning before the time limit goes to every process of a job's step. The one that trains keeps its
    # progress and ends; this one would die of it, and take the other along.
    signal.signal(signal.SIGUSR1, signal.SIG_IGN)

#: For `snakemake --sdm conda`; without it, jobs run in the environment that Snakemake runs in.
CONDA = workflow.source_path("../../envs/conda.yaml")

#: Tables over all cells of a study: those of the analysis and those of the papers.
TABLES = [*ANALYSIS_TABLES, *PAPER_TABLES]

# Raised on purpose when the code of a stage changes what it writes: Snakemake does not see edits of
# imported modules, and rerunning everything for a comment would be worse.
VERSION = {
    "data": 1,
    "readability": 2,
    "encode": 1,
    "model": 2,
    "weights": 2,
    "el2n": 2,
    "cell": 11,
    "tables": 18,
    "figures": 18,
    "paper": 15,
    "report": 18,
    "tune": 1,
}


def start():
    # One run at a time in a results tree, and none beside the jobs that a killed one has left in a queue.
    with errors_in_one_line():
        refuse_impossible_models(STUDY)
        replaces = {}
        for job in workflow.dag.needrun_jobs():
            if job.rule.name in ("dataset", "encode"):
                there = job.rule.name == "dataset" and any(
                    map(os.path.exists, job.output)
                )
                replaces[job.wildcards.dataset] = (
                    replaces.get(job.wildcards.dataset) or there
                )
        refuse_unusable_data(STUDY, replaces)
        on_slurm = workflow.executor_plugin.name == "slurm"
        hold(STUDY.results, on_slurm=on_slurm)
        remove_old_scores(STUDY)
        if on_slurm and not supervised(STUDY.results):
            refuse_damaged(STUDY)
        # What a killed run has kept of its outputs is in the way of the next copy.
        remove(workflow.persistence.path / "backups" / STUDY.results.lstrip("/"))
    if not workflow.non_local_exec:
        start_warm_server()


wildcard_constraints:
    dataset=any_of(STUDY.datasets),
    arch=any_of(STUDY.archs),
    pruner=any_of([*STUDY.all_pruners, NO_PRUNER]),
    amount=COMPRESSION_TOKEN.replace("(", "(?:"),
    block=r"\d+-\d+",
    seeds=r"\d+[-+x][-+0-9a-f]+",
    scope=f"(only/({any_of(STUDY.datasets)})/)?",


#: What a job that trains takes. The interval is no parameter: another one retrains nothing.
TRAINING = dict(
    runtime=GRID.resource("runtime"),
    mem_mb=GRID.resource("mem_mb"),
    gpu_mem_mb=GRID.resource("gpu_mem_mb"),
    checkpoint_seconds=str(STUDY.checkpoint_seconds),
)


def kept(path, keep):
    """An output that stays, or goes when nothing needs it any more."""
    return path if keep else temp(path)


def dataset_settings(wildcards):
    with errors_in_one_line():
        return GRID.dataset_settings(wildcards)


def pruned_version(wildcards):
    """The version of pruned models; a pruner's own leaves the others' models as they are."""
    return VERSION["model"] + STUDY.all_pruners[wildcards.pruner].version


def search_settings(wildcards):
    """The settings of one search (tuning.job.TuneJob)."""
    job = tune_job(STUDY, wildcards.dataset, wildcards.arch, VERSION["tune"])
    return settings_of(job)


def tuned_files(wildcards):
    with errors_in_one_line():
        return GRID.tuned(wildcards)
