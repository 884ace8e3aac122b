"""Which alphas are compared, in which direction, and what alpha_tests.csv says of it."""

from __future__ import annotations

import csv
import json
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from prunescope.analysis.alpha.cells import AlphaCell, alpha_cell, dense_accuracies
from prunescope.analysis.alpha.comparisons import Comparison, comparisons
from prunescope.analysis.alpha.tests import alpha_test_rows
from prunescope.analysis.tables.cell import CellResults
from prunescope.analysis.tables.declared import write_table
from prunescope.analysis.tables.registry import AlphaTest
from prunescope.analysis.tables.results import read_cell
from prunescope.config.analysis import Analysis
from prunescope.config.compression import Compression

alpha_test_rows.__test__ = False  # type: ignore[attr-defined]
pytestmark = pytest.mark.filterwarnings("error")

RATIOS = (2, 4, 10, 20, 50)
#: As in the recall paper's Table 10; parameters in the order of the depths.
ACCURACY = {"mnist": 0.989, "fashion": 0.899, "cifar10": 0.893, "cifar100": 0.671}
PARAMETERS = {
    "lenet5": 60_000,
    "r20": 270_000,
    "r32": 460_000,
    "r44": 660_000,
    "r56": 850_000,
    "r110": 1_700_000,
}
#: Names that sort in another order than the sizes.
NAMES = {"lenet5": "lenet5", "r20": "e", "r32": "d", "r44": "c", "r56": "b", "r110": "a"}


def cell(dataset: str, model: str, pruner: str, compression: Compression, seeds: int = 6) -> AlphaCell:
    rng = np.random.default_rng([*f"{dataset}{model}{pruner}{compression.token}".encode()])
    alphas = rng.normal(0.8 + 0.05 * np.log(compression.units), 0.1, seeds)
    return AlphaCell(
        dataset=dataset,
        arch=NAMES[model],
        pruner=pruner,
        compression=compression,
        alpha=dict(enumerate(alphas.tolist())),
        accuracy_dense=dict.fromkeys(range(seeds), ACCURACY[dataset]),
        seeds=frozenset(range(seeds)),
        n_classes=100 if dataset == "cifar100" else 10,
        family="lenet5" if model == "lenet5" else "resnet",
        parameters=PARAMETERS[model],
    )


def paper(ratios: tuple[float, ...] = RATIOS) -> list[AlphaCell]:
    """The recall paper's grid (section 6.1)."""
    models = [("mnist", "lenet5", ["MP"]), ("fashion", "lenet5", ["MP"]), ("cifar100", "r56", ["MP", "UP"])]
    models += [("cifar10", name, ["MP", "UP"]) for name in ("r20", "r32", "r44", "r110")]
    models += [("cifar10", "r56", ["MP", "GP", "UP", "RP"])]
    return [
        cell(dataset, model, pruner, Compression.of_ratio(ratio))
        for dataset, model, pruners in models
        for pruner in pruners
        for ratio in ratios
    ]


def of(found: list[Comparison], family: str) -> list[Comparison]:
    chosen = [c for c in found if c.family == family]
    assert chosen, sorted({c.family for c in found})
    return chosen


