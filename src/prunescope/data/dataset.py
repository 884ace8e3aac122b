"""A built data set: its tables in memory. Nothing heavy is imported."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np


@dataclass(frozen=True)
class TableInfo:
    """What a data table says of itself.

    ``inputs``: the input columns, ("text",), ("premise", "hypothesis") or ("image",).
    ``image_shape``: (channels, height, width); ``image_scale``: pixels are divided by it.
    ``extra``: columns beside, for people and for the analysis by group: the user's own names of examples, and groups.
    ``metrics``: the data set's own scores, the first one above all (``predictions.task_metrics``); ``parts``: how
    many examples of each of the parts that follow one another in this split and are scored apart. ``language``: of the
    texts, where it is not English.
    """

    dataset: str
    split: str
    task: str
    classes: tuple[str, ...]
    inputs: tuple[str, ...]
    image_shape: tuple[int, int, int] | None = None
    image_scale: float | None = None
    metrics: tuple[str, ...] = ()
    parts: Mapping[str, int] = field(default_factory=dict)
    extra: tuple[str, ...] = ()
    language: str | None = None

    def json(self) -> str:
        # What most data sets do not have is left out of theirs, whose files stay the same.
        without = {name for name in ("metrics", "parts", "extra", "language") if not getattr(self, name)}
        about = {name: value for name, value in self.__dict__.items() if name not in without}
        return json.dumps(about, ensure_ascii=False)


@dataclass(frozen=True)
class DataTable:
    """One split: its labels, and texts by column or images (n, ch, H, W) uint8.

    ``labels``: (n,) int32 or (n, C) bool; regression (n,) float32; tokens (n,) object, an int32 array for
    each text, whose words a space parts; span and text (n,) object, lists of accepted answers. ``starts``:
    offset of each answer in the context (span). ``extra``: the columns that ``TableInfo.extra`` names.
    """

    info: TableInfo
    labels: np.ndarray
    texts: Mapping[str, list[str]] | None = None
    images: np.ndarray | None = None
    starts: Sequence[Sequence[int]] | None = None
    extra: Mapping[str, Sequence[str]] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.labels)


@dataclass(frozen=True)
class DataSet:
    """All splits, and where they came from: distribution -> version; notes, findings and warnings for the card."""

    tables: dict[str, DataTable]
    versions: dict[str, str]
    notes: tuple[str, ...] = ()
    findings: Mapping[str, Any] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()
