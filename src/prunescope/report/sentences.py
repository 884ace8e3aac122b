"""Sentences of the report, from numbers."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from prunescope.analysis.alpha.corrected import FEWEST_SEEDS
from prunescope.analysis.conditions import LEVEL
from prunescope.analysis.spans import ANY, harness_span
from prunescope.errors import listed
from prunescope.figures.style import CORRELATIONS, pretty_metric
from prunescope.report.audit_files import ClassRow

#: A difference smaller than this, in points, is called the same.
SAME_POINTS = 0.05

#: An interval of a change this wide, of the 100 points that there are, says next to nothing.
SAYS_NOTHING = 0.9

#: The measure that is no formula: how long a text is.
LENGTH = "text_length"

#: Texts of fewer tokens on average are too short for formulas of readability.
SHORT = 50

GAP = "–"


def percent(value: float | None, digits: int = 1) -> str:
    """``0.123`` as ``12.3%``; a dash where there is no value."""
    if value is None or not math.isfinite(value):
        return GAP
    return f"{100 * value:z.{digits}f}%".replace("-", "−")


def points(difference: float | None) -> str:
    """``-0.032`` as ``3.2 points``: the size of a difference of two shares."""
    return GAP if difference is None else f"{abs(100 * difference):.1f} points"


def signed_points(difference: float | None) -> str:
    """``-0.032`` as ``−3.2``, in points."""
    if difference is None or not math.isfinite(difference):
        return GAP
    text = f"{100 * difference:+.1f}".replace("-", "−")
    return "0.0" if text in ("+0.0", "−0.0") else text


def supported_points(value: float | None, low: float | None, high: float | None) -> str:
    """In points, with the digits that an interval supports: whole ones where it reaches a point or more to each side.

    >>> supported_points(-0.9072, -1.0, -0.558), supported_points(0.0123, 0.0101, 0.0145)
    ('−91', '+1.2')
    """
    if value is None or low is None or high is None or high - low < 0.02:
        return signed_points(value)
    text = f"{100 * value:+.0f}".replace("-", "−")
    return "0" if text in ("+0", "−0") else text


def number(value: float | None, digits: int = 2) -> str:
    if value is None or not math.isfinite(value):
        return GAP
    # z: no minus before what rounds to zero.
    return f"{value:z.{digits}f}".replace("-", "−")


def count(value: float | None, noun: str = "", plural: str | None = None) -> str:
    """``1,203 examples``; means keep one decimal where they have one."""
    if value is None or not math.isfinite(value):
        return GAP
    whole = abs(value - round(value)) < 0.05
    text = f"{round(value):,}" if whole else f"{value:,.1f}"
    if not noun:
        return text
    return f"{text} {noun if whole and round(value) == 1 else plural or noun + 's'}"


def metric_name(summary: Mapping[str, Any]) -> str:
    """What the summary's scores are, as a reader writes it."""
    by_task = {"single-label": "accuracy", "multi-label": "macro_f1"}
    return pretty_metric(str(summary.get("metric") or by_task.get(str(summary.get("task")), "score")))


def is_share(summary: Mapping[str, Any]) -> bool:
    """Whether scores read as percent; correlations and the like do not."""
    return metric_name(summary) not in (*CORRELATIONS.values(), "score")


def counts_examples(summary: Mapping[str, Any]) -> bool:
    """Whether the score is the share of examples that are right, whose changes flips are."""
    return metric_name(summary) in ("accuracy", "exact match") and summary.get("task") != "tokens"


def score_text(value: float | None, summary: Mapping[str, Any]) -> str:
    return percent(value) if is_share(summary) else number(value, 3)


