from __future__ import annotations

import json
import re
import shutil
import zipfile
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote

import pytest

from prunescope.errors import UserError
from prunescope.figures.drawing import draw_all
from prunescope.report import svg
from prunescope.report.audit_page import render
from prunescope.report.pack import pack
from prunescope.site import overview
from prunescope.site.build import build
from prunescope.site.printed import build as build_paper
from prunescope.site.state import ModelsFile
from tests.support import fake_study
from tests.support.fake_study import audit_folder, results_tree, study, write_csv, write_json, write_pies

_VOID = {"meta", "link", "input", "img", "br", "line", "rect", "circle", "hr"}


class Page(HTMLParser):
    """Tags, addresses, ids and visible text; fails on tags that do not close."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.addresses: list[str] = []
        self.ids: list[str] = []
        self.text = ""
        self._open: list[str] = []
        self.feed(text)
        self.close()
        assert self._open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        for name, value in attrs:
            if name in ("href", "src", "action", "data", "xlink:href", "srcset"):
                self.addresses.append(value or "")
            if name == "id":
                self.ids.append(value or "")
            assert not name.startswith("on")
        if tag not in _VOID:
            self._open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag not in _VOID:
            assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self._open and self._open[-1] not in ("script", "style"):
            self.text += data


def check_links(page: Path, text: str) -> None:
    """Nothing comes from the network, and every link leads somewhere."""
    found = Page(text)
    assert len(found.ids) == len(set(found.ids))
    for address in found.addresses:
        if address == "data:,":
            continue
        assert not re.match(r"(?i)[a-z]+:|//", address), address
        target, _, anchor = address.partition("#")
        if target:
            assert not Path(target).is_absolute()
            assert (page.parent / unquote(target)).exists(), address
        elif anchor:
            assert anchor in found.ids, address
    assert "@import" not in text
    assert "url(" not in text


def page_of(folder: Path, texts: object = None) -> str:
    text = render(folder, texts)  # type: ignore[arg-type]
    (folder / "report.html").write_text(text, encoding="utf-8")
    check_links(folder / "report.html", text)
    return text


def test_full_audit(tmp_path: Path) -> None:
    summary = audit_folder(tmp_path, early=True, texts=True)
    assert summary["n_pies"] > 0
    text = page_of(tmp_path, {i: f"text number {i}" for i in range(200)})
    found = Page(text)
    for anchor in ("answer", "classes", "seeds", "models", "el2n", "text", "pies", "terms", "files"):
        assert anchor in found.ids
    assert f"{summary['n_pies']} of 200 examples" in found.text
    assert found.text.count("text number") == summary["n_pies"]
    assert found.tags.count("svg") == 4
    floor = summary["noise_floor"]
    assert f"{100 * floor['mean']:.1f}% of the votes differ" in found.text
    assert f"Noise floor of PIEs{100 * floor['mean']:.1f}%" in found.text
    assert f"with pruning ({floor['verdict']}), 2 models a side" in found.text
    assert f"{100 * summary['loyalty']['mean']:.1f}% of the predictions stay the same" in found.text
    assert "Coleman–Liau" in found.text


def test_same_input_same_page(tmp_path: Path) -> None:
    audit_folder(tmp_path, early=True)
    assert render(tmp_path) == render(tmp_path)


def test_hostile_texts_and_class_names_are_text(tmp_path: Path) -> None:
    bad = '<script>alert("x")</script>'
    audit_folder(tmp_path, classes=("a", bad, "<img src=x onerror=alert(1)>"), texts=True)
    texts = dict.fromkeys(range(200), f"</td></table>{bad}\u202e \x00 & \" ' {'long ' * 200}")
    text = page_of(tmp_path, texts)
    found = Page(text)
    assert found.tags.count("script") == 1
    assert "img" not in found.tags
    assert bad in found.text
    assert "<bdi" in text
    assert "details" in found.tags


def test_texts_by_row(tmp_path: Path) -> None:
    audit_folder(tmp_path, texts=True)
    by_example = render(tmp_path, {i: f"text {i}" for i in range(200)})
    assert render(tmp_path, [f"text {i}" for i in range(200)]) == by_example


def test_no_pies(tmp_path: Path) -> None:
    summary = audit_folder(tmp_path, damage=0.0, texts=True)
    assert summary["n_pies"] == 0
    text = Page(page_of(tmp_path, {})).text
    assert "there are no PIEs" in text
    assert "no majority vote changes" in text


def test_one_seed(tmp_path: Path) -> None:
    audit_folder(tmp_path, seeds=1, early=True)
    text = Page(page_of(tmp_path)).text
    assert "one seed gives no interval" in text
    assert "nan" not in text.lower().replace("pages", "")


def test_multi_label(tmp_path: Path) -> None:
    audit_folder(tmp_path, multi=True)
    text = Page(page_of(tmp_path)).text
    assert "Mean macro F1" in text
    assert "Recall distortion α is" not in text
    assert "recall, dense" not in text


def test_summary_alone(tmp_path: Path) -> None:
    nothing = dict.fromkeys(
        ("dense_score", "pruned_score", "dense_score_on_pies", "pruned_score_on_pies", "n_flips_mean")
    )
    write_json(
        tmp_path / "summary.json",
        {"task": "text", "n_examples": 3, "n_seeds": 2, "n_pies": 0, "pie_share": 0.0, **nothing},
    )
    assert "2 pairs of models were compared on 3 examples" in Page(page_of(tmp_path)).text


def test_regression_votes(tmp_path: Path) -> None:
    audit_folder(tmp_path)
    for name in ("recall.csv", "alpha.csv", "classes.csv"):
        (tmp_path / name).unlink()
    summary = json.loads((tmp_path / "summary.json").read_text())
    del summary["alpha"]
    summary |= {"task": "regression", "metric": "pearson", "n_pies": 1, "n_flips_mean": None}
    write_json(tmp_path / "summary.json", summary)
    columns = {"example": [7], "label": [1.5], "dense_vote": [1.25], "pruned_vote": [0.123456]}
    columns |= {"is_pie": [True], "dense_agreement": [1.0], "pruned_agreement": [None]}
    write_pies(tmp_path / "pies.parquet", columns, [], "regression")
    text = Page(page_of(tmp_path)).text
    assert "Pearson correlation" in text
    assert "0.1235" in text


def test_label_sets_and_missing_values(tmp_path: Path) -> None:
    audit_folder(tmp_path, multi=True)
    columns = {"example": [3], "label": [[0, 2]], "dense_vote": [[]], "pruned_vote": [[1]]}
    columns |= {"is_pie": [True], "dense_agreement": [1.0], "pruned_agreement": [0.5]}
    write_pies(tmp_path / "pies.parquet", columns, ["x", "y", "z"], "multi-label")
    write_csv(
        tmp_path / "classes.csv",
        ("class", "n_examples", "share_of_examples", "n_pies", "share_of_pies"),
        [("x", 0, None, 0, None)],
    )
    text = Page(page_of(tmp_path)).text
    assert "x, z" in text
    assert "(no class)" in text


def test_many_pies_are_cut_and_said(tmp_path: Path) -> None:
    summary = audit_folder(tmp_path, n=2000, damage=0.9)
    assert summary["n_pies"] > 300
    found = Page(page_of(tmp_path))
    assert f"The 300 of {summary['n_pies']:,} PIEs" in found.text


def test_missing_summary_and_broken_votes_are_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"summary\.json"):
        render(tmp_path)
    audit_folder(tmp_path)
    (tmp_path / "pies.parquet").write_bytes(b"PAR1 not really")
    with pytest.raises(UserError, match=r"pies\.parquet") as caught:
        render(tmp_path)
    assert "\n" not in str(caught.value)


def test_ticks_and_bars() -> None:
    assert svg.nice_ticks(0.4) == pytest.approx([0, 0.1, 0.2, 0.3, 0.4])
    assert svg.nice_ticks(0.0) == [0.0, 1.0]
    assert "width:50%" in svg.bar(0.2, 0.4, "pie")
    assert svg.bar(None, 0.4, "pie") == ""
    assert "left:50%;width:25%" in svg.ratio_bar(1.1, 0.2)
    assert "left:25%;width:25%" in svg.ratio_bar(0.9, 0.2)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory, unpainted: None) -> tuple[Path, dict[str, list[Path]]]:
    results = tmp_path_factory.mktemp("site") / "results"
    small = study(
        grid=[
            {"datasets": ["digits"], "archs": ["lenet5"], "pruners": ["MP", "RP"], "ratios": [4, 10]},
            {"datasets": ["docstrings"], "archs": ["bilstm"], "pruners": ["IMP-WR"], "sparsities": [0.9]},
        ]
    )
    found = results_tree(results, small, n=120)
    damaged = found["cells"][0] / "models.json"
    record = json.loads(damaged.read_text())
    record["models"][2]["diverged"] = True
    record["models"] = record["models"][:3]
    for model in record["models"][:2]:
        model["layers"] |= {"fc2.weight": {"size": 1200, "zeros": 1200, "sparsity": 1.0}}
    write_json(damaged, record)
    # The dense models have a cell of their own, with nothing to see in the report.
    for dense in found["dense"]:
        audit_folder(dense / "test", damage=0.0)
    found["cells"] += found["dense"]
    draw_all(results / "tables", found["cells"], results / "figures")
    build(
        study=small,
        cells=found["cells"],
        tables=results / "tables",
        figures=results / "figures",
        cards=found["cards"],
        out=results / "index.html",
    )
    return results, found


def test_site_links(site: tuple[Path, dict[str, list[Path]]]) -> None:
    results, _ = site
    pages = sorted((results / "report" / "cells").glob("*.html"))
    assert [page.name for page in pages] == [
        "digits--lenet5--MP--ratio-1000percent.html",
        "digits--lenet5--MP--ratio-400percent.html",
        "digits--lenet5--RP--ratio-1000percent.html",
        "digits--lenet5--RP--ratio-400percent.html",
        "docstrings--bilstm--IMP-WR--sparsity-900permille.html",
    ]
    names = ("grid", "examples", "classes", "papers", "data", "figures")
    for page in [results / "index.html", *(results / "report" / f"{name}.html" for name in names), *pages]:
        check_links(page, page.read_text(encoding="utf-8"))


def test_unpacked_pages_are_whole(site: tuple[Path, dict[str, list[Path]]], tmp_path: Path) -> None:
    """The zip of a study's pages: every link in it leads somewhere, and it is the same each time."""
    results = shutil.copytree(site[0], tmp_path / "results")
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


