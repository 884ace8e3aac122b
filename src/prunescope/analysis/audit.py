"""An audit: who pays, from predictions alone, for any pair of models.

It knows nothing of how the models were made. Everything is computed first and written then, into
a folder that appears as a whole.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from prunescope.analysis import conditions, readability, slices
from prunescope.analysis.alpha.corrected import Corrected
from prunescope.analysis.alpha.distortion import Distortion, distortion
from prunescope.analysis.audit_tables import MatrixRow
from prunescope.analysis.certainty import certainty, summary_of, sureness
from prunescope.analysis.class_scores import class_scores
from prunescope.analysis.csv_text import null
from prunescope.analysis.data_map import by_epoch
from prunescope.analysis.el2n import bin_of
from prunescope.analysis.el2n_file import About, read_scores, scores_of
from prunescope.analysis.groups import are_groups, group_rows, group_summary
from prunescope.analysis.outputs import FILES, Results, is_audit, suite_folders, write
from prunescope.analysis.paired import Changes, clusters_of, harm_tests, majority
from prunescope.analysis.pies.agreement import flips_by_direction
from prunescope.analysis.pies.classes import class_counts, most_harmed, with_tests
from prunescope.analysis.pies.seed_findings import seed_findings
from prunescope.analysis.pies.spearman import has_logits
from prunescope.analysis.pies.votes import Pies, default_tolerance, find_pies
from prunescope.analysis.stats import Interval, mean, std
from prunescope.errors import UserError, listed
from prunescope.files import atomic_directory, write_json, write_text
from prunescope.predictions.grouping import further_columns, read_groups
from prunescope.predictions.reading import UNSAID, Reading
from prunescope.predictions.scores import correct, flips, score_name, scores
from prunescope.predictions.sets import class_sizes
from prunescope.predictions.store import Predictions, read_sides
from prunescope.predictions.task_metrics import own_metrics, task_scores
from prunescope.predictions.texts import Texts, count_tokens, read_texts

#: The texts of the examples in these rows.
Shown = Callable[[Sequence[int]], Sequence[str]]

#: From a folder with all tables of an audit, and texts by example or row, the page about them as HTML.
Page = Callable[[Path, Mapping[Any, str] | Shown | None], str]

#: Questions of a log that are read for slices at most, and characters of them that are scored for readability.
_MOST_QUESTIONS, _MOST_SCORED = 200_000, 3_000_000

#: The column of the texts' lengths.
_LENGTH = "length in tokens"


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
        replace: let the results replace whatever ``out`` holds; for callers whose folder it is.

    Returns:
        What stands in ``summary.json``.

    Raises:
        UserError: an input is missing, damaged, or does not fit the others; ``out`` holds
            something else; nothing is left to compare. No folder is left behind then.
    """
    if not 0 < confidence < 1:
        raise UserError(f"--confidence: {confidence:g} is not between 0 and 1; try 0.99")
    if bins < 1:
        raise UserError(f"--bins: {bins} is not a number of bins; try 20")
    if margin is not None and not 0 < margin < 1:
        raise UserError(f"--margin: {margin:g} is not between 0 and 1; try 0.01")
    asked = [conditions.parse(text) for text in fail_on]
    if not replace:
        check_free(out)
    table = _texts(texts, text_columns)
    epochs = by_epoch(early)
    early = epochs[0] if epochs else ()
    files = {"dense": dense, "pruned": pruned, **({"early": early} if early else {})}
    read = dict(sides) if sides is not None else read_sides(files, reading=reading)
    pair = paired_sides(read["dense"], read["pruned"], seeds)
    if tolerance is None and pair.dense.task == "regression":
        # Labels that do not vary say nothing of what is close; what the dense models answer does.
        of_labels = default_tolerance(pair.dense.label) if pair.dense.labelled else 0.0
        tolerance = of_labels or default_tolerance(pair.dense.prediction.ravel())

    def columns(names: Sequence[str], option: str) -> dict[str, np.ndarray]:
        held = group_columns or {}
        tables = (*dense, *pruned) if group_columns is None else ()
        more = [Path(path) for path in (*tables, texts, metadata, group_table) if path is not None]
        missing = [name for name in names if name not in held]
        read_now = read_groups(missing, pair.dense, more, reading, option) if missing else {}
        return {name: held[name] if name in held else read_now[name] for name in names}

    together = None if clusters is None else _clusters(columns([clusters], "--clusters")[clusters], clusters)

    def first(found: Mapping[str, Any]) -> None:
        if scored is not None:
            drawn = (
                {} if together is None else {"clusters": {"column": clusters, "n": int(together.max()) + 1}}
            )
            scored({**found, **drawn, **_how_read(read, said or {})})

    results = _analyse(pair, confidence, tolerance or 0.0, similarity, together, first)
    if seed_statistics:
        if pair.dense.labelled and dense and pruned:
            results.certainty = certainty(dense, pair.dense, pruned, pair.pruned, confidence, together)
        results.seeds = seed_findings(pair.dense, pair.pruned, dense, pruned)
    scores = None
    if early and not pair.dense.labelled:
        raise UserError(f"--early: {read['dense'].sources[0]} has no labels, which EL2N needs; drop --early")
    if early:
        # What the dense models say in the end is one epoch more, of those that are there at the first.
        final = (
            [dense] if has_logits(list(dense)) and _as_early(pair.dense, read["early"].chosen(seeds)) else []
        )
        scores = scores_of(early, read["early"], seeds, [*epochs[1:], *final])
    elif el2n_scores is not None:
        scores = read_scores(el2n_scores, pair.dense)
    if scores is not None:
        results.el2n, results.bins, results.map = scores.el2n, bins, scores.map
    if table is not None and texts is not None:
        table = table.of(pair.dense.keys, texts)
    measured = None
    if readability_scores is not None:
        measured = readability.read_scores(readability_scores, pair.dense.examples)
    elif table is not None:
        measured = readability.with_counts(
            readability.score_texts(table.texts, processes=processes, language=language or table.language),
            table,
        )
    questions = table.texts if table is not None else None
    if shown is not None and find_slices and len(pair.dense.examples) <= _MOST_QUESTIONS:
        questions = slices.questions_of(shown(range(len(pair.dense.examples))))
        if measured is None and sum(map(len, questions)) <= _MOST_SCORED:
            measured = readability.score_texts(questions, processes=processes, language=language)
    if measured is not None:
        results.readability = readability.compare(measured, results.pies.is_pie, confidence, together)
    known: dict[str, Predictions | About] = {"dense": read["dense"], "pruned": read["pruned"]}
    if scores is not None:
        known["early"] = scores.about
    summary = {
        **results.summary,
        **(results.seeds.summary(results.pies.is_pie) if results.seeds else {}),
        **summary_of(results.certainty),
        **({"el2n_seeds": scores.about.seeds} if scores else {}),
        "models": {name: side.described for name, side in known.items()},
        "sources": {name: list(side.sources) for name, side in known.items()},
        **_how_read(read, said or {}),
        **{name: value for name, value in (said or {}).items() if name != "more_warnings"},
    }
    if together is not None:
        summary["clusters"] = {"column": clusters, "n": int(together.max()) + 1}
    grouped: dict[str, np.ndarray] = {}
    if groups:
        grouped = columns(groups, "--groups")
        if group_table is not None:
            grouped = {name: values for name, values in grouped.items() if are_groups(values)}
        results.groups = group_rows(pair.dense, pair.pruned, grouped, confidence, clusters=together)
        summary["groups"] = group_summary(results.groups)
    # The tests of slices count examples.
    if find_slices and pair.dense.labelled and together is None:
        known_of = dict(group_columns or {})
        if dense and pruned:
            known_of |= _same_columns(pair.dense, dense[0], pruned[0], reading)
        if texts is not None:
            known_of |= further_columns(pair.dense, texts, reading, text_columns)
        if metadata is not None:
            known_of |= further_columns(pair.dense, metadata, reading, ())
        if groups:
            known_of |= grouped
        if (sure := sureness(dense, pair.dense)) is not None:
            known_of["confidence of the dense model"] = sure
        results.slices = _slices(results, known_of, measured, questions, tolerance or 0.0)
        summary["slices"] = results.slices.summary
    results.metrics = metrics
    if metrics:
        wanted = ("metric", "n_examples", "dense", "pruned", "change", "ci_low", "ci_high", "p_corrected")
        summary["metrics"] = [{name: getattr(row, name) for name in wanted} for row in metrics]
    if margin is not None:
        summary["margin"] = {"margin": margin, "met": conditions.within_margin(summary, margin)}
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
            write_text(folder / "report.html", page(folder, shown if by_example is None else by_example))
    return summary


