"""Two finished studies beside each other: what differs in settings, which cells moved, which conclusions changed.

The same cell of both is one thing measured twice. What of its numbers moved is decided as an audit decides what pruning
changes: paired by example and seed (docs/compare.md).
"""

from __future__ import annotations

import filecmp
import json
import math
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Annotated as A
from typing import Any

import numpy as np
import pyarrow.parquet as pq

from prunescope.analysis.audit_tables import SeedAlpha
from prunescope.analysis.conditions import LEVEL
from prunescope.analysis.leading import leading_name, led
from prunescope.analysis.paired import Changes, Crossed, mcnemar, of_outcomes
from prunescope.analysis.pairs import paired_sides
from prunescope.analysis.spans import ANY, SHARE, Span, span_of
from prunescope.analysis.stats import change_span
from prunescope.analysis.tables import shared
from prunescope.analysis.tables.cell import CellResults
from prunescope.analysis.tables.declared import Row, Tables, read_table
from prunescope.analysis.tables.registry import AlphaTest
from prunescope.analysis.ttests import holm, independent, paired
from prunescope.config.load import load_study
from prunescope.config.pruners import CONTROL, NO_PRUNER
from prunescope.config.study import Study
from prunescope.errors import BadFileError, UserError
from prunescope.files import read_json
from prunescope.predictions.scores import correct, scores
from prunescope.predictions.store import read_sides
from prunescope.predictions.task_metrics import own_metrics, task_scores

COMPARED = Tables()

#: Of a cell: data set, architecture, pruner, compression level.
Key = tuple[str, str, str, str]

#: Names of cells or files that a row gives as examples.
NAMED = 3

#: What a difference can be, from none to one that chance does not explain.
IDENTICAL, SAME, NOISE, UNTESTED, MOVED = "identical", "same", "within noise", "not tested", "moved"


@COMPARED.add("settings")
@dataclass(frozen=True)
class Setting(Row):
    """Settings, data and software that differ."""

    other: A[str, "the tree that is compared with the first"]
    key: A[str, "key of the setting, from the outside in, joined by dots"]
    first: A[str | None, "its value in the first tree, as JSON; empty: it is not there"]
    second: A[str | None, "its value in the other tree"]
    n_cells: A[int | None, "cells that it differs for; empty: a setting of the whole study"]
    cells: A[str, "the first of them"]


@COMPARED.add("cells")
@dataclass(frozen=True)
class Moved(Row):
    """Score, PIE share and alpha of every cell that both trees have."""

    other: A[str, "the tree that is compared with the first"]
    dataset: A[str, "data set"]
    arch: A[str, "architecture"]
    pruner: A[str, "pruner; `none`: the dense models"]
    amount: A[str, "compression level, as in paths"]
    quantity: A[str, "`score`, `pie_share` or `alpha`"]
    metric: A[str, "metric of a score"]
    n_examples: A[int | None, "examples of both"]
    n_seeds: A[int | None, "seeds of both"]
    first: A[float | None, "value in the first tree"]
    second: A[float | None, "value in the other tree"]
    change: A[float | None, "second - first, over the seeds of both"]
    ci_low: shared.Low
    ci_high: shared.High
    confidence: A[float, "confidence of the interval"]
    test: A[str, "what the p-value is of; why there is none"]
    p_value: A[float | None, "two-sided, that nothing moved"]
    p_corrected: A[float | None, "by Holm's method over the cells tested, for each quantity and tree"]
    state: A[
        str,
        "`identical` to the byte, `same` answers or values, `within noise`, `not tested`, or `moved` beyond noise",
    ]

    @property
    def name(self) -> str:
        return " · ".join((self.dataset, self.arch, self.pruner, self.amount))


@COMPARED.add("conclusions")
@dataclass(frozen=True)
class Conclusion(Row):
    """Verdicts that differ."""

    other: A[str, "the tree that is compared with the first"]
    about: A[str, "what is concluded"]
    subject: A[str, "the cell, the claim or the pair of cells"]
    first: A[str, "the first tree's verdict"]
    second: A[str, "the other tree's"]
    kind: A[str, "`changed`; `lost` or `gained`: one side leaves it undecided"]


