from __future__ import annotations

import csv
import itertools
import json
import warnings
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import to_hex
from matplotlib.lines import Line2D
from tests.support.fake_study import results_tree, study, write_csv

from prunescope.config.pruners import PRUNERS
from prunescope.errors import UserError
from prunescope.figures import layout, pie_classes
from prunescope.figures.drawing import draw, draw_all
from prunescope.figures.pie_classes import COLUMNS
from prunescope.figures.registry import BUILT_IN
from prunescope.figures.source import CellFiles, Source, seeds_text
from prunescope.figures.style import LOOKS, look, ordered, pretty_metric, save, styled


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[Path]]:
    root = tmp_path_factory.mktemp("figures") / "results"
    small = study(
        grid=[
            {"datasets": ["digits"], "archs": ["lenet5"], "pruners": ["MP", "RP"], "ratios": [4, 10]},
            {
                "datasets": ["docstrings"],
                "archs": ["bilstm"],
                "pruners": ["IMP-WR", "MP"],
                "sparsities": [0.9],
            },
        ]
    )
    return root, results_tree(root, small, n=120)["cells"]


@pytest.fixture(scope="module")
def drawn(tree: tuple[Path, list[Path]]) -> Path:
    root, cells = tree
    draw_all(root / "tables", cells, root / "figures")
    return root / "figures"


EXPECTED = {
    "effectiveness": ["effectiveness"],
    "pie_share": ["pie_share"],
    "pie_share_seeds": ["digits--lenet5", "docstrings--bilstm"],
    "effectiveness_on_pies": ["digits--lenet5", "docstrings--bilstm"],
    "pie_classes": ["digits--lenet5", "docstrings--bilstm"],
    "el2n": ["digits--lenet5", "docstrings--bilstm"],
    "el2n_pruners": ["MP"],
    "data_map": [],
    "readability": ["docstrings--bilstm"],
    "alpha": ["digits--lenet5", "docstrings--bilstm"],
    "certainty": [],
    "accuracy_alpha": ["digits", "docstrings"],
    "balance": ["digits--lenet5", "docstrings--bilstm"],
    "who_pays": [],
    "pruning_loss": [],
    "objectives": [],
    "weights_pattern": [],
    "weights_rank": [],
    "weights_remaining": [],
    "alpha_across": [],
    "balance_across": [],
    "alpha_intervals": ["digits--lenet5", "docstrings--bilstm"],
}


@pytest.mark.parametrize("family", list(BUILT_IN))
def test_every_figure_has_its_files(drawn: Path, family: str) -> None:
    index = json.loads((drawn / family / "figures.json").read_text(encoding="utf-8"))
    assert [Path(picture["file"]).stem for picture in index["figures"]] == EXPECTED[family]
    for picture in index["figures"]:
        assert ElementTree.parse(drawn / family / picture["file"]).getroot().tag.endswith("svg")
        assert (drawn / family / picture["png"]).read_bytes().startswith(b"\x89PNG")
        with open(drawn / family / picture["data"], newline="", encoding="utf-8") as stream:
            assert len(list(csv.reader(stream))) > 1
        assert "seed" in picture["caption"]
    everything = json.loads((drawn / "figures.json").read_text(encoding="utf-8"))
    assert [entry["family"] for entry in everything["families"]] == list(BUILT_IN)


@pytest.mark.parametrize("family", ["effectiveness", "alpha", "balance"])
def test_same_bytes_twice(drawn: Path, tree: tuple[Path, list[Path]], tmp_path: Path, family: str) -> None:
    root, cells = tree
    draw(family, root / "tables", list(reversed(cells)), tmp_path / family)
    files = sorted(path.name for path in (drawn / family).iterdir())
    assert files == sorted(path.name for path in (tmp_path / family).iterdir())
    for name in files:
        assert (tmp_path / family / name).read_bytes() == (drawn / family / name).read_bytes(), name


