"""A study's alphas, accuracies, variances and tests beside the recall paper's, from cells to files."""

from __future__ import annotations

import csv
import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from prunescope.analysis.tables.declared import Key
from prunescope.analysis.tables.papers import TABLES
from prunescope.config.analysis import Analysis
from prunescope.papers.against_papers import collect_all
from prunescope.papers.comparison import published_rows
from prunescope.papers.measured import Measured
from prunescope.papers.recall.alpha_tests import AlphaTest

DENSE = Key("cifar10", "resnet56", "none", 0.0)
SOURCES = {"kaggle": "fashion_mnist", "tiny": "cifar10"}
#: Seeds' alphas by data set/arch/pruner/ratio.
Alphas = Mapping[tuple[str, str, str, float], Sequence[float]]
ARCHS = {
    "plain": {"family": "lenet5"},
    "deep": {"family": "resnet", "depth": 56},
    "deeper": {"family": "resnet", "depth": 110},
}
PARAMETERS = {"plain": 60_000, "deep": 850_000, "deeper": 1_700_000}


def make(root: Path, alphas: Alphas, half: Mapping[str, float] | None = None) -> list[Path]:
    """Cells of two classes, recalls of the dense models 0.7 +- ``half`` of the data set.

    Their accuracy is 0.7 (kaggle: 0.6), that of the pruned ones too. Balances are +- half / 0.7, so that pruned
    recalls 0.7 +- alpha * half have slope alpha.
    """
    cells = []
    for (dataset, arch, pruner, ratio), slopes in alphas.items():
        folder = root / dataset / arch / pruner / f"ratio-{round(100 * ratio)}percent"
        (folder / "test").mkdir(parents=True)
        accuracy = 0.6 if dataset == "kaggle" else 0.7
        width = (half or {}).get(dataset, 0.1)
        recall = [
            "seed,class,support,recall_dense,recall_pruned,balance_dense,balance_pruned,intensification"
        ]
        lines = ["seed,accuracy_dense,accuracy_pruned,alpha"]
        scores = ["seed,score_dense,score_pruned,flips"]
        for seed, slope in enumerate(slopes):
            for name, sign in (("a", 1), ("b", -1)):
                both = [accuracy + sign * width, accuracy + sign * width * slope]
                balances = [(value - accuracy) / accuracy for value in both]
                fields = [seed, name, 50, *both, *balances, slope]
                recall.append(",".join(map(str, fields)))
            lines.append(f"{seed},{accuracy},{accuracy},{slope}")
            scores.append(f"{seed},{accuracy},{accuracy},0")
        for name, text in (("recall", recall), ("alpha", lines), ("scores", scores)):
            (folder / "test" / f"{name}.csv").write_text("\n".join(text) + "\n")
        mean = float(np.mean(slopes))
        summary = {
            "task": "single-label", "metric": "accuracy", "n_examples": 100, "n_pies": 0, "pie_share": 0.0,
            "dense_score_on_pies": None, "pruned_score_on_pies": None, "pruned_score": accuracy, "n_classes": 2,
            "alpha": {
                "mean": mean, "ci_low": mean - 0.1, "ci_high": mean + 0.1, "confidence": 0.99, "verdict": "?",
                "n_seeds": len(slopes),
            },
        }  # fmt: skip
        (folder / "test" / "summary.json").write_text(json.dumps(summary))
        models = [
            {
                "seed": seed, "diverged": False, "sparsity": 1 - 1 / ratio, "ratio": ratio * 1.0004,
                "parameters": PARAMETERS[arch],
            }
            for seed in range(len(slopes))
        ]  # fmt: skip
        record = {"models": models, "settings": {"architecture": ARCHS[arch]}}
        (folder / "models.json").write_text(json.dumps(record))
        cells.append(folder)
    return cells


def rows_of(path: Path) -> list[dict[str, str]]:
    with open(path, newline="", encoding="utf-8") as stream:
        return list(csv.DictReader(stream))


RISING = {
    2: [0.90, 0.80, 0.86, 0.91],
    4: [1.00, 0.94, 0.95, 0.99],
    10: [1.10, 1.00, 1.01, 1.05],
}


