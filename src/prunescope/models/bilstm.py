"""The PIE paper's bidirectional LSTM."""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor, nn


class BiLSTM(nn.Module):
    """Fixed word vectors, a bidirectional LSTM, and a classifier with ReLU between its layers.

    PIE paper, appendix A.1: 2 layers, 100 units per direction, the last forward and the first
    backward state joined, linear layers 200-256-128-C. Padding is seen by the network.

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
