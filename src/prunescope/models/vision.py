"""Classification models of torchvision, whose parts are found by structure."""

from __future__ import annotations

import pickle
from functools import cache
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from prunescope.config import architectures
from prunescope.config.checkpoints import CONVERT
from prunescope.data.vision import prepare_torchvision
from prunescope.errors import UserError, listed, nearest
from prunescope.files import expanded
from prunescope.models.measure import Measured, last_linear, layers_of, measured_image, on_meta
from prunescope.models.shape import Shape

#: Sides that small images are scaled to: most of these models halve images five times.
_LEAST = 64


def build(arch: architectures.Torchvision, shape: Shape) -> Vision:
    if shape.image is None:
        raise ValueError("torchvision's models need the shape of their images")
    return Vision(arch.model, arch.side, shape.image, shape.classes, arch.weights)


def counted(arch: architectures.Torchvision, shape: Shape) -> tuple[nn.Module, None]:
    """The model without its weights, which need not be at hand."""
    assert shape.image is not None
    return Vision(arch.model, arch.side, shape.image, shape.classes, None), None


def fetch(arch: architectures.Torchvision) -> None:
    """Download torchvision's own weights into its cache.

    Raises:
        UserError: the model is unknown, or they cannot be downloaded.
    """
    _state(arch.model, arch.weights or "DEFAULT")


class Vision(nn.Module):
    """A model of torchvision as this study's images and classes need it.

    Input (B, channels, height, width) float; output logits (B, classes). Grey images fill all three channels; images
    are scaled to the side that the model takes.
    """

    def __init__(
        self, name: str, side: int | None, image: tuple[int, int, int], classes: int, weights: str | None
    ) -> None:
        super().__init__()
        models = _models()
        known = models.list_models(module=models)
        if name not in known:
            raise UserError(f"model: torchvision has no classification model {name!r}{nearest(name, known)}")
        further: dict[str, Any] = {}
        if name in ("googlenet", "inception_v3"):
            further = {"aux_logits": False, "init_weights": True}
        if name.startswith("vit_") and side is not None:
            further["image_size"] = side
        if name.startswith("maxvit"):
            side = side or 224
            further["input_size"] = (side, side)
        try:
            self.net = models.get_model(name, weights=None, num_classes=classes, **further)
        except (ValueError, AssertionError, TypeError) as error:
            reason = " ".join(str(error).split())[:200]
            raise UserError(f"model: {name} cannot be made ({reason}); set another `side`") from None
        own = getattr(self.net, "image_size", None)
        smallest = 75 if name == "inception_v3" else _LEAST
        wanted = own or side or (None if min(image[1:]) >= smallest else smallest)
        self.side: int | None = wanted
        last = last_linear(self.net, classes)
        if not last:
            raise UserError(
                f"model: {name} has no last layer with an output for each class; choose another one"
            )
        self.final_layer = f"net.{last}"
        if weights is not None:
            self._load(name, weights, last)

    def _load(self, name: str, weights: str, last: str) -> None:
        state = _state(name, weights)
        here = self.net.state_dict()
        # The classifier of other classes is of no use; nor are auxiliary ones.
        kept = {
            key: value
            for key, value in state.items()
            if key in here and (here[key].shape == value.shape or not key.startswith(f"{last}."))
        }
        missing = [key for key in here if key not in kept and not key.startswith(f"{last}.")]
        wrong = [key for key, value in kept.items() if here[key].shape != value.shape]
        if missing or wrong:
            raise UserError(
                f"weights: {weights}: not of the model {name}: missing or of another shape: "
                f"{listed((*missing, *wrong), 3)}"
            )
        self.net.load_state_dict(kept, strict=False)

    @property
    def prunable_layers(self) -> tuple[nn.Module, ...]:
        return layers_of(self)

    def forward(self, images: Tensor) -> Tensor:
        if images.shape[1] == 1:
            images = images.expand(-1, 3, -1, -1)
        if self.side is not None and images.shape[2:] != (self.side, self.side):
            images = nn.functional.interpolate(
                images, size=(self.side, self.side), mode="bilinear", align_corners=False
            )
        logits: Tensor = self.net(images)
        return logits


def _models() -> Any:
    prepare_torchvision()
    try:
        from torchvision import models
    except ImportError:
        raise UserError("torchvision: not installed; pip install 'prunescope[train]'") from None
    return models


def _state(name: str, weights: str) -> dict[str, Tensor]:
    """The tensors of ``weights`` by name.

    Raises:
        UserError: they cannot be read or downloaded.
    """
    if weights == "DEFAULT":
        try:
            found: dict[str, Tensor] = (
                _models().get_model_weights(name).DEFAULT.get_state_dict(check_hash=True)
            )
        except Exception as error:
            reason = " ".join(str(error).split())[:200]
            raise UserError(
                f"weights: those of {name} cannot be downloaded ({type(error).__name__}: {reason}); check the network, "
                "or name a file"
            ) from None
        return found
    path = expanded(weights)
    try:
        if Path(path).suffix == ".safetensors":
            from safetensors.torch import load_file

            return dict(load_file(path))
        raw = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:
        reason = " ".join(str(error).split())
        if isinstance(error, pickle.UnpicklingError) and "GLOBAL" in reason.upper():
            raise UserError(
                f"weights: {path}: a pickle of more than tensors, which runs what it holds when it is read; "
                + CONVERT.format(file=Path(path).name)
            ) from None
        raise UserError(f"weights: {path}: cannot be read ({type(error).__name__}: {reason[:200]})") from None
    for key in ("state_dict", "model"):
        raw = raw.get(key, raw) if isinstance(raw, dict) else raw
    if not isinstance(raw, dict) or not all(isinstance(value, Tensor) for value in raw.values()):
        raise UserError(f"weights: {path}: holds no tensors by name; write `model.state_dict()` into it")
    return {key.removeprefix("module."): value for key, value in raw.items()}


def measured_on(
    arch: architectures.Torchvision, facts: architectures.Facts, per_token: bool = False
) -> Measured:
    """What a plan needs of the model, by a forward pass of shapes without numbers."""
    return _measured(arch.model, arch.side, facts.image or (3, _LEAST, _LEAST), max(1, facts.classes))


@cache
def _measured(name: str, side: int | None, image: tuple[int, int, int], classes: int) -> Measured:
    model = on_meta(lambda: Vision(name, side, image, classes, None))
    return measured_image(model, image)
