"""What may be wrong with a user's data: leaks, contradictions, rare and unknown labels, words that no model learns."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from prunescope.data.splits import SPLITS
from prunescope.errors import listed
from prunescope.predictions.texts import basic_english, has_formulas, language_of

#: From this share on, unknown words are a warning; above the other, a model of words learns nothing.
UNKNOWN_WARNED, UNKNOWN_AT_MOST = 0.2, 0.8

#: Words seen less often than this number of times are unknown: the numbers that findings tell of.
MIN_COUNTS = range(1, 11)

#: A class with this share of the examples is what always answering the same scores.
_ONE_SIDED = 0.9


def leaks(
    rows: Mapping[str, Sequence[int]], contents: Sequence[Any], labels: Sequence[Any], kind: str, task: str
) -> tuple[list[str], dict[str, Any]]:
    """Warnings of equal examples, and their counts.

    ``findings``: ``in_training`` (by split, examples that are also training examples), ``duplicates`` (by split, copies
    of an earlier example), ``contradictions`` (different examples that have several labels).
    """
    warnings = []
    known = {contents[n] for n in rows["train"]}
    inside = {split: sum(contents[n] in known for n in rows[split]) for split in SPLITS[1:]}
    for split, count in inside.items():
        if count:
            warnings.append(
                f"Leak: {_of(count, len(rows[split]), split)} {'are' if count > 1 else 'is'} in the training split "
                "too; scores on them say nothing of new ones."
            )
    copies = {split: len(rows[split]) - len({contents[n] for n in rows[split]}) for split in SPLITS}
    for split, count in copies.items():
        if count > 0.01 * len(rows[split]):
            warnings.append(f"{_of(count, len(rows[split]), split)} repeat an earlier {kind} of the split.")
    told: dict[Any, set[Any]] = {}
    for split in SPLITS:
        for n in rows[split]:
            told.setdefault(contents[n], set()).add(labels[n])
    contradictions = [content for content, different in told.items() if len(different) > 1]
    if contradictions:
        first = f", such as {_short(contradictions[0])}" if isinstance(contradictions[0], str) else ""
        what = "numbers" if task == "regression" else "labels"
        warnings.append(f"Contradiction: {_count(len(contradictions), kind)} with several {what}{first}.")
    return warnings, {"in_training": inside, "duplicates": copies, "contradictions": len(contradictions)}


def label_warnings(
    task: str, classes: Sequence[str], rows: Mapping[str, Sequence[int]], labels: Sequence[Any]
) -> list[str]:
    """Warnings of classes that are not in a split, and of one that nearly all examples have."""
    if task == "regression":
        return []
    counts = {split: Counter(c for n in rows[split] for c in labels[n]) for split in SPLITS}
    every = sum(counts.values(), Counter())
    found = []
    bare: dict[str, list[str]] = {}
    for name in classes:
        bare.setdefault(name.strip().casefold(), []).append(name)
    if alike := [name for names in bare.values() if len(names) > 1 for name in names]:
        found.append(f"Differ in blanks at their ends or in case alone: {_classes(alike)}.")
    if absent := [name for c, name in enumerate(classes) if not every[c]]:
        found.append(f"No example has {_classes(absent)}.")
    unseen = [name for c, name in enumerate(classes) if every[c] and not counts["train"][c]]
    if unseen:
        found.append(f"Never seen in training, though in other splits: {_classes(unseen)}.")
    if single := [name for c, name in enumerate(classes) if counts["train"][c] == 1]:
        found.append(f"One training example alone: {_classes(single)}.")
    untested = [name for c, name in enumerate(classes) if counts["train"][c] and not counts["test"][c]]
    if untested:
        found.append(f"Not in the test split, so nothing is measured of {_classes(untested)}.")
    if task == "single-label":
        most, count = counts["train"].most_common(1)[0]
        share = count / len(rows["train"])
        if share > _ONE_SIDED:
            found.append(
                f"{share:.0%} of the training examples are {classes[most]!r}: a model may answer that alone."
            )
    return found


def text_findings(
    rows: Mapping[str, Sequence[int]],
    inputs: Mapping[str, Sequence[str]],
    language: str | None,
    where: Sequence[str],
) -> tuple[list[str], dict[str, Any]]:
    """Warnings of texts, and what they rest on.

    ``findings``: ``empty`` (texts), ``language``, ``longest`` (words), and ``unknown_words``: by the number of times
    that a word must be seen in training to be known, the share of the words of all splits that are unknown.

    Args:
        where: what each example is called in messages.
    """
    warnings: list[str] = []
    words = {
        split: [[word for text in inputs.values() for word in basic_english(text[n])] for n in rows[split]]
        for split in SPLITS
    }
    empty = {split: sum(not text for text in words[split]) for split in SPLITS}
    for split, count in empty.items():
        if count:
            first = where[next(n for n, text in zip(rows[split], words[split], strict=True) if not text)]
            warnings.append(f"{_of(count, len(rows[split]), split)} have no text. The first is {first}.")
    unknown = unknown_words(words)
    if unknown[2] > UNKNOWN_WARNED:
        warnings.append(
            f"{unknown[2]:.0%} of the words are seen less than twice in training, so that models of whole words "
            "(family bilstm) do not know them; subwords (family encoder) do."
        )
    spoken = language or language_of([text[n] for text in inputs.values() for n in rows["train"]])
    if not spoken.lower().startswith("en"):
        what = {
            "unknown": "it could not be told (few words are English or of another language that is known here)",
            "no letters": "the texts have no letters",
        }.get(spoken, spoken if language else f"not English, as it seems ({spoken})")
        formulas = "trust the length alone" if has_formulas(spoken) else "only the length is compared"
        warnings.append(
            f"Language: {what}. Readability formulas are for English: of these texts, {formulas}. Set "
            "`language` to say it."
        )
    longest = max((len(text) for texts in words.values() for text in texts), default=0)
    shares = {str(least): share for least, share in unknown.items()}
    return warnings, {"empty": empty, "language": spoken, "longest": longest, "unknown_words": shares}


def unknown_words(words: Mapping[str, Sequence[Sequence[str]]]) -> dict[int, float]:
    """By how often a word must be seen in training to be known: the share of all splits' words that are not."""
    seen = Counter(word for text in words["train"] for word in text)
    # How often a word that is met was seen in training.
    met = Counter(seen[word] for texts in words.values() for text in texts for word in text)
    total = max(1, met.total())
    return {least: sum(n for times, n in met.items() if times < least) / total for least in MIN_COUNTS}


def _of(count: int, total: int, split: str) -> str:
    return f"{count:,} of {total:,} {split} examples ({count / max(1, total):.0%})"


def _count(count: int, kind: str) -> str:
    return f"{count:,} {kind}{'s' if count > 1 else ''}"


def _classes(names: Sequence[str]) -> str:
    return f"class{'es' if len(names) > 1 else ''} {listed(names)}"


def _short(text: str) -> str:
    text = " ".join(text.replace("\0", " | ").split())
    return repr(text if len(text) <= 60 else f"{text[:57]}...")
