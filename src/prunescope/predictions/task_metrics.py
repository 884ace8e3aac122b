"""The scores that a data set's own papers use, beside the one score of each task (``scores``).

All are fractions, also where they are usually printed as percent. They follow from prediction tables alone; a
table's metadata says which ones its data set has (``metrics``), the first one above all.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from prunescope.errors import UserError, listed
from prunescope.predictions.scores import correct, macro_f1, normalized, pearson, score_name, scores
from prunescope.predictions.sets import class_sizes
from prunescope.predictions.store import Predictions

#: Of one model: labels, predictions, names of the classes -> score.
Metric = Callable[[np.ndarray, np.ndarray, Sequence[str]], float]


def task_scores(
    side: Predictions,
    metrics: Sequence[str],
    parts: Mapping[str, int] | None = None,
    where: np.ndarray | None = None,
) -> dict[str, np.ndarray]:
    """(S,) float64 by metric: each model's score, NaN where it has none.

    Args:
        where: (n,) bool, the examples that count; all of them by default.
        metrics: names in ``METRICS`` of the side's task, or ``mean_accuracy``: the mean of the accuracies of
            the ``parts``, which follow one another in the split with so many examples each.

    Raises:
        UserError: a metric is unknown, an example has no accepted answer, or the parts are not those of the split.
    """
    if where is not None:
        side = replace(
            side,
            examples=side.examples[where],
            label=side.label[where],
            prediction=side.prediction[:, where],
        )
    known = METRICS[side.task]
    source = f"{side.sources[0]}: " if side.sources else ""
    if metrics and side.task in ("span", "text") and not all(len(accepted) for accepted in side.label):
        raise UserError(
            f"{source}column 'label' has an empty list; its metrics ({listed(metrics)}) need at least one accepted "
            "answer to each example"
        )
    found: dict[str, np.ndarray] = {}
    for name in metrics:
        if name == "mean_accuracy" and side.task == "single-label":
            if parts:
                found[name] = _mean_accuracy(side, parts)
            continue
        if name not in known:
            there = (*known, "mean_accuracy") if side.task == "single-label" else known
            raise UserError(
                f"{source}metric {name!r}: unknown for task {side.task}; there are {listed(there)}"
            )
        measure = known[name]
        found[name] = np.array(
            [measure(side.label, one, side.classes) if len(one) else np.nan for one in side.prediction],
            dtype=np.float64,
        )
    return found


def leading_metric(task: str, metrics: Sequence[str]) -> str:
    """What models of a data set are chosen by: the first of its metrics that needs no parts, else the task's score."""
    return next((name for name in metrics if name != "mean_accuracy"), score_name(task))


def leading_score(side: Predictions, metrics: Sequence[str]) -> float:
    """The first model's score by ``leading_metric``."""
    name = leading_metric(side.task, metrics)
    found = task_scores(side, (name,)) if name in metrics else {name: scores(side, correct(side))}
    return float(found[name][0])


def own_metrics(side: Predictions) -> tuple[tuple[str, ...], dict[str, int]]:
    """The metrics and parts that the side's tables name.

    Raises:
        UserError: what stands there is no list of names or no counts.
    """
    extra: Mapping[str, Any] = side.meta.extra if side.meta is not None else {}
    try:
        metrics = extra.get("metrics") or []
        if not isinstance(metrics, list):
            raise TypeError
        return tuple(map(str, metrics)), {str(k): int(v) for k, v in dict(extra.get("parts") or {}).items()}
    except (TypeError, ValueError):
        raise UserError(
            f"{side.sources[0]}: metadata 'metrics' or 'parts' is malformed; write the table again"
        ) from None


def _mean_accuracy(side: Predictions, parts: Mapping[str, int]) -> np.ndarray:
    ends = np.cumsum([0, *parts.values()])
    if ends[-1] <= side.examples.max(initial=-1):
        raise UserError(
            f"{side.sources[0] if side.sources else 'table'}: its parts hold {ends[-1]} examples, but there is an "
            f"example {side.examples.max()}; write the table again"
        )
    part = np.searchsorted(ends, side.examples, side="right") - 1
    right = side.prediction == side.label
    # A part without examples has no accuracy, and there is no mean then.
    with np.errstate(invalid="ignore", divide="ignore"):
        each = [right[:, part == p].sum(axis=1) / np.count_nonzero(part == p) for p in range(len(parts))]
    return np.asarray(np.mean(each, axis=0))


def _accuracy(label: np.ndarray, prediction: np.ndarray, classes: Sequence[str]) -> float:
    return float(np.mean(label == prediction))


def _f1(label: np.ndarray, prediction: np.ndarray, classes: Sequence[str]) -> float:
    """F1 of class 1, as GLUE has it for MRPC and QQP; 0 where it is neither there nor predicted."""
    hits = np.count_nonzero((label == 1) & (prediction == 1))
    sizes = np.count_nonzero(label == 1) + np.count_nonzero(prediction == 1)
    return 2 * hits / sizes if sizes else 0.0


def _macro_f1(label: np.ndarray, prediction: np.ndarray, classes: Sequence[str]) -> float:
    return macro_f1(label, prediction, class_sizes(label, len(classes)))


def _matthews(label: np.ndarray, prediction: np.ndarray, classes: Sequence[str]) -> float:
    """Matthews' correlation; 0 where labels or predictions do not vary."""
    from sklearn.metrics import matthews_corrcoef

    return float(matthews_corrcoef(label, prediction))


def _spearman(label: np.ndarray, prediction: np.ndarray, classes: Sequence[str]) -> float:
    from scipy.stats import rankdata

    return pearson(rankdata(label), rankdata(prediction))


