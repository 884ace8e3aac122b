"""What a person calls: an audit, and everything around a study."""

from __future__ import annotations

import argparse
import json
import re
import sys
from pathlib import Path
from typing import Any

from prunescope.commands.arguments import add_command, add_configfile, add_file
from prunescope.errors import UserError


def add_commands(commands: Any) -> None:
    """Add them to the ``commands`` of the parser."""
    from prunescope.commands import audit, compare, init, predict

    begin = add_command(
        commands,
        "init",
        "write a folder with a study to begin with",
        "init my-study --text",
        description="Write a commented study.yaml, README.md and .gitignore, and with texts a small example table. "
        "Nothing that is there is overwritten. `prunescope run --quick` in the folder tries it.",
    )
    init.add_arguments(begin)
    begin.set_defaults(run=init.run)

    who_pays = add_command(
        commands,
        "audit",
        "who pays: compare dense and compressed models from their predictions alone",
        "audit --dense dense.csv --pruned pruned.csv --texts texts.csv --out audit",
        description="Compare the predictions of two models (or of several seeds of each) on the same "
        "examples, and write tables and a report of who pays for the compression.",
    )
    audit.add_arguments(who_pays)
    who_pays.set_defaults(run=audit.run)

    difference = add_command(
        commands,
        "compare",
        "what differs between finished studies: settings, results beyond noise, conclusions, bytes",
        "compare results-before results --out compared --fail-on bytes",
        description="Compare two or more finished studies cell by cell, paired by example and seed: what differs in "
        "settings, which cells moved beyond noise, which conclusions changed, which files are the same to the byte.",
    )
    compare.add_arguments(difference)
    difference.set_defaults(run=compare.run)

    predictions = add_command(
        commands,
        "predict",
        "write the prediction table of a checkpoint that was made, pruned or quantized elsewhere",
        "predict --model small/ --data test.csv --text question --out small.parquet",
        description="Ask a classifier of texts (a folder of transformers) about every row of a table, and write what "
        "`prunescope audit` reads.",
        extras=("train",),
    )
    predict.add_arguments(predictions)
    predictions.set_defaults(run=predict.run)

    plan = add_command(
        commands,
        "plan",
        "show what a study takes, before it runs: models, jobs, GPU hours, disk",
        "plan --configfile studies/pie.yaml",
        extras=("train",),
    )
    add_configfile(plan)
    plan.add_argument("--json", action="store_true", help="print JSON")
    plan.add_argument(
        "--layers",
        action="store_true",
        help="also list the prunable weights of each model, as they were found, and what the others are",
    )
    plan.add_argument(
        "--rates",
        nargs="+",
        type=Path,
        default=[],
        metavar="FILE",
        help="measured rates of one device, as benchmarks/rates.py writes them (default: assumed rates of an H200)",
    )
    plan.set_defaults(run=_plan)

    status = add_command(
        commands,
        "status",
        "show what is done, running and failed, and the time left",
        "status --configfile config.yaml",
    )
    add_configfile(status)
    status.add_argument("--json", action="store_true", help="print JSON")
    status.add_argument(
        "--watch",
        nargs="?",
        type=float,
        const=5.0,
        metavar="SECONDS",
        help="look again every 5 s, or as often as said, until nothing runs or waits (Ctrl-C ends it)",
    )
    status.set_defaults(run=_status)

    report = add_command(
        commands,
        "report",
        "write pages of what is done so far",
        "report --configfile config.yaml",
        extras=("workflow",),
        description="Write tables, figures and pages of the models analysed so far into RESULTS/so-far, while the "
        "rest still runs or after some of it failed. The pages are marked as partial; the workflow's pages of the "
        "whole study, RESULTS/index.html, replace them.",
    )
    add_configfile(report)
    report.set_defaults(run=_report)

    pack = add_command(
        commands,
        "pack",
        "put the pages of a study and all files they link to into one zip",
        "pack --out report.zip",
        extras=("workflow",),
        description="Put the pages of a study and all files they link to into one zip; while it runs, those of the "
        "models analysed so far, as `prunescope report` writes them.",
    )
    add_configfile(pack)
    pack.add_argument("--out", type=Path, metavar="FILE", help="zip file to write (default: NAME-report.zip)")
    pack.set_defaults(run=_pack)

    run = add_command(
        commands,
        "run",
        "run a study with Snakemake, showing progress and the time left",
        "run --configfile config.yaml -- --cores 4",
        description="Start Snakemake with the arguments after `--`, and show what is done and how long "
        "the rest will take. The full output goes to a log file, named at the end.",
        extras=("workflow", "train"),
    )
    add_configfile(run)
    run.add_argument(
        "--quick",
        action="store_true",
        help="two seeds, a small part of the data, one epoch, into RESULTS-quick: to see that everything fits",
    )
    run.add_argument(
        "--retrain",
        action="store_true",
        help="train finished models again whose settings have changed; without it, such a run is refused",
    )
    run.add_argument("snakemake", nargs="*", metavar="-- ARGUMENT", help="passed to snakemake")
    run.set_defaults(run=_run)

    from prunescope.commands import slurm

    slurm.add_commands(
        add_command(
            commands,
            "slurm",
            "run a study on a SLURM cluster, unattended (docs/cluster.md)",
            "slurm run --configfile studies/full.yaml --background",
        )
    )

    completion = add_command(
        commands,
        "completion",
        "print what completes commands, options and file names in a shell",
        "completion fish > ~/.config/fish/completions/prunescope.fish",
        description="Print a script for the shell. bash: append it to ~/.bashrc. zsh: write it to a file `_prunescope` "
        "in a folder of $fpath. fish: as in the example.",
    )
    completion.add_argument("shell", choices=("bash", "zsh", "fish"), help="the shell")
    completion.set_defaults(run=_completion)

    unlock = add_command(
        commands,
        "unlock",
        "clear the lock that an ended run has left, and say who held it",
        "unlock --configfile config.yaml",
    )
    add_configfile(unlock)
    unlock.set_defaults(run=slurm.unlock)

    clean = add_command(
        commands,
        "clean",
        "remove models and cells that the study no longer names",
        "clean --dry-run",
    )
    add_configfile(clean)
    clean.add_argument(
        "--dry-run", action="store_true", help="list them with their sizes, and remove nothing"
    )
    clean.set_defaults(run=_clean)

    export = add_command(
        commands,
        "export",
        "write a model as a small file: 8-bit weights in compressed sparse rows",
        "export models.safetensors --seed 0 --inputs results/data/digits/inputs/lenet5.safetensors "
        "--out small.safetensors",
        extras=("train",),
        description="Write one model of a study in the form of docs/export.md, read it back, and report how much "
        "smaller it is and how many predictions change.",
    )
    export.add_argument("models", type=Path, metavar="MODELS", help="a block's models.safetensors")
    export.add_argument("--seed", required=True, type=int, help="which of the block's models")
    add_file(export, "--inputs", "the encoded data set: results/data/DATASET/inputs/ARCH.safetensors")
    add_file(export, "--out", "safetensors file to write")
    export.set_defaults(run=_export)

    schema = add_command(
        commands, "schema", "print the JSON schema of a study's configuration", "schema > config.schema.json"
    )
    schema.set_defaults(run=_schema)