def test_columns_of_the_paper() -> None:
    found = comparisons(paper())
    sizes = Counter(c.family for c in found)
    # Tables 1-4: every architecture and pruner, 4 pairs of ratios
    assert [
        sizes[f"ratio: cifar10, {NAMES[n]}, {p}"] for n in ("r20", "r110", "r56") for p in ("MP", "UP")
    ] == [4] * 6
    assert {sizes[f] for f in sizes if f.startswith("ratio: ")} == {4}
    assert len([f for f in sizes if f.startswith("ratio: ")]) == 10 + 2 + 2 + 2
    table_1 = of(found, "ratio: cifar10, e, MP")
    assert [(c.a, c.b) for c in table_1] == [("2", "4"), ("4", "10"), ("10", "20"), ("20", "50")]
    assert {(c.paired, c.alternative, c.varied, c.fixed) for c in table_1} == {
        (True, "less", "ratio", "dataset=cifar10; arch=e; pruner=MP")
    }
    # Tables 5 and 6: 4 pairs of sizes at each ratio, the smaller first whatever it is called
    assert {sizes[f"arch: cifar10, resnet, {p}, ratio {t}"] for p in ("MP", "UP") for t in RATIOS} == {4}
    table_5 = of(found, "arch: cifar10, resnet, MP, ratio 20")
    assert [(c.a, c.b) for c in table_5] == [("e", "d"), ("d", "c"), ("c", "b"), ("b", "a")]
    assert {(c.paired, c.alternative, c.varied) for c in table_5} == {(False, "greater", "arch")}
    assert len([f for f in sizes if f.startswith("arch: ")]) == 10
    # Table 7: three pairs at each ratio, the easier first, each data set with its default architecture
    table_7 = of(found, "dataset: MP, ratio 10")
    assert [(c.a, c.b) for c in table_7] == [
        ("fashion", "cifar10"), ("mnist", "cifar10"), ("cifar10", "cifar100"),
    ]  # fmt: skip
    assert {(c.paired, c.alternative, c.varied, c.fixed) for c in table_7} == {
        (False, "less", "dataset", "pruner=MP; ratio=10")
    }
    assert {c.second.arch for c in table_7} == {"b"}
    # What the paper has no table of stands apart: two data sets of one level
    assert [(c.a, c.b) for c in of(found, "dataset: lenet5, MP, ratio 10")] == [("mnist", "fashion")]
    # Table 8: all pairs of four pruners at each ratio, on the architecture that has them
    table_8 = of(found, "pruner: cifar10, b, ratio 50")
    assert {frozenset((c.a, c.b)) for c in table_8} == {
        frozenset(pair)
        for pair in ("MP GP", "MP UP", "GP UP", "MP RP", "GP RP", "UP RP")
        for pair in [pair.split()]
    }
    assert {(c.paired, c.alternative, c.varied) for c in table_8} == {(True, "two-sided", "pruner")}
    assert not [f for f in sizes if f.startswith("pruner: cifar10, e")]
    assert sizes["pruner: cifar100, b, ratio 2"] == 1
    # Table 9: one family of 25
    table_9 = of(found, "MP and UP over sizes: cifar10, resnet, ratio")
    assert len(table_9) == 25
    assert {(c.a, c.b, c.alternative, c.paired) for c in table_9} == {("MP", "UP", "two-sided", True)}
    assert [c.fixed for c in table_9[:2]] == [
        "dataset=cifar10; arch=e; ratio=2", "dataset=cifar10; arch=d; ratio=2",
    ]  # fmt: skip
    assert not any(c.undecided for c in found)


def test_a_second_reading_changes_no_family_of_the_paper() -> None:
    """Table 8 has six pairs of four pruners; UP-derived and GP-derived stand for their namesakes in five of six."""
    derived = [
        cell("cifar10", "r56", name, Compression.of_ratio(10)) for name in ("UP-derived", "GP-derived")
    ]
    plain, more = comparisons(paper()), comparisons([*paper(), *derived])
    assert [c for c in more if "derived" not in c.family] == plain
    pairs = {(c.a, c.b) for c in of(more, "pruner, as derived: cifar10, b, ratio 10")}
    assert pairs == {
        ("MP", "UP-derived"), ("UP-derived", "RP"), ("MP", "GP-derived"), ("RP", "GP-derived"),
        ("UP-derived", "GP-derived"),
    }  # fmt: skip
    # Beside the two pruners of Table 9 alone, it makes no Table 8 of them.
    one = cell("cifar10", "r20", "UP-derived", Compression.of_ratio(10))
    found = [c for c in comparisons([*paper(), one]) if "derived" in c.family]
    assert [(c.family, c.a, c.b) for c in found] == [
        ("pruner, as derived: cifar10, e, ratio 10", "MP", "UP-derived")
    ]


def test_figure_13_leaves_the_tables_alone() -> None:
    # Ratios 6 and 8 are of a figure; the setting keeps them out of the tests.
    cells = [*paper(), *(cell("cifar10", "r20", "MP", Compression.of_ratio(t)) for t in (6, 8))]
    tested = alpha_test_rows(cells, Analysis(tested_amounts=RATIOS))
    assert tested == alpha_test_rows(paper(), Analysis())
    everything = [row for row in alpha_test_rows(cells, Analysis()) if row.family == "ratio: cifar10, e, MP"]
    assert [(row.a, row.b) for row in everything] == [
        ("2", "4"), ("4", "6"), ("6", "8"), ("8", "10"), ("10", "20"), ("20", "50"),
    ]  # fmt: skip


