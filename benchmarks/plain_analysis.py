"""The analysis of one cell as one would write it with pandas: what benchmarks/analysis.py compares with.

    python benchmarks/plain_analysis.py DENSE PRUNED OUT.json

DENSE and PRUNED are folders of a cell's models. It finds the majority PIEs of both splits, scores of all models on
all examples and on PIEs, flips, PIEs by class, recalls and alpha (one label), EL2N scores and PIEs by bin; then how
firm the PIE share of the test split is: a bootstrap over seeds, halves of the seeds, subsets of every size, as many as
prunescope draws. Independent of prunescope: not a line is imported, so that equal numbers mean something. OUT holds
them and the processor seconds of EL2N scores alone, of all without and with the resampling. Loyalty and Spearman PIEs,
which prunescope's cells hold too, are left out, in its disfavour.
"""

from __future__ import annotations

import json
import sys
import time
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
        if split == "test":
            test = [side[COLUMNS] for side in sides]
    before = time.process_time()
    scores = el2n(sorted(dense.glob("*/early.parquet")), len(meta["classes"]))
    scored = time.process_time() - before
    found["train"]["el2n"] = bins(scores, pies)
    found["seconds"] = {"el2n": scored, "without_resampling": time.process_time()}
    resampled(*test, len(meta["classes"]), meta["task"] == "multi-label")
    found["seconds"]["in_all"] = time.process_time()
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


def resampled(dense: pd.DataFrame, pruned: pd.DataFrame, n_classes: int, several: bool) -> dict[str, Any]:
    """PIE shares of 1,000 bootstrap samples, of 200 halves, of 100 subsets of every size; of halves unpruned, too."""
    sides = []
    for side in (dense, pruned):
        if several:
            seeds = side["seed"].nunique()
            held = np.zeros((seeds, len(side) // seeds, n_classes), dtype=bool)
            for (seed, example), labels in side.set_index(["seed", "example"])["prediction"].items():
                held[seed, example, labels] = True
            sides.append(held)
        else:
            sides.append(side.pivot(index="seed", columns="example", values="prediction").to_numpy())
    rng = np.random.default_rng(0)
    seeds = len(sides[0])

    def vote(side: np.ndarray, chosen: np.ndarray) -> np.ndarray:
        if several:
            return 2 * side[chosen].sum(axis=0) > len(chosen)
        return np.stack([(side[chosen] == label).sum(axis=0) for label in range(n_classes)]).argmax(axis=0)

    def share(a: np.ndarray, b: np.ndarray) -> float:
        differ = a != b
        return float((differ.any(axis=1) if several else differ).mean())

    shares: dict[str, Any] = {"bootstrap": [], "halves": [], "noise": [], "subsets": []}
    for _ in range(1000):
        drawn = rng.integers(0, seeds, seeds)
        shares["bootstrap"].append(share(vote(sides[0], drawn), vote(sides[1], drawn)))
    for _ in range(200):
        a, b = np.array_split(rng.permutation(seeds), 2)
        votes = [[vote(side, half) for half in (a, b)] for side in sides]
        shares["noise"].append(share(*votes[0]))
        shares["halves"].append((share(votes[0][0], votes[1][1]) + share(votes[0][1], votes[1][0])) / 2)
    for m in range(1, seeds + 1):
        for _ in range(100):
            chosen = rng.permutation(seeds)[:m]
            shares["subsets"].append(share(vote(sides[0], chosen), vote(sides[1], chosen)))
        for _ in range(200 if 2 * m <= seeds else 0):
            order = rng.permutation(seeds)
            shares["noise"].append(share(vote(sides[0], order[:m]), vote(sides[0], order[m : 2 * m])))
    return {
        name: [float(np.mean(values)), *np.quantile(values, [0.025, 0.975])]
        for name, values in shares.items()
    }


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
