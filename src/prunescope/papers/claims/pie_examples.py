"""Judges of PIE-14 to PIE-18: which examples are PIEs (PIE paper, sections 4.1 to 4.4; figures only).

The paper prints no numbers behind these figures, so that these rules cannot be checked on them.
"""

from __future__ import annotations

from collections.abc import Sequence

from prunescope.analysis.readability import FORMULAS
from prunescope.analysis.tables.study import Key, Part, Role, StudyTables, curves, percent
from prunescope.papers.claims.findings import Finding, Steps, few_exceptions, found, mean, most, not_measured

MULTI_LABEL_METRIC = "macro_f1"

#: Of the paper's EL2N figures.
BINS = 20

#: The data set on which the paper itself does not find what PIE-17 and PIE-18 say.
EXCEPTED = "aapd"

DIFFICULT_WORDS = "difficult_words"
LENGTH = "text_length"


def every_class_but_the_first(study: StudyTables) -> Finding:
    """PIE-14: multi-label PIEs are found in every class, but the most frequent one is under-represented.

    Per cell of a multi-label data set: every class that the test split has holds a PIE; and the
    share of the most frequent class (ties: the first) is lower among the PIEs' labels than among
    all. Holds if each is so in at least four fifths of the cells. Cells without PIEs are left out.
    """
    cells = {
        key: [part for part in parts if part.n_examples]
        for key, parts in study.classes.items()
        if study.metric(key) == MULTI_LABEL_METRIC and any(part.n_pies for part in parts)
    }
    if not cells:
        return not_measured("needs PIEs on a multi-label data set of texts")
    full = sum(all(part.n_pies > 0 for part in parts) for parts in cells.values())
    held = sum(sum(part.n_pies > 0 for part in parts) for parts in cells.values())
    places = sum(len(parts) for parts in cells.values())
    under = sum(_first_class_is_under(parts) for parts in cells.values())
    return found(
        few_exceptions(full, len(cells)) and few_exceptions(under, len(cells)),
        f"every class has PIEs in {full} of {len(cells)} cells ({held} of {places} classes over all cells); "
        f"the most frequent class is under-represented in {under} of {len(cells)}",
    )


def _first_class_is_under(parts: Sequence[Part]) -> bool:
    first = max(parts, key=lambda part: part.n_examples)
    every, pies = sum(part.n_examples for part in parts), sum(part.n_pies for part in parts)
    return first.n_pies * every < first.n_examples * pies


def pies_are_influential(study: StudyTables) -> Finding:
    """PIE-15: PIEs concentrate among the highest EL2N scores; IIBP-FT: 80-100% BERT, up to 70% BiLSTM.

    Concentrate: in at least four fifths of the cells the PIE share of the last of 20 bins is above that
    of all examples. With IIBP-FT, the largest PIE share of the last bin over the cells reaches 80%
    for BERT and stays within 70% for BiLSTM, both rounded to tens as they are read from a figure.
    Holds if all three are so. Cells without PIEs or with another number of bins are left out.
    """
    cells = {k: bins for k, bins in study.bins.items() if len(bins) == BINS and _share(bins)}
    if not cells:
        return not_measured(f"needs EL2N scores of texts in {BINS} bins")
    last = {key: _share(bins[-1:]) for key, bins in cells.items()}
    above = sum(last[key] > _share(bins) for key, bins in cells.items())
    evidence = f"the last bin is above the average in {above} of {len(cells)} cells"
    most_in: dict[Role, float] = {}
    for role in ("BERT", "BiLSTM"):
        own = [last[key] for key in cells if key.pruner == "IIBP-FT" and study.role(key.arch) == role]
        if not own:
            return not_measured(f"needs PIEs of a {role} pruned with IIBP-FT; {evidence}")
        most_in[role] = max(own)
        evidence += f"; with IIBP-FT up to {percent(max(own))} PIEs in it for {study.playing(role)}"
    return found(
        few_exceptions(above, len(cells))
        and round(10 * most_in["BERT"]) >= 8
        and round(10 * most_in["BiLSTM"]) <= 7,
        evidence,
    )


