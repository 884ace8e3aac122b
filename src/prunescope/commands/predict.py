"""``prunescope predict``: the prediction table of a checkpoint that was made elsewhere."""

from __future__ import annotations

import argparse
from pathlib import Path

from pydantic import ValidationError

from prunescope.errors import Problems, UserError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add(
        "--model",
        required=True,
        metavar="FOLDER",
        help="checkpoint of transformers with its classifier, or hub id",
    )
    add("--data", required=True, metavar="PATH", help="table, or folder, as `source: table` reads it")
    add(
        "--text",
        nargs="+",
        default=["text"],
        metavar="COLUMN",
        help="of the text, or of a pair (default: text)",
    )
    add("--label", default="label", metavar="COLUMN", help="default: %(default)s")
    add(
        "--task",
        choices=["single-label", "multi-label", "regression"],
        help="default: what the labels look like",
    )
    add("--classes", nargs="+", metavar="NAME", help="the data's classes in the order of the model's")
    add(
        "--split",
        choices=["train", "validation", "test"],
        help="of a folder (default: test if it has one, else all)",
    )
    add("--max-tokens", type=int, metavar="N", help="longer texts are cut (default: what the model takes)")
    add(
        "--seed",
        type=int,
        default=0,
        help="what the table calls the model; models pair by it (default: %(default)s)",
    )
    add("--batch-size", type=int, default=32, metavar="N", help="default: %(default)s")
    add("--device", choices=["auto", "cpu", "cuda"], default="auto", help="default: %(default)s")
    add(
        "--out",
        required=True,
        type=Path,
        metavar="FILE",
        help="Parquet table to write, for `prunescope audit`",
    )


def run(arguments: argparse.Namespace) -> int:
    from prunescope.config.load import problems
    from prunescope.data.sources.table import Table
    from prunescope.training.predict_checkpoint import predict

    try:
        spec = Table(
            source="table",
            path=arguments.data,
            text=tuple(arguments.text),
            label=arguments.label,
            task=arguments.task,
            classes=arguments.classes and tuple(arguments.classes),
            max_tokens=arguments.max_tokens,
        )
    except ValidationError as error:
        raise Problems(f"--{line}" for line in problems(error)) from None
    read = spec.read()
    here = [split for split in read.rows if split]
    if arguments.split and arguments.split not in here:
        raise UserError(f"--split: {arguments.data} has no {arguments.split} split")
    split = arguments.split or ("test" if "test" in here else None)
    count, name, score = predict(
        arguments.model,
        spec,
        read,
        arguments.out,
        split=split,
        seed=arguments.seed,
        batch_size=arguments.batch_size,
        device=arguments.device,
    )
    print(
        f"{arguments.out}: {count:,} predictions{f' of the {split} split' if split else ''}, {name} {score:.4f}"
    )
    return 0
