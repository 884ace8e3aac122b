from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from tests.support.fake_study import audit_folder, results_tree, study, write_csv, write_json, write_pies
from tests.support.printed_pages import Page, table

from prunescope.cli import main
from prunescope.config.compression import Compression
from prunescope.config.study import Study
from prunescope.data.dataset import DataTable, TableInfo
from prunescope.data.tables import write_table
from prunescope.errors import UserError
from prunescope.figures.drawing import draw
from prunescope.papers.layouts import FILES
from prunescope.papers.results import PrunedCell, Results, Setup
from prunescope.site import disagreements_page as browser
from prunescope.site.disagreements_page import MOST_CHARACTERS
from prunescope.site.printed import build

BAD = '</script><script>alert("x")</script><!-- & \u2028'


CELL = ("dataset", "arch", "pruner", "sparsity")


def by_hand(root: Path) -> tuple[Study, dict[str, Any]]:
    """Three pruners at 50 and 90 %; RP at 90 % has not been run. Texts are hostile."""
    settings = study(
        datasets={"docstrings": {"source": "docstrings"}},
        archs={"bilstm": {"family": "bilstm"}},
        grid=[
            {
                "datasets": ["docstrings"],
                "archs": ["bilstm"],
                "pruners": ["IIBP-FT", "MP-AI", "RP-AI"],
                "sparsities": [0.5, 0.9],
            }
        ],
    )
    key = ("docstrings", "bilstm")
    scores = {("IIBP-FT", 0.5): 0.86, ("MP-AI", 0.5): 0.80, ("RP-AI", 0.5): 0.70}
    scores |= {("IIBP-FT", 0.9): 0.60, ("MP-AI", 0.9): 0.65}
    shares = {("IIBP-FT", 0.5): 0.04, ("MP-AI", 0.5): 0.002, ("RP-AI", 0.5): 0.246}
    shares |= {("IIBP-FT", 0.9): 0.10, ("MP-AI", 0.9): 0.5}
    on_pies = {("IIBP-FT", 0.5): (0.45, 0.40), ("MP-AI", 0.5): (0.3, 0.9)}
    verdicts = {("IIBP-FT", 0.5): "?", ("MP-AI", 0.5): "<"}
    tables, cells = root / "tables", root / "cells"
    write_csv(
        tables / "effectiveness.csv",
        (*CELL, "metric", "mean", "std", "n_seeds"),
        [(*key, "none", 0.0, "accuracy", 0.85, 0.01, 2)]
        + [(*key, *cell, "accuracy", score, 0.012, 2) for cell, score in scores.items()],
    )
    write_csv(
        tables / "pie_share.csv",
        (*CELL, "n_examples", "n_pies", "pie_share"),
        [(*key, *cell, 500, round(500 * share), share) for cell, share in shares.items()],
    )
    write_csv(
        tables / "effectiveness_on_pies.csv",
        (*CELL, "metric", "dense", "pruned", "n_pies"),
        [(*key, *cell, "accuracy", *on_pies.get(cell, (None, None)), 3) for cell in scores],
    )
    write_csv(
        tables / "pie_intervals.csv",
        (*CELL, "noise_floor", "verdict"),
        [(*key, *cell, 0.0312, verdicts.get(cell, ">")) for cell in scores],
    )
    folders = []
    for pruner, sparsity in scores:
        folder = cells / "/".join(key) / pruner / f"sparsity-{round(1000 * sparsity)}permille"
        columns: dict[str, Any] = {
            "example": [0, 1, 2],
            "label": pa.array([0, 1, 1], pa.int32()),
            "dense_vote": pa.array([0, 1, 0], pa.int32()),
            "pruned_vote": pa.array([1, 1, 1], pa.int32()),
            "is_pie": [True, False, True],
            "dense_agreement": [0.6, 1.0, 0.9],
            "pruned_agreement": [0.7, 1.0, 0.8],
        }
        write_pies(folder / "test" / "pies.parquet", columns, ["plain", f"{BAD} | class"], "single-label")
        zeros = {0.5: 40, 0.9: 72}[sparsity]
        model = {"seed": 0, "diverged": False, "parameters": 100, "prunable": 80, "sparsity": sparsity}
        lost = {**model, "seed": 1, "diverged": True, "ratio": 1.0}
        write_json(folder / "models.json", {"models": [{**model, "ratio": 100 / (100 - zeros)}, lost]})
        folders.append(folder)
    data = root / "data" / "docstrings"
    info = {"dataset": "docstrings", "task": "single-label", "classes": ("plain", "odd"), "inputs": ("text",)}
    counts = {"train": 2, "validation": 1, "test": 3}
    words = {"train": ["one two", "one two three four"], "validation": ["one"]}
    words["test"] = [f"one {BAD}", "one two three", "long " * 400]
    for split, count in counts.items():
        labels = np.zeros(count, dtype=np.int32)
        details = TableInfo(split=split, image_shape=None, image_scale=None, **info)  # type: ignore[arg-type]
        write_table(data / f"{split}.parquet", DataTable(details, labels, texts={"text": words[split]}))
    card = data / "card.json"
    splits = {split: {"n_examples": count} for split, count in counts.items()}
    write_json(card, {"source": "docstrings", "task": "single-label", "splits": splits, "classes": [{}, {}]})
    figures = root / "figures"
    for name in ("effectiveness", "pie_classes"):
        draw(name, tables, [], figures / name)
    return settings, {"cells": folders, "tables": tables, "figures": figures, "cards": [card]}


