"""Who pays under one pruner against another: by hand, by enumeration, and what must not change anything."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from prunescope.analysis.audit_tables import Score
from prunescope.analysis.csv_text import write_csv
from prunescope.analysis.pies.who_pays import by_chance, class_changes, overlaps, pruner_tests
from prunescope.analysis.tables.cell import CellResults
from prunescope.analysis.tables.declared import header
from prunescope.analysis.tables.results import StudyResults
from prunescope.config.analysis import Analysis
from prunescope.config.compression import Compression
from prunescope.errors import UserError

HALF = Compression.of_sparsity(0.5)
RECALL = ("seed", "class", "support", "recall_dense", "recall_pruned")


def payer(
    root: Path,
    pruner: str,
    pies: list[int] | None = None,
    recalls: list[tuple[int, str, int, float, float]] | None = None,
    *,
    n: int = 6,
    criterion: str | None = None,
    compression: Compression = HALF,
    dataset: str = "d",
) -> CellResults:
    """``pies``: examples of 10, 11, ..., of which there are ``n``."""
    folder = root / dataset / "net" / pruner / compression.token
    (folder / "test").mkdir(parents=True)
    if pies is not None:
        examples = np.arange(10, 10 + n)
        table = pa.table({"example": examples, "is_pie": np.isin(examples, pies), "label": [0] * n})
        pq.write_table(table, folder / "test" / "pies.parquet")
    if recalls is not None:
        write_csv(folder / "test" / "recall.csv", RECALL, recalls)
    return CellResults(folder, [], {"composition": {"criterion": criterion}})


def found(
    cells: list[CellResults], confidence: float = 0.95
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    study = StudyResults(cells, {}, Analysis(confidence=confidence))
    classes = [vars(row) | {"class": row.class_} for row in class_changes(study)]
    return [vars(row) for row in overlaps(study)], classes


def test_overlap_by_hand(tmp_path: Path) -> None:
    cells = [payer(tmp_path, "PINS", [10, 11, 15]), payer(tmp_path, "GMP", [11, 12])]
    (one,), classes = found(cells)
    assert (one["pruner"], one["reference"], one["n_examples"]) == ("PINS", "GMP", 6)
    assert (one["n_pies_reference"], one["n_pies"], one["n_both"], one["jaccard"]) == (2, 3, 1, 0.25)
    # Shared 0, 1, 2 with probabilities 3/15, 9/15, 3/15: (9 * 1/4 + 3 * 2/3) / 15.
    assert one["jaccard_by_chance"] == pytest.approx((9 / 4 + 2) / 15)
    assert classes == []


@pytest.mark.parametrize(("first", "second", "of"), [(2, 3, 6), (0, 3, 5), (5, 5, 5), (4, 4, 6), (1, 6, 7)])
def test_chance_is_the_mean_over_all_choices(first: int, second: int, of: int) -> None:
    fixed = set(range(first))
    values = [
        len(fixed & set(other)) / len(fixed | set(other))
        for other in itertools.combinations(range(of), second)
    ]
    assert by_chance(first, second, of) == pytest.approx(sum(values) / len(values))
    assert by_chance(second, first, of) == pytest.approx(sum(values) / len(values))


def test_chance_of_large_sets_stays_exact() -> None:
    # Nearly all weight is where k = first * second / of.
    assert by_chance(50_000, 40_000, 549_367) == pytest.approx(0.0422, abs=2e-4)
    assert by_chance(7, 7, 7) == pytest.approx(1.0)
    assert by_chance(0, 0, 9) is None


def test_changes_by_hand(tmp_path: Path) -> None:
    magnitude = [(0, "a", 4, 0.5, 0.25), (0, "b", 2, 1.0, 1.0), (1, "a", 4, 0.5, 0.75), (1, "b", 2, 1.0, 0.5)]
    other = [(0, "a", 4, 0.5, 0.5), (0, "b", 2, 1.0, 0.5), (1, "a", 4, 0.5, 1.0), (1, "b", 2, 1.0, 0.0)]
    cells = [payer(tmp_path, "GMP", recalls=magnitude), payer(tmp_path, "PINS", recalls=other)]
    shared, (a, b) = found(cells)
    assert shared == []
    assert (a["class"], a["support"], a["n_seeds"], a["confidence"]) == ("a", 4, 2, 0.95)
    assert (a["change_reference"], a["change"], a["difference"]) == (0.0, 0.25, 0.25)
    # t(.975, 1) = 12.7062, standard errors .25, .25 and 0: wider than a recall of .5 can change.
    assert (a["change_reference_low"], a["change_high"]) == (-0.5, 0.5)
    assert (a["difference_low"], a["difference_high"]) == (0.25, 0.25)
    assert (b["change_reference"], b["change"], b["difference"]) == (-0.25, -0.75, -0.5)
    # Differences that do not vary are not tested.
    assert (a["p_value"], a["p_corrected"]) == (None, None)


def test_classes_are_tested_together(tmp_path: Path) -> None:
    magnitude = [(seed, name, 4, 0.0, 0.0) for seed in (0, 1) for name in "ab"]
    other = [(0, "a", 4, 0.0, 0.1), (0, "b", 2, 0.0, 0.2), (1, "a", 4, 0.0, 0.3), (1, "b", 2, 0.0, 0.3)]
    _, (a, b) = found([payer(tmp_path, "GMP", recalls=magnitude), payer(tmp_path, "PINS", recalls=other)])
    # t = mean / (s / sqrt 2) = 2 and 5; with one degree of freedom p = 1 - 2 / pi * atan t. Holm: twice the smaller.
    assert a["p_value"] == pytest.approx(1 - 2 / np.pi * np.arctan(2.0))
    assert b["p_value"] == pytest.approx(1 - 2 / np.pi * np.arctan(5.0))
    assert (a["p_corrected"], b["p_corrected"]) == (
        pytest.approx(a["p_value"]),
        pytest.approx(2 * b["p_value"]),
    )


def test_scores_of_pruners_by_hand(tmp_path: Path) -> None:
    cells = [payer(tmp_path, name) for name in ("UP", "MP", "GP")]
    cells.append(payer(tmp_path, "MP", compression=Compression.of_sparsity(0.9)))
    scores = {"UP": (0.1, 0.3), "MP": (0.2, 0.6), "GP": (0.2, 0.6)}
    for cell in cells:
        (cell.folder / "test" / "summary.json").write_text('{"metric": "accuracy"}')
        values = [(seed, 0.9, score, 0) for seed, score in enumerate(scores[cell.pruner])]
        write_csv(cell.folder / "test" / "scores.csv", header(Score), values)
    rows = pruner_tests(StudyResults(cells, {}, Analysis(confidence=0.95)))
    # Only at equal levels, and each pair once.
    assert [(row.a, row.b, row.compression) for row in rows] == [
        ("GP", "MP", "50%"), ("GP", "UP", "50%"), ("MP", "UP", "50%"),
    ]  # fmt: skip
    same, first, second = rows
    assert (same.mean_difference, same.p_value, same.note) == (0.0, None, "the differences do not vary")
    # Differences .1 and .3: t = .2 / .1 = 2; p as above. Three are planned: Holm multiplies both by 3.
    assert (first.mean_a, first.mean_b) == (pytest.approx(0.4), pytest.approx(0.2))
    assert (first.statistic, first.n_seeds) == (pytest.approx(2.0), 2)
    p = 1 - 2 / np.pi * np.arctan(2.0)
    assert (first.p_value, first.p_corrected, second.p_corrected) == (
        pytest.approx(p),
        *[pytest.approx(3 * p)] * 2,
    )
    assert first.cell_b == f"d/net/UP/{HALF.token}"


def random_recalls(rng: np.random.Generator, seeds: list[int]) -> list[tuple[int, str, int, float, float]]:
    return [(seed, name, 5, rng.random(), rng.random()) for seed in seeds for name in "abc"]


def test_only_seeds_that_both_have_count_and_their_order_does_not(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    first, second = random_recalls(rng, [0, 1, 2, 3]), random_recalls(rng, [1, 2, 3, 4])
    whole = found(
        [payer(tmp_path / "1", "GMP", recalls=first), payer(tmp_path / "1", "PINS", recalls=second)]
    )
    shared = [
        payer(tmp_path / "2", "GMP", recalls=[row for row in reversed(first) if row[0] != 0]),
        payer(tmp_path / "2", "PINS", recalls=[row for row in second if row[0] != 4]),
    ]
    assert {row["n_seeds"] for row in whole[1]} == {3}

    def by_class(rows_: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
        return {row["class"]: row for row in rows_}

    assert by_class(whole[1]) == by_class(found(list(reversed(shared)))[1])
    # Other names for the seeds, alike in both cells, change nothing.
    renamed = {1: 30, 2: 20, 3: 10}
    turned = [
        payer(tmp_path / "3", name, recalls=[(renamed[r[0]], *r[1:]) for r in side if r[0] in renamed])
        for name, side in (("GMP", first), ("PINS", second))
    ]
    for name, row in by_class(found(turned)[1]).items():
        for column, value in by_class(whole[1])[name].items():
            assert row[column] == (pytest.approx(value) if isinstance(value, float) else value)


def test_the_same_models_pay_alike(tmp_path: Path) -> None:
    recalls = random_recalls(np.random.default_rng(1), [0, 1, 2])
    cells = [payer(tmp_path, name, [10, 13], recalls) for name in ("GMP", "twin")]
    (one,), classes = found(cells)
    assert one["jaccard"] == 1.0
    for row in classes:
        assert (row["difference"], row["difference_low"], row["difference_high"]) == (0.0, 0.0, 0.0)
        assert row["change"] == row["change_reference"]


def test_who_is_the_reference(tmp_path: Path) -> None:
    def pairs(*cells: CellResults) -> list[tuple[str, str]]:
        return [(row["pruner"], row["reference"]) for row in found(list(cells))[0]]

    mp, imp, gmp = (payer(tmp_path, name, [10]) for name in ("MP", "IMP-FT", "GMP"))
    up = payer(tmp_path, "UP", [10])
    assert pairs(mp, up, imp, gmp) == [("MP", "GMP"), ("UP", "GMP"), ("IMP-FT", "GMP")]
    assert pairs(mp, up, imp) == [("MP", "IMP-FT"), ("UP", "IMP-FT")]
    assert pairs(mp, up) == [("UP", "MP")]
    assert pairs(up) == []
    mine = payer(tmp_path, "mine", [10], criterion="magnitude")
    assert pairs(up, mine) == [("UP", "mine")]
    # Another compression level or data set is no pair.
    assert pairs(payer(tmp_path, "UP", [10], compression=Compression.of_sparsity(0.9)), gmp) == []
    assert pairs(payer(tmp_path, "UP", [10], dataset="e"), gmp) == []


def test_cells_without_models_or_pies(tmp_path: Path) -> None:
    none = payer(tmp_path, "PINS")
    assert found([payer(tmp_path, "GMP", [10]), none]) == ([], [])
    empty = [payer(tmp_path / "empty", name, []) for name in ("GMP", "PINS")]
    (one,), _ = found(empty)
    assert (one["n_both"], one["jaccard"], one["jaccard_by_chance"]) == (0, None, None)


def test_damaged_and_foreign_files_are_named(tmp_path: Path) -> None:
    gmp = payer(tmp_path, "GMP", [10])
    with pytest.raises(UserError, match=r"has 9 test examples and .*GMP.* 6; run the study again"):
        found([gmp, payer(tmp_path, "PINS", [10], n=9)])
    broken = payer(tmp_path, "UP", [10])
    (broken.folder / "test" / "pies.parquet").write_bytes(b"PAR1")
    with pytest.raises(UserError, match=r"UP.*pies\.parquet: not a table of votes"):
        found([gmp, broken])