def test_from_cells_to_files(tmp_path: Path) -> None:
    """Fashion-MNIST and CIFAR-10 under other names, told by their sources; models by family and depth.

    CIFAR-10 has the higher dense accuracy here, so that the study tests it as the easier one.
    """
    alphas: dict[tuple[str, str, str, float], Sequence[float]] = {}
    for ratio, slopes in RISING.items():
        alphas["kaggle", "plain", "MP", ratio] = slopes
        alphas["tiny", "deep", "MP", ratio] = [slope + 0.5 for slope in slopes]
        alphas["tiny", "deep", "UP", ratio] = [slope + 0.45 for slope in slopes]
    cells = make(tmp_path, alphas, {"kaggle": 0.1, "tiny": 0.05})
    # No paper's: another model of the data set
    cells += make(tmp_path, {("kaggle", "deeper", "MP", 2): [1, 2]})
    collect_all(cells, tmp_path / "tables", sources=SOURCES, analysis=Analysis(correction="holm"))

    published = [r for r in rows_of(tmp_path / "tables" / "published.csv") if r["paper"] == "recall"]
    assert tuple(published[0]) == TABLES["published"].columns
    assert not [row for row in published if (row["dataset"], row["arch"]) == ("kaggle", "deeper")]
    by = {(r["table"], r["dataset"], r["pruner"], r["sparsity"], r["quantity"]): r for r in published}

    def one(*where: str) -> tuple[float, float, float]:
        row = by[where]
        return (float(row["published"]), float(row["ours"]), float(row["difference"]))

    assert one("10", "kaggle", "none", "0.0", "unpruned_accuracy_for_MP") == pytest.approx(
        (0.899, 0.6, -0.299)
    )
    assert one("10", "tiny", "none", "0.0", "unpruned_accuracy_for_GP") == pytest.approx((0.896, 0.7, -0.196))
    # Two classes at +- 0.1 with ddof = 1: a variance of 0.02; that of pruned ones is alpha squared times it.
    dense = one("11", "kaggle", "none", "0.0", "unpruned_recall_variance_for_MP")
    assert dense == pytest.approx((0.0099, 0.02, 0.0101))
    variance = 0.02 * np.mean(np.square(RISING[4]))
    assert one("11", "kaggle", "MP", "0.75", "mean_recall_variance")[:2] == pytest.approx((0.0088, variance))

    # Table 3: Fashion at 4 against 10 has p = .700 in print and ours is below .05, both times rising.
    quantity = "ratio 4 < 10"
    assert one("3", "kaggle", "MP", "0.75", f"significant at 0.05: {quantity}") == (0, 1, 1)
    assert one("3", "kaggle", "MP", "0.75", f"sign of the difference: {quantity}") == (-1, -1, 0)
    # 1.000 is printed without a sign.
    assert one("3", "kaggle", "MP", "0.5", "significant at 0.05: ratio 2 < 4") == (0, 1, 1)
    assert ("3", "kaggle", "MP", "0.5", "sign of the difference: ratio 2 < 4") not in by
    # Table 7, in the paper's direction
    assert one("7", "kaggle", "MP", "0.9", "significant at 0.05: dataset kaggle < tiny") == (1, 1, 0)
    # Table 8. UP is always 0.05 below: the differences do not vary, and there is no test, but a sign.
    row = by["8", "tiny", "MP", "0.9", "significant at 0.05: pruner MP != UP"]
    assert (row["published"], row["ours"], row["difference"]) == ("1.0", "", "")
    assert one("8", "tiny", "MP", "0.9", "sign of the difference: pruner MP != UP") == (1, 1, 0)
    # Tables 1, 3 and 4 print the same column of MP on ResNet-56.
    for table in "134":
        assert one(table, "tiny", "MP", "0.5", "significant at 0.05: ratio 2 < 4") == (1, 1, 0)
    # One size alone has neither Table 5 nor 9.
    assert {row["table"] for row in published} == {"1", "2", "3", "4", "7", "8", "10", "11"}

    tests = rows_of(tmp_path / "tables" / "published_tests.csv")
    assert tuple(tests[0]) == TABLES["published_tests"].columns
    (pair,) = [r for r in tests if (r["table"], r["cell_a"]) == ("7", "kaggle/plain/MP/ratio-1000percent")]
    assert pair["cell_b"] == "tiny/deep/MP/ratio-1000percent"
    # Bonferroni's, though the study's tables are Holm's; the one test of the family is of the other direction.
    welch = stats.ttest_ind(RISING[10], [s + 0.5 for s in RISING[10]], equal_var=False, alternative="less")
    assert float(pair["ours_p"]) == pytest.approx(welch.pvalue)
    assert (pair["published_p"], pair["published_significant"], pair["ours_significant"]) == (
        "<0.001",
        "true",
        "true",
    )
    assert (pair["published_sign"], pair["ours_sign"]) == ("-1", "-1")
    assert (pair["published_family_size"], pair["ours_family_size"], pair["n_a"]) == ("3", "1", "4")
    (step,) = [r for r in tests if (r["table"], r["cell_a"]) == ("3", "kaggle/plain/MP/ratio-400percent")]
    dependent = stats.ttest_rel(RISING[4], RISING[10], alternative="less")
    assert float(step["ours_p"]) == pytest.approx(2 * dependent.pvalue)
    assert step["ours_family_size"] == "2"
    (none,) = [r for r in tests if (r["table"], r["cell_a"]) == ("8", "tiny/deep/MP/ratio-200percent")]
    assert (none["ours_p"], none["ours_significant"], none["note"]) == ("", "", "the differences do not vary")
    significant = [row["ours_significant"] for row in tests]
    assert significant.count("true") + significant.count("false") + significant.count("") == len(tests)

    claims = {row["id"]: row for row in rows_of(tmp_path / "tables" / "claims.csv")}
    assert claims["REC-05"]["verdict"] == "holds"
    assert "kaggle below tiny with MP at ratio 2" in claims["REC-05"]["evidence"]
    assert claims["REC-03"]["verdict"] == "holds"
    assert claims["REC-02"]["verdict"] == claims["PIE-02"]["verdict"] == "not measured"