def read_lines(summary: Mapping[str, Any]) -> list[str]:
    """How predictions were read: task and size; of users' tables and logs also classes, their order, and columns."""
    read = summary.get("read")
    if not isinstance(read, Mapping):
        if summary.get("task") is None:
            return []
        total = summary.get("n_classes")
        read = {"notes": ["prediction tables" + (f", {count(total, 'class', 'classes')}" if total else "")]}
    notes = f" ({'; '.join(read['notes'])})" if read.get("notes") else ""
    lines = [
        f"Read as {summary['task']}{notes}: {count(summary.get('n_examples'), 'example')}, "
        f"{count(summary.get('n_seeds'), 'seed')} a side."
    ]
    if read.get("classes"):
        total = summary.get("n_classes") or len(read["classes"])
        names = [name if name == name.strip() else repr(name) for name in read["classes"][:12]]
        shown = ", ".join(names) + (f" and {total - 12} more" if total > 12 else "")
        lines.append(f"{count(total, 'class', 'classes')}, {read['order']}: {shown}.")
    columns = read.get("columns") or {}
    texts = {
        side: ", ".join(f"{role} = {name}" for role, name in named.items()) for side, named in columns.items()
    }
    if len(set(texts.values())) == 1:
        texts = {"both sides": next(iter(texts.values()))} if len(texts) > 1 else texts
    lines += [f"Columns of {side}: {text}." for side, text in texts.items() if text]
    clusters = summary.get("clusters")
    if clusters:
        lines.append(
            f"{count(clusters['n'], 'cluster')} of examples by {clusters['column']!r}: tests and intervals count these."
        )
    return lines


def group_sentences(summary: Mapping[str, Any], only_told: bool = False) -> list[str]:
    """For each column of groups the one that loses most, as far as it can be told, and the gap before and after.

    only_told: leave out columns in which no loss can be told from chance.
    """
    found = []
    for name, entry in (summary.get("groups") or {}).items():
        small = entry["n_small"]
        left = (
            f" {count(small, 'group')} of fewer than 20 examples {'is' if small == 1 else 'are'} left out."
            if small
            else ""
        )
        if entry.get("worst") is None:
            found += [] if only_told else [f"{name}: all groups are too small to compare."]
            continue
        change, p = entry["worst_change"], entry["worst_p_corrected"]
        told = p is not None and p < LEVEL and change < 0
        if only_told and not told:
            continue
        head = (
            f"{name}: “{entry['worst']}” loses most: {signed_points(change)} points (no loss: corrected {p_text(p)})"
            if told
            else f"{name}: no group's loss can be told from chance after correction"
        )
        found.append(
            f"{head}; the gap between best and worst group is {points(entry['gap_dense'])} before and "
            f"{points(entry['gap_pruned'])} after.{left}"
        )
    return found


def change_text(change: float | None, of: Mapping[str, Any]) -> str:
    """In points where the score is a share, else as a number."""
    if change is None:
        return GAP
    return signed_points(change) if is_share(of) else f"{change:+.3f}".replace("-", "−")


def votes(summary: Mapping[str, Any], n: float = 2) -> str:
    """What the answers of a side's models together are called."""
    name = "majority vote"
    if summary.get("n_seeds") == 1:
        name = "answer"
    elif summary.get("task") == "regression":
        name = "median score"
    return name if n == 1 else f"{name}s"


def harm_test(summary: Mapping[str, Any]) -> str:
    """What tests whether more answers become wrong than right."""
    return "exact test by cluster" if summary.get("clusters") else "exact McNemar test"


def score_sentence(summary: Mapping[str, Any]) -> str:
    """From what to what the mean score goes."""
    dense, pruned = summary.get("dense_score"), summary.get("pruned_score")
    seeds = summary.get("n_seeds")
    metric = metric_name(summary)
    if summary.get("labelled") is False:
        return f"No labels: the votes of {count(seeds, 'pair')} of models are compared, without scores."
    if dense is None or pruned is None:
        text = f"{count(seeds, 'pair')} of models were compared on {count(summary.get('n_examples'), 'example')}."
        none = summary.get("n_scored") == 0
        return f"{text} None has a {metric}: labels or answers do not vary." if none else text
    scored = summary.get("n_scored")
    over = count(seeds, "seed")
    if scored not in (None, seeds):
        over = f"the {count(scored)} of {over} that have one"
    mean = f"Mean {metric} over {over}" if seeds != 1 else f"With one seed, {metric}"
    change = pruned - dense
    first, second = score_text(dense, summary), score_text(pruned, summary)
    if abs(100 * change) < SAME_POINTS:
        return f"{mean} stays at {first}."
    verb = "falls" if change < 0 else "rises"
    by = f", by {points(change)}{change_interval(summary.get('change'))}" if is_share(summary) else ""
    return f"{mean} {verb} from {first} to {second}{by}."


def change_interval(change: Any) -> str:
    """``(99% interval of the change −5.0 to −1.0)``, in points; nothing where there is no interval."""
    if not isinstance(change, Mapping) or change.get("ci_low") is None or change.get("ci_high") is None:
        return ""
    low, high = signed_points(change["ci_low"]), signed_points(change["ci_high"])
    if change["ci_high"] - change["ci_low"] >= SAYS_NOTHING:
        few = "examples" if change.get("n_seeds") == 1 else "seeds"
        return f" (too few {few} to say how far it would vary)"
    return f" ({100 * change['confidence']:g}% interval of the change {low} to {high})"


