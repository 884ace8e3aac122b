"""The records of the PINS paper's tables, and how their cells are shown (``layouts.yaml``)."""

from __future__ import annotations

from typing import Any

from prunescope.analysis.tables.declared import CellRow
from prunescope.analysis.tables.registry import TaskMetric, Weights
from prunescope.config.compression import Compression
from prunescope.config.pruners import NO_PRUNER
from prunescope.figures.style import pretty_metric
from prunescope.papers.layout import Paper
from prunescope.papers.pins import printed as pins
from prunescope.papers.printed import UNLIKE, read_yaml
from prunescope.papers.printed import numbers as printed_numbers
from prunescope.papers.results import Inputs, Record, alike
from prunescope.papers.wording import decimal, spread
from prunescope.paths import CELL

_DECLARED = read_yaml(pins.PAPER, "layouts.yaml", dict[str, Any])

#: The paper's order of methods; further ones come before PINS, by name.
_ORDER = _DECLARED["methods"]

#: Data sets of the score tables by what they ask for.
_KINDS: dict[str, dict[str, Any]] = _DECLARED["kinds"]
_KIND_OF = {name: kind for kind, of in _KINDS.items() for name in of["datasets"]}

#: Table 7 is of this data set and architecture.
_DATASET, _ARCH = "RTE", "BERT-base"
#: Its quantities, and after what they print a second measure of ours: sizes in plain CSR, and accuracy as exported.
_QUANTITIES = ("seconds", "megabytes", "megabytes, plain CSR", "accuracy", "accuracy, INT8")
_ALSO = {"megabytes": "megabytes, plain CSR", "accuracy": "accuracy, INT8"}
_FIELDS = {
    "megabytes": "megabytes",
    "megabytes, plain CSR": "megabytes_csr",
    "accuracy, INT8": "exported_score",
}


def scores(inputs: Inputs) -> list[dict[str, Any]]:
    return inputs.once(_scores)


def _scores(inputs: Inputs) -> list[dict[str, Any]]:
    """Tables 1 to 6, 8 and 9, from ``task_metrics.csv``; ``published``: printed of this very architecture."""
    printed: dict[Any, float] = {
        (n.dataset, n.arch, n.pruner, _sparsity(n.sparsity), _metric(n.quantity, n.metric)): n.value
        for n in printed_numbers(pins.PAPER)
    }
    names = _names(inputs)
    found: list[dict[str, Any]] = []
    for row in inputs.rows(TaskMetric):
        dataset, arch = names.get(row.dataset), pins.arch_name(row.arch)
        kind, sparsity = _KIND_OF.get(dataset or ""), _sparsity(row.sparsity)
        if kind is None:
            continue
        method = pins.PINS if row.pruner == pins.AUTHORS else row.pruner
        published = printed.get((dataset, arch, method, sparsity, row.metric))
        alone = row.metric in UNLIKE or published is None or row.mean is None
        record = {
            **vars(row),
            **_method(row.pruner, sparsity),
            "table": _KINDS[kind]["tables"].get(arch, ""),
            "kind": kind,
            "published": published,
            "difference": None if alone else round((row.mean or 0.0) - (published or 0.0), 6),
            "head": f"{row.dataset} {pretty_metric(row.metric)}",
            "position": list(names).index(row.dataset),
        }
        found.append(record)
    blocks = list(dict.fromkeys((record["kind"], record["arch"]) for record in found))
    blocks.sort(key=lambda block: list(_KINDS).index(block[0]))
    found.sort(key=lambda record: blocks.index((record["kind"], record["arch"])))
    for column in alike(found, "kind, arch, head, sparsity"):
        means = {r["pruner"]: r["mean"] for r in column if r["mean"] is not None}
        for record in column:
            rivals = [mean for pruner, mean in means.items() if pruner != record["pruner"]]
            own = means.get(record["pruner"]) if record["pruner"] != NO_PRUNER else None
            # No other pruned row of this sparsity has a higher mean in the column.
            record["best"] = own is not None and bool(rivals) and own >= max(rivals)
    return found


