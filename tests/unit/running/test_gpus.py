"""Jobs choose among GPUs by what others have asked for; here GPUs are made up, locks and processes are real."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from prunescope.running.gpus import CHOSEN, Gpu, claims, gpus, one_gpu

TWO = [Gpu("GPU-a", 1000, CHOSEN[0]), Gpu("GPU-b", 1500, CHOSEN[0])]


@pytest.fixture(autouse=True)
def _none_chosen(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in CHOSEN:
        monkeypatch.delenv(name, raising=False)


def job(folder: Path, memory: int, gpus: int = 2) -> subprocess.Popen[str]:
    """Another job, in a process of its own: says that it waits, then its GPU, and holds it until a line comes."""
    code = (
        "import os, sys, time\nsleep = time.sleep\n"
        "time.sleep = lambda seconds: (print('waits', flush=True), sleep(seconds))\n"
        "from pathlib import Path\nfrom prunescope.running.gpus import Gpu, one_gpu\n"
        f"two = [Gpu('GPU-a', 1000, {CHOSEN[0]!r}), Gpu('GPU-b', 1500, {CHOSEN[0]!r})]\n"
        f"with one_gpu({memory}, Path({str(folder)!r}), two[:{gpus}]):\n"
        f"    print(os.environ[{CHOSEN[0]!r}], flush=True)\n    sys.stdin.readline()\n"
    )
    return subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )


def said(process: subprocess.Popen[str], *, waiting: bool = False) -> str:
    """The GPU that a job says, or that it waits for one."""
    assert process.stdout is not None
    return next(line.strip() for line in process.stdout if waiting or line != "waits\n")


def test_a_job_takes_the_gpu_with_the_most_left_and_sees_no_other(tmp_path):
    with one_gpu(900, tmp_path, TWO) as gpu:
        assert gpu == TWO[1]
        assert os.environ[CHOSEN[0]] == "GPU-b"
        assert claims(tmp_path) == {"GPU-b": 900}
    assert CHOSEN[0] not in os.environ
    assert claims(tmp_path) == {}


def test_jobs_spread_and_wait_and_what_a_killed_one_held_is_free(tmp_path):
    jobs = [job(tmp_path, 900)]
    assert said(jobs[0]) == "GPU-b"
    jobs.append(job(tmp_path, 900))
    assert said(jobs[1]) == "GPU-a"
    jobs.append(job(tmp_path, 500))
    assert said(jobs[2]) == "GPU-b"
    waiting = job(tmp_path, 900)
    assert said(waiting, waiting=True) == "waits"
    assert claims(tmp_path) == {"GPU-a": 900, "GPU-b": 1400}
    jobs[1].send_signal(signal.SIGKILL)
    assert said(waiting) == "GPU-a"
    for process in (*jobs, waiting):
        process.kill()
        process.wait()
        process.stdin.close()
        process.stdout.close()


def test_one_gpu_is_shared_by_as_many_as_fit(tmp_path):
    jobs = [job(tmp_path, 400, 1), job(tmp_path, 400, 1)]
    assert [said(process) for process in jobs] == ["GPU-a", "GPU-a"]
    waiting = job(tmp_path, 400, 1)
    assert said(waiting, waiting=True) == "waits"
    assert claims(tmp_path) == {"GPU-a": 800}
    jobs[0].communicate("\n")
    assert said(waiting) == "GPU-a"
    for process in (jobs[1], waiting):
        process.communicate("\n")
    assert claims(tmp_path) == {}


def test_more_than_a_gpu_has_gets_one_alone(tmp_path):
    with one_gpu(5000, tmp_path, TWO) as gpu:
        assert gpu == TWO[1]


@pytest.mark.parametrize("name", CHOSEN)
def test_nothing_is_chosen_where_it_was_already_or_there_is_none(tmp_path, monkeypatch, name):
    with one_gpu(10, tmp_path, []) as gpu:
        assert gpu is None
    monkeypatch.setenv(name, "3")
    with one_gpu(10, tmp_path, TWO) as gpu:
        assert gpu is None
    assert os.environ[name] == "3"


def tool(folder: Path, name: str, text: str) -> None:
    path = folder / name
    path.write_text(f"#!/bin/sh\ncat <<'END'\n{text}\nEND\n")
    path.chmod(0o755)


def test_gpus_are_what_their_makers_tools_say(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", f"{tmp_path}:/bin:/usr/bin")
    cards = {
        "card0": {"VRAM Total Memory (B)": "68702699520", "VRAM Total Used Memory (B)": "0"},
        "card1": {"VRAM Total Memory (B)": "34351349760"},
        "system": {},
    }
    tool(tmp_path, "rocm-smi", json.dumps(cards))
    tool(tmp_path, "nvidia-smi", "")
    assert gpus() == [Gpu("0", 65520, CHOSEN[1]), Gpu("1", 32760, CHOSEN[1])]
    tool(tmp_path, "nvidia-smi", "GPU-5f3a, 81559\nGPU-77aa, 81559")
    assert gpus() == [Gpu("GPU-5f3a", 81559, CHOSEN[0]), Gpu("GPU-77aa", 81559, CHOSEN[0])]
    tool(tmp_path, "nvidia-smi", "")
    tool(tmp_path, "rocm-smi", "no devices")
    assert gpus() == []
