"""Precision and F1 in place of recall, alpha beside the mean of intensifications, and degenerate models."""

from __future__ import annotations

import csv
import json
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import f1_score, precision_score

from prunescope.analysis.alpha.variants import intensification, variant_rows, variant_slopes
from prunescope.analysis.audit import audit
from prunescope.analysis.audit_tables import ClassScore
from prunescope.analysis.tables.cell import CellResults
from prunescope.analysis.tables.collect import collect
from prunescope.analysis.tables.declared import header
from prunescope.analysis.tables.registry import AlphaVariant
from prunescope.analysis.ttests import independent, paired
from prunescope.config.analysis import Analysis
from prunescope.config.load import study_from
from prunescope.figures.drawing import draw_all
from prunescope.predictions.store import SeedBlock, TableMeta, write_predictions
from prunescope.site.build import build

pytestmark = pytest.mark.filterwarnings("error")


def predictions(path: Path, label: list[int], by_seed: dict[int, list[int]], classes: str = "abc") -> Path:
    """Models that say exactly this."""
    truth = np.array(label, dtype=np.int32)
    blocks = (
        SeedBlock(seed, truth, np.eye(len(classes), dtype=np.float32)[said]) for seed, said in by_seed.items()
    )
    write_predictions(path, TableMeta("single-label", tuple(classes), split="test"), blocks)
    return path


def audited(
    tmp_path: Path, label: list[int], dense: dict[int, list[int]], pruned: dict[int, list[int]]
) -> Path:
    tmp_path.mkdir(parents=True, exist_ok=True)
    sides = [predictions(tmp_path / f"{n}.parquet", label, s) for n, s in (("d", dense), ("p", pruned))]
    audit([sides[0]], [sides[1]], tmp_path / "test")
    return tmp_path / "test"


def variants(folder: Path) -> list[AlphaVariant]:
    return list(variant_rows(cell(folder), 0.99))


def cell(folder: Path) -> CellResults:
    """The cell of an audit's folder ``test``, which need not lie where a study's does."""
    place = folder.parent / "zoo" / "net" / "MP" / "sparsity-900permille"
    place.mkdir(parents=True, exist_ok=True)
    if not (place / "test").exists():
        (place / "test").symlink_to(folder)
    return CellResults(place, [], {})


def rows_of(path: Path) -> list[dict[str, str]]:
    with open(path, newline="", encoding="utf-8") as stream:
        return list(csv.DictReader(stream))


LABEL = [0, 0, 0, 1, 1, 1]


def test_scores_of_classes_by_hand(tmp_path: Path) -> None:
    # Dense: a said 4 times, 3 right; b said twice, both right. Pruned: a alone. c is never true.
    folder = audited(tmp_path, LABEL, {3: [0, 0, 0, 0, 1, 1]}, {3: [0] * 6})
    rows = rows_of(folder / "class_scores.csv")
    assert list(rows[0]) == list(header(ClassScore))
    assert [(r["seed"], r["class"]) for r in rows] == [("3", "a"), ("3", "b")]
    assert [float(r["precision_dense"]) for r in rows] == [0.75, 1.0]
    assert [r["precision_pruned"] for r in rows] == ["0.5", ""]
    assert [float(r["f1_dense"]) for r in rows] == pytest.approx([6 / 7, 4 / 5])
    assert [float(r["f1_pruned"]) for r in rows] == pytest.approx([2 / 3, 0])


