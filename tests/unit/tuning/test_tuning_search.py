"""Searches: the same points whatever is interrupted, the best one, what diverges."""

from __future__ import annotations

import math
import re
from pathlib import Path

import pytest

from prunescope.config.architectures import LeNet5, Training
from prunescope.config.tuning import EpochRange, RateRange, Space
from prunescope.errors import UserError
from prunescope.training.state import DivergedError
from prunescope.tuning.job import Evaluation, TuneJob, ranked
from prunescope.tuning.search import search

SPACE = Space(epochs=EpochRange(min=3, max=9), lr=RateRange(min=1e-5, max=1e-1), batch_size=(16, 32))


def job(**changes) -> TuneJob:
    settings = {
        "dataset": "d",
        "arch": "a",
        "architecture": LeNet5(family="lenet5"),
        "training": Training(),
        "space": SPACE,
        "evaluations": 15,
        "sampler": "random",
        "seed": 0,
    }
    return TuneJob(**{**settings, **changes})


def score(training, after_epoch) -> float:
    """Best at a rate of 0.001 and many epochs; diverges at high rates."""
    if training.lr > 0.02:
        raise DivergedError("loss is nan in epoch 1 of train")
    return 1 / (1 + abs(math.log10(training.lr) + 3)) - 0.01 / training.epochs


def points(evaluations: list[Evaluation]) -> list[tuple]:
    return [(e.number, e.epochs, e.lr, e.batch_size, e.score) for e in evaluations]


class Stops:
    """Scores, and stops the run in the middle of some evaluations, as Ctrl-C does."""

    def __init__(self, *at: int) -> None:
        self.at, self.calls = set(at), 0

    def __call__(self, training, after_epoch) -> float:
        self.calls += 1
        if self.calls in self.at:
            raise KeyboardInterrupt
        return score(training, after_epoch)


@pytest.mark.parametrize("sampler", ["random", "tpe"])
def test_a_stopped_search_ends_with_the_same_points(tmp_path, sampler):
    settings = job(sampler=sampler)
    whole = search(settings, "x", tmp_path / "whole.db", score)
    # In the first, in the middle, in the last evaluation; the latter are calls 1, 9 and 17.
    scorer = Stops(1, 9, 17)
    for _ in range(3):
        with pytest.raises(KeyboardInterrupt):
            search(settings, "x", tmp_path / "stopped.db", scorer)
    stopped = search(settings, "x", tmp_path / "stopped.db", scorer)
    assert points(stopped) == points(whole)
    assert scorer.calls == 15 + 3  # only what was stopped is repeated
    assert [e.number for e in whole] == list(range(15))
    assert {e.score is None for e in whole} == {True, False}


def test_random_points_are_in_the_space_and_differ(tmp_path):
    found = search(job(evaluations=60), "x", tmp_path / "s.db", score)
    assert {e.epochs for e in found} == set(range(3, 10))
    assert {e.batch_size for e in found} == {16, 32}
    assert all(1e-5 <= e.lr <= 1e-1 for e in found)
    assert len({e.lr for e in found}) == 60
    # Evenly on a logarithmic scale: each of four decades has 15 of 60 on average.
    decades = [sum(math.floor(math.log10(e.lr)) == d for e in found) for d in (-5, -4, -3, -2)]
    assert all(5 <= count <= 25 for count in decades)


def test_a_linear_scale_favours_high_rates(tmp_path):
    space = SPACE.model_copy(update={"lr": RateRange(min=1e-5, max=1e-1, log=False)})
    found = search(job(evaluations=30, space=space), "x", tmp_path / "s.db", lambda t, _: t.lr)
    assert sum(e.lr > 1e-2 for e in found) > 20


def test_another_seed_arch_or_data_set_has_other_points(tmp_path):
    def rates(**changes) -> tuple[float, ...]:
        found = search(job(evaluations=3, **changes), "x", tmp_path / "s.db", score)
        return tuple(e.lr for e in found)

    variants = [rates(), rates(seed=1), rates(arch="b"), rates(dataset="e")]
    assert len(set(variants)) == 4
    assert rates() == variants[0]


def test_more_evaluations_go_on_from_those_there_are(tmp_path):
    few = search(job(evaluations=4), "x", tmp_path / "s.db", score)
    scorer = Stops()
    more = search(job(evaluations=7), "x", tmp_path / "s.db", scorer)
    assert scorer.calls == 3
    assert points(more)[:4] == points(few)
    assert points(search(job(evaluations=4), "x", tmp_path / "s.db", scorer)) == points(few)
    assert scorer.calls == 3


def test_other_data_or_settings_are_searched_again(tmp_path):
    search(job(evaluations=2), "x", tmp_path / "s.db", score)
    for inputs, changes in (("y", {}), ("x", {"training": Training(optimizer="sgd")}), ("x", {"stage": 2})):
        scorer = Stops()
        search(job(evaluations=2, **changes), inputs, tmp_path / "s.db", scorer)
        assert scorer.calls == 2


def test_what_is_not_searched_is_as_the_training_settings_have_it(tmp_path):
    seen = []

    def look(training, after_epoch) -> float:
        seen.append(training)
        return 0.5

    base = Training(optimizer="sgd", momentum=0.5, batch_size=7)
    space = SPACE.model_copy(update={"batch_size": ()})
    (found,) = search(job(evaluations=1, training=base, space=space), "x", tmp_path / "s.db", look)
    assert seen == [base.model_copy(update={"epochs": found.epochs, "lr": found.lr})]
    assert found.batch_size == 7


def test_tpe_looks_at_what_was_found(tmp_path):
    random = search(job(evaluations=40), "x", tmp_path / "r.db", score)
    tpe = search(job(evaluations=40, sampler="tpe"), "x", tmp_path / "t.db", score)

    def near(found: list[Evaluation]) -> int:
        return sum(1e-4 <= e.lr <= 1e-2 for e in found[10:])

    assert near(tpe) > near(random)
    assert sum(e.score is None for e in tpe[10:]) < sum(e.score is None for e in random[10:])


def test_best_by_score_then_fewer_epochs_then_earlier():
    def one(number: int, epochs: int, score: float | None) -> Evaluation:
        return Evaluation(number, epochs, 0.1, 8, score, 1.0)

    order = ranked(
        [one(0, 2, None), one(1, 5, 0.8), one(2, 4, 0.8), one(3, 4, 0.8), one(4, 9, 0.9), one(5, 1, 0.0)]
    )
    assert [e.number for e in order] == [4, 2, 3, 1, 5, 0]


def test_damaged_database_is_named_in_one_line(tmp_path: Path):
    database = tmp_path / "search.db"
    database.write_bytes(b"no database, but long enough to be read as a header" * 40)
    with pytest.raises(UserError) as caught:
        search(job(), "x", database, score)
    assert str(caught.value).startswith(f"{database}: cannot be used (")
    assert "move it away" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_progress_says_the_time_left(tmp_path, capsys):
    search(job(evaluations=2), "x", tmp_path / "s.db", lambda training, _: 0.5)
    first, second = capsys.readouterr().err.splitlines()
    assert first.startswith("d a: evaluation 1 of 2: ")
    assert re.search(r"0\.5000 in \d+ s; about \d+ s left$", first)
    assert second.startswith("d a: evaluation 2 of 2: ")
    assert "left" not in second
