"""Models from settings, and which of their weights may be pruned.

What is special about an architecture is in the module that its settings name (``Architecture.module``).
"""

from __future__ import annotations

from fnmatch import fnmatchcase
from importlib import import_module
from typing import Any

import torch
from torch import nn

from prunescope.config.architectures import PRESETS, Arch, Prunable
from prunescope.errors import UserError
from prunescope.models.shape import Shape
from prunescope.seeds import stream


def build(arch: Arch, shape: Shape, seed: int) -> nn.Module:
    """A freshly initialized model; the seed's stream ``init`` decides its weights.

    On the CPU, so that a seed means the same model on every device. The global random state is
    left as it was.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(stream(seed, "init"))
        return _with_setting(import_module(arch.module).build(arch, shape), arch)


def counted(arch: Arch, shape: Shape) -> tuple[nn.Module, str | None]:
    """A model to count, with meaningless weights; and what its sizes rest on if its checkpoint is not at hand."""
    own = getattr(import_module(arch.module), "counted", None)
    if own is None:
        return build(arch, shape, 0), None
    model, assumed = own(arch, shape)
    return _with_setting(model, arch), assumed


#: Where a model has its architecture's ``prunable``.
_SETTING = "prunable_setting"


def _with_setting(model: nn.Module, arch: Arch) -> nn.Module:
    setattr(model, _SETTING, arch.prunable)
    return model


def kernels(arch: Arch, device: torch.device, precision: str = "float32") -> str:
    """What the arch computes with on a device: ``torch``, or ``compiled`` where functions of its own are."""
    own = getattr(import_module(arch.module), "kernels", None)
    found: str = own(precision) if own is not None and device.type == "cpu" else "torch"
    return found


def check(arch: Arch) -> None:
    """Refuse to start with sizes that the study leaves to a checkpoint and that are others; it may be fetched.

    Raises:
        UserError: it is not there, or sizes are others than assumed.
    """
    import_module(arch.module).check(arch)


def fetch(arch: Arch) -> Any:
    """The configuration of a checkpoint, once it and its tokenizer are in the hub's cache or found in a folder.

    None of word vectors, once they are in the cache.

    Raises:
        UserError: it is not there, or does not suit the arch.
    """
    return import_module(arch.module).fetch(arch)


def prunable(model: nn.Module) -> dict[str, nn.Parameter]:
    """The prunable parameters by name, in the model's order: those whose kinds all are, as its settings say.

    Weight matrices and convolution kernels of the layers always are; other kinds by ``Architecture.prunable``, which
    ``build`` leaves in the model (a model without it: ``matrices``), which may also name some. Every LSTM weight
    matrix, of each direction and layer, input and recurrent, is a layer of its own. Nothing is of the modules that the
    model names in ``not_prunable``, if it does.

    Raises:
        UserError: the settings name a weight that the model does not have.
    """
    setting: Prunable = getattr(model, _SETTING, PRESETS["matrices"])

    def chosen(name: str) -> bool:
        if any(fnmatchcase(name, pattern) for pattern in setting.never):
            return False
        if any(fnmatchcase(name, pattern) for pattern in setting.also):
            return True
        apart = getattr(model, "not_prunable", ())
        return all(getattr(setting, kind) for kind in _kinds(model, name)) and not any(
            name.startswith(f"{one}.") for one in apart
        )

    for pattern in (*setting.never, *setting.also):
        if not any(fnmatchcase(name, pattern) for name, _ in model.named_parameters()):
            raise UserError(
                f"prunable: no weight is called {pattern!r}; `prunescope plan --layers` lists them"
            )
    return {name: parameter for name, parameter in model.named_parameters() if chosen(name)}


def never_pruned(model: nn.Module) -> dict[str, str]:
    """By name, what the other parameters are: ``embeddings``, ``biases, normalization``, ...; ``by name`` where the
    settings name them."""
    chosen = prunable(model)
    return {
        name: ", ".join(sorted(_kinds(model, name))) or "by name"
        for name, _ in model.named_parameters()
        if name not in chosen
    }


def tied(model: nn.Module) -> list[list[str]]:
    """Names of parameters that are one tensor."""
    names: dict[int, list[str]] = {}
    for name, parameter in model.named_parameters(remove_duplicate=False):
        names.setdefault(id(parameter), []).append(name)
    return [alike for alike in names.values() if len(alike) > 1]


def matrices(model: nn.Module) -> dict[str, nn.Parameter]:
    """Weight matrices and kernels by name, whether prunable or not; not embeddings' and the classifier's."""
    return {name: p for name, p in model.named_parameters() if _kinds(model, name) <= {"pooler"}}


def _kinds(model: nn.Module, name: str) -> set[str]:
    """Of which of the kinds of ``Prunable`` a parameter is; of none: a matrix or kernel of a layer."""
    owner_name, _, own_name = name.rpartition(".")
    owner, parameter = model.get_submodule(owner_name), model.get_parameter(name)
    # Normalization of any class: none of its parameters has two dimensions.
    normalizes = all(one.dim() <= 1 for one in owner.parameters(recurse=False))
    found = set()
    if own_name.startswith("bias") or own_name.endswith("bias"):
        found.add("biases")
    if normalizes:
        found.add("normalization")
    tables = isinstance(owner, nn.Embedding) or type(owner).__name__.endswith("Embedding")
    if tables or (normalizes and _holds_tables(model, owner_name)):
        found.add("embeddings")
    if "pooler" in owner_name.split("."):
        found.add("pooler")
    layers = getattr(model, "prunable_layers", None)
    if layers is not None and parameter.dim() > 1 and all(owner is not layer for layer in layers):
        # A parameter beside the layers that a model of another library names: a class token, positions, a scale.
        found.add("embeddings")
    final_layer = model.get_submodule(str(model.final_layer))
    if any(parameter is one for one in final_layer.parameters()):
        found.add("classifier")
    return found


def _holds_tables(model: nn.Module, normalization: str) -> bool:
    """Whether a normalization stands beside the embedding tables, rather than beside the layers too."""
    siblings = list(model.get_submodule(normalization.rpartition(".")[0]).children())
    return any(isinstance(one, nn.Embedding) for one in siblings) and not any(
        isinstance(one, nn.ModuleList) for one in siblings
    )


def count_parameters(model: nn.Module) -> int:
    """All trainable parameters; fixed word vectors are not among them."""
    return sum(parameter.numel() for parameter in model.parameters())