def test_data_beside_the_figure_is_what_the_cells_say(drawn: Path, tree: tuple[Path, list[Path]]) -> None:
    cell = next(path for path in tree[1] if path.parts[-2:] == ("RP", "ratio-1000percent"))
    with open(cell / "test" / "alpha.csv", newline="", encoding="utf-8") as stream:
        wanted = [float(row["alpha"]) for row in csv.DictReader(stream)]
    with open(drawn / "alpha" / "digits--lenet5.csv", newline="", encoding="utf-8") as stream:
        rows = [row for row in csv.DictReader(stream) if (row["pruner"], row["amount"]) == ("RP", cell.name)]
    assert [float(row["alpha"]) for row in rows] == pytest.approx(wanted)


def test_scatter_panels_tell_slope_fit_and_accuracy(tree: tuple[Path, list[Path]]) -> None:
    import matplotlib.pyplot as plt

    from prunescope.figures import balance
    from prunescope.figures.source import Source

    cell = next(path for path in tree[1] if path.parts[-2:] == ("MP", "ratio-1000percent"))
    with open(cell / "test" / "recall.csv", newline="", encoding="utf-8") as stream:
        rows = [row for row in csv.DictReader(stream) if row["balance_dense"]]
    points = [(float(row["balance_dense"]), float(row["balance_pruned"])) for row in rows]
    slope = sum(x * y for x, y in points) / sum(x * x for x, _ in points)
    r2 = 1 - sum((y - slope * x) ** 2 for x, y in points) / sum(y * y for _, y in points)
    score = json.loads((cell / "test" / "summary.json").read_text(encoding="utf-8"))["pruned_score"]
    (picture,) = balance.draw(Source.of(tree[0] / "tables", [cell]))
    (panel,) = picture.figure.axes
    assert panel.texts[0].get_text() == f"α̂ {slope:.2f}  r² {r2:.2f}  Ā {score:.2f}"
    line = next(line for line in panel.lines if line.get_linewidth() == 1.6)
    assert line.get_ydata()[1] / line.get_xdata()[1] == pytest.approx(slope)
    plt.close(picture.figure)


def test_models_without_a_slope_still_have_an_accuracy() -> None:
    from prunescope.analysis.alpha.cells import AlphaCell
    from prunescope.figures import accuracy_alpha

    place = CellFiles.at(Path("cells/digits/lenet5/RP/ratio-400percent"))
    cell = AlphaCell(
        *("digits", "lenet5", "RP", place.compression),
        alpha={0: 1.5, 2: 2.5},
        accuracy_dense={0: 0.8, 1: 0.9, 2: 1.0},
        seeds=frozenset((0, 1, 2)),
        n_classes=10,
        accuracy_pruned={0: 0.3, 1: 0.0, 2: 0.6},
        ratio=4.0,
    )
    before, after = accuracy_alpha.curve([(place, cell)]).to_dict("records")
    assert (before["n_seeds"], before["n_alphas"], before["accuracy"]) == (3, 0, pytest.approx(0.9))
    assert (after["n_seeds"], after["n_alphas"]) == (3, 2)
    assert (after["accuracy"], after["alpha"]) == (pytest.approx(0.3), 2.0)


def test_scores_on_pies_stand_beside_scores_on_all(drawn: Path, tree: tuple[Path, list[Path]]) -> None:
    with open(tree[0] / "tables" / "effectiveness.csv", newline="", encoding="utf-8") as stream:
        means = {(r["dataset"], r["pruner"], r["sparsity"]): float(r["mean"]) for r in csv.DictReader(stream)}
    with open(drawn / "effectiveness_on_pies" / "digits--lenet5.csv", newline="", encoding="utf-8") as stream:
        rows = list(csv.DictReader(stream))
    assert len(rows) == 4
    for row in rows:
        assert float(row["pruned_on_all"]) == means["digits", row["pruner"], row["sparsity"]]
        assert float(row["dense_on_all"]) == means["digits", "none", "0.0"]


