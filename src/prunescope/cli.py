"""The command ``prunescope``: arguments -> settings -> one call. No science here."""

from __future__ import annotations

import argparse
import json
import os
import signal
import sys
from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any, NoReturn, TypeVar

from pydantic import TypeAdapter, ValidationError

from prunescope import __version__
from prunescope.errors import UserError

T = TypeVar("T")


class _Parser(argparse.ArgumentParser):
    """Usage errors in the form of all our errors: one line, exit code 2."""

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"prunescope: error: {message} (see {self.prog} --help)\n")


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit code."""
    # A scheduler that ends a job sends this first: an exit, so that files half written are taken away.
    signal.signal(signal.SIGTERM, _terminated)
    try:
        arguments = build_parser().parse_args(argv)
        code = arguments.run(arguments)
        sys.stdout.flush()
    except BrokenPipeError:
        # `prunescope plan | head` has read enough. Not by the signal's default action, which would also end
        # a job whose download breaks off; and what is still buffered must not complain at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 128 + signal.SIGPIPE
    except UserError as error:
        # One line, whatever a column or a file is called.
        print(f"prunescope: error: {' '.join(str(error).splitlines())}", file=sys.stderr)
        return 2
    except MemoryError:
        print(
            "prunescope: error: out of memory; close other programs or use a larger machine", file=sys.stderr
        )
        return 1
    except KeyboardInterrupt:
        print("prunescope: stopped; run the same command again to go on", file=sys.stderr)
        return 130
    return int(code or 0)


def _terminated(number: int, frame: object) -> NoReturn:
    sys.exit(128 + number)


def build_parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="prunescope",
        description="Shows who pays when a network is pruned: which examples, which classes, by how much.",
        epilog="Run a study with `snakemake`, or `prunescope run` for a progress display; see README.md.",
    )
    parser.add_argument("--version", action="version", version=f"prunescope {__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND", parser_class=_Parser)
    _audit_command(commands)
    _study_commands(commands)
    _stage_commands(commands)
    return parser


def _audit_command(commands: Any) -> None:
    from prunescope import audit

    parser = commands.add_parser(
        "audit",
        help="who pays: compare any pair of models from their predictions alone",
        description="Compares the predictions of two models (or of several seeds of each) on the same "
        "examples and writes tables and a report of who pays for the compression.",
    )
    audit.add_arguments(parser)
    parser.set_defaults(run=audit.run)


def _study_commands(commands: Any) -> None:
    def config_argument(parser: argparse.ArgumentParser) -> None:
        parser.add_argument(
            "--configfile",
            type=Path,
            default=Path("config.yaml"),
            metavar="FILE",
            help="study (default: %(default)s)",
        )

    plan = commands.add_parser("plan", help="what a study will take: models, jobs, GPU hours, disk")
    config_argument(plan)
    plan.add_argument("--json", action="store_true", help="as JSON")
    plan.add_argument(
        "--rates",
        nargs="+",
        type=Path,
        default=[],
        metavar="FILE",
        help="measured rates of one device (benchmarks/rates.py); without, assumed ones of a data-centre GPU",
    )
    plan.set_defaults(run=_plan)

    status = commands.add_parser("status", help="what of a study is done, running, failed; the time left")
    config_argument(status)
    status.add_argument("--json", action="store_true", help="as JSON")
    status.set_defaults(run=_status)

    report = commands.add_parser(
        "report",
        help="pages of a study as far as it has come",
        description="Writes tables, figures and pages of the networks that are analysed into RESULTS/so-far, while the "
        "rest still runs or after some of it failed. The workflow writes the pages of the whole study itself.",
    )
    config_argument(report)
    report.set_defaults(run=_report)

    pack = commands.add_parser("pack", help="the pages of a study and all files they lead to, as one zip")
    config_argument(pack)
    pack.add_argument("--out", type=Path, metavar="FILE", help="default: NAME-report.zip")
    pack.set_defaults(run=_pack)

    run = commands.add_parser(
        "run",
        help="run a study with Snakemake, showing progress and the time left",
        description="Starts Snakemake with the arguments after `--` and shows what is done and how long "
        "the rest will take. The full output goes to a log file, named at the end.",
    )
    config_argument(run)
    run.add_argument("snakemake", nargs="*", metavar="-- ARGUMENT", help="passed to snakemake")
    run.set_defaults(run=_run)

    from prunescope.slurm import commands as slurm

    slurm.add_commands(
        commands.add_parser("slurm", help="run a study on a SLURM cluster, unattended (docs/cluster.md)"),
        _Parser,
    )

    unlock = commands.add_parser(
        "unlock", help="clear the lock of a run that is no more, and say who held it"
    )
    config_argument(unlock)
    unlock.set_defaults(run=slurm.unlock)

    export = commands.add_parser(
        "export",
        help="a pruned network as a small file: 8-bit weights in compressed sparse rows",
        description="Writes one network of a study in the form of docs/export.md, reads it back and says how much "
        "smaller it is and what of its predictions changes.",
    )
    export.add_argument("models", type=Path, metavar="MODELS", help="a block's models.safetensors")
    export.add_argument("--seed", required=True, type=int)
    export.add_argument(
        "--inputs",
        required=True,
        type=Path,
        metavar="FILE",
        help="the encoded data set: results/data/DATASET/inputs/ARCH.safetensors",
    )
    export.add_argument("--out", required=True, type=Path, metavar="FILE")
    export.set_defaults(run=_export)

    schema = commands.add_parser("schema", help="print the JSON schema of a study's configuration")
    schema.set_defaults(run=_schema)


def _stage_commands(commands: Any) -> None:
    """What the workflow's rules call. Each reads and writes only the files it is told."""
    dataset = commands.add_parser("dataset", help="stage: build the tables of a data set")
    dataset.add_argument("--name", required=True)
    dataset.add_argument("--settings", required=True, metavar="JSON")
    dataset.add_argument("--out", required=True, type=Path, metavar="DIR")
    dataset.set_defaults(run=_dataset)

    pretrained = commands.add_parser("pretrained", help="stage: fetch an arch's pretrained network")
    pretrained.add_argument("--arch", required=True)
    pretrained.add_argument("--settings", required=True, metavar="JSON")
    pretrained.add_argument("--out", required=True, type=Path, metavar="FILE")
    pretrained.set_defaults(run=_pretrained)

    encode = commands.add_parser("encode", help="stage: encode a data set for an architecture")
    encode.add_argument("--data", required=True, type=Path, metavar="DIR")
    encode.add_argument("--dataset", required=True)
    encode.add_argument("--dataset-settings", required=True, metavar="JSON")
    encode.add_argument("--arch", required=True)
    encode.add_argument("--arch-settings", required=True, metavar="JSON")
    encode.add_argument("--out", required=True, type=Path, metavar="FILE")
    encode.set_defaults(run=_encode)

    readability = commands.add_parser("readability", help="stage: readability of every text of a table")
    readability.add_argument("--texts", required=True, type=Path, metavar="FILE")
    readability.add_argument("--out", required=True, type=Path, metavar="FILE")
    readability.add_argument("--processes", type=int, default=1)
    readability.set_defaults(run=_readability)

    model = commands.add_parser("model", help="stage: train, or prune, a block of seeds")
    model.add_argument("--settings", required=True, metavar="JSON")
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
        help="keep the progress of training here until the outputs are written; a job that was stopped goes on from it",
    )
    model.add_argument(
        "--interval",
        type=_seconds,
        default=300.0,
        metavar="SECONDS",
        help="how often progress is kept, besides when the job is asked to end (default: %(default)g)",
    )
    model.add_argument(
        "--gpu-memory",
        type=int,
        metavar="MB",
        help="what the job takes of a GPU: of several that no one has chosen from, the one with the most left is used",
    )
    _device_arguments(model)
    model.set_defaults(run=_model)

    tune = commands.add_parser(
        "tune", help="stage: search epochs and learning rate of one arch on one data set"
    )
    tune.add_argument("--settings", required=True, metavar="JSON")
    tune.add_argument("--inputs", required=True, type=Path, metavar="FILE")
    tune.add_argument("--out", required=True, type=Path, metavar="DIR")
    _device_arguments(tune)
    tune.set_defaults(run=_tune)

    tuned = commands.add_parser("tuned", help="stage: the study with what the searches found")
    tuned.add_argument("--config", required=True, metavar="JSON")
    tuned.add_argument("--best", required=True, nargs="+", type=Path, metavar="FILE")
    tuned.add_argument("--out", required=True, type=Path, metavar="DIR")
    tuned.set_defaults(run=_tuned)

    weights = commands.add_parser(
        "weights", help="stage: measure the weights that a block of networks is left with"
    )
    weights.add_argument("--models", required=True, type=Path, metavar="FILE")
    weights.add_argument("--metrics", required=True, type=Path, metavar="FILE")
    weights.add_argument("--out", required=True, type=Path, metavar="FILE")
    weights.set_defaults(run=_weights)

    el2n = commands.add_parser("el2n", help="stage: EL2N scores, which the cells of a network share")
    el2n.add_argument("--early", required=True, nargs="+", type=Path, metavar="FILE")
    el2n.add_argument("--seeds", required=True, nargs="+", type=int, metavar="SEED")
    el2n.add_argument("--out", required=True, type=Path, metavar="FILE")
    el2n.set_defaults(run=_el2n)

    cell = commands.add_parser("cell", help="stage: analyse one cell of the grid")
    for name in ("dense-test", "pruned-test", "dense-train", "pruned-train", "metrics"):
        cell.add_argument(f"--{name}", required=True, nargs="+", type=Path, metavar="FILE")
    cell.add_argument("--el2n", nargs="*", default=[], type=Path, metavar="FILE")
    cell.add_argument("--readability", nargs="*", default=[], type=Path, metavar="FILE")
    cell.add_argument("--weights", nargs="*", default=[], type=Path, metavar="FILE")
    cell.add_argument("--seeds", required=True, nargs="+", type=int, metavar="SEED")
    cell.add_argument("--confidence", type=float, default=0.99)
    cell.add_argument("--bins", type=int, default=20)
    cell.add_argument("--out", required=True, type=Path, metavar="DIR")
    cell.set_defaults(run=_cell)

    tables = commands.add_parser("tables", help="stage: cross-study tables")
    tables.add_argument("--cells", required=True, type=Path, metavar="FILE", help="a cell's folder a line")
    tables.add_argument(
        "--analysis", default="{}", metavar="JSON", help="settings of the tests between cells"
    )
    tables.add_argument("--sources", default="{}", metavar="JSON", help="source of each data set, by name")
    tables.add_argument("--out", required=True, type=Path, metavar="DIR")
    tables.set_defaults(run=_tables)

    figures = commands.add_parser("figures", help="stage: all figures")
    figures.add_argument("--cells", required=True, type=Path, metavar="FILE", help="a cell's folder a line")
    figures.add_argument("--tables", required=True, type=Path, metavar="DIR")
    figures.add_argument("--out", required=True, type=Path, metavar="DIR")
    figures.set_defaults(run=_figures)

    paper = commands.add_parser("paper", help="stage: tables and figures as the papers print them")
    _report_arguments(paper)
    paper.add_argument("--out", required=True, type=Path, metavar="DIR")
    paper.set_defaults(run=_paper)

    site = commands.add_parser("site", help="stage: the pages that lead everywhere")
    _report_arguments(site)
    site.add_argument("--out", required=True, type=Path, metavar="FILE")
    site.set_defaults(run=_site)


