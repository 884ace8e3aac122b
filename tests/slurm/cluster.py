"""A real SLURM on this machine for tests: munged, slurmctld and slurmd, all state in one folder.

Several of them run side by side, each on ports of its own, by any user, without systemd, cgroups or
accounting. The one node has two made-up GPUs, which are links to /dev/null and /dev/zero: jobs see
different CUDA_VISIBLE_DEVICES, and models train on the CPU.
"""

from __future__ import annotations

import getpass
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

PROGRAMS = ("munged", "slurmctld", "slurmd", "sbatch", "squeue", "scancel", "sinfo", "scontrol", "srun")

#: Debian puts the daemons where the path of an ordinary user does not lead.
_PATH = f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin"


def missing_programs() -> list[str]:
    return [program for program in PROGRAMS if shutil.which(program, path=_PATH) is None]


class Cluster:
    """``Cluster(folder)`` starts one; ``stop`` ends its daemons and all its jobs.

    ``env``: what a client's environment needs. ``folder`` must have a short path: sockets lie in it.
    """

    def __init__(self, folder: Path, cpus: int = 2) -> None:
        self.folder = folder
        self._daemons: dict[str, subprocess.Popen[bytes]] = {}
        for name in ("state", "spool", "log", "dev", "bin", "home"):
            (folder / name).mkdir(parents=True)
        self._write_settings(cpus)
        self._write_clients()
        self._start("munged", *self._munge())
        self._await("munged's socket", (folder / "munge.socket").exists)
        self.start_controller()
        self._start("slurmd", "-D", "-f", str(self._conf))
        self._await("an idle node", lambda: self.node_state() == "idle")

    @property
    def env(self) -> dict[str, str]:
        """PATH leads to clients of this cluster, HOME to an empty folder."""
        path = f"{self.folder / 'bin'}:{Path(sys.executable).parent}:{_PATH}"
        home = self.folder / "home"
        return {**os.environ, "PATH": path, "HOME": str(home), "XDG_CONFIG_HOME": str(home / ".config")}

    def start_controller(self) -> None:
        self._start("slurmctld", "-D", "-i", "-f", str(self._conf))

    def stop_controller(self) -> None:
        self._end(self._daemons.pop("slurmctld"))

    def client(self, *command: str) -> str:
        """Standard output of a SLURM command; AssertionError if it fails."""
        done = subprocess.run(command, env=self.env, capture_output=True, text=True, timeout=300)
        assert done.returncode == 0, f"{' '.join(command)}: {done.stderr}"
        return done.stdout.strip()

    def unanswered(self) -> int:
        """How often somebody has asked for the queue, and the controller was away."""
        return len((self.folder / "log" / "unanswered").read_text().splitlines())

    def node_state(self) -> str:
        done = subprocess.run(
            ["sinfo", "--noheader", "--format=%T", "--partition=gpu"],
            env=self.env,
            capture_output=True,
            text=True,
        )
        return done.stdout.strip()

    def jobs(self, state: str = "all") -> list[tuple[int, str, str]]:
        """Every job that the controller knows: number, comment, state."""
        lines = self.client("squeue", "--noheader", f"--states={state}", "--format=%i|%k|%T").splitlines()
        rows = (line.split("|") for line in lines)
        return [(int(number), comment, state) for number, comment, state in rows]

    def stop(self) -> None:
        if "slurmctld" in self._daemons:
            subprocess.run(["scancel", "--user", getpass.getuser()], env=self.env, capture_output=True)
            deadline = time.monotonic() + 10
            while time.monotonic() < deadline and self._steps():
                time.sleep(0.1)
        for daemon in reversed(self._daemons.values()):
            self._end(daemon)
        for pid in self._steps():
            os.kill(pid, signal.SIGKILL)

    def _steps(self) -> list[int]:
        """Processes of jobs on this cluster's node: what has its settings in its environment."""
        mark = f"PRUNESCOPE_TEST_CLUSTER={self.folder}".encode()
        found = []
        for process in Path("/proc").glob("[0-9]*"):
            try:
                if mark in (process / "environ").read_bytes().split(b"\0"):
                    found.append(int(process.name))
            except OSError:
                continue
        return [pid for pid in found if pid != os.getpid()]

    def _munge(self) -> list[str]:
        key = self.folder / "munge.key"
        key.write_bytes(secrets.token_bytes(1024))
        key.chmod(0o600)
        return [
            "--foreground",
            "--force",
            f"--key-file={key}",
            f"--socket={self.folder / 'munge.socket'}",
            f"--pid-file={self.folder / 'munged.pid'}",
            f"--log-file={self.folder / 'log' / 'munged.log'}",
            f"--seed-file={self.folder / 'munge.seed'}",
        ]

    def _write_settings(self, cpus: int) -> None:
        host, user = socket.gethostname().split(".")[0], getpass.getuser()
        controller, node = _free_ports(2)
        (self.folder / "dev" / "nvidia0").symlink_to("/dev/null")
        (self.folder / "dev" / "nvidia1").symlink_to("/dev/zero")
        self._conf = self.folder / "slurm.conf"
        self._conf.write_text(f"""\
ClusterName=test
SlurmctldHost={host}(127.0.0.1)
SlurmUser={user}
SlurmdUser={user}
AuthType=auth/munge
AuthInfo=socket={self.folder}/munge.socket
CredType=cred/munge
CommunicationParameters=NoCtldInAddrAny,NoInAddrAny
SlurmctldPort={controller}
SlurmdPort={node}
StateSaveLocation={self.folder}/state
SlurmdSpoolDir={self.folder}/spool
SlurmctldPidFile={self.folder}/slurmctld.pid
SlurmdPidFile={self.folder}/slurmd.pid
SlurmctldLogFile={self.folder}/log/slurmctld.log
SlurmdLogFile={self.folder}/log/slurmd.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/linux
AccountingStorageType=accounting_storage/none
AccountingStoreFlags=job_comment
MpiDefault=none
SwitchType=switch/none
ReturnToService=2
MaxJobCount=20000
MinJobAge=1800
KillWait=10
OverTimeLimit=0
SchedulerType=sched/backfill
SchedulerParameters=sched_interval=2,bf_interval=2
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
GresTypes=gpu
SlurmdParameters=config_overrides
NodeName={host} NodeAddr=127.0.0.1 CPUs={cpus} RealMemory=20000 Gres=gpu:2 State=UNKNOWN
PartitionName=cpu Nodes={host} Default=YES MaxTime=INFINITE State=UP
PartitionName=gpu Nodes={host} MaxTime=INFINITE State=UP
""")
        (self.folder / "gres.conf").write_text(
            f"AutoDetect=off\nNodeName={host} Name=gpu File={self.folder}/dev/nvidia[0-1]\n"
        )
        (self.folder / "cgroup.conf").write_text("CgroupPlugin=autodetect\n")

    def _write_clients(self) -> None:
        # The plugin's job step drops SLURM_CONF, so each client sets the cluster itself.
        for program in ("sbatch", "squeue", "scancel", "sinfo", "scontrol", "srun", "sacct", "sacctmgr"):
            path = shutil.which(program, path=_PATH)
            if path is None:
                continue
            run = f'exec {path} "$@"'
            if program == "squeue":
                run = f'{path} "$@" && exit\necho >> {self.folder}/log/unanswered\nexit 1'
            script = self.folder / "bin" / program
            script.write_text(
                f"#!/bin/sh\nexport SLURM_CONF={self._conf} PRUNESCOPE_TEST_CLUSTER={self.folder}\n{run}\n"
            )
            script.chmod(0o755)
        (self.folder / "log" / "unanswered").touch()

    def _start(self, name: str, *arguments: str) -> None:
        program = shutil.which(name, path=_PATH)
        assert program is not None
        with open(self.folder / "log" / f"{name}.out", "ab") as log:
            self._daemons[name] = subprocess.Popen(
                [program, *arguments],
                stdout=log,
                stderr=log,
                stdin=subprocess.DEVNULL,
                env={**os.environ, "SLURM_CONF": str(self._conf)},
            )

    @staticmethod
    def _end(daemon: subprocess.Popen[bytes]) -> None:
        daemon.terminate()
        try:
            daemon.wait(10)
        except subprocess.TimeoutExpired:
            daemon.kill()
            daemon.wait()

    def _await(self, what: str, ready: object) -> None:
        assert callable(ready)
        deadline = time.monotonic() + 120
        while not ready():
            if time.monotonic() > deadline:
                logs = "\n".join(path.read_text(errors="replace") for path in (self.folder / "log").iterdir())
                raise AssertionError(f"no {what} after 120 s:\n{logs[-4000:]}")
            time.sleep(0.05)


def _free_ports(count: int) -> list[int]:
    sockets = [socket.socket() for _ in range(count)]
    try:
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]
    finally:
        for one in sockets:
            one.close()