def test_neighbouring_levels_of_a_ladder_are_a_family_and_change_no_other() -> None:
    levels = [cell("cifar10", "r56", "LTH", Compression.of_level(k)) for k in range(1, 21)]
    levels.append(cell("cifar10", "r20", "LTH", Compression.of_level(2)))
    chip = [
        cell("cifar10", "r56", "CHIP", Compression.of_ratio(ratio)) for ratio in (1.75, 3.33, 8.27, 19.11)
    ]
    found = comparisons([*paper(), *levels, *chip])
    ladder = of(found, "level: cifar10, b, LTH")
    assert [(c.a, c.b) for c in ladder] == [(str(k), str(k + 1)) for k in range(1, 20)]
    assert {(c.varied, c.paired, c.alternative) for c in ladder} == {("level", True, "less")}
    # Level 2 is no ratio of 2: it is compared with level 2 of other architectures alone.
    assert [(c.a, c.b) for c in of(found, "arch: cifar10, resnet, LTH, level 2")] == [("e", "b")]
    assert [(c.a, c.b) for c in of(found, "ratio: cifar10, b, CHIP")] == [
        ("1.75", "3.33"), ("3.33", "8.27"), ("8.27", "19.11"),
    ]  # fmt: skip
    added = {c.family for c in found} - {c.family for c in comparisons(paper())}
    assert added == {
        "level: cifar10, b, LTH", "ratio: cifar10, b, CHIP", "arch: cifar10, resnet, LTH, level 2",
    }  # fmt: skip
    # The setting names ratios: every level is compared all the same, the ratios of others are not.
    tested = alpha_test_rows([*paper(), *levels, *chip], Analysis(tested_amounts=RATIOS))
    known = alpha_test_rows(paper(), Analysis())
    assert [row for row in tested if row.family in {r.family for r in known}] == known
    assert Counter(row.family for row in tested if row not in known) == {
        "level: cifar10, b, LTH": 19, "arch: cifar10, resnet, LTH, level 2": 1,
    }  # fmt: skip


def test_direction_follows_the_results() -> None:
    cells = [replace(c, parameters=-(c.parameters or 0) + 2_000_000) for c in paper()]
    assert [(c.a, c.b) for c in of(comparisons(cells), "arch: cifar10, resnet, MP, ratio 2")] == [
        ("a", "b"), ("b", "c"), ("c", "d"), ("d", "e"),
    ]  # fmt: skip
    turned = {"mnist": 0.5, "fashion": 0.6, "cifar10": 0.7, "cifar100": 0.8}
    cells = [replace(c, accuracy_dense=dict.fromkeys(c.accuracy_dense, turned[c.dataset])) for c in paper()]
    found = comparisons(cells)
    assert [(c.a, c.b) for c in of(found, "dataset: MP, ratio 2")] == [
        ("cifar100", "cifar10"), ("cifar10", "fashion"), ("cifar10", "mnist"),
    ]  # fmt: skip
    assert [(c.a, c.b) for c in of(found, "dataset: lenet5, MP, ratio 2")] == [("fashion", "mnist")]


def test_of_each_pair_the_easier_data_set_is_first() -> None:
    # MNIST pulls its level up, but CIFAR-10 is easier than Fashion-MNIST here.
    better = [
        replace(c, accuracy_dense=dict.fromkeys(c.accuracy_dense, 0.93)) if c.dataset == "cifar10" else c
        for c in paper()
    ]
    assert [(c.a, c.b) for c in of(comparisons(better), "dataset: MP, ratio 2")] == [
        ("cifar10", "fashion"), ("mnist", "cifar10"), ("cifar10", "cifar100"),
    ]  # fmt: skip


def test_ties_have_no_direction() -> None:
    pair = [cell("cifar10", name, "MP", Compression.of_ratio(2)) for name in ("r20", "r32")]
    pair = [replace(c, parameters=7) for c in pair]
    rows = alpha_test_rows(pair, Analysis())
    assert [(r.varied, r.statistic, r.p_value, r.p_corrected, r.note) for r in rows] == [
        ("arch", None, None, None, "as many parameters: neither is the smaller network")
    ]
    alike = [cell(name, "lenet5", "MP", Compression.of_ratio(2)) for name in ("mnist", "fashion")]
    alike = [replace(c, accuracy_dense={0: 0.5, 1: 0.5}) for c in alike]
    (row,) = alpha_test_rows(alike, Analysis())
    assert row.p_value is None
    assert row.note == "the same unpruned accuracy: neither is the easier data set"


