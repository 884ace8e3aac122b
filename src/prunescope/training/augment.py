"""Changes of training pictures, a whole batch at once on the device."""

from __future__ import annotations

import torch
from torch import Tensor, nn

#: Pixels of black around a picture before it is cut to its size again (He et al. 2016, section 4.2).
PADDING = 4


def crop_flip(pictures: Tensor, generator: torch.Generator, padding: int = PADDING) -> Tensor:
    """Each picture moved by up to ``padding`` pixels along each side, what comes in being 0, half of them flipped.

    Args:
        pictures: (B, channels, height, width), of any type, on any device; before normalization, so that
            0 is black.
        generator: on the CPU, so that the draws do not depend on the device.

    Returns: a tensor like ``pictures``.
    """
    return cropped(pictures, *crop_draws(len(pictures), generator, padding), padding)


def crop_draws(n: int, generator: torch.Generator, padding: int = PADDING) -> tuple[Tensor, Tensor, Tensor]:
    """What ``crop_flip`` draws for ``n`` pictures: top, left (int64) and flip (bool), each (n,), on the CPU."""
    top, left = torch.randint(2 * padding + 1, (2, n), generator=generator)
    return top, left, torch.rand(n, generator=generator) < 0.5


def cropped(pictures: Tensor, top: Tensor, left: Tensor, flip: Tensor, padding: int) -> Tensor:
    """The windows of the padded pictures that start at ``top``, ``left``; mirrored where ``flip``.

    ``top``, ``left``, ``flip``: (B,), one entry a picture, moved to the pictures' device. ``top`` = ``left``
    = ``padding`` without a flip leaves a picture as it is.
    """
    n, channels, height, width = pictures.shape
    device = pictures.device
    top, left, flip = top.to(device), left.to(device), flip.to(device)
    padded = nn.functional.pad(pictures, (padding,) * 4)
    columns = torch.arange(width, device=device).expand(n, width)
    columns = torch.where(flip[:, None], columns.flip(1), columns) + left[:, None]
    rows = torch.arange(height, device=device) + top[:, None]
    # Places in a padded picture's pixels, the same for all of its channels.
    stride = width + 2 * padding
    places = (rows[:, :, None] * stride + columns[:, None, :]).view(n, 1, -1)
    flat = padded.view(n, channels, -1).gather(2, places.expand(n, channels, height * width))
    return flat.view(n, channels, height, width)