def flips_sentence(summary: Mapping[str, Any]) -> str | None:
    """How many examples change between right and wrong behind that mean; of one seed ``harm_sentence`` says it."""
    flips, n = summary.get("n_flips_mean"), summary.get("n_examples")
    if flips is None or not n or (summary.get("n_seeds") == 1 and summary.get("mcnemar")):
        return None
    if summary.get("labelled") is False:
        return (
            f"In the average seed, {count(flips)} of {count(n, 'prediction')} ({percent(flips / n)}) change."
        )
    dense, pruned = summary.get("dense_score"), summary.get("pruned_score")
    if flips == 0:
        return "No single example changes between right and wrong in any seed."
    between = (
        "right and wrong"
        if summary.get("tolerance") is None
        else "within and beyond the tolerance of the label"
    )
    changed = f"{count(flips)} of {count(n, 'example')} ({percent(flips / n)})"
    text = f"In the average seed, {changed} change between {between}"
    if counts_examples(summary) and dense is not None and pruned is not None:
        net = abs(pruned - dense) * n
        if net >= 0.5 and flips / net >= 1.5:
            low, high = ((summary.get("change") or {}).get(end) for end in ("ci_low", "ci_high"))
            if low is not None and high is not None and low <= 0 <= high:
                # A ratio to a change that may be none says nothing.
                return f"{text}."
            text += f", {flips / net:.1f} times as many as the change of the mean shows"
        elif net < 0.5:
            text += ", though the mean hardly moves"
    return text + "."


def pies_sentence(summary: Mapping[str, Any]) -> str:
    """How many examples' majority votes change."""
    pies, n = summary.get("n_pies"), summary.get("n_examples")
    if pies is None or n is None:
        return "The majority votes were not compared."
    if pies == 0:
        return f"{_vote_changes(summary)} for none of {count(n, 'example')}: there are no PIEs."
    tokens = ""
    if summary.get("n_token_pies") is not None:
        tokens = f", on {count(summary['n_token_pies'])} of {count(summary.get('n_tokens'), 'token')}"
    return (
        f"{_vote_changes(summary)} for {count(pies)} of {count(n, 'example')} "
        f"({percent(summary.get('pie_share'))}){tokens}: {'this one is' if pies == 1 else 'these are'} the "
        "pruning-identified exemplars, PIEs."
    )


def _vote_changes(summary: Mapping[str, Any]) -> str:
    tolerance = summary.get("tolerance")
    if tolerance is None:
        return (
            "The prediction changes" if summary.get("n_seeds") == 1 else "The models' majority vote changes"
        )
    whose = "score" if summary.get("n_seeds") == 1 else "models' median score"
    return f"The {whose} changes by more than the tolerance, {tolerance:.3g},"


def noise_sentence(summary: Mapping[str, Any]) -> str | None:
    """Whether the PIEs are more than what other seeds change: half against half of the models."""
    floor = summary.get("noise_floor")
    if not isinstance(floor, Mapping):
        return None
    verdict = {
        ">": "pruning changes more votes than other seeds do",
        "<": "pruning changes fewer votes than other seeds do",
    }.get(str(floor.get("verdict")), "pruning cannot be distinguished from other seeds")
    models = floor.get("n_models")
    seeds = summary.get("n_seeds")
    fewer = f", with {count(models, 'voter')} a side instead of {count(seeds)}" if seeds and models else ""
    groups = "two dense models" if models == 1 else f"disjoint groups of {count(models)} dense models"
    return (
        f"Noise floor{fewer}: between {groups}, {percent(floor.get('mean'))} of the votes differ; between as many "
        f"dense and pruned models of other seeds, {percent(floor.get('pie_share_half'))}: {verdict}."
    )


def loyalty_sentence(summary: Mapping[str, Any]) -> str | None:
    """How often single predictions stay, against other seeds."""
    loyalty = summary.get("loyalty")
    if not isinstance(loyalty, Mapping):
        return None
    text = f"Model by model, {percent(loyalty.get('mean'))} of the predictions stay the same (loyalty)"
    between = loyalty.get("between_seeds")
    return (
        f"{text}; {percent(between)} are the same between dense models of other seeds."
        if between is not None
        else f"{text}."
    )


