"""Slices that pay: planted ones, simulated audits without any, and numbers worked by hand."""

from __future__ import annotations

import csv
import json
from math import sqrt
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.stats import t as student

from prunescope.analysis.audit import audit
from prunescope.analysis.audit_tables import GroupRow, SliceRow
from prunescope.analysis.slices import Found, find, of_labels, p_value, questions_of
from prunescope.analysis.tables.declared import columns, read_table
from prunescope.cli import main
from prunescope.predictions.scores import one_model
from prunescope.predictions.store import SeedBlock, TableMeta, write_predictions


def texts_of(rng: np.random.Generator, n: int, *sizes: int) -> dict[str, np.ndarray]:
    return {f"c{i}": rng.integers(0, size, n).astype(str).astype(object) for i, size in enumerate(sizes)}


def harmed(rng: np.random.Generator, before: np.ndarray, share: np.ndarray) -> np.ndarray:
    """After compression: as before, with some wrong now, and one in twenty of the wrong ones right."""
    n = len(before)
    return (before & (rng.random(n) >= share)) | (~before & (rng.random(n) < 0.05))


def test_p_value_by_hand() -> None:
    """10 examples, 6 of them become wrong; 100 others, 5 wrong and 5 right.

    Inside: with one of either kind added, 12 examples, 7 wrong, 1 right: mean 6/12, variance (8/12 - (6/12)^2) / 12.
    Outside: 102 examples, 6 and 6, mean 0, variance 12/102/102. The difference is 6/10 - 0 less half a step, 1/20.
    """
    inside = (8 / 12 - (6 / 12) ** 2) / 12
    outside = 12 / 102 / 102
    statistic = (0.6 - 0.05) / sqrt(inside + outside)
    freedom = (inside + outside) ** 2 / (inside**2 / 11 + outside**2 / 101)
    # The mean that is taken off is (wrong - right) over the size with both additions: 6/12.
    assert p_value([10, 6, 0], [110, 11, 5]) == pytest.approx(student.sf(statistic, freedom), rel=1e-12)
    assert p_value([10, 0, 6], [110, 5, 11]) > 0.99
    assert p_value([50, 3, 3], [100, 6, 6]) > 0.5


def test_a_planted_slice_is_found_with_its_harm() -> None:
    rng = np.random.default_rng(0)
    n = 20_000
    held = {**texts_of(rng, n, 2, 3, 5), "length": rng.poisson(30, n).astype(float)}
    pays = (held["c2"] == "3") & (held["length"] >= 35)
    before = rng.random(n) < 0.8
    after = harmed(rng, before, np.where(pays, 0.3, 0.02))
    found = find(before, after, held)
    first = found.rows[0]
    assert first.slice == "c2 “3” and length of 35 or more"
    assert first.n_examples == pays.sum()
    assert first.harm == pytest.approx(0.8 * 0.3 - 0.2 * 0.05, abs=0.06)
    assert first.p_corrected < 1e-6
    assert len(found.rows) <= 2
    # What confirms is the half that had no part in the search.
    assert first.n_confirming < 0.65 * first.n_examples
    assert found.n_confirming == n // 2


@pytest.mark.parametrize("parts", [("c4",), ("c2", "c4"), ("c0", "c2", "c4")])
def test_planted_slices_are_named_as_they_are(parts: tuple[str, ...]) -> None:
    """One condition, two or three beside numbers that mean nothing: without conditions that fit by chance."""
    named = 0
    for seed in range(3):
        rng = np.random.default_rng(seed)
        n = 6000 * len(parts)
        held = {
            **texts_of(rng, n, 2, 3, 4, 5, 6, 8),
            "length": rng.poisson(30, n).astype(float),
            "ease": rng.normal(size=n),
        }
        pays = np.logical_and.reduce([held[name] == "1" for name in parts])
        before = rng.random(n) < 0.8
        after = harmed(rng, before, np.where(pays, 0.25, 0.03))
        rows = find(before, after, held).rows
        named += " and ".join(f"{name} “1”" for name in parts) in {row.slice for row in rows}
    assert named >= 2


