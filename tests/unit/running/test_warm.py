"""A job that starts warm is the job that its command would have been: output, files, signals, exit code."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from prunescope.commands.parser import build_parser
from prunescope.running import warm, warm_server

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="only Linux starts jobs warm")

COMMAND = [sys.executable, "-m", "prunescope"]


@pytest.fixture
def holder(tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    """A process that has started the server, as Snakemake does; its first line is the server's name."""
    code = (
        "import os, sys\n"
        "from prunescope.running.warm_server import start\n"
        "start()\n"
        f"print(os.environ['{warm.VARIABLE}'], flush=True)\n"
        "sys.stdin.read()\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=_environment(None),
        start_new_session=True,
    ) as process:
        yield process
        process.kill()


def _environment(name: str | None) -> dict[str, str]:
    # pytest's says whether a test is being set up or runs.
    kept = {
        key: value for key, value in os.environ.items() if key not in (warm.VARIABLE, "PYTEST_CURRENT_TEST")
    }
    return {**kept, **warm_server._ONE_THREAD, **({warm.VARIABLE: name} if name else {})}


def _name(holder: subprocess.Popen[str]) -> str:
    assert holder.stdout is not None
    return holder.stdout.readline().strip()


def _server_of(job: int) -> int:
    return int(Path(f"/proc/{job}/stat").read_text().rsplit(")", 1)[1].split()[1])


def _reader(fifo: Path) -> int:
    """The process that waits for what a FIFO brings, once it has opened it."""
    while True:
        for entry in Path("/proc").iterdir():
            if entry.name.isdigit() and int(entry.name) != os.getpid():
                with suppress(OSError):
                    if fifo in [file.readlink() for file in (entry / "fd").iterdir()]:
                        return int(entry.name)


def _waiting(folder: Path, name: str) -> tuple[subprocess.Popen[bytes], int, int]:
    """A command whose job waits for what is in a cell's file; the job; where the file is written."""
    cell = Path("digits/lenet5/MP/sparsity-500permille")
    fifo = folder / cell / "test" / "summary.json"
    fifo.parent.mkdir(parents=True)
    os.mkfifo(fifo)
    (folder / "list.txt").write_text(f"{cell}\n")
    command = subprocess.Popen(
        [*COMMAND, "tables", "--cells", "list.txt", "--out", "out"],
        env=_environment(name),
        cwd=folder,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    end = None
    while end is None:
        assert command.poll() is None
        with suppress(OSError):  # as long as no job has opened it
            end = os.open(fifo, os.O_WRONLY | os.O_NONBLOCK)
        time.sleep(0.02)
    job = _reader(fifo)
    assert job != command.pid
    return command, job, end


def _gone(job: int) -> None:
    """Wait for a process to end; whose child it has become may never ask for its status."""
    with suppress(OSError):
        while Path(f"/proc/{job}/stat").read_text().rpartition(")")[2].split()[0] != "Z":
            time.sleep(0.02)


def test_all_that_start_warm_are_stages() -> None:
    (group,) = (a for a in build_parser()._actions if a.dest == "command")
    stages = {c.dest for c in group._choices_actions if (c.help or "").startswith("stage: ")}  # type: ignore[attr-defined]
    assert stages >= warm.STAGES
    # What may need the network, or takes long by itself, starts as always.
    assert stages - warm.STAGES == {"dataset", "pretrained", "tune", "tuned"}


def test_a_warm_job_has_the_folder_output_and_exit_code_of_its_command(
    tmp_path: Path, holder: subprocess.Popen[str]
) -> None:
    name = _name(holder)
    command = [*COMMAND, "tables", "--cells", "absent.txt", "--out", "out"]
    cold = subprocess.run(command, env=_environment(None), cwd=tmp_path, capture_output=True, text=True)
    warmed = subprocess.run(command, env=_environment(name), cwd=tmp_path, capture_output=True, text=True)
    assert cold.returncode == 2
    assert "absent.txt: cannot be read" in cold.stderr
    assert (warmed.returncode, warmed.stdout, warmed.stderr) == (cold.returncode, cold.stdout, cold.stderr)


def test_a_job_ends_as_the_signal_to_its_command_asks(tmp_path: Path, holder: subprocess.Popen[str]) -> None:
    command, job, end = _waiting(tmp_path, _name(holder))
    assert _server_of(job) not in (os.getpid(), command.pid)
    command.send_signal(signal.SIGTERM)
    assert command.wait() == 128 + signal.SIGTERM
    _gone(job)
    os.close(end)


def test_a_run_that_tells_all_its_processes_to_end_leaves_jobs_their_time(
    tmp_path: Path, holder: subprocess.Popen[str]
) -> None:
    command, job, end = _waiting(tmp_path, _name(holder))
    server = _server_of(job)
    os.kill(server, signal.SIGTERM)
    command.send_signal(signal.SIGTERM)
    assert command.wait() == 128 + signal.SIGTERM
    assert Path(f"/proc/{server}").exists()
    os.close(end)


def test_a_killed_command_takes_its_job_along(tmp_path: Path, holder: subprocess.Popen[str]) -> None:
    command, job, end = _waiting(tmp_path, _name(holder))
    command.kill()
    command.wait()
    _gone(job)
    os.close(end)


def test_a_killed_server_takes_its_jobs_along_and_their_commands_fail(
    tmp_path: Path, holder: subprocess.Popen[str]
) -> None:
    command, job, end = _waiting(tmp_path, _name(holder))
    os.kill(_server_of(job), signal.SIGKILL)
    assert command.wait() == 1
    _gone(job)
    os.close(end)


def test_the_server_ends_after_snakemake_and_its_jobs(tmp_path: Path, holder: subprocess.Popen[str]) -> None:
    command, job, end = _waiting(tmp_path, _name(holder))
    server = _server_of(job)
    holder.kill()
    holder.wait()
    os.write(end, b"absent\n")
    os.close(end)
    assert command.wait() == 2
    _gone(server)


def test_another_environment_starts_cold(
    tmp_path: Path, holder: subprocess.Popen[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    name = _name(holder)
    monkeypatch.chdir(tmp_path)
    for key in list(os.environ):
        monkeypatch.delenv(key)
    monkeypatch.setenv(warm.VARIABLE, name)
    assert warm.run_warm(["tables", "--cells", "absent.txt", "--out", "out"]) is None


def test_no_server_is_no_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(warm.VARIABLE, "prunescope-that-is-gone")
    assert warm.run_warm(["tables", "--cells", "absent.txt", "--out", "out"]) is None
