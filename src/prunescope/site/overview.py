"""The study's first page: one sentence, one figure that is the answer, and a card for each question."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import groupby
from operator import attrgetter
from statistics import median
from typing import Any, TypeVar

from prunescope.analysis import chance
from prunescope.analysis.conditions import LEVEL
from prunescope.analysis.tables.declared import Row, read_table
from prunescope.analysis.tables.registry import AlphaTest, PrunerTest
from prunescope.analysis.ttests import holm
from prunescope.config.compression import Compression
from prunescope.config.grid import Cell
from prunescope.config.pruners import NO_PRUNER
from prunescope.errors import UserError
from prunescope.report import page, svg
from prunescope.report.sentences import change_text, count, is_share, metric_name, number, p_text, percent
from prunescope.site import controls, data_page, papers_section, state
from prunescope.site.findings import CellNumbers, Payer, collapse_sentences, left_out, losses, payers
from prunescope.site.inputs import Site
from prunescope.site.state import key_of

#: Words of the page's first sentence.
MOST_WORDS = 25
#: A mean that loses less than one part in so many of what its worst class loses hides it.
_HIDDEN = 2
#: Lines of missing files and models on the page.
MOST_PROBLEMS = 200
#: Classes and pruners that a card names.
NAMED = 3
#: Examples on the card of examples.
EXAMPLES = 4
#: Levels that the card of pruners draws.
MOST_LEVELS = 10

R = TypeVar("R", bound=Row)


@dataclass(frozen=True)
class Fact:
    """A number, unfolded: what it is, its interval, the test behind it, and where the table is."""

    what: str
    value: str
    interval: str = ""
    test: str = ""
    tables: tuple[str, ...] = ()
    cell: CellNumbers | None = None


@dataclass(frozen=True)
class Card:
    """One question with its answer in a sentence; ``target``: name of the page that has more."""

    question: str
    answer: str
    facts: Sequence[Fact]
    target: str
    link: str
    anchor: str = ""
    notes: Sequence[str] = ()
    tiles: Sequence[Mapping[str, Any]] = field(default_factory=tuple)
    strips: Mapping[str, Any] | None = None


def render(site: Site) -> str:
    """The page ``site.out``."""
    found = payers(site.numbers)
    cards = [
        card
        for card in (_who(site), _pruner(site), _noise(site), _papers(site), _examples(site))
        if card is not None
    ]
    text, facts = headline(found, site.numbers)
    shown = data_page.cards(site, site.out)
    problems = [*state.problems(site.counts), *dict.fromkeys(site.got.problems)]
    pages = {link.name: link.href for link in site.navigation(site.out)}
    return page.render(
        "index.html",
        title=site.title,
        navigation=site.navigation(site.out),
        studied=studied(site.scope),
        names=names_studied(site.scope),
        headline=text,
        facts=[_fact(one, site) for one in facts],
        chart=chart(found, site),
        cards=[
            {
                "card": card,
                "facts": [_fact(one, site) for one in card.facts],
                "href": pages[card.target] + card.anchor if card.target in pages else None,
            }
            for card in cards
        ],
        state=state.sentence(site.counts),
        partial=not state.is_whole(site.counts),
        is_whole=not problems,
        problems=problems[:MOST_PROBLEMS],
        more_problems=max(len(problems) - MOST_PROBLEMS, 0),
        chance=at_chance(site.got.records, shown),
        collapsed=_collapsed(site),
        warnings=[f"{card['name']}: {text}" for card in shown for text in card["warnings"]],
        moved={"grid": "Grid", "cells": "Grid", "tables": "Data", "data": "Data", "terms": "Data"}
        | {"often": "Examples", "networks": "Classes & groups"},
        pages=pages,
        style=page.asset("overview.css"),
    )


def _fact(one: Fact, site: Site) -> dict[str, Any]:
    """With links to the tables that are there, and to the cell's page."""
    links = [(name, site.tables / name) for name in one.tables if (site.tables / name).exists()]
    found = [{"name": name, "href": page.link(path, site.out)} for name, path in links]
    if one.cell is not None:
        found.insert(0, {"name": one.cell.name, "href": page.link(site.cells / one.cell.page, site.out)})
    return {"fact": one, "links": found}


