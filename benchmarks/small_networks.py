"""Images a second that small convolutional networks train on one core, against a plain loop.

    python benchmarks/small_networks.py [--seconds 20] [--threads 1] [--out FILE]

Per network, in turns, the best of each: a plain torch loop (float images in memory, shuffled batches, fused SGD), the
same in channels-last, training as a job does it (pixels, masks off and on, in bfloat16 where the family can) with
compiled functions and with torch's alone. Processor seconds. The limit is what a large matrix product makes of the
core in float32, for the operations of the convolutions and linear layers: forward once, backward twice, nothing for the
gradient of the images.
"""

from __future__ import annotations

import argparse
import datetime
import json
import os
import platform
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from machine import processor, spent
from prunescope.config.architectures import Arch, Training
from prunescope.models import compiled
from prunescope.models.lenet import LeNet5
from prunescope.models.registry import build, kernels
from prunescope.models.resnet import ResNet
from prunescope.models.shape import Shape
from prunescope.training.batches import Pixels, Split, TrainingData
from prunescope.training.loop import train
from prunescope.training.state import Phase, TrainingState
from replicas import LENET, RESNET

CPU = torch.device("cpu")

#: Architecture, shape of an image, size and number of batches in a timed epoch.
NETWORKS: dict[str, tuple[Arch, tuple[int, int, int], int, int]] = {
    "lenet5, 28 x 28": (LENET, (1, 28, 28), 128, 20),
    "lenet5, 8 x 8": (LENET, (1, 8, 8), 64, 20),
    "resnet20, 32 x 32": (RESNET, (3, 32, 32), 128, 1),
}

Epoch = Callable[[], None]


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--seconds", type=float, default=20.0, help="per network, about")
    parser.add_argument("--threads", type=int, default=1)
    here = Path(__file__).parent / "results" / "small_networks-cpu.json"
    parser.add_argument("--out", type=Path, default=here)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    torch.set_flush_denormal(True)  # as jobs do
    limit = product()
    result = {
        "what": "images trained per processor second, float32 unless said; the best of many epochs, in turns",
        "kernels": kernels(LENET, CPU),
        "gflops_of_a_product": round(limit / 1e9, 1),
        "networks": {
            name: measured(*setting, arguments.seconds, limit) for name, setting in NETWORKS.items()
        },
        "command": " ".join(["python", *sys.argv]),
        "date": f"{datetime.date.today():%Y-%m-%d}",
        "device": processor(),
        "threads": torch.get_num_threads(),
        "cores": os.cpu_count(),
        "load_average": [round(load, 1) for load in os.getloadavg()],
        "versions": {"python": platform.python_version(), "torch": torch.__version__},
    }
    arguments.out.write_text(json.dumps(result, indent=2) + "\n")
    print(json.dumps(result, indent=2))
    return 0


def measured(
    arch: Arch, image: tuple[int, int, int], size: int, batches: int, seconds: float, limit: float
) -> dict[str, Any]:
    draws = torch.Generator().manual_seed(0)
    pixels = torch.randint(0, 256, (size * batches, *image), dtype=torch.uint8, generator=draws)
    labels = torch.randint(0, 10, (len(pixels),), generator=draws)
    shape = Shape(classes=10, image=image)
    mean, std = (torch.full((image[0], 1, 1), value) for value in (0.13, 0.31))
    values = Pixels(255.0, mean, std)
    split = Split(pixels, labels, None, trim=False, pixels=values)
    data = TrainingData("single-label", tuple(map(str, range(10))), shape, {"train": split})
    settings = Training(optimizer="sgd", lr=0.01, momentum=0.9, batch_size=size)
    halved = settings.model_copy(update={"precision": "bf16"})

    def job(*, masked: bool, own: bool, settings: Training = settings) -> Epoch:
        state = TrainingState(build(arch, shape, 0), data, settings, 0)
        if masked:
            weights = state.model.named_parameters()
            state.set_masks(
                {name: torch.rand(weight.shape, generator=draws) > 0.5 for name, weight in weights}
            )

        def epoch() -> None:
            use(own)
            train(state, Phase("train", 1))

        return epoch

    floats = values.values(pixels)
    ways = {
        "plain loop": plain(arch, shape, floats, labels, size),
        "plain loop, channels-last": plain(arch, shape, floats, labels, size, last=True),
        "job": job(masked=False, own=True),
        "job, under masks": job(masked=True, own=True),
        "job, torch alone": job(masked=False, own=False),
    }
    if arch.bf16:
        ways["job, bfloat16"] = job(masked=False, own=True, settings=halved)
        ways["job, bfloat16, torch alone"] = job(masked=False, own=False, settings=halved)
    best = best_of(ways, seconds)
    rates = {name: len(pixels) / took for name, took in best.items()}
    most = limit / operations(build(arch, shape, 0), floats[:1])
    return {
        "batch_size": size,
        "images_per_second": {name: round(rate) for name, rate in rates.items()},
        "over_plain_loop": {name: round(rate / rates["plain loop"], 2) for name, rate in rates.items()},
        "limit_images_per_second": round(most),
        "job_over_limit": round(rates["job"] / most, 2),
    }