def _report_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--settings", required=True, metavar="JSON")
    parser.add_argument("--cells", required=True, type=Path, metavar="FILE", help="a cell's folder a line")
    parser.add_argument("--tables", required=True, type=Path, metavar="DIR")
    parser.add_argument("--figures", required=True, type=Path, metavar="DIR")
    parser.add_argument("--cards", required=True, nargs="+", type=Path, metavar="FILE")


def _device_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--device", default=os.environ.get("PRUNESCOPE_DEVICE", "auto"), choices=("auto", "cpu", "cuda")
    )
    parser.add_argument("--threads", type=int, default=1)


def _seconds(text: str) -> float:
    value = float(text)
    if not value >= 0:
        raise argparse.ArgumentTypeError(f"{text}: seconds, 0 or more")
    return value


def _plan(arguments: argparse.Namespace) -> int:
    from prunescope.config import load_study
    from prunescope.plan import make_plan, plan_text
    from prunescope.rates import read_rates

    plan = make_plan(load_study(arguments.configfile), read_rates(arguments.rates))
    print(json.dumps(plan, indent=2) if arguments.json else plan_text(plan))
    return 0


def _status(arguments: argparse.Namespace) -> int:
    from prunescope.config import load_study
    from prunescope.status import status_of, status_text

    status = status_of(load_study(arguments.configfile), Path.cwd())
    print(json.dumps(status, indent=2) if arguments.json else status_text(status))
    return 0