def test_sparsities_of_texts_compare_too() -> None:
    cells = [
        replace(
            cell("mnist", "lenet5", pruner, Compression.of_sparsity(s)),
            dataset="imdb",
            arch="bilstm",
            family="bilstm",
        )
        for pruner in ("IMP-WR", "RP-AI")
        for s in (0.99, 0.2, 0.9)
    ]
    found = comparisons(cells)
    assert [(c.varied, c.a, c.b) for c in of(found, "sparsity: imdb, bilstm, IMP-WR")] == [
        ("sparsity", "0.2", "0.9"), ("sparsity", "0.9", "0.99"),
    ]  # fmt: skip
    assert len(of(found, "pruner: imdb, bilstm, sparsity 0.9")) == 1
    assert len(found) == 4 + 3


def test_ratios_and_sparsities_are_not_compared_with_each_other() -> None:
    cells = [
        cell("mnist", "lenet5", "MP", a) for a in (Compression.of_ratio(2), Compression.of_sparsity(0.5))
    ]
    assert comparisons(cells) == []
    assert comparisons([]) == []


def test_unknown_architectures_have_no_sizes() -> None:
    cells = [replace(c, family=None, parameters=None) for c in paper()]
    assert {c.varied for c in comparisons(cells)} == {"ratio", "dataset", "pruner"}


def records(rows: list[AlphaTest]) -> list[dict[str, Any]]:
    return [vars(row) for row in rows]


@pytest.mark.parametrize("correction", ["bonferroni", "holm"])
def test_corrected_within_families(correction: str) -> None:
    rows = records(alpha_test_rows(paper(), Analysis.model_validate({"correction": correction})))
    families: dict[str, list[dict[str, Any]]] = {}
    for row in rows:
        families.setdefault(row["family"], []).append(row)
    for family in families.values():
        m = len(family)
        assert {row["family_size"] for row in family} == {m}
        by_holm, least = {}, 0.0
        for rank, row in enumerate(sorted(family, key=lambda row: row["p_value"])):
            least = max(least, min(1.0, (m - rank) * row["p_value"]))
            by_holm[id(row)] = least
        for row in family:
            assert row["p_holm"] == pytest.approx(by_holm[id(row)])
            wanted = by_holm[id(row)] if correction == "holm" else min(1.0, m * row["p_value"])
            assert row["p_corrected"] == pytest.approx(wanted)
            assert row["significant"] == (row["p_corrected"] < 0.05)
            assert row["correction"] == correction
    assert [row["family"] for row in rows] == [f for f, group in families.items() for _ in group]


def test_settings_reach_the_tests() -> None:
    welch, student = (
        records(alpha_test_rows(paper(), Analysis(equal_variances=equal))) for equal in (False, True)
    )
    for one, other in zip(welch, student, strict=True):
        if one["test"] == "independent":
            assert other["df"] == 10
            assert one["df"] < 10
        else:
            assert one == other
    narrow = records(alpha_test_rows(paper(), Analysis(confidence=0.5)))
    assert narrow[0]["difference_low"] > welch[0]["difference_low"]
    assert narrow[0]["p_value"] == welch[0]["p_value"]


def test_dropped_models_are_counted() -> None:
    low, high = (cell("mnist", "lenet5", "MP", Compression.of_ratio(t)) for t in (2, 4))
    # Seed 0 is gone on one side, seed 5 on the other; 9 was never pruned at the lower ratio.
    low = replace(low, alpha={s: v for s, v in low.alpha.items() if s != 0})
    high = replace(high, alpha={s: v for s, v in high.alpha.items() if s != 5}, seeds=high.seeds | {9})
    (row,) = records(alpha_test_rows([low, high], Analysis()))
    assert (row["n_a"], row["n_b"], row["n_dropped"]) == (4, 4, 3)
    assert row["mean_a"] == pytest.approx(np.mean([low.alpha[s] for s in (1, 2, 3, 4)]))
    assert row["mean_a"] - row["mean_b"] == pytest.approx(row["mean_difference"])
    other = replace(high, dataset="fashion", compression=low.compression, accuracy_dense={0: 0.1})
    (row,) = records(alpha_test_rows([low, other], Analysis()))
    assert (row["n_a"], row["n_b"], row["n_dropped"]) == (5, 5, 1 + 2)


