"""The progress display, fed with what Snakemake 9 printed for a workflow of three rules."""

from __future__ import annotations

import io
import re
import signal
import stat
import subprocess
import sys
import sysconfig
import time
from pathlib import Path

import pytest
import yaml

from prunescope.cli import main
from prunescope.config.shipped import shipped
from prunescope.files.meter import duration
from prunescope.running import progress, run
from prunescope.running.progress import Progress

#: Two jobs of `make`, two of `fin` (one of which fails), and the target.
FAILED = """\
Building DAG of jobs...
Using shell: /usr/bin/bash
Provided cores: 2
Rules claiming more threads will be scaled down.
Job stats:
job      count
-----  -------
make         2
fin          2
all          1
total        5

Select jobs to execute...
Execute 2 jobs...

[Sun Nov 22 05:38:33 2026]
localrule make:
    output: mid/b.txt
    log: logs/make/b.log
    jobid: 4
    reason: Missing output files: mid/b.txt
    wildcards: x=b
    resources: tmpdir=/tmp
[Sun Nov 22 05:38:33 2026]
localrule make:
    output: mid/a.txt
    log: logs/make/a.log
    jobid: 2
    reason: Missing output files: mid/a.txt
    wildcards: x=a
    resources: tmpdir=/tmp
[Sun Nov 22 05:38:33 2026]
Finished jobid: 2 (Rule: make)
1 of 5 steps (20%) done
Select jobs to execute...
Execute 1 jobs...

[Sun Nov 22 05:38:33 2026]
localrule fin:
    input: mid/a.txt
    output: out/a/done.txt
    log: logs/fin/a.log
    jobid: 1
    reason: Missing output files: out/a/done.txt; Input files updated by another job: mid/a.txt
    wildcards: x=a
    resources: tmpdir=/tmp
[Sun Nov 22 05:38:33 2026]
Finished jobid: 4 (Rule: make)
2 of 5 steps (40%) done
Select jobs to execute...
Execute 1 jobs...

[Sun Nov 22 05:38:33 2026]
localrule fin:
    input: mid/b.txt
    output: out/b/done.txt
    log: logs/fin/b.log
    jobid: 3
    reason: Missing output files: out/b/done.txt; Input files updated by another job: mid/b.txt
    wildcards: x=b
    resources: tmpdir=/tmp
RuleException:
CalledProcessError in file "/home/user/study/Snakefile", line 11:
Command 'set -euo pipefail;  cp mid/b.txt out/b/done.txt; test -e ok.txt > logs/fin/b.log 2>&1' returned non-zero.
[Sun Nov 22 05:38:33 2026]
Error in rule fin:
    message: None
    jobid: 3
    input: mid/b.txt
    output: out/b/done.txt
    log: logs/fin/b.log (check log file(s) for error details)
    shell:
        cp mid/b.txt out/b/done.txt; test -e ok.txt > logs/fin/b.log 2>&1
        (command exited with non-zero exit code)
[Sun Nov 22 05:38:33 2026]
Finished jobid: 1 (Rule: fin)
3 of 5 steps (60%) done
Exiting because a job execution failed. Look above for error messages
Complete log(s): /home/user/study/.snakemake/log/2026-11-22T053833.369297.snakemake.log
Elapsed time: 0:00:00.533975
WorkflowError:
At least one job did not complete successfully.
"""

#: The same, run again.
FINISHED = """\
Building DAG of jobs...
Using shell: /usr/bin/bash
Provided cores: 2
Rules claiming more threads will be scaled down.
Job stats:
job      count
-----  -------
fin          1
all          1
total        2

Select jobs to execute...
Execute 1 jobs...

[Sun Nov 22 05:36:46 2026]
localrule fin:
    input: mid/b.txt
    output: out/b/done.txt
    log: logs/fin/b.log
    jobid: 3
    reason: Missing output files: out/b/done.txt
    wildcards: x=b
    resources: tmpdir=/tmp
[Sun Nov 22 05:36:46 2026]
Finished jobid: 3 (Rule: fin)
1 of 2 steps (50%) done
Select jobs to execute...
Execute 1 jobs...

[Sun Nov 22 05:36:46 2026]
localrule all:
    input: out/a/done.txt, out/b/done.txt
    jobid: 0
    reason: Input files updated by another job: out/b/done.txt
    resources: tmpdir=/tmp
[Sun Nov 22 05:36:46 2026]
Finished jobid: 0 (Rule: all)
2 of 2 steps (100%) done
Complete log(s): /home/user/study/.snakemake/log/2026-11-22T053646.731917.snakemake.log
Elapsed time: 0:00:00.156658
"""


def feed(text: str, seconds: float = 0.0) -> Progress:
    """Read all lines; the clock goes on by ``seconds`` before each line that starts or ends a job."""
    told, now = Progress(started=0.0), 0.0
    for line in text.splitlines(keepends=True):
        if "jobid:" in line:
            now += seconds
        told.read(line, now)
    return told


