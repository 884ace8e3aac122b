"""What a study will take, before anything runs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Any

from prunescope.config.grid import Cell
from prunescope.config.study import Study
from prunescope.errors import listed
from prunescope.paths import Layout
from prunescope.planning.architectures import architectures_of
from prunescope.planning.blocks import blocks
from prunescope.planning.disk import model_bytes, table_bytes
from prunescope.planning.rates import STEP_OVER_FORWARD, Rate, Rates, Work, basis_text, summed
from prunescope.planning.resources import block_size
from prunescope.planning.text import hours_text
from prunescope.planning.work import rate_of, work_of

#: What a job of the CPU partition is assumed to take: its start, and reading a dense and a pruned model's tables.
JOB_SECONDS, TABLE_BYTES_PER_SECOND = 10.0, 20e6

#: ... and to measure one weight (``weight_statistics``): ranks of matrices of 768 by 768 take most of it.
SECONDS_PER_WEIGHT = 3e-7

#: What disk space is counted for, by how logits are stored.
_DISK = {
    stored: f"prediction tables, logits in {stored} (bytes per row measured, compressed)"
    for stored in ("float32", "float16")
}


def make_plan(study: Study, rates: Rates | None = None, *, layers: bool = False) -> dict[str, Any]:
    """Models, jobs, GPU hours and disk of a study, as the JSON of ``prunescope plan --json``.

    ``jobs`` counts the jobs of a first run, targets that only name others included. ``gpu_hours`` and
    ``partitions``: jobs and hours of ``gpu`` (training) and ``cpu`` (all else, on one core; assumed, not measured).
    ``disk_gb`` (10^9 bytes), ``tables_gb`` of it for prediction tables, are estimates. ``networks`` has one
    entry per (dataset, arch). In it, ``share_removed`` has the share of all parameters removed by the sparsity of
    the prunable weights, and ``removed`` the same by what the grid asks for: ``kind`` (``sparsity``, ``ratio``,
    ``level``), ``level`` (its number) and ``structure`` (``weights``, ``filters``). ``assumed`` says what its counts
    rest on where its checkpoint is not at hand.

    ``work`` has one entry per (dataset, arch) too. ``eflop``: 10^18 operations of training and prediction, the
    dense start shared by all that prune it, texts as long as the longest; ``eflop_unshared``: with every
    model trained from scratch; ``eflop_unpadded``: shared, without padding, null where the mean length is not
    known; ``eflop_computed``: one of the two, by the arch's ``padding``. ``gpu_hours`` by ``rate``: ``measured``,
    ``scaled`` or ``assumed`` (rates.Basis), as ``from`` says.
    ``job_minutes``: of the shortest and the longest job.

    Args:
        rates: of the device that the hours are for; None: assumed ones of an H200.
        layers: with the prunable weights of each network and their shapes (``layers``), its ``classifier``, what the
            other weights are (``never_pruned``), and names of one tensor (``tied``).

    Raises:
        UserError: a ratio that a model cannot reach.
    """
    layout = Layout(study.results)
    architectures = {(n["dataset"], n["arch"]): n for n in architectures_of(study)}
    cut: dict[tuple[str, str], int] = {}
    for cell in study.cells:
        pair = (cell.dataset, cell.arch)
        cut[pair] = max(cut.get(pair, 1), block_size(study, cell))
    work: dict[tuple[str, str], dict[str, Any]] = {}
    models: Counter[str] = Counter()
    seconds = disk = 0.0
    others = _overhead_jobs(study)
    partitions = {
        "gpu": {"jobs": 0, "hours": 0.0},
        "cpu": {"jobs": others, "hours": others * JOB_SECONDS / 3600},
    }
    jobs = others
    per_dataset: dict[str, dict[str, Any]] = {}
    for cell in study.cells:
        architecture, data = architectures[(cell.dataset, cell.arch)], study.datasets[cell.dataset].declared()
        count = len(cell.seeds)
        models["dense" if cell.dense else "control" if cell.control else "pruned"] += count
        one = work_of(study, cell, architecture["_forward_flops"])
        rate = rate_of(
            study, cell, architecture["_forward_flops"], rates or Rates(), cut[cell.dataset, cell.arch]
        )
        cell_seconds = count * rate.seconds(one)
        cell_tables = count * table_bytes(study, cell, data.classes, data.train, data.test)
        cell_disk = cell_tables + count * model_bytes(study, cell, architecture["n_parameters"])
        training_jobs = len(blocks(layout, study, cell))
        measuring_jobs = training_jobs if cell.arch in study.weight_statistics else 0
        cell_jobs = training_jobs + measuring_jobs + 1
        partitions["gpu"]["jobs"] += training_jobs
        partitions["gpu"]["hours"] += cell_seconds / 3600
        partitions["cpu"]["jobs"] += 1 + measuring_jobs
        if measuring_jobs:
            seconds_measuring = (
                measuring_jobs * JOB_SECONDS + count * architecture["n_prunable"] * SECONDS_PER_WEIGHT
            )
            partitions["cpu"]["hours"] += seconds_measuring / 3600
        partitions["cpu"]["hours"] += (JOB_SECONDS + 2 * cell_tables / TABLE_BYTES_PER_SECOND) / 3600
        seconds, disk, jobs = seconds + cell_seconds, disk + cell_disk, jobs + cell_jobs
        empty = {"models": 0, "jobs": 0, "gpu_hours": 0.0, "disk_gb": 0.0, "tables_gb": 0.0}
        row = per_dataset.setdefault(cell.dataset, {"dataset": cell.dataset, **empty})
        _add_work(work, study, cell, one, cell_seconds, rate)
        row["models"] += count
        row["jobs"] += cell_jobs
        row["gpu_hours"] += cell_seconds / 3600
        row["disk_gb"] += cell_disk / 1e9
        row["tables_gb"] += cell_tables / 1e9
    return {
        "study": study.name,
        "models": models.total(),
        "dense_models": models["dense"],
        "pruned_models": models["pruned"],
        "control_models": models["control"],
        "jobs": jobs,
        "gpu_hours": seconds / 3600,
        "partitions": partitions,
        "disk_gb": disk / 1e9,
        "tables_gb": sum(row["tables_gb"] for row in per_dataset.values()),
        "gpu_hours_by_rate": summed((row["rate"], row["gpu_hours"]) for row in work.values()),
        "eflop": sum(row["eflop"] for row in work.values()),
        "basis": {"gpu_hours": _basis(work.values()), "disk_gb": _DISK[study.logits]},
        "papers": _papers(study, per_dataset.values()),
        "datasets": list(per_dataset.values()),
        "work": list(work.values()),
        "networks": [
            {
                **{key: value for key, value in architecture.items() if not key.startswith("_")},
                **(
                    {
                        "classifier": architecture["_final"],
                        "layers": architecture["_layers"],
                        "never_pruned": architecture["_apart"],
                        "tied": architecture["_tied"],
                    }
                    if layers
                    else {}
                ),
            }
            for architecture in architectures.values()
        ],
    }


def _overhead_jobs(study: Study) -> int:
    """Data sets, pretrained models, encodings, readability, EL2N, and the five that close a study."""
    used = {cell.dataset for cell in study.cells}
    pairs = {(cell.dataset, cell.arch) for cell in study.cells}
    texts = sum(study.datasets[name].input == "text" for name in used)
    scored = {
        (cell.dataset, cell.arch, cell.seeds)
        for cell in study.cells
        if study.has_el2n(cell.dataset, cell.arch)
    }
    hub = {arch for _, arch in pairs if study.archs[arch].fetched}
    return (
        len(used)
        + len(pairs)
        + len(hub)
        + texts
        + len(scored)
        + len(("manifest", "tables", "figures", "paper", "site", "all"))
    )


def _add_work(
    rows: dict[tuple[str, str], dict[str, Any]],
    study: Study,
    cell: Cell,
    one: Work,
    seconds: float,
    rate: Rate,
) -> None:
    """Add a cell, whose models take ``seconds`` together, to its row of the plan's ``work``."""
    count = len(cell.seeds)
    block = min(block_size(study, cell), count)
    minutes = seconds / count * block / 60
    row = rows.setdefault(
        (cell.dataset, cell.arch),
        {
            "dataset": cell.dataset,
            "arch": cell.arch,
            "models": 0,
            "eflop": 0.0,
            "eflop_unshared": 0.0,
            "eflop_unpadded": 0.0,
            "eflop_computed": 0.0,
            "gpu_hours": 0.0,
            "rate": rate.basis,
            "from": basis_text(rate),
            "device": rate.device,
            "block": block,
            "job_minutes": [minutes, minutes],
        },
    )
    row["block"] = max(row["block"], block)
    row["models"] += count
    row["eflop"] += count * one.flops / 1e18
    row["eflop_computed"] += (
        count * one.computed_flops * (STEP_OVER_FORWARD * one.trained + one.predicted) / 1e18
    )
    row["eflop_unshared"] += count * (one.flops + _shared_flops(study, cell, one)) / 1e18
    if row["eflop_unpadded"] is not None:
        without = one.flops_without_padding
        row["eflop_unpadded"] = None if without is None else row["eflop_unpadded"] + count * without / 1e18
    row["gpu_hours"] += seconds / 3600
    row["job_minutes"] = [min(row["job_minutes"][0], minutes), max(row["job_minutes"][1], minutes)]