def test_what_has_no_data_is_skipped_and_said(tmp_path: Path) -> None:
    write_csv(
        tmp_path / "tables" / "pie_share.csv",
        ("dataset", "arch", "pruner", "sparsity", "n_examples", "n_pies", "pie_share"),
        [],
    )
    for family in BUILT_IN:
        draw(family, tmp_path / "tables", [], tmp_path / family)
        index = json.loads((tmp_path / family / "figures.json").read_text())
        assert index["figures"] == []
    skipped = json.loads((tmp_path / "pie_share" / "figures.json").read_text())["skipped"]
    assert skipped[0]["what"] == "pie_share"


def test_no_pies_anywhere(tmp_path: Path) -> None:
    key = ("digits", "lenet5", "MP", 0.5)
    columns = ("dataset", "arch", "pruner", "sparsity")
    tables = tmp_path / "tables"
    write_csv(tables / "pie_share.csv", (*columns, "n_examples", "n_pies", "pie_share"), [(*key, 10, 0, 0.0)])
    write_csv(
        tables / "effectiveness_on_pies.csv",
        (*columns, "metric", "dense", "pruned", "n_pies"),
        [(*key, "accuracy", None, None, 0)],
    )
    write_csv(
        tables / "effectiveness.csv",
        (*columns, "metric", "mean", "std", "n_seeds"),
        [(*key, "accuracy", 0.9, None, 1)],
    )
    for family, pictures in (("pie_share", 1), ("effectiveness_on_pies", 0), ("effectiveness", 1)):
        draw(family, tables, [], tmp_path / family)
        assert len(json.loads((tmp_path / family / "figures.json").read_text())["figures"]) == pictures


def test_a_table_without_a_column_is_refused_by_name(tmp_path: Path) -> None:
    write_csv(tmp_path / "pie_share.csv", ("dataset", "arch"), [("a", "b")])
    with pytest.raises(UserError, match=r"pie_share\.csv: column 'pruner' is missing"):
        draw("pie_share", tmp_path, [], tmp_path / "out")
    assert not (tmp_path / "out").exists()
    with pytest.raises(UserError, match="no such family"):
        draw("pies", tmp_path, [], tmp_path / "out")


def test_every_pruner_has_its_own_look() -> None:
    assert set(LOOKS) == set(PRUNERS)
    assert len({(value.colour, value.marker) for value in LOOKS.values()}) == len(LOOKS)
    assert len({value.colour for value in LOOKS.values()}) == len(LOOKS)


def test_further_pruners_keep_their_look() -> None:
    before = look("mine")
    look("another")
    assert look("mine") == before
    assert ordered(["zeta", "MP", "none", "IIBP-WR", "alpha"]) == ["none", "IIBP-WR", "MP", "alpha", "zeta"]


def test_cell_paths() -> None:
    cell = CellFiles.at(Path("results/cells/digits/lenet5/MP/ratio-1000percent/test"))
    assert (cell.dataset, cell.arch, cell.pruner, cell.compression.text) == (
        "digits",
        "lenet5",
        "MP",
        "ratio 10",
    )
    assert CellFiles.at(Path("c/digits/lenet5/MP/sparsity-995permille")).compression.text == "99.5%"
    with pytest.raises(UserError, match="not a cell"):
        CellFiles.at(Path("digits"))


def test_seeds_in_captions() -> None:
    assert seeds_text([4, 4]) == "4 seeds"
    assert seeds_text([1]) == "1 seed"
    assert seeds_text([28, float("nan"), 30]) == "28 to 30 seeds"


def test_intervals_and_noise_floor_stand_beside_the_shares(
    drawn: Path, tree: tuple[Path, list[Path]]
) -> None:
    with open(drawn / "pie_share" / "pie_share.csv", newline="", encoding="utf-8") as stream:
        rows = list(csv.DictReader(stream))
    with open(tree[0] / "tables" / "pie_intervals.csv", newline="", encoding="utf-8") as stream:
        wanted = {(r["dataset"], r["pruner"], r["sparsity"]): r for r in csv.DictReader(stream)}
    assert len(rows) == len(wanted) == 6
    for row in rows:
        known = wanted[row["dataset"], row["pruner"], row["sparsity"]]
        for name in ("centered_low", "centered_high", "noise_floor"):
            assert float(row[name]) == pytest.approx(float(known[name]))


