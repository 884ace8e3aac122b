"""A transformer encoder of texts, classified from its pooled output."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from prunescope.config import architectures
from prunescope.config.checkpoints import BERT_BASE, SIZES, checkpoint_config_file, encoder_type
from prunescope.data.encoding.tokenizers import PretrainedTokenizer
from prunescope.data.vision import prepare_torchvision
from prunescope.errors import UserError, listed
from prunescope.models.encoder_checkpoints import (
    check_sizes_known,
    load_model,
    takes_token_types,
    untrained_model,
)
from prunescope.models.packed import PackedTexts, packed_token_types, use_packed_attention
from prunescope.models.shape import Shape


def build(arch: architectures.Encoder, shape: Shape) -> Encoder:
    if shape.length > arch.positions:
        raise UserError(
            f"encoder: texts of {shape.length} tokens do not fit into {arch.positions} positions; raise "
            "`positions` of the arch or lower `max_tokens` of the data set"
        )
    if arch.pretrained is not None:
        return _classifier(arch, shape, pretrained=load_model(arch))
    return _classifier(
        arch,
        shape,
        vocab_size=shape.vocabulary,
        max_position_embeddings=arch.positions,
        hidden_size=arch.hidden,
        num_hidden_layers=arch.layers,
        num_attention_heads=arch.heads,
        intermediate_size=arch.intermediate,
        initializer_range=arch.initializer_range,
    )


def counted(arch: architectures.Encoder, shape: Shape) -> tuple[Encoder, str | None]:
    """With the checkpoint's configuration where that is at hand, else as a BERT of the sizes given."""
    if arch.pretrained is None:
        return build(arch, shape), None
    try:
        config_file = checkpoint_config_file(arch.pretrained, arch.revision)
    except UserError:
        config_file = None
    if config_file is not None:
        return _classifier(arch, shape, pretrained=untrained_model(arch)), None
    bert = build(arch.model_copy(update={"pretrained": None, "revision": None}), shape)
    unknown = [name for name in SIZES if name not in arch.model_fields_set]
    if arch.pretrained in BERT_BASE:
        return bert, None
    given = f"counted with the default {listed(unknown)}" if unknown else "counted with the sizes given"
    return bert, f"{arch.pretrained} is not at hand: {given}, as a BERT"


def fetch(arch: architectures.Encoder) -> Any:
    PretrainedTokenizer(arch)
    return load_model(arch).config


check = check_sizes_known


def _classifier(arch: architectures.Encoder, shape: Shape, pretrained: Any = None, **new: Any) -> Encoder:
    """Over ``pretrained``, a base model of transformers, or one with settings ``new``; added layers are drawn here."""
    typed = arch.token_types and (pretrained is None or takes_token_types(pretrained.config))
    separator = shape.separator if typed else None
    return Encoder(
        shape.classes,
        pad=shape.pad,
        dropout=arch.dropout,
        head_dropout=arch.dropout if arch.head_dropout is None else arch.head_dropout,
        pretrained=pretrained,
        head_std=arch.initializer_range,
        pair_separator=separator,
        per_token=shape.per_token,
        **new,
    )


