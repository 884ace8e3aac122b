"""Snakemake's records of jobs that ended while no Snakemake ran.

A job takes away the mark that its outputs are incomplete, but with which settings they were made only the main process
writes down. Without that, a later change of settings would not retrain them; or, where an older record stands, they
would be trained again for nothing. This reads the workflow as it was for the run that submitted the jobs, and writes
the records which that run would have written.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from prunescope.files import read_json


def record(configfile: Path, snakefile: Path | None, targets: Sequence[str], since: float) -> list[str]:
    """Write the missing records of complete outputs that appeared after ``since`` (seconds since the epoch).

    Only jobs all of whose lasting outputs are there, unmarked and newer than ``since``. Returns their first outputs.
    """
    from snakemake.api import SnakemakeApi
    from snakemake.settings.types import (
        ConfigSettings,
        DAGSettings,
        ExecutionSettings,
        OutputSettings,
        Quietness,
        ResourceSettings,
        WorkflowSettings,
    )

    with SnakemakeApi(OutputSettings(quiet={Quietness.ALL})) as api:
        loaded = api.workflow(
            resource_settings=ResourceSettings(cores=1),
            config_settings=ConfigSettings(configfiles=[configfile]),
            workflow_settings=WorkflowSettings(),
            snakefile=snakefile,
        )
        loaded.dag(DAGSettings(targets=frozenset(targets)))
        # Snakemake has no public call for this; `--cleanup-metadata` goes the same way.
        workflow: Any = loaded._workflow
        workflow.dag_settings = DAGSettings(targets=frozenset(targets))
        workflow.execution_settings = ExecutionSettings()
        workflow._prepare_dag(forceall=False, ignore_incomplete=True, lock_warn_only=True)
        workflow._build_dag()
        return _record_jobs(workflow, since)


def _record_jobs(workflow: Any, since: float) -> list[str]:
    from snakemake.io import is_flagged

    recorded = []
    for job in workflow.dag.jobs:
        lasting = [Path(file) for file in job.output if not is_flagged(file, "temp")]
        if not lasting or not all(path.exists() for path in lasting):
            continue
        if any(path.stat().st_mtime <= since for path in lasting):
            continue
        if workflow.async_run(workflow.persistence.incomplete(job)):
            continue
        if all(
            _is_recorded(workflow.persistence.metadata(file), path) for file, path in _pairs(job, lasting)
        ):
            continue
        workflow.async_run(workflow.persistence.finished(job))
        recorded.append(str(lasting[0]))
    return recorded


def _pairs(job: Any, lasting: list[Path]) -> list[tuple[Any, Path]]:
    wanted = set(lasting)
    return [(file, Path(file)) for file in job.output if Path(file) in wanted]


def _is_recorded(record: Any, path: Path) -> bool:
    """Whether a record is of this very file: its time is noted as that of the file."""
    return record is not None and record.endtime is not None and record.endtime >= path.stat().st_mtime


def main(arguments: Sequence[str]) -> int:
    """``python -m`` of this module with RUN: a process of its own, as Snakemake keeps state in its modules."""
    (run,) = arguments
    settings = read_json(run)
    snakefile = Path(settings["snakefile"]) if settings["snakefile"] else None
    for output in record(Path(settings["config"]), snakefile, settings["targets"], settings["since"]):
        print(output)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
