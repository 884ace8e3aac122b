"""What a study will take, before anything runs."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from prunescope.archs import Arch, BiLSTM, Encoder, LeNet5, ResNet, Training, fine_tuning_epochs
from prunescope.config import Cell, Study
from prunescope.data.published import PICTURES, PIE_PAPER
from prunescope.datasets import Aapd, Dataset, Digits, Docstrings, Imdb, Pictures, Reuters, Snli
from prunescope.encoder_types import BERT_BASE, SIZES, checkpoint_config_file
from prunescope.errors import UserError, listed
from prunescope.layout import Layout, blocks

if TYPE_CHECKING:
    from torch import nn

    from prunescope.models.registry import Shape

#: Floating-point operations per second that training is assumed to sustain on one data-centre GPU;
#: small networks are bound by the latency of their many steps. Assumed, not measured.
ASSUMED_RATE = {"lenet5": 2e11, "resnet": 3e12, "bilstm": 2e12, "encoder": 1.5e14}

#: Multiplications and additions of a training step over those of a forward pass.
STEP_OVER_FORWARD = 3


@dataclass(frozen=True)
class Declared:
    """What a data set is declared to hold; the card of the built one says what was found."""

    classes: int
    train: int
    validation: int
    test: int
    tokens: int = 0
    image: tuple[int, int, int] | None = None


def declared(dataset: Dataset) -> Declared:
    """Counts of a data set, before it is built; upper bounds where its size depends on what is found."""
    if isinstance(dataset, Digits):
        return Declared(classes=10, train=1258, validation=178, test=361, image=(1, 8, 8))
    if isinstance(dataset, Docstrings):
        from prunescope.data.topics import TOPICS

        texts = dataset.per_library * len(dataset.libraries)
        return Declared(
            classes=len(dataset.libraries) if dataset.labels == "library" else len(TOPICS),
            train=round(texts * 0.7),
            validation=round(texts * 0.1),
            test=texts - round(texts * 0.7) - round(texts * 0.1),
            tokens=dataset.max_tokens or 128,
        )
    if isinstance(dataset, Imdb | Snli | Reuters | Aapd):
        paper = PIE_PAPER[dataset.source]
        most = dataset.max_examples or max(paper.counts)
        train, validation, test = (min(count, most) for count in paper.counts)
        return Declared(
            classes=paper.classes,
            train=train,
            validation=validation,
            test=test,
            tokens=dataset.max_tokens or paper.max_tokens,
        )
    if isinstance(dataset, Pictures):
        facts = PICTURES[dataset.source]
        most = dataset.max_examples or max(facts.counts)
        train, validation, test = (min(count, most) for count in facts.counts)
        return Declared(
            classes=len(facts.classes), train=train, validation=validation, test=test, image=facts.image
        )
    raise TypeError(f"no counts for {type(dataset).__name__}")


def make_plan(study: Study) -> dict[str, Any]:
    """Models, jobs, GPU hours and disk of a study, as the JSON of ``prunescope plan --json``.

    ``jobs`` counts the jobs of a first run, targets that only name others included. ``gpu_hours`` and
    ``disk_gb`` (10^9 bytes) are estimates. ``networks`` has one entry per (dataset, arch);
    ``assumed`` in it says what its counts rest on where its checkpoint is not at hand.

    Raises:
        UserError: a ratio that a network cannot reach.
    """
    layout = Layout(study.results)
    networks = {(n["dataset"], n["arch"]): n for n in _networks(study)}
    models: Counter[str] = Counter()
    seconds = disk = 0.0
    jobs = _overhead_jobs(study)
    per_dataset: dict[str, dict[str, Any]] = {}
    for cell in study.cells:
        network, data = networks[(cell.dataset, cell.arch)], declared(study.datasets[cell.dataset])
        count = len(cell.seeds)
        models["dense" if cell.dense else "pruned"] += count
        cell_seconds = count * _training_seconds(study, cell, network)
        cell_disk = count * _bytes(study, cell, network, data)
        cell_jobs = len(blocks(layout, study, cell)) + 1
        seconds, disk, jobs = seconds + cell_seconds, disk + cell_disk, jobs + cell_jobs
        row = per_dataset.setdefault(
            cell.dataset, {"dataset": cell.dataset, "models": 0, "jobs": 0, "gpu_hours": 0.0, "disk_gb": 0.0}
        )
        row["models"] += count
        row["jobs"] += cell_jobs
        row["gpu_hours"] += cell_seconds / 3600
        row["disk_gb"] += cell_disk / 1e9
    return {
        "study": study.name,
        "models": models.total(),
        "dense_models": models["dense"],
        "pruned_models": models["pruned"],
        "jobs": jobs,
        "gpu_hours": seconds / 3600,
        "disk_gb": disk / 1e9,
        "basis": {"gpu_hours": "assumed rates, not measured", "disk_gb": "uncompressed, an upper bound"},
        "datasets": list(per_dataset.values()),
        "networks": [
            {key: value for key, value in network.items() if not key.startswith("_")}
            for network in networks.values()
        ],
    }


def check_ratios(study: Study) -> None:
    """Refuse ratios that a network cannot reach. Costs nothing where a study gives sparsities only.

    Raises:
        UserError: the line names the network, the ratio and the largest possible one.
    """
    if any(cell.amount.kind == "ratio" for cell in study.cells):
        _networks(study)


def check_checkpoints(study: Study) -> None:
    """Refuse pretrained encoders whose sizes a study leaves out and that turn out to be other than assumed.

    Costs nothing where sizes are given or the checkpoint was at hand when the study was read.

    Raises:
        UserError: the line names the checkpoint and its sizes.
    """
    for name in sorted({cell.arch for cell in study.cells}):
        arch = study.archs[name]
        if isinstance(arch, Encoder) and arch.pretrained and not set(SIZES) <= arch.model_fields_set:
            from prunescope.pretrained import check_sizes_known

            check_sizes_known(arch)


def plan_text(plan: dict[str, Any]) -> str:
    """The plan for a terminal."""
    lines = [
        f"{plan['study']}: {plan['models']:,} models ({plan['dense_models']:,} unpruned, "
        f"{plan['pruned_models']:,} pruned) in {plan['jobs']:,} jobs",
        f"about {_hours(plan['gpu_hours'])} on one data-centre GPU ({plan['basis']['gpu_hours']}), "
        f"at most {plan['disk_gb']:.3g} GB on disk",
        "",
        f"{'data set':<24}{'models':>8}{'jobs':>8}{'GPU time':>14}{'disk':>12}",
    ]
    for row in plan["datasets"]:
        lines.append(
            f"{row['dataset']:<24}{row['models']:>8,}{row['jobs']:>8,}{_hours(row['gpu_hours']):>14}"
            f"{row['disk_gb']:>9.3g} GB"
        )
    lines += ["", f"{'network':<36}{'parameters':>14}{'prunable':>14}   share of all parameters removed"]
    for network in plan["networks"]:
        shares = ", ".join(f"{float(s):g}: {share:.1%}" for s, share in network["share_removed"].items())
        name = f"{network['arch']} on {network['dataset']}"
        lines.append(f"{name:<36}{network['n_parameters']:>14,}{network['n_prunable']:>14,}   {shares}")
    assumed = {network["arch"]: network["assumed"] for network in plan["networks"] if "assumed" in network}
    lines += [f"{arch}: {what}" for arch, what in assumed.items()]
    return "\n".join(lines)


def _hours(hours: float) -> str:
    return f"{hours:,.1f} h" if hours >= 1 else f"{hours * 60:,.1f} min"


def _overhead_jobs(study: Study) -> int:
    """Data sets, encodings, readability, and the five that close a study."""
    used = {cell.dataset for cell in study.cells}
    pairs = {(cell.dataset, cell.arch) for cell in study.cells}
    texts = sum(study.datasets[name].input == "text" for name in used)
    return len(used) + len(pairs) + texts + len(("manifest", "tables", "figures", "paper", "site", "all"))


def _networks(study: Study) -> list[dict[str, Any]]:
    # Meta tensors: shapes without memory, so that counting BERT takes no time and no download.
    import torch

    from prunescope.models.registry import Shape, count_parameters, prunable

    networks = []
    amounts: dict[tuple[str, str], dict[Any, None]] = {}
    for cell in study.cells:
        chosen = amounts.setdefault((cell.dataset, cell.arch), {})
        if not cell.dense:
            chosen[cell.amount] = None
    for (dataset, arch), chosen in amounts.items():
        spec, facts = study.archs[arch], declared(study.datasets[dataset])
        with torch.device("meta"):
            shape = Shape(
                classes=facts.classes,
                image=facts.image,
                vectors=torch.empty(2, spec.vectors) if isinstance(spec, BiLSTM) else None,
                vocabulary=spec.vocabulary if isinstance(spec, Encoder) else 0,
            )
            model, assumed = _network(spec, shape)
        total = count_parameters(model)
        weights = prunable(model)
        size = sum(weight.numel() for weight in weights.values())
        try:
            shares = {amount: amount.share(total, size) for amount in sorted(chosen)}
        except UserError as error:
            raise UserError(f"grid: {arch} on {dataset}: {error}") from None
        networks.append(
            {
                "dataset": dataset,
                "arch": arch,
                "n_parameters": total,
                "n_prunable": size,
                "share_removed": {
                    f"{float(share):g}": round(share * size) / total for share in shares.values()
                },
                **({"assumed": assumed} if assumed else {}),
                "_forward_flops": forward_flops(spec, facts, {n: w.numel() for n, w in weights.items()}),
            }
        )
    return networks


def _network(arch: Arch, shape: Shape) -> tuple[nn.Module, str | None]:
    """The network with meaningless weights, and what its sizes rest on if its checkpoint is not at hand."""
    from prunescope.models.registry import build, pretrained_encoder

    if not isinstance(arch, Encoder) or arch.pretrained is None:
        return build(arch, shape, 0), None
    try:
        config_file = checkpoint_config_file(arch.pretrained, arch.revision)
    except UserError:
        config_file = None
    if config_file is not None:
        from prunescope.pretrained import untrained_model

        return pretrained_encoder(arch, shape, untrained_model(arch)), None
    bert = build(arch.model_copy(update={"pretrained": None, "revision": None}), shape, 0)
    unknown = [name for name in SIZES if name not in arch.model_fields_set]
    if arch.pretrained in BERT_BASE:
        return bert, None
    given = f"counted with the default {listed(unknown)}" if unknown else "counted with the sizes given"
    return bert, f"{arch.pretrained} is not at hand: {given}, as a BERT"


def forward_flops(arch: Arch, facts: Declared, sizes: dict[str, int]) -> float:
    """Operations of one example's forward pass: two per weight and position it is used at."""
    if isinstance(arch, LeNet5) and facts.image is not None:
        _, height, width = facts.image
        positions = {"conv1.weight": height * width, "conv2.weight": (height // 2) * (width // 2)}
        return sum(2 * size * positions.get(name, 1) for name, size in sizes.items())
    if isinstance(arch, ResNet) and facts.image is not None:
        return sum(2 * size * _positions(name, facts.image) for name, size in sizes.items())
    if isinstance(arch, BiLSTM):
        return sum(
            2 * size * (facts.tokens if name.startswith("lstm") else 1) for name, size in sizes.items()
        )
    return 2.0 * sum(sizes.values()) * facts.tokens


def _positions(name: str, image: tuple[int, int, int]) -> int:
    """Places of a picture at which a residual network uses a kernel; each stage but the first halves both sides."""
    stage = int(name[len("stage")]) if name.startswith("stage") else 1
    side = 2 ** (stage - 1)
    return -(-image[1] // side) * -(-image[2] // side)


def _epochs(training: Training, study: Study, cell: Cell) -> int:
    """Epochs that one model of the cell trains by itself, its unpruned start not counted."""
    if cell.dense:
        return training.epochs
    pruner = study.all_pruners[cell.pruner]
    if not pruner.needs_trained:
        return training.epochs
    again = fine_tuning_epochs(training) if pruner.fine_tunes else training.epochs
    return again * pruner.rounds


def _training_seconds(study: Study, cell: Cell, network: dict[str, Any]) -> float:
    arch, data = study.archs[cell.arch], declared(study.datasets[cell.dataset])
    epochs = _epochs(study.training(cell.dataset, cell.arch), study, cell)
    operations = STEP_OVER_FORWARD * network["_forward_flops"] * data.train * epochs
    predictions = network["_forward_flops"] * (data.train + data.validation * (epochs + 1) + data.test)
    return float((operations + predictions) / ASSUMED_RATE[arch.family])


def _bytes(study: Study, cell: Cell, network: dict[str, Any], data: Declared) -> float:
    """One model's share of its prediction tables and checkpoints."""
    row = 4 + 8 + 4 + 4 * data.classes  # seed, example, label, logits
    rows = data.test + data.train * (2 if cell.dense else 1)
    copies = 0
    if cell.dense and study.keep_dense_checkpoints:
        copies = 2 if study.training(cell.dataset, cell.arch).optimizer == "sgd" else 3
    elif not cell.dense and study.keep_models:
        copies = 1
    return float(rows * row + copies * 4 * network["n_parameters"])