def spearman_sentence(summary: Mapping[str, Any]) -> str | None:
    """How many of the examples ranked most differently are PIEs by majority too."""
    found = summary.get("spearman")
    if not isinstance(found, Mapping) or found.get("mean") is None:
        return None
    return (
        f"By rank correlation of the classes' mean probabilities (Spearman, {number(found['mean'], 3)} on average), "
        f"the twentieth of the examples on which the two sides agree least has {count(found['n_spearman_pies'])} "
        f"examples; {count(found['n_both'])} of them are PIEs by majority."
    )


def by_seeds_sentence(rows: Sequence[Mapping[str, Any]]) -> str | None:
    """From the share of PIEs of single models to that of all of them."""
    if len(rows) < 2:
        return None
    first, last = rows[0], rows[-1]
    return (
        f"With one model a side, {percent(first['pie_share'])} of the examples would be PIEs; with all "
        f"{count(last['n_models'])}, {percent(last['pie_share'])} are."
    )


def on_pies_sentence(summary: Mapping[str, Any]) -> str | None:
    """Who the PIEs are: score on them before and after."""
    dense, pruned = summary.get("dense_score_on_pies"), summary.get("pruned_score_on_pies")
    if dense is None or pruned is None:
        return None
    metric = metric_name(summary)
    before, after = score_text(dense, summary), score_text(pruned, summary)
    text = f"On the PIEs, {metric} is {before} for dense and {after} for pruned models"
    if is_share(summary):
        text += change_interval(summary.get("change_on_pies"))
    overall = summary.get("dense_score")
    if overall is not None and is_share(summary) and abs(100 * (dense - overall)) >= SAME_POINTS:
        where = "below" if dense < overall else "above"
        text += f"; before pruning that was {points(dense - overall)} {where} the score on all examples"
    return text + "."


def alpha_sentence(summary: Mapping[str, Any]) -> str | None:
    """Whether differences between classes grow: alpha corrected for noise, the paper's beside it, and its null."""
    alpha = summary.get("alpha")
    if not isinstance(alpha, Mapping):
        return None
    if alpha.get("mean") is None:
        return (
            "Recall distortion α has no value: all classes have the same recall, or no prediction is right."
        )
    corrected = summary.get("alpha_corrected")
    if not isinstance(corrected, Mapping):
        return _paper_alpha(alpha, "Recall distortion α", summary)
    paper = _paper_alpha(alpha, "Computed as the recall paper does, α", summary)
    return f"{_corrected_alpha(corrected, summary)} {paper}"


def _corrected_alpha(alpha: Mapping[str, Any], summary: Mapping[str, Any]) -> str:
    mean, low, high = alpha.get("mean"), alpha.get("ci_low"), alpha.get("ci_high")
    if mean is None or (low is None and high is None):
        return f"Whether differences between classes grow or shrink cannot be told: {undecided(summary)}."
    over = "examples" if summary.get("n_seeds") == 1 else "seeds and examples"
    return (
        f"Recall distortion, corrected for noise, is α {number(mean)} ({100 * alpha['confidence']:g}% interval over "
        f"{over} {between(low, high)}; 1: no change): {alpha_words(alpha)}."
    )


def between(low: float | None, high: float | None, digits: int = 2) -> str:
    """Both ends of an interval, or the one that there is."""
    if high is None:
        return f"at least {number(low, digits)}"
    return (
        f"at most {number(high, digits)}"
        if low is None
        else f"{number(low, digits)} to {number(high, digits)}"
    )


def alpha_words(alpha: Mapping[str, Any]) -> str:
    """What the interval of alpha says of differences between classes."""
    verdict, high = alpha.get("verdict"), alpha.get("ci_high")
    if verdict == ">":
        return "differences between classes grow; those recalled worse than average fall further behind"
    if verdict != "<":
        return "it is undecided whether differences between classes grow or shrink"
    if high is not None and high < 0:
        return "classes change sides; those recalled better than average fall below it"
    if alpha["mean"] < 0:
        return "classes come closer, or change sides"
    return "differences between classes shrink, relative to accuracy"


