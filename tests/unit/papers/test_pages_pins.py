"""The PINS paper's score tables, from a study's tables."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

from tests.support.fake_study import write_csv
from tests.support.printed_pages import Page

from prunescope.analysis.tables.declared import header
from prunescope.analysis.tables.registry import Weights
from prunescope.config.load import study_from
from prunescope.config.study import Study
from prunescope.papers import render
from prunescope.papers.pins.layouts import PINS, efficiency, scores
from prunescope.papers.results import Inputs, Results
from prunescope.site.printed import build

COLUMNS = ("dataset", "arch", "pruner", "sparsity", "metric", "mean", "std", "n_seeds")
OF_WEIGHTS = header(Weights)[4:]
ROWS = [
    ("cola", "bert-base", "none", 0.0, "matthews", 0.5, 0.01, 3),
    ("cola", "bert-base", "none", 0.0, "accuracy", 0.8, 0.01, 3),
    ("cola", "bert-base", "GMP", 0.8, "matthews", 0.4, 0.02, 3),
    ("cola", "bert-base", "PINS", 0.8, "matthews", 0.45, "", 1),
    ("cola", "bert-base", "PINS", 0.9, "matthews", "", "", 0),
    ("rte", "bert-base", "PINS", 0.8, "accuracy", 0.7, 0.02, 3),
    ("rte", "mine", "PINS", 0.8, "accuracy", 0.6, 0.02, 3),
    ("other", "bert-base", "PINS", 0.8, "accuracy", 0.6, 0.02, 3),
]


def study() -> Study:
    archs = {name: {"family": "encoder"} for name in ("bert-base", "mine")}
    return study_from(
        {
            "name": "small",
            "seeds": [0],
            "datasets": {
                "rte": {"source": "glue_rte"},
                "cola": {"source": "glue_cola"},
                "other": {"source": "imdb"},
            },
            "archs": archs,
            "grid": [{"datasets": ["rte", "cola", "other"], "archs": list(archs)}],
        }
    )


def inputs(folder: Path) -> Inputs:
    return Inputs(study(), Results(frozenset(), {}), folder)


def grids(index: int, folder: Path) -> list[render.Grid]:
    """Those of the page's table at ``index``."""
    table = PINS.tables[index]
    return render.grids(table.view, table.records(inputs(folder)))


def texts(grid: render.Grid) -> list[list[str]]:
    return [[cell.text for cell in row] for row in grid.rows]


def built(root: Path) -> Path:
    build(study=study(), cells=[], tables=root / "tables", figures=root, cards=[], out=root / "paper")
    return root / "paper" / "pins"


def test_rows_columns_and_printed_numbers(tmp_path: Path) -> None:
    write_csv(tmp_path / "task_metrics.csv", COLUMNS, ROWS)
    paper, own = grids(0, tmp_path)
    assert paper.caption == "Tables 1, 5 and 6. bert-base, GLUE"
    assert own.caption == "mine, GLUE"
    heads = ["rte accuracy", "cola Matthews correlation", "cola accuracy"]
    assert [head.text for head in paper.heads] == ["sparsity", "method", *heads]
    assert [row[:2] for row in texts(paper)] == [
        ["0%", "dense"],
        ["80%", "GMP"],
        ["80%", "PINS"],
        ["90%", "PINS"],
    ]
    found = {
        (r["dataset"], r["arch"], r["metric"], r["pruner"], r["sparsity"]): r
        for r in scores(inputs(tmp_path))
    }
    one = found["cola", "bert-base", "matthews", "PINS", 0.8]
    assert (one["mean"], one["std"], one["n_seeds"], one["published"]) == (0.45, None, 1, 0.571)
    assert found["cola", "bert-base", "matthews", "none", 0.0]["published"] == 0.583
    assert found["cola", "bert-base", "accuracy", "none", 0.0]["published"] is None
    # An architecture that is not the paper's has no printed numbers.
    assert found["rte", "mine", "accuracy", "PINS", 0.8]["published"] is None
    # Alone, dense, or without a score nothing is best.
    assert [key for key, record in found.items() if record["best"]] == [
        ("cola", "bert-base", "matthews", "PINS", 0.8)
    ]


