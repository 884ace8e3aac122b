"""Data cards: counts and hashes, worked by hand."""

from __future__ import annotations

import numpy as np
import pytest

from prunescope.data.card import card, card_text
from prunescope.data.dataset import DataSet, DataTable, TableInfo
from prunescope.data.published import beside_table_7
from prunescope.data.sources.aapd import Aapd
from prunescope.data.sources.imdb import Imdb


def _pairs() -> DataTable:
    info = TableInfo("pairs", "train", "multi-label", ("a", "b", "c"), ("premise", "hypothesis"))
    labels = np.array([[1, 0, 1], [0, 0, 0], [0, 1, 0]], dtype=bool)
    texts = {"premise": ["One two.", "Ünï.", ""], "hypothesis": ["x", "y", "z"]}
    return DataTable(info, labels, texts=texts)


def _pictures() -> DataTable:
    info = TableInfo("pictures", "test", "single-label", ("0", "1"), ("image",), (2, 3, 4), 16.0)
    images = np.arange(5 * 24, dtype=np.uint8).reshape(5, 2, 3, 4)
    return DataTable(info, np.array([0, 1, 1, 0, 1], dtype=np.int32), images=images)


def test_card_counts() -> None:
    train = _pairs()
    data = DataSet({"train": train}, {"lib": "1.0"}, ("A note.",))
    found = card("pairs", "made", data)
    assert found["n_examples"] == 3
    assert found["splits"]["train"]["labels_per_example"] == 1.0
    assert found["splits"]["train"]["majority_share"] == pytest.approx(1 / 3)
    # Each label is in 1 of 3 texts: all labels for everybody has precision 1/3, recall 1, F1 1/2.
    assert found["splits"]["train"]["constant_score"] == pytest.approx(0.5)
    # "one two ." + "x", "ünï ." + "y", "" + "z"
    tokens = {
        "min": 1,
        "mean": 8 / 3,
        "median": 3.0,
        "std": pytest.approx((7 / 3) ** 0.5),
        "p85": 4,
        "max": 4,
    }
    assert found["splits"]["train"]["tokens"] == tokens
    # With the separator 5, 4 and 2: four cover two texts of three, so eight it is.
    assert found["length_rule"] == {"covers_85_percent": 8, "in_use": None}
    assert "table_7" not in found
    assert found["classes"][0] == {"class": "a", "train": 1, "share_of_examples": pytest.approx(1 / 3)}
    text = card_text(found)
    assert "is 8 tokens; it is used, over the training texts" in text
    for part in ("A note.", "| lib | 1.0 |", "| train | 3 | 33.3% | 1.00 |", found["sha256"]):
        assert part in text


def test_card_hash_follows_the_content() -> None:
    def digest(table: DataTable) -> str:
        return str(card("d", "made", DataSet({"train": table}, {}))["sha256"])

    table = _pairs()
    assert table.texts is not None
    moved = DataTable(
        table.info, table.labels, texts={"premise": ["One two.x", "Ünï.", ""], "hypothesis": ["", "y", "z"]}
    )
    flipped = DataTable(table.info, ~table.labels, texts=table.texts)
    assert digest(table) == digest(_pairs())
    assert len({digest(table), digest(moved), digest(flipped), digest(_pictures())}) == 4


def test_beside_table_7() -> None:
    sizes = {"train": 20_000, "validation": 5_000, "test": 25_000}
    # Mean 4, median 3.5, squared deviations 9 + 4 + 1 + 16 over 3: no number of IMDB's.
    rows = {row["quantity"]: row for row in beside_table_7(Imdb.published, sizes, 2, np.array([1, 2, 5, 8]))}
    assert rows["train examples"] == {
        "quantity": "train examples",
        "published": 20_000,
        "ours": 20_000,
        "difference": 0,
        "why": "",
    }
    assert (rows["tokens: mean"]["ours"], rows["tokens: mean"]["difference"]) == (4.0, -264.0)
    assert rows["tokens: median"]["ours"] == 3.5
    assert rows["tokens: std"]["ours"] == pytest.approx(10**0.5)
    assert rows["tokens: p85"]["ours"] == 8
    assert rows["max tokens by the rule"]["ours"] == 8
    assert "the cause is not known" in rows["tokens: max"]["why"]
    fewer = beside_table_7(Imdb.published, sizes | {"train": 19_999}, 2, np.array([1, 2, 5, 8]))
    assert fewer[0]["difference"] == -1
    assert "notes name" in fewer[0]["why"]
    assert fewer[4]["why"] == "other texts than the paper's: see the counts"


def test_printed_numbers_are_rounded_on_paper() -> None:
    paper = Aapd.published.lengths
    for mean, agrees in ((166.5, True), (167.49, True), (167.5, False), (166.4, False)):
        tokens = np.array([mean * 2 - 1, 1.0])
        row = next(r for r in beside_table_7(Aapd.published, {"train": 1, "validation": 1, "test": 1}, 54, tokens)
                   if r["quantity"] == "tokens: mean")  # fmt: skip
        assert row["published"] == paper.mean == 167
        assert (row["why"] == "") == agrees
