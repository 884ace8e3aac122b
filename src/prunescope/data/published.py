"""What is published of the data sets, the PIE paper's Table 7 among it, and how a built one compares."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from prunescope.data.splits import SPLITS
from prunescope.data.tables import DataTable


@dataclass(frozen=True)
class Published:
    """``counts``: examples of training, validation and test."""

    title: str
    counts: tuple[int, int, int]
    classes: int


#: By source. Table 7 of the PIE paper, after preprocessing.
PIE_PAPER = {
    "imdb": Published("IMDB", (20_000, 5_000, 25_000), 2),
    "snli": Published("SNLI", (549_367, 9_842, 9_824), 3),
    "reuters": Published("Reuters", (6_737, 1_440, 1_429), 23),
    "aapd": Published("AAPD", (53_840, 1_000, 1_000), 54),
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


def _text(counts: Sequence[int], classes: int) -> str:
    parts = ", ".join(f"{count:,} {split}" for count, split in zip(counts, SPLITS, strict=True))
    return f"{parts}, {classes} classes"