def _same_columns(side: Predictions, dense: Path, pruned: Path, reading: Reading) -> dict[str, np.ndarray]:
    """Further columns that the tables of both sides have alike: they are of the examples, not of the models."""
    first, second = (further_columns(side, path, reading, ("seed", "logits")) for path in (dense, pruned))
    return {
        name: values
        for name, values in first.items()
        if name in second and np.array_equal(values, second[name])
    }


def _as_early(dense: Predictions, early: Predictions) -> bool:
    """Whether both have the same seeds and examples."""
    return np.array_equal(dense.seeds, early.seeds) and np.array_equal(dense.examples, early.examples)


def _slices(
    results: Results,
    columns: Mapping[str, np.ndarray],
    measured: np.ndarray | None,
    questions: Sequence[str] | None,
    tolerance: float,
) -> slices.Found:
    """Slices that pay, by columns of the user's and by what the audit knows of the examples.

    Args:
        columns: (n,) by name. measured: (n, 8) readability. questions: the examples' texts.
    """
    dense, pruned = results.dense, results.pruned
    known = {**columns, **slices.of_labels(dense)}
    if results.el2n is not None:
        known["EL2N bin"] = bin_of(results.el2n, results.bins)
    if measured is not None:
        names = [name.replace("_", " ") for name in readability.FORMULAS]
        scored = zip((*names, _LENGTH), measured.T, strict=True)
        # Formulas are for English; of other texts there are none.
        known |= {name: values for name, values in scored if not np.isnan(values).all()}
    elif questions is not None:
        known[_LENGTH] = np.array([count_tokens(text) for text in questions])
    votes = [majority(correct(side, tolerance)) for side in (dense, pruned)]
    texts = None if questions is None else lambda rows: [questions[row] for row in rows]
    return slices.find(votes[0], votes[1], known, texts)


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


