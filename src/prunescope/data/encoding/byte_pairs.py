"""Byte pairs: a byte-level BPE vocabulary learned from the training texts, as GPT-2's (Radford et al. 2019)."""

from __future__ import annotations

from collections.abc import Sequence

from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

from prunescope.errors import UserError

#: The token between texts, and at the end of one; in vocabularies learned here, the first.
END, END_ID = "<|endoftext|>", 0

#: The token between texts and every byte.
_SMALLEST = 257


def learn(texts: Sequence[str], size: int) -> Tokenizer:
    """A tokenizer of at most ``size`` tokens.

    Raises:
        UserError: ``size`` leaves no room for every byte.
    """
    if size < _SMALLEST:
        raise UserError(f"vocabulary: {size} tokens are fewer than the {_SMALLEST} that bytes need; raise it")
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=size,
        special_tokens=[END],
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    return tokenizer


class BytePairs:
    """Texts as tokens and back; ``end`` is the token between texts."""

    def __init__(self, tokenizer: Tokenizer, end: int) -> None:
        self.tokenizer, self.end = tokenizer, end

    @property
    def vocabulary(self) -> list[str]:
        ids = self.tokenizer.get_vocab()
        return sorted(ids, key=lambda token: ids[token])

    def numbered(self, texts: Sequence[str]) -> list[list[int]]:
        """Ids of each text, without tokens between texts."""
        self.tokenizer.no_truncation()
        return [e.ids for e in self.tokenizer.encode_batch(list(texts), add_special_tokens=False)]

    def text(self, ids: Sequence[int]) -> str:
        """The text of ids, up to the first ``end``, without surplus blanks."""
        kept = list(ids)
        if self.end in kept:
            kept = kept[: kept.index(self.end)]
        return " ".join(self.tokenizer.decode(kept).split())