@pytest.fixture(scope="module")
def paper(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("paper") / "results"
    settings, files = by_hand(root)
    build(study=settings, **files, out=root / "paper")
    return root / "paper" / "pie"


def files_below(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()
    }


def test_every_file_is_there(paper: Path) -> None:
    assert set(files_below(paper.parent)) == set(FILES)


def test_contents_lead_to_what_there_is(paper: Path) -> None:
    contents = Page(paper.parent / "index.html")
    assert "pie/index.html" in contents.addresses
    # The cells have votes, but no recalls: the other paper has nothing to show.
    assert "recall/index.html" not in contents.addresses
    assert "../index.html" in Page(paper / "index.html").addresses


def test_table_4(paper: Path) -> None:
    rows = {row["pruner"]: row for row in table(paper / "table-4-pie-share.csv")}
    assert list(rows) == ["IIBP-FT", "MP-AI", "RP-AI"]
    assert [rows[name]["50%"] for name in rows] == ["0.04", "0.002", "0.246"]
    assert [rows[name]["90%"] for name in rows] == ["0.1", "0.5", ""]
    # Judged by the score, not by the share: MP-AI has the fewest PIEs at 50 % and yet no mark.
    assert [rows[name]["50% mark"] for name in rows] == ["best", "", "worst"]
    assert [rows[name]["90% mark"] for name in rows] == ["worst", "best", ""]
    assert [rows[name]["50% verdict"] for name in rows] == ["?", "<", ">"]
    assert float(rows["MP-AI"]["noise_floor"]) == pytest.approx(0.0312)


def test_table_4_on_the_page(paper: Path) -> None:
    rows = {row[0][1]: row[1:] for row in Page(paper / "index.html").rows if len(row) == 4}
    assert rows["pruner"] == [("n", "50%"), ("n", "90%"), ("n", "noise floor")]
    assert rows["IIBP-FT"] == [("n best", "4.0% ? +"), ("n worst", "10% −"), ("n pair", "3.1%")]
    assert rows["MP-AI"] == [("n", "0.2% <"), ("n best", "50% +"), ("n pair", "3.1%")]
    assert rows["RP-AI"] == [("n worst", "25% −"), ("n", ""), ("n pair", "3.1%")]


def test_tables_5_and_6(paper: Path) -> None:
    (row,) = table(paper / "table-5-parameters.csv")
    assert (row["parameters"], row["prunable"]) == ("100", "80")
    assert float(row["50% removed"]) == pytest.approx(0.4)
    assert float(row["90% removed"]) == pytest.approx(0.72)
    assert (row["50% remaining"], row["90% remaining"]) == ("60", "28")


def test_table_7(paper: Path) -> None:
    (row,) = table(paper / "table-7-datasets.csv")
    assert [row[name] for name in ("train", "test", "validation", "classes")] == ["2", "3", "1", "2"]
    assert (row["min"], row["max"], row["classification"]) == ("1", "400", "single-label")
    # No limit is configured: the power of two that covers 85 % of the training texts, of 2 and 4 tokens.
    assert row["truncation"] == "4"


def test_table_9(paper: Path) -> None:
    rows = {row["pruner"]: row for row in table(paper / "table-9-effectiveness.csv")}
    assert rows["IIBP-FT"]["50% mean"] == "0.86"
    assert rows["IIBP-FT"]["50% std"] == "0.012"
    assert [rows[name]["50% best"] for name in rows] == ["yes", "", ""]
    assert [rows[name]["90% best"] for name in rows] == ["", "yes", ""]
    assert rows["RP-AI"]["90% mean"] == ""
    assert {row["unpruned mean"] for row in rows.values()} == {"0.85"}
    cells = [row for row in Page(paper / "index.html").rows if row and row[0][1] == "IIBP-FT"]
    assert [("n strong", "0.860 ± 0.012"), ("n", "0.600 ± 0.012")] in [row[1:] for row in cells]


def test_table_10(paper: Path) -> None:
    rows = {row["pruner"]: row for row in table(paper / "table-10-effectiveness-on-pies.csv")}
    # dense 0.45, pruned 0.40 on PIEs; MP-AI: dense 0.3 and pruned 0.9 with 0.80 on all.
    assert (rows["IIBP-FT"]["50% pruned"], rows["IIBP-FT"]["50% unpruned"]) == ("0.4", "0.45")
    assert rows["IIBP-FT"]["50% pruned_better"] == ""
    mp = [rows["MP-AI"][f"50% {n}"] for n in ("pruned_better", "pruned_above_all", "unpruned_above_all")]
    assert mp == ["yes", "yes", ""]
    assert rows["MP-AI"]["90% pruned"] == ""
    cells = [row for row in Page(paper / "index.html").rows if row and row[0][1] == "MP-AI" and len(row) == 5]
    assert cells[0][1:] == [("n pair strong", "0.900"), ("n", "0.300"), ("n pair", ""), ("n", "")]


def test_table_1_has_every_pie_with_its_whole_text(paper: Path) -> None:
    rows = pq.ParquetFile(paper / "table-1-disagreements.parquet").read().to_pylist()
    assert len(rows) == 10
    assert rows[0] == {
        "dataset": "docstrings",
        "arch": "bilstm",
        "pruner": "IIBP-FT",
        "amount": "50%",
        "example": 0,
        "text": f"one {BAD}",
        "true_classes": "plain",
        "dense_vote": "plain",
        "pruned_vote": f"{BAD} | class",
        "dense_agreement": 0.6,
        "pruned_agreement": 0.7,
    }
    assert rows[1]["text"] == "long " * 400


def test_disagreements_can_be_browsed_and_nothing_in_them_is_markup(paper: Path) -> None:
    found = Page(paper / "disagreements.html")
    assert found.tags.count("script") == 3
    data = json.loads(found.json)
    assert data["names"] == [f"{BAD} | class", "plain"]
    assert len(data["cells"]) == 5
    assert len(data["rows"]) == 10
    # Most agreed first within a cell; a text that recurs is there once, cut.
    assert [row[1] for row in data["rows"][:2]] == [2, 0]
    assert data["rows"][1] == [0, 0, 1, [1], [1], [0], 0.6, 0.7, 1, 0]
    assert data["classless"] == []
    assert data["texts"] == [("long " * 400)[:MOST_CHARACTERS] + "…", f"one {BAD}"]
    index = Page(paper / "index.html")
    assert index.tags.count("script") == 1
    assert f"{BAD} | class" in index.text


def test_rows_beyond_the_most_are_cut_and_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(browser, "MOST_ROWS", 6)
    settings, files = by_hand(tmp_path)
    build(study=settings, **files, out=tmp_path / "paper")
    found = Page(tmp_path / "paper" / "pie" / "disagreements.html")
    rows = json.loads(found.json)["rows"]
    assert len(rows) == 6
    assert {row[0] for row in rows} == set(range(5))
    assert "This page has 6 of them" in found.text
    assert "10 disagreements" in found.text
    assert (
        pq.ParquetFile(tmp_path / "paper" / "pie" / "table-1-disagreements.parquet").metadata.num_rows == 10
    )


def test_same_results_same_bytes(paper: Path, tmp_path: Path) -> None:
    settings, files = by_hand(tmp_path)
    build(study=settings, **{**files, "cells": files["cells"][::-1]}, out=tmp_path / "paper")
    assert files_below(tmp_path / "paper") == files_below(paper.parent)


def test_figures_have_the_papers_numbers_or_say_that_there_are_none(paper: Path) -> None:
    text = Page(paper / "index.html").text
    assert "Figure 1. What pruning does to the score." in text
    assert text.count("No figure yet.") == 4
    assert "Figures 5 and 21 to 27: Readability and length of PIEs" in text


def test_ratios_several_labels_and_no_texts(tmp_path: Path) -> None:
    settings = study(
        archs={"lenet5": {"family": "lenet5"}},
        datasets={"digits": {"source": "digits"}},
        grid=[{"datasets": ["digits"], "archs": ["lenet5"], "pruners": ["MP", "RP"], "ratios": [4, 10]}],
    )
    found = results_tree(tmp_path, settings, n=80)
    several = found["cells"][0]
    audit_folder(several / "test", n=80, multi=True, classes=("x", "y", "z"), damage=0.5)
    (tmp_path / "tables" / "pie_intervals.csv").unlink()
    build(
        study=settings,
        cells=found["dense"] + found["cells"],
        tables=tmp_path / "tables",
        figures=tmp_path / "figures",
        cards=found["cards"],
        out=tmp_path / "paper",
    )
    shares = {row["pruner"]: row for row in table(tmp_path / "paper" / "pie" / "table-4-pie-share.csv")}
    wanted = {row["pruner"]: [] for row in table(tmp_path / "tables" / "pie_share.csv")}
    for row in sorted(table(tmp_path / "tables" / "pie_share.csv"), key=lambda row: float(row["sparsity"])):
        wanted[row["pruner"]].append(row["pie_share"])
    assert {name: [row["ratio 4"], row["ratio 10"]] for name, row in shares.items()} == wanted
    assert {row["noise_floor"] for row in shares.values()} == {""}
    index = Page(tmp_path / "paper" / "pie" / "index.html")
    assert "Noise floor" not in index.text
    rows = pq.ParquetFile(tmp_path / "paper" / "pie" / "table-1-disagreements.parquet").read().to_pylist()
    assert {row["text"] for row in rows} == {None}
    assert rows
    assert {row["amount"] for row in rows} <= {"ratio 4", "ratio 10"}


def test_nothing_has_been_run(tmp_path: Path) -> None:
    settings = study()
    write_json(tmp_path / "data" / "digits" / "card.json", {"dataset": "digits"})
    build(
        study=settings,
        cells=[],
        tables=tmp_path / "tables",
        figures=tmp_path / "figures",
        cards=[tmp_path / "data" / "digits" / "card.json"],
        out=tmp_path / "paper",
    )
    index = Page(tmp_path / "paper" / "pie" / "index.html")
    assert "no cell has been analysed yet" in index.text
    assert "dense –" not in index.text
    rows = table(tmp_path / "paper" / "pie" / "table-4-pie-share.csv")
    assert {row["dataset"] for row in rows} == {"digits"}
    assert len(rows) == 7
    assert all(value == "" for row in rows for name, value in row.items() if name.startswith("ratio"))
    assert pq.ParquetFile(tmp_path / "paper" / "pie" / "table-1-disagreements.parquet").metadata.num_rows == 0


def test_cells_are_found_by_what_was_asked_for(tmp_path: Path) -> None:
    settings, files = by_hand(tmp_path)
    results = Results.read(settings, ["docstrings"], files["cells"], files["tables"])
    setup = Setup("docstrings", "bilstm")
    assert results.setups == [setup]
    assert results.pruners(setup) == ["IIBP-FT", "MP-AI", "RP-AI"]
    assert results.compressions(setup) == [Compression.of_sparsity(0.5), Compression.of_sparsity(0.9)]
    missing = PrunedCell(*setup, "RP-AI", Compression.of_sparsity(0.9))
    assert missing in results.cells
    assert missing not in results.found
    assert results.value("pie_share", missing) is None


@pytest.mark.parametrize("broken", ["pies", "models", "table"])
def test_what_cannot_be_read_is_named_and_nothing_is_half_written(tmp_path: Path, broken: str) -> None:
    settings, files = by_hand(tmp_path)
    path = {
        "pies": files["cells"][0] / "test" / "pies.parquet",
        "models": files["cells"][0] / "models.json",
        "table": files["tables"] / "pie_share.csv",
    }[broken]
    path.write_text('{"models": 3}' if broken == "models" else "a,b\n1,2\n", encoding="utf-8")
    with pytest.raises(UserError) as caught:
        build(study=settings, **files, out=tmp_path / "paper")
    assert str(caught.value).startswith(str(path))
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "paper").exists()
    assert not list(tmp_path.glob(".paper*"))