def rounded(change: float, low: float | None, high: float | None) -> str:
    """The size of a change in points, with the digits that its interval supports.

    One decimal where the interval reaches less than a point to each side, tens from 10 points on, else whole points.

    >>> rounded(-0.6143, -1.0, 0.4), rounded(-0.6143, -0.66, -0.57), rounded(-0.6143, -0.619, -0.611)
    ('about 60 points', '61 points', '61.4 points')
    """
    half = 0.05 if low is None or high is None else (high - low) / 2
    size = abs(100 * change)
    if half < 0.01:
        return f"{size:.1f} points"
    return f"{size:.0f} points" if half < 0.1 or size < 5 else f"about {10 * round(size / 10)} points"


def _interval(low: float | None, high: float | None, summary: Mapping[str, Any], what: str = "") -> str:
    if low is None or high is None:
        return "one seed, no interval"
    return f"{change_text(low, summary)} to {change_text(high, summary)}{what}"


def _confidence(summary: Mapping[str, Any]) -> str:
    known = (summary.get("change") or {}).get("confidence")
    return f", {100 * known:g}% over seeds" if known else ""


def _mean_fact(cell: CellNumbers) -> Fact:
    change = cell.summary.get("change") or {}
    return Fact(
        f"{metric_name(cell.summary)} of all examples, pruned less dense",
        change_text(cell.change, cell.summary),
        _interval(change.get("ci_low"), change.get("ci_high"), cell.summary, _confidence(cell.summary)),
        "",
        ("changes.csv",),
        cell,
    )


def _part_fact(one: Payer) -> Fact:
    cell, part = one.cell, one.part
    what = "recall" if part.kind == "class" else metric_name(cell.summary)
    test = "not tested: these examples are chosen by their change"
    if part.kind != "changed":
        test = f"exact McNemar test on majority answers, Holm over classes, Bonferroni over models: {p_text(one.p)}"
        if part.p is None:
            test = "no more answers become wrong than right"
    return Fact(
        f"{what} of {part.words} of {cell.dataset} ({count(part.n, 'example')}), {cell.arch}",
        change_text(part.change, cell.summary),
        _interval(part.low, part.high, cell.summary, _confidence(cell.summary) + ", all at once"),
        test,
        ("changes.csv",) if part.kind == "changed" else (),
        cell,
    )


def headline(found: Sequence[Payer], cells: Sequence[CellNumbers]) -> tuple[str, list[Fact]]:
    """One sentence of at most 25 words, with a loss that a test supports, and what stands behind it."""
    sure = [one for one in found if one.is_sure and one.beyond > 0]
    # A model that gives one answer to everything is no finding about who pays; an interval below 0 is the firmer one.
    varied = [one for one in sure if not one.cell.is_constant]
    hidden = [one for one in varied if one.part.change <= _HIDDEN * (one.cell.change or 0.0)]
    for telling, opening in (
        ([one for one in hidden if (one.part.high or 0.0) < 0], "The mean hides who pays"),
        (hidden, "The mean hides who pays"),
        (varied, "Who pays most"),
        (sure, "Who pays most"),
    ):
        if telling:
            worst = max(telling, key=lambda one: one.beyond)
            return _who_pays(worst, opening), [_part_fact(worst), _mean_fact(worst.cell)]
    floors = [cell for cell in cells if cell.floor is not None]
    above = [cell for cell in floors if cell.above_floor]
    if above:
        worst_cell = max(above, key=lambda cell: (cell.floor or {}).get("excess") or 0.0)
        text = (
            f"Compression changes more answers than other seeds do in {count(len(above), 'model')}; "
            "no single class is shown to pay."
        )
        return text, [_floor_fact(worst_cell), _mean_fact(worst_cell)]
    if floors:
        return (
            f"Of {count(len(floors), 'compressed model')}, not one changes more answers than other random seeds do."
        ), [_floor_fact(max(floors, key=lambda cell: (cell.floor or {}).get("excess") or 0.0))]
    if not cells:
        return "No cell is analysed yet.", []
    scored = [cell for cell in cells if cell.change is not None and (cell.summary.get("n_seeds") or 0) > 1]
    if scored:
        most = max(scored, key=lambda cell: abs(cell.change or 0.0))
        return _mean_changes(most), [_mean_fact(most)]
    return (
        f"{count(len(cells), 'compressed model is', 'compressed models are')} compared with their dense models; "
        "two seeds or more would show what is noise."
    ), []


