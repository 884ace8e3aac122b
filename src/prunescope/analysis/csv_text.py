"""Result tables as CSV with one spelling for every value, so that equal results are equal bytes."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from prunescope.errors import BadFileError, visible
from prunescope.files import write_text


def write_csv(path: Path, columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """Floats in their shortest exact form, None and NaN as empty fields, texts ``visible``, ``\\n`` line ends."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows([_field(value) for value in row] for row in rows)
    write_text(path, visible(out.getvalue()))


def make_safe(folder: Path) -> None:
    """Put ``'`` before texts that a spreadsheet would run as formulas, in every CSV file below ``folder``."""
    for path in folder.rglob("*.csv"):
        with open(path, encoding="utf-8", newline="") as stream:
            rows = [[_harmless(text) for text in row] for row in csv.reader(stream)]
        out = io.StringIO()
        csv.writer(out, lineterminator="\n").writerows(rows)
        write_text(path, out.getvalue())


def _harmless(text: str) -> str:
    if not text.startswith(("=", "+", "-", "@", "\t", "\r")):
        return text
    try:
        float(text)
    except ValueError:
        return f"'{text}"
    return text


def read_csv(path: Path) -> list[dict[str, str]]:
    """Rows as dictionaries of strings.

    Raises:
        UserError: no such file, or not a CSV file.
    """
    try:
        with open(path, encoding="utf-8", newline="") as stream:
            return list(csv.DictReader(stream))
    except FileNotFoundError:
        raise BadFileError(path, "no such file", "") from None
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise BadFileError(path, f"cannot be read as CSV ({error})") from None


def null(value: float) -> float | None:
    """NaN, which JSON does not have, as null."""
    return None if math.isnan(value) else float(value)


def _field(value: Any) -> Any:
    # numpy's numbers, without importing numpy.
    if hasattr(value, "item"):
        value = value.item()
    if isinstance(value, float):
        return "" if math.isnan(value) else repr(value)
    return "" if value is None else value
