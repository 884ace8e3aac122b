"""Forward passes of many replicas of one network at once, over weights with a leading replica dimension."""

from prunescope.models.stacked.forward import Forward, Tensors, stacked_forward

__all__ = ["Forward", "Tensors", "stacked_forward"]
