"""What memory training takes, from settings alone: no torch.

An estimate, on the safe side, of what jobs ask a scheduler for.
"""

from __future__ import annotations

from math import prod

from prunescope.config.architectures import Arch, Training
from prunescope.config.datasets import Declared
from prunescope.config.pruners import Pruner

#: MB that a process has on the GPU before it holds a number: the context, kernels, libraries' workspaces.
_CONTEXT_MB = 900

#: MB of a process that has imported torch, and more where it talks to a GPU.
_PROCESS_MB = 1500

#: Words that have vectors, where only the data will tell.
_WORDS = 60_000

#: Examples that are looked at at once, without gradients.
_EVALUATED = 512

#: What is asked for beyond the estimate.
_MARGIN = 1.25


def gpu_mb(
    arch: Arch,
    training: Training,
    facts: Declared,
    *,
    replicas: int = 1,
    pruner: Pruner | None = None,
    per_token: bool = False,
) -> int:
    """Memory on the GPU of a job that trains ``replicas`` models at a time, in MB."""
    moments = 2 if training.optimizer != "sgd" else int(training.momentum > 0)
    kept = 1 + moments if training.keep == "best-validation" else 0
    copies = 2.25 + moments + kept  # with gradients, and a byte of mask a weight
    if pruner is not None:
        copies += 5 * pruner.is_gradual + (pruner.objective != "task")
        copies += pruner.teaching.keep == "best-score"
    if replicas > 1:
        copies += 1  # the models themselves, beside the stack of them
    state = 4 * copies * arch.parameters(facts, per_token=per_token) * replicas
    example = arch.activation_bytes(facts) * (0.6 if training.precision == "bf16" else 1)
    trained = example * training.batch_size * replicas
    looked_at = example * max(_EVALUATED, training.batch_size) / arch.layers_in_turn
    return round(_CONTEXT_MB + _MARGIN * (state + max(trained, looked_at) + _resident(arch, facts)) / 2**20)


def host_mb(
    arch: Arch, training: Training, facts: Declared, *, seeds: int, dense: bool, per_token: bool = False
) -> int:
    """Memory on the host of a job of ``seeds`` models that are trained on a GPU, in MB."""
    moments = 2 if training.optimizer != "sgd" else int(training.momentum > 0)
    copies = 1 + moments if dense else 1
    # What the block leaves, once in memory and once as it is written; and the model that trains, as it is kept.
    models = 4 * arch.parameters(facts, per_token=per_token) * (2 * copies * seeds + 3 * (1 + moments))
    tables = 4 * seeds * (2 * facts.train + facts.test) * max(1, facts.classes) * 2
    return round(2 * _PROCESS_MB + _MARGIN * (models + tables + 2 * _resident(arch, facts)) / 2**20)


def _resident(arch: Arch, facts: Declared) -> int:
    """Bytes of the data set on the device, and of words' vectors."""
    examples = facts.train + facts.validation + facts.test
    if facts.image is not None:
        return examples * prod(facts.image)
    words = 4 * _WORDS * arch.word_dimensions
    return 8 * examples * (facts.tokens + max(1, facts.classes)) + words
