"""Models of torchvision: their parts are found by structure."""

from __future__ import annotations

import json
import re
from math import prod
from pathlib import Path
from typing import Any

import pytest
import torch
from pydantic import TypeAdapter
from safetensors.torch import save_file
from torch import nn

from prunescope.cli import main
from prunescope.config.architectures import Arch
from prunescope.config.datasets import Declared
from prunescope.config.load import study_from
from prunescope.errors import UserError
from prunescope.models.registry import build, count_parameters, counted, prunable
from prunescope.models.shape import Shape
from prunescope.planning.plan import make_plan
from prunescope.planning.text import plan_text


def arch(model: str, **settings: Any) -> Any:
    return TypeAdapter(Arch).validate_python({"family": "torchvision", "model": model, **settings})


def counted_on_meta(model: str, image: tuple[int, int, int] = (3, 64, 64), **settings: Any) -> nn.Module:
    with torch.device("meta"):
        return counted(arch(model, **settings), Shape(classes=7, image=image))[0]


#: Parameters of the published models of 1,000 classes (torchvision's own tables), and inputs of the classifier.
PUBLISHED = {
    "resnet18": (11_689_512, 512),
    "resnet50": (25_557_032, 2048),
    "mobilenet_v3_small": (2_542_856, 1024),
    "convnext_tiny": (28_589_128, 768),
    "vit_b_16": (86_567_656, 768),
    "squeezenet1_1": (1_235_496, 512),
    "efficientnet_b0": (5_288_548, 1280),
    "densenet121": (7_978_856, 1024),
}


@pytest.mark.parametrize("name", PUBLISHED)
def test_counts_are_those_of_the_published_models(name: str) -> None:
    published, width = PUBLISHED[name]
    model = counted_on_meta(name)
    assert count_parameters(model) == published - (1000 - 7) * (width + 1)
    weights = prunable(model)
    final = model.get_submodule(str(model.final_layer))
    assert not {id(weight) for weight in weights.values()} & {id(weight) for weight in final.parameters()}
    assert not any(
        word in key for key in weights for word in ("class_token", "pos_embedding", "layer_scale", "bn")
    )


@pytest.mark.parametrize("name", ["resnet18", "convnext_tiny", "vit_b_16"])
def test_every_matrix_and_kernel_is_prunable(name: str) -> None:
    """By an independent count: what torch's layers hold, but for the classifier."""
    model = counted_on_meta(name)
    kinds = (nn.Linear, nn.Conv2d)
    expected = sum(
        module.weight.numel()
        for layer, module in model.named_modules()
        if isinstance(module, kinds) and layer != model.final_layer
    )
    expected += sum(m.in_proj_weight.numel() for m in model.modules() if isinstance(m, nn.MultiheadAttention))
    assert sum(weight.numel() for weight in prunable(model).values()) == expected


def test_a_plan_counts_the_operations_of_a_known_model() -> None:
    """ResNet-18 at 224 x 224: 1.81 billion multiply-adds (torchvision's table), of two operations each."""
    spec, facts = arch("resnet18"), Declared(1000, 1, 1, 1, image=(3, 224, 224))
    assert spec.forward_flops(facts, {}) / 2 == pytest.approx(1.814e9 - 512 * 1000, rel=0.01)
    assert spec.parameters(facts) == 11_689_512
    assert sum(spec.sizes(facts).values()) == sum(
        w.numel() for w in prunable(counted_on_meta("resnet18")).values()
    )


@pytest.mark.parametrize(
    "name", ["regnet_x_400mf", "maxvit_t", "swin_t", "vgg11", "inception_v3", "googlenet"]
)
def test_models_with_sizes_of_their_own(name: str) -> None:
    """RegNet computes its widths with tensors, MaxViT parts an image of one size, Inception halves it often."""
    spec, facts = arch(name), Declared(3, 1, 1, 1, image=(1, 28, 28))
    weights = prunable(
        counted_on_meta(name) if name != "regnet_x_400mf" else build(spec, Shape(7, (1, 28, 28)), 0)
    )
    assert spec.sizes(facts) == {key: weight.numel() for key, weight in weights.items()}
    assert spec.forward_flops(facts, {}) > 0