def test_site_says_what_was_found(site: tuple[Path, dict[str, list[Path]]]) -> None:
    results, _ = site
    found = Page((results / "index.html").read_text(encoding="utf-8"))
    assert "A study that was never run" in found.text
    assert "2 data sets, 2 architectures, 3 pruners, 4 seeds each, 28 models in all" in found.text
    assert "Data setsdigits, docstrings" in found.text
    marks = re.findall(
        r'<a href="(report/cells/[^"]+)" class="[^"]*" aria-label="([^"]+)"',
        (results / "index.html").read_text(),
    )
    assert len(marks) == 5
    assert all("mean " in text and "class “" in text for _, text in marks)
    questions = ("Who pays?", "Which examples?", "What is noise?")
    assert [question for question in questions if question not in found.text] == []
    assert "digits · lenet5 · MP at ratio 4: 1 model of 4 diverged (seed 2)" in found.text
    assert "digits · lenet5 · MP at ratio 4: 1 model of 4 missing (seed 3)" in found.text
    problems = found.text.split("Diverged or missing")[1]
    assert "MP at ratio 10: " not in problems
    assert "dense: " not in problems
    assert "Of 28 models of the study, 26 done, 1 diverged, 1 missing." in found.text
    assert "Prunedat ratio 4, ratio 10, 90%" in found.text
    data = Page((results / "report" / "data.html").read_text(encoding="utf-8"))
    assert {"../tables/pie_share.csv", "../data/digits/card.md", "figures.html"} <= set(data.addresses)
    assert "torch 2.6.0" in data.text


