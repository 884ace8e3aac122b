"""Tokenizers of pretrained checkpoints."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from prunescope.config.architectures import CausalLM, Encoder, Transformers
from prunescope.data.encoding.byte_pairs import BytePairs
from prunescope.data.hub import load_part, read_config, type_of
from prunescope.data.vision import prepare_torchvision
from prunescope.errors import UserError


class PretrainedTokenizer:
    """Cuts texts with the checkpoint's own tokenizer.

    ``cls`` and ``sep`` are the tokens around a text, whatever the tokenizer calls them.

    Raises:
        UserError: the checkpoint or its tokenizer is not there, or does not suit the arch.
    """

    def __init__(self, arch: Encoder) -> None:
        prepare_torchvision()
        from transformers import AutoTokenizer

        config = read_config(arch)
        self._tokenizer = load_part(AutoTokenizer, arch)
        ids = self._tokenizer.get_vocab()
        special = [self._special(*names) for names in (("pad",), ("cls", "bos"), ("sep", "eos"))]
        around = list(self._tokenizer("")["input_ids"])
        if None in special or around != special[1:] or max(ids.values()) >= arch.vocabulary:
            raise UserError(
                f"{arch.pretrained}: its tokenizer lacks a token for padding, or tokens such as [CLS] and [SEP] "
                "around a text, or has more tokens than the model; choose another checkpoint"
            )
        if type_of(config, arch).positions_after_padding and special[0] != config.pad_token_id:
            # Such models number positions by counting what is not their own padding token.
            raise UserError(
                f"{arch.pretrained}: pads with token {special[0]} but its model with {config.pad_token_id}; "
                "set pad_token_id in its config.json to the tokenizer's"
            )
        self.pad, self.cls, self.sep = (int(number) for number in special)
        self.vocabulary = sorted(ids, key=lambda token: ids[token])

    def _special(self, *names: str) -> Any:
        found = (getattr(self._tokenizer, f"{name}_token_id", None) for name in names)
        return next((number for number in found if number is not None), None)

    @property
    def tokenizer(self) -> Any:
        """The tokenizers.Tokenizer within, for uses that need the offsets of tokens."""
        return self._tokenizer.backend_tokenizer

    def numbered(self, texts: Sequence[Sequence[str]], max_tokens: int | None = None) -> list[list[int]]:
        """Ids of each text, or pair of texts, cut to ``max_tokens`` as ``data.encoding.subwords.Subwords`` does."""
        columns = [list(column) for column in texts]
        cut = {"truncation": "longest_first", "max_length": max_tokens} if max_tokens else {}
        # Not verbose: uncut texts are counted, so that some are longer than the model takes is expected.
        rows: list[list[int]] = self._tokenizer(*columns, verbose=False, **cut)["input_ids"]
        return rows


class AnyTokenizer:
    """Cuts texts with the tokenizer of any checkpoint of transformers, as it marks beginnings and ends itself.

    ``pad``: its padding token, or the end of a text where it has none. ``sep``: between the texts of a pair, or None.

    Raises:
        UserError: it is not there, or has neither.
    """

    def __init__(self, arch: Transformers) -> None:
        prepare_torchvision()
        from transformers import AutoTokenizer

        self._tokenizer = load_part(AutoTokenizer, arch)
        pad = next(
            (n for n in (self._tokenizer.pad_token_id, self._tokenizer.eos_token_id) if n is not None), None
        )
        if pad is None:
            raise UserError(f"{arch.checkpoint}: its tokenizer has no token for padding or the end of a text")
        self._tokenizer.pad_token = self._tokenizer.convert_ids_to_tokens(pad)
        self._tokenizer.truncation_side = self._tokenizer.padding_side = "right"
        self.pad, self.cls, self.sep = int(pad), self._tokenizer.cls_token_id, self._tokenizer.sep_token_id
        ids = self._tokenizer.get_vocab()
        self.size = max(ids.values()) + 1
        self.vocabulary = sorted(ids, key=lambda token: ids[token])

    @property
    def tokenizer(self) -> Any:
        return self._tokenizer.backend_tokenizer

    def numbered(self, texts: Sequence[Sequence[str]], max_tokens: int | None = None) -> list[list[int]]:
        """Ids of each text, or pair of texts, cut to ``max_tokens``; a pair without a token between is two lines."""
        columns = [list(column) for column in texts]
        if len(columns) > 1 and self.sep is None:
            columns = [["\n".join(parts) for parts in zip(*columns, strict=True)]]
        cut = {"truncation": "longest_first", "max_length": max_tokens} if max_tokens else {}
        rows: list[list[int]] = self._tokenizer(*columns, verbose=False, **cut)["input_ids"]
        return rows


def load_byte_pairs(arch: CausalLM | Transformers) -> BytePairs:
    """The checkpoint's tokenizer; the mark between texts is its end of text.

    Raises:
        UserError: it is not there, or has no such mark.
    """
    prepare_torchvision()
    from transformers import AutoTokenizer

    tokenizer = load_part(AutoTokenizer, arch)
    if tokenizer.eos_token_id is None or len(tokenizer) > arch.vocabulary_size:
        raise UserError(
            f"{arch.pretrained}: its tokenizer has no token for the end of a text, or more tokens than the "
            "model; choose another checkpoint"
        )
    return BytePairs(tokenizer.backend_tokenizer, int(tokenizer.eos_token_id))
