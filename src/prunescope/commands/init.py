"""``prunescope init``: a folder with a commented study that runs as it is."""

from __future__ import annotations

import argparse
import csv
import io
import random
from pathlib import Path
from typing import Any

from prunescope.errors import UserError, listed
from prunescope.files import write_text

_HEAD = """\
# Who pays when a model is pruned? `prunescope schema` describes every setting; README.md says what to do next.
name: {name}
seeds: [0, 1, 2]              # models of each kind; 5 to 30 for findings that last

"""

_TEXT_DATA = """\
datasets:
  mine:
    source: table
    path: data/example.csv    # yours: .csv, .tsv, .jsonl, .parquet (also .gz), or a folder with train and test files
    text: question            # column of the text; a pair: [premise, hypothesis]
    label: kind               # column of the class, of several (a|b), of a number, of a tag for each word
    # task: single-label      # or multi-label, regression, tokens; `prunescope plan` says what it takes it for
    # classes: [place, time]  # all of them, in an order of yours
    splits: {validation: 0.1, test: 0.2}   # leave it out where files are called train, validation, test
    groups: [length]          # columns to look at group by group; `length` is made
    max_tokens: 16            # longer texts are cut

"""

_GRID = """
grid:
  - datasets: [mine]
    archs: [net]
    pruners: [IMP-FT, RP-AI]  # iterative magnitude pruning with fine-tuning; at random, for comparison
    sparsities: [0.5, 0.9]    # share of the prunable weights that become zero
"""

STUDIES = {
    "text": _HEAD
    + _TEXT_DATA
    + """\
archs:
  net:
    family: encoder           # a small transformer, trained from scratch; `bilstm` is another
    hidden: 32
    layers: 2
    heads: 4
    intermediate: 64
    vocabulary: 400
    positions: 64
    initializer_range: 0.1
    dropout: 0.0
    block: 3                  # seeds per job
    training: {lr: 2.0e-3, epochs: 4, batch_size: 16, finetune_epochs: 1}
"""
    + _GRID,
    "images": _HEAD
    + """\
datasets:
  mine:
    source: sklearn           # handwritten digits, to begin with
    name: digits
    # source: table           # yours: a folder with a folder for each class
    # path: data/images     # or a table with a column of paths:  image: file,  label: class
    # size: 32                # pixels of a side

archs:
  net:
    family: lenet5            # `resnet` is another
    block: 3                  # seeds per job
    training: {optimizer: sgd, lr: 0.05, epochs: 6, batch_size: 64, finetune_epochs: 2}
"""
    + _GRID,
    "checkpoint": _HEAD
    + _TEXT_DATA
    + """\
archs:
  net:
    family: encoder
    pretrained: distilbert-base-uncased   # a text encoder of the hub, or a folder: ./checkpoint
    block: 1                  # seeds per job
    training: {optimizer: adamw, lr: 2.0e-5, epochs: 3, batch_size: 16, finetune_epochs: 1}
"""
    + _GRID,
}

_README = """\
# {name}

A study of who pays when a model is pruned, in `study.yaml`.

    prunescope plan           # reads the data, says what is odd about it, and what the study takes
    prunescope run --quick    # a small part of it, to see that everything fits
    prunescope run            # all of it; stop it at any moment, the same command goes on
    prunescope status         # what is done

`results/index.html` has the findings. {data}
"""

_EXAMPLE = (
    "`data/example.csv` is made up: put your own table in its place, and name its columns in `study.yaml`."
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "folder", nargs="?", type=Path, default=Path(), metavar="FOLDER", help="default: this one"
    )
    kind = parser.add_mutually_exclusive_group()
    for name, what in (
        ("text", "a table of texts (the default)"),
        ("images", "images"),
        ("checkpoint", "texts, and a pretrained encoder"),
    ):
        kind.add_argument(f"--{name}", dest="kind", action="store_const", const=name, help=what)
    parser.set_defaults(kind="text")


def run(arguments: argparse.Namespace) -> int:
    folder: Path = arguments.folder
    name = (
        "".join(c if c.isalnum() or c in "-_" else "-" for c in folder.resolve().name).strip("-_") or "study"
    )
    of_text = arguments.kind != "images"
    files: dict[str, Any] = {
        "study.yaml": STUDIES[arguments.kind].replace("{name}", name),
        ".gitignore": "results/\nresults-quick/\n.snakemake/\n",
        "README.md": _README.format(name=name, data=_EXAMPLE if of_text else ""),
    }
    if of_text:
        files["data/example.csv"] = example()
    if there := [
        file for file in files if (folder / file).exists() and file not in (".gitignore", "README.md")
    ]:
        raise UserError(f"{folder}: has {listed(there)} already; give another folder, or move it away")
    for file, text in files.items():
        if not (folder / file).exists():
            write_text(folder / file, text)
    go = "" if folder.resolve() == Path.cwd() else f"cd {folder} && "
    print(f"{folder / 'study.yaml'}: written. Next: {go}prunescope plan")
    return 0


def example() -> str:
    """A made table of questions of three kinds, as CSV; the same in every place."""
    draw = random.Random(0)
    places = ("river", "old bridge", "castle", "museum", "market", "station", "library", "garden")
    kinds = {
        "place": ("where is", "in which town is", "how far away is", "which way is it to"),
        "time": ("when was", "in what year did they open", "how long ago was", "since when do people know"),
        "person": ("who built", "whose work is", "which king paid for", "who looks after"),
    }
    ends = (
        "",
        " today",
        " on the map",
        " by the sea",
        " in the north",
        " near the hills",
        " of this country",
    )
    rows = {
        f"{how} the {place}{end}?": kind
        for kind in kinds
        for how in kinds[kind]
        for place in places
        for end in ends
    }
    chosen = draw.sample(sorted(rows), 450)
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(("question", "kind"))
    writer.writerows((question, rows[question]) for question in chosen)
    return text.getvalue()
