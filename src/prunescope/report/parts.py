"""What an audit's own page and a cell's page have in common: the body's numbers and charts."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from markupsafe import Markup

from prunescope.analysis.audit_tables import DataMapRow
from prunescope.report import sentences, svg, svg_lines, who
from prunescope.report.audit_files import KINDS, AuditFiles, ClassRow, Row

#: Classes on a page; ``classes.csv`` has all.
MOST_CLASSES = 200

#: Texts by example, one per row of ``pies.parquet``, or a function of rows.
Shown = Mapping[Any, str] | Sequence[str] | Callable[[Sequence[int]], Sequence[str]]

#: What both models said, whole, from rows.
Said = Callable[[Sequence[int]], Sequence[tuple[str, str]]]

#: Names as a reader knows them.
MEASURES = {
    "automated_readability_index": "Automated readability index",
    "coleman_liau_index": "Coleman–Liau index",
    "flesch_kincaid_grade": "Flesch–Kincaid grade",
    "linsear_write_formula": "Linsear Write formula",
    "gunning_fog": "Gunning fog index",
    "dale_chall_readability_score": "Dale–Chall score",
    "difficult_words": "difficult words",
    "text_length": "length in tokens",
}


def body(
    audit: AuditFiles,
    texts: Shown | None = None,
    el2n: Sequence[Row] | None = None,
    split: str = "",
    answers: Said | None = None,
) -> dict[str, Any]:
    """Everything ``audit_body.html`` prints.

    Args:
        audit: the audit folder.
        texts: text by example, one per row of ``pies.parquet``, or a function of rows, where there are texts.
        el2n: EL2N bins of another split, with ``split`` saying of which; else the audit's own.
        answers: what both models said, whole, from rows of ``pies.parquet``.
    """
    summary = audit.summary
    classes = that_matter(audit.classes)
    shares = [value for row in classes for value in (row.share_of_examples, row.share_of_pies)]
    bins = audit.el2n if el2n is None else el2n
    readability = [
        {**row, "name": MEASURES.get(row["measure"], str(row["measure"]).replace("_", " "))}
        for row in audit.readability
    ]
    certainty = certainty_rows(audit.certainty)
    ratios = [abs(row["ratio"] - 1) for row in readability if row["ratio"] is not None]
    return {
        "audit": audit,
        "metric": sentences.metric_name(summary),
        "story": sentences.story(summary, audit.classes, audit.certainty),
        "tiles": tiles(summary),
        "harm_test": sentences.harm_test(summary),
        "own_metrics": own_metrics(summary),
        "by_seeds": {
            "chart": by_seeds_chart(audit.by_seeds),
            "sentences": [
                sentence
                for sentence in (
                    sentences.by_seeds_sentence(audit.by_seeds),
                    sentences.loyalty_sentence(summary),
                )
                if sentence
            ],
        },
        "spearman_sentence": sentences.spearman_sentence(summary),
        "classes": classes,
        "class_sentence": sentences.class_sentence(audit.classes, summary.get("task")),
        "largest_share": max((share for share in shares if share is not None), default=0.0),
        "has_recall": any(row.recall_dense is not None for row in audit.classes),
        "has_alpha": any(row["alpha"] is not None for row in audit.seeds),
        "has_harm": any(row.to_wrong is not None for row in audit.classes),
        "certainty": certainty,
        "recall_chart": recall_chart(classes),
        "alpha_chart": alpha_chart(audit),
        "el2n": {"chart": el2n_chart(bins), "sentence": sentences.el2n_sentence(bins), "split": split},
        "readability": readability,
        "readability_reach": max([*ratios, 0.02]),
        "readability_notes": sentences.readability_notes(audit.readability),
        "readability_sentence": sentences.readability_sentence(audit.readability),
        "data_map": _data_map(audit.data_map),
        "harmed": who.harmed(summary),
        "group_sentences": sentences.group_sentences(summary),
        "slice_sentences": who.slice_sentences(summary.get("slices")),
        "pie_kinds": _kinds(audit),
        "texts": None if texts is None else _texts(audit, texts),
        "said": {} if answers is None else _said(audit, answers),
    }


def that_matter(rows: Sequence[ClassRow]) -> list[ClassRow]:
    """Of many classes those with the most harm, the most gain, the most PIEs and the most examples, as they stood."""
    if len(rows) <= MOST_CLASSES:
        return list(rows)
    quarter = MOST_CLASSES // 4
    chosen: set[int] = set()
    for key in (
        lambda i: (-rows[i].harm, rows[i].p_corrected or 0.0),
        lambda i: (rows[i].harm, rows[i].p_corrected or 0.0),
        lambda i: (-rows[i].n_pies, -rows[i].n_examples),
        lambda i: (-rows[i].n_examples, -rows[i].n_pies),
    ):
        left = [i for i in range(len(rows)) if i not in chosen]
        chosen.update(sorted(left, key=key)[:quarter])
    return [row for i, row in enumerate(rows) if i in chosen]


def _data_map(rows: Sequence[DataMapRow]) -> dict[str, Any] | None:
    """PIEs among easy, ambiguous and hard examples; None without a map."""
    parts: dict[str, list[DataMapRow]] = {"easy": [], "ambiguous": [], "hard": []}
    for row in rows:
        varied = "ambiguous" if row.variability >= 0.2 else "easy"
        parts["hard" if row.confidence < 0.5 else varied].append(row)
    found: list[dict[str, Any]] = []
    for name, own in parts.items():
        if n := sum(row.n_examples for row in own):
            means = {
                key: sum((getattr(row, key) or 0.0) * row.n_examples for row in own) / n
                for key in ("correctness", "el2n")
            }
            pies = sum(row.n_pies for row in own)
            found.append({"name": name, "n_examples": n, "n_pies": pies, "pie_share": pies / n, **means})
    if not found:
        return None
    shares = ", ".join(f"{sentences.percent(one['pie_share'])} of the {one['name']} ones" for one in found)
    return {"rows": found, "n_epochs": rows[0].n_epochs, "sentence": f"PIEs are {shares}."}


def _kinds(audit: AuditFiles) -> list[str]:
    """What happens to the PIEs that are shown; nothing where there are no labels."""
    there = {pie.kind for pie in audit.pies}
    return [] if audit.summary.get("labelled") is False else [kind for kind in KINDS[::-1] if kind in there]


def _texts(audit: AuditFiles, texts: Shown) -> dict[Any, str]:
    """Texts of the PIEs that are shown, by example."""
    if callable(texts):
        held = texts([pie.row for pie in audit.pies])
        return {pie.example: text for pie, text in zip(audit.pies, held, strict=True)}
    if isinstance(texts, Mapping):
        return {pie.example: texts[pie.example] for pie in audit.pies if pie.example in texts}
    return {pie.example: texts[pie.row] for pie in audit.pies if pie.row < len(texts)}


def _said(audit: AuditFiles, answers: Said) -> dict[Any, tuple[str, str]]:
    """By example what both models said, where it is more than the answer taken from it; else nothing."""
    held = answers([pie.row for pie in audit.pies])
    return {
        pie.example: (_beyond(dense, pie.dense_vote), _beyond(pruned, pie.pruned_vote))
        for pie, (dense, pruned) in zip(audit.pies, held, strict=True)
    }


def _beyond(said: str, answer: str) -> str:
    return "" if said.strip() == answer.strip() else said


def contents(parts: Mapping[str, Any], *more: tuple[str, str]) -> list[tuple[str, str]]:
    """Anchors and names of the sections that are there."""
    audit: AuditFiles = parts["audit"]
    known = [
        ("answer", "Answer", True),
        ("classes", "Classes", bool(audit.classes)),
        ("groups", "Groups", bool(audit.groups)),
        ("slices", "Slices", bool(parts["slice_sentences"])),
        ("seeds", "Seeds", bool(audit.seeds)),
        ("certainty", "Probabilities", bool(parts["certainty"])),
        ("models", "Number of models", parts["by_seeds"]["chart"] is not None),
        ("el2n", "Influence", parts["el2n"]["chart"] is not None),
        ("map", "Data map", bool(parts["data_map"])),
        ("text", "Readability", bool(parts["readability"])),
        ("pies", "PIEs", True),
    ]
    return [(anchor, name) for anchor, name, there in known if there] + [
        *more, ("terms", "How to read"), ("files", "Files"),
    ]  # fmt: skip


def tiles(summary: Mapping[str, Any]) -> list[dict[str, str]]:
    """The headline numbers, those that there are."""
    metric = sentences.metric_name(summary)
    n = summary.get("n_examples")

    def arrow(first: float | None, second: float | None) -> str:
        return f"{sentences.score_text(first, summary)} → {sentences.score_text(second, summary)}"

    found: list[dict[str, str]] = []
    dense, pruned = summary.get("dense_score"), summary.get("pruned_score")
    if dense is not None and pruned is not None:
        change = (
            f"{sentences.signed_points(pruned - dense)} points"
            if sentences.is_share(summary)
            else f"{pruned - dense:+.3f}".replace("-", "−")
        )
        found.append({"name": f"Mean {metric}", "value": arrow(dense, pruned), "note": change})
    flips = summary.get("n_flips_mean")
    if flips is not None:
        share = f"{sentences.percent(flips / n)} of examples" if n else ""
        ways = summary.get("flips")
        if isinstance(ways, Mapping):
            share += f"; {sentences.count(ways['to_wrong'])} to wrong, {sentences.count(ways['to_right'])} to right"
        found.append({"name": "Flips per seed", "value": sentences.count(flips), "note": share})
    pies = summary.get("n_pies")
    if pies is not None:
        share = f"{sentences.percent(summary.get('pie_share'))} of examples"
        found.append({"name": "PIEs", "value": sentences.count(pies), "note": share + _interval(summary)})
    floor = summary.get("noise_floor")
    if isinstance(floor, Mapping):
        voters = sentences.count(floor["n_models"], "model")
        note = (
            f"{sentences.percent(floor['pie_share_half'])} with pruning ({floor['verdict']}), {voters} a side"
        )
        found.append({"name": "Noise floor of PIEs", "value": sentences.percent(floor["mean"]), "note": note})
    loyalty = summary.get("loyalty")
    if isinstance(loyalty, Mapping):
        between = loyalty.get("between_seeds")
        note = "" if between is None else f"{sentences.percent(between)} between dense seeds"
        found.append({"name": "Loyalty", "value": sentences.percent(loyalty["mean"]), "note": note})
    on_dense, on_pruned = summary.get("dense_score_on_pies"), summary.get("pruned_score_on_pies")
    if on_dense is not None and on_pruned is not None:
        note = "dense → pruned"
        found.append({"name": f"Mean {metric} on PIEs", "value": arrow(on_dense, on_pruned), "note": note})
    harm = summary.get("mcnemar")
    if isinstance(harm, Mapping):
        net = harm["to_wrong"] - harm["to_right"]
        note = f"to wrong less to right; {sentences.p_text(harm['p_value'])}"
        found.append({"name": "Harm", "value": sentences.count(net).replace("-", "−"), "note": note})
    corrected = summary.get("alpha_corrected")
    if isinstance(corrected, Mapping) and corrected.get("mean") is not None:
        ends = " to ".join(sentences.number(corrected.get(name)) for name in ("ci_low", "ci_high"))
        value = f"{sentences.number(corrected['mean'])} {corrected['verdict']}"
        note = f"{100 * corrected['confidence']:g}%: {ends}"
        if corrected.get("ci_low") is None and corrected.get("ci_high") is None:
            value, note = "undecided", sentences.undecided(summary)
        found.append({"name": "Distortion, corrected for noise", "value": value, "note": note})
    alpha = summary.get("alpha")
    if isinstance(alpha, Mapping) and alpha.get("mean") is not None:
        low, high, confidence = alpha.get("ci_low"), alpha.get("ci_high"), alpha.get("confidence")
        note = "no interval from one seed"
        if low is not None and high is not None and confidence is not None:
            note = f"{100 * confidence:g}%: {sentences.number(low)} to {sentences.number(high)}"
        value = f"{sentences.number(alpha['mean'])} {alpha.get('verdict') or ''}".strip()
        null = (summary.get("alpha_null") or {}).get("mean")
        note += f"; {sentences.number(null)} without pruning" if null is not None else ""
        found.append({"name": "Recall distortion α, as the paper", "value": value, "note": note})
    found.append(
        {
            "name": "Compared over",
            "value": sentences.count(summary.get("n_seeds"), "seed"),
            "note": sentences.count(n, "example"),
        }
    )
    return found


#: Measures of probabilities, as a reader knows them.
CERTAINTY = {
    "kl": "Kullback–Leibler divergence",
    "js": "Jensen–Shannon divergence",
    "nll": "negative log-likelihood",
    "brier": "Brier score",
    "ece": "calibration error (ECE)",
    "true_probability": "probability of the true class",
    "margin": "its margin over the next",
}


def certainty_rows(rows: Sequence[Row]) -> list[dict[str, Any]]:
    """A row per measure over all examples: as the models are, and after temperature scaling."""
    every = {(row["measure"], bool(row["scaled"])): row for row in rows if row["class_"] is None}
    return [
        {"name": name, "raw": every[measure, False], "scaled": every[measure, True]}
        for measure, name in CERTAINTY.items()
        if (measure, False) in every and (measure, True) in every
    ]


def own_metrics(summary: Mapping[str, Any]) -> list[dict[str, Any]]:
    """A row for each of the data set's own metrics; none where there is only the leading one."""
    own = summary.get("task_metrics")
    if not isinstance(own, Mapping) or len(own) < 2:
        return []
    found = []
    for name, row in own.items():
        of = {"metric": name}
        texts = {
            key: sentences.score_text(row.get(key), of)
            for key in ("dense", "pruned", "dense_on_pies", "pruned_on_pies")
        }
        found.append({"name": sentences.metric_name(of), **texts})
    return found


