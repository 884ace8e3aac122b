"""The example explorer: a page, and for every split of a data set its PIEs as scripts that the page loads when asked.

Scripts rather than JSON: a page opened from disk may load those, but may not fetch.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from prunescope.analysis.csv_text import write_csv
from prunescope.config.study import Study
from prunescope.errors import UserError
from prunescope.report import page
from prunescope.report.images import ImageTable, images_of, png, tiled
from prunescope.report.sentences import count
from prunescope.report.texts import texts_of
from prunescope.site.explorer_votes import Ranked, Votes, chosen, el2n_bins, ranked, read_votes
from prunescope.site.findings import CellNumbers

#: Examples of a split on the page; all are in the CSV beside it.
MOST = 12_000
#: Votes of a split on the page: where examples are PIEs of very many models, fewer of them fit.
MOST_VOTES = 400_000
#: Texts come in files of about this many characters, and of at most this many texts.
CHUNK_CHARACTERS, CHUNK_EXAMPLES = 400_000, 400
_IMAGE_COLUMNS = 20
#: Examples of a split that the study's first page may show.
SHOWN_FIRST = 4

#: Readability measures on the page, by column of ``readability.parquet``.
MEASURES = {
    "flesch_kincaid_grade": "Flesch–Kincaid grade",
    "difficult_words": "difficult words",
    "text_length": "length in tokens",
}

COLUMNS = ("example", "label", "n_networks", "of_networks", "n_pruners", "of_pruners", "el2n_bin", *MEASURES)


@dataclass
class Split:
    """One entry of the page's list; ``entry``: what its script needs to know of it.

    changed: how many examples are PIEs, of how many · paying: a few that are right in the dense models and wrong in
    most of the pruned models that change them, those of most models first.
    """

    dataset: str
    split: str
    entry: dict[str, Any]
    changed: str = ""
    paying: list[dict[str, Any]] = field(default_factory=list)

    @property
    def summary(self) -> str:
        """How many examples are PIEs, and under how many pruners."""
        return str(self.entry["summary"])


def script(call: str, *arguments: Any) -> str:
    """A call with JSON arguments."""
    return f"{call}({','.join(map(page.safe_json, arguments))});\n"


def write(
    study: Study,
    cells: Sequence[tuple[CellNumbers, Path]],
    data: Mapping[str, Path],
    folder: Path,
    problems: list[str],
) -> list[Split]:
    """Write the scripts, images and CSV files of every data set and split into ``folder``.

    Args:
        cells: pruned cells with their folders.
        data: folders of data sets, with their data tables.
        problems: a line is added for everything that is missing or cannot be read.
    """
    found = []
    for dataset in dict.fromkeys(cell.dataset for cell, _ in cells):
        own = [(cell, path) for cell, path in cells if cell.dataset == dataset]
        for split in ("test", "train"):
            one = _split(study, dataset, split, own, data.get(dataset), folder, problems)
            if one is not None:
                found.append(one)
    return found


def _split(
    study: Study,
    dataset: str,
    split: str,
    cells: Sequence[tuple[CellNumbers, Path]],
    data: Path | None,
    folder: Path,
    problems: list[str],
) -> Split | None:
    present = [(cell, path) for cell, path in cells if (path / split / "pies.parquet").exists()]
    if split == "test":
        problems += [
            f"{path / split / 'pies.parquet'}: no such file"
            for cell, path in cells
            if (cell, path) not in present
        ]
    votes = read_votes([path / split / "pies.parquet" for _, path in present], problems)
    if not len(votes.example):
        return None
    pruners = list(dict.fromkeys(cell.pruner for cell, _ in present))
    pruner_of_cell = np.array([pruners.index(cell.pruner) for cell, _ in present])
    every = ranked(votes, pruner_of_cell)
    shown = _fitting(every)
    name = f"{dataset}--{split}"
    bins = _bins(present, split, study.analysis.bins)
    readable = _readability(data, split, problems)
    total = max(int(cell.summary.get("n_examples") or 0) for cell, _ in present) if split == "test" else None
    _write_csv(folder / f"{name}.csv", votes, every, len(present), len(pruners), bins, readable)
    texts, images = _examples(study, dataset, split, data, shown.example, problems)
    (folder / name).mkdir(parents=True, exist_ok=True)
    chunks = _chunks(
        [texts.get(int(example), "") for example in shown.example] if texts is not None else len(shown)
    )
    _write_texts(folder / name, name, shown, texts, chunks)
    size = _write_images(folder / name, votes, shown, images, chunks)
    payload = {
        "cells": [[cell.arch, cell.pruner, cell.compression.text, cell.page] for cell, _ in present],
        **_votes_payload(votes, shown),
        "bins": {arch: _lookup(known, shown.example) for arch, known in bins.items()},
        "measures": {
            measure: [None if value is None else round(value, 2) for value in _lookup(known, shown.example)]
            for measure, known in readable.items()
        },
        "chunks": chunks,
        "picture": size,
    }
    (folder / f"{name}.js").write_text(script("prunescope.split", name, payload), encoding="utf-8")
    entry = {
        "key": name,
        "dataset": dataset,
        "split": "training" if split == "train" else split,
        "shown": len(shown),
        "total": len(every),
        "texts": texts is not None,
        "pictures": size is not None,
        "n_bins": study.analysis.bins,
        "n_pruners": len(pruners),
        "summary": _summary(dataset, split, every, len(present), len(pruners), total),
    }
    paying = _paying(votes, every, len(present), texts, images, name) if split == "test" else []
    return Split(dataset, split, entry, f"{count(len(every))} of {count(total)}" if total else "", paying)


def _paying(
    votes: Votes,
    every: Ranked,
    n_models: int,
    texts: Mapping[int, str] | None,
    images: ImageTable | None,
    key: str,
) -> list[dict[str, Any]]:
    """The first few examples that most models turn from right to wrong."""
    names, sets = list(votes.codes.names), list(votes.codes.sets)

    def named(code: int) -> str:
        return (", " if votes.has_classes else " | ").join(names[part] for part in sets[code]) or "(no class)"

    found: list[dict[str, Any]] = []
    for example, start, stop in zip(every.example.tolist(), every.start, every.stop, strict=True):
        own = slice(start, stop)
        # A tie of the dense models has a vote too: it is right by the order of the classes alone.
        lost = votes.dense_right[own] & (votes.dense_agreement[own] > 50) & ~votes.pruned_right[own]
        if 2 * lost.sum() <= len(lost) or (texts is not None and not texts.get(example)):
            continue
        answers, often = np.unique(votes.pruned[own][lost], return_counts=True)
        true = named(int(votes.label[start]))
        found.append(
            {
                "dataset": key.partition("--")[0],
                "example": example,
                "true": true,
                "pruned": named(int(answers[often.argmax()])),
                "models": f"{int(lost.sum())} of {count(n_models, 'model')}",
                "source": None if images is None else images.address(example, true),
                "size": None if images is None else images.shown_size,
                "text": None if texts is None else texts.get(example),
                "chosen": page.query({"set": key, "words": str(example)}),
            }
        )
        if len(found) == SHOWN_FIRST:
            break
    return found


def _fitting(every: Ranked) -> Ranked:
    """As many examples as stay below both limits."""
    most = MOST
    while True:
        shown = chosen(every, most)
        if most <= 100 or int(shown.n_models.sum()) <= MOST_VOTES:
            return shown
        most = most * 3 // 4


def _votes_payload(votes: Votes, shown: Ranked) -> dict[str, Any]:
    """Examples as columns; ``votes``: of each, its entries as model, dense and pruned vote, both agreements."""
    columns = (votes.cell, votes.dense, votes.pruned, votes.dense_agreement, votes.pruned_agreement)
    table = np.stack(columns, axis=1)
    return {
        "names": list(votes.codes.names),
        "sets": [list(parts) for parts in votes.codes.sets],
        "examples": shown.example.tolist(),
        "labels": votes.label[shown.start].tolist(),
        "classes": votes.has_classes,
        # Where labels are classes, the vote that is the label is right.
        "right": None if votes.has_classes else _right(votes, shown),
        "pruners": shown.n_pruners.tolist(),
        "votes": [
            table[start:stop].ravel().tolist() for start, stop in zip(shown.start, shown.stop, strict=True)
        ],
    }


def _right(votes: Votes, shown: Ranked) -> list[list[int]]:
    """The correct votes of each example, by code."""
    found = []
    for start, stop in zip(shown.start, shown.stop, strict=True):
        here = slice(start, stop)
        dense, pruned = (
            votes.dense[here][votes.dense_right[here]],
            votes.pruned[here][votes.pruned_right[here]],
        )
        found.append(sorted({*dense.tolist(), *pruned.tolist()}))
    return found


def _bins(cells: Sequence[tuple[CellNumbers, Path]], split: str, bins: int) -> dict[str, dict[int, float]]:
    """By architecture: the EL2N bin of each example. The cells of an architecture share their dense models."""
    found: dict[str, dict[int, float]] = {}
    for cell, path in cells:
        if cell.arch not in found:
            known = el2n_bins(path / split / "el2n_scores.parquet", bins)
            if known is not None:
                found[cell.arch] = dict(zip(known[0].tolist(), known[1].tolist(), strict=True))
    return found


def _readability(data: Path | None, split: str, problems: list[str]) -> dict[str, dict[int, float]]:
    """By measure: the value of each test example; there are none of the training split."""
    path = data / "readability.parquet" if data is not None and split == "test" else None
    if path is None or not path.exists():
        return {}
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        table = pq.ParquetFile(path).read(columns=["example", *MEASURES])
    except (pa.ArrowException, OSError, KeyError) as error:
        problems.append(f"{path}: cannot be read ({' '.join(str(error).split())})")
        return {}
    examples = table["example"].to_pylist()
    return {name: dict(zip(examples, table[name].to_pylist(), strict=True)) for name in MEASURES}


def _lookup(known: Mapping[int, float], examples: np.ndarray) -> list[float | None]:
    return [known.get(example) for example in examples.tolist()]


def _examples(
    study: Study, dataset: str, split: str, data: Path | None, wanted: np.ndarray, problems: list[str]
) -> tuple[dict[int, str] | None, ImageTable | None]:
    """The texts or the images of a split, as far as its data table is there."""
    try:
        if dataset in study.datasets and study.datasets[dataset].input == "image":
            images = images_of(data, split)
            if images is None:
                problems.append(
                    f"{dataset}: its data table {split}.parquet is missing; its images are not shown"
                )
            return None, images
        texts = texts_of(data, split, wanted)
        if texts is None:
            problems.append(f"{dataset}: its data table {split}.parquet is missing; its texts are not shown")
        return texts, None
    except UserError as error:
        problems.append(str(error))
        return None, None


def _chunks(texts: Sequence[str] | int) -> list[int]:
    """Where each file of texts or images begins, as positions among the examples."""
    if isinstance(texts, int):
        return list(range(0, texts, CHUNK_EXAMPLES))
    starts, characters = [0], 0
    for position, text in enumerate(texts):
        full = characters and characters + len(text) > CHUNK_CHARACTERS
        if full or position - starts[-1] >= CHUNK_EXAMPLES:
            starts.append(position)
            characters = 0
        characters += len(text)
    return starts


def _spans(chunks: Sequence[int], count: int) -> list[tuple[int, int]]:
    return list(zip(chunks, [*chunks[1:], count], strict=True))


def _write_texts(
    folder: Path, name: str, shown: Ranked, texts: Mapping[int, str] | None, chunks: Sequence[int]
) -> None:
    if texts is None:
        return
    for number, (first, last) in enumerate(_spans(chunks, len(shown))):
        held = [texts.get(example) for example in shown.example[first:last].tolist()]
        text = script("prunescope.texts", name, number, held)
        (folder / f"texts-{number}.js").write_text(text, encoding="utf-8")


def _write_images(
    folder: Path, votes: Votes, shown: Ranked, table: ImageTable | None, chunks: Sequence[int]
) -> dict[str, Any] | None:
    """One PNG for each chunk.

    Raises:
        UserError: the data table is not the one that was voted on.
    """
    if table is None:
        return None
    names, sets = list(votes.codes.names), list(votes.codes.sets)
    labels = [", ".join(names[part] for part in sets[code]) for code in votes.label[shown.start]]
    for number, (first, last) in enumerate(_spans(chunks, len(shown))):
        images = [table.image(int(shown.example[i]), labels[i]) for i in range(first, last)]
        (folder / f"pictures-{number}.png").write_bytes(png(tiled(images, _IMAGE_COLUMNS)))
    width, height = table.shown_size
    return {"width": width, "height": height, "columns": _IMAGE_COLUMNS}


def _write_csv(
    path: Path,
    votes: Votes,
    every: Ranked,
    n_models: int,
    n_pruners: int,
    bins: Mapping[str, Mapping[int, float]],
    readable: Mapping[str, Mapping[int, float]],
) -> None:
    """Every PIE of the split; the EL2N bin is the mean over architectures."""
    names, sets = list(votes.codes.names), list(votes.codes.sets)
    mark = ", " if votes.has_classes else " | "
    label_of = [mark.join(names[part] for part in parts) for parts in sets]

    def mean_bin(example: int) -> float | None:
        known = [held[example] for held in bins.values() if example in held]
        return sum(known) / len(known) if known else None

    columns = (every.example, votes.label[every.start], every.n_models, every.n_pruners)
    write_csv(
        path,
        COLUMNS,
        (
            [example, label_of[label], networks, n_models, pruners, n_pruners, mean_bin(example)]
            + [readable.get(name, {}).get(example) for name in MEASURES]
            for example, label, networks, pruners in zip(*(c.tolist() for c in columns), strict=True)
        ),
    )


def _summary(
    dataset: str, split: str, every: Ranked, n_models: int, n_pruners: int, total: int | None
) -> str:
    noun = "test example" if split == "test" else "training example"
    of = f" of {count(total, noun)}" if total else f" {noun}s" if len(every) != 1 else f" {noun}"
    text = f"{count(len(every))}{of} of {dataset} {'is a PIE' if len(every) == 1 else 'are PIEs'} of at least one of "
    text += f"{count(n_models, 'pruned model')} ({count(n_pruners, 'pruner')})"
    if n_pruners > 1:
        many = int((every.n_pruners >= max(2, -(-n_pruners // 2))).sum())
        alone = int((every.n_pruners == 1).sum())
        text += f": {count(many)} under at least half of the pruners, {count(alone)} under one pruner only"
    return text + "."
