"""The papers' numbers and claims that the package carries."""

from __future__ import annotations

import csv
from collections import Counter
from pathlib import Path

import pytest

from prunescope.config.datasets import sources
from prunescope.data.settings import Lengths, PieCorpus, Published
from prunescope.papers.against_papers import CLAIMS
from prunescope.papers.pie import printed as pie
from prunescope.papers.printed import PAPERS, numbers, read_rows

SHARED = Path(__file__).parents[4] / "shared" / "published"
COMPRESSIONS = (0.2, 0.5, 0.7, 0.9, 0.99)


def number(*where: object) -> float:
    (found,) = [
        n.value
        for n in numbers(pie.PAPER)
        if (n.table, n.dataset, n.arch, n.pruner, n.sparsity, n.quantity) == where
    ]
    return found


def test_golden_cells() -> None:
    assert number("4", "IMDB", "BERT", "IIBP-WR", 0.2, "pie_share") == 0.07
    assert number("9", "IMDB", "BERT", "none", 0.0, "score_mean") == 0.932
    assert number("9", "IMDB", "BERT", "IIBP-WR", 0.99, "score_std") == 0.136
    assert number("10", "IMDB", "BERT", "IIBP-WR", 0.2, "pruned_score_on_pies") == 0.245
    assert number("10", "IMDB", "BERT", "IIBP-WR", 0.2, "dense_score_on_pies") == 0.755


def test_every_cell_once_and_nothing_but_fractions() -> None:
    where = [(n.table, n.dataset, n.arch, n.pruner, n.sparsity, n.quantity) for n in numbers(pie.PAPER)]
    assert len(set(where)) == len(where)
    counts = Counter((n.table, n.quantity) for n in numbers(pie.PAPER))
    # Table 4 is whole; of Table 9's 320 cells 15 are illegible, and 8 dense ones are added.
    assert counts["4", "pie_share"] == 4 * 2 * 8 * 5
    assert counts["9", "score_mean"] == 320 - 15 + 8
    assert counts["10", "pruned_score_on_pies"] == 302 - 2
    assert counts["10", "dense_score_on_pies"] == 302 - 3
    for n in numbers(pie.PAPER):
        assert 0 <= n.value <= 1
        assert n.sparsity in COMPRESSIONS or (n.pruner, n.sparsity) == ("none", 0)
        assert n.pruner in (*pie.PRUNERS, "none")
        assert n.metric == ("accuracy" if n.dataset in ("IMDB", "SNLI") else "macro_f1")


def test_two_classes_share_the_pies() -> None:
    """Where two models disagree on two classes one of them is right."""
    pairs: dict[tuple[object, ...], list[float]] = {}
    for n in numbers(pie.PAPER):
        if n.table == "10" and n.dataset == "IMDB":
            pairs.setdefault((n.arch, n.pruner, n.sparsity), []).append(n.value)
    assert len(pairs) == 77
    assert all(sum(pair) == pytest.approx(1) for pair in pairs.values())


def test_doubtful_cells_are_flagged_and_left_out_ones_absent() -> None:
    flagged = {
        (n.dataset, n.arch, n.pruner, n.sparsity, n.quantity) for n in numbers(pie.PAPER) if n.doubtful
    }
    assert ("IMDB", "BERT", "MP-AI", 0.7, "score_std") in flagged
    assert ("IMDB", "BERT", "MP-AI", 0.7, "score_mean") not in flagged
    assert ("SNLI", "BERT", "IMP-WR", 0.99, "dense_score_on_pies") in flagged
    held = {(n.table, n.dataset, n.arch, n.pruner, n.sparsity) for n in numbers(pie.PAPER)}
    absent = [
        row for row in read_rows(pie.PAPER, "doubtful.csv") if row["status"] == "left out" and row["pruner"]
    ]
    assert len(absent) == 2 * (15 + 18)
    for row in absent:
        where = (row["table"], row["dataset"], row["arch"], row["pruner"], float(row["sparsity"]))
        assert where not in held


def test_facts_about_data_sets() -> None:
    """Sources say themselves what Table 7 prints of them."""
    rows = {row["dataset"].casefold(): row for row in read_rows(pie.PAPER, "datasets.csv")}
    assert rows["reuters"]["classification"] == "multi-label"
    for source, cls in sources().items():
        if issubclass(cls, PieCorpus):
            row = rows[source]
            counts = [int(row[f"n_{split}"]) for split in ("train", "val", "test")]
            lengths = [int(row[f"{name}_tokens"]) for name in ("mean", "median", "min", "max", "std", "p85")]
            assert cls.published == Published(
                row["dataset"],
                (counts[0], counts[1], counts[2]),
                int(row["n_classes"]),
                Lengths(*lengths),
                int(row["truncation_tokens"]),
                cls.published.exception,
            )


def test_claims() -> None:
    assert {claims.paper: len(claims.claims) for claims in CLAIMS} == {"PIE": 18, "PINS": 13, "recall": 9}
    assert [claims.paper for claims in CLAIMS] == list(PAPERS)
    declared = [claim for claims in CLAIMS for claim in claims.claims]
    assert len({claim.id for claim in declared}) == 40
    # How each is decided stands beside it.
    assert all(claims.words[claim.id].rule for claims in CLAIMS for claim in claims.claims)


@pytest.mark.skipif(not SHARED.is_dir(), reason=f"no transcriptions in {SHARED}")
def test_equal_to_the_transcriptions() -> None:
    def rows(file: str) -> list[dict[str, str]]:
        with open(SHARED / file, newline="", encoding="utf-8") as stream:
            return list(csv.DictReader(stream))

    expected = {}
    for row in rows("pie_share.csv"):
        key = (row["dataset"], row["arch"], row["pruner"], int(row["amount"]))
        expected["4", *key, "pie_share"] = float(row["pie_percent"]) / 100
    for row in rows("effectiveness.csv"):
        pruner = row["pruner"] if row["amount"] != "0" else "none"
        for column in ("mean", "std"):
            if row[column]:
                key = (row["dataset"], row["arch"], pruner, int(row["amount"]))
                expected["9", *key, f"score_{column}"] = float(row[column])
    for row in rows("effectiveness_on_pies.csv"):
        for column, side in (("pruned_score", "pruned"), ("unpruned_score", "dense")):
            if row[column]:
                key = (row["dataset"], row["arch"], row["pruner"], int(row["amount"]))
                expected["10", *key, f"{side}_score_on_pies"] = float(row[column])
    ours = {
        (n.table, n.dataset, n.arch, n.pruner, round(100 * n.sparsity), n.quantity): n.value
        for n in numbers(pie.PAPER)
    }
    assert ours == pytest.approx(expected)
    assert [c.words.says for claims in CLAIMS for c in claims.claims] == [
        row["statement"] for row in rows("claims.csv")
    ]
