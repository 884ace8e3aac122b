"""Pretrained text encoders."""

from __future__ import annotations

from typing import Any

from prunescope.config.architectures import Encoder
from prunescope.config.checkpoints import SIZES, checkpoint_sizes, encoder_type
from prunescope.data.hub import load_part, read_config, type_of
from prunescope.data.vision import prepare_torchvision
from prunescope.errors import UserError


def load_model(arch: Encoder) -> Any:
    """transformers' base model with the checkpoint's weights, float32; a missing pooler gets random weights.

    Raises:
        UserError: the checkpoint is not there, has no safetensors, or lacks weights.
    """
    prepare_torchvision()
    from transformers import AutoModel

    config = read_config(arch)
    model, report = load_part(
        AutoModel, arch, config=config, use_safetensors=True, output_loading_info=True, **_attention(config)
    )
    missing = sorted(name for name in report["missing_keys"] if not name.startswith("pooler."))
    if missing or report["mismatched_keys"]:
        what = missing[0] if missing else sorted(map(str, report["mismatched_keys"]))[0]
        raise UserError(
            f"{arch.pretrained}: lacks weights that the model has, such as {what}; fetch it again"
        )
    return model.float()


def untrained_model(arch: Encoder) -> Any:
    """The model of ``load_model`` with random weights, to count them; never from the network.

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
    config = load_part(AutoConfig, arch)
    found = checkpoint_sizes(config.to_dict(), type_of(config, arch))
    others = [f"{name}: {size}" for name, size in found.items() if size != getattr(arch, name)]
    if any(found[name] != getattr(arch, name) for name in left_out & set(found)):
        raise UserError(
            f"{arch.pretrained}: has {', '.join(others)}, which was not known before; start again to use what it "
            "has, or set it in the arch"
        )


def takes_token_types(config: Any) -> bool:
    """Whether the model tells the two texts of a pair apart by token types 0 and 1."""
    kind = encoder_type({"model_type": config.model_type}, config.model_type)
    return kind.token_types and config.type_vocab_size >= 2


def _attention(config: Any) -> dict[str, Any]:
    """ModernBERT would take flash attention and compile itself where it can; neither is deterministic."""
    if config.model_type != "modernbert":
        return {}
    config.reference_compile = False
    return {"attn_implementation": "sdpa"}
