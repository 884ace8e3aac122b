"""LeNet-5 for small pictures."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from prunescope.errors import UserError


class LeNet5(nn.Module):
    """Two 5 x 5 convolutions (6 and 16 filters), each with ReLU and 2 x 2 max pooling, then 120-84-C.

    The first convolution is padded to keep the size, the second only where the picture is smaller
    than 28 pixels, so that 8 x 8 pictures leave something to classify.

    Input (B, channels, height, width) float; output logits (B, classes).
    """

    final_layer = "fc3"

    def __init__(self, shape: tuple[int, int, int], classes: int) -> None:
        super().__init__()
        channels, height, width = shape
        padding = 0 if min(height, width) >= 28 else 2
        self.conv1 = nn.Conv2d(channels, 6, 5, padding=2)
        self.conv2 = nn.Conv2d(6, 16, 5, padding=padding)
        sizes = [((side // 2) + 2 * padding - 4) // 2 for side in (height, width)]
        if min(sizes) < 1:
            raise UserError(
                f"lenet5: pictures of {height} x {width} pixels are too small; 4 x 4 is the least"
            )
        self.fc1 = nn.Linear(16 * sizes[0] * sizes[1], 120)
        self.fc2 = nn.Linear(120, 84)
        self.fc3 = nn.Linear(84, classes)

    def forward(self, pictures: Tensor) -> Tensor:
        x = torch.max_pool2d(torch.relu(self.conv1(pictures)), 2)
        x = torch.max_pool2d(torch.relu(self.conv2(x)), 2)
        x = torch.relu(self.fc1(x.flatten(1)))
        logits: Tensor = self.fc3(torch.relu(self.fc2(x)))
        return logits
