"""Classes of ``torch.nn.Module`` in installed packages: named in a study, measured, trained and pruned."""

from __future__ import annotations

import json
import sys
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any

import pytest
from tests.support.run_jobs import run_jobs

from prunescope.config import plugins
from prunescope.config.load import study_from
from prunescope.errors import UserError
from prunescope.models.registry import build, prunable
from prunescope.models.shape import Shape
from prunescope.planning.plan import make_plan

NETS = """
from torch import nn


class Images(nn.Module):
    def __init__(self, classes, channels, width=4):
        super().__init__()
        self.conv = nn.Conv2d(channels, width, 3, padding=1)
        self.norm = nn.BatchNorm2d(width)
        self.pool = nn.AdaptiveAvgPool2d(2)
        self.out = nn.Linear(4 * width, classes)

    def forward(self, images):
        return self.out(self.pool(self.norm(self.conv(images)).relu()).flatten(1))


class Words(nn.Module):
    def __init__(self, vocab_size, num_classes, pad):
        super().__init__()
        self.table = nn.Embedding(vocab_size, 8, padding_idx=pad)
        self.mix = nn.GRU(8, 6, batch_first=True)
        self.out = nn.Linear(6, num_classes)

    def forward(self, tokens, attention_mask):
        states, _ = self.mix(self.table(tokens))
        mask = attention_mask.unsqueeze(-1)
        return self.out((states * mask).sum(1) / mask.sum(1).clamp(min=1)), states


class Flat(nn.Module):
    def __init__(self, classes):
        super().__init__()
        self.out = nn.Linear(5, classes)

    def forward(self, images):
        return self.out(images)


class TwoAnswers(nn.Module):
    def __init__(self, classes, channels):
        super().__init__()
        self.out = nn.Conv2d(channels, classes, 1)

    def forward(self, images):
        return self.out(images)


function = print
"""


@pytest.fixture(autouse=True)
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A package with entry points ``prunescope.modules``."""
    (tmp_path / "package").mkdir()
    (tmp_path / "package" / "my_nets.py").write_text(NETS)
    monkeypatch.syspath_prepend(str(tmp_path / "package"))
    monkeypatch.setenv("PRUNESCOPE_CACHE", str(tmp_path / "cache"))
    points = {
        name: EntryPoint(name, f"my_nets:{value}", "prunescope.modules")
        for name, value in {"images": "Images", "words": "Words", "flat": "Flat", "two": "TwoAnswers",
                            "function": "function", "gone": "Gone"}.items()
    }  # fmt: skip
    monkeypatch.setattr(
        plugins, "entry_points", lambda group: points.values() if group.endswith("modules") else ()
    )
    plugins.plugins.cache_clear()
    yield
    plugins.plugins.cache_clear()
    sys.modules.pop("my_nets", None)


def study(arch: dict[str, Any], data: dict[str, Any] | None = None, **changes: Any) -> Any:
    training = {"epochs": 2, "lr": 0.01, "batch_size": 32, "finetune_epochs": 1}
    return study_from({
        "name": "x",
        "seeds": [0, 1],
        "datasets": {"mine": data or {"source": "digits"}},
        "archs": {"net": {"family": "module", "block": 2, "training": training, **arch}},
        "grid": [{"datasets": ["mine"], "archs": ["net"], "pruners": ["MP", "GP"], "sparsities": [0.5]}],
        **changes,
    })  # fmt: skip


def test_images_from_plan_to_pruned_predictions(tmp_path: Path) -> None:
    own = study({"name": "images", "settings": {"width": 6}})
    network = make_plan(own, layers=True)["networks"][0]
    kernel = {"net.conv.weight": [6, 1, 3, 3]}
    assert (network["layers"], network["classifier"]) == (kernel, "net.out")
    assert network["n_parameters"] == 6 * 9 + 6 + 12 + 24 * 10 + 10
    found = run_jobs(own, tmp_path)
    for name in ("MP", "GP"):
        models = json.loads((found[f"{name}-sparsity-500permille"] / "metrics.json").read_text())["models"]
        assert [model["sparsity"] for model in models] == [0.5, 0.5]
    # Seeds draw their own weights.
    first, other = (build(own.archs["net"], Shape(10, image=(1, 8, 8)), seed) for seed in (0, 1))
    assert not prunable(first)["net.conv.weight"].equal(prunable(other)["net.conv.weight"])


def test_texts_from_plan_to_pruned_predictions(tmp_path: Path) -> None:
    rows = [{"text": f"{'good' if n % 2 else 'bad'} film number {n % 7}", "label": n % 2} for n in range(80)]
    (tmp_path / "a.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    data = {"source": "table", "path": str(tmp_path / "a.jsonl"), "text": "text", "max_tokens": 8}
    own = study({"name": "words", "input": "text", "vocabulary": 70}, data)
    assert set(make_plan(own, layers=True)["networks"][0]["layers"]) == {
        "net.mix.weight_ih_l0",
        "net.mix.weight_hh_l0",
    }
    found = run_jobs(own, tmp_path)
    metrics = json.loads((found["GP-sparsity-500permille"] / "metrics.json").read_text())
    assert [model["sparsity"] for model in metrics["models"]] == pytest.approx([0.5, 0.5], abs=0.01)


def test_names_say_what_is_prunable() -> None:
    for prunables, expected in (
        ({"never": ["net.conv.*"], "also": ["net.out.weight"]}, {"net.out.weight"}),
        ({"also": ["*.bias"], "never": ["net.norm.*"]}, {"net.conv.weight", "net.conv.bias", "net.out.bias"}),
    ):
        own = study({"name": "images", "prunable": prunables})
        assert set(make_plan(own, layers=True)["networks"][0]["layers"]) == expected
    with pytest.raises(
        UserError, match=r"no weight is called 'net.gone.\*'; `prunescope plan --layers` lists them"
    ):
        make_plan(study({"name": "images", "prunable": {"never": ["net.gone.*"]}}))


@pytest.mark.parametrize(
    ("arch", "said"),
    [
        (
            {"name": "image"},
            r"no installed package has a module 'image' \(did you mean 'images'\?\); there are",
        ),
        ({"name": "function"}, "my_nets:function is no torch.nn.Module class"),
        ({"name": "gone"}, "my_nets:Gone cannot be loaded"),
        ({"name": "images", "settings": {"widht": 3}}, r"takes no 'widht' \(did you mean 'width'\?\)"),
        (
            {"name": "images", "settings": {"width": -1}},
            "images: cannot be made with classes, channels, width",
        ),
        (
            {"name": "images", "classifier": "last"},
            "has no layer 'last'; name the last layer with `classifier`",
        ),
        ({"name": "flat"}, r"flat: fails on an image of \(1, 8, 8\)"),
        (
            {"name": "two"},
            r"answers one example with shape \(1, 10, 8, 8\), not \(1, 10\): a number for each class",
        ),
    ],
)
def test_what_is_no_model_is_refused_by_the_plan(arch: dict[str, Any], said: str) -> None:
    with pytest.raises(UserError, match=said):
        make_plan(study(arch))


def test_pruners_that_do_not_fit_are_refused() -> None:
    grid = [{"datasets": ["mine"], "archs": ["net"], "pruners": ["CHIP"], "ratios": [2]}]
    with pytest.raises(UserError, match="'CHIP' removes filters, which arch 'net' does not have"):
        study({"name": "images"}, grid=grid)
