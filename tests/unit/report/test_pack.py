"""A study's pages as one zip file while it runs."""

from __future__ import annotations

import argparse
import os
import shutil
import zipfile
from pathlib import Path

import pytest

from prunescope.commands import users
from prunescope.config import load
from prunescope.site import now
from prunescope.site.build import SO_FAR, build
from tests.support.fake_study import results_tree, study

GRID = [{"datasets": ["docstrings"], "archs": ["bilstm"], "pruners": ["MP"], "sparsities": [0.5, 0.9]}]


@pytest.mark.usefixtures("unpainted")
def test_pages_so_far_are_partial_are_packed_and_go_when_the_study_is_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    settings = study(grid=GRID)
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


@pytest.mark.usefixtures("unpainted")
def test_pages_of_the_whole_study_are_the_answer_while_they_are_newer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = study(grid=GRID)
    results = tmp_path / settings.results
    found = results_tree(results, settings, n=60)
    for cell in found["dense"]:
        for split in ("test", "train"):
            (cell / split).mkdir()
            (cell / split / "summary.json").write_text("{}")
    build(
        study=settings, cells=found["dense"] + found["cells"], tables=results / "tables", figures=results / "figures",
        cards=found["cards"], out=results / "index.html",
    )  # fmt: skip
    monkeypatch.setattr(now, "collect_all", lambda folders, out, *_: shutil.copytree(results / "tables", out))
    (results / SO_FAR).mkdir()
    assert now.report(settings, tmp_path) == (results / "index.html", [])
    assert not (results / SO_FAR).exists()
    os.utime(results / "index.html", (1, 1))
    assert now.report(settings, tmp_path)[0] == results / SO_FAR / "index.html"
