"""What scores, measures and their changes can be: intervals do not leave it."""

from __future__ import annotations

import math
import re
from typing import Any, NamedTuple


class Span(NamedTuple):
    """What a value can be at least and at most."""

    low: float
    high: float

    @property
    def change(self) -> Span:
        """What the difference of two such values can be."""
        return Span(self.low - self.high, self.high - self.low)


ANY, SHARE, CORRELATION, POSITIVE = (
    Span(-math.inf, math.inf),
    Span(0.0, 1.0),
    Span(-1.0, 1.0),
    Span(0.0, math.inf),
)

#: What a score or measure can be; those that are not here are shares.
_SPANS = {
    **dict.fromkeys(("pearson", "spearman", "matthews", "margin"), CORRELATION),
    **dict.fromkeys(("kl", "js", "nll", "brier"), POSITIVE),
    **dict.fromkeys(
        ("text_length", "gunning_fog", "dale_chall_readability_score", "difficult_words"), POSITIVE
    ),
    **dict.fromkeys(
        (
            "automated_readability_index",
            "coleman_liau_index",
            "flesch_kincaid_grade",
            "linsear_write_formula",
        ),
        ANY,
    ),
}


def span_of(measure: str) -> Span:
    """What a score can be, by the name of the metric, of a measure of probabilities or of readability."""
    return _SPANS.get(measure, SHARE)


#: Words in names of harnesses' metrics that are shares, or a hundred times one; of these, those that mostly are in
#: percent; and words of what is made of such a metric and has another span.
_SHARES = re.compile(
    r"(acc|accuracy|match|em|f1|precision|recall|rouge([0-9ln]|lsum)?|meteor|mc[12]|pass|maj|bleu|chrf)"
)
_PERCENT = {"bleu", "chrf"}
_MADE = {"diff", "delta", "change", "gain", "std", "stderr", "loss", "error"}


def harness_span(metric: str, lowest: float, highest: float) -> Span:
    """What a metric of an evaluation harness can be, by its name; ``ANY`` where that does not tell its scale.

    Args:
        lowest, highest: of its values. A share of which one is above 1 is in percent, as BLEU and chrF are.
    """
    words = set(re.split(r"[^a-z0-9]+", metric.partition(",")[0].lower()))
    if words & _MADE:
        return ANY
    found = _SPANS.get(metric, ANY)
    if any(map(_SHARES.fullmatch, words)):
        found = Span(0.0, 100.0) if highest > 1 or words & _PERCENT else SHARE
    return found if found.low <= lowest and highest <= found.high else ANY


class Within(NamedTuple):
    """What the ends of an interval can be; declared with the column of its lower end.

    span: of the value. by: the column that names the measure whose span it is instead. change: the interval is of a
    difference of two such values. start: the column of the value that the change starts from. known: a column that is
    empty where nothing is known of the span.
    """

    span: Span = ANY
    by: str = ""
    change: bool = False
    start: str = ""
    known: str = ""

    def of(self, row: Any) -> Span:
        """Of one row's interval; a change starts from the value as it is measured."""
        if self.known and getattr(row, self.known) is None:
            return ANY
        span = span_of(getattr(row, self.by)) if self.by else self.span
        start = getattr(row, self.start) if self.start else None
        if start is not None:
            return Span(span.low - start, span.high - start)
        return span.change if self.change else span