def test_shares_are_drawn_without_intervals_too(tree: tuple[Path, list[Path]], tmp_path: Path) -> None:
    tables = tmp_path / "tables"
    tables.mkdir()
    (tables / "pie_share.csv").write_bytes((tree[0] / "tables" / "pie_share.csv").read_bytes())
    index = draw("pie_share", tables, [], tmp_path / "out")
    assert len(index["figures"]) == 1
    assert "noise floor" not in index["figures"][0]["caption"]
    assert index["skipped"] == [{"what": "pie_intervals.csv", "why": "the table is missing"}]


def test_control_stops_at_half_of_the_models(drawn: Path, tree: tuple[Path, list[Path]]) -> None:
    with open(drawn / "pie_share_seeds" / "digits--lenet5.csv", newline="", encoding="utf-8") as stream:
        rows = [r for r in csv.DictReader(stream) if (r["pruner"], r["amount"]) == ("RP", "ratio-400percent")]
    assert [(row["n_models"], row["noise_floor"] != "") for row in rows] == [
        ("1", True), ("2", True), ("3", False), ("4", False)
    ]  # fmt: skip
    cell = next(path for path in tree[1] if path.parts[-2:] == ("RP", "ratio-400percent"))
    summary = json.loads((cell / "test" / "summary.json").read_text())
    assert float(rows[-1]["pie_share"]) == summary["pie_share"]
    assert float(rows[1]["noise_floor"]) == summary["noise_floor"]["mean"]


def test_influence_by_pruner_has_every_model_of_that_pruner(
    drawn: Path, tree: tuple[Path, list[Path]]
) -> None:
    with open(drawn / "el2n_pruners" / "MP.csv", newline="", encoding="utf-8") as stream:
        rows = list(csv.DictReader(stream))
    found = {(row["dataset"], row["arch"], row["amount"]) for row in rows}
    assert found == {
        ("digits", "lenet5", "ratio-400percent"),
        ("digits", "lenet5", "ratio-1000percent"),
        ("docstrings", "bilstm", "sparsity-900permille"),
    }
    cell = next(path for path in tree[1] if path.parts[-2:] == ("MP", "sparsity-900permille"))
    with open(cell / "train" / "el2n.csv", newline="", encoding="utf-8") as stream:
        wanted = [float(row["pie_share"]) for row in csv.DictReader(stream)]
    assert [float(row["pie_share"]) for row in rows if row["dataset"] == "docstrings"] == wanted


def test_mean_of_all_pruners_in_readability(drawn: Path) -> None:
    with open(drawn / "readability" / "docstrings--bilstm.csv", newline="", encoding="utf-8") as stream:
        rows = list(csv.DictReader(stream))
    by_measure: dict[str, dict[str, float]] = {}
    for row in rows:
        by_measure.setdefault(row["measure"], {})[row["pruner"]] = float(row["ratio"])
    assert len(by_measure) == 8
    for ratios in by_measure.values():
        assert ratios["mean of all pruners"] == pytest.approx((ratios["IMP-WR"] + ratios["MP"]) / 2)


def test_mean_skips_pruners_without_pies(tmp_path: Path) -> None:
    columns = ("dataset", "arch", "pruner", "sparsity", "measure", "all", "pies", "ratio")
    rows = [
        ("snli", "bert", "MP-AI", 0.5, "text_length", 10, 12, 1.2),
        ("snli", "bert", "RP-AI", 0.5, "text_length", 10, 11, 1.1),
        ("snli", "bert", "IRP-FT", 0.5, "text_length", 10, None, None),
        ("snli", "bert", "MP-AI", 0.9, "text_length", 10, 15, 1.5),
    ]
    write_csv(tmp_path / "readability.csv", columns, rows)
    draw("readability", tmp_path, [], tmp_path / "out")
    with open(tmp_path / "out" / "snli--bert.csv", newline="", encoding="utf-8") as stream:
        means = {r["sparsity"]: float(r["ratio"]) for r in csv.DictReader(stream) if "mean" in r["pruner"]}
    assert means == {"0.5": pytest.approx(1.15), "0.9": pytest.approx(1.5)}


