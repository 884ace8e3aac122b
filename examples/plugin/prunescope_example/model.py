"""The model of ``architecture.Perceptron``."""

from torch import nn


class Model(nn.Module):
    """Input (B, channels, height, width) float; output logits (B, classes)."""

    #: Never pruned.
    final_layer = "classifier"

    def __init__(self, pixels, hidden, classes):
        super().__init__()
        self.hidden = nn.Linear(pixels, hidden)
        self.classifier = nn.Linear(hidden, classes)

    def forward(self, images):
        return self.classifier(self.hidden(images.flatten(1)).relu())


def build(arch, shape):
    """A freshly initialized model for the images and classes of ``shape``."""
    channels, height, width = shape.image
    return Model(channels * height * width, arch.hidden, shape.classes)