@pytest.mark.parametrize(
    ("text", "wanted", "finished", "failed", "logs"),
    [
        (
            FAILED,
            {"make": 2, "fin": 2, "all": 1},
            {"make": 2, "fin": 1},
            {"3": "fin"},
            {"3": "logs/fin/b.log"},
        ),
        (FINISHED, {"fin": 1, "all": 1}, {"fin": 1, "all": 1}, {}, {}),
        # A job that fails and then succeeds is no failure.
        (
            FAILED + "rule fin:\n    jobid: 3\nFinished jobid: 3 (Rule: fin)\n",
            {"make": 2, "fin": 2, "all": 1},
            {"make": 2, "fin": 2},
            {},
            {},
        ),
    ],
)
def test_counts(text, wanted, finished, failed, logs):
    told = feed(text)
    assert (told.wanted, told.total) == (wanted, sum(wanted.values()))
    assert (told.finished, told.done) == (finished, sum(finished.values()))
    assert (told.failed, told.logs, told.running) == (failed, logs, {})


def test_the_line_of_a_run_that_ended():
    assert feed(FINISHED).line(70.0) == "100%  2 of 2 jobs, 1 min 10 s passed"


def test_only_what_changes_the_display_is_reported():
    told = Progress(started=0.0)
    changes = [line for line in FINISHED.splitlines() if told.read(line, 0.0)]
    assert changes == ["Finished jobid: 3 (Rule: fin)", "Finished jobid: 0 (Rule: all)"]


def test_nothing_to_do():
    told = feed("Building DAG of jobs...\nNothing to be done (all requested files are present).\n")
    assert (told.done, told.total) == (0, 0)
    assert told.seconds_left(3.0) is None
    assert told.line(3.0) == "  0%  0 of 0 jobs, 3 s passed"


def test_failed_jobs_are_shown_and_not_waited_for():
    told = feed(FAILED, seconds=1.0)
    # The clock: 4 starts at 1, 2 at 2 and ends at 3, 1 starts at 4, 4 ends at 5, 3 starts at 6 and
    # fails at 7, 1 ends at 8.
    assert told.spent == {"make": (3 - 2) + (5 - 1), "fin": 8 - 4}
    assert told.line(8.0).endswith("  1 failed")
    # All that is left is the target, at the mean of the three jobs that finished: 10 s of work in 8 s, with the
    # attempt that failed.
    assert told.seconds_left(8.0) == pytest.approx(3 * 8 / 10)


def test_the_time_left_by_hand():
    """Two jobs side by side: 4 of `slow` at 10 s, 2 of `fast` not yet seen."""
    told = Progress(started=100.0)
    stats = "Job stats:\njob      count\n-----  -------\nslow         4\nfast         2\ntotal        6\n\n"
    for line in stats.splitlines():
        told.read(line, 100.0)
    assert told.seconds_left(105.0) is None
    for job in ("1", "2"):
        for line in ("rule slow:", f"    jobid: {job}"):
            told.read(line, 100.0)
    assert told.read("Finished jobid: 1 (Rule: slow)", 108.0)
    assert told.read("Finished jobid: 2 (Rule: slow)", 112.0)
    # 20 s of work in 12 s of time. Left: 2 x 10 s of slow, and 2 of fast at the mean of all, 10 s.
    assert told.seconds_left(112.0) == pytest.approx(40 * 12 / 20)
    for line in ("rule fast:", "    jobid: 3"):
        told.read(line, 112.0)
    # 4 s later: 24 s of work in 16 s; of the 40 s left 4 s have passed.
    assert told.seconds_left(116.0) == pytest.approx((40 - 4) * 16 / 24)
    assert told.line(116.0) == " 33%  2 of 6 jobs, 16 s passed, about 24 s left  (fast)"
    told.read("Finished jobid: 3 (Rule: fast)", 116.0)
    # A fast job takes 4 s: 2 x 10 + 1 x 4 left, 24 s of work in 16 s.
    assert told.seconds_left(116.0) == pytest.approx(24 * 16 / 24)


