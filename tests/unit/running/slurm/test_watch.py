"""The watch on Snakemake's output; the lines are those of Snakemake 9.27 with the plugin 2.8.0."""

from __future__ import annotations

from pathlib import Path

import pytest

from prunescope.running.slurm.failures import failure_lines
from prunescope.running.slurm.refusals import passes
from prunescope.running.slurm.watch import Quotes, Watch

SUBMITTED = """\
rule train:
    input: results/data/digits/inputs/lenet5.safetensors
    output: results/a.parquet, results/b.parquet
    log: results/logs/a.log
    jobid: 3
    wildcards: dataset=digits
Job 3 has been submitted with SLURM jobid 12 (log: /w/.snakemake/slurm_logs/rule_train/12.log).
Job 4 has been submitted with SLURM jobid 13 (log: /w/.snakemake/slurm_logs/rule_train/13.log).
"""

FAILED = """\
[Thu Nov 26 13:27:27 2026]
Error in rule train:
    message: SLURM-job '12' failed, SLURM status is: 'TIMEOUT'. Detailed failure reason unavailable.
    jobid: 3
    input: results/data/digits/inputs/lenet5.safetensors
    output: results/a.parquet, results/b.parquet
    log: results/logs/a.log (check log file(s) for error details)
    shell:
        prunescope model
        (command exited with non-zero exit code)
    external_jobid: 12

Trying to restart job 3.
"""

#: What Snakemake printed when a SLURM 22.05 refused its submissions.
REFUSALS = Path(__file__).parent / "refusals"

POLICY = "Job violates accounting/QOS policy (job submit limit, user's size and/or time limits)"


def watch(*texts: str) -> Watch:
    found = Watch()
    for line in "".join(texts).splitlines():
        found.read(line)
    return found


def test_submitted_jobs_are_active_until_they_end() -> None:
    found = watch(SUBMITTED)
    assert found.active == {"3", "4"}
    found.read("Finished jobid: 4 (Rule: train)")
    assert found.active == {"3"}
    assert found.finished == 1


def test_failure_has_reason_output_and_log() -> None:
    failure = watch(SUBMITTED, FAILED).failed["3"]
    assert (failure.rule, failure.reason, failure.output) == ("train", "TIMEOUT", "results/a.parquet")
    assert failure.log == "results/logs/a.log"
    assert failure.slurm_log == "/w/.snakemake/slurm_logs/rule_train/12.log"


def test_failed_job_that_succeeds_after_all_is_no_failure() -> None:
    again = SUBMITTED.splitlines()[6].replace("12", "20") + "\nFinished jobid: 3 (Rule: train)\n"
    found = watch(SUBMITTED, FAILED, again)
    assert found.failed == {}
    assert found.active == {"4"}


def test_quoted_logs_of_jobs_are_not_snakemakes_own_words() -> None:
    log = f"SNAKEMAKE\n=========\nFinished jobid: 3 (Rule: train)\n{FAILED}"
    text = f"before\nLogfile /w/12.log:\n{'=' * 80}\n{log}{'=' * 80}\nafter\n=====\n"
    quotes = Quotes()
    assert [line for line in text.splitlines() if not quotes.hides(line)] == [
        "before",
        "Logfile /w/12.log:",
        "after",
        "=====",
    ]


@pytest.mark.parametrize(
    ("name", "message", "waits"),
    [
        ("partition", "invalid partition specified: nosuch; Invalid partition name specified", False),
        (
            "memory",
            "Memory specification can not be satisfied; Requested node configuration is not available",
            False,
        ),
        ("gres", "Requested node configuration is not available", False),
        ("drain", "Required partition not available (inactive or drain)", True),
        ("account", "Invalid account or account/partition combination specified", False),
        ("qos", "Invalid qos specification", False),
        ("wall", f"QOSMaxWallDurationPerJobLimit; {POLICY}", False),
        ("submit", f"AssocMaxSubmitJobLimit; {POLICY}", True),
        ("away", "Unable to contact slurm controller (connect failure)", True),
    ],
)
def test_a_refused_submission_is_recognized_with_what_sbatch_said(
    name: str, message: str, waits: bool
) -> None:
    (failure,) = watch((REFUSALS / f"{name}.txt").read_text()).failed.values()
    assert (failure.rule, failure.reason, failure.message) == ("encode", "refused", message)
    assert failure.output in ("results/data/digits/inputs/lenet5.safetensors", "x.txt")
    assert failure.minutes == 10
    assert passes(message) is waits


@pytest.mark.parametrize(
    ("message", "waits"),
    [
        ("Socket timed out on send/recv operation", True),
        (POLICY, True),
        (f"QOSMaxSubmitJobPerUserLimit; {POLICY}", True),
        (f"QOSMaxCpuPerJobLimit; {POLICY}", False),
        (f"QOSGrpCPUMinutesLimit; {POLICY}", False),
    ],
)
def test_limits_of_submitted_jobs_are_waited_for_and_others_are_not(message: str, waits: bool) -> None:
    assert passes(message) is waits


def test_jobs_refused_in_the_same_words_share_a_line_with_the_next_step() -> None:
    text = (REFUSALS / "partition.txt").read_text()
    found = watch(text, text.replace("jobid: 4", "jobid: 6").replace("rule encode", "rule train"))
    assert list(failure_lines(found.failed.values())) == [
        "failed: sbatch refuses 2 jobs (encode, train): invalid partition specified: nosuch; Invalid partition name "
        "specified; correct profiles/slurm/site.yaml or config.yaml, run `prunescope slurm setup`, then the same "
        "command again"
    ]


def test_a_job_that_was_warned_names_its_time_limit(tmp_path: Path) -> None:
    log = tmp_path / "a.log"
    log.write_text("prunescope: stopped by SIGUSR1; progress is in here: run the same command again\n")
    begun = SUBMITTED.replace(
        "    wildcards: dataset=digits", "    resources: tmpdir=/tmp, runtime=45, qos=x"
    )
    failed = FAILED.replace("results/logs/a.log", str(log)).replace("TIMEOUT", "FAILED")
    line = next(failure_lines(watch(begun, failed).failed.values()))
    assert "its time limit of 45 minutes was reached; its progress is kept: raise `runtime` of train" in line


def test_failures_are_reported_with_the_last_lines_of_their_log(tmp_path: Path) -> None:
    log = tmp_path / "a.log"
    log.write_text("".join(f"line {number}\n" for number in range(9)))
    found = watch(SUBMITTED, FAILED.replace("results/logs/a.log", str(log)))
    lines = list(failure_lines(found.failed.values()))
    assert lines[0].startswith(
        "failed: train results/a.parquet: its time limit was reached; its progress is kept"
    )
    assert lines[0].endswith(f"; log: {log}")
    assert lines[1:] == [f"    line {number}" for number in range(4, 9)]
