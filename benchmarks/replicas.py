"""How many replicas train in a second together, and one at a time.

    python benchmarks/replicas.py [--device auto|cpu|cuda] [--seconds 1] [--counts 1 5 10 30] [--out FILE]

For each setting, an epoch of a few batches of made data is trained by one network alone and by 1, 5, 10 and
30 networks together, in turn, for about ``seconds`` each; the best epoch counts. One at a time, N networks take N
times as long as one. On a GPU, settings are the papers' and steps run as CUDA graphs where they can; LeNet-5 is
timed with both of its convolutions. On a CPU they are small, and networks train alone unless a study asks otherwise.
Once more at the middle count with 90 % of the weights masked, which says what enforcing masks costs.
"""

from __future__ import annotations

import argparse
import datetime
import gc
import json
import os
import platform
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from machine import processor, timed
from prunescope.config.architectures import Arch, BiLSTM, LeNet5, ResNet, Training
from prunescope.models.registry import build, prunable
from prunescope.models.shape import Shape
from prunescope.models.stacked import stacked_forward
from prunescope.training.batches import Split, TrainingData
from prunescope.training.loop import train
from prunescope.training.state import Phase, TrainingState
from prunescope.training.together import Stack


@dataclass(frozen=True)
class Setting:
    """``image`` or ``tokens`` say what the network reads; ``batches``: in a timed epoch."""

    arch: Arch
    training: Training
    batches: int
    image: tuple[int, int, int] | None = None
    tokens: int = 0
    unfolded: bool | None = None


LENET, RESNET = LeNet5(family="lenet5"), ResNet(family="resnet", depth=20)
PAPER_BILSTM = BiLSTM(family="bilstm")
SMALL_BILSTM = BiLSTM(family="bilstm", hidden=32, layers=1, head=(32,), vectors=64)


def _sgd(batch_size: int) -> Training:
    return Training(optimizer="sgd", lr=0.01, batch_size=batch_size)


def _adam(batch_size: int) -> Training:
    return Training(optimizer="adam", lr=1e-3, batch_size=batch_size, clip_norm=1.0)


CPU = {
    "lenet5 on digits": Setting(LENET, _sgd(64), 4, image=(1, 8, 8)),
    "lenet5 on MNIST": Setting(LENET, _sgd(128), 1, image=(1, 28, 28)),
    "resnet20 on CIFAR, batches of 8": Setting(RESNET, _sgd(8), 1, image=(3, 32, 32)),
    "small bilstm on docstrings": Setting(SMALL_BILSTM, _adam(64), 2, tokens=24),
    "paper's bilstm, 16 texts of 32 words": Setting(PAPER_BILSTM, _adam(16), 1, tokens=32),
}

CUDA = {
    "lenet5 on MNIST": Setting(LENET, _sgd(128), 100, image=(1, 28, 28), unfolded=True),
    "lenet5 on MNIST, grouped": Setting(LENET, _sgd(128), 100, image=(1, 28, 28), unfolded=False),
    "resnet20 on CIFAR": Setting(RESNET, _sgd(128), 20, image=(3, 32, 32)),
    "bilstm on SNLI, batches of 64": Setting(PAPER_BILSTM, _adam(64), 20, tokens=32),
    "bilstm on SNLI": Setting(PAPER_BILSTM, _adam(4096), 4, tokens=32),
    "bilstm on Reuters": Setting(PAPER_BILSTM, _adam(512), 4, tokens=256),
}


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--device", default="auto", choices=("auto", "cpu", "cuda"))
    parser.add_argument("--seconds", type=float, default=1.0, help="per measurement, about")
    parser.add_argument("--counts", type=int, nargs="+", default=[1, 5, 10, 30], help="replicas at once")
    parser.add_argument("--threads", type=int, default=1, help="as the workflow gives a job")
    parser.add_argument("--only", help="settings whose name has this in it")
    parser.add_argument("--out", type=Path, help="default: benchmarks/results/replicas-<device>.json")
    arguments = parser.parse_args()
    name = arguments.device
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    place = torch.device(name)
    torch.set_num_threads(arguments.threads)
    torch.set_flush_denormal(True)  # as jobs do
    settings = CUDA if name == "cuda" else CPU
    found = {}
    for key, setting in settings.items():
        if arguments.only is None or arguments.only in key:
            found[key] = measured(setting, arguments.counts, place, arguments.seconds)
            print(f"{key}: {json.dumps(found[key])}", file=sys.stderr, flush=True)
    result = {
        "what": "training replicas together and one at a time, float32",
        "replicas": found,
        "command": " ".join(["python", *sys.argv]),
        "date": f"{datetime.date.today():%Y-%m-%d}",
        "device": torch.cuda.get_device_name(place) if name == "cuda" else processor(),
        "threads": torch.get_num_threads(),
        "cores": os.cpu_count(),
        "load_average": [round(load, 1) for load in os.getloadavg()],
        "versions": {"python": platform.python_version(), "torch": torch.__version__},
    }
    out = arguments.out or Path(__file__).parent / "results" / f"replicas-{name}.json"
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(json.dumps(result, indent=2) + "\n")
    print(json.dumps(result, indent=2))
    return 0


