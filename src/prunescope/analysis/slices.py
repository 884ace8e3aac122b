"""Slices that pay: combinations of what is known of the examples whose members are harmed more than the rest.

Harm: the share of examples that become wrong less the share that become right. Slices are searched on one half of the
examples (after Sagadeeva and Boehm, SliceLine, SIGMOD 2021: all single conditions and pairs, then triples of the best
pairs) and tested on the other half, which had no part in choosing them. So the tests need correction for those that
are tested alone, not for all that were searched. Where examples are drawn in clusters, a cluster lies in one half as a
whole, and the tests count clusters.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import combinations, pairwise
from typing import Any

import numpy as np

from prunescope.analysis.audit_tables import SliceRow
from prunescope.analysis.conditions import LEVEL
from prunescope.analysis.paired import clusters_of, difference_by_cluster
from prunescope.analysis.ttests import holm
from prunescope.predictions.arrays import Predictions
from prunescope.predictions.logs.evaluation import without_choices
from prunescope.predictions.sets import flat
from prunescope.seeds import stream

#: Slices that are tested at most: as many as a page holds.
_MOST_TESTED = 20

#: Examples of a slice in either half: at least so many, and this share of the half; and at most that share.
_FEWEST, _SMALLEST, _LARGEST = 20, 0.005, 0.8

#: Clusters at least, also as many as unequal ones are worth.
_FEWEST_CLUSTERS = 10

#: Examples that are searched at most; more find the same slices.
_MOST_SEARCHED = 100_000

#: Harm beyond the rest that a slice shows in the half that is searched, and each of its conditions adds, there and in
#: the half that confirms, in standard errors.
_LEAST, _ADDS, _STAYS = 2.5, 2.5, 1.0

#: Values of a column at most; columns of numbers with more are cut at these quantiles.
_MOST_VALUES, _CUTS = 50, (0.05, 0.1, 0.2, 0.25, 0.3, 0.4, 0.5, 0.6, 0.7, 0.75, 0.8, 0.9, 0.95)

#: Where slices that are chosen may be cut.
_FINE = np.linspace(0.01, 0.99, 99)

#: Conditions at most, words among them at most, and how many pairs and triples go on.
_MOST_CONDITIONS, _MOST_WORDS, _BEAM = 400, 40, 300

#: Labels looked at where there are very many.
_MOST_LABELS = 100

#: Words looked at of each text: these many at its start, and at its end, where a prompt has its question.
_WORDS = 200

_WORD = re.compile(r"[^\W_]+(?:['’][^\W_]+)*")

_NEGATION = re.compile(
    r"\b(?:not|no|never|none|nor|neither|nobody|nothing|without|cannot|\w+n['’]t|except)\b", re.I
)

#: Properties of texts, each with how a slice is described.
_PROPERTIES: Mapping[str, Callable[[str], bool]] = {
    "negation": lambda text: _NEGATION.search(text) is not None,
    "a number": lambda text: any(mark.isdigit() for mark in text),
    "letters beyond ASCII": lambda text: not text.isascii(),
}

#: The texts of the examples in these rows.
TextsOf = Callable[[Sequence[int]], Sequence[str]]


@dataclass(frozen=True)
class Found:
    """Slices: ``rows`` those that are confirmed, worst first; ``n_tested`` of them, on ``n_confirming`` examples."""

    rows: list[SliceRow] = field(default_factory=list)
    n_conditions: int = 0
    n_tested: int = 0
    n_confirming: int = 0

    @property
    def summary(self) -> dict[str, Any]:
        """For ``summary.json``."""
        return {
            "n_conditions": self.n_conditions,
            "n_tested": self.n_tested,
            "n_confirming": self.n_confirming,
            "confirmed": [vars(row) for row in self.rows],
        }


def of_labels(side: Predictions) -> dict[str, np.ndarray]:
    """Columns for ``find`` from what is true: the class, or of several labels whether an example has each."""
    if side.task == "single-label":
        names = np.array(side.classes, dtype=object)
        return {"class": names[side.label]} if len(set(side.label.tolist())) > 1 else {}
    if side.task == "multi-label":
        said = np.array([None, "yes"], dtype=object)
        if side.label.dtype != object:
            return {
                f"label {name}": said[side.label[:, c].astype(int)] for c, name in enumerate(side.classes)
            }
        sizes, classes = flat(side.label)
        counts = np.bincount(classes, minlength=len(side.classes))
        often = np.sort(np.argsort(-counts, kind="stable")[:_MOST_LABELS])
        rows, found = np.repeat(np.arange(len(sizes)), sizes), {}
        for c in often[counts[often] >= _FEWEST].tolist():
            member = np.zeros(len(sizes), dtype=int)
            member[rows[classes == c]] = 1
            found[f"label {side.classes[c]}"] = said[member]
        return found
    return {}


def questions_of(texts: Sequence[str]) -> list[str]:
    """Questions without choices and the words that all begin with, such as an instruction or examples in a prompt."""
    texts = [without_choices(text) for text in texts]
    low, high = min(texts, default=""), max(texts, default="")
    same = next(
        (i for i, (a, b) in enumerate(zip(low, high, strict=False)) if a != b), min(len(low), len(high))
    )
    start = 1 + max(low.rfind(blank, 0, same) for blank in " \n") if len(texts) > 1 else 0
    return [text[start:] for text in texts]


@dataclass(frozen=True)
class _Condition:
    """One condition on the examples; ``of``: (k,) bool, which of these rows meet it.

    finer: the same with other cuts between numbers.
    """

    column: str
    words: str
    of: Callable[[np.ndarray], np.ndarray]
    finer: Callable[[], Sequence[_Condition]] = tuple


def find(
    before: np.ndarray,
    after: np.ndarray,
    columns: Mapping[str, np.ndarray],
    texts: TextsOf | None = None,
    clusters: np.ndarray | None = None,
) -> Found:
    """The slices whose examples pay.

    Args:
        before, after: (n,) bool, whether the dense and the pruned models are right.
        columns: by name as it reads in ``name “value”`` and ``name of 3 or more``: (n,) numbers, or texts and None.
        texts: gives the examples' texts, for words and phrases.
        clusters: (n,) numbers from 0 of what examples are drawn together, if any.
    """
    n = len(before)
    change = before.astype(np.int8) - after.astype(np.int8)
    searched, confirming = _halves(n, clusters)
    if len(searched) < 2 * _FEWEST or not (change[searched] > 0).any():
        return Found(n_confirming=len(confirming))
    conditions = [
        condition for name, values in columns.items() for condition in _of_column(name, values, searched)
    ]
    conditions = conditions[:_MOST_CONDITIONS]
    if texts is not None:
        conditions += _of_texts(texts, searched, change[searched])
    if not conditions:
        return Found(n_confirming=len(confirming))
    # Of conditions that hold the same examples the first is printed: a word tells more than a length.
    conditions.sort(key=lambda condition: isinstance(condition.finer, partial))
    chosen = [
        _refined([conditions[part] for part in parts], searched, change[searched])
        for parts in _searched(conditions, searched, change[searched])
    ]
    if clusters is not None:
        # As many as look telling among so many examples need not be so among their clusters.
        chosen = [
            parts
            for parts in chosen
            if _by_cluster(_all_of(parts, searched), change[searched], clusters[searched])[0] >= _LEAST
        ]
    own = change[confirming]
    drawn = None if clusters is None else clusters[confirming]
    every = _counts(np.ones(len(own), dtype=bool), own)
    known: dict[str, np.ndarray] = {}
    tested: list[tuple[Sequence[_Condition], np.ndarray]] = []
    p_values: list[float] = []
    free = np.ones(len(own), dtype=bool)
    for found in chosen:
        for part in found:
            if part.words not in known:
                known[part.words] = part.of(confirming)
        parts = _needed(found, known, own)
        inside = np.logical_and.reduce([known[part.words] for part in parts])
        # A slice pays beyond the rest, and also without what it shares with those before it. Where conditions were
        # left out here, so does the slice as it was found, which this half had no part in.
        masks = [
            inside,
            *([np.logical_and.reduce([known[p.words] for p in found])] if parts != found else []),
        ]
        if min(_counts(mask & free, own)[0] for mask in masks) >= _FEWEST:
            tested.append((parts, _counts(inside, own)))
            p_values.append(max(_p_of(mask, own, drawn, among) for mask in masks for among in (None, free)))
            free &= ~inside
    rows = []
    for (slice_, counts), p, corrected in zip(tested, p_values, holm(p_values), strict=True):
        if corrected is None or corrected >= LEVEL or counts[1] <= counts[2]:
            continue
        members = _all_of(slice_, np.arange(n))
        size, wrong, right = counts.tolist()
        rows.append(
            SliceRow(
                slice=" and ".join(part.words for part in slice_),
                n_examples=int(members.sum()),
                harm=(wrong - right) / size,
                harm_elsewhere=float((every[1] - wrong - every[2] + right) / (every[0] - size)),
                p_value=p,
                p_corrected=corrected,
                n_confirming=int(size),
                to_wrong=int(wrong),
                to_right=int(right),
            )
        )
    rows.sort(key=lambda row: (row.p_value, row.slice))
    return Found(rows, len(conditions), len(tested), len(confirming))


def _needed(
    parts: Sequence[_Condition], known: Mapping[str, np.ndarray], change: np.ndarray
) -> Sequence[_Condition]:
    """The slice without conditions that add nothing among these examples, least telling ones first."""
    while len(parts) > 1:
        inside = _counts(np.logical_and.reduce([known[part.words] for part in parts]), change)
        adds = []
        for part in parts:
            others = [known[one.words] for one in parts if one is not part]
            wider = _counts(np.logical_and.reduce(others), change)
            adds.append(float(_statistic(inside, wider)[0]) if wider[0] > inside[0] else 0.0)
        if min(adds) >= _STAYS:
            break
        parts = [part for i, part in enumerate(parts) if i != int(np.argmin(adds))]
    return parts


def _halves(n: int, clusters: np.ndarray | None) -> tuple[np.ndarray, np.ndarray]:
    """Rows that are searched, and those that confirm; of clusters, whole ones."""
    rng = np.random.default_rng(stream(0, "resample", "slices", n))
    if clusters is None:
        order, half = rng.permutation(n), n // 2
    else:
        turn = rng.permutation(int(clusters.max()) + 1)[clusters]
        order = np.argsort(turn, kind="stable")
        half = int(np.searchsorted(turn[order], turn[order[n // 2]]))
    return np.sort(order[: min(half, _MOST_SEARCHED)]), np.sort(order[half:])


def _all_of(parts: Sequence[_Condition], rows: np.ndarray) -> np.ndarray:
    """Which of these rows meet all conditions."""
    return np.asarray(np.logical_and.reduce([part.of(rows) for part in parts]))


def _p_of(
    inside: np.ndarray, change: np.ndarray, clusters: np.ndarray | None, among: np.ndarray | None = None
) -> float:
    """One-sided p-value that the examples inside are harmed no more than the others, of those ``among`` holds."""
    from scipy.special import stdtr

    if among is not None:
        inside, change = inside[among], change[among]
        clusters = None if clusters is None else clusters[among]
    if clusters is None:
        return float(p_value(_counts(inside, change), _counts(np.ones(len(change), dtype=bool), change)))
    statistic, freedom = _by_cluster(inside, change, clusters)
    return float(stdtr(freedom, -statistic)) if freedom > 0 else 1.0


def _by_cluster(inside: np.ndarray, change: np.ndarray, clusters: np.ndarray) -> tuple[float, float]:
    """As ``_statistic``, where clusters are drawn; (0, 0) where the slice or the rest is of few of them.

    The variance is that between clusters; degrees of freedom are one less than the effective number of clusters
    (Kish) of the side that has fewer, so that few or unequal clusters keep the level.
    """
    effective, added = [], 0.0
    for side in (inside, ~inside):
        sizes = np.unique(clusters[side], return_counts=True)[1].astype(np.float64)
        effective.append(sizes.sum() ** 2 / (sizes**2).sum() if len(sizes) else 0.0)
        added += 2 / (sizes.sum() + 2) ** 2
    if min(effective) < _FEWEST_CLUSTERS:
        return 0.0, 0.0
    found = difference_by_cluster(change.astype(np.float64), inside, clusters_of(clusters))
    mean = found.mean - 0.5 / np.count_nonzero(inside)
    return float(mean / np.sqrt(found.variance + added)), min(effective) - 1


def _counts(inside: np.ndarray, change: np.ndarray) -> np.ndarray:
    """Examples, those that become wrong, and those that become right."""
    held = change[inside]
    return np.array([len(held), np.count_nonzero(held > 0), np.count_nonzero(held < 0)], dtype=np.float64)


def _statistic(inside: Any, every: Any) -> tuple[np.ndarray, np.ndarray]:
    """Harm inside less harm outside over its standard error, and the degrees of freedom after Welch.

    Of counts as ``_counts`` has them, (3, ...). To either side an example is added that becomes wrong and one that
    becomes right (Bonett and Price 2012), and half a step is taken off the difference: so small counts keep the level.
    """
    size, wrong, right = np.asarray(inside, dtype=np.float64)
    n, w, r = np.asarray(every, dtype=np.float64) - (size, wrong, right)
    with np.errstate(divide="ignore", invalid="ignore"):
        parts = []
        for count, worse, better in ((size, wrong, right), (n, w, r)):
            mean = (worse - better) / (count + 2)
            parts.append(((worse + better + 2) / (count + 2) - mean**2) / (count + 2))
        difference = (wrong - right) / size - (w - r) / n - 0.5 / size
        freedom = (parts[0] + parts[1]) ** 2 / (parts[0] ** 2 / (size + 1) + parts[1] ** 2 / (n + 1))
        return np.nan_to_num(
            difference / np.sqrt(parts[0] + parts[1]), nan=0.0, posinf=0.0, neginf=0.0
        ), freedom


def p_value(inside: Any, every: Any) -> np.ndarray:
    """One-sided p-value that the examples inside are harmed no more than the others (counts as ``_counts``)."""
    from scipy.special import stdtr

    statistic, freedom = _statistic(inside, every)
    return np.asarray(stdtr(freedom, -statistic))


def _searched(
    conditions: Sequence[_Condition], searched: np.ndarray, change: np.ndarray
) -> list[tuple[int, ...]]:
    """The slices that are worth a test, each as the numbers of its conditions, most telling first."""
    n = len(change)
    members = np.stack([condition.of(searched) for condition in conditions])
    low, high = max(_FEWEST, int(np.ceil(_SMALLEST * n))), _LARGEST * n
    sizes = members.sum(axis=1)
    kept = np.flatnonzero((sizes >= low) & (sizes <= high))
    members = members[kept]
    if not len(members):
        return []
    column = np.array(_numbered([conditions[k].column for k in kept.tolist()]))
    every = _counts(np.ones(n, dtype=bool), change)
    dense = members.astype(np.float32)
    worse, better = np.flatnonzero(change > 0), np.flatnonzero(change < 0)

    def together(rows: np.ndarray) -> np.ndarray:
        """(3, k, L) counts of each of (k, n) sets with each single condition."""
        return np.stack(
            [rows @ dense.T, rows[:, worse] @ dense[:, worse].T, rows[:, better] @ dense[:, better].T]
        ).astype(np.float64)

    pairs = together(dense)
    single = np.diagonal(pairs, axis1=1, axis2=2)
    candidates: dict[tuple[int, ...], float] = {}

    def keep(
        found: np.ndarray, of: Callable[[int, int], tuple[int, ...] | None], most: int
    ) -> list[tuple[int, ...]]:
        statistic = np.where(
            (found[0] >= low) & (found[0] <= high), _statistic(found, every[:, None, None])[0], 0.0
        )
        new: list[tuple[int, ...]] = []
        flat = np.argsort(-statistic, axis=None, kind="stable")
        for place in flat[: 4 * most].tolist():
            i, j = divmod(place, statistic.shape[1])
            if statistic[i, j] < _LEAST or len(new) == most:
                break
            parts = of(i, j)
            if parts is not None and parts not in candidates:
                candidates[parts] = float(statistic[i, j])
                new.append(parts)
        return new

    keep(single[:, :, None].transpose(0, 2, 1), lambda _, j: (j,), len(members))
    other = column[:, None] != column[None, :]
    two = keep(np.where(np.triu(other), pairs, 0.0), lambda i, j: (i, j), _BEAM)
    if two:
        beam = two[: _BEAM // 3]
        masks = np.stack([dense[i] * dense[j] for i, j in beam])
        three = together(masks)
        allowed = np.stack([other[i] & other[j] for i, j in beam])
        keep(np.where(allowed, three, 0.0), lambda b, k: tuple(sorted((*beam[b], k))), _BEAM)
    picked = [parts for parts in candidates if len(parts) == 1 or _every_part_adds(members, change, parts)]
    return [tuple(int(kept[part]) for part in parts) for parts in _apart(members, change, picked, low)]


def _refined(parts: list[_Condition], searched: np.ndarray, change: np.ndarray) -> list[_Condition]:
    """The slice with the cuts between numbers at which it tells most."""
    every = _counts(np.ones(len(change), dtype=bool), change)
    members = [part.of(searched) for part in parts]
    for place, part in enumerate(parts):
        others = [held for i, held in enumerate(members) if i != place]
        finer = {one.words: one for one in (part, *part.finer())}
        masks = {words: one.of(searched) for words, one in finer.items()} if len(finer) > 1 else {}

        def telling(words: str, others: Sequence[np.ndarray] = others, masks: Any = masks) -> float:
            counts = _counts(np.logical_and.reduce([*others, masks[words]]), change)
            return float(_statistic(counts, every)[0]) if counts[0] >= _FEWEST else 0.0

        if masks:
            best = max(masks, key=telling)
            parts[place], members[place] = finer[best], masks[best]
    return parts


def _numbered(names: Sequence[str]) -> list[int]:
    number: dict[str, int] = {}
    return [number.setdefault(name, len(number)) for name in names]


def _every_part_adds(members: np.ndarray, change: np.ndarray, parts: tuple[int, ...]) -> bool:
    """Whether the slice is harmed more than what each of its conditions excludes."""
    inside = _counts(np.logical_and.reduce(members[list(parts)]), change)
    for fewer in combinations(parts, len(parts) - 1):
        wider = _counts(np.logical_and.reduce(members[list(fewer)]), change)
        if wider[0] - inside[0] < 1 or _statistic(inside, wider)[0] < _ADDS:
            return False
    return True


def _apart(
    members: np.ndarray, change: np.ndarray, candidates: Sequence[tuple[int, ...]], low: int
) -> Iterator[tuple[int, ...]]:
    """One slice after the other, by what it says of examples that none before it holds."""
    if not candidates:
        return
    masks = np.stack([np.logical_and.reduce(members[list(parts)]) for parts in candidates]).astype(np.float32)
    free = np.ones(len(change), dtype=bool)
    for _ in range(_MOST_TESTED):
        weights = np.stack([free, free & (change > 0), free & (change < 0)]).astype(np.float32)
        inside = (masks @ weights.T).T.astype(np.float64)
        every = weights.sum(axis=1, dtype=np.float64)[:, None]
        statistic = np.where(inside[0] >= low, _statistic(inside, every)[0], 0.0)
        best = int(np.argmax(statistic))
        if statistic[best] < _LEAST:
            return
        yield candidates[best]
        free &= masks[best] == 0


def _of_column(name: str, values: np.ndarray, searched: np.ndarray) -> list[_Condition]:
    """Conditions on one column: its values, or of many numbers how large they are."""
    if values.dtype == object:
        texts = values[searched]
        count = Counter(text for text in texts.tolist() if text not in (None, ""))
        if len(count) > _CUTS_FROM and (numbers := _as_numbers(values, count)) is not None:
            return _of_numbers(name, numbers, searched)
        if len(count) > len(texts) / _FEWEST:
            return []
        held = [text for text, _ in sorted(count.most_common(_MOST_VALUES), key=lambda one: str(one[0]))]
        return [_Condition(name, f"{name} “{_short(text)}”", _equals(values, text)) for text in held]
    return _of_numbers(name, values.astype(np.float64), searched)


#: Numbers with more values than this are compared by size.
_CUTS_FROM = 12


def _as_numbers(values: np.ndarray, count: Mapping[str, int]) -> np.ndarray | None:
    try:
        known = {text: float(text) for text in count}
        return np.array(
            [known[v] if v in known else float(v) if v not in (None, "") else np.nan for v in values.tolist()]
        )
    except ValueError:
        return None


def _short(text: object) -> str:
    line = " ".join(str(text).split())
    return line if len(line) <= 60 else line[:59] + "…"


def _equals(values: np.ndarray, text: str) -> Callable[[np.ndarray], np.ndarray]:
    return lambda rows: np.asarray(values[rows] == text, dtype=bool)


def _of_numbers(name: str, values: np.ndarray, searched: np.ndarray) -> list[_Condition]:
    known = values[searched]
    known = known[np.isfinite(known)]
    if len(known) < _FEWEST or known.min() == known.max():
        return []

    def cuts(shares: Sequence[float] | np.ndarray, way: str | None = None) -> list[_Condition]:
        found: dict[str, _Condition] = {}
        for cut in np.unique(np.quantile(known, shares, method="nearest")).tolist():
            at = _rounded(cut, known)
            for side, of in (
                ("less", lambda rows, at=at: values[rows] <= at),
                ("more", lambda rows, at=at: values[rows] >= at),
            ):
                if way in (None, side):
                    words = f"{name} of {at:g} or {side}"
                    finer = partial(cuts, _FINE, side) if way is None else tuple
                    found[words] = _Condition(name, words, of, finer)
        return list(found.values())

    return cuts(_CUTS)


def _rounded(cut: float, known: np.ndarray) -> float:
    """A cut with three digits where numbers are not whole, so that its words say exactly what it is."""
    return cut if (known == np.rint(known)).all() and abs(cut) < 1e6 else float(f"{cut:.3g}")


def _words_of(text: str) -> list[str]:
    words = _WORD.findall(text.lower())
    return words if len(words) <= 2 * _WORDS else words[:_WORDS] + words[-_WORDS:]


def _phrases(text: str) -> set[str]:
    """The words of a text, and each two in a row."""
    words = _words_of(text)
    return {*words, *map(" ".join, pairwise(words))}


def _of_texts(texts: TextsOf, searched: np.ndarray, change: np.ndarray) -> list[_Condition]:
    """Properties of the texts, and the words and phrases whose texts are harmed most in the half that is searched."""
    own = texts(searched.tolist())
    seen: Counter[str] = Counter()
    by: dict[int, Counter[str]] = {1: Counter(), -1: Counter()}
    for text, way in zip(own, change.tolist(), strict=True):
        phrases = _phrases(text)
        seen.update(phrases)
        if way:
            by[way].update(phrases)
    low, high = max(_FEWEST, _SMALLEST * len(own)), _LARGEST * len(own)
    names = sorted(phrase for phrase in by[1] if low <= seen[phrase] <= high)
    held = np.array([[seen[p], by[1][p], by[-1][p]] for p in names], dtype=np.float64).reshape(-1, 3).T
    every = _counts(np.ones(len(change), dtype=bool), change)
    statistic = _statistic(held, every[:, None])[0]
    best = [i for i in np.argsort(-statistic, kind="stable")[:_MOST_WORDS].tolist() if statistic[i] > 1]

    def asked(of: Callable[[str], bool]) -> Callable[[np.ndarray], np.ndarray]:
        def members(rows: np.ndarray) -> np.ndarray:
            found = own if rows is searched else texts(rows.tolist())
            return np.fromiter((of(text) for text in found), dtype=bool, count=len(rows))

        return members

    def has(phrase: str) -> Callable[[str], bool]:
        parts = phrase.split(" ")
        return lambda text: all(part in text.lower() for part in parts) and phrase in _phrases(text)

    return [_Condition(name, f"text with {name}", asked(of)) for name, of in _PROPERTIES.items()] + [
        _Condition("text", f"text with “{names[i]}”", asked(has(names[i]))) for i in best
    ]
