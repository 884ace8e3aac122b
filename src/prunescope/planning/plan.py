"""What a study will take, before anything runs."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from prunescope.config.grid import Cell
from prunescope.config.study import Study
from prunescope.errors import UserError, listed
from prunescope.paths import Layout
from prunescope.planning.blocks import blocks
from prunescope.planning.disk import model_bytes, table_bytes
from prunescope.planning.rates import STEP_OVER_FORWARD, Rate, Rates, Work, basis_text, quantity, summed
from prunescope.planning.resources import block_size
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
    architectures = {(n["dataset"], n["arch"]): n for n in _architectures(study)}
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


def check_ratios(study: Study) -> None:
    """Refuse ratios that a model cannot reach. Costs nothing where a study gives none.

    Raises:
        UserError: the line names the model, the ratio and the largest possible one.
    """
    if any(cell.compression.kind == "ratio" for cell in study.cells):
        _architectures(study)


def check_checkpoints(study: Study) -> None:
    """Refuse pretrained encoders whose sizes a study leaves out and that turn out to be other than assumed.

    Costs nothing where sizes are given or the checkpoint was at hand when the study was read. A package's own module
    is run once.

    Raises:
        UserError: the line names the checkpoint and its sizes.
    """
    for name in sorted({cell.arch for cell in study.cells}):
        if study.archs[name].sizes_unknown:
            from prunescope.models.registry import check

            check(study.archs[name])
    for dataset, arch in study.dense_cells:
        if study.archs[arch].family == "module":
            with _of_arch(study, arch):
                study.archs[arch].parameters(study.datasets[dataset].declared())


def plan_text(plan: dict[str, Any]) -> str:
    """The plan for a terminal."""
    controls = f", {plan['control_models']:,} controls" if plan["control_models"] else ""
    lines = [
        f"{plan['study']}: {plan['models']:,} models ({plan['dense_models']:,} dense, "
        f"{plan['pruned_models']:,} pruned{controls}) in {plan['jobs']:,} jobs",
        f"{_hours(plan['gpu_hours'], 'about ', 'less than a minute')} on {plan['basis']['gpu_hours']}",
        f"about {_gigabytes(plan['disk_gb'])} on disk, {_gigabytes(plan['tables_gb'])} of it "
        f"{plan['basis']['disk_gb']}",
        "",
        f"{'partition':<24}{'jobs':>8}{'time':>14}",
        *(
            f"{name:<24}{row['jobs']:>8,}{_hours(row['hours']):>14}"
            for name, row in plan["partitions"].items()
        ),
        "",
        f"{'data set':<24}{'models':>8}{'jobs':>8}{'GPU time':>14}{'disk':>12}{'of it tables':>14}",
    ]
    for row in plan["datasets"]:
        lines.append(
            f"{row['dataset']:<24}{row['models']:>8,}{row['jobs']:>8,}{_hours(row['gpu_hours']):>14}"
            f"{_gigabytes(row['disk_gb']):>12}{_gigabytes(row['tables_gb']):>14}"
        )
    if len(plan["papers"]) > 1:
        lines += ["", f"{'paper':<24}{'models':>8}{'jobs':>8}{'GPU time':>14}{'disk':>12}"]
        lines += [
            f"{row['paper']:<24}{row['models']:>8,}{row['jobs']:>8,}{_hours(row['gpu_hours']):>14}"
            f"{_gigabytes(row['disk_gb']):>12}"
            for row in plan["papers"]
        ]
    lines += ["", f"{'model':<36}{'operations':>13}{'computed':>13}{'GPU time':>12}{'one job':>22}   rate"]
    for row in plan["work"]:
        shortest, longest = (_hours(minutes / 60) for minutes in row["job_minutes"])
        each = shortest if shortest == longest else f"{shortest} - {longest}"
        work, computed = (quantity(1e18 * row[key], "FLOP") for key in ("eflop", "eflop_computed"))
        lines.append(
            f"{row['arch'] + ' on ' + row['dataset']:<36}{work:>13}{computed:>13}{_hours(row['gpu_hours']):>12}"
            f"{each:>22}   {row['from']}"
        )
    lines += ["", f"{'model':<36}{'parameters':>14}{'prunable':>14}   removed of all parameters"]
    for architecture in plan["networks"]:
        name = f"{architecture['arch']} on {architecture['dataset']}"
        head = f"{name:<36}{architecture['n_parameters']:>14,}{architecture['n_prunable']:>14,}   "
        for kind, removed in _by_kind(architecture["removed"]).items():
            lines.append(f"{head}{kind} {', '.join(removed)}")
            head = " " * len(head)
        if head.strip():
            lines.append(head.rstrip())
    assumed = {
        architecture["arch"]: architecture["assumed"]
        for architecture in plan["networks"]
        if "assumed" in architecture
    }
    lines += [f"{arch}: {what}" for arch, what in assumed.items()]
    for architecture in plan["networks"]:
        if "layers" in architecture:
            lines += ["", f"{architecture['arch']} on {architecture['dataset']}: prunable weights"]
            lines += [
                f"  {name:<60}{' x '.join(map(str, shape)):>24}"
                for name, shape in architecture["layers"].items()
            ]
            lines.append(f"  never pruned (the classifier is {architecture['classifier']}):")
            kinds: dict[str, list[str]] = {}
            for name, kind in architecture["never_pruned"].items():
                kinds.setdefault(kind, []).append(name)
            lines += [
                f"    {kind} ({len(names)}): {listed(names, 3)}" for kind, names in sorted(kinds.items())
            ]
            lines += [f"  one tensor: {' = '.join(alike)}" for alike in architecture["tied"]]
    if plan.get("data"):
        lines += ["", "data", *plan["data"]]
    return "\n".join(lines)


def _by_kind(removed: Iterable[dict[str, Any]]) -> dict[str, list[str]]:
    """``{"sparsity": ["50%: 47.5%", "90%: 85.5%"], "ratio (filters)": ["2: 49.9%"]}``."""
    kinds: dict[str, list[str]] = {}
    for row in removed:
        kind = row["kind"] + (" (filters)" if row["structure"] == "filters" else "")
        level = f"{100 * row['level']:g}%" if row["kind"] == "sparsity" else f"{row['level']:g}"
        kinds.setdefault(kind, []).append(f"{level}: {row['share_removed']:.1%}")
    return kinds


def _gigabytes(value: float) -> str:
    return quantity(1e9 * value, "B")


def _hours(hours: float, about: str = "", least: str = "< 1 min") -> str:
    if hours < 1 / 60:
        return least
    if hours < 1:
        return f"{about}{hours * 60:.0f} min"
    return f"{about}{hours:,.1f} h" if hours < 100 else f"{about}{hours:,.0f} h"


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


def counted_on(study: Study, dataset: str, arch: str) -> tuple[Any, str | None]:
    """The model of an arch on a data set, without memory for its weights; and what its sizes rest on (``counted``)."""
    # Meta tensors: counting BERT takes no time and no download.
    import torch

    from prunescope.models.measure import on_meta
    from prunescope.models.registry import counted
    from prunescope.models.shape import Shape

    spec, facts = study.archs[arch], study.datasets[dataset].declared()
    shape = Shape(
        classes=facts.classes,
        image=facts.image,
        vectors=torch.empty(2, spec.word_dimensions, device="meta") if spec.word_dimensions else None,
        vocabulary=spec.vocabulary_size,
        per_token=study.datasets[dataset].answers in ("tokens", "span"),
        writes=facts.writes,
    )
    with _of_arch(study, arch):
        return on_meta(lambda: counted(spec, shape))


@contextmanager
def _of_arch(study: Study, name: str) -> Iterator[None]:
    """Errors of an arch's model with the key in front: ``archs.net.checkpoint: ...``."""
    try:
        yield
    except UserError as error:
        key = re.match(r"(\w+):", str(error))
        joint = "." if key and key[1] in type(study.archs[name]).model_fields else ": "
        raise UserError(f"archs.{name}{joint}{error}") from None


