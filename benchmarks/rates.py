"""Seconds of a training step and of a prediction for the networks of a study, on the device there is.

    python benchmarks/rates.py [--configfile studies/full.yaml] [--device auto|cpu|cuda] [--out FILE]

For every network of the study, at its size, length of texts, batch and training settings, with made data and
random weights. Texts are as long as the longest; without padding they have the lengths of the data set's. The file is
what `prunescope plan --rates FILE` reads. On a CPU a step of the papers' batches can take minutes, so batches are cut
until a step has at most `--step-operations`; plan then counts them as scaled, not as measured. Seconds are those of the
processor there, so that what else it does does not count.
"""

from __future__ import annotations

import argparse
import datetime
import json
import os
import platform
import sys
from importlib.metadata import version
from pathlib import Path
from statistics import median

import torch

from machine import processor, spent
from prunescope.config.architectures import Arch, Training
from prunescope.config.datasets import Declared
from prunescope.config.load import load_study
from prunescope.models.registry import build, prunable
from prunescope.models.shape import Shape
from prunescope.planning.rates import STEP_OVER_FORWARD, MeasuredRate, RatesFile
from prunescope.training.batches import Split, TrainingData
from prunescope.training.device import choose_device
from prunescope.training.loop import train
from prunescope.training.predict import logits_of, mean_loss
from prunescope.training.state import Phase, TrainingState
from texts import made_texts, profile

ROOT = Path(__file__).resolve().parents[1]

#: Words that made texts of networks over word vectors have.
WORDS = 1000


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--configfile", type=Path, default=ROOT / "studies" / "full.yaml")
    parser.add_argument("--device", default="auto", choices=("auto", "cpu", "cuda"))
    parser.add_argument("--threads", type=int, default=1, help="as the workflow gives a job")
    parser.add_argument("--archs", nargs="+", help="these alone")
    parser.add_argument(
        "--seconds", type=float, default=5.0, help="per network, about (default: %(default)s)"
    )
    parser.add_argument(
        "--step-operations",
        type=float,
        help="batches are cut to so many (default: 1e11 on a CPU, else no limit)",
    )
    parser.add_argument("--out", type=Path, help="default: benchmarks/results/rates-<device>.json")
    args = parser.parse_args()
    place = choose_device(args.device)
    torch.set_num_threads(args.threads)
    most = args.step_operations or (1e11 if place.type == "cpu" else float("inf"))
    study = load_study(args.configfile)
    rates: list[MeasuredRate] = []
    seen = set()
    for cell in study.cells:
        if args.archs and cell.arch not in args.archs:
            continue
        dataset = study.datasets[cell.dataset]
        arch, facts = study.archs[cell.arch], dataset.declared()
        training = study.training(cell.dataset, cell.arch)
        mean = facts.mean_tokens if training.padding == "none" else None
        key = (cell.arch, facts.tokens, facts.image, training.batch_size, mean)
        if key not in seen:
            seen.add(key)
            source = None if mean is None else dataset.source
            rates.append(measured(arch, training, facts, source, mean, place, args.seconds, most))
            print(
                f"{cell.arch} on {cell.dataset}: {rates[-1].step_seconds:.3g} s a step",
                file=sys.stderr,
                flush=True,
            )
    if not rates:
        raise SystemExit("no such arch in the study")
    load = os.getloadavg()
    file = RatesFile(
        what="training steps and predictions of one network at a time, with made data",
        device=torch.cuda.get_device_name(place) if place.type == "cuda" else f"cpu ({processor()})",
        date=f"{datetime.date.today():%Y-%m-%d}",
        command=" ".join(["python", "benchmarks/rates.py", *sys.argv[1:]]),
        versions={
            "python": platform.python_version(),
            "torch": torch.__version__,
            "prunescope": version("prunescope"),
        },
        threads=torch.get_num_threads(),
        cores=os.cpu_count(),
        load=(round(load[0], 1), round(load[1], 1), round(load[2], 1)),
        rates=tuple(rates),
    )
    out = args.out or Path(__file__).parent / "results" / f"rates-{place.type}.json"
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(
        json.dumps(file.model_dump(mode="json", exclude_none=True), indent=2) + "\n", encoding="utf-8"
    )
    return 0