def test_correlations_are_not_read_as_percent() -> None:
    """The ticks of a score's axis, and what a reader calls it."""
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots()
    try:
        for metric, tick in (("matthews", "0.5"), ("spearman", "0.5"), ("bleu", "50%"), ("accuracy", "50%")):
            layout.score_axis(axes, metric)
            assert axes.yaxis.get_major_formatter()(0.5, None) == tick
    finally:
        plt.close(figure)
    names = [pretty_metric(name) for name in ("bleu", "rouge_l", "chrf", "spearman", "exact_match")]
    assert names == ["BLEU", "ROUGE-L", "chrF", "Spearman correlation", "exact match"]


def test_every_measured_sparsity_has_a_tick_and_labels_keep_apart() -> None:
    """The paper's five compression levels: 50 % is too close to 70 % for a label, and keeps a bare tick."""
    figure, axes = plt.subplots(figsize=(3.4, 2))
    for values, wanted in (
        ([0.2, 0.5, 0.7, 0.9, 0.99], (["20%", "70%", "90%", "99%"], [0.5])),
        # What most models are pruned to comes first.
        ([0.2, 0.5, 0.5, 0.5, 0.7, 0.9, 0.9, 0.99], (["50%", "90%", "99%"], [0.2, 0.7])),
    ):
        layout.sparsity_axis(axes, values)
        labelled = [text.get_text() for text in axes.get_xticklabels()]
        assert (labelled, axes.get_xticks(minor=True).tolist()) == wanted
        assert [text.get_text() for text in axes.get_xticklabels(minor=True)] in ([], [""] * len(wanted[1]))
    plt.close(figure)


@pytest.mark.parametrize("dpi", [72, 100, 160])
@pytest.mark.parametrize("count", [3, 12, 23, 40])
def test_a_legend_is_never_wider_than_its_figure(count: int, dpi: int) -> None:
    with styled():
        figure, _ = layout.panels(3)
        names = ["noise floor (half of the models)", *(f"sensitivity {i}" for i in range(count - 1))]
        layout.legend_below(figure, {name: Line2D([], [], color="black") for name in names})
        figure.set_dpi(dpi)
        figure.canvas.draw()
        (legend,) = figure.legends
        box = legend.get_window_extent()
        assert [text.get_text() for text in legend.get_texts()] == names
        assert figure.bbox.x0 <= box.x0 < box.x1 <= figure.bbox.x1
        assert box.y1 <= min(axes.get_window_extent().y0 for axes in figure.axes)
        plt.close(figure)


def test_many_pruners_have_a_panel_for_each_family() -> None:
    """Lines of the other families are grey behind; every line is named once, in its colour, at its end."""
    names = ["IMP-WR", "IMP-FT", "MP-AI", "MP", "IIBP-WR", "GP", "RP", "PINS"]
    rows = [
        {"dataset": "d", "pruner": name, "x": x, "y": 0.1 * at + x}
        for at, name in enumerate(names)
        for x in (0.0, 1.0)
    ]
    with styled():
        figure, axes = layout.lines(pd.DataFrame(rows), ("dataset",), "x", "y", lambda *_: None, under="x")
        assert [panel.get_title(loc="left") for panel in axes] == [
            "d · magnitude", "d · impact", "d · random", "d · gradual"
        ]  # fmt: skip
        found = [text.get_text() for panel in axes for text in panel.texts if text.get_text()]
        assert sorted(found) == sorted(names)
        for panel in axes:
            own = {text.get_text(): text.get_color() for text in panel.texts if text.get_text()}
            assert own == {name: look(name).colour for name in own}
            assert len(panel.lines) == len(names)
            colours = [to_hex(line.get_color()) for line in panel.lines]
            assert sorted(set(colours) - {"#c9cdd2"}) == sorted(colour.lower() for colour in own.values())
        plt.close(figure)