def test_six_pages_at_most_in_the_bar_each_with_what_it_is_for(
    site: tuple[Path, dict[str, list[Path]]],
) -> None:
    results, _ = site
    text = (results / "index.html").read_text(encoding="utf-8")
    bar = text[text.index('<nav class="site"') : text.index("</nav>")]
    links = dict(re.findall(r'<a href="([^"]+)"[^>]*>([^<]+)</a>', bar))
    names = ["Overview", "Grid", "Examples", "Classes &amp; groups", "Papers", "Data"]
    assert list(links.values()) == names
    for address in list(links)[1:]:
        page = (results / address).read_text(encoding="utf-8")
        assert re.search(r'<p class="what">[^<]{20,}', page)
        assert page.count('aria-current="page"') == 1
    # Parts that have moved to pages of their own keep their addresses.
    assert all(
        f'{anchor}: "report/' in text for anchor in ("grid", "tables", "data", "terms", "often", "cells")
    )


def test_page_of_figures(site: tuple[Path, dict[str, list[Path]]]) -> None:
    results, _ = site
    found = Page((results / "report" / "figures.html").read_text(encoding="utf-8"))
    for name in ("effectiveness", "alpha", "balance", "readability", "el2n"):
        assert f"figure-{name}" in found.ids
    caption = json.loads((results / "figures/effectiveness/figures.json").read_text())["figures"][0][
        "caption"
    ]
    assert caption in found.text
    assert found.tags.count("img") >= 9
    for suffix in ("svg", "png", "csv"):
        assert f"../figures/effectiveness/effectiveness.{suffix}" in found.addresses


