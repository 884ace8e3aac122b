"""From a model's outputs to labels: tags of words, spans of paragraphs, texts."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from tokenizers import Tokenizer
from torch import nn

from prunescope.data.encoding.byte_pairs import BytePairs
from prunescope.models.causal import CausalLM
from prunescope.models.precision import outputs
from prunescope.predictions.arrays import LOGIT_TASKS
from prunescope.predictions.arrow import objects
from prunescope.training.batches import Split, TrainingData
from prunescope.training.memory import in_batches
from prunescope.training.state import DivergedError

#: Examples evaluated at once, and records whose texts are generated at once.
_BATCH, _RECORDS = 128, 64

#: Starts and ends that are looked at in each window, as the original scripts do.
_BEST = 20


def answers_of(model: nn.Module, data: TrainingData, split: str, precision: str = "float32") -> np.ndarray:
    """(n,) predictions in the prediction table's form, in the order of the examples; dropout off.

    tokens: an int32 array for each sentence; words beyond the limit get the first class. span: the
    paragraph's characters of the best span. text: the generated text, in float32.

    Raises:
        DivergedError: an output is not finite.
    """
    model.eval()
    with torch.no_grad():
        if data.task == "tokens":
            return _tags(model, data, split, precision)
        if data.task == "span":
            return _spans(model, data.splits[split], data.max_answer, precision)
        return _texts(model, data, data.splits[split])


def labels_of(data: TrainingData, split: str) -> np.ndarray:
    """Labels in the prediction table's form: (n,), (n, C) for several labels; of tokens an array for each sentence."""
    if data.task in LOGIT_TASKS:
        found: np.ndarray = data.splits[split].labels.cpu().numpy()
        return found.astype({"multi-label": bool, "regression": np.float32}.get(data.task, np.int32))
    labels = data.splits[split].truth["label"]
    if data.task == "tokens":
        return objects([np.array(label, dtype=np.int32) for label in labels])
    return objects(labels)


def _outputs(model: nn.Module, split: Split, precision: str) -> Iterator[tuple[torch.Tensor, np.ndarray]]:
    def of_batch(index: torch.Tensor) -> np.ndarray:
        values: np.ndarray = outputs(model, split.batch(index)[0], precision).float().cpu().numpy()
        if not np.isfinite(values).all():
            raise DivergedError("outputs are not finite")
        return values

    return in_batches(torch.arange(len(split)), _BATCH, of_batch)


def _tags(model: nn.Module, data: TrainingData, name: str, precision: str) -> np.ndarray:
    split, labels = data.splits[name], labels_of(data, name)
    words = split.further["words"]
    predictions = [np.zeros_like(label) for label in labels]
    for index, values in _outputs(model, split, precision):
        best = values.argmax(axis=2)
        for row, n in enumerate(index.tolist()):
            positions = np.flatnonzero(words[n, : best.shape[1]] >= 0)
            predictions[n][words[n, positions]] = best[row, positions]
    return objects(predictions)


def _spans(model: nn.Module, split: Split, longest: int, precision: str) -> np.ndarray:
    contexts = split.truth["context"]
    owners, offsets = split.further["owners"], split.further["offsets"]
    best: list[tuple[float, int, int]] = [(-np.inf, 0, 0)] * len(contexts)
    for index, values in _outputs(model, split, precision):
        for row, n in enumerate(index.tolist()):
            found = best_span(values[row], offsets[n, : values.shape[1]], longest)
            if found is not None and found[0] > best[owners[n]][0]:
                best[owners[n]] = found
    answers = [context[start:end] for context, (_, start, end) in zip(contexts, best, strict=True)]
    return objects(answers)


def best_span(logits: np.ndarray, offsets: np.ndarray, longest: int) -> tuple[float, int, int] | None:
    """Score, first character and end of the best valid span of one window; None where there is none.

    The sum of a start's and an end's logits; the end not before the start, at most ``longest`` tokens, all in the
    paragraph (Devlin et al. 2019, section 4.2). Ties go to the earlier start, then the earlier end.

    Args:
        logits: (L, 2); offsets: (L, 2), -1 outside the paragraph.
    """
    inside = np.flatnonzero(offsets[:, 0] >= 0)
    if not len(inside):
        return None
    starts, ends = (
        np.sort(inside[np.argsort(-logits[inside, column], kind="stable")[:_BEST]]) for column in (0, 1)
    )
    valid = (ends[None] >= starts[:, None]) & (ends[None] < starts[:, None] + longest)
    if not valid.any():
        return None
    # In float64: sums that float32 would round to ties stay distinct.
    scores = logits[starts, 0].astype(np.float64)[:, None] + logits[ends, 1].astype(np.float64)[None]
    scores[~valid] = -np.inf
    s, e = np.unravel_index(int(scores.argmax()), scores.shape)
    return float(scores[s, e]), int(offsets[starts[s], 0]), int(offsets[ends[e], 1])


def _texts(model: nn.Module, data: TrainingData, split: Split) -> np.ndarray:
    assert isinstance(model, CausalLM)
    assert data.tokenizer is not None
    pairs = BytePairs(Tokenizer.from_str(data.tokenizer), model.end)
    prompts = split.further["prompts"]
    written: list[str] = [""] * len(prompts)
    # Prompts of one length at a time: without padding, a text does not depend on what stands beside it.
    for length in np.unique(prompts).tolist():
        alike = torch.from_numpy(np.flatnonzero(prompts == length))

        def of_batch(index: torch.Tensor, length: int = length) -> list[list[int]]:
            return model.continuations(split.inputs[index.to(split.inputs.device), :length])

        for index, rows in in_batches(alike, _RECORDS, of_batch):
            for n, ids in zip(index.tolist(), rows, strict=True):
                written[n] = pairs.text(ids)
    return objects(written)
