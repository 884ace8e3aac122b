"""Names of the PINS paper ("Pruning Pre-trained Language Models with Principled Importance and Self-regularization").

Names are this project's where the paper's say something else: its IMP is gradual magnitude pruning (``GMP``), its
l0 regularization ``L0``; PINS without self-regularization, and with a dense teacher instead, are ``PINS-task`` and
``PINS-distilled``.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

from prunescope.analysis.tables.declared import Row
from prunescope.papers.printed import Names, numbers, read_as, read_yaml

PAPER = "PINS"

#: What is compared in Tables 1 to 4, 8 and 9, also as the authors' script does it; and what PINS is compared with.
PINS, AUTHORS = "PINS", "PINS-authors"
RIVALS = ("GMP", "L0", "SMvP", "PST", "PLATON")
PRUNERS = (*RIVALS, PINS)

#: Criteria that figures of the paper set side by side; the first two are its own, the second as printed in Eq. 11.
CRITERIA = (PINS, "PINS-plain", "GMP", "sensitivity")

#: PINS with the other two objectives of Table 6; and the rows of that table by the objective of a pruner.
PLAIN, DISTILLED = "PINS-task", "PINS-distilled"
BY_OBJECTIVE = {"task": PLAIN, "distilled": DISTILLED, "self-regularized": PINS}

#: The paper's names of data sets and models.
NAMES = read_yaml(PAPER, "names.yaml", Names)
dataset_name, arch_name = NAMES.dataset, NAMES.arch
GLUE = tuple(name for source, name in NAMES.datasets.items() if source.startswith("glue_"))
GENERATED = ("E2E", "DART", "WebNLG")

#: Table 1's means over the eight tasks of GLUE, by pruner and sparsity: of fine-tuning, and of two pruners at 90 %.
GLUE_MEANS = {("none", 0.0): 0.834, ("PLATON", 0.9): 0.796, (PINS, 0.9): 0.813}


@dataclass(frozen=True)
class Efficiency(Row):
    """One number of Table 7: RTE, BERT-base at 80 % against the dense model, on a CPU, one example at a time.

    ``quantity``: ``seconds``, ``megabytes`` or ``accuracy``. ``gain``: over the dense model as printed.
    """

    pruner: str
    sparsity: float
    quantity: str
    value: float
    gain: float | None


@cache
def efficiency() -> tuple[Efficiency, ...]:
    """Table 7."""
    return tuple(read_as(PAPER, "efficiency.csv", Efficiency))


def objective_score(
    dataset: str, source: str | None, arch: str, sparsity: float, objective: str, metric: str
) -> float | None:
    """The score of Table 6 that a cell pruned by the PINS criterion repeats; None where it repeats none."""
    place = dataset_name(dataset, source), arch_name(arch), BY_OBJECTIVE.get(objective), metric, "score_mean"
    for n in numbers(PAPER):
        if n.table == "6" and (n.dataset, n.arch, n.pruner, n.metric, n.quantity) == place:
            return n.value if abs((n.sparsity or 0.0) - sparsity) < 1e-6 else None
    return None