def test_tables_8_and_9_are_told_apart(tmp_path: Path) -> None:
    """MP against UP at one model is in both, with a family of its own in each."""
    rng = np.random.default_rng(3)
    pruners = {"deep": ("MP", "GP", "UP"), "deeper": ("MP", "UP")}
    alphas = {
        ("tiny", arch, pruner, 10.0): rng.normal(1, 0.2, 5).tolist()
        for arch in pruners
        for pruner in pruners[arch]
    }
    collect_all(make(tmp_path, alphas), tmp_path / "tables", sources=SOURCES)
    tests = rows_of(tmp_path / "tables" / "published_tests.csv")
    sizes = {
        (row["table"], row["cell_a"], row["cell_b"].split("/")[2]): int(row["ours_family_size"])
        for row in tests
    }
    deep, deeper = (f"tiny/{arch}/MP/ratio-1000percent" for arch in ("deep", "deeper"))
    up = "tiny/deep/UP/ratio-1000percent"
    assert sizes == {
        ("5", deep, "MP"): 1,
        ("6", up, "UP"): 1,
        ("8", deep, "GP"): 3,
        ("8", deep, "UP"): 3,
        ("8", "tiny/deep/GP/ratio-1000percent", "UP"): 3,
        ("9", deep, "UP"): 2,
        ("9", deeper, "UP"): 2,
    }


def test_a_test_turned_round() -> None:
    """The p-value of the other side is one less this one; a two-sided one stays."""
    x, y = [1.0, 2.0, 4.0, 3.0], [2.0, 1.5, 6.0, 5.0]
    welch = stats.ttest_ind(x, y, equal_var=False, alternative="less")
    sides = Key("d", "n", "MP", 0.5), Key("e", "n", "MP", 0.5)
    test = AlphaTest(
        "dataset: MP, ratio 2", "dataset", *sides, "less", welch.pvalue, 2, -1.125, 4, 5, ("a", "b")
    )
    other = test.turned()
    expected = stats.ttest_ind(y, x, equal_var=False, alternative="less").pvalue
    assert other.p_value == pytest.approx(expected)
    assert other.p_corrected == 1
    assert (other.a, other.b, other.n_a, other.n_b, other.cells) == (*sides[::-1], 5, 4, ("b", "a"))
    assert (test.sign, other.sign) == (-1, 1)
    again = other.turned()
    assert (again.p_value, again.difference) == (pytest.approx(test.p_value), test.difference)
    two = AlphaTest("pruner: d", "pruner", *sides, "two-sided", 0.01, 6, 0.5, 4, 4)
    assert (two.turned().p_value, two.p_corrected, two.significant) == (0.01, 0.06, False)
    assert two.turned().sign == -1
    silent = AlphaTest("pruner: d", "pruner", *sides, "less", None, 6, None, 1, 1)
    assert (silent.turned().p_value, silent.p_corrected, silent.significant, silent.sign) == (
        None,
        None,
        False,
        None,
    )


