"""Images of PIEs: what is on a sheet, in which order, and that they are the images that were voted on."""

from __future__ import annotations

import base64
import csv
import io
import json
import re
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from prunescope.config.compression import Compression
from prunescope.data.dataset import DataTable, TableInfo
from prunescope.data.tables import write_table
from prunescope.errors import UserError
from prunescope.report import contact_sheet
from prunescope.report.audit_files import AuditFiles, Pie
from prunescope.report.images import ImageTable, images_of_test, levels, png, tiled
from prunescope.site import disagreements_page as browser
from prunescope.site import often
from prunescope.site.build import build
from prunescope.site.findings import CellNumbers
from prunescope.site.printed import build as build_paper
from tests.support.fake_study import results_tree, study

N = 160
GRID = [
    {"datasets": ["digits"], "archs": ["lenet5"], "pruners": ["MP", "RP"], "ratios": [4, 50]},
    {"datasets": ["docstrings"], "archs": ["bilstm"], "pruners": ["IMP-WR"], "sparsities": [0.9]},
]
CELL = "report/cells/digits--lenet5--RP--ratio-5000percent.html"


def decoded(raw: bytes) -> Image.Image:
    image = Image.open(io.BytesIO(raw), formats=("PNG",))
    image.load()
    return image


def test_grey_and_colour_come_back_pixel_for_pixel() -> None:
    rng = np.random.default_rng(0)
    grey = rng.integers(0, 256, (1, 5, 7)).astype(np.uint8)
    assert decoded(png(grey)).mode == "L"
    assert np.array_equal(np.asarray(decoded(png(grey))), grey[0])
    colour = rng.integers(0, 256, (3, 5, 7)).astype(np.uint8)
    image = decoded(png(colour))
    assert (image.mode, image.size) == ("RGB", (7, 5))
    for channel in range(3):
        assert np.array_equal(np.asarray(image)[:, :, channel], colour[channel])


def test_full_brightness_is_what_the_table_says() -> None:
    # scikit-learn's digits go to 16: 8 / 16 of 255 is 127.5, which rounds to even
    found = levels(np.array([[[0, 8, 16, 200]]], dtype=np.uint8), 16.0)
    assert found.tolist() == [[[0, 128, 255, 255]]]


def test_the_same_image_is_the_same_bytes() -> None:
    image = np.arange(64, dtype=np.uint8).reshape(1, 8, 8)
    assert png(image) == png(image.copy())
    # Nothing but pixels: no time, no software, no comment
    kinds = re.findall(rb"IHDR|IDAT|IEND|t[A-Z]{3}|[a-z][A-Z]{2}[a-z]", png(image)[12:])
    assert set(kinds) == {b"IHDR", b"IDAT", b"IEND"}


def table_of(labels: list[int], shape: tuple[int, int, int], path: Path) -> ImageTable:
    rng = np.random.default_rng(1)
    images = rng.integers(0, 256, (len(labels), *shape)).astype(np.uint8)
    info = TableInfo("zoo", "test", "single-label", ("cat", "dog"), ("image",), shape, 255.0)
    return ImageTable(path, DataTable(info, np.array(labels, dtype=np.int32), images=images))


@pytest.mark.parametrize(
    ("shape", "size"),
    [((1, 28, 28), (84, 84)), ((3, 32, 32), (96, 96)), ((1, 8, 8), (88, 88)), ((3, 200, 100), (100, 200))],
)
def test_pixels_are_shown_as_whole_squares(
    tmp_path: Path, shape: tuple[int, int, int], size: tuple[int, int]
) -> None:
    assert table_of([0], shape, tmp_path).shown_size == size


def test_other_data_than_was_voted_on_is_refused(tmp_path: Path) -> None:
    pictures = table_of([0, 1], (1, 4, 4), tmp_path / "test.parquet")
    assert pictures.address(1, "dog").startswith("data:image/png;base64,")
    for example, label, what in (
        (1, "cat", "is 'dog'"),
        (2, "dog", "is not there"),
        (-1, "dog", "is not there"),
    ):
        with pytest.raises(UserError, match=what) as caught:
            pictures.address(example, label)
        assert "test.parquet" in str(caught.value)
        assert "\n" not in str(caught.value)


def test_tables_without_images(tmp_path: Path) -> None:
    assert images_of_test(None) is None
    assert images_of_test(tmp_path) is None
    info = TableInfo("t", "test", "single-label", ("a", "b"), ("text",))
    write_table(tmp_path / "test.parquet", DataTable(info, np.array([0], np.int32), texts={"text": ["x"]}))
    with pytest.raises(UserError, match="has no images"):
        images_of_test(tmp_path)