class NothingToCompareError(UserError):
    """Every seed is missing or diverged on one side at least."""


@dataclass(frozen=True)
class Pair:
    """Both sides with the same seeds; how many seeds were dropped for it, and which diverged."""

    dense: Predictions
    pruned: Predictions
    n_dropped: int
    diverged: Mapping[str, Sequence[int]]


def paired_sides(dense: Predictions, pruned: Predictions, seeds: Collection[int] | None) -> Pair:
    dense, pruned = dense.chosen(seeds), pruned.chosen(seeds)
    common = np.intersect1d(dense.seeds, pruned.seeds)
    diverged = set(dense.diverged) | set(pruned.diverged)
    common = common[~np.isin(common, sorted(diverged))]
    named = set(dense.seeds.tolist()) | set(pruned.seeds.tolist()) | diverged
    if not len(common):
        lines = [
            f"{name} {listed(side.seeds.tolist()) or 'none'}"
            + (f" (diverged: {listed(side.diverged)})" if side.diverged else "")
            for name, side in (("dense", dense), ("pruned", pruned))
        ]
        raise NothingToCompareError(
            f"{pruned.sources[0]}: no seed has usable predictions on both sides ({'; '.join(lines)}); "
            "models pair by seed"
        )
    return Pair(
        dense.only(common),
        pruned.only(common),
        len(named) - len(common),
        {"dense": list(dense.diverged), "pruned": list(pruned.diverged)},
    )


def _clusters(values: np.ndarray, name: str) -> np.ndarray:
    """(n,) numbers of clusters.

    Raises:
        UserError: an example has none, or all have the same.
    """
    if any(value is None or value == "" for value in values):
        raise UserError(
            f"--clusters: column {name!r} has no value for some examples; fill it or drop the option"
        )
    found = clusters_of(values.astype(str))
    if not found.any():
        raise UserError(
            f"--clusters: column {name!r} has one value, {values[0]!r}: one cluster says nothing of others; drop the "
            "option"
        )
    return found