def test_a_job_that_is_tried_again_does_not_lengthen_the_time_left():
    told = Progress(0.0)
    stats = "Job stats:\njob  count\n---- -----\ntrain  10\ntotal  10\n\n"
    begin = "rule train:\n    jobid: {0}\n"
    fail = "Error in rule train:\n    jobid: {0}\nTrying to restart job {0}.\n" + begin

    def read(text, now):
        for line in text.splitlines():
            told.read(line, now)

    # Two at a time, of 60 s; one attempt after the other of the second job fails after 50 s.
    read(stats + begin.format(1) + begin.format(2), 0.0)
    read(fail.format(2), 50.0)
    read("Finished jobid: 1 (Rule: train)\n" + begin.format(3), 60.0)
    # Nine jobs of 60 s but one's 60 s, which went into two attempts, over two machines.
    assert told.seconds_left(60.0) == (9 * 60 - 60) / 2
    before = told.seconds_left(100.0)
    # Of job 3, 20 s are left, of job 2 none any more.
    assert before == (7 * 60 + 20) / 2
    read(fail.format(2), 100.0)
    assert told.seconds_left(100.0) == before
    read("Finished jobid: 3 (Rule: train)\n" + begin.format(4), 120.0)
    assert told.failed == {}
    assert told.seconds_left(120.0) == 7 * 60 / 2


def test_the_short_jobs_at_the_start_tell_no_time_left():
    told = Progress(0.0)
    stats = "Job stats:\njob  count\n---- -----\nencode  2\ntrain  4\ntotal  6\n\n"

    def read(text, now):
        for line in text.splitlines():
            told.read(line, now)

    read(stats + "rule encode:\n    jobid: 1\n", 0.0)
    read("Finished jobid: 1 (Rule: encode)\nrule train:\n    jobid: 2\n", 5.0)
    assert told.seconds_left(30.0) is None
    assert told.line(30.0) == " 17%  1 of 6 jobs, 30 s passed  (train)"
    read("Finished jobid: 2 (Rule: train)\n", 105.0)
    # 3 x 100 s and 5 s, one after the other.
    assert told.seconds_left(105.0) == 305


def test_jobs_that_take_longer_than_expected_leave_no_negative_time():
    told = Progress(started=0.0)
    for line in ("Job stats:", "slow         2", "total        2", "rule slow:", "    jobid: 1"):
        told.read(line, 0.0)
    told.read("Finished jobid: 1 (Rule: slow)", 1.0)
    for line in ("rule slow:", "    jobid: 2"):
        told.read(line, 1.0)
    assert told.seconds_left(100.0) == 0.0


def test_jobs_that_run_are_named():
    told = Progress(started=0.0)
    for job, rule in (("1", "train"), ("2", "train"), ("3", "prune")):
        for line in (f"rule {rule}:", f"    jobid: {job}"):
            told.read(line, 0.0)
    assert told.line(1.0).endswith("(prune, train x 2)")


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0 s"),
        (59.4, "59 s"),
        (59.6, "1 min 0 s"),
        (200, "3 min 20 s"),
        (7500, "2 h 5 min"),
        (90_000, "25 h 0 min"),
    ],
)
def test_durations(seconds, text):
    assert duration(seconds) == text


@pytest.fixture
def fake(tmp_path, monkeypatch, study_dict):
    """A program called snakemake that prints a given text and ends with a given code."""

    def make(text: str, code: int) -> Path:
        Path("study.yaml").write_text(yaml.safe_dump(study_dict))
        Path("printed.txt").write_text(text)
        program = tmp_path / "bin" / "snakemake"
        program.parent.mkdir()
        program.write_text(f'#!/bin/sh\necho "$@" > arguments.txt\ncat printed.txt\nexit {code}\n')
        program.chmod(program.stat().st_mode | stat.S_IXUSR)
        monkeypatch.setattr(sys, "executable", str(program.parent / "python"))
        return program

    monkeypatch.chdir(tmp_path)
    return make


def test_a_run_that_ends_says_where_the_report_is(fake, capsys):
    fake(FINISHED, 0)
    Path("results").mkdir()
    Path("results/index.html").write_text("")
    assert main(["run", "--configfile", "study.yaml", "--", "digits"]) == 0
    # Without a Snakefile here, the shipped one is used.
    workflow = ["--snakefile", str(shipped("Snakefile"))]
    assert Path("arguments.txt").read_text().split() == [
        *workflow,
        "--configfile",
        "study.yaml",
        "--nolock",
        "digits",
    ]
    error = capsys.readouterr().err
    assert re.search(r"done: 2 jobs in \d+ s", error)
    assert f"report: {Path('results/index.html').resolve()}" in error
    (log,) = Path("results/logs").glob("run-*.log")
    assert log.read_text() == FINISHED


def test_a_dry_run_shows_snakemakes_answer_and_leaves_nothing(fake, capfd):
    fake(FINISHED, 0)
    assert main(["run", "--configfile", "study.yaml", "--", "-n", "digits"]) == 0
    said = capfd.readouterr()
    assert said.out == FINISHED
    assert "done" not in said.err
    assert not Path("results/logs").exists()


def test_a_run_says_what_the_workflow_warns_of_before_its_first_job(fake, capsys):
    fake("prunescope: WARNING: 4 finished models are trained again\n" + FINISHED, 0)
    assert main(["run", "--configfile", "study.yaml"]) == 0
    first = capsys.readouterr().err.splitlines()[0]
    assert first == "prunescope: WARNING: 4 finished models are trained again"