def test_cell_page(site: tuple[Path, dict[str, list[Path]]]) -> None:
    results, _ = site
    page = results / "report" / "cells" / "digits--lenet5--MP--ratio-400percent.html"
    found = Page(page.read_text(encoding="utf-8"))
    assert "Who pays for MP at ratio 4?" in found.text
    assert "diverged" in found.text
    assert "magnitude" in found.text
    assert "abc1234" in found.text
    assert "devicecpu" in found.text
    assert "torch2.6.0" in found.text
    assert "torch2.6.1" in found.text
    assert "../../cells/digits/lenet5/MP/ratio-400percent/models.json" in found.addresses
    assert "el2n" in found.ids
    assert "../../index.html" in found.addresses


def test_empty_layers_are_reported(site: tuple[Path, dict[str, list[Path]]]) -> None:
    results, found = site
    name = f"{found['cells'][0].parent.name} at ratio 4"
    page, other = (
        Page((results / "report" / "cells" / f"digits--lenet5--{pruner}--ratio-400percent.html").read_text())
        for pruner in ("MP", "RP")
    )
    assert "Layer collapse: pruning removes every weight of one layer." in page.text
    assert "fc2.weight1,2002 of 2" in page.text
    assert ("collapse" in page.ids, "collapse" in other.ids) == (True, False)
    index = Page((results / "index.html").read_text())
    assert (
        f"pruning removes every weight of a layer under {name} (fc2.weight in 2 of 2 models)." in index.text
    )


def test_one_data_set_alone_lists_only_its_models(tmp_path: Path) -> None:
    full = study()
    build(
        study=full,
        cells=[],
        tables=tmp_path / "tables",
        figures=tmp_path / "figures",
        cards=[_card(tmp_path)],
        out=tmp_path / "index.html",
    )
    found = Page((tmp_path / "index.html").read_text(encoding="utf-8"))
    assert "No cell is analysed yet." in found.text
    assert "bilstm" not in found.text
    assert "digits · lenet5 · dense: 4 models of 4 missing (seeds 0, 1, 2, 3)" in found.text