def pie(example: int, dense: str, pruned: str, a: float = 1.0, b: float = 0.5, label: str = "cat") -> Pie:
    return Pie(example, example, label, dense, pruned, a, b, dense == label, pruned == label)


def test_who_is_right_by_hand() -> None:
    pies = [pie(0, "cat", "dog"), pie(1, "cat", "cow"), pie(2, "dog", "cat"), pie(3, "dog", "cow")]
    assert contact_sheet.who_is_right(pies) == (
        "Of 4 PIEs, the dense majority is right on 2, the pruned one on 1 and neither on 1."
    )
    assert contact_sheet.of_cell("zoo", [], None) is None


def cell(pruner: str, ratio: float) -> CellNumbers:
    return CellNumbers("zoo", "net", pruner, Compression.of_ratio(ratio), {"n_examples": 50})


def test_counting_by_hand() -> None:
    tally = often.Tally("zoo")
    tally.add(cell("MP", 2), [pie(7, "cat", "dog", 1.0, 0.6), pie(3, "dog", "cat")])
    tally.add(cell("MP", 4), [pie(3, "dog", "cow", 0.5, 0.75), pie(9, "cat", "dog")])
    tally.add(cell("RP", 4), [pie(7, "cat", "cow", 1.0, 0.8), pie(3, "dog", "cat", 0.75, 1.0)])
    tally.add(cell("UP", 4), [])
    rows = tally.rows()
    # 3 of three models, 7 of two models and two pruners, 9 of one
    assert [(r.pie.example, r.n_models, r.n_pruners) for r in rows] == [(3, 3, 2), (7, 2, 2), (9, 1, 1)]
    # dog -> cat twice, dog -> cow once; agreements (1 + 0.5 + 0.75) / 3 and (0.5 + 0.75 + 1) / 3
    assert (rows[0].pie.dense_vote, rows[0].pie.pruned_vote) == ("dog", "cat")
    assert rows[0].pie.dense_agreement == pytest.approx(0.75)
    assert rows[0].pie.pruned_agreement == pytest.approx(0.75)
    # A tie of pairs goes to the first by name
    assert (rows[1].pie.dense_vote, rows[1].pie.pruned_vote) == ("cat", "cow")
    (tile, *_) = often.tiles(tally, None, 1)
    assert tile.notes == ("3 of 4 models", "2 of 3 pruners")
    assert (tile.source, tile.agreement) == (None, "75% → 75%")
    assert tally.sentences == [
        "3 of 50 test examples are PIEs of at least one of 4 pruned models (3 pruners); "
        "1 pays most often, in 3 of them."
    ]


def test_counting_nothing() -> None:
    tally = often.Tally("zoo")
    tally.add(cell("MP", 2), [])
    tally.add(cell("RP", 2), [])
    assert tally.rows() == []
    assert tally.sentences == ["No example of zoo is a PIE of any of its 2 pruned models."]


def with_pictures(results: Path) -> np.ndarray:
    """Write the digits' data table so that it fits the simulated votes; returns the images."""
    found = {}
    for votes in sorted((results / "cells" / "digits").glob("*/*/*/test/pies.parquet")):
        found[votes] = pq.read_table(votes)["label"].to_pylist()
    # Every simulated audit draws its own labels: the first one's go into all.
    labels = next(iter(found.values()))
    for votes in found:
        table = pq.read_table(votes)
        place = table.schema.get_field_index("label")
        pq.write_table(table.set_column(place, "label", pa.array(labels, pa.int32())), votes)
    rng = np.random.default_rng(2)
    images = rng.integers(0, 17, (len(labels), 1, 8, 8)).astype(np.uint8)
    info = TableInfo("digits", "test", "single-label", tuple("0123456789"), ("image",), (1, 8, 8), 16.0)
    table = DataTable(info, np.array(labels, np.int32), images=images)
    write_table(results / "data" / "digits" / "test.parquet", table)
    return images


def site(results: Path) -> dict[str, list[Path]]:
    settings = study(grid=GRID)
    found = results_tree(results, settings, n=N)
    images = with_pictures(results)
    assert len(images) == N
    return found


def built(results: Path, found: dict[str, list[Path]]) -> None:
    build(
        study=study(grid=GRID),
        cells=found["dense"] + found["cells"],
        tables=results / "tables",
        figures=results / "figures",
        cards=found["cards"],
        out=results / "index.html",
    )


ITEM = re.compile(
    r'<li><img src="data:image/png;base64,([^"]+)" width="(\d+)" height="(\d+)" alt="([^"]+)".*?'
    r"<p>true <b><bdi>(.*?)</bdi></b></p>\s*<p>(.*?)</p>\s*<p class=\"note\">(.*?)</p>.*?example (\d+)</p></li>",
    re.DOTALL,
)


