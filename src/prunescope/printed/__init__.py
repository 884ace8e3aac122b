"""The tables and figures of the PIE paper, laid out as it prints them, from a study's results."""

from __future__ import annotations

#: Files of the folder, with what each holds.
FILES: dict[str, str] = {
    "table-1-disagreements.parquet": "every example on which the majorities disagree, of every cell",
    "table-4-pie-share.csv": "share of PIEs, a column per amount; marks; verdicts against the noise floor",
    "table-5-parameters.csv": "parameters, and the share and number removed and left (also Table 6)",
    "table-7-datasets.csv": "sizes, lengths and classes of the data sets (also Table 2)",
    "table-9-effectiveness.csv": "score of every network, mean and standard deviation over seeds",
    "table-10-effectiveness-on-pies.csv": "score on PIEs, pruned and unpruned, with the paper's marks",
}