@COMPARED.add("files")
@dataclass(frozen=True)
class Files(Row):
    """Files of both trees, compared byte by byte."""

    other: A[str, "the tree that is compared with the first"]
    kind: A[str, "kind of files"]
    n_both: A[int, "files that both have"]
    n_identical: A[int, "of them, identical ones"]
    n_first: A[int, "files of the first tree alone"]
    n_second: A[int, "files of the other tree alone"]
    differing: A[str, "the first of those that differ"]


#: Files whose bytes follow from seeds and settings, by kind: patterns below the results folder. Records of times and
#: paths (metrics, summaries, logs) are left out.
_FILES = {
    "predictions": "models/**/*.parquet",
    "weights": "models/**/*.safetensors",
    "data": "data/**/*.parquet",
    "tables of cells": "cells/**/*.csv",
    "tables": "tables/*.csv",
    "tables as printed": "paper/**/*.csv",
    "figures": "figures/**/*.svg",
}


@dataclass(frozen=True)
class Tree:
    """A study's results. ``study``: its configuration, where that was given."""

    name: str
    root: Path
    study: Study | None = None

    @classmethod
    def at(cls, path: Path, name: str) -> Tree:
        """Of a study's YAML file, its results folder, or the folder that holds ``results``.

        Raises:
            UserError: there is no such file or folder, or no cell is analysed in it.
        """
        study, root = None, path
        if path.is_file():
            study = load_study(path)
            beside = path.parent / study.results
            root = beside if (beside / "cells").is_dir() else Path(study.results)
        elif not path.exists():
            raise UserError(f"{path}: no such file or folder; give a results folder or a study's YAML file")
        elif not (path / "cells").is_dir() and (path / "results" / "cells").is_dir():
            root = path / "results"
        tree = cls(name, root, study)
        if not tree.cells:
            raise UserError(f"{root}: holds no analysed cell; give a results folder or a study's YAML file")
        return tree

    @cached_property
    def cells(self) -> dict[Key, CellResults]:
        """Analysed cells, those that ``cells.txt`` lists where there is one, with the records of their models."""
        listed = self.root / "cells.txt"
        wanted = (
            {Path(line).parts[-4:] for line in listed.read_text().split("\n")} if listed.exists() else None
        )
        found = {}
        for summary in sorted(self.root.glob("cells/*/*/*/*/test/summary.json")):
            folder = summary.parents[1]
            if wanted is not None and folder.parts[-4:] not in wanted:
                continue
            record = self._record(folder)
            models, settings = record.get("models") or [], record.get("settings") or {}
            found[folder.parts[-4:]] = CellResults(folder, models, settings)
        return found  # type: ignore[return-value]

    @staticmethod
    def _record(folder: Path) -> dict[str, Any]:
        path = folder / "models.json"
        record = read_json(path) if path.exists() else {}
        if not isinstance(record, dict):
            raise BadFileError(path, "not a JSON object")
        return record

    def predictions(self, key: Key) -> list[Path]:
        """The cell's prediction tables of the test split; none where one is missing."""
        names = dict.fromkeys(
            Path(str(model.get("file", ""))).parent.name for model in self.cells[key].models
        )
        paths = [self.root.joinpath("models", *key, name, "test.parquet") for name in names]
        return paths if all(path.is_file() for path in paths) else []

    def seeds(self, key: Key) -> list[int]:
        return [int(model["seed"]) for model in self.cells[key].models]

    def settings(self, key: Key) -> dict[str, str]:
        """What the cell was made with: settings, seeds, software and device, flat."""
        record = self._record(self.cells[key].folder)
        own = {
            name: value
            for name, value in self.cells[key].settings.items()
            if name not in ("dataset", "arch", "pruner", "amount", "seeds")
        }
        known = {
            **own,
            "seeds": self.seeds(key),
            "confidence": (led(self.cells[key].summary).get("change") or {}).get("confidence"),
            "software": _joined(record.get("versions") or []),
            "code": record.get("revisions"),
            "device": record.get("devices"),
        }
        return flat(known)

    def data(self) -> dict[str, str]:
        """Checksums of the data tables, as the cards record them."""
        cards = {card.parent.name: read_json(card) for card in sorted(self.root.glob("data/*/card.json"))}
        splits = {name: card["splits"] for name, card in cards.items() if "splits" in card}
        sums = {name: {split: one.get("sha256") for split, one in of.items()} for name, of in splits.items()}
        return flat({"data": sums})