def test_words_and_properties_of_texts() -> None:
    rng = np.random.default_rng(1)
    n = 6000
    words = np.array(["the", "a", "river", "stone", "sells", "bank", "green", "train", "seven", "seldom"])
    texts = [" ".join(rng.choice(words, 12)) + (" is not here" if i % 5 == 0 else "") for i in range(n)]
    negated = np.arange(n) % 5 == 0
    before = rng.random(n) < 0.8
    after = harmed(rng, before, np.where(negated, 0.25, 0.02))
    found = find(before, after, {}, lambda rows: [texts[row] for row in rows])
    assert len(found.rows) == 1
    assert found.rows[0].slice == "text with negation"
    assert found.rows[0].n_examples == negated.sum()
    # The same examples are also the longer ones: what the text says is printed.
    length = np.array([len(text.split()) for text in texts], dtype=float)
    again = find(before, after, {"length": length}, lambda rows: [texts[row] for row in rows])
    assert [row.slice for row in again.rows] == ["text with negation"]
    phrase = np.array(["green train" in text for text in texts])
    after = harmed(rng, before, np.where(phrase, 0.4, 0.02))
    found = find(before, after, {}, lambda rows: [texts[row] for row in rows])
    assert [row.slice for row in found.rows] == ["text with “green train”"]


def test_two_planted_slices_that_overlap_are_told_apart() -> None:
    rng = np.random.default_rng(2)
    n = 20_000
    held = texts_of(rng, n, 6, 6, 4)
    share = np.where((held["c0"] == "1") | (held["c1"] == "2"), 0.25, 0.02)
    before = rng.random(n) < 0.8
    found = find(before, harmed(rng, before, share), held)
    assert sorted(row.slice for row in found.rows) == ["c0 “1”", "c1 “2”"]


def test_no_effect_no_slice_at_the_stated_level() -> None:
    """400 audits without a slice that pays: hard examples flip often, both ways, and all lose alike in half of them."""
    false, runs = 0, 400
    for run in range(runs):
        rng = np.random.default_rng(run)
        n = 1500
        hard = rng.random(n)
        held = {
            **texts_of(rng, n, 2, 3, 5, 8),
            "hard": hard,
            "third": np.rint(hard * 3).astype(str).astype(object),
        }
        before = rng.random(n) < 0.75
        flips = rng.random(n) < np.where(hard > 0.7, 0.6, 0.05)
        after = np.where(flips, rng.random(n) < 0.75, before)
        if run % 2:
            after &= rng.random(n) > 0.08
        false += bool(find(before, after, held).rows)
    assert false / runs <= 0.05 + 2 * sqrt(0.05 * 0.95 / runs)


def test_the_test_itself_keeps_its_level_for_rare_changes() -> None:
    """Of one slice that was not searched: p below 5 % in no more than about 5 % of samples, also with few changes."""
    rng = np.random.default_rng(3)
    draws = 20_000
    for size, rest, wrong, right in ((30, 300, 0.1, 0.1), (200, 800, 0.02, 0.01), (50, 5000, 0.05, 0.0)):
        inside = np.stack(
            [np.full(draws, size), rng.binomial(size, wrong, draws), rng.binomial(size, right, draws)]
        )
        outside = np.stack(
            [np.full(draws, rest), rng.binomial(rest, wrong, draws), rng.binomial(rest, right, draws)]
        )
        level = float(np.mean(p_value(inside, inside + outside) < 0.05))
        assert level <= 0.055, (size, rest, wrong, right)


def clustered(rng: np.random.Generator, pays: float) -> tuple[np.ndarray, np.ndarray, dict[str, np.ndarray]]:
    """150 passages of 8 questions, a tenth of which lose all of theirs; those of source “a” more often by ``pays``."""
    passage = np.repeat(np.arange(150), 8)
    source = rng.choice(list("abc"), 150).astype(object)
    lost = rng.random(150) < 0.1 + pays * (source == "a")
    known = {"source": source[passage], "length": rng.normal(size=150).round(2)[passage]}
    return passage, ~lost[passage] | (rng.random(1200) < 0.2), known


def test_clusters_stay_together_and_their_number_counts() -> None:
    """Whole passages are lost at random: tests that count questions find slices of them, those of passages do not."""
    every = np.ones(1200, dtype=bool)
    found = {"questions": 0, "passages": 0}
    for seed in range(60):
        passage, after, known = clustered(np.random.default_rng(seed), 0.0)
        found["questions"] += bool(find(every, after, known).rows)
        found["passages"] += bool(find(every, after, known, clusters=passage).rows)
    # At 5 %, 60 audits have 8 or more with a probability of 1 %.
    assert found["passages"] < 8 < found["questions"]


def test_a_planted_slice_of_clusters_is_found() -> None:
    passage, after, known = clustered(np.random.default_rng(3), 0.6)
    found = find(np.ones(1200, dtype=bool), after, known, clusters=passage)
    assert found.rows[0].slice == "source “a”"
    # A passage lies in one half as a whole.
    assert found.n_confirming % 8 == 0
    assert found.rows[0].n_confirming % 8 == 0


