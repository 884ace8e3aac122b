"""What is published of the data sets, the PIE paper's Table 7 among it, and how a built one compares."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from prunescope.data.splits import SPLITS
from prunescope.data.tables import DataTable
from prunescope.data.words import basic_english
from prunescope.published import pie

#: Share of the texts that the length rule covers (PIE paper, section 4.1 and appendix A.2).
COVERED = 0.85


@dataclass(frozen=True)
class Lengths:
    """Tokens per text over all splits, as printed; ``p85``: 85 % of the texts have at most so many."""

    mean: int
    median: int
    min: int
    max: int
    std: int
    p85: int


@dataclass(frozen=True)
class Published:
    """``counts``: examples of training, validation and test. ``max_tokens``: longer texts are cut."""

    title: str
    counts: tuple[int, int, int]
    classes: int
    lengths: Lengths
    max_tokens: int


#: By source. Table 7 of the PIE paper, after preprocessing.
PIE_PAPER = {
    facts.dataset.casefold(): Published(
        facts.dataset,
        (facts.n_train, facts.n_validation, facts.n_test),
        facts.n_classes,
        Lengths(
            facts.mean_tokens,
            facts.median_tokens,
            facts.min_tokens,
            facts.max_tokens,
            facts.std_tokens,
            facts.p85_tokens,
        ),
        facts.truncation_tokens,
    )
    for facts in pie.datasets().values()
}


@dataclass(frozen=True)
class PublishedPictures:
    """``published``: examples of training and test; ``counts``: with a tenth of training as validation."""

    title: str
    classes: tuple[str, ...]
    image: tuple[int, int, int]
    published: tuple[int, int]
    counts: tuple[int, int, int]


_CLOTHES = "T-shirt/top|Trouser|Pullover|Dress|Coat|Sandal|Shirt|Sneaker|Bag|Ankle boot"
_CIFAR10 = "airplane automobile bird cat deer dog frog horse ship truck"
_CIFAR100 = """
apple aquarium_fish baby bear beaver bed bee beetle bicycle bottle bowl boy bridge bus butterfly
camel can castle caterpillar cattle chair chimpanzee clock cloud cockroach couch crab crocodile cup
dinosaur dolphin elephant flatfish forest fox girl hamster house kangaroo keyboard lamp lawn_mower
leopard lion lizard lobster man maple_tree motorcycle mountain mouse mushroom oak_tree orange orchid
otter palm_tree pear pickup_truck pine_tree plain plate poppy porcupine possum rabbit raccoon ray
road rocket rose sea seal shark shrew skunk skyscraper snail snake spider squirrel streetcar
sunflower sweet_pepper table tank telephone television tiger tractor train trout tulip turtle
wardrobe whale willow_tree wolf woman worm
"""

#: By source. The order of the classes is that of the label numbers in the published files.
PICTURES = {
    "mnist": PublishedPictures(
        "MNIST", tuple("0123456789"), (1, 28, 28), (60_000, 10_000), (53_999, 6_001, 10_000)
    ),
    "fashion_mnist": PublishedPictures(
        "Fashion-MNIST", tuple(_CLOTHES.split("|")), (1, 28, 28), (60_000, 10_000), (54_000, 6_000, 10_000)
    ),
    "cifar10": PublishedPictures(
        "CIFAR-10", tuple(_CIFAR10.split()), (3, 32, 32), (50_000, 10_000), (45_000, 5_000, 10_000)
    ),
    "cifar100": PublishedPictures(
        "CIFAR-100", tuple(_CIFAR100.split()), (3, 32, 32), (50_000, 10_000), (45_000, 5_000, 10_000)
    ),
}


def comparison(source: str, tables: Mapping[str, DataTable], reasons: Sequence[str]) -> str:
    """One paragraph for the data card: the printed counts, whether ours agree, and why where they do not."""
    paper = PIE_PAPER[source]
    ours = tuple(len(tables[split]) for split in SPLITS)
    classes = len(tables["train"].info.classes)
    if ours == paper.counts and classes == paper.classes:
        return (
            f"The counts agree with the PIE paper's Table 7 for {paper.title}: {_text(ours, classes)}."
            + "".join(f" {reason}" for reason in reasons)
        )
    why = reasons or ("The files read hold another number of examples than the published data set.",)
    return (
        f"The PIE paper's Table 7 has for {paper.title}: {_text(paper.counts, paper.classes)}; "
        f"here there are {_text(ours, classes)}. {' '.join(why)}"
    )


def token_counts(table: DataTable) -> np.ndarray:
    """(n,) int64 tokens of each text as a BiLSTM reads it: lower-cased words, a separator between two texts."""
    assert table.texts is not None
    return np.array(
        [
            sum(len(basic_english(part)) for part in parts) + len(parts) - 1
            for parts in zip(*table.texts.values(), strict=True)
        ],
        dtype=np.int64,
    )


def covering_power_of_two(lengths: Sequence[int] | np.ndarray, share: float = COVERED) -> int:
    """The first power of two that is at least as long as ``share`` of the texts (PIE paper, appendix A.2).

    >>> covering_power_of_two([430]), covering_power_of_two([256])
    (512, 256)
    """
    covered = int(np.quantile(np.asarray(lengths), share, method="inverted_cdf"))
    return 1 << max(covered - 1, 0).bit_length()


def beside_table_7(
    source: str, counts: Mapping[str, int], classes: int, tokens: np.ndarray
) -> list[dict[str, Any]]:
    """One row per number of Table 7: ``quantity``, ``published``, ``ours``, ``difference``, ``why``.

    ``tokens``: of the texts of all splits. The standard deviation uses ddof = 1. ``why`` is empty where ours,
    rounded as the paper rounds, is the printed number; ``difference`` is ours - published.
    """
    paper = PIE_PAPER[source]
    printed = dict(zip(SPLITS, paper.counts, strict=True))
    same_texts = printed == dict(counts) and paper.classes == classes
    rows = [
        _row(
            f"{split} examples",
            printed[split],
            counts[split],
            "other files or settings than the paper's, which the notes name",
        )
        for split in SPLITS
    ]
    rows.append(
        _row("classes", paper.classes, classes, "other documents, so other frequent topics: see the notes")
    )
    why = (
        "the same number of texts, so another count of the tokens in single ones; the cause is not known"
        if same_texts
        else "other texts than the paper's: see the counts"
    )
    found = {
        "mean": float(tokens.mean()),
        "median": float(np.median(tokens)),
        "min": int(tokens.min()),
        "max": int(tokens.max()),
        "std": float(tokens.std(ddof=1)) if len(tokens) > 1 else 0.0,
        "p85": int(np.quantile(tokens, COVERED, method="inverted_cdf")),
    }
    rows += [
        _row(f"tokens: {name}", getattr(paper.lengths, name), value, why) for name, value in found.items()
    ]
    exception = (
        "the paper's exception: the rule gives less, but 128 tokens hold every pair whole"
        if source == "snli"
        else why
    )
    rows.append(_row("max tokens by the rule", paper.max_tokens, covering_power_of_two(tokens), exception))
    return rows


def _row(quantity: str, published: int, ours: float, why: str) -> dict[str, Any]:
    # Printed numbers are whole; half a token rounds up, as on paper.
    agrees = int(np.floor(ours + 0.5)) == published
    return {
        "quantity": quantity,
        "published": published,
        "ours": ours,
        "difference": ours - published,
        "why": "" if agrees else why,
    }


def _text(counts: Sequence[int], classes: int) -> str:
    parts = ", ".join(f"{count:,} {split}" for count, split in zip(counts, SPLITS, strict=True))
    return f"{parts}, {classes} classes"