def test_names_of_lines_keep_apart() -> None:
    names = ["IMP-WR", "IMP-FT", "MP-AI", "MP"]
    rows = pd.DataFrame({"pruner": names * 2, "x": [0.0] * 4 + [1.0] * 4, "y": [0.5] * 7 + [0.501]})
    with styled():
        figure, (panel,) = layout.lines(rows.assign(d="d"), ("d",), "x", "y", lambda *_: None, under="x")
        figure.canvas.draw()
        named = [text for text in panel.texts if text.get_text()]
        heights = sorted(text.xy[1] for text in named)
        assert min(b - a for a, b in itertools.pairwise(heights)) >= 0.099
        # From each name that was moved a thin line of its colour leads to the end of its line.
        to_share = (panel.transData + panel.transAxes.inverted()).transform
        for text in named:
            name = text.get_text()
            end = to_share((1.0, 0.501 if name == "MP" else 0.5))
            leaders = [
                one
                for one in panel.texts
                if one.arrow_patch and to_hex(one.arrow_patch.get_edgecolor()) == look(name).colour.lower()
            ]
            assert len(leaders) == (abs(text.xy[1] - end[1]) > 0.025)
            assert all(one.xy == pytest.approx(end) for one in leaders)
            assert all(one.xyann == pytest.approx((1.0, text.xy[1])) for one in leaders)
        assert any(one.arrow_patch for one in panel.texts)
        plt.close(figure)


def test_heat_map_colours_and_numbers() -> None:
    table = pd.DataFrame({"a": [0.5, -0.25], "b": [None, 0.0]}, index=["MP · 50%", "mean of all"])
    with styled():
        figure, panel = layout.heatmap(
            table, "change", center=0.0, form="+.0%", marked=[[True, False], [False, False]]
        )
        assert [text.get_text() for text in panel.texts] == ["+50%", "-25%", "0%"]
        assert [text.get_weight() for text in panel.texts] == ["bold", "normal", "normal"]
        # As far to either side as the furthest: nothing is clipped.
        assert panel.collections[0].get_clim() == (-0.5, 0.5)
        colours = [to_hex(text.get_color()) for text in panel.get_yticklabels()]
        assert colours == [look("MP").colour.lower(), "#1a1a1a"]
        plt.close(figure)


def test_controls_stand_beside_alpha(tree: tuple[Path, list[Path]]) -> None:
    """A control's alpha is looked up by data set, architecture, pruner and ratio of its cell."""
    from prunescope.figures import alpha
    from prunescope.figures.cuts import Measured, by_pruner
    from prunescope.figures.source import Source

    cells = [path for path in tree[1] if path.parts[-4] == "digits"]
    cut = by_pruner(Measured.of(Source.of(tree[0] / "tables", cells)))[0]
    wanted = {cell: 0.1 * at for at, cell in enumerate(cut.cells)}
    picture = alpha.intervals(cut, wanted)
    assert picture.data["alpha_control"].tolist() == list(wanted.values())
    assert "Triangle" in picture.caption
    (legend,) = picture.figure.legends
    assert "control: same training, no pruning" in [text.get_text() for text in legend.get_texts()]
    (drawn,) = [line for line in picture.figure.axes[0].lines if line.get_marker() == "^"]
    assert drawn.get_xdata().tolist() == list(wanted.values())
    without = alpha.intervals(cut, {})
    assert "Triangle" not in without.caption
    plt.close("all")


@pytest.mark.parametrize("family", ["effectiveness", "alpha_intervals"])
def test_pdf_has_its_fonts(drawn: Path, family: str) -> None:
    """TrueType outlines, not Type 3, which many journals refuse."""
    text = next((drawn / family).glob("*.pdf")).read_bytes()
    assert b"/FontFile2" in text
    assert b"PrunescopeSans" in text
    assert b"/Type3" not in text


def test_letters_beyond_the_small_font_are_drawn_too(tmp_path: Path) -> None:
    with styled(), warnings.catch_warnings():
        warnings.simplefilter("error")
        figure, axes = plt.subplots()
        axes.set_title("α̂ Ωж ∑ ✓")
        save(figure, tmp_path, "letters")
    assert b"PrunescopeSans" in (tmp_path / "letters.pdf").read_bytes()
    assert b"DejaVuSans" in (tmp_path / "letters.pdf").read_bytes()


