"""Channel independence: what a layer loses in rank when one of its feature maps is taken away."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from prunescope.criteria.declaration import criterion

if TYPE_CHECKING:
    from torch import Tensor

#: Nodes of the trapezoidal rule in u = log s, where s = 1 stands for the largest singular value. The
#: integrand is analytic for |Im u| < pi / 2, so the rule's error is about exp(-pi^2 / _STEP) = 1e-13; what is
#: left out below the first node is less than 1e-11, above the last one it is added in closed form.
_STEP = 1 / 3


@criterion("channel-independence pruning", looks_at="feature-maps")
def channel_independence(maps: Tensor) -> Tensor:
    """CI_i = ||A||_* - ||A with row i set to zero||_* of every example's matrix A of feature maps.

    Sui et al. 2021 (CHIP), equation 3: the nuclear norm || ||_* is the sum of singular values; a channel whose map the
    others can stand in for changes it little.

    Args:
        maps: (B, channels, pixels), of any floating type, on any device.

    Returns: (B, channels) float64 on the CPU; correct to about 1e-11 of an example's largest singular value.

    One decomposition an example instead of one a channel. With A A^T = Q diag(sigma^2) Q^T, and mu the
    singular values that are left without row i, Cramer's rule says

        prod_k (mu_k^2 + s^2) / prod_k (sigma_k^2 + s^2) = sum_k q_ik^2 / (sigma_k^2 + s^2)

    and since x = 1/pi * integral over s > 0 of log(1 + x^2 / s^2),

        CI_i = 1/pi * integral over s > 0 of -log sum_k q_ik^2 s^2 / (sigma_k^2 + s^2).
    """
    import torch

    rows = maps.detach().to("cpu", torch.float64)
    # A = R^T W with orthonormal rows W: R^T has A's singular values and left singular vectors.
    factor = torch.linalg.qr(rows.mT, mode="r").R.mT
    vectors, values, _ = torch.linalg.svd(factor, full_matrices=True)
    largest = values[:, :1].clamp_min(torch.finfo(torch.float64).tiny)
    squares = rows.new_zeros(rows.shape[:2])
    squares[:, : values.shape[1]] = (values / largest).square()
    shares = vectors.square()
    nodes = (torch.arange(-90, 37, dtype=torch.float64) * _STEP).exp()
    lost = squares[:, :, None] / (squares[:, :, None] + nodes.square())
    inside = shares @ lost
    outside = shares @ (nodes.square() / (squares[:, :, None] + nodes.square()))
    # The two add up to 1; the logarithm is taken of the one that has not lost its digits.
    integrand = torch.where(inside < 0.5, -torch.log1p(-inside), -torch.log(outside))
    # Beyond the last node it is (A A^T)_ii / s^2.
    norms = (shares @ squares[:, :, None]).squeeze(-1)
    beyond = norms / nodes[-1] / (math.exp(_STEP) - 1)
    return largest * _STEP / math.pi * ((integrand * nodes).sum(dim=-1) + beyond)
