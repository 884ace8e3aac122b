"""What data sets are declared to hold, before they are built."""

from __future__ import annotations

from dataclasses import dataclass

from prunescope.config.datasets import (
    Aapd,
    Conll2003,
    Dataset,
    DataToText,
    Digits,
    Docstrings,
    Glue,
    Imdb,
    Pictures,
    Reuters,
    Snli,
    Squad,
)
from prunescope.data.facts import CONLL_CLASSES, PICTURES, PIE_PAPER
from prunescope.data.sources.glue_tasks import TASKS as GLUE_TASKS

#: By source: longest text, and mean over texts cut to it, in word pieces of BERT (uncased), [CLS] and [SEP]
#: included. Counted by benchmarks/lengths.py; what batches without padding hold.
MEAN_PIECES = {"imdb": (512, 275.3), "snli": (128, 26.1), "reuters": (256, 140.3), "aapd": (256, 177.5)}


@dataclass(frozen=True)
class Declared:
    """What a data set is declared to hold; the card of the built one says what was found."""

    classes: int
    train: int
    validation: int
    test: int
    tokens: int = 0
    image: tuple[int, int, int] | None = None


def declared(dataset: Dataset) -> Declared:
    """Counts of a data set, before it is built; upper bounds where its size depends on what is found."""
    if isinstance(dataset, Digits):
        return Declared(classes=10, train=1258, validation=178, test=361, image=(1, 8, 8))
    if isinstance(dataset, Docstrings):
        from prunescope.data.sources.topics import TOPICS

        texts = dataset.per_library * len(dataset.libraries)
        return Declared(
            classes=len(dataset.libraries) if dataset.labels == "library" else len(TOPICS),
            train=round(texts * 0.7),
            validation=round(texts * 0.1),
            test=texts - round(texts * 0.7) - round(texts * 0.1),
            tokens=dataset.max_tokens or 128,
        )
    if isinstance(dataset, Imdb | Snli | Reuters | Aapd):
        paper = PIE_PAPER[dataset.source]
        most = dataset.max_examples or max(paper.counts)
        train, validation, test = (min(count, most) for count in paper.counts)
        return Declared(
            classes=paper.classes,
            train=train,
            validation=validation,
            test=test,
            tokens=dataset.max_tokens or paper.max_tokens,
        )
    if isinstance(dataset, Pictures):
        facts = PICTURES[dataset.source]
        most = dataset.max_examples or max(facts.counts)
        train, validation, test = (min(count, most) for count in facts.counts)
        return Declared(
            classes=len(facts.classes), train=train, validation=validation, test=test, image=facts.image
        )
    if isinstance(dataset, Glue):
        task = GLUE_TASKS[dataset.source]
        train, test = task.counts
        validation = round(train * dataset.validation)
        most = dataset.max_examples or max(task.counts)
        return Declared(
            classes=max(1, len(task.classes)),
            train=min(train - validation, most),
            validation=min(validation, most),
            test=min(test, most),
            tokens=dataset.max_tokens or 128,
        )
    if isinstance(dataset, Squad | Conll2003 | DataToText):
        return _declared_answers(dataset)
    raise TypeError(f"no counts for {type(dataset).__name__}")


#: Examples of training, validation (for SQuAD a part of training) and test, by source. SQuAD v1.1 and CoNLL-2003
#: as published; E2E, DART and WebNLG as their papers count them, records of validation and test with several
#: references counted once.
_ANSWERED = {
    "squad": (87_599, 0, 10_570),
    "conll2003": (14_041, 3_250, 3_453),
    "e2e": (42_061, 547, 630),
    "dart": (62_659, 2_768, 5_097),
    "webnlg": (18_025, 872, 1_862),
}


def _declared_answers(dataset: Squad | Conll2003 | DataToText) -> Declared:
    train, validation, test = _ANSWERED[dataset.source]
    if isinstance(dataset, Squad):
        validation = round(train * dataset.validation)
        train -= validation
    most = dataset.max_examples or max(train, validation, test)
    return Declared(
        classes={"squad": 2, "conll2003": len(CONLL_CLASSES)}.get(dataset.source, 1),
        train=min(train, most),
        validation=min(validation, most),
        test=min(test, most),
        tokens=dataset.max_tokens or 128,
    )


def mean_tokens(dataset: Dataset) -> float | None:
    """Mean length of a data set's texts in word pieces; None where it is not known at its longest length."""
    longest, mean = MEAN_PIECES.get(dataset.source, (0, 0.0))
    return mean if longest == declared(dataset).tokens else None