def test_a_side_that_a_model_does_not_take_is_refused() -> None:
    with pytest.raises(UserError, match=r"maxvit_t cannot be made .*; set another `side`"):
        arch("maxvit_t", side=100).parameters(Declared(3, 1, 1, 1, image=(3, 64, 64)))


@pytest.mark.parametrize("image", [(3, 64, 64), (1, 8, 8), (3, 40, 30)])
def test_images_of_every_size_get_logits(image: tuple[int, int, int]) -> None:
    model = build(arch("mobilenet_v3_small"), Shape(classes=3, image=image), 0).eval()
    with torch.no_grad():
        assert model(torch.rand(2, *image)).shape == (2, 3)


def test_a_seed_means_a_model() -> None:
    shape = Shape(classes=3, image=(3, 64, 64))
    first, again, other = (build(arch("squeezenet1_1"), shape, seed).state_dict() for seed in (0, 0, 1))
    assert all(torch.equal(first[key], again[key]) for key in first)
    assert not all(torch.equal(first[key], other[key]) for key in first)


@pytest.mark.parametrize("ending", ["safetensors", "pth"])
def test_weights_of_a_file_but_for_another_classifier(tmp_path: Path, ending: str) -> None:
    given = build(arch("squeezenet1_1"), Shape(classes=5, image=(3, 64, 64)), 3)
    state = {key.removeprefix("net."): value for key, value in given.state_dict().items()}
    path = tmp_path / f"w.{ending}"
    if ending == "pth":
        torch.save({"state_dict": state}, path)
    else:
        save_file(state, path)
    model = build(arch("squeezenet1_1", weights=str(path)), Shape(classes=3, image=(3, 64, 64)), 0)
    for key, value in model.state_dict().items():
        if not key.startswith(model.final_layer):
            assert torch.equal(value, given.state_dict()[key])
    with pytest.raises(UserError, match="not of the model resnet18"):
        build(arch("resnet18", weights=str(path)), Shape(classes=3, image=(3, 64, 64)), 0)


def test_what_is_no_such_model_is_refused(tmp_path: Path) -> None:
    with pytest.raises(
        UserError, match=r"no classification model 'resnet19' \(did you mean 'resnet1(8|01)'\?\)"
    ):
        counted_on_meta("resnet19")
    (tmp_path / "w.pth").write_bytes(b"no tensors")
    with pytest.raises(UserError, match=r"w\.pth: cannot be read"):
        build(arch("resnet18", weights=str(tmp_path / "w.pth")), Shape(classes=3, image=(3, 64, 64)), 0)


def test_a_plan_lists_the_prunable_weights() -> None:
    study = study_from({
        "name": "x",
        "seeds": [0],
        "datasets": {"digits": {"source": "digits"}},
        "archs": {"net": {"family": "torchvision", "model": "squeezenet1_1"}},
        "grid": [{"datasets": ["digits"], "archs": ["net"], "pruners": ["MP"], "sparsities": [0.5]}],
    })  # fmt: skip
    plan = make_plan(study, layers=True)
    (network,) = plan["networks"]
    assert network["layers"]["net.features.0.weight"] == [64, 3, 3, 3]
    assert network["classifier"] == "net.classifier.1"
    assert sum(prod(shape) for shape in network["layers"].values()) == network["n_prunable"]
    text = plan_text(plan)
    assert "net.features.0.weight" in text
    assert "never pruned (the classifier is net.classifier.1)" in text
    assert "layers" not in make_plan(study)["networks"][0]