def _mean_changes(cell: CellNumbers) -> str:
    """The change of the score, where nothing is known of its classes, groups and noise floor."""
    change = cell.summary.get("change") or {}
    low, high = change.get("ci_low"), change.get("ci_high")
    sure = low is not None and high is not None and (low > 0 or high < 0)
    return (
        f"The score changes most under {cell.name}: {metric_name(cell.summary)} of {cell.dataset} "
        f"{change_text(cell.change, cell.summary)}{' points' if is_share(cell.summary) else ''}, "
        f"{'beyond' if sure else 'within'} chance."
    )


def _who_pays(one: Payer, opening: str) -> str:
    """The longest of some sentences that has at most 25 words."""
    cell, part = one.cell, one.part
    shares = part.kind == "class" or is_share(cell.summary)
    size = rounded(part.change, part.low, part.high) if shares else f"{abs(part.change):.2f}"
    of = "recall" if part.kind == "class" else metric_name(cell.summary)
    # One number: of the mean, words. Where it hides who pays, it loses less than half as much (``_HIDDEN``).
    if (cell.change or 0.0) >= 0:
        mean = ", the mean nothing"
    else:
        mean = ", over twice the mean" if part.change <= _HIDDEN * (cell.change or 0.0) else ""
    start = f"{opening}: under {cell.name},"
    texts = [
        f"{start} {who} of {cell.dataset} loses {size} of {of}{rest}."
        for who in (part.words, f"one {part.kind}")
        for rest in (f"{mean}, beyond chance", mean, "")
    ]
    return next((text for text in texts if len(text.split()) <= MOST_WORDS), texts[-1])


def _floor_fact(cell: CellNumbers) -> Fact:
    floor = cell.floor or {}
    ends = [floor.get("low"), floor.get("high")]
    return Fact(
        f"votes that change with pruning, in half of the seeds, {cell.dataset}, {cell.arch}",
        percent(floor.get("pie_share_half")),
        f"noise floor {percent(floor.get('mean'))}"
        + (
            f" ({percent(ends[0])} to {percent(ends[1])} over ways to halve the seeds)"
            if None not in ends
            else ""
        ),
        f"verdict {floor.get('verdict')}",
        ("pie_intervals.csv",),
        cell,
    )


# The figure


def chart(found: Sequence[Payer], site: Site) -> list[dict[str, Any]]:
    """A panel per data set and architecture: its cells by compression level, as positions on the data set's axis.

    A cell has its mean change and that of its worst part.
    """
    panels = []
    by_dataset = groupby(sorted(found, key=lambda one: _order(site, one)), lambda one: one.cell.dataset)
    for dataset, cells in by_dataset:
        held = list(cells)
        at, ticks = _axis([value for one in held for value in (one.cell.change or 0.0, one.part.change)])
        for arch, group in groupby(held, lambda one: one.cell.arch):
            own = sorted(group, key=lambda one: one.cell.compression)
            levels = [
                {"text": level.text, "cells": [_mark(one, at, site) for one in sorted(some, key=_shape)]}
                for level, some in groupby(own, lambda one: one.cell.compression)
            ]
            kinds = sorted({one.part.kind for one in own})
            panels.append(
                {
                    "dataset": dataset,
                    "arch": arch,
                    "metric": metric_name(own[0].cell.summary),
                    "tip": " or ".join(_TIPS[kind] for kind in kinds),
                    "n": len(own),
                    "longest": max(len(one.cell.pruner) for one in own),
                    "levels": levels,
                    "ticks": ticks,
                    "zero": at(0.0),
                }
            )
    return panels


_TIPS = {"class": "worst class", "group": "worst group", "changed": "examples whose vote changes"}


def _axis(values: Sequence[float]) -> tuple[Callable[[float], str], list[dict[str, str]]]:
    """Where a change lies below the top, in percent of the height, and ticks at round numbers between all of them."""
    top, bottom = max(*values, 0.0), min(*values, 0.0)
    step = svg.nice_ticks(max(top - bottom, 0.02), 4)[1]
    low, high = bottom - 0.05 * max(top - bottom, 0.02), top + 0.05 * max(top - bottom, 0.02)

    def at(value: float) -> str:
        return svg.short(100 * (high - value) / (high - low))

    steps = range(math.ceil(low / step), math.floor(high / step) + 1)
    return at, [
        {"at": at(step * i), "text": f"{100 * step * i:+.4g}".replace("-", "−") if i else "0"} for i in steps
    ]


