"""Columns that several tables have: each with its type and meaning, declared once."""

from __future__ import annotations

from typing import Annotated as A

from prunescope.analysis.spans import SHARE, Within

High = A[float | None, "upper end"]
Low = A[float | None, "lower end of its interval", Within()]
LowOfChange = A[float | None, "lower end of its interval", Within(SHARE, change=True)]
LowOfScoreChange = A[
    float | None, "lower end of its interval over seeds and examples", Within(by="metric", change=True)
]
LowOfCertainty = A[
    float | None, "lower end of its interval over seeds and examples", Within(by="measure", start="dense")
]
Confidence = A[float, "confidence of the interval"]
KnownConfidence = A[float | None, "confidence of the interval"]
StdOfModels = A[float | None, "standard deviation over models"]
StdOfSeeds = A[float | None, "standard deviation over seeds"]
Models = A[int, "models"]
Seeds = A[int | None, "seeds"]
Seed = A[int, "seed of the pair of models"]
Metric = A[str, "as in `effectiveness`"]
Class = A[str, "class"]
Pies = A[int, "PIEs among them"]
PieShare = A[float | None, "n_pies / n_examples"]
MeanScore = A[float | None, "mean score over seeds"]
PrunedScore = A[float | None, "mean score of the pruned models"]
Ratio = A[float | None, "compression ratio reached"]
Reference = A[str, "pruner that the row compares with"]
Varied = A[str, "what differs between a and b"]
CellA = A[str, "folder of a below `cells/`"]
CellB = A[str, "folder of b"]
McNemar = A[float | None, "exact McNemar test that as many become wrong as right"]
HolmOfClasses = A[float | None, "by Holm's method over the classes"]
Paper = A[str, "paper"]
PaperTable = A[str, "its table"]
CertaintyMeasure = A[
    str, "`kl`, `js` (of the pair); `nll`, `brier`, `true_probability`, `margin`, `ece` (of each side); nats"
]
Scaled = A[bool, "after temperature scaling, each half of the examples by what fits the other"]
DenseCertainty = A[float | None, "of the dense models, mean over seeds; empty for `kl` and `js`"]
PrunedCertainty = A[float | None, "of the pruned models"]
CertaintyChange = A[float, "pruned - dense; of `kl` and `js` the divergence"]
SeedDense = A[float | None, "score of the dense model"]
SeedPruned = A[float | None, "score of the pruned model"]
