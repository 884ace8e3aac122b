"""A vote is right on the pages where an audit counts a model with that prediction as right."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from prunescope.analysis.effectiveness import correct
from prunescope.analysis.pies.votes import is_right, normalized
from prunescope.predictions.store import SeedBlock, TableMeta, read_predictions, write_predictions

NAMES = ("a", "b", "c")
TOLERANCE = 0.25


@pytest.mark.parametrize(
    ("task", "classes", "label", "prediction", "right"),
    [
        ("single-label", NAMES, [0, 1, 2], [0, 2, 2], [True, False, True]),
        ("multi-label", NAMES, [[0, 2], [1], []], [[0, 2], [0, 1], []], [True, False, True]),
        ("regression", (), [1.0, 1.0, 1.0], [1.25, 1.375, 0.75], [True, False, True]),
        ("tokens", NAMES, [[0, 1], [2], []], [[0, 1], [1], []], [True, False, True]),
        ("span", (), [["the a"], ["b"], []], ["A!", "a b c", "x"], [True, False, False]),
        ("text", (), [["x", "b"], ["b"], ["c"]], ["B.", "c", "c"], [True, False, True]),
    ],
)
def test_as_an_audit_counts(
    tmp_path: Path, task: Any, classes: tuple[str, ...], label: list[Any], prediction: list[Any], right: list[bool]
) -> None:  # fmt: skip
    path = tmp_path / "a.parquet"
    write_predictions(path, TableMeta(task, classes), [SeedBlock(0, label, prediction=prediction)])
    assert correct(read_predictions([path]), TOLERANCE)[0].tolist() == right
    votes = [normalized(one) for one in prediction] if task in ("span", "text") else prediction
    pairs = zip(label, votes, strict=True)
    assert [is_right(task, true, vote, TOLERANCE) for true, vote in pairs] == right


def test_scores_without_a_known_tolerance_are_not_called_right() -> None:
    assert not is_right("regression", 1.0, 1.0, None)