def _order(site: Site, one: Payer) -> tuple[int, int]:
    datasets, archs = list(site.study.datasets), list(site.study.archs)
    names = ((datasets, one.cell.dataset), (archs, one.cell.arch))
    return tuple(known.index(name) if name in known else len(known) for known, name in names)  # type: ignore[return-value]


def _shape(one: Payer) -> tuple[float, float]:
    return (-(one.cell.change or 0.0), -one.part.change)


def _mark(one: Payer, at: Callable[[float], str], site: Site) -> dict[str, Any]:
    cell, part = one.cell, one.part
    floor = {
        ">": "changes more answers than other seeds do",
        "<": "changes fewer answers than other seeds do",
    }
    noise = "noise floor unknown" if cell.floor is None else floor.get(
        str(cell.floor.get("verdict")), "not distinguishable from other seeds"
    )  # fmt: skip
    tested = f" ({'beyond chance' if one.is_sure else 'within chance'})" if part.kind != "changed" else ""
    text = (
        f"{cell.name}: mean {change_text(cell.change, cell.summary)}; {part.words} "
        f"{change_text(part.change, cell.summary)}{tested}; {noise}"
    )
    mean, worst = cell.change or 0.0, part.change
    return {
        "href": page.link(site.cells / cell.page, site.out),
        "text": text,
        "name": cell.pruner,
        "mean": at(mean),
        "worst": at(worst),
        "from": at(max(mean, worst)),
        "to": at(min(mean, worst)),
        "above": cell.above_floor,
        "sure": one.is_sure,
    }


# The cards


def _who(site: Site) -> Card | None:
    tested = losses(site.numbers)
    left = left_out(site.numbers)
    if not tested:
        return None
    sure = [one for one in tested if one.is_sure]
    models = count(len({id(one.cell) for one in tested}), "compressed model")
    if sure:
        paying = len({id(one.cell) for one in sure})
        answer = f"In {paying} of {models}, a class or group loses answers beyond chance."
        by_part = Counter((one.cell.dataset, one.cell.arch, one.part.words) for one in sure)
        answer += " Most often: " + ", ".join(
            f"{part} of {dataset} with {arch} (in {n})"
            for (dataset, arch, part), n in by_part.most_common(NAMED)
        )
        answer += "."
    else:
        answer = f"In none of {models} does a class or group lose answers beyond chance."
        if left:  # one of them may be the one that the page's first sentence names
            answer, left = f"{answer} {left}", ""
    worst = sorted(sure or tested, key=lambda one: -one.beyond)[:NAMED]
    facts = [_part_fact(one) for one in worst]
    notes = [*([left] if left else []), *_alphas(site)]
    return Card("Who pays?", answer, facts, "Classes & groups", "All classes", notes=notes)


def _alphas(site: Site) -> list[str]:
    """Verdicts of recall distortion: corrected for noise, and as the paper computes it."""
    known = [cell for cell in site.numbers if cell.alpha is not None]
    asked = [cell for cell in known if isinstance(cell.summary.get("alpha_corrected"), Mapping)]
    if not asked:
        return []
    grown, shrunk = (sum(c.summary["alpha_corrected"].get("verdict") == v for c in asked) for v in "><")
    text = (
        f"Recall distortion α, corrected for noise: differences between classes grow in {grown} of "
        f"{count(len(asked), 'model')}, shrink in {shrunk}, else undecided."
    )
    sure = [cell for cell in asked if cell.corrected is not None and cell.corrected.get("verdict") == ">"]
    if sure:
        worst = max(sure, key=lambda cell: (cell.corrected or {})["mean"])
        alpha = worst.corrected or {}
        text += (
            f" Most under {worst.name} on {worst.dataset}: {number(alpha['mean'])} ({100 * alpha['confidence']:g}% "
            f"interval from {number(alpha['ci_low'])}"
            f"{' on' if alpha['ci_high'] is None else ' to ' + number(alpha['ci_high'])})."
        )
    return [text]


