"""Which harness wrote a file, told by what is in it; and the files of one side of an audit."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from prunescope.errors import DamagedFileError, UserError, listed
from prunescope.files import check_file
from prunescope.predictions.arrow import METADATA_KEY, damaged
from prunescope.predictions.json_lines import opened, suffix_of
from prunescope.predictions.logs import every_eval_ever, helm, inspect_ai, lighteval, lm_eval
from prunescope.predictions.logs.evaluation import Evaluation, unreadable

Reader = Callable[[Path, Sequence[str]], list[Evaluation]]

#: What stands for a file that belongs to a log and has no answers of its own.
COMPANION = "companion"

#: Suffixes of what an audit reads, in a folder.
_SUFFIXES = frozenset({".csv", ".tsv", ".parquet", ".pq", ".jsonl", ".ndjson", ".json", ".eval", ".npz"})

#: Bytes in which the first object of a file is looked for: prompts of hundreds of pages fit.
_HEAD = 1 << 24


def reader_of(path: Path) -> Reader | str | None:
    """The reader of a log; ``COMPANION`` of a file beside one; None of a table.

    Raises:
        UserError: the file is missing or empty.
    """
    check_file(path)
    try:
        with open(path, "rb") as raw:
            magic = raw.read(4)
        if not magic:
            raise DamagedFileError(path, f"{path}: the file is empty; write it again")
        if magic[:2] == b"PK" or path.suffix.lower() == ".eval":
            return inspect_ai.read if path.suffix.lower() != ".npz" and inspect_ai.is_zip(path) else None
        if magic == b"PAR1":
            with damaged(path):
                schema = pq.read_schema(path)
            known = METADATA_KEY in (schema.metadata or {})
            return lighteval.read if not known and lighteval.is_details(schema.names) else None
        if suffix_of(path) in (".csv", ".tsv"):
            return None
        with opened(path) as stream:
            head = stream.read(_HEAD).decode("utf-8-sig", errors="replace")
    except FileNotFoundError:
        raise UserError(f"{path}: no such file or folder") from None
    except (OSError, EOFError) as error:
        raise UserError(f"{path}: cannot be read ({error})") from None
    if not head.strip():
        raise DamagedFileError(path, f"{path}: holds nothing; write it again")
    return _by_json(path, head.lstrip())


def _by_json(path: Path, head: str) -> Reader | str | None:
    if head[:1] not in ("{", "["):
        return None
    first, whole = _first(head)
    if head[0] == "[":
        rows = [first] if first is not None else []
        if helm.is_stats(rows):
            return helm.read
        if helm.is_companion(rows):
            return COMPANION
    if not isinstance(first, Mapping):
        # The first object is longer than what was read, or cut off.
        if head[0] == "{" and all(f'"{key}"' in head[:4096] for key in ("status", "eval")):
            return inspect_ai.read
        if first is None and head[0] == "{" and "\n" not in head and len(head) < _HEAD // 4:
            raise UserError(f"{path}: not a JSON Lines file: line 1 is cut off; write it again")
        return None
    if lm_eval.is_record(first):
        return lm_eval.read
    if every_eval_ever.is_record(first):
        return every_eval_ever.read
    if inspect_ai.is_log(first):
        return inspect_ai.read
    if whole and (
        lm_eval.is_results(first) or every_eval_ever.is_aggregate(first) or helm.is_companion(first)
    ):
        return COMPANION
    return None


def _first(head: str) -> tuple[Any, bool]:
    """The first object, of an array its first entry; and whether the text starts with an object."""
    start = 0
    if head[0] == "[":
        start = len(head) - len(head[1:].lstrip())
    try:
        return json.JSONDecoder().raw_decode(head, start)[0], head[0] == "{"
    except (ValueError, RecursionError):
        return None, False


@dataclass
class Files:
    """A model's files: tables, or logs with their readers; aside: files of a folder that are neither."""

    name: str
    tables: list[Path] = field(default_factory=list)
    logs: list[tuple[Path, Reader]] = field(default_factory=list)
    aside: list[Path] = field(default_factory=list)
    from_folder: bool = False


def files_of(name: str, paths: Iterable[Path]) -> Files:
    """The files that are given, and those in the folders that are.

    Raises:
        UserError: a path is missing or empty, a folder holds nothing to audit, logs and tables are mixed.
    """
    found = Files(name)
    for path in paths:
        if path.is_dir():
            found.from_folder = True
            _folder(path, found)
            continue
        reader = reader_of(path)
        if reader is None:
            found.tables.append(path)
        elif isinstance(reader, str):
            found.aside.append(path)
        else:
            found.logs.append((path, reader))
    if found.logs and found.tables:
        raise UserError(
            f"{found.tables[0]}: a table beside the evaluation log {found.logs[0][0]}; give either logs or tables"
        )
    if not found.logs and not found.tables:
        raise UserError(
            f"{listed(found.aside, 3)}: has no answers to single questions; give the log of samples beside it"
        )
    return found


def _folder(folder: Path, found: Files) -> None:
    inside = [
        path
        for path in sorted(folder.rglob("*"))
        if path.is_file()
        and suffix_of(path) in _SUFFIXES
        and not any(part.startswith(".") for part in path.relative_to(folder).parts)
    ]
    # A study's folder of models: its answers on the test split are meant, not those on the training split.
    models = {path.parent for path in inside if path.name == "metrics.json"}
    models &= {path.parent for path in inside if path.name == "test.parquet"}
    logs, tables = [], []
    for path in inside:
        if path.parent in models and path.name != "test.parquet":
            found.aside.append(path)
            continue
        reader = reader_of(path)
        if reader is None:
            tables.append(path)
        elif not isinstance(reader, str):
            logs.append((path, reader))
    if not logs and not tables:
        raise UserError(f"{folder}: holds no evaluation log and no table of predictions")
    found.logs += logs
    # Beside logs, other files of a folder are settings and figures.
    (found.aside if logs else found.tables).extend(tables)


def evaluations(files: Files, groups: Sequence[str]) -> dict[str, Evaluation]:
    """The tasks of a model's logs, by name.

    Raises:
        UserError: a log cannot be used, or a task stands in two logs that are not runs of one model at different times.
    """
    found: dict[str, Evaluation] = {}
    left: dict[str, list[str]] = {}
    for path, read in files.logs:
        try:
            read_from = read(path, groups)
        except (AttributeError, IndexError, KeyError, TypeError, ValueError) as error:
            # Whatever a log may hold where its harness writes something else.
            reason = " ".join(str(error).split())[:120] or type(error).__name__
            raise unreadable(path, f"not as its harness writes it ({reason})") from None
        for one in read_from:
            other = found.get(one.task)
            if other and files.from_folder and _is_another_run(one, other):
                # A harness writes the next run beside the last one.
                older, newest = sorted((other, one), key=lambda held: held.time)
                found[one.task] = newest
                left.setdefault(one.task, []).append(older.path.name)
                continue
            if other:
                raise UserError(
                    f"{path}: task {one.task!r} is already in {found[one.task].path}; give one run of each model, "
                    "and a folder for each of several compressed models"
                )
            found[one.task] = one
    for task, names in left.items():
        found[task].notes.append(f"the newest run of this task; left aside: {listed(sorted(names), 3)}")
    return found


def _is_another_run(one: Evaluation, other: Evaluation) -> bool:
    """Whether two logs of one task are of one model at different times, of both of which is known when."""
    return bool(one.time and other.time) and one.time != other.time and one.model == other.model
