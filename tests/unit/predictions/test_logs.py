"""Evaluation logs through the command.

The logs of lm-evaluation-harness, inspect-ai and HELM below ``fixtures/logs`` are the harnesses' own (``make.py`` there
says how); variants of them are edited here. Other logs of HELM, lighteval and Every Eval Ever are by hand, from the
dataclasses of crfm-helm 0.5.16 and lighteval 0.13.0 and the JSON schema of every-eval-ever 0.3.0.
"""

from __future__ import annotations

import csv
import gzip
import hashlib
import json
import math
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from prunescope.analysis.spans import harness_span
from prunescope.cli import main

LOGS = Path(__file__).parent / "fixtures" / "logs"
TIME = "2026-11-30T12-00-00.000000"
LM = {side: LOGS / "lm_eval" / side for side in ("dense", "pruned")}
INSPECT = {side: LOGS / "inspect_ai" / side for side in ("dense", "pruned")}


def run(out: Path, dense: Path | list[Path], pruned: Path | list[Path], *options: str) -> int:
    sides = [[str(p) for p in (one if isinstance(one, list) else [one])] for one in (dense, pruned)]
    return main(["audit", "--dense", *sides[0], "--pruned", *sides[1], "--out", str(out), *options])


def summary_of(out: Path) -> dict[str, Any]:
    value: dict[str, Any] = json.loads((out / "summary.json").read_text())
    return value


def refused(
    capsys: pytest.CaptureFixture[str],
    out: Path,
    dense: Path | list[Path],
    pruned: Path | list[Path],
    *options: str,
) -> str:
    capsys.readouterr()
    assert run(out, dense, pruned, *options) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert not out.exists()
    return error


def matrix(out: Path) -> dict[tuple[str, str, str], dict[str, str]]:
    with open(out / "matrix.csv", newline="", encoding="utf-8") as stream:
        return {(row["model"], row["task"], row["metric"]): row for row in csv.DictReader(stream)}


def samples(side: str, task: str) -> Path:
    return LM[side] / f"samples_{task}_{TIME}.jsonl"