def plain(html: str) -> str:
    return " ".join(re.sub(r"<[^>]+>", "", html).replace("&nbsp;", " ").split())


def test_a_cell_s_sheet_is_its_pies_with_their_own_images(tmp_path: Path) -> None:
    found = site(tmp_path)
    built(tmp_path, found)
    text = (tmp_path / CELL).read_text(encoding="utf-8")
    folder = tmp_path / "cells/digits/lenet5/RP/ratio-5000percent/test"
    votes = [row for row in pq.read_table(folder / "pies.parquet").to_pylist() if row["is_pie"]]
    votes.sort(key=lambda row: (-(row["dense_agreement"] + row["pruned_agreement"]), row["example"]))
    assert 3 < len(votes) < contact_sheet.MOST
    pictures = pq.read_table(tmp_path / "data/digits/test.parquet")["image"].to_pylist()
    items = ITEM.findall(text)
    assert [int(item[7]) for item in items] == [row["example"] for row in votes]
    for item, row in zip(items, votes, strict=True):
        pixels = np.asarray(decoded(base64.b64decode(item[0]))).astype(float).ravel()
        assert np.abs(pixels / 255 * 16 - pictures[row["example"]]).max() < 0.05
        assert item[1:3] == ("88", "88")
        assert item[3] == f"Image of example {row['example']}, true class {row['label']}"
        dense, pruned = (
            f"{row[side]}{' ✓' if row[side] == row['label'] else ''}"
            for side in ("dense_vote", "pruned_vote")
        )
        assert plain(item[5]) == f"{dense} → {pruned}"
        assert item[6] == f"{100 * row['dense_agreement']:.0f}% → {100 * row['pruned_agreement']:.0f}%"
    assert f"All {len(votes)} PIEs" in text
    assert 'href="#pictures"' in text
    # Nothing is fetched from anywhere
    assert not re.search(r'(src|href)="(https?:)?//', text)


def test_texts_have_no_sheet(tmp_path: Path) -> None:
    built(tmp_path, site(tmp_path))
    text = (tmp_path / "report/cells/docstrings--bilstm--IMP-WR--sparsity-900permille.html").read_text()
    assert 'id="pictures"' not in text
    assert ".sheet" not in text
    assert not (tmp_path / "report/often/docstrings.html").exists()


def test_who_pays_most_often(tmp_path: Path) -> None:
    found = site(tmp_path)
    built(tmp_path, found)
    counts: dict[int, int] = {}
    for folder in found["cells"]:
        if "digits" in folder.parts:
            for one in AuditFiles(folder / "test", max_pies=N).pies:
                counts[one.example] = counts.get(one.example, 0) + 1
    most = max(counts.values())
    assert 1 < most <= 4
    with open(tmp_path / "report/often/digits.csv", newline="", encoding="utf-8") as stream:
        rows = list(csv.DictReader(stream))
    assert {int(row["example"]): int(row["n_networks"]) for row in rows} == counts
    assert {(row["of_networks"], row["of_pruners"]) for row in rows} == {("4", "2")}
    page = (tmp_path / "report/often/digits.html").read_text(encoding="utf-8")
    items = ITEM.findall(page)
    assert [int(item[7]) for item in items] == [int(row["example"]) for row in rows][: contact_sheet.MOST]
    assert f"{len(counts)} of {N} test examples are PIEs of at least one of 4 pruned models" in page
    examples = (tmp_path / "report/examples.html").read_text(encoding="utf-8")
    assert 'href="often/digits.html"' in examples
    assert 'href="../../index.html"' in page
    assert 'href="digits.csv"' in page


def test_same_bytes_twice(tmp_path: Path) -> None:
    found = site(tmp_path)
    pages = [CELL, "report/often/digits.html", "report/often/digits.csv", "index.html"]
    built(tmp_path, found)
    first = [(tmp_path / name).read_bytes() for name in pages]
    built(tmp_path, found)
    assert [(tmp_path / name).read_bytes() for name in pages] == first


def test_missing_data_tables_are_said(tmp_path: Path) -> None:
    found = site(tmp_path)
    (tmp_path / "data/digits/test.parquet").unlink()
    built(tmp_path, found)
    for name in (CELL, "report/often/digits.html"):
        text = (tmp_path / name).read_text(encoding="utf-8")
        assert "The images of digits are not shown: its data table, test.parquet, is not among" in text
        assert "data:image/png" not in text
    assert "Of " in (tmp_path / CELL).read_text(encoding="utf-8")