def unknown_scales(rows: Iterable[Mapping[str, Any]]) -> str:
    """Which metrics of a matrix have intervals that nothing bounds; empty where there are none."""
    names = dict.fromkeys(
        row["metric"]
        for row in rows
        if row["to_wrong"] is None
        and row["ci_low"] is not None
        and harness_span(row["metric"], *sorted((row["dense"], row["pruned"]))) == ANY
    )
    of = "their intervals have" if len(names) > 1 else "its interval has"
    return f"The scale of {listed(list(names), 5)} is not known: {of} no bounds." if names else ""


def undecided(summary: Mapping[str, Any]) -> str:
    """Why alpha corrected for noise has no interval."""
    if summary.get("clusters"):
        return "the interval of α takes examples one by one, not in clusters"
    if 1 < (summary.get("n_seeds") or 0) < FEWEST_SEEDS:
        return f"{count(summary['n_seeds'])} seeds are too few; an interval of α takes {FEWEST_SEEDS}"
    return "the dense models' recalls differ between classes no more than noise makes them"


def _paper_alpha(alpha: Mapping[str, Any], subject: str, summary: Mapping[str, Any]) -> str:
    mean, low, high = alpha.get("mean"), alpha.get("ci_low"), alpha.get("ci_high")
    left_out = alpha.get("n_left_out") or 0
    without = (
        f" {count(left_out, 'seed has', 'seeds have')} none: all classes have the same recall there, or "
        "no prediction is right."
        if left_out
        else ""
    )
    null = (summary.get("alpha_null") or {}).get("mean")
    against = (
        f"; between dense models of different seeds, where nothing is pruned, it is {number(null)}"
        if null is not None
        else ""
    )
    if low is None or high is None:
        return f"{subject} is {number(mean)}{against}; one seed gives no interval.{without}"
    confidence = alpha.get("confidence")
    interval = f"{100 * confidence:g}% interval" if confidence is not None else "interval"
    verdict = {"<": "below 1", ">": "above 1"}.get(str(alpha.get("verdict")), "not distinguished from 1")
    ends = f"{interval} over seeds {number(low)} to {number(high)}: {verdict}"
    return f"{subject} is {number(mean)} ({ends}){against}.{without}"


def p_text(p: float | None) -> str:
    """``p = 0.03``, ``p = 4e-8``."""
    if p is None:
        return "no test"
    if p >= 0.001:
        return f"p = {p:.2g}"
    mantissa, exponent = f"{p:.0e}".split("e")
    return f"p = {mantissa}e{int(exponent)}" if p > 0 else "p < 1e-300"


def harm_sentence(summary: Mapping[str, Any]) -> str | None:
    """Whether more answers become wrong than right, by McNemar's test."""
    found = summary.get("mcnemar")
    if not isinstance(found, Mapping):
        return None
    wrong, right, p = found["to_wrong"], found["to_right"], found["p_value"]
    n = summary.get("n_examples")
    whose = f"Of the {count(n)} answers" if summary.get("n_seeds") == 1 and n else f"Of the {votes(summary)}"
    if summary.get("tolerance") is not None:
        whose += ", which are right within the tolerance"
    if not wrong + right:
        return f"{whose}, none changes between right and wrong."
    text = f"{whose}, {_become(wrong)} wrong and {count(right)} right"
    if p < LEVEL:
        more = "harm" if wrong > right else "good"
        return f"{text}: more {more} than chance explains ({harm_test(summary)}, {p_text(p)})."
    text += f": no more harm than good beyond chance ({harm_test(summary)}, {p_text(p)})"
    least = (summary.get("change") or {}).get("detectable")
    if least is not None and least < 0.5 and is_share(summary):
        text += f"; this many examples would show a change of {points(least)} in four of five cases"
    return f"{text}."


def _become(n: int) -> str:
    return f"{count(n)} {'becomes' if n == 1 else 'become'}"


def margin_sentence(summary: Mapping[str, Any]) -> str | None:
    """Whether the score stays within the margin that was asked for."""
    found = summary.get("margin")
    if not isinstance(found, Mapping):
        return None
    size = points(found["margin"]) if is_share(summary) else number(found["margin"], 3)
    if found["met"]:
        return f"The loss is less than the margin of {size}: the whole interval of the change lies above it."
    return f"A loss of the margin, {size}, or more is not excluded."