def _shared_flops(study: Study, cell: Cell, one: Work) -> float:
    """Operations of the dense training that a pruned model starts from instead of repeating it."""
    if (
        cell.dense
        or not study.all_pruners[cell.pruner].needs_dense
        or study.archs[cell.arch].start is not None
    ):
        return 0.0
    examples = study.datasets[cell.dataset].declared().train * study.training(cell.dataset, cell.arch).epochs
    return STEP_OVER_FORWARD * one.forward_flops * examples


def _basis(rows: Iterable[dict[str, Any]]) -> str:
    """Of which device the hours are, and what they rest on, as part of a sentence."""
    hours = summed((row["rate"], row["gpu_hours"]) for row in rows)
    used = [basis for basis, sum_ in hours.items() if sum_]
    devices = dict.fromkeys(row["device"] for row in rows)
    where = listed(list(devices))
    if used == ["assumed"]:
        return f"{where} (assumed rates, not measured)"
    words = {"measured": "measured", "scaled": "scaled from measured ones", "assumed": "assumed"}
    shares = ", ".join(f"{hours_text(hours[basis])} {words[basis]}" for basis in used)
    return f"{where} (by rates: {shares})"


def _papers(study: Study, rows: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """The data sets' rows, summed by the paper whose data sets they are; ``other`` for the rest."""
    papers: dict[str, dict[str, Any]] = {}
    for row in rows:
        paper = study.datasets[row["dataset"]].paper
        total = papers.setdefault(
            paper, {"paper": paper, "models": 0, "jobs": 0, "gpu_hours": 0.0, "disk_gb": 0.0}
        )
        for key in ("models", "jobs", "gpu_hours", "disk_gb"):
            total[key] += row[key]
    return list(papers.values())