def _joined(versions: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Versions of each package, of all blocks."""
    names = dict.fromkeys(name for one in versions for name in one)
    return {name: list(dict.fromkeys(str(one.get(name)) for one in versions)) for name in names}


def flat(value: Any, at: str = "") -> dict[str, str]:
    """Nested settings by the dotted key of each value, the values as JSON; lists of plain values are values.

    >>> flat({"training": {"lr": 0.1, "milestones": [1, 2]}, "grid": [{"archs": ["a"]}]})
    {'training.lr': '0.1', 'training.milestones': '[1, 2]', 'grid.0.archs': '["a"]'}
    """
    if isinstance(value, Mapping) and value:
        parts = value.items()
    elif isinstance(value, list | tuple) and any(isinstance(one, Mapping) for one in value):
        parts = dict(enumerate(value)).items()
    else:
        return {at: json.dumps(value, ensure_ascii=False, default=str)}
    return {
        key: text
        for name, part in parts
        for key, text in flat(part, f"{at}.{name}" if at else str(name)).items()
    }


@dataclass
class Comparison:
    """One tree against the first."""

    first: Tree
    other: Tree
    settings: list[Setting]
    cells: list[Moved]
    conclusions: list[Conclusion]
    files: list[Files]
    problems: list[str]

    @property
    def alone(self) -> tuple[list[Key], list[Key]]:
        """Cells of the first tree alone, and of the other."""
        mine, theirs = self.first.cells, self.other.cells
        return [key for key in mine if key not in theirs], [key for key in theirs if key not in mine]

    @property
    def uncompared(self) -> list[str]:
        """Cells of which a value could not be compared: what ``problems`` begin with."""
        return list(dict.fromkeys(line.partition(": ")[0] for line in self.problems))

    def states(self, quantity: str | None = None) -> dict[str, int]:
        """How many rows are in each state."""
        found = dict.fromkeys((MOVED, NOISE, UNTESTED, SAME, IDENTICAL), 0)
        for row in self.cells:
            found[row.state] += quantity in (None, row.quantity)
        return found

    @property
    def moved(self) -> list[Moved]:
        """The most certain first."""
        return sorted(
            (row for row in self.cells if row.state == MOVED), key=lambda row: row.p_corrected or 0.0
        )

    @property
    def predictions(self) -> Files:
        return next(row for row in self.files if row.kind == "predictions")

    @property
    def differences(self) -> dict[str, int]:
        """How many there are of what ``--fail-on`` can ask for."""
        first, other = self.alone
        return {
            "settings": len(self.settings),
            "moved": len({row.name for row in self.cells if row.state == MOVED}),
            "conclusions": len(self.conclusions),
            "cells": len(first) + len(other) + len(self.problems),
            "bytes": sum(row.n_both - row.n_identical + row.n_first + row.n_second for row in self.files),
        }

    @property
    def summary(self) -> dict[str, Any]:
        first, other = self.alone
        return {
            "first": self.first.name,
            "other": self.other.name,
            "n_cells": len({row.name for row in self.cells}),
            "only_first": ["/".join(key) for key in first],
            "only_other": ["/".join(key) for key in other],
            "differences": self.differences,
            "states": {name: self.states(name) for name in ("score", "pie_share", "alpha")},
            "files": {row.kind: {"both": row.n_both, "identical": row.n_identical} for row in self.files},
            "moved": [asdict(row) for row in self.moved],
            "problems": self.problems,
        }


#: What ``--fail-on`` can ask for, and what it means.
DEMANDS = {
    "settings": "settings, data or software differ",
    "moved": "a cell moved beyond noise",
    "conclusions": "a conclusion changed",
    "cells": "a cell is on one side only, or cannot be compared",
    "bytes": "a file is not the same to the byte",
}


def compare(first: Tree, other: Tree, confidence: float = 0.99) -> Comparison:
    """Compare a tree with the first.

    Raises:
        UserError: both are one folder, they share no cell, or a result file is damaged.
    """
    if first.root.resolve() == other.root.resolve():
        raise UserError(f"{other.root}: is given twice; give two results folders")
    common = [key for key in first.cells if key in other.cells]
    if not common:
        raise UserError(
            f"{other.root}: shares no cell with {first.root}; compare studies of the same data sets, architectures and "
            "pruners"
        )
    problems: list[str] = []
    rows: list[Moved] = []
    for key in common:
        for measure in (_score, _pie_share, _alpha):
            try:
                row = measure(first, other, key, confidence)
            except UserError as error:
                problems.append(f"{'/'.join(key)}: {error}")
                continue
            if row is not None:
                rows.append(row)
    return Comparison(
        first,
        other,
        list(_settings(first, other, common)),
        _decided(rows),
        list(_conclusions(first, other, common)),
        list(_same_files(first, other)),
        list(dict.fromkeys(problems)),
    )


def _decided(rows: Sequence[Moved]) -> list[Moved]:
    """The rows with corrected p-values and, where they are tested, their state.

    Only tests count: a cell without a difference could not have been significant, so that it costs the others nothing
    (Tarone, Biometrics 46, 1990).
    """
    corrected: dict[int, float | None] = {i: row.p_value for i, row in enumerate(rows)}
    for quantity in dict.fromkeys(row.quantity for row in rows):
        own = [
            i
            for i, row in enumerate(rows)
            if row.quantity == quantity and not row.state and row.p_value is not None
        ]
        corrected |= dict(zip(own, holm([rows[i].p_value for i in own]), strict=True))
    found = []
    for i, row in enumerate(rows):
        p = corrected[i]
        state = row.state or (UNTESTED if p is None else MOVED if p < LEVEL else NOISE)
        found.append(replace(row, p_corrected=p, state=state))
    return found


def _settings(first: Tree, other: Tree, common: Sequence[Key]) -> Iterator[Setting]:
    whole: list[tuple[dict[str, str], dict[str, str]]] = [(first.data(), other.data())]
    if first.study is not None and other.study is not None:
        studies = (first.study, other.study)
        mine, theirs = (flat(study.model_dump(mode="json", exclude={"results"})) for study in studies)
        whole.append((mine, theirs))
    for mine, theirs in whole:
        for key, one, two in _differing(mine, theirs):
            yield Setting(other.name, key, one, two, None, "")
    by_key: dict[tuple[str, str | None, str | None], list[str]] = defaultdict(list)
    for cell in common:
        for found in _differing(first.settings(cell), other.settings(cell)):
            by_key[found].append("/".join(cell))
    for (key, one, two), cells in sorted(by_key.items(), key=lambda item: (-len(item[1]), item[0][0])):
        yield Setting(other.name, key, one, two, len(cells), ", ".join(cells[:NAMED]))


def _differing(
    mine: Mapping[str, str], theirs: Mapping[str, str]
) -> Iterator[tuple[str, str | None, str | None]]:
    for key in dict.fromkeys([*mine, *theirs]):
        if mine.get(key) != theirs.get(key):
            yield key, mine.get(key), theirs.get(key)


def _same_bytes(first: Sequence[Path], other: Sequence[Path]) -> bool:
    return (
        len(first) == len(other) > 0
        and [path.parent.name for path in first] == [path.parent.name for path in other]
        and all(map(_equal, first, other))
    )


def _equal(first: Path, other: Path) -> bool:
    return first.is_file() and other.is_file() and filecmp.cmp(first, other, shallow=False)


def _same_files(first: Tree, other: Tree) -> Iterator[Files]:
    for kind, pattern in _FILES.items():
        mine, theirs = (
            {path.relative_to(tree.root).as_posix() for path in tree.root.glob(pattern) if path.is_file()}
            for tree in (first, other)
        )
        both = sorted(mine & theirs)
        differing = [name for name in both if not _equal(first.root / name, other.root / name)]
        yield Files(
            other.name, kind, len(both), len(both) - len(differing), len(mine - theirs), len(theirs - mine),
            ", ".join(differing[:NAMED]),
        )  # fmt: skip


# The three quantities of a cell


def _row(other: Tree, key: Key, quantity: str, confidence: float, **values: Any) -> Moved:
    nothing = dict.fromkeys(
        ("n_examples", "n_seeds", "change", "ci_low", "ci_high", "p_value", "p_corrected")
    )
    given = {**nothing, "metric": "", "test": "", "state": "", **values}
    return Moved(other.name, *key, quantity=quantity, confidence=confidence, **given)


def _score(first: Tree, other: Tree, key: Key, confidence: float) -> Moved | None:
    """Of the pruned models, on the examples and seeds of both, from their predictions; else from scores by seed."""
    a, b = first.cells[key], other.cells[key]
    one, two = (led(cell.summary).get("pruned_score") for cell in (a, b))
    values: dict[str, Any] = {"metric": a.metric, "first": one, "second": two}
    if a.metric != b.metric:
        raise UserError(f"the score is {a.metric} in one tree and {b.metric} in the other")
    for tree, cell in ((first, a), (other, b)):
        if not cell.models and (a.models or b.models):
            raise UserError(f"models.json of {tree.name} is missing or lists no models")
    tables = (first.predictions(key), other.predictions(key))
    if _same_bytes(*tables):
        values |= {"n_examples": a.summary.get("n_examples"), "n_seeds": a.summary.get("n_seeds")}
        return _row(other, key, "score", confidence, change=0.0, p_value=1.0, state=IDENTICAL, **values)
    if not all(tables) or not set(first.seeds(key)) & set(other.seeds(key)):
        of = a.scores("pruned"), b.scores("pruned")
        return _by_seed(other, key, "score", confidence, *of, values, span_of(a.metric))
    seeds = set(first.seeds(key)) & set(other.seeds(key))
    sides = read_sides({"dense": tables[0], "pruned": tables[1]})
    pair = paired_sides(sides["dense"], sides["pruned"], seeds)
    tolerance = float(a.summary.get("tolerance") or 0.0)
    right = correct(pair.dense, tolerance), correct(pair.pruned, tolerance)
    changes = Changes(pair.dense, pair.pruned, right, confidence, tolerance, tested=True)
    name = leading_name(a.summary)
    if name is None:
        before, after = (
            scores(side, its) for side, its in zip((pair.dense, pair.pruned), right, strict=True)
        )
        found = changes.of_score(before, after)
    else:
        _, parts = own_metrics(pair.dense)
        before, after = (task_scores(side, [name], parts)[name] for side in (pair.dense, pair.pruned))
        found = changes.of_metric(name, parts, before, after)
    values |= {"n_examples": len(pair.dense.examples), "n_seeds": len(pair.dense.seeds)}
    if found is None:
        return _row(other, key, "score", confidence, test="no seed has a score on both sides", **values)
    scored = np.isfinite(after - before)
    values |= {"first": float(before[scored].mean()), "second": float(after[scored].mean())}
    if _same_answers(pair.dense.prediction, pair.pruned.prediction):
        return _row(other, key, "score", confidence, change=0.0, p_value=1.0, state=SAME, **values)
    interval = {"change": found["mean"], "ci_low": found["ci_low"], "ci_high": found["ci_high"]}
    return _row(
        other, key, "score", confidence, test="paired by example and seed", p_value=found["p_value"],
        **interval, **values,
    )  # fmt: skip


def _older(first: Tree, other: Tree, key: Key) -> bool:
    """Whether answers differ, of the cell or its dense models, so that an analysis that is the same is an older one.

    Votes with their agreement, and alpha, follow from the answers.
    """
    dense = [one for one in first.cells if one[:2] == key[:2] and one[2] == NO_PRUNER and one in other.cells]
    for one in (key, *dense):
        tables = (first.predictions(one), other.predictions(one))
        seeds = set(first.seeds(one)) & set(other.seeds(one))
        if all(tables) and seeds and not _same_bytes(*tables):
            sides = read_sides({"dense": tables[0], "pruned": tables[1]})
            pair = paired_sides(sides["dense"], sides["pruned"], seeds)
            if not _same_answers(pair.dense.prediction, pair.pruned.prediction):
                return True
    return False


#: Why a value is not tested though its files are the same.
_OLDER = "the analysis is older than the predictions"


def _same_answers(first: Any, other: Any) -> bool:
    pairs = ((one, two) for a, b in zip(first, other, strict=True) for one, two in zip(a, b, strict=True))
    return all(np.array_equal(one, two) for one, two in pairs)


def _by_seed(
    other: Tree, key: Key, quantity: str, confidence: float, first: Mapping[int, float], second: Mapping[int, float],
    values: Mapping[str, Any], span: Span = ANY,
) -> Moved:  # fmt: skip
    """A t test over seeds: paired where both trees have the same ones."""
    both = first.keys() & second.keys()
    if both and all(first[seed] == second[seed] for seed in both):
        same = {**values, "n_seeds": len(both)}
        return _row(other, key, quantity, confidence, change=0.0, p_value=1.0, state=SAME, **same)
    if both:
        found, test = paired(second, first, "two-sided", confidence), "t test paired by seed"
    else:
        mine, theirs = list(first.values()), list(second.values())
        found, test = independent(theirs, mine, "two-sided", confidence), "Welch's t test, other seeds"
    change = found.difference
    if change.low is not None:
        mine, theirs = ([side[seed] for seed in both or side] for side in (first, second))
        change = change.within(change_span(mine, theirs, span, confidence))
    return _row(
        other, key, quantity, confidence, change=change.mean, ci_low=change.low, ci_high=change.high,
        test=found.note or test, p_value=found.p_value, **{**values, "n_seeds": min(found.n_a, found.n_b)},
    )  # fmt: skip


def _pie_share(first: Tree, other: Tree, key: Key, confidence: float) -> Moved | None:
    """McNemar's test of which examples are PIEs, and the seeds' share of the noise from the bootstrap intervals.

    The larger of the two p-values counts: a share moves where neither other examples nor other seeds explain it.
    """
    a, b = first.cells[key], other.cells[key]
    one, two = a.summary.get("pie_share"), b.summary.get("pie_share")
    if a.dense or a.pruner.startswith(CONTROL) or one is None or two is None:
        return None
    values: dict[str, Any] = {"first": one, "second": two, "n_examples": a.summary.get("n_examples")}
    values["n_seeds"] = min(a.summary.get("n_seeds") or 0, b.summary.get("n_seeds") or 0)
    paths = [cell.folder / "test" / "pies.parquet" for cell in (a, b)]
    if _equal(*paths):
        if _older(first, other, key):
            return _row(other, key, "pie_share", confidence, test=_OLDER, state=UNTESTED, **values)
        return _row(other, key, "pie_share", confidence, change=0.0, p_value=1.0, state=IDENTICAL, **values)
    (numbers, before), (theirs, after) = map(_pies, paths)
    if not np.array_equal(numbers, theirs):
        raise UserError("other examples are voted on; the trees are of other data")
    if np.array_equal(before, after):
        return _row(other, key, "pie_share", confidence, change=0.0, p_value=1.0, state=SAME, **values)
    more, fewer = int(np.count_nonzero(after & ~before)), int(np.count_nonzero(before & ~after))
    by_example = of_outcomes(before[None], after[None])
    change = float(np.mean(after) - np.mean(before))
    spread = sum(_seed_variance(cell.summary) for cell in (a, b))
    both = Crossed(change, by_example.variance + spread, len(before) - 1)
    ends = both.interval(confidence, change_span([one], [two], SHARE, confidence, len(before)))
    return _row(
        other, key, "pie_share", confidence, change=change, ci_low=ends.low, ci_high=ends.high,
        p_value=max(float(mcnemar(fewer, more)), both.p_value),
        test=f"{more} examples become PIEs and {fewer} no longer are (McNemar, and the spread over seeds)", **values,
    )  # fmt: skip


def _pies(path: Path) -> tuple[np.ndarray, np.ndarray]:
    try:
        table = pq.read_table(path, columns=["example", "is_pie"])
    except (OSError, ValueError) as error:
        raise BadFileError(path, f"cannot be read ({str(error).splitlines()[0]})") from None
    return table["example"].to_numpy(), table["is_pie"].to_numpy(zero_copy_only=False)


def _seed_variance(summary: Mapping[str, Any]) -> float:
    """Of a share of PIEs, over resampled seeds; 0 where one seed says nothing of others."""
    from scipy.special import ndtri

    interval = summary.get("pie_interval") or {}
    if interval.get("centered_low") is None:
        return 0.0
    z = float(ndtri((1 + interval["confidence"]) / 2))
    low, high = interval["centered_low"], interval["centered_high"]
    # An end may be cut off at 0.
    reach = (high - low) / 2 if low > 0 else high - summary["pie_share"]
    return float((reach / z) ** 2)


def _alpha(first: Tree, other: Tree, key: Key, confidence: float) -> Moved | None:
    a, b = first.cells[key], other.cells[key]
    if a.dense or a.pruner.startswith(CONTROL):
        return None
    of = [{row.seed: row.alpha for row in cell.rows(SeedAlpha) if row.alpha is not None} for cell in (a, b)]
    if not all(of):
        return None
    one, two = (math.fsum(values.values()) / len(values) for values in of)
    values: dict[str, Any] = {"first": one, "second": two, "n_examples": a.summary.get("n_examples")}
    if _equal(a.folder / "test" / "alpha.csv", b.folder / "test" / "alpha.csv"):
        values |= {"n_seeds": len(of[0])}
        if _older(first, other, key):
            return _row(other, key, "alpha", confidence, test=_OLDER, state=UNTESTED, **values)
        return _row(other, key, "alpha", confidence, change=0.0, p_value=1.0, state=IDENTICAL, **values)
    return _by_seed(other, key, "alpha", confidence, of[0], of[1], values)


# Conclusions

_UNDECIDED = "undecided"

Verdicts = dict[tuple[str, str], str]


def _conclusions(first: Tree, other: Tree, common: Sequence[Key]) -> Iterator[Conclusion]:
    mine, theirs = _verdicts(first, common), _verdicts(other, common)
    for (about, subject), one in mine.items():
        two = theirs.get((about, subject), one)
        if one != two:
            kind = "gained" if one == _UNDECIDED else "lost" if two == _UNDECIDED else "changed"
            yield Conclusion(other.name, about, subject, one, two, kind)


def _verdicts(tree: Tree, common: Sequence[Key]) -> Verdicts:
    """What a tree concludes: of its cells, of the papers' claims, of pairs of pruners."""
    found: Verdicts = {}
    for key in common:
        cell = tree.cells[key]
        if cell.dense or cell.pruner.startswith(CONTROL):
            continue
        for about, of_cell in _OF_CELLS.items():
            found[about, " · ".join(key)] = of_cell(led(cell.summary))
    claims = tree.root / "tables" / "claims.csv"
    if claims.exists():
        for row in _claims(claims):
            verdict = _UNDECIDED if row["verdict"] == "not measured" else row["verdict"]
            found["claim of a paper", f"{row['id']}: {row['statement']}"] = verdict
    for test in read_table(tree.root / "tables", AlphaTest):
        sign = test.mean_difference or 0.0
        lower = test.a if sign < 0 else test.b
        verdict = f"{lower} is lower" if test.significant and sign else _UNDECIDED
        found["alpha of two cells", f"{test.fixed}: {test.a} and {test.b}"] = verdict
    return found


def _claims(path: Path) -> list[dict[str, str]]:
    from prunescope.analysis.csv_text import read_csv

    rows = read_csv(path)
    if rows and not {"id", "statement", "verdict"} <= rows[0].keys():
        raise BadFileError(path, "has no columns id, statement, verdict")
    return rows


def _of_change(summary: Mapping[str, Any]) -> str:
    change = summary.get("change") or {}
    if (change.get("ci_high") or 0.0) < 0:
        return "falls"
    return "rises" if (change.get("ci_low") or 0.0) > 0 else _UNDECIDED


def _of_interval(name: str, below: str, above: str) -> Callable[[Mapping[str, Any]], str]:
    def verdict(summary: Mapping[str, Any]) -> str:
        return {"<": below, ">": above}.get(str((summary.get(name) or {}).get("verdict")), _UNDECIDED)

    return verdict


def _of_harm(summary: Mapping[str, Any]) -> str:
    worst = summary.get("most_harmed") or {}
    sure = worst.get("harm", 0.0) > 0 and worst.get("p_corrected", 1.0) < LEVEL
    return f"class {worst['class']}" if sure else _UNDECIDED


_OF_CELLS: dict[str, Callable[[Mapping[str, Any]], str]] = {
    "score after pruning": _of_change,
    "class that pays most": _of_harm,
    "changed votes against the noise floor": _of_interval("noise_floor", "below", "above"),
    "alpha": _of_interval("alpha", "below 1", "above 1"),
    "alpha, corrected for noise": _of_interval("alpha_corrected", "below 1", "above 1"),
}
