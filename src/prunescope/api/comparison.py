"""``prunescope.audit``: the command ``prunescope audit`` on paths, DataFrames and arrays, and what it found."""

from __future__ import annotations

import argparse
import html
import inspect
import json
import re
import shutil
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import pyarrow.parquet as pq

from prunescope.analysis.audit_tables import AUDIT_TABLES
from prunescope.analysis.outputs import FILES
from prunescope.api.frames import pandas, read_frame
from prunescope.api.given import Given, columns_table, texts_table
from prunescope.commands import audit as command
from prunescope.errors import UserError, listed, nearest
from prunescope.files import read_json, write_text
from prunescope.report import audit_page, sentences, suite_page

if TYPE_CHECKING:
    import pandas as pd

#: Classes at most that a notebook shows.
_MOST_ROWS = 12


def audit(
    dense: Any,
    pruned: Any,
    *,
    labels: Any = None,
    early: Any = (),
    texts: Any = None,
    groups: Any = (),
    metadata: Any = None,
    task: str | None = None,
    classes: Sequence[Any] | None = None,
    confidence: float = 0.99,
    bins: int = 20,
    margin: float | None = None,
    out: Path | str | None = None,
    **options: Any,
) -> AuditResult:
    """Compare dense and compressed models from their predictions alone: who pays, and by how much.

    Args:
        dense, pruned: each side as

            - a path or several (prediction tables, CSV, Parquet, JSON Lines, logs of evaluation harnesses, folders);
            - a DataFrame (pandas, polars, Arrow) with ``label``, ``prediction`` or ``logits``, and where there are
              several ``example`` and ``seed``;
            - an array beside ``labels``: predictions (n,) or (S, n), of several labels (n, C) or (S, n, C) 0/1; or
              floats, which are logits (n, C) or (S, n, C), in a regression numbers (n,) or (S, n).

            ``pruned`` may also map names of several compressed models to such; the result is then a suite.
        labels: (n,) classes or numbers, or (n, C) 0/1, for arrays.
        early: outputs of the dense models early in training, for EL2N.
        texts: the examples' texts: a path, a DataFrame, or a sequence in the order of the examples.
        groups: names of columns by which examples are grouped, or a DataFrame or mapping of such columns by row.
        metadata: a path or DataFrame of more columns by ``example``.
        task, classes: what predictions are, and the classes in the order of indices; by default as the values look.
        confidence: of the intervals. bins: of EL2N scores. margin: see ``prunescope audit --help``.
        out: a folder that keeps the results; by default they live as long as the result does.
        options: further options of ``prunescope audit``, with ``_`` for ``-``: ``id``, ``label``, ``prediction``,
            ``seed_column``, ``sep``, ``encoding``, ``allow``, ``text_column``, ``fail_on``, ``markdown``.

    Raises:
        UserError: an input cannot be read, or does not fit the others.

    >>> import prunescope as ps
    >>> result = ps.audit([0, 1, 1, 0], [0, 1, 0, 0], labels=[0, 1, 1, 1])
    >>> result.summary["n_pies"], result.summary["dense_score"], result.summary["pruned_score"]
    (1, 0.75, 0.5)
    >>> result.classes[["class", "recall_dense", "recall_pruned"]].round(2).values.tolist()
    [['0', 1.0, 1.0], ['1', 0.67, 0.33]]
    """
    scratch = TemporaryDirectory(prefix="prunescope-")
    try:
        folder = Path(scratch.name)
        given = Given(folder, labels, task, classes)
        args = _defaults()
        unknown = sorted(options.keys() - vars(args).keys())
        if unknown:
            known = sorted({*vars(args), *inspect.signature(audit).parameters} - {"options"})
            raise UserError(
                f"audit: {unknown[0]!r} is no option{nearest(unknown[0], known)}; there are {listed(known, 40)}"
            )
        vars(args).update(options)
        args.dense, args.pruned = given.files("dense", dense), given.files("pruned", pruned)
        args.early = given.files("early", early) if len(early) else []
        args.texts = _file(texts, folder / "texts.parquet", texts_table, "texts", "text")
        args.metadata = _file(metadata, folder / "metadata.parquet", columns_table, "metadata")
        args.groups = groups
        if isinstance(groups, str):
            args.groups = [groups]
        elif not isinstance(groups, Sequence):
            if metadata is not None:
                raise UserError(
                    "groups: columns beside metadata; put them in it, and give groups their names"
                )
            table = columns_table(groups, "groups")
            args.metadata = folder / "groups.parquet"
            pq.write_table(table, args.metadata)
            args.groups = [name for name in table.column_names if name != "example"]
        args.task, args.confidence, args.bins, args.margin = given.task, confidence, bins, margin
        if args.task == "multi-label" and given.labels is not None:
            args.task = None  # said by the tables that are written of it
        if classes is not None:
            args.classes = ",".join(map(str, classes))
            if any("," in str(name) or str(name) != str(name).strip() for name in classes):
                args.classes = str(folder / "classes.txt")
                write_text(args.classes, "".join(f"{name}\n" for name in classes))
        args.out = Path(out) if out is not None else folder / "audit"
        summary, missed = command.compare(args)
    except UserError as error:
        scratch.cleanup()
        # Named as the caller knows them, not as the files or the options of the command.
        text = _named(str(error), folder)
        raise UserError(re.sub(r"--([a-z]+)(?:-([a-z]+))?", _keyword, text)) from None
    except BaseException:
        scratch.cleanup()
        raise
    for path in (path for kind in ("json", "html", "md") for path in args.out.rglob(f"*.{kind}")):
        path.write_text(_named(path.read_text(encoding="utf-8"), folder), encoding="utf-8")
    summary = json.loads(_named(json.dumps(summary), folder))
    return AuditResult(args.out, summary, missed, scratch if out is None else None)