def _interval(summary: Mapping[str, Any]) -> str:
    """The bootstrap interval around the share of PIEs."""
    interval = summary.get("pie_interval")
    if not isinstance(interval, Mapping) or interval.get("centered_low") is None:
        return ""
    low, high = (sentences.percent(interval[name]) for name in ("centered_low", "centered_high"))
    return f" ({100 * interval['confidence']:g}%: {low} to {high})"


def by_seeds_chart(rows: Sequence[Row]) -> Markup | None:
    """Share of PIEs by number of models; None with fewer than two."""
    if len(rows) < 2:
        return None

    def title(row: Row) -> str:
        text = (
            f"{sentences.count(row['n_models'], 'model')} a side: {sentences.percent(row['pie_share'])} PIEs"
        )
        floor = row["noise_floor"]
        return text if floor is None else f"{text}; noise floor {sentences.percent(floor)}"

    return svg.columns(
        [row["pie_share"] for row in rows],
        [str(row["n_models"]) for row in rows],
        [title(row) for row in rows],
        marks=[row["noise_floor"] for row in rows],
        x_label="models on each side",
        y_label="share of examples that are PIEs; line: noise floor",
        label="Share of PIEs by number of models: "
        + ", ".join(f"{row['n_models']}: {sentences.percent(row['pie_share'])}" for row in rows),
    )


