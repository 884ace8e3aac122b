"""Whose lock it is, and whether its holder is gone."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from prunescope.errors import UserError
from prunescope.running.locks import is_stale, note_holder


def lock(workdir: Path) -> None:
    folder = workdir / ".snakemake" / "locks"
    folder.mkdir(parents=True)
    (folder / "0.input.lock").write_text("results/x\n")


def gone() -> int:
    """The number of a process that has ended."""
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


def test_no_lock_is_not_stale(tmp_path: Path) -> None:
    note_holder(tmp_path, gone())
    assert not is_stale(tmp_path)


def test_a_lock_whose_holder_is_gone_is_stale(tmp_path: Path) -> None:
    lock(tmp_path)
    note_holder(tmp_path, gone())
    assert is_stale(tmp_path)


@pytest.mark.skipif(not Path("/proc/self/cmdline").exists(), reason="the system does not tell what runs")
def test_a_number_that_is_another_process_by_now_is_stale(tmp_path: Path) -> None:
    lock(tmp_path)
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as process:
        note_holder(tmp_path, process.pid)
        assert is_stale(tmp_path)
        process.kill()


def test_a_living_holder_is_named(tmp_path: Path) -> None:
    lock(tmp_path)
    with subprocess.Popen([sys.executable, "-c", "input()", "snakemake"], stdin=subprocess.PIPE) as process:
        note_holder(tmp_path, process.pid)
        with pytest.raises(UserError, match=f"a run is in progress here .process {process.pid}"):
            is_stale(tmp_path)
        process.kill()


@pytest.mark.parametrize("note", [None, "{", '{"host": "here"}', '{"host": 1, "pid": "x"}'])
def test_a_lock_nobody_owns_up_to_stays(tmp_path: Path, note: str | None) -> None:
    lock(tmp_path)
    if note is not None:
        (tmp_path / ".snakemake" / "prunescope-run.json").write_text(note)
    assert not is_stale(tmp_path)


def test_a_lock_of_another_machine_stays(tmp_path: Path) -> None:
    lock(tmp_path)
    note = {"host": f"not-{socket.gethostname()}", "pid": gone()}
    (tmp_path / ".snakemake" / "prunescope-run.json").write_text(json.dumps(note))
    assert not is_stale(tmp_path)
