"""What a reader does: filter, sort, open a cell, search an example, go back."""

from __future__ import annotations

from typing import Any

import pytest
from selenium.common.exceptions import NoSuchElementException, StaleElementReferenceException
from selenium.webdriver import ActionChains
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.ui import Select, WebDriverWait

from .conftest import N, Tree, look

pytestmark = pytest.mark.browser


def wait(browser: Any, what: Any) -> Any:
    """Until it is so, on a page that may be redrawing, or on its way to another, while it is asked."""
    passing = (StaleElementReferenceException, NoSuchElementException, IndexError)
    return WebDriverWait(browser, 60, ignored_exceptions=passing).until(what)


def rows(browser: Any, selector: str) -> list[Any]:
    """Elements that can be seen; none while the page is redrawing them."""
    try:
        return [row for row in browser.find_elements(By.CSS_SELECTOR, selector) if row.is_displayed()]
    except StaleElementReferenceException:
        return []


def choose(browser: Any, name: str, value: str) -> None:
    Select(browser.find_element(By.NAME, name)).select_by_value(value)


def state(browser: Any) -> str:
    return str(browser.find_element(By.ID, "state").text)


def test_the_figure_reads_out_a_model_and_leads_to_it(browser: Any, tree: Tree) -> None:
    browser.get(tree.page("index.html"))
    marks = rows(browser, ".marks a")
    assert len(marks) == 15
    readout = browser.find_element(By.ID, "readout")
    ActionChains(browser).move_to_element(marks[3]).perform()
    wait(browser, lambda _: readout.text == marks[3].get_attribute("aria-label"))
    browser.execute_script("arguments[0].focus()", marks[5])
    wait(browser, lambda _: readout.text == marks[5].get_attribute("aria-label"))
    name = readout.text.split(":")[0]
    marks[5].send_keys(Keys.ENTER)
    wait(browser, lambda b: f"Who pays for {name}?" in b.find_element(By.TAG_NAME, "h1").text)


def test_the_figure_draws_every_mean_above_its_worst_part(browser: Any, tree: Tree) -> None:
    browser.get(tree.page("index.html"))
    for mark in rows(browser, ".marks a"):
        mean, worst = (
            browser.execute_script(
                "return arguments[0].getBoundingClientRect().y", mark.find_element(By.CLASS_NAME, one)
            )
            for one in ("m", "w")
        )
        # The worst class loses at least as much as the mean of all.
        assert mean <= worst + 6


@pytest.mark.parametrize("width", [1280, 390])
@pytest.mark.parametrize(
    "page", ["index.html", "report/grid.html", "report/examples.html", "report/classes.html"]
)
def test_nothing_moves_while_a_page_is_loaded(browser: Any, tree: Tree, page: str, width: int) -> None:
    look(browser, width)
    browser.get(tree.page(page))
    shift = browser.execute_async_script(
        "const done = arguments[0]; let sum = 0;"
        "new PerformanceObserver((list) => { for (const one of list.getEntries()) sum += one.value; })"
        ".observe({type: 'layout-shift', buffered: true}); setTimeout(() => done(sum), 800)"
    )
    assert shift < 0.02
    assert (tree.results / "index.html").stat().st_size < 200_000


def test_old_addresses_lead_to_the_pages_of_today(browser: Any, tree: Tree) -> None:
    browser.get(tree.page("index.html#grid&measure=pie_share&pruner=MP"))
    wait(browser, lambda b: len(rows(b, "#grid-map td a")) == 3)
    assert Select(browser.find_element(By.NAME, "measure")).first_selected_option.text == "share of PIEs"
    browser.get(tree.page("index.html#tables"))
    wait(browser, lambda b: b.find_elements(By.ID, "tables"))


def test_a_model_is_found_from_any_page(browser: Any, tree: Tree) -> None:
    browser.get(tree.page("report/papers.html"))
    browser.find_element(By.CSS_SELECTOR, ".find input").send_keys("imp-ft 90" + Keys.ENTER)
    wait(browser, lambda b: len(rows(b, "#grid-map td a")) == 1)
    assert (
        rows(browser, "#grid-map td a")[0].get_attribute("aria-label").startswith("IMP-FT, 90%, docstrings")
    )
    # A pruner's whole name is no part of another's: RP, not RP-AI.
    browser.get(tree.page("report/grid.html") + "?find=rp")
    wait(browser, lambda b: len(rows(b, "#grid-map td a")) == 3)
    names = {row.get_attribute("aria-label").split(",")[0] for row in rows(browser, "#grid-map td a")}
    assert names == {"RP"}


def test_no_value_of_a_small_grid_is_beyond_its_colours(browser: Any, tree: Tree) -> None:
    browser.get(tree.page("report/grid.html"))
    choose(browser, "measure", "change")
    ends = [
        one.text for one in browser.find_elements(By.CSS_SELECTOR, "#grid-legend .scale > span") if one.text
    ]
    most = max(abs(float(a.text.rstrip("!").replace("−", "-"))) for a in rows(browser, "#grid-map td a"))
    assert float(ends[1].split()[0]) == pytest.approx(most, abs=0.05)


