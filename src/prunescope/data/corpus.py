"""Published data sets of texts: where each is declared to be (``Preset``), and how it becomes tables."""

from __future__ import annotations

import os
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from prunescope.data import local
from prunescope.data.dataset import DataSet, DataTable, TableInfo
from prunescope.data.local import Rows
from prunescope.data.settings import Published
from prunescope.data.splits import SPLITS, sample, stratified
from prunescope.errors import UserError, listed
from prunescope.files import expanded

_CLASSES = ("single-label", "multi-label")


@dataclass(frozen=True)
class Examples:
    """One split: per input column its texts, and the label of each example.

    ``labels``: of classes their sorted numbers, (number,), tags (n_words,) int32, or accepted answers, with ``starts``
    of spans.
    """

    texts: Mapping[str, list[str]]
    labels: list[Any]
    starts: list[list[int]] | None = None

    def __len__(self) -> int:
        return len(self.labels)

    def contents(self) -> list[str]:
        """What an example is, for splits and samples that its content decides."""
        return ["\0".join(parts) for parts in zip(*self.texts.values(), strict=True)]

    def rows(self, numbers: Sequence[int]) -> Examples:
        return Examples(
            {name: [column[n] for n in numbers] for name, column in self.texts.items()},
            [self.labels[n] for n in numbers],
            None if self.starts is None else [self.starts[n] for n in numbers],
        )

    def parted(
        self, share: float, strata: Sequence[Hashable] | None = None, by: str | None = None
    ) -> dict[str, Examples]:
        """``train`` without the ``share`` of each stratum that is ``validation``; equal texts ``by`` stay near."""
        contents = self.contents() if by is None else self.texts[by]
        numbers = stratified(contents, strata or [0] * len(self), (1 - share, share)).tolist()
        return {
            split: self.rows([n for n, one in enumerate(numbers) if one == part])
            for part, split in enumerate(SPLITS[:2])
        }


@dataclass
class Found:
    """What was read: examples by split, what explains their counts, and versions."""

    splits: dict[str, Examples] = field(default_factory=dict)
    reasons: list[str] = field(default_factory=list)
    versions: dict[str, str] = field(default_factory=dict)


#: What the tables of a split may be called.
FILES = {"train": ("train", "train_subset"), "validation": ("validation", "val", "dev"), "test": ("test",)}


@dataclass(frozen=True)
class Preset:
    """Where a published data set is, and what its files hold.

    ``columns``: of each the names it may have, ours (the hub's) first. ``files``: by split, what its tables may be
    called, without endings. ``originals``: by split, original files of a form of their own. ``folder``: as the
    original archive unpacks. ``hub``: repository, commit and, of several data sets, which. ``on_hub``: what the hub
    calls splits. ``part``: what a subset is a part of. ``advice``: more to do, by the split that is not there.
    """

    columns: Sequence[Sequence[str]]
    files: Mapping[str, Sequence[str]] = field(default_factory=lambda: FILES)
    originals: Mapping[str, Sequence[str]] = field(default_factory=dict)
    folder: str = ""
    hub: tuple[str, ...] = ()
    on_hub: Mapping[str, str] = field(default_factory=dict)
    part: str = "the {} split"
    advice: Mapping[str, str] = field(default_factory=dict)

    def read(
        self,
        path: Path | str | None,
        revision: str | None,
        parse: Callable[[Rows], Examples],
        original: Callable[[Path], Examples] | None = None,
        tsv: Callable[[Path, list[str]], Rows] | None = None,
    ) -> Found:
        """All splits, from the folder ``path`` or, without one, from the hub.

        ``parse``: examples of a table. ``original``: of a file of ``originals``. ``tsv``: reads such tables, and adds
        to the reasons.

        Raises:
            UserError: a file is missing or unusable, or the hub cannot be reached.
        """
        if path is None:
            repository, commit, *config = self.hub
            theirs = {self.on_hub.get(split, split): split for split in self.files}
            columns = [column[0] for column in self.columns]
            there, versions = from_hub(repository, revision or commit, parse, list(theirs), columns, *config)
            return Found({theirs[name]: examples for name, examples in there.items()}, [], versions)
        folder = expanded(path) if isinstance(path, str) else path
        if self.folder and (folder / self.folder).is_dir():
            folder /= self.folder
        found = Found()
        for split in self.files:
            own = [file for name in self.originals.get(split, ()) if (file := folder / name).exists()]
            if own and original is not None:
                found.splits[split] = original(own[0])
                continue
            tables = local.files_called(folder, split, self.files[split])
            if not tables:
                raise self._missing(folder, split)
            if local.is_subset(tables[0]):
                found.reasons.append(f"{tables[0].name} is a part of {self.part.format(split)} only.")
            found.splits[split] = joined([
                parse(
                    tsv(table, found.reasons)
                    if tsv is not None and table.suffix == ".tsv"
                    else local.read_rows(table, self.columns)
                )
                for table in tables
            ])  # fmt: skip
        return found

    def _missing(self, folder: Path, split: str) -> UserError:
        tables = [f"{name}{{{','.join(local.ENDINGS)}}}" for name in self.files[split]]
        known = listed((*self.originals.get(split, ()), *tables))
        return UserError(
            f"{folder}: no {split} split in a known form; put it there as {known}{self.advice.get(split, '')}"
        )