def pies_spread_evenly(study: StudyTables) -> Finding:
    """PIE-16: the more is pruned, the more evenly PIEs spread over the EL2N bins.

    Unevenness is the total variation distance between how PIEs and how all examples spread over
    the bins. Holds if from the lowest to the highest sparsity it falls in at least four fifths of
    the (data set, arch, pruner) curves and more than half of the steps fall, the rule of PIE-12.
    Cells without PIEs are left out.
    """
    along = curves({key: _unevenness(bins) for key, bins in study.bins.items() if _share(bins)})
    if not along:
        return not_measured("needs PIEs in EL2N bins of texts at two sparsities of one pruner at least")
    more_even = sum(curve[-1] < curve[0] for curve in along.values())
    steps = Steps.along(along.values())
    return found(
        few_exceptions(more_even, len(along)) and most(steps.fall, steps.total),
        f"more even at the highest than at the lowest sparsity in {more_even} of {len(along)} curves; "
        f"unevenness: {steps.text}",
    )


def _share(bins: Sequence[Part]) -> float:
    return sum(part.n_pies for part in bins) / max(sum(part.n_examples for part in bins), 1)


def _unevenness(bins: Sequence[Part]) -> float:
    """Between 0 (PIEs spread as all examples do) and 1."""
    every, pies = sum(part.n_examples for part in bins), sum(part.n_pies for part in bins)
    return sum(abs(part.n_pies / pies - part.n_examples / every) for part in bins) / 2


def pies_are_harder_to_read(study: StudyTables) -> Finding:
    """PIE-17: PIE text is harder to read and holds more difficult words for BERT; AAPD is the exception.

    Ratios of PIEs over all texts, mean over pruners, for every encoder, data set but AAPD, and
    sparsity. Holds if in at least four fifths of them the difficult words' ratio is above 1, and at
    least four fifths of the readability formulas' ratios are. How far above ("up to 1.03") is told,
    not judged.
    """
    words = _over_pruners(study, DIFFICULT_WORDS, roles=("BERT",))
    formulas = [
        ratio
        for name in FORMULAS
        if name != DIFFICULT_WORDS
        for ratio in _over_pruners(study, name, roles=("BERT",)).values()
    ]
    if not words or not formulas:
        return not_measured(
            "needs the readability of a BERT-like encoder's PIEs on a data set other than AAPD"
        )
    harder, more = sum(ratio > 1 for ratio in formulas), sum(ratio > 1 for ratio in words.values())
    return found(
        few_exceptions(harder, len(formulas)) and few_exceptions(more, len(words)),
        f"mean over pruners, {study.playing('BERT')}: {harder} of {len(formulas)} formula ratios above 1 (at "
        f"most {max(formulas):.2f}), difficult words above 1 in {more} of {len(words)} (at most "
        f"{max(words.values()):.2f})",
    )


def pies_are_longer(study: StudyTables) -> Finding:
    """PIE-18: PIE text is longer, AAPD excepted.

    The ratio of mean lengths in tokens, mean over pruners, for every network, data set but AAPD,
    and sparsity. Holds if it is above 1 in at least four fifths of them. How far above (1.02 on
    SNLI, 1.13 on IMDB, 1.9 on Reuters) is told, not judged.
    """
    ratios = _over_pruners(study, LENGTH, roles=("BERT", "BiLSTM"))
    if not ratios:
        return not_measured("needs the text length of PIEs on a data set other than AAPD")
    longer = sum(ratio > 1 for ratio in ratios.values())
    largest: dict[str, float] = {}
    for (dataset, _, _), ratio in ratios.items():
        largest[dataset] = max(ratio, largest.get(dataset, ratio))
    told = ", ".join(f"{ratio:.2f} on {dataset}" for dataset, ratio in sorted(largest.items()))
    return found(
        few_exceptions(longer, len(ratios)),
        f"mean over pruners above 1 in {longer} of {len(ratios)} (data set, network, sparsity); at most {told}",
    )


def _over_pruners(
    study: StudyTables, measure: str, roles: Sequence[Role]
) -> dict[tuple[str, str, float], float]:
    """Mean ratio by (data set, arch, sparsity); AAPD left out."""
    by_group: dict[tuple[str, str, float], list[float]] = {}
    for key, ratios in sorted(study.ratios.items(), key=lambda item: item[0]):
        if measure in ratios and key.dataset.casefold() != EXCEPTED and study.role(key.arch) in roles:
            by_group.setdefault(_group(key), []).append(ratios[measure])
    return {group: mean(values) for group, values in by_group.items()}


def _group(key: Key) -> tuple[str, str, float]:
    return (key.dataset, key.arch, key.sparsity)