def _analyse(
    pair: Pair,
    confidence: float,
    tolerance: float,
    similarity: float | None,
    clusters: np.ndarray | None,
    scored_first: Callable[[Mapping[str, Any]], None],
) -> Results:
    dense, pruned = pair.dense, pair.pruned
    pies = find_pies(dense, pruned, tolerance=tolerance, similarity=similarity)
    if not dense.labelled:
        return _unlabelled(pair, pies, tolerance, similarity)
    right_dense, right_pruned = correct(dense, tolerance), correct(pruned, tolerance)
    flipped = flips(right_dense, right_pruned)
    score_dense, score_pruned = scores(dense, right_dense), scores(pruned, right_pruned)
    # The means are over the pairs that their difference is over: a model without a score leaves its pair out.
    scored = _scored(score_dense, score_pruned)
    means = {"dense_score": _mean(score_dense[scored]), "pruned_score": _mean(score_pruned[scored])}
    scored_first({**_counts(pair, pies), **means})
    dense_on_pies = scores(dense, right_dense, pies.is_pie)
    pruned_on_pies = scores(pruned, right_pruned, pies.is_pie)
    changes = Changes(dense, pruned, (right_dense, right_pruned), confidence, clusters=clusters)
    scored_on_pies = _scored(dense_on_pies, pruned_on_pies)
    single = dense.task == "single-label"
    recall = distortion(dense, pruned, right_dense, right_pruned) if single else None
    summary: dict[str, Any] = {
        **_counts(pair, pies),
        "n_scored": int(np.count_nonzero(scored)),
        **means,
        "dense_score_std": _std(score_dense[scored]),
        "pruned_score_std": _std(score_pruned[scored]),
        "n_scored_on_pies": int(np.count_nonzero(scored_on_pies)),
        "dense_score_on_pies": _mean(dense_on_pies[scored_on_pies]),
        "pruned_score_on_pies": _mean(pruned_on_pies[scored_on_pies]),
        "change": changes.of_score(score_dense, score_pruned),
        "change_on_pies": changes.of_score(dense_on_pies, pruned_on_pies, pies.is_pie),
        "n_flips_mean": float(np.mean(flipped)),
        "flips": vars(flips_by_direction(right_dense, right_pruned)),
        "mcnemar": _mcnemar(pair, pies, tolerance, clusters),
    }
    metrics, parts = own_metrics(dense)
    before, after = (task_scores(side, metrics, parts) for side in (dense, pruned))
    if before:
        on_pies = [task_scores(side, metrics, parts, pies.is_pie) for side in (dense, pruned)]
        summary["task_metrics"] = {}
        for name in before:
            kept, on = _scored(before[name], after[name]), _scored(on_pies[0][name], on_pies[1][name])
            summary["task_metrics"][name] = {
                "dense": _mean(before[name][kept]),
                "pruned": _mean(after[name][kept]),
                "dense_std": _std(before[name][kept]),
                "pruned_std": _std(after[name][kept]),
                "n_scored": int(np.count_nonzero(kept)),
                "dense_on_pies": _mean(on_pies[0][name][on]),
                "pruned_on_pies": _mean(on_pies[1][name][on]),
                "n_scored_on_pies": int(np.count_nonzero(on)),
                "change": changes.of_metric(name, parts, before[name], after[name]),
                "change_on_pies": changes.of_metric(
                    name, parts, on_pies[0][name], on_pies[1][name], pies.is_pie
                ),
            }
    summary |= _particulars(dense, pies, tolerance, similarity)
    summary["constant"] = {name: _constant(side) for name, side in (("dense", dense), ("pruned", pruned))}
    classes = class_counts(dense, pies)
    if recall is not None:
        summary |= _alpha(recall, confidence, clusters is None)
        classes = with_tests(classes, dense, pies, recall, clusters)
        summary["most_harmed"] = most_harmed(classes)
    return Results(
        summary=summary,
        dense=dense,
        pruned=pruned,
        pies=pies,
        scores=(score_dense, score_pruned, flipped),
        classes=classes,
        distortion=recall,
        class_scores=class_scores(dense, pruned, right_dense, right_pruned) if single else None,
        task_metrics={name: (before[name], after[name]) for name in before},
    )


def _scored(dense: np.ndarray, pruned: np.ndarray) -> np.ndarray:
    """(S,) bool: pairs of which both models have a score."""
    return np.asarray(np.isfinite(pruned - dense))


def _constant(side: Predictions) -> list[int]:
    """Seeds of the models that give one answer to all examples; tokens are not looked at."""
    if side.task == "tokens" or len(side.examples) < 2:
        return []
    return [
        int(seed) for seed, row in zip(side.seeds, side.prediction, strict=True) if (row == row[:1]).all()
    ]


def _counts(pair: Pair, pies: Pies) -> dict[str, Any]:
    """What an audit has of every task, with or without labels."""
    n, n_pies = len(pair.dense.examples), int(pies.is_pie.sum())
    return {
        "task": pair.dense.task,
        "metric": pair.dense.metric or score_name(pair.dense.task),
        "n_examples": n,
        "n_seeds": len(pair.dense.seeds),
        "n_seeds_dropped": pair.n_dropped,
        "seeds": pair.dense.seeds.tolist(),
        "diverged": pair.diverged,
        "n_classes": len(pair.dense.classes),
        "n_pies": n_pies,
        "pie_share": n_pies / n,
    }


