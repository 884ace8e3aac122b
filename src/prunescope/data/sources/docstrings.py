"""The data set ``docstrings``: prose from the documentation of installed libraries."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal

from pydantic import Field, field_validator

from prunescope.config.datasets import Dataset, Declared
from prunescope.config.spec import distinct
from prunescope.data.dataset import DataSet, DataTable, TableInfo
from prunescope.data.splits import SPLITS, content_hash, split_multi, split_single

if TYPE_CHECKING:
    import numpy as np


class Docstrings(Dataset):
    """English prose from the docstrings of installed libraries."""

    input = "text"
    source: Literal["docstrings"]
    labels: Literal["library", "topics"] = Field(
        "library", description="one label, the library; or several, the topics a text mentions"
    )
    libraries: tuple[str, ...] = Field(
        ("numpy", "scipy", "pandas", "sklearn", "matplotlib", "torch", "transformers"), min_length=2
    )
    per_library: int = Field(400, ge=20, description="texts taken from each library, at most")
    max_tokens: int | None = Field(
        None, ge=4, description="texts are cut after this many tokens; null: the power of two covering 85 %"
    )

    @field_validator("libraries")
    @classmethod
    def _each_once(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        distinct("", value)
        return value

    def declared(self) -> Declared:
        """Upper bounds: how many texts there are depends on the libraries."""
        from prunescope.data.docstrings.topics import TOPICS

        texts = self.per_library * len(self.libraries)
        train, validation = round(texts * 0.7), round(texts * 0.1)
        return Declared(
            classes=len(self.libraries) if self.labels == "library" else len(TOPICS),
            train=train,
            validation=validation,
            test=texts - train - validation,
            tokens=self.max_tokens or 128,
            several_labels=self.labels == "topics",
        )

    def build(self, name: str) -> DataSet:
        """Read the libraries' sources, and make the data set's three tables.

        Raises:
            UserError: a library is missing or has too little prose, or fewer than two topics occur.
        """
        import numpy as np

        from prunescope.data.docstrings.gather import gather, marked

        taken = gather(self.libraries, self.per_library)
        texts = [text for part in taken for text in part.texts]
        versions = {part.library.distribution: part.library.version for part in taken}
        if self.labels == "library":
            owners = [number for number, part in enumerate(taken) for _ in part.texts]
            numbers = split_single(texts, owners)
            labels = np.array(owners, dtype=np.int32)
            return DataSet(_tables(name, "single-label", self.libraries, texts, labels, numbers), versions)
        texts, marks, classes, notes = marked(texts)
        numbers = split_multi(texts, [tuple(np.flatnonzero(row).tolist()) for row in marks])
        return DataSet(_tables(name, "multi-label", classes, texts, marks, numbers), versions, notes)


def _tables(
    name: str, task: str, classes: Sequence[str], texts: list[str], labels: np.ndarray, numbers: np.ndarray
) -> dict[str, DataTable]:
    import numpy as np

    tables = {}
    for number, split in enumerate(SPLITS):
        # Ordered by hash: mixed, and the same whatever the order of the libraries.
        rows = sorted(
            np.flatnonzero(numbers == number).tolist(), key=lambda n: (content_hash(texts[n]), texts[n])
        )
        info = TableInfo(name, split, task, tuple(classes), ("text",))
        tables[split] = DataTable(info, labels[rows], texts={"text": [texts[row] for row in rows]})
    return tables
