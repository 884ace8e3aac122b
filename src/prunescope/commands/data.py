"""Stages that make what models are trained on; see ``workflow/rules/data.smk``."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

from prunescope.commands.arguments import parsed
from prunescope.commands.environment import without_hub
from prunescope.errors import UserError


def add_commands(commands: Any) -> None:
    """Add them to the ``commands`` of the parser."""
    dataset = commands.add_parser("dataset", help="stage: build the tables of a data set")
    dataset.add_argument("--name", required=True)
    dataset.add_argument("--settings", required=True, metavar="JSON", help="settings as JSON")
    dataset.add_argument("--out", required=True, type=Path, metavar="DIR")
    dataset.set_defaults(run=_dataset)

    pretrained = commands.add_parser(
        "pretrained", help="stage: fetch an architecture's pretrained checkpoint"
    )
    pretrained.add_argument("--arch", required=True)
    pretrained.add_argument("--settings", required=True, metavar="JSON", help="settings as JSON")
    pretrained.add_argument("--out", required=True, type=Path, metavar="FILE")
    pretrained.set_defaults(run=_pretrained)

    encode = commands.add_parser("encode", help="stage: encode a data set for an architecture")
    encode.add_argument("--data", required=True, type=Path, metavar="DIR")
    encode.add_argument("--dataset", required=True)
    encode.add_argument("--dataset-settings", required=True, metavar="JSON", help="settings as JSON")
    encode.add_argument("--arch", required=True)
    encode.add_argument("--arch-settings", required=True, metavar="JSON", help="settings as JSON")
    encode.add_argument("--out", required=True, type=Path, metavar="FILE")
    encode.set_defaults(run=_encode)

    readability = commands.add_parser("readability", help="stage: readability of every text of a table")
    readability.add_argument("--texts", required=True, type=Path, metavar="FILE")
    readability.add_argument("--out", required=True, type=Path, metavar="FILE")
    readability.add_argument("--processes", type=int, default=1, help="default: %(default)s")
    readability.set_defaults(run=_readability)


def _dataset(arguments: argparse.Namespace) -> int:
    from prunescope.config.datasets import Dataset
    from prunescope.data.build import build

    build(arguments.name, parsed(TypeAdapter(Dataset), arguments.settings, "--settings"), arguments.out)
    return 0


def _pretrained(arguments: argparse.Namespace) -> int:
    from prunescope.config.architectures import Arch
    from prunescope.models.checkpoint_fetch import fetch

    arch = parsed(TypeAdapter(Arch), arguments.settings, "--settings")
    if getattr(arch, "pretrained", None) is None and not arch.from_hub:
        raise UserError(
            f"--settings: {arguments.arch} names no `pretrained` model; there is nothing to fetch"
        )
    fetch(arch, arguments.out)
    return 0


def _encode(arguments: argparse.Namespace) -> int:
    without_hub()
    from prunescope.config.architectures import Arch
    from prunescope.config.datasets import Dataset
    from prunescope.data.encoding.encode import encode

    dataset = parsed(TypeAdapter(Dataset), arguments.dataset_settings, "--dataset-settings")
    arch = parsed(TypeAdapter(Arch), arguments.arch_settings, "--arch-settings")
    encode(arguments.data, arguments.dataset, arguments.arch, dataset, arch, arguments.out)
    return 0


def _readability(arguments: argparse.Namespace) -> int:
    from prunescope.analysis.readability import write_scores

    write_scores(arguments.texts, arguments.out, processes=arguments.processes)
    return 0
