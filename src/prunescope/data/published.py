"""How a built data set compares with the PIE paper's Table 7."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from prunescope.data.dataset import DataTable
from prunescope.data.settings import Published
from prunescope.data.splits import SPLITS
from prunescope.predictions.texts import count_tokens

#: Share of the texts that the length rule covers (PIE paper, section 4.1 and appendix A.2).
COVERED = 0.85


def comparison(paper: Published, tables: Mapping[str, DataTable], reasons: Sequence[str]) -> str:
    """One paragraph for the data card: the printed counts, whether ours agree, and why where they do not."""
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


def token_counts(table: DataTable) -> np.ndarray:
    """(n,) int64 tokens of each text as a BiLSTM reads it: lower-cased words, a separator between two texts.

    SNLI's printed least number of tokens, 5, is that with the separator.
    """
    assert table.texts is not None
    texts = zip(*table.texts.values(), strict=True)
    return np.array([count_tokens(*parts) for parts in texts], dtype=np.int64)


def summary(tokens: np.ndarray) -> dict[str, float | None]:
    """``mean``, ``median``, ``min``, ``max``, ``std`` (ddof = 1) and ``p85`` of the tokens of at least one text."""
    return {
        "mean": float(tokens.mean()),
        "median": float(np.median(tokens)),
        "min": int(tokens.min()),
        "max": int(tokens.max()),
        "std": float(tokens.std(ddof=1)) if len(tokens) > 1 else None,
        "p85": int(np.quantile(tokens, COVERED, method="inverted_cdf")),
    }


def covering_power_of_two(lengths: Sequence[int] | np.ndarray, share: float = COVERED) -> int:
    """The first power of two that is at least as long as ``share`` of the texts (PIE paper, appendix A.2).

    >>> covering_power_of_two([430]), covering_power_of_two([256])
    (512, 256)
    """
    covered = int(np.quantile(np.asarray(lengths), share, method="inverted_cdf"))
    return 1 << max(covered - 1, 0).bit_length()


def beside_table_7(
    paper: Published, counts: Mapping[str, int], classes: int, tokens: np.ndarray
) -> list[dict[str, Any]]:
    """One row per number of Table 7: ``quantity``, ``published``, ``ours``, ``difference``, ``why``.

    ``tokens``: of the texts of all splits. ``why`` is empty where ours,
    rounded as the paper rounds, is the printed number; ``difference`` is ours - published.
    """
    printed = dict(zip(SPLITS, paper.counts, strict=True))
    same_texts = printed == dict(counts) and paper.classes == classes
    rows = [
        _row(
            f"{split} examples",
            printed[split],
            counts[split],
            "other files or settings than the paper's, which the notes name",
        )
        for split in SPLITS
    ]
    rows.append(
        _row("classes", paper.classes, classes, "other documents, so other frequent topics: see the notes")
    )
    why = (
        "the same number of texts, so another count of the tokens in single ones; the cause is not known"
        if same_texts
        else "other texts than the paper's: see the counts"
    )
    rows += [
        _row(f"tokens: {name}", getattr(paper.lengths, name), value or 0.0, why)
        for name, value in summary(tokens).items()
    ]
    rule = covering_power_of_two(tokens)
    rows.append(_row("max tokens by the rule", paper.max_tokens, rule, paper.exception or why))
    return rows


def _row(quantity: str, published: int, ours: float, why: str) -> dict[str, Any]:
    # Printed numbers are whole; half a token rounds up, as on paper.
    agrees = int(np.floor(ours + 0.5)) == published
    return {
        "quantity": quantity,
        "published": published,
        "ours": ours,
        "difference": ours - published,
        "why": "" if agrees else why,
    }


def _text(counts: Sequence[int], classes: int) -> str:
    parts = ", ".join(f"{count:,} {split}" for count, split in zip(counts, SPLITS, strict=True))
    return f"{parts}, {classes} classes"
