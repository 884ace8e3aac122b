"""What the PIE paper says of its data sets (Table 7), and how a built one compares."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from prunescope.data.splits import SPLITS
from prunescope.data.tables import DataTable
from prunescope.published import pie


@dataclass(frozen=True)
class Published:
    """``counts``: examples of training, validation and test."""

    title: str
    counts: tuple[int, int, int]
    classes: int


#: By source. Table 7 of the PIE paper, after preprocessing.
PIE_PAPER = {
    facts.dataset.casefold(): Published(
        facts.dataset, (facts.n_train, facts.n_validation, facts.n_test), facts.n_classes
    )
    for facts in pie.datasets().values()
}


def comparison(source: str, tables: Mapping[str, DataTable], reasons: Sequence[str]) -> str:
    """One paragraph for the data card: the printed counts, whether ours agree, and why where they do not."""
    paper = PIE_PAPER[source]
    ours = tuple(len(tables[split]) for split in SPLITS)
    classes = len(tables["train"].info.classes)
    if ours == paper.counts and classes == paper.classes:
        return (
            f"The counts agree with the PIE paper's Table 7 for {paper.title}: {_text(ours, classes)}."
            + "".join(f" {reason}" for reason in reasons)
        )
    why = reasons or ("The files read hold another number of examples than the published data set.",)
    return (
        f"The PIE paper's Table 7 has for {paper.title}: {_text(paper.counts, paper.classes)}; "
        f"here there are {_text(ours, classes)}. {' '.join(why)}"
    )


def _text(counts: Sequence[int], classes: int) -> str:
    parts = ", ".join(f"{count:,} {split}" for count, split in zip(counts, SPLITS, strict=True))
    return f"{parts}, {classes} classes"
