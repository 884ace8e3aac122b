"""Checkpoints of transformers as classifiers: encoders and decoders, whose parts are found by structure."""

from __future__ import annotations

import csv
import json
from math import prod
from pathlib import Path
from typing import Any

import pytest
import torch
from pydantic import TypeAdapter
from tests.support.run_jobs import run_jobs, tables_and_pages
from tests.support.tiny_encoders import SMALL, save_checkpoint

from prunescope.config.architectures import Arch
from prunescope.config.datasets import Declared
from prunescope.config.load import study_from
from prunescope.config.pruners import PRUNERS
from prunescope.data.encoding.tokenizers import AnyTokenizer
from prunescope.data.vision import prepare_torchvision
from prunescope.errors import UserError
from prunescope.models.registry import build, count_parameters, prunable
from prunescope.models.shape import Shape
from prunescope.planning.plan import make_plan

#: Types that tiny_encoders does not know, with what they call their sizes.
OTHERS: dict[str, dict[str, Any]] = {
    "deberta-v2": {"relative_attention": True, "position_buckets": 8, "pos_att_type": ["p2c", "c2p"],
                   "position_biased_input": False, "norm_rel_ebd": "layer_norm", "share_att_key": True},
    "gpt2": {"n_embd": 8, "n_layer": 3, "n_head": 2, "n_positions": 16, "n_inner": 16},
    "llama": {"num_key_value_heads": 1},
    "qwen2": {"num_key_value_heads": 1},
}  # fmt: skip
KINDS = ["bert", "distilbert", "roberta", "modernbert", *OTHERS]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkpoint of each type."""
    root = tmp_path_factory.mktemp("checkpoints")
    prepare_torchvision()
    from transformers import AutoConfig, AutoModel

    for kind in KINDS:
        save_checkpoint(root / kind, "bert" if kind in OTHERS else kind)
        if kind in OTHERS:
            sizes = {} if kind == "gpt2" else SMALL
            config = AutoConfig.for_model(kind, **{"vocab_size": 64, **sizes, **OTHERS[kind]})
            (root / kind / "config.json").unlink()
            AutoModel.from_config(config).save_pretrained(root / kind)
    return root


def arch(folder: Path, **settings: Any) -> Any:
    return TypeAdapter(Arch).validate_python(
        {"family": "transformers", "checkpoint": str(folder), **settings}
    )


def shape_of(spec: Any, classes: int = 3, **more: Any) -> Shape:
    tokenizer = AnyTokenizer(spec)
    return Shape(
        classes=classes, vocabulary=64, length=12, pad=tokenizer.pad, separator=tokenizer.sep, **more
    )


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("weights", ["pretrained", "random"])
def test_every_type_classifies_and_padding_changes_nothing(folder: Path, kind: str, weights: str) -> None:
    spec = arch(folder / kind, weights=weights)
    shape = shape_of(spec)
    model = build(spec, shape, 0).eval()
    rows = AnyTokenizer(spec).numbered([["good film a", "bad"]])
    width = max(map(len, rows))
    short = torch.full((2, width), shape.pad)
    for n, row in enumerate(rows):
        short[n, : len(row)] = torch.tensor(row)
    long = torch.cat([short, torch.full((2, 3), shape.pad)], dim=1)
    with torch.no_grad():
        found = model(short)
        assert found.shape == (2, 3)
        torch.testing.assert_close(model(long), found, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("kind", KINDS)
def test_matrices_are_prunable_but_for_embeddings_and_the_classifier(folder: Path, kind: str) -> None:
    spec = arch(folder / kind)
    model = build(spec, shape_of(spec), 0)
    weights = prunable(model)
    classifier = model.get_submodule(str(model.final_layer))
    assert classifier.out_features == 3
    tables = [m.weight for m in model.modules() if isinstance(m, torch.nn.Embedding)]
    apart = {id(weight) for weight in (*tables, classifier.weight)}
    assert {id(p) for p in model.parameters() if p.dim() > 1} == apart | {
        id(weight) for weight in weights.values()
    }
    facts = Declared(3, 1, 1, 1, tokens=12)
    assert spec.sizes(facts) == {name: weight.numel() for name, weight in weights.items()}
    assert spec.parameters(facts) == count_parameters(model)


@pytest.mark.parametrize("kind", ["bert", "gpt2"])
def test_seeds_share_the_checkpoint_or_draw_all(folder: Path, kind: str) -> None:
    for weights, same in (("pretrained", True), ("random", False)):
        spec = arch(folder / kind, weights=weights)
        first, other = (build(spec, shape_of(spec), seed) for seed in (0, 1))
        name = next(iter(prunable(first)))
        assert torch.equal(prunable(first)[name], prunable(other)[name]) == same
        head = f"{first.final_layer}.weight"
        assert not torch.equal(first.get_parameter(head), other.get_parameter(head))


def test_positions_and_tags(folder: Path) -> None:
    assert arch(folder / "bert").positions_at_most == 16
    assert arch(folder / "roberta").positions_at_most == 16
    assert arch(folder / "gpt2").positions_at_most == 16
    spec = arch(folder / "distilbert")
    shape = shape_of(spec, per_token=True)
    with torch.no_grad():
        assert build(spec, shape, 0)(torch.tensor([[2, 5, 6, 3]])).shape == (1, 4, 3)


#: Layers of the tiny models by the beginning of their names, of each of three layers where numbered.
LAYERS = {
    "distilbert": ("net.distilbert.transformer.layer.{}.attention.q_lin", "net.classifier"),
    "roberta": ("net.roberta.encoder.layer.{}.attention.self.query", "net.classifier.out_proj"),
    "deberta-v2": ("net.deberta.encoder.layer.{}.attention.self.query_proj", "net.classifier"),
    "modernbert": ("net.model.layers.{}.attn.Wqkv", "net.classifier"),
    "gpt2": ("net.transformer.h.{}.attn.c_attn", "net.score"),
    "llama": ("net.model.layers.{}.self_attn.q_proj", "net.score"),
    "qwen2": ("net.model.layers.{}.mlp.gate_proj", "net.score"),
}


@pytest.mark.parametrize("kind", LAYERS)
def test_a_plan_lists_what_is_prunable(folder: Path, kind: str, tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.setenv("PRUNESCOPE_CACHE", str(tmp_path / "cache"))
    (tmp_path / "a.csv").write_text(
        "text,label\n" + "".join(f"good film {n},{'xyz'[n % 3]}\n" for n in range(60))
    )
    study = study_from({
        "name": "x", "seeds": [0],
        "datasets": {"mine": {"source": "table", "path": str(tmp_path / "a.csv"), "text": "text", "max_tokens": 8}},
        "archs": {"net": {"family": "transformers", "checkpoint": str(folder / kind)}},
        "grid": [{"datasets": ["mine"], "archs": ["net"], "pruners": ["MP"], "sparsities": [0.5]}],
    })  # fmt: skip
    network = make_plan(study, layers=True)["networks"][0]
    layer, classifier = LAYERS[kind]
    assert {f"{layer.format(n)}.weight" for n in range(3)} <= set(network["layers"])
    assert network["classifier"] == classifier
    assert network["never_pruned"][f"{classifier}.weight"] == "classifier"
    kinds = set(network["never_pruned"].values())
    assert {"classifier", "embeddings"} <= kinds
    assert any("normalization" in one for one in kinds)
    assert network["tied"] == []
    apart = ("norm", "embed", "ln_", "wte", "wpe", "bias", f"{classifier}.")
    assert not any(word in name.lower() for name in network["layers"] for word in apart)


@pytest.fixture(scope="module")
def vit(tmp_path_factory: pytest.TempPathFactory) -> Path:
    prepare_torchvision()
    from transformers import ViTConfig, ViTForImageClassification

    root = tmp_path_factory.mktemp("vit")
    config = ViTConfig(hidden_size=8, num_hidden_layers=2, num_attention_heads=2, intermediate_size=16, image_size=8,
                       patch_size=4, num_labels=10)  # fmt: skip
    ViTForImageClassification(config).save_pretrained(root)
    return root


def test_images_from_plan_to_pruned_predictions(vit: Path, tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.setenv("PRUNESCOPE_CACHE", str(tmp_path / "cache"))
    study = study_from({
        "name": "x", "seeds": [0],
        "datasets": {"digits": {"source": "digits"}},
        "archs": {"net": {"family": "transformers", "checkpoint": str(vit),
                          "training": {"epochs": 2, "lr": 1e-3, "batch_size": 32, "finetune_epochs": 1}}},
        "grid": [{"datasets": ["digits"], "archs": ["net"], "pruners": ["GP"], "sparsities": [0.5]}],
    })  # fmt: skip
    network = make_plan(study, layers=True)["networks"][0]
    assert network["classifier"] == "net.classifier"
    assert network["layers"]["net.vit.embeddings.patch_embeddings.projection.weight"] == [8, 3, 4, 4]
    assert not any(
        word in name for name in network["layers"] for word in ("cls_token", "position", "norm", "classifier")
    )
    # Six matrices in each of two layers, and the kernel of the patches.
    assert len(network["layers"]) == 2 * 6 + 1
    found = run_jobs(study, tmp_path)
    metrics = json.loads((found["GP-sparsity-500permille"] / "metrics.json").read_text())["models"][0]
    assert metrics["sparsity"] == pytest.approx(0.5, abs=0.01)
    with pytest.raises(UserError, match="takes images but data set 'prose' has texts"):
        study_from({
            "name": "x", "seeds": [0],
            "datasets": {"prose": {"source": "docstrings", "libraries": ["jinja2", "snakemake"]}},
            "archs": {"net": {"family": "transformers", "checkpoint": str(vit)}},
            "grid": [{"datasets": ["prose"], "archs": ["net"]}],
        })  # fmt: skip


def test_what_is_no_checkpoint_is_refused_in_a_line(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(UserError, match="cannot be loaded"):
        build(arch(tmp_path), Shape(classes=2), 0)


#: A pruner of each criterion; CHIP's takes filters, which these models do not have.
CRITERIA = {pruner.criterion: name for name, pruner in PRUNERS.items() if pruner.structure == "weights"}
CRITERIA["magnitude"] = "MP"


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "bert"])
def test_from_texts_to_pruned_predictions(folder: Path, kind: str, tmp_path: Path, monkeypatch: Any) -> None:
    """Encoded, trained, pruned, by the commands that the workflow calls; two types by every criterion that fits."""
    monkeypatch.setenv("PRUNESCOPE_CACHE", str(tmp_path / "cache"))
    rows = [
        {"text": f"{'good' if n % 2 else 'bad'} film {'abcdefgh'[n % 8]}", "label": n % 2} for n in range(80)
    ]
    (tmp_path / "a.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    pruners = list(CRITERIA.values()) if kind in ("distilbert", "llama") else ["GP"]
    raw: dict[str, Any] = {
        "name": "x",
        "seeds": [0],
        "datasets": {"mine": {"source": "table", "path": str(tmp_path / "a.jsonl"), "text": "text", "max_tokens": 8}},
        "archs": {"net": {"family": "transformers", "checkpoint": str(folder / kind),
                          "training": {"epochs": 2, "lr": 1e-3, "batch_size": 8, "finetune_epochs": 1}}},
        "grid": [{"datasets": ["mine"], "archs": ["net"], "pruners": pruners, "sparsities": [0.5]}],
    }  # fmt: skip
    study = study_from(raw)
    assert make_plan(study)["networks"][0]["n_prunable"] > 500
    found = run_jobs(study, tmp_path)
    for pruner in pruners:
        metrics = json.loads((found[f"{pruner}-sparsity-500permille"] / "metrics.json").read_text())[
            "models"
        ][0]
        assert metrics["sparsity"] == pytest.approx(0.5, abs=0.01), pruner
    raw["grid"][0] |= {"pruners": ["CHIP"], "ratios": [2]}
    del raw["grid"][0]["sparsities"]
    with pytest.raises(UserError, match="removes filters, which arch 'net' does not have; use it with"):
        study_from(raw)


@pytest.mark.parametrize("kind", ["gpt2", "llama", "qwen2"])
def test_decoders_write_texts(kind: str, tmp_path: Path, monkeypatch: Any) -> None:
    """``AutoModelForCausalLM``: encoded, trained, pruned, texts written; their tables and pages."""
    prepare_torchvision()
    import pyarrow.parquet as pq
    from tests.workflow.made_data import e2e
    from transformers import AutoConfig, AutoModelForCausalLM, PreTrainedTokenizerFast

    from prunescope.data.encoding.byte_pairs import END, learn

    monkeypatch.setenv("PRUNESCOPE_CACHE", str(tmp_path / "cache"))
    folder = e2e(tmp_path / "e2e", 40, 12)
    tokenizer = learn([path.read_text() for path in sorted(folder.iterdir())], 300)
    PreTrainedTokenizerFast(tokenizer_object=tokenizer, eos_token=END).save_pretrained(tmp_path / "net")
    sizes = {} if kind == "gpt2" else {**SMALL, "max_position_embeddings": 96}
    known = {**sizes, **OTHERS[kind], "vocab_size": 300, "tie_word_embeddings": kind != "llama"}
    config = AutoConfig.for_model(kind, **known | ({"n_positions": 96} if kind == "gpt2" else {}))
    AutoModelForCausalLM.from_config(config).save_pretrained(tmp_path / "net")
    study = study_from({
        "name": "x", "seeds": [0],
        "datasets": {"said": {"source": "e2e", "path": str(folder), "max_tokens": 96}},
        "archs": {"net": {"family": "transformers", "checkpoint": str(tmp_path / "net"), "max_new_tokens": 6,
                          "training": {"epochs": 1, "lr": 1e-3, "batch_size": 8, "finetune_epochs": 1}}},
        "grid": [{"datasets": ["said"], "archs": ["net"], "pruners": ["GP"], "sparsities": [0.5]}],
    })  # fmt: skip
    network = make_plan(study, layers=True)["networks"][0]
    assert network["classifier"] == "lm.lm_head"
    tied = [
        ["lm.lm_head.weight", "lm.transformer.wte.weight"],
        ["lm.lm_head.weight", "lm.model.embed_tokens.weight"],
    ]
    assert [sorted(names) for names in network["tied"]] == {"gpt2": tied[:1], "llama": [], "qwen2": tied[1:]}[
        kind
    ]
    assert not any("lm_head" in name or "embed" in name or "wte" in name for name in network["layers"])
    spec, facts = study.archs["net"], study.datasets["said"].declared()
    assert spec.sizes(facts) == {name: prod(shape) for name, shape in network["layers"].items()}
    found = run_jobs(study, tmp_path)
    pruned = found["GP-sparsity-500permille"]
    metrics = json.loads((pruned / "metrics.json").read_text())["models"][0]
    assert metrics["sparsity"] == pytest.approx(0.5, abs=0.01)
    table = pq.read_table(pruned / "test.parquet")
    assert table.num_rows == 12
    assert all(isinstance(text, str) for text in table["prediction"].to_pylist())
    assert json.loads(table.schema.metadata[b"prunescope"])["task"] == "text"
    page = tables_and_pages(study, found, tmp_path)
    rows = {row["pruner"]: row for row in csv.DictReader((tmp_path / "tables" / "effectiveness.csv").open())}
    assert {row["metric"] for row in rows.values()} == {"bleu"}
    assert 0 <= float(rows["GP"]["mean"]) <= 1
    assert "said" in page.read_text()
    assert len(list((tmp_path / "report" / "cells").glob("*.html"))) == 1


#: Of other structure than the types above: one layer for all, halves of a layer, experts, two texts of attention.
FURTHER: dict[str, dict[str, Any]] = {
    "albert": {**SMALL, "embedding_size": 4},
    "bart": {"d_model": 8, "encoder_layers": 1, "decoder_layers": 1, "encoder_attention_heads": 2,
             "decoder_attention_heads": 2, "encoder_ffn_dim": 16, "decoder_ffn_dim": 16, "max_position_embeddings": 16,
             "pad_token_id": 0, "bos_token_id": 2, "eos_token_id": 3},
    "bloom": {"hidden_size": 8, "n_layer": 2, "n_head": 2},
    "electra": {**SMALL, "embedding_size": 4},
    "ibert": SMALL,
    "mixtral": {**SMALL, "num_key_value_heads": 1, "num_local_experts": 2},
    "xlnet": {"d_model": 8, "n_layer": 2, "n_head": 2, "d_inner": 16},
}  # fmt: skip


@pytest.mark.parametrize("kind", FURTHER)
def test_tables_and_classifiers_of_further_types_are_found(kind: str, tmp_path: Path) -> None:
    from transformers import AutoConfig

    save_checkpoint(tmp_path, "bert")
    AutoConfig.for_model(kind, **{"vocab_size": 64, **FURTHER[kind]}).save_pretrained(tmp_path)
    spec = arch(tmp_path, weights="random")
    model = build(spec, shape_of(spec), 0)
    with torch.no_grad():
        assert model(torch.tensor([[2, 5, 6, 3]])).shape == (1, 3)
    weights = prunable(model)
    assert not any(weight.shape[0] == 64 for weight in weights.values())
    assert not any(name.startswith(f"{model.final_layer}.") for name in weights)
    assert spec.sizes(Declared(3, 1, 1, 1, tokens=12)) == {n: w.numel() for n, w in weights.items()}


#: Models of images, by type.
IMAGES: dict[str, dict[str, Any]] = {
    "convnext": {"hidden_sizes": [8, 8], "depths": [1, 1], "num_stages": 2},
    "deit": {"hidden_size": 8, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 16,
             "image_size": 16, "patch_size": 4},
    "mobilevit": {"hidden_sizes": [8, 12, 16], "neck_hidden_sizes": [8, 8, 8, 8, 8, 8, 16], "image_size": 32},
    "resnet": {"embedding_size": 8, "hidden_sizes": [8, 16], "depths": [1, 1]},
    "siglip": {"vision_config": {"hidden_size": 8, "num_hidden_layers": 1, "num_attention_heads": 2,
                                 "intermediate_size": 16, "image_size": 16, "patch_size": 4},
               "text_config": {"hidden_size": 8, "num_hidden_layers": 1, "num_attention_heads": 2,
                               "intermediate_size": 16, "vocab_size": 64, "eos_token_id": 3, "bos_token_id": 2}},
    "swin": {"embed_dim": 8, "depths": [1, 1], "num_heads": [1, 2], "image_size": 16, "patch_size": 2,
             "window_size": 2},
}  # fmt: skip


@pytest.mark.parametrize("kind", IMAGES)
def test_models_of_images_by_their_configuration(kind: str, tmp_path: Path) -> None:
    from transformers import AutoConfig

    AutoConfig.for_model(kind, **IMAGES[kind]).save_pretrained(tmp_path)
    spec = arch(tmp_path, weights="random")
    assert spec.input == "image"
    model = build(spec, Shape(classes=3, image=(1, 20, 24)), 0)
    with torch.no_grad():
        assert model.eval()(torch.rand(2, 1, 20, 24)).shape == (2, 3)
    weights = prunable(model)
    expected = {id(m.weight) for m in model.modules() if isinstance(m, torch.nn.Linear | torch.nn.Conv2d)}
    expected -= {id(model.get_submodule(str(model.final_layer)).weight)}
    assert expected <= {id(weight) for weight in weights.values()}
    facts = Declared(3, 1, 1, 1, image=(1, 20, 24))
    assert spec.forward_flops(facts, spec.sizes(facts)) > 0
