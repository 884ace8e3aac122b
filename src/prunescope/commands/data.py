"""Stages that make what models are trained on; see ``workflow/rules/data.smk``."""

from __future__ import annotations

import argparse
from typing import Any

from pydantic import TypeAdapter

from prunescope.commands.arguments import (
    add_command,
    add_file,
    add_folder,
    add_processes,
    add_settings,
    parsed,
)
from prunescope.commands.environment import without_hub
from prunescope.errors import UserError


def add_commands(commands: Any) -> None:
    """Add them to the ``commands`` of the parser."""
    dataset = add_command(
        commands,
        "dataset",
        "build the tables of a data set",
        """dataset --name digits --settings '{"source": "digits"}' --out results/data/digits""",
        extras=("train",),
        reads=(),
    )
    dataset.add_argument("--name", required=True, help="the data set's name in the study")
    add_settings(dataset, "--settings", "the data set's settings in the study")
    add_folder(dataset, "--out", "folder for the tables and the data set's card")
    dataset.set_defaults(run=_dataset)

    pretrained = add_command(
        commands,
        "pretrained",
        "fetch an architecture's pretrained checkpoint into the hub's cache",
        """pretrained --arch minilm --settings '{"family": "encoder", "pretrained": "NAME"}' --out minilm.json""",
        extras=("train",),
        reads=(),
    )
    pretrained.add_argument("--arch", required=True, help="the architecture's name in the study")
    add_settings(pretrained, "--settings", "the architecture's settings in the study")
    add_file(pretrained, "--out", "file that says which checkpoint was fetched")
    pretrained.set_defaults(run=_pretrained)

    encode = add_command(
        commands,
        "encode",
        "encode a data set for an architecture",
        "encode --data results/data/digits --dataset digits --dataset-settings JSON --arch lenet5 "
        "--arch-settings JSON --out lenet5.safetensors",
        extras=("train",),
        reads=("data",),
    )
    add_folder(encode, "--data", "folder of the data set's tables, as `prunescope dataset` writes it")
    encode.add_argument("--dataset", required=True, help="the data set's name in the study")
    add_settings(encode, "--dataset-settings", "the data set's settings in the study")
    encode.add_argument("--arch", required=True, help="the architecture's name in the study")
    add_settings(encode, "--arch-settings", "the architecture's settings in the study")
    add_file(encode, "--out", "safetensors file for the encoded data set")
    encode.set_defaults(run=_encode)

    readability = add_command(
        commands,
        "readability",
        "score the readability of every text of a table",
        "readability --texts results/data/imdb/test.parquet --out readability.parquet",
        reads=("texts",),
    )
    add_file(readability, "--texts", "a data set's table with texts (test.parquet)")
    add_file(readability, "--out", "Parquet file for the scores")
    add_processes(readability)
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
    if getattr(arch, "pretrained", None) is None and not arch.fetched:
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