def efficiency(inputs: Inputs) -> list[dict[str, Any]]:
    """Table 7 for each architecture that was trained on RTE, from ``task_metrics.csv`` and ``weights.csv``.

    A gain is how many times better than dense. Storage is that of the prunable weights: of dense models in float32, of
    pruned ones as `prunescope export` writes them and, as the paper's, as INT8 in plain CSR; it is known where a study
    measures weights (``weight_statistics``). Accuracy is of the models as trained and as
    exported (``exported_scores``).
    Time is no part of a study's results: none of its jobs times models.
    """
    names = _names(inputs)
    accuracies = {
        _key(row): row.mean
        for row in inputs.rows(TaskMetric)
        if row.metric == "accuracy" and names.get(row.dataset) == _DATASET
    }
    measured = {_key(row): row for row in inputs.rows(Weights) if not row.layer}
    records = []
    for dataset, arch in dict.fromkeys(key[:2] for key in accuracies):
        printed = pins.arch_name(arch) == _ARCH
        shared = {"table": "7" if printed else "", "dataset": dataset, "arch": arch}
        shared["export"] = _command(inputs, dataset, arch)
        for one in pins.efficiency():
            key = (dataset, arch, one.pruner, _sparsity(one.sparsity))
            value, better = (one.value, one.gain) if printed else (None, None)
            for quantity in filter(None, (one.quantity, _ALSO.get(one.quantity))):
                ours, gain = _measured(quantity, one.pruner, accuracies.get(key), measured.get(key))
                numbers = {"published": value, "gain": better, "ours": ours, "our_gain": gain}
                position = {"quantity": quantity, "position": _QUANTITIES.index(quantity)}
                records.append(shared | vars(one) | _method(one.pruner, one.sparsity) | numbers | position)
    return records


def _measured(
    quantity: str, pruner: str, accuracy: float | None, weights: Weights | None
) -> tuple[float | None, float | None]:
    """The number, and how many times better than dense it is."""
    if quantity == "accuracy":
        return accuracy, None
    of_weights = {} if weights is None else vars(weights)
    dense, ours = of_weights.get("megabytes_float32"), of_weights.get(_FIELDS.get(quantity, ""))
    if quantity == "accuracy, INT8" or not dense or not ours:
        return ours if quantity == "accuracy, INT8" else None, None
    return (dense, 1.0) if pruner == NO_PRUNER else (ours, dense / ours)


def _command(inputs: Inputs, dataset: str, arch: str) -> str:
    (sparsity,) = {one.sparsity for one in pins.efficiency() if one.pruner != NO_PRUNER}
    compression = Compression.of_sparsity(sparsity).token
    cell = CELL.format(dataset=dataset, arch=arch, pruner=pins.PINS, amount=compression)
    return (
        f"prunescope export {inputs.study.results}/models/{cell}/seeds-A-B/models.safetensors --seed A --inputs "
        f"{inputs.study.results}/data/{dataset}/inputs/{arch}.safetensors --out small.safetensors"
    )


def _names(inputs: Inputs) -> dict[str, str | None]:
    """The paper's names of a study's data sets."""
    return {name: pins.dataset_name(name, spec.source) for name, spec in inputs.study.datasets.items()}


def _key(row: CellRow) -> tuple[str, str, str, float]:
    return (row.dataset, row.arch, row.pruner, _sparsity(row.sparsity))


def _sparsity(value: float | None) -> float:
    """Rounded, so that two spellings are the same."""
    return round(value or 0.0, 6)


def _metric(quantity: str, leading: str) -> str:
    return leading if quantity == "score_mean" else quantity


def _method(pruner: str, sparsity: float) -> dict[str, Any]:
    """What a row is called, and its place: by sparsity, then in the paper's order of methods."""
    place = _ORDER.index(pruner) if pruner in _ORDER else len(_ORDER) - 1
    return {
        "sparsity": sparsity,
        "percent": f"{100 * sparsity:g}%",
        "method": "dense" if pruner == NO_PRUNER else pruner,
        "order": (sparsity, place, pruner),
    }


def _score(record: Record) -> str:
    mean, std, published = (record[name] and 100 * record[name] for name in ("mean", "std", "published"))
    text = spread(mean, std, 1)
    return text + (f" ({decimal(published, 1)})" if text and published is not None else "")


def _quantity(record: Record) -> str:
    """Ours, or that it is not measured; in brackets what the paper prints."""
    accuracy = record["quantity"].startswith("accuracy")
    scale = 100 if accuracy else 1
    ours, published = (record[name] and record[name] * scale for name in ("ours", "published"))
    text = decimal(ours, 1) + _times(record["our_gain"], ".1f") if ours is not None else "not measured"
    if published is not None:
        text += f" ({published:{'.1f' if accuracy else 'g'}}{_times(record['gain'], 'g')})"
    return text


def _times(gain: float | None, form: str) -> str:
    return "" if gain is None or gain == 1 else f", {gain:{form}} times"


PINS = Paper.read("pins", has=lambda inputs: bool(scores(inputs)), functions=globals())
