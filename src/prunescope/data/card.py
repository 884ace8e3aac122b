"""The data card: what is in a data set, for programs (card.json) and people (card.md)."""

from __future__ import annotations

import hashlib
import html
import json
from collections import Counter
from typing import Any

import numpy as np

from prunescope.data.dataset import DataSet, DataTable
from prunescope.data.published import beside_table_7, covering_power_of_two, token_counts
from prunescope.data.settings import Published


def card(
    name: str, source: str, data: DataSet, max_tokens: int | None = None, published: Published | None = None
) -> dict[str, Any]:
    """Counts, class balance, text lengths in words, content hashes and versions, ready for JSON.

    ``majority_share`` is the share of the most frequent label, for several labels of the most
    frequent set of labels: what always answering the same would score as exact matches.
    ``constant_score`` is what a model that ignores its input can score: the accuracy of always
    answering the most frequent class, or the macro F1 of giving every example all labels.

    Of texts, ``length_rule`` says where the rule behind the PIE paper's "max tokens" would cut them, over all
    splits, beside the limit in use (``max_tokens``; None: the rule, over the training texts); and of the
    paper's data sets (``published``) ``table_7`` has its numbers beside ours.
    """
    first = next(iter(data.tables.values())).info
    hashes = {split: _sha256(table) for split, table in data.tables.items()}
    counts = {split: _class_counts(table) for split, table in data.tables.items()}
    total = sum(len(table) for table in data.tables.values())
    # A text with tags has as many labels as tokens; elsewhere classes are shares of the examples.
    labels = sum(int(c.sum()) for c in counts.values()) if first.task == "tokens" else total
    tokens = {split: token_counts(table) for split, table in data.tables.items() if table.texts is not None}
    description: dict[str, Any] = {
        "dataset": name,
        "source": source,
        "task": first.task,
        "n_examples": total,
        "inputs": list(first.inputs),
    }
    if first.image_shape is not None:
        description |= {"image_shape": list(first.image_shape), "image_scale": first.image_scale}
    description["splits"] = {
        split: {
            "n_examples": len(table),
            "majority_share": _majority_share(table),
            "constant_score": _constant_score(table),
            **_further(table),
            # The separator of a pair is no word of it.
            **({"tokens": _summary(tokens[split] - (len(first.inputs) - 1))} if split in tokens else {}),
            "sha256": hashes[split],
        }
        for split, table in data.tables.items()
    }
    description["classes"] = [
        {
            "class": label,
            **{split: int(counts[split][number]) for split in data.tables},
            "share_of_examples": float(sum(counts[split][number] for split in data.tables) / labels),
        }
        for number, label in enumerate(first.classes)
    ]
    if tokens:
        every = np.concatenate(list(tokens.values()))
        description["length_rule"] = {"covers_85_percent": covering_power_of_two(every), "in_use": max_tokens}
        if published is not None:
            sizes = {split: len(table) for split, table in data.tables.items()}
            description["table_7"] = beside_table_7(published, sizes, len(first.classes), every)
    joined = "".join(f"{split}:{digest}\n" for split, digest in hashes.items())
    description["sha256"] = hashlib.sha256(joined.encode()).hexdigest()
    description["versions"] = dict(data.versions)
    description["notes"] = list(data.notes)
    if data.findings:
        description |= {"findings": dict(data.findings), "warnings": list(data.warnings)}
    return description


def card_text(description: dict[str, Any]) -> str:
    """The card as Markdown."""
    splits = description["splits"]
    classes = f"{len(description['classes'])} classes, " if description["classes"] else ""
    lines = [
        f"# Data set `{description['dataset']}`",
        "",
        f"{description['n_examples']:,} examples, {classes}{description['task']}, "
        f"from the source `{description['source']}`.",
        *([_inert(" ".join(description["notes"]))] if description["notes"] else []),
        "",
    ]
    if description.get("warnings"):
        lines += ["## Warnings", "", *(f"- {_inert(warning)}" for warning in description["warnings"]), ""]
    lines += ["## Splits", ""]
    header = ["split", "examples", "share of the most frequent label"]
    rows = [[s, f"{v['n_examples']:,}", f"{v['majority_share']:.1%}"] for s, v in splits.items()]
    if all("labels_per_example" in v for v in splits.values()):
        header[-1] += " set"
        header.append("labels per example")
        for row, v in zip(rows, splits.values(), strict=True):
            row.append(f"{v['labels_per_example']:.2f}")
    if all("tokens" in v for v in splits.values()):
        header += ["words: fewest", "mean", "median", "deviation", "85 % have at most", "most"]
        for row, v in zip(rows, splits.values(), strict=True):
            t = v["tokens"]
            row += [str(t["min"]), f"{t['mean']:.1f}", f"{t['median']:g}", f"{t['std']:.1f}"]
            row += [str(t["p85"]), str(t["max"])]
    lines += [*_table(header, rows), ""]
    if rule := description.get("length_rule"):
        used = f"{rule['in_use']} are used" if rule["in_use"] else "it is used, over the training texts"
        lines += [
            "The first power of two that covers 85 % of the texts, the separator of pairs counted, is "
            f"{rule['covers_85_percent']} tokens; {used}.",
            "",
        ]
    if "table_7" in description:
        lines += _beside_the_paper(description["table_7"])
    if description["classes"]:
        header = ["class", *splits, "share of all examples"]
        rows = [
            [c["class"], *(f"{c[s]:,}" for s in splits), f"{c['share_of_examples']:.1%}"]
            for c in description["classes"]
        ]
        lines += ["## Classes", "", *_table(header, rows), ""]
    lines += ["## Where it comes from", ""]
    lines += _table(["package", "version"], [[k, v] for k, v in description["versions"].items()])
    lines += ["", f"SHA-256 over the content: `{description['sha256']}`", ""]
    return "\n".join(lines)