def _report(arguments: argparse.Namespace) -> int:
    from prunescope.config import load_study
    from prunescope.report.now import report

    page, problems = report(load_study(arguments.configfile), Path.cwd())
    if problems:
        print(f"{len(problems)} files are missing or cannot be read; the page names them", file=sys.stderr)
    print(f"report: {page}")
    return 0


def _pack(arguments: argparse.Namespace) -> int:
    from prunescope.config import load_study
    from prunescope.report.pack import pack

    study = load_study(arguments.configfile)
    out = arguments.out or Path(f"{study.name}-report.zip")
    count = pack(Path(study.results) / "index.html", out)
    print(f"{out}: {count} files, {out.stat().st_size / 1e6:.1f} MB")
    return 0


def _run(arguments: argparse.Namespace) -> int:
    from prunescope.progress import run_study

    return run_study(arguments.configfile, arguments.snakemake)


def _export(args: argparse.Namespace) -> int:
    from prunescope.export import job

    outcome = job.export(args.models, args.models.with_name("metrics.json"), args.inputs, args.seed, args.out)
    print(job.summary(outcome, args.out))
    return 0


def _schema(arguments: argparse.Namespace) -> int:
    from prunescope.config import json_schema

    print(json.dumps(json_schema(), indent=2))
    return 0


