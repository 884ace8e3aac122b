"""Pretrained causal language models of GPT-2's form and their tokenizers, from a local folder or the hub.

Weights come from safetensors alone, and no code that a checkpoint brings along is run.
"""

from __future__ import annotations

from typing import Any

from prunescope.config.architectures import CausalLM
from prunescope.config.checkpoints import checkpoint_folder
from prunescope.data.encoding.byte_pairs import BytePieces
from prunescope.data.vision import prepare_torchvision
from prunescope.errors import UserError
from prunescope.models.pretrained import offline_hint, quiet

#: Settings of an arch -> what GPT-2's config.json calls them.
_NAMES = {
    "hidden": "n_embd",
    "layers": "n_layer",
    "heads": "n_head",
    "vocabulary": "vocab_size",
    "positions": "n_positions",
}

_DROPOUTS = ("resid_pdrop", "embd_pdrop", "attn_pdrop")


def load_pieces(arch: CausalLM) -> BytePieces:
    """The checkpoint's tokenizer; the mark between texts is its end of text.

    Raises:
        UserError: it is not there, or has no such mark.
    """
    prepare_torchvision()
    from transformers import AutoTokenizer

    tokenizer = _load(AutoTokenizer, arch)
    if tokenizer.eos_token_id is None or len(tokenizer) > arch.vocabulary:
        raise UserError(
            f"{arch.pretrained}: its tokenizer has no piece for the end of a text, or more pieces than the "
            "network; choose another checkpoint"
        )
    return BytePieces(tokenizer.backend_tokenizer, int(tokenizer.eos_token_id))


def load_model(arch: CausalLM) -> Any:
    """transformers' language model with the checkpoint's weights, float32.

    Raises:
        UserError: the checkpoint is not there, is no GPT-2, has other sizes than the arch, or lacks weights.
    """
    prepare_torchvision()
    from transformers import AutoConfig, AutoModelForCausalLM

    config = _load(AutoConfig, arch)
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
    model, report = _load(
        AutoModelForCausalLM, arch, config=config, use_safetensors=True, output_loading_info=True
    )
    # The output layer is the table of pieces again, which files hold once.
    missing = sorted(name for name in report["missing_keys"] if name != "lm_head.weight")
    if missing or report["mismatched_keys"]:
        what = missing[0] if missing else sorted(map(str, report["mismatched_keys"]))[0]
        raise UserError(
            f"{arch.pretrained}: lacks weights that the network has, such as {what}; fetch it again"
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


def _load(kind: Any, arch: CausalLM, **settings: Any) -> Any:
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