def test_order_of_cells_and_seeds_changes_nothing(tmp_path: Path) -> None:
    cells = paper()
    rng = np.random.default_rng(0)
    mixed = []
    for place in rng.permutation(len(cells)):
        seeds = rng.permutation(list(cells[place].alpha)).tolist()
        mixed.append(replace(cells[place], alpha={s: cells[place].alpha[s] for s in seeds}))
    assert alpha_test_rows(cells, Analysis()) == alpha_test_rows(mixed, Analysis())
    # Seeds called otherwise, pairs kept
    renamed = {s: 100 - s for s in range(6)}
    cells = [
        replace(
            c,
            alpha={renamed[s]: v for s, v in c.alpha.items()},
            accuracy_dense={renamed[s]: v for s, v in c.accuracy_dense.items()},
            seeds=frozenset(renamed[s] for s in c.seeds),
        )
        for c in cells
    ]
    for row, again in zip(
        alpha_test_rows(paper(), Analysis()), alpha_test_rows(cells, Analysis()), strict=True
    ):
        for one, other in zip(vars(row).values(), vars(again).values(), strict=True):
            assert one == (pytest.approx(other) if isinstance(one, float) else other)


def test_columns_begin_as_documented(tmp_path: Path) -> None:
    write_table(tmp_path, AlphaTest, alpha_test_rows([], Analysis()))
    wanted = "family,varied,fixed,a,b,statistic,df,p_value,p_corrected,alternative,"
    assert (tmp_path / "alpha_tests.csv").read_text().startswith(wanted)


def results(tmp_path: Path, summary: dict[str, Any], models: dict[str, Any], rows: list[str]) -> CellResults:
    folder = tmp_path / "zoo" / "net" / "MP" / "ratio-400percent"
    (folder / "test").mkdir(parents=True)
    (folder / "test" / "summary.json").write_text(json.dumps(summary))
    (folder / "models.json").write_text(json.dumps(models))
    if rows:
        text = "\n".join(["seed,accuracy_dense,accuracy_pruned,alpha", *rows])
        (folder / "test" / "alpha.csv").write_text(text + "\n")
    return read_cell(folder)


def test_a_cell_read(tmp_path: Path) -> None:
    models = {
        "settings": {"architecture": {"family": "resnet"}},
        "models": [{"seed": s, "parameters": 272_474, "diverged": s == 4} for s in (0, 1, 2, 4)],
    }
    summary = {"task": "single-label", "n_classes": 10, "diverged": {"dense": [7], "pruned": [4]}}
    found = alpha_cell(results(tmp_path, summary, models, ["2,0.5,0.1,1.5", "0,0.7,0.0,", "1,0.6,0.1,0.5"]))
    assert found is not None
    assert found.alpha == {1: 0.5, 2: 1.5}
    assert found.seeds == {0, 1, 2, 4, 7}
    assert (found.family, found.parameters, found.n_classes) == ("resnet", 272_474, 10)
    assert found.path == "zoo/net/MP/ratio-400percent"
    assert dense_accuracies([found]) == {("zoo", "net"): pytest.approx(0.6)}


def test_a_cell_without_models_or_recall(tmp_path: Path) -> None:
    models = {"models": [{"seed": 0, "diverged": True}]}
    found = alpha_cell(results(tmp_path / "a", {"task": "single-label", "n_seeds": 0}, models, []))
    assert found is not None
    assert (found.alpha, found.seeds, found.parameters) == ({}, {0}, None)
    assert dense_accuracies([found]) == {}
    assert alpha_cell(results(tmp_path / "b", {"task": "multi-label"}, models, [])) is None
    (row,) = records(
        alpha_test_rows([found, replace(found, compression=Compression.of_ratio(9))], Analysis())
    )
    assert (row["p_value"], row["n_a"], row["n_dropped"]) == (None, 0, 1)
    assert row["note"] == "fewer than 2 pairs of seeds"


def test_nothing_is_written_as_nan(tmp_path: Path) -> None:
    still = [replace(c, alpha=dict.fromkeys(c.alpha, 0.0)) for c in paper((2, 4))]
    write_table(tmp_path, AlphaTest, alpha_test_rows(still, Analysis()))
    with open(tmp_path / "alpha_tests.csv", newline="", encoding="utf-8") as stream:
        rows = list(csv.DictReader(stream))
    assert rows
    for row in rows:
        assert row["note"] in ("the differences do not vary", "neither side varies")
        assert {row["statistic"], row["p_value"], row["p_corrected"], row["p_holm"], row["significant"]} == {
            ""
        }
        assert not {"nan", "inf", "-inf"} & set(row.values())