def _dataset(arguments: argparse.Namespace) -> int:
    from prunescope.data.registry import build
    from prunescope.datasets import Dataset

    build(arguments.name, _parsed(TypeAdapter(Dataset), arguments.settings, "--settings"), arguments.out)
    return 0


def _pretrained(arguments: argparse.Namespace) -> int:
    from prunescope.archs import Arch, CausalLM, Encoder
    from prunescope.checkpoint_fetch import fetch

    arch = _parsed(TypeAdapter(Arch), arguments.settings, "--settings")
    if not isinstance(arch, Encoder | CausalLM) or arch.pretrained is None:
        raise UserError(
            f"--settings: {arguments.arch} names no `pretrained` network; there is nothing to fetch"
        )
    fetch(arch, arguments.out)
    return 0


def _without_hub() -> None:
    """From here on the hub's cache alone is read: this may be a machine without the network."""
    os.environ.setdefault("HF_HUB_OFFLINE", "1")


def _encode(arguments: argparse.Namespace) -> int:
    _without_hub()
    from prunescope.archs import Arch
    from prunescope.data.encode import encode
    from prunescope.datasets import Dataset

    dataset = _parsed(TypeAdapter(Dataset), arguments.dataset_settings, "--dataset-settings")
    arch = _parsed(TypeAdapter(Arch), arguments.arch_settings, "--arch-settings")
    encode(arguments.data, arguments.dataset, arguments.arch, dataset, arch, arguments.out)
    return 0


def _readability(arguments: argparse.Namespace) -> int:
    from prunescope.analysis.readability import write_scores

    write_scores(arguments.texts, arguments.out, processes=arguments.processes)
    return 0