def _named(text: str, folder: Path) -> str:
    """The text without the folder that arrays and DataFrames were written to."""
    return re.sub(re.escape(folder.as_posix()) + r"/([\w/.-]+?)\.parquet", r"\1", text)


def _keyword(option: re.Match[str]) -> str:
    return "_".join(filter(None, option.groups())) + "="


def _defaults() -> argparse.Namespace:
    parser = argparse.ArgumentParser(add_help=False, exit_on_error=False)
    command.add_arguments(parser)
    args = parser.parse_args(["--dense", "-", "--pruned", "-", "--out", "-"])
    for name in ("text_column", "fail_on"):
        setattr(args, name, [])
    return args


def _file(given: Any, path: Path, table: Any, *names: str) -> Path | None:
    if given is None or isinstance(given, str | Path):
        return None if given is None else Path(given)
    pq.write_table(table(given, *names), path)
    return path


class AuditResult:
    """What an audit found: its tables as DataFrames, its numbers, its page.

    Attributes:
        summary: Series of what stands in ``summary.json``, by name.
        pies, classes, recall, alpha, scores, groups, el2n, readability, ...: the tables, as ``docs/audit.md`` has
            their columns; those that the task has (``tables`` names them).
        models: of a suite, the results of each compressed model by task: ``result.models["int4"]["boolq"]``.
        missed: a line for each demand (``margin``, ``fail_on``) that the models do not meet.
        folder: where the files are.
    """

    def __init__(
        self,
        folder: Path,
        summary: Mapping[str, Any],
        missed: Sequence[str] = (),
        scratch: TemporaryDirectory[str] | None = None,
    ) -> None:
        self.folder = folder
        self._summary = summary
        self.missed = list(missed)
        # Files that are nobody's but this result's go when it goes.
        self._scratch = scratch
        self._frames: dict[str, Any] = {}

    @property
    def summary(self) -> pd.Series[Any]:
        return pandas().Series(dict(self._summary), dtype=object, name="summary")

    @property
    def tables(self) -> list[str]:
        """The names of the tables that are there."""
        files = (Path(name) for name in FILES if Path(name).suffix in (".csv", ".parquet"))
        return [file.stem for file in files if (self.folder / file).exists()]

    def __getattr__(self, name: str) -> pd.DataFrame:
        if name.startswith("_") or name not in self.tables:
            known = name in {Path(file).stem for file in FILES}
            why = "this audit has no such table" if known else "no such attribute"
            raise AttributeError(f"{name}: {why}; there are {listed(self.tables)}")
        if name not in self._frames:
            file = next(file for file in FILES if Path(file).stem == name)
            row = AUDIT_TABLES[name].row if name in AUDIT_TABLES else None
            self._frames[name] = read_frame(self.folder / file, row)
        return self._frames[name]

    def __dir__(self) -> list[str]:
        return [*super().__dir__(), *self.tables]

    @cached_property
    def models(self) -> dict[str, dict[str, AuditResult]]:
        found: dict[str, dict[str, AuditResult]] = {}
        for cell in self._summary.get("cells") or ():
            folder = self.folder / cell["folder"]
            one = AuditResult(folder, read_json(folder / "summary.json"), scratch=self._scratch)
            found.setdefault(cell["model"], {})[cell["task"]] = one
        return found

    def report(self, path: Path | str) -> Path:
        """Write the page, one self-contained HTML file; returns its path (``report.html`` in it, of a folder).

        Raises:
            UserError: the file cannot be written.
        """
        target = Path(path)
        target = target / "report.html" if target.is_dir() else target
        held = self.folder / "report.html"
        if held.exists():
            page = held.read_text(encoding="utf-8")
        else:
            render = suite_page.render if self._summary.get("suite") else audit_page.render
            page = render(self.folder)
        write_text(target, page)
        return target

    def save(self, folder: Path | str) -> Path:
        """Copy all files into a new folder.

        Raises:
            UserError: the folder is there already.
        """
        target = Path(folder)
        if target.exists():
            raise UserError(f"{target}: is there already; choose another folder")
        shutil.copytree(self.folder, target)
        return target

    def _sentences(self) -> list[str]:
        if self._summary.get("suite"):
            return [suite_page.headline(one) for one in self._summary["overall"]]
        return [*sentences.story(self._summary), *sentences.group_sentences(self._summary)]

    def __repr__(self) -> str:
        return "\n".join(self._sentences())

    def _repr_html_(self) -> str:
        lines = "".join(f"<li>{html.escape(line)}</li>" for line in self._sentences())
        warnings = "".join(
            f"<li>Warning: {html.escape(str(line))}</li>" for line in self._summary.get("warnings") or ()
        )
        table, shown = ("matrix", 60) if self._summary.get("suite") else ("classes", _MOST_ROWS)
        below = ""
        if table in self.tables:
            frame = getattr(self, table)
            if "to_wrong" in frame and table == "classes":
                order = (
                    (frame["to_wrong"] - frame["to_right"]).sort_values(ascending=False, kind="stable").index
                )
                frame = frame.loc[order]
            frame = frame.dropna(axis=1, how="all")
            if len(frame):
                below = frame.head(shown).to_html(index=False, float_format=lambda x: f"{x:.3g}", na_rep="")
                if len(frame) > shown:
                    below += f"<p>{len(frame) - shown} more rows in <code>.{table}</code></p>"
        return f"<ul>{lines}{warnings}</ul>{below}"
