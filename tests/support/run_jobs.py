"""The jobs of a small study in this process: encoded, trained, pruned, by the commands that the workflow calls."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import SimpleNamespace

from prunescope.cli import main
from prunescope.config.study import Study
from prunescope.running.workflow import WorkflowGrid


def run_jobs(study: Study, folder: Path) -> dict[str, Path]:
    """Run every cell of one data set and arch; the folder of each (``none``, ``GP-sparsity-500permille``, ...)."""
    grid, found = WorkflowGrid(study), {}
    (dataset,), (arch,) = study.datasets, study.archs
    inputs, data, dense = folder / "in.safetensors", folder / "data" / dataset, folder / "dense.safetensors"
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


def tables_and_pages(study: Study, found: Mapping[str, Path], folder: Path) -> Path:
    """The analysis, tables, figures and pages of what ``run_jobs`` found; the first page."""
    dense, cells = found["none"], []
    seeds = list(map(str, study.seeds))
    el2n: tuple[str | Path, ...] = ()
    if study.has_el2n(*next(iter(study.dense_cells))):
        run("el2n", "--early", dense / "early.parquet", "--seeds", *seeds, "--out", folder / "el2n.parquet")
        el2n = ("--el2n", folder / "el2n.parquet")
    for cell in study.cells:
        amount = cell.compression.token
        pruned = dense if cell.dense else found[f"{cell.pruner}-{amount}"]
        cells.append(folder / "cells" / cell.dataset / cell.arch / cell.pruner / amount)
        files = [
            part
            for side, where in (("dense", dense), ("pruned", pruned))
            for split in ("test", "train")
            for part in (f"--{side}-{split}", where / f"{split}.parquet")
        ]
        run(
            "cell", *files, *el2n, "--metrics", pruned / "metrics.json", "--seeds", *seeds, "--out", cells[-1]
        )
    (folder / "cells.txt").write_text("".join(f"{cell}\n" for cell in cells))
    listed: tuple[str | Path, ...] = ("--cells", folder / "cells.txt")
    run("tables", *listed, "--analysis", "{}", "--sources", "{}", "--out", folder / "tables")
    listed += ("--tables", folder / "tables")
    run("figures", *listed, "--out", folder / "figures")
    cards = sorted(folder.glob("data/*/card.json"))
    run("site", "--settings", study.model_dump_json(), *listed, "--figures", folder / "figures", "--cards", *cards,
        "--out", folder / "index.html")  # fmt: skip
    return folder / "index.html"


def run(*arguments: str | Path) -> None:
    assert main([str(argument) for argument in arguments]) == 0