def _completion(arguments: argparse.Namespace) -> int:
    import shtab

    def complete_files(parser: argparse.ArgumentParser) -> None:
        for action in parser._actions:
            if isinstance(action, argparse._SubParsersAction):
                for command in dict.fromkeys(action.choices.values()):
                    complete_files(command)
            elif action.type is Path:
                action.complete = shtab.DIRECTORY if action.metavar == "DIR" else shtab.FILE  # type: ignore[attr-defined]

    complete_files(arguments.parser)
    print(shtab.complete(arguments.parser, arguments.shell))
    return 0


def _plan(arguments: argparse.Namespace) -> int:
    from prunescope.config.load import load_study
    from prunescope.config.tracking import check_trackers
    from prunescope.planning.data import data_lines
    from prunescope.planning.plan import make_plan
    from prunescope.planning.rates import read_rates
    from prunescope.planning.starts import check_starts
    from prunescope.planning.text import plan_text
    from prunescope.running.retraining import retrained_lines

    study = load_study(arguments.configfile)
    check_trackers(study)
    said = data_lines(study, elsewhere=True)
    check_starts(study)
    said += [f"WARNING: {line}" for line in retrained_lines(study, Path.cwd())]
    plan = make_plan(study, read_rates(arguments.rates), layers=arguments.layers)
    if said:
        plan["data"] = said
    print(json.dumps(plan, indent=2, ensure_ascii=False) if arguments.json else plan_text(plan))
    return 0


