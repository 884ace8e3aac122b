"""Data cards: counts and hashes, worked by hand."""

from __future__ import annotations

import numpy as np
import pytest

from prunescope.data.card import card, card_text
from prunescope.data.tables import DataSet, DataTable, TableInfo


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
    assert found["splits"]["train"]["tokens"] == {"min": 1, "mean": 8 / 3, "median": 3.0, "p85": 4, "max": 4}
    assert found["classes"][0] == {"class": "a", "train": 1, "share_of_examples": pytest.approx(1 / 3)}
    text = card_text(found)
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
