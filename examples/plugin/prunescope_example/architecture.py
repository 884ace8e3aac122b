"""An architecture's settings, and what follows from them without its model. No torch here."""

from typing import Literal

from pydantic import Field

from prunescope.config.architectures import Architecture


class Perceptron(Architecture):
    """One hidden layer over the pixels of an image."""

    module = "prunescope_example.model"
    input = "image"
    encoding = "image"

    family: Literal["perceptron"]
    hidden: int = Field(32, ge=1, description="units of the hidden layer")

    def shapes(self, facts, *, per_token=False):
        """The prunable weights: all matrices but the classifier's."""
        channels, height, width = facts.image
        return {"hidden.weight": (self.hidden, channels * height * width)}
