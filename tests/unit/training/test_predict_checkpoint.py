"""``prunescope predict``: predictions of checkpoints that were made elsewhere, for an audit."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tests.support.tiny_encoders import save_checkpoint

from prunescope.cli import main
from prunescope.data.vision import prepare_torchvision
from prunescope.predictions.store import iter_logits, read_predictions

TEXTS = ["good film a b", "bad film", "good", "bad a c d e", "film film"]


def classifier(folder: Path, kind: str = "bert", **config: Any) -> Path:
    """A checkpoint with a last layer of its own."""
    prepare_torchvision()
    save_checkpoint(folder, kind)
    from transformers import AutoConfig, AutoModelForSequenceClassification

    torch.manual_seed(3)
    AutoModelForSequenceClassification.from_config(
        AutoConfig.from_pretrained(folder, **config)
    ).save_pretrained(folder)
    return folder


def data(folder: Path, labels: list[Any], name: str = "test") -> Path:
    path = folder / f"{name}.jsonl"
    rows = [{"text": text, "label": label} for text, label in zip(TEXTS, labels, strict=True)]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def expected(folder: Path, texts: list[str]) -> np.ndarray:
    """Text by text, without padding."""
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(folder)
    model = AutoModelForSequenceClassification.from_pretrained(folder).eval()
    with torch.no_grad():
        return np.concatenate(
            [model(**tokenizer(text, return_tensors="pt")).logits.numpy() for text in texts]
        )


@pytest.mark.parametrize("kind", ["bert", "roberta", "modernbert"])
def test_the_table_has_the_models_own_logits(tmp_path: Path, kind: str, capsys: Any) -> None:
    names = {"id2label": {0: "no", 1: "01"}, "label2id": {"no": 0, "01": 1}}
    folder = classifier(tmp_path / "model", kind, **names)
    path, out = data(tmp_path, ["01", "no", "01", "no", "no"]), tmp_path / "p.parquet"
    arguments = ["predict", "--model", str(folder), "--data", str(path), "--out", str(out), "--device", "cpu"]
    assert main([*arguments, "--batch-size", "2", "--seed", "5"]) == 0
    assert "5 predictions, accuracy" in capsys.readouterr().out
    side = read_predictions([out])
    assert side.classes == ("no", "01")
    assert side.label.tolist() == [1, 0, 1, 0, 0]
    ((seed, _, logits),) = iter_logits([out])
    assert seed == 5
    np.testing.assert_allclose(logits, expected(folder, TEXTS), rtol=1e-4, atol=1e-5)
    # What an audit is for: the same model beside itself.
    assert main(["audit", "--dense", str(out), "--pruned", str(out), "--out", str(tmp_path / "audit")]) == 0
    assert json.loads((tmp_path / "audit" / "summary.json").read_text())["n_pies"] == 0


def test_classes_by_number_by_order_and_by_name(tmp_path: Path) -> None:
    folder = classifier(tmp_path / "model", num_labels=3)
    out = tmp_path / "p.parquet"
    arguments = ["predict", "--model", str(folder), "--out", str(out), "--device", "cpu", "--data"]
    assert main([*arguments, str(data(tmp_path, [2, 0, 0, 2, 0]))]) == 0
    assert read_predictions([out]).label.tolist() == [2, 0, 0, 2, 0]
    path = data(tmp_path, ["c", "a", "b", "c", "a"])
    assert main([*arguments, str(path), "--classes", "c", "b", "a"]) == 0
    side = read_predictions([out])
    assert (side.classes, side.label.tolist()) == (("c", "b", "a"), [0, 2, 1, 0, 2])


@pytest.mark.parametrize("kind", ["bert", "roberta"])
def test_long_texts_are_cut_where_the_model_ends(tmp_path: Path, kind: str) -> None:
    folder, path = classifier(tmp_path / "model", kind), tmp_path / "long.jsonl"
    path.write_text(
        "".join(json.dumps({"text": "good bad film " * 20, "label": n % 2}) + "\n" for n in range(4))
    )
    arguments = [
        "predict",
        "--model",
        str(folder),
        "--data",
        str(path),
        "--out",
        str(tmp_path / "p"),
        "--device",
        "cpu",
    ]
    assert main(arguments) == 0
    ((_, _, logits),) = iter_logits([tmp_path / "p"])
    assert np.isfinite(logits).all()


def test_what_does_not_fit_is_refused(tmp_path: Path, capsys: Any) -> None:
    folder = classifier(tmp_path / "model", num_labels=3)
    arguments = ["predict", "--model", str(folder), "--out", str(tmp_path / "p"), "--device", "cpu", "--data"]
    assert main([*arguments, str(data(tmp_path, ["x", "y", "x", "y", "x"]))]) == 2
    assert "has the classes LABEL_0, LABEL_1, LABEL_2, the data x, y" in capsys.readouterr().err
    save_checkpoint(tmp_path / "bare", "bert")
    arguments[2] = str(tmp_path / "bare")
    assert main([*arguments, str(data(tmp_path, [0, 1, 0, 1, 1]))]) == 2
    assert "lacks weights of a classifier" in capsys.readouterr().err
    assert main([*arguments, str(tmp_path / "nowhere.csv")]) == 2
    assert "no such file" in capsys.readouterr().err
