"""Faults on real clusters while real models train: the tables are those of an undisturbed run, to the byte.

Four clusters run side by side, each with several faults in one run; each test looks at one of them.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import pytest

from tests.slurm import scenarios
from tests.slurm.conftest import run_locally
from tests.slurm.scenarios import Found

pytestmark = pytest.mark.slurm

Outcome = Callable[[str], Any]


@pytest.fixture(scope="module")
def outcome(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Outcome]:
    """What came of a scenario, by its name; all are started at once."""
    tasks: dict[str, Callable[[], Any]] = {
        "undisturbed": lambda: run_locally(tmp_path_factory.mktemp("undisturbed")),
        "jobs": scenarios.faults_of_jobs,
        "main": scenarios.faults_of_the_main_process,
        "profile": scenarios.profile_alone,
    }
    if os.geteuid() == 0:
        tasks["disk"] = scenarios.full_disk
    with ThreadPoolExecutor(len(tasks)) as pool:
        futures: dict[str, Future[Any]] = {name: pool.submit(task) for name, task in tasks.items()}

        def result(name: str) -> Any:
            if name not in futures:
                pytest.skip("a file system of its own can only be mounted by root")
            return futures[name].result()

        yield result


@pytest.fixture
def undisturbed(outcome: Outcome) -> dict[str, bytes]:
    tables: dict[str, bytes] = outcome("undisturbed")
    assert len(tables) > 10
    return tables


@pytest.fixture
def jobs(outcome: Outcome) -> Found:
    found: Found = outcome("jobs")
    return found


@pytest.fixture
def main(outcome: Outcome) -> Found:
    found: Found = outcome("main")
    return found


@pytest.fixture
def disk(outcome: Outcome) -> Found:
    found: Found = outcome("disk")
    return found


@pytest.fixture
def profile(outcome: Outcome) -> Found:
    found: Found = outcome("profile")
    return found


def test_the_profile_alone_gives_the_tables_of_a_local_run(
    profile: Found, undisturbed: dict[str, bytes]
) -> None:
    assert profile.facts["code"] == 0, profile.logs
    assert profile.tables == undisturbed
    requests = profile.facts["requests"]
    assert {state for *_, state in requests} <= {"COMPLETED", "FAILED"}
    trained = [row[1:3] for row in requests if row[0].startswith(("rule_train", "rule_prune"))]
    assert trained == [["gpu", "gres:gpu:1"]] * 4
    assert {row[1] for row in requests if row[0].startswith("rule_cell")} == {"cpu"}


def test_a_drained_partition_and_a_controller_that_is_away_are_waited_for(profile: Found) -> None:
    assert (
        profile.logs.count("sbatch: Required partition not available (inactive or drain); tried again") == 1
    )
    assert "squeue: no answer; asked again every 1 s, and jobs that run go on" in profile.logs
    assert "squeue: answers again after" in profile.logs
    assert "sacct" not in profile.logs


def test_a_partition_that_does_not_exist_ends_the_run_with_what_sbatch_said(profile: Found) -> None:
    code, said = profile.facts["refused"]
    assert code == 1
    line = (
        "failed: sbatch refuses 1 job (encode): invalid partition specified: nosuch; Invalid partition name "
        "specified; correct profiles/slurm/site.yaml or config.yaml, run `prunescope slurm setup`, then the same "
        "command again"
    )
    assert line in said
    assert line in profile.facts["refused status"]


def test_a_damaged_file_is_set_aside_before_a_plain_run_submits_jobs(profile: Found) -> None:
    file, code, output = profile.facts["damaged"]
    assert code != 0
    assert f"{file}: cut off, or another file (" in output
    assert "set aside: run the same command again to rebuild" in output
    assert "has been submitted" not in output


def test_what_the_controller_is_asked(profile: Found) -> None:
    calls = profile.facts["calls"]
    jobs = len(profile.facts["requests"])
    assert calls["sacct"] == 0
    # At the start of Snakemakes and of `prunescope slurm`, not in jobs.
    assert calls["scontrol"] < jobs
    assert calls["srun"] <= jobs
    assert calls["sbatch"] >= jobs


def test_a_job_of_two_minutes_is_not_warned_at_its_start(profile: Found) -> None:
    assert [row[-1] for row in profile.facts["requests"] if row[0].startswith("rule_encode")] == ["COMPLETED"]


def test_tables_after_faults_of_jobs(jobs: Found, undisturbed: dict[str, bytes]) -> None:
    assert jobs.tables == undisturbed, jobs.logs


def test_two_jobs_at_once_have_different_gpus(jobs: Found) -> None:
    assert jobs.facts["gpus"] == {("n1", "0"), ("n2", "0")}


def test_killed_and_cancelled_jobs_run_again_and_those_that_slurm_requeues_are_not_submitted_again(
    jobs: Found,
) -> None:
    assert sorted(jobs.submitted("train").values()) == [["CANCELLED", "COMPLETED"], ["FAILED", "COMPLETED"]]
    states = {number: state for number, _, state in jobs.jobs}
    for name in ("requeued", "lost", "preempted"):
        assert states[jobs.facts[name]] == "COMPLETED", name


def test_jobs_out_of_time_or_warned_of_it_run_again_and_go_on_where_they_were(jobs: Found) -> None:
    assert sorted(jobs.submitted("prune").values()) == [["FAILED", "COMPLETED"], ["TIMEOUT", "COMPLETED"]]
    assert (jobs.facts["warned"], "FAILED") in {(number, state) for number, _, state in jobs.jobs}
    # The first of two models may have been finished at the warning; the log is that of the last try.
    logs = jobs.facts["model logs"]
    assert "resumes in phase" in logs or "in an earlier run" in logs


def test_drained_nodes_are_waited_for(jobs: Found) -> None:
    assert [state.startswith("drain") for state in jobs.facts["drained"]] == [True, True]
    assert [state for states in jobs.submitted("cell").values() for state in states] == ["COMPLETED"] * 2


def test_job_that_always_fails_is_reported_with_its_log(jobs: Found) -> None:
    assert jobs.facts["code"] == 1
    assert jobs.submitted("encode")["rule_encode_wildcards_prose_bilstm"] == ["FAILED"] * 4
    assert jobs.said.count("failed: ") == 1
    last = jobs.said[jobs.said.index("failed: encode") :]
    assert "results/data/prose/inputs/bilstm.safetensors" in last
    assert "log: results/logs/encode/prose/bilstm.log" in last
    assert "torn.txt: " in last


def test_tables_after_faults_of_the_main_process(main: Found, undisturbed: dict[str, bytes]) -> None:
    assert main.facts["code"] == 0, main.logs
    assert main.tables == undisturbed


def test_snakemake_is_started_again_and_waits_for_its_jobs(main: Found) -> None:
    assert "Snakemake was killed (SIGKILL); starting it again" in main.said
    assert "jobs of the last run are at work (" in main.said
    assert list(main.submitted("train").values()) == [["COMPLETED"]] * 2


def test_jobs_that_ended_unwatched_are_kept(main: Found) -> None:
    for states in main.submitted("prune").values():
        # One that had not started may have been taken out of the queue, to be submitted again.
        assert states in (["COMPLETED"], ["CANCELLED", "COMPLETED"])
    assert "jobs had ended unwatched; their results are kept" in main.said


def test_a_controller_that_is_away_loses_no_job(main: Found) -> None:
    # A job that starts at that moment cannot start its step, and is tried again; none is submitted beside another.
    for states in main.submitted("cell").values():
        assert states in (["COMPLETED"], ["FAILED", "COMPLETED"])


def test_records_of_unwatched_jobs_tell_later_changes(main: Found) -> None:
    assert main.facts["again"] == set()
    assert "prune" in main.facts["other settings"]
    assert "train" not in main.facts["other settings"]


def test_a_limit_of_submitted_jobs_is_waited_for_and_told_once(main: Found) -> None:
    assert main.said.count("sbatch: AssocMaxSubmitJobLimit; Job violates accounting/QOS policy") == 1


def test_an_allocation_that_is_used_up_is_told(main: Found) -> None:
    assert main.said.count("squeue: jobs wait for AssocGrpCPUMinutesLimit, which may not pass by itself") == 1
    assert "AssocGrpCPUMinutesLimit" in main.facts["used up"]


def test_tables_after_a_full_disk_and_a_cancelled_run(disk: Found, undisturbed: dict[str, bytes]) -> None:
    assert disk.facts["code"] == 0, disk.logs
    assert disk.tables == undisturbed


def test_full_disk_is_said(disk: Found) -> None:
    code, said = disk.facts["full"]
    assert code != 0
    assert "No space left on device" in said, said


def test_a_file_damaged_between_two_runs_is_rebuilt(disk: Found) -> None:
    file = disk.facts["damaged"]
    assert f"{file}: cut off, or another file (" in disk.said
    assert "; rebuilding it\n" in disk.said
    assert "; rebuilt\n" in disk.said


def test_two_studies_in_one_folder_do_not_touch_each_other(disk: Found) -> None:
    status, cancel, running = disk.facts["other"]
    assert "queue: 0 jobs" in status
    assert cancel.startswith("0 jobs cancelled")
    assert len(running) >= 1


def test_a_supervisor_that_is_a_job_goes_back_to_the_queue_when_its_time_is_up(disk: Found) -> None:
    said = disk.facts["detached"]
    assert said.count("the time of this supervisor's own job is up; it goes back to the queue") == 1
    assert said.rstrip().splitlines()[-1].partition(" done: ")[2]


def test_a_second_run_learns_who_holds_the_tree(disk: Found) -> None:
    for name in ("second run", "plain run"):
        code, output = disk.facts[name]
        assert code != 0
        assert "in use by" in output, name
        assert "prunescope unlock" in output, name


def test_killed_supervisor_is_taken_over(disk: Found) -> None:
    assert f"Snakemake (process {disk.facts['orphan']}) goes on without the run that started it" in disk.said
    assert list(disk.submitted("train").values()) == [["COMPLETED"]] * 2


def test_status_names_holder_and_jobs(disk: Found) -> None:
    code, output = disk.facts["status"]
    assert code == 0
    assert "held by" in output
    assert "prune" in output
    assert "models done" in output


def test_cancel_ends_run_and_jobs(disk: Found) -> None:
    code, output, run = disk.facts["cancel"]
    assert code == 0
    assert "jobs cancelled; what they finished is kept" in output
    assert run == 128 + signal.SIGUSR2
