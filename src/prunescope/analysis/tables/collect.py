"""Cross-study tables: one row per cell, collected from the cells' audits.

The sparsity of a cell that was asked for as such is the config's, so that rows join on it; what is
known only after pruning (the ratio; the sparsity of a cell asked for by ratio) is the mean over
models of what was reached.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import numpy as np

from prunescope.analysis import layer_collapse, objectives, pruning_loss
from prunescope.analysis.alpha.cells import alpha_cell
from prunescope.analysis.alpha.distortion import mean_recall_variance
from prunescope.analysis.alpha.tests import write_tests
from prunescope.analysis.alpha.variants import (
    INTENSIFICATION_COLUMNS,
    VARIANT_COLUMNS,
    intensification_rows,
    variant_rows,
)
from prunescope.analysis.csv_text import number, read_csv, write_csv
from prunescope.analysis.leading import led
from prunescope.analysis.pies import seed_tables, who_pays
from prunescope.analysis.stats import mean, std
from prunescope.analysis.weights import tables as weight_tables
from prunescope.config.analysis import Analysis
from prunescope.config.compression import Compression
from prunescope.config.pruners import NO_PRUNER
from prunescope.errors import UserError
from prunescope.files import read_json

CELL = ("dataset", "arch", "pruner", "sparsity")

#: The columns after those of the cell, by file.
COLUMNS: dict[str, tuple[str, ...]] = {
    "effectiveness": ("metric", "mean", "std", "n_seeds"),
    "task_metrics": ("metric", "mean", "std", "n_seeds"),
    "pie_share": ("n_examples", "n_pies", "pie_share"),
    "effectiveness_on_pies": ("metric", "dense", "pruned", "n_pies"),
    "el2n_bins": ("bin", "n_examples", "n_pies", "pie_share"),
    "readability": ("measure", "all", "pies", "ratio"),
    "alpha": ("ratio", "alpha", "ci_low", "ci_high", "confidence", "verdict", "accuracy", "n_seeds"),
    "alpha_variants": VARIANT_COLUMNS,
    "alpha_intensification": INTENSIFICATION_COLUMNS,
    "recall_variance": ("ratio", "mean_recall_variance", "n_seeds"),
    "pruning_loss": pruning_loss.COLUMNS,
    "layer_collapse": layer_collapse.COLUMNS,
    "objectives": objectives.COLUMNS,
    "who_pays": who_pays.COLUMNS,
    "who_pays_classes": who_pays.CLASS_COLUMNS,
    **seed_tables.COLUMNS,
    **weight_tables.COLUMNS,
}

#: recalls of one seed by class, scores by seed
Recalls = dict[int, dict[str, float]]

#: What a job records, and one of its models
Record = tuple[Mapping[str, Any], Mapping[str, Any]]


@dataclass
class _Network:
    """What is known of a (dataset, arch)'s unpruned models, by seed."""

    metric: str = ""
    scores: dict[int, float] = field(default_factory=dict)
    others: dict[str, dict[int, float]] = field(default_factory=dict)
    recalls: Recalls = field(default_factory=dict)


@dataclass(frozen=True)
class CellResults:
    """One cell's folder ``.../<dataset>/<arch>/<pruner>/<amount>`` with ``test`` and ``train`` audits.

    ``models`` and ``settings``: the records of its models and of their job, as far as known.
    """

    folder: Path
    models: Sequence[Mapping[str, Any]]
    settings: Mapping[str, Any]

    @cached_property
    def reached(self) -> Mapping[str, float]:
        return _means(self.models)

    @property
    def dataset(self) -> str:
        return self.folder.parts[-4]

    @property
    def arch(self) -> str:
        return self.folder.parts[-3]

    @property
    def pruner(self) -> str:
        return self.folder.parts[-2]

    @cached_property
    def compression(self) -> Compression:
        return Compression.parse(self.folder.name)

    @property
    def dense(self) -> bool:
        return self.pruner == NO_PRUNER

    @property
    def composition(self) -> Mapping[str, Any]:
        """How it was pruned; empty where that is not known."""
        return self.settings.get("composition") or {}

    @property
    def sparsity(self) -> float | None:
        return self.compression.value if self.compression.kind == "sparsity" else self.reached.get("sparsity")

    @property
    def key(self) -> tuple[Any, ...]:
        return (self.dataset, self.arch, self.pruner, self.sparsity)

    @property
    def order(self) -> tuple[Any, ...]:
        return (self.dataset, self.arch, not self.dense, self.pruner, self.compression)

    @cached_property
    def summary(self) -> dict[str, Any]:
        value = read_json(self.folder / "test" / "summary.json")
        if not isinstance(value, dict):
            raise UserError(
                f"{self.folder}/test/summary.json: not an audit's summary; delete it and run again"
            )
        return value

    @property
    def metric(self) -> str:
        """The data set's own metric if it has one, else the task's."""
        return str(led(self.summary)["metric"])

    @property
    def on_pies(self) -> list[float | None]:
        """Mean scores of unpruned and pruned models on the PIEs, by ``metric``."""
        summary = led(self.summary)
        return [summary["dense_score_on_pies"], summary["pruned_score_on_pies"]]

    def metrics(self, side: str) -> dict[str, dict[int, float]]:
        """Test scores by the data set's own metrics and seed; those without a value are left out."""
        path = self.folder / "test" / "task_metrics.csv"
        found: dict[str, dict[int, float]] = {}
        for row in read_csv(path) if path.exists() else []:
            scores = found.setdefault(row["metric"], {})
            if (score := number(row[side])) is not None:
                scores[int(row["seed"])] = score
        return found

    def scores(self, side: str) -> dict[int, float]:
        """Test scores by seed, by ``metric``; those without one (no variation) are left out."""
        own = self.metrics(side)
        if own:
            return own[self.metric]
        rows = read_csv(self.folder / "test" / "scores.csv")
        found = {int(row["seed"]): number(row[f"score_{side}"]) for row in rows}
        return {seed: score for seed, score in found.items() if score is not None}

    def recalls(self, side: str) -> Recalls:
        """Recalls by seed and class; empty where the task has none."""
        path = self.folder / "test" / "recall.csv"
        found: Recalls = {}
        for row in read_csv(path) if path.exists() else []:
            found.setdefault(int(row["seed"]), {})[row["class"]] = float(row[f"recall_{side}"])
        return found

    def rows(self, part: str, file: str, columns: Sequence[str]) -> list[list[str]]:
        """Columns of one of the audit's tables as they stand; none where the audit has no such table."""
        path = self.folder / part / file
        return [[row[name] for name in columns] for row in read_csv(path)] if path.exists() else []