def test_other_images_than_were_voted_on_end_the_report(tmp_path: Path) -> None:
    found = site(tmp_path)
    path = tmp_path / "data/digits/test.parquet"
    info = TableInfo("digits", "test", "single-label", tuple("0123456789"), ("image",), (1, 8, 8), 16.0)
    few = DataTable(info, np.zeros(2, np.int32), images=np.zeros((2, 1, 8, 8), np.uint8))
    write_table(path, few)
    with pytest.raises(UserError, match=r"test\.parquet: example \d+ is"):
        built(tmp_path, found)
    assert not (tmp_path / "index.html").exists()


def test_pages_of_a_larger_study_do_not_stay_behind(tmp_path: Path) -> None:
    found = site(tmp_path)
    built(tmp_path, found)
    assert (tmp_path / "report/often/digits.html").exists()
    found["cells"] = [folder for folder in found["cells"] if "MP" not in folder.parts]
    found["cells"] = [folder for folder in found["cells"] if folder.name != "ratio-400percent"]
    built(tmp_path, found)
    # Of a single model there is nothing to count
    assert not (tmp_path / "report/often").exists()
    assert "often/" not in (tmp_path / "report/examples.html").read_text(encoding="utf-8")


def test_a_sheet_is_cut_and_says_so(tmp_path: Path) -> None:
    pictures = table_of([0] * 300, (3, 32, 32), tmp_path)
    pies = [pie(n, "cat", "dog") for n in range(300)]
    sheet = contact_sheet.of_cell("zoo", pies, pictures)
    assert sheet is not None
    assert [tile.example for tile in sheet["tiles"]] == list(range(contact_sheet.MOST))
    assert sheet["how_many"].startswith(f"The {contact_sheet.MOST} of 300 PIEs")
    # Images of noise are the largest there are
    assert sum(len(tile.source or "") for tile in sheet["tiles"]) < 500_000


def test_tiles_row_by_row() -> None:
    # Three images of 2 x 1 pixels in two columns; the position left over is black
    pictures = [np.array([[[n, n + 10]]], dtype=np.uint8) for n in (1, 2, 3)]
    assert tiled(pictures, 2).tolist() == [[[1, 11, 2, 12], [3, 13, 0, 0]]]


def paper(results: Path, found: dict[str, list[Path]]) -> str:
    build_paper(
        study=study(grid=GRID),
        cells=found["dense"] + found["cells"],
        tables=results / "tables",
        figures=results / "figures",
        cards=found["cards"],
        out=results / "paper",
    )
    return (results / "paper/pie/disagreements.html").read_text(encoding="utf-8")


def test_disagreements_are_browsed_with_their_images(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(browser, "MOST_IMAGES", 40)
    found = site(tmp_path)
    text = paper(tmp_path, found)
    (raw,) = re.findall(r'<script type="application/json" id="data">(.*?)</script>', text, re.DOTALL)
    data = json.loads(raw)
    assert list(data["images"]) == ["digits"]
    drawn = data["images"]["digits"]
    assert (drawn["file"], drawn["columns"], drawn["rows"]) == ("pictures-digits.png", 32, 2)
    assert len(drawn["positions"]) == 40
    whole = np.asarray(decoded((tmp_path / "paper/pie" / drawn["file"]).read_bytes())).astype(float)
    assert whole.shape == (2 * 8, 32 * 8)
    pixels = pq.read_table(tmp_path / "data/digits/test.parquet")["image"].to_pylist()
    for example, place in drawn["positions"].items():
        top, left = 8 * (place // 32), 8 * (place % 32)
        piece = whole[top : top + 8, left : left + 8].ravel()
        assert np.abs(piece / 255 * 16 - pixels[int(example)]).max() < 0.05
    # Those first on which models agree most
    of_digits = [row for row in data["rows"] if data["cells"][row[0]][0] == "digits"]
    of_digits.sort(key=lambda row: (-(row[6] + row[7]), row[1]))
    assert list(drawn["positions"])[:5] == [str(e) for e in dict.fromkeys(row[1] for row in of_digits)][:5]
    assert 'id="image-column"' in text
    first = (tmp_path / "paper/pie" / drawn["file"]).read_bytes()
    assert paper(tmp_path, found) == text
    assert (tmp_path / "paper/pie" / drawn["file"]).read_bytes() == first


def test_browsing_without_the_data_table_says_so(tmp_path: Path) -> None:
    found = site(tmp_path)
    (tmp_path / "data/digits/test.parquet").unlink()
    text = paper(tmp_path, found)
    assert "The images of digits are not shown" in text
    assert 'id="image-column"' not in text
    assert not list((tmp_path / "paper/pie").glob("*.png"))
