"""Who pays by group: score, its change and harm of every group of examples, and of every pair of groups.

Intervals are simultaneous: with the stated confidence, all of them hold at once. Their width comes from the largest
standardized deviation over all groups in a Gaussian multiplier bootstrap over examples (Chernozhukov, Chetverikov and
Kato, Annals of Statistics 41, 2013), which keeps the dependence between groups that share examples.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import combinations
from typing import Any

import numpy as np

from prunescope.analysis.audit_tables import GroupRow
from prunescope.analysis.paired import FEWEST, cluster_test, mcnemar
from prunescope.analysis.pies.votes import Pies, voted_right
from prunescope.analysis.spans import SHARE
from prunescope.analysis.stats import change_span
from prunescope.analysis.ttests import holm
from prunescope.errors import UserError
from prunescope.predictions.scores import correct
from prunescope.predictions.store import Predictions
from prunescope.seeds import stream

#: Draws of the bootstrap.
DRAWS = 1000

#: Changed examples at most that the bootstrap draws for: they settle how groups go together.
_MOST_DRAWN = 10_000

#: What an example without a value belongs to.
MISSING = "(missing)"

#: Columns of numbers with more values than this are cut into quarters.
_MOST_VALUES = 20

#: More groups than this in one column are no groups.
_MOST_GROUPS = 200

#: Between the columns of a pair, and between their values.
_BY, _AND = " × ", " & "


def group_rows(
    dense: Predictions,
    pruned: Predictions,
    columns: Mapping[str, np.ndarray],
    confidence: float,
    *,
    clusters: np.ndarray | None = None,
    draws: int = DRAWS,
    pies: Pies | None = None,
    tolerance: float = 0.0,
) -> list[GroupRow]:
    """A row for each value of each column, and for each pair of values of two columns that has enough examples.

    Args:
        dense, pruned: paired sides, with labels.
        columns: by name, (n,) values as text, or None.
        confidence: of the intervals together.
        clusters: (n,) what examples are drawn together, if any.
        pies: what ``find_pies`` found, where that is known already.
        tolerance: regression: how far from the label an answer is right.

    Raises:
        UserError: there are no labels, or a column has as many values as no groups have.
    """
    source = dense.sources[0] if dense.sources else "the predictions"
    if not dense.labelled:
        raise UserError(f"--groups: {source} has no labels, so there are no scores; drop --groups")
    right = correct(dense, tolerance), correct(pruned, tolerance)
    members = [_coded(name, values, source) for name, values in columns.items()]
    names, groups, codes = _all_groups(members)
    votes = voted_right(dense, pruned, pies, tolerance)
    return _rows(names, groups, codes, right, votes, confidence, draws, clusters)


def are_groups(values: np.ndarray) -> bool:
    """Whether a column, (n,) texts or None, has few enough values, or numbers."""
    distinct = set(values.tolist()) - {None, ""}
    return len(distinct) <= _MOST_GROUPS or all(_number(str(text)) is not None for text in distinct)


def _coded(name: str, values: np.ndarray, source: str) -> tuple[str, np.ndarray, list[str]]:
    """(n,) group numbers of a column, and the groups' names in order."""
    texts = np.array(
        [MISSING if value is None or value == "" else str(value) for value in values], dtype=object
    )
    distinct = sorted(set(texts.tolist()))
    numbers = {text: _number(text) for text in distinct if text != MISSING}
    if len(distinct) > _MOST_VALUES and None not in numbers.values():
        return (name, *_quarters(texts, numbers))
    if len(distinct) > _MOST_GROUPS:
        raise UserError(
            f"--groups: column {name!r} of {source} has {len(distinct)} values for {len(texts)} examples; name a "
            f"column of at most {_MOST_GROUPS} groups"
        )
    number = {text: i for i, text in enumerate(distinct)}
    return name, np.array([number[text] for text in texts.tolist()], dtype=np.int64), distinct