def constant_sentence(summary: Mapping[str, Any]) -> str | None:
    """Models that give one answer to all examples."""
    found = summary.get("constant")
    if not isinstance(found, Mapping):
        return None
    parts = [
        f"{count(len(found[side]))} of {count(summary.get('n_seeds'), f'{side} model')}"
        for side in ("dense", "pruned")
        if found.get(side)
    ]
    if not parts:
        return None
    one = sum(len(found[side]) for side in ("dense", "pruned")) == 1
    return f"{' and '.join(parts)} {'gives' if one else 'give'} one answer to all examples."


def unlabelled_sentence(summary: Mapping[str, Any]) -> str | None:
    """Classes that macro F1 counts although no example has them."""
    without = summary.get("n_classes_without_label")
    if not without or metric_name(summary) != "macro F1":
        return None
    return (
        f"Macro F1 counts {count(without, 'class', 'classes')} that no example has, as 0, on both sides: a class that "
        "only one side predicts lowers both."
    )


def certainty_sentence(summary: Mapping[str, Any], rows: Sequence[Mapping[str, Any]]) -> str | None:
    """What the probabilities lose that the chosen class does not show."""
    every = {(row["measure"], bool(row["scaled"])): row for row in rows if row["class_"] is None}
    if ("nll", False) not in every:
        return None
    raw, scaled = every["nll", False], every["nll", True]
    kl = every["kl", False]["change"]
    text = (
        f"The probabilities diverge by {number(kl, 3)} nats on average (Kullback–Leibler); the negative log-likelihood "
        f"goes from {number(raw['dense'], 3)} to {number(raw['pruned'], 3)}"
    )
    if raw["ci_low"] is not None and raw["ci_low"] > 0:
        lost = scaled["ci_low"] is not None and scaled["ci_low"] > 0
        text += (
            f", and stays {number(scaled['change'], 3)} higher after temperature scaling: information is lost"
            if lost
            else ", a loss that a temperature repairs: scale is lost, no information that could be told"
        )
    elif raw["change"] and raw["ci_high"] is not None and raw["ci_high"] >= 0:
        text += ", a change not distinguished from none"
    return f"{text}."


def story(
    summary: Mapping[str, Any], classes: Sequence[ClassRow] = (), certainty: Sequence[Mapping[str, Any]] = ()
) -> list[str]:
    """The answer of an audit in a few sentences."""
    tested = [row for row in classes if row.p_corrected is not None]
    found = [
        score_sentence(summary),
        unlabelled_sentence(summary),
        constant_sentence(summary),
        margin_sentence(summary),
        flips_sentence(summary),
        harm_sentence(summary),
        _harmed(tested) if len(tested) > 1 else None,
        certainty_sentence(summary, certainty),
        pies_sentence(summary),
        noise_sentence(summary),
        on_pies_sentence(summary),
        alpha_sentence(summary),
    ]
    dropped = summary.get("n_seeds_dropped")
    if dropped:
        found.append(
            f"{count(dropped, 'seed')} {'was' if dropped == 1 else 'were'} excluded: missing or diverged "
            "on one side."
        )
    return [sentence for sentence in found if sentence]


def class_sentence(classes: Sequence[ClassRow], task: str | None = None) -> str | None:
    """Whose votes change beyond its share of the examples, as far as that is tested; harm is in ``story``."""
    tested = [row for row in classes if row.p_corrected is not None]
    if len(tested) >= 2:
        return _changed(tested)
    things, paying = {
        "tokens": ("tokens", "tokens whose vote changes"),
        "multi-label": ("labels", "PIEs' labels"),
    }.get(task or "", ("examples", "PIEs"))
    known = [row for row in classes if row.share_of_pies is not None and row.share_of_examples is not None]
    if not any(row.n_pies for row in known) or len(known) < 2:
        return None
    most = max(known, key=_beyond)
    if _beyond(most) <= 0:
        return f"Every class has the same share of the {paying} as of the {things}."
    return (
        f"“{most.name}” has {percent(most.share_of_examples)} of the {things} and {percent(most.share_of_pies)} of the "
        f"{paying}, the largest excess; it is not tested."
    )


def _beyond(row: ClassRow) -> float:
    return (row.share_of_pies or 0.0) - (row.share_of_examples or 0.0)