def test_few_clusters_are_no_slice() -> None:
    """Three passages lose all, and nothing else does: three draws say nothing of other passages."""
    passage = np.repeat(np.arange(60), 20)
    source = np.where(passage < 6, "a", "b").astype(object)
    every = np.ones(1200, dtype=bool)
    assert find(every, passage >= 6, {"source": source}).rows
    assert not find(every, passage >= 6, {"source": source}, clusters=passage).rows


def test_every_number_against_pandas() -> None:
    rng = np.random.default_rng(4)
    n = 5000
    held = texts_of(rng, n, 4, 3)
    before = rng.random(n) < 0.8
    after = harmed(rng, before, np.where(held["c0"] == "2", 0.3, 0.02))
    found = find(before, after, held)
    (row,) = found.rows
    frame = pd.DataFrame({**held, "before": before, "after": after})
    inside = frame[frame.c0 == "2"]
    assert row.slice == "c0 “2”"
    assert row.n_examples == len(inside)
    both = row.harm * row.n_confirming
    assert both == pytest.approx(row.to_wrong - row.to_right)
    # Harm of the half that confirms is near that of all examples, and not the larger one of the half that was searched.
    whole = (inside.before & ~inside.after).mean() - (~inside.before & inside.after).mean()
    assert row.harm == pytest.approx(whole, abs=0.05)
    others = frame[frame.c0 != "2"]
    elsewhere = (others.before & ~others.after).mean() - (~others.before & others.after).mean()
    assert row.harm_elsewhere == pytest.approx(elsewhere, abs=0.02)


def test_too_few_examples_or_no_harm() -> None:
    rng = np.random.default_rng(5)
    held = texts_of(rng, 60, 2)
    right = np.ones(60, dtype=bool)
    assert find(right, ~right, held).rows == []
    held = texts_of(rng, 1000, 2)
    right = np.ones(1000, dtype=bool)
    assert find(right, right, held) == Found(n_confirming=500)
    assert find(right, right & (rng.random(1000) < 0.9), {}).rows == []


def test_columns_of_many_values_of_none_and_of_numbers_as_texts() -> None:
    rng = np.random.default_rng(6)
    n = 4000
    age = rng.integers(20, 80, n)
    held = {
        "name": np.array([f"example {i}" for i in range(n)], dtype=object),
        "none": np.full(n, None, dtype=object),
        "age": age.astype(str).astype(object),
        "same": np.full(n, "x", dtype=object),
        "missing": np.where(rng.random(n) < 0.5, None, "<b>odd</b>\n name").astype(object),
    }
    before = rng.random(n) < 0.9
    after = harmed(rng, before, np.where(age >= 70, 0.4, 0.01))
    found = find(before, after, held)
    assert found.rows[0].slice in {f"age of {cut} or more" for cut in range(66, 75)}
    assert all("name “" not in row.slice and "None" not in row.slice for row in found.rows)


def test_the_same_data_gives_the_same_slices() -> None:
    rng = np.random.default_rng(7)
    held = texts_of(rng, 3000, 3, 4)
    before = rng.random(3000) < 0.8
    after = harmed(rng, before, np.where(held["c0"] == "1", 0.3, 0.02))
    assert find(before, after, held) == find(before, after, held)


def test_labels_and_common_starts() -> None:
    side = one_model("single-label", np.array([0, 1, 1]), np.array([0, 1, 0]), ("cat", "dog"))
    assert of_labels(side)["class"].tolist() == ["cat", "dog", "dog"]
    shot = "Question: one\nAnswer: two\n\nQuestion: "
    assert questions_of([shot + "three", shot + "four"]) == ["three", "four"]
    assert questions_of(["abc", "abd"]) == ["abc", "abd"]
    assert questions_of(["one"]) == ["one"]
    assert questions_of([]) == []


