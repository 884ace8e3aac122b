"""Which settings make which network, and which of its weights may be pruned."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from prunescope.config.architectures import Arch, BiLSTM, CausalLM, Encoder, LeNet5, ResNet
from prunescope.errors import UserError
from prunescope.models import bilstm, causal, encoder, lenet, resnet
from prunescope.seeds import stream


@dataclass(frozen=True)
class Shape:
    """What a network must know of its data.

    ``image``: (channels, height, width). ``vectors``: float32 (vocabulary, dimensions), for networks
    over fixed word vectors. ``vocabulary``, ``length`` and ``pad`` of token sequences; ``separator`` is the
    piece between the texts of a pair, None for single texts. ``per_token``: outputs are of every token.
    """

    classes: int
    image: tuple[int, int, int] | None = None
    vectors: Tensor | None = None
    vocabulary: int = 0
    length: int = 0
    pad: int = 0
    separator: int | None = None
    per_token: bool = False


def build(arch: Arch, shape: Shape, seed: int) -> nn.Module:
    """A freshly initialized network; the seed's stream ``init`` decides its weights.

    On the CPU, so that a seed means the same network on every device. The global random state is
    left as it was.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(stream(seed, "init"))
        return _build(arch, shape)


def _build(arch: Arch, shape: Shape) -> nn.Module:
    if isinstance(arch, LeNet5):
        if shape.image is None:
            raise ValueError("lenet5 needs the shape of its pictures")
        return lenet.LeNet5(shape.image, shape.classes)
    if isinstance(arch, ResNet):
        if shape.image is None:
            raise ValueError("resnet needs the shape of its pictures")
        return resnet.ResNet(shape.image, shape.classes, depth=arch.depth, shortcut=arch.shortcut)
    if isinstance(arch, BiLSTM):
        if shape.vectors is None:
            raise ValueError("bilstm needs word vectors")
        return bilstm.BiLSTM(
            shape.vectors, shape.classes, hidden=arch.hidden, layers=arch.layers, head=arch.head
        )
    if isinstance(arch, Encoder):
        if shape.length > arch.positions:
            raise UserError(
                f"encoder: texts of {shape.length} tokens do not fit into {arch.positions} positions; raise "
                "`positions` of the arch or lower `max_tokens` of the data set"
            )
        if arch.pretrained is not None:
            from prunescope.models.pretrained import load_model

            return pretrained_encoder(arch, shape, load_model(arch))
        return encoder.Encoder(
            shape.classes,
            pad=shape.pad,
            dropout=arch.dropout,
            head_std=arch.initializer_range,
            pair_separator=shape.separator,
            per_token=shape.per_token,
            prune_pooler=arch.prune_pooler,
            vocab_size=shape.vocabulary,
            max_position_embeddings=arch.positions,
            hidden_size=arch.hidden,
            num_hidden_layers=arch.layers,
            num_attention_heads=arch.heads,
            intermediate_size=arch.intermediate,
            initializer_range=arch.initializer_range,
        )
    if isinstance(arch, CausalLM):
        from prunescope.models import causal_checkpoints

        return causal.CausalLM(
            causal_checkpoints.new_model(arch, shape.vocabulary)
            if arch.pretrained is None
            else causal_checkpoints.load_model(arch),
            end=shape.pad,
            beams=arch.beams,
            length_penalty=arch.length_penalty,
            max_new_tokens=arch.max_new_tokens,
        )
    raise TypeError(f"no network for {type(arch).__name__}")


def pretrained_encoder(arch: Encoder, shape: Shape, base: Any) -> encoder.Encoder:
    """The classifier over ``base``, a base model of transformers; its added layers are drawn here."""
    from prunescope.models.pretrained import takes_token_types

    return encoder.Encoder(
        shape.classes,
        pad=shape.pad,
        dropout=arch.dropout,
        pretrained=base,
        head_std=arch.initializer_range,
        pair_separator=shape.separator if takes_token_types(base.config) else None,
        per_token=shape.per_token,
        prune_pooler=arch.prune_pooler,
    )


def masks_padding(arch: Arch) -> bool:
    """Whether the network ignores padding, so that a batch may be cut to its longest text."""
    return isinstance(arch, Encoder | CausalLM)


def prunable(model: nn.Module) -> dict[str, nn.Parameter]:
    """The prunable weights by name, in the model's order.

    Weight matrices (and convolution kernels) of all layers but embeddings, biases, normalization and
    the final classifier (PIE paper, appendix A.3; recall paper, after ShrinkBench). Every LSTM
    weight matrix, of each direction and layer, input and recurrent, is a layer of its own. Nor those of the
    modules that the network names in ``not_prunable``, if it does.
    """
    embeddings = {id(module.weight) for module in model.modules() if isinstance(module, nn.Embedding)}
    final_layer = model.get_submodule(str(model.final_layer))
    apart = [final_layer, *(model.get_submodule(name) for name in getattr(model, "not_prunable", ()))]
    excluded = embeddings | {id(parameter) for module in apart for parameter in module.parameters()}
    return {
        name: parameter
        for name, parameter in model.named_parameters()
        if parameter.dim() > 1 and id(parameter) not in excluded
    }


def count_parameters(model: nn.Module) -> int:
    """All trainable parameters; fixed word vectors are not among them."""
    return sum(parameter.numel() for parameter in model.parameters())