def test_the_page_and_the_file_say_the_same(tmp_path: Path) -> None:
    write_csv(tmp_path / "tables" / "task_metrics.csv", COLUMNS, ROWS)
    folder = built(tmp_path)
    assert {path.name for path in folder.iterdir()} == {*PINS.files, "index.html"}
    shown = [[text for _, text in row] for row in Page(folder / "index.html").rows]
    assert ["80%", "PINS", "70.0 ± 2.0 (72.7)", "45.0 (57.1)", ""] in shown
    with (folder / "table-1-to-9-scores.csv").open(encoding="utf-8") as file:
        rows = {
            (r["dataset"], r["arch"], r["pruner"], r["metric"], r["sparsity"]): r
            for r in csv.DictReader(file)
        }
    assert len(rows) == 7
    one = rows["cola", "bert-base", "PINS", "matthews", "0.8"]
    assert (one["published"], one["difference"]) == ("0.571", "-0.121")


DENSE_RTE = ("rte", "bert-base", "none", 0.0, "accuracy", 0.66, 0.02, 3)


def numbers(folder: Path) -> dict[tuple[str, str, float, str], tuple[Any, ...]]:
    """By architecture, pruner, sparsity and quantity: as printed with the gain, and ours with the gain."""
    return {
        (r["arch"], r["pruner"], r["sparsity"], r["quantity"]): (
            r["published"],
            r["gain"],
            r["ours"],
            r["our_gain"],
        )
        for r in efficiency(inputs(folder))
    }


def test_efficiency_has_what_was_measured_and_says_what_was_not(tmp_path: Path) -> None:
    write_csv(tmp_path / "task_metrics.csv", COLUMNS, [*ROWS, DENSE_RTE])
    paper, own = grids(1, tmp_path)
    assert (paper.caption, own.caption) == ("Table 7. bert-base on rte", "mine on rte")
    assert [row[:2] for row in texts(paper)] == [["0%", "dense"], ["80%", "PINS"]]
    found = numbers(tmp_path)
    assert found["bert-base", "PINS", 0.8, "accuracy"] == (0.69, None, 0.7, None)
    assert found["bert-base", "none", 0.0, "accuracy"] == (0.693, None, 0.66, None)
    assert found["bert-base", "PINS", 0.8, "megabytes"] == (38.0, 8.9, None, None)
    assert found["bert-base", "PINS", 0.8, "seconds"] == (0.041, 2.7, None, None)
    # An architecture that is not the paper's has no printed numbers; what is not there is no number.
    assert found["mine", "PINS", 0.8, "accuracy"] == (None, None, 0.6, None)
    assert found["mine", "none", 0.0, "accuracy"] == (None, None, None, None)
    assert "results/models/rte/mine/PINS/sparsity-800permille/seeds-A-B" in own.below


def weights(*cells: tuple[str, str, float, float]) -> list[tuple[object, ...]]:
    """Rows of weights.csv on RTE: arch, pruner, sparsity, megabytes; of 40 in float32. Half of it is a layer."""
    rows: list[tuple[object, ...]] = []
    for arch, pruner, sparsity, megabytes in cells:
        for layer, share in (("", 1.0), ("1", 0.5)):
            known = {"layer": layer, "megabytes": share * megabytes, "megabytes_float32": share * 40}
            known |= {"megabytes_csr": 2 * share * megabytes, "exported_score": 0.695 if not layer else ""}
            rows.append(("rte", arch, pruner, sparsity, *(known.get(name, 1) for name in OF_WEIGHTS)))
    return rows


