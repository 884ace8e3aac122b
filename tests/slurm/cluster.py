"""A real SLURM on this machine for tests: munged, slurmctld and a slurmd for each of two nodes, all in one folder.

Several of them run side by side, each on ports of its own, by any user, without systemd or cgroups. Each node
has a made-up GPU, a link to /dev/null or /dev/zero: jobs see different CUDA_VISIBLE_DEVICES, and models train on
the CPU. Jobs of the partition ``urgent`` send those of others back to the queue. With accounting, there are a slurmdbd
and a MariaDB, and SLURM enforces accounts, limits and QOS.
"""

from __future__ import annotations

import fcntl
import getpass
import os
import random
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from functools import cache
from pathlib import Path

PROGRAMS = ("munged", "slurmctld", "slurmd", "sbatch", "squeue", "scancel", "sinfo", "scontrol", "srun")

#: Debian puts the daemons where the path of an ordinary user does not lead.
_PATH = f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin"


#: What accounting needs besides.
ACCOUNTING = ("slurmdbd", "mariadbd", "mariadb-install-db", "mariadb")

NODES = ("n1", "n2")

#: What the user has an association with.
ACCOUNT = "lab"


def missing_programs(programs: Sequence[str] = PROGRAMS) -> list[str]:
    return [program for program in programs if shutil.which(program, path=_PATH) is None]


