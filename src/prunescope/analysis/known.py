"""What is known of every example, column by column: for groups, for clusters, and for slices."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from prunescope.analysis import readability, slices
from prunescope.analysis.certainty import sureness
from prunescope.analysis.el2n import bin_of
from prunescope.analysis.groups import are_groups
from prunescope.analysis.outputs import Results
from prunescope.analysis.paired import clusters_of
from prunescope.analysis.pies.votes import voted_right
from prunescope.errors import UserError
from prunescope.predictions.grouping import further_columns, read_groups
from prunescope.predictions.reading import Reading
from prunescope.predictions.store import Predictions
from prunescope.predictions.texts import Texts, count_tokens

#: The texts of the examples in these rows.
Shown = Callable[[Sequence[int]], Sequence[str]]

#: Questions of a log that are read for slices at most, and characters of them that are scored for readability.
_MOST_QUESTIONS, _MOST_SCORED = 200_000, 3_000_000

#: The column of the texts' lengths.
_LENGTH = "length in tokens"


@dataclass(frozen=True)
class Files:
    """Where columns may stand, besides those that are ``held`` already: (n,) by name.

    side: the dense models' predictions. dense, pruned: files of both sides. texts, text_columns: the texts, and the
    columns that they are made of. table: a table for groups alone, of which those with too many values are left out.
    """

    side: Predictions
    dense: Sequence[Path]
    pruned: Sequence[Path]
    texts: Path | None
    text_columns: Sequence[str]
    metadata: Path | None
    table: Path | None
    reading: Reading
    held: Mapping[str, np.ndarray] | None

    def columns(self, names: Sequence[str], option: str) -> dict[str, np.ndarray]:
        """(n,) values of these columns, texts or None.

        Raises:
            UserError: a column is nowhere, or holds lists.
        """
        held = self.held or {}
        sides = (*self.dense, *self.pruned) if self.held is None else ()
        files = [path for path in (*sides, self.texts, self.metadata, self.table) if path is not None]
        missing = [name for name in names if name not in held]
        read = read_groups(missing, self.side, files, self.reading, option, self.pruned) if missing else {}
        return {name: held[name] if name in held else read[name] for name in names}

    def groups(self, names: Sequence[str]) -> dict[str, np.ndarray]:
        """Those of these columns that have few enough values for groups, where nobody named them one by one."""
        found = self.columns(names, "--groups")
        return (
            found if self.table is None else {k: values for k, values in found.items() if are_groups(values)}
        )

    def clusters(self, name: str) -> np.ndarray:
        """(n,) numbers of clusters.

        Raises:
            UserError: there is no such column, an example has none, or all have the same.
        """
        values = self.columns([name], "--clusters")[name]
        if any(value is None or value == "" for value in values):
            raise UserError(
                f"--clusters: column {name!r} has no value for some examples; fill it or drop the option"
            )
        found = clusters_of(values.astype(str))
        if not found.any():
            raise UserError(
                f"--clusters: column {name!r} has one value, {values[0]!r}: one cluster says nothing of others; drop "
                "the option"
            )
        return found

    def further(self) -> dict[str, np.ndarray]:
        """All columns that say something of the examples.

        Raises:
            UserError: a file cannot be read.
        """
        found = dict(self.held or {})
        if self.dense and self.pruned:
            # What both sides have alike is of the examples, not of the models.
            first, second = (
                further_columns(self.side, path, self.reading, ("seed", "logits"))
                for path in (self.dense[0], self.pruned[0])
            )
            found |= {
                name: values
                for name, values in first.items()
                if name in second and np.array_equal(values, second[name])
            }
        for path, without in ((self.texts, self.text_columns), (self.metadata, ())):
            if path is not None:
                found |= further_columns(self.side, path, self.reading, without)
        return found


@dataclass(frozen=True)
class Questions:
    """The examples' texts, and (n, 8) their readability; None where there is none, or it was not worth its time."""

    texts: Sequence[str] | None = None
    measured: np.ndarray | None = None

    @classmethod
    def of(
        cls,
        side: Predictions,
        table: Texts | None,
        shown: Shown | None,
        scores: Path | None,
        language: str | None,
        processes: int,
    ) -> Questions:
        """From a table of texts, or the prompts of a log.

        Args:
            shown: the prompts, where they are to be read. scores: a file of ``readability.write_scores``.

        Raises:
            UserError: the scores are of other examples.
        """
        texts = None if table is None else table.texts
        measured = None
        if scores is not None:
            measured = readability.read_scores(scores, side.examples)
        elif table is not None:
            spoken = language or table.language
            measured = readability.with_counts(
                readability.score_texts(table.texts, processes=processes, language=spoken), table
            )
        n = len(side.examples)
        if shown is not None and n <= _MOST_QUESTIONS:
            texts = slices.questions_of(shown(range(n)))
            if measured is None and sum(map(len, texts)) <= _MOST_SCORED:
                measured = readability.score_texts(texts, processes=processes, language=language)
        return cls(texts, measured)

    @property
    def columns(self) -> dict[str, np.ndarray]:
        """Readability and length, by name."""
        if self.measured is not None:
            names = [name.replace("_", " ") for name in readability.FORMULAS]
            scored = zip((*names, _LENGTH), self.measured.T, strict=True)
            # Formulas are for English; of other texts there are none.
            return {name: values for name, values in scored if not np.isnan(values).all()}
        if self.texts is not None:
            return {_LENGTH: np.array([count_tokens(text) for text in self.texts])}
        return {}


def _alike(values: np.ndarray, other: np.ndarray) -> bool:
    """Whether two columns part the examples alike."""
    for n in (1000, len(values)):
        first, second = values[:n].tolist(), other[:n].tolist()
        if not len(set(zip(first, second, strict=True))) == len(set(first)) == len(set(second)):
            return False
    return True


def paying(
    results: Results,
    files: Files,
    grouped: Mapping[str, np.ndarray],
    questions: Questions,
    tolerance: float,
    clusters: np.ndarray | None,
) -> slices.Found:
    """Slices that pay, by all that is known of the examples.

    Args:
        grouped: columns that are read already. clusters: (n,) what examples are drawn together, if any.
    """
    dense, pruned = results.dense, results.pruned
    # What was asked for comes first: of many conditions the last are left out, of equal ones the first is printed.
    classes = slices.of_labels(dense)
    further = {name: values for name, values in files.further().items() if name not in grouped}
    if "class" in classes:
        # A document's own column of the label is another name of the class.
        further = {k: values for k, values in further.items() if not _alike(values, classes["class"])}
    known = {**grouped, **classes, **further}
    if (sure := sureness(files.dense, dense)) is not None:
        known["confidence of the dense model"] = sure
    if results.el2n is not None:
        known["EL2N bin"] = bin_of(results.el2n, results.bins)
    known |= questions.columns
    votes = voted_right(dense, pruned, results.pies, tolerance)
    texts = questions.texts
    return slices.find(
        votes[0],
        votes[1],
        known,
        None if texts is None else lambda rows: [texts[row] for row in rows],
        clusters=clusters,
    )