def _model(arguments: argparse.Namespace) -> int:
    _without_hub()
    from prunescope.jobs import ModelJob

    job = _parsed(TypeAdapter(ModelJob), arguments.settings, "--settings")
    _use_threads(arguments.threads)
    from prunescope.gpus import one_gpu
    from prunescope.training.blocks import BlockOutputs, Kept, run_block

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


def _use_threads(threads: int) -> None:
    # Before torch is imported: its thread pools are sized by these.
    for variable in ("OMP_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ[variable] = str(threads)
    import torch

    torch.set_num_threads(threads)


def _tune(arguments: argparse.Namespace) -> int:
    _without_hub()
    from prunescope.tuning.job import TuneJob

    job = _parsed(TypeAdapter(TuneJob), arguments.settings, "--settings")
    _use_threads(arguments.threads)
    from prunescope.tuning.run import run_search

    run_search(job, arguments.inputs, arguments.out, device=arguments.device)
    return 0


def _tuned(arguments: argparse.Namespace) -> int:
    from prunescope.tuning.outputs import write_tuned

    config = _parsed(TypeAdapter(dict[str, Any]), arguments.config, "--config")
    write_tuned(config, arguments.best, arguments.out)
    return 0


def _weights(arguments: argparse.Namespace) -> int:
    from prunescope.weights.job import measure

    measure(arguments.models, arguments.metrics, arguments.out)
    return 0


def _el2n(arguments: argparse.Namespace) -> int:
    from prunescope.cells import without_pandas, write_el2n

    with without_pandas():
        write_el2n(arguments.early, arguments.out, arguments.seeds)
    return 0


def _cell(arguments: argparse.Namespace) -> int:
    from prunescope.cells import CellInputs, analyse, without_pandas

    inputs = CellInputs(
        dense_test=arguments.dense_test,
        pruned_test=arguments.pruned_test,
        dense_train=arguments.dense_train,
        pruned_train=arguments.pruned_train,
        el2n=arguments.el2n[0] if arguments.el2n else None,
        metrics=arguments.metrics,
        readability=arguments.readability[0] if arguments.readability else None,
        weights=arguments.weights,
    )
    with without_pandas():
        analyse(
            inputs, arguments.out, seeds=arguments.seeds, confidence=arguments.confidence, bins=arguments.bins
        )
    return 0


def _tables(arguments: argparse.Namespace) -> int:
    from prunescope.analysis.spec import Analysis
    from prunescope.analysis.tables import collect

    analysis = _parsed(TypeAdapter(Analysis), arguments.analysis, "--analysis")
    sources = _parsed(TypeAdapter(dict[str, str]), arguments.sources, "--sources")
    collect(_listed_folders(arguments.cells), arguments.out, analysis=analysis, sources=sources)
    return 0


def _figures(arguments: argparse.Namespace) -> int:
    from prunescope.figures.registry import draw_all

    draw_all(arguments.tables, _listed_folders(arguments.cells), arguments.out)
    return 0


def _paper(arguments: argparse.Namespace) -> int:
    from prunescope.printed.build import build

    build(**_report_inputs(arguments))
    return 0


def _site(arguments: argparse.Namespace) -> int:
    from prunescope.report.site import build

    build(**_report_inputs(arguments))
    return 0


def _report_inputs(arguments: argparse.Namespace) -> dict[str, Any]:
    from prunescope.study import Study

    return {
        "study": _parsed(TypeAdapter(Study), arguments.settings, "--settings"),
        "cells": _listed_folders(arguments.cells),
        "tables": arguments.tables,
        "figures": arguments.figures,
        "cards": arguments.cards,
        "out": arguments.out,
    }


def _listed_folders(path: Path) -> list[Path]:
    try:
        return [Path(line) for line in path.read_text(encoding="utf-8").splitlines() if line]
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror})") from None


def _parsed(adapter: TypeAdapter[T], text: str, option: str) -> T:
    from prunescope.config import first_problem

    try:
        return adapter.validate_json(text)
    except ValidationError as error:
        raise UserError(f"{option}: {first_problem(error)}") from None
