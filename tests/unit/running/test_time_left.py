"""Time left, worked by hand."""

from __future__ import annotations

import pytest

from prunescope.running.status import Done, seconds_left, side_by_side

KIND = ("imdb", "bert", "MP")


def done(seconds: float, ended: float, models: int = 2, kind: tuple[str, str, str] = KIND) -> Done:
    return Done(*kind, models, seconds, ended)


def test_nothing_to_go_by_or_nothing_left() -> None:
    assert seconds_left([], [(KIND, 4)]) is None
    assert seconds_left([done(10, 10)], []) is None
    assert seconds_left([done(10, 10)], [(KIND, 0)]) is None


def test_breaks_do_not_count() -> None:
    # One after the other, with a night between them.
    assert side_by_side([done(10, 10), done(10, 50_000)]) == pytest.approx(1)
    # Two at once, then one alone: 30 s of work in 20 s.
    assert side_by_side([done(10, 10), done(10, 10), done(10, 20)]) == pytest.approx(1.5)


def test_like_models_first() -> None:
    known = [done(10, 10), done(80, 90, kind=("imdb", "bilstm", "MP"))]
    # 5 s a model, one block at a time
    assert seconds_left(known, [(KIND, 4)]) == pytest.approx(20)
    # Another pruner of the same architecture
    assert seconds_left(known, [(("imdb", "bert", "UP"), 4)]) == pytest.approx(20)
    # Another data set, the same architecture
    assert seconds_left(known, [(("snli", "bilstm", "MP"), 1)]) == pytest.approx(40)
    # Nothing alike: the mean of all, 90 s of 4 models
    assert seconds_left(known, [(("snli", "resnet20", "MP"), 2)]) == pytest.approx(45)
    assert seconds_left(known, [(KIND, 2), (("snli", "bilstm", "MP"), 1)]) == pytest.approx(50)
