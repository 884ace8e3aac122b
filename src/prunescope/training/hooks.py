"""What else may happen in a training step: the loop's calls to whoever prunes or teaches while it trains."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext

from torch import Tensor

from prunescope.models.packed import PackedTexts


class StepHook:
    """Called by the loop in every step, in this order; each call does nothing unless a hook says otherwise."""

    @property
    def final(self) -> bool:
        """Whether the network is as sparse as it is to be, so that its weights may be the ones kept."""
        return True

    def before_forward(self) -> None:
        """Before the forward pass."""

    def further_loss(
        self, index: Tensor, inputs: Tensor | PackedTexts, logits: Tensor, labels: Tensor
    ) -> Tensor | None:
        """A scalar that is added to the task's loss of this batch, or None. ``index``: its examples' numbers."""
        return None

    def after_backward(self, loss: Tensor, examples: int) -> None:
        """Gradients are there. ``loss``: the task's mean loss over the batch's ``examples``, a detached scalar."""

    def before_step(self, lr: float) -> None:
        """Gradients are final, clipped; the optimizer steps next, at this learning rate."""

    def after_step(self) -> None:
        """After the optimizer's step.

        Raises:
            DivergedError: what the hook computes is no longer finite.
        """

    def evaluating(self) -> AbstractContextManager[None]:
        """Entered while the network is looked at between steps."""
        return nullcontext()

    def state(self) -> dict[str, Tensor]:
        """All that the rest of training depends on, by name, sharing memory."""
        return {}

    def load_state(self, state: Mapping[str, Tensor]) -> None:
        """Go on from what ``state`` gave another hook of the same kind, at the same place of the same training."""