def test_scores_of_classes_against_sklearn(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    label = rng.integers(0, 5, 80)
    sides = [
        {s: np.where(rng.random(80) < keep, label, rng.integers(0, 5, 80)).tolist() for s in (1, 2)}
        for keep in (0.8, 0.4)
    ]
    tmp = tmp_path / "x"
    tmp.mkdir()
    files = [
        predictions(tmp / f"{n}.parquet", label.tolist(), side, "abcde")
        for n, side in zip("dp", sides, strict=True)
    ]
    audit([files[0]], [files[1]], tmp / "test")
    found = pd.read_csv(tmp / "test" / "class_scores.csv")
    for name, side in zip(("dense", "pruned"), sides, strict=True):
        for seed, said in side.items():
            mine = found[found["seed"] == seed]
            assert mine[f"precision_{name}"].tolist() == pytest.approx(
                precision_score(label, said, average=None)
            )
            assert mine[f"f1_{name}"].tolist() == pytest.approx(f1_score(label, said, average=None))


def test_variants_by_hand(tmp_path: Path) -> None:
    # Dense accuracy 5/6, pruned 4/6. Precision: dense 3/4, 1 -> balances -1/10, 1/5; pruned said a 3 times
    # (2 right), b 3 times (2 right): 2/3, 2/3 -> balances 0 and 0, slope 0. F1: dense 6/7, 4/5 -> 1/35,
    # -1/25; pruned 2/3 both -> slope 0. Recall: dense 1, 2/3 -> 1/5, -1/5; pruned 2/3 both -> slope 0.
    folder = audited(tmp_path / "level", LABEL, {0: [0, 0, 0, 0, 1, 1]}, {0: [0, 0, 1, 0, 1, 1]})
    assert [(row.measure, row.n_seeds) for row in variants(folder)] == [
        ("recall", 1), ("precision", 1), ("f1", 1),
    ]  # fmt: skip
    assert [row.alpha for row in variants(folder)] == pytest.approx([0, 0, 0], abs=1e-12)
    # Pruned: a said 5 times (3 right), b once, right; accuracy 4/6. Precision 3/5, 1 -> -1/10, 1/2: slope
    # (1/100 + 1/10) / (1/100 + 1/25) = 2.2. F1 6/8, 2/4 -> 1/8, -1/4: slope (1/280 + 1/100) /
    # (1/1225 + 1/625) = 5.616... Recall 1, 1/3 -> 1/2, -1/2: slope 5/2.
    folder = audited(tmp_path / "steep", LABEL, {0: [0, 0, 0, 0, 1, 1]}, {0: [0, 0, 0, 0, 0, 1]})
    f1 = (1 / 280 + 1 / 100) / (1 / 1225 + 1 / 625)
    assert [row.alpha for row in variants(folder)] == pytest.approx([2.5, 2.2, f1])
    assert all(row.ci_low is None and row.ci_high is None for row in variants(folder))


def test_recall_variant_is_alpha_itself(tmp_path: Path) -> None:
    rng = np.random.default_rng(2)
    label = rng.integers(0, 3, 60).tolist()
    dense, pruned = (
        {s: np.where(rng.random(60) < keep, label, rng.integers(0, 3, 60)).tolist() for s in range(4)}
        for keep in (0.8, 0.5)
    )
    folder = audited(tmp_path, label, dense, pruned)
    alpha = pd.read_csv(folder / "alpha.csv")["alpha"]
    recall = variants(folder)[0]
    assert recall.alpha == pytest.approx(alpha.mean())
    row = intensification(cell(folder))
    assert row is not None
    found = vars(row)
    table = pd.read_csv(folder / "recall.csv")
    x, y = table["balance_dense"], table["balance_pruned"]
    assert found["pooled_alpha"] == pytest.approx((x * y).sum() / (x * x).sum())
    assert found["pooled_r2"] == pytest.approx(
        1 - ((y - found["pooled_alpha"] * x) ** 2).sum() / (y * y).sum()
    )
    assert [found[f"alpha_{name}"] for name in ("mean", "std", "min", "max")] == pytest.approx(
        [alpha.mean(), alpha.std(), alpha.min(), alpha.max()]
    )
    means = table.groupby("seed")["intensification"].mean()
    assert [found[f"intensification_{name}"] for name in ("mean", "std", "min", "max")] == pytest.approx(
        [means.mean(), means.std(), means.min(), means.max()]
    )
    assert (found["n_seeds"], found["n_undefined"]) == (4, int(table["intensification"].isna().sum()))


def test_variant_slopes_without_a_value() -> None:
    whole = np.array([[0.9, 0.5], [0.9, 0.5], [0.7, 0.7], [0.9, 0.5], [0.0, 0.0]])
    pruned = np.array([[0.8, 0.4], [0.8, np.nan], [0.8, 0.4], [0.0, 0.0], [0.8, 0.4]])
    dense_accuracy, pruned_accuracy = np.array([0.7, 0.7, 0.7, 0.7, 0.0]), np.array([0.6, 0.6, 0.6, 0.0, 0.6])
    found = variant_slopes(whole, pruned, dense_accuracy, pruned_accuracy)
    # Undefined precision; all dense balances 0; accuracy 0 after, before pruning
    assert np.isnan(found).tolist() == [False, True, True, True, True]
    assert found[0] == pytest.approx((1 / 3) / (2 / 7))


def study(tmp_path: Path, pruned: dict[str, dict[int, list[int]]], dense: dict[int, list[int]]) -> Path:
    """Cells zoo/net/MP at each compression level, collected into tables."""
    cells = []
    for compression, side in pruned.items():
        folder = tmp_path / "cells" / "zoo" / "net" / "MP" / compression
        audited(folder, LABEL, dense, side)
        cells.append(folder)
    collect(cells, tmp_path / "tables", analysis=Analysis())
    return tmp_path / "tables"


RIGHT, MIXED = [0, 0, 0, 0, 1, 1], [0, 0, 0, 0, 0, 1]


@pytest.mark.parametrize(
    ("dense", "low", "high", "n", "note"),
    [
        # Models that always say a have an alpha like any other.
        ({0: RIGHT, 1: RIGHT}, {0: RIGHT, 1: MIXED}, {0: [0] * 6, 1: [0] * 6}, "2", ""),
        # Accuracy 0 after pruning: no alpha, the seed is left out
        (
            {0: RIGHT, 1: RIGHT},
            {0: RIGHT, 1: MIXED},
            {0: [2] * 6, 1: MIXED},
            "1",
            "fewer than 2 pairs of seeds",
        ),
        (
            {0: RIGHT, 1: RIGHT},
            {0: RIGHT, 1: MIXED},
            {0: [2] * 6, 1: [2] * 6},
            "0",
            "fewer than 2 pairs of seeds",
        ),
        # Dense models that are always right have no balance to start from
        (
            {0: LABEL, 1: LABEL},
            {0: RIGHT, 1: MIXED},
            {0: RIGHT, 1: RIGHT},
            "0",
            "fewer than 2 pairs of seeds",
        ),
        # Dense models with accuracy 0
        (
            {0: [2] * 6, 1: [2] * 6},
            {0: RIGHT, 1: MIXED},
            {0: RIGHT, 1: RIGHT},
            "0",
            "fewer than 2 pairs of seeds",
        ),
        # One seed
        ({0: RIGHT}, {0: RIGHT}, {0: MIXED}, "1", "fewer than 2 pairs of seeds"),
        # Pruning does the same at both compression levels
        (
            {0: RIGHT, 1: RIGHT},
            {0: MIXED, 1: RIGHT},
            {0: MIXED, 1: RIGHT},
            "2",
            "the differences do not vary",
        ),
    ],
)
def test_degenerate_models_have_a_stated_outcome(
    tmp_path: Path,
    dense: dict[int, list[int]],
    low: dict[int, list[int]],
    high: dict[int, list[int]],
    n: str,
    note: str,
) -> None:
    tables = study(tmp_path, {"ratio-200percent": low, "ratio-400percent": high}, dense)
    (row,) = rows_of(tables / "alpha_tests.csv")
    assert (row["a"], row["b"], row["n_a"], row["note"]) == ("2", "4", n, note)
    assert (row["p_value"] == "") == (row["p_corrected"] == "") == bool(note)
    for name in ("alpha_tests", "alpha_variants", "alpha_intensification", "alpha"):
        for line in rows_of(tables / f"{name}.csv"):
            assert not {"nan", "inf", "-inf", "None"} & set(line.values())
    found = rows_of(tables / "alpha_variants.csv")
    assert [v["measure"] for v in found] == ["recall", "precision", "f1"] * 2
    assert list(found[0]) == list(header(AlphaVariant))


def test_one_class_alone(tmp_path: Path) -> None:
    folder = audited(tmp_path, LABEL, {0: RIGHT, 1: RIGHT}, {0: [0] * 6, 1: [0] * 6})
    recall, precision, f1 = variants(folder)
    # Balances 1/5, -1/5 become 1, -1
    assert (recall.alpha, recall.n_seeds) == (pytest.approx(5), 2)
    # b is never said: no precision, no alpha of it; F1 counts it as 0: balances 1/35, -1/25 become 1/3, -1
    assert (precision.alpha, precision.ci_low, precision.ci_high, precision.n_seeds) == (None, None, None, 0)
    assert f1.alpha == pytest.approx((1 / 105 + 1 / 25) / (1 / 1225 + 1 / 625))


def test_cells_without_class_scores_still_have_their_alpha(tmp_path: Path) -> None:
    folder = audited(tmp_path, LABEL, {0: RIGHT}, {0: MIXED})
    (folder / "class_scores.csv").unlink()
    assert [row.measure for row in variants(folder)] == ["recall"]
    (folder / "recall.csv").unlink()
    assert intensification(cell(folder)) is None


def by_recall(hits: tuple[int, int], size: int) -> list[int]:
    """Predictions of classes a and b, ``size`` examples each, with this many right."""
    return [0] * hits[0] + [1] * (size - hits[0]) + [1] * hits[1] + [0] * (size - hits[1])


def test_a_verdict_is_no_rounding_error(tmp_path: Path) -> None:
    # Recalls 57/59 and 54/59 fall to a third each: every balance stays what it was, alpha is 1, computed
    # as 1 - 2e-15 in every seed. The interval is that one point, and it is not below 1.
    label = [0] * 59 + [1] * 59
    dense = {seed: by_recall((57, 54), 59) for seed in range(3)}
    pruned = {seed: by_recall((19, 18), 59) for seed in range(3)}
    folder = audited(tmp_path, label, dense, pruned)
    alpha = json.loads((folder / "summary.json").read_text())["alpha"]
    assert alpha["mean"] != 1
    assert [alpha[name] for name in ("mean", "ci_low", "ci_high")] == pytest.approx([1, 1, 1], abs=1e-12)
    assert (alpha["verdict"], alpha["n_seeds"], alpha["n_left_out"]) == ("?", 3, 0)


def test_equal_alphas_are_their_own_interval(tmp_path: Path) -> None:
    # Dense 4/5 and 2/5: balances 1/3, -1/3. Pruned 4/5 and 0: balances 1, -1. alpha 3 in every seed.
    label = [0] * 5 + [1] * 5
    sides = [{seed: by_recall(hits, 5) for seed in range(4)} for hits in ((4, 2), (4, 0))]
    folder = audited(tmp_path, label, *sides)
    alpha = json.loads((folder / "summary.json").read_text())["alpha"]
    assert [alpha[name] for name in ("mean", "ci_low", "ci_high")] == pytest.approx([3, 3, 3])
    assert alpha["verdict"] == ">"


def test_alphas_apart_by_rounding_are_not_tested() -> None:
    # As much as alphas of proportional recalls differ that lie 1e-4 around the accuracy
    base = dict.fromkeys(range(4), 1.0)
    noise = {seed: 1.0 + (-1) ** seed * 3e-13 for seed in range(4)}
    for found in (
        paired(base, noise, "two-sided", 0.99),
        independent(list(base.values()), list(noise.values()), "two-sided", 0.99),
    ):
        assert found.p_value is None
        assert found.note in ("the differences do not vary", "neither side varies")


#: Dense and pruned predictions by seed, and what the page says of alpha.
DEGENERATE = {
    "one class alone": ({0: RIGHT, 1: RIGHT}, {0: [0] * 6, 1: [0] * 6}, "the recall paper does, α is 5.00"),
    "nothing right": ({0: RIGHT, 1: RIGHT}, {0: [2] * 6, 1: [2] * 6}, "Recall distortion α has no value"),
    "no balance": ({0: LABEL, 1: LABEL}, {0: RIGHT, 1: MIXED}, "Recall distortion α has no value"),
    "one seed": ({0: RIGHT}, {0: MIXED}, "one seed gives no interval."),
    "one left": (
        {0: RIGHT, 1: RIGHT},
        {0: MIXED, 1: [2] * 6},
        "one seed gives no interval. 1 seed has none: all classes have the same recall there, or no prediction",
    ),
    "nothing moves": ({0: RIGHT, 1: RIGHT}, {0: RIGHT, 1: RIGHT}, "1.00 to 1.00: not distinguished from 1"),
}


@pytest.mark.parametrize("case", sorted(DEGENERATE))
def test_degenerate_cells_reach_every_table_figure_and_page(tmp_path: Path, case: str) -> None:
    dense, pruned, said = DEGENERATE[case]
    settings = study_from(
        {
            "name": "degenerate",
            "seeds": sorted(dense),
            "datasets": {"zoo": {"source": "digits"}},
            "archs": {"net": {"family": "lenet5"}},
            "grid": [{"datasets": ["zoo"], "archs": ["net"], "pruners": ["MP"], "ratios": [2, 4]}],
        }
    )
    # The same at both ratios: no difference varies either.
    tables = study(tmp_path, {"ratio-200percent": pruned, "ratio-400percent": pruned}, dense)
    cells = sorted((tmp_path / "cells/zoo/net/MP").iterdir())
    draw_all(tables, cells, tmp_path / "figures")
    build(
        study=settings,
        cells=cells,
        tables=tables,
        figures=tmp_path / "figures",
        cards=[],
        out=tmp_path / "index.html",
    )
    written = [
        *tables.glob("*.csv"),
        *(tmp_path / "figures").glob("*/*.csv"),
        *tmp_path.glob("cells/**/*.csv"),
    ]
    assert len(written) > 20
    for path in written:
        for row in rows_of(path):
            assert not {"nan", "inf", "-inf", "None", "NaN"} & {str(value) for value in row.values()}, path
    pages = [tmp_path / "index.html", *(tmp_path / "report/cells").glob("*.html")]
    assert len(pages) == 3
    for path in pages:
        shown = re.sub(r"<(script|style)>.*?</\1>|<[^>]+>", " ", path.read_text(encoding="utf-8"), flags=re.S)
        assert not re.search(r"\b(nan|inf|None)\b", shown), path
    assert all(said in path.read_text(encoding="utf-8") for path in pages[1:])
    (row,) = rows_of(tables / "alpha_tests.csv")
    assert row["p_value"] == row["p_corrected"] == row["significant"] == ""
    assert row["note"] in ("the differences do not vary", "fewer than 2 pairs of seeds")
    for name in ("alpha", "recall_variance"):
        assert len([r for r in rows_of(tables / f"{name}.csv") if r["pruner"] == "MP"]) == 2
    # Boxes and panels, or a line that says why there are none
    for family in ("alpha", "balance"):
        index = json.loads((tmp_path / "figures" / family / "figures.json").read_text())
        assert index["figures"] or index["skipped"]
