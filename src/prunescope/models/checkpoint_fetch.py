"""Pretrained networks, fetched from the hub into its cache: jobs on machines without the network find them there."""

from __future__ import annotations

from pathlib import Path

from prunescope.config.architectures import CausalLM, Encoder
from prunescope.files import write_json
from prunescope.models import causal_checkpoints, pretrained


def fetch(arch: Encoder | CausalLM, out: Path) -> None:
    """Load the arch's checkpoint and tokenizer once; write ``pretrained``, ``revision`` and ``commit`` to ``out``.

    ``commit`` is None for a folder.

    Raises:
        UserError: it is not there, or does not suit the arch.
    """
    if isinstance(arch, Encoder):
        pretrained.PretrainedPieces(arch)
        model = pretrained.load_model(arch)
    else:
        causal_checkpoints.load_pieces(arch)
        model = causal_checkpoints.load_model(arch)
    commit = getattr(model.config, "_commit_hash", None)
    write_json(out, {"pretrained": arch.pretrained, "revision": arch.revision, "commit": commit})
