"""Parts of pretrained checkpoints, from a local folder or the hub.

Weights come from safetensors alone, and no code that a checkpoint brings along is run.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from prunescope.config.architectures import CausalLM, Encoder, Transformers
from prunescope.config.checkpoints import (
    EncoderType,
    checkpoint_folder,
    checkpoint_sizes,
    encoder_type,
    refuse_pickled,
)
from prunescope.data.vision import prepare_torchvision
from prunescope.errors import UserError


def load_part(kind: Any, arch: Encoder | CausalLM | Transformers, **settings: Any) -> Any:
    """What ``kind``, a class of transformers, loads from the arch's checkpoint.

    Raises:
        UserError: it cannot be loaded.
    """
    assert arch.pretrained is not None
    key = "checkpoint" if isinstance(arch, Transformers) else "pretrained"
    folder = checkpoint_folder(arch.pretrained, key)
    checkpoint = arch.pretrained if folder is None else str(folder)
    if folder is not None and settings.get("use_safetensors"):
        refuse_pickled(folder, key)
    try:
        with quiet():
            return kind.from_pretrained(
                checkpoint, revision=arch.revision or "main", trust_remote_code=False, **settings
            )
    # Which errors come depends on the versions of transformers, safetensors and the hub's client.
    except Exception as error:
        reason = " ".join(str(error).split())[:300]
        raise UserError(
            f"{key}: {checkpoint} cannot be loaded ({type(error).__name__}: {reason}); give a hub id or a folder "
            f"with config.json, model.safetensors and tokenizer files{_offline_hint(folder)}"
        ) from None


def read_config(arch: Encoder, *, local_only: bool = False) -> Any:
    """The checkpoint's configuration, with the arch's number of layers and its dropout.

    ``local_only``: from a folder or the hub's cache, without the network.

    Raises:
        UserError: it is not there, is no text encoder, or its sizes are not the arch's.
    """
    prepare_torchvision()
    from transformers import AutoConfig

    config = load_part(AutoConfig, arch, **({"local_files_only": True} if local_only else {}))
    kind = type_of(config, arch)
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


def type_of(config: Any, arch: Encoder) -> EncoderType:
    """What is known of the type of a checkpoint with configuration ``config``."""
    assert arch.pretrained is not None
    return encoder_type(config.to_dict(), arch.pretrained)


def _layers_last(size: tuple[str, int]) -> bool:
    return size[0] == "layers"


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


def _offline_hint(folder: Path | None) -> str:
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