def _unlabelled(pair: Pair, pies: Pies, tolerance: float, similarity: float | None) -> Results:
    """Without labels a flip is a prediction that changes; there are no scores."""
    dense, pruned = pair.dense, pair.pruned
    changed = [
        int(
            find_pies(
                dense.only(seed), pruned.only(seed), tolerance=tolerance, similarity=similarity
            ).is_pie.sum()
        )
        for seed in dense.seeds[:, None]
    ]
    scores_ = ("dense_score", "pruned_score", "dense_score_on_pies", "pruned_score_on_pies", "change")
    none = np.full(len(dense.seeds), np.nan)
    return Results(
        summary={
            **_counts(pair, pies),
            "labelled": False,
            **dict.fromkeys(scores_),
            "n_flips_mean": float(np.mean(changed)),
            **_particulars(dense, pies, tolerance, similarity),
        },
        dense=dense,
        pruned=pruned,
        pies=pies,
        scores=(none, none, np.array(changed)),
        classes=[],
        distortion=None,
    )


def _mcnemar(pair: Pair, pies: Pies, tolerance: float, clusters: np.ndarray | None) -> dict[str, Any]:
    """Of one model a side, or of the majority votes of several; by cluster where examples are drawn in clusters."""
    if pair.dense.right is not None and pair.pruned.right is not None:
        dense, pruned = (majority(right) for right in (pair.dense.right, pair.pruned.right))
    else:
        dense, pruned = (
            correct(dataclasses.replace(pair.dense, prediction=vote.vote[None]), tolerance)[0]
            for vote in (pies.dense, pies.pruned)
        )
    everything = np.zeros(len(dense), dtype=np.int64)
    (to_wrong,), (to_right,), (p_value,) = harm_tests(
        dense & ~pruned, ~dense & pruned, everything, 1, clusters
    )
    return {"to_wrong": int(to_wrong), "to_right": int(to_right), "p_value": p_value}


def _particulars(side: Predictions, pies: Pies, tolerance: float, similarity: float | None) -> dict[str, Any]:
    """What only some tasks have."""
    if side.task == "multi-label":
        return {
            "n_classes_without_label": int(np.count_nonzero(class_sizes(side.label, len(side.classes)) == 0))
        }
    if side.task == "regression":
        return {"tolerance": tolerance}
    if side.task == "tokens" and pies.differing is not None:
        return {"n_tokens": sum(map(len, side.prediction[0])), "n_token_pies": int(pies.differing.sum())}
    if side.task in ("span", "text"):
        return {"similarity": similarity}
    return {}


def _alpha(recall: Distortion, confidence: float, independent: bool) -> dict[str, Any]:
    """``independent``: examples are drawn one by one, which the interval of the corrected alpha rests on."""
    interval = recall.interval(confidence)
    left_out = int(np.isnan(recall.alpha).sum())
    null, pairs = recall.null()
    corrected = recall.corrected(confidence)
    if not independent:
        corrected = Corrected(corrected.mean, None, None)
    return {
        "alpha": {
            **_entry(interval, confidence),
            "n_seeds": len(recall.alpha) - left_out,
            "n_left_out": left_out,
        },
        "alpha_null": {"mean": null, "n": pairs},
        "alpha_corrected": _entry(corrected, confidence),
    }


def _entry(found: Interval | Corrected, confidence: float) -> dict[str, Any]:
    ends = {"mean": found.mean, "ci_low": found.low, "ci_high": found.high}
    return {**ends, "confidence": confidence, "verdict": found.verdict}


def _mean(values: np.ndarray) -> float | None:
    """Mean over models; null of none, and where one of them has no score."""
    center = mean(values)
    return None if center is None else null(center)


def _std(values: np.ndarray) -> float | None:
    spread = std(values)
    return None if spread is None else null(spread)


def _texts(path: Path | None, columns: Sequence[str]) -> Texts | None:
    if path is None:
        if columns:
            raise UserError("--text-column: names a column of no file; give --texts FILE too")
        return None
    return read_texts(path, columns)


def check_free(out: Path) -> None:
    """Raises: UserError: ``out`` holds something other than an audit or a suite of audits."""
    try:
        if not out.is_dir():
            if out.exists():
                raise UserError(f"{out}: is a file; choose another --out folder")
            return
        held = sorted(path.name for path in out.iterdir())
    except OSError as error:
        raise UserError(f"{out}: cannot be used ({error.strerror}); choose another --out folder") from None
    folders = suite_folders(out)
    foreign = [
        name for name in held if name not in (*FILES, *(folders or ())) and not name.startswith(_HOUSEKEEPING)
    ]
    # The folder is replaced as a whole, so nothing of the user's may stand in it. What marks it as
    # ours is not the summary: workflow tools remove their outputs before they run a job again.
    if foreign or (held and folders is None and not is_audit(out)):
        raise UserError(
            f"{out}: holds something other than an audit ({listed(foreign or held, 3)}); "
            "choose another --out folder or empty it"
        )


#: What workflow tools and file managers leave in a folder.
_HOUSEKEEPING = (".snakemake", ".DS_Store", ".nfs")
