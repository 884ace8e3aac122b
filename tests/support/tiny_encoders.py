"""Tiny pretrained encoders of every supported type, each with a tokenizer of its own."""

from __future__ import annotations

from pathlib import Path
from typing import Any

WORDS = [*"abcdefgh", "good", "bad", "film", "##s"]
SMALL = {
    "vocab_size": 64,
    "hidden_size": 8,
    "num_hidden_layers": 3,
    "num_attention_heads": 2,
    "intermediate_size": 16,
    "max_position_embeddings": 16,
}
#: Beside the sizes. RoBERTa's table has two rows that are no token's position.
OTHERS: dict[str, dict[str, Any]] = {
    "albert": {"embedding_size": 4},
    "bert": {},
    "camembert": {"max_position_embeddings": 18, "type_vocab_size": 1},
    "distilbert": {},
    "electra": {"embedding_size": 4},
    "modernbert": {"pad_token_id": 0, "local_attention": 4},
    "mpnet": {"max_position_embeddings": 18},
    "roberta": {"max_position_embeddings": 18, "type_vocab_size": 1},
    "xlm-roberta": {"max_position_embeddings": 18, "type_vocab_size": 1},
}
ROBERTAS = ("camembert", "mpnet", "roberta", "xlm-roberta")


def save_checkpoint(folder: Path, kind: str, **changes: Any) -> Path:
    """config.json, model.safetensors and a tokenizer: RoBERTa's form (<s> a </s></s> b </s>) or BERT's."""
    import torch
    from transformers import AutoConfig, AutoModel, PreTrainedTokenizerFast

    config = AutoConfig.for_model(kind)
    distil = {
        "hidden_size": "dim",
        "num_hidden_layers": "n_layers",
        "num_attention_heads": "n_heads",
        "intermediate_size": "hidden_dim",
    }
    names = distil if kind == "distilbert" else {}
    sizes = {names.get(key, key): value for key, value in {**SMALL, **OTHERS[kind], **changes}.items()}
    roberta = kind in ROBERTAS
    tokens = ["<s>", "<pad>", "</s>", "<unk>"] if roberta else ["[PAD]", "[UNK]", "[CLS]", "[SEP]"]
    ids = {"pad_token_id": int(roberta), "bos_token_id": 0, "eos_token_id": 2}
    ids |= {"cls_token_id": 2, "sep_token_id": 3} if kind == "modernbert" else {}
    config = type(config)(**{**ids, **sizes})
    torch.manual_seed(7)
    AutoModel.from_config(config).save_pretrained(folder)
    first, separator = (tokens[0], tokens[2]) if roberta else (tokens[2], tokens[3])
    PreTrainedTokenizerFast(
        tokenizer_object=_tokenizer([*tokens, *WORDS], first, separator, roberta),
        pad_token=tokens[1] if roberta else tokens[0],
        unk_token=tokens[3] if roberta else tokens[1],
        # RoBERTa's are found by their other names, as some tokenizers have no others.
        **({"bos_token": first, "eos_token": separator} if roberta else {}),
        **({} if roberta else {"cls_token": first, "sep_token": separator}),
        model_input_names=["input_ids", "token_type_ids", "attention_mask"],
    ).save_pretrained(folder)
    return folder


def _tokenizer(pieces: list[str], first: str, separator: str, roberta: bool) -> Any:
    from tokenizers import Tokenizer, models, pre_tokenizers, processors

    unknown = pieces[3] if roberta else pieces[1]
    ids = {piece: number for number, piece in enumerate(pieces)}
    tokenizer = Tokenizer(models.WordPiece(ids, unk_token=unknown))
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    between = (
        f"{separator}:0 {separator}:0 $B:0 {separator}:0" if roberta else f"{separator}:0 $B:1 {separator}:1"
    )
    tokenizer.post_processor = processors.TemplateProcessing(
        single=f"{first}:0 $A:0 {separator}:0",
        pair=f"{first}:0 $A:0 {between}",
        special_tokens=[(first, ids[first]), (separator, ids[separator])],
    )
    return tokenizer
