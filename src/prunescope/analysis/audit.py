"""An audit: who pays, from predictions alone, for any pair of models.

It knows nothing of how the models were made. Everything is computed first and written then, into a folder that appears
as a whole.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from itertools import chain
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from prunescope.analysis import conditions, readability
from prunescope.analysis.audit_tables import MatrixRow
from prunescope.analysis.certainty import certainty, summary_of
from prunescope.analysis.compared import compared
from prunescope.analysis.data_map import by_epoch
from prunescope.analysis.el2n_file import About, Scores, read_scores, scores_of
from prunescope.analysis.groups import group_rows, group_summary
from prunescope.analysis.known import Files, Questions, Shown, paying
from prunescope.analysis.outputs import Results, check_free, write
from prunescope.analysis.pairs import paired_sides
from prunescope.analysis.pies.seed_findings import seed_findings
from prunescope.analysis.pies.spearman import has_logits
from prunescope.analysis.pies.votes import default_tolerance
from prunescope.errors import UserError
from prunescope.files import atomic_directory, write_json, write_text
from prunescope.predictions.reading import UNSAID, Reading
from prunescope.predictions.store import Predictions, holds_probabilities, read_sides
from prunescope.predictions.texts import Texts, read_texts

#: What both models said to the examples in these rows, whole, before an answer was taken from it.
Said = Callable[[Sequence[int]], Sequence[tuple[str, str]]]


class Page(Protocol):
    """Makes the page about an audit from the folder with its tables (``report.audit_page.render``)."""

    def __call__(
        self,
        directory: Path,
        texts: Mapping[Any, str] | Shown | None = None,
        answers: Said | None = None,
        suite: str | None = None,
    ) -> str: ...


def audit(
    dense: Sequence[Path],
    pruned: Sequence[Path],
    out: Path,
    *,
    early: Sequence[Path] = (),
    texts: Path | None = None,
    text_columns: Sequence[str] = (),
    confidence: float = 0.99,
    bins: int = 20,
    page: Page | None = None,
    readability_scores: Path | None = None,
    el2n_scores: Path | None = None,
    seeds: Collection[int] | None = None,
    tolerance: float | None = None,
    similarity: float | None = None,
    margin: float | None = None,
    fail_on: Sequence[str] = (),
    processes: int = 1,
    reading: Reading = UNSAID,
    sides: Mapping[str, Predictions] | None = None,
    shown: Shown | None = None,
    answers: Said | None = None,
    said: Mapping[str, Any] | None = None,
    metrics: Sequence[MatrixRow] = (),
    groups: Sequence[str] = (),
    clusters: str | None = None,
    group_columns: Mapping[str, np.ndarray] | None = None,
    metadata: Path | None = None,
    language: str | None = None,
    group_table: Path | None = None,
    replace: bool = False,
    seed_statistics: bool = True,
    find_slices: bool = True,
    scored: Callable[[Mapping[str, Any]], None] | None = None,
    of_suite: bool = False,
) -> dict[str, Any]:
    """Compare paired models and write tables (and a page) of who pays into ``out``.

    Args:
        dense, pruned: prediction tables, or users' own CSV or Parquet tables, of each side.
        out: a new or empty folder, or one an earlier audit wrote, which is replaced.
        early: the dense models' predictions early in training, for EL2N; of several epochs, for the data map.
        texts, text_columns: the examples' texts, for readability and the report.
        confidence: of the t interval of alpha, 0 to 1.
        bins: of EL2N scores.
        page: makes ``report.html`` from the folder's tables (``report.audit_page.render``); without, there is none.
        readability_scores: a file of ``readability.write_scores`` that spares scoring ``texts``.
        el2n_scores: a file of ``el2n_file.write_scores``, instead of ``early``.
        seeds: only these models; the others of the files are left aside and not counted as dropped.
        tolerance: regression: see ``votes.find_pies``; by default a tenth of the labels' standard deviation.
        similarity: span, text: see ``votes.find_pies``.
        margin: the score may fall by less than this (``summary["margin"]`` says whether it does).
        fail_on: conditions of ``conditions.parse``; ``summary["failed"]`` names those that apply.
        processes: for scoring texts.
        reading: what the user says of tables of their own.
        sides: ``dense`` and ``pruned`` as read already, instead of files.
        shown: the texts of examples for the page, from their rows; instead of ``texts``.
        answers: what both models said, for the page.
        said: more for ``summary.json``; ``more_warnings`` join what the sides warn of.
        metrics: a row for each metric of a log.
        groups: columns by whose values examples are grouped, in the predictions, the texts or ``metadata``.
        clusters: the column of what examples are drawn together, from the same places; tests and intervals count these.
        group_columns: those of them that are read already: the group of every example of the dense side, or None.
        metadata: a table of more columns by example.
        language: of the texts, such as ``en``; None: as the table says, or it is found.
        group_table: a table for ``groups`` alone, of which those with too many values are left out.
        seed_statistics: how firm the results are over seeds (``seed_findings``); some seconds of work.
        find_slices: search for slices that pay, where there are labels.
        scored: called with the numbers of models and both scores as soon as they are known, before intervals and tests.
        of_suite: conditions without a number here stand in ``summary["not_asked"]``: another task may have it.
        replace: let the results replace whatever ``out`` holds; for callers whose folder it is.

    Returns:
        What stands in ``summary.json``.

    Raises:
        UserError: an input is missing, damaged, or does not fit the others; ``out`` holds
            something else; nothing is left to compare. No folder is left behind then.
    """
    asked = _checked(confidence, bins, margin, fail_on)
    if not replace:
        check_free(out)
    table = _texts(texts, text_columns)
    epochs = by_epoch(early)
    early = epochs[0] if epochs else ()
    files = {"dense": dense, "pruned": pruned, **({"early": early} if early else {})}
    read = dict(sides) if sides is not None else read_sides(files, reading=reading)
    pair = paired_sides(read["dense"], read["pruned"], seeds)
    side = pair.dense
    said = {
        **(said or {}),
        "more_warnings": [
            *((said or {}).get("more_warnings") or ()),
            *_probabilities([*dense, *pruned, *chain.from_iterable(epochs)], side.task),
        ],
    }
    if tolerance is None:
        tolerance = _tolerance(side)
    columns = Files(side, dense, pruned, texts, text_columns, metadata, group_table, reading, group_columns)
    together = None if clusters is None else columns.clusters(clusters)
    drawn = None if together is None else {"column": clusters, "n": int(together.max()) + 1}
    read_as = {**({"clusters": drawn} if drawn else {}), **_how_read(read, said)}

    def first(found: Mapping[str, Any]) -> None:
        if scored is not None:
            scored({**found, **read_as})

    results = compared(pair, confidence, tolerance, similarity, together, first)
    if seed_statistics:
        if side.labelled and dense and pruned:
            results.certainty = certainty(dense, side, pruned, pair.pruned, confidence, together)
        results.seeds = seed_findings(side, pair.pruned, dense, pruned)
    influence = _influence(dense, side, epochs, read, seeds, el2n_scores)
    if influence is not None:
        results.el2n, results.bins, results.map = influence.el2n, bins, influence.map
    if table is not None and texts is not None:
        table = table.of(side.keys, texts)
    asked_of = shown if find_slices else None
    questions = Questions.of(side, table, asked_of, readability_scores, language, processes)
    if questions.measured is not None:
        results.readability = readability.compare(
            questions.measured, results.pies.is_pie, confidence, together
        )
    grouped = columns.groups(groups) if groups else {}
    if groups:
        results.groups = group_rows(
            side,
            pair.pruned,
            grouped,
            confidence,
            clusters=together,
            pies=results.pies,
            tolerance=tolerance,
        )
    if find_slices and side.labelled:
        results.slices = paying(results, columns, grouped, questions, tolerance, together)
    results.metrics = metrics
    summary = _summary(results, read, influence, said)
    if drawn:
        summary["clusters"] = drawn
    if groups:
        summary["groups"] = group_summary(results.groups)
    if results.slices is not None:
        summary["slices"] = results.slices.summary
    if metrics:
        left = ("model", "task", "to_right", "p_value")
        summary["metrics"] = [{k: v for k, v in vars(row).items() if k not in left} for row in metrics]
    if margin is not None:
        summary["margin"] = {"margin": margin, "met": conditions.within_margin(summary, margin)}
    if of_suite:
        absent = [one for one in asked if conditions.value_of(one.name, summary) is None]
        asked = [one for one in asked if one not in absent]
        summary |= {"not_asked": [one.text for one in absent]} if absent else {}
    if asked:
        summary["failed"] = [one.text for one in asked if one.applies(summary)]
    # The target itself, should it be a link to a folder elsewhere.
    with atomic_directory(out.resolve()) as folder:
        write(folder, results)
        write_json(folder / "summary.json", summary)
        if page is not None:
            by_example = (
                None if table is None else dict(zip(table.examples.tolist(), table.texts, strict=True))
            )
            write_text(
                folder / "report.html", page(folder, shown if by_example is None else by_example, answers)
            )
    return summary


def _checked(
    confidence: float, bins: int, margin: float | None, fail_on: Sequence[str]
) -> list[conditions.Condition]:
    """The conditions. Raises: UserError: a number is none that can be, or a condition is none."""
    if not 0 < confidence < 1:
        raise UserError(f"--confidence: {confidence:g} is not between 0 and 1; try 0.99")
    if bins < 1:
        raise UserError(f"--bins: {bins} is not a number of bins; try 20")
    if margin is not None and not 0 < margin < 1:
        raise UserError(f"--margin: {margin:g} is not between 0 and 1; try 0.01")
    return [conditions.parse(text) for text in fail_on]


def _probabilities(paths: Sequence[Path], task: str) -> list[str]:
    what = "the logarithms of their odds" if task == "multi-label" else "their logarithms"
    found = [path for path in paths if holds_probabilities(Path(path))]
    return [f"logits of {path} are probabilities: {what} are taken" for path in found]


def _texts(path: Path | None, columns: Sequence[str]) -> Texts | None:
    if path is None:
        if columns:
            raise UserError("--text-column: names a column of no file; give --texts FILE too")
        return None
    return read_texts(path, columns)


def _tolerance(side: Predictions) -> float:
    """How far two numbers may be apart and be the same; 0 where answers are no numbers."""
    if side.task != "regression":
        return 0.0
    # Labels that do not vary say nothing of what is close; what the dense models answer does.
    of_labels = default_tolerance(side.label) if side.labelled else 0.0
    return of_labels or default_tolerance(side.prediction.ravel())


def _influence(
    dense: Sequence[Path],
    side: Predictions,
    epochs: Sequence[Sequence[Path]],
    read: Mapping[str, Predictions],
    seeds: Collection[int] | None,
    stored: Path | None,
) -> Scores | None:
    """EL2N and data map: of the dense models' predictions of early epochs, or as they were stored."""
    if not epochs:
        return None if stored is None else read_scores(stored, side)
    if not side.labelled:
        raise UserError(f"--early: {read['dense'].sources[0]} has no labels, which EL2N needs; drop --early")
    # What the dense models say in the end is one epoch more, of those that are there at the first.
    first = read["early"].chosen(seeds)
    same = np.array_equal(side.seeds, first.seeds) and np.array_equal(side.examples, first.examples)
    final = [dense] if has_logits(list(dense)) and same else []
    return scores_of(epochs[0], read["early"], seeds, [*epochs[1:], *final])


