"""The data sets ``e2e``, ``dart`` and ``webnlg``: texts that say what records hold.

E2E (Novikova et al. 2017), DART (Nan et al. 2021), WebNLG (Gardent et al. 2017). In training every reference is
an example; of validation and test, a record is one example with all its references.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Literal

from pydantic import Field

from prunescope.config.datasets import Declared
from prunescope.data import local
from prunescope.data.corpus import Examples, Found, assemble
from prunescope.data.dataset import DataSet
from prunescope.data.settings import LOCAL, Texts
from prunescope.data.splits import SPLITS
from prunescope.errors import UserError
from prunescope.files import expanded

METRICS = ("bleu", "rouge_l", "meteor", "chrf")

#: A record as one line, and one of its references.
_Pair = tuple[str, str]

#: Examples of training, validation and test as their papers count them (records of validation and test with
#: several references counted once), characters of a text, and references of a test record.
_DECLARED: Mapping[str, tuple[tuple[int, int, int], float, float]] = {
    "e2e": ((42_061, 547, 630), 110, 7.4),
    "dart": ((62_659, 2_768, 5_097), 115, 2.5),
    "webnlg": ((18_025, 872, 1_862), 115, 2.5),
}

#: What a split's files are called, in this order of preference.
_FILES: Mapping[str, Mapping[str, tuple[str, ...]]] = {
    "e2e": {
        "train": ("trainset.csv", "train-fixed*.csv", "train.csv"),
        "validation": ("devset.csv", "devel-fixed*.csv", "dev.csv", "validation.csv"),
        "test": ("testset_w_refs.csv", "test-fixed*.csv", "test.csv"),
    },
    "dart": {
        "train": ("dart-v*-full-train.json", "train.json"),
        "validation": ("dart-v*-full-dev.json", "dev.json", "validation.json"),
        "test": ("dart-v*-full-test.json", "test.json"),
    },
    "webnlg": {
        "train": ("train.json", "train/**/*.xml", "train*.xml"),
        "validation": ("dev.json", "validation.json", "dev/**/*.xml", "dev*.xml"),
        "test": ("test.json", "test/**/*.xml", "test*.xml"),
    },
}


class DataToText(Texts):
    """E2E (Novikova et al. 2017), DART (Nan et al. 2021) or WebNLG (Gardent et al. 2017): texts from records."""

    paper = "pins"
    source: Literal["e2e", "dart", "webnlg"]
    path: str = Field(min_length=1, description=LOCAL)

    def declared(self) -> Declared:
        counts, length, accepted = _DECLARED[self.source]
        return self.at_most(*counts, classes=1, answer_length=length, accepted_answers=accepted, writes=True)

    def build(self, name: str) -> DataSet:
        """Records and references from ``path``.

        Raises:
            UserError: a file is missing or unusable.
        """
        folder = expanded(self.path)
        splits = {}
        for split in SPLITS:
            pairs = [pair for path in _paths(folder, self.source, split) for pair in _read(self.source, path)]
            splits[split] = _each(pairs) if split == "train" else _together(pairs)
        return assemble(name, "text", (), Found(splits), self.max_examples, METRICS)


def _paths(folder: Path, source: str, split: str) -> list[Path]:
    for pattern in _FILES[source][split]:
        found = sorted(folder.glob(pattern))
        if found:
            return found
    raise UserError(
        f"{folder}: no {split} split of {source}; put it there as {' or '.join(_FILES[source][split])}"
    )


def _each(pairs: list[_Pair]) -> Examples:
    return Examples({"text": [source for source, _ in pairs]}, [[text] for _, text in pairs])


def _together(pairs: list[_Pair]) -> Examples:
    """Each record once, in the order of first appearance, with its references."""
    references: dict[str, list[str]] = {}
    for source, text in pairs:
        references.setdefault(source, []).append(text)
    return Examples({"text": list(references)}, list(references.values()))


def _read(source: str, path: Path) -> Iterator[_Pair]:
    reader: Callable[[Path], Iterator[_Pair]] = {"e2e": _e2e, "dart": _dart}.get(source, _webnlg)
    empty = True
    for number, (record, text) in enumerate(reader(path), 1):
        if not isinstance(text, str) or not record.strip() or not text.strip():
            raise UserError(f"{path}: text {number} is missing or empty, or has no record; remove it")
        empty = False
        yield record, " ".join(text.split())
    if empty:
        raise UserError(f"{path}: has no records; put the data set's file there")


def _e2e(path: Path) -> Iterator[_Pair]:
    """``name[Blue Spice], area[riverside]`` -> ``name : Blue Spice | area : riverside``."""
    rows = local.read_rows(path, (("mr",), ("ref",)))
    for number, (record, text) in enumerate(zip(rows.columns["mr"], rows.columns["ref"], strict=True), 1):
        slots = re.findall(r"([^\[\],]+)\[([^\]]*)\]", record)
        if not slots:
            raise UserError(
                f"{path}: row {number}: {record!r} is no record such as name[Blue Spice]; correct it"
            )
        yield " | ".join(f"{slot.strip()} : {value.strip()}" for slot, value in slots), text


def _dart(path: Path) -> Iterator[_Pair]:
    try:
        for entry in json.loads("".join(local.text_lines(path))):
            record = _triples(entry["tripleset"])
            for annotation in entry["annotations"]:
                yield record, annotation["text"]
    except (ValueError, KeyError, TypeError) as error:
        raise _malformed(path, "DART", error) from None


def _webnlg(path: Path) -> Iterator[_Pair]:
    """The JSON of the challenge (``entries`` of numbered records), or the release's XML."""
    if path.suffix == ".xml":
        yield from _webnlg_xml(path)
        return
    try:
        for numbered in json.loads("".join(local.text_lines(path)))["entries"]:
            for entry in numbered.values():
                triples = [(t["subject"], t["property"], t["object"]) for t in entry["modifiedtripleset"]]
                for text in entry["lexicalisations"]:
                    yield _triples(triples), text["lex"]
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise _malformed(path, "WebNLG", error) from None


def _webnlg_xml(path: Path) -> Iterator[_Pair]:
    from xml.etree import ElementTree

    try:
        for entry in ElementTree.parse(path).getroot().iter("entry"):
            triples = [(t.text or "").split(" | ") for t in entry.findall("modifiedtripleset/mtriple")]
            for text in entry.findall("lex"):
                # Later releases hold Russian texts too.
                if text.get("lang", "en") in ("en", ""):
                    yield _triples(triples), text.text or ""
    # An encoding that is unknown or not supported is one of the last two.
    except (ElementTree.ParseError, OSError, TypeError, LookupError, ValueError) as error:
        raise _malformed(path, "WebNLG", error) from None


def _triples(triples: Any) -> str:
    """``subject : property : object | ...``"""
    return " | ".join(" : ".join(" ".join(str(part).split()) for part in triple) for triple in triples)


def _malformed(path: Path, form: str, error: Exception) -> UserError:
    return UserError(f"{path}: not of {form}'s form ({type(error).__name__}: {error}); fetch it again")
