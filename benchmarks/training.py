"""How fast networks of the papers' sizes train and are pruned here, one replica at a time.

    python benchmarks/training.py [--device auto|cpu|cuda] [--seconds 5] [--out FILE]

For each architecture, at the size, batch and length of the paper's own setting, a training epoch of
made data is repeated for about ``seconds``; the best epoch counts. The same once more under masks at
90 %, which says what enforcing them costs. Then the time to select the lowest 90 % of BERT-base's
prunable weights, per layer and globally. `prunescope plan` turns the operations per second into GPU
hours.
"""

from __future__ import annotations

import argparse
import datetime
import json
import os
import platform
import sys
import time
from pathlib import Path
from typing import Any

import torch

from machine import processor, timed
from prunescope.archs import Arch, BiLSTM, Encoder, LeNet5, Training
from prunescope.config import Amount
from prunescope.models.registry import Shape, build, count_parameters, prunable
from prunescope.plan import STEP_OVER_FORWARD, Declared, forward_flops
from prunescope.pruners import Pruner
from prunescope.pruning.mask import full_masks, prune
from prunescope.pruning.schedules import zeros_by_round
from prunescope.training.batches import Split, TrainingData
from prunescope.training.loop import Trainee, train

#: name -> network, shape of its data, training settings, batches per timed epoch
SETTINGS: dict[str, tuple[Arch, Declared, Training, int]] = {
    "lenet5 on MNIST": (
        LeNet5(family="lenet5"),
        Declared(classes=10, train=0, validation=0, test=0, image=(1, 28, 28)),
        Training(optimizer="sgd", lr=0.01, batch_size=128),
        100,
    ),
    "bilstm on Reuters": (
        BiLSTM(family="bilstm"),
        Declared(classes=23, train=0, validation=0, test=0, tokens=256),
        Training(lr=1.86e-3, batch_size=512, clip_norm=1.0),
        4,
    ),
    "bert on SNLI": (
        Encoder(family="encoder"),
        Declared(classes=3, train=0, validation=0, test=0, tokens=32),
        Training(lr=3.6e-5, batch_size=256, clip_norm=1.0),
        8,
    ),
    "bert on IMDB": (
        Encoder(family="encoder"),
        Declared(classes=2, train=0, validation=0, test=0, tokens=512),
        Training(lr=2.7e-5, batch_size=32, clip_norm=1.0),
        4,
    ),
}

#: On a CPU, BERT-base takes a minute a batch; there only what a CPU is used for is measured.
CPU_SETTINGS = ("lenet5 on MNIST", "bilstm on Reuters")


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--device", default="auto", choices=("auto", "cpu", "cuda"))
    parser.add_argument("--seconds", type=float, default=5.0, help="per measurement, about")
    parser.add_argument("--out", type=Path, help="default: benchmarks/results/training-<device>.json")
    arguments = parser.parse_args()
    name = arguments.device
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    place = torch.device(name)
    settings = SETTINGS if name == "cuda" else {key: SETTINGS[key] for key in CPU_SETTINGS}
    result = {
        "what": "training one replica at a time, float32; mask selection",
        "training": {key: training_rate(*value, place, arguments.seconds) for key, value in settings.items()},
        "selection": selection(place, arguments.seconds),
        "command": " ".join(["python", *sys.argv]),
        "date": f"{datetime.date.today():%Y-%m-%d}",
        "device": torch.cuda.get_device_name(place) if name == "cuda" else processor(),
        "threads": torch.get_num_threads(),
        "cores": os.cpu_count(),
        "versions": {"python": platform.python_version(), "torch": torch.__version__},
    }
    out = arguments.out or Path(__file__).parent / "results" / f"training-{name}.json"
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(json.dumps(result, indent=2) + "\n")
    print(json.dumps(result, indent=2))
    return 0


def training_rate(
    arch: Arch, facts: Declared, training: Training, batches: int, place: torch.device, seconds: float
) -> dict[str, Any]:
    count = batches * training.batch_size
    generator = torch.Generator().manual_seed(0)
    labels = torch.randint(0, facts.classes, (count,), generator=generator)
    if facts.image:
        inputs = torch.rand(count, *facts.image, generator=generator)
        shape = Shape(classes=facts.classes, image=facts.image)
    else:
        vocabulary = arch.vocabulary if isinstance(arch, Encoder) else 1000
        inputs = torch.randint(5, vocabulary, (count, facts.tokens), generator=generator)
        vectors = torch.randn(1000, arch.vectors, generator=generator) if isinstance(arch, BiLSTM) else None
        shape = Shape(classes=facts.classes, vectors=vectors, vocabulary=vocabulary, length=facts.tokens)
    split = Split(inputs.to(place), labels.to(place), None, trim=False)
    data = TrainingData("single-label", tuple(map(str, range(facts.classes))), shape, {"train": split})
    model = build(arch, shape, 0).to(place)
    trainee = Trainee(model, data, training, 0)
    # All compared in one run, in turn, so that what else the machine does touches both alike.
    plain, masked = [], []
    train(trainee, "warm-up", 1)
    masks = {n: torch.rand(w.shape, generator=generator).to(place) > 0.9 for n, w in prunable(model).items()}
    started = time.perf_counter()
    while len(plain) < 2 or time.perf_counter() - started < seconds:
        trainee.masks = None
        plain.append(timed(place, lambda: train(trainee, "plain", 1)))
        trainee.set_masks(masks)
        masked.append(timed(place, lambda: train(trainee, "masked", 1)))
    sizes = {name: weight.numel() for name, weight in prunable(model).items()}
    operations = STEP_OVER_FORWARD * forward_flops(arch, facts, sizes) * count
    return {
        "parameters": count_parameters(model),
        "batch_size": training.batch_size,
        "tokens": facts.tokens or None,
        "samples_per_second": round(count / min(plain), 1),
        "steps_per_second": round(batches / min(plain), 2),
        "operations_per_second": operations / min(plain),
        "masked_over_plain": round(min(masked) / min(plain), 4),
    }


def selection(place: torch.device, seconds: float) -> dict[str, float]:
    """Seconds to prune 90 % of BERT-base's prunable weights by given scores."""
    with torch.device("meta"):
        shape = Shape(classes=2, vocabulary=30522, length=512)
        model = build(Encoder(family="encoder"), shape, 0)
    generator = torch.Generator().manual_seed(0)
    scores = {n: torch.rand(w.shape, generator=generator).to(place) for n, w in prunable(model).items()}
    sizes = {name: score.numel() for name, score in scores.items()}
    amount, total = Amount.of_sparsity(0.9), count_parameters(model)
    found: dict[str, float] = {"weights": sum(sizes.values())}
    for scope in ("layer", "global"):
        pruner = Pruner(criterion="magnitude", schedule="one-shot", scope=scope)  # type: ignore[arg-type]
        (zeros,) = zeros_by_round(pruner, amount, sizes, total)
        chosen = zeros if isinstance(zeros, int) else dict(zeros)
        times = [timed(place, lambda chosen=chosen: prune(scores, full_masks(scores), chosen))]  # type: ignore[misc]
        while len(times) < 2 or sum(times) < seconds:
            times.append(timed(place, lambda chosen=chosen: prune(scores, full_masks(scores), chosen)))  # type: ignore[misc]
        found[f"{scope}_seconds"] = round(min(times), 4)
    return found


if __name__ == "__main__":
    sys.exit(main())
