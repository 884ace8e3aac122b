"""What the command prints."""

from __future__ import annotations

from pathlib import Path

import pytest

from prunescope.cli import main
from prunescope.commands.audit_lines import headlines

SUMMARY = {
    "n_pies": 12,
    "n_examples": 100,
    "pie_share": 0.12,
    "n_seeds": 4,
    "n_seeds_dropped": 0,
    "metric": "accuracy",
    "dense_score": 0.9,
    "pruned_score": 0.85,
}
INTERVAL = {
    "low": 0.1,
    "high": 0.3,
    "confidence": 0.95,
    "bootstrap_mean": 0.15,
    "centered_low": 0.07,
    "centered_high": 0.27,
}
FLOOR = {"mean": 0.04, "pie_share_half": 0.13, "n_models": 2, "verdict": ">"}


@pytest.mark.parametrize(
    ("verdict", "expected"), [(">", "more votes than"), ("<", "fewer votes than"), ("?", "not distinguished")]
)
def test_interval_and_noise_floor_follow_the_share(verdict: str, expected: str) -> None:
    floor = {**FLOOR, "verdict": verdict}
    lines = headlines({**SUMMARY, "pie_interval": INTERVAL, "noise_floor": floor}).split("\n")
    assert lines[0] == "12 of 100 majority votes changed (12.0%), 4 seeds"
    assert lines[1] == "  over resampled seeds: 7.0% to 27.0% (95% bootstrap interval, centred)"
    assert lines[2].startswith(
        "  noise floor: 4.0% between disjoint halves of the dense models (2 seeds each)"
    )
    assert expected in lines[2]
    assert lines[3] == "accuracy: 0.9000 dense, 0.8500 pruned"


def test_changes_have_a_direction() -> None:
    flips = {"flips": {"to_wrong": 8.0, "to_right": 3.0, "share": 0.11}}
    one, several = ({**SUMMARY, **flips, "n_seeds": n} for n in (1, 4))
    assert headlines(one).startswith(
        "12 of 100 predictions changed (12.0%), 1 seed: 8 became wrong, 3 became right\n"
    )
    assert headlines(several).startswith(
        "12 of 100 majority votes changed (12.0%), 4 seeds; mean over seeds: 8.0 predictions became wrong, "
        "3.0 became right\n"
    )
    assert headlines({**one, "tolerance": 0.25}).startswith(
        "12 of 100 predictions changed by more than 0.25 "
    )


def test_one_seed_has_no_noise_floor() -> None:
    nothing = {**INTERVAL, "low": None, "high": None, "centered_low": None, "centered_high": None}
    lines = headlines({**SUMMARY, "pie_interval": nothing, "noise_floor": None}).split("\n")
    assert len(lines) == 3
    assert lines[1].startswith("  noise floor: not available with one seed")


def test_other_tasks_say_nothing_of_it() -> None:
    assert len(headlines({**SUMMARY, "pie_interval": None, "noise_floor": None}).split("\n")) == 2


def test_what_was_read_and_the_scores_come_before_intervals(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, wrong in (("dense", 9), ("pruned", 4)):
        rows = [f"{i},{'ab'[i % 2]},{'ab'[i % 2 if i % wrong else 0]}" for i in range(40)]
        (tmp_path / f"{name}.csv").write_text("\n".join(["example,label,prediction", *rows]) + "\n")
    files = ["--dense", str(tmp_path / "dense.csv"), "--pruned", str(tmp_path / "pruned.csv")]
    assert main(["audit", *files, "--out", str(tmp_path / "out")]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("Read as single-label: 40 examples")
    first = next(i for i, line in enumerate(lines) if line.startswith("accuracy: "))
    assert lines[first] == "accuracy: 0.9500 dense, 1.0000 pruned; intervals follow"
    assert sum(line.startswith("Read as") for line in lines) == 1
    assert first < next(i for i, line in enumerate(lines) if line.startswith("change: "))

    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    # It is printed while what takes long is still to come.
    monkeypatch.setattr("prunescope.analysis.compared.distortion", interrupted)
    assert main(["audit", *files, "--out", str(tmp_path / "other")]) != 0
    assert lines[first] in capsys.readouterr().out


@pytest.mark.parametrize(
    ("mean", "low", "high", "verdict", "says"),
    [
        (-0.27, -0.5, -0.1, "<", "interval −0.5000 to −0.1000: below 1, classes change sides"),
        (0.5, 0.2, 0.8, "<", "interval 0.2000 to 0.8000: below 1, differences between classes shrink"),
        (3.28, 0.79, None, "?", "interval at least 0.7900: not distinguished from 1"),
    ],
)
def test_words_follow_alpha(mean: float, low: float, high: float | None, verdict: str, says: str) -> None:
    found = {"mean": mean, "ci_low": low, "ci_high": high, "verdict": verdict}
    alpha = {"mean": 0.9, "ci_low": None, "ci_high": None, "verdict": "?", "confidence": 0.99}
    assert says in headlines({**SUMMARY, "alpha": alpha, "alpha_corrected": found})


def test_the_most_harmed_class_names_its_test() -> None:
    """The p-value is that of a test, and not beside the word harm as if there were none."""
    worst = {"class": "pos", "harm": 0.104, "p_corrected": 0.0033}
    lines = headlines({**SUMMARY, "most_harmed": worst}).split("\n")
    said = "most harmed class: pos, 10.4% of its examples net (exact McNemar test, p = 0.0033 corrected over the "
    said += "classes)"
    assert said in lines
    assert any(
        line.startswith("most harmed") and "within chance)" in line
        for line in headlines({**SUMMARY, "most_harmed": {**worst, "p_corrected": 0.4}}).split("\n")
    )


def test_a_file_on_both_sides_and_answers_that_do_not_vary_are_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    table = tmp_path / "a.csv"
    table.write_text("id,label,prediction\n" + "".join(f"{i},{i / 7},0.5\n" for i in range(30)))
    copy = tmp_path / "b.csv"
    copy.write_bytes(table.read_bytes())
    for other, said in (
        (table, f"the same file: {table}"),
        (copy, f"the same to the byte: {table} and {copy}"),
    ):
        main(["audit", "--dense", str(table), "--pruned", str(other), "--out", str(tmp_path / "out")])
        out, err = capsys.readouterr()
        assert f"warning: dense and pruned are {said}\n" in err
        assert "pearson: no pair of models has one, labels or answers do not vary" in out
        assert "none dense" not in out
