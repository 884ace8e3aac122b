"""Subwords: a WordPiece vocabulary learned from the training texts, and texts cut into its tokens."""

from __future__ import annotations

from collections.abc import Sequence

from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors, trainers

from prunescope.errors import UserError

#: The special tokens; their positions are their ids.
SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
PAD, UNKNOWN, CLS, SEP, MASK = range(5)

_CONTINUES = "##"


def learn(texts: Sequence[str], size: int) -> list[str]:
    """At most ``size`` tokens, special ones first; a token's position is its id.

    Raises:
        UserError: the texts have more different characters than ``size`` leaves room for.
    """
    normalizer, splitter = normalizers.BertNormalizer(lowercase=True), pre_tokenizers.BertPreTokenizer()
    starts: set[str] = set()
    goes_on: set[str] = set()
    for text in texts:
        for word, _ in splitter.pre_tokenize_str(normalizer.normalize_str(text)):
            starts.add(word[0])
            goes_on.update(word[1:])
    # The trainer numbers characters inside words in the random order of a hash table, and breaks
    # ties by number. Naming them all in advance, as if they were special, fixes their numbers.
    alphabet = [*sorted(starts | goes_on), *(_CONTINUES + c for c in sorted(goes_on))]
    needed = len(SPECIAL) + len(alphabet)
    if needed > size:
        raise UserError(
            f"vocabulary: {size} subwords are fewer than the {needed} single characters of the training "
            f"texts; set it to at least {needed}"
        )
    tokenizer = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    tokenizer.normalizer = normalizer
    tokenizer.pre_tokenizer = splitter
    trainer = trainers.WordPieceTrainer(
        vocab_size=size,
        special_tokens=[*SPECIAL, *alphabet],
        continuing_subword_prefix=_CONTINUES,
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    ids = tokenizer.get_vocab(with_added_tokens=True)
    return sorted(ids, key=lambda token: ids[token])


class Subwords:
    """Cuts texts into the tokens of a vocabulary, with [CLS] in front and [SEP] behind each part."""

    pad, cls, sep = PAD, CLS, SEP

    def __init__(self, vocabulary: Sequence[str]) -> None:
        self.vocabulary = list(vocabulary)
        ids = {token: number for number, token in enumerate(vocabulary)}
        self._tokenizer = Tokenizer(
            models.WordPiece(ids, unk_token="[UNK]", continuing_subword_prefix=_CONTINUES)
        )
        self._tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True)
        self._tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
        self._tokenizer.post_processor = processors.BertProcessing(("[SEP]", SEP), ("[CLS]", CLS))

    @property
    def tokenizer(self) -> Tokenizer:
        """For uses that need the offsets of tokens."""
        return self._tokenizer

    def numbered(self, texts: Sequence[Sequence[str]], max_tokens: int | None = None) -> list[list[int]]:
        """Ids of each text, or pair of texts, cut to ``max_tokens`` with the special tokens kept.

        ``texts``: per input column (one, or premise and hypothesis) all texts. Of a pair, the
        longer part is cut first.
        """
        if max_tokens is None:
            self._tokenizer.no_truncation()
        else:
            self._tokenizer.enable_truncation(max_tokens, strategy="longest_first")
        rows = texts[0] if len(texts) == 1 else list(zip(*texts, strict=True))
        return [encoding.ids for encoding in self._tokenizer.encode_batch_fast(list(rows))]