def test_grid_is_filtered_leads_to_a_cell_and_back(browser: Any, tree: Tree) -> None:
    browser.get(tree.page("report/grid.html"))
    assert len(rows(browser, "#grid-map td a")) == 15
    choose(browser, "measure", "pie_share")
    choose(browser, "dataset", "docstrings")
    choose(browser, "pruner", "IMP-FT")
    squares = rows(browser, "#grid-map td a")
    assert [square.text[-1] for square in squares] == ["%", "%"]
    assert "Showing 2 of 15 pruned models" in browser.find_element(By.ID, "grid-help").text
    name = squares[1].get_attribute("aria-label")
    assert name.startswith("IMP-FT, 90%, docstrings with bilstm: share of PIEs ")
    squares[1].click()
    wait(browser, lambda b: "Who pays for IMP-FT at 90%?" in b.find_element(By.TAG_NAME, "h1").text)
    for anchor in ("curves", "classes", "el2n", "text", "settings", "files"):
        assert browser.find_elements(By.ID, anchor)
    browser.back()
    wait(browser, lambda b: len(rows(b, "#grid-map td a")) == 2)
    assert Select(browser.find_element(By.NAME, "measure")).first_selected_option.text == "share of PIEs"


def test_diverged_models_are_marked_in_the_grid_and_counted(browser: Any, tree: Tree) -> None:
    browser.get(tree.page("index.html"))
    assert "1 diverged" in browser.find_element(By.ID, "state").text
    browser.get(tree.page("report/grid.html"))
    marked = [a for a in rows(browser, "#grid-map td a") if "1 diverged" in a.get_attribute("aria-label")]
    assert len(marked) == 1
    assert marked[0].text.endswith("!")


def test_table_of_models_sorts_both_ways_and_filters(browser: Any, tree: Tree) -> None:
    browser.get(tree.page("report/grid.html"))
    browser.find_element(By.CSS_SELECTOR, "#cells > summary").click()
    head = browser.find_element(By.XPATH, "//table[@id='cells-table']//button[normalize-space()='PIEs']")

    def shares() -> list[float]:
        cells = rows(browser, "#cells-table tbody td:nth-child(8)")
        return [float(cell.get_attribute("data-sort")) for cell in cells]

    head.click()
    assert shares() == sorted(shares())
    head.click()
    assert shares() == sorted(shares(), reverse=True)
    browser.find_element(By.ID, "cells-table-filter").send_keys("docstrings RP-AI")
    assert len(rows(browser, "#cells-table tbody tr")) == 2


def test_examples_are_searched_filtered_and_sorted(browser: Any, tree: Tree) -> None:
    browser.get(tree.page("report/examples.html"))
    wait(browser, lambda b: rows(b, "#rows tbody tr"))
    assert rows(browser, "#rows .preview img")[0].get_attribute("alt").startswith("Image of example ")
    choose(browser, "set", "docstrings--test")
    wait(browser, lambda b: "docstrings" in b.find_element(By.ID, "summary").text)
    wait(browser, lambda b: rows(b, "#rows tbody tr") and not rows(b, "#rows .preview img"))
    example = int(wait(browser, lambda b: rows(b, "#rows tbody th")[0].text))
    words = browser.find_element(By.NAME, "words")
    words.send_keys(f"needle{example}")
    wait(browser, lambda b: state(b) in ("1 to 1 of 1", f"1 to {len(rows(b, '#rows tbody tr'))} of"))
    wait(browser, lambda b: f"needle{example}" in rows(b, "#rows tbody td")[0].text)
    words.clear()
    words.send_keys("no such words" + Keys.ENTER)
    wait(browser, lambda b: state(b) == "none")
    for _ in range(20):
        words.send_keys(Keys.BACKSPACE)
    wait(browser, lambda b: state(b).startswith("1 to "))
    choose(browser, "sort", "text_length")

    def falling(b: Any) -> bool:
        numbers = [int(cell.text) for cell in rows(b, "#rows tbody th")]
        return len(numbers) > 1 and numbers == sorted(numbers, reverse=True)

    # Readability was made to rise with the number of the example.
    wait(browser, falling)
    choose(browser, "under", "one")
    wait(browser, lambda b: {"1 of 3 pruners" in row.text for row in rows(b, "#rows tbody tr")} == {True})


def test_training_examples_have_their_el2n_bins(browser: Any, tree: Tree) -> None:
    browser.get(tree.page("report/examples.html#set=docstrings--train&sort=bin"))
    wait(browser, lambda b: rows(b, "#rows tbody tr"))
    bins = [
        int(row.find_elements(By.CSS_SELECTOR, "td.n")[0].text) for row in rows(browser, "#rows tbody tr")
    ]
    assert bins == sorted(bins, reverse=True)
    assert bins[0] == 20


