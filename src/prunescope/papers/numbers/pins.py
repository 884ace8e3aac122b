"""The PINS paper's tables ("Pruning Pre-trained Language Models with Principled Importance and Self-regularization").

Names are this project's where the paper's say something else: its IMP is gradual magnitude pruning (``GMP``), its
l0 regularization ``L0``; PINS without self-regularization, and with a dense teacher instead, are ``PINS-task`` and
``PINS-distilled``.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

from prunescope.papers.numbers.printed import PrintedNumber, read_rows

PAPER = "PINS"

#: What is compared in Tables 1 to 4, 8 and 9; and what PINS is compared with.
PINS = "PINS"
RIVALS = ("GMP", "L0", "SMvP", "PST", "PLATON")
PRUNERS = (*RIVALS, PINS)

#: Criteria that figures of the paper set side by side; the first two are its own, the second as printed in Eq. 11.
CRITERIA = (PINS, "PINS-plain", "GMP", "sensitivity")

#: PINS with the other two objectives of Table 6.
PLAIN, DISTILLED = "PINS-task", "PINS-distilled"

#: The paper's data sets by the sources of this project.
SOURCES = {
    "glue_rte": "RTE",
    "glue_mrpc": "MRPC",
    "glue_stsb": "STS-B",
    "glue_cola": "CoLA",
    "glue_sst2": "SST-2",
    "glue_qnli": "QNLI",
    "glue_mnli": "MNLI",
    "glue_qqp": "QQP",
    "squad": "SQuAD",
    "conll2003": "CoNLL-2003",
    "e2e": "E2E",
    "dart": "DART",
    "webnlg": "WebNLG",
}
GLUE = tuple(name for source, name in SOURCES.items() if source.startswith("glue_"))

#: The one score of each data set; others are printed beside it.
LEADING = dict.fromkeys(GLUE, "accuracy") | {
    "MRPC": "f1",
    "STS-B": "pearson",
    "CoLA": "matthews",
    "MNLI": "mean_accuracy",
    "SQuAD": "f1",
    "CoNLL-2003": "f1",
    "E2E": "bleu",
    "DART": "bleu",
    "WebNLG": "bleu",
}

#: Networks, and how else they may be spelled.
ARCHS = ("BERT-base", "MiniLM-12L-384H", "Electra-base", "GPT-2")
_SPELLINGS = {"".join(filter(str.isalnum, name.casefold())): name for name in ARCHS} | {
    "bert": "BERT-base",
    "bertbaseuncased": "BERT-base",
    "minilml12h384": "MiniLM-12L-384H",
}

#: Rows of the score table that are means over data sets, under this name.
_MEAN_OF = "GLUE"


@dataclass(frozen=True)
class Efficiency:
    """One number of Table 7: RTE, BERT-base at 80 % against the unpruned one, on a CPU, one example at a time.

    ``quantity``: ``seconds``, ``megabytes`` or ``accuracy``. ``gain``: over the unpruned network as printed.
    """

    pruner: str
    sparsity: float
    quantity: str
    value: float
    gain: float | None


@cache
def printed() -> tuple[PrintedNumber, ...]:
    """Every legible score of Tables 1 to 4, 6, 8 and 9, in their order; means over data sets are not among them.

    The quantity is ``score_mean`` for a data set's leading metric, else the metric.
    """
    return tuple(
        PrintedNumber(
            paper=PAPER,
            table=row["table"],
            dataset=row["dataset"],
            arch=row["arch"],
            pruner=row["pruner"],
            sparsity=float(row["sparsity"]),
            quantity="score_mean" if row["metric"] == LEADING[row["dataset"]] else row["metric"],
            value=float(row["value"]),
            metric=LEADING[row["dataset"]],
        )
        for row in read_rows("pins_scores.csv")
        if row["dataset"] != _MEAN_OF
    )


@cache
def means() -> dict[tuple[str, float], float]:
    """Table 1's means over the eight tasks of GLUE, by pruner and sparsity."""
    return {
        (row["pruner"], float(row["sparsity"])): float(row["value"])
        for row in read_rows("pins_scores.csv")
        if row["dataset"] == _MEAN_OF
    }


@cache
def efficiency() -> tuple[Efficiency, ...]:
    """Table 7."""
    return tuple(
        Efficiency(
            row["pruner"],
            float(row["sparsity"]),
            row["quantity"],
            float(row["value"]),
            float(row["gain"]) if row["gain"] else None,
        )
        for row in read_rows("pins_efficiency.csv")
    )


def dataset_name(dataset: str, source: str | None) -> str | None:
    """The paper's name of a study's data set: by its source, else by its own name."""
    if source is not None:
        return SOURCES.get(source)
    plain = "".join(filter(str.isalnum, dataset.casefold()))
    return next(
        (name for name in SOURCES.values() if "".join(filter(str.isalnum, name.casefold())) == plain), None
    )


def arch_name(arch: str) -> str | None:
    """The paper's name of a network that is called so."""
    return _SPELLINGS.get("".join(filter(str.isalnum, arch.casefold())))
