"""Jobs of a run on one machine start from a process that has imported what they need (``warm_server``).

Starting Python and importing torch takes longer than most jobs of a small study. A job stays a job: its command waits
in a process of its own, which passes signals on and ends as the job ends. Where no such process is, or its environment
is not the job's, the command runs as always. This module is imported by every command, so it imports nothing heavy.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import struct
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

#: Holds the server's name (a socket without a file); ``0`` in a user's environment turns it off.
VARIABLE = "PRUNESCOPE_WARM"

#: Stages that need no network. (What decides about the network is read when the hub's library is imported.)
STAGES = frozenset(
    {"encode", "readability", "model", "weights", "el2n", "cell", "tables", "figures", "paper", "site"}
)

#: Signals that a command passes on to its job.
FORWARDED = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT, signal.SIGUSR1, signal.SIGUSR2)
_LENGTH = struct.Struct("!I")


def installation() -> list[str]:
    """What must be the same on both sides: another environment's command may be of another version."""
    return [sys.prefix, sys.version, __file__]


def run_warm(argv: Sequence[str]) -> int | None:
    """Run a stage in a copy of the server's process; returns its exit code, None where it must run here."""
    address = os.environ.get(VARIABLE, "0")
    if address == "0" or not argv or argv[0] not in STAGES:
        return None
    with socket.socket(socket.AF_UNIX) as server:
        try:
            server.connect(f"\0{address}")
            send(server, _request(argv), fds=(0, 1, 2))
            answer = receive(server)[0]
        except (OSError, EOFError):
            return None
        if answer is None:
            return None
        with suppress(OSError, EOFError):
            return _wait(server, int(answer))
    print("prunescope: the process that ran this job has ended", file=sys.stderr)
    return 1


def _request(argv: Sequence[str]) -> dict[str, Any]:
    mask = os.umask(0)
    os.umask(mask)
    return {
        "argv": list(argv),
        "folder": str(Path.cwd()),
        "environment": dict(os.environ),
        "umask": mask,
        "installation": installation(),
    }


def _wait(server: socket.socket, job: int) -> int:
    def forward(number: int, frame: object) -> None:
        with suppress(ProcessLookupError):
            os.kill(job, number)

    for number in FORWARDED:
        # Under `nohup` some are ignored, here as in the job.
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, forward)
    status: int = receive(server)[0]
    if status < 0:
        # As the job ended, so does its command.
        signal.signal(-status, signal.SIG_DFL) if -status != signal.SIGKILL else None
        os.kill(os.getpid(), -status)
    return status


def send(to: socket.socket, message: Any, fds: Sequence[int] = ()) -> None:
    """Send a message of JSON, and open files with it."""
    data = json.dumps(message).encode()
    socket.send_fds(to, [_LENGTH.pack(len(data))], list(fds))
    to.sendall(data)


def receive(source: socket.socket, fds: int = 0) -> tuple[Any, list[int]]:
    """A message and the open files that came with it.

    Raises:
        EOFError: the other side has ended.
    """
    head, files, _, _ = socket.recv_fds(source, _LENGTH.size, fds)
    try:
        size = _LENGTH.unpack(head + _exactly(source, _LENGTH.size - len(head)))[0]
        return json.loads(_exactly(source, size)), files
    except BaseException:
        for file in files:
            os.close(file)
        raise


def _exactly(source: socket.socket, size: int) -> bytes:
    data = b""
    while len(data) < size:
        part = source.recv(size - len(data))
        if not part:
            raise EOFError("the other side has ended")
        data += part
    return data
