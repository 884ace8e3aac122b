"""How hard the texts are to read for people: eight measures (PIE paper, section 4.4).

Seven are textstat's, at the pinned version (others count syllables differently and give other
scores). ``text_length`` counts tokens as Table 7 of that paper does (``predictions.texts.count_tokens``), or is
the table's own ``n_tokens`` column where it has one.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from prunescope.analysis.audit_tables import Readability
from prunescope.analysis.paired import Crossed, clusters_of, difference_by_cluster
from prunescope.analysis.spans import span_of
from prunescope.analysis.stats import Interval, change_span
from prunescope.analysis.ttests import holm
from prunescope.errors import BadFileError
from prunescope.files import atomic_path
from prunescope.predictions.arrow import Source, whole_numbers
from prunescope.predictions.texts import Texts, count_tokens, has_formulas, language_of, read_texts
from prunescope.seeds import stream

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

#: Random draws of a permutation test, and from how many texts of either group on it takes the normal limit instead.
_DRAWS, _LARGE = 4_999, 500


def score_texts(texts: Sequence[str], *, processes: int = 1, language: str | None = None) -> np.ndarray:
    """(n, 8) float64 in the order of ``MEASURES``; equal texts are scored once.

    Args:
        language: of the texts; None: it is found. The formulas are NaN where it is another than English.
        processes: how many to use where the texts are long enough to be worth it. Each starts
            afresh, so a script that asks for several needs the usual ``__main__`` guard.
    """
    if not has_formulas(language or language_of(texts)):
        return np.array([[*[np.nan] * len(FORMULAS), count_tokens(text)] for text in texts], dtype=np.float64)
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
    """The scores with the text length that the table itself has, or with the separators of texts that were joined."""
    scores = scores.copy()
    scores[:, -1] = scores[:, -1] + texts.columns - 1 if texts.n_tokens is None else texts.n_tokens
    return scores


def write_scores(texts: Path, out: Path, *, columns: Sequence[str] = (), processes: int = 1) -> None:
    """Score every text of a table once, so that audits of the split need not do it again.

    ``out``: Parquet with ``example`` and one column per measure.

    Raises:
        UserError: the table is missing, damaged or has no texts.
    """
    table = read_texts(texts, columns)
    order = np.argsort(table.examples)
    scored = score_texts(table.texts, processes=processes, language=table.language)
    scores = with_counts(scored, table)[order]
    arrays = {
        "example": pa.array(table.examples[order].astype(np.int64)),
        **{name: pa.array(scores[:, i], mask=np.isnan(scores[:, i])) for i, name in enumerate(MEASURES)},
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
        raise BadFileError(path, "readability scores of other examples")
    values = [table[name].to_numpy(zero_copy_only=False)[at] for name in MEASURES]
    return np.stack(values, axis=1).astype(np.float64)


def compare(
    scores: np.ndarray, is_pie: np.ndarray, confidence: float, clusters: np.ndarray | None = None
) -> list[Readability]:
    """Rows of readability.csv: the mean of each measure over all texts (PIEs included) and over PIEs, and whether PIEs
    differ from the other texts. Formulas that are NaN throughout, as of texts in other languages than English, have no
    row. Empty texts, which have no readability, are left out and counted.

    Args:
        confidence: of the intervals of the differences.
        clusters: (n,) what texts belong together, if any; then tests and intervals are by Student's t over them.
    """
    measures = [name for name, values in zip(MEASURES, scores.T, strict=True) if not np.isnan(values).all()]
    scores = scores[:, [MEASURES.index(name) for name in measures]]
    kept = scores[:, -1] > 0
    scores, is_pie = scores[kept], is_pie[kept]
    clusters = None if clusters is None else clusters_of(clusters[kept])
    n, k, n_empty = len(scores), int(is_pie.sum()), int(np.count_nonzero(~kept))
    grouped: list[Crossed] = []
    p_values = None
    if 0 < k < n and clusters is not None:
        grouped = [difference_by_cluster(values, is_pie, clusters) for values in scores.T]
        p_values = [one.p_value for one in grouped]
    elif 0 < k < n:
        p_values = _permutation_p_values(scores, is_pie)
    corrected = holm(p_values) if p_values else None
    rows = []
    for m, (name, values) in enumerate(zip(measures, scores.T, strict=True)):
        every = float(np.mean(values)) if n else None
        pies = float(np.mean(values[is_pie])) if k else None
        positive = every is not None and pies is not None and every > 0 and pies > 0
        difference = Interval(None, None, None)
        if grouped:
            difference = grouped[m].interval(confidence)
        elif p_values:
            difference = independent_difference(values[is_pie], values[~is_pie], confidence)
        if difference.low is not None:
            span = change_span(values[~is_pie], values[is_pie], span_of(name), confidence)
            difference = difference.within(span)
        rows.append(
            Readability(
                measure=name,
                all=every,
                pies=pies,
                ratio=pies / every if positive and pies is not None and every is not None else None,
                difference=difference.mean,
                ci_low=difference.low,
                ci_high=difference.high,
                p_value=p_values[m] if p_values else None,
                p_corrected=corrected[m] if corrected else None,
                n_texts=n,
                n_empty=n_empty,
            )
        )
    return rows


def independent_difference(first: np.ndarray, second: np.ndarray, confidence: float) -> Interval:
    """Mean of the first less mean of the second, with Welch's t interval; no ends where a side has a single value."""
    center = float(first.mean() - second.mean())
    if min(len(first), len(second)) < 2:
        return Interval(center, None, None)
    parts = [float(side.var(ddof=1)) / len(side) for side in (first, second)]
    if not sum(parts):
        return Interval(center, center, center)
    freedom = sum(parts) ** 2 / sum(
        part**2 / (len(side) - 1) for part, side in zip(parts, (first, second), strict=True)
    )
    return Crossed(center, sum(parts), freedom).interval(confidence)


def _permutation_p_values(scores: np.ndarray, is_pie: np.ndarray) -> list[float]:
    """Two-sided p-values by measure: how often as many texts, drawn at random, differ as much from the others.

    Of large groups by the normal limit of that distribution, with its exact variance.
    """
    n, k = len(scores), int(is_pie.sum())
    centred = scores - scores.mean(axis=0)
    observed = np.abs(centred[is_pie].sum(axis=0))
    small = min(k, n - k)
    if small >= _LARGE:
        from scipy.special import ndtr

        spread = np.sqrt(k * (1 - k / n) * centred.var(axis=0, ddof=1))
        ratio = np.divide(observed, spread, out=np.zeros_like(observed), where=spread > 0)
        return [float(p) for p in 2 * ndtr(-ratio)]
    rng = np.random.default_rng(stream(0, "resample", "texts", n, k))
    as_far = np.ones(len(observed))
    slack = 1e-9 * np.abs(centred).max(axis=0) * small
    for _ in range(_DRAWS):
        drawn = centred[rng.choice(n, small, replace=False, shuffle=False)].sum(axis=0)
        as_far += np.abs(drawn) >= observed - slack
    return [float(p) for p in as_far / (_DRAWS + 1)]
