"""The kinds of pretrained text encoders, and their sizes as a checkpoint's config.json has them.

Nothing here imports transformers or goes to the network: a study's settings are read with it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from prunescope.errors import UserError
from prunescope.files import expanded

#: Settings of an arch -> what most checkpoints call them; these decide the number of parameters.
_NAMES = {
    "hidden": "hidden_size",
    "layers": "num_hidden_layers",
    "heads": "num_attention_heads",
    "intermediate": "intermediate_size",
    "vocabulary": "vocab_size",
}
SIZES = (*_NAMES, "positions")

_BERT_DROPOUTS = ("hidden_dropout_prob", "attention_probs_dropout_prob")


@dataclass(frozen=True)
class EncoderType:
    """What prunescope must know of one ``model_type`` of transformers.

    ``names``: where sizes stand in its configuration, if elsewhere than BERT's. ``dropouts``: the settings
    that an arch's one dropout sets. ``token_types``: its tokenizer numbers the two texts of a pair 0 and 1.
    ``positions_after_padding``: its first position has the number of the padding token plus one, so that many
    rows of its table of positions are no token's. ``packs``: its attention can keep texts that stand
    one behind the other in a row apart (models.packed).
    """

    names: Mapping[str, str] = field(default_factory=dict)
    dropouts: tuple[str, ...] = _BERT_DROPOUTS
    token_types: bool = False
    positions_after_padding: bool = False
    packs: bool = True


_ROBERTA = EncoderType(positions_after_padding=True)

#: By ``model_type``: encoders of whole texts that transformers' AutoModel loads without code of the checkpoint.
ENCODER_TYPES: dict[str, EncoderType] = {
    "albert": EncoderType(token_types=True),
    "bert": EncoderType(token_types=True),
    "camembert": _ROBERTA,
    "distilbert": EncoderType(
        names={"hidden": "dim", "layers": "n_layers", "heads": "n_heads", "intermediate": "hidden_dim"},
        dropouts=("dropout", "attention_dropout"),
    ),
    "electra": EncoderType(token_types=True),
    "modernbert": EncoderType(dropouts=("embedding_dropout", "attention_dropout", "mlp_dropout")),
    # Its attention adds a bias by distance, which it counts along the whole row.
    "mpnet": EncoderType(positions_after_padding=True, packs=False),
    "roberta": _ROBERTA,
    "xlm-roberta": _ROBERTA,
}

#: Checkpoints whose sizes are the defaults of ``archs.Encoder``, known without a look at them.
BERT_BASE = ("bert-base-uncased", "google-bert/bert-base-uncased")


def encoder_type(config: Mapping[str, Any], checkpoint: str) -> EncoderType:
    """What is known of a checkpoint's type.

    Args:
        config: its config.json.
        checkpoint: what the user calls the checkpoint.

    Raises:
        UserError: it is no text encoder of a supported type.
    """
    kind = config.get("model_type")
    if kind not in ENCODER_TYPES or config.get("is_decoder") or config.get("is_encoder_decoder"):
        what = (
            f"its model type is {kind!r}"
            if kind not in ENCODER_TYPES
            else f"it is a decoder of type {kind!r}"
        )
        raise UserError(f"{checkpoint}: {what}; choose a text encoder: {', '.join(ENCODER_TYPES)}")
    return ENCODER_TYPES[kind]


def checkpoint_sizes(config: Mapping[str, Any], kind: EncoderType) -> dict[str, int]:
    """Sizes by the arch's names for them; those that ``config`` leaves out are left out.

    ``positions`` is the longest text in tokens.
    """
    names = {**_NAMES, **kind.names}
    sizes = {ours: config[theirs] for ours, theirs in names.items() if theirs in config}
    if "max_position_embeddings" in config:
        unused = (config.get("pad_token_id", 1) or 0) + 1 if kind.positions_after_padding else 0
        sizes["positions"] = config["max_position_embeddings"] - unused
    return sizes


def checkpoint_folder(checkpoint: str, key: str = "pretrained") -> Path | None:
    """The local folder that ``pretrained`` names, or another setting called ``key``; None for a hub id.

    Raises:
        UserError: an environment variable in it is not set, or nothing is there; or it is a hub id, and a file or
            folder is called so: the hub is not asked for what lies here.
    """
    if not is_hub_id(checkpoint):
        return expanded(checkpoint, key)
    if (there := Path(checkpoint)).exists():
        raise UserError(
            f"{key}: {checkpoint}: a name on the hub, but here is a {'folder' if there.is_dir() else 'file'} "
            f"of that name; write ./{checkpoint} to mean it, or rename it"
        )
    return None


def is_hub_id(checkpoint: str) -> bool:
    """Whether ``pretrained`` names a checkpoint of the hub, rather than a folder."""
    return "$" not in checkpoint and not checkpoint.startswith(("/", ".", "~"))


def checkpoint_config_file(checkpoint: str, revision: str | None) -> Path | None:
    """The checkpoint's config.json in its folder or the hub's cache; None if the hub would have to be asked.

    Raises:
        UserError: the folder is not there.
    """
    folder = checkpoint_folder(checkpoint)
    if folder is not None:
        return folder / "config.json"
    from huggingface_hub import try_to_load_from_cache

    try:
        found = try_to_load_from_cache(checkpoint, "config.json", revision=revision)
    except ValueError:  # no name that the hub could have
        return None
    return Path(found) if isinstance(found, str) else None


#: How a pickled checkpoint becomes one that runs nothing when it is read; in a place where nothing can be lost.
CONVERT = (
    'convert it on a machine that holds nothing of value: python -c "import sys, torch, safetensors.torch as s; '
    "s.save_file({{k: v.clone() for k, v in torch.load(sys.argv[1], 'cpu', weights_only=True).items()}}, "
    "'model.safetensors', {{'format': 'pt'}})\" {file}"
)


def refuse_pickled(folder: Path | str, key: str | None = None) -> None:
    """Refuse a local checkpoint whose weights are pickled alone: reading a pickle runs what it holds.

    Raises:
        UserError: it is one; the line has the command that converts it.
    """
    pickled = sorted(path for end in ("bin", "pt", "pth", "ckpt") for path in Path(folder).glob(f"*.{end}"))
    pickled = [path for path in pickled if path.name != "training_args.bin"]
    if pickled and not any(Path(folder).glob("*.safetensors")):
        where = f"{key}: {pickled[0]}" if key else str(pickled[0])
        raise UserError(
            f"{where}: a pickled checkpoint, which is not read; {CONVERT.format(file=pickled[0].name)}"
        )


def check_folder(checkpoint: str, key: str, *, weights: bool = True) -> None:
    """Refuse a local checkpoint that cannot be read, as far as its files' names tell; a hub id is not looked at.

    Args:
        key: the setting that names it.
        weights: they are read too, beside the configuration.

    Raises:
        UserError: it is not there, no folder, lacks a file, or is a pickle.
    """
    folder = checkpoint_folder(checkpoint, key)
    if folder is None:
        return
    if not folder.is_dir():
        raise UserError(f"{key}: {folder}: a file; give the folder with config.json and model.safetensors")
    if weights:
        refuse_pickled(folder, key)
    if not (folder / "config.json").exists():
        raise UserError(f"{key}: {folder}: has no config.json; give a folder that `save_pretrained` wrote")
    if weights and not any(folder.glob("*.safetensors")):
        raise UserError(f"{key}: {folder}: has no weights (*.safetensors); give a folder that has them")