def best_of(ways: dict[str, Epoch], seconds: float) -> dict[str, float]:
    """The least processor seconds of an epoch; the first of each does not count."""
    for epoch in ways.values():
        epoch()
    best, total = dict.fromkeys(ways, float("inf")), 0.0
    while total < seconds:
        for name, epoch in ways.items():
            took = spent(CPU, epoch)
            best[name], total = min(best[name], took), total + took
    return best


def use(own: bool) -> None:
    """Compiled functions, or torch's alone."""
    wanted = "" if own else "torch"
    if os.environ.get(compiled.SETTING, "") != wanted:
        os.environ[compiled.SETTING] = wanted
        compiled._library.cache_clear()


def plain(
    arch: Arch, shape: Shape, images: Tensor, labels: Tensor, size: int, *, last: bool = False
) -> Epoch:
    """The loop that anybody would write, with torch's own layers; ``last``: in channels-last."""
    model = build(arch, shape, 0)
    if last:
        model = model.to(memory_format=torch.channels_last)
        images = images.contiguous(memory_format=torch.channels_last)
    forward = layers_of(model)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01, momentum=0.9, fused=True)

    def epoch() -> None:
        model.train()
        for index in torch.randperm(len(images)).split(size):
            optimizer.zero_grad()
            nn.functional.cross_entropy(forward(images[index]), labels[index]).backward()
            optimizer.step()

    return epoch


def layers_of(model: nn.Module) -> Callable[[Tensor], Tensor]:
    """The model's forward pass layer by layer, in the layout of the images."""

    def lenet(x: Tensor) -> Tensor:
        assert isinstance(model, LeNet5)
        for convolution in (model.conv1, model.conv2):
            x = torch.max_pool2d(torch.relu(convolution(x)), 2)
        logits: Tensor = model.fc3(torch.relu(model.fc2(torch.relu(model.fc1(x.flatten(1))))))
        return logits

    def resnet(x: Tensor) -> Tensor:
        assert isinstance(model, ResNet)
        x = model.stage3(model.stage2(model.stage1(torch.relu(model.bn1(model.conv1(x))))))
        logits: Tensor = model.fc(x.mean(dim=(2, 3)))
        return logits

    return lenet if isinstance(model, LeNet5) else resnet


def operations(model: nn.Module, image: Tensor) -> float:
    """Of training on one image: forward, and backward to the weights and to all inputs but the image."""
    products: list[float] = []

    def count(layer: nn.Module, inputs: Any, output: Tensor) -> None:
        products.append(output.numel() * layer.get_parameter("weight")[0].numel())

    for layer in model.modules():
        if isinstance(layer, nn.Conv2d | nn.Linear):
            layer.register_forward_hook(count)
    model.eval()(image)
    return 2 * (3 * sum(products) - products[0])


def product(size: int = 1024) -> float:
    """Operations a second of a product of two square matrices."""
    a, b = torch.rand(2, size, size)
    out = torch.empty(size, size)
    return float(2 * size**3 / min(spent(CPU, lambda: torch.mm(a, b, out=out)) for _ in range(20)))


if __name__ == "__main__":
    sys.exit(main())
