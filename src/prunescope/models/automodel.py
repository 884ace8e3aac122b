"""Classifiers of texts that transformers makes of a checkpoint, whose parts are found by structure."""

from __future__ import annotations

from functools import cache
from typing import Any

import torch
from torch import Tensor, nn

from prunescope.config import architectures
from prunescope.data.encoding.tokenizers import AnyTokenizer
from prunescope.data.hub import load_part, quiet
from prunescope.data.vision import prepare_torchvision
from prunescope.errors import UserError
from prunescope.models.encoder import token_types
from prunescope.models.shape import Shape


def build(arch: architectures.Transformers, shape: Shape) -> AutoClassifier:
    return AutoClassifier(arch, shape, random=arch.weights == "random")


def counted(arch: architectures.Transformers, shape: Shape) -> tuple[nn.Module, None]:
    """The model without its weights, which need not be at hand."""
    return AutoClassifier(arch, shape, random=True), None


def fetch(arch: architectures.Transformers) -> Any:
    """Load tokenizer and weights once, so that they are in the hub's cache; the configuration."""
    AnyTokenizer(arch)
    shape = Shape(classes=2)
    return AutoClassifier(arch, shape, random=arch.weights == "random").net.config


class AutoClassifier(nn.Module):
    """``AutoModelForSequenceClassification`` or ``AutoModelForTokenClassification`` of a checkpoint.

    Input (B, L) int64 token ids, padded with the tokenizer's padding token (that of the end where it has none), which
    is masked. Output logits (B, classes), or (B, L, classes) of every token.
    """

    def __init__(self, arch: architectures.Transformers, shape: Shape, *, random: bool) -> None:
        super().__init__()
        prepare_torchvision()
        import transformers

        kind = (
            transformers.AutoModelForTokenClassification
            if shape.per_token
            else transformers.AutoModelForSequenceClassification
        )
        config = load_part(transformers.AutoConfig, arch)
        config.num_labels = shape.classes
        config.pad_token_id = shape.pad
        attention: dict[str, Any] = {}
        if config.model_type == "modernbert":
            # It would take flash attention and compile itself where it can; neither is deterministic.
            config.reference_compile = False
            attention = {"attn_implementation": "sdpa"}
        if random:
            try:
                with quiet():
                    self.net = kind.from_config(config, **attention)
            except (ValueError, TypeError, AttributeError) as error:
                reason = " ".join(str(error).split())[:200]
                raise UserError(
                    f"checkpoint: {arch.checkpoint} makes no classifier of texts ({reason})"
                ) from None
        else:
            self.net, report = load_part(
                kind,
                arch,
                config=config,
                use_safetensors=True,
                ignore_mismatched_sizes=True,
                output_loading_info=True,
                **attention,
            )
            self.net = self.net.float()
        layers = [name for name, module in self.net.named_modules() if _is_classifier(module, shape.classes)]
        if not layers:
            raise UserError(
                f"checkpoint: {arch.checkpoint} has no last layer with an output for each class; choose another one"
            )
        self.final_layer = f"net.{layers[-1]}"
        if not random:
            # A classifier is new, a pooler may be; all else is the checkpoint's.
            last, body = f"{layers[-1]}.", f"{self.net.base_model_prefix}."
            lacking = [
                name for name in report["missing_keys"] if name.startswith(body) and "pooler" not in name
            ]
            wrong = [str(key[0]) for key in report["mismatched_keys"] if not str(key[0]).startswith(last)]
            if lacking or wrong:
                raise UserError(
                    f"{arch.checkpoint}: lacks weights that the model has, such as {sorted(lacking + wrong)[0]}; "
                    "fetch it again, or set `weights: random`"
                )
        types = getattr(config, "type_vocab_size", 0) or 0
        self.pad, self.separator = shape.pad, shape.separator if types >= 2 else None

    def forward(self, tokens: Tensor) -> Tensor:
        further = {}
        if self.separator is not None:
            further["token_type_ids"] = token_types(tokens, self.separator, self.pad)
        mask = tokens != self.pad
        # A text of nothing but padding is still one token.
        mask[:, 0] = True
        output = self.net(input_ids=tokens, attention_mask=mask.long(), **further)
        logits: Tensor = output.logits
        return logits.float()


def _is_classifier(module: nn.Module, classes: int) -> bool:
    return isinstance(module, nn.Linear) and module.out_features == classes


def measured(
    arch: architectures.Transformers, classes: int, per_token: bool
) -> tuple[dict[str, tuple[int, ...]], int]:
    """Shapes of the prunable weights by name, and the number of all parameters."""
    return _measured(arch.checkpoint, arch.revision, classes, per_token)


@cache
def _measured(
    checkpoint: str, revision: str | None, classes: int, per_token: bool
) -> tuple[dict[str, tuple[int, ...]], int]:
    from prunescope.models.registry import count_parameters, prunable

    arch = architectures.Transformers(family="transformers", checkpoint=checkpoint, revision=revision)
    with torch.device("meta"):
        model = AutoClassifier(arch, Shape(classes=classes, per_token=per_token), random=True)
    return {name: tuple(weight.shape) for name, weight in prunable(model).items()}, count_parameters(model)