def test_same_bytes_whatever_the_processes(
    drawn: Path, tree: tuple[Path, list[Path]], tmp_path: Path
) -> None:
    root, cells = tree
    draw_all(root / "tables", cells, tmp_path / "figures", processes=2)
    files = sorted(path.relative_to(drawn) for path in drawn.rglob("*") if path.is_file())
    assert files == sorted(
        path.relative_to(tmp_path / "figures") for path in (tmp_path / "figures").rglob("*") if path.is_file()
    )
    for name in files:
        assert (tmp_path / "figures" / name).read_bytes() == (drawn / name).read_bytes(), name


def test_bad_tables_are_named_whatever_the_processes(tmp_path: Path) -> None:
    (tmp_path / "pie_share.csv").write_text("dataset,arch\na,b\n", encoding="utf-8")
    with pytest.raises(UserError, match=r"pie_share\.csv: column 'pruner' is missing"):
        draw_all(tmp_path, [], tmp_path / "out", processes=2)


def test_captions_say_over_how_many_seeds(drawn: Path) -> None:
    captions = [
        image["caption"]
        for family in json.loads((drawn / "figures.json").read_text())["families"]
        for image in family["figures"]
    ]
    assert len(captions) > 8
    assert [caption for caption in captions if "seed" not in caption] == []


def test_certainty_is_drawn_as_its_table_has_it(tmp_path: Path) -> None:
    """Two compression levels: what scaling repairs goes to 0 on the dotted line."""
    from prunescope.figures import certainty
    from prunescope.figures.source import Source

    rows = [
        {
            "dataset": "d", "arch": "a", "pruner": "MP", "sparsity": sparsity, "measure": measure,
            "scaled": str(scaled).lower(),
            "dense": 0.5, "pruned": 0.6, "change": 0.0 if scaled else sparsity, "ci_low": -0.1,
            "ci_high": 1.0, "confidence": 0.99,
        }
        for measure in (*certainty.MEASURES, "js")
        for sparsity in (0.8, 0.5)
        for scaled in (False, True)
    ]  # fmt: skip
    pd.DataFrame(rows).to_csv(tmp_path / "certainty.csv", index=False)
    (figure,) = certainty.draw(Source(tmp_path, ()))
    assert figure.stem == "d--a"
    assert "99 % intervals" in figure.caption
    assert set(figure.data["measure"]) == set(certainty.MEASURES)
    panels = [axes for axes in figure.figure.axes if axes.get_title() in certainty.MEASURES.values()]
    assert len(panels) == len(certainty.MEASURES)
    for panel in panels:
        lines = [np.asarray(line.get_ydata(), float).round(9).tolist() for line in panel.get_lines()]
        assert [0.5, 0.8] in lines
        assert [0.0, 0.0] in lines
    assert not list(certainty.draw(Source(tmp_path / "none", ())))
    plt.close(figure.figure)


def test_of_many_classes_a_figure_has_those_that_differ_most(tmp_path: Path) -> None:
    """5,000 classes: a hundred of them are drawn, in order of their size; the data have all."""
    folder = tmp_path / "cells" / "names" / "net" / "MP" / "sparsity-900permille"
    folder = folder / "test"
    folder.mkdir(parents=True)
    names = [f"class {c:04d}" for c in range(5000)]
    pies = [50 if c % 100 == 7 else 1 for c in range(5000)]
    rows = [[name, 10, 1 / 5000, n, n / sum(pies)] for name, n in zip(names, pies, strict=True)]
    write_csv(folder / "classes.csv", COLUMNS, rows)
    (folder / "summary.json").write_text(json.dumps({"n_seeds": 3}))
    (figure,) = pie_classes.draw(Source.of(tmp_path, [folder.parent]))
    (mesh,) = figure.figure.axes[0].collections
    assert mesh.get_array().size == 100
    assert np.count_nonzero(np.asarray(mesh.get_array()) > 0.1) == 50
    assert "Of 5,000 classes those 100 whose two shares differ most; all are in the data." in figure.caption
    assert len(figure.data) == 5000
    plt.close(figure.figure)
