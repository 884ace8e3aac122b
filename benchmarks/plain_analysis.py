"""The analysis of one cell as one would write it with pandas: what benchmarks/analysis.py compares with.

    python benchmarks/plain_analysis.py DENSE PRUNED OUT.json

DENSE and PRUNED are folders of a cell's models. It finds the majority PIEs of both splits, scores of all models on
all examples and on PIEs, flips, PIEs by class, recalls and alpha (one label), EL2N scores and PIEs by bin. Independent
of prunescope: not a line is imported, so that equal numbers mean something. What prunescope's cells hold beyond this
(bootstrap intervals, noise floors, subsets of seeds, loyalty, Spearman PIEs) is left out, in its disfavour.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow.parquet as pq

COLUMNS = ["seed", "example", "label", "prediction"]


def main(dense: Path, pruned: Path, out: Path) -> None:
    meta = json.loads(pq.read_schema(next(dense.glob("*/test.parquet"))).metadata[b"prunescope"])
    analyse = one_label if meta["task"] == "single-label" else several_labels
    found: dict[str, Any] = {}
    for split in ("test", "train"):
        sides = [
            pd.concat(
                [pd.read_parquet(file, columns=COLUMNS) for file in sorted(cell.glob(f"*/{split}.parquet"))]
            )
            for cell in (dense, pruned)
        ]
        found[split], pies = analyse(*sides, len(meta["classes"]))
    scores = el2n(sorted(dense.glob("*/early.parquet")), len(meta["classes"]))
    found["train"]["el2n"] = bins(scores, pies)
    out.write_text(json.dumps(found), encoding="utf-8")


def one_label(dense: pd.DataFrame, pruned: pd.DataFrame, _: int) -> tuple[dict[str, Any], pd.Series]:
    votes, right, recall = [], [], []
    for side in (dense, pruned):
        counts = side.groupby(["example", "prediction"]).size().reset_index(name="n")
        counts = counts.sort_values(["example", "n", "prediction"], ascending=[True, False, True])
        votes.append(counts.drop_duplicates("example").set_index("example")["prediction"])
        side["right"] = side["prediction"] == side["label"]
        right.append(side.groupby("seed")["right"].mean())
        recall.append(side.groupby(["seed", "label"])["right"].mean().unstack())
    pies = votes[0] != votes[1]
    there = pies.index[pies]
    on_pies = [
        side[side["example"].isin(there)].groupby("seed")["right"].mean().mean() for side in (dense, pruned)
    ]
    both = dense.merge(pruned, on=["seed", "example"], suffixes=("", "_pruned"))
    flips = (both["right"] != both["right_pruned"]).groupby(both["seed"]).sum()
    x, y = (
        recalls.sub(accuracy, axis=0).div(accuracy, axis=0)
        for recalls, accuracy in zip(recall, right, strict=True)
    )
    alpha = (x * y).sum(axis=1) / (x**2).sum(axis=1)
    label = dense.drop_duplicates("example").set_index("example")["label"]
    return {
        "n_pies": int(pies.sum()),
        "scores": [float(accuracy.mean()) for accuracy in right],
        "on_pies": [float(score) for score in on_pies],
        "flips": float(flips.mean()),
        "alpha": float(alpha.mean()),
        "classes": label[pies].value_counts().sort_index().tolist(),
    }, pies


def several_labels(
    dense: pd.DataFrame, pruned: pd.DataFrame, n_classes: int
) -> tuple[dict[str, Any], pd.Series]:
    examples = pd.Index(dense["example"].unique(), name="example")
    sets, right = [], []
    for side in (dense, pruned):
        long = side[["seed", "example", "prediction"]].explode("prediction").dropna()
        counts = long.groupby(["example", "prediction"]).size().reset_index(name="n")
        most = counts[2 * counts["n"] > side["seed"].nunique()]
        chosen = most.groupby("example")["prediction"].agg(frozenset)
        sets.append(
            chosen.reindex(examples).map(lambda one: one if isinstance(one, frozenset) else frozenset())
        )
        pairs = zip(side["prediction"], side["label"], strict=True)
        side["right"] = [np.array_equal(prediction, label) for prediction, label in pairs]
        right.append(side.set_index(["seed", "example"])["right"])
    pies = sets[0] != sets[1]
    there = pies.index[pies]
    flips = (right[0] != right[1]).groupby("seed").sum()
    labels = dense.drop_duplicates("example")[["example", "label"]].explode("label").dropna()
    return {
        "n_pies": int(pies.sum()),
        "scores": [macro_f1(side, n_classes) for side in (dense, pruned)],
        "on_pies": [macro_f1(side[side["example"].isin(there)], n_classes) for side in (dense, pruned)],
        "flips": float(flips.mean()),
        "classes": labels[labels["example"].isin(there)].groupby("label").size().tolist(),
    }, pies


def macro_f1(side: pd.DataFrame, n_classes: int) -> float:
    label = side[["seed", "example", "label"]].explode("label").dropna()
    made = side[["seed", "example", "prediction"]].explode("prediction").dropna()
    label = label.rename(columns={"label": "class"}).astype(int)
    made = made.rename(columns={"prediction": "class"}).astype(int)
    hits = label.merge(made, on=["seed", "example", "class"]).groupby(["seed", "class"]).size()
    sizes = label.groupby(["seed", "class"]).size().add(made.groupby(["seed", "class"]).size(), fill_value=0)
    f1 = (2 * hits / sizes).fillna(0).groupby("seed").sum() / n_classes
    return float(f1.mean())


def el2n(files: list[Path], n_classes: int) -> pd.Series:
    parts = []
    for file in files:
        early = pd.read_parquet(file)
        logits = np.stack(early["logits"].to_list()).astype(np.float64)
        truth = np.zeros_like(logits)
        if early["label"].dtype == object:
            for row, label in enumerate(early["label"]):
                truth[row, label] = 1
            probability = 1 / (1 + np.exp(-logits))
        else:
            truth[np.arange(len(early)), early["label"]] = 1
            powers = np.exp(logits - logits.max(axis=1, keepdims=True))
            probability = powers / powers.sum(axis=1, keepdims=True)
        early["error"] = np.linalg.norm(probability - truth, axis=1)
        parts.append(early[["seed", "example", "error"]])
    return pd.concat(parts).groupby("example")["error"].mean()


def bins(scores: pd.Series, pies: pd.Series, count: int = 20) -> list[int]:
    table = pd.DataFrame({"score": scores, "pie": pies}).sort_values("score", kind="stable")
    table["bin"] = np.arange(len(table)) * count // len(table)
    return table.groupby("bin")["pie"].sum().astype(int).tolist()


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
