"""The folder a data set becomes."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

from prunescope.config.datasets import Dataset
from prunescope.data.card import card, card_text
from prunescope.data.dataset import DataSet
from prunescope.data.settings import Corpus
from prunescope.data.tables import write_table
from prunescope.files import write_json, write_text


def build(name: str, spec: Dataset, out: Path) -> None:
    """Read a source and write train, validation and test.parquet, card.md and card.json into ``out``.

    Other files in the folder stay. Each file appears whole; card.json is removed first and written
    last, so that a folder with a card is complete. Where anything fails, none of the files is left, nor
    a folder that was not there before.

    Raises:
        UserError: the source is missing or unusable, or ``out`` cannot be written.
    """
    data: DataSet = spec.build(name)
    published = spec.published if isinstance(spec, Corpus) else None
    description = card(name, spec.source, data, getattr(spec, "max_tokens", None), published)
    was_there = out.exists()
    written = [*(f"{split}.parquet" for split in data.tables), "card.md", "card.json"]
    try:
        (out / "card.json").unlink(missing_ok=True)
        for split, table in data.tables.items():
            write_table(out / f"{split}.parquet", table)
        write_text(out / "card.md", card_text(description))
        write_json(out / "card.json", description)
    except BaseException:
        with suppress(OSError):
            for file in written:
                (out / file).unlink(missing_ok=True)
            if not was_there:
                out.rmdir()
        raise