def test_a_pickle_of_more_than_tensors_comes_with_what_converts_it(tmp_path: Path) -> None:
    class Evil:
        def __reduce__(self):  # type: ignore[no-untyped-def]
            return (Path.touch, (tmp_path / "ran",))

    torch.save({"w": Evil()}, tmp_path / "w.pth")
    with pytest.raises(UserError, match=r"w\.pth: a pickle .*save_file") as caught:
        build(arch("resnet18", weights=str(tmp_path / "w.pth")), Shape(classes=3, image=(3, 64, 64)), 0)
    assert "{k: v.clone()" in str(caught.value)
    assert not (tmp_path / "ran").exists()


def test_folders_of_pickles_alone_are_refused(tmp_path: Path) -> None:
    from prunescope.config.checkpoints import refuse_pickled

    (tmp_path / "training_args.bin").touch()
    refuse_pickled(tmp_path)
    (tmp_path / "pytorch_model.bin").touch()
    with pytest.raises(UserError, match=r"pytorch_model\.bin: a pickled checkpoint"):
        refuse_pickled(tmp_path)
    (tmp_path / "model.safetensors").touch()
    refuse_pickled(tmp_path)


def test_nothing_is_fetched_for_a_name_that_is_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from prunescope.config.checkpoints import checkpoint_folder

    monkeypatch.chdir(tmp_path)
    assert checkpoint_folder("vit") is None
    (tmp_path / "vit").mkdir()
    with pytest.raises(
        UserError, match=r"^checkpoint: vit: a name on the hub, but here is a folder .* \./vit"
    ):
        checkpoint_folder("vit", "checkpoint")


@pytest.mark.parametrize(
    ("net", "said"),
    [
        (
            {"family": "transformers", "checkpoint": "./vitt"},
            r"archs\.net\.checkpoint: vitt: no such file or folder \(did you mean 'vit'\?\)",
        ),
        ({"family": "transformers", "checkpoint": "vit"}, r"a name on the hub, .* write \./vit to mean it"),
        (
            {"family": "transformers", "checkpoint": "of/hub"},
            r"grid\.0: what arch 'net' takes .* `reads: image`",
        ),
        (
            {"family": "transformers", "checkpoint": "./vit"},
            r"\.checkpoint: vit/pytorch_model\.bin: a pickled",
        ),
        (
            {"family": "transformers", "checkpoint": "./bare"},
            r"archs\.net\.checkpoint: bare: has no config\.json",
        ),
        (
            {"family": "transformers", "checkpoint": "./w.pth"},
            r"\.checkpoint: w\.pth: a file; give the folder",
        ),
        (
            {"family": "torchvision", "model": "resnet18", "weights": "w.pt"},
            r"archs\.net\.weights: w\.pt: no such file or folder \(did you mean 'w\.pth'\?\)",
        ),
        (
            {"family": "torchvision", "model": "resnet18", "weights": "w.pth"},
            r"archs\.net\.weights: w\.pth: not of the model resnet18",
        ),
    ],
)
def test_a_plan_says_what_is_wrong_with_a_checkpoint_of_images(
    net: dict[str, Any],
    said: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """The line names setting, path and what is there instead; the data is not blamed."""
    monkeypatch.chdir(tmp_path)
    for folder in ("vit", "bare"):
        Path(folder).mkdir()
    Path("vit/config.json").write_text('{"model_type": "vit", "image_size": 32}')
    torch.save({"w": torch.zeros(1)}, "vit/pytorch_model.bin")
    torch.save({"w": torch.zeros(1)}, "w.pth")
    study = {
        "name": "digits",
        "seeds": [0],
        "datasets": {"digits": {"source": "sklearn", "name": "digits"}},
        "archs": {"net": net | {"training": {"lr": 0.1, "epochs": 1, "batch_size": 64}}},
        "grid": [{"datasets": ["digits"], "archs": ["net"]}],
    }
    Path("study.yaml").write_text(json.dumps(study))
    assert main(["plan"]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert re.search(said, line), line