def collect(
    cells: Sequence[Path],
    out: Path,
    metrics: Sequence[Path] = (),
    analysis: Analysis | None = None,
    sources: Mapping[str, str] | None = None,
    published: objectives.Published | None = None,
) -> list[CellResults]:
    """Write ``effectiveness.csv``, ``alpha.csv`` and the others (``COLUMNS``) into ``out``.

    And ``alpha_tests.csv``, whose rows compare cells, as ``analysis`` says (by default: its defaults).
    ``published`` says which scores papers print, for data sets that it knows by their ``sources`` or names.

    What each model reached is read from ``models.json`` in the cell's folder, or from ``metrics``.
    Unpruned rows (effectiveness, recall_variance) come from the cell of the unpruned models where
    one is given, else from the dense side of all cells of the network; unpruned models that stand
    only in ``metrics`` add their test scores.

    Returns:
        The cells, in the tables' order.

    Raises:
        UserError: a cell has no audit, or a path does not end as a cell's does.
    """
    known, dense = _known(metrics)
    found = sorted((_cell(path, known) for path in cells), key=lambda cell: cell.order)
    tables: dict[str, list[list[Any]]] = {name: [] for name in COLUMNS}
    for (dataset, arch), network in sorted(_networks(found, dense).items()):
        key = [dataset, arch, NO_PRUNER, 0.0]
        tables["effectiveness"].append([*key, network.metric, *_spread(network.scores)])
        tables["task_metrics"].extend([*key, m, *_spread(found)] for m, found in network.others.items())
        if network.recalls:
            tables["recall_variance"].append([*key, 1.0, _variance(network.recalls), len(network.recalls)])
    for cell in found:
        if not cell.dense:
            _add(tables, cell)
        for name, rows_found in weight_tables.rows(cell.folder).items():
            tables[name].extend([*cell.key, *row] for row in rows_found)
    analysis = analysis or Analysis()
    _add_between_pruners(tables, [cell for cell in found if not cell.dense], analysis, sources, published)
    for name, rows in tables.items():
        rows.sort(key=lambda row: (row[0], row[1], row[2] != NO_PRUNER))
        write_csv(out / f"{name}.csv", (*CELL, *COLUMNS[name]), rows)
    alphas = [one for cell in found if (one := alpha_cell(cell)) is not None]
    write_tests(out / "alpha_tests.csv", alphas, analysis)
    return found


def _add(tables: dict[str, list[list[Any]]], cell: CellResults) -> None:
    summary, key = cell.summary, cell.key
    ratio = cell.reached.get("ratio")
    empty = layer_collapse.collapsed(cell.models, cell.folder)
    tables["layer_collapse"].extend([*key, *row] for row in empty)
    tables["pruning_loss"].extend([*key, *row] for row in pruning_loss.rows(cell.models, cell.folder))
    tables["effectiveness"].append([*key, cell.metric, *_spread(cell.scores("pruned"))])
    tables["task_metrics"].extend([*key, m, *_spread(found)] for m, found in cell.metrics("pruned").items())
    tables["pie_share"].append([*key, *(summary[name] for name in COLUMNS["pie_share"])])
    tables["effectiveness_on_pies"].append([*key, cell.metric, *cell.on_pies, summary["n_pies"]])
    for name, part, file in (("el2n_bins", "train", "el2n.csv"), ("readability", "test", "readability.csv")):
        tables[name].extend([*key, *row] for row in cell.rows(part, file, COLUMNS[name]))
    for name, found in seed_tables.rows(summary, cell.folder / "test").items():
        tables[name].extend([*key, *row] for row in found)
    alpha = summary.get("alpha")
    if alpha is not None:
        interval = [alpha[name] for name in ("mean", "ci_low", "ci_high", "confidence", "verdict")]
        tables["alpha"].append([*key, ratio, *interval, summary["pruned_score"], alpha["n_seeds"]])
        test = cell.folder / "test"
        variants = variant_rows(test, ratio, alpha["confidence"])
        tables["alpha_variants"].extend([*key, *row] for row in variants)
        tables["alpha_intensification"].extend([*key, *row] for row in intensification_rows(test, ratio))
        recalls = cell.recalls("pruned")
        tables["recall_variance"].append([*key, ratio, _variance(recalls), len(recalls)])


