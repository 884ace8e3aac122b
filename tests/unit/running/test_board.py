"""The table that a run shows on a terminal, and ``status --watch``."""

from __future__ import annotations

import io
import os
import re
import subprocess
import sys
import time
from pathlib import Path

import pytest
import yaml

from prunescope.cli import main
from prunescope.config.load import study_from
from prunescope.config.study import Study
from prunescope.running import board as board_module
from prunescope.running import run
from prunescope.running.board import Board, memory_of, watch
from prunescope.running.progress import Progress

STATS = "Job stats:\njob      count\n-----  -------\nprune        2\ncell         1\ntotal        3\n\n"


def job(rule: str, number: int, log: str) -> str:
    return f"localrule {rule}:\n    output: x\n    log: {log}\n    jobid: {number}\n    reason: y\n"


@pytest.fixture
def study(study_dict) -> Study:
    return study_from(study_dict)


@pytest.fixture
def logs(study: Study, tmp_path: Path) -> dict[str, list[str]]:
    """The logs of one data set's jobs, by stage."""
    found: dict[str, list[str]] = {}
    for log, (dataset, stage) in Board(study, tmp_path).stage_of.items():
        if dataset == "numbers":
            found.setdefault(stage, []).append(log)
    return found


def fed(text: str, now: float = 0.0) -> Progress:
    told = Progress(0.0)
    for line in text.splitlines():
        told.read(line, now)
    return told


def pictured(board: Board, told: Progress, now: float) -> str:
    from rich.console import Console

    out = io.StringIO()
    Console(file=out, width=100).print(board.view(told, now, "1.0 of 16.0 GB memory"))
    return out.getvalue()


def test_all_jobs_of_a_study_are_known_by_data_set_and_stage(study, tmp_path):
    counts = Board(study, tmp_path).counts(Progress(0.0))
    assert list(counts) == list(study.datasets)
    cells = [cell for cell in study.cells if cell.dataset == "numbers"]
    assert counts["numbers"]["analysed"] == (0, len(cells))
    assert all(done == 0 for row in counts.values() for done, _ in row.values())


def test_jobs_count_as_done_by_what_is_there_and_by_what_ends(study, tmp_path, logs):
    cell = next(cell for cell in study.cells if cell.dataset == "numbers" and not cell.dense)
    folder = tmp_path / "results" / "cells" / cell.dataset / cell.arch / cell.pruner / cell.compression.token
    (folder / "test").mkdir(parents=True)
    (folder / "test" / "summary.json").write_text("{}")
    board = Board(study, tmp_path)
    told = fed(STATS)
    assert board.counts(told)["numbers"]["analysed"][0] == 1
    for line in job("prune", 1, logs["pruned"][0]).splitlines():
        told.read(line, 0.0)
    assert board.counts(told)["numbers"]["pruned"][0] == 0
    told.read("Finished jobid: 1 (Rule: prune)", 3.0)
    assert board.counts(told)["numbers"]["pruned"][0] == 1


def test_a_job_that_is_run_again_is_not_done_until_it_ends(study, tmp_path, logs):
    board = Board(study, tmp_path)
    board.done.update(logs["pruned"])
    told = fed(STATS + job("prune", 1, logs["pruned"][0]))
    n = len(logs["pruned"])
    assert board.counts(told)["numbers"]["pruned"] == (n - 1, n)
    told.read("Finished jobid: 1 (Rule: prune)", 3.0)
    assert board.counts(told)["numbers"]["pruned"] == (n, n)


def test_the_picture_has_rate_time_memory_and_why_a_job_failed(study, tmp_path, monkeypatch, logs):
    monkeypatch.chdir(tmp_path)
    first, second = logs["pruned"][:2]
    Path(second).parent.mkdir(parents=True)
    Path(second).write_text("much\nno space left on device\n")
    told = fed(STATS + job("prune", 1, first) + job("prune", 2, second))
    told.read("Finished jobid: 1 (Rule: prune)", 30.0)
    for line in (
        "Error in rule prune:",
        "    jobid: 2",
        f"    log: {second} (check log file(s) for error details)",
    ):
        told.read(line, 60.0)
    for line in job("cell", 3, logs["analysed"][0]).splitlines():
        told.read(line, 60.0)
    text = pictured(Board(study), told, 72.0)
    assert "1 of 3 jobs, 50 an hour, 1 min 12 s passed" in text
    assert "1.0 of 16.0 GB memory, 1 failed" in text
    assert re.search(r"failed: prune numbers .*: no space left on device", text)
    assert re.search(r"  cell numbers .*, 12 s", text)
    assert re.search(rf"numbers +\d+/\d+ +\d+/\d+ +1/{len(logs['pruned'])} ", text)


