"""Tables of data sets whose answers are no classes of a whole text: tags, spans, texts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from prunescope.data.dataset import DataSet, DataTable, TableInfo
from prunescope.data.splits import SPLITS, sample, stratified
from prunescope.errors import UserError


@dataclass(frozen=True)
class Answered:
    """One split: per input column its texts, and of each example what is right (``DataTable.labels``)."""

    texts: Mapping[str, list[str]]
    labels: list[Any]
    starts: list[list[int]] | None = None

    def __len__(self) -> int:
        return len(self.labels)

    def contents(self) -> list[str]:
        """What an example is, for samples that its content decides."""
        return ["\0".join(parts) for parts in zip(*self.texts.values(), strict=True)]

    def rows(self, numbers: Sequence[int]) -> Answered:
        return Answered(
            {name: [column[n] for n in numbers] for name, column in self.texts.items()},
            [self.labels[n] for n in numbers],
            None if self.starts is None else [self.starts[n] for n in numbers],
        )


def part_for_validation(train: Answered, share: float, by: str) -> tuple[Answered, Answered]:
    """Training examples without, and the share that becomes validation; equal texts in ``by`` stay near each other."""
    numbers = stratified(train.texts[by], [0] * len(train), (1 - share, share))
    return (
        train.rows([n for n, part in enumerate(numbers.tolist()) if part == 0]),
        train.rows([n for n, part in enumerate(numbers.tolist()) if part == 1]),
    )


def assemble_answers(
    name: str,
    task: Literal["tokens", "span", "text"],
    classes: Sequence[str],
    splits: Mapping[str, Answered],
    max_examples: int | None,
    metrics: Sequence[str],
    versions: Mapping[str, str],
    reasons: Sequence[str],
) -> DataSet:
    """The tables, cut to ``max_examples`` per split.

    Raises:
        UserError: a split has no examples.
    """
    from prunescope.predictions.arrow import objects

    tables, notes = {}, list(reasons)
    for split in SPLITS:
        found = splits[split]
        if not len(found):
            raise UserError(f"{name}: the {split} split has no examples; check the files of the data set")
        if max_examples is not None and len(found) > max_examples:
            found = found.rows(sample(found.contents(), [(0,)] * len(found), max_examples))
            note = f"Each split was cut to at most {max_examples:,} examples (max_examples)."
            notes += [note] if note not in notes else []
        info = TableInfo(name, split, task, tuple(classes), tuple(found.texts), metrics=tuple(metrics))
        tables[split] = DataTable(info, objects(found.labels), texts=found.texts, starts=found.starts)
    return DataSet(tables, dict(versions), tuple(notes))
