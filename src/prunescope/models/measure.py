"""What a plan needs of a model whose layers only its code knows, by one forward pass."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

import torch
from torch import Tensor, nn

from prunescope.errors import UserError
from prunescope.models.registry import count_parameters, prunable

T = TypeVar("T")


@dataclass(frozen=True)
class Measured:
    """``shapes`` and ``uses`` (of one example) of the prunable weights; ``parameters`` of all; ``outputs``: numbers
    that the layers leave in a forward pass of one example; ``answer``: shape of what it gives for one.
    """

    shapes: dict[str, tuple[int, ...]]
    uses: dict[str, int]
    parameters: int
    outputs: int
    answer: tuple[int, ...]


def measured_image(model: nn.Module, image: tuple[int, int, int]) -> Measured:
    """``measured`` by an image (channels, height, width)."""
    return measured(model, torch.empty(1, *image, device=next(model.parameters()).device))


def measured(model: nn.Module, example: Tensor) -> Measured:
    """Measure a model by a batch of one, both on the meta device or both not.

    Raises:
        UserError: it takes no such example.
    """
    outputs: dict[str, int] = {}
    places: dict[str, int] = {}

    def note(layer: str) -> Any:
        def hook(module: nn.Module, _: Any, output: Any) -> None:
            output = output[0] if isinstance(output, tuple) else output
            if not isinstance(output, Tensor) or not output.dim():
                return
            outputs[layer] = output.numel()
            channels = output.shape[1] if isinstance(module, nn.Conv2d) else output.shape[-1]
            places[layer] = output.numel() // max(1, channels)

        return hook

    hooks = [
        module.register_forward_hook(note(layer))
        for layer, module in model.named_modules()
        if not list(module.children()) or isinstance(module, nn.MultiheadAttention)
    ]
    try:
        with torch.no_grad():
            answer = model.eval()(example)
    except (RuntimeError, ValueError, AssertionError) as error:
        shape = " x ".join(map(str, example.shape[1:]))
        reason = " ".join(str(error).split())[:200]
        raise UserError(
            f"the model takes no examples of {shape} ({type(error).__name__}: {reason}); set `side`, or `size` of the "
            "data set"
        ) from None
    for hook in hooks:
        hook.remove()
    weights = prunable(model)
    owners = {key: key.rpartition(".")[0] for key in weights}
    return Measured(
        {key: tuple(weight.shape) for key, weight in weights.items()},
        {key: places.get(owner, places.get(owner.rpartition(".")[0], 1)) for key, owner in owners.items()},
        count_parameters(model),
        sum(outputs.values()),
        tuple(answer.shape),
    )


def on_meta(make: Callable[[], T]) -> T:
    """What ``make`` makes, on the meta device: no memory for weights that are only counted; else on the CPU."""
    try:
        with torch.device("meta"):
            return make()
    except NotImplementedError:
        # It computes its sizes with tensors, as RegNet does.
        return make()


def last_linear(net: nn.Module, outputs: int) -> str:
    """The name of the last linear layer, or kernel, with so many outputs; empty where there is none."""
    found = ""
    for name, module in net.named_modules():
        linear = isinstance(module, nn.Linear) and module.out_features == outputs
        # SqueezeNet's is a kernel.
        if linear or (isinstance(module, nn.Conv2d) and module.out_channels == outputs):
            found = name
    return found


#: Layers whose weights are matrices or kernels. Tokens, positions and scales are parameters of other modules.
LAYERS = (
    *(nn.Linear, nn.Conv1d, nn.Conv2d, nn.Conv3d, nn.MultiheadAttention),
    *(nn.LSTM, nn.GRU, nn.RNN, nn.Bilinear),
)


def layers_of(model: nn.Module) -> tuple[nn.Module, ...]:
    """The modules whose matrices and kernels are prunable."""
    return tuple(module for module in model.modules() if isinstance(module, LAYERS))