def _architectures(study: Study) -> list[dict[str, Any]]:
    from prunescope.models.registry import count_parameters, matrices, never_pruned, prunable, tied
    from prunescope.models.removal import removal

    architectures = []
    # One cell stands for all that remove as much: pruners of weights differ in what they remove alone.
    compressions: dict[tuple[str, str], dict[Any, Cell]] = {}
    for cell in study.cells:
        chosen = compressions.setdefault((cell.dataset, cell.arch), {})
        if not (cell.dense or cell.control):
            pruner = study.all_pruners[cell.pruner]
            chosen.setdefault((cell.compression, pruner.structure == "filters", pruner.step), cell)
    for (dataset, arch), chosen in compressions.items():
        spec, facts = study.archs[arch], study.datasets[dataset].declared()
        model, assumed = counted_on(study, dataset, arch)
        total = count_parameters(model)
        with _of_arch(study, arch):
            weights = prunable(model)
            flops = spec.forward_flops(facts, {n: w.numel() for n, w in matrices(model).items()})
        size = sum(weight.numel() for weight in weights.values())
        try:
            removals = {
                key: removal(study.all_pruners[chosen[key].pruner], chosen[key].compression, model)
                for key in sorted(chosen)
            }
        except UserError as error:
            raise UserError(f"grid: {arch} on {dataset}: {error}") from None
        architectures.append(
            {
                "dataset": dataset,
                "arch": arch,
                "n_parameters": total,
                "n_prunable": size,
                "share_removed": {
                    f"{float(one.share):g}": one.parameters / total for one in removals.values()
                },
                "removed": [
                    {
                        "kind": compression.kind,
                        "level": compression.value,
                        "structure": "filters" if filters else "weights",
                        "share_removed": one.parameters / total,
                    }
                    for (compression, filters, _), one in removals.items()
                ],
                **({"assumed": assumed} if assumed else {}),
                "_layers": {name: list(weight.shape) for name, weight in weights.items()},
                "_final": str(model.final_layer),
                "_apart": never_pruned(model),
                "_tied": tied(model),
                "_forward_flops": flops,
            }
        )
    return architectures


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
    shares = ", ".join(f"{_hours(hours[basis])} {words[basis]}" for basis in used)
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
