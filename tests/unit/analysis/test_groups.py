"""Who pays by group, against independent implementations and simulated truth."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.stats import binomtest

from prunescope.analysis.conditions import value_of
from prunescope.analysis.groups import MISSING, group_rows, group_summary
from prunescope.cli import main
from prunescope.errors import UserError
from prunescope.predictions.scores import one_model
from prunescope.predictions.store import Predictions


def side(right: np.ndarray) -> Predictions:
    """A model that is right where ``right`` holds."""
    return one_model("single-label", np.ones(len(right), dtype=np.int64), right.astype(np.int8), ("a", "b"))


def columns(rng: np.random.Generator, n: int, *sizes: int) -> dict[str, np.ndarray]:
    return {f"c{i}": rng.integers(0, size, n).astype(str).astype(object) for i, size in enumerate(sizes)}


def test_every_number_against_pandas_and_scipy() -> None:
    rng = np.random.default_rng(0)
    n = 400
    before, after = rng.random(n) < 0.8, rng.random(n) < 0.7
    held = columns(rng, n, 2, 3)
    rows = {(r.column, r.group): r for r in group_rows(side(before), side(after), held, 0.95)}
    frame = pd.DataFrame({**held, "before": before, "after": after})
    frame["c0 × c1"] = frame.c0 + " & " + frame.c1
    wanted = {(c, g): part for c in ("c0", "c1", "c0 × c1") for g, part in frame.groupby(c)}
    assert set(rows) == set(wanted)
    p_values = []
    for key, part in wanted.items():
        row = rows[key]
        wrong, right = (part.before & ~part.after).sum(), (~part.before & part.after).sum()
        assert (row.n_examples, row.to_wrong, row.to_right) == (len(part), wrong, right)
        assert row.score_dense == pytest.approx(part.before.mean())
        assert row.score_pruned == pytest.approx(part.after.mean())
        assert row.change == pytest.approx(part.after.mean() - part.before.mean())
        assert row.p_value == pytest.approx(binomtest(wrong, wrong + right).pvalue)
        assert row.ci_low is not None
        assert row.ci_high is not None
        assert row.ci_low < row.change < row.ci_high
        p_values.append(row.p_value)
    smallest = min(p_values)
    assert min(r.p_corrected for r in rows.values()) == pytest.approx(min(1.0, smallest * len(rows)))


def test_intervals_hold_together_in_simulations() -> None:
    """Of groups whose true change is known, no interval misses it in about 95 % of simulations, or more."""
    missed, runs = 0, 200
    for run in range(runs):
        rng = np.random.default_rng(run)
        n = 2000
        held = columns(rng, n, 4, 3)
        flips = rng.random(n) < 0.2
        before = rng.random(n) < 0.75
        # A flipped example is drawn again: accuracy stays .75 in every group.
        after = np.where(flips, rng.random(n) < 0.75, before)
        rows = group_rows(side(before), side(after), held, 0.95, draws=300)
        missed += any(
            r.ci_low is not None and r.ci_high is not None and not r.ci_low <= 0 <= r.ci_high for r in rows
        )
    assert missed / runs <= 0.09


def test_intervals_of_groups_count_clusters() -> None:
    """Clusters that turn together: intervals that count examples miss far too often, those of clusters do not."""
    missed, refused, runs = np.zeros(2), np.zeros(2), 150
    for run in range(runs):
        rng = np.random.default_rng(run)
        clusters = np.repeat(np.arange(150), 8)
        n = len(clusters)
        held = columns(rng, n, 3, 2)
        before = rng.random(n) < 0.5
        drawn = rng.choice([0, 1, -1], 150, p=[0.6, 0.2, 0.2])[clusters]
        before[drawn != 0] = (drawn < 0)[drawn != 0]
        after = np.where(drawn == 0, before, drawn > 0)
        for k, known in enumerate((None, clusters)):
            rows = group_rows(side(before), side(after), held, 0.95, clusters=known, draws=200)
            missed[k] += any(r.ci_low is not None and not r.ci_low <= 0 <= (r.ci_high or 0) for r in rows)
            refused[k] += any((r.p_corrected or 1) < 0.05 for r in rows)
    assert missed[0] / runs > 0.3
    assert refused[0] / runs > 0.15
    assert missed[1] / runs <= 0.1
    assert refused[1] / runs <= 0.09


def test_a_group_that_pays_is_found() -> None:
    rng = np.random.default_rng(1)
    n = 5000
    held = columns(rng, n, 5, 4)
    before = rng.random(n) < 0.9
    pays = held["c0"] == "3"
    after = before & ~(pays & (rng.random(n) < 0.15))
    rows = group_rows(side(before), side(after), held, 0.99)
    summary = group_summary(rows)
    assert summary["c0"]["worst"] == "3"
    assert summary["c0"]["worst_p_corrected"] < 1e-6
    assert summary["c0"]["gap_pruned"] > summary["c0"]["gap_dense"] + 0.08
    lost = np.array([(before & ~after & (held["c0"] == c)).sum() / (held["c0"] == c).sum() for c in "01234"])
    assert summary["c0"]["most_harm"] == pytest.approx(lost.max())
    pair = held["c0"] + "&" + held["c1"]
    by_hand = max((before & ~after)[pair == p].mean() for p in set(pair.tolist()))
    assert value_of("group_harm", {"groups": summary}) == pytest.approx(by_hand)
    others = [r for r in rows if r.column == "c0" and r.group != "3"]
    assert all(r.p_corrected == 1 and r.change == 0 for r in others)
    worst = next(r for r in rows if (r.column, r.group) == ("c0", "3"))
    assert worst.ci_high is not None
    assert worst.ci_high < 0


def test_several_seeds_count() -> None:
    """Three seeds that agree say no more of the examples than one; seeds that disagree widen the interval."""
    rng = np.random.default_rng(2)
    n = 300
    held = columns(rng, n, 2)
    before = rng.random((3, n)) < 0.8
    after = rng.random((3, n)) < 0.7

    def sides(right: np.ndarray) -> Predictions:
        one = side(right[0])
        return Predictions(
            **{**vars(one), "seeds": np.arange(len(right)), "prediction": right.astype(np.int8)}
        )

    same = group_rows(sides(before[[0, 0, 0]]), sides(after[[0, 0, 0]]), held, 0.95)
    alone = group_rows(side(before[0]), side(after[0]), held, 0.95)
    for a, b in zip(same, alone, strict=True):
        assert a.change == pytest.approx(b.change)
        assert a.ci_low == pytest.approx(b.ci_low)
        assert (a.to_wrong, a.to_right) == (b.to_wrong, b.to_right)
    several = group_rows(sides(before), sides(after), held, 0.95)
    for row in several:
        members = held["c0"] == row.group
        assert row.change == pytest.approx(after[:, members].mean() - before[:, members].mean())


def test_small_groups_missing_values_and_numbers() -> None:
    n = 100
    before = np.ones(n, dtype=bool)
    after = before.copy()
    after[:5] = False
    held = {
        "small": np.array(["x"] * 5 + ["y"] * 95, dtype=object),
        "gaps": np.array([None] * 30 + ["z"] * 70, dtype=object),
        "length": np.array([str(i) for i in range(n)], dtype=object),
    }
    rows = {(r.column, r.group): r for r in group_rows(side(before), side(after), held, 0.95)}
    assert rows["small", "x"].ci_low is None
    assert rows["small", "x"].p_value == pytest.approx(2 / 2**5)
    assert rows["gaps", MISSING].n_examples == 30
    lengths = {group: row.n_examples for (column, group), row in rows.items() if column == "length"}
    assert lengths == {"0 to 24": 25, "25 to 49": 25, "50 to 74": 25, "75 to 99": 25}
    assert group_summary(list(rows.values()))["small"]["n_small"] == 1
    names = np.array([f"name {i}" for i in range(300)], dtype=object)
    with pytest.raises(UserError, match="'id' of the predictions has 300 values for 300 examples"):
        group_rows(side(np.ones(300)), side(np.ones(300)), {"id": names}, 0.95)


def written(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    return path


def groups_csv(out: Path) -> dict[tuple[str, str], dict[str, str]]:
    with open(out / "groups.csv", newline="", encoding="utf-8") as stream:
        return {(row["column"], row["group"]): row for row in csv.DictReader(stream)}


def test_columns_come_from_predictions_texts_and_metadata(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = [f"{i},{'fm'[i % 2]},x,x\n" for i in range(40)]
    dense = written(tmp_path / "a.csv", "example,gender,label,prediction\n" + "".join(rows))
    wrong = [row.replace(",x,x", ",x,y") if i % 4 == 0 else row for i, row in enumerate(rows)]
    pruned = written(tmp_path / "b.csv", "example,gender,label,prediction\n" + "".join(wrong))
    texts = written(
        tmp_path / "t.csv",
        "example,text,source\n" + "".join(f"{i},Word.,s{i % 2}\n" for i in range(40)[::-1]),
    )
    meta = written(
        tmp_path / "m.jsonl", "".join(json.dumps({"idx": i, "age": i // 20}) + "\n" for i in range(40))
    )
    out = tmp_path / "out"
    pair = ["audit", "--dense", str(dense), "--pruned", str(pruned), "--out"]
    more = ["--texts", str(texts), "--metadata", str(meta)]
    assert main([*pair, str(out), "--groups", "gender", "source", "age", *more]) == 0
    found = groups_csv(out)
    assert found["gender", "f"]["to_wrong"] == "10"
    assert found["gender", "f"]["score_pruned"] == "0.5"
    assert found["gender", "m"]["to_wrong"] == "0"
    assert found["source", "s0"]["change"] == "-0.5"
    assert found["age", "0"]["n_examples"] == "20"
    assert found["gender × source", "f & s0"]["n_examples"] == "20"
    summary = json.loads((out / "summary.json").read_text())
    assert summary["groups"]["gender"]["worst"] == "f"
    assert "gender: “f” loses most: −50.0 points (no loss: corrected p" in capsys.readouterr().out
    assert "“f” loses most" in (out / "report.html").read_text()
    assert main([*pair, str(tmp_path / "b"), "--groups", "height"]) == 2
    assert "--groups: no column 'height' in" in capsys.readouterr().err
    assert (
        main([*pair, str(tmp_path / "c"), "--groups", "age", "--metadata", str(tmp_path / "none.csv")]) == 2
    )


def test_a_column_that_differs_between_the_sides_groups_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    head = "example,gender,label,prediction\n"
    dense = written(tmp_path / "a.csv", head + "".join(f"{i},{'fm'[i % 2]},x,x\n" for i in range(40)))
    pruned = written(
        tmp_path / "b.csv", head + "".join(f"{i},{'fm'[i % 2 or i < 6]},x,{'xy'[i % 2]}\n" for i in range(40))
    )
    pair = ["audit", "--dense", str(dense), "--pruned", str(pruned), "--out", str(tmp_path / "out")]
    assert main([*pair, "--groups", "gender"]) == 2
    error = capsys.readouterr().err
    assert f"column 'gender' of {dense} and of {pruned} differs for 3 of 40 examples" in error
    assert main([*pair, "--margin", "60%"]) == 3
    assert "--margin 0.6: not met" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        main([*pair, "--margin", "much"])
    assert "'much' is no share" in capsys.readouterr().err


def test_numbers_are_right_within_the_tolerance(tmp_path: Path) -> None:
    """40 scores 0.0 to 3.9: the pruned model misses those of group "a" by 1, the others by less than the tolerance."""
    label = np.arange(40) / 10
    group = np.array(["a", "b"] * 20)
    for name, miss in {"dense": 0.01, "pruned": np.where(group == "a", 1.0, 0.02)}.items():
        table = pd.DataFrame({"example": range(40), "label": label, "prediction": label + miss, "g": group})
        table.to_csv(tmp_path / f"{name}.csv", index=False)
    sides = ["--dense", str(tmp_path / "dense.csv"), "--pruned", str(tmp_path / "pruned.csv")]
    more = ["--groups", "g", "--out", str(tmp_path / "out"), "--fail-on", "group_harm > 99%"]
    assert main(["audit", *sides, *more]) == 3
    rows = {row["group"]: row for row in csv.DictReader((tmp_path / "out/groups.csv").open(encoding="utf-8"))}
    shown = ("score_dense", "score_pruned", "to_wrong", "to_right")
    assert [float(rows["a"][name]) for name in shown] == [1, 0, 20, 0]
    assert [float(rows["b"][name]) for name in shown] == [1, 1, 0, 0]