def _status(arguments: argparse.Namespace) -> int:
    from prunescope.config.load import load_study
    from prunescope.running.board import watch
    from prunescope.running.status import status_of, status_text

    study = load_study(arguments.configfile)
    if arguments.watch is not None and not 0 < arguments.watch < float("inf"):
        raise UserError(f"--watch: {arguments.watch:g} is not a number of seconds; try 5")

    def now() -> tuple[str, bool]:
        status = status_of(study, Path.cwd())
        text = json.dumps(status, indent=2) if arguments.json else status_text(status)
        return text, arguments.watch is None or not status["running"] + status["waiting"]

    watch(now, sys.stdout, arguments.watch or 0.0)
    return 0


def _report(arguments: argparse.Namespace) -> int:
    from prunescope.config.load import load_study
    from prunescope.site.now import report

    page, problems = report(load_study(arguments.configfile), Path.cwd())
    if problems:
        print(f"{len(problems)} files are missing or cannot be read; the page names them", file=sys.stderr)
    print(f"report: {page}")
    return 0


def _pack(arguments: argparse.Namespace) -> int:
    from prunescope.config.load import load_study
    from prunescope.report.pack import pack
    from prunescope.site.now import report

    study = load_study(arguments.configfile)
    # A name may hold what leads to another folder.
    out = arguments.out or Path(re.sub(r"[^\w.-]+", "-", study.name) + "-report.zip")
    print("writing the pages; those that are up to date stay", file=sys.stderr, flush=True)
    page, _ = report(study, Path.cwd())
    if page != Path.cwd() / study.results / "index.html":
        print(
            f"The pages of the whole study are not there: packing its results so far, {page}", file=sys.stderr
        )
    print(f"packing what {page} leads to", file=sys.stderr, flush=True)
    count = pack(page, out)
    print(f"{out}: {count} files, {out.stat().st_size / 1e6:.1f} MB")
    return 0


def _run(arguments: argparse.Namespace) -> int:
    from prunescope.running.quick import quick_study
    from prunescope.running.run import run_study

    configfile = quick_study(arguments.configfile) if arguments.quick else arguments.configfile
    return run_study(configfile, arguments.snakemake, retrain=arguments.retrain)


def _clean(arguments: argparse.Namespace) -> int:
    from prunescope.config.load import load_study
    from prunescope.running.cleaning import clean, leftovers

    study = load_study(arguments.configfile)
    found = leftovers(study) if arguments.dry_run else clean(study)
    for path, size in found:
        print(f"{size / 1e6:9.1f} MB  {path}")
    total = f"{len(found)} of them, {sum(size for _, size in found) / 1e6:.1f} MB"
    print(
        f"{total}: would be removed"
        if arguments.dry_run and found
        else f"{total}: removed"
        if found
        else "nothing to remove"
    )
    return 0


def _export(args: argparse.Namespace) -> int:
    from prunescope.export import job

    outcome = job.export(args.models, args.models.parent / "metrics.json", args.inputs, args.seed, args.out)
    print(job.summary(outcome, args.out))
    return 0


def _schema(arguments: argparse.Namespace) -> int:
    from prunescope.config.load import json_schema

    print(json.dumps(json_schema(), indent=2))
    return 0
