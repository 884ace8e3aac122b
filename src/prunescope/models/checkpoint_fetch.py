"""Pretrained models, fetched from the hub into its cache: jobs on machines without the network find them there."""

from __future__ import annotations

from pathlib import Path

from prunescope.config.architectures import Arch
from prunescope.files import write_json
from prunescope.models import registry


def fetch(arch: Arch, out: Path) -> None:
    """Load the arch's checkpoint and tokenizer, or its vectors, once, and write to ``out`` what they are.

    ``pretrained``, ``revision`` and ``commit``, which is None for a folder; of vectors their name.

    Raises:
        UserError: it is not there, or does not suit the arch.
    """
    commit = getattr(registry.fetch(arch), "_commit_hash", None)
    settings = arch.model_dump(include={"pretrained", "revision", "published_vectors"})
    write_json(out, {**settings, "commit": commit})
