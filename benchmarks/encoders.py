"""How fast BERT trains on texts of the PIE paper's lengths: the plain way, and what each setting of ours adds.

    python benchmarks/encoders.py [--device auto|cpu|cuda] [--seconds 4] [--sources imdb ...] [--out FILE]

Ways, in turn, on the same made texts with the lengths of each data set (`benchmarks/results/lengths.json`); each way's
best epoch counts:

- plain: float32, every text padded to the data set's limit, torch's plain Adam, the loss read at every step, as in the
  paper's code;
- longest, by-length, none: our loop in float32, padded to the longest text of a batch, the same with batches of like
  length, without padding;
- bf16 longest, bf16 none: matrices in bfloat16.

Tokens are those of the texts, padding not counted. Utilization is operations on these tokens (six a weight and token,
and attention's products) over those of large matrix products on the same device, in the same run and format, and over
the device's published peak where it is known here. On a CPU, seconds are those of the processor. On a GPU it is
BERT-base with the paper's batches, on a CPU a narrow BERT with small ones.
"""

from __future__ import annotations

import argparse
import datetime
import json
import os
import platform
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import nn

from machine import processor, spent
from prunescope.config.architectures import Encoder, Training
from prunescope.config.datasets import sources
from prunescope.models.registry import build, prunable
from prunescope.models.shape import Shape
from prunescope.training.batches import Split, TrainingData, shuffled
from prunescope.training.device import choose_device
from prunescope.training.loop import train
from prunescope.training.state import Phase, TrainingState
from texts import made_texts, profile

#: The paper's batches (Table 8).
BATCHES = {"imdb": 32, "snli": 256, "reuters": 128, "aapd": 256}

#: Published dense peaks, operations per second in float32 without TF32 and in bfloat16.
PEAKS = {"H100": (67e12, 989e12), "H200": (67e12, 989e12), "A100": (19.5e12, 312e12)}

#: Ways of our loop: changes to the settings.
WAYS: dict[str, dict[str, Any]] = {
    "longest": {},
    "by-length": {"order": "by-length"},
    "none": {"padding": "none"},
    "bf16 longest": {"precision": "bf16"},
    "bf16 none": {"precision": "bf16", "padding": "none"},
}


@dataclass(frozen=True)
class Size:
    """The network, and how many batches an epoch has, of ``batch`` texts or the paper's number."""

    arch: Encoder
    batches: int
    batch: int | None = None


CUDA = Size(Encoder(family="encoder"), batches=8)
CPU = Size(
    Encoder(family="encoder", hidden=256, layers=2, heads=4, intermediate=1024, vocabulary=2000),
    batches=4,
    batch=8,
)


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--device", default="auto", choices=("auto", "cpu", "cuda"))
    parser.add_argument("--seconds", type=float, default=4.0, help="per way and data set, about")
    parser.add_argument("--sources", nargs="+", choices=list(BATCHES), default=list(BATCHES))
    parser.add_argument("--batches", type=int, help="of an epoch (default: 8 on a GPU, 4 on a CPU)")
    parser.add_argument("--threads", type=int, default=1, help="as the workflow gives a job")
    parser.add_argument("--out", type=Path, help="default: benchmarks/results/encoders-<device>.json")
    args = parser.parse_args()
    place = choose_device(args.device)
    torch.set_num_threads(args.threads)
    torch.set_flush_denormal(True)
    size = CUDA if place.type == "cuda" else CPU
    if args.batches is not None:
        size = replace(size, batches=args.batches)
    limits = {precision: matrix_rate(place, dtype) for precision, dtype in DTYPES.items()}
    sources = {}
    for source in args.sources:
        sources[source] = measured(source, size, place, args.seconds, limits)
        print(f"{source}: {json.dumps(sources[source])}", file=sys.stderr, flush=True)
    result = {
        "what": "training steps of BERT on made texts of real lengths, the best epoch of each way, in turns",
        "network": size.arch.model_dump(include={"hidden", "layers", "heads", "intermediate"}),
        "matrix_products_per_second": limits,
        "peaks": peaks(place),
        "sources": sources,
        "command": " ".join(["python", "benchmarks/encoders.py", *sys.argv[1:]]),
        "date": f"{datetime.date.today():%Y-%m-%d}",
        "device": torch.cuda.get_device_name(place) if place.type == "cuda" else processor(),
        "threads": torch.get_num_threads(),
        "cores": os.cpu_count(),
        "load_average": [round(load, 1) for load in os.getloadavg()],
        "versions": {"python": platform.python_version(), "torch": torch.__version__},
    }
    out = args.out or Path(__file__).parent / "results" / f"encoders-{place.type}.json"
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    print(json.dumps(result, indent=2))
    return 0


