"""Stages that train, prune, search and measure models; see ``models.smk`` and ``tune.smk``."""

from __future__ import annotations

import argparse
import os
from contextlib import nullcontext
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

from prunescope.commands.arguments import (
    add_command,
    add_file,
    add_files,
    add_folder,
    add_settings,
    parsed,
)
from prunescope.commands.environment import use_threads, without_hub


def add_commands(commands: Any) -> None:
    """Add them to the ``commands`` of the parser."""
    model = add_command(
        commands,
        "model",
        "train, or prune, a block of seeds",
        "model --settings JSON --inputs lenet5.safetensors --test test.parquet --train train.parquet "
        "--metrics metrics.json",
        extras=("train",),
        reads=("inputs", "dense"),
    )
    add_settings(
        model, "--settings", "what to train: data set, architecture, pruner, compression level and seeds"
    )
    add_file(model, "--inputs", "the encoded data set, as `prunescope encode` writes it")
    add_file(model, "--test", "Parquet file for the predictions of the test split")
    add_file(model, "--train", "Parquet file for the predictions of the training split")
    add_file(model, "--metrics", "JSON file for the models' metrics and settings")
    add_file(
        model,
        "--early",
        "Parquet file for the dense models' predictions early in training (EL2N)",
        required=False,
    )
    add_file(
        model,
        "--checkpoint",
        "safetensors file for the dense models, from which pruners start",
        required=False,
    )
    add_file(model, "--models", "safetensors file for the pruned models", required=False)
    add_files(
        model,
        "--dense",
        "checkpoints of the dense models, and models of the level below, that the pruner starts from",
        required=False,
    )
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
        help="how often progress is saved, at first more often; also when the job is asked to end (default: "
        "%(default)g)",
    )
    model.add_argument(
        "--gpu-memory",
        type=int,
        metavar="MB",
        help="GPU memory that the job needs; of several GPUs, the one with the most memory left is used",
    )
    _device_arguments(model)
    model.set_defaults(run=_model)

    tune = add_command(
        commands,
        "tune",
        "search epochs and learning rate of one architecture on one data set",
        "tune --settings JSON --inputs lenet5.safetensors --out results/tuning/digits/lenet5",
        extras=("train", "workflow"),
        reads=("inputs",),
    )
    add_settings(tune, "--settings", "data set, architecture, training and the space to search")
    add_file(tune, "--inputs", "the encoded data set, as `prunescope encode` writes it")
    add_folder(tune, "--out", "folder for the trials, the best of them and a figure")
    _device_arguments(tune)
    tune.set_defaults(run=_tune)

    tuned = add_command(
        commands,
        "tuned",
        "write the study with the settings that the searches found",
        "tuned --config JSON --best results/tuning/digits/lenet5/best.json --out results/tuning",
        reads=("best",),
    )
    add_settings(tuned, "--config", "the study")
    add_files(tuned, "--best", "best trial of each search (best.json)")
    add_folder(tuned, "--out", "folder for tuned.yaml and tuning.csv")
    tuned.set_defaults(run=_tuned)

    weights = add_command(
        commands,
        "weights",
        "measure the weights that are left in a block of models",
        "weights --models models.safetensors --metrics metrics.json --out weights.json",
        extras=("train",),
        reads=("models", "metrics"),
    )
    add_file(weights, "--models", "the block's models (models.safetensors or checkpoint.safetensors)")
    add_file(weights, "--metrics", "the block's metrics (metrics.json)")
    weights.add_argument(
        "--inputs",
        type=Path,
        nargs="*",
        default=[],
        help="the encoded data set: score the models as exported, too",
    )
    add_file(weights, "--out", "JSON file for the measures")
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

    measure(arguments.models, arguments.metrics, arguments.out, *arguments.inputs[:1])
    return 0
