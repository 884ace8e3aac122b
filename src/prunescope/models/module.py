"""Models of installed packages: a class of ``torch.nn.Module`` as it is, whose parts are found by structure."""

from __future__ import annotations

import inspect
from functools import cache
from typing import Any

import torch
from torch import Tensor, nn

from prunescope.config import architectures
from prunescope.config.plugins import load_plugin, plugins
from prunescope.errors import UserError, listed, nearest
from prunescope.models.measure import Measured, last_linear, layers_of, measured
from prunescope.models.shape import Shape


def build(arch: architectures.Module, shape: Shape) -> Wrapped:
    return Wrapped(arch, shape)


def measured_on(arch: architectures.Module, facts: architectures.Facts, per_token: bool = False) -> Measured:
    """What a plan needs of the model, by a forward pass of one example.

    Raises:
        UserError: the class cannot be made or run, or its answer is not a number for each class.
    """
    settings = arch.model_dump_json(exclude={"training", "block", "start"})
    return _measured(settings, max(1, facts.classes), facts.image, facts.tokens)


@cache
def _measured(settings: str, classes: int, image: tuple[int, int, int] | None, tokens: int) -> Measured:
    arch = architectures.Module.model_validate_json(settings)
    shape = Shape(classes=classes, image=image, vocabulary=arch.vocabulary_size, length=max(2, tokens))
    with torch.random.fork_rng(devices=[]):
        model = Wrapped(arch, shape)
        example = (
            torch.zeros(1, *shape.image) if shape.image else torch.ones(1, shape.length, dtype=torch.long)
        )
        try:
            found = measured(model, example)
        except Exception as error:
            reason = " ".join(str(error).split())[:200]
            given = (
                f"an image of {tuple(example.shape[1:])}" if shape.image else f"{example.shape[1]} token ids"
            )
            raise UserError(
                f"name: {arch.name}: fails on {given} ({type(error).__name__}: {reason})"
            ) from None
    if found.answer != (1, shape.classes):
        raise UserError(
            f"name: {arch.name}: answers one example with shape {found.answer}, not {(1, shape.classes)}: a number for "
            "each class"
        )
    return found


def network_class(name: str) -> type[nn.Module]:
    """The class that an entry point ``prunescope.modules`` names.

    Raises:
        UserError: there is none of this name, or it is no ``nn.Module``.
    """
    known = plugins("modules")
    if name not in known:
        raise UserError(
            f"name: no installed package has a module {name!r}{nearest(name, known)}; there are "
            f"{listed(known) or 'none'}; "
            'name it in its pyproject.toml below [project.entry-points."prunescope.modules"] and install it'
        )
    found = load_plugin("modules", name)
    if not (isinstance(found, type) and issubclass(found, nn.Module)):
        raise UserError(
            f"name: {name}: the installed package's {known[name].value} is no torch.nn.Module class"
        )
    return found


class Wrapped(nn.Module):
    """The package's network with what its class asks for by name.

    Input (B, channels, height, width) float, or (B, L) int64 token ids; output logits (B, classes). Of ``classes`` (or
    ``num_classes``), ``image``, ``channels``, ``height``, ``width``, ``vocabulary`` (or ``vocab_size``), ``length`` and
    ``pad`` the class is given those that it has parameters for and that ``settings`` leaves out. A parameter
    ``attention_mask`` of ``forward`` is given 1 where there is a token.
    """

    def __init__(self, arch: architectures.Module, shape: Shape) -> None:
        super().__init__()
        kind = network_class(arch.name)
        image = shape.image or (0, 0, 0)
        offered: dict[str, Any] = {"classes": shape.classes, "num_classes": shape.classes}
        if shape.image is not None:
            offered |= {"image": image, "channels": image[0], "height": image[1], "width": image[2]}
        else:
            offered |= {"vocabulary": shape.vocabulary, "vocab_size": shape.vocabulary, "pad": shape.pad}
            offered["length"] = shape.length
        takes = inspect.signature(kind).parameters
        rest = any(one.kind is inspect.Parameter.VAR_KEYWORD for one in takes.values())
        unknown = [name for name in arch.settings if name not in takes and not rest]
        if unknown:
            near = nearest(unknown[0], takes)
            raise UserError(f"settings: {arch.name} takes no {unknown[0]!r}{near}; it takes {listed(takes)}")
        given = {name: value for name, value in offered.items() if name in takes} | arch.settings
        try:
            self.net = kind(**given)
        except Exception as error:
            reason = " ".join(str(error).split())[:200]
            with_ = listed(given) or "no arguments"
            raise UserError(
                f"name: {arch.name}: cannot be made with {with_} ({type(error).__name__}: {reason})"
            ) from None
        last = arch.classifier or last_linear(self.net, shape.classes)
        if not last or last not in dict(self.net.named_modules()):
            what = (
                f"no layer {last!r}"
                if last
                else f"no linear layer with {shape.classes} outputs, one for each class"
            )
            raise UserError(f"name: {arch.name}: has {what}; name the last layer with `classifier`")
        self.final_layer = f"net.{last}"
        self.pad = shape.pad
        self.masked = (
            shape.image is None and "attention_mask" in inspect.signature(self.net.forward).parameters
        )

    @property
    def prunable_layers(self) -> tuple[nn.Module, ...]:
        return layers_of(self)

    def forward(self, inputs: Tensor) -> Tensor:
        output = (
            self.net(inputs, attention_mask=(inputs != self.pad).long()) if self.masked else self.net(inputs)
        )
        output = getattr(output, "logits", output)
        logits: Tensor = output[0] if isinstance(output, tuple) else output
        return logits
