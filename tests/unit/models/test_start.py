"""Dense models from checkpoints: what is checked before a job, and that only pruning and fine-tuning are run."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch
import yaml
from safetensors.torch import load_file, save_file
from tests.support.run_jobs import run_jobs
from tests.support.tiny_encoders import save_checkpoint

from prunescope.cli import main
from prunescope.config.load import study_from
from prunescope.data.vision import prepare_torchvision
from prunescope.errors import UserError
from prunescope.planning.plan import make_plan
from prunescope.planning.starts import check_starts

CLASSES = ["10", "9", "None"]


def classifier(folder: Path, seed: int, names: list[str] = CLASSES) -> Path:
    """A classifier as its own training script would save it."""
    prepare_torchvision()
    from transformers import AutoModelForSequenceClassification

    if not (folder / "tokenizer.json").exists():
        save_checkpoint(folder, "distilbert")
    torch.manual_seed(seed)
    model = AutoModelForSequenceClassification.from_pretrained(
        folder,
        num_labels=len(names),
        id2label=dict(enumerate(names)),
        label2id={n: i for i, n in enumerate(names)},
    )
    model.save_pretrained(folder)
    return folder


@pytest.fixture
def raw(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    monkeypatch.setenv("PRUNESCOPE_CACHE", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    for seed in (0, 1):
        classifier(tmp_path / f"net-{seed}", seed)
    rows = [
        {"text": f"{'good' if n % 2 else 'bad'} film {'abcdefgh'[n % 8]} {n}", "label": CLASSES[n % 3]}
        for n in range(90)
    ]
    (tmp_path / "a.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return {
        "name": "x",
        "seeds": [0, 1],
        "datasets": {"mine": {"source": "table", "path": "a.jsonl", "text": "text", "max_tokens": 8,
                              "classes": CLASSES}},
        "archs": {"net": {"family": "transformers", "checkpoint": "./net-0", "start": "net-{seed}", "block": 2,
                          "training": {"epochs": 3, "lr": 1e-3, "batch_size": 16, "finetune_epochs": 1}}},
        "grid": [{"datasets": ["mine"], "archs": ["net"], "pruners": ["MP", "GP"], "sparsities": [0.5],
                  "controls": True}],
    }  # fmt: skip


def logits(path: Path, seed: int) -> np.ndarray:
    table = pq.read_table(path)
    rows = np.flatnonzero(table["seed"].to_numpy() == seed)
    return np.array(table["logits"].to_pylist())[rows]


def test_dense_models_are_the_checkpoints_and_pruned_ones_are_fine_tuned(
    raw: dict[str, Any], tmp_path: Path
) -> None:
    study = study_from(raw)
    check_starts(study)
    found = run_jobs(study, tmp_path)
    for seed in (0, 1):
        # As transformers itself runs the same checkpoint.
        arguments = [
            "--data",
            "data/mine/test.parquet",
            "--text",
            "text",
            "--label",
            "label",
            "--max-tokens",
            "8",
        ]
        out = tmp_path / f"by-{seed}.parquet"
        assert main(["predict", "--model", f"net-{seed}", "--out", str(out), *arguments]) == 0
        expected = np.array(pq.read_table(out)["logits"].to_pylist())
        np.testing.assert_allclose(logits(found["none"] / "test.parquet", seed), expected, atol=1e-5)
    metrics = json.loads((found["none"] / "metrics.json").read_text())
    assert [model["epochs"] for model in metrics["models"]] == [[], []]
    assert pq.read_table(found["none"] / "early.parquet").num_rows == 0
    for name in ("MP", "GP"):
        models = json.loads((found[f"{name}-sparsity-500permille"] / "metrics.json").read_text())["models"]
        assert [round(model["sparsity"], 2) for model in models] == [0.5, 0.5]
        assert [[epoch["phase"] for epoch in model["epochs"]] for model in models] == [["round-1"]] * 2
    assert "control-FT" in found or any(key.startswith("control-FT") for key in found)
    plan = make_plan(study)
    trained = make_plan(study_from({**raw, "archs": {"net": {**raw["archs"]["net"], "start": None}}}))
    assert plan["eflop"] < trained["eflop"]
    assert plan["jobs"] == trained["jobs"] - 1  # no EL2N


def test_a_studys_own_checkpoint_and_files_by_seed(raw: dict[str, Any], tmp_path: Path) -> None:
    states = {seed: load_file(f"net-{seed}/model.safetensors") for seed in (0, 1)}
    both = {f"{s}/model/net.{name}": value for s, state in states.items() for name, value in state.items()}
    save_file(both, tmp_path / "both.safetensors", metadata={"seeds": "0 1"})
    for start in ("both.safetensors", {0: "net-1", 1: "net-0/model.safetensors"}, "checkpoint"):
        raw["archs"]["net"]["start"] = start
        check_starts(study_from(raw))
    raw["seeds"] = [0, 7]
    raw["archs"]["net"]["start"] = "both.safetensors"
    with pytest.raises(UserError, match="has no seed 7; it has 0, 1"):
        check_starts(study_from(raw))


def changed(state: dict[str, torch.Tensor], change: str) -> dict[str, torch.Tensor]:
    if change == "no classifier":
        return {name: value for name, value in state.items() if not name.startswith("classifier")}
    if change == "more layers":
        return {**state, "distilbert.transformer.layer.9.ffn.lin1.weight": torch.zeros(2, 2)}
    wrong = "classifier.weight" if change == "classes" else "pre_classifier.bias"
    return {**state, wrong: torch.zeros(5, *state[wrong].shape[1:])}


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (
            "no classifier",
            "net-0: lacks 2 of the model's .* tensors, such as net.classifier.* trained with its classifier",
        ),
        ("more layers", "has distilbert.transformer.layer.9.ffn.lin1.weight, which the model does not have"),
        ("classes", "its classifier classifier.weight has 5 outputs, the data 3"),
        ("sizes", "pre_classifier.bias is 5, the model's 8"),
        ("pickle", "pytorch_model.bin: a pickled checkpoint, which is not read; convert it"),
        ("cut", "model.safetensors: cannot be read"),
        ("order", r"order None, 9, 10, the data's 10, 9, None; .*`classes: \[\"None\", \"9\", \"10\"\]`"),
        ("nowhere", "start: net-0: no such file or folder"),
    ],
)
def test_what_does_not_fit_is_refused_before_jobs(
    raw: dict[str, Any], tmp_path: Path, change: str, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    import re

    folder = tmp_path / "net-0"
    file = folder / "model.safetensors"
    raw["archs"]["net"]["checkpoint"] = "./net-1"
    if change == "pickle":
        file.rename(folder / "pytorch_model.bin")
    elif change == "cut":
        file.write_bytes(file.read_bytes()[:100])
    elif change == "order":
        classifier(folder, 0, CLASSES[::-1])
    elif change == "nowhere":
        folder.rename(tmp_path / "elsewhere")
    else:
        save_file(changed(load_file(file), change), file, metadata={"format": "pt"})
    (tmp_path / "study.yaml").write_text(yaml.safe_dump(raw))
    assert main(["plan", "--configfile", "study.yaml"]) == 2
    *_, line = capsys.readouterr().err.splitlines()
    assert re.search(r"^prunescope: error: archs.net.start: .*\(data set mine\)$", line)
    assert re.search(said, line), line
    if change == "nowhere":
        assert main(["run", "--configfile", "study.yaml"]) == 2
        *_, line = capsys.readouterr().err.splitlines()
        assert line.startswith("prunescope: error: archs.net.start: net-0: no such file or folder")
        assert not Path("results/logs").exists()  # Snakemake was not started


@pytest.mark.parametrize(
    ("pruner", "said"),
    [
        ("MP-AI", "'MP-AI' starts from it"),
        ("IMP-WR", "'IMP-WR' rewinds to it"),
        ("GMP", "'GMP' starts from it"),
    ],
)
def test_pruners_that_need_what_was_before_training_are_refused(
    raw: dict[str, Any], pruner: str, said: str
) -> None:
    raw["grid"][0]["pruners"] = [pruner]
    with pytest.raises(UserError, match=f"{said}, but arch 'net' has no model before training"):
        study_from(raw)
