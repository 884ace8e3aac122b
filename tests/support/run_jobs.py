"""The jobs of a small study in this process: encoded, trained, pruned, by the commands that the workflow calls."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

from prunescope.cli import main
from prunescope.config.study import Study
from prunescope.running.workflow import WorkflowGrid


def run_jobs(study: Study, folder: Path) -> dict[str, Path]:
    """Run every cell of one data set and arch; the folder of each (``none``, ``GP-sparsity-500permille``, ...)."""
    grid, found = WorkflowGrid(study), {}
    (dataset,), (arch,) = study.datasets, study.archs
    inputs, data, dense = folder / "in.safetensors", folder / "data", folder / "dense.safetensors"
    first, last = min(study.seeds), max(study.seeds)
    for cell in study.cells:
        amount = cell.compression.token
        card = SimpleNamespace(
            dataset=dataset, arch=arch, pruner=cell.pruner, amount=amount, block=f"{first}-{last}"
        )
        out = folder / (cell.pruner if cell.dense else f"{cell.pruner}-{amount}")
        settings = grid.dataset_settings(card)
        if cell.dense:
            run("dataset", "--name", dataset, "--settings", settings, "--out", data)
            named = ("--dataset", dataset, "--dataset-settings", settings)
            run("encode", "--data", data, *named, "--arch", arch, "--arch-settings", grid.arch_settings(card),
                "--out", inputs)  # fmt: skip
            more = ("--early", out / "early.parquet", "--checkpoint", dense)
        else:
            more = ("--models", out / "models.safetensors", "--dense", dense)
        run("model", "--settings", grid.job_settings(card), "--inputs", inputs, "--test", out / "test.parquet",
            "--train", out / "train.parquet", "--metrics", out / "metrics.json", "--progress", out / "unfinished",
            "--interval", "300", "--gpu-memory", "100", "--threads", "1", "--device", "cpu", *more)  # fmt: skip
        found[out.name] = out
    return found


def run(*arguments: str | Path) -> None:
    assert main([str(argument) for argument in arguments]) == 0