def joined(parts: Sequence[Examples]) -> Examples:
    """One after the other."""
    if len(parts) == 1:
        return parts[0]
    starts = None if parts[0].starts is None else [one for part in parts for one in part.starts or ()]
    texts = {name: [text for part in parts for text in part.texts[name]] for name in parts[0].texts}
    return Examples(texts, [label for part in parts for label in part.labels], starts)


def class_labels(rows: Rows, classes: Sequence[str]) -> list[tuple[int, ...]]:
    """The class of each row, by name or by number, from its column ``label``.

    Raises:
        UserError: there is no such class.
    """
    return [
        (local.class_number(value, classes, f"{rows.path}: row {number}"),)
        for number, value in enumerate(rows.columns["label"], 1)
    ]


def assemble(
    name: str,
    task: str,
    classes: Sequence[str],
    found: Found,
    max_examples: int | None,
    metrics: Sequence[str] = (),
    parts: Mapping[str, int] | None = None,
    published: Published | None = None,
) -> DataSet:
    """The tables, cut to ``max_examples`` per split.

    Args:
        metrics: the data set's own, in its tables' metadata.
        parts: how many examples of each part follow one another in the test split.
        published: what the PIE paper prints of the data set; the comparison to its Table 7 is a note.

    Raises:
        UserError: a split has no examples, or a class none in the training split.
    """
    import numpy as np

    from prunescope.data.published import comparison
    from prunescope.predictions.arrow import objects

    cut = False
    tables = {}
    for split in SPLITS:
        examples = found.splits[split]
        sizes = dict(parts or {}) if split == "test" else {}
        if max_examples is not None and len(examples) > max_examples:
            numbers = sample(examples.contents(), _strata(task, examples.labels), max_examples)
            examples = examples.rows(numbers)
            sizes = _counted(sizes, numbers)
            cut = True
        if not len(examples):
            raise UserError(f"{name}: the {split} split has no examples; check the files of the data set")
        labels: Any = objects(examples.labels) if task in ("tokens", "span", "text") else None
        if task == "regression":
            labels = np.array([label[0] for label in examples.labels], dtype=np.float32)
        elif task in _CLASSES:
            marks = np.zeros((len(examples), len(classes)), dtype=bool)
            for number, label in enumerate(examples.labels):
                marks[number, list(label)] = True
            absent = [classes[c] for c in np.flatnonzero(~marks.any(axis=0)).tolist()]
            if absent and split == "train":
                advice = "raise max_examples" if cut else "check the files of the data set"
                raise UserError(
                    f"{name}: class{'es' if len(absent) > 1 else ''} without training examples: {listed(absent)}; "
                    f"{advice}"
                )
            labels = marks if task == "multi-label" else marks.argmax(axis=1).astype(np.int32)
        info = TableInfo(
            name, split, task, tuple(classes), tuple(examples.texts), metrics=tuple(metrics), parts=sizes
        )
        tables[split] = DataTable(info, labels, texts=examples.texts, starts=examples.starts)
    why = [
        *found.reasons,
        *([f"Each split was cut to at most {max_examples:,} examples (max_examples)."] if cut else []),
    ]
    notes = [comparison(published, tables, why)] if published is not None else why
    for split in SPLITS[1:] if task in _CLASSES else ():
        counts = tables[split].labels
        present = counts.any(axis=0) if counts.ndim > 1 else np.bincount(counts, minlength=len(classes)) > 0
        if missing := [classes[c] for c in np.flatnonzero(~present).tolist()]:
            notes.append(f"Classes without examples in {split}: {', '.join(missing)}.")
    return DataSet(tables, dict(found.versions), tuple(notes))


