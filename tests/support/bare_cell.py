"""A cell's folder with records of its models and an audit that says nothing."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any


def bare_cell(root: Path, models: Sequence[Mapping[str, Any]]) -> Path:
    """``models``: records; sparsity, ratio and settings are added."""
    keys = {"dataset": "d", "arch": "net", "pruner": "GMP", "amount": "sparsity-900permille"}
    folder = root.joinpath("cells", *keys.values())
    (folder / "test").mkdir(parents=True)
    nothing = ("n_examples", "n_pies", "pie_share", "dense_score_on_pies", "pruned_score_on_pies")
    (folder / "test" / "summary.json").write_text(
        json.dumps({"task": "single-label", "metric": "accuracy", **dict.fromkeys(nothing)})
    )
    (folder / "test" / "scores.csv").write_text("seed,score_dense,score_pruned,flips\n")
    made = {"sparsity": 0.9, "ratio": 5.0, "settings": {}}
    (folder / "models.json").write_text(json.dumps({**keys, "models": [{**one, **made} for one in models]}))
    return folder
