"""Tables 2 and 7 of the PIE paper: sizes, lengths and classes of the data sets."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np

from prunescope.config.study import Study
from prunescope.data.published import COVERED, covering_power_of_two, token_counts
from prunescope.data.splits import SPLITS
from prunescope.data.tables import read_table
from prunescope.files import read_json
from prunescope.papers.pie.printed import PAPER
from prunescope.papers.printed import read_rows


@dataclass(frozen=True)
class DatasetRow:
    """A row of Table 7; None where it is not known or has no meaning, as tokens of pictures.

    Tokens are words of the texts of all splits, as the BiLSTM reads them, before they are cut; the
    separator of a pair counts as one. ``std`` uses ddof = 1. ``p85``: so many tokens or fewer have 85 % of
    the texts. ``truncation``: the tokens after which texts are cut.
    """

    dataset: str
    train: int | None
    test: int | None
    validation: int | None
    mean: float | None
    median: float | None
    min: int | None
    max: int | None
    std: float | None
    p85: int | None
    truncation: int | None
    classes: int | None
    task: str
    classification: str


COLUMNS = tuple(part.name for part in fields(DatasetRow))


def rows(study: Study, cards: Sequence[Path]) -> list[DatasetRow]:
    """A row per data card, as the study lists its data sets.

    Args:
        study: its data sets tell where texts are cut.
        cards: ``card.json`` files, beside which the data tables lie.

    Raises:
        UserError: a card or a data table cannot be read.
    """
    paths = {Path(card).parent.name: Path(card) for card in cards}
    names = [name for name in study.datasets if name in paths]
    names += sorted(name for name in paths if name not in study.datasets)
    return [_row(study, name, paths[name]) for name in names]


def _row(study: Study, name: str, path: Path) -> DatasetRow:
    value = read_json(path)
    card: Mapping[str, Any] = value if isinstance(value, Mapping) else {}
    settings = study.datasets.get(name)
    purposes = {row["dataset"].casefold(): row["task"] for row in read_rows(PAPER, "datasets.csv")}
    splits = card.get("splits") or {}
    counts = {split: (splits.get(split) or {}).get("n_examples") for split in SPLITS}
    lengths = _lengths(path.parent) if settings is not None and settings.input == "text" else {}
    cut = getattr(settings, "max_tokens", None)
    if cut is None and "train" in lengths:
        cut = covering_power_of_two(lengths["train"])
    classes = card.get("classes")
    return DatasetRow(
        dataset=name,
        train=counts["train"],
        test=counts["test"],
        validation=counts["validation"],
        **_summary(lengths),
        truncation=cut,
        classes=len(classes) if classes else None,
        task=purposes.get(str(card.get("source", "")).casefold(), ""),
        classification=str(card.get("task", "")),
    )


def _lengths(folder: Path) -> dict[str, np.ndarray]:
    """Tokens of every text by split; nothing unless all splits are there."""
    paths = {split: folder / f"{split}.parquet" for split in SPLITS}
    if not all(path.exists() for path in paths.values()):
        return {}
    return {split: token_counts(read_table(path)) for split, path in paths.items()}


def _summary(lengths: Mapping[str, np.ndarray]) -> dict[str, Any]:
    if not lengths:
        return dict.fromkeys(("mean", "median", "min", "max", "std", "p85"))
    every = np.concatenate(list(lengths.values()))
    return {
        "mean": float(every.mean()),
        "median": float(np.median(every)),
        "min": int(every.min()),
        "max": int(every.max()),
        "std": float(every.std(ddof=1)) if len(every) > 1 else None,
        "p85": int(np.quantile(every, COVERED, method="inverted_cdf")),
    }
