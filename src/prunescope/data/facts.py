"""What is published of the data sets, the PIE paper's Table 7 among it. Nothing heavy is imported: plans read it."""

from __future__ import annotations

from dataclasses import dataclass

from prunescope.papers.numbers import pie

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
