"""The zip of a study's pages: every link in it leads somewhere, and it is the same each time."""

from __future__ import annotations

import argparse
import shutil
import zipfile
from pathlib import Path

import pytest

from prunescope.commands import users
from prunescope.config import load
from prunescope.errors import UserError
from prunescope.figures.drawing import draw_all
from prunescope.report.pack import pack
from prunescope.site import now
from prunescope.site.build import SO_FAR, build
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


@pytest.mark.usefixtures("unpainted")
def test_pages_so_far_are_partial_are_packed_and_go_when_the_study_is_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    settings = study(grid=study().model_dump(mode="json")["grid"][1:])
    results = tmp_path / settings.results
    found = results_tree(results, settings, n=60)
    shutil.rmtree(found["cells"][0])
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(now, "collect_all", lambda folders, out, *_: shutil.copytree(results / "tables", out))
    monkeypatch.setattr(load, "load_study", lambda _: settings)
    assert users._pack(argparse.Namespace(configfile=None, out=Path("site.zip"))) == 0
    assert "packing its results so far" in capsys.readouterr().err
    with zipfile.ZipFile("site.zip") as archive:
        page = archive.read(f"{SO_FAR}/index.html").decode()
    assert "Partial results." in page
    assert "missing" in page
    kept = [path for path in found["cells"][1:] if path.exists()]
    build(
        study=settings, cells=found["dense"] + kept, tables=results / "tables", figures=results / "figures",
        cards=found["cards"], out=results / "index.html",
    )  # fmt: skip
    assert not (results / SO_FAR).exists()


def test_without_a_page_there_is_nothing_to_pack(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no such page"):
        pack(tmp_path / "index.html", tmp_path / "site.zip")
