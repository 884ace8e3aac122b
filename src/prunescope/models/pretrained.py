"""Pretrained text encoders and their tokenizers, from a local folder or the hub.

Weights come from safetensors alone, and no code that a checkpoint brings along is run.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from prunescope.config.architectures import Encoder
from prunescope.config.checkpoints import (
    SIZES,
    EncoderType,
    checkpoint_folder,
    checkpoint_sizes,
    encoder_type,
)
from prunescope.data.vision import prepare_torchvision
from prunescope.errors import UserError


class PretrainedPieces:
    """Cuts texts with the checkpoint's own tokenizer.

    ``cls`` and ``sep`` are the pieces around a text, whatever the tokenizer calls them.

    Raises:
        UserError: the checkpoint or its tokenizer is not there, or does not suit the arch.
    """

    def __init__(self, arch: Encoder) -> None:
        prepare_torchvision()
        from transformers import AutoTokenizer

        config = read_config(arch)
        self._tokenizer = _load(AutoTokenizer, arch)
        ids = self._tokenizer.get_vocab()
        special = [self._special(*names) for names in (("pad",), ("cls", "bos"), ("sep", "eos"))]
        around = list(self._tokenizer("")["input_ids"])
        if None in special or around != special[1:] or max(ids.values()) >= arch.vocabulary:
            raise UserError(
                f"{arch.pretrained}: its tokenizer lacks a piece for padding, or pieces such as [CLS] and [SEP] "
                "around a text, or has more pieces than the network; choose another checkpoint"
            )
        if _type_of(config, arch).positions_after_padding and special[0] != config.pad_token_id:
            # Such networks number positions by counting what is not their own padding piece.
            raise UserError(
                f"{arch.pretrained}: pads with piece {special[0]} but its network with {config.pad_token_id}; "
                "set pad_token_id in its config.json to the tokenizer's"
            )
        self.pad, self.cls, self.sep = (int(number) for number in special)
        self.vocabulary = sorted(ids, key=lambda piece: ids[piece])

    def _special(self, *names: str) -> Any:
        found = (getattr(self._tokenizer, f"{name}_token_id", None) for name in names)
        return next((number for number in found if number is not None), None)

    @property
    def tokenizer(self) -> Any:
        """The tokenizers.Tokenizer within, for uses that need the places of pieces."""
        return self._tokenizer.backend_tokenizer

    def numbered(self, texts: Sequence[Sequence[str]], max_tokens: int | None = None) -> list[list[int]]:
        """Ids of each text, or pair of texts, cut to ``max_tokens`` as ``data.pieces.Pieces`` does."""
        columns = [list(column) for column in texts]
        cut = {"truncation": "longest_first", "max_length": max_tokens} if max_tokens else {}
        # Not verbose: uncut texts are counted, so that some are longer than the network takes is expected.
        rows: list[list[int]] = self._tokenizer(*columns, verbose=False, **cut)["input_ids"]
        return rows


def read_config(arch: Encoder, *, local_only: bool = False) -> Any:
    """The checkpoint's configuration, with the arch's number of layers and its dropout.

    ``local_only``: from a folder or the hub's cache, without the network.

    Raises:
        UserError: it is not there, is no text encoder, or its sizes are not the arch's.
    """
    prepare_torchvision()
    from transformers import AutoConfig

    config = _load(AutoConfig, arch, **({"local_files_only": True} if local_only else {}))
    kind = _type_of(config, arch)
    found = checkpoint_sizes(config.to_dict(), kind)
    wrong = {
        name: size
        for name, size in found.items()
        if (size < getattr(arch, name) if name == "layers" else size != getattr(arch, name))
    }
    if wrong:
        settings = ", ".join(f"{name}: {value}" for name, value in sorted(wrong.items(), key=_layers_last))
        raise UserError(f"{arch.pretrained}: has other sizes than the arch; set {settings}")
    _keep_lower_layers(config, arch, found["layers"])
    for name in kind.dropouts:
        setattr(config, name, arch.dropout)
    return config


def load_model(arch: Encoder) -> Any:
    """transformers' base model with the checkpoint's weights, float32; a missing pooler is drawn anew.

    Raises:
        UserError: the checkpoint is not there, has no safetensors, or lacks weights.
    """
    prepare_torchvision()
    from transformers import AutoModel

    config = read_config(arch)
    model, report = _load(
        AutoModel, arch, config=config, use_safetensors=True, output_loading_info=True, **_attention(config)
    )
    missing = sorted(name for name in report["missing_keys"] if not name.startswith("pooler."))
    if missing or report["mismatched_keys"]:
        what = missing[0] if missing else sorted(map(str, report["mismatched_keys"]))[0]
        raise UserError(
            f"{arch.pretrained}: lacks weights that the network has, such as {what}; fetch it again"
        )
    return model.float()


def untrained_model(arch: Encoder) -> Any:
    """The network of ``load_model`` with random weights, to count them; never from the network.

    Raises:
        UserError: the configuration is not at hand, or does not suit the arch.
    """
    from transformers import AutoModel

    config = read_config(arch, local_only=True)
    return AutoModel.from_config(config, **_attention(config))


def check_sizes_known(arch: Encoder) -> None:
    """Refuse to start with sizes that only a look at the checkpoint can tell, and that are others.

    For a checkpoint that was not at hand when the study was read; its configuration is fetched.

    Raises:
        UserError: it is not there, or sizes that the study leaves to it are not the defaults.
    """
    from transformers import AutoConfig

    left_out = set(SIZES) - arch.model_fields_set
    if arch.pretrained is None or not left_out:
        return
    config = _load(AutoConfig, arch)
    found = checkpoint_sizes(config.to_dict(), _type_of(config, arch))
    others = [f"{name}: {size}" for name, size in found.items() if size != getattr(arch, name)]
    if any(found[name] != getattr(arch, name) for name in left_out & set(found)):
        raise UserError(
            f"{arch.pretrained}: has {', '.join(others)}, which was not known before; start again to use what it "
            "has, or set it in the arch"
        )


def takes_token_types(config: Any) -> bool:
    """Whether the network tells the two texts of a pair apart by token types 0 and 1."""
    kind = encoder_type({"model_type": config.model_type}, config.model_type)
    return kind.token_types and config.type_vocab_size >= 2


def _layers_last(size: tuple[str, int]) -> bool:
    return size[0] == "layers"


def _type_of(config: Any, arch: Encoder) -> EncoderType:
    assert arch.pretrained is not None
    return encoder_type(config.to_dict(), arch.pretrained)


def _keep_lower_layers(config: Any, arch: Encoder, layers: int) -> None:
    if arch.layers < layers and getattr(config, "num_hidden_groups", 1) > 1:
        # Which layers share weights depends on their number.
        raise UserError(
            f"{arch.pretrained}: its layers share weights in {config.num_hidden_groups} groups, so that all "
            f"are needed; set layers: {layers}"
        )
    kinds = getattr(config, "layer_types", None)
    if kinds:
        config.layer_types = list(kinds[: arch.layers])
    config.num_hidden_layers = arch.layers


def _attention(config: Any) -> dict[str, Any]:
    """ModernBERT would take flash attention and compile itself where it can; neither is deterministic."""
    if config.model_type != "modernbert":
        return {}
    config.reference_compile = False
    return {"attn_implementation": "sdpa"}


def _load(kind: Any, arch: Encoder, **settings: Any) -> Any:
    assert arch.pretrained is not None
    folder = checkpoint_folder(arch.pretrained)
    place = arch.pretrained if folder is None else str(folder)
    try:
        with quiet():
            return kind.from_pretrained(
                place, revision=arch.revision or "main", trust_remote_code=False, **settings
            )
    # Which errors come depends on the versions of transformers, safetensors and the hub's client.
    except Exception as error:
        reason = " ".join(str(error).split())[:300]
        raise UserError(
            f"pretrained: {place} cannot be loaded ({type(error).__name__}: {reason}); give a hub id or a folder "
            f"with config.json, model.safetensors and tokenizer files{offline_hint(folder)}"
        ) from None


def offline_hint(folder: Path | None) -> str:
    """What else to do where the hub is not asked."""
    if folder is not None or os.environ.get("HF_HUB_OFFLINE", "").upper() not in ("1", "ON", "YES", "TRUE"):
        return ""
    return "; the hub is not asked here (HF_HUB_OFFLINE): fetch it with `prunescope pretrained`"


@contextmanager
def quiet() -> Iterator[None]:
    """Without transformers' progress bars and its reports on weights that are not used.

    Upper layers and heads of a checkpoint are left out on purpose. Weights that are missing are errors of our
    own, and what transformers itself calls an error is still said.
    """
    from transformers.utils import logging as talk

    level, bars = talk.get_verbosity(), talk.is_progress_bar_enabled()
    talk.set_verbosity(max(level, logging.ERROR))
    talk.disable_progress_bar()
    try:
        yield
    finally:
        talk.set_verbosity(level)
        if bars:
            talk.enable_progress_bar()
