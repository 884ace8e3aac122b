"""Data sources by name, and the folder a data set becomes."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from prunescope.config import datasets
from prunescope.data.card import card, card_text
from prunescope.data.sources import (
    aapd,
    cifar,
    conll,
    data_to_text,
    digits,
    docstrings,
    glue,
    imdb,
    mnist,
    reuters,
    snli,
    squad,
)
from prunescope.data.tables import DataSet, write_table
from prunescope.files import write_json, write_text


def _digits(name: str, spec: datasets.Dataset) -> DataSet:
    return digits.build(name)


def _docstrings(name: str, spec: datasets.Dataset) -> DataSet:
    assert isinstance(spec, datasets.Docstrings)
    return docstrings.build(name, spec)


def _imdb(name: str, spec: datasets.Dataset) -> DataSet:
    assert isinstance(spec, datasets.Imdb)
    return imdb.build(name, spec)


def _snli(name: str, spec: datasets.Dataset) -> DataSet:
    assert isinstance(spec, datasets.Snli)
    return snli.build(name, spec)


def _reuters(name: str, spec: datasets.Dataset) -> DataSet:
    assert isinstance(spec, datasets.Reuters)
    return reuters.build(name, spec)


def _aapd(name: str, spec: datasets.Dataset) -> DataSet:
    assert isinstance(spec, datasets.Aapd)
    return aapd.build(name, spec)


def _mnist(name: str, spec: datasets.Dataset) -> DataSet:
    assert isinstance(spec, datasets.Mnist | datasets.FashionMnist)
    return mnist.build(name, spec)


def _cifar(name: str, spec: datasets.Dataset) -> DataSet:
    assert isinstance(spec, datasets.Cifar10 | datasets.Cifar100)
    return cifar.build(name, spec)


def _glue(name: str, spec: datasets.Dataset) -> DataSet:
    assert isinstance(spec, datasets.Glue)
    return glue.build(name, spec)


def _squad(name: str, spec: datasets.Dataset) -> DataSet:
    assert isinstance(spec, datasets.Squad)
    return squad.build(name, spec)


def _conll(name: str, spec: datasets.Dataset) -> DataSet:
    assert isinstance(spec, datasets.Conll2003)
    return conll.build(name, spec)


def _data_to_text(name: str, spec: datasets.Dataset) -> DataSet:
    assert isinstance(spec, datasets.DataToText)
    return data_to_text.build(name, spec)


#: ``source`` of a data set in the configuration -> what reads it. A new source is one row here
#: and one class in ``prunescope.config.datasets``.
LOADERS: dict[str, Callable[[str, datasets.Dataset], DataSet]] = {
    "digits": _digits,
    "docstrings": _docstrings,
    "imdb": _imdb,
    "snli": _snli,
    "reuters": _reuters,
    "aapd": _aapd,
    "mnist": _mnist,
    "fashion_mnist": _mnist,
    "cifar10": _cifar,
    "cifar100": _cifar,
    **dict.fromkeys(datasets.GLUE, _glue),
    "squad": _squad,
    "conll2003": _conll,
    **dict.fromkeys(("e2e", "dart", "webnlg"), _data_to_text),
}


def build(name: str, spec: datasets.Dataset, out: Path) -> None:
    """Read a source and write train, validation and test.parquet, card.md and card.json into ``out``.

    Other files in the folder stay. Each file appears whole; card.json is removed first and written
    last, so that a folder with a card is complete. Where anything fails, none of the files is left, nor
    a folder that was not there before.

    Raises:
        UserError: the source is not there or unusable, or ``out`` cannot be written.
    """
    data = LOADERS[spec.source](name, spec)
    description = card(name, spec.source, data, getattr(spec, "max_tokens", None))
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
