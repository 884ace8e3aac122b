"""The PIE paper's bidirectional LSTM."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor, nn

from prunescope.config import architectures
from prunescope.data.encoding.vectors import published_vectors
from prunescope.models.shape import Shape
from prunescope.models.stacked.layers import Forward, Tensors, linear
from prunescope.models.stacked.lstm import lstm_layer


def fetch(arch: architectures.BiLSTM) -> None:
    assert arch.published_vectors is not None
    published_vectors(arch.published_vectors)


def build(arch: architectures.BiLSTM, shape: Shape) -> BiLSTM:
    if shape.vectors is None:
        raise ValueError("bilstm needs word vectors")
    return BiLSTM(shape.vectors, shape.classes, hidden=arch.hidden, layers=arch.layers, head=arch.head)


class BiLSTM(nn.Module):
    """Fixed word vectors, a bidirectional LSTM, and a classifier with ReLU between its layers.

    PIE paper, appendix A.1: 2 layers, 100 units per direction, the last forward and the first
    backward state joined, linear layers 200-256-128-C. Padding is seen by the model.

    Input (B, L) int64 word ids; output logits (B, classes).
    """

    final_layer = "out"
    vectors: Tensor

    def __init__(
        self, vectors: Tensor, classes: int, *, hidden: int, layers: int, head: tuple[int, ...]
    ) -> None:
        super().__init__()
        # A buffer: the vectors are data (not trained, not counted among the parameters), and
        # each data set has them in its inputs file, so checkpoints leave them out.
        self.register_buffer("vectors", vectors, persistent=False)
        self.lstm = nn.LSTM(vectors.shape[1], hidden, num_layers=layers, batch_first=True, bidirectional=True)
        widths = (2 * hidden, *head)
        self.head = nn.ModuleList(nn.Linear(a, b) for a, b in pairwise(widths))
        self.out = nn.Linear(widths[-1], classes)

    def forward(self, words: Tensor) -> Tensor:
        _, (states, _) = self.lstm(nn.functional.embedding(words, self.vectors))
        # states: (2 * layers, B, hidden); the last two are the last layer's directions, each after
        # its last step: the end of the text forward, its beginning backward.
        x = torch.cat([states[-2], states[-1]], dim=1)
        for layer in self.head:
            x = torch.relu(layer(x))
        logits: Tensor = self.out(x)
        return logits

    def stacked(self) -> Forward:
        """The forward pass of replicas."""
        return _Stacked(self)


@dataclass(frozen=True)
class _Stacked:
    """Both directions of all replicas are one batch; the backward direction reads its input reversed."""

    model: BiLSTM

    def __call__(self, weights: Tensors, buffers: Tensors, words: Tensor, training: bool) -> Tensor:
        replicas = words.shape[0]
        by_step = torch.stack([words, words.flip(2)], dim=1).transpose(2, 3)
        x = nn.functional.embedding(by_step, self.model.vectors)  # (R, 2, L, B, dimensions)
        layers = self.model.lstm.num_layers
        for layer in range(layers):
            w_ih, w_hh, b_ih, b_hh = (
                self._directions(weights, f"{kind}_l{layer}")
                for kind in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
            )
            states = lstm_layer(x.flatten(0, 1), w_ih, w_hh, b_ih + b_hh)
            forward, backward = states.unflatten(1, (replicas, 2)).unbind(2)  # (L, R, B, units) each
            if layer + 1 < layers:
                read = torch.cat([forward, backward.flip(0)], dim=3)
                reversed_ = torch.cat([forward.flip(0), backward], dim=3)
                x = torch.stack([read, reversed_]).permute(2, 0, 1, 3, 4)
        # Each direction after its last step: the end of the text forward, its beginning backward.
        y = torch.cat([forward[-1], backward[-1]], dim=2)
        for number in range(len(self.model.head)):
            y = torch.relu(linear(weights, f"head.{number}", y))
        return linear(weights, "out", y)

    @staticmethod
    def _directions(weights: Tensors, name: str) -> Tensor:
        """(2 R, ...): the two directions of each replica side by side."""
        pair = [weights[f"lstm.{name}"], weights[f"lstm.{name}_reverse"]]
        return torch.stack(pair, dim=1).flatten(0, 1)
