"""What a job that trains asks a scheduler for, and how many seeds it takes: by the plan's estimates, without torch."""

from __future__ import annotations

import math
from dataclasses import dataclass

from prunescope.config.architectures import Arch
from prunescope.config.datasets import Dataset
from prunescope.config.grid import Cell
from prunescope.config.study import Study
from prunescope.planning.rates import Rates
from prunescope.planning.sizes import gpu_mb, host_mb
from prunescope.planning.work import rate_of, work_of

#: A job may take so many times as long as estimated, and this long besides, in minutes, before it is ended: rates may
#: be assumed ones. A job that is ended goes on in its next try, which is given more.
_PATIENCE, _START = 3.0, 15

#: What the models of a block may take of the host, in MB, where its size is chosen here.
MOST_MB = 32_000


@dataclass(frozen=True)
class Resources:
    """``runtime`` in minutes, ``mem_mb`` on the host, ``gpu_mem_mb`` on one GPU."""

    runtime: int
    mem_mb: int
    gpu_mem_mb: int


def resources_of(study: Study, cell: Cell, seeds: int, attempt: int = 1) -> Resources:
    """Of a job that trains ``seeds`` models of a cell on a GPU, in its ``attempt``-th try (from 1)."""
    minutes = seeds * model_seconds(study, cell, seeds) / 60
    host, gpu = _memory(study, cell, seeds)
    return Resources(
        runtime=math.ceil(_START + _PATIENCE * minutes) * attempt, mem_mb=host * attempt, gpu_mem_mb=gpu
    )


def model_seconds(study: Study, cell: Cell, seeds: int) -> float:
    """Seconds that one model of a cell takes, ``seeds`` a job, by assumed rates."""
    arch = study.archs[cell.arch]
    dataset = study.datasets[cell.dataset]
    forward = arch.forward_flops(dataset.declared(), _sizes(arch, dataset))
    return rate_of(study, cell, forward, Rates(), seeds).seconds(work_of(study, cell, forward))


def block_size(study: Study, cell: Cell) -> int:
    """Seeds of one job of a cell: its arch's ``block``, or as many as take ``job_minutes`` together.

    By assumed rates, so that blocks are a matter of the study alone; fewer where their models, which a job holds
    until all are done, would take more than ``MOST_MB`` of the host.
    """
    arch = study.archs[cell.arch]
    if study.job_minutes is None or "block" in arch.model_fields_set:
        return arch.block
    each = model_seconds(study, cell, len(cell.seeds))
    size = max(1, min(len(cell.seeds), int(study.job_minutes * 60 / each)))
    while size > 1 and _memory(study, cell, size)[0] > MOST_MB:
        size -= 1
    return size


def per_token(dataset: Dataset) -> bool:
    """Whether an encoder answers for every token of this data set."""
    return dataset.answers in ("tokens", "span")


def _sizes(arch: Arch, dataset: Dataset) -> dict[str, int]:
    return arch.sizes(dataset.declared(), per_token=per_token(dataset))


def _memory(study: Study, cell: Cell, seeds: int) -> tuple[int, int]:
    """MB on the host and on the GPU."""
    dataset, arch = study.datasets[cell.dataset], study.archs[cell.arch]
    training = study.training(cell.dataset, cell.arch)
    pruner = None if cell.dense else study.all_pruners[cell.pruner]
    facts, every = dataset.declared(), per_token(dataset)
    host = host_mb(arch, training, facts, seeds=seeds, dense=cell.dense, per_token=every)
    return host, gpu_mb(
        arch, training, facts, replicas=min(seeds, arch.most_at_once), pruner=pruner, per_token=every
    )
