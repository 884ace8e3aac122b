"""The tables and figures of the papers, laid out as they print them, from a study's results."""

from __future__ import annotations

#: Files of the PIE paper's folder, with what each holds.
PIE_FILES: dict[str, str] = {
    "table-1-disagreements.parquet": "every example on which the majorities disagree, of every cell",
    "table-4-pie-share.csv": "share of PIEs, a column per amount; marks; verdicts against the noise floor",
    "table-5-parameters.csv": "parameters, and the share and number removed and left (also Table 6)",
    "table-7-datasets.csv": "sizes, lengths and classes of the data sets (also Table 2)",
    "table-9-effectiveness.csv": "score of every network, mean and standard deviation over seeds",
    "table-10-effectiveness-on-pies.csv": "score on PIEs, pruned and unpruned, with the paper's marks",
}

#: Files of the recall paper's folder. ``table`` in them is the paper's number where it prints that very table.
RECALL_FILES: dict[str, str] = {
    "table-1-2-amounts-by-network.csv": "corrected p-values: neighbouring amounts, a column per network",
    "table-3-amounts-by-dataset.csv": "the same, a column per data set with its default network",
    "table-4-amounts-by-pruner.csv": "the same, a column per pruner",
    "table-5-6-sizes.csv": "corrected p-values: neighbouring sizes of a network, a column per amount",
    "table-7-datasets.csv": "corrected p-values: data sets of neighbouring difficulty, a column per amount",
    "table-8-pruners.csv": "corrected p-values: all pairs of pruners, a column per amount",
    "table-9-mp-and-up.csv": "corrected p-values: MP against UP, a row per amount, a column per network",
    "table-10-accuracy.csv": "accuracy before pruning, mean and standard deviation over seeds",
    "table-11-recall-variance.csv": "variance of recall over classes before and after pruning",
    "table-12-13-accuracy-alpha.csv": "accuracy and α by amount, of LTH and CHIP and of every other pruner",
}

#: Files of the PINS paper's folder.
PINS_FILES: dict[str, str] = {
    "table-1-to-9-scores.csv": "scores by the data sets' own metrics beside the printed ones (Tables 1 to 6, 8, 9)",
    "table-7-efficiency.csv": "time, storage and accuracy on RTE, as far as they are measured",
}

#: Everything below the folder ``paper``.
FILES: tuple[str, ...] = (
    "index.html",
    *(f"pie/{name}" for name in ("index.html", "disagreements.html", *PIE_FILES)),
    *(f"recall/{name}" for name in ("index.html", *RECALL_FILES)),
    *(f"pins/{name}" for name in ("index.html", *PINS_FILES)),
)