def _strata(task: str, labels: Sequence[Any]) -> list[tuple[int, ...]]:
    """Of classes themselves, of numbers bands of one each; none of other answers."""
    if task in _CLASSES:
        return list(labels)
    return [(int(label[0]) if task == "regression" else 0,) for label in labels]


def _counted(parts: Mapping[str, int], kept: Sequence[int]) -> dict[str, int]:
    """How many of the examples ``kept`` (sorted) are of each part."""
    import numpy as np

    ends = np.cumsum([0, *parts.values()])
    return dict(zip(parts, np.diff(np.searchsorted(kept, ends)).tolist(), strict=True))


T = TypeVar("T")


def from_hub(
    repository: str, revision: str, read: Callable[[Rows], T], splits: Sequence[str],
    columns: Sequence[str], config: str | None = None,
) -> tuple[dict[str, T], dict[str, str]]:  # fmt: skip
    """Splits of a data set on the Hugging Face hub at one commit, and the version of what read it.

    ``config``: which of the repository's data sets.

    No code of the repository is run: ``datasets`` is never asked to trust any. It keeps what it fetched in
    its own cache, from which it reads alone where HF_HUB_OFFLINE is set.

    Raises:
        UserError: the hub cannot be reached, or has other files than expected.
    """
    advice = "set `path` to a local folder of the data set"
    found, version = load_hub(repository, revision, config, advice)
    result = {}
    for split in splits:
        if split not in found:
            raise UserError(f"{repository}: has no split {split!r} on the hub; {advice}")
        there = found[split].column_names
        for column in columns:
            if column not in there:
                raise UserError(
                    f"{repository}: has no column {column!r} on the hub; its columns are {listed(there)}; {advice}"
                )
        rows = Rows(f"{repository} ({split})", {column: list(found[split][column]) for column in columns})
        result[split] = read(rows)
    return result, {"datasets": version, repository: revision}


def load_hub(repository: str, revision: str | None, config: str | None, advice: str) -> tuple[Any, str]:
    """A data set of the hub (``datasets.DatasetDict``), from the cache where it is, and the version of ``datasets``.

    No code of the repository is run.

    Raises:
        UserError: the hub cannot be reached, or has no such data set; the line ends in ``advice``.
    """
    import datasets  # type: ignore[import-untyped,unused-ignore]

    try:
        found: Any = datasets.load_dataset(repository, *([config] if config else []), revision=revision)
    # Which errors come depends on the versions of datasets, huggingface_hub and their HTTP client.
    except Exception as error:
        reason = " ".join(str(error).split())[:200]
        first = (
            "unset HF_HUB_OFFLINE"
            if os.environ.get("HF_HUB_OFFLINE", "").upper() in ("1", "ON", "YES", "TRUE")
            else "check the network"
        )
        raise UserError(
            f"path: not given, and {repository} cannot be read from the hub ({type(error).__name__}: {reason}); "
            f"{first} or {advice}"
        ) from None
    return found, str(datasets.__version__)
