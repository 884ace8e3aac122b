"""Sentences about slices: which examples pay beyond the rest."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from prunescope.report import sentences

#: Slices that are named in a sentence each; tables have all.
_MOST_NAMED = 3


def harmed(summary: Mapping[str, Any]) -> list[str]:
    """For the answer of a page: in each column the group whose loss is told from chance, and the slice harmed most."""
    found = summary.get("slices") or {}
    slices = slice_sentences(found)[:1] if found.get("confirmed") else []
    return [*sentences.group_sentences(summary, only_told=True), *slices]


def slice_sentences(found: Mapping[str, Any] | None) -> list[str]:
    """A sentence for each of the slices that are harmed most; or that none is.

    Args:
        found: ``slices`` of ``summary.json``.
    """
    if not found:
        return []
    confirmed = found["confirmed"]
    if not confirmed:
        if not found["n_tested"]:
            return ["No slice of the examples looks as if it paid beyond the rest, so none is tested."]
        tested = sentences.count(found["n_tested"], "slice")
        return [f"No slice of the examples pays beyond the rest, as far as can be told ({tested} tested)."]
    told = [
        f"Pays beyond the rest: {one['slice']} ({sentences.count(one['n_examples'], 'example')}): net "
        f"{sentences.percent(one['harm'])} become wrong, {sentences.percent(one['harm_elsewhere'])} elsewhere "
        f"(corrected {sentences.p_text(one['p_corrected'])})."
        for one in confirmed[:_MOST_NAMED]
    ]
    more = len(confirmed) - _MOST_NAMED
    return told + ([f"{sentences.count(more, 'more slice')} in slices.csv."] if more > 0 else [])