def alpha_chart(audit: AuditFiles) -> Markup | None:
    """Every seed's alpha with mean and interval; None with fewer than two seeds."""
    alpha = audit.summary.get("alpha")
    values = [row["alpha"] for row in audit.seeds if row["alpha"] is not None]
    if not isinstance(alpha, Mapping) or alpha.get("mean") is None or len(values) < 2:
        return None
    label = f"α of {sentences.count(len(values), 'seed')}: mean {sentences.number(alpha['mean'])}"
    return svg.interval(values, alpha["mean"], alpha.get("ci_low"), alpha.get("ci_high"), label=label)


def recall_chart(classes: Sequence[ClassRow]) -> Markup | None:
    """Recall of every class before and after; None where there are no recalls."""
    points = [
        (row.name, before, after, _direction(after - before))
        for row in classes
        if (before := row.recall_dense) is not None and (after := row.recall_pruned) is not None
    ]
    if len(points) < 2:
        return None
    worse = sum(kind == "below" for *_, kind in points)
    return svg_lines.scatter(
        points,
        x_label="recall, dense",
        y_label="recall, pruned",
        label=f"Recall of {sentences.count(len(points), 'class', 'classes')} before and after: {worse} are recalled "
        "worse. The table of classes has the numbers.",
    )


def _direction(change: float) -> str:
    return "below" if change < -0.0005 else "above" if change > 0.0005 else ""


def el2n_chart(bins: Sequence[Row]) -> Markup | None:
    """Share of PIEs by bin; None where there are no bins."""
    if not bins:
        return None
    return svg.columns(
        [row["pie_share"] for row in bins],
        [str(row["bin"]) for row in bins],
        [
            f"bin {row['bin']}: {sentences.percent(row['pie_share'])} PIEs, "
            f"{sentences.count(row['n_pies'])} of {sentences.count(row['n_examples'])}; EL2N "
            f"{sentences.number(row['score_low'], 3)} to {sentences.number(row['score_high'], 3)}"
            for row in bins
        ],
        x_label=f"EL2N bin, 1 = least, {bins[-1]['bin']} = most influential",
        y_label="share of the bin that is PIEs",
        label="Share of PIEs by EL2N bin: "
        + ", ".join(f"{row['bin']}: {sentences.percent(row['pie_share'])}" for row in bins),
    )
