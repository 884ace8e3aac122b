"""The learning rate of each step."""

from __future__ import annotations

from prunescope.config.architectures import Training


def learning_rates(
    settings: Training, epoch: int, epochs: int, steps: int, lr_factor: float = 1.0
) -> list[float]:
    """Of every step of an epoch (1-based) of a stretch of ``epochs``, each of ``steps`` steps.

    A tenth after each milestone; times the rise from 0 (excluded) over the first ``lr_warm_up`` steps; times, where
    the decay is linear, the fall from 1 to 0 (excluded) over those that follow.
    """
    falls = sum(epoch / epochs > milestone for milestone in settings.milestones)
    base: float = settings.lr * lr_factor * 0.1**falls
    if settings.steady:
        return [base] * steps
    total = epochs * steps
    rise = round(settings.lr_warm_up * total) if settings.lr_warm_up < 1 else int(settings.lr_warm_up)
    rise = min(rise, total)
    rates = []
    for step in range((epoch - 1) * steps, epoch * steps):
        if step < rise:
            rates.append(base * (step + 1) / rise)
        elif settings.lr_decay == "linear":
            rates.append(base * (total - step) / (total - rise))
        else:
            rates.append(base)
    return rates
