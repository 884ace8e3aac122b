"""Counts of models, headlines, the grid, and a results tree with half of its files gone."""

from __future__ import annotations

import random
import re
import shutil
from pathlib import Path
from types import SimpleNamespace

import pytest

from prunescope.analysis.tables.declared import write_table
from prunescope.analysis.tables.papers import Published
from prunescope.analysis.tables.registry import PrunerTest
from prunescope.config.compression import Compression
from prunescope.figures.drawing import draw_all
from prunescope.report.svg_lines import Line, lines, scatter
from prunescope.site import grid, overview, papers_page, state
from prunescope.site.build import build
from prunescope.site.findings import CellNumbers, Part, left_out, losses, payers
from prunescope.site.state import ModelsFile, key_of
from tests.support.fake_study import results_tree, study, write_csv
from tests.unit.site.test_site_pages import Page, check_links

pytestmark = pytest.mark.usefixtures("unpainted")

GRID = [{"datasets": ["digits"], "archs": ["lenet5"], "pruners": ["MP", "RP"], "ratios": [4, 10]},
        {"datasets": ["docstrings"], "archs": ["bilstm"], "pruners": ["IMP-WR"], "sparsities": [0.5, 0.9]}]  # fmt: skip


def cell(pruner: str = "IMP-WR", parts: tuple[Part, ...] = (), **summary: object) -> CellNumbers:
    known = {"metric": "accuracy", "dense_score": 0.9, "pruned_score": 0.87, "n_seeds": 4, "pie_share": 0.16}
    known |= {"dense_score_on_pies": 0.6, "pruned_score_on_pies": 0.19}
    level = Compression.parse("sparsity-900permille")
    return CellNumbers("docstrings", "bilstm", pruner, level, known | summary, parts)


FLOOR = {"mean": 0.04, "low": 0.03, "high": 0.05, "excess": 0.1, "pie_share_half": 0.14, "verdict": ">"}


def part(change: float, p: float | None, *ends: float, name: str = "numpy") -> Part:
    return Part("class", name, 40, change, *ends, **({} if p is None else {"p": p}))  # type: ignore[arg-type]


def test_only_a_class_that_the_test_clears_is_in_the_sentence() -> None:
    sure = cell("IMP-WR", (part(-0.31, 0.001, -0.5, -0.12), part(-0.1, 0.9, -0.4, 0.2, name="scipy")))
    # 0.03 is below 0.05 for this model alone; with three models compared, it counts three times.
    unsure = cell("MP", (part(-0.6, 0.03, -0.7, -0.5),))
    found = payers([sure, unsure, cell("RP", (part(-0.2, None),))])
    assert [one.p for one in found] == pytest.approx([0.003, 0.09, None])
    assert [one.is_sure for one in found] == [True, False, False]
    text, facts = overview.headline(found, [one.cell for one in found])
    assert text == (
        "The mean hides who pays: under IMP-WR at 90%, class “numpy” of docstrings loses about 30 points of recall, "
        "over twice the mean, beyond chance."
    )
    assert facts[0].value == "−31.0"
    assert facts[0].interval == "−50.0 to −12.0, all at once"
    assert facts[0].test.endswith("Holm over classes, Bonferroni over models: p = 0.003")


def test_classes_that_pay_are_counted_in_models_that_give_more_than_one_answer() -> None:
    stuck = cell("RP", (part(-0.9, 0.0001, -1.0, -0.8),), constant={"pruned": [0]})
    # The worst class is within chance, another is not: the model counts, and the class that is shown to pay.
    mixed = cell("MP", (part(-0.4, 0.4), part(-0.3, 0.001, name="scipy")))
    found = losses([stuck, mixed])
    assert [(one.cell.pruner, one.part.name, one.p) for one in found if one.is_sure] == [
        ("MP", "scipy", 0.001)
    ]
    assert left_out([stuck, mixed]) == "Left out: 1 model that gives one answer to every example in a seed."
    assert left_out([mixed]) == ""


def test_the_sentence_has_at_most_25_words() -> None:
    sure = cell("IMP-WR", (part(-0.31, 0.001, -0.5, -0.12),), noise_floor=FLOOR)
    below = cell("MP", noise_floor=FLOOR | {"verdict": "?"})
    for cells in ([sure], [cell(noise_floor=FLOOR), below], [below], [cell()], []):
        text, _ = overview.headline(payers(cells), cells)
        assert len(text.split()) <= 25


def test_a_mean_that_loses_half_as_much_does_not_hide_who_pays() -> None:
    fallen = cell("PINS", (part(-0.9, 0.001, -0.95, -0.85),), dense_score=0.9, pruned_score=0.38)
    hidden = cell("MP", (part(-0.2, 0.001, -0.25, -0.15, name="a class with a name of so many words that"),))
    text, _ = overview.headline(payers([fallen, hidden]), [fallen, hidden])
    # A name that is too long gives way.
    assert text.startswith(
        "The mean hides who pays: under MP at 90%, one class of docstrings loses 20 points"
    )
    assert len(text.split()) <= 25
    assert overview.headline(payers([fallen]), [fallen])[0].startswith(
        "Who pays most: under PINS at 90%, class"
    )


