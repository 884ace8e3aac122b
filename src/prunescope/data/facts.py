"""What is published of the data sets, the PIE paper's Table 7 among it. Nothing heavy is imported: plans read it."""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass
from importlib import resources

#: CoNLL-2003's tags, in the order of the hub's numbers.
CONLL_CLASSES = ("O", "B-PER", "I-PER", "B-ORG", "I-ORG", "B-LOC", "I-LOC", "B-MISC", "I-MISC")


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
    """``counts``: examples of training, validation and test. ``max_tokens``: longer texts are cut.

    ``purpose``: what the data set is for, in the paper's words.
    """

    title: str
    counts: tuple[int, int, int]
    classes: int
    lengths: Lengths
    max_tokens: int
    purpose: str


def _pie_paper() -> dict[str, Published]:
    text = resources.files("prunescope.data").joinpath("pie_datasets.csv").read_text(encoding="utf-8")
    return {
        row["dataset"].casefold(): Published(
            row["dataset"],
            (int(row["n_train"]), int(row["n_val"]), int(row["n_test"])),
            int(row["n_classes"]),
            Lengths(*(int(row[f"{name}_tokens"]) for name in ("mean", "median", "min", "max", "std", "p85"))),
            int(row["truncation_tokens"]),
            row["task"],
        )
        for row in csv.DictReader(io.StringIO(text))
    }


#: By source. Tables 2 and 7 of the PIE paper; tokens are counted after preprocessing.
PIE_PAPER = _pie_paper()


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
