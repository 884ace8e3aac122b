"""The folder a data set becomes."""

from __future__ import annotations

from pathlib import Path

from prunescope.config.datasets import Dataset
from prunescope.data.card import card, card_text
from prunescope.data.dataset import DataSet
from prunescope.data.settings import Corpus
from prunescope.data.tables import write_table
from prunescope.errors import visible
from prunescope.files import atomic_files, write_json, write_text


def build(name: str, spec: Dataset, out: Path) -> None:
    """Read a source and write train, validation and test.parquet, card.md and card.json into ``out``.

    Other files in the folder stay. Where anything fails, the folder is as it was before.

    Raises:
        UserError: the source is missing or unusable, or ``out`` cannot be written.
    """
    data: DataSet = spec.build(name)
    published = spec.published if isinstance(spec, Corpus) else None
    description = card(name, spec.source, data, getattr(spec, "max_tokens", None), published)
    with atomic_files(out) as folder:
        for split, table in data.tables.items():
            write_table(folder / f"{split}.parquet", table)
        write_text(folder / "card.md", visible(card_text(description)))
        write_json(folder / "card.json", description)