def _examples(site: Site) -> Card | None:
    splits = [split for split in site.splits if split.split == "test"]
    if not splits:
        return None
    queues = [list(split.paying) for split in splits]
    tiles: list[Mapping[str, Any]] = []
    while len(tiles) < EXAMPLES and any(queues):
        for queue in queues:
            if queue and len(tiles) < EXAMPLES:
                tiles.append(queue.pop(0))
    tiles.sort(key=lambda tile: tile["source"] is None)
    facts = [
        Fact(
            f"test examples of {split.dataset} whose majority vote changes under any pruned model",
            split.changed,
        )
        for split in splits
    ]
    shown = (
        "More than half of the dense models get these right. By the majority of seeds, most compressed models that "
        "change the vote get them wrong."
    ) if tiles else (
        "No example is right in most dense models and wrong in most of the compressed models that change it."
    )  # fmt: skip
    return Card("Which examples?", shown, facts, "Examples", "Browse all examples", tiles=tiles)


@dataclass(frozen=True)
class Behind:
    """A pruner behind the best one of its level: ``test`` is the best's score less its own."""

    cell: CellNumbers
    test: PrunerTest

    @property
    def gap(self) -> float:
        return self.test.mean_difference or 0.0

    @property
    def is_sure(self) -> bool:
        return self.gap > 0 and _significant(self.test.p_corrected)


@dataclass(frozen=True)
class Level:
    """Pruners of one data set, architecture and level: the one of the highest mean score, then the others."""

    best: CellNumbers
    others: Sequence[Behind]

    @property
    def name(self) -> str:
        return f"{self.best.dataset} · {self.best.arch} · {self.best.compression.text}"

    @property
    def worse(self) -> list[Behind]:
        """Those that are shown to lose more than the best."""
        return [one for one in self.others if one.is_sure]


def _significant(p: float | None) -> bool:
    return p is not None and p < LEVEL


def levels(cells: Sequence[CellNumbers], tests: Iterable[PrunerTest]) -> list[Level]:
    """Where two pruners or more stand side by side, in the order of the tests."""
    known = {f"{c.dataset}/{c.arch}/{c.pruner}/{c.compression.token}": c for c in cells}
    blocks: dict[tuple[str, ...], list[PrunerTest]] = {}
    for test in tests:
        if {test.cell_a, test.cell_b} <= known.keys() and test.mean_difference is not None:
            blocks.setdefault((test.dataset, test.arch, test.compression), []).append(test)
    found = []
    for own in blocks.values():
        names = dict.fromkeys(name for test in own for name in (test.cell_a, test.cell_b))
        best = max(names, key=lambda name: known[name].summary.get("pruned_score") or -math.inf)
        sides = [test if test.cell_a == best else _turned(test) for test in own]
        others = [Behind(known[test.cell_b], test) for test in sides if test.cell_a == best]
        found.append(Level(known[best], sorted(others, key=attrgetter("gap"))))
    return sorted(found, key=lambda level: (level.best.dataset, level.best.arch, level.best.compression))


def _turned(test: PrunerTest) -> PrunerTest:
    """The same test of b against a, as far as this page shows it."""
    less, low, high = (
        None if value is None else -value
        for value in (test.mean_difference, test.difference_high, test.difference_low)
    )
    return replace(
        test,
        cell_a=test.cell_b,
        cell_b=test.cell_a,
        mean_difference=less,
        difference_low=low,
        difference_high=high,
    )


