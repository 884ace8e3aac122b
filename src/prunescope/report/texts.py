"""The texts of a data set's test split, for pages that show examples."""

from __future__ import annotations

import json
from pathlib import Path

from prunescope.errors import UserError


def texts_of_test(folder: Path | None) -> dict[int, str] | None:
    """Texts by example, the parts of a pair on lines of their own; None where there are none.

    Args:
        folder: the data set's, with ``test.parquet``.

    Raises:
        UserError: the table cannot be read.
    """
    path = folder / "test.parquet" if folder is not None else None
    if path is None or not path.exists():
        return None
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        schema = pq.read_schema(path)
        inputs = json.loads((schema.metadata or {}).get(b"prunescope", b"{}")).get("inputs", [])
        columns = [
            name for name in inputs if name in schema.names and pa.types.is_string(schema.field(name).type)
        ]
        if not columns or "example" not in schema.names:
            return None
        table = pq.read_table(path, columns=["example", *columns]).to_pydict()
    except (pa.ArrowException, OSError, ValueError) as error:
        raise UserError(
            f"{path}: not a data table ({' '.join(str(error).split())}); delete it and run again"
        ) from None
    parts = zip(*(table[name] for name in columns), strict=True)
    return {
        int(example): "\n".join(part or "" for part in texts)
        for example, texts in zip(table["example"], parts, strict=True)
    }