class Encoder(nn.Module):
    """One of transformers' encoders, its pooled output, dropout, one linear layer (PIE paper, appendix A.1).

    The pooled output is that of the encoder's own pooler; where it has none, a dense layer with tanh over
    the first token's last state, which is what BERT's pooler computes.

    Input (B, L) int64 token ids, padded with ``pad``; padding is masked, so that padding a batch to
    its longest text gives the same function as padding it to the limit, and so do packed texts, which have none.
    Output logits (B, classes), float32 under autocast too.

    Or, ``per_token``, dropout and one linear layer over every token's last state, without a pooler: logits
    (B, L, classes) of tags, or of being a span's start and its end (Devlin et al. 2019, section 4).
    """

    final_layer = "classifier"

    def __init__(
        self,
        classes: int,
        *,
        pad: int,
        dropout: float,
        head_dropout: float,
        pretrained: Any = None,
        head_std: float = 0.02,
        pair_separator: int | None = None,
        per_token: bool = False,
        **settings: Any,
    ) -> None:
        """
        Args:
            pretrained: a base model of transformers to go on from; otherwise ``settings`` are those of a new
                BertModel.
            head_std: standard deviation of the initial weights of the layers added here.
            pair_separator: id of the token behind the first text of a pair, to give a model its token types;
                None for single texts and for models that have none.
        """
        super().__init__()
        if pretrained is None:
            prepare_torchvision()
            # Here rather than above: the import takes seconds, which only encoders' jobs should pay.
            from transformers.models.bert.configuration_bert import BertConfig
            from transformers.models.bert.modeling_bert import BertModel

            pretrained = BertModel(
                BertConfig(
                    pad_token_id=pad,
                    hidden_dropout_prob=dropout,
                    attention_probs_dropout_prob=dropout,
                    **settings,
                )
            )
        self.pad, self.pair_separator, self.per_token = pad, pair_separator, per_token
        if per_token and getattr(pretrained, "pooler", None) is not None:
            # Without a use it would have weights to prune and no gradient.
            pretrained.pooler = None
        hidden = pretrained.config.hidden_size
        # transformers' own name for it: "bert", "electra", ...; weights are called as in its classifiers.
        self._base = pretrained.base_model_prefix
        self.add_module(self._base, pretrained)
        self.pooler = None
        if not per_token and getattr(pretrained, "pooler", None) is None:
            self.pooler = _linear(hidden, hidden, head_std)
        self.dropout = nn.Dropout(head_dropout)
        self.classifier = _linear(hidden, classes, head_std)

    def forward(self, tokens: Tensor | PackedTexts) -> Tensor:
        pooled = self._of_packed(tokens) if isinstance(tokens, PackedTexts) else self._of_padded(tokens)
        # Rounded to bfloat16, logits of classes that are nearly as likely would be ties.
        with torch.autocast(pooled.device.type, enabled=False):
            logits: Tensor = self.classifier(self.dropout(pooled.to(self.classifier.weight.dtype)))
        return logits

    def _of_padded(self, tokens: Tensor) -> Tensor:
        """What the classifier reads: (B, hidden), or (B, L, hidden) of every token."""
        more = {}
        if self.pair_separator is not None:
            more["token_type_ids"] = token_types(tokens, self.pair_separator, self.pad)
        base = self.get_submodule(self._base)
        output = base(input_ids=tokens, attention_mask=tokens != self.pad, **more)
        states: Tensor = output.last_hidden_state
        if self.per_token:
            return states
        if self.pooler is None:
            pooled: Tensor = output.pooler_output
            return pooled
        return torch.tanh(self.pooler(states[:, 0]))

    def _of_packed(self, texts: PackedTexts) -> Tensor:
        """The same of packed texts: (B, hidden), in the order of the examples.

        Raises:
            UserError: the encoder cannot keep texts in one row apart.
        """
        base: Any = self.get_submodule(self._base)
        config = base.config
        kind = encoder_type({"model_type": config.model_type}, config.model_type)
        if not kind.packs or self.per_token:
            what = "answers of every token" if self.per_token else f"encoders of type {config.model_type}"
            raise UserError(f"padding: none is not for {what}; set `padding: longest`")
        use_packed_attention(base)
        more: dict[str, Any] = {}
        if self.pair_separator is not None:
            more["token_type_ids"] = packed_token_types(texts, self.pair_separator)[None]
        if getattr(config, "layer_types", None):
            # ModernBERT would make masks for the whole row; attention has its window.
            more["attention_mask"] = dict.fromkeys(config.layer_types)
        first = config.pad_token_id + 1 if kind.positions_after_padding else 0
        output = base(
            input_ids=texts.tokens[None], position_ids=(texts.positions + first)[None], texts=texts, **more
        )
        states: Tensor = output.last_hidden_state[0, texts.first]
        if self.pooler is not None:
            return torch.tanh(self.pooler(states))
        # The encoder's own pooler read the first text alone.
        own = base.get_submodule("pooler")
        if isinstance(own, nn.Linear):  # ALBERT's activation is a module beside it
            activated: Tensor = base.get_submodule("pooler_activation")(own(states))
            return activated
        pooled: Tensor = own(states[:, None])
        return pooled


def token_types(tokens: Tensor, separator: int, pad: int) -> Tensor:
    """Which text of a pair a token is of: 0 up to and with the first separator, then 1, and 0 for padding.

    BERT's rule ([CLS] a [SEP] b [SEP]; Devlin et al. 2019, section 3). Ids (B, L) -> types (B, L), int64.

    >>> token_types(torch.tensor([[2, 7, 3, 8, 3, 0]]), separator=3, pad=0).tolist()
    [[0, 0, 0, 1, 1, 0]]
    """
    here = (tokens == separator).long()
    before = here.cumsum(dim=1) - here
    return ((before > 0) & (tokens != pad)).long()


def _linear(inputs: int, outputs: int, std: float) -> nn.Linear:
    layer = nn.Linear(inputs, outputs)
    nn.init.normal_(layer.weight, std=std)
    nn.init.zeros_(layer.bias)
    return layer
