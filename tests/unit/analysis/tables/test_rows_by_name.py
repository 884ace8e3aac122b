"""No reader depends on the order of columns: one more column in front of every table changes nothing that is read."""

from __future__ import annotations

import csv
import json
import runpy
import shutil
from pathlib import Path

import pytest
from tests.support.fake_study import results_tree, study

from prunescope.analysis.audit_tables import AUDIT_TABLES
from prunescope.analysis.tables.declared import columns, read_table
from prunescope.analysis.tables.papers import TABLES as PAPER_TABLES
from prunescope.analysis.tables.registry import TABLES, PieShare
from prunescope.cli import main
from prunescope.papers.measured import Measured
from prunescope.report.audit_files import AuditFiles

ROOT = Path(__file__).parents[4]

SMALL = study(
    seeds=[0, 1, 2],
    grid=[
        {"datasets": ["digits"], "archs": ["lenet5"], "pruners": ["MP", "UP"], "ratios": [4, 10]},
        {
            "datasets": ["docstrings"],
            "archs": ["bilstm"],
            "pruners": ["IMP-FT"],
            "sparsities": [0.5, 0.9],
        },
    ],
)


def made(root: Path) -> dict[str, list[Path]]:
    found = results_tree(root, SMALL, n=60)
    shutil.rmtree(root / "tables")
    return found


def paths(root: Path, found: dict[str, list[Path]], name: str) -> list[Path]:
    """The same files in another tree."""
    start = found["cells"][0].parents[4]
    return [root / path.relative_to(start) for path in found[name]]


def written(root: Path, found: dict[str, list[Path]]) -> None:
    (root / "cells.txt").write_text("".join(f"{path}\n" for path in paths(root, found, "cells")))
    sources = json.dumps({name: dataset.source for name, dataset in SMALL.datasets.items()})
    cells, tables = ["--cells", str(root / "cells.txt")], str(root / "tables")
    assert main(["tables", *cells, "--sources", sources, "--out", tables]) == 0


def drawn(root: Path, found: dict[str, list[Path]]) -> None:
    """Figures, the papers' tables and the pages."""
    cells = ["--cells", str(root / "cells.txt"), "--tables", str(root / "tables")]
    figures = str(root / "figures")
    assert main(["figures", *cells, "--out", figures]) == 0
    settings = ["--settings", SMALL.model_dump_json()]
    cards = ["--figures", figures, "--cards", *map(str, paths(root, found, "cards"))]
    assert main(["paper", *settings, *cells, *cards, "--out", str(root / "paper")]) == 0
    assert main(["site", *settings, *cells, *cards, "--out", str(root / "index.html")]) == 0


def with_a_column_in_front(folder: Path) -> None:
    for path in folder.rglob("*.csv"):
        with open(path, newline="", encoding="utf-8") as stream:
            names, *rows = csv.reader(stream)
        with open(path, "w", newline="", encoding="utf-8") as stream:
            csv.writer(stream, lineterminator="\n").writerows(
                [["front", *names], *(["30", *row] for row in rows)]
            )


@pytest.fixture(scope="module")
def trees(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """The same study twice: as written, and with one more column in front of every table and audit file."""
    plain, wide = (tmp_path_factory.mktemp("trees") / name / "r" for name in ("plain", "wide"))
    found = made(plain)
    shutil.copytree(plain, wide)
    with_a_column_in_front(wide / "cells")
    for root in (plain, wide):
        written(root, found)
    return plain, wide


def files(root: Path, *folders: str) -> dict[str, bytes]:
    return {
        str(path.relative_to(root)): path.read_bytes()
        for folder in folders
        for path in sorted((root / folder).rglob("*"))
        if path.is_file() and path.suffix in (".csv", ".json", ".html", ".js")
    }


def test_tables_from_audits(trees: tuple[Path, Path]) -> None:
    plain, wide = trees
    tables = files(plain, "tables")
    assert set(tables) == {f"tables/{name}.csv" for name in (*TABLES, *PAPER_TABLES)}
    assert files(wide, "tables") == tables


@pytest.mark.usefixtures("unpainted")
def test_every_reader_of_tables(trees: tuple[Path, Path], tmp_path: Path) -> None:
    plain, wide = (tmp_path / name / "r" for name in ("plain", "wide"))
    found = {
        "cells": sorted(trees[0].glob("cells/*/*/*/*")),
        "cards": sorted(trees[0].glob("data/*/card.json")),
    }
    found["cells"] = [cell for cell in found["cells"] if cell.parent.name != "none"]
    for source, root in zip(trees, (plain, wide), strict=True):
        shutil.copytree(source, root)
    with_a_column_in_front(wide / "tables")
    for (name, table), folder in (
        (item, root) for root in (wide,) for item in (TABLES | PAPER_TABLES).items()
    ):
        assert read_table(folder / "tables", table.row) == read_table(plain / "tables", table.row), name
    assert Measured.read(wide / "tables", ()) == Measured.read(plain / "tables", ())
    for root in (plain, wide):
        (root / "cells.txt").write_text(
            "".join(f"{root / c.relative_to(trees[0])}\n" for c in found["cells"])
        )
        drawn(
            root,
            {"cells": [trees[0] / c.relative_to(trees[0]) for c in found["cells"]], "cards": found["cards"]},
        )
    wanted = files(plain, "figures", "paper", "report")
    assert len(wanted) > 20
    assert files(wide, "figures", "paper", "report") == wanted
    assert (wide / "index.html").read_bytes() == (plain / "index.html").read_bytes()


def test_readers_of_audits(trees: tuple[Path, Path]) -> None:
    plain, wide = trees
    cells = [
        path.relative_to(plain) for path in plain.glob("cells/*/*/*/*/t*") if (path / "scores.csv").exists()
    ]
    assert cells
    for cell in cells:
        for table in AUDIT_TABLES.values():
            assert read_table(wide / cell, table.row) == read_table(plain / cell, table.row)
        one, other = AuditFiles(plain / cell), AuditFiles(wide / cell)
        for name in ("classes", "seeds", "el2n", "readability", "by_seeds"):
            assert getattr(one, name) == getattr(other, name)


def test_a_share_stays_a_share(tmp_path: Path) -> None:
    (tmp_path / "pie_share.csv").write_text(
        "seeds,dataset,arch,pruner,sparsity,n_examples,n_pies,pie_share\n30,d,net,MP,0.5,20,3,0.15\n"
    )
    assert read_table(tmp_path, PieShare) == [PieShare("d", "net", "MP", 0.5, 20, 3, 0.15)]
    assert set(Measured.read(tmp_path, ()).values["pie_share"].values()) == {0.15}


@pytest.mark.parametrize("declared", [*TABLES.values(), *PAPER_TABLES.values(), *AUDIT_TABLES.values()])
def test_every_column_has_a_meaning(declared: object) -> None:
    assert declared.caption.endswith((".", ")"))  # type: ignore[attr-defined]
    for column in columns(declared.row):  # type: ignore[attr-defined]
        assert column.meaning, column.name


def test_captions_and_docs_follow_from_the_declarations() -> None:
    """Run ``python workflow/report/declared_tables.py`` after a change of a declaration."""
    script = runpy.run_path(str(ROOT / "workflow" / "report" / "declared_tables.py"))
    for path, text in script["documents"]().items():
        assert path.read_text(encoding="utf-8") == text, path
    kept = {path.name for path in (ROOT / "workflow" / "report" / "tables").iterdir()}
    assert kept == {f"{name}.rst" for name in (*TABLES, *PAPER_TABLES)}