def _beside_the_paper(rows: list[dict[str, Any]]) -> list[str]:
    cells = []
    for row in rows:
        ours = f"{row['ours']:,.1f}" if isinstance(row["ours"], float) else f"{row['ours']:,}"
        cells.append([row["quantity"], f"{row['published']:,}", ours, row["why"] or "agrees"])
    lines = _table(["number", "paper", "here", "agrees, or why not"], cells)
    return [
        "## Beside Table 7 of the PIE paper",
        "",
        "Tokens are of the texts of all splits.",
        "",
        *lines,
        "",
    ]


def _table(header: list[str], rows: list[list[str]]) -> list[str]:
    marks = ["---", *["---:"] * (len(header) - 1)]
    return [
        f"| {' | '.join(row)} |" for row in (header, marks, *([_inert(cell) for cell in row] for row in rows))
    ]


def _inert(text: str) -> str:
    """A text of the data as Markdown that shows it: no HTML, no further column."""
    return html.escape(" ".join(text.split()), quote=False).replace("|", "\\|").replace("[", "\\[")


def _class_counts(table: DataTable) -> np.ndarray:
    if table.info.task == "multi-label":
        return table.labels.sum(axis=0)
    if table.info.task == "tokens":
        return np.bincount(np.concatenate(list(table.labels)), minlength=len(table.info.classes))
    if table.info.task != "single-label":
        return np.zeros(0, dtype=np.int64)
    return np.bincount(table.labels, minlength=len(table.info.classes))


def _further(table: DataTable) -> dict[str, Any]:
    """What only some tasks have of a split."""
    labels, task = table.labels, table.info.task
    if task == "multi-label":
        return {"labels_per_example": float(labels.sum() / len(table))}
    if task == "regression":
        spread = float(labels.std(ddof=1)) if len(table) > 1 else 0.0
        return {"label_mean": float(labels.mean()), "label_std": spread}
    if task == "tokens":
        return {"labelled_tokens": int(sum(map(len, labels)))}
    if task in ("span", "text"):
        return {"answers_per_example": float(np.mean([len(answers) for answers in labels]))}
    return {}


def _majority_share(table: DataTable) -> float:
    if table.info.task == "tokens":
        counts = _class_counts(table)
        return float(counts.max() / max(1, counts.sum()))
    if table.info.task in ("span", "text"):
        first = Counter(answers[0] for answers in table.labels)
        return float(first.most_common(1)[0][1] / len(table))
    _, counts = np.unique(table.labels, axis=0, return_counts=True)
    return float(counts.max() / len(table))


def _constant_score(table: DataTable) -> float:
    if table.info.task == "regression":
        # What does not vary correlates with nothing.
        return 0.0
    if table.labels.ndim == 1:
        return _majority_share(table)
    # All labels for everybody: precision is a label's share p, recall is 1, so F1 = 2p / (1 + p).
    share = table.labels.mean(axis=0)
    return float(np.mean(2 * share / (1 + share)))


def _label_text(table: DataTable, number: int) -> str:
    """The label as the content's hash takes it in."""
    label = table.labels[number]
    if table.info.task == "multi-label":
        label = np.flatnonzero(label)
    if table.info.task in ("span", "text"):
        return json.dumps([label, table.starts[number] if table.starts else []])
    return " ".join(map(str, np.atleast_1d(label).tolist()))


def _summary(lengths: np.ndarray) -> dict[str, float | int]:
    return {
        "min": int(lengths.min()),
        "mean": float(lengths.mean()),
        "median": float(np.median(lengths)),
        "std": float(lengths.std(ddof=1)) if len(lengths) > 1 else 0.0,
        "p85": int(np.quantile(lengths, 0.85, method="inverted_cdf")),
        "max": int(lengths.max()),
    }


def _sha256(table: DataTable) -> str:
    """Hash of labels and inputs in order, independent of the file format's version."""
    digest = hashlib.sha256()
    for number in range(len(table)):
        digest.update(f"{_label_text(table, number)}\n".encode())
        if table.images is not None:
            digest.update(table.images[number].tobytes())
        if table.texts is not None:
            for part in table.texts.values():
                # The length in front keeps ("ab", "c") and ("a", "bc") apart.
                raw = part[number].encode()
                digest.update(f"{len(raw)}\n".encode() + raw)
    return digest.hexdigest()