def test_pages_of_examples_and_the_models_of_one(browser: Any, tree: Tree) -> None:
    browser.get(tree.page("report/examples.html#set=docstrings--train"))
    wait(browser, lambda b: state(b).startswith("1 to 50 of"))
    before = rows(browser, "#rows tbody th")[0].text
    browser.find_element(By.ID, "on").click()
    wait(browser, lambda b: state(b).startswith("51 to "))
    browser.find_element(By.ID, "back").click()
    wait(browser, lambda b: rows(b, "#rows tbody th")[0].text == before)
    browser.find_element(By.CSS_SELECTOR, "#rows tbody details summary:not(:has(.clip))").click()
    links = wait(browser, lambda b: rows(b, "#rows tbody li a"))
    links[0].click()
    wait(browser, lambda b: b.find_element(By.TAG_NAME, "h1").text.startswith("Who pays for"))


def test_a_cell_leads_to_its_own_examples(browser: Any, tree: Tree) -> None:
    browser.get(tree.page("report/cells/docstrings--bilstm--RP-AI--sparsity-900permille.html"))
    browser.find_element(By.LINK_TEXT, "Browse all of them").click()
    wait(browser, lambda b: state(b).startswith("1 to "))
    for name, value in (("network", "bilstm"), ("pruner", "RP-AI"), ("pruned", "90%")):
        assert Select(browser.find_element(By.NAME, name)).first_selected_option.text == value


def test_hostile_texts_are_shown_as_text(browser: Any, tree: Tree) -> None:
    browser.get(tree.page("report/examples.html#set=docstrings--test&sort=example&words=window.broken"))
    wait(browser, lambda b: state(b).startswith("1 to "))
    shown = browser.find_element(By.ID, "rows").text
    assert "<script>window.broken = 1</script><img src=x" in shown or "${window.broken = 1}" in shown
    browser.get(tree.page("report/examples.html#set=docstrings--test&sort=example&words=xxxxxxxxxx"))
    fold = "#rows details.long > summary"
    wait(browser, lambda b: "xxxxx" in rows(b, fold)[0].text and "characters)" in rows(b, fold)[0].text)
    rows(browser, fold)[0].click()
    whole = wait(browser, lambda b: rows(b, "#rows details.long > bdi"))[0]
    assert len(whole.text) > 100_000
    for page in ("report/examples.html", "audit/report.html", "paper/pie/disagreements.html"):
        browser.get(tree.page(page))
        assert browser.execute_script("return window.broken") is None
        assert not browser.find_elements(By.CSS_SELECTOR, "main img[src='x']")
        assert browser.execute_script("return document.title")


@pytest.mark.parametrize("page", ["index.html", "report/grid.html"])
def test_everything_is_reached_by_keyboard(browser: Any, tree: Tree, page: str) -> None:
    browser.get(tree.page(page))
    body = browser.switch_to.active_element
    body.send_keys(Keys.TAB)
    assert browser.switch_to.active_element.text == "Skip to the content"
    seen: set[str] = set()
    for _ in range(90):
        browser.switch_to.active_element.send_keys(Keys.TAB)
        element = browser.switch_to.active_element
        seen.add(element.get_attribute("id") or element.get_attribute("href") or element.tag_name)
        if element.tag_name == "body":
            break
        ring = browser.execute_script("return getComputedStyle(document.activeElement).outlineStyle")
        assert ring != "none"
    assert ("grid-measure" in seen) is ("grid" in page)
    assert any("/cells/" in one for one in seen)


@pytest.mark.parametrize("width", [1280, 400])
@pytest.mark.parametrize(
    "page",
    [
        "index.html",
        "report/grid.html",
        "report/classes.html",
        "report/data.html",
        "report/examples.html#set=docstrings--test",
        "report/papers.html",
        "report/figures.html",
        "report/often/digits.html",
        "report/cells/digits--lenet5--RP--ratio-5000percent.html",
        "audit/report.html",
        "paper/index.html",
    ],
)
def test_nothing_is_wider_than_the_window(browser: Any, tree: Tree, page: str, width: int) -> None:
    look(browser, width)
    browser.get(tree.page(page))
    wide, window = browser.execute_script(
        "return [document.documentElement.scrollWidth, document.documentElement.clientWidth]"
    )
    assert wide <= window


def test_a_site_that_lost_its_examples_says_so(browser: Any, tree: Tree) -> None:
    folder = tree.results / "report" / "examples"
    aside = folder.with_name("elsewhere")
    folder.rename(aside)
    try:
        browser.get(tree.page("report/examples.html"))
        wait(browser, lambda b: "cannot be loaded" in state(b))
        # The browser itself tells of the file that is not there.
        assert all("ERR_FILE_NOT_FOUND" in line["message"] for line in browser.get_log("browser"))
    finally:
        aside.rename(folder)


def test_number_of_examples_is_that_of_the_votes(browser: Any, tree: Tree) -> None:
    browser.get(tree.page("report/examples.html#set=digits--test"))
    wait(browser, lambda b: state(b).startswith("1 to "))
    summary = browser.find_element(By.ID, "summary").text
    assert f"of {N} test examples of digits" in summary
    assert summary.split(" ")[0] == state(browser).split(" ")[-1]
