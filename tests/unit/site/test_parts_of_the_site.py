"""Counts of models, headlines, the grid, and a results tree with half of its files gone."""

from __future__ import annotations

import random
import re
import shutil
from pathlib import Path

import pytest

from prunescope.config.compression import Compression
from prunescope.figures.drawing import draw_all
from prunescope.papers import report_page as papers_page
from prunescope.papers.tables import Published
from prunescope.report.svg_lines import Line, lines, scatter
from prunescope.site import grid, state, story
from prunescope.site.build import build
from prunescope.site.findings import CellNumbers
from prunescope.site.state import ModelsFile, key_of
from tests.support.fake_study import results_tree, study, write_csv
from tests.unit.site.test_site_pages import Page, check_links

pytestmark = pytest.mark.usefixtures("unpainted")

GRID = [{"datasets": ["digits"], "archs": ["lenet5"], "pruners": ["MP", "RP"], "ratios": [4, 10]},
        {"datasets": ["docstrings"], "archs": ["bilstm"], "pruners": ["IMP-WR"], "sparsities": [0.5, 0.9]}]  # fmt: skip


def cell(pruner: str = "IMP-WR", **summary: object) -> CellNumbers:
    known = {"metric": "accuracy", "dense_score": 0.9, "pruned_score": 0.87, "n_seeds": 4, "pie_share": 0.16}
    known |= {"dense_score_on_pies": 0.6, "pruned_score_on_pies": 0.19}
    return CellNumbers(
        "docstrings", "bilstm", pruner, Compression.parse("sparsity-900permille"), known | summary
    )


FLOOR = {"mean": 0.04, "low": 0.03, "high": 0.05, "excess": 0.1, "pie_share_half": 0.14, "verdict": ">"}


def test_headline_has_every_number_with_its_interval_and_tables() -> None:
    change = {"mean": -0.03, "ci_low": -0.05, "ci_high": -0.01, "confidence": 0.99, "n_seeds": 4}
    on_pies = {"mean": -0.41, "ci_low": -0.5, "ci_high": -0.32, "confidence": 0.99, "n_seeds": 4}
    interval = {"centered_low": 0.13, "centered_high": 0.19, "confidence": 0.95}
    one = cell(noise_floor=FLOOR, change=change, change_on_pies=on_pies, pie_interval=interval)
    assert story.headline(study(), one).text == (
        "At 90% sparsity, magnitude pruning in rounds (IMP-WR) costs 3.0 points of accuracy of bilstm on docstrings on "
        "average (99% interval 1.0 to 5.0 points, 4 seeds), and 41.0 points on the 16.0% of texts whose majority "
        "vote changes (99% interval 32.0 to 50.0 points, 4 seeds; their share 13.0% to 19.0% by 95% bootstrap); the "
        "noise floor is 4.0% (3.0% to 5.0% over ways to halve the seeds); with as many pruned models the "
        "share is 14.0%."
    )
    assert story.headline(study(), one).tables == (
        "effectiveness.csv", "effectiveness_on_pies.csv", "pie_share.csv", "pie_intervals.csv",
    )  # fmt: skip


def test_gains_and_single_seeds_are_said_as_such() -> None:
    gain = {"mean": 0.02, "ci_low": None, "ci_high": None, "confidence": 0.99, "n_seeds": 1}
    text = story.headline(study(), cell("MP", pruned_score=0.92, change=gain)).text
    assert "gains 2.0 points of accuracy" in text
    assert "one seed, no interval" in text


def test_headlines_are_of_what_the_mean_hides_most() -> None:
    hidden = cell(noise_floor=FLOOR)
    plain = cell("MP", noise_floor=FLOOR, pruned_score_on_pies=0.55)
    assert [one.cell for one in story.headlines(study(), [plain, hidden])] == [hidden]
    below = cell(noise_floor=FLOOR | {"excess": -0.1})
    assert story.headlines(study(), [below]) == []


def test_every_model_is_counted_once() -> None:
    settings = study(grid=GRID)
    first, second, *rest = settings.cells
    models = [{"seed": 0, "diverged": False}, {"seed": 1, "diverged": True}]
    records = {key_of(first): ModelsFile(Path("models.json"), {"models": models})}
    live = {key_of(second): {0: "running", 1: "failed", 2: "not analysed"}}
    found = state.counted(settings.cells, records, live)
    by_state = state.totals(found)
    assert dict(by_state) == {
        "done": 1, "diverged": 1, "running": 1, "failed": 1, "not analysed": 1, "missing": 3 + 4 * len(rest),
    }  # fmt: skip
    assert by_state.total() == sum(len(one.seeds) for one in settings.cells)
    assert "1 done, 1 diverged, 1 running, 1 failed, 1 not analysed" in state.sentence(found)
    assert any(line.endswith("1 model of 4 failed (seed 1)") for line in state.problems(found))


def test_grid_has_cells_that_are_not_there_too(tmp_path: Path) -> None:
    settings = study(grid=GRID)
    there = CellNumbers("digits", "lenet5", "MP", Compression.parse("ratio-400percent"), cell().summary)
    counted = state.counted(settings.cells, {})
    found = grid.payload(
        [there], counted, {key_of(there): (3, 4)}, tmp_path / "cells", tmp_path / "index.html"
    )
    assert len(found["cells"]) == 6
    own = found["cells"][0]
    assert own["href"] == "cells/digits--lenet5--MP--ratio-400percent.html"
    assert own["values"]["change"][1] == "−3.0"
    assert own["values"]["claims"] == (0.75, "3 of 4")
    assert all(one["href"] is None and one["state"] == {"missing": 4} for one in found["cells"][1:])
    assert [one["name"] for one in found["measures"]] == [
        "score",
        "change",
        "pie_share",
        "on_pies",
        "change_on_pies",
        "claims",
    ]


