"""How hard the texts are to read for people: eight measures (PIE paper, section 4.4).

Seven are textstat's, at the pinned version (others count syllables differently and give other
scores). ``text_length`` counts tokens: runs of word characters and single punctuation marks, or
the table's own ``n_tokens`` column where it has one.
"""

from __future__ import annotations

import os
import re
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from prunescope.analysis.audit_tables import Readability
from prunescope.errors import UserError
from prunescope.files import atomic_path
from prunescope.predictions.arrow import Source, whole_numbers
from prunescope.predictions.texts import Texts, read_texts

FORMULAS = (
    "automated_readability_index",
    "coleman_liau_index",
    "flesch_kincaid_grade",
    "linsear_write_formula",
    "gunning_fog",
    "dale_chall_readability_score",
    "difficult_words",
)
MEASURES = (*FORMULAS, "text_length")

#: Below this many characters, starting processes costs more than they save.
_WORTH_PROCESSES = 2_000_000

_TOKEN = re.compile(r"\w+|[^\w\s]")


def count_tokens(text: str) -> int:
    """Words and punctuation marks."""
    return sum(1 for _ in _TOKEN.finditer(text))


def score_texts(texts: Sequence[str], *, processes: int = 1) -> np.ndarray:
    """(n, 8) float64 in the order of ``MEASURES``; equal texts are scored once.

    Args:
        processes: how many to use where the texts are long enough to be worth it. Each starts
            afresh, so a script that asks for several needs the usual ``__main__`` guard.
    """
    number = {text: i for i, text in enumerate(dict.fromkeys(texts))}
    distinct = list(number)
    if processes > 1 and sum(map(len, distinct)) >= _WORTH_PROCESSES:
        from concurrent.futures import ProcessPoolExecutor
        from multiprocessing import get_context

        size = max(1, min(500, len(distinct) // (4 * processes)))
        parts = [distinct[i : i + size] for i in range(0, len(distinct), size)]
        with ProcessPoolExecutor(processes, mp_context=get_context("spawn")) as pool:
            scored = np.concatenate(list(pool.map(_score, parts)))
    else:
        scored = _score(distinct)
    return scored[[number[text] for text in texts]] if len(texts) else scored


def available_processes() -> int:
    """Processors this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _score(texts: Sequence[str]) -> np.ndarray:
    textstat = _textstat()
    formulas = [getattr(textstat, name) for name in FORMULAS]
    rows = [[*(formula(text) for formula in formulas), count_tokens(text)] for text in texts]
    return np.array(rows, dtype=np.float64).reshape(-1, len(MEASURES))


def _textstat() -> Any:
    with warnings.catch_warnings():
        # The pinned version imports pkg_resources, which says that it will go.
        warnings.simplefilter("ignore")
        import textstat
    return textstat.textstat


def with_counts(scores: np.ndarray, texts: Texts) -> np.ndarray:
    """The scores with the table's own token counts as text length, where it has them."""
    if texts.n_tokens is None:
        return scores
    scores = scores.copy()
    scores[:, -1] = texts.n_tokens
    return scores


def write_scores(texts: Path, out: Path, *, columns: Sequence[str] = (), processes: int = 1) -> None:
    """Score every text of a table once, so that audits of the split need not do it again.

    ``out``: Parquet with ``example`` and one column per measure.

    Raises:
        UserError: the table is missing, damaged or has no texts.
    """
    table = read_texts(texts, columns)
    order = np.argsort(table.examples)
    scores = with_counts(score_texts(table.texts, processes=processes), table)[order]
    arrays = {
        "example": pa.array(table.examples[order].astype(np.int64)),
        **{name: pa.array(np.ascontiguousarray(scores[:, i])) for i, name in enumerate(MEASURES)},
    }
    with atomic_path(out) as temporary:
        pq.write_table(pa.table(arrays), temporary, compression="zstd", write_page_checksum=True)


def read_scores(path: Path, examples: np.ndarray) -> np.ndarray:
    """Scores (n, 8) of these examples.

    Raises:
        UserError: the file is missing, damaged or of other examples.
    """
    source = Source(path)
    batches = list(source.batches(["example", *MEASURES]))
    table = pa.Table.from_batches(batches) if batches else None
    held = np.zeros(0, np.int64)
    if table is not None:
        held = whole_numbers(table["example"].combine_chunks(), path, "example")
    at = np.searchsorted(held, examples)
    if table is None or at.max(initial=-1) >= len(held) or not np.array_equal(held[at], examples):
        raise UserError(f"{path}: readability scores of other examples; delete it and run again")
    return np.stack([table[name].to_numpy()[at] for name in MEASURES], axis=1)


def compare(scores: np.ndarray, is_pie: np.ndarray) -> list[Readability]:
    """Rows of readability.csv: the mean of each measure over all (PIEs included) and over PIEs."""
    rows = []
    for name, values in zip(MEASURES, scores.T, strict=True):
        every = float(np.mean(values))
        pies = float(np.mean(values[is_pie])) if is_pie.any() else None
        rows.append(Readability(name, every, pies, pies / every if pies is not None and every != 0 else None))
    return rows