def measured(setting: Setting, counts: Sequence[int], place: torch.device, seconds: float) -> dict[str, Any]:
    """Seconds per epoch of one network alone and of each count together, and what follows from them."""
    data = made_data(setting, place)
    rows = []
    alone = best_alone(state(setting, data, 0, place), seconds, place)
    for count in counts:
        # Alone again beside each count: what else the machine does touches both alike.
        one = state(setting, data, 0, place)
        before = best_alone(one, seconds / 2, place)
        try:
            together, graphs = best_together(setting, data, count, place, seconds)
        except torch.OutOfMemoryError:
            rows.append({"replicas": count, "together": "does not fit into memory"})
            continue
        finally:
            gc.collect()
            if place.type == "cuda":
                torch.cuda.empty_cache()
        single = min(before, best_alone(one, seconds / 2, place))
        alone = min(alone, single)
        rows.append(
            {
                "replicas": count,
                "epoch_seconds_one_alone": round(single, 5),
                "epoch_seconds_together": round(together, 5),
                "replica_epochs_per_second_alone": round(1 / single, 3),
                "replica_epochs_per_second_together": round(count / together, 3),
                "together_over_one": round(together / single, 3),
                "speedup": round(count * single / together, 3),
                "cuda_graphs": graphs,
            }
        )
    middle = sorted(counts)[len(counts) // 2]
    return {
        "batch_size": setting.training.batch_size,
        "batches": setting.batches,
        "tokens": setting.tokens or None,
        "counts": rows,
        "masks": masks_cost(setting, data, middle, place, seconds),
    }


def made_data(setting: Setting, place: torch.device) -> TrainingData:
    count = setting.batches * setting.training.batch_size
    generator = torch.Generator().manual_seed(0)
    labels = torch.randint(0, 10, (count,), generator=generator)
    if setting.image:
        inputs = torch.rand(count, *setting.image, generator=generator)
        shape = Shape(classes=10, image=setting.image)
    else:
        assert isinstance(setting.arch, BiLSTM)
        inputs = torch.randint(0, 1000, (count, setting.tokens), generator=generator)
        shape = Shape(classes=10, vectors=torch.randn(1000, setting.arch.vectors, generator=generator))
    split = Split(inputs.to(place), labels.to(place), None, trim=False)
    return TrainingData("single-label", tuple(map(str, range(10))), shape, {"train": split})


def state(setting: Setting, data: TrainingData, seed: int, place: torch.device) -> TrainingState:
    return TrainingState(build(setting.arch, data.shape, seed).to(place), data, setting.training, seed)


def best_alone(one: TrainingState, seconds: float, place: torch.device) -> float:
    train(one, Phase("warm-up", 1))
    times: list[float] = []
    while not times or sum(times) < seconds:
        times.append(timed(place, lambda: train(one, Phase("timed", 1))))
    return min(times)


def stack_of(setting: Setting, data: TrainingData, count: int, place: torch.device) -> Stack:
    stack = Stack([state(setting, data, seed, place) for seed in range(count)])
    if setting.unfolded is not None:
        forward = stacked_forward(stack.states[0].model, unfolded=setting.unfolded)
        assert forward is not None
        stack.forward = forward
    return stack


def epochs_of(stack: Stack, seconds: float, place: torch.device) -> float:
    """The best epoch of a stack, its graphs recorded before."""
    phases = [Phase("timed", 1)] * len(stack.states)
    if place.type == "cuda":
        stack.train([Phase("warm-up", 5)] * len(stack.states))
    times: list[float] = []
    while len(times) < 2 or sum(times) < seconds:
        times.append(timed(place, lambda: stack.train(phases)))
    return min(times)


def best_together(
    setting: Setting, data: TrainingData, count: int, place: torch.device, seconds: float
) -> tuple[float, str]:
    stack = stack_of(setting, data, count, place)
    try:
        return epochs_of(stack, seconds, place), stack.graphs
    finally:
        stack.close()


def masks_cost(
    setting: Setting, data: TrainingData, count: int, place: torch.device, seconds: float
) -> dict[str, Any]:
    """An epoch under masks over one without, together and alone, in turns."""
    generator = torch.Generator().manual_seed(0)
    plain = stack_of(setting, data, count, place)
    masked = stack_of(setting, data, count, place)
    masks = {
        name: torch.rand(weight.shape, generator=generator).to(place) > 0.9
        for name, weight in prunable(plain.states[0].model).items()
    }
    masked = Stack([with_masks(one, masks) for one in masked.states])
    masked.forward = plain.forward
    times: dict[str, list[float]] = {"plain": [], "masked": [], "plain alone": [], "masked alone": []}
    bare, pruned = state(setting, data, 0, place), with_masks(state(setting, data, 0, place), masks)
    for _ in range(4):  # many short turns: the difference is small
        times["plain"].append(epochs_of(plain, seconds / 4, place))
        times["masked"].append(epochs_of(masked, seconds / 4, place))
    for _ in range(10):
        times["plain alone"].append(best_alone(bare, seconds / 8, place))
        times["masked alone"].append(best_alone(pruned, seconds / 8, place))
    plain.close()
    masked.close()
    return {
        "replicas": count,
        "masked_over_plain_together": round(min(times["masked"]) / min(times["plain"]), 4),
        "masked_over_plain_alone": round(min(times["masked alone"]) / min(times["plain alone"]), 4),
    }


def with_masks(one: TrainingState, masks: dict[str, torch.Tensor]) -> TrainingState:
    one.set_masks(masks)
    return one


if __name__ == "__main__":
    sys.exit(main())