def _harmed(rows: Sequence[ClassRow]) -> str:
    """The classes whose recall changes beyond chance, corrected over classes."""
    sure = [row for row in rows if (row.p_corrected or 0.0) < LEVEL]
    if not sure:
        least = min(rows, key=lambda row: row.p_corrected or 0.0)
        smallest = (
            f"smallest corrected {p_text(least.p_corrected)}, “{least.name}”, of {count(len(rows))} classes"
        )
        if least.p_corrected == 1:
            smallest = f"corrected p = 1 for all {count(len(rows))} classes"
        return f"No class's recall changes beyond chance ({smallest})."
    lost = sorted((row for row in sure if row.harm > 0), key=lambda row: -row.harm)
    won = sorted((row for row in sure if row.harm < 0), key=lambda row: row.harm)
    parts = []
    for word, group in (("pays", lost), ("gains", won)):
        for row in group[:3]:
            ways = f"{count(row.to_wrong)} answers become wrong, {count(row.to_right)} right"
            parts.append(
                f"“{row.name}” {word}: {ways}; its recall goes from {percent(row.recall_dense)} to "
                f"{percent(row.recall_pruned)} ({signed_points((row.recall_pruned or 0) - (row.recall_dense or 0))} "
                f"points, corrected {p_text(row.p_corrected)})"
            )
        if len(group) > 3:
            verb = "lose" if word == "pays" else "gain"
            parts.append(f"{count(len(group) - 3)} more {verb}{'s' if len(group) == 4 else ''}")
    shift = " Errors shift from one class to another." if lost and won else ""
    return f"{'; '.join(parts)}.{shift}"


def _changed(rows: Sequence[ClassRow]) -> str | None:
    """The class with more PIEs than its share, where that is beyond chance."""
    sure = [
        row
        for row in rows
        if row.pies_p_corrected is not None and row.pies_p_corrected < LEVEL and _beyond(row) > 0
    ]
    if not sure:
        return None
    most = max(sure, key=_beyond)
    return (
        f"Votes change most beyond its share in “{most.name}”: {percent(most.share_of_examples)} of the examples, "
        f"{percent(most.share_of_pies)} of the PIEs (Fisher's exact test, corrected {p_text(most.pies_p_corrected)})."
    )


def el2n_sentence(bins: Sequence[Mapping[str, Any]]) -> str | None:
    """Least against most influential bin."""
    if len(bins) < 2:
        return None
    first, last = bins[0], bins[-1]
    return (
        f"Of the least influential training examples (bin {first['bin']}), {percent(first['pie_share'])} "
        f"are PIEs; of the most influential (bin {last['bin']}), {percent(last['pie_share'])}."
    )


def readability_sentence(rows: Sequence[Mapping[str, Any]]) -> str | None:
    """What measures tell PIEs from other texts, corrected over the measures."""
    known = [row for row in rows if row.get("difference") is not None]
    if not known:
        return None
    sure = [row for row in known if row["p_corrected"] is not None and row["p_corrected"] < LEVEL]
    measures = [row for row in known if row["measure"] != LENGTH]
    if not sure:
        least = min((row["p_corrected"] for row in known if row["p_corrected"] is not None), default=None)
        tests = f"permutation tests, smallest corrected {p_text(least)}"
        return f"No measure tells the texts of PIEs from the others ({tests})."
    parts = []
    if measures:
        harder, easier = (
            sum(row in sure and sign * row["difference"] > 0 for row in measures) for sign in (1, -1)
        )
        parts.append(
            f"by {harder} of {len(measures)} measures the texts of PIEs are harder to read than the others beyond "
            f"chance, by {easier} easier"
        )
    length = next((row for row in sure if row["measure"] == LENGTH), None)
    if length is not None:
        way = "longer" if length["difference"] > 0 else "shorter"
        parts.append(f"they are {number(abs(length['difference']), 1)} tokens {way}")
    text = "; ".join(parts)
    return f"{text[:1].upper()}{text[1:]} (permutation tests, corrected over the measures)."


def readability_notes(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """What the formulas are not made for."""
    if rows and all(row["measure"] == LENGTH for row in rows):
        return [
            "Readability formulas are for English: of texts in another language, the length alone is compared."
        ]
    notes = ["The formulas are made for English passages of about a hundred words."]
    length = next((row["all"] for row in rows if row["measure"] == LENGTH), None)
    if length is not None and length < SHORT:
        notes.append(
            f"These texts have {number(length, 0)} tokens on average: ARI, Flesch–Kincaid, Gunning fog and Linsear "
            "Write rest on the length of sentences and say little of a single one; trust differences more than values."
        )
    empty = next((row["n_empty"] for row in rows if row.get("n_empty")), 0)
    if empty:
        notes.append(f"{count(empty, 'text is', 'texts are')} empty.")
    return notes
