"""What gradual pruning costs in a training step: time and memory over plain fine-tuning, per criterion and objective.

    python benchmarks/gradual.py [--device auto|cpu|cuda] [--rounds 3] [--only NAME] [--out FILE]

Each case runs in a process of its own: first alone, for its memory, then epochs in turns with plain fine-tuning of
the same network on the same made texts, for its time; the best epoch of each counts. Every timed step chooses
masks. Time on a CPU is processor time, so that other work on the machine counts less; memory there is the growth of
the process's peak from before the network was built, on a GPU the peak of what torch had allocated. A tenth of the
texts is the validation split, looked at after every epoch by plain fine-tuning too.

``self-regularized, new teacher``: the teacher is replaced after every epoch, so each example is asked of it anew;
``same teacher``: it stays, and its answers are remembered, as those of a dense teacher are.
"""

from __future__ import annotations

import argparse
import datetime
import json
import os
import platform
import resource
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from machine import processor
from prunescope.config.architectures import Encoder, Training
from prunescope.config.compression import Compression
from prunescope.config.pruners import PRUNERS, Pruner
from prunescope.models.registry import build, count_parameters, prunable
from prunescope.models.shape import Shape
from prunescope.training.batches import Split, TrainingData
from prunescope.training.gradual import PrunedGradually
from prunescope.training.loop import train
from prunescope.training.objectives import SelfTaught
from prunescope.training.state import Phase, TrainingState

PLAIN = "plain fine-tuning"
NEW, SAME = "PINS, self-regularized, new teacher", "PINS, self-regularized, same teacher"

#: Steps in an epoch, and epochs that the schedule is stretched over, so that every step of the run prunes.
BATCHES, EPOCHS = 8, 200

SIZES: dict[str, dict[str, int]] = {
    "cpu": {
        "hidden": 256,
        "layers": 4,
        "heads": 4,
        "intermediate": 1024,
        "vocabulary": 4000,
        "positions": 64,
    },
    "cuda": {
        "hidden": 768,
        "layers": 12,
        "heads": 12,
        "intermediate": 3072,
        "vocabulary": 30522,
        "positions": 128,
    },
}
BATCH = {"cpu": 16, "cuda": 32}


def cases() -> dict[str, Pruner | None]:
    """By name: plain fine-tuning, every criterion with the task's loss alone, PINS with a teacher."""
    found: dict[str, Pruner | None] = {PLAIN: None}
    for name in ("GMP", "sensitivity", "PINS-plain", "PINS", "PLATON", "SMvP", "PST", "L0"):
        found[f"{name}, task"] = PRUNERS[name].model_copy(update={"objective": "task"})
    return found | {NEW: PRUNERS["PINS"], SAME: PRUNERS["PINS"]}


