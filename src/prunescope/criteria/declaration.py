"""How a criterion is declared: its function with what it needs, its words and the settings it looks at."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    Tensors: TypeAlias = Mapping[str, Tensor]

#: What a criterion looks at: the weights as they are, also the gradient of the loss on a few batches, feature maps,
#: or every training step.
Looks = Literal["weights", "gradient", "feature-maps", "training"]

#: Settings of a gradual schedule that average a score over steps (``pruning.gradual.smoothing``).
SMOOTHING = ("window", "beta1", "beta2")


@dataclass(frozen=True)
class Evidence:
    """What is known beside the weights.

    Attributes:
        gradients: of the mean loss, one tensor per weight tensor and of its shape; empty for criteria that do not
            look at gradients.
        decay: the weight decay epsilon of training.
        generator: on the CPU, so that random draws do not depend on the device.
    """

    gradients: Tensors
    decay: float
    generator: torch.Generator


@dataclass(frozen=True)
class Criterion:
    """A criterion as ``criterion`` declares it; its parameters are explained there."""

    name: str
    words: str
    function: Callable[..., Any] | None = None
    looks_at: Looks = "weights"
    gradual: bool = False
    settings: tuple[str, ...] = ()
    watcher: str = ""
    decay: float | None = None
    rewinds: bool = True
    hint: str = ""
    version: int = 0

    def __call__(self, *evidence: Any) -> Any:
        """What its function says."""
        assert self.function is not None, f"{self.name} keeps scores of its own"
        return self.function(*evidence)

    @property
    def watches(self) -> bool:
        """Whether it looks at every training step, and so asks for a gradual schedule."""
        return self.looks_at == "training"


def criterion(words: str, **declared: Any) -> Callable[[Callable[..., Any]], Criterion]:
    """Declare a function as a criterion; its name is the function's, with dashes.

    The function, by ``looks_at``:

    - ``weights``, ``gradient``: ``f(weights, evidence)`` -> one score per weight, by layer and of the layer's shape.
      ``weights``: all prunable weights by layer. ``evidence``: ``Evidence``.
    - ``training``: ``f(weight, gradient, lr)`` -> scores of one layer in one training step, of its shape. ``lr``: the
      learning rate of the step.
    - ``feature-maps``: ``f(maps)`` -> (B, channels) scores of B examples' feature maps (B, channels, pixels).

    Tensors are torch's; a function that needs more than their methods imports torch within itself.

    Args:
        words: what pruning by it is called in a sentence, such as "magnitude pruning".
        looks_at: what it looks at (``Looks``).
        gradual: whether it fits a gradual schedule although it does not watch training.
        settings: what it looks at of the settings ``gradual``, beside the schedule's own. With ``SMOOTHING`` scores
            are averaged over steps as in PLATON.
        decay: the weight decay that replaces one of 0; None: 0 stays 0.
        rewinds: whether its choice still stands when weights are rewound.
        hint: what else fits, for the message on a schedule that does not.
        version: raised when its scores change, so that models pruned by it are trained again.
        watcher: instead of a function (``Criterion``), ``module:Class`` of a ``pruning.gradual.watchers.Watcher`` that
            keeps scores of its own while it trains.
    """

    def declare(function: Callable[..., Any]) -> Criterion:
        return Criterion(function.__name__.replace("_", "-"), words, function, **declared)

    return declare