def _pruner(site: Site) -> Card | None:
    """Who keeps most score at one level, by paired tests between all pruners there; who is fairer at equal score."""
    tests = _read(site, PrunerTest)
    found = levels(site.numbers, tests)
    if not found:
        return None
    n, most = len(found), max(test.n_seeds for test in tests)
    won = Counter(level.best.pruner for level in found if all(one.is_sure for one in level.others))
    where = "comparison" if n == 1 else "comparisons"
    if won:
        name, times = won.most_common(1)[0]
        answer = f"{name} wins: it keeps more score than every other pruner, beyond chance, in {times} of {n} {where}."
        if len(won) > 1:
            answer += f" {count(len(won) - 1, 'other pruner wins', 'other pruners win')} elsewhere."
    elif most < 2:
        answer = "Not decided: one seed does not show what is noise."
    else:
        nearest = [one.test for level in found for one in level.others[:1]]
        ends = [(test.difference_low, test.difference_high) for test in nearest]
        widths = [high - low for low, high in ends if low is not None and high is not None]
        answer = f"No winner: in none of {n} {where} at equal level does the best pruner beat the next beyond chance"
        if widths and is_share(site.numbers[0].summary):
            half = median(widths) / 2
            size = f"{100 * half:.{1 if half < 0.01 else 0}f} points"
            answer += f"; with {most} seeds, a difference is known to ±{size} (median)"
        answer += "."
    losers = Counter(one.cell.pruner for level in found for one in level.worse)
    if losers:
        named = ", ".join(name for name, _ in losers.most_common(NAMED))
        more = f" and {len(losers) - NAMED} more" if len(losers) > NAMED else ""
        answer += f" Shown to lose more than the best: {named}{more}."
    # Of many levels, those where tests find most and most pruners stand.
    shown = sorted(found, key=lambda level: (-len(level.worse), -len(level.others)))[:MOST_LEVELS]
    reach = svg.nice_ticks(max(one.gap for level in shown for one in level.others), 4)
    strips = {
        "ticks": [
            {"at": svg.short(100 * t / reach[-1]), "text": f"{-100 * t:.4g}".replace("-", "−") if t else "0"}
            for t in reach
        ],
        "rows": [_level(level, reach[-1]) for level in found if level in shown],
        "more": n - len(shown),
    }
    how = f"paired t test over seeds, Holm over all {count(len(tests), 'test')}: "
    facts = [
        Fact(
            f"{level.name}: {level.best.pruner} less {next_.cell.pruner}, the next in mean score",
            change_text(next_.gap, next_.cell.summary),
            _interval(next_.test.difference_low, next_.test.difference_high, next_.cell.summary),
            next_.test.note if next_.test.p_corrected is None else how + p_text(next_.test.p_corrected),
            ("pruner_tests.csv",),
            level.best,
        )
        for level in found
        for next_ in level.others[:1]
    ]
    fair = _fairest(found, site)
    return Card(
        "Which pruner?",
        answer,
        [*facts, *fair],
        "Grid",
        "Compare in the grid",
        "#grid&measure=worst",
        strips=strips,
    )


def _level(level: Level, reach: float) -> dict[str, Any]:
    worse = len(level.worse)
    apart = len(level.others) - worse
    texts = [f"{apart} within noise"] * bool(apart) + [f"{worse} worse"] * bool(worse)
    return {
        "name": level.name,
        "best": level.best.pruner,
        "wins": not apart,
        "text": ", ".join(texts),
        "marks": [
            {
                "at": svg.short(100 * max(one.gap, 0.0) / reach),
                "text": f"{one.cell.pruner}: {change_text(-one.gap, one.cell.summary)}",
                "sure": one.is_sure,
            }
            for one in level.others
        ],
    }


def _fairest(found: Sequence[Level], site: Site) -> list[Fact]:
    """Tests of alpha between pruners whose score is within noise of the best at their level."""
    among = {
        f"{cell.dataset}/{cell.arch}/{cell.pruner}/{cell.compression.token}"
        for level in found
        for cell in (level.best, *(one.cell for one in level.others if not one.is_sure))
    }
    tests = [
        test
        for test in _read(site, AlphaTest)
        if test.varied == "pruner" and {test.cell_a, test.cell_b} <= among and test.p_value is not None
    ]
    corrected = holm([test.p_value for test in tests])
    sure = [test for test, p in zip(tests, corrected, strict=True) if _significant(p)]
    fairer = Counter(test.a if (test.mean_difference or 0.0) < 0 else test.b for test in sure)
    named = ", ".join(f"{name} (in {n})" for name, n in fairer.most_common(NAMED))
    what = "pruners whose score is within noise of the best: who distorts recall less (α)"
    value = f"{len(sure)} of {count(len(tests), 'test')}{': ' + named if named else ''}"
    return (
        [Fact(what, value, "", "paired t tests, Holm over all of them", ("alpha_tests.csv",))]
        if tests
        else []
    )


def _read(site: Site, row: type[R]) -> list[R]:
    try:
        return read_table(site.tables, row)
    except (UserError, KeyError, ValueError) as error:
        site.got.problems.append(str(error))
        return []


def _noise(site: Site) -> Card | None:
    floors = [cell for cell in site.numbers if cell.floor is not None]
    if not floors:
        return None
    above = sum(cell.above_floor for cell in floors)
    below = sum((cell.floor or {}).get("verdict") == "<" for cell in floors)
    rest = len(floors) - above - below
    answer = (
        f"{above} of {count(len(floors), 'compressed model')} change more answers than other random seeds do, {below} "
        f"change fewer, {rest} cannot be distinguished."
    )
    known = [cell for cell in floors if (cell.floor or {}).get("excess") is not None]
    facts = []
    if known:
        ends = [pick(known, key=lambda cell: (cell.floor or {})["excess"]) for pick in (max, min)]
        facts = [_floor_fact(cell) for cell in ends]
    notes = [
        text
        for text in (controls.headline(controls.read(site.tables, site.got.problems)),)
        if text is not None
    ]
    return Card("What is noise?", answer, facts, "Grid", "See the excess", "#grid&measure=excess", notes)


