"""From the texts and labels of a published data set to its tables."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeVar

from prunescope.data.dataset import DataSet, DataTable, TableInfo
from prunescope.data.local import Rows
from prunescope.data.settings import Published
from prunescope.data.splits import SPLITS, sample
from prunescope.errors import UserError, listed


@dataclass(frozen=True)
class Examples:
    """One split: per input column its texts, and of each example the sorted numbers of its classes."""

    texts: Mapping[str, list[str]]
    labels: list[tuple[int, ...]]

    def __len__(self) -> int:
        return len(self.labels)

    def contents(self) -> list[str]:
        """What an example is, for splits and samples that its content decides."""
        return ["\0".join(parts) for parts in zip(*self.texts.values(), strict=True)]

    def rows(self, numbers: Sequence[int]) -> Examples:
        return Examples(
            {name: [column[n] for n in numbers] for name, column in self.texts.items()},
            [self.labels[n] for n in numbers],
        )


def assemble(
    name: str,
    published: Published | None,
    task: Literal["single-label", "multi-label"],
    classes: Sequence[str],
    splits: Mapping[str, Examples],
    max_examples: int | None,
    versions: Mapping[str, str],
    reasons: Sequence[str],
    metrics: Sequence[str] = (),
    parts: Mapping[str, int] | None = None,
) -> DataSet:
    """The tables, cut to ``max_examples`` per split, with the comparison to the PIE paper's Table 7 as a note.

    Args:
        published: what the PIE paper prints of the data set.
        reasons: sentences that explain counts other than the paper's.
        metrics: the data set's own, in its tables' metadata.
        parts: how many examples of each part follow one another in the test split.

    Raises:
        UserError: a split has no examples, or a class none in the training split.
    """
    import numpy as np

    from prunescope.data.published import comparison

    cut = False
    tables = {}
    for split in SPLITS:
        examples = splits[split]
        sizes = dict(parts or {}) if split == "test" else {}
        if max_examples is not None and len(examples) > max_examples:
            numbers = sample(examples.contents(), examples.labels, max_examples)
            examples = examples.rows(numbers)
            sizes = _counted(sizes, numbers)
            cut = True
        if not len(examples):
            raise UserError(f"{name}: the {split} split has no examples; check the files of the data set")
        marks = np.zeros((len(examples), len(classes)), dtype=bool)
        for number, label in enumerate(examples.labels):
            marks[number, list(label)] = True
        absent = [classes[c] for c in np.flatnonzero(~marks.any(axis=0)).tolist()]
        if absent and split == "train":
            advice = "raise max_examples" if cut else "check the files of the data set"
            raise UserError(
                f"{name}: class{'es' if len(absent) > 1 else ''} without training examples: {listed(absent)}; {advice}"
            )
        labels = marks if task == "multi-label" else marks.argmax(axis=1).astype(np.int32)
        info = TableInfo(
            name, split, task, tuple(classes), tuple(examples.texts), metrics=tuple(metrics), parts=sizes
        )
        tables[split] = DataTable(info, labels, texts=examples.texts)
    why = [
        *reasons,
        *([f"Each split was cut to at most {max_examples:,} examples (max_examples)."] if cut else []),
    ]
    notes = [comparison(published, tables, why)] if published is not None else list(why)
    for split in SPLITS[1:]:
        counts = tables[split].labels
        present = counts.any(axis=0) if counts.ndim > 1 else np.bincount(counts, minlength=len(classes)) > 0
        if missing := [classes[c] for c in np.flatnonzero(~present).tolist()]:
            notes.append(f"Classes without examples in {split}: {', '.join(missing)}.")
    return DataSet(tables, dict(versions), tuple(notes))


def _counted(parts: Mapping[str, int], kept: Sequence[int]) -> dict[str, int]:
    """How many of the examples ``kept`` (sorted) are of each part."""
    import numpy as np

    ends = np.cumsum([0, *parts.values()])
    return dict(zip(parts, np.diff(np.searchsorted(kept, ends)).tolist(), strict=True))


T = TypeVar("T")


def from_hub(
    repository: str, revision: str, read: Callable[[str, Rows], T], splits: Sequence[str],
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
        result[split] = read(split, rows)
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