def _add_between_pruners(
    tables: dict[str, list[list[Any]]],
    cells: Sequence[CellResults],
    analysis: Analysis,
    sources: Mapping[str, str] | None,
    published: objectives.Published | None,
) -> None:
    """Tables whose rows need several cells of a network."""
    of_objectives = [
        objectives.ObjectiveCell(cell.key, cell.compression, how, cell.metric, partial(cell.scores, "pruned"))
        for cell in cells
        if (how := cell.composition)
    ]
    tables["objectives"] += objectives.rows(of_objectives, analysis.confidence, sources, published)
    payers = [
        who_pays.Payer(cell.key, cell.compression, cell.folder, cell.composition.get("criterion"))
        for cell in cells
    ]
    overlaps, classes = who_pays.rows(payers, analysis.confidence)
    tables["who_pays"] += overlaps
    tables["who_pays_classes"] += classes


def _cell(path: Path, known: Mapping[tuple[str, ...], Sequence[Record]]) -> CellResults:
    folder = Path(path)
    if len(folder.parts) < 4:
        raise UserError(f"{path}: not a cell; its path must end in <dataset>/<arch>/<pruner>/<amount>")
    own = folder / "models.json"
    if own.exists():
        found: Sequence[Record] = list(_models([own]))
    else:
        found = known.get(folder.parts[-4:], ())
    settings = found[0][0].get("settings") if found else None
    return CellResults(folder, [model for _, model in found], settings or {})


def _networks(
    cells: Iterable[CellResults], dense: Mapping[tuple[str, str], Mapping[int, Mapping[str, Any]]]
) -> dict[tuple[str, str], _Network]:
    networks: dict[tuple[str, str], _Network] = {}
    # The unpruned models' own cell comes first in the order and so goes before the others.
    for cell in cells:
        network = networks.setdefault((cell.dataset, cell.arch), _Network())
        network.metric = network.metric or cell.metric
        for metric, found in cell.metrics("dense").items():
            for seed, score in found.items():
                network.others.setdefault(metric, {}).setdefault(seed, score)
        for seed, score in cell.scores("dense").items():
            network.scores.setdefault(seed, score)
        for seed, recalls in cell.recalls("dense").items():
            network.recalls.setdefault(seed, recalls)
    for key, models in dense.items():
        network = networks.setdefault(key, _Network())
        for seed, scores in models.items():
            for metric, score in scores.items():
                network.metric = network.metric or metric
                if metric == network.metric and score is not None:
                    network.scores.setdefault(seed, score)
    return networks


def _known(
    metrics: Sequence[Path],
) -> tuple[dict[tuple[str, ...], list[Record]], dict[tuple[str, str], dict[int, Mapping[str, Any]]]]:
    """Records of models by cell, and the unpruned models' test scores by network and seed."""
    models: dict[tuple[str, ...], list[Record]] = {}
    dense: dict[tuple[str, str], dict[int, Mapping[str, Any]]] = {}
    for record, model in _models(metrics):
        key = (record["dataset"], record["arch"], record["pruner"], record["amount"])
        models.setdefault(key, []).append((record, model))
        if record["pruner"] == NO_PRUNER and not model["diverged"]:
            dense.setdefault(key[:2], {})[model["seed"]] = model["scores"]["test"]
    return models, dense


def _models(paths: Iterable[Path]) -> Iterable[Record]:
    for path in paths:
        record = read_json(path)
        try:
            models = record["models"]
            for model in models:
                if not isinstance(model["seed"], int):
                    raise TypeError
        except (KeyError, TypeError):
            raise UserError(f"{path}: not a record of models; delete it and run again") from None
        for model in models:
            yield record, model


def _means(models: Sequence[Mapping[str, Any]]) -> dict[str, float]:
    kept = [model for model in models if not model["diverged"]]
    means = {name: mean([float(model[name]) for model in kept]) for name in ("sparsity", "ratio")}
    return {name: value for name, value in means.items() if value is not None}


def _spread(scores: Mapping[int, float]) -> tuple[float | None, float | None, int]:
    values = [scores[seed] for seed in sorted(scores)]
    return mean(values), std(values), len(values)


def _variance(recalls: Recalls) -> float | None:
    rows = [list(recalls[seed].values()) for seed in sorted(recalls)]
    return mean_recall_variance(np.array(rows)) if rows else None