def _number(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if np.isfinite(value) else None


def _quarters(texts: np.ndarray, numbers: Mapping[str, float | None]) -> tuple[np.ndarray, list[str]]:
    """Numbers in four parts of as equal size as ties allow."""
    values = np.array([numbers.get(text, np.nan) for text in texts.tolist()], dtype=np.float64)
    known = np.isfinite(values)
    edges = np.unique(np.quantile(values[known], [0.25, 0.5, 0.75], method="lower"))
    codes = np.searchsorted(edges, values, side="left")
    names = []
    for c in range(len(edges) + 1):
        inside = values[known & (codes == c)]
        names.append(f"{inside.min():g} to {inside.max():g}" if len(inside) else "")
    if not known.all():
        codes[~known] = len(names)
        names.append(MISSING)
    kept = [c for c, name in enumerate(names) if name]
    number = np.full(len(names), -1)
    number[kept] = range(len(kept))
    return number[codes], [names[c] for c in kept]


def _all_groups(
    members: Sequence[tuple[str, np.ndarray, list[str]]],
) -> tuple[list[str], list[str], list[tuple[np.ndarray, np.ndarray]]]:
    """Columns and groups of all rows; for each column or pair of columns (n,) group numbers, and its groups' rows.

    Pairs of groups with fewer than ``FEWEST`` examples are left out: their row is -1.
    """
    names: list[str] = []
    groups: list[str] = []
    codes: list[tuple[np.ndarray, np.ndarray]] = []
    for name, one, held in members:
        codes.append((one, np.arange(len(names), len(names) + len(held))))
        names += [name] * len(held)
        groups += held
    for (a, one, held_a), (b, two, held_b) in combinations(members, 2):
        both = one * len(held_b) + two
        sizes = np.bincount(both, minlength=len(held_a) * len(held_b))
        rows = np.full(len(sizes), -1)
        for cell in np.flatnonzero(sizes >= FEWEST).tolist():
            rows[cell] = len(names)
            names.append(f"{a}{_BY}{b}")
            groups.append(f"{held_a[cell // len(held_b)]}{_AND}{held_b[cell % len(held_b)]}")
        codes.append((both, rows))
    return names, groups, codes


def _rows(
    names: Sequence[str],
    groups: Sequence[str],
    codes: Iterable[tuple[np.ndarray, np.ndarray]],
    right: tuple[np.ndarray, np.ndarray],
    votes: tuple[np.ndarray, np.ndarray],
    confidence: float,
    draws: int,
    clusters: np.ndarray | None,
) -> list[GroupRow]:
    from scipy import sparse

    seeds, n = right[0].shape
    total = len(names)
    rows_of, examples = [], []
    for column, rows in codes:
        at = rows[column]
        held = np.flatnonzero(at >= 0)
        rows_of.append(at[held])
        examples.append(held)
    every, where = np.concatenate(rows_of), np.concatenate(examples)
    inside = sparse.csr_matrix((np.ones(len(every), dtype=np.float32), (every, where)), shape=(total, n))
    sizes = np.bincount(every, minlength=total).astype(np.float64)
    before, after = (side.mean(axis=0) for side in right)
    dense, pruned = (inside @ values / sizes for values in (before, after))
    difference = after - before
    change = pruned - dense
    wrong = np.rint(inside @ (votes[0] & ~votes[1]).astype(np.float64)).astype(np.int64)
    better = np.rint(inside @ (~votes[0] & votes[1]).astype(np.float64)).astype(np.int64)
    p_values = mcnemar(wrong, better).tolist()
    joined = None
    if clusters is not None:
        joined = sparse.csr_matrix((np.ones(n), (np.arange(n), clusters)))
        balance = sparse.diags((votes[0] & ~votes[1]) * 1.0 - (~votes[0] & votes[1]))
        p_values = [
            cluster_test(np.rint(row.data).astype(np.int64)) for row in (inside @ balance @ joined).tocsr()
        ]
    # One example that becomes right and one that becomes wrong are added, so that no interval is empty.
    squares = inside @ difference**2 + 2
    variance = (squares / (sizes + 2) - (change * sizes / (sizes + 2)) ** 2) / (sizes + 2)
    if joined is not None:
        sums = (inside @ sparse.diags(difference) - sparse.diags(change) @ inside) @ joined
        count = np.maximum(2, np.diff((inside @ joined).tocsr().indptr))
        spread = np.asarray(sums.multiply(sums).sum(axis=1)).ravel()
        variance = (spread * count / (count - 1) + 2) / (sizes + 2) ** 2
    by_seed = [np.stack([inside @ (one * 1.0) / sizes for one in side]) for side in right]
    if seeds > 1:
        variance += (by_seed[1] - by_seed[0]).var(axis=0, ddof=1) / seeds
    reach = _critical(inside, sizes, difference, confidence, draws, joined)
    half = reach * np.sqrt(variance)
    span = change_span(by_seed[0], by_seed[1], SHARE, confidence, sizes)
    low, high = np.maximum(change - half, span.low), np.minimum(change + half, span.high)
    enough = sizes >= FEWEST
    return [
        GroupRow(
            column=names[g],
            group=groups[g],
            n_examples=int(sizes[g]),
            score_dense=float(dense[g]),
            score_pruned=float(pruned[g]),
            change=float(change[g]),
            ci_low=float(low[g]) if enough[g] else None,
            ci_high=float(high[g]) if enough[g] else None,
            to_wrong=int(wrong[g]),
            to_right=int(better[g]),
            p_value=p_values[g],
            p_corrected=p,
        )
        for g, p in enumerate(holm(p_values))
    ]


def _critical(
    inside: Any, sizes: np.ndarray, difference: np.ndarray, confidence: float, draws: int, joined: Any = None
) -> float:
    """How many standard errors all intervals reach together, at least those of one interval alone."""
    from scipy.special import ndtri

    alone = float(ndtri((1 + confidence) / 2))
    # Of an unchanged example nothing but the group's mean would be drawn, which is small beside the changes themselves.
    changed = np.flatnonzero(difference)
    rng = np.random.default_rng(stream(0, "resample", "groups", len(difference)))
    if len(changed) > _MOST_DRAWN:
        changed = np.sort(rng.choice(changed, _MOST_DRAWN, replace=False))
    weighted = inside[:, changed].multiply(difference[changed].astype(np.float32)).tocsr()
    if joined is not None:
        weighted = (weighted @ joined[changed]).tocsr().astype(np.float32)
    spread = np.sqrt(np.asarray(weighted.multiply(weighted).sum(axis=1)).ravel())
    used = np.flatnonzero((spread > 0) & (sizes >= FEWEST))
    if not len(used):
        return alone
    weighted = weighted[used]
    largest = np.empty(draws, dtype=np.float32)
    drawn = weighted.shape[1]
    step = max(1, min(draws, (1 << 24) // drawn))
    for start in range(0, draws, step):
        count = min(step, draws - start)
        sums = weighted @ rng.standard_normal((drawn, count), dtype=np.float32)
        largest[start : start + count] = np.abs(sums / spread[used, None].astype(np.float32)).max(axis=0)
    return max(alone, float(np.quantile(largest, confidence)))


def group_summary(rows: Sequence[GroupRow]) -> dict[str, Any]:
    """By column: the group that loses most, the gap between best and worst before and after, the
    largest harm, and how many are small.

    Groups of fewer than ``FEWEST`` examples count as small, and for neither.
    """
    found: dict[str, Any] = {}
    for name in dict.fromkeys(row.column for row in rows):
        own = [row for row in rows if row.column == name]
        known = [row for row in own if row.n_examples >= FEWEST]
        entry: dict[str, Any] = {"n_groups": len(own), "n_small": len(own) - len(known)}
        if known:
            worst = min(known, key=lambda row: row.change or 0.0)
            gaps = [
                max(values) - min(values)
                for values in (
                    [row.score_dense or 0.0 for row in known],
                    [row.score_pruned or 0.0 for row in known],
                )
            ]
            entry |= {
                "worst": worst.group,
                "worst_change": worst.change,
                "worst_p_corrected": worst.p_corrected,
                "gap_dense": gaps[0],
                "gap_pruned": gaps[1],
                "most_harm": max((row.to_wrong - row.to_right) / row.n_examples for row in known),
            }
        found[name] = entry
    return found
