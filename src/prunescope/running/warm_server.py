"""The process from which jobs start warm: it imports what jobs have imported, and forks for each (see ``warm``).

It computes nothing, has one thread and never touches a GPU: a fork of anything else is not like a fresh process. What
to import, it learns from the jobs. It ends with Snakemake, after the jobs that it has started.
"""

from __future__ import annotations

import atexit
import ctypes
import gc
import importlib
import os
import runpy
import secrets
import selectors
import signal
import socket
import struct
import subprocess
import sys
import traceback
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

from prunescope.data.vision import prepare_torchvision
from prunescope.running.warm import FORWARDED, VARIABLE, installation, receive, send

#: Of jobs with one thread, as Snakemake sets them: the sizes of thread pools are read at import.
_ONE_THREAD = dict.fromkeys(
    (
        f"{name}_THREADS"
        for name in ("OMP_NUM", "GOTO_NUM", "OPENBLAS_NUM", "MKL_NUM", "VECLIB_MAXIMUM", "NUMEXPR_NUM")
    ),
    "1",
)
#: So that imports start no thread and decide against the network, as jobs do.
_OWN = {"JE_ARROW_MALLOC_CONF": "background_thread:false", "HF_HUB_OFFLINE": "1"}
#: Variables that a job may have otherwise than the server: they are read when they are used, not at import.
_FREE = frozenset(
    f"{VARIABLE} PWD OLDPWD SHLVL _ PATH TMPDIR TMP TEMP TEMPDIR CUDA_VISIBLE_DEVICES HIP_VISIBLE_DEVICES "
    "ROCR_VISIBLE_DEVICES GPU_DEVICE_ORDINAL".split()
).union(_OWN)

_GPU_DEVICES = ("/dev/nvidia", "/dev/kfd")
_DIE_WITH_PARENT = 1  # PR_SET_PDEATHSIG
_SECONDS = 10.0


def start() -> None:
    """Start the server for the jobs of this process; they find its name in their environment.

    Nothing where it cannot work (other systems than Linux), is turned off, or is there.
    """
    if sys.platform != "linux" or VARIABLE in os.environ:
        return
    name = f"prunescope-{secrets.token_hex(16)}"
    # This process holds one end as long as it lives; the server reads the other, and knows of the end by it.
    lives, held = os.pipe()
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(f"\0{name}")
        listener.listen(64)
        subprocess.Popen(
            [sys.executable, "-m", __name__, str(listener.fileno()), str(lives)],
            pass_fds=(listener.fileno(), lives),
            env={**os.environ, **_ONE_THREAD, **_OWN},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            start_new_session=True,
        )
    os.close(lives)
    atexit.register(os.close, held)
    os.environ[VARIABLE] = name


@dataclass
class _Job:
    """``command``: the socket of the process that waits; ``learned``: where the job says what it has imported."""

    pid: int
    handle: int
    command: socket.socket
    learned: int