DTYPES = {"float32": torch.float32, "bf16": torch.bfloat16}


def peaks(place: torch.device) -> dict[str, float] | None:
    """The device's published operations per second; None where they are not known here."""
    if place.type != "cuda":
        return None
    name = torch.cuda.get_device_name(place)
    return next((dict(zip(DTYPES, peak, strict=True)) for key, peak in PEAKS.items() if key in name), None)


def matrix_rate(place: torch.device, dtype: torch.dtype) -> float:
    """Operations per second of the best of several products of large square matrices."""
    side = 8192 if place.type == "cuda" else 1024
    one = torch.randn(side, side, device=place).to(dtype)
    times = [spent(place, lambda: one @ one) for _ in range(8)]
    return 2 * side**3 / min(times)


def measured(
    source: str, size: Size, place: torch.device, seconds: float, limits: dict[str, float]
) -> dict[str, Any]:
    """Tokens per second and utilization of each way on texts with one data set's lengths."""
    limit = sources()[source].published.max_tokens
    batch = size.batch or BATCHES[source]
    lengths = profile(source, batch * size.batches)
    ids = made_texts(lengths, limit, size.arch.vocabulary).to(place)
    generator = torch.Generator().manual_seed(0)
    labels = torch.randint(0, 4, (len(lengths),), generator=generator).to(place)
    shape = Shape(classes=4, vocabulary=size.arch.vocabulary, length=limit)
    split = Split(ids, labels, lengths, trim=True)
    plain = Training(lr=3e-5, batch_size=batch, clip_norm=1.0)
    runs: dict[str, Callable[[], Any]] = {
        "plain": plain_epoch(build(size.arch, shape, 0).to(place), split, plain)
    }
    for name, changes in WAYS.items():
        settings = plain.model_copy(update=changes)
        data = TrainingData(
            "single-label",
            ("a", "b", "c", "d"),
            shape,
            {"train": replace(split, pack=settings.padding == "none")},
        )
        one = TrainingState(build(size.arch, shape, 0).to(place), data, settings, 0)
        runs[name] = epoch_of(one)
    best = dict.fromkeys(runs, float("inf"))
    total = 0.0
    while total < seconds * len(runs) or float("inf") in best.values():
        for name, run in runs.items():
            took = spent(place, run)
            total += took
            best[name] = min(best[name], took)
    tokens, operations = int(lengths.sum()), useful_operations(size.arch, shape, lengths)
    known = peaks(place)
    rows = {}
    for name, took in best.items():
        precision = "bf16" if name.startswith("bf16") else "float32"
        rows[name] = {
            "tokens_per_second": round(tokens / took, 1),
            "over_plain": round(best["plain"] / took, 3),
            "utilization_of_matrix_products": round(operations / took / limits[precision], 4),
            "utilization_of_peak": round(operations / took / known[precision], 4) if known else None,
        }
    return {
        "batch_size": batch,
        "batches": size.batches,
        "max_tokens": limit,
        "mean_tokens": round(float(lengths.float().mean()), 1),
        "ways": rows,
    }


def epoch_of(one: TrainingState) -> Callable[[], None]:
    return lambda: train(one, Phase("timed", 1))


def plain_epoch(model: nn.Module, split: Split, settings: Training) -> Callable[[], float]:
    """An epoch as the paper's code has it."""
    optimizer = torch.optim.Adam(model.parameters(), lr=settings.lr)
    loss_of = nn.CrossEntropyLoss()

    def epoch() -> float:
        model.train()
        total = 0.0
        for index in shuffled(len(split), settings.batch_size, 0, "timed", 1):
            where = index.to(split.inputs.device)
            optimizer.zero_grad()
            loss = loss_of(model(split.inputs[where]), split.labels[where])
            loss.backward()
            nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            total += loss.item()
        return total

    return epoch


def useful_operations(arch: Encoder, shape: Shape, lengths: torch.Tensor) -> float:
    """Of an epoch, forward and backward, on the texts' own tokens: matrices, and attention's two products."""
    weights = sum(weight.numel() for weight in prunable(build(arch, shape, 0)).values())
    squares = float((lengths.double() ** 2).sum())
    return 6.0 * weights * float(lengths.sum()) + 3 * 4 * arch.layers * arch.hidden * squares


if __name__ == "__main__":
    sys.exit(main())