def made_data(place: torch.device) -> TrainingData:
    sizes, size = SIZES[place.type], BATCH[place.type]
    draws = torch.Generator().manual_seed(0)
    splits = {}
    for name, count in (("train", BATCHES * size), ("validation", BATCHES * size // 10)):
        ids = torch.randint(10, sizes["vocabulary"], (count, sizes["positions"]), generator=draws)
        labels = torch.randint(0, 2, (count,), generator=draws)
        splits[name] = Split(ids.to(place), labels.to(place), None, trim=False)
    shape = Shape(classes=2, vocabulary=sizes["vocabulary"], length=sizes["positions"], pad=0)
    return TrainingData("single-label", ("no", "yes"), shape, splits)


def make(case: str, data: TrainingData, place: torch.device) -> TrainingState:
    sizes = SIZES[place.type]
    arch = Encoder(family="encoder", **sizes)
    settings = Training(
        optimizer="adamw", lr=1e-5, epochs=EPOCHS, batch_size=BATCH[place.type], clip_norm=1.0
    )
    state = TrainingState(build(arch, data.shape, 0).to(place), data, settings, 0)
    pruner = cases()[case]
    if pruner is None:
        return state
    schedule = pruner.gradual.model_copy(update={"warm_up": 0, "cool_down": 0})
    pruner = pruner.model_copy(update={"gradual": schedule})
    state.hooks.append(PrunedGradually(state, pruner, Compression.of_sparsity(0.8), EPOCHS))
    if pruner.objective == "self-regularized":
        kind, interval = (Renewed, None) if case == NEW else (SelfTaught, BATCHES * EPOCHS)
        state.hooks.append(kind(state, interval, at_start=False))
    return state


class Renewed(SelfTaught):
    """Every checkpoint counts as better than the last."""

    def _score(self) -> float:
        super()._score()
        return self.best + 1.0 if self.best > float("-inf") else 0.0


def timed(place: torch.device, work: Callable[[], None]) -> float:
    if place.type == "cuda":
        torch.cuda.synchronize(place)
        started = time.perf_counter()
        work()
        torch.cuda.synchronize(place)
        return time.perf_counter() - started
    started = time.process_time()
    work()
    return time.process_time() - started


def peak(place: torch.device) -> int:
    if place.type == "cuda":
        return int(torch.cuda.max_memory_allocated(place))
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def one_case(case: str, place: torch.device, rounds: int) -> dict[str, Any]:
    """In a process of its own: bytes of the case alone, seconds an epoch of it and of plain fine-tuning."""
    data = made_data(place)
    before = peak(place)
    state = make(case, data, place)
    train(state, Phase("memory", 1))
    memory = peak(place) - before
    plain = make(PLAIN, data, place)
    train(plain, Phase("warm-up", 1))
    times: dict[str, list[float]] = {"case": [], "plain": []}
    for _ in range(rounds):
        times["plain"].append(timed(place, lambda: train(plain, Phase("timed", 1))))
        times["case"].append(timed(place, lambda: train(state, Phase("timed", 1))))
    return {
        "memory_mb": memory / 2**20,
        "epoch_seconds": min(times["case"]),
        "plain_epoch_seconds": min(times["plain"]),
        "parameters": count_parameters(state.model),
        "prunable": sum(weight.numel() for weight in prunable(state.model).values()),
    }


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--device", default="auto", choices=("auto", "cpu", "cuda"))
    parser.add_argument("--rounds", type=int, default=3, help="epochs of each that are timed")
    parser.add_argument("--only", help="cases whose name has this in it, beside plain fine-tuning")
    parser.add_argument("--case", choices=list(cases()), help=argparse.SUPPRESS)
    parser.add_argument("--out", type=Path, help="default: benchmarks/results/gradual-<device>.json")
    arguments = parser.parse_args()
    name = arguments.device
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    place = torch.device(name)
    torch.set_num_threads(1)
    torch.set_flush_denormal(True)  # as jobs do
    if arguments.case:
        print(json.dumps(one_case(arguments.case, place, arguments.rounds)))
        return 0
    found: dict[str, dict[str, Any]] = {}
    for case in cases():
        if arguments.only is not None and case != PLAIN and arguments.only not in case:
            continue
        command = [
            sys.executable,
            __file__,
            "--device",
            name,
            "--rounds",
            str(arguments.rounds),
            "--case",
            case,
        ]
        done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
        measured = json.loads(done.stdout)
        plain = found[PLAIN]["memory_mb"] if found else measured["memory_mb"]
        measured["time_over_plain"] = measured["epoch_seconds"] / measured["plain_epoch_seconds"]
        measured["memory_over_plain"] = measured["memory_mb"] / plain
        found[case] = {key: round(v, 4) if isinstance(v, float) else v for key, v in measured.items()}
        print(f"{case}: {json.dumps(found[case])}", file=sys.stderr, flush=True)
    result = {
        "what": "training steps that prune gradually, over plain fine-tuning, float32",
        "network": {**SIZES[name], "batch_size": BATCH[name]},
        "cases": found,
        "time": "processor time" if name == "cpu" else "wall-clock",
        "command": " ".join(["python", *sys.argv]),
        "date": f"{datetime.date.today():%Y-%m-%d}",
        "device": torch.cuda.get_device_name(place) if name == "cuda" else processor(),
        "threads": torch.get_num_threads(),
        "cores": os.cpu_count(),
        "load_average": [round(load, 1) for load in os.getloadavg()],
        "versions": {"python": platform.python_version(), "torch": torch.__version__},
    }
    out = arguments.out or Path(__file__).parent / "results" / f"gradual-{name}.json"
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(json.dumps(result, indent=2) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
