"""Pretrained BERT-form encoders and their tokenizers, from a local folder or the hub.

Weights come from safetensors alone, and no code that a checkpoint brings along is run.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from prunescope.archs import Encoder
from prunescope.data.local import expanded
from prunescope.errors import UserError
from prunescope.vision import prepare_torchvision

#: Settings of an arch -> what transformers calls them; these decide the number of parameters.
_SIZES = {
    "hidden": "hidden_size",
    "heads": "num_attention_heads",
    "intermediate": "intermediate_size",
    "vocabulary": "vocab_size",
    "positions": "max_position_embeddings",
}


class PretrainedPieces:
    """Cuts texts with the checkpoint's own tokenizer.

    Raises:
        UserError: the checkpoint or its tokenizer is not there, or does not suit the arch.
    """

    def __init__(self, arch: Encoder) -> None:
        prepare_torchvision()
        from transformers import AutoTokenizer

        read_config(arch)
        self._tokenizer = _load(AutoTokenizer, arch)
        ids = self._tokenizer.get_vocab()
        special = [getattr(self._tokenizer, f"{name}_token_id") for name in ("pad", "cls", "sep")]
        if None in special or max(ids.values()) >= arch.vocabulary:
            raise UserError(
                f"{arch.pretrained}: its tokenizer lacks [PAD], [CLS] or [SEP], or has more pieces than the network; "
                "choose another checkpoint"
            )
        self.pad, self.cls, self.sep = (int(number) for number in special)
        self.vocabulary = sorted(ids, key=lambda piece: ids[piece])

    def numbered(self, texts: Sequence[Sequence[str]], max_tokens: int | None = None) -> list[list[int]]:
        """Ids of each text, or pair of texts, cut to ``max_tokens`` as ``data.pieces.Pieces`` does."""
        columns = [list(column) for column in texts]
        cut = {"truncation": "longest_first", "max_length": max_tokens} if max_tokens else {}
        rows: list[list[int]] = self._tokenizer(*columns, **cut)["input_ids"]
        return rows


def read_config(arch: Encoder) -> Any:
    """The checkpoint's configuration, with the arch's number of layers and its dropout.

    Raises:
        UserError: it is not there, is no BERT, or its sizes are not the arch's.
    """
    prepare_torchvision()
    from transformers import AutoConfig

    config = _load(AutoConfig, arch)
    if config.model_type != "bert":
        raise UserError(
            f"{arch.pretrained}: its model type is {config.model_type!r}; choose a 'bert' checkpoint"
        )
    wrong = {
        ours: getattr(config, theirs)
        for ours, theirs in _SIZES.items()
        if getattr(config, theirs) != getattr(arch, ours)
    }
    if config.num_hidden_layers < arch.layers:
        wrong["layers"] = config.num_hidden_layers
    if wrong:
        settings = ", ".join(f"{name}: {value}" for name, value in wrong.items())
        raise UserError(f"{arch.pretrained}: has other sizes than the arch; set {settings}")
    config.num_hidden_layers = arch.layers
    config.hidden_dropout_prob = config.attention_probs_dropout_prob = arch.dropout
    return config


def load_model(arch: Encoder) -> Any:
    """transformers' BertModel with the checkpoint's weights, float32; a missing pooler is drawn anew.

    Raises:
        UserError: the checkpoint is not there, has no safetensors, or lacks weights.
    """
    prepare_torchvision()
    from transformers import AutoModel

    config = read_config(arch)
    model, report = _load(AutoModel, arch, config=config, use_safetensors=True, output_loading_info=True)
    missing = sorted(name for name in report["missing_keys"] if not name.startswith("pooler."))
    if missing or report["mismatched_keys"]:
        what = missing[0] if missing else sorted(map(str, report["mismatched_keys"]))[0]
        raise UserError(
            f"{arch.pretrained}: lacks weights that the network has, such as {what}; fetch it again"
        )
    return model.float()


def _load(kind: Any, arch: Encoder, **settings: Any) -> Any:
    assert arch.pretrained is not None
    place = arch.pretrained
    if "$" in place or place.startswith(("/", ".", "~")):
        place = str(expanded(place))
    try:
        return kind.from_pretrained(
            place, revision=arch.revision or "main", trust_remote_code=False, **settings
        )
    # Which errors come depends on the versions of transformers, safetensors and the hub's client.
    except Exception as error:
        reason = " ".join(str(error).split())[:300]
        raise UserError(
            f"pretrained: {place} cannot be loaded ({type(error).__name__}: {reason}); give a hub id or a folder "
            "with config.json, model.safetensors and tokenizer files"
        ) from None
