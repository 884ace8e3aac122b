"""Changes of training images, a whole batch at once on the device."""

from __future__ import annotations

import torch
from torch import Tensor, nn

#: Pixels of black around an image before it is cut to its size again (He et al. 2016, section 4.2).
PADDING = 4


def crop_flip(images: Tensor, generator: torch.Generator, padding: int = PADDING) -> Tensor:
    """Each image moved by up to ``padding`` pixels along each side, what comes in being 0, half of them flipped.

    Args:
        images: (B, channels, height, width), of any type, on any device; before normalization, so that
            0 is black.
        generator: on the CPU, so that the draws do not depend on the device.

    Returns: a tensor like ``images``.
    """
    return cropped(images, *crop_draws(len(images), generator, padding), padding)


def crop_draws(n: int, generator: torch.Generator, padding: int = PADDING) -> tuple[Tensor, Tensor, Tensor]:
    """What ``crop_flip`` draws for ``n`` images: top, left (int64) and flip (bool), each (n,), on the CPU."""
    top, left = torch.randint(2 * padding + 1, (2, n), generator=generator)
    return top, left, torch.rand(n, generator=generator) < 0.5


def cropped(images: Tensor, top: Tensor, left: Tensor, flip: Tensor, padding: int) -> Tensor:
    """The windows of the padded images that start at ``top``, ``left``; mirrored where ``flip``.

    ``top``, ``left``, ``flip``: (B,), one entry an image, moved to the images' device. ``top`` = ``left``
    = ``padding`` without a flip leaves an image as it is.
    """
    n, channels, height, width = images.shape
    device = images.device
    top, left, flip = top.to(device), left.to(device), flip.to(device)
    padded = nn.functional.pad(images, (padding,) * 4)
    columns = torch.arange(width, device=device).expand(n, width)
    columns = torch.where(flip[:, None], columns.flip(1), columns) + left[:, None]
    rows = torch.arange(height, device=device) + top[:, None]
    # Offsets into a padded image's pixels, the same for all of its channels.
    stride = width + 2 * padding
    offsets = (rows[:, :, None] * stride + columns[:, None, :]).view(n, 1, -1)
    flat = padded.view(n, channels, -1).gather(2, offsets.expand(n, channels, height * width))
    return flat.view(n, channels, height, width)