def _exact_match(label: np.ndarray, prediction: np.ndarray, classes: Sequence[str]) -> float:
    """Share of predictions that are one of the accepted answers, normalized (Rajpurkar et al. 2016)."""
    pairs = zip(label, prediction, strict=True)
    return float(
        np.mean([normalized(p) in {normalized(answer) for answer in accepted} for accepted, p in pairs])
    )


def _overlap_f1(label: np.ndarray, prediction: np.ndarray, classes: Sequence[str]) -> float:
    """SQuAD's F1: of the words that prediction and answer share, the best over the answers, mean over examples."""

    def f1(answer: str, made: str) -> float:
        a, b = normalized(answer).split(), normalized(made).split()
        shared = sum((Counter(a) & Counter(b)).values())
        return 2 * shared / (len(a) + len(b)) if shared else 0.0

    pairs = zip(label, prediction, strict=True)
    return float(np.mean([max(f1(answer, made) for answer in accepted) for accepted, made in pairs]))


def _entities(measure: str) -> Metric:
    """Precision, recall or F1 of whole entities, by seqeval, as CoNLL's script counts them."""

    def score(label: np.ndarray, prediction: np.ndarray, classes: Sequence[str]) -> float:
        from seqeval import metrics

        true, made = ([[classes[c] for c in row] for row in rows] for rows in (label, prediction))
        function = {"precision": metrics.precision_score, "recall": metrics.recall_score}.get(
            measure, metrics.f1_score
        )
        return float(function(true, made, zero_division=0))

    return score


def _token_accuracy(label: np.ndarray, prediction: np.ndarray, classes: Sequence[str]) -> float:
    right = np.concatenate(list(label)) == np.concatenate(list(prediction))
    return float(np.mean(right)) if len(right) else float("nan")


def _references(label: np.ndarray) -> Any:
    """As sacrebleu takes them: the first reference of each example, the second, ..., None where there is none."""
    most = max(len(accepted) for accepted in label)
    return [[accepted[i] if i < len(accepted) else None for accepted in label] for i in range(most)]


def _bleu(label: np.ndarray, prediction: np.ndarray, classes: Sequence[str]) -> float:
    import sacrebleu

    return float(sacrebleu.corpus_bleu(list(prediction), _references(label)).score) / 100


def _chrf(label: np.ndarray, prediction: np.ndarray, classes: Sequence[str]) -> float:
    import sacrebleu

    return float(sacrebleu.corpus_chrf(list(prediction), _references(label)).score) / 100


def _rouge_l(label: np.ndarray, prediction: np.ndarray, classes: Sequence[str]) -> float:
    """ROUGE-L's F of the best reference, mean over examples."""
    from rouge_score.rouge_scorer import RougeScorer

    scorer = RougeScorer(["rougeL"])
    pairs = zip(label, prediction, strict=True)
    return float(np.mean([scorer.score_multi(accepted, made)["rougeL"].fmeasure for accepted, made in pairs]))


class _NoSynonyms:
    """Stands in for WordNet: no word has a synonym."""

    def synsets(self, word: str) -> list[Any]:
        return []


#: What the E2E scorer drops of its tokens (coco-caption's list).
_PUNCTUATION = frozenset("'' ' `` ` ( ) { } [ ] . ? ! , : - -- ... ;".split())  # noqa: SIM905


def words_of(text: str) -> list[str]:
    """The words that METEOR compares: as the E2E scorer's, lower-case Penn Treebank tokens without punctuation.

    A full stop leaves its word also within a text: no model of abbreviations is asked where sentences end.
    """
    from nltk.tokenize import NLTKWordTokenizer

    spaced = re.sub(r"([£€])", r" \1 ", text.lower())
    found = (
        token if token in _PUNCTUATION else token.rstrip(".")
        for token in NLTKWordTokenizer().tokenize(spaced)
    )
    return [token for token in found if token and token not in _PUNCTUATION]


def _meteor(label: np.ndarray, prediction: np.ndarray, classes: Sequence[str]) -> float:
    """METEOR (Banerjee and Lavie 2005) of the best reference by equal words and stems, mean over examples.

    Without its stage of synonyms, which needs a download of WordNet: the same number on every machine. Published scores
    are METEOR 1.5's, whose weights, function words and paraphrases make another scale.
    """
    from nltk.translate.meteor_score import meteor_score

    no_synonyms = _NoSynonyms()
    pairs = zip(label, prediction, strict=True)
    return float(
        np.mean(
            [
                meteor_score([words_of(a) for a in accepted], words_of(made), wordnet=no_synonyms)
                for accepted, made in pairs
            ]
        )
    )


def _plain(measure: Callable[[np.ndarray, np.ndarray], float]) -> Metric:
    return lambda label, prediction, classes: measure(label, prediction)


#: By task and name.
METRICS: dict[str, dict[str, Metric]] = {
    "single-label": {"accuracy": _accuracy, "f1": _f1, "matthews": _matthews},
    "multi-label": {"macro_f1": _macro_f1},
    "regression": {"pearson": _plain(pearson), "spearman": _spearman},
    "tokens": {
        "f1": _entities("f1"),
        "precision": _entities("precision"),
        "recall": _entities("recall"),
        "accuracy": _token_accuracy,
    },
    "span": {"f1": _overlap_f1, "exact_match": _exact_match},
    "text": {
        "bleu": _bleu,
        "rouge_l": _rouge_l,
        "meteor": _meteor,
        "chrf": _chrf,
        "exact_match": _exact_match,
    },
}
