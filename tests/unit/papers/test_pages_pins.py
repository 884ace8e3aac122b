"""The PINS paper's score tables, from a study's tables."""

from __future__ import annotations

import csv
from pathlib import Path

from tests.support.fake_study import write_csv
from tests.support.printed_pages import Page

from prunescope.analysis.tables.declared import header
from prunescope.analysis.tables.registry import Weights
from prunescope.config.load import study_from
from prunescope.config.study import Study
from prunescope.papers import PINS_FILES
from prunescope.papers.pins import efficiency, pages, scores

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


def test_rows_columns_and_printed_numbers(tmp_path: Path) -> None:
    write_csv(tmp_path / "task_metrics.csv", COLUMNS, ROWS)
    paper, own = scores.tables(study(), tmp_path)
    assert (paper.number, paper.arch, own.number, own.arch) == ("1, 5 and 6", "bert-base", "", "mine")
    assert paper.columns == [("rte", "accuracy"), ("cola", "matthews"), ("cola", "accuracy")]
    assert paper.rows == [("none", 0.0), ("GMP", 0.8), ("PINS", 0.8), ("PINS", 0.9)]
    matthews = scores.Column("cola", "matthews")
    assert paper.cells[scores.Row("PINS", 0.8), matthews] == scores.Score(0.45, None, 1, 0.571)
    assert paper.cells[scores.Row("none", 0.0), matthews].published == 0.583
    assert paper.cells[scores.Row("none", 0.0), scores.Column("cola", "accuracy")].published is None
    # A network that is not the paper's has no printed numbers.
    assert own.cells[scores.Row("PINS", 0.8), scores.Column("rte", "accuracy")].published is None
    assert paper.best(scores.Row("PINS", 0.8), matthews)
    assert not paper.best(scores.Row("GMP", 0.8), matthews)
    # Alone, or unpruned, or without a score nothing is best.
    assert not paper.best(scores.Row("PINS", 0.8), scores.Column("rte", "accuracy"))
    assert not paper.best(scores.Row("none", 0.0), matthews)
    assert not paper.best(scores.Row("PINS", 0.9), matthews)


def test_the_page_and_the_file_say_the_same(tmp_path: Path) -> None:
    write_csv(tmp_path / "tables" / "task_metrics.csv", COLUMNS, ROWS)
    folder = tmp_path / "paper" / "pins"
    folder.mkdir(parents=True)
    (folder.parent / "index.html").touch()
    assert pages.write(study(), tables=tmp_path / "tables", folder=folder, out=folder)
    assert {path.name for path in folder.iterdir()} == {*PINS_FILES, "index.html"}
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


UNPRUNED_RTE = ("rte", "bert-base", "none", 0.0, "accuracy", 0.66, 0.02, 3)


def test_efficiency_has_what_was_measured_and_says_what_was_not(tmp_path: Path) -> None:
    write_csv(tmp_path / "task_metrics.csv", COLUMNS, [*ROWS, UNPRUNED_RTE])
    paper, own = efficiency.tables(study(), tmp_path)
    assert (paper.number, paper.dataset, paper.arch) == ("7", "rte", "bert-base")
    assert (own.number, own.arch) == ("", "mine")
    assert paper.rows == [("none", 0.0), ("PINS", 0.8)]
    assert paper.of("PINS", 0.8, "accuracy") == efficiency.Entry("PINS", 0.8, "accuracy", 0.69, None, 0.7)
    assert paper.of("none", 0.0, "accuracy") == efficiency.Entry("none", 0.0, "accuracy", 0.693, None, 0.66)
    assert paper.of("PINS", 0.8, "megabytes") == efficiency.Entry("PINS", 0.8, "megabytes", 38.0, 8.9, None)
    assert paper.of("PINS", 0.8, "seconds") == efficiency.Entry("PINS", 0.8, "seconds", 0.041, 2.7, None)
    # A network that is not the paper's has no printed numbers; what is not there is no number.
    assert own.of("PINS", 0.8, "accuracy") == efficiency.Entry("PINS", 0.8, "accuracy", None, None, 0.6)
    assert own.of("none", 0.0, "accuracy") == efficiency.Entry("none", 0.0, "accuracy", None, None, None)
    assert "results/models/rte/mine/PINS/sparsity-800permille/seeds-A-B" in own.export


