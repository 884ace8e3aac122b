"""How long it takes to choose which of BERT-base's weights go, and what enforcing masks costs a step.

    python benchmarks/masks.py [--device auto|cpu|cuda] [--seconds 5] [--threads 1] [--out FILE]

Selection: the exact lowest 90 % of 109 million scores (every matrix of BERT-base, that of word pieces included), layer
by layer, globally, and at random, drawing the scores included; beside it the plain way, to sort all scores and take the
first, once. Enforcing: a step of BERT at its width, fewer layers on a CPU, with and without masks in turns, and the
operations on masks by themselves. The best counts; on a CPU, seconds are those of the processor.
"""

from __future__ import annotations

import argparse
import datetime
import json
import os
import platform
import sys
from pathlib import Path
from typing import Any

import torch

from machine import processor, spent
from prunescope.config.architectures import Encoder, Training
from prunescope.criteria import CRITERIA, Evidence
from prunescope.models.registry import build, prunable
from prunescope.models.shape import Shape
from prunescope.pruning.mask import erasers, full_masks, prune, set_to_zero
from prunescope.training.batches import Split, TrainingData
from prunescope.training.device import choose_device
from prunescope.training.loop import train
from prunescope.training.state import Phase, TrainingState
from texts import made_texts, profile

SHARE = 0.9


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--device", default="auto", choices=("auto", "cpu", "cuda"))
    parser.add_argument("--seconds", type=float, default=5.0, help="per measurement, about")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--out", type=Path, help="default: benchmarks/results/masks-<device>.json")
    args = parser.parse_args()
    place = choose_device(args.device)
    torch.set_num_threads(args.threads)
    torch.set_flush_denormal(True)
    result = {
        "what": "choosing 90 % of BERT-base's weights, exactly; and enforcing masks in training",
        "selection": selection(place, args.seconds),
        "enforcing": enforcing(place, args.seconds),
        "command": " ".join(["python", "benchmarks/masks.py", *sys.argv[1:]]),
        "date": f"{datetime.date.today():%Y-%m-%d}",
        "device": torch.cuda.get_device_name(place) if place.type == "cuda" else processor(),
        "threads": torch.get_num_threads(),
        "cores": os.cpu_count(),
        "load_average": [round(load, 1) for load in os.getloadavg()],
        "versions": {"python": platform.python_version(), "torch": torch.__version__},
    }
    out = args.out or Path(__file__).parent / "results" / f"masks-{place.type}.json"
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    print(json.dumps(result, indent=2))
    return 0


def matrices() -> dict[str, torch.Size]:
    """Names and shapes of BERT-base's matrices, that of word pieces among them."""
    with torch.device("meta"):
        model = build(Encoder(family="encoder"), Shape(classes=2, vocabulary=30522, length=512), 0)
    return {name: weight.shape for name, weight in model.named_parameters() if weight.dim() > 1}


def best(place: torch.device, work: Any, seconds: float) -> float:
    times: list[float] = []
    while len(times) < 2 or sum(times) < seconds:
        times.append(spent(place, work))
    return min(times)


def selection(place: torch.device, seconds: float) -> dict[str, Any]:
    generator = torch.Generator().manual_seed(0)
    weights = {name: torch.randn(shape, generator=generator).to(place) for name, shape in matrices().items()}
    sizes = {name: weight.numel() for name, weight in weights.items()}
    total = sum(sizes.values())
    by_layer = {name: round(SHARE * size) for name, size in sizes.items()}
    everywhere = round(SHARE * total)
    scores = {name: weight.abs() for name, weight in weights.items()}
    kept = full_masks(scores)

    def random() -> None:
        draws = torch.Generator().manual_seed(0)
        prune(CRITERIA["random"](weights, Evidence({}, 0.0, draws)), kept, everywhere)

    def plain() -> None:
        flat = torch.cat([score.flatten() for score in scores.values()])
        chosen = torch.zeros_like(flat, dtype=torch.bool)
        chosen[flat.argsort()[:everywhere]] = True

    found = prune(scores, kept, everywhere)
    assert sum(int((~mask).sum()) for mask in found.values()) == everywhere
    return {
        "weights": total,
        "pruned": everywhere,
        "layer_seconds": round(best(place, lambda: prune(scores, kept, by_layer), seconds), 4),
        "global_seconds": round(best(place, lambda: prune(scores, kept, everywhere), seconds), 4),
        "random_seconds": round(best(place, random, seconds), 4),
        "global_by_sorting_seconds": round(spent(place, plain), 4),
    }


def enforcing(place: torch.device, seconds: float) -> dict[str, Any]:
    """A step with masks over one without, and the masks' operations over a step."""
    gpu = place.type == "cuda"
    arch = Encoder(family="encoder") if gpu else Encoder(family="encoder", layers=2, vocabulary=2000)
    batch = 32 if gpu else 8
    lengths = profile("imdb", batch)
    ids = made_texts(lengths, 512, arch.vocabulary).to(place)
    shape = Shape(classes=2, vocabulary=arch.vocabulary, length=512)
    split = Split(ids, torch.arange(batch, device=place) % 2, lengths, trim=True, pack=True)
    data = TrainingData("single-label", ("a", "b"), shape, {"train": split})
    precision = "bf16" if gpu else "float32"
    settings = Training(lr=3e-5, batch_size=batch, clip_norm=1.0, padding="none", precision=precision)
    one = TrainingState(build(arch, shape, 0).to(place), data, settings, 0)
    generator = torch.Generator().manual_seed(0)
    weights = dict(one.model.named_parameters())
    masks = {
        name: (torch.rand(weight.shape, generator=generator) > SHARE).to(place)
        for name, weight in prunable(one.model).items()
    }
    train(one, Phase("warm-up", 1))
    plain, masked = float("inf"), float("inf")
    total = 0.0
    while total < 2 * seconds or total == 0:
        one.masks = None
        times = [spent(place, lambda: train(one, Phase("plain", 1)))]
        one.set_masks(masks)
        times.append(spent(place, lambda: train(one, Phase("masked", 1))))
        plain, masked, total = min(plain, times[0]), min(masked, times[1]), total + sum(times)
    gone = erasers(weights, masks)
    gradients = {name: torch.randn_like(weight) for name, weight in weights.items() if name in gone}

    def operations() -> None:
        set_to_zero(gradients, gone)
        set_to_zero(weights, gone)

    alone = best(place, operations, seconds)
    return {
        "layers": arch.layers,
        "masked_weights": sum(mask.numel() for mask in masks.values()),
        "batch_size": batch,
        "tokens": int(lengths.sum()),
        "precision": precision,
        "step_seconds": round(plain, 5),
        "masked_step_over_step": round(masked / plain, 4),
        "mask_operations_seconds": round(alone, 5),
        "mask_operations_over_step": round(alone / plain, 4),
    }


if __name__ == "__main__":
    sys.exit(main())