def _summary(
    results: Results, read: Mapping[str, Predictions], influence: Scores | None, said: Mapping[str, Any]
) -> dict[str, Any]:
    """The numbers of the answers, what was compared, and how it was read."""
    known: dict[str, Predictions | About] = {name: read[name] for name in ("dense", "pruned")}
    if influence is not None:
        known["early"] = influence.about
    return {
        **results.summary,
        **(results.seeds.summary(results.pies.is_pie) if results.seeds else {}),
        **summary_of(results.certainty),
        **({"el2n_seeds": influence.about.seeds} if influence else {}),
        "models": {name: side.described for name, side in known.items()},
        "sources": {name: list(side.sources) for name, side in known.items()},
        **_how_read(read, said),
        **{name: value for name, value in said.items() if name != "more_warnings"},
    }


def _how_read(sides: Mapping[str, Predictions], said: Mapping[str, Any]) -> dict[str, Any]:
    """How users' tables were read (``read``) and what of it looks odd (``warnings``); nothing of prediction tables."""
    known = {name: side.read for name, side in sides.items() if side.read is not None}
    more = list(said.get("more_warnings") or ())
    if not known:
        return {"warnings": more} if more else {}
    first = next(iter(sides.values()))
    how = next(iter(known.values()))
    warnings = dict.fromkeys([*more, *(line for side in known.values() for line in side["warnings"])])
    if not first.labelled:
        warnings |= {"no labels: votes and their changes are compared, without scores": None}
    return {
        "read": {
            "classes": list(first.classes[:100]),
            "order": how["order"],
            "notes": list(dict.fromkeys(note for side in known.values() for note in side["notes"])),
            "columns": {name: side["columns"] for name, side in known.items()},
        },
        **({"warnings": list(warnings)} if warnings else {}),
    }