def weights(*cells: tuple[str, str, float, float]) -> list[tuple[object, ...]]:
    """Rows of weights.csv on RTE: arch, pruner, sparsity, megabytes; of 40 in float32. Half of it is a layer."""
    rows: list[tuple[object, ...]] = []
    for arch, pruner, sparsity, megabytes in cells:
        for layer, share in (("", 1.0), ("1", 0.5)):
            known = {"layer": layer, "megabytes": share * megabytes, "megabytes_float32": share * 40}
            rows.append(("rte", arch, pruner, sparsity, *(known.get(name, 1) for name in OF_WEIGHTS)))
    return rows


def test_storage_is_that_of_the_measured_weights(tmp_path: Path) -> None:
    write_csv(tmp_path / "task_metrics.csv", COLUMNS, [*ROWS, UNPRUNED_RTE])
    write_csv(
        tmp_path / "weights.csv",
        ("dataset", "arch", "pruner", "sparsity", *OF_WEIGHTS),
        weights(
            ("bert-base", "none", 0.0, 11.0), ("bert-base", "PINS", 0.8, 4.0), ("bert-base", "PINS", 0.9, 2.0)
        ),
    )
    paper, own = efficiency.tables(study(), tmp_path)
    found = paper.of("PINS", 0.8, "megabytes")
    assert found == efficiency.Entry("PINS", 0.8, "megabytes", 38.0, 8.9, 4.0, 10.0)
    # An unpruned network is counted as it was trained.
    assert paper.of("none", 0.0, "megabytes") == efficiency.Entry(
        "none", 0.0, "megabytes", 340.0, 1.0, 40.0, 1.0
    )
    assert own.of("PINS", 0.8, "megabytes") == efficiency.Entry("PINS", 0.8, "megabytes", None, None, None)


def test_efficiency_stands_on_the_page_and_in_its_file(tmp_path: Path) -> None:
    write_csv(tmp_path / "tables" / "task_metrics.csv", COLUMNS, [*ROWS, UNPRUNED_RTE])
    folder = tmp_path / "paper" / "pins"
    folder.mkdir(parents=True)
    (folder.parent / "index.html").touch()
    write_csv(
        tmp_path / "tables" / "weights.csv",
        ("dataset", "arch", "pruner", "sparsity", *OF_WEIGHTS),
        weights(("mine", "none", 0.0, 11.0), ("mine", "PINS", 0.8, 3.2)),
    )
    pages.write(study(), tables=tmp_path / "tables", folder=folder, out=folder)
    seen = Page(folder / "index.html")
    shown = [[text for _, text in row] for row in seen.rows]
    assert ["0%", "unpruned", "not measured (0.11)", "not measured (340)", "66.0 (69.3)"] in shown
    assert [
        *("80%", "PINS", "not measured (0.041, 2.7 times)", "not measured (38, 8.9 times)"),
        "70.0 (69.0)",
    ] in shown
    assert ["80%", "PINS", "not measured", "3.2, 12.5 times", "60.0"] in shown
    assert ["0%", "unpruned", "not measured", "40.0", "not measured"] in shown
    assert "python benchmarks/inference.py" in seen.text
    with (folder / "table-7-efficiency.csv").open(encoding="utf-8") as file:
        rows = {(r["arch"], r["pruner"], r["quantity"]): r for r in csv.DictReader(file)}
    assert len(rows) == 12
    one = rows["bert-base", "PINS", "seconds"]
    small = rows["mine", "PINS", "megabytes"]
    assert (small["published"], small["ours"], small["our_gain"]) == ("", "3.2", "12.5")
    assert (one["table"], one["published"], one["gain"], one["ours"]) == ("7", "0.041", "2.7", "")


def test_a_study_without_rte_has_no_efficiency(tmp_path: Path) -> None:
    write_csv(tmp_path / "task_metrics.csv", COLUMNS, [row for row in ROWS if row[0] != "rte"])
    assert efficiency.tables(study(), tmp_path) == []
    assert efficiency.tables(study(), tmp_path / "nowhere") == []


def test_a_study_of_other_data_sets_has_nothing_to_show(tmp_path: Path) -> None:
    write_csv(tmp_path / "task_metrics.csv", COLUMNS, [ROWS[-1]])
    assert scores.tables(study(), tmp_path) == []
    assert scores.tables(study(), tmp_path / "nowhere") == []