def test_audit_writes_slices(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rng = np.random.default_rng(8)
    n = 3000
    source = np.where(rng.random(n) < 0.2, "<script>alert(1)</script>", "web")
    label = rng.integers(0, 2, n)
    before = rng.random(n) < 0.9
    after = harmed(rng, before, np.where(source == "web", 0.01, 0.3))
    for name, right in (("dense", before), ("pruned", after)):
        frame = pd.DataFrame(
            {"example": range(n), "label": label, "prediction": np.where(right, label, 1 - label)}
        )
        frame.to_csv(tmp_path / f"{name}.csv", index=False)
    pd.DataFrame({"example": range(n), "source": source}).to_csv(tmp_path / "meta.csv", index=False)
    command = ["audit", "--dense", f"{tmp_path}/dense.csv", "--pruned", f"{tmp_path}/pruned.csv"]
    assert main([*command, "--metadata", f"{tmp_path}/meta.csv", "--out", f"{tmp_path}/out"]) == 0
    with open(tmp_path / "out/slices.csv", encoding="utf-8") as stream:
        (row,) = list(csv.DictReader(stream))
    names = list(row)
    assert names[:6] == ["slice", "n_examples", "harm", "harm_elsewhere", "p_value", "p_corrected"]
    assert names == [column.name for column in columns(SliceRow)]
    assert row["slice"] == "source “<script>alert(1)</script>”"
    assert int(row["n_examples"]) == (source != "web").sum()
    assert read_table(tmp_path / "out", SliceRow)[0].p_corrected < 1e-6
    summary = json.loads((tmp_path / "out/summary.json").read_text())
    assert summary["slices"]["confirmed"][0]["slice"] == row["slice"]
    assert f"Pays beyond the rest: {row['slice']}" in capsys.readouterr().out
    page = (tmp_path / "out/report.html").read_text()
    assert "Which slices pay" in page
    assert "<script>alert(1)" not in page


def test_a_class_has_one_name(tmp_path: Path) -> None:
    """A column of the table that parts the examples as the classes do is not a second name of them."""
    rng = np.random.default_rng(3)
    label = rng.integers(0, 3, 3000)
    for side, share in (("dense", 0.0), ("pruned", 0.3)):
        wrong = (label == 1) & (rng.random(3000) < share)
        rows = [
            f"{i},{'abc'[c]},{'abc'[(c + w) % 3]},{c}"
            for i, (c, w) in enumerate(zip(label, wrong, strict=True))
        ]
        (tmp_path / f"{side}.csv").write_text(
            "\n".join(["example,label,prediction,gold_index", *rows]) + "\n"
        )
    audit([tmp_path / "dense.csv"], [tmp_path / "pruned.csv"], tmp_path / "out")
    assert [row.slice for row in read_table(tmp_path / "out", SliceRow)] == ["class “b”"]


def test_groups_of_a_studys_data_reach_its_cells(tmp_path: Path) -> None:
    """A column of the data by which nobody can group, with as many values as examples, is left out."""
    rng = np.random.default_rng(9)
    n = 1200
    label = rng.integers(0, 2, n).astype(np.int32)
    source = np.where(rng.random(n) < 0.25, "forum", "news")
    before = rng.random(n) < 0.9
    after = harmed(rng, before, np.where(source == "news", 0.01, 0.4))
    for name, right in (("dense", before), ("pruned", after)):
        said = np.where(right, label, 1 - label)
        logits = np.eye(2, dtype=np.float32)[said]
        meta = TableMeta("single-label", ("no", "yes"))
        write_predictions(tmp_path / f"{name}.parquet", meta, [SeedBlock(0, label, logits)])
    names = {"example": range(n), "source": source, "writer": [f"w{i}" for i in range(n)]}
    pd.DataFrame(names).to_parquet(tmp_path / "test.parquet")
    audit(
        [tmp_path / "dense.parquet"],
        [tmp_path / "pruned.parquet"],
        tmp_path / "test",
        groups=["source", "writer"],
        group_table=tmp_path / "test.parquet",
    )
    assert {(row.column, row.group) for row in read_table(tmp_path / "test", GroupRow)} == {
        ("source", "forum"),
        ("source", "news"),
    }
    assert [row.slice for row in read_table(tmp_path / "test", SliceRow)] == ["source “forum”"]


def test_columns_that_both_tables_have_alike(tmp_path: Path) -> None:
    """``source`` is of the examples; ``sure`` is of each model, and tells who pays because it knows the answer."""
    rng = np.random.default_rng(10)
    n = 2000
    label = rng.integers(0, 2, n)
    source = np.where(rng.random(n) < 0.25, "forum", "news")
    before = rng.random(n) < 0.9
    after = harmed(rng, before, np.where(source == "news", 0.01, 0.4))
    for name, right in (("dense", before), ("pruned", after)):
        said = np.where(right, label, 1 - label)
        known = {
            "example": range(n),
            "label": label,
            "prediction": said,
            "source": source,
            "sure": right == before,
        }
        pd.DataFrame(known).to_csv(tmp_path / f"{name}.csv", index=False)
    command = ["audit", "--dense", f"{tmp_path}/dense.csv", "--pruned", f"{tmp_path}/pruned.csv"]
    assert main([*command, "--out", f"{tmp_path}/out"]) == 0
    assert [row.slice for row in read_table(tmp_path / "out", SliceRow)] == ["source “forum”"]