def records(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def edited(
    folder: Path, path: Path, change: Callable[[dict[str, Any]], dict[str, Any]], name: str | None = None
) -> Path:
    """A copy of a file of samples with every record changed."""
    folder.mkdir(parents=True, exist_ok=True)
    to = folder / (name or path.name)
    to.write_text("".join(json.dumps(change(row)) + "\n" for row in records(path)))
    return to


def test_a_suite_of_one_model(tmp_path: Path) -> None:
    out = tmp_path / "out"
    assert run(out, LM["dense"], LM["pruned"]) == 0
    found = matrix(out)
    tasks = {"toy_choice", "toy_rolling", "toy_sentiment", "toy_sums"}
    assert {task for _, task, _ in found} == tasks
    assert {path.name for path in (out / "pruned").iterdir()} == tasks
    for side in ("dense", "pruned"):
        said = json.loads((LM[side] / f"results_{TIME}.json").read_text())["results"]
        for (_, task, metric), row in found.items():
            if metric != "loglikelihood":
                name = metric if "," in metric else f"{metric},none"
                assert float(row[side]) == pytest.approx(said[task][name])
    row = found["pruned", "toy_choice", "acc"]
    before, after = ([r["acc"] for r in records(samples(s, "toy_choice"))] for s in ("dense", "pruned"))
    assert int(row["to_wrong"]) == sum(a > b for a, b in zip(before, after, strict=True))
    assert int(row["to_right"]) == sum(a < b for a, b in zip(before, after, strict=True))
    page = (out / "report.html").read_text()
    assert 'href="pruned/toy_choice/report.html"' in page


def test_choices_are_classes_where_all_questions_have_the_same(tmp_path: Path) -> None:
    out = tmp_path / "out"
    assert run(out, samples("dense", "toy_sentiment"), samples("pruned", "toy_sentiment")) == 0
    summary = summary_of(out)
    assert summary["read"]["classes"] == ["bad", "good"]
    assert summary["metric"] == "accuracy"
    assert summary["kl_mean"] > 0
    held = pq.read_table(out / "pies.parquet").to_pydict()
    assert held["example"] == list(range(24))
    assert held["label"] == [int(row["target"]) for row in records(samples("dense", "toy_sentiment"))]
    assert run(out, samples("dense", "toy_choice"), samples("pruned", "toy_choice")) == 0
    assert summary_of(out)["read"]["classes"] == ["choice 1", "choice 2", "choice 3", "choice 4"]


def test_divergence_is_of_the_choices(tmp_path: Path) -> None:
    """Recomputed without this package, from questions with three and with four choices."""
    from scipy.special import log_softmax

    out = tmp_path / "out"
    assert run(out, samples("dense", "toy_choice"), samples("pruned", "toy_choice")) == 0
    total = 0.0
    pairs = zip(*(records(samples(side, "toy_choice")) for side in ("dense", "pruned")), strict=True)
    for a, b in pairs:
        p, q = (log_softmax([float(one[0]) for one in row["filtered_resps"]]) for row in (a, b))
        total += sum(2.718281828459045**x * (x - y) for x, y in zip(p, q, strict=True))
    assert summary_of(out)["kl_mean"] == pytest.approx(total / 20, rel=1e-4)


@pytest.mark.parametrize(
    "change",
    [
        # Older versions: arguments as a list, responses once nested and as numbers, no hashes, no list of metrics.
        lambda row: {
            **{key: row[key] for key in ("doc_id", "doc", "target", "acc", "acc_norm")},
            "arguments": [list(one.values()) for one in row["arguments"].values()],
            "resps": [[[float(one[0][0]), one[0][1] == "True"]] for one in row["resps"]],
            "filtered_resps": [[float(one[0]), one[1] == "True"] for one in row["filtered_resps"]],
        },
        lambda row: {
            **row,
            "filtered_resps": [[one] for one in row["filtered_resps"]],
            "acc": str(row["acc"]),
        },
        lambda row: {**row, "target": int(row["target"]), "doc_id": str(row["doc_id"])},
    ],
)
def test_other_versions_of_the_form_say_the_same(
    tmp_path: Path, change: Callable[[dict[str, Any]], dict[str, Any]]
) -> None:
    assert run(tmp_path / "one", samples("dense", "toy_choice"), samples("pruned", "toy_choice")) == 0
    sides = [edited(tmp_path / side, samples(side, "toy_choice"), change) for side in ("dense", "pruned")]
    assert run(tmp_path / "two", *sides) == 0
    assert (tmp_path / "one" / "matrix.csv").read_text() == (tmp_path / "two" / "matrix.csv").read_text()
    one, two = (pq.read_table(tmp_path / name / "pies.parquet") for name in ("one", "two"))
    assert one.equals(two)


def test_an_array_a_packed_file_and_a_file_without_a_time(tmp_path: Path) -> None:
    array = tmp_path / "samples_toy_choice.json"
    array.write_text(json.dumps(records(samples("dense", "toy_choice")), indent=1))
    packed = tmp_path / "samples_toy_choice.jsonl.gz"
    packed.write_bytes(gzip.compress(samples("pruned", "toy_choice").read_bytes()))
    assert run(tmp_path / "out", array, packed) == 0
    assert summary_of(tmp_path / "out")["n_examples"] == 20
    page = (tmp_path / "out" / "report.html").read_text()
    assert "Question: Which comes after" in page


@pytest.mark.parametrize("with_results", [True, False])
def test_files_of_040_to_042(tmp_path: Path, with_results: bool) -> None:
    """One indented array a task, named by the model's arguments and the task; ``results.json`` names the tasks."""
    for side in ("dense", "pruned"):
        folder = tmp_path / side
        folder.mkdir()
        for task in ("toy_choice", "toy_sums") if with_results else ("toy_choice",):
            rows = records(samples(side, task))
            for row in rows:
                for name in ("doc_hash", "prompt_hash", "target_hash"):
                    row.pop(name, None)
                row["arguments"] = [list(one.values()) for one in row["arguments"].values()]
            name = f"pretrained__org__Model-2.5-{side},dtype__float32_{task}.jsonl"
            (folder / name).write_text(json.dumps(rows, indent=2))
        if with_results:
            held = json.loads((LM[side] / f"results_{TIME}.json").read_text())
            kept = {key: held[key] for key in ("results", "configs", "versions", "n-shot")}
            (folder / "results.json").write_text(json.dumps(kept))
    assert run(tmp_path / "out", tmp_path / "dense", tmp_path / "pruned") == 0
    if with_results:
        assert summary_of(tmp_path / "out")["tasks"] == ["toy_choice", "toy_sums"]
        assert run(tmp_path / "now", LM["dense"], LM["pruned"]) == 0
        now, then = matrix(tmp_path / "now"), matrix(tmp_path / "out")
        for key in ("pruned", "toy_choice", "acc"), ("pruned", "toy_sums", "exact_match,strict-match"):
            assert {k: v for k, v in then[key].items() if k != "p_corrected"} == {
                k: v for k, v in now[key].items() if k != "p_corrected"
            }
    else:
        assert summary_of(tmp_path / "out")["n_examples"] == 20


@pytest.mark.parametrize("of_logs", [True, False])
def test_clusters_of_a_suite(tmp_path: Path, of_logs: bool) -> None:
    """Two passages of 15 questions each lose all: 30 answers, but two draws. Every table's test says so."""
    for side in ("dense", "pruned"):
        (tmp_path / side).mkdir()
        for task in ("bench_one", "bench_two"):
            rows = [(i, i // 15, int(side == "dense" or i >= 30)) for i in range(300)]
            if of_logs:
                lines = [
                    json.dumps(
                        {
                            **{
                                "doc_id": i,
                                "doc": {"q": i, "passage": f"p{passage}"},
                                "target": "yes",
                                "acc": right,
                            },
                            **{"arguments": [[f"{i}?", {}]], "filtered_resps": ["yes" if right else "no"]},
                        }
                    )
                    for i, passage, right in rows
                ]
                (tmp_path / side / f"samples_{task}.jsonl").write_text("\n".join(lines) + "\n")
            else:
                lines = [f"{i},p{passage},yes,{'yes' if right else 'no'}" for i, passage, right in rows]
                text = "\n".join(["example,passage,label,prediction", *lines]) + "\n"
                (tmp_path / side / f"{task}.csv").write_text(text)
    assert run(tmp_path / "out", tmp_path / "dense", tmp_path / "pruned", "--clusters", "passage") == 0
    found = {task: row for (_, task, _), row in matrix(tmp_path / "out").items()}
    for task in ("bench_one", "bench_two"):
        # Of two clusters one of four ways to flip them is as far out, on either side.
        assert (found[task]["to_wrong"], float(found[task]["p_value"])) == ("30", 0.5)
        own = summary_of(tmp_path / "out" / "pruned" / task)
        assert own["mcnemar"]["p_value"] == 0.5
        assert float(found[task]["ci_low"]) == pytest.approx(own["change"]["ci_low"])
    assert summary_of(tmp_path / "out")["clusters"] == {"column": "passage"}
    assert "count clusters (<bdi>passage</bdi>)" in (tmp_path / "out" / "report.html").read_text()
    assert not summary_of(tmp_path / "out")["overall"][0]["slices"]["confirmed"]


def test_several_models_have_one_answer_everywhere(tmp_path: Path) -> None:
    """Of four models two say what is right and two differ: the majority's answer is right, in every table."""
    paths = {}
    for side, said in (("dense", "aabc"), ("pruned", "abbc")):
        rows = [f"{example},{seed},{said[seed]},a,x" for example in range(30) for seed in range(4)]
        for task in ("one", "two"):
            paths[side] = tmp_path / side / f"{task}.csv"
            paths[side].parent.mkdir(exist_ok=True)
            paths[side].write_text("\n".join(["example,seed,prediction,label,source", *rows]) + "\n")
    options = ("--groups", "source")
    assert run(tmp_path / "one", paths["dense"], paths["pruned"], *options) == 0
    assert summary_of(tmp_path / "one")["mcnemar"]["to_wrong"] == 30
    with open(tmp_path / "one" / "groups.csv", newline="") as stream:
        assert [row["to_wrong"] for row in csv.DictReader(stream)] == ["30"]
    (tmp_path / "other").mkdir()
    shutil.copytree(tmp_path / "pruned", tmp_path / "other" / "pruned")
    sides = [tmp_path / "dense" / "one.csv"], [tmp_path / "pruned", tmp_path / "other" / "pruned"]
    for folder in sides[1]:
        (folder / "two.csv").unlink()
    assert run(tmp_path / "suite", *sides) == 0
    assert {row["to_wrong"] for row in matrix(tmp_path / "suite").values()} == {"30"}


@pytest.mark.parametrize("version", ["0.4.2", "0.4.3", "0.4.5", "0.4.8"])
def test_logs_of_older_versions(tmp_path: Path, capsys: pytest.CaptureFixture[str], version: str) -> None:
    """Six questions each; up to 0.4.5 a file has those of the second filter behind those of the first."""
    held = LOGS / f"lm_eval_{version}"
    assert run(tmp_path / "out", held / "dense", held / "pruned") == 0
    found = matrix(tmp_path / "out")
    names = {metric for _, task, metric in found if task == "toy_sums"}
    assert names == {"exact_match,strict-match", "exact_match,flexible-extract"}
    assert {row["n_examples"] for row in found.values()} == {"6"}
    error = capsys.readouterr().err
    assert "more than once" not in error
    assert run(tmp_path / "alone", *(next((held / side).glob("*sums*")) for side in ("dense", "pruned"))) == 0
    assert summary_of(tmp_path / "alone")["n_examples"] == 6


def test_questions_twice_and_answers_that_are_none(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def change(row: dict[str, Any]) -> dict[str, Any]:
        return {**row, "filtered_resps": ["[invalid]"] if row["doc_id"] < 4 else row["filtered_resps"]}

    other = edited(tmp_path / "pruned", samples("pruned", "toy_sums"), change)
    assert run(tmp_path / "out", samples("dense", "toy_sums"), other) == 0
    said = "no answer was found in what the model said ([invalid], no choice, or nothing): 0 of 6 dense, 4 of 6 pruned"
    assert said in capsys.readouterr().err
    assert said in (tmp_path / "out" / "report.html").read_text()
    path = samples("dense", "toy_choice")
    twice = tmp_path / path.name
    twice.write_text(path.read_text() + "".join(path.read_text().splitlines(keepends=True)[:3]))
    assert run(tmp_path / "out", twice, samples("pruned", "toy_choice")) == 0
    assert "3 questions stand there more than once, and count as often: 0, 1, 2" in capsys.readouterr().err
    assert summary_of(tmp_path / "out")["n_examples"] == 20


def test_loglikelihoods_that_are_no_numbers(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def change(row: dict[str, Any]) -> dict[str, Any]:
        said = [[float("nan"), False] for _ in row["filtered_resps"]]
        return {**row, "filtered_resps": said, "resps": [said]} if row["doc_id"] < 2 else row

    other = edited(tmp_path / "pruned", samples("pruned", "toy_choice"), change)
    assert run(tmp_path / "out", samples("dense", "toy_choice"), other) == 0
    assert "2 of 20 answers have log-likelihoods that are no numbers (NaN)" in capsys.readouterr().err


def test_questions_pair_by_their_document_whatever_their_order_and_number(tmp_path: Path) -> None:
    rows = records(samples("pruned", "toy_choice"))
    shuffled = tmp_path / "samples_toy_choice.jsonl"
    # Numbered anew in another order, as a run with another limit or shuffling would.
    rows = [{**row, "doc_id": i} for i, row in enumerate(rows[::-1])]
    shuffled.write_text("".join(json.dumps(row) + "\n" for row in rows))
    assert run(tmp_path / "one", samples("dense", "toy_choice"), samples("pruned", "toy_choice")) == 0
    assert run(tmp_path / "two", samples("dense", "toy_choice"), shuffled) == 0
    one, two = (pq.read_table(tmp_path / name / "pies.parquet") for name in ("one", "two"))
    assert one.equals(two)


def test_equal_documents_are_kept_apart(tmp_path: Path) -> None:
    def twice(row: dict[str, Any]) -> dict[str, Any]:
        same = row["doc_id"] in (3, 7)
        return {**row, "doc_hash": "same", "doc": {}} if same else row

    sides = [edited(tmp_path / side, samples(side, "toy_choice"), twice) for side in ("dense", "pruned")]
    assert run(tmp_path / "out", *sides) == 0
    assert summary_of(tmp_path / "out")["n_examples"] == 20


def test_questions_of_one_side_only_are_counted_and_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    part = tmp_path / "samples_toy_choice.jsonl"
    lines = samples("pruned", "toy_choice").read_text().splitlines(keepends=True)
    part.write_text("".join(lines[:12] + lines[15:]))
    assert run(tmp_path / "out", samples("dense", "toy_choice"), part) == 0
    assert summary_of(tmp_path / "out")["n_examples"] == 17
    assert "questions on this side only (3): 12, 13, 14" in capsys.readouterr().err


def test_without_documents_ids_pair_with_a_warning(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def bare(row: dict[str, Any]) -> dict[str, Any]:
        return {key: value for key, value in row.items() if key not in ("doc", "doc_hash")}

    sides = [edited(tmp_path / side, samples(side, "toy_choice"), bare) for side in ("dense", "pruned")]
    assert run(tmp_path / "out", *sides) == 0
    assert "questions pair by their number in the data" in capsys.readouterr().err
    sides = [
        edited(tmp_path / side, samples(side, "toy_choice"), lambda row: {**bare(row), "doc_id": 0})
        for side in ("dense", "pruned")
    ]
    assert run(tmp_path / "out", *sides) == 0
    assert "pair by their position" in capsys.readouterr().err


def test_other_data_and_other_targets_are_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    other = edited(
        tmp_path / "a",
        samples("pruned", "toy_choice"),
        lambda row: {**row, "doc": {"x": row["doc_id"]}, "doc_hash": str(row["doc_id"])},
    )
    assert "no question in common" in refused(capsys, tmp_path / "out", samples("dense", "toy_choice"), other)
    wrong = edited(
        tmp_path / "b", samples("pruned", "toy_choice"), lambda row: {**row, "target": "1", "acc": 0.0}
    )
    error = refused(capsys, tmp_path / "out", samples("dense", "toy_choice"), wrong)
    assert "question 0: the target is 1, but 0 in" in error


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("prompts", "prompts of the two sides: differ in 20 of 20 questions"),
        ("filters", "filters of the two sides: none and strict"),
    ],
)
def test_what_differs_is_refused_by_name_or_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str, said: str
) -> None:
    def change(row: dict[str, Any]) -> dict[str, Any]:
        if name == "filters":
            return {**row, "filter": "strict"}
        for one in row["arguments"].values():
            one["arg_0"] = "Think first. " + one["arg_0"]
        return row

    other = edited(tmp_path / "pruned", samples("pruned", "toy_choice"), change)
    error = refused(capsys, tmp_path / "out", samples("dense", "toy_choice"), other)
    assert said in error
    assert f"--allow {name}" in error
    assert "--allow: 'nothing' is unknown" in (
        refused(capsys, tmp_path / "out", samples("dense", "toy_choice"), other, "--allow", "nothing")
    )
    for allowed in (("--allow", name), ("--allow",)):
        assert run(tmp_path / "out", samples("dense", "toy_choice"), other, *allowed) == 0
        assert said in capsys.readouterr().err
        assert said in (tmp_path / "out" / "report.html").read_text()


def with_results(tmp_path: Path, task: str, changes: dict[str, dict[str, Any]]) -> dict[str, Path]:
    """A folder a side with one task and its results file, which is changed; a value of None drops the key."""
    for side in ("dense", "pruned"):
        (tmp_path / side).mkdir(exist_ok=True)
        shutil.copy(samples(side, task), tmp_path / side)
        held = json.loads((LM[side] / f"results_{TIME}.json").read_text()) | changes.get(side, {})
        held = {key: value for key, value in held.items() if value != "(dropped)"}
        (tmp_path / side / f"results_{TIME}.json").write_text(json.dumps(held))
    return {side: tmp_path / side for side in ("dense", "pruned")}


@pytest.mark.parametrize(
    ("key", "values", "name"),
    [
        ("lm_eval_version", ("0.4.13", "0.4.3"), "harness"),
        ("lm_eval_version", ("0.4.13", "(dropped)"), "harness"),
        ("n-shot", ({"toy_choice": 0}, {"toy_choice": 5}), "fewshot"),
        ("versions", ({"toy_choice": 2.0}, {"toy_choice": 1.0}), "task-version"),
        ("chat_template_sha", ("xyz", "abc"), "chat-template"),
        # One side only: no template, or none that is named.
        ("chat_template_sha", (None, "abc"), "chat-template"),
        ("chat_template_sha", ("abc", None), "chat-template"),
        ("chat_template_sha", ("(dropped)", "abc"), "chat-template"),
        ("chat_template", (None, "{{ messages }}"), "chat-template"),
        ("system_instruction_sha", ("abc", "(dropped)"), "system"),
        (
            "configs",
            ({"toy_choice": {"generation_kwargs": {"temperature": 1.0}}}, {"toy_choice": {"task": "t"}}),
            "generation",
        ),
    ],
)
def test_settings_of_the_results_file_must_agree(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], key: str, values: tuple[Any, Any], name: str
) -> None:
    changes = {side: {key: value} for side, value in zip(("dense", "pruned"), values, strict=True)}
    sides = with_results(tmp_path, "toy_choice", changes)
    error = refused(capsys, tmp_path / "out", *sides.values())
    assert f"--allow {name}" in error
    assert ("none" in error) == any(value in (None, "(dropped)") for value in values) or key == "configs"
    if values == (None, "abc"):
        assert run(tmp_path / "out", *sides.values(), "--allow", name) == 0
        said = "chat template of the two sides: none and 'abc' (--allow chat-template)"
        assert said.replace("'", "&#39;") in (tmp_path / "out" / "report.html").read_text()


def test_settings_that_mean_the_same(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A template and its hash, no examples in the prompt and none asked for; a side without settings is named."""
    changes = {
        "dense": {"chat_template": "{{ messages }}", "n-shot": "(dropped)"},
        "pruned": {
            "chat_template_sha": hashlib.sha256(b"{{ messages }}").hexdigest(),
            "n-shot": {"toy_choice": 0},
        },
    }
    sides = with_results(tmp_path, "toy_choice", changes)
    assert run(tmp_path / "out", *sides.values()) == 0
    assert "warning" not in capsys.readouterr().err
    (sides["pruned"] / f"results_{TIME}.json").unlink()
    assert run(tmp_path / "out", *sides.values()) == 0
    assert "no settings of its run are known" in capsys.readouterr().err


def test_filters_of_generated_answers(tmp_path: Path) -> None:
    """The first filter's answers, the metrics of both; what is right is the harness's word."""

    def change(row: dict[str, Any]) -> dict[str, Any]:
        right = row["filter"] == "strict-match" and row["doc_id"] < 4
        return {**row, "exact_match": float(right), "filtered_resps": [f"it is {row['doc_id']}"]}

    dense = edited(tmp_path / "a", samples("dense", "toy_sums"), change)
    assert run(tmp_path / "out", dense, samples("pruned", "toy_sums")) == 0
    found = matrix(tmp_path / "out")
    names = {metric for _, _, metric in found}
    assert names == {"exact_match,strict-match", "exact_match,flexible-extract"}
    row = found["pruned", "toy_sums", "exact_match,strict-match"]
    assert (row["to_wrong"], row["to_right"]) == ("4", "0")
    assert float(row["p_value"]) == pytest.approx(0.125)
    summary = summary_of(tmp_path / "out")
    assert summary["task"] == "text"
    assert (summary["dense_score"], summary["pruned_score"]) == (4 / 6, 0)
    assert summary["mcnemar"]["to_wrong"] == 4


def test_a_filter_that_one_side_lacks(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = samples("pruned", "toy_sums")
    strict = tmp_path / path.name
    strict.write_text(
        "".join(json.dumps(row) + "\n" for row in records(path) if row["filter"] == "strict-match")
    )
    error = refused(capsys, tmp_path / "out", samples("dense", "toy_sums"), strict)
    assert "filters of the two sides: flexible-extract, strict-match and strict-match" in error
    assert run(tmp_path / "out", samples("dense", "toy_sums"), strict, "--allow", "filters") == 0
    assert list(matrix(tmp_path / "out")) == [("pruned", "toy_sums", "exact_match,strict-match")]


def lines(path: Path, rows: list[dict[str, Any]]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps({"filter": "none", "resps": [], **row}) + "\n" for row in rows))
    return path


def test_questions_told_apart_by_their_beginning(tmp_path: Path) -> None:
    """As winogrande is logged: contexts differ, the continuation and the target are one text."""

    def rows(likes: str) -> list[dict[str, Any]]:
        return [
            {
                "doc_id": i,
                "doc": {"sentence": f"The _ {i} is here."},
                "target": "is here.",
                "arguments": [[f"The dog {i}", " is here."], [f"The cat {i}", " is here."]],
                "filtered_resps": [[-1.0 if likes[i] == "d" else -3.0, False], [-2.0, False]],
                "acc": float(likes[i] == "dddc"[i]),
            }
            for i in range(4)
        ]

    sides = [
        lines(tmp_path / n / "samples_wino.jsonl", rows(likes)) for n, likes in (("a", "dddd"), ("b", "ddcc"))
    ]
    assert run(tmp_path / "out", *sides) == 0
    held = pq.read_table(tmp_path / "out" / "pies.parquet").to_pydict()
    assert held["label"] == [0, 0, 0, 1]
    assert held["pruned_vote"] == [0, 0, 1, 1]
    assert summary_of(tmp_path / "out")["mcnemar"] == {"to_wrong": 1, "to_right": 1, "p_value": 1.0}


def test_texts_whose_likelihood_is_asked(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """As wikitext is logged: no answer, a log-likelihood per text, metrics that are no single numbers."""

    def rows(by: float) -> list[dict[str, Any]]:
        return [
            {
                "doc_id": i,
                "doc": {"page": f"Text {i}"},
                "target": f"Text {i}",
                "arguments": {"gen_args_0": {"arg_0": f"Text {i}"}},
                "filtered_resps": [[str(-10.0 * (i + 1) - by * (i % 2))]] if by else [str(-10.0 * (i + 1))],
                "metrics": ["word_perplexity"],
                "word_perplexity": [-10.0 * (i + 1), 2],
            }
            for i in range(30)
        ]

    sides = [lines(tmp_path / name / "samples_wiki.jsonl", rows(by)) for name, by in (("a", 0.0), ("b", 1.0))]
    assert run(tmp_path / "out", *sides) == 0
    row = matrix(tmp_path / "out")["pruned", "wiki", "loglikelihood"]
    assert float(row["change"]) == pytest.approx(-0.5)
    assert float(row["p_value"]) < 1e-4
    assert (row["to_wrong"], row["to_right"]) == ("", "")
    assert "word_perplexity: not one number per question; not compared" in capsys.readouterr().err
    assert summary_of(tmp_path / "out")["labelled"] is False


def test_scores_between_right_and_wrong(tmp_path: Path) -> None:
    """As truthfulqa_mc2 and tasks with F1 are logged: paired differences; what is right follows from the answers."""

    def rows(said: list[str], f1: list[float]) -> list[dict[str, Any]]:
        return [
            {
                "doc_id": i,
                "doc": {"q": i},
                "target": ["the cat", "cat"],
                "arguments": [[f"Q{i}", {"until": ["."]}]],
                "filtered_resps": [[text]],
                "f1": value,
            }
            for i, (text, value) in enumerate(zip(said, f1, strict=True))
        ]

    dense = lines(tmp_path / "a" / "samples_qa.jsonl", rows(["A cat.", "cat", "dog"], [0.9, 1.0, 0.1]))
    pruned = lines(tmp_path / "b" / "samples_qa.jsonl", rows(["cat", "a dog", "dog"], [0.8, 0.2, 0.1]))
    assert run(tmp_path / "out", dense, pruned) == 0
    row = matrix(tmp_path / "out")["pruned", "qa", "f1"]
    assert float(row["change"]) == pytest.approx((0.8 + 0.2 - 0.9 - 1.0) / 3)
    summary = summary_of(tmp_path / "out")
    assert (summary["metric"], summary["dense_score"], summary["pruned_score"]) == (
        "exact_match",
        2 / 3,
        1 / 3,
    )


def test_intervals_stay_where_a_metric_can_be(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Nearly all answers win or lose what there is; of a metric of unknown scale page and terminal say so."""

    def rows(shift: float) -> list[dict[str, Any]]:
        values = [0.5 + shift * (0.48 if i else 0.01) for i in range(20)]
        scored = {"rouge1": 1.0, "bleu": 100.0, "wer": 1.0, "rouge1_diff": 1.0}
        return [
            {
                "doc_id": i,
                "doc": {"q": i},
                "target": "cat",
                "arguments": [[f"Q{i}", {"until": ["."]}]],
                "filtered_resps": ["cat"],
                **{name: scale * value for name, scale in scored.items()},
            }
            for i, value in enumerate(values)
        ]

    dense = lines(tmp_path / "a" / "samples_qa.jsonl", rows(-1))
    pruned = lines(tmp_path / "b" / "samples_qa.jsonl", rows(1))
    assert run(tmp_path / "out", dense, pruned) == 0
    for (_, _, name), row in matrix(tmp_path / "out").items():
        most = {"rouge1": 1.0, "bleu": 100.0}.get(name)
        high = float(row["ci_high"])
        # Without a bound: 19 changes of .96 and one of .02, mean .913, and 2.861 standard errors of .047.
        assert high == pytest.approx(1.0475, abs=0.001) if most is None else high <= most, (name, high)
        assert most is None or high > float(row["change"])
    told = "The scale of wer, rouge1_diff is not known: their intervals have no bounds."
    assert told in capsys.readouterr().out
    assert told in (tmp_path / "out" / "report.html").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("metric", "values", "span"),
    [
        ("acc_norm", (0, 1), (0, 1)),
        ("HasAns_f1", (0, 0.3), (0, 1)),
        ("f1", (0, 83.0), (0, 100)),
        ("exact_match,strict-match", (0, 1), (0, 1)),
        ("rougeLsum", (0.1, 0.4), (0, 1)),
        ("pass@k:1", (0, 1), (0, 1)),
        ("chrf++", (0.0, 0.9), (0, 100)),
        ("bleu_4", (3.0, 40.0), (0, 100)),
        ("pearson", (-0.2, 0.4), (-1, 1)),
        ("rouge1_diff", (-0.2, 0.4), (-math.inf, math.inf)),
        ("rougeL", (-0.1, 0.4), (-math.inf, math.inf)),
        ("word_perplexity", (1.0, 40.0), (-math.inf, math.inf)),
        ("ter", (1.0, 140.0), (-math.inf, math.inf)),
    ],
)
def test_scales_by_names(metric: str, values: tuple[float, float], span: tuple[float, float]) -> None:
    assert harness_span(metric, *values) == span


def test_several_models_and_files(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("int4", "sparse50"):
        shutil.copytree(LM["pruned"], tmp_path / name / "org__model")
    (tmp_path / "sparse50" / "org__model" / f"samples_toy_sums_{TIME}.jsonl").unlink()
    out = tmp_path / "out"
    assert run(out, LM["dense"], [tmp_path / "int4", tmp_path / "sparse50"]) == 0
    found = matrix(out)
    assert {model for model, _, _ in found} == {"int4", "sparse50"}
    assert len({task for model, task, _ in found if model == "sparse50"}) == 3
    assert "tasks on this side only (1): toy_sums" in capsys.readouterr().err
    assert (out / "sparse50" / "toy_choice" / "report.html").exists()
    summary = summary_of(out)
    assert summary["models"] == ["int4", "sparse50"]
    assert summary["overall"][0]["n_tasks"] == 4
    # An earlier suite is replaced as a whole; anything else in the folder is kept.
    assert run(out, LM["dense"], LM["pruned"]) == 0
    assert not (out / "int4").exists()
    (out / "mine.txt").touch()
    assert run(out, LM["dense"], LM["pruned"]) == 2


def test_holm_is_over_the_whole_matrix(tmp_path: Path) -> None:
    assert run(tmp_path / "out", LM["dense"], LM["pruned"]) == 0
    rows = list(matrix(tmp_path / "out").values())
    p_values = [float(row["p_value"]) for row in rows]
    order = sorted(range(len(rows)), key=lambda i: p_values[i])
    largest = 0.0
    for rank, i in enumerate(order):
        largest = max(largest, min(1.0, (len(rows) - rank) * p_values[i]))
        assert float(rows[i]["p_corrected"]) == pytest.approx(largest)


def test_markdown(tmp_path: Path) -> None:
    assert run(tmp_path / "out", LM["dense"], LM["pruned"], "--markdown", str(tmp_path / "a.md")) == 0
    text = (tmp_path / "a.md").read_text()
    assert text.count("\n| pruned |") == 4
    assert "- pruned: the score of 4 tasks moved by" in text
    one = samples("dense", "toy_choice"), samples("pruned", "toy_choice")
    assert run(tmp_path / "one", *one, "--markdown", str(tmp_path / "b.md")) == 0
    assert "| pruned | toy\\_choice |" in (tmp_path / "b.md").read_text()


def test_groups_of_a_log(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    one = samples("dense", "toy_choice"), samples("pruned", "toy_choice")
    assert run(tmp_path / "out", *one, "--groups", "subject") == 0
    with open(tmp_path / "out" / "groups.csv", newline="", encoding="utf-8") as stream:
        found = {row["group"]: row for row in csv.DictReader(stream)}
    assert {name: row["n_examples"] for name, row in found.items()} == {"large": "10", "small": "10"}
    assert found["small"]["ci_low"] == ""
    assert "no column 'nowhere'" in refused(capsys, tmp_path / "b", *one, "--groups", "nowhere")


@pytest.mark.parametrize("name", ["doc.meta.source", "meta.source", "source"])
def test_groups_from_what_lies_within_a_document(tmp_path: Path, name: str) -> None:
    def change(row: dict[str, Any]) -> dict[str, Any]:
        return {**row, "doc": {**row["doc"], "meta": {"source": f"s{row['doc_id'] % 2}"}}}

    sides = [edited(tmp_path / side, samples(side, "toy_choice"), change) for side in ("dense", "pruned")]
    assert run(tmp_path / "out", *sides, "--groups", name) == 0
    with open(tmp_path / "out" / "groups.csv", newline="") as stream:
        assert [(row["column"], row["group"]) for row in csv.DictReader(stream)] == [
            (name, "s0"),
            (name, "s1"),
        ]


def test_groups_of_some_tasks(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "out"
    assert run(out, LM["dense"], LM["pruned"], "--groups", "subject") == 0
    assert (out / "pruned" / "toy_choice" / "groups.csv").exists()
    assert not (out / "pruned" / "toy_sums" / "groups.csv").exists()
    lines = [line for line in capsys.readouterr().err.splitlines() if "subject" in line]
    assert lines == ["warning: --groups: no column 'subject' in toy_rolling, toy_sentiment, toy_sums"]
    assert "no column 'nowhere' in the logs" in (
        refused(capsys, tmp_path / "b", LM["dense"], LM["pruned"], "--groups", "nowhere")
    )


def test_tables_make_suites_too(tmp_path: Path) -> None:
    """Files of a folder without seeds are tasks; several folders are several models."""
    for model, wrong in (("dense", 0), ("int8", 3), ("int4", 12)):
        (tmp_path / model).mkdir()
        for task in ("news", "mail"):
            rows = [f"{i},{'ab'[i % 2]},{'ab'[(i + (i < wrong)) % 2]}\n" for i in range(30)]
            (tmp_path / model / f"{task}.csv").write_text("example,label,prediction\n" + "".join(rows))
    out = tmp_path / "out"
    assert (
        run(
            out,
            tmp_path / "dense",
            [tmp_path / "int8", tmp_path / "int4"],
            "--markdown",
            str(tmp_path / "m.md"),
        )
        == 0
    )
    found = matrix(out)
    assert {(m, t): row["to_wrong"] for (m, t, _), row in found.items()} == {
        ("int8", "news"): "3",
        ("int8", "mail"): "3",
        ("int4", "news"): "12",
        ("int4", "mail"): "12",
    }
    row = found["int4", "news", "accuracy"]
    assert float(row["p_value"]) == pytest.approx(2 / 2**12)
    assert float(row["p_corrected"]) == pytest.approx(4 * 2 / 2**12)
    assert (out / "int4" / "news" / "classes.csv").exists()
    assert "After correction, 2 tasks lost" in (tmp_path / "m.md").read_text()
    assert (
        run(
            tmp_path / "b",
            tmp_path / "dense",
            [tmp_path / "int8", tmp_path / "int4"],
            "--fail-on",
            "harm > 0.2",
        )
        == 3
    )


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "the file is empty"),
        ('{"doc_id": 0, "resps": [], "target": "0", "ar', "line 1 is cut off"),
    ],
)
def test_logs_that_are_not_whole(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], text: str, said: str
) -> None:
    cut = tmp_path / "samples_toy_choice.jsonl"
    cut.write_text(text)
    assert said in refused(capsys, tmp_path / "out", samples("dense", "toy_choice"), cut)


def test_a_half_written_last_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    cut = tmp_path / "samples_toy_choice.jsonl"
    cut.write_text(samples("pruned", "toy_choice").read_text()[:-40])
    assert "samples_toy_choice.jsonl: not a JSON Lines file: line 20 is cut off" in (
        refused(capsys, tmp_path / "out", samples("dense", "toy_choice"), cut)
    )


def test_logs_and_tables_do_not_mix(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    table = tmp_path / "a.csv"
    table.write_text("example,label,prediction\n0,a,b\n")
    assert "give the same on both sides" in (
        refused(capsys, tmp_path / "out", samples("dense", "toy_choice"), table)
    )
    results = LM["dense"] / f"results_{TIME}.json"
    assert "has no answers to single questions" in refused(capsys, tmp_path / "out", results, results)
    (tmp_path / "empty").mkdir()
    assert "holds no evaluation log and no table" in (
        refused(capsys, tmp_path / "out", tmp_path / "empty", tmp_path / "empty")
    )


def test_of_several_runs_the_newest_counts(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shutil.copytree(LM["pruned"], tmp_path / "pruned")
    edited(
        tmp_path / "pruned",
        samples("pruned", "toy_choice"),
        lambda row: {**row, "acc_norm": 1.0},
        "samples_toy_choice_2026-12-01T12-00-00.000000.jsonl",
    )
    assert run(tmp_path / "out", LM["dense"], tmp_path / "pruned") == 0
    assert matrix(tmp_path / "out")["pruned", "toy_choice", "acc_norm"]["pruned"] == "1.0"
    said = f"the newest run of this task; left aside: samples_toy_choice_{TIME}.jsonl"
    assert said in capsys.readouterr().err


def test_the_same_task_twice_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Without times, or of two models: nothing says which is meant."""
    shutil.copytree(LM["dense"], tmp_path / "dense")
    shutil.copy(samples("dense", "toy_choice"), tmp_path / "dense" / "samples_toy_choice.jsonl")
    assert "task 'toy_choice' is already in" in (
        refused(capsys, tmp_path / "out", tmp_path / "dense", LM["pruned"])
    )
    shutil.copytree(LM["pruned"], tmp_path / "dense" / "other")
    (tmp_path / "dense" / "samples_toy_choice.jsonl").unlink()
    assert "task 'toy_choice' is already in" in (
        refused(capsys, tmp_path / "out", tmp_path / "dense", LM["pruned"])
    )


def test_inspect_ai(tmp_path: Path) -> None:
    """A zip with two epochs and two scorers; a JSON file with choices."""
    out = tmp_path / "out"
    assert run(out, INSPECT["dense"], INSPECT["pruned"], "--groups", "continent") == 0
    found = matrix(out)
    assert {(task, metric) for _, task, metric in found} == {
        ("capitals", "exact"),
        ("capitals", "includes"),
        ("letters", "choice"),
    }
    # Dense says "It is Lima", which includes the target and is not it; pruned says Milan and Quito.
    exact, includes = (found["pruned", "capitals", name] for name in ("exact", "includes"))
    assert (float(exact["dense"]), float(exact["pruned"])) == (0.6, 0.6)
    assert (float(includes["dense"]), float(includes["pruned"])) == (0.8, 0.6)
    assert (exact["to_wrong"], exact["to_right"]) == ("1", "1")
    capitals, letters = (summary_of(out / "pruned" / task) for task in ("capitals", "letters"))
    assert capitals["seeds"] == [0, 1]
    assert letters["read"]["classes"] == ["first", "second", "third"]
    assert (letters["dense_score"], letters["pruned_score"]) == (1.0, 0.6)
    held = pq.read_table(out / "pruned" / "capitals" / "pies.parquet").to_pydict()
    assert held["example"] == ["France", "Spain", "Italy", "Peru", "Chad"]
    with open(out / "pruned" / "capitals" / "groups.csv", encoding="utf-8") as stream:
        assert [row["group"] for row in csv.DictReader(stream)] == ["Europe", "other"]


def test_inspect_ai_of_an_older_version(tmp_path: Path) -> None:
    held = LOGS / "inspect_ai_0.3.60"
    assert run(tmp_path / "out", held / "dense", held / "pruned") == 0
    assert {(task, metric) for _, task, metric in matrix(tmp_path / "out")} == {
        *(("capitals", "exact"), ("capitals", "includes"), ("letters", "choice"))
    }
    letters = summary_of(tmp_path / "out" / "pruned" / "letters")
    assert (letters["task"], letters["n_examples"]) == ("single-label", 5)
    assert summary_of(tmp_path / "out" / "pruned" / "capitals")["n_seeds"] == 2


def test_messages_of_inspect_ai_pair_whatever_their_ids(tmp_path: Path) -> None:
    """A chat as input: every run draws ids of its messages anew."""
    sides = []
    for side in ("dense", "pruned"):
        held = json.loads(next(INSPECT[side].glob("*.json")).read_text())
        for i, sample in enumerate(held["samples"]):
            words = [("system", "Be short."), ("user", sample["input"])]
            sample["input"] = [
                {"id": f"{side}{i}{role}", "role": role, "content": text} for role, text in words
            ]
        sides.append(tmp_path / f"{side}.json")
        sides[-1].write_text(json.dumps(held))
    assert run(tmp_path / "out", *sides) == 0
    assert summary_of(tmp_path / "out")["n_examples"] == 5


def test_inspect_ai_without_a_scorer(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    sides = []
    for side in ("dense", "pruned"):
        held = json.loads(next(INSPECT[side].glob("*.json")).read_text())
        for sample in held["samples"]:
            sample["scores"] = None
        sides.append(tmp_path / f"{side}.json")
        sides[-1].write_text(json.dumps(held))
    assert run(tmp_path / "out", *sides) == 0
    summary = summary_of(tmp_path / "out")
    assert (summary["dense_score"], summary["pruned_score"]) == (1.0, 0.6)
    assert "no metric of it says what is right" in capsys.readouterr().out


def test_inspect_ai_not_whole(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    log = next(INSPECT["dense"].glob("*.eval"))
    cut = tmp_path / "cut.eval"
    cut.write_bytes(log.read_bytes()[:3000])
    assert "cut.eval: not a whole .eval log" in refused(capsys, tmp_path / "out", log, cut)
    json_log = next(INSPECT["dense"].glob("*.json"))
    held = json.loads(json_log.read_text())
    part = tmp_path / "part.json"
    held["status"] = "error"
    held["samples"][2]["scores"] = {}
    part.write_text(json.dumps(held))
    assert run(tmp_path / "out", json_log, part) == 0
    assert "1 of 5 samples have no score and are left out" in capsys.readouterr().err
    part.write_text(json_log.read_text()[:5000])
    assert "part.json: not a whole log of inspect-ai" in refused(capsys, tmp_path / "b", json_log, part)


def helm(folder: Path, answers: list[str]) -> Path:
    """A HELM run, by hand from crfm-helm 0.5.16."""
    folder.mkdir(parents=True)
    targets = ["Paris", "Rome", "Lima"]
    instances, stats, shown = [], [], []
    for i, (target, said) in enumerate(zip(targets, answers, strict=True)):
        name = {"name": "quasi_exact_match", "split": "test"}
        instances.append(
            {
                "input": {"text": f"Capital {i}?"},
                "references": [
                    {"output": {"text": target}, "tags": ["correct"]},
                    {"output": {"text": "no"}, "tags": []},
                ],
                "split": "test",
                "id": f"id{i}",
            }
        )
        right = float(said == target)
        stats.append(
            {
                "instance_id": f"id{i}",
                "train_trial_index": 0,
                "stats": [
                    {
                        "name": {"name": "num_prompt_tokens", "split": "test"},
                        "count": 1,
                        "sum": 9.0,
                        "mean": 9.0,
                    },
                    {"name": name, "count": 1, "sum": right, "mean": right},
                    {"name": {"name": "f1_score", "split": "test"}, "count": 1, "sum": right / 2},
                ],
            }
        )
        shown.append({"instance_id": f"id{i}", "train_trial_index": 0, "predicted_text": said, "stats": {}})
    spec = {
        "name": f"capitals:k=1,model={folder.name}",
        "adapter_spec": {"model": "x", "max_train_instances": 2},
    }
    for file, value in {
        "instances": instances,
        "per_instance_stats": stats,
        "display_predictions": shown,
        "run_spec": spec,
    }.items():
        (folder / f"{file}.json").write_text(json.dumps(value))
    return folder


def test_helm(tmp_path: Path) -> None:
    dense = helm(tmp_path / "a", ["Paris", "Rome", "Quito"])
    pruned = helm(tmp_path / "b", ["Paris", "Oslo", "Lima"])
    assert run(tmp_path / "out", dense, pruned) == 0
    found = matrix(tmp_path / "out")
    assert set(found) == {
        ("b", "capitals:k=1", "quasi_exact_match"),
        ("b", "capitals:k=1", "f1_score"),
    }
    row = found["b", "capitals:k=1", "quasi_exact_match"]
    assert (row["to_wrong"], row["to_right"]) == ("1", "1")
    held = pq.read_table(tmp_path / "out" / "pies.parquet").to_pydict()
    assert held["example"] == ["id0", "id1", "id2"]
    assert held["pruned_vote"] == ["paris", "oslo", "lima"]
    # The statistics alone still say what became wrong.
    for folder in (dense, pruned):
        for name in ("instances", "display_predictions"):
            (folder / f"{name}.json").unlink()
    assert run(tmp_path / "out", dense / "per_instance_stats.json", pruned / "per_instance_stats.json") == 0
    assert summary_of(tmp_path / "out")["mcnemar"] == {"to_wrong": 1, "to_right": 1, "p_value": 1.0}


def test_helm_as_it_writes(tmp_path: Path) -> None:
    assert run(tmp_path / "out", LOGS / "helm" / "dense", LOGS / "helm" / "pruned") == 0
    found = matrix(tmp_path / "out")
    assert {task for _, task, _ in found} == {"simple_mcqa"}
    row = found["pruned", "simple_mcqa", "exact_match"]
    assert (row["n_examples"], row["dense"], row["pruned"]) == ("4", "0.0", "0.0")
    assert "even or odd?" in (tmp_path / "out/report.html").read_text()


def details(path: Path, picked: list[int], old: bool = False) -> Path:
    """Details of lighteval, by hand: of 0.13.0, or as versions before 0.10 wrote them."""
    rows = []
    for i, choice in enumerate(picked):
        lls = [-1.0 if c == choice else -2.0 for c in range(3)]
        gold = i % 3
        if old:
            rows.append(
                {
                    "full_prompt": f"Question {i}",
                    "example": f"Question {i}",
                    "choices": [" A", " B", " C"],
                    "gold_index": [gold],
                    "predictions": [[ll, 0.0] for ll in lls],
                    "metrics": {"acc": int(choice == gold)},
                    "num_asked_few_shots": 0,
                }
            )
            continue
        rows.append(
            {
                "doc": {
                    "query": f"Question {i}",
                    "choices": [" A", " B", " C"],
                    "gold_index": gold,
                    "id": str(i),
                    "task_name": "toy|0",
                    "fewshot_samples": [],
                    "specific": {"subject": "x" if i < 2 else "y"},
                },
                "model_response": {
                    "input": f"Question {i}",
                    "text": [],
                    "logprobs": lls,
                    "input_tokens": [1],
                },
                "metric": {"acc": int(choice == gold)},
            }
        )
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.Table.from_pylist(rows), path)
    return path


@pytest.mark.parametrize("old", [False, True])
def test_lighteval(tmp_path: Path, old: bool) -> None:
    name = "details_toy|0_2026-11-30T12-00-00.parquet"
    dense = details(tmp_path / "a" / name, [0, 1, 2, 0], old)
    pruned = details(tmp_path / "b" / name, [0, 1, 0, 0], old)
    assert run(tmp_path / "out", dense, pruned) == 0
    summary = summary_of(tmp_path / "out")
    assert (summary["dense_score"], summary["pruned_score"]) == (1.0, 0.75)
    assert summary["read"]["classes"] == ["A", "B", "C"]
    assert summary["task_name"] == "toy_0"
    assert summary["kl_mean"] > 0


def instance_lines(path: Path, answers: list[str], metrics: tuple[str, ...] = ("exact", "f1")) -> Path:
    """Lines of Every Eval Ever, by hand from the schema of every-eval-ever 0.3.0."""
    targets = ["Paris", "Rome", "Lima"]
    lines = [
        {
            "schema_version": "0.2.0",
            "evaluation_id": "e/1",
            "model_id": path.parent.name,
            "evaluation_name": "capitals",
            "evaluation_result_id": metric,
            "sample_id": f"s{i}",
            "sample_hash": f"hash{i}",
            "interaction_type": "single_turn",
            "input": {"raw": f"Capital {i}?", "reference": [target]},
            "output": {"raw": [f"It is {said}."]},
            "answer_attribution": [{"extracted_value": said, "is_terminal": True}],
            "evaluation": {
                "score": float(said == target) / (1 + (metric == "f1")),
                "is_correct": said == target,
            },
        }
        for i, (target, said) in enumerate(zip(targets, answers, strict=True))
        for metric in metrics
    ]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return path


def test_every_eval_ever(tmp_path: Path) -> None:
    dense = instance_lines(tmp_path / "a" / "x.jsonl", ["Paris", "Rome", "Quito"])
    pruned = instance_lines(tmp_path / "b" / "x.jsonl", ["Paris", "Oslo", "Quito"])
    assert run(tmp_path / "out", dense, pruned) == 0
    found = matrix(tmp_path / "out")
    assert {metric for _, _, metric in found} == {"exact", "f1"}
    assert found["pruned", "capitals", "exact"]["to_wrong"] == "1"
    assert float(found["pruned", "capitals", "f1"]["change"]) == pytest.approx(-1 / 6)


@pytest.mark.parametrize(("option", "one"), [("--early", True), ("--early", False), ("--texts", False)])
def test_options_of_one_task_of_tables(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], option: str, one: bool
) -> None:
    sides = [samples(side, "toy_choice") if one else LM[side] for side in ("dense", "pruned")]
    table = tmp_path / "t.csv"
    table.write_text("example,text\n0,a\n")
    assert f"{option}: belongs to one task" in refused(capsys, tmp_path / "out", *sides, option, str(table))


def test_texts_of_a_log_by_id(tmp_path: Path) -> None:
    table = tmp_path / "t.csv"
    table.write_text("example,text\n" + "".join(f"{i},Words of question {i}.\n" for i in range(20)))
    sides = [samples(side, "toy_choice") for side in ("dense", "pruned")]
    assert run(tmp_path / "out", *sides, "--texts", str(table)) == 0
    assert (tmp_path / "out" / "readability.csv").exists()
    assert "Words of question" in (tmp_path / "out" / "report.html").read_text()


def test_hostile_texts_are_inert(tmp_path: Path) -> None:
    attack = "<script>alert(1)</script>"

    def change(row: dict[str, Any]) -> dict[str, Any]:
        row["arguments"]["gen_args_0"]["arg_0"] = attack
        return {**row, "filtered_resps": [f"{attack}{row['doc_id']}"], "target": attack}

    name = f"samples_{'x' * 300}.jsonl"
    sides = [
        edited(tmp_path / side, samples(side, "toy_sums"), change, name[-200:])
        for side in ("dense", "pruned")
    ]
    assert run(tmp_path / "out", *sides, "--allow") == 0
    assert attack not in (tmp_path / "out" / "report.html").read_text()


def test_equal_logs_give_equal_bytes(tmp_path: Path) -> None:
    for name in ("one", "two"):
        assert (
            run(tmp_path / name, LM["dense"], LM["pruned"], "--markdown", str(tmp_path / f"{name}.md")) == 0
        )
    first = sorted(p.relative_to(tmp_path / "one") for p in (tmp_path / "one").rglob("*") if p.is_file())
    for path in first:
        assert (tmp_path / "one" / path).read_bytes() == (tmp_path / "two" / path).read_bytes(), path


def subjects(folder: Path, wrong: dict[str, int]) -> Path:
    """lm-evaluation-harness logs of MMLU subjects, 150 questions each, some of the first answered wrongly."""
    for subject, n_wrong in wrong.items():
        rows = [
            {
                "doc_id": i,
                "doc": {
                    "question": f"{subject} question {i}",
                    "subject": subject,
                    "level": "hard" if i % 2 else "easy",
                },
                "target": "A",
                "arguments": [[f"Answer.\n{subject} question {i}", ""]],
                "resps": [["B" if i < n_wrong else "A"]],
                "filtered_resps": ["B" if i < n_wrong else "A"],
                "doc_hash": f"{subject}{i}",
                "exact_match": 0.0 if i < n_wrong else 1.0,
            }
            for i in range(150)
        ]
        lines(folder / f"samples_mmlu_{subject}_{TIME}.jsonl", rows)
    return folder


def test_a_benchmark_is_pooled_and_says_which_subject_pays(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    dense = subjects(tmp_path / "dense", dict.fromkeys(("anatomy", "law", "physics", "virology"), 10))
    pruned = subjects(tmp_path / "int4", {"anatomy": 10, "law": 70, "physics": 12, "virology": 8})
    out = tmp_path / "out"
    assert run(out, dense, pruned) == 0
    row = matrix(out)["int4", "mmlu", "exact_match"]
    assert (int(row["n_examples"]), int(row["to_wrong"]), int(row["to_right"])) == (600, 62, 2)
    assert float(row["change"]) == pytest.approx(-60 / 600)
    summary = summary_of(out)
    (pooled,) = summary["benchmarks"]
    assert (pooled["task"], pooled["n_tasks"], pooled["model"]) == ("mmlu", 4, "int4")
    # Holm over five rows: the smallest p-value times five, or what comes before it.
    of_rows = sorted((float(r["p_value"]), float(r["p_corrected"])) for r in matrix(out).values())
    assert of_rows[0][1] == pytest.approx(5 * of_rows[0][0])
    (found,) = summary["overall"][0]["slices"]["confirmed"]
    assert found["slice"] in ("task “mmlu_law”", "subject “law”")
    with open(out / "slices.csv", newline="", encoding="utf-8") as stream:
        (held,) = csv.DictReader(stream)
    assert (held["slice"], held["model"], held["n_examples"]) == (found["slice"], "int4", "150")
    assert f"Pays beyond the rest: {found['slice']}" in capsys.readouterr().out
    page = (out / "report.html").read_text()
    assert "all 4 tasks" in page
    assert found["slice"] in page


def test_benchmarks_as_logs_name_them(tmp_path: Path) -> None:
    """The results file says which tasks belong together, also through groups of groups."""
    sides = []
    for side in ("dense", "int4"):
        folder = subjects(tmp_path / side, {"law": 10, "anatomy": 5})
        groups = {"mmlu": ["mmlu_stem", "mmlu_law"], "mmlu_stem": ["mmlu_anatomy"], "other": ["x"]}
        (folder / f"results_{TIME}.json").write_text(
            json.dumps({"results": {}, "configs": {}, "group_subtasks": groups})
        )
        sides.append(folder)
    assert run(tmp_path / "out", *sides) == 0
    assert [(one["task"], one["n_tasks"]) for one in summary_of(tmp_path / "out")["benchmarks"]] == [
        ("mmlu", 2)
    ]


def test_the_page_shows_examples_of_all_kinds_with_their_choices(tmp_path: Path) -> None:
    """600 answers change, far more than the page holds: those that became right are few, late, and there."""

    def rows(side: str) -> list[dict[str, Any]]:
        found = []
        for i in range(700):
            answer = {"dense": 0 if i < 590 else 1, "pruned": 1 if i < 590 else 0}[side]
            lls = [[-9.0, False] for _ in range(3)]
            lls[answer] = [-1.0, False]
            arguments = [[f"Question {i}", f" <b>choice</b> {name}"] for name in ("one", "two", "three")]
            row = {
                "doc_id": i,
                "doc": {"q": i},
                "target": 0,
                "arguments": arguments,
                "resps": [[one] for one in lls],
            }
            found.append({**row, "filtered_resps": lls, "acc": float(answer == 0)})
        return found

    sides = [lines(tmp_path / side / "samples_x.jsonl", rows(side)) for side in ("dense", "pruned")]
    assert run(tmp_path / "out", *sides) == 0
    page = (tmp_path / "out/report.html").read_text()
    assert page.count("<td>became right</td>") == 110
    assert page.count("<td>became wrong</td>") == 190
    assert page.count("<option>became right</option>") == 1
    assert "choice 2: &lt;b&gt;choice&lt;/b&gt; two" in page
    assert "<b>choice" not in page


def test_the_whole_text_stands_beside_the_answer_taken_from_it(tmp_path: Path) -> None:
    def change(row: dict[str, Any]) -> dict[str, Any]:
        whole = [f"Let me <b>think</b>: {row['doc_id']}", "Once more"]
        return {**row, "resps": [whole], "filtered_resps": [f"{row['doc_id']}"]}

    def same(row: dict[str, Any]) -> dict[str, Any]:
        return {**row, "resps": [["7"]], "filtered_resps": ["7"]}

    dense = edited(tmp_path / "dense", samples("dense", "toy_sums"), change)
    pruned = edited(tmp_path / "pruned", samples("pruned", "toy_sums"), same)
    assert run(tmp_path / "out", dense, pruned) == 0
    page = (tmp_path / "out/report.html").read_text()
    assert page.count("[1] Let me &lt;b&gt;think&lt;/b&gt;: 3\n[2] Once more") == 1
    assert "<b>think" not in page
    # Said once: the pruned model's whole text is its answer.
    assert page.count(">all it said:<") == summary_of(tmp_path / "out")["n_pies"]


def test_answers_are_right_as_the_harness_judged_them(tmp_path: Path) -> None:
    """The target of gsm8k is the whole solution, which no answer equals."""

    def of(right: float) -> Callable[[dict[str, Any]], dict[str, Any]]:
        return lambda row: {
            **row,
            "target": f"First 3, then 4: #### {row['doc_id']}",
            "resps": [[f"{row['doc_id'] + 1 - right}"]],
            "filtered_resps": [f"{row['doc_id'] + 1 - right}"],
            "exact_match": right,
        }

    dense = edited(tmp_path / "dense", samples("dense", "toy_sums"), of(1.0))
    pruned = edited(tmp_path / "pruned", samples("pruned", "toy_sums"), of(0.0))
    assert run(tmp_path / "out", dense, pruned) == 0
    page = (tmp_path / "out/report.html").read_text()
    assert page.count("<td>became wrong</td>") == summary_of(tmp_path / "out")["n_pies"] > 0
    assert "wrong before and after" not in page


def test_a_condition_is_asked_of_the_tasks_that_have_its_number(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    condition = ("--fail-on", "class_harm > 99%")
    assert run(tmp_path / "out", LM["dense"], LM["pruned"], *condition) == 0
    assert "--fail-on 'class_harm > 0.99': not asked of " in capsys.readouterr().err
    sums = [samples(side, "toy_sums") for side in ("dense", "pruned")]
    assert "this audit has no class_harm" in refused(capsys, tmp_path / "one", *sums, *condition)


def test_a_suite_leads_to_examples_and_back(tmp_path: Path) -> None:
    assert run(tmp_path / "out", LM["dense"], LM["pruned"]) == 0
    page = (tmp_path / "out/report.html").read_text()
    changed = [one for one in summary_of(tmp_path / "out")["cells"] if one["n_pies"]]
    assert changed
    for one in changed:
        link = f"{one['folder']}/report.html#pies"
        assert page.count(f'href="{link}"') >= 2, "from the matrix and from the metrics"
        task = (tmp_path / "out" / one["folder"] / "report.html").read_text()
        assert 'id="pies"' in task
        assert '<a href="../../report.html">All tasks and models</a>' in task


def choice_rows(side: str, **more: Any) -> list[dict[str, Any]]:
    """40 questions of two choices with the right one first, which the pruned model misses in the first 10."""
    rows = []
    for i in range(40):
        answer = int(side == "pruned" and i < 10)
        lls = [[-1.0 - (answer == j), False] for j in (1, 0)]
        arguments = [[f"Q{i}", " one"], [f"Q{i}", " two"]]
        row = {"doc_id": i, "doc": {"q": i}, "target": 0, "arguments": arguments, "filtered_resps": lls}
        rows.append({**row, "acc": float(answer == 0), **more})
    return rows


@pytest.mark.parametrize("target", [0, "0", " one", [0], ["one"], False, None])
def test_targets_as_harnesses_write_them(tmp_path: Path, target: object) -> None:
    sides = [
        lines(tmp_path / side / "samples_x.jsonl", [{**row, "target": target} for row in choice_rows(side)])
        for side in ("dense", "pruned")
    ]
    assert run(tmp_path / "out", *sides) == 0
    summary = summary_of(tmp_path / "out")
    assert (summary["dense_score"], summary["pruned_score"], summary["n_pies"]) == (1.0, 0.75, 10)


def test_write_out_of_versions_before_04(tmp_path: Path) -> None:
    for side in ("dense", "pruned"):
        rows = []
        for i in range(40):
            answer = int(side == "pruned" and i < 10)
            row = {"doc_id": i, "truth": "0", "acc": str(float(answer == 0))}
            rows.append(
                {
                    **row,
                    "prompt_0": f"Q{i}",
                    "prompt_1": f"Q{i}",
                    "logit_0": f"-{1 + answer}",
                    "logit_1": "-1.5",
                }
            )
        (tmp_path / f"{side}").mkdir()
        (tmp_path / side / "arc_write_out_info.json").write_text(json.dumps(rows, indent=4))
    assert run(tmp_path / "out", tmp_path / "dense", tmp_path / "pruned") == 0
    summary = summary_of(tmp_path / "out")
    assert (summary["task_name"], summary["n_pies"], summary["pruned_score"]) == ("arc", 10, 0.75)
    assert summary["kl_mean"] > 0


def inspect_log(path: Path, scores: Callable[[bool, str], dict[str, Any]]) -> Path:
    """A log of inspect-ai of 30 questions; of those of the pruned model the first 6 are answered wrongly."""
    samples = []
    for i in range(30):
        right = path.parent.name == "dense" or i >= 6
        letter = "A" if right else "B"
        output = {"completion": f"Thinking.\nANSWER: {letter}"}
        sample = {
            "id": i,
            "epoch": 1,
            "input": f"Q{i}",
            "choices": ["x", "y"],
            "target": "A",
            "output": output,
        }
        samples.append({**sample, "scores": scores(right, letter), "metadata": {}})
    head = {"version": 2, "status": "success", "eval": {"task": "t", "model": path.parent.name}}
    path.parent.mkdir(parents=True)
    path.write_text(json.dumps({**head, "samples": samples}))
    return path


@pytest.mark.parametrize(
    "scores",
    [
        lambda right, letter: {
            "grader": {"value": 0.5, "answer": "y"},
            "choice": {"value": "C" if right else "I", "answer": letter},
            "parts": {"value": {"a": 1, "b": 0}},
        },
        lambda right, letter: {"choice": {"value": "C" if right else "N", "answer": None}},
        lambda right, letter: {"graded": {"value": "C" if right else "P"}},
    ],
    ids=["several", "without-answer", "in-parts"],
)
def test_scorers_of_inspect_ai(tmp_path: Path, scores: Callable[[bool, str], dict[str, Any]]) -> None:
    """The answer is that of the scorer that says what is right, else what the model ends with."""
    sides = [inspect_log(tmp_path / side / "t.json", scores) for side in ("dense", "pruned")]
    assert run(tmp_path / "out", *sides) == 0
    summary = summary_of(tmp_path / "out")
    assert (summary["dense_score"], summary["pruned_score"], summary["n_pies"]) == (1.0, 0.8, 6)
    assert summary["mcnemar"]["to_wrong"] == 6
    assert summary["read"]["classes"] == ["x", "y"]


@pytest.mark.parametrize(
    "row",
    [
        lambda text: {"sequence": "s", "labels": ["other", text], "scores": [0.1, 0.9]},
        lambda text: [{"generated_text": text}],
        lambda text: [
            {"generated_text": [{"role": "user", "content": "q"}, {"role": "assistant", "content": text}]}
        ],
        lambda text: {"summary_text": text},
        lambda text: {"score": 0.3, "start": 1, "end": 2, "answer": text},
        lambda text: [{"entity_group": "PER", "score": 0.9, "word": text, "start": 0, "end": 1}],
    ],
    ids=["zero-shot", "generation", "chat", "summary", "question", "entities"],
)
@pytest.mark.parametrize("as_lines", [False, True])
def test_answers_of_pipelines(tmp_path: Path, row: Callable[[str], Any], as_lines: bool) -> None:
    for side, changed in (("dense", 0), ("pruned", 7)):
        rows = [row("b" if i < changed else "a") for i in range(30)]
        text = "".join(json.dumps(one) + "\n" for one in rows) if as_lines else json.dumps(rows)
        (tmp_path / f"{side}.json").write_text(text)
    assert run(tmp_path / "out", tmp_path / "dense.json", tmp_path / "pruned.json") == 0
    summary = summary_of(tmp_path / "out")
    assert (summary["n_examples"], summary["n_pies"]) == (30, 7)