class Server:
    """Starts a job for each request, tells each command how its job ended, and imports what jobs have imported."""

    def __init__(self, listener: socket.socket, lives: int) -> None:
        self._listener = listener
        self._lives = lives
        self._selector = selectors.DefaultSelector()
        self._selector.register(listener, selectors.EVENT_READ)
        self._selector.register(lives, selectors.EVENT_READ)
        self._jobs: list[_Job] = []
        self._tried: set[str] = set()
        # A run that ends tells all its processes. Jobs need this one until they have ended, and it ends after them.
        self._signals = {number: signal.signal(number, signal.SIG_IGN) for number in FORWARDED}
        self._began = dict(os.environ)

    def serve(self) -> None:
        """Until the process that holds the other end of ``lives`` ends, and then until all jobs have."""
        serving = True
        while serving or self._jobs:
            for key, _ in self._selector.select():
                if key.fileobj is self._listener:
                    self._accept()
                elif key.fileobj == self._lives:
                    serving = False
                    self._selector.unregister(self._lives)
                    self._selector.unregister(self._listener)
                    self._listener.close()
                elif key.data in self._jobs:
                    if key.fileobj is key.data.command:
                        # It was killed; so is the job, as it would have been itself. That it ended comes next.
                        signal.pidfd_send_signal(key.data.handle, signal.SIGKILL)
                        self._selector.unregister(key.data.command)
                    else:
                        self._ended(key.data)

    def _accept(self) -> None:
        command, _ = self._listener.accept()
        command.settimeout(_SECONDS)
        try:
            request, fds = receive(command, fds=3)
        except (OSError, EOFError, ValueError):
            command.close()
            return
        if _same_user(command) and len(fds) == 3 and self._is_fresh() and self._suits(request):
            self._start(command, request, fds)
        else:
            with suppress(OSError):
                send(command, None)
            command.close()
        for fd in fds:
            os.close(fd)

    def _start(self, command: socket.socket, request: dict[str, Any], fds: list[int]) -> None:
        learned = os.memfd_create("imported")
        pid = os.fork()
        if pid == 0:
            self._become(request, fds, learned)
        job = _Job(pid, os.pidfd_open(pid), command, learned)
        self._jobs.append(job)
        self._selector.register(job.handle, selectors.EVENT_READ, job)
        self._selector.register(command, selectors.EVENT_READ, job)
        with suppress(OSError):
            send(command, pid)

    def _ended(self, job: _Job) -> None:
        status = os.waitstatus_to_exitcode(os.waitpid(job.pid, 0)[1])
        with suppress(OSError):
            send(job.command, status)
        for end in (job.handle, job.command):
            with suppress(KeyError):
                self._selector.unregister(end)
        self._jobs.remove(job)
        job.command.close()
        os.close(job.handle)
        with open(job.learned, "rb") as file:
            file.seek(0)
            names = file.read().decode().split()
        if status == 0:
            self._import(names)

    def _import(self, names: list[str]) -> None:
        new = [name for name in names if name not in sys.modules and name not in self._tried]
        for name in new:
            self._tried.add(name)
            if name == "torchvision":
                prepare_torchvision()
            # What a job has made itself cannot be imported.
            with suppress(Exception):
                importlib.import_module(name)
        if new:
            gc.collect()
            # Else the first collection in each job writes to, and so copies, all of it.
            gc.freeze()

    def _suits(self, request: dict[str, Any]) -> bool:
        """Whether a fork of this process is what the job's own process would be."""
        theirs, ours = request["environment"], self._began
        names = (theirs.keys() | ours.keys()) - _FREE
        return request["installation"] == installation() and all(
            theirs.get(name) == ours.get(name) for name in names
        )

    def _is_fresh(self) -> bool:
        """Whether a fork is like a fresh process: one thread, no GPU in use."""
        threads = list(Path("/proc/self/task").iterdir())
        files = [file for file in Path("/proc/self/fd").iterdir() if file.is_symlink()]
        return len(threads) == 1 and not any(str(file.readlink()).startswith(_GPU_DEVICES) for file in files)

    def _become(self, request: dict[str, Any], fds: list[int], learned: int) -> NoReturn:
        """In the fork: be the job's process."""
        code = 1
        try:
            # If the server is killed, nobody waits for the job or passes signals on.
            ctypes.CDLL(None).prctl(_DIE_WITH_PARENT, signal.SIGKILL)
            for job in self._jobs:
                job.command.close()
                os.close(job.handle)
                os.close(job.learned)
            self._selector.close()
            self._listener.close()
            for number, handler in self._signals.items():
                signal.signal(number, handler)
            for target, fd in enumerate(fds):
                os.dup2(fd, target)
                os.close(fd)
            os.chdir(request["folder"])
            os.umask(request["umask"])
            # Imports have set variables here as they would have in the job.
            imported = {name: value for name, value in os.environ.items() if self._began.get(name) != value}
            os.environ.clear()
            os.environ.update({**request["environment"], **imported, VARIABLE: "0"})
            sys.argv[1:] = request["argv"]
            code = _run()
            if code == 0:
                os.write(learned, "\n".join(sys.modules).encode())
        finally:
            os._exit(code)


def _run() -> int:
    """Run ``sys.argv`` as ``python -m prunescope`` does; the exit code is what Python's own would be."""
    code: object = 0
    try:
        runpy.run_module("prunescope", run_name="__main__", alter_sys=True)
    except SystemExit as end:
        code = end.code
    except BaseException:
        traceback.print_exc()
        code = 1
    if isinstance(code, str):
        print(code, file=sys.stderr)
        code = 1
    with suppress(Exception):
        atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError):
            stream.flush()
    return code & 0xFF if isinstance(code, int) else 0


def _same_user(command: socket.socket) -> bool:
    credentials = command.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
    return bool(struct.unpack("3i", credentials)[1] == os.getuid())


if __name__ == "__main__":
    Server(socket.socket(fileno=int(sys.argv[1])), int(sys.argv[2])).serve()
