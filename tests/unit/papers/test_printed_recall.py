"""The recall paper's numbers and tests that the package carries."""

from __future__ import annotations

import csv
from collections import Counter
from functools import partial
from pathlib import Path

import pytest
from tests.support.printed_numbers import printed

from prunescope.papers.printed import numbers
from prunescope.papers.recall import printed as recall
from prunescope.papers.recall.printed import Cell

SHARED = Path(__file__).parents[4] / "shared" / "published"


value = partial(printed, recall.PAPER)


def test_golden_cells() -> None:
    assert value("10", "CIFAR-10", "ResNet-56", "none", 0, "unpruned_accuracy_for_GP") == 0.896
    assert value("10", "CIFAR-10", "ResNet-56", "none", 0, "unpruned_accuracy_for_RP") == 0.893
    assert value("11", "Fashion", "LeNet", "MP", 50, "mean_recall_variance") == 0.0416
    assert value("11", "CIFAR-10", "ResNet-56", "none", 0, "unpruned_recall_variance_for_UP") == 0.0040
    # Level 12: 1 - 0.8^12
    assert value("12", "CIFAR-10", "ResNet-56", "LTH", 0.931280523, "alpha") == 1.029
    assert value("12", "CIFAR-10", "ResNet-56", "none", 0, "unpruned_accuracy_for_LTH") == 0.855
    assert value("13", "CIFAR-10", "ResNet-56", "CHIP", 19.11, "accuracy") == 0.824
    assert value("13", "CIFAR-10", "ResNet-56", "CHIP", 1.75, "alpha") == 0.516


def test_every_number_once() -> None:
    where = [
        (n.table, n.dataset, n.arch, n.pruner, n.sparsity, n.ratio, n.quantity) for n in numbers(recall.PAPER)
    ]
    assert len(set(where)) == len(where)
    counts = Counter((n.table, n.quantity.partition("_for_")[0]) for n in numbers(recall.PAPER))
    assert counts == {
        ("10", "unpruned_accuracy"): 16,
        ("11", "unpruned_recall_variance"): 11,
        ("11", "mean_recall_variance"): 55,
        ("12", "unpruned_accuracy"): 1,
        ("12", "accuracy"): 20,
        ("12", "alpha"): 20,
        ("13", "unpruned_accuracy"): 1,
        ("13", "accuracy"): 4,
        ("13", "alpha"): 4,
    }
    for n in numbers(recall.PAPER):
        assert n.metric == "accuracy"
        assert (n.pruner == "none") == n.quantity.startswith("unpruned_")
        assert n.pruner in (*recall.PRUNERS, "none")
        assert (n.sparsity is None) != (n.ratio is None)


def test_each_level_leaves_four_fifths() -> None:
    """Appendix H: 20 levels of 20 % of the prunable weights."""
    levels = [n.sparsity for n in numbers(recall.PAPER) if (n.table, n.quantity) == ("12", "alpha")]
    assert levels == pytest.approx([1 - 0.8**level for level in range(1, 21)])


@pytest.mark.parametrize(
    ("pruner", "compression", "sparsity", "ratio", "near"),
    [
        ("MP", 10, 0.91, 10.05, True),
        ("MP", 10, 0.9, 10.2, False),
        ("MP", 10, 0.9, None, False),
        ("CHIP", 8.27, 0.8, 8.6, True),
        ("CHIP", 8.27, 0.8, 8.8, False),
        # Level 20 leaves 0.8^20 = 0.01153 of the weights; the ratio of all parameters is far from 86.74.
        ("LTH", 0.8**20, 0.98848, 58.9, True),
        ("LTH", 0.8**20, 0.9887, 58.9, False),
    ],
)
def test_how_near_a_cell_must_be(
    pruner: str, compression: float, sparsity: float, ratio: float | None, near: bool
) -> None:
    (number,) = {
        n.distance(sparsity, ratio) is not None
        for n in numbers(recall.PAPER)
        if n.pruner == pruner and n.dataset == "CIFAR-10" and n.arch == "ResNet-56"
        and compression == pytest.approx(n.ratio if n.sparsity is None else 1 - n.sparsity)
    }  # fmt: skip
    assert number is near


def test_tests() -> None:
    found = recall.tests()
    assert Counter(test.table for test in found) == {
        "1": 20, "2": 20, "3": 16, "4": 16, "5": 20, "6": 20, "7": 15, "8": 30, "9": 25,
    }  # fmt: skip
    assert {(t.table, t.family_size, t.alternative, t.varied) for t in found} == {
        *((table, 4, "less", "ratio") for table in "1234"),
        ("5", 4, "greater", "arch"),
        ("6", 4, "greater", "arch"),
        ("7", 3, "less", "dataset"),
        ("8", 6, "two-sided", "pruner"),
        ("9", 25, "two-sided", "pruner"),
    }
    by_sides = {(t.table, t.a, t.b): t for t in found}
    assert len(by_sides) == len(found)

    def one(table: str, a: Cell, b: Cell) -> tuple[float, str, bool, int | None]:
        test = by_sides[table, a, b]
        return (test.p, test.p_corrected, test.significant, test.sign)

    net = ("CIFAR-10", "ResNet-56")
    assert one("4", Cell(*net, "RP", 2), Cell(*net, "RP", 4)) == (0.034, "0.034", True, -1)
    # 1.000 may be anything from a quarter on: no sign. The fourth of 0.885 is less than a half.
    assert one("4", Cell(*net, "RP", 4), Cell(*net, "RP", 10)) == (1, "1.000", False, None)
    assert one("2", Cell(*net, "UP", 2), Cell(*net, "UP", 4)) == (0.885, "0.885", False, -1)
    assert one("3", Cell("Fashion", "LeNet", "MP", 10), Cell("Fashion", "LeNet", "MP", 20))[0] == 0.001
    sizes = Cell("CIFAR-10", "ResNet-32", "MP", 20), Cell("CIFAR-10", "ResNet-44", "MP", 20)
    assert one("5", *sizes) == (0.001, "<0.001", True, 1)
    pair = Cell("MNIST", "LeNet", "MP", 50), Cell(*net, "MP", 50)
    assert one("7", *pair) == (1, "1.000", False, None)
    assert one("8", Cell(*net, "GP", 50), Cell(*net, "RP", 50)) == (0.002, "0.002", True, 1)
    assert one("8", Cell(*net, "MP", 50), Cell(*net, "GP", 50)) == (0.037, "0.037", True, None)
    small = ("CIFAR-10", "ResNet-32")
    assert one("9", Cell(*small, "MP", 50), Cell(*small, "UP", 50)) == (0.051, "0.051", False, 1)


