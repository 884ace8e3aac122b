"""The zip of a study's pages: every link in it leads somewhere, and it is the same each time."""

from __future__ import annotations

import zipfile
from pathlib import Path

import pytest

from prunescope.errors import UserError
from prunescope.figures.drawing import draw_all
from prunescope.report.pack import pack
from prunescope.site.build import build
from tests.support.fake_study import results_tree, study
from tests.unit.site.test_site_pages import check_links


@pytest.mark.usefixtures("unpainted")
def test_unpacked_pages_are_whole(tmp_path: Path) -> None:
    results = tmp_path / "results"
    settings = study(grid=study().model_dump(mode="json")["grid"][1:])
    found = results_tree(results, settings, n=60)
    draw_all(results / "tables", found["cells"], results / "figures")
    build(
        study=settings,
        cells=found["dense"] + found["cells"],
        tables=results / "tables",
        figures=results / "figures",
        cards=found["cards"],
        out=results / "index.html",
    )
    (results / "models").mkdir()
    (results / "models" / "weights.safetensors").write_bytes(b"large")
    out = results / "site.zip"
    count = pack(results / "index.html", out)
    first = out.read_bytes()
    assert pack(results / "index.html", out) == count
    assert out.read_bytes() == first
    with zipfile.ZipFile(out) as archive:
        names = archive.namelist()
        archive.extractall(tmp_path / "elsewhere")
    assert len(names) == count
    assert not any(name.startswith("models/") or name.endswith(".zip") for name in names)
    assert any(name.startswith("report/examples/") and name.endswith(".js") for name in names)
    for page in (tmp_path / "elsewhere").rglob("*.html"):
        check_links(page, page.read_text(encoding="utf-8"))


def test_without_a_page_there_is_nothing_to_pack(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no such page"):
        pack(tmp_path / "index.html", tmp_path / "site.zip")
