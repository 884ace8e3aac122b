"""Rates files, and which of their numbers a plan takes."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from prunescope.cli import main
from prunescope.config.architectures import BiLSTM, Encoder, LeNet5, Training
from prunescope.config.load import load_study, study_from
from prunescope.errors import UserError
from prunescope.planning.plan import make_plan
from prunescope.planning.rates import MeasuredRate, Rates, Work, basis_text, read_rates
from prunescope.planning.text import plan_text

#: Of one example of 8 x 8 pixels, as test_plan counts them.
LENET_FLOPS = 2 * (150 * 64 + 2400 * 16 + 7680 + 10_080)


def entry(**changes: Any) -> dict[str, Any]:
    """LeNet5 on digits in batches of 32: 10 ms a step, 0.1 ms an example predicted."""
    return {
        "architecture": {"family": "lenet5"},
        "training": {"batch_size": 32, "epochs": 9, "lr": 0.5},
        "classes": 10,
        "image": [1, 8, 8],
        "steps": 50,
        "step_seconds": 0.01,
        "predict_seconds": 1e-4,
        "forward_flops": LENET_FLOPS,
        **changes,
    }


def rates_file(path: Path, *entries: dict[str, Any], **changes: Any) -> Path:
    record = {
        "what": "made up",
        "device": "a slow device",
        "date": "2026-01-01",
        "command": "python benchmarks/rates.py",
        "versions": {"torch": "2.6"},
        "rates": list(entries),
        **changes,
    }
    path.write_text(json.dumps(record))
    return path


@pytest.fixture
def study(study_dict, tmp_path, monkeypatch):
    """Dense LeNet5s: three seeds of four epochs, two a job."""
    monkeypatch.chdir(tmp_path)
    return study_from({**study_dict, "grid": [{"datasets": ["numbers"], "archs": ["lenet5"]}]})


def test_measured_hours_by_hand(study, tmp_path):
    plan = make_plan(study, read_rates([rates_file(tmp_path / "rates.json", entry())]))
    # 1258 training examples are 40 batches of 32; all splits are predicted, validation once an epoch more.
    seconds = 4 * 40 * 0.01 + (1258 + 178 * 5 + 361) * 1e-4
    assert plan["gpu_hours"] == pytest.approx(3 * seconds / 3600)
    assert plan["gpu_hours_by_rate"] == {
        "measured": pytest.approx(plan["gpu_hours"]),
        "scaled": 0,
        "assumed": 0,
    }
    (work,) = plan["work"]
    assert (work["rate"], work["device"], work["models"]) == ("measured", "a slow device", 3)
    assert work["job_minutes"] == [pytest.approx(2 * seconds / 60)] * 2
    assert "a slow device (by rates: " in plan_text(plan)
    assert "measured: 0.01 s per step" in plan_text(plan)


@pytest.mark.parametrize(
    "changes",
    [
        {"training": {"batch_size": 64}},
        {"training": {"batch_size": 32, "optimizer": "sgd"}},
        {"training": {"batch_size": 32, "clip_norm": 1.0}},
        {"image": [1, 28, 28]},
    ],
)
def test_what_differs_is_scaled_by_operations(study, tmp_path, changes):
    measured = entry(forward_flops=3 * LENET_FLOPS, **changes)
    plan = make_plan(study, read_rates([rates_file(tmp_path / "rates.json", measured)]))
    per_example = 0.01 / measured["training"]["batch_size"]
    seconds = (4 * 1258 * per_example + (1258 + 178 * 5 + 361) * 1e-4) / 3
    assert plan["gpu_hours"] == pytest.approx(3 * seconds / 3600)
    assert plan["work"][0]["rate"] == "scaled"


def test_what_was_not_measured_stays_assumed_and_says_so(study_dict, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    whole = study_from(study_dict)
    before = make_plan(whole)
    plan = make_plan(whole, read_rates([rates_file(tmp_path / "rates.json", entry())]))
    by_arch = {row["arch"]: row for row in plan["work"]}
    assert (by_arch["lenet5"]["rate"], by_arch["bilstm"]["rate"]) == ("measured", "assumed")
    assert by_arch["bilstm"]["gpu_hours"] == pytest.approx(before["work"][1]["gpu_hours"])
    assert "an H200" in by_arch["bilstm"]["from"]
    parts = plan["gpu_hours_by_rate"]
    assert sum(parts.values()) == pytest.approx(plan["gpu_hours"])
    assert parts["measured"] > 0
    assert parts["assumed"] > 0
    assert before["gpu_hours_by_rate"]["assumed"] == pytest.approx(before["gpu_hours"])


def test_replicas_side_by_side_count_where_a_job_has_as_many_seeds():
    def rate(replicas: int, step: float) -> MeasuredRate:
        return MeasuredRate.model_validate(entry(replicas=replicas, step_seconds=step, image=(1, 8, 8)))

    rates = Rates("somewhere", (rate(1, 0.01), rate(2, 0.012), rate(4, 0.02)))
    training = Training(batch_size=32)

    def chosen(block: int) -> int | None:
        found = rates.rate(
            LeNet5(family="lenet5"),
            training,
            tokens=0,
            image=(1, 8, 8),
            block=block,
            forward_flops=LENET_FLOPS,
        )
        return found.entry.replicas if found.entry else None

    assert [chosen(block) for block in (1, 2, 3, 4, 30)] == [1, 2, 2, 4, 4]


def test_checkpoints_and_vectors_do_not_change_a_models_speed():
    def basis(measured: Any, asked: Any) -> str:
        record = MeasuredRate.model_validate(entry(image=None, tokens=16, architecture=measured.model_dump()))
        rates = Rates("somewhere", (record,))
        return rates.rate(
            asked, Training(batch_size=32), tokens=16, image=None, block=1, forward_flops=1e6
        ).basis

    words = BiLSTM(family="bilstm")
    assert basis(words, BiLSTM(family="bilstm", vectors_path="glove.txt", block=5)) == "measured"
    assert basis(words, BiLSTM(family="bilstm", hidden=50)) == "scaled"
    bert = Encoder(family="encoder")
    base = "google-bert/bert-base-uncased"
    assert basis(bert, Encoder(family="encoder", pretrained=base, revision="main")) == "measured"
    assert basis(bert, Encoder(family="encoder", pretrained="distilbert/distilbert-base-uncased")) == "scaled"


def test_the_most_similar_step_is_scaled():
    small = MeasuredRate.model_validate(entry(image=(1, 8, 8), training={"batch_size": 2}))
    large = MeasuredRate.model_validate(entry(image=(1, 8, 8), training={"batch_size": 500}))
    rates = Rates("somewhere", (small, large))
    for batch, wanted in ((4, 2), (100, 500)):
        found = rates.rate(
            LeNet5(family="lenet5"),
            Training(batch_size=batch),
            tokens=0,
            image=(1, 28, 28),
            block=1,
            forward_flops=LENET_FLOPS,
        )
        assert found.entry is not None
        assert found.entry.training.batch_size == wanted


def test_assumed_rates_from_a_file(study_dict, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    study_dict["grid"] = [{"datasets": ["numbers"], "archs": ["lenet5"]}]
    study = study_from(study_dict)
    path = rates_file(tmp_path / "rates.json", device="a GPU to come", assumed={"lenet5": 2e12})
    plan = make_plan(study, read_rates([path]))
    # Blocks of two train together.
    together = LeNet5.assumed_rate_together
    assert plan["gpu_hours"] == pytest.approx(make_plan(study)["gpu_hours"] * together / 2e12)
    assert plan["basis"]["gpu_hours"] == "a GPU to come (assumed rates, not measured)"


def test_eflop_of_the_pie_paper(study_dict, tmp_path, monkeypatch):
    """BERT on Reuters as published, counted once more: epochs of Table 8, examples of Table 7."""
    monkeypatch.chdir(tmp_path)
    raw: dict[str, Any] = {
        "name": "reuters",
        "seeds": [0, 1],
        "datasets": {"reuters": {"source": "reuters", "path": "nowhere"}},
        "archs": {"bert": {"family": "encoder", "training": {"epochs": 14, "batch_size": 128}}},
        "grid": [
            {"datasets": ["reuters"], "archs": ["bert"], "pruners": ["IMP-FT", "MP-AI"], "sparsities": [0.5]}
        ],
    }
    study = study_from(raw)
    (work,) = make_plan(study)["work"]
    forward = 2 * 85_524_480 * 256
    train, validation, test = 6737, 1440, 1429

    def flops(epochs: int) -> float:
        return forward * (3 * train * epochs + train + validation * (epochs + 1) + test)

    shared = 2 * (flops(14) + flops(42) + flops(14))
    assert work["eflop"] == pytest.approx(shared / 1e18)
    assert work["eflop_unshared"] == pytest.approx((shared + 2 * forward * 3 * train * 14) / 1e18)
    assert work["eflop_unpadded"] == pytest.approx(shared * 140.3 / 256 / 1e18)
    path = rates_file(tmp_path / "rates.json", assumed={"encoder": 4e13, "encoder-bf16": 4e14})
    rates = read_rates([path])
    assert make_plan(study, rates)["gpu_hours"] == pytest.approx(shared / 4e13 / 3600)
    assert work["eflop_computed"] == work["eflop"]
    packed = study_from(with_training(raw, padding="none"))
    (row,) = make_plan(packed, rates)["work"]
    assert row["gpu_hours"] == pytest.approx(shared * 140.3 / 256 / 4e13 / 3600)
    assert row["eflop_computed"] == row["eflop_unpadded"]
    assert row["from"].endswith("no padding")
    fast = make_plan(study_from(with_training(raw, padding="none", precision="bf16")), rates)
    assert fast["gpu_hours"] == pytest.approx(shared * 140.3 / 256 / 4e14 / 3600)


def with_training(raw: dict[str, Any], **settings: Any) -> dict[str, Any]:
    bert = raw["archs"]["bert"]
    return {**raw, "archs": {"bert": {**bert, "training": {**bert["training"], **settings}}}}


def test_the_projection_of_the_pie_paper(monkeypatch, tmp_path):
    """At most 300 hours of an H200, as docs/performance.md says, all by assumed rates: BiLSTMs train together."""
    root = Path(__file__).parents[3]
    monkeypatch.chdir(tmp_path)
    study = load_study(root / "studies" / "pie.yaml")
    plan = make_plan(study)
    assert 250 < plan["gpu_hours"] <= 300
    stated = re.search(r"(\d+) hours of one H200", (root / "docs/performance.md").read_text())
    assert stated is not None
    assert round(plan["gpu_hours"]) == int(stated[1])
    rates = {row["arch"]: row["from"] for row in plan["work"]}
    assert rates["bilstm"] == "assumed: 90 TFLOP/s on an H200"
    # One after the other, each at the rate of a small model alone.
    alone = study.model_copy(
        update={"archs": {n: a.model_copy(update={"replicas": "alone"}) for n, a in study.archs.items()}}
    )
    assert make_plan(alone)["gpu_hours"] > 4_000
    assert plan["disk_gb"] < 300
    assert plan["gpu_hours_by_rate"] == {
        "measured": 0,
        "scaled": 0,
        "assumed": pytest.approx(plan["gpu_hours"]),
    }
    assert plan["basis"]["gpu_hours"] == "an H200 (assumed rates, not measured)"


def test_texts_measured_without_padding():
    """A rate is of the mean length it was timed at; other lengths, and padded texts, are scaled."""
    bert = Encoder(family="encoder")
    timed = MeasuredRate.model_validate(
        entry(
            image=None,
            tokens=256,
            mean_tokens=140.3,
            architecture={"family": "encoder"},
            training={"batch_size": 32, "padding": "none"},
            forward_flops=1e9,
        )
    )
    rates = Rates("somewhere", (timed,))

    def rate(padding: str, mean: float | None, forward: float) -> Any:
        training = Training(batch_size=32, padding=padding)
        return rates.rate(
            bert, training, tokens=256, image=None, block=1, forward_flops=forward, mean_tokens=mean
        )

    work = Work(steps=10, trained=320, predicted=100, forward_flops=2e9, unpadded_flops=1e9, packed=True)
    same = rate("none", 140.3, 1e9)
    assert same.basis == "measured"
    assert "texts of 140.3 tokens on average, no padding" in basis_text(same)
    assert same.seconds(work) == pytest.approx(10 * 0.01 + 100 * 1e-4)
    padded = rate("longest", None, 2e9)
    assert padded.basis == "scaled"
    assert padded.seconds(replace(work, packed=False)) == pytest.approx(2 * same.seconds(work))
    assert rate("none", 100.0, 0.7e9).basis == "scaled"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"rates": []}, "holds no rates"),
        ({"rates": [{**entry(), "step_seconds": 0}]}, r"rates\.0\.step_seconds"),
        ({"rates": [{**entry(), "speed": 1}]}, r"rates\.0\.speed: unknown key"),
        ({"rates": [{**entry(), "architecture": {"family": "vgg"}}]}, "unknown 'vgg'"),
        ({"assumed": {"vgg": 1e12}}, r"assumed\.vgg"),
        ({"assumed": {"lenet5": 0}}, r"assumed\.lenet5"),
        ({"device": ""}, "device"),
    ],
)
def test_bad_rates_files(tmp_path, capsys, study_dict, change, message):
    path = rates_file(tmp_path / "rates.json", **{"rates": [entry()], **change})
    with pytest.raises(UserError, match=message) as caught:
        read_rates([path])
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_no_rates_file_at_all(tmp_path):
    (tmp_path / "list.json").write_text("[1]")
    with pytest.raises(UserError, match=r"list\.json: no rates file"):
        read_rates([tmp_path / "list.json"])
    (tmp_path / "text.json").write_text("rates")
    for name, what in (("missing.json", "no such file"), ("text.json", "not a JSON file (")):
        with pytest.raises(UserError) as caught:
            read_rates([tmp_path / name])
        assert str(caught.value).startswith(f"{tmp_path / name}: {what}")
        assert str(caught.value).endswith("; give a file that benchmarks/rates.py wrote")


def test_two_devices_do_not_add_up(tmp_path):
    one = rates_file(tmp_path / "one.json", entry())
    other = rates_file(tmp_path / "other.json", entry(), device="a fast device")
    with pytest.raises(UserError, match="hours of two devices do not add up"):
        read_rates([one, other])
    more = rates_file(tmp_path / "more.json", entry(replicas=4))
    assert [found.replicas for found in read_rates([one, more]).entries] == [1, 4]


def test_the_command(study_dict, tmp_path, monkeypatch, capsys):
    import yaml

    monkeypatch.chdir(tmp_path)
    Path("study.yaml").write_text(yaml.safe_dump(study_dict))
    rates_file(tmp_path / "rates.json", entry())
    assert main(["plan", "--configfile", "study.yaml", "--rates", "rates.json", "--json"]) == 0
    plan = json.loads(capsys.readouterr().out)
    assert plan == make_plan(study_from(study_dict), read_rates([Path("rates.json")]))
    assert main(["plan", "--configfile", "study.yaml", "--rates", "nothing.json"]) == 2
    assert "nothing.json: no such file" in capsys.readouterr().err


def test_mean_lengths_are_those_of_the_texts():
    """Counted from Reuters' training texts, not by the benchmark's code."""
    import os

    import pyarrow.parquet as pq
    from transformers import BertTokenizerFast

    from prunescope.data.sources.reuters import Reuters

    data = Path(os.environ.get("PRUNESCOPE_DATA") or Path(__file__).parents[4] / "shared" / "data")
    texts, words = data / "reuters21578" / "train.parquet", data / "bert_base_uncased_vocab" / "vocab.txt"
    if not (texts.is_file() and words.is_file()):
        pytest.skip(f"no reuters21578 and bert_base_uncased_vocab in {data}; set PRUNESCOPE_DATA")
    longest, mean = Reuters.mean_tokens
    tokenizer = BertTokenizerFast(str(words), do_lower_case=True)
    pieces = tokenizer(pq.read_table(texts)["text"].to_pylist(), truncation=True, max_length=longest)[
        "input_ids"
    ]
    assert sum(map(len, pieces)) / len(pieces) == pytest.approx(mean, abs=0.06)


def test_measured_lengths_and_the_plans_agree():
    from prunescope.config.datasets import sources
    from prunescope.data.settings import PieCorpus

    path = Path(__file__).parents[3] / "benchmarks" / "results" / "lengths.json"
    found = json.loads(path.read_text())["lengths"]
    known = {name: cls.mean_tokens for name, cls in sources().items() if issubclass(cls, PieCorpus)}
    assert {source: (row["max_tokens"], row["mean"]) for source, row in found.items()} == known
