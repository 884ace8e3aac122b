"""Models from settings, and which of their weights may be pruned.

What is special about an architecture is in the module that its settings name (``Architecture.module``).
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

import torch
from torch import nn

from prunescope.config.architectures import Arch
from prunescope.models.shape import Shape
from prunescope.seeds import stream


def build(arch: Arch, shape: Shape, seed: int) -> nn.Module:
    """A freshly initialized model; the seed's stream ``init`` decides its weights.

    On the CPU, so that a seed means the same model on every device. The global random state is
    left as it was.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(stream(seed, "init"))
        model: nn.Module = import_module(arch.module).build(arch, shape)
        return model


def counted(arch: Arch, shape: Shape) -> tuple[nn.Module, str | None]:
    """A model to count, with meaningless weights; and what its sizes rest on if its checkpoint is not at hand."""
    own = getattr(import_module(arch.module), "counted", None)
    if own is None:
        return build(arch, shape, 0), None
    found: tuple[nn.Module, str | None] = own(arch, shape)
    return found


def check(arch: Arch) -> None:
    """Refuse to start with sizes that the study leaves to a checkpoint and that are others; it may be fetched.

    Raises:
        UserError: it is not there, or sizes are others than assumed.
    """
    import_module(arch.module).check(arch)


def fetch(arch: Arch) -> Any:
    """The configuration of a checkpoint, once it and its tokenizer are in the hub's cache or found in a folder.

    Raises:
        UserError: it is not there, or does not suit the arch.
    """
    return import_module(arch.module).fetch(arch)


def prunable(model: nn.Module) -> dict[str, nn.Parameter]:
    """The prunable weights by name, in the model's order.

    Weight matrices (and convolution kernels) of all layers but embeddings, biases, normalization and
    the final classifier (PIE paper, appendix A.3; recall paper, after ShrinkBench). Every LSTM
    weight matrix, of each direction and layer, input and recurrent, is a layer of its own. Nor those of the
    modules that the model names in ``not_prunable``, if it does; with ``prunable_layers``, those of these alone.
    """
    embeddings = {id(module.weight) for module in model.modules() if isinstance(module, nn.Embedding)}
    final_layer = model.get_submodule(str(model.final_layer))
    apart = [final_layer, *(model.get_submodule(name) for name in getattr(model, "not_prunable", ()))]
    excluded = embeddings | {id(parameter) for module in apart for parameter in module.parameters()}
    layers = getattr(model, "prunable_layers", None)
    kept = (
        None
        if layers is None
        else {id(weight) for layer in layers for weight in layer.parameters(recurse=False)}
    )
    return {
        name: parameter
        for name, parameter in model.named_parameters()
        if parameter.dim() > 1 and id(parameter) not in excluded and (kept is None or id(parameter) in kept)
    }


def count_parameters(model: nn.Module) -> int:
    """All trainable parameters; fixed word vectors are not among them."""
    return sum(parameter.numel() for parameter in model.parameters())
