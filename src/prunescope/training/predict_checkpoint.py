"""What a checkpoint of transformers, made anywhere, says of a user's own table."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from prunescope.config.checkpoints import refuse_pickled
from prunescope.data.columns import Columns
from prunescope.data.hub import quiet
from prunescope.data.tabular import Labelled, Read, labelled
from prunescope.data.vision import prepare_torchvision
from prunescope.errors import UserError, listed
from prunescope.predictions.arrays import decide
from prunescope.predictions.metadata import TableMeta
from prunescope.predictions.scores import correct as right
from prunescope.predictions.scores import one_model, score_name, scores
from prunescope.predictions.store import SeedBlock, write_predictions
from prunescope.training.device import choose_device


def predict(
    model: str,
    spec: Columns,
    read: Read,
    out: Path,
    *,
    split: str | None = None,
    seed: int = 0,
    batch_size: int = 32,
    device: str = "auto",
) -> tuple[int, str, float]:
    """Write the prediction table of one model; how many examples, and its score by name.

    Args:
        model: folder or hub id of a classifier of texts with its own last layer.
        split: of the data, where it has several; None: all rows.
        seed: what the table calls the model, so that tables of several seeds pair.

    Raises:
        UserError: the model or the data cannot be used, or they have other classes.
    """
    data = labelled(spec, read, split)
    prepare_torchvision()
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    folder = str(Path(model).expanduser()) if Path(model).expanduser().is_dir() else model
    if folder != model or Path(model).is_dir():
        refuse_pickled(folder)
    try:
        with quiet():
            tokenizer = AutoTokenizer.from_pretrained(folder, trust_remote_code=False)
            network, report = AutoModelForSequenceClassification.from_pretrained(
                folder, trust_remote_code=False, use_safetensors=True, output_loading_info=True
            )
    # Which errors come depends on the versions of transformers, safetensors and the hub's client.
    except Exception as error:
        reason = " ".join(str(error).split())[:300]
        raise UserError(f"--model: {model} cannot be loaded ({type(error).__name__}: {reason})") from None
    if report["missing_keys"]:
        raise UserError(
            f"--model: {model} lacks weights of a classifier, such as {sorted(report['missing_keys'])[0]}; give one "
            "that is trained for the task"
        )
    labels, classes = _matched(
        data, [network.config.id2label[n] for n in range(network.config.num_labels)], model
    )
    if tokenizer.pad_token_id is None:
        tokenizer.pad_token = tokenizer.eos_token
    network.config.pad_token_id = tokenizer.pad_token_id
    where = choose_device(device)
    logits = _logits(network.to(where).eval(), tokenizer, data, batch_size, where, spec.max_tokens)
    meta = TableMeta(task=data.task, classes=classes, split=split, arch=Path(folder).name or model)
    write_predictions(out, meta, [SeedBlock(seed, labels, logits)])
    side = one_model(data.task, labels, decide(logits, data.task), classes)
    return len(logits), score_name(data.task), float(scores(side, right(side))[0])


def _matched(data: Labelled, names: Sequence[str], model: str) -> tuple[np.ndarray, tuple[str, ...]]:
    """Labels by the model's numbers of its classes, and their names.

    The model's names are the data's; or it has none (LABEL_0), and the data's classes are in its order; or the data has
    its numbers.
    """
    if data.task == "regression":
        if len(names) != 1:
            raise UserError(f"--model: {model} has {len(names)} classes, the labels are numbers; set --task")
        return np.array([label[0] for label in data.labels], dtype=np.float32), ()
    unnamed = all(name == f"LABEL_{n}" for n, name in enumerate(names))
    numbered = all(name.isdigit() and int(name) < len(names) for name in data.classes)
    if set(data.classes) <= set(names):
        order = [list(names).index(name) for name in data.classes]
    elif numbered:
        order = [int(name) for name in data.classes]
    elif unnamed and len(names) == len(data.classes):
        order = list(range(len(names)))
    else:
        raise UserError(
            f"--model: {model} has the classes {listed(names)}, the data {listed(data.classes)}; give the data's names "
            "in the model's order by --classes"
        )
    # Names of the data where it has them all.
    named = dict(zip(order, data.classes, strict=True)) if unnamed else {}
    classes = tuple(named.get(number, name) for number, name in enumerate(names))
    if data.task == "single-label":
        return np.array([order[label[0]] for label in data.labels], dtype=np.int32), classes
    marks = np.zeros((len(data.labels), len(names)), dtype=bool)
    for row, label in enumerate(data.labels):
        marks[row, [order[c] for c in label]] = True
    return marks, classes


@torch.no_grad()
def _logits(
    network: Any, tokenizer: Any, data: Labelled, batch_size: int, device: torch.device, longest: int | None
) -> np.ndarray:
    """(n, C) float32, in the order of the rows."""
    columns = list(data.inputs.values())
    if len(columns) > 1 and tokenizer.sep_token_id is None:
        columns = [["\n".join(parts) for parts in zip(*columns, strict=True)]]
    positions = getattr(network.config, "max_position_embeddings", None) or 1 << 30
    if network.config.model_type in ("camembert", "mpnet", "roberta", "xlm-roberta"):
        positions -= network.config.pad_token_id + 1  # where they begin to count
    most = min(longest or 1 << 30, tokenizer.model_max_length, positions)
    cut = {"truncation": True, "max_length": most} if most < 1 << 29 else {}
    found = []
    for start in range(0, len(columns[0]), batch_size):
        batch = tokenizer(
            *(column[start : start + batch_size] for column in columns),
            padding=True,
            return_tensors="pt",
            **cut,
        )
        found.append(network(**batch.to(device)).logits.float().cpu().numpy())
    return np.concatenate(found)