def test_the_command_writes_the_same(paper: Path, tmp_path: Path) -> None:
    settings, files = by_hand(tmp_path)
    cells = tmp_path / "cells.txt"
    cells.write_text("".join(f"{cell}\n" for cell in files["cells"]), encoding="utf-8")
    arguments = ["paper", "--settings", settings.model_dump_json(), "--cells", str(cells)]
    arguments += ["--tables", str(files["tables"]), "--figures", str(files["figures"])]
    assert main([*arguments, "--cards", str(files["cards"][0]), "--out", str(tmp_path / "paper")]) == 0
    assert files_below(tmp_path / "paper") == files_below(paper.parent)


def test_table_3(paper: Path) -> None:
    assert table(paper / "table-3-pruners.csv") == [
        {"scheduling": "Iterative + Fine tuning", "Impact": "IIBP-FT", "Magnitude": "", "Random": ""},
        {"scheduling": "At Initialization", "Impact": "", "Magnitude": "MP-AI", "Random": "RP-AI"},
    ]


def test_table_8(paper: Path) -> None:
    (row,) = table(paper / "table-8-training.csv")
    assert (row["dataset"], row["arch"], row["epochs"], row["lr"]) == ("docstrings", "bilstm", "3", "0.001")
    assert row["published_lr"] == row["published_max_epochs"] == ""


def test_table_8_has_the_paper_s_searches_beside_the_study_s_settings() -> None:
    from prunescope.config.load import load_study
    from prunescope.papers.pie.layouts import training
    from prunescope.papers.results import Inputs

    pie = load_study(Path(__file__).parents[3] / "studies" / "pie.yaml")
    cells = frozenset(PrunedCell.of(cell) for cell in pie.cells if not cell.dense)
    results = Results(
        cells, {}, {}, tuple(dict.fromkeys(cell.setup for cell in map(PrunedCell.of, pie.cells)))
    )
    rows = {(row["dataset"], row["arch"]): row for row in training(Inputs(pie, results, Path()))}
    assert len(rows) == 8
    snli = rows["snli", "bilstm"]
    shown = [snli[name] for name in ("batch_size_shown", "epochs_searched", "lr_searched", "lr_shown")]
    assert shown == ["4096 (4096)", "30 to 50", "0.0002 to 0.002", "0.0007007 (0.0007)"]
    assert rows["imdb", "bert"]["epochs_shown"] == "3 (3)"
