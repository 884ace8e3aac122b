"""How large networks are and what memory training them takes, from settings alone: no torch.

Weights are counted exactly for the networks that ``models.registry`` builds from scratch (tests compare); memory is an
estimate, on the safe side, of what jobs ask a scheduler for.
"""

from __future__ import annotations

from math import prod

from prunescope.config.architectures import Arch, BiLSTM, CausalLM, Encoder, LeNet5, ResNet, Training
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


def shapes(arch: Arch, facts: Declared, *, per_token: bool = False) -> dict[str, tuple[int, ...]]:
    """The prunable weights of a network by name; of an encoder, those of a BERT.

    ``per_token``: outputs are of every token, so that an encoder has no pooler.
    """
    match arch:
        case LeNet5():
            return _lenet(facts)
        case ResNet():
            return _resnet(arch, facts)
        case BiLSTM():
            return _bilstm(arch)
        case CausalLM():
            wide = 4 * arch.hidden
            block = {"c_attn": (arch.hidden, 3 * arch.hidden), "c_proj": (arch.hidden, arch.hidden)}
            block |= {"c_fc": (arch.hidden, wide), "mlp.c_proj": (wide, arch.hidden)}
            return _repeated("h", arch.layers, block)
        case Encoder():
            square = (arch.hidden, arch.hidden)
            block = dict.fromkeys(("query", "key", "value", "output"), square)
            block |= {"up": (arch.intermediate, arch.hidden), "down": (arch.hidden, arch.intermediate)}
            found = _repeated("layer", arch.layers, block)
            return found if per_token or not arch.prune_pooler else {**found, "pooler": square}
    raise TypeError(f"no sizes for {type(arch).__name__}")


def prunable_sizes(arch: Arch, facts: Declared, *, per_token: bool = False) -> dict[str, int]:
    """How many weights each prunable tensor has."""
    return {name: prod(shape) for name, shape in shapes(arch, facts, per_token=per_token).items()}


def parameters(arch: Arch, facts: Declared, *, per_token: bool = False) -> int:
    """All trained parameters, biases and normalization included."""
    prunable = shapes(arch, facts, per_token=per_token)
    weights = sum(map(prod, prunable.values()))
    outputs = max(1, facts.classes)
    match arch:
        case LeNet5():
            return weights + 6 + 16 + 120 + 84 + 84 * outputs + outputs
        case ResNet():
            # Two of normalization for each filter.
            return weights + sum(2 * shape[0] for shape in prunable.values()) + 64 * outputs + outputs
        case BiLSTM():
            widths = (*arch.head, outputs)
            return weights + arch.layers * 2 * 2 * 4 * arch.hidden + sum(widths) + arch.head[-1] * outputs
        case CausalLM():
            h = arch.hidden
            # Biases (3 + 1 + 4 + 1) and two normalizations a block, the last one, and tables.
            return weights + arch.layers * 13 * h + 2 * h + (arch.vocabulary + arch.positions) * h
        case Encoder():
            h = arch.hidden
            block = 5 * h + arch.intermediate + 4 * h
            tables = (arch.vocabulary + arch.positions + 2) * h + 2 * h
            pooler = 0 if per_token else h if arch.prune_pooler else h * h + h
            return weights + arch.layers * block + tables + pooler + outputs * h + outputs
    raise TypeError(f"no sizes for {type(arch).__name__}")


def activation_bytes(arch: Arch, facts: Declared) -> int:
    """What one example leaves behind in a forward pass for the backward one, in float32, at full length.

    Encoders and language models: after Korthikanti et al. 2022 (Reducing activation recomputation), section 4.1,
    in float32, with dropout, and without the scores of attention, which GPUs' kernels do not keep.
    """
    if isinstance(arch, LeNet5 | ResNet):
        # Each convolution leaves its output, normalization or bias another, ReLU or pooling a third.
        return 12 * sum(shape[0] * places for shape, places in _maps(arch, facts))
    if isinstance(arch, BiLSTM):
        # Gates, states and outputs of both directions; and the words' vectors.
        return facts.tokens * 4 * (arch.layers * 2 * arch.hidden * 26 + arch.vectors)
    if isinstance(arch, Encoder | CausalLM):
        wide = arch.intermediate if isinstance(arch, Encoder) else 4 * arch.hidden
        piece = arch.layers * (44 * arch.hidden + 8 * wide) + 12 * arch.hidden
        if isinstance(arch, CausalLM):
            piece += 12 * arch.vocabulary
        return facts.tokens * piece
    raise TypeError(f"no sizes for {type(arch).__name__}")