def measured(
    arch: Arch,
    training: Training,
    facts: Declared,
    source: str | None,
    mean: float | None,
    place: torch.device,
    seconds: float,
    most: float,
) -> MeasuredRate:
    """The median over epochs of a few steps, after a warm-up; validation is not part of a step.

    Args:
        source: of the data set whose lengths texts without padding have, ``mean`` of them; None: full length.
    """
    fresh = (
        arch.model_copy(update={"pretrained": None, "revision": None})
        if hasattr(arch, "pretrained")
        else arch
    )
    vectors = torch.randn(WORDS, arch.word_dimensions) if arch.word_dimensions else None
    vocabulary = arch.vocabulary_size or WORDS
    shape = Shape(
        classes=facts.classes, image=facts.image, vectors=vectors, vocabulary=vocabulary, length=facts.tokens
    )
    model = build(fresh, shape, 0).to(place)
    sizes = {name: weight.numel() for name, weight in prunable(model).items()}
    forward = arch.forward_flops(facts, sizes) * (1.0 if mean is None else mean / facts.tokens)
    batch = max(1, min(training.batch_size, int(most // (STEP_OVER_FORWARD * forward))))
    settings = training.model_copy(update={"batch_size": batch, "keep": "last"})

    def state(steps: int) -> TrainingState:
        task = "text" if arch.encoding == "continued" else "single-label"
        data = made(
            facts, vocabulary, shape, steps * batch, source, place, settings, arch.masks_padding, task
        )
        return TrainingState(model, data, settings, 0)

    first = state(1)
    warm_up = min(spent(place, lambda: train(first, Phase("warm-up", 1))) for _ in range(2))
    steps = max(1, min(200, int(seconds / 4 / warm_up)))
    work = state(steps)
    lengths = work.data.splits["train"].lengths
    if mean is not None and lengths is not None:
        # Of the texts that were there: few ones have another mean.
        forward *= float(lengths.float().mean()) / mean
    times = []
    while len(times) < 3 or (sum(times) < seconds and len(times) < 20):
        times.append(spent(place, lambda: train(work, Phase("timed", 1))))

    def predict() -> None:
        if work.data.task == "text":
            # Outputs of every piece for all texts at once would fill the memory.
            mean_loss(work, "train")
        else:
            logits_of(model, work.data, "train", precision=settings.precision)

    predictions = [spent(place, predict) for _ in range(2)]
    return MeasuredRate(
        # What a job is given leaves the study's own block and training out of the network, too.
        architecture=fresh.model_copy(update={"training": Training(), "block": 1}),
        training=training.model_copy(update={"batch_size": batch}),
        classes=facts.classes,
        tokens=facts.tokens,
        mean_tokens=mean,
        image=facts.image,
        steps=steps * len(times),
        step_seconds=median(times) / steps,
        predict_seconds=min(predictions) / (steps * batch),
        forward_flops=forward,
    )


def made(
    facts: Declared,
    vocabulary: int,
    shape: Shape,
    count: int,
    source: str | None,
    place: torch.device,
    training: Training,
    trim: bool,
    task: str,
) -> TrainingData:
    """Random examples, one label each; of texts to be written each piece is the label of the one before."""
    generator = torch.Generator().manual_seed(0)
    labels = torch.randint(0, facts.classes, (count,), generator=generator)
    if facts.image:
        inputs = torch.rand(count, *facts.image, generator=generator)
    else:
        lengths = profile(source, count) if source else torch.full((count,), facts.tokens)
        inputs = made_texts(lengths, facts.tokens, vocabulary)
    if task == "text":
        labels = inputs.roll(-1, dims=1)
    pack = training.padding == "none"
    split = Split(
        inputs.to(place),
        labels.to(place),
        None if facts.image else lengths,
        trim=trim,
        per_token=task == "text",
        pack=pack,
    )
    return TrainingData(task, tuple(map(str, range(facts.classes))), shape, {"train": split})


if __name__ == "__main__":
    sys.exit(main())
