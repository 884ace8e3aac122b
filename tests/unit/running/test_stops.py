"""Whatever ends a run: soon, with its processes, its lock free, and a code that says which signal it was."""

from __future__ import annotations

import errno
import os
import random
import signal
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import pytest
import yaml
from snakemake.cli import get_argument_parser

from prunescope.cli import main
from prunescope.running.run import SIGNALS

#: Stands for Snakemake: jobs, one of which does not listen, and an end that waits for them.
SNAKEMAKE = """#!/bin/sh
trap : INT TERM HUP
(trap '' INT HUP; sleep 600) &
sh -c 'sleep 600' &
echo started
wait
wait
"""


#: Seconds after which a process hangs, however much else the machine has to do; how soon a run ends is for the soak.
HANGS = 240


@pytest.fixture
def study(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, study_dict: dict[str, Any]) -> Path:
    monkeypatch.chdir(tmp_path)
    Path("study.yaml").write_text(yaml.safe_dump(study_dict))
    program = tmp_path / "bin/snakemake"
    program.parent.mkdir()
    program.write_text(SNAKEMAKE)
    program.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(program.parent / "python"))
    return tmp_path


def start(errors: int, *others: int) -> int:
    """`prunescope run` in a process group of its own, as a shell starts it; importing all of it anew takes too long.

    It returns when the process is ready for signals.
    """
    ready, begins = os.pipe()
    process = os.fork()
    if process:
        with suppress(OSError):  # as a shell does: whichever of the two comes first
            os.setpgid(process, process)
        os.close(errors)
        os.close(begins)
        assert os.read(ready, 1)
        os.close(ready)
        return process
    code = 70
    try:
        os.setpgid(0, 0)
        for other in (ready, *others):
            os.close(other)
        for number in SIGNALS:
            signal.signal(number, signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL)
        os.dup2(errors, 2)
        sys.stderr = os.fdopen(2, "w", buffering=1)
        os.write(begins, b".")
        code = main(["run", "--configfile", "study.yaml"])
    except KeyboardInterrupt:
        code = 130  # before its handlers stand
    except SystemExit as stopped:
        code = int(stopped.code or 0)
    finally:
        os._exit(code)


def ended(process: int) -> int:
    """Its exit code; -n where it dies of signal n. It does not wait for its jobs, which take ten minutes."""
    until = time.monotonic() + HANGS
    while time.monotonic() < until:
        found, status = os.waitpid(process, os.WNOHANG)
        if found:
            return os.waitstatus_to_exitcode(status)
        time.sleep(0.02)
    os.killpg(process, signal.SIGKILL)
    os.waitpid(process, 0)
    raise AssertionError(f"still there after {HANGS} s")


def left(folder: Path) -> list[int]:
    """Processes that work in a folder, as those of a run do."""
    found = []
    for entry in Path("/proc").iterdir():
        try:
            if (
                entry.name.isdigit()
                and int(entry.name) != os.getpid()
                and (entry / "cwd").readlink() == folder
            ):
                found.append(int(entry.name))
        except OSError:
            continue
    return found


def nothing_left(folder: Path) -> bool:
    """What was killed takes a moment to go."""
    until = time.monotonic() + HANGS
    while left(folder) and time.monotonic() < until:
        time.sleep(0.02)
    return not left(folder)


def started(folder: Path) -> None:
    until = time.monotonic() + HANGS
    while not any("started" in log.read_text() for log in folder.glob("results/logs/*.log")):
        assert time.monotonic() < until
        time.sleep(0.02)


@pytest.mark.parametrize("number", range(20))
def test_a_run_ends_at_any_moment(study: Path, number: int) -> None:
    chance = random.Random(number)
    which = (signal.SIGTERM, signal.SIGHUP, signal.SIGINT, signal.SIGQUIT)[number % 4]
    (study / "errors").touch()
    process = start(os.open(study / "errors", os.O_WRONLY))
    if number < 8:
        started(study)
    else:
        time.sleep(chance.uniform(0.2, 0.6))
    # To the process alone, or, as a terminal does, to its group.
    alone = which != signal.SIGINT and chance.random() < 0.5
    (os.kill if alone else os.killpg)(process, which)
    code = ended(process)
    # Before the handlers stand, the signal's own effect.
    assert code in (128 + which, -which)
    assert nothing_left(study)
    assert not (study / "results/.prunescope/lock.json").exists()
    if number < 8:
        assert code == 128 + which
        assert (
            f"stopped ({which.name}); run the same command again to go on" in (study / "errors").read_text()
        )


def test_a_pipe_that_nobody_reads_ends_the_run(study: Path) -> None:
    reads, writes = os.pipe()
    process = start(writes, reads)
    started(study)
    os.close(reads)
    assert ended(process) == 128 + signal.SIGPIPE
    assert nothing_left(study)
    assert not (study / "results/.prunescope/lock.json").exists()


def test_what_a_killed_run_leaves_behind_is_ended_by_the_next(study: Path) -> None:
    (study / "errors").touch()
    process = start(os.open(study / "errors", os.O_WRONLY))
    started(study)
    os.kill(process, signal.SIGKILL)
    os.waitpid(process, 0)
    assert left(study)
    Path("bin/snakemake").write_text("#!/bin/sh\n")
    assert main(["run", "--configfile", "study.yaml"]) == 0
    assert nothing_left(study)


def test_a_target_is_no_configuration_file(study: Path) -> None:
    Path("bin/snakemake").write_text('#!/bin/sh\necho "$@" > said\n')
    assert main(["run", "--configfile", "study.yaml", "--", "digits"]) == 0
    parsed = get_argument_parser().parse_args(Path("said").read_text().split())
    assert parsed.targets == ["digits"]
    assert [path.name for path in parsed.configfile] == ["study.yaml"]


def test_a_full_disk_is_named_even_where_no_log_could_be_written(
    study: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("bin/snakemake").write_text("#!/bin/sh\nexit 1\n")
    assert main(["run", "--configfile", "study.yaml"]) == 1
    assert "No space left" not in capsys.readouterr().err
    for number, words in ((errno.ENOSPC, "No space left on device"), (errno.EDQUOT, "Disk quota exceeded")):
        monkeypatch.setattr("tempfile.TemporaryFile", Mock(side_effect=OSError(number, words)))
        assert main(["run", "--configfile", "study.yaml"]) == 1
        assert f"results: {words}; free some space first\nrun the same" in capsys.readouterr().err
