"""A causal language model: it continues a text token by token."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from prunescope.config import architectures
from prunescope.data.encoding.tokenizers import load_byte_pairs
from prunescope.models.causal_checkpoints import load_model, new_model
from prunescope.models.shape import Shape


def build(arch: architectures.CausalLM, shape: Shape) -> CausalLM:
    return wrapped(
        new_model(arch, shape.vocabulary) if arch.pretrained is None else load_model(arch), arch, shape
    )


def wrapped(lm: Any, arch: architectures.CausalLM | architectures.Transformers, shape: Shape) -> CausalLM:
    """A language model of transformers as one of ours."""
    return CausalLM(
        lm,
        end=shape.pad,
        beams=arch.beams,
        length_penalty=arch.length_penalty,
        max_new_tokens=arch.max_new_tokens,
    )


def counted(arch: architectures.CausalLM, shape: Shape) -> tuple[CausalLM, None]:
    """Without its checkpoint, whose sizes are the arch's or it is refused."""
    return build(arch.model_copy(update={"pretrained": None, "revision": None}), shape), None


def fetch(arch: architectures.CausalLM) -> Any:
    load_byte_pairs(arch)
    return load_model(arch).config


class CausalLM(nn.Module):
    """A language model of transformers with its output layer, which may share the weights of the token embedding.

    Input (B, L) int64 token ids, padded on the right, where a causal model does not see it. Output logits
    (B, L, V): of the token that comes next.
    """

    def __init__(
        self, lm: Any, *, end: int, beams: int = 1, length_penalty: float = 1.0, max_new_tokens: int = 128
    ) -> None:
        """
        Args:
            lm: what ``AutoModelForCausalLM`` makes.
            end: id of the token that ends a text.
            beams, length_penalty, max_new_tokens: of ``continuations``.
        """
        super().__init__()
        self.lm = lm
        self.end, self.beams, self.length_penalty = end, beams, length_penalty
        self.max_new_tokens = max_new_tokens
        names = {id(module): name for name, module in self.named_modules()}
        output, table = lm.get_output_embeddings(), lm.get_input_embeddings()
        self.final_layer = names[id(output)]
        if output.weight is table.weight:
            # Files and copies hold the shared table once.
            self._output, self._table = f"{self.final_layer}.weight", f"{names[id(table)]}.weight"
            self.register_state_dict_post_hook(_without_output_layer)
            self.register_load_state_dict_pre_hook(_with_output_layer)

    def forward(self, tokens: Tensor) -> Tensor:
        logits: Tensor = self.lm(input_ids=tokens, use_cache=False).logits
        return logits

    def continuations(self, prompts: Tensor) -> list[list[int]]:
        """What comes after prompts (B, L) of one length, without padding: by beam search, or greedily.

        Tokens up to the one that ends the text, ``max_new_tokens`` or the model's last position.
        """
        length = prompts.shape[1]
        room = self.max_new_tokens
        if (most := getattr(self.lm.config, "max_position_embeddings", None)) is not None:
            room = min(room, most - length)
        if room < 1:
            return [[] for _ in prompts]
        beams = {"num_beams": self.beams, "length_penalty": self.length_penalty} if self.beams > 1 else {}
        made = self.lm.generate(
            input_ids=prompts,
            attention_mask=torch.ones_like(prompts),
            do_sample=False,
            max_new_tokens=room,
            eos_token_id=self.end,
            pad_token_id=self.end,
            **beams,
        )
        rows: list[list[int]] = made[:, length:].tolist()
        return rows


def _without_output_layer(module: Any, state: dict[str, Any], prefix: str, *_: Any) -> None:
    state.pop(f"{prefix}{module._output}", None)


def _with_output_layer(module: Any, state: dict[str, Any], prefix: str, *_: Any) -> None:
    if f"{prefix}{module._table}" in state:
        state.setdefault(f"{prefix}{module._output}", state[f"{prefix}{module._table}"])