def test_a_study_that_cannot_be_run_ends_in_its_error_alone(fake, capsys):
    fake("Job stats:\nprune  2\ntotal  2\n\nprunescope: error: grid: b on mine: ratio 4e+06: too large\n", 1)
    assert main(["run", "--configfile", "study.yaml"]) == 2
    assert capsys.readouterr().err == "prunescope: error: grid: b on mine: ratio 4e+06: too large\n"


def test_a_run_that_fails_shows_the_last_line_of_each_log(fake, capsys):
    fake(FAILED, 1)
    Path("logs/fin").mkdir(parents=True)
    Path("logs/fin/b.log").write_text("much\nbroken input\n")
    assert main(["run", "--configfile", "study.yaml"]) == 1
    error = capsys.readouterr().err
    assert "failed: logs/fin/b.log: broken input" in error
    assert "1 job failed" in error
    assert "run the same command again to go on from here" in error


def test_a_run_that_never_starts_shows_snakemakes_words(fake, capsys):
    fake("SyntaxError in line 3 of Snakefile:\nno such thing\n", 1)
    assert main(["run", "--configfile", "study.yaml"]) == 1
    error = capsys.readouterr().err
    assert "SyntaxError in line 3 of Snakefile:\nno such thing\n" in error


def test_snakemake_of_another_environment_is_none(tmp_path, monkeypatch, study_dict, capsys):
    monkeypatch.chdir(tmp_path)
    Path("study.yaml").write_text(yaml.safe_dump(study_dict))
    for folder in ("other", "scripts"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "snakemake").touch(0o755)
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))
    monkeypatch.setenv("PATH", str(tmp_path / "other"))
    monkeypatch.setattr(sysconfig, "get_path", lambda *_: str(tmp_path / "empty"))
    assert main(["run", "--configfile", "study.yaml"]) == 2
    assert "snakemake: not installed; pip install 'prunescope[workflow,train]'" in capsys.readouterr().err
    # Scripts of a Python need not lie beside it.
    monkeypatch.setattr(sysconfig, "get_path", lambda *_: str(tmp_path / "scripts"))
    assert progress.snakemake_program() == str(tmp_path / "scripts" / "snakemake")


def test_a_log_that_cannot_be_written_is_one_line(fake, capsys):
    fake(FINISHED, 0)
    Path("results").write_text("in the way")
    assert main(["run", "--configfile", "study.yaml"]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("prunescope: error: results/logs/run-")
    assert "could not be written" in line
    assert not Path("arguments.txt").exists()


def test_a_disk_that_fills_up_ends_the_run(fake, capsys, monkeypatch):
    fake(FINISHED, 0)

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(run, "follow", full)
    assert main(["run", "--configfile", "study.yaml"]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "No space left on device" in line


def test_a_stopped_run_says_how_to_go_on(fake, capsys, monkeypatch):
    fake("stopping\n", 1)

    def stop(*_):
        raise run.Stopped(signal.SIGTERM)

    monkeypatch.setattr(run, "follow", stop)
    assert main(["run", "--configfile", "study.yaml"]) == 128 + signal.SIGTERM
    assert "stopped (SIGTERM); run the same command again to go on" in capsys.readouterr().err
    assert not Path("results/.prunescope/lock.json").exists()


def test_elsewhere_lines_are_rare_but_the_last_one_comes():
    out = io.StringIO()
    run.follow(subprocess.Popen(["true"]), io.StringIO(FINISHED), Progress(time.monotonic()), out)
    assert out.getvalue().splitlines()[-1].startswith("100%  2 of 2 jobs")


def test_data_that_is_checked_is_what_a_run_asks_for(tmp_path, monkeypatch):
    """One data set of a study runs although another one's files are not here; built ones need their files no more."""
    from prunescope.config.load import study_from
    from prunescope.running.run import _data_to_check

    monkeypatch.chdir(tmp_path)
    study = study_from({
        "name": "x",
        "seeds": [0],
        "datasets": {"mine": {"source": "table", "path": "a.csv", "text": "t", "task": "single-label"},
                     "reviews": {"source": "imdb", "path": "nowhere"}, "other": {"source": "imdb", "path": "nowhere"}},
        "archs": {"net": {"family": "bilstm"}},
        "grid": [{"datasets": ["mine", "reviews", "other"], "archs": ["net"]}],
    })  # fmt: skip
    assert _data_to_check(study, ["--cores", "2"]) == ["mine", "reviews", "other"]
    assert _data_to_check(study, ["reviews"]) == ["reviews"]
    for name in ("mine", "reviews"):
        (tmp_path / "results" / "data" / name).mkdir(parents=True)
        (tmp_path / "results" / "data" / name / "card.json").write_text("{}")
    assert _data_to_check(study, []) == ["mine", "other"]
