"""What a prediction table says about itself, in its file's metadata."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

import pyarrow as pa

from prunescope.errors import DamagedFileError, UserError, listed
from prunescope.predictions.arrow import Source, lists

TASKS = ("single-label", "multi-label", "regression", "tokens", "span", "text")


@dataclass(frozen=True)
class TableMeta:
    """What a prediction table says about itself; ``extra`` keeps keys unknown to us.

    finite: whoever wrote the table vouches that no logit is NaN or infinite, and stored every prediction.
    """

    task: str
    classes: tuple[str, ...]
    dataset: str | None = None
    arch: str | None = None
    pruner: str | None = None
    sparsity: float | None = None
    split: str | None = None
    epoch: str | None = None
    threshold: dict[str, float] | None = None
    diverged: tuple[int, ...] = ()
    finite: bool | None = None
    extra: dict[str, Any] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """As it stands in the file: what is not known is left out."""
        known = {f.name: getattr(self, f.name) for f in fields(self) if f.name != "extra"}
        value = {k: list(v) if isinstance(v, tuple) else v for k, v in known.items() if v is not None}
        return {**value, **self.extra}

    @classmethod
    def from_json(cls, value: Mapping[str, Any], path: Path | str) -> TableMeta:
        """Inverse of ``to_json``.

        Raises:
            UserError: a key is missing or has a wrong type.
        """
        names = {f.name for f in fields(cls)} - {"extra"}
        known: dict[str, Any] = {key: value[key] for key in names & value.keys()}
        if known.get("task") not in TASKS:
            raise UserError(f"{path}: metadata 'task' is {known.get('task')!r}; there are {listed(TASKS)}")
        for key in ("dataset", "arch", "pruner", "split", "epoch"):
            if not isinstance(known.get(key), str | None):
                raise UserError(
                    f"{path}: metadata {key!r} is {_shown(known[key])}, no name; write the table again"
                )
        asked = known.get("sparsity")
        if asked is not None and (
            isinstance(asked, bool) or not isinstance(asked, int | float) or not 0 <= asked <= 1
        ):
            raise UserError(
                f"{path}: metadata 'sparsity' is {_shown(asked)}, no number from 0 to 1; write the table again"
            )
        try:
            if isinstance(known.get("classes"), str | Mapping):
                raise TypeError
            known["classes"] = tuple(str(name) for name in known.get("classes") or ())
            known["diverged"] = tuple(sorted(int(seed) for seed in known.get("diverged") or ()))
            threshold = known.get("threshold")
            if threshold is not None:
                known["threshold"] = {str(seed): float(t) for seed, t in threshold.items()}
                if not all(map(math.isfinite, known["threshold"].values())):
                    raise ValueError
        except (TypeError, ValueError, AttributeError, OverflowError):
            raise UserError(
                f"{path}: metadata 'classes', 'diverged' or 'threshold' is malformed; write the table again"
            ) from None
        if known["task"] in ("single-label", "multi-label", "tokens") and not known["classes"]:
            raise UserError(f"{path}: metadata 'classes' is missing or empty; write the table again")
        return cls(**known, extra={key: value[key] for key in value if key not in names})

    def threshold_of(self, seed: int, default: float = 0.5) -> float:
        """Probability above which a class is predicted (multi-label)."""
        return (self.threshold or {}).get(str(seed), default)


def _shown(value: Any) -> str:
    text = " ".join(repr(value).split())
    return text if len(text) <= 40 else f"{text[:37]}..."


def meta_of(source: Source) -> TableMeta | None:
    """Metadata of a prediction table; None for a user's own table.

    A Parquet table without metadata but with logits is a prediction table too: its task follows
    from its labels and its classes are the indices.
    """
    value = source.metadata
    if value is not None:
        return TableMeta.from_json(value, source.path)
    schema = source.schema
    if schema is None or "logits" not in source.columns or "prediction" in source.columns:
        return None
    source.require(["label"])
    label = schema.field("label").type
    first = next(source.batches(["logits"]), None)
    if first is None or not first.num_rows:
        raise DamagedFileError(source.path, f"{source.path}: has no rows; write it again")
    lengths, _ = lists(first["logits"].slice(0, 1), source.path, "logits")
    width = int(lengths[0])
    task = "multi-label" if pa.types.is_nested(label) else "regression" if width == 1 else "single-label"
    return TableMeta(task, () if task == "regression" else tuple(str(i) for i in range(width)))
