"""``snakemake --profile slurm`` on a real cluster with two made-up GPUs."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.slurm.cluster import Cluster
from tests.slurm.conftest import TABLES, Site, tables

pytestmark = pytest.mark.slurm


def test_a_study_by_the_profile_is_that_of_a_local_run(
    cluster: Cluster, folder: Path, undisturbed: dict[str, bytes]
) -> None:
    site = Site(cluster, folder / "w")
    done = site.snakemake(TABLES)
    assert done.returncode == 0, done.stdout + done.stderr
    assert tables(site.results) == undisturbed
    lines = cluster.client(
        *("squeue", "--noheader", "--states=all"),
        "--Format=Comment:100,Partition:20,tres-per-job:20,State:20",
    ).splitlines()
    jobs = [line.split() for line in lines]
    assert {state for *_, state in jobs} == {"COMPLETED"}
    training = [row[1:3] for row in jobs if row[0].startswith(("rule_train", "rule_prune"))]
    assert training == [["gpu", "gres:gpu:1"]] * 4
    assert {row[1] for row in jobs if row[0].startswith("rule_cell")} == {"cpu"}
