"""The data set ``reuters``: Reuters-21578 news with the topics that are frequent enough."""

from __future__ import annotations

import html
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

from pydantic import Field

from prunescope.data import local
from prunescope.data.corpus import FILES, Examples, Found, assemble
from prunescope.data.dataset import DataSet
from prunescope.data.settings import LOCAL, Archived, Distribution, Lengths, Published
from prunescope.data.splits import SPLITS, split_multi
from prunescope.errors import UserError, listed

#: Training, validation, test. The paper's text says 30/15/15, its counts are 70/15/15.
SHARES = (0.7, 0.15, 0.15)

#: A topic with this share of the documents it needs is named as nearly frequent enough.
_CLOSE = 0.9

_DOCUMENT = re.compile(r"<REUTERS\b[^>]*>(.*?)</REUTERS>", re.DOTALL)
_TOPICS = re.compile(r"<TOPICS>(.*?)</TOPICS>", re.DOTALL)
_NAME = re.compile(r"<D>(.*?)</D>", re.DOTALL)
_TEXT = re.compile(r"<TEXT\b[^>]*>(.*?)</TEXT>", re.DOTALL)
_HEADING = re.compile(r"<TITLE>(.*?)</TITLE>", re.DOTALL)
_BODY = re.compile(r"<BODY>(.*?)</BODY>", re.DOTALL)
_MARKUP = re.compile(r"<[^>]*>|&#\d+;")


class Reuters(Archived):
    """Reuters-21578 news with its frequent topics, several labels."""

    source: Literal["reuters"]
    path: str | None = Field(
        None,
        min_length=1,
        description=f"{LOCAL}; or one file with all documents; null: the original distribution is downloaded",
    )
    min_documents: int = Field(100, ge=1, description="topics of fewer documents are left out")

    published = Published("Reuters", (6_737, 1_440, 1_429), 23, Lengths(126, 79, 5, 1305, 137, 232), 256)
    mean_tokens = (256, 140.3)
    several_labels = True

    #: Distribution 1.0. The digest is the one that scikit-learn's out-of-core classification example pins for the
    #: UCI address; the other two addresses say of themselves that they hold the same file.
    distribution = Distribution(
        archive="reuters21578.tar.gz",
        files=tuple(f"reut2-{number:03}.sgm" for number in range(22)),
        most_bytes=1 << 28,
        urls=(
            "https://archive.ics.uci.edu/ml/machine-learning-databases/reuters21578-mld/reuters21578.tar.gz",
            "https://kdd.ics.uci.edu/databases/reuters21578/reuters21578.tar.gz",
            "https://www.daviddlewis.com/resources/testcollections/reuters21578/reuters21578.tar.gz",
        ),
        sha256="3bae43c9b14e387f76a61b6d82bf98a4fb5d3ef99ef7e7075ff2ccbcf59f9d30",
    )

    def build(self, name: str) -> DataSet:
        """Documents from ``path``: the original ``reut2-*.sgm``, or Parquet, CSV, JSON lines; else downloaded.

        PIE paper, appendix A.2: all documents together, topics with at least ``min_documents`` of them,
        documents with none of these dropped, lower case without punctuation and digits, split
        70/15/15 with every set of topics in proportion.

        Raises:
            UserError: a file is missing or unusable, or no two topics are frequent enough.
        """
        import numpy as np

        from prunescope.data.originals import folder_of

        folder, versions = folder_of(self)
        documents = _read(folder)
        counts = Counter(topic for _, topics in documents for topic in set(topics))
        classes = tuple(sorted(topic for topic, count in counts.items() if count >= self.min_documents))
        if len(classes) < 2:
            raise UserError(
                f"{folder}: fewer than two topics have {self.min_documents} documents; lower min_documents or check "
                "the files"
            )
        ids = {topic: number for number, topic in enumerate(classes)}
        texts: list[str] = []
        labels: list[tuple[int, ...]] = []
        bare = 0
        for text, topics in documents:
            label = tuple(sorted({ids[topic] for topic in topics if topic in ids}))
            cleaned = plain(text)
            if label and cleaned:
                texts.append(cleaned)
                labels.append(label)
            bare += bool(label) and not cleaned
        numbers = split_multi(texts, labels, SHARES)
        whole = Examples({"text": texts}, labels)
        splits = {
            split: whole.rows(np.flatnonzero(numbers == number).tolist())
            for number, split in enumerate(SPLITS)
        }
        reasons = [
            f"Of the {len(documents):,} documents of the files, {len(texts):,} have one of the {len(classes)} topics "
            f"with at least {self.min_documents} documents; which topics those are depends on the distribution "
            "read: the paper starts from all of Reuters-21578, the ApteMod form has fewer documents."
        ]
        if close := [f"{t} ({n})" for t, n in counts.most_common() if _CLOSE <= n / self.min_documents < 1]:
            reasons.append(f"Topics that just miss that number here: {listed(close)}.")
        if bare:
            reasons.append(f"{bare} documents without any letter were dropped.")
        found = Found(splits, reasons, versions)
        return assemble(name, "multi-label", classes, found, self.max_examples, published=self.published)


def plain(text: str) -> str:
    """Lower case, without entities, punctuation and digits, one space between words.

    >>> plain("U.S. &lt;GM>  up 12 pct")
    'us gm up pct'
    """
    return " ".join(re.sub(r"[^a-z\s]", "", html.unescape(text).lower()).split())


def _read(path: Path) -> list[tuple[str, list[str]]]:
    if path.is_file():
        return _columns(path)
    originals = sorted(path.glob("*.sgm"))
    if originals:
        return [document for original in originals for document in _original(original)]
    documents: list[tuple[str, list[str]]] = []
    for split, names in FILES.items():
        found = local.files_called(path, split, names)
        if not found and split != "validation":
            raise UserError(
                f"{path}: neither reut2-*.sgm nor a table called {' or '.join(names)}: no {split} split; put it there"
            )
        documents += [document for file in found for document in _columns(file)]
    return documents


def _columns(path: Path) -> list[tuple[str, list[str]]]:
    rows = local.read_rows(path, (("text",), ("topics", "labels")))
    texts = local.text_column(rows, "text")
    topics = [
        local.names_of(value, f"{path}: row {number}")
        for number, value in enumerate(rows.columns["topics"], 1)
    ]
    return list(zip(texts, topics, strict=True))


def _original(path: Path) -> Iterator[tuple[str, list[str]]]:
    # The distribution says ASCII, but a few of its bytes are not; Latin-1 reads every byte.
    content = path.read_bytes().decode("latin-1")
    documents = _DOCUMENT.findall(content)
    if not documents or content.count("<REUTERS") != len(documents):
        raise UserError(f"{path}: not a whole Reuters-21578 file; fetch it again")
    for document in documents:
        topics = _TOPICS.search(document)
        text = _TEXT.search(document)
        if topics is None or text is None:
            raise UserError(f"{path}: a document has no <TOPICS> or <TEXT>; fetch the file again")
        parts = [part[1] for part in (_HEADING.search(text[1]), _BODY.search(text[1])) if part]
        # Documents without a body (unprocessed or brief ones) have their words directly in <TEXT>.
        yield _MARKUP.sub(" ", "\n".join(parts) or text[1]), _NAME.findall(topics[1])
