"""Causal language models of GPT-2's form, pretrained or new."""

from __future__ import annotations

from typing import Any

from prunescope.config.architectures import CausalLM
from prunescope.data.hub import load_part
from prunescope.data.vision import prepare_torchvision
from prunescope.errors import UserError

#: Settings of an arch -> what GPT-2's config.json calls them.
_NAMES = {
    "hidden": "n_embd",
    "layers": "n_layer",
    "heads": "n_head",
    "vocabulary": "vocab_size",
    "positions": "n_positions",
}

_DROPOUTS = ("resid_pdrop", "embd_pdrop", "attn_pdrop")


def load_model(arch: CausalLM) -> Any:
    """transformers' language model with the checkpoint's weights, float32.

    Raises:
        UserError: the checkpoint is not there, is no GPT-2, has other sizes than the arch, or lacks weights.
    """
    prepare_torchvision()
    from transformers import AutoConfig, AutoModelForCausalLM

    config = load_part(AutoConfig, arch)
    if config.model_type != "gpt2":
        raise UserError(f"{arch.pretrained}: its model type is {config.model_type!r}; choose a GPT-2")
    wrong = {
        ours: size for ours, name in _NAMES.items() if (size := getattr(config, name)) != getattr(arch, ours)
    }
    if wrong:
        settings = ", ".join(f"{name}: {value}" for name, value in sorted(wrong.items()))
        raise UserError(f"{arch.pretrained}: has other sizes than the arch; set {settings}")
    for name in _DROPOUTS:
        setattr(config, name, arch.dropout)
    model, report = load_part(
        AutoModelForCausalLM, arch, config=config, use_safetensors=True, output_loading_info=True
    )
    # The output layer is the token embedding again, which files hold once.
    missing = sorted(name for name in report["missing_keys"] if name != "lm_head.weight")
    if missing or report["mismatched_keys"]:
        what = missing[0] if missing else sorted(map(str, report["mismatched_keys"]))[0]
        raise UserError(
            f"{arch.pretrained}: lacks weights that the model has, such as {what}; fetch it again"
        )
    return model.float()


def new_model(arch: CausalLM, vocabulary: int) -> Any:
    """A GPT-2 of the arch's sizes, its weights drawn."""
    prepare_torchvision()
    from transformers.models.gpt2.configuration_gpt2 import GPT2Config
    from transformers.models.gpt2.modeling_gpt2 import GPT2LMHeadModel

    settings: dict[str, Any] = {name: getattr(arch, ours) for ours, name in _NAMES.items()}
    settings |= {"vocab_size": vocabulary, "initializer_range": arch.initializer_range}
    settings |= dict.fromkeys(_DROPOUTS, arch.dropout)
    return GPT2LMHeadModel(GPT2Config(**settings, bos_token_id=0, eos_token_id=0))
