"""What the seeds of a block leave until all are done, also as what a stopped job keeps of finished ones."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Self

import numpy as np
import torch
from torch import Tensor

from prunescope.predictions.store import SeedBlock
from prunescope.training.watch import State


@dataclass
class Collected:
    """Predictions by split, thresholds by seed, records of metrics, and networks, of some seeds of a block."""

    predictions: dict[str, list[SeedBlock]] = field(default_factory=dict)
    thresholds: dict[str, float] = field(default_factory=dict)
    diverged: list[int] = field(default_factory=list)
    records: list[dict[str, Any]] = field(default_factory=list)
    replicas: dict[str, Any] = field(default_factory=dict)
    trained: dict[str, Tensor] = field(default_factory=dict)
    pruned: dict[str, Tensor] = field(default_factory=dict)

    def add(self, other: Collected) -> None:
        """Further seeds, above those that are here."""
        for split, blocks in other.predictions.items():
            self.predictions.setdefault(split, []).extend(blocks)
        self.thresholds |= other.thresholds
        self.diverged += other.diverged
        self.records += other.records
        self.trained |= other.trained
        self.pruned |= other.pruned
        # The most that were trained at once says how the block was trained.
        if other.replicas.get("at_once", 0) >= self.replicas.get("at_once", 0):
            self.replicas = other.replicas

    def state(self) -> State:
        """Without the labels, which the data set has."""
        tensors = {f"trained/{name}": value for name, value in self.trained.items()}
        tensors |= {f"pruned/{name}": value for name, value in self.pruned.items()}
        for split, blocks in self.predictions.items():
            for block in blocks:
                if block.logits is not None:
                    logits = np.ascontiguousarray(block.logits)
                    tensors[f"logits/{split}/{block.seed}"] = torch.from_numpy(logits)
                else:
                    assert block.prediction is not None
                    tensors[f"answers/{split}/{block.seed}"] = _as_bytes(block.prediction)
        facts = {
            "thresholds": self.thresholds,
            "diverged": self.diverged,
            "records": self.records,
            "replicas": self.replicas,
        }
        return tensors, facts

    @classmethod
    def from_state(cls, state: State, labels_of: Callable[[str], Any]) -> Self:
        """Inverse of ``state``; ``labels_of``: split (``early``: of the training split) -> labels."""
        tensors, facts = state
        found = cls(**facts)
        for name, value in tensors.items():
            kind, where = name.split("/", 1)
            if kind in ("trained", "pruned"):
                getattr(found, kind)[where] = value
        for split, seed, form in sorted(_named(tensors)):
            value = tensors[f"{form}/{split}/{seed}"]
            labels = labels_of("train" if split == "early" else split)
            block = (
                SeedBlock(seed, labels, value.numpy())
                if form == "logits"
                else SeedBlock(seed, labels, prediction=_from_bytes(value))
            )
            found.predictions.setdefault(split, []).append(block)
        return found


def _named(tensors: Mapping[str, Tensor]) -> list[tuple[str, int, str]]:
    names = [name.split("/") for name in tensors if name.startswith(("logits/", "answers/"))]
    return [(split, int(seed), form) for form, split, seed in names]


def _as_bytes(answers: Any) -> Tensor:
    """Texts, or an int32 array for each sentence, as the bytes of JSON."""
    values = [one.tolist() if isinstance(one, np.ndarray) else one for one in answers]
    return torch.from_numpy(np.frombuffer(json.dumps(values).encode(), dtype=np.uint8).copy())


def _from_bytes(stored: Tensor) -> np.ndarray:
    values = json.loads(stored.numpy().tobytes())
    answers = np.empty(len(values), dtype=object)
    for number, value in enumerate(values):
        answers[number] = np.array(value, dtype=np.int32) if isinstance(value, list) else value
    return answers