def gpu_mb(
    arch: Arch,
    training: Training,
    facts: Declared,
    *,
    replicas: int = 1,
    pruner: Pruner | None = None,
    per_token: bool = False,
) -> int:
    """Memory on the GPU of a job that trains ``replicas`` networks at a time, in MB."""
    moments = 2 if training.optimizer != "sgd" else int(training.momentum > 0)
    kept = 1 + moments if training.keep == "best-validation" else 0
    copies = 2.25 + moments + kept  # with gradients, and a byte of mask a weight
    if pruner is not None:
        copies += 5 * pruner.is_gradual + (pruner.objective != "task")
    if replicas > 1:
        copies += 1  # the networks themselves, beside the stack of them
    state = 4 * copies * parameters(arch, facts, per_token=per_token) * replicas
    example = activation_bytes(arch, facts) * (0.6 if training.precision == "bf16" else 1)
    trained = example * training.batch_size * replicas
    looked_at = example * max(_EVALUATED, training.batch_size) / _depth(arch)
    return round(_CONTEXT_MB + _MARGIN * (state + max(trained, looked_at) + _resident(arch, facts)) / 2**20)


def host_mb(
    arch: Arch, training: Training, facts: Declared, *, seeds: int, dense: bool, per_token: bool = False
) -> int:
    """Memory on the host of a job of ``seeds`` networks that are trained on a GPU, in MB."""
    moments = 2 if training.optimizer != "sgd" else int(training.momentum > 0)
    copies = 1 + moments if dense else 1
    # What the block leaves, once in memory and once as it is written; and the network that trains, as it is kept.
    networks = 4 * parameters(arch, facts, per_token=per_token) * (2 * copies * seeds + 3 * (1 + moments))
    tables = 4 * seeds * (2 * facts.train + facts.test) * max(1, facts.classes) * 2
    return round(2 * _PROCESS_MB + _MARGIN * (networks + tables + 2 * _resident(arch, facts)) / 2**20)


def _resident(arch: Arch, facts: Declared) -> int:
    """Bytes of the data set on the device, and of words' vectors."""
    examples = facts.train + facts.validation + facts.test
    if facts.image is not None:
        return examples * prod(facts.image)
    words = 4 * _WORDS * arch.vectors if isinstance(arch, BiLSTM) else 0
    return 8 * examples * (facts.tokens + max(1, facts.classes)) + words


def _depth(arch: Arch) -> int:
    """How many layers' activations are gone again when the last one is computed, without gradients."""
    return arch.depth // 2 if isinstance(arch, ResNet) else getattr(arch, "layers", 1)


def _repeated(name: str, times: int, block: dict[str, tuple[int, int]]) -> dict[str, tuple[int, ...]]:
    return {f"{name}.{n}.{part}": shape for n in range(times) for part, shape in block.items()}


def _lenet(facts: Declared) -> dict[str, tuple[int, ...]]:
    channels, height, width = facts.image or (1, 28, 28)
    padding = 0 if min(height, width) >= 28 else 2
    down, across = (((side // 2) + 2 * padding - 4) // 2 for side in (height, width))
    return {
        "conv1.weight": (6, channels, 5, 5),
        "conv2.weight": (16, 6, 5, 5),
        "fc1.weight": (120, 16 * down * across),
        "fc2.weight": (84, 120),
    }


def _resnet(arch: ResNet, facts: Declared) -> dict[str, tuple[int, ...]]:
    channels = (facts.image or (3, 32, 32))[0]
    found: dict[str, tuple[int, ...]] = {"conv1.weight": (16, channels, 3, 3)}
    before = 16
    for stage in (1, 2, 3):
        width = 16 * 2 ** (stage - 1)
        for block in range((arch.depth - 2) // 6):
            place = f"stage{stage}.{block}"
            found[f"{place}.conv1.weight"] = (width, before, 3, 3)
            found[f"{place}.conv2.weight"] = (width, width, 3, 3)
            if arch.shortcut == "B" and before != width:
                found[f"{place}.shortcut.0.weight"] = (width, before, 1, 1)
            before = width
    return found


def _bilstm(arch: BiLSTM) -> dict[str, tuple[int, ...]]:
    found: dict[str, tuple[int, ...]] = {}
    for layer in range(arch.layers):
        inputs = arch.vectors if layer == 0 else 2 * arch.hidden
        for direction in ("", "_reverse"):
            found[f"lstm.weight_ih_l{layer}{direction}"] = (4 * arch.hidden, inputs)
            found[f"lstm.weight_hh_l{layer}{direction}"] = (4 * arch.hidden, arch.hidden)
    for number, (width, before) in enumerate(zip(arch.head, (2 * arch.hidden, *arch.head), strict=False)):
        found[f"head.{number}.weight"] = (width, before)
    return found


def _maps(arch: LeNet5 | ResNet, facts: Declared) -> list[tuple[tuple[int, ...], int]]:
    """Shape of each layer's weights, and the places of a picture that it is used at."""
    from prunescope.planning.work import positions

    image = facts.image or (3, 32, 32)
    return [(shape, positions(arch, name, image)) for name, shape in shapes(arch, facts).items()]