class Cluster:
    """``Cluster(folder)`` starts one; ``stop`` ends its daemons and all its jobs.

    ``env``: what a client's environment needs. ``folder`` must have a short path: sockets lie in it.
    """

    def __init__(self, folder: Path, cpus: int = 2, *, accounting: bool = False) -> None:
        """``cpus``: of each node."""
        self.folder = folder
        self._daemons: dict[str, subprocess.Popen[bytes]] = {}
        for name in ("state", "spool", "log", "dev", "bin", "home"):
            (folder / name).mkdir(parents=True)
        self._write_settings(cpus, accounting)
        self._write_clients()
        try:
            self._start_all(accounting)
        except BaseException:
            self.stop()
            raise

    def _start_all(self, accounting: bool) -> None:
        self._start("munged", *self._munge())
        self._await("munged's socket", (self.folder / "munge.socket").exists)
        if accounting:
            self._start_database()
            self.start_accounting()
            self._add_account()
        self.start_controller()
        for node in NODES:
            self.start_node(node)
        self._await("two idle nodes", lambda: [self.node_state(node) for node in NODES] == ["idle"] * 2)

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

    def start_accounting(self) -> None:
        self._start("slurmdbd", "-D")
        self._await("slurmdbd", self._accounts)

    def stop_accounting(self) -> None:
        self._end(self._daemons.pop("slurmdbd"))

    def start_node(self, node: str) -> None:
        self._start("slurmd", "-D", "-N", node, "-f", str(self._conf), name=node)

    def kill_node(self, node: str) -> None:
        """Let a node die at once, with all that runs on it."""
        daemon = self._daemons.pop(node)
        jobs = self.client(
            "squeue", "--noheader", "--states=all", "--format=%i", f"--nodelist={node}"
        ).split()
        daemon.kill()
        daemon.wait()
        # What would tell the controller how its jobs end goes first.
        for pid in [*self._step_daemons(jobs), *self._steps(f"SLURMD_NODENAME={node}")]:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)

    def calls(self) -> Counter[str]:
        """How often each client was called, by others than tests."""
        lines = (self.folder / "log" / "calls").read_text().splitlines()
        return Counter(line.partition(" ")[0] for line in lines)

    def account(self, *what: str) -> None:
        """``sacctmgr modify`` with these words."""
        self.client("sacctmgr", "-i", "modify", *what)

    def client(self, *command: str) -> str:
        """Standard output of a SLURM command; AssertionError if it fails."""
        env = {**self.env, "PRUNESCOPE_TEST_ASKS": "1"}
        done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=300)
        assert done.returncode == 0, f"{' '.join(command)}: {done.stderr}"
        return done.stdout.strip()

    def unanswered(self) -> int:
        """How often somebody has asked for the queue, and the controller was away."""
        return len((self.folder / "log" / "unanswered").read_text().splitlines())

    def node_state(self, node: str) -> str:
        done = subprocess.run(
            ["sinfo", "--noheader", "--format=%T", "--partition=gpu", f"--nodes={node}"],
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

    def _accounts(self) -> bool:
        done = subprocess.run(
            ["sacctmgr", "-n", "list", "cluster"], env=self.env, capture_output=True, text=True
        )
        return done.returncode == 0

    def _add_account(self) -> None:
        for what in (
            ("cluster", "test"),
            ("account", ACCOUNT, "Organization=test", "Description=test"),
            ("user", getpass.getuser(), f"Account={ACCOUNT}", f"DefaultAccount={ACCOUNT}"),
        ):
            self.client("sacctmgr", "-i", "add", *what)
        self.client("sacctmgr", "-i", "modify", "user", getpass.getuser(), "set", f"DefaultAccount={ACCOUNT}")

    def _start_database(self) -> None:
        data, port = self.folder / "db", self._database_port
        subprocess.run(
            [
                *("mariadb-install-db", "--no-defaults", f"--datadir={data}", "--skip-test-db"),
                *("--auth-root-authentication-method=normal", f"--user={getpass.getuser()}"),
            ],
            env=self.env,
            capture_output=True,
            check=True,
        )
        self._start(
            "mariadbd",
            *("--no-defaults", f"--datadir={data}", f"--user={getpass.getuser()}", f"--port={port}"),
            *("--bind-address=127.0.0.1", f"--socket={self.folder / 'db.socket'}", "--skip-grant-tables"),
            *("--innodb-flush-log-at-trx-commit=0", "--innodb-lock-wait-timeout=900", "--skip-networking=0"),
        )
        create = ["mariadb", "--no-defaults", f"--socket={self.folder / 'db.socket'}", "-e"]
        create.append("CREATE DATABASE IF NOT EXISTS slurm")
        self._await(
            "database", lambda: subprocess.run(create, env=self.env, capture_output=True).returncode == 0
        )

    def _steps(self, besides: str = "") -> list[int]:
        """Processes of jobs on this cluster: what has its settings, and ``besides``, in its environment."""
        marks = {f"PRUNESCOPE_TEST_CLUSTER={self.folder}".encode(), *([besides.encode()] if besides else [])}
        found = []
        for process in Path("/proc").glob("[0-9]*"):
            try:
                if marks <= set((process / "environ").read_bytes().split(b"\0")):
                    found.append(int(process.name))
            except OSError:
                continue
        return [pid for pid in found if pid != os.getpid()]

    def _step_daemons(self, jobs: Sequence[str]) -> list[int]:
        found = []
        for process in Path("/proc").glob("[0-9]*"):
            with suppress(OSError):
                title = (process / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
                if not title.startswith("slurmstepd: [") or title[13:].partition(".")[0] not in jobs:
                    continue
                # Another cluster's jobs have the same numbers.
                if any(str(self.folder) in str(file.readlink()) for file in (process / "fd").iterdir()):
                    found.append(int(process.name))
        return found

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

    def _write_settings(self, cpus: int, accounting: bool) -> None:
        host, user = socket.gethostname().split(".")[0], getpass.getuser()
        controller, first, second, accounts, self._database_port = _free_ports(5)
        storage = (
            f"slurmdbd\nAccountingStorageHost=localhost\nAccountingStoragePort={accounts}\n"
            f"AccountingStoragePass={self.folder}/munge.socket\n"
            "AccountingStorageEnforce=associations,limits,qos"
            if accounting
            else "none"
        )
        (self.folder / "dev" / "nvidia0").symlink_to("/dev/null")
        (self.folder / "dev" / "nvidia1").symlink_to("/dev/zero")
        self._conf = self.folder / "slurm.conf"
        self._conf.write_text(f"""\
ClusterName=test
SlurmctldHost={host}(127.0.0.1)
SlurmUser={user}
SlurmdUser={user}
AuthType=auth/munge
AuthInfo=cred_expire=5,socket={self.folder}/munge.socket
CredType=cred/munge
CommunicationParameters=NoCtldInAddrAny,NoInAddrAny
SlurmctldPort={controller}
StateSaveLocation={self.folder}/state
SlurmdSpoolDir={self.folder}/spool/%n
SlurmctldPidFile={self.folder}/slurmctld.pid
SlurmdPidFile={self.folder}/slurmd-%n.pid
SlurmctldLogFile={self.folder}/log/slurmctld.log
SlurmdLogFile={self.folder}/log/slurmd-%n.log
SlurmdTimeout=10
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/linux
AccountingStorageType=accounting_storage/{storage}
AccountingStoreFlags=job_comment
MpiDefault=none
SwitchType=switch/none
ReturnToService=2
MaxJobCount=20000
MinJobAge=1800
KillWait=2
OverTimeLimit=0
SchedulerType=sched/backfill
SchedulerParameters=sched_interval=2,bf_interval=2
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
PreemptType=preempt/partition_prio
PreemptMode=REQUEUE
GresTypes=gpu
SlurmdParameters=config_overrides
NodeName=DEFAULT CPUs={cpus} RealMemory=10000 Gres=gpu:1 State=UNKNOWN
NodeName=n1 NodeHostname={host} NodeAddr=127.0.0.1 Port={first}
NodeName=n2 NodeHostname={host} NodeAddr=127.0.0.1 Port={second}
PartitionName=DEFAULT Nodes=n1,n2 MaxTime=INFINITE State=UP PriorityTier=1
PartitionName=cpu Default=YES
PartitionName=gpu
PartitionName=urgent PriorityTier=2
""")
        (self.folder / "gres.conf").write_text(
            "AutoDetect=off\n"
            + "".join(
                f"NodeName={node} Name=gpu File={self.folder}/dev/nvidia{i}\n" for i, node in enumerate(NODES)
            )
        )
        (self.folder / "slurmdbd.conf").write_text(f"""\
AuthType=auth/munge
AuthInfo=socket={self.folder}/munge.socket
DbdHost=localhost
DbdAddr=127.0.0.1
DbdPort={accounts}
SlurmUser={user}
PidFile={self.folder}/slurmdbd.pid
LogFile={self.folder}/log/slurmdbd.log
StorageType=accounting_storage/mysql
StorageHost=127.0.0.1
StoragePort={self._database_port}
StorageUser=root
StorageLoc=slurm
""")
        (self.folder / "slurmdbd.conf").chmod(0o600)
        (self.folder / "cgroup.conf").write_text("CgroupPlugin=autodetect\n")

    def _write_clients(self) -> None:
        # The plugin's job step drops SLURM_CONF, so each client sets the cluster itself.
        for program in ("sbatch", "squeue", "scancel", "sinfo", "scontrol", "srun", "sacct", "sacctmgr"):
            path = shutil.which(program, path=_PATH)
            if path is None:
                continue
            count = f'[ "$PRUNESCOPE_TEST_ASKS" ] || echo {program} "$@" >> {self.folder}/log/calls'
            run = f'exec {path} "$@"'
            if program == "squeue":
                run = f'{path} "$@" && exit\necho >> {self.folder}/log/unanswered\nexit 1'
            script = self.folder / "bin" / program
            script.write_text(
                f"#!/bin/sh\nexport SLURM_CONF={self._conf} PRUNESCOPE_TEST_CLUSTER={self.folder}\n{count}\n{run}\n"
            )
            script.chmod(0o755)
        for name in ("unanswered", "calls"):
            (self.folder / "log" / name).touch()

    def _start(self, program: str, *arguments: str, name: str = "") -> None:
        path = shutil.which(program, path=_PATH)
        assert path is not None
        name = name or program
        with open(self.folder / "log" / f"{name}.out", "ab") as log:
            self._daemons[name] = subprocess.Popen(
                [path, *arguments],
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


# Below those that the kernel gives to whoever connects: it would give a port to another process between the look and
# the daemon's start.
_PORTS = range(20_000, 32_000)
_taken: set[int] = set()
_taking = threading.Lock()


@cache
def _reservations() -> int:
    """A file of which every process of the tests locks a byte for each port that it has taken."""
    path = Path(tempfile.gettempdir(), f"prunescope-test-ports-{os.getuid()}")
    return os.open(path, os.O_RDWR | os.O_CREAT, 0o600)


def _free_ports(count: int) -> list[int]:
    """Ports that no other cluster of the tests takes as long as this process lives, whichever process starts it."""
    found: list[int] = []
    with _taking:
        for port in random.SystemRandom().sample(_PORTS, len(_PORTS)):
            if port in _taken:
                continue
            with suppress(OSError), socket.socket() as one:
                fcntl.lockf(_reservations(), fcntl.LOCK_EX | fcntl.LOCK_NB, 1, port)
                one.bind(("127.0.0.1", port))
                found.append(port)
            if len(found) == count:
                _taken.update(found)
                return found
    raise AssertionError(f"no {count} free ports among {_PORTS}")