def test_dense_models_at_chance_are_told_below_the_headline() -> None:
    model = {"seed": 0, "diverged": False, "scores": {"test": {"accuracy": 0.5}}}
    records = {
        ("digits", "lenet5", pruner, "sparsity-0permille"): ModelsFile(
            Path("models.json"), {"models": [model]}
        )
        for pruner in ("none", "MP")
    }
    facts = {"task": "single-label", "splits": {"test": {"n_examples": 40, "majority_share": 0.5}}}
    (sentence,) = overview.at_chance(records, [{"name": "digits", "facts": facts}])
    assert sentence.startswith(
        "digits, lenet5: the dense model is no better than the most frequent class alone"
    )
    assert overview.at_chance(records, [{"name": "digits", "facts": {"task": "multi-label"}}]) == []


def test_a_path_that_is_no_cell_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="not a cell"):
        build(
            study=study(),
            cells=[Path("nowhere")],
            tables=tmp_path,
            figures=tmp_path,
            cards=[],
            out=tmp_path / "index.html",
        )


def _card(root: Path) -> Path:
    path = root / "data" / "digits" / "card.json"
    write_json(path, {"dataset": "digits"})
    return path


def test_the_fake_study_is_a_study() -> None:
    assert len(fake_study.study().cells) == 35


def test_an_audit_without_numbers_on_seeds_still_has_its_page(tmp_path: Path) -> None:
    summary = audit_folder(tmp_path)
    for key in ("pie_interval", "noise_floor", "loyalty"):
        del summary[key]
    write_json(tmp_path / "summary.json", summary)
    (tmp_path / "pie_share_by_seeds.csv").unlink()
    found = Page(page_of(tmp_path))
    assert "models" not in found.ids
    assert "Noise floor of PIEs" not in found.text
    assert f"{summary['n_pies']} of 200 examples" in found.text


def test_noise_floor_stands_beside_every_pie_share(tmp_path: Path) -> None:
    settings = study()
    paths = results_tree(tmp_path, settings, n=80)
    older = paths["cells"][0] / "test"
    summary = json.loads((older / "summary.json").read_text())
    del summary["noise_floor"]
    write_json(older / "summary.json", summary)
    out = tmp_path / "index.html"
    build(
        study=settings,
        cells=paths["dense"] + paths["cells"],
        tables=tmp_path / "tables",
        figures=tmp_path / "figures",
        cards=paths["cards"],
        out=out,
    )
    text = (tmp_path / "report" / "grid.html").read_text(encoding="utf-8")
    body = text[text.index('id="cells-table"') :]
    body = body[body.index("<tbody>") : body.index("</tbody>")]
    shown = re.findall(r"<tr>.*?</tr>", body, flags=re.DOTALL)
    assert len(shown) == len(paths["cells"])
    floors = [
        json.loads((path / "test" / "summary.json").read_text()).get("noise_floor") for path in paths["cells"]
    ]
    wanted = sorted(f"{100 * floor['mean']:.1f}%" if floor else "–" for floor in floors)
    columns = [re.findall(r"<td[^>]*>(.*?)</td>", row) for row in shown]
    assert sorted(column[7] for column in columns) == wanted
    assert wanted.count("–") == 1


def test_paper_page_and_study_page_lead_to_each_other(tmp_path: Path) -> None:
    settings = study(grid=study().model_dump(mode="json")["grid"][1:])
    paths = results_tree(tmp_path, settings, n=60)
    files = {
        "study": settings,
        "cells": paths["dense"] + paths["cells"],
        "tables": tmp_path / "tables",
        "figures": tmp_path / "figures",
        "cards": paths["cards"],
    }
    build(**files, out=tmp_path / "index.html")
    papers = tmp_path / "report" / "papers.html"
    assert "paper/index.html" not in papers.read_text(encoding="utf-8")
    build_paper(**files, out=tmp_path / "paper")
    build(**files, out=tmp_path / "index.html")
    for page in (tmp_path / "index.html", *(tmp_path / "paper").rglob("*.html")):
        check_links(page, page.read_text(encoding="utf-8"))
    assert "../paper/index.html" in Page(papers.read_text(encoding="utf-8")).addresses
    assert "../index.html" in Page((tmp_path / "paper/index.html").read_text(encoding="utf-8")).addresses
