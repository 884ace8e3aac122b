"""Heads over tokens of every encoder type, and causal language models: what is prunable, loaded, and written."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tests.support.tiny_encoders import OTHERS, save_checkpoint

from prunescope.config.architectures import CausalLM, Encoder
from prunescope.config.load import study_from
from prunescope.data.dataset import DataTable, TableInfo
from prunescope.data.encoding.answers import tagged, windows
from prunescope.data.encoding.byte_pairs import learn
from prunescope.data.encoding.tokenizers import PretrainedTokenizer, load_byte_pairs
from prunescope.data.sources.squad import Squad
from prunescope.data.vision import prepare_torchvision
from prunescope.errors import UserError
from prunescope.models.causal import CausalLM as Model
from prunescope.models.causal_checkpoints import load_model
from prunescope.models.registry import build, count_parameters, prunable
from prunescope.models.shape import Shape
from prunescope.planning.plan import make_plan

prepare_torchvision()

TEXTS = ["a good film", "bad films b c d"]


@pytest.fixture(autouse=True)
def _offline(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")


def encoder(folder: Path, kind: str) -> Encoder:
    save_checkpoint(folder, kind)
    raw = {
        "name": "s",
        "seeds": [0],
        "datasets": {"d": {"source": "conll2003", "max_tokens": 12}},
        "archs": {"a": {"family": "encoder", "pretrained": str(folder)}},
        "grid": [{"datasets": ["d"], "archs": ["a"]}],
    }
    arch = study_from(raw).archs["a"]
    assert isinstance(arch, Encoder)
    return arch


@pytest.mark.parametrize("kind", sorted(OTHERS))
def test_heads_over_tokens_of_pretrained_encoders(tmp_path: Path, kind: str) -> None:
    """Every prunable weight gets a gradient: no pooler is left over; token types mark the paragraph."""
    arch = encoder(tmp_path, kind)
    cutter = PretrainedTokenizer(arch)
    pad = cutter.pad
    ids = torch.tensor(
        [[cutter.cls, 7, 8, cutter.sep, 9, 10, 11, cutter.sep], [cutter.cls, 7, cutter.sep] + [pad] * 5]
    )
    shape = Shape(classes=3, vocabulary=64, length=8, pad=pad, separator=cutter.sep, per_token=True)
    model = build(arch, shape, 0)
    logits = model(ids)
    assert logits.shape == (2, 8, 3)
    logits[:, :3].sum().backward()
    weights = prunable(model)
    pooled = build(arch, Shape(classes=3, vocabulary=64, length=8, pad=pad), 0)
    extra = [name for name in prunable(pooled) if "pooler" in name]
    assert set(weights) == set(prunable(pooled)) - set(extra)
    assert len(extra) == 1
    assert all(weight.grad is not None for weight in weights.values())
    # Padding is masked: alone, the second text has the same outputs.
    model.eval()
    with torch.no_grad():
        together, alone = model(ids)[1, :3], model(ids[1:, :3])[0]
    torch.testing.assert_close(together, alone, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("kind", ["bert", "roberta"])
def test_checkpoints_cut_sentences_and_paragraphs(tmp_path: Path, kind: str) -> None:
    arch = encoder(tmp_path, kind)
    cutter = PretrainedTokenizer(arch)
    labels: Any = [np.array([0, 1, 1]), np.array([1, 0, 0, 1, 0])]
    info = TableInfo("t", "train", "tokens", ("O", "B-PER"), ("text",))
    arrays, _ = tagged(cutter.tokenizer, DataTable(info, labels, texts={"text": TEXTS}), 12, cutter.pad)
    whole = cutter.numbered([TEXTS], 12)
    for n, ids in enumerate(whole):
        assert arrays["inputs"][n, : len(ids)].tolist() == ids
        first = arrays["words"][n] >= 0
        assert arrays["labels"][n][first].tolist() == labels[n].tolist()
    info = TableInfo("q", "train", "span", (), ("question", "context"))
    table = DataTable(
        info, [["c"], ["bad"]], texts={"question": TEXTS, "context": TEXTS[::-1]}, starts=[[12], [0]]
    )  # type: ignore[arg-type]
    table.texts["context"][1] = "bad film"  # type: ignore[index]
    spec = Squad(source="squad", path="x", max_tokens=16, stride=1, max_question=4)
    arrays, _ = windows(cutter.tokenizer, table, spec, cutter.pad)
    for n, (answer, start) in enumerate((("c", 12), ("bad", 0))):
        (mine,) = [row for row in np_rows(arrays, n) if row["labels"].any()][:1]
        a, b = mine["labels"]
        assert (mine["offsets"][a, 0], mine["offsets"][b, 1]) == (start, start + len(answer))


def np_rows(arrays: Any, owner: int) -> list[dict[str, Any]]:
    return [
        {name: array[n] for name, array in arrays.items()}
        for n, o in enumerate(arrays["owners"])
        if o == owner
    ]


SIZES = {"hidden": 8, "layers": 2, "heads": 2, "vocabulary": 300, "positions": 32}


def save_gpt2(folder: Path, **changes: Any) -> Path:
    """config.json, model.safetensors and a byte-level tokenizer."""
    from transformers import GPT2Config, GPT2LMHeadModel, PreTrainedTokenizerFast

    torch.manual_seed(5)
    sizes = {"n_embd": 8, "n_layer": 2, "n_head": 2, "vocab_size": 300, "n_positions": 32, **changes}
    GPT2LMHeadModel(GPT2Config(**sizes, bos_token_id=0, eos_token_id=0)).save_pretrained(folder)
    mark = "<|endoftext|>"
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=learn(TEXTS, 300), eos_token=mark, bos_token=mark)
    tokenizer.save_pretrained(folder)
    return folder


def test_gpt2_from_a_folder(tmp_path: Path) -> None:
    arch = CausalLM(family="causal-lm", pretrained=str(save_gpt2(tmp_path)), **SIZES)
    pieces = load_byte_pairs(arch)
    (ids,) = pieces.numbered([TEXTS[0]])
    assert pieces.text([*ids, pieces.end]) == TEXTS[0]
    shape = Shape(classes=1, vocabulary=300, length=32, pad=pieces.end)
    model, other = build(arch, shape, 0), build(arch, shape, 1)
    assert all(torch.equal(a, b) for a, b in zip(model.parameters(), other.parameters(), strict=True))
    names = [f"lm.transformer.h.{layer}.{part}.weight" for layer in (0, 1) for part in
             ("attn.c_attn", "attn.c_proj", "mlp.c_fc", "mlp.c_proj")]  # fmt: skip
    assert list(prunable(model)) == names
    assert sum(weight.numel() for weight in prunable(model).values()) == 2 * 12 * 8 * 8
    # The output layer is the table of tokens: counted once, pruned never.
    assert count_parameters(model) == 300 * 8 + 32 * 8 + 2 * (12 * 64 + 13 * 8) + 2 * 8
    assert model.lm.lm_head.weight is model.lm.transformer.wte.weight
    logits = model(torch.tensor([ids]))
    assert logits.shape == (1, len(ids), 300)
    state = model.state_dict()
    assert not [name for name in state if "lm_head" in name]
    fresh = build(CausalLM(family="causal-lm", **SIZES), shape, 7)
    fresh.load_state_dict(state)
    assert fresh.lm.lm_head.weight is fresh.lm.transformer.wte.weight
    assert torch.equal(fresh.eval()(torch.tensor([ids])), model.eval()(torch.tensor([ids])))


def test_other_checkpoints_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # Whoever has no connection is not made to wait for one.
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    arch = CausalLM(family="causal-lm", pretrained=str(save_gpt2(tmp_path)), **SIZES)
    for change, said in (
        ({"layers": 3}, "has other sizes than the arch; set layers: 2"),
        ({"vocabulary": 260}, "more tokens than the model|set vocabulary: 300"),
    ):
        with pytest.raises(UserError, match=said):
            load_model(arch.model_copy(update=change))
    with pytest.raises(UserError, match="choose a GPT-2"):
        load_model(arch.model_copy(update={"pretrained": str(save_checkpoint(tmp_path / "bert", "bert"))}))
    with pytest.raises(UserError, match="cannot be loaded"):
        load_model(arch.model_copy(update={"pretrained": "nobody/nothing"}))
    (tmp_path / "model.safetensors").unlink()
    with pytest.raises(UserError, match="cannot be loaded"):
        load_model(CausalLM(family="causal-lm", pretrained=str(tmp_path), **SIZES))


def greedy(model: Model, prompt: list[int], most: int) -> list[int]:
    """The likeliest token each time, one full forward pass a token."""
    made: list[int] = []
    while len(made) < most:
        with torch.no_grad():
            made.append(int(model(torch.tensor([[*prompt, *made]]))[0, -1].argmax()))
        if made[-1] == model.end:
            break
    return made


def test_texts_are_gone_on_with_token_by_token() -> None:
    arch = CausalLM(family="causal-lm", **SIZES, initializer_range=0.5, max_new_tokens=6, dropout=0.0)
    model = build(arch, Shape(classes=1, vocabulary=300, length=32, pad=0), 3).eval()
    assert isinstance(model, Model)
    prompts = torch.randint(1, 300, (4, 5), generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        made = model.continuations(prompts)
    for row, prompt in zip(made, prompts.tolist(), strict=True):
        expected = greedy(model, prompt, 6)
        assert row[: len(expected)] == expected
        assert all(piece == model.end for piece in row[len(expected) :])
    # No further than the model's positions.
    full = torch.randint(1, 300, (2, 32), generator=torch.Generator().manual_seed(0))
    assert model.continuations(full) == [[], []]
    assert all(len(row) <= 2 for row in model.continuations(full[:, :30]))
    model.beams = 3
    beamed = model.continuations(prompts)
    assert [len(row) <= 6 for row in beamed] == [True] * 4


def test_plan_counts_gpt2(tmp_path: Path) -> None:
    """GPT-2's published 124,439,808 parameters, of which 12 layers of 12 x 768^2 are prunable; no checkpoint needed."""
    raw = {
        "name": "s",
        "seeds": [0],
        "datasets": {"e": {"source": "e2e", "path": "$NOWHERE"}, "q": {"source": "squad"}},
        "archs": {
            "gpt2": {"family": "causal-lm", "pretrained": "openai-community/gpt2"},
            "bert": {"family": "encoder", "pretrained": "google-bert/bert-base-uncased"},
        },
        "grid": [
            {"datasets": ["e"], "archs": ["gpt2"], "pruners": ["MP"], "sparsities": [0.8]},
            {"datasets": ["q"], "archs": ["bert"], "pruners": ["MP"], "sparsities": [0.8]},
        ],
    }
    models = {n["arch"]: n for n in make_plan(study_from(raw))["networks"]}
    assert models["gpt2"]["n_parameters"] == 124_439_808
    assert models["gpt2"]["n_prunable"] == 12 * 12 * 768**2
    # BERT-base without its pooler, and two outputs a token.
    assert models["bert"]["n_parameters"] == 109_482_240 - (768**2 + 768) + 2 * 769
    assert models["bert"]["n_prunable"] == 12 * 12 * 768**2


@pytest.mark.parametrize(
    ("dataset", "arch", "said"),
    [
        (
            {"source": "squad"},
            {"family": "bilstm"},
            "asks for span, which arch 'a' of family 'bilstm' does not",
        ),
        (
            {"source": "imdb"},
            {"family": "causal-lm"},
            "asks for classes, which arch 'a' of family 'causal-lm'",
        ),
        (
            {"source": "e2e", "path": "x"},
            {"family": "encoder"},
            "asks for text, .* choose one of family causal-lm",
        ),
        (
            {"source": "e2e", "path": "x"},
            {"family": "causal-lm", "positions": 100},
            "texts of up to 256 tokens",
        ),
    ],
)
def test_models_that_cannot_answer_are_refused(
    dataset: dict[str, Any], arch: dict[str, Any], said: str
) -> None:
    raw = {
        "name": "s",
        "seeds": [0],
        "datasets": {"d": dataset},
        "archs": {"a": arch},
        "grid": [{"datasets": ["d"], "archs": ["a"]}],
    }
    with pytest.raises(UserError, match=said) as error:
        study_from(raw)
    assert "\n" not in str(error.value)