def test_storage_is_that_of_the_measured_weights(tmp_path: Path) -> None:
    write_csv(tmp_path / "task_metrics.csv", COLUMNS, [*ROWS, DENSE_RTE])
    write_csv(
        tmp_path / "weights.csv",
        ("dataset", "arch", "pruner", "sparsity", *OF_WEIGHTS),
        weights(
            ("bert-base", "none", 0.0, 11.0), ("bert-base", "PINS", 0.8, 4.0), ("bert-base", "PINS", 0.9, 2.0)
        ),
    )
    found = numbers(tmp_path)
    assert found["bert-base", "PINS", 0.8, "megabytes"] == (38.0, 8.9, 4.0, 10.0)
    # Dense models are counted as they were trained.
    assert found["bert-base", "none", 0.0, "megabytes"] == (340.0, 1.0, 40.0, 1.0)
    assert found["mine", "PINS", 0.8, "megabytes"] == (None, None, None, None)
    # Like for like with print: INT8 in plain CSR; and the accuracy of what was exported.
    assert found["bert-base", "PINS", 0.8, "megabytes, plain CSR"] == (38.0, 8.9, 8.0, 5.0)
    assert found["bert-base", "PINS", 0.8, "accuracy, INT8"] == (0.69, None, 0.695, None)
    assert found["bert-base", "none", 0.0, "megabytes, plain CSR"] == (340.0, 1.0, 40.0, 1.0)


def test_efficiency_stands_on_the_page_and_in_its_file(tmp_path: Path) -> None:
    write_csv(tmp_path / "tables" / "task_metrics.csv", COLUMNS, [*ROWS, DENSE_RTE])
    write_csv(
        tmp_path / "tables" / "weights.csv",
        ("dataset", "arch", "pruner", "sparsity", *OF_WEIGHTS),
        weights(("mine", "none", 0.0, 11.0), ("mine", "PINS", 0.8, 3.2)),
    )
    folder = built(tmp_path)
    seen = Page(folder / "index.html")
    shown = [[text for _, text in row] for row in seen.rows]
    storage = "not measured (340)"
    unknown = "not measured (69.3)"
    assert ["0%", "dense", "not measured (0.11)", storage, storage, "66.0 (69.3)", unknown] in shown
    storage = "not measured (38, 8.9 times)"
    assert [
        *("80%", "PINS", "not measured (0.041, 2.7 times)", storage, storage),
        *("70.0 (69.0)", "not measured (69.0)"),
    ] in shown
    assert ["80%", "PINS", "not measured", "3.2, 12.5 times", "6.4, 6.2 times", "60.0", "69.5"] in shown
    assert ["0%", "dense", "not measured", "40.0", "40.0", "not measured", "69.5"] in shown
    assert "python benchmarks/inference.py" in seen.text
    with (folder / "table-7-efficiency.csv").open(encoding="utf-8") as file:
        rows = {(r["arch"], r["pruner"], r["quantity"]): r for r in csv.DictReader(file)}
    assert len(rows) == 20
    one = rows["bert-base", "PINS", "seconds"]
    small = rows["mine", "PINS", "megabytes"]
    assert (small["published"], small["ours"], small["our_gain"]) == ("", "3.2", "12.5")
    assert (one["table"], one["published"], one["gain"], one["ours"]) == ("7", "0.041", "2.7", "")


def test_a_study_without_rte_has_no_efficiency(tmp_path: Path) -> None:
    write_csv(tmp_path / "task_metrics.csv", COLUMNS, [row for row in ROWS if row[0] != "rte"])
    assert efficiency(inputs(tmp_path)) == []
    assert efficiency(inputs(tmp_path / "nowhere")) == []


def test_a_study_of_other_data_sets_has_nothing_to_show(tmp_path: Path) -> None:
    write_csv(tmp_path / "task_metrics.csv", COLUMNS, [ROWS[-1]])
    assert scores(inputs(tmp_path)) == []
    assert scores(inputs(tmp_path / "nowhere")) == []
