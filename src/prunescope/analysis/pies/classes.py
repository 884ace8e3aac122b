"""How PIEs and harm spread over the classes, beside how all examples do."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from prunescope.analysis.alpha.distortion import Distortion
from prunescope.analysis.audit_tables import ClassCount
from prunescope.analysis.csv_text import null
from prunescope.analysis.paired import difference_by_cluster, harm_tests
from prunescope.analysis.pies.votes import Pies
from prunescope.analysis.ttests import benjamini_hochberg, holm
from prunescope.predictions.sets import class_sizes
from prunescope.predictions.store import Predictions


def class_counts(side: Predictions, pies: Pies) -> list[ClassCount]:
    """By true label. An example with several labels counts once for each; of tokens, each token
    counts, and is a PIE where the votes on it differ. No rows for tasks without classes."""
    n_classes = len(side.classes)
    if side.task == "single-label":
        every = np.bincount(side.label, minlength=n_classes)
        some = np.bincount(side.label[pies.is_pie], minlength=n_classes)
    elif side.task == "multi-label":
        every, some = (class_sizes(label, n_classes) for label in (side.label, side.label[pies.is_pie]))
    elif side.task == "tokens":
        label, a, b = (np.concatenate(list(v)) for v in (side.label, pies.dense.vote, pies.pruned.vote))
        every = np.bincount(label, minlength=n_classes)
        some = np.bincount(label[a != b], minlength=n_classes)
    else:
        return []
    return [
        ClassCount(name, int(n), _share(n, every), int(k), _share(k, some))
        for name, n, k in zip(side.classes, every, some, strict=True)
    ]


def with_tests(
    rows: list[ClassCount],
    side: Predictions,
    pies: Pies,
    found: Distortion,
    clusters: np.ndarray | None = None,
) -> list[ClassCount]:
    """Rows of a single-label task with recalls, harm and tests; classes without examples have none.

    Args:
        rows: of ``class_counts``, in the order of the classes.
        clusters: (n,) what examples are drawn together, if any.
    """
    held = [c for c, row in enumerate(rows) if row.n_examples]
    n_classes = len(rows)
    right = [vote.vote == side.label for vote in (pies.dense, pies.pruned)]
    wrong, better, every = harm_tests(
        right[0] & ~right[1], ~right[0] & right[1], side.label, n_classes, clusters
    )
    p_values = [every[c] for c in held]
    total, pies_total = len(side.label), int(pies.is_pie.sum())
    of_pies = [
        fisher(rows[c].n_pies, rows[c].n_examples, pies_total, total)
        if clusters is None
        else share_test(pies.is_pie, side.label == c, clusters)
        for c in held
        if pies_total
    ]
    untested: list[float | None] = [None] * len(held)
    tested = zip(
        held,
        found.recall_dense.mean(axis=0)[held],
        found.recall_pruned.mean(axis=0)[held],
        wrong[held].tolist(),
        better[held].tolist(),
        p_values,
        holm(p_values),
        benjamini_hochberg(p_values),
        of_pies or untested,
        holm(of_pies) or untested,
        strict=True,
    )
    result = list(rows)
    for c, before, after, to_wrong, to_right, p, corrected, fdr, pies_p, pies_corrected in tested:
        result[c] = replace(
            rows[c],
            recall_dense=null(before),
            recall_pruned=null(after),
            to_wrong=to_wrong,
            to_right=to_right,
            p_value=p,
            p_corrected=corrected,
            p_fdr=fdr,
            pies_p_value=pies_p,
            pies_p_corrected=pies_corrected,
        )
    return result


def most_harmed(rows: list[ClassCount]) -> dict[str, object] | None:
    """The class whose answers become wrong most often, less those that become right, as a share of its examples."""
    known = [row for row in rows if row.to_wrong is not None and row.to_right is not None]
    if not known:
        return None

    def harm(row: ClassCount) -> float:
        return ((row.to_wrong or 0) - (row.to_right or 0)) / row.n_examples

    worst = max(known, key=harm)
    return {"class": worst.class_, "harm": harm(worst), "p_corrected": worst.p_corrected}


def fisher(both: int, first: int, second: int, of: int) -> float:
    """Two-sided p-value of Fisher's exact test: ``both`` of ``of`` things are in two groups of these sizes.

    The sum of the probabilities that are no greater than that of ``both``, as R and scipy have it.

    >>> round(fisher(3, 4, 4, 8), 4)  # the lady tasting tea
    0.4857
    """
    # Loading scipy.stats takes longer than all else that a small audit does.
    from scipy.special import gammaln

    if not (first and second and of - first and of - second):
        return 1.0
    shared = np.arange(max(0, first + second - of), min(first, second) + 1, dtype=np.float64)
    log = -(gammaln(shared + 1) + gammaln(first - shared + 1) + gammaln(second - shared + 1))
    log -= gammaln(of - first - second + shared + 1)
    weight = np.exp(log - log.max())
    limit = weight[both - int(shared[0])] * (1 + 1e-7)
    return min(1.0, float(weight[weight <= limit].sum() / weight.sum()))


def share_test(held: np.ndarray, inside: np.ndarray, clusters: np.ndarray) -> float:
    """Two-sided p-value that something is as frequent inside a group as outside, by Student's t over clusters."""
    if inside.all() or not inside.any():
        return 1.0
    return difference_by_cluster(held.astype(np.float64), inside, clusters).p_value


def _share(count: int, counts: np.ndarray) -> float | None:
    total = int(counts.sum())
    return int(count) / total if total else None
