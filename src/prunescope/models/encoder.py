"""A transformer encoder of texts, classified from its pooled output."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from prunescope.vision import prepare_torchvision


class Encoder(nn.Module):
    """One of transformers' encoders, its pooled output, dropout, one linear layer (PIE paper, appendix A.1).

    The pooled output is that of the encoder's own pooler; where it has none, a dense layer with tanh over
    the first token's last state, which is what BERT's pooler computes.

    Input (B, L) int64 piece ids, padded with ``pad``; padding is masked, so that padding a batch to
    its longest text gives the same function as padding it to the limit. Output logits (B, classes).

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
            pair_separator: id of the piece behind the first text of a pair, to give a network its token types;
                None for single texts and for networks that have none.
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
        self.dropout = nn.Dropout(dropout)
        self.classifier = _linear(hidden, classes, head_std)

    def forward(self, pieces: Tensor) -> Tensor:
        more = {}
        if self.pair_separator is not None:
            more["token_type_ids"] = token_types(pieces, self.pair_separator, self.pad)
        base = self.get_submodule(self._base)
        output = base(input_ids=pieces, attention_mask=pieces != self.pad, **more)
        if self.per_token:
            pooled = output.last_hidden_state
        elif self.pooler is None:
            pooled = output.pooler_output
        else:
            pooled = torch.tanh(self.pooler(output.last_hidden_state[:, 0]))
        logits: Tensor = self.classifier(self.dropout(pooled))
        return logits


def token_types(pieces: Tensor, separator: int, pad: int) -> Tensor:
    """Which text of a pair a piece is of: 0 up to and with the first separator, then 1, and 0 for padding.

    BERT's rule ([CLS] a [SEP] b [SEP]; Devlin et al. 2019, section 3). Ids (B, L) -> types (B, L), int64.

    >>> token_types(torch.tensor([[2, 7, 3, 8, 3, 0]]), separator=3, pad=0).tolist()
    [[0, 0, 0, 1, 1, 0]]
    """
    here = (pieces == separator).long()
    before = here.cumsum(dim=1) - here
    return ((before > 0) & (pieces != pad)).long()


def _linear(inputs: int, outputs: int, std: float) -> nn.Linear:
    layer = nn.Linear(inputs, outputs)
    nn.init.normal_(layer.weight, std=std)
    nn.init.zeros_(layer.bias)
    return layer
