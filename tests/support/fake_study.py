"""Audit folders, cells, tables and metrics in the form of the contract, made from simulated votes."""

from __future__ import annotations

import csv
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from scipy.special import stdtrit

from prunescope.analysis.audit_tables import PieShareBySeeds
from prunescope.analysis.pies import seed_tables
from prunescope.analysis.pies.seed_findings import seed_findings
from prunescope.analysis.tables import per_cell
from prunescope.analysis.tables.cell import CellResults
from prunescope.analysis.tables.declared import write_table
from prunescope.analysis.tables.registry import TABLES
from prunescope.analysis.tables.results import StudyResults
from prunescope.config.compression import Compression
from prunescope.config.load import study_from
from prunescope.config.study import Study
from prunescope.predictions.store import Predictions

MEASURES = (
    "automated_readability_index",
    "coleman_liau_index",
    "flesch_kincaid_grade",
    "linsear_write_formula",
    "gunning_fog",
    "dale_chall_readability_score",
    "difficult_words",
    "text_length",
)


def write_csv(path: Path, columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path, "w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(columns)
        writer.writerows([["" if value is None else value for value in row] for row in rows])


def write_json(path: Path, value: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value), encoding="utf-8")


def write_pies(path: Path, columns: Mapping[str, Any], classes: Sequence[str], task: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    table = pa.table(dict(columns))
    meta = {"prunescope": json.dumps({"task": task, "classes": list(classes)})}
    pq.write_table(table.replace_schema_metadata(meta), path)


def audit_folder(
    folder: Path,
    *,
    classes: Sequence[str] = ("zero", "one", "two", "three"),
    n: int = 200,
    seeds: int = 4,
    damage: float = 0.15,
    random_seed: int = 0,
    early: bool = False,
    texts: bool = False,
    multi: bool = False,
) -> dict[str, Any]:
    """Simulate votes and write every file of an audit; returns the summary."""
    rng = np.random.default_rng(random_seed)
    count = len(classes)
    weights = 1.0 / np.arange(1, count + 1) ** 0.6
    label = rng.choice(count, size=n, p=weights / weights.sum())
    hard = rng.beta(0.6, 3.0, size=n)
    lost = np.clip(damage * (0.4 + 1.6 * label / max(count - 1, 1)) * (0.4 + 3 * hard), 0, 0.95)
    wrong = (label + rng.integers(1, count, size=n)) % count
    dense = np.where(rng.random((seeds, n)) < hard * 0.8, wrong, label)
    other = np.where(rng.random((seeds, n)) < lost, wrong, dense)
    votes = [np.array([np.bincount(col, minlength=count).argmax() for col in p.T]) for p in (dense, other)]
    is_pie = votes[0] != votes[1]
    agreement = [(p == vote).mean(axis=0) for p, vote in zip((dense, other), votes, strict=True)]
    accuracy = [(p == label).mean(axis=1) for p in (dense, other)]
    on_pies = [float((p == label)[:, is_pie].mean()) if is_pie.any() else None for p in (dense, other)]
    flips = ((dense == label) != (other == label)).sum(axis=1)
    as_list = (lambda v: [[int(x)] for x in v]) if multi else (lambda v: v.astype(np.int32))
    write_pies(
        folder / "pies.parquet",
        {
            "example": np.arange(n),
            "label": as_list(label),
            "dense_vote": as_list(votes[0]),
            "pruned_vote": as_list(votes[1]),
            "is_pie": is_pie,
            "dense_agreement": agreement[0],
            "pruned_agreement": agreement[1],
        },
        classes,
        "multi-label" if multi else "single-label",
    )
    summary: dict[str, Any] = {
        "task": "multi-label" if multi else "single-label",
        "metric": "macro_f1" if multi else "accuracy",
        "n_classes": count,
        "n_examples": n,
        "n_seeds": seeds,
        "n_seeds_dropped": 0,
        "n_pies": int(is_pie.sum()),
        "pie_share": float(is_pie.mean()),
        "dense_score": float(accuracy[0].mean()),
        "pruned_score": float(accuracy[1].mean()),
        "dense_score_on_pies": on_pies[0],
        "pruned_score_on_pies": on_pies[1],
        "n_flips_mean": float(flips.mean()),
    }
    write_csv(
        folder / "scores.csv",
        ("seed", "score_dense", "score_pruned", "flips"),
        [(s, accuracy[0][s], accuracy[1][s], flips[s]) for s in range(seeds)],
    )
    _seeds(folder, summary, dense, other)
    if not multi:
        summary["alpha"] = _recall(folder, classes, label, dense, other, accuracy)
    sizes = np.bincount(label, minlength=count)
    pies = np.bincount(label[is_pie], minlength=count)
    write_csv(
        folder / "classes.csv",
        ("class", "n_examples", "share_of_examples", "n_pies", "share_of_pies"),
        [
            (name, sizes[c], sizes[c] / n, pies[c], pies[c] / max(pies.sum(), 1))
            for c, name in enumerate(classes)
        ],
    )
    if early:
        _el2n(folder, hard, is_pie, rng)
    if texts:
        ratios = 1 + rng.normal(0.02, 0.03, size=len(MEASURES))
        write_csv(
            folder / "readability.csv",
            ("measure", "all", "pies", "ratio"),
            [
                (measure, 10.0, 10.0 * ratio, ratio) if is_pie.any() else (measure, 10.0, None, None)
                for measure, ratio in zip(MEASURES, ratios, strict=True)
            ],
        )
    write_json(folder / "summary.json", summary)
    return summary


def _seeds(folder: Path, summary: dict[str, Any], dense: np.ndarray, other: np.ndarray) -> None:
    """Numbers on the seeds, as the package itself counts them."""
    sides = [
        Predictions(
            "single-label",
            (),
            np.arange(len(p)),
            np.arange(p.shape[1]),
            p[0],
            p.astype(np.int8),
            (),
            None,
            (),
        )
        for p in (dense, other)
    ]
    found = seed_findings(*sides, (), ())
    summary |= found.summary(np.zeros(0, dtype=bool))
    assert found.stats is not None
    write_table(folder, PieShareBySeeds, found.stats.by_seeds)


def _recall(folder, classes, label, dense, other, accuracy) -> dict[str, Any]:  # type: ignore[no-untyped-def]
    rows, alphas = [], []
    for s in range(len(dense)):
        balances = []
        for c, name in enumerate(classes):
            mask = label == c
            recalls = [float((p[s][mask] == c).mean()) if mask.any() else None for p in (dense, other)]
            if recalls[0] is None:
                rows.append((s, name, 0, None, None, None, None, None))
                continue
            pair = [(recalls[i] - accuracy[i][s]) / accuracy[i][s] for i in (0, 1)]
            balances.append(pair)
            rows.append((s, name, int(mask.sum()), *recalls, *pair, pair[1] / pair[0] if pair[0] else None))
        first, second = np.array(balances).T
        alphas.append(float((first * second).sum() / (first**2).sum()))
    write_csv(
        folder / "recall.csv",
        ("seed", "class", "support", "recall_dense", "recall_pruned", "balance_dense", "balance_pruned",
         "intensification"),
        rows,
    )  # fmt: skip
    write_csv(
        folder / "alpha.csv",
        ("seed", "accuracy_dense", "accuracy_pruned", "alpha"),
        [(s, accuracy[0][s], accuracy[1][s], a) for s, a in enumerate(alphas)],
    )
    mean, known = float(np.mean(alphas)), {"confidence": 0.99, "n_seeds": len(alphas)}
    if len(alphas) < 2:
        return {"mean": mean, "ci_low": None, "ci_high": None, "verdict": "?", **known}
    half = stdtrit(len(alphas) - 1, 0.995) * float(np.std(alphas, ddof=1)) / len(alphas) ** 0.5
    verdict = ">" if mean - half > 1 else "<" if mean + half < 1 else "?"
    return {
        "mean": mean,
        "ci_low": mean - half,
        "ci_high": mean + half,
        "verdict": verdict,
        **known,
    }


def _el2n(
    folder: Path, hard: np.ndarray, is_pie: np.ndarray, rng: np.random.Generator, bins: int = 20
) -> None:
    n = len(hard)
    score = hard + rng.normal(0, 0.02, n)
    order = np.lexsort((np.arange(n), score))
    place = np.empty(n, dtype=int)
    place[order] = np.arange(n) * bins // n + 1
    rows = []
    for b in range(1, bins + 1):
        mask = place == b
        if mask.any():
            rows.append(
                (b, mask.sum(), is_pie[mask].sum(), is_pie[mask].mean(), score[mask].min(), score[mask].max())
            )
    write_csv(
        folder / "el2n.csv", ("bin", "n_examples", "n_pies", "pie_share", "score_low", "score_high"), rows
    )
    pq.write_table(pa.table({"example": np.arange(n), "el2n": score}), folder / "el2n_scores.parquet")


STUDY = {
    "name": "fake",
    "title": "A study that was never run",
    "seeds": [0, 1, 2, 3],
    "datasets": {"digits": {"source": "digits"}, "docstrings": {"source": "docstrings"}},
    "archs": {"lenet5": {"family": "lenet5"}, "bilstm": {"family": "bilstm"}},
    "grid": [
        {
            "datasets": ["digits"],
            "archs": ["lenet5"],
            "pruners": ["IMP-WR", "MP-AI", "RP-AI", "MP", "GP", "UP", "RP"],
            "ratios": [4, 10, 50],
        },
        {
            "datasets": ["docstrings"],
            "archs": ["bilstm"],
            "pruners": ["IIBP-WR", "IIBP-FT", "IBP-AI", "IMP-FT", "IRP-FT", "MP"],
            "sparsities": [0.5, 0.9],
        },
    ],
}

_DAMAGE = {"MP": 0.06, "GP": 0.08, "UP": 0.05, "RP": 0.2, "RP-AI": 0.16, "IRP-FT": 0.17, "MP-AI": 0.12}


def study(**changes: Any) -> Study:
    return study_from({**STUDY, **changes})


def results_tree(root: Path, settings: Study, *, n: int = 200) -> dict[str, list[Path]]:
    """Cells, tables and data cards of a study under ``root``; returns their paths, dense cells apart."""
    found: dict[str, list[Path]] = {"dense": [], "cells": [], "cards": []}
    tables: dict[str, list[list[Any]]] = {name: [] for name in _TABLES}
    for number, cell in enumerate(settings.cells):
        text = settings.datasets[cell.dataset].input == "text"
        where = [cell.dataset, cell.arch, cell.pruner]
        sparsity = _sparsity(cell.compression)
        folder = root / "cells" / cell.dataset / cell.arch / cell.pruner / cell.compression.token
        _models(folder, cell, sparsity)
        if cell.dense:
            found["dense"].append(folder)
            continue
        names = ("numpy", "scipy", "pandas", "sklearn", "torch") if text else tuple("0123456789")
        damage = _DAMAGE.get(cell.pruner, 0.07) * (0.3 + 2.2 * sparsity**4)
        options = {"classes": names, "damage": damage, "random_seed": number, "seeds": len(cell.seeds)}
        summary = audit_folder(folder / "test", n=n, texts=text, **options)
        audit_folder(folder / "train", n=2 * n, early=True, **options)
        found["cells"].append(folder)
        _rows(tables, folder, [*where, sparsity], summary)
    dense: dict[tuple[str, str], list[float]] = {}
    for row in tables["effectiveness_on_pies.csv"]:
        dense.setdefault((row[0], row[1]), []).append(row.pop())
    for (dataset, arch), scores in dense.items():
        tables["effectiveness.csv"].append(
            [dataset, arch, "none", 0.0, "accuracy", float(np.mean(scores)), 0.01, len(settings.seeds)]
        )
    for name, columns in _TABLES.items():
        write_csv(root / "tables" / name, columns, tables[name])
    for dataset in settings.datasets:
        card = root / "data" / dataset / "card.json"
        write_json(
            card,
            {"dataset": dataset, "splits": {"train": {"n_examples": 400}}, "sha256": {"train": "ab" * 32}},
        )
        card.with_suffix(".md").write_text(f"# {dataset}\n", encoding="utf-8")
        found["cards"].append(card)
    return found


_SEED_TABLES = {
    "pie_intervals": seed_tables.intervals,
    "pie_share_by_seeds": per_cell.by_seeds,
    "agreement": seed_tables.agreement,
    "spearman_pies": seed_tables.spearman,
}

_TABLES = {
    "effectiveness.csv": ("dataset", "arch", "pruner", "sparsity", "metric", "mean", "std", "n_seeds"),
    "pie_share.csv": ("dataset", "arch", "pruner", "sparsity", "n_examples", "n_pies", "pie_share"),
    "effectiveness_on_pies.csv": (
        "dataset", "arch", "pruner", "sparsity", "metric", "dense", "pruned", "n_pies",
    ),
    "el2n_bins.csv": (
        "dataset", "arch", "pruner", "sparsity", "bin", "n_examples", "n_pies", "pie_share",
    ),
    "readability.csv": ("dataset", "arch", "pruner", "sparsity", "measure", "all", "pies", "ratio"),
    **{f"{name}.csv": TABLES[name].columns for name in _SEED_TABLES},
}  # fmt: skip


def _sparsity(compression: Compression) -> float:
    return compression.value if compression.kind == "sparsity" else (1 - 1 / compression.value) * 1.005


def _rows(
    tables: dict[str, list[list[Any]]], folder: Path, key: list[Any], summary: Mapping[str, Any]
) -> None:
    s = summary
    tables["effectiveness.csv"].append([*key, "accuracy", s["pruned_score"], 0.012, s["n_seeds"]])
    tables["pie_share.csv"].append([*key, s["n_examples"], s["n_pies"], s["pie_share"]])
    tables["effectiveness_on_pies.csv"].append(
        [*key, "accuracy", s["dense_score_on_pies"], s["pruned_score_on_pies"], s["n_pies"], s["dense_score"]]
    )
    with open(folder / "train" / "el2n.csv", newline="", encoding="utf-8") as stream:
        tables["el2n_bins.csv"] += [[*key, *list(row)[:4]] for row in list(csv.reader(stream))[1:]]
    model = {"diverged": False, "sparsity": key[3], "ratio": 1.0}
    study = StudyResults([CellResults(folder, [model], {})], {})
    for name, maker in _SEED_TABLES.items():
        tables[f"{name}.csv"] += [list(vars(row).values()) for row in maker(study)]
    path = folder / "test" / "readability.csv"
    if path.exists():
        with open(path, newline="", encoding="utf-8") as stream:
            tables["readability.csv"] += [[*key, *row] for row in list(csv.reader(stream))[1:]]


def _models(folder: Path, cell: Any, sparsity: float) -> None:
    write_json(
        folder / "models.json",
        {
            "dataset": cell.dataset,
            "arch": cell.arch,
            "pruner": cell.pruner,
            "amount": cell.compression.token,
            "models": [
                {
                    "seed": seed,
                    "diverged": False,
                    "sparsity_asked": sparsity,
                    "sparsity": sparsity,
                    "ratio": 1 / (1 - 0.99 * sparsity),
                    "layers": {
                        "fc1.weight": {"size": 1000, "zeros": round(1000 * sparsity), "sparsity": sparsity}
                    },
                    "scores": {"test": {"accuracy": 0.9}, "train": {"accuracy": 0.95}},
                    "epochs": [{"phase": "train", "epoch": 1, "loss": 1.0, "validation_loss": 1.1}],
                    "seconds": 2.5,
                    "samples_per_second": 4000.0,
                    "peak_memory_mb": 300.0,
                }
                for seed in cell.seeds
            ],
            "devices": ["cpu"],
            "versions": [{"torch": "2.6.0"}, {"torch": "2.6.1"}],
            "revisions": ["abc1234"],
        },
    )
