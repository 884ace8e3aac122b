"""Stages that train, prune, search and measure models; see ``models.smk`` and ``tune.smk``."""

from __future__ import annotations

import argparse
import os
from contextlib import nullcontext
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

from prunescope.commands.arguments import parsed
from prunescope.commands.environment import use_threads, without_hub


def add_commands(commands: Any) -> None:
    """Add them to the ``commands`` of the parser."""
    model = commands.add_parser("model", help="stage: train, or prune, a block of seeds")
    model.add_argument("--settings", required=True, metavar="JSON", help="settings as JSON")
    model.add_argument("--inputs", required=True, type=Path, metavar="FILE")
    for name in ("test", "train", "metrics"):
        model.add_argument(f"--{name}", required=True, type=Path, metavar="FILE")
    for name in ("early", "checkpoint", "models"):
        model.add_argument(f"--{name}", type=Path, metavar="FILE")
    model.add_argument("--dense", nargs="*", default=[], type=Path, metavar="FILE")
    model.add_argument(
        "--progress",
        type=Path,
        metavar="DIR",
        help="save training progress here until the outputs are written; a stopped job resumes from it",
    )
    model.add_argument(
        "--interval",
        type=seconds,
        default=300.0,
        metavar="SECONDS",
        help="how often progress is saved; also when the job is asked to end (default: %(default)g)",
    )
    model.add_argument(
        "--gpu-memory",
        type=int,
        metavar="MB",
        help="GPU memory that the job needs; of several GPUs, the one with the most memory left is used",
    )
    _device_arguments(model)
    model.set_defaults(run=_model)

    tune = commands.add_parser(
        "tune", help="stage: search epochs and learning rate of one arch on one data set"
    )
    tune.add_argument("--settings", required=True, metavar="JSON", help="settings as JSON")
    tune.add_argument("--inputs", required=True, type=Path, metavar="FILE")
    tune.add_argument("--out", required=True, type=Path, metavar="DIR")
    _device_arguments(tune)
    tune.set_defaults(run=_tune)

    tuned = commands.add_parser("tuned", help="stage: the study with what the searches found")
    tuned.add_argument("--config", required=True, metavar="JSON", help="settings as JSON")
    tuned.add_argument("--best", required=True, nargs="+", type=Path, metavar="FILE")
    tuned.add_argument("--out", required=True, type=Path, metavar="DIR")
    tuned.set_defaults(run=_tuned)

    weights = commands.add_parser(
        "weights", help="stage: measure the weights that are left in a block of models"
    )
    weights.add_argument("--models", required=True, type=Path, metavar="FILE")
    weights.add_argument("--metrics", required=True, type=Path, metavar="FILE")
    weights.add_argument("--out", required=True, type=Path, metavar="FILE")
    weights.set_defaults(run=_weights)


def _device_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--device",
        default=os.environ.get("PRUNESCOPE_DEVICE", "auto"),
        choices=("auto", "cpu", "cuda"),
        help="device to train on (default: PRUNESCOPE_DEVICE, else auto: a GPU where there is one)",
    )
    parser.add_argument("--threads", type=int, default=1, help="CPU threads (default: %(default)s)")


def seconds(text: str) -> float:
    value = float(text)
    if not value >= 0:
        raise argparse.ArgumentTypeError(f"{text}: seconds, 0 or more")
    return value


def _model(arguments: argparse.Namespace) -> int:
    without_hub()
    from prunescope.config.jobs import ModelJob

    job = parsed(TypeAdapter(ModelJob), arguments.settings, "--settings")
    use_threads(arguments.threads)
    from prunescope.running.gpus import one_gpu
    from prunescope.training.job import Kept, run_block
    from prunescope.training.write import BlockOutputs

    outputs = BlockOutputs(
        test=arguments.test,
        train=arguments.train,
        metrics=arguments.metrics,
        early=arguments.early,
        checkpoint=arguments.checkpoint,
        models=arguments.models,
    )
    kept = Kept(arguments.progress, arguments.interval) if arguments.progress else None
    with (
        one_gpu(arguments.gpu_memory) if arguments.gpu_memory and arguments.device != "cpu" else nullcontext()
    ):
        run_block(job, arguments.inputs, outputs, dense=arguments.dense, device=arguments.device, kept=kept)
    return 0


def _tune(arguments: argparse.Namespace) -> int:
    without_hub()
    from prunescope.tuning.job import TuneJob

    job = parsed(TypeAdapter(TuneJob), arguments.settings, "--settings")
    use_threads(arguments.threads)
    from prunescope.tuning.run import run_search

    run_search(job, arguments.inputs, arguments.out, device=arguments.device)
    return 0


def _tuned(arguments: argparse.Namespace) -> int:
    from prunescope.tuning.outputs import write_tuned

    config = parsed(TypeAdapter(dict[str, Any]), arguments.config, "--config")
    write_tuned(config, arguments.best, arguments.out)
    return 0


def _weights(arguments: argparse.Namespace) -> int:
    from prunescope.export.weights_job import measure

    measure(arguments.models, arguments.metrics, arguments.out)
    return 0