def test_columns_printed_twice_agree() -> None:
    values: dict[tuple[Cell, Cell], set[str]] = {}
    for test in recall.tests():
        if test.varied == "ratio":
            values.setdefault((test.a, test.b), set()).add(test.p_corrected)
    assert len(values) == 72 - 4 * 3  # ResNet-56 with MP three times, with UP twice
    assert all(len(texts) == 1 for texts in values.values())


def test_names() -> None:
    names = recall.dataset_name
    assert [names("zoo", source) for source in recall.NAMES.datasets] == [
        "MNIST",
        "Fashion",
        "CIFAR-10",
        "CIFAR-100",
    ]
    # The source decides where it is known.
    assert names("mnist", "digits") is None
    assert [names(n, None) for n in ("fashion_mnist", "CIFAR-10", "cifar100", "fashion", "zoo", "lenet5")] == [
        "Fashion", "CIFAR-10", "CIFAR-100", "Fashion", None, None,
    ]  # fmt: skip
    archs = recall.arch_name
    assert archs("zoo", "lenet5", None) == "LeNet"
    assert [archs("zoo", "resnet", depth) for depth in (20, 110, 26, None)] == [
        "ResNet-20", "ResNet-110", None, None,
    ]  # fmt: skip
    assert archs("resnet20", "bilstm", None) is None
    assert [archs(n, None, None) for n in ("lenet5", "LeNet", "resnet_56", "mnist", "resnet26")] == [
        "LeNet", "LeNet", "ResNet-56", None, None,
    ]  # fmt: skip


@pytest.mark.skipif(not SHARED.is_dir(), reason=f"no transcriptions in {SHARED}")
def test_equal_to_the_transcriptions() -> None:
    def rows(file: str) -> list[dict[str, str]]:
        with open(SHARED / file, newline="", encoding="utf-8") as stream:
            return list(csv.DictReader(stream))

    for row in rows("recall_accuracy.csv"):
        quantity = f"unpruned_accuracy_for_{row['pruner']}"
        assert value("10", row["dataset"], row["model"], "none", 0, quantity) == float(row["accuracy"])
    for row in rows("recall_variance.csv"):
        where: tuple[str, float, str] = (row["pruner"], float(row["ratio"]), "mean_recall_variance")
        if row["ratio"] == "1":
            where = ("none", 0, f"unpruned_recall_variance_for_{row['pruner']}")
        assert value("11", row["dataset"], row["model"], *where) == float(row["mean_recall_variance"])
    for row in rows("recall_lth.csv")[1:]:
        for quantity, column in (("accuracy", "accuracy"), ("alpha", "intensification")):
            compression = 1 - 0.8 ** int(row["level"])
            assert value("12", "CIFAR-10", "ResNet-56", "LTH", compression, quantity) == float(row[column])
    for row in rows("recall_chip.csv")[1:]:
        for quantity, column in (("accuracy", "accuracy"), ("alpha", "intensification")):
            ratio = float(row["ratio"])
            assert value("13", "CIFAR-10", "ResNet-56", "CHIP", ratio, quantity) == float(row[column])
    expected, ours = [], []
    for row, test in zip(rows("recall_pvalues.csv"), recall.tests(), strict=True):
        expected.append(
            (row["table"], row["p_value"], float(row["p_upper_bound"]), *row["comparison"].split(" vs "))
        )
        a, b = (
            f"t={place.ratio:g}" if test.varied == "ratio" else getattr(place, test.varied)
            for place in (test.a, test.b)
        )
        ours.append((test.table, test.p_corrected, test.p, a, b))
        # Column and fixed settings, in whatever words, name only what both sides have.
        for place in (test.a, test.b):
            names = {place.dataset, place.arch, place.pruner, f"t={place.ratio:g}"}
            words = (
                {row["column"], *row["comparison"].split(" vs ")} if row["table"] != "9" else {row["column"]}
            )
            other = {a, b} - names
            assert words - other <= names | other
            for fixed in row["fixed"].split("; "):
                name, _, wanted = fixed.partition("=")
                if wanted:
                    assert getattr(place, {"model": "arch"}.get(name, name)) == wanted
            if row["ratio"]:
                assert place.ratio == float(row["ratio"])
    assert ours == expected