def test_grid_has_harm_and_the_alpha_that_can_be_told(tmp_path: Path) -> None:
    told = {"mean": 1.4, "ci_low": 1.1, "ci_high": None, "confidence": 0.99, "verdict": ">"}
    harm = {"to_wrong": 9, "to_right": 3, "p_value": 0.146}
    known = {**cell().summary, "n_examples": 200, "mcnemar": harm}

    def values(corrected: dict[str, object]) -> dict[str, tuple[float, str]]:
        summary = {**known, "alpha_corrected": corrected}
        there = CellNumbers("digits", "lenet5", "MP", Compression.parse("ratio-400percent"), summary)
        counted = state.counted(study(grid=GRID).cells, {})
        found = grid.payload([there], counted, {}, tmp_path / "cells", tmp_path / "index.html")
        own: dict[str, tuple[float, str]] = found["cells"][0]["values"]
        return own

    assert values(told)["harm"] == (0.03, "+3.0 (p = 0.15)")
    assert values(told)["alpha_corrected"] == (1.4, "1.40 >")
    assert "alpha_corrected" not in values({**told, "ci_low": None, "verdict": "?"})


def row(pruner: str, quantity: str, published: float, ours: float) -> Published:
    return Published("PIE", "9", "imdb", "bert", pruner, 0.5, quantity, published, ours, ours)


def test_printed_spread_is_that_over_seeds_else_over_pruners() -> None:
    rows = [row("A", "score_mean", 0.9, 0.9), row("A", "score_std", 0.02, 0.01)]
    rows += [row(name, "pie_share", value, 0.1) for name, value in (("A", 0.1), ("B", 0.2), ("C", 0.3))]
    found = papers_page.spreads(rows)
    assert found[0] == (0.02, "seeds")
    assert found[1] is None
    assert found[2] is not None
    # The standard deviation of 0.1, 0.2 and 0.3 is 0.1.
    assert found[2].value == pytest.approx(0.1)
    assert found[2].over == "pruners"


def test_cells_beside_the_papers_are_coloured_by_spreads(tmp_path: Path) -> None:
    columns = (
        "paper",
        "table",
        "dataset",
        "arch",
        "pruner",
        "sparsity",
        "quantity",
        "published",
        "ours",
        "difference",
    )
    values = (("A", 0.1, 0.15), ("B", 0.2, 0.35), ("C", 0.3, 0.9), ("D", 0.2, ""))
    write_csv(
        tmp_path / "published.csv",
        columns,
        [
            ("PIE", "4", "imdb", "bert", n, 0.5, "pie_share", p, o, "" if o == "" else o - p)
            for n, p, o in values
        ],
    )
    (found,) = papers_page.quantities(tmp_path)
    # Spread: the standard deviation of 0.1, 0.2, 0.3 and 0.2, which is 0.0816.
    (grid,) = found.grids
    shown = {name.text: cell.style for name, cell in grid.rows}
    assert shown == {"A": "n near", "B": "n apart", "C": "n farther", "D": "n none"}
    assert found.counts == {"near": 1, "apart": 1, "farther": 1, "none": 1}
    assert [head.text for head in grid.heads] == ["pruner", "50%"]


def test_lines_and_points() -> None:
    made = lines(
        [Line("a<b", [0.1, None, 0.3], "#123456"), Line("c", [0.2, 0.2, 0.2], faint=True)],
        ["50%", "70%", "90%"],
        x_label="x", y_label="y", label="said", text=lambda v: f"{v:.1f}", here=2,
    )  # fmt: skip
    assert made.count("<circle") == 5
    assert "a&lt;b, 50%: 0.1" in made
    # A gap lifts the pen.
    assert len(re.findall(r"M\d", made)) == 3
    assert 'class="here"' in made
    assert lines([Line("a", [None])], ["1"], x_label="", y_label="", label="", text=str) == ""
    points = scatter([("one", 0.9, 0.5, "below"), ("two", 0.5, 0.5, "")], x_label="", y_label="", label="")
    assert points.count("<circle") == 2
    assert ">one</text>" in points
    assert ">two</text>" not in points


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A results tree with its tables and figures; tests work on a copy."""
    root = tmp_path_factory.mktemp("whole") / "results"
    found = results_tree(root, study(grid=GRID), n=60)
    draw_all(root / "tables", found["cells"], root / "figures")
    return root


@pytest.mark.parametrize("seed", range(4))
def test_half_of_the_files_gone(whole: Path, tmp_path: Path, seed: int) -> None:
    root = shutil.copytree(whole, tmp_path / "results")
    cells = sorted(root.glob("cells/*/*/*/*"))
    rng = random.Random(seed)
    files = sorted(path for path in root.rglob("*") if path.is_file())
    for path in rng.sample(files, len(files) // 2):
        # Some are gone, some are cut short, some are of another kind.
        kind = rng.randrange(3)
        if kind == 0:
            path.unlink()
        elif kind == 1:
            path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
        else:
            path.write_bytes(b"\x00\xff not what it was")
    problems = build(
        study=study(grid=GRID),
        cells=cells,
        tables=root / "tables",
        figures=root / "figures",
        cards=sorted(root.glob("data/*/card.json")),
        out=root / "index.html",
    )
    assert problems
    text = (root / "index.html").read_text(encoding="utf-8")
    shown = Page(text).text
    for problem in problems[:20]:
        assert " ".join(problem.split()) in " ".join(shown.split())
    for page in (root / "index.html", *(root / "report").rglob("*.html")):
        check_links(page, page.read_text(encoding="utf-8"))
