"""What a study will take, before anything runs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from prunescope.archs import (
    Arch,
    BiLSTM,
    CausalLM,
    Encoder,
    LeNet5,
    ResNet,
    Training,
    fine_tuning_epochs,
    rewinding_epochs,
)
from prunescope.config import Cell, Study
from prunescope.data.conll import CLASSES as CONLL_CLASSES
from prunescope.data.glue_tasks import TASKS as GLUE_TASKS
from prunescope.data.published import PICTURES, PIE_PAPER
from prunescope.datasets import (
    Aapd,
    Conll2003,
    Dataset,
    DataToText,
    Digits,
    Docstrings,
    Glue,
    Imdb,
    Pictures,
    Reuters,
    Snli,
    Squad,
)
from prunescope.disk import network_bytes, table_bytes
from prunescope.encoder_types import BERT_BASE, SIZES, checkpoint_config_file, from_hub
from prunescope.errors import UserError, listed
from prunescope.layout import Layout, blocks
from prunescope.rates import STEP_OVER_FORWARD, Rate, Rates, Work, basis_text, summed

if TYPE_CHECKING:
    from torch import nn

    from prunescope.models.registry import Shape

#: Whose data set it is, by source.
PAPERS = {
    **dict.fromkeys(PIE_PAPER, "pie"),
    **dict.fromkeys(PICTURES, "recall"),
    **dict.fromkeys((*GLUE_TASKS, "squad", "conll2003", "e2e", "dart", "webnlg"), "pins"),
}

#: By source: longest text, and mean over texts cut to it, in word pieces of BERT (uncased), [CLS] and [SEP]
#: included. Counted by benchmarks/lengths.py; what batches without padding hold.
MEAN_PIECES = {"imdb": (512, 275.3), "snli": (128, 26.1), "reuters": (256, 140.3), "aapd": (256, 177.5)}


#: What disk space is counted for, by how logits are stored.
_DISK = {
    stored: f"prediction tables, logits in {stored} (bytes a row measured, compressed)"
    for stored in ("float32", "float16")
}


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
    if isinstance(dataset, Glue):
        task = GLUE_TASKS[dataset.source]
        train, test = task.counts
        validation = round(train * dataset.validation)
        most = dataset.max_examples or max(task.counts)
        return Declared(
            classes=max(1, len(task.classes)),
            train=min(train - validation, most),
            validation=min(validation, most),
            test=min(test, most),
            tokens=dataset.max_tokens or 128,
        )
    if isinstance(dataset, Squad | Conll2003 | DataToText):
        return _declared_answers(dataset)
    raise TypeError(f"no counts for {type(dataset).__name__}")


#: Examples of training, validation (for SQuAD a part of training) and test, by source. SQuAD v1.1 and CoNLL-2003
#: as published; E2E, DART and WebNLG as their papers count them, records of validation and test with several
#: references counted once.
_ANSWERED = {
    "squad": (87_599, 0, 10_570),
    "conll2003": (14_041, 3_250, 3_453),
    "e2e": (42_061, 547, 630),
    "dart": (62_659, 2_768, 5_097),
    "webnlg": (18_025, 872, 1_862),
}


def _declared_answers(dataset: Squad | Conll2003 | DataToText) -> Declared:
    train, validation, test = _ANSWERED[dataset.source]
    if isinstance(dataset, Squad):
        validation = round(train * dataset.validation)
        train -= validation
    most = dataset.max_examples or max(train, validation, test)
    return Declared(
        classes={"squad": 2, "conll2003": len(CONLL_CLASSES)}.get(dataset.source, 1),
        train=min(train, most),
        validation=min(validation, most),
        test=min(test, most),
        tokens=dataset.max_tokens or 128,
    )


def make_plan(study: Study, rates: Rates | None = None) -> dict[str, Any]:
    """Models, jobs, GPU hours and disk of a study, as the JSON of ``prunescope plan --json``.

    ``jobs`` counts the jobs of a first run, targets that only name others included. ``gpu_hours`` and
    ``disk_gb`` (10^9 bytes), ``tables_gb`` of it for prediction tables, are estimates. ``networks`` has one
    entry per (dataset, arch);
    ``assumed`` in it says what its counts rest on where its checkpoint is not at hand.

    ``work`` has one entry per (dataset, arch) too. ``eflop``: 10^18 operations of training and prediction, the
    unpruned start shared by all that prune it, texts as long as the longest; ``eflop_unshared``: with every
    model trained from scratch; ``eflop_unpadded``: shared, without padding, null where the mean length is not
    known; ``eflop_computed``: one of the two, by the arch's ``padding``. ``gpu_hours`` by ``rate``: ``measured``,
    ``scaled`` or ``assumed`` (rates.Basis), as ``from`` says.
    ``job_minutes``: of the shortest and the longest job.

    Args:
        rates: of the device that the hours are for; None: assumed ones of a data-centre GPU.

    Raises:
        UserError: a ratio that a network cannot reach.
    """
    layout = Layout(study.results)
    networks = {(n["dataset"], n["arch"]): n for n in _networks(study)}
    known = {pair: _rate(study, *pair, network, rates or Rates()) for pair, network in networks.items()}
    work: dict[tuple[str, str], dict[str, Any]] = {}
    models: Counter[str] = Counter()
    seconds = disk = 0.0
    jobs = _overhead_jobs(study)
    per_dataset: dict[str, dict[str, Any]] = {}
    for cell in study.cells:
        network, data = networks[(cell.dataset, cell.arch)], declared(study.datasets[cell.dataset])
        count = len(cell.seeds)
        models["dense" if cell.dense else "pruned"] += count
        one = _work(study, cell, network)
        cell_seconds = count * known[(cell.dataset, cell.arch)].seconds(one)
        cell_tables = count * table_bytes(study, cell, data.classes, data.train, data.test)
        cell_disk = cell_tables + count * network_bytes(study, cell, network["n_parameters"])
        cell_jobs = len(blocks(layout, study, cell)) + 1
        seconds, disk, jobs = seconds + cell_seconds, disk + cell_disk, jobs + cell_jobs
        empty = {"models": 0, "jobs": 0, "gpu_hours": 0.0, "disk_gb": 0.0, "tables_gb": 0.0}
        row = per_dataset.setdefault(cell.dataset, {"dataset": cell.dataset, **empty})
        _add_work(work, study, cell, one, cell_seconds, known[(cell.dataset, cell.arch)])
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
        "jobs": jobs,
        "gpu_hours": seconds / 3600,
        "disk_gb": disk / 1e9,
        "tables_gb": sum(row["tables_gb"] for row in per_dataset.values()),
        "gpu_hours_by_rate": summed((row["rate"], row["gpu_hours"]) for row in work.values()),
        "eflop": sum(row["eflop"] for row in work.values()),
        "basis": {"gpu_hours": _basis(work.values()), "disk_gb": _DISK[study.logits]},
        "papers": _papers(study, per_dataset.values()),
        "datasets": list(per_dataset.values()),
        "work": list(work.values()),
        "networks": [
            {key: value for key, value in network.items() if not key.startswith("_")}
            for network in networks.values()
        ],
    }


def check_ratios(study: Study) -> None:
    """Refuse ratios that a network cannot reach. Costs nothing where a study gives none.

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
        f"about {_hours(plan['gpu_hours'])} on {plan['basis']['gpu_hours']}, "
        f"about {plan['disk_gb']:.3g} GB on disk, {plan['tables_gb']:.3g} GB of it {plan['basis']['disk_gb']}",
        "",
        f"{'data set':<24}{'models':>8}{'jobs':>8}{'GPU time':>14}{'disk':>12}{'of it tables':>14}",
    ]
    for row in plan["datasets"]:
        lines.append(
            f"{row['dataset']:<24}{row['models']:>8,}{row['jobs']:>8,}{_hours(row['gpu_hours']):>14}"
            f"{row['disk_gb']:>9.3g} GB{row['tables_gb']:>11.3g} GB"
        )
    if len(plan["papers"]) > 1:
        lines += ["", f"{'paper':<24}{'models':>8}{'jobs':>8}{'GPU time':>14}{'disk':>12}"]
        lines += [
            f"{row['paper']:<24}{row['models']:>8,}{row['jobs']:>8,}{_hours(row['gpu_hours']):>14}"
            f"{row['disk_gb']:>9.3g} GB"
            for row in plan["papers"]
        ]
    lines += ["", f"{'network':<36}{'EFLOP':>9}{'computed':>10}{'GPU time':>14}{'one job':>22}   rate"]
    for row in plan["work"]:
        shortest, longest = (_hours(minutes / 60) for minutes in row["job_minutes"])
        each = shortest if shortest == longest else f"{shortest} - {longest}"
        lines.append(
            f"{row['arch'] + ' on ' + row['dataset']:<36}{row['eflop']:>9.3g}{row['eflop_computed']:>10.3g}"
            f"{_hours(row['gpu_hours']):>14}"
            f"{each:>22}   {row['from']}"
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
    """Data sets, pretrained networks, encodings, readability, EL2N, and the five that close a study."""
    used = {cell.dataset for cell in study.cells}
    pairs = {(cell.dataset, cell.arch) for cell in study.cells}
    texts = sum(study.datasets[name].input == "text" for name in used)
    scored = {
        (cell.dataset, cell.arch, cell.seeds)
        for cell in study.cells
        if study.datasets[cell.dataset].answers == "classes"
    }
    hub = {arch for _, arch in pairs if from_hub(study.archs[arch])}
    return (
        len(used)
        + len(pairs)
        + len(hub)
        + texts
        + len(scored)
        + len(("manifest", "tables", "figures", "paper", "site", "all"))
    )


def _networks(study: Study) -> list[dict[str, Any]]:
    # Meta tensors: shapes without memory, so that counting BERT takes no time and no download.
    import torch

    from prunescope.models.registry import Shape, count_parameters, prunable
    from prunescope.pruning.amounts import removal

    networks = []
    # One cell stands for all that remove as much: pruners of weights differ in what they remove alone.
    amounts: dict[tuple[str, str], dict[Any, Cell]] = {}
    for cell in study.cells:
        chosen = amounts.setdefault((cell.dataset, cell.arch), {})
        if not cell.dense:
            pruner = study.all_pruners[cell.pruner]
            chosen.setdefault((cell.amount, pruner.structure == "filters", pruner.step), cell)
    for (dataset, arch), chosen in amounts.items():
        spec, facts = study.archs[arch], declared(study.datasets[dataset])
        with torch.device("meta"):
            shape = Shape(
                classes=facts.classes,
                image=facts.image,
                vectors=torch.empty(2, spec.vectors) if isinstance(spec, BiLSTM) else None,
                vocabulary=spec.vocabulary if isinstance(spec, Encoder | CausalLM) else 0,
                per_token=study.datasets[dataset].answers in ("tokens", "span"),
            )
            model, assumed = _network(spec, shape)
        total = count_parameters(model)
        weights = prunable(model)
        size = sum(weight.numel() for weight in weights.values())
        try:
            removals = [
                removal(study.all_pruners[chosen[key].pruner], chosen[key].amount, model)
                for key in sorted(chosen)
            ]
        except UserError as error:
            raise UserError(f"grid: {arch} on {dataset}: {error}") from None
        networks.append(
            {
                "dataset": dataset,
                "arch": arch,
                "n_parameters": total,
                "n_prunable": size,
                "share_removed": {f"{float(one.share):g}": one.parameters / total for one in removals},
                **({"assumed": assumed} if assumed else {}),
                "_forward_flops": forward_flops(spec, facts, {n: w.numel() for n, w in weights.items()}),
            }
        )
    return networks


def _network(arch: Arch, shape: Shape) -> tuple[nn.Module, str | None]:
    """The network with meaningless weights, and what its sizes rest on if its checkpoint is not at hand."""
    from prunescope.models.registry import build, pretrained_encoder

    if isinstance(arch, CausalLM):
        # Counted without its checkpoint, whose sizes are the arch's or it is refused.
        return build(arch.model_copy(update={"pretrained": None, "revision": None}), shape, 0), None
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
    if isinstance(arch, CausalLM):
        # The table of pieces is the output layer, used at every token.
        return 2.0 * (sum(sizes.values()) + arch.hidden * arch.vocabulary) * facts.tokens
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
    again = fine_tuning_epochs(training) if pruner.fine_tunes else rewinding_epochs(training)
    return again * pruner.rounds


def _work(study: Study, cell: Cell, network: dict[str, Any]) -> Work:
    """What one model of the cell does by itself."""
    data, training = declared(study.datasets[cell.dataset]), study.training(cell.dataset, cell.arch)
    epochs = _epochs(training, study, cell)
    # A teacher answers every example that is trained on, too.
    taught = 0 if cell.dense or study.all_pruners[cell.pruner].objective == "task" else data.train * epochs
    return Work(
        steps=epochs * -(-data.train // training.batch_size),
        trained=data.train * epochs,
        predicted=data.train + data.validation * (epochs + 1) + data.test + taught,
        forward_flops=network["_forward_flops"],
        unpadded_flops=_unpadded(study, cell, network),
        packed=training.padding == "none",
    )


def _unpadded(study: Study, cell: Cell, network: dict[str, Any]) -> float | None:
    """Operations of a forward pass over a text of mean length; networks that read padding have no less."""
    dataset, arch = study.datasets[cell.dataset], study.archs[cell.arch]
    if not isinstance(arch, Encoder):
        return float(network["_forward_flops"])
    mean = mean_tokens(dataset)
    return None if mean is None else float(network["_forward_flops"]) * mean / declared(dataset).tokens


def mean_tokens(dataset: Dataset) -> float | None:
    """Mean length of a data set's texts in word pieces; None where it is not known at its longest length."""
    longest, mean = MEAN_PIECES.get(dataset.source, (0, 0.0))
    return mean if longest == declared(dataset).tokens else None


def _rate(study: Study, dataset: str, arch: str, network: dict[str, Any], rates: Rates) -> Rate:
    facts, spec = declared(study.datasets[dataset]), study.archs[arch]
    training, forward = study.training(dataset, arch), network["_forward_flops"]
    mean = mean_tokens(study.datasets[dataset]) if training.padding == "none" else None
    return rates.rate(
        spec,
        training,
        tokens=facts.tokens,
        image=facts.image,
        block=spec.block,
        forward_flops=forward if mean is None else forward * mean / facts.tokens,
        mean_tokens=mean,
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
    block = min(study.archs[cell.arch].block, count)
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
            "block": study.archs[cell.arch].block,
            "job_minutes": [minutes, minutes],
        },
    )
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
    """Operations of the unpruned training that a pruned model starts from instead of repeating it."""
    if cell.dense or not study.all_pruners[cell.pruner].needs_unpruned:
        return 0.0
    examples = declared(study.datasets[cell.dataset]).train * study.training(cell.dataset, cell.arch).epochs
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
        paper = PAPERS.get(study.datasets[row["dataset"]].source, "other")
        total = papers.setdefault(
            paper, {"paper": paper, "models": 0, "jobs": 0, "gpu_hours": 0.0, "disk_gb": 0.0}
        )
        for key in ("models", "jobs", "gpu_hours", "disk_gb"):
            total[key] += row[key]
    return list(papers.values())
