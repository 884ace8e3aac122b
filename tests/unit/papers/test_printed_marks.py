from __future__ import annotations

from prunescope.papers.pie.layouts import extremes, marks_on_pies
from prunescope.site.disagreements_table import names, shares


def test_best_and_worst_by_score() -> None:
    marks = extremes({"IIBP-WR": 0.81, "IIBP-FT": 0.86, "IBP-AI": 0.50, "RP-AI": 0.62})
    assert marks == {"IIBP-WR": "", "IIBP-FT": "best", "IBP-AI": "worst", "RP-AI": ""}


def test_collapsed_pruners_share_the_mark() -> None:
    # IMDB with BERT at 99 % in the paper: half of the pruners answer always the same.
    marks = extremes({"IIBP-WR": 0.80, "IMP-WR": 0.50, "IMP-FT": 0.50})
    assert marks == {"IIBP-WR": "best", "IMP-WR": "worst", "IMP-FT": "worst"}


def test_nothing_to_choose_has_no_mark() -> None:
    assert extremes({}) == {}
    assert extremes({"MP": 0.9}) == {"MP": ""}
    assert extremes({"MP": 0.5, "RP": 0.5}) == {"MP": "", "RP": ""}


def test_marks_of_table_10() -> None:
    # The paper's SNLI BiLSTM IBP-AI at 20 %: .402 pruned, .392 unpruned on the PIEs, blue; scores on all
    # are higher, so nothing is bold.
    assert marked(0.402, 0.392, 0.76, 0.77) == ("yes", "", "")
    assert marked(0.19, 0.81, 0.5, 0.80) == ("", "", "yes")
    assert marked(0.5, 0.5, 0.5, 0.5) == ("", "", "")
    assert marked(None, None, 0.5, 0.5) == ("", "", "")


def marked(
    pruned: float | None, dense: float | None, pruned_on_all: float, dense_on_all: float
) -> tuple[str, str, str]:
    """Whether pruned models score better, and pruned and dense ones better than on all."""
    scores = {"pruned": pruned, "dense": dense, "pruned_on_all": pruned_on_all, "dense_on_all": dense_on_all}
    marks = marks_on_pies(scores)
    return (marks["pruned_better"], marks["pruned_above_all"], marks["unpruned_above_all"])


def test_rows_are_shared_evenly() -> None:
    assert shares([2, 100, 100], 52) == [2, 25, 25]
    assert shares([100, 2, 3], 1000) == [100, 2, 3]
    assert shares([5, 0, 5], 0) == [0, 0, 0]
    assert shares([], 7) == []
    for counts, most in (([7, 7, 7], 10), ([1, 50, 3, 9], 20)):
        found = shares(counts, most)
        assert sum(found) == min(most, sum(counts))
        assert all(0 <= part <= count for part, count in zip(found, counts, strict=True))


def test_votes_by_name() -> None:
    classes = ("a", "b")
    assert names(1, classes) == ("b",)
    assert names([0, 1], classes) == ("a", "b")
    assert names([], classes) == ()
    assert names(None, classes) == ()
    assert names(7, classes) == ("7",)
    assert names(0.25, ()) == ("0.25",)
    assert names("Paris", ()) == ("Paris",)