def test_before_the_first_job(study):
    assert "reading the study, 4 s passed" in pictured(Board(study), Progress(0.0), 4.0)


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def followed(study: Study, monkeypatch: pytest.MonkeyPatch, terminal: str, logs: dict[str, list[str]]) -> str:
    monkeypatch.setenv("TERM", terminal)
    monkeypatch.setenv("COLUMNS", "100")
    text = STATS.replace("2\n", "0\n").replace("3\n", "1\n") + job("cell", 3, logs["analysed"][0])
    output = io.StringIO(f"{text}Finished jobid: 3 (Rule: cell)\n")
    out = Terminal()
    run.follow(subprocess.Popen(["true"]), output, Progress(time.monotonic()), out, Board(study))
    return out.getvalue()


def test_a_terminal_has_a_picture_and_its_cursor_back(study, monkeypatch, logs):
    shown = followed(study, monkeypatch, "xterm-256color", logs)
    assert "1 of 1 jobs" in shown
    assert "analysed" in shown
    assert shown.index("\x1b[?25l") < shown.rindex("\x1b[?25h")


def test_a_terminal_that_cannot_has_lines(study, monkeypatch, logs):
    shown = followed(study, monkeypatch, "dumb", logs)
    assert re.fullmatch(r"100%  1 of 1 jobs, \d+ s passed\n", shown)


def test_the_cursor_comes_back_where_a_run_is_stopped(study, monkeypatch):
    monkeypatch.setenv("TERM", "xterm-256color")
    out = Terminal()

    def stopped() -> None:
        with Board(study).shown(out, os.getpid()) as show:
            assert show is not None
            show(Progress(0.0), 1.0)
            raise run.Stopped(2)

    with pytest.raises(run.Stopped):
        stopped()
    assert out.getvalue().endswith("\x1b[?25h")


def test_memory_is_that_of_all_processes():
    child = subprocess.Popen(
        [sys.executable, "-c", "x = bytearray(200_000_000); print(flush=True); input()"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert child.stdout is not None
    child.stdout.readline()
    used = float(memory_of(os.getpid()).split()[0])
    child.communicate(b"\n")
    assert used >= 0.2
    assert memory_of(child.pid) == ""


def test_watching_prints_what_changed(monkeypatch):
    texts = iter([("a", False), ("a", False), ("b", True)])
    slept: list[float] = []
    monkeypatch.setattr(board_module.time, "sleep", slept.append)
    out = io.StringIO()
    watch(lambda: next(texts), out, 2.0)
    assert (out.getvalue(), slept) == ("a\nb\n", [2.0, 2.0])


def test_watching_on_a_terminal_draws_in_place_until_it_is_interrupted(monkeypatch):
    def interrupted(_: float) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(board_module.time, "sleep", interrupted)
    out = Terminal()
    watch(lambda: ("a", False), out, 2.0)
    assert out.getvalue() == "\x1b[H\x1b[Ja\n"
    out = Terminal()
    watch(lambda: ("a", True), out, 2.0)
    assert out.getvalue() == "a\n"


def test_status_watch(study_dict, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    Path("study.yaml").write_text(yaml.safe_dump(study_dict))
    assert main(["status", "--configfile", "study.yaml", "--watch", "0"]) == 2
    assert "--watch: 0 is not a number of seconds; try 5" in capsys.readouterr().err
    monkeypatch.setattr(board_module.time, "sleep", lambda _: (_ for _ in ()).throw(KeyboardInterrupt))
    assert main(["status", "--configfile", "study.yaml", "--watch"]) == 0
    assert "0 of 26 models done" in capsys.readouterr().out