def test_models_that_give_one_answer_are_not_in_the_sentence_where_others_pay() -> None:
    stuck = cell("RP", (part(-0.9, 0.0001, -1.0, -0.8),), constant={"pruned": [0]})
    other = cell("MP", (part(-0.2, 0.001, -0.25, -0.15),))
    assert "under MP at 90%, class" in overview.headline(payers([stuck, other]), [stuck, other])[0]
    assert "under RP at 90%, class" in overview.headline(payers([stuck]), [stuck])[0]


def test_gains_are_no_loss_and_a_mean_that_pays_as_much_hides_nothing() -> None:
    gain = cell("MP", (part(0.2, 0.001),))
    even = cell("RP", (part(-0.02, 0.001),))
    found = payers([gain, even])
    assert [one.is_sure for one in found] == [False, True]
    assert overview.headline(found, [gain, even])[0] == (
        "The score changes most under MP at 90%: accuracy of docstrings −3.0 points, within chance."
    )


def test_without_classes_the_first_sentence_has_the_change_of_the_score() -> None:
    known = {"task": "regression", "metric": "pearson", "dense_score": 0.75}
    small = cell("RP", **known, pruned_score=0.70)
    large = cell("MP", **known, pruned_score=0.50, change={"ci_low": -0.3, "ci_high": -0.2})
    text, facts = overview.headline([], [small, large])
    assert text.startswith("The score changes most under MP at 90%: ")
    assert text.endswith(" of docstrings −0.250, beyond chance.")
    assert facts[0].cell is large
    alone = cell("MP", **known, n_seeds=1)
    assert "two seeds or more would show" in overview.headline([], [alone])[0]


def test_without_classes_the_examples_that_change_are_drawn_and_never_called_sure() -> None:
    (one,) = payers([cell()])
    assert (one.part.kind, one.p, one.is_sure) == ("changed", None, False)
    assert one.part.change == pytest.approx(-0.41)


@pytest.mark.parametrize(
    ("ends", "text"),
    [((-0.619, -0.611), "61.4 points"), ((-0.66, -0.57), "61 points"), ((-1.0, 0.4), "about 60 points")],
)
def test_numbers_have_the_digits_that_their_interval_supports(ends: tuple[float, float], text: str) -> None:
    assert overview.rounded(-0.6143, *ends) == text


def test_axis_holds_every_value_and_has_round_ticks() -> None:
    at, ticks = overview._axis([-0.31, -0.05, 0.02])
    places = [float(at(value)) for value in (0.02, 0.0, -0.05, -0.31)]
    assert places == sorted(places)
    assert 0 < places[0] < places[-1] < 100
    assert [tick["text"] for tick in ticks] == ["−30", "−20", "−10", "0"]


def pruner_test(a: CellNumbers, b: CellNumbers, difference: float, p: float | None) -> PrunerTest:
    at = [f"{one.dataset}/{one.arch}/{one.pruner}/{one.compression.token}" for one in (a, b)]
    ends = (difference - 0.07, difference + 0.07)
    return PrunerTest(
        a.dataset, a.arch, a.compression.text, "accuracy", a.pruner, b.pruner, None, None, difference, *ends, 0.99, 4,
        1.0, p, p, *at, note="",
    )  # fmt: skip


def compared(site_tables: Path, first: float, second: float) -> tuple[list[overview.Level], overview.Card]:
    """A, B and C, which B leads; with the corrected p-values of A and C against B."""
    a, b, c = (cell(name, pruned_score=score) for name, score in (("A", 0.7), ("B", 0.9), ("C", 0.5)))
    tests = [pruner_test(a, b, -0.2, first), pruner_test(a, c, 0.2, 1.0), pruner_test(b, c, 0.4, second)]
    write_table(site_tables, PrunerTest, tests)
    site = SimpleNamespace(tables=site_tables, numbers=[a, b, c], got=SimpleNamespace(problems=[]))
    card = overview._pruner(site)  # type: ignore[arg-type]
    assert card is not None
    return overview.levels([a, b, c], tests), card


def test_pruners_are_compared_with_the_best_of_their_level(tmp_path: Path) -> None:
    (level,), card = compared(tmp_path, 0.2, 0.001)
    assert (level.best.pruner, [one.cell.pruner for one in level.others]) == ("B", ["A", "C"])
    assert [round(one.gap, 9) for one in level.others] == [0.2, 0.4]
    assert [one.cell.pruner for one in level.worse] == ["C"]
    assert card.answer == (
        "No winner: in none of 1 comparison at equal level does the best pruner beat the next beyond chance; with 4 "
        "seeds, a difference is known to ±7 points (median). Shown to lose more than the best: C."
    )
    # The next is A: test A - B of -20 points, turned.
    assert (card.facts[0].value, card.facts[0].interval) == ("+20.0", "+13.0 to +27.0")
    assert card.facts[0].test == "paired t test over seeds, Holm over all 3 tests: p = 0.2"


def test_a_pruner_wins_where_it_beats_all_others(tmp_path: Path) -> None:
    _, card = compared(tmp_path, 0.01, 0.001)
    assert card.answer.startswith(
        "B wins: it keeps more score than every other pruner, beyond chance, in 1 of 1 comparison."
    )


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
        "worst",
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
    assert ">two</text>" in points


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
