"""The texts of a data set's splits, for pages that show examples."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from prunescope.errors import BadFileError


def texts_of_test(folder: Path | None) -> dict[int, str] | None:
    """All texts of the test split, as by ``texts_of``."""
    return texts_of(folder, "test")


def texts_of(folder: Path | None, split: str, wanted: np.ndarray | None = None) -> dict[int, str] | None:
    """Texts by example, the parts of a pair on lines of their own; None where there are none.

    Args:
        folder: the data set's, with ``<split>.parquet``.
        wanted: the examples to read; all by default.

    Raises:
        UserError: the table cannot be read.
    """
    path = folder / f"{split}.parquet" if folder is not None else None
    if path is None or not path.exists():
        return None
    import pyarrow as pa
    import pyarrow.compute as pc
    import pyarrow.parquet as pq

    try:
        schema = pq.read_schema(path)
        inputs = json.loads((schema.metadata or {}).get(b"prunescope", b"{}")).get("inputs", [])
        columns = [
            name for name in inputs if name in schema.names and pa.types.is_string(schema.field(name).type)
        ]
        if not columns or "example" not in schema.names:
            return None
        held = pq.ParquetFile(path).read(columns=["example", *columns])
        if wanted is not None:
            held = held.filter(pc.is_in(held["example"], pa.array(wanted)))
        table = held.to_pydict()
    except (pa.ArrowException, OSError, ValueError) as error:
        raise BadFileError(path, f"not a data table ({' '.join(str(error).split())})") from None
    parts = zip(*(table[name] for name in columns), strict=True)
    return {
        int(example): "\n".join(part or "" for part in texts)
        for example, texts in zip(table["example"], parts, strict=True)
    }