def _papers(site: Site) -> Card | None:
    """How the study compares with the papers, in a sentence."""
    try:
        found = papers_section.section(site.tables, site.out)
    except (UserError, KeyError, ValueError):
        # The page of the papers, written before this one, has reported it.
        return None
    if found is None:
        return None
    measured, cells = len(found["measured"]), sum(row["cells"] for row in found["numbers"])
    text = f"{found['holds']} of the {count(measured, 'claim')} of the papers that this study can decide hold in it"
    if found["n_open"]:
        text += f"; {found['n_open']} more are undecided or not measured"
    facts = [
        Fact(f"{claim.id}: {claim.statement}", claim.verdict, "", claim.evidence, ("claims.csv",))
        for claim in found["measured"]
    ]
    if cells:
        beside = "has one of ours beside it" if cells == 1 else "have one of ours beside them"
        text += f". {count(cells, 'printed number')} {beside}"
    return Card("What did the papers say?", f"{text}.", facts, "Papers", "Against the papers")


def at_chance(records: Mapping[state.Key, state.ModelsFile], shown: Sequence[Mapping[str, Any]]) -> list[str]:
    """A sentence for each architecture on a data set whose dense models do no better than the most frequent class.

    Args:
        shown: the data sets' cards (``data_page.cards``).
    """
    facts = {card["name"]: card["facts"] for card in shown}
    found = (
        chance.warning(f"{dataset}, {arch}", record.value.get("models", []), facts.get(dataset, {}))
        for (dataset, arch, pruner, _), record in sorted(records.items())
        if pruner == NO_PRUNER
    )
    return [sentence for sentence in found if sentence is not None]


def _collapsed(site: Site) -> list[str]:
    records = site.got.records
    ordered = sorted(site.numbers, key=attrgetter("dataset", "arch"))
    return [
        f"{dataset}, {arch}: {sentence}"
        for (dataset, arch), cells in groupby(ordered, attrgetter("dataset", "arch"))
        for sentence in collapse_sentences(
            (cell.name, records[key_of(cell)].collapsed) for cell in cells if key_of(cell) in records
        )
    ]


# What was studied


def studied(cells: Sequence[Cell]) -> str:
    """How many data sets, architectures, pruners, seeds and models a study has."""
    pruned = [cell for cell in cells if not cell.dense]
    seeds = sorted({len(cell.seeds) for cell in cells})
    parts = [
        count(len({cell.dataset for cell in cells}), "data set"),
        count(len({cell.arch for cell in cells}), "architecture"),
        *([count(len({cell.pruner for cell in pruned}), "pruner")] if pruned else []),
        f"{f'{seeds[0]} to {seeds[-1]} seeds' if len(seeds) > 1 else count(seeds[0], 'seed')} each",
        f"{count(sum(len(cell.seeds) for cell in cells), 'model')} in all",
    ]
    return ", ".join(parts)


def names_studied(cells: Sequence[Cell]) -> dict[str, str]:
    """Their names."""
    pruned = [cell for cell in cells if not cell.dense]
    named: dict[str, Iterable[str]] = {
        "Data sets": dict.fromkeys(cell.dataset for cell in cells),
        "Architectures": dict.fromkeys(cell.arch for cell in cells),
        "Pruners": dict.fromkeys(cell.pruner for cell in pruned),
        "Pruned": [f"at {compressions_text({cell.compression for cell in pruned})}"] if pruned else [],
    }
    return {name: text for name, values in named.items() if (text := ", ".join(values))}


def compressions_text(compressions: Collection[Compression]) -> str:
    """``50%, 90%, level 1 to level 20``: levels of iterative magnitude pruning as a range."""
    levels = [compression.text for compression in sorted(compressions) if compression.kind == "level"]
    texts = [compression.text for compression in sorted(compressions) if compression.kind != "level"]
    return ", ".join([*texts, *(levels if len(levels) < 3 else [f"{levels[0]} to {levels[-1]}"])])
