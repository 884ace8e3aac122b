"""A BERT-form transformer encoder, classified from its pooled output."""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn

from prunescope.vision import prepare_torchvision


class Encoder(nn.Module):
    """transformers' BertModel, its pooled output, dropout, one linear layer (PIE paper, appendix A.1).

    Input (B, L) int64 piece ids, padded with ``pad``; padding is masked, so that padding a batch to
    its longest text gives the same function as padding it to the limit. Output logits (B, classes).
    """

    final_layer = "classifier"

    def __init__(
        self, classes: int, *, pad: int, pretrained: Any = None, head_std: float = 0.02, **settings: Any
    ) -> None:
        """``pretrained``: a BertModel to go on from; otherwise ``settings`` are those of a new one."""
        super().__init__()
        if pretrained is None:
            prepare_torchvision()
            # Here rather than above: the import takes seconds, which only encoders' jobs should pay.
            from transformers.models.bert.configuration_bert import BertConfig
            from transformers.models.bert.modeling_bert import BertModel

            pretrained = BertModel(BertConfig(pad_token_id=pad, **settings))
        config = pretrained.config
        self.pad = pad
        self.bert = pretrained
        self.dropout = nn.Dropout(config.hidden_dropout_prob)
        self.classifier = nn.Linear(config.hidden_size, classes)
        nn.init.normal_(self.classifier.weight, std=head_std)
        nn.init.zeros_(self.classifier.bias)

    def forward(self, pieces: Tensor) -> Tensor:
        output = self.bert(input_ids=pieces, attention_mask=pieces != self.pad)
        logits: Tensor = self.classifier(self.dropout(output.pooler_output))
        return logits
