"""The watch on Snakemake's output; the lines are those of Snakemake 9.27 with the plugin 2.8.0."""

from __future__ import annotations

from pathlib import Path

from prunescope.running.slurm.failures import failure_lines
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

REJECTED = """\
Error in rule prune:
    message: SLURM sbatch failed. The error message was 'sbatch: error: Unable to contact slurm controller'.
    jobid: 5
    output: results/c.parquet
"""


def watch(*texts: str) -> Watch:
    found = Watch()
    for line in "".join(texts).splitlines():
        found.read(line)
    return found


def test_submitted_jobs_are_active_until_they_end() -> None:
    found = watch(SUBMITTED)
    assert {number: one.job for number, one in found.active.items()} == {"12": "3", "13": "4"}
    found.read("Finished jobid: 4 (Rule: train)")
    assert set(found.active) == {"12"}
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
    assert set(found.active) == {"13"}


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


def test_rejected_submission_is_distinguished_from_a_failed_job() -> None:
    found = watch(REJECTED)
    assert found.failed["5"].reason == "rejected"


def test_job_that_left_the_queue_is_a_stall_after_patience() -> None:
    found = watch(SUBMITTED)
    found.compare({"12", "13"}, now=0)
    found.compare({"12"}, now=10)
    assert found.stalled(now=60, patience=60) == []
    assert [one.slurm for one in found.stalled(now=71, patience=60)] == ["13"]
    found.compare({"12", "13"}, now=80)
    assert found.stalled(now=200, patience=60) == []


def test_failures_are_reported_with_the_last_lines_of_their_log(tmp_path: Path) -> None:
    log = tmp_path / "a.log"
    log.write_text("".join(f"line {number}\n" for number in range(9)))
    found = watch(SUBMITTED, FAILED.replace("results/logs/a.log", str(log)))
    lines = list(failure_lines(found.failed.values()))
    assert lines[0] == f"failed: train results/a.parquet: its time limit was reached; log: {log}"
    assert lines[1:] == [f"    line {number}" for number in range(4, 9)]