def measured(**values: Mapping[Key, float]) -> Measured:
    return Measured(dict.fromkeys(values["score_mean"], "accuracy"), values)


def modern(cells: Mapping[Key, tuple[float | None, float, float]]) -> Measured:
    """ratio, alpha, accuracy"""
    scores = {DENSE: 0.9, **{key: accuracy for key, (_, _, accuracy) in cells.items()}}
    return measured(
        score_mean=scores,
        alpha={key: alpha for key, (_, alpha, _) in cells.items()},
        ratio={key: ratio for key, (ratio, _, _) in cells.items() if ratio is not None},
    )


def test_levels_go_by_the_weights_left_and_filters_by_the_nearest_ratio() -> None:
    tables = modern(
        {
            # Level 10 leaves 0.8^10 = 0.10737 of the prunable weights.
            DENSE._replace(pruner="LTH", sparsity=0.89263): (9.1, 0.97, 0.84),
            # Two near 8.27: 8.1 is 2 % below, 8.6 4 % above
            DENSE._replace(pruner="CHIP", sparsity=0.88): (8.1, 0.9, 0.8),
            DENSE._replace(pruner="CHIP", sparsity=0.89): (8.6, 1.9, 0.7),
            DENSE._replace(pruner="CHIP", sparsity=0.5): (2.0, 0.6, 0.85),
            DENSE._replace(pruner="CHIP", sparsity=0.69): (None, 0.6, 0.85),
        }
    )
    rows = [row for row in published_rows(tables) if row.pruner in ("LTH", "CHIP")]
    assert [(r.table, r.sparsity, r.quantity, r.published, r.ours) for r in rows] == [
        ("12", 0.89263, "accuracy", 0.85, 0.84),
        ("12", 0.89263, "alpha", 0.98, 0.97),
        ("13", 0.88, "accuracy", 0.882, 0.8),
        ("13", 0.88, "alpha", 0.985, 0.9),
    ]
    dense = {(r.table, r.quantity): r.ours for r in published_rows(tables) if r.pruner == "none"}
    assert dense["12", "unpruned_accuracy_for_LTH"] == dense["13", "unpruned_accuracy_for_CHIP"] == 0.9


@pytest.mark.parametrize(
    "other",
    [
        DENSE._replace(pruner="MP", dataset="zoo", sparsity=0.9),
        DENSE._replace(pruner="MP", arch="resnet26", sparsity=0.9),
        DENSE._replace(pruner="MP-AI", sparsity=0.9),
        DENSE._replace(pruner="MP", sparsity=0.89),
    ],
    ids=("dataset", "arch", "pruner", "ratio"),
)
def test_other_cells_are_not_compared(other: Key) -> None:
    ratio = 1 / (1 - other.sparsity)
    tables = measured(score_mean={other: 0.9}, mean_recall_variance={other: 0.1}, ratio={other: ratio})
    assert published_rows(tables) == []
    known = DENSE._replace(pruner="MP", sparsity=0.9)
    tables = measured(score_mean={known: 0.9}, mean_recall_variance={known: 0.1}, ratio={known: 10.0})
    assert [row.quantity for row in published_rows(tables)] == ["mean_recall_variance"]


def test_dense_models_of_lth_and_chip_count_beside_them() -> None:
    alone = published_rows(measured(score_mean={DENSE: 0.9}))
    assert {row.table for row in alone} == {"10", "11"}
    assert [row.published for row in alone if row.table == "10"] == [0.893, 0.896, 0.893, 0.893]
    lth = DENSE._replace(pruner="LTH", sparsity=0.5)
    beside = published_rows(measured(score_mean={DENSE: 0.9}, alpha={lth: 1.0}))
    assert {row.table for row in beside} == {"10", "11", "12"}
