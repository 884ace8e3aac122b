"""Machines without a temporary folder, a home, locks or write access, and two folders that share one results tree."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.workflow.conftest import ROOT, Workspace
from tests.workflow.test_mending import run, tree

pytestmark = [
    pytest.mark.workflow,
    pytest.mark.skipif(
        not shutil.which("unshare") or subprocess.run(["unshare", "-m", "true"], check=False).returncode != 0,
        reason="this user may not mount",
    ),
]

#: In every Python process of a run: a file system whose locks nobody keeps, as some NFS mounts are.
NO_LOCKS = """
import errno, fcntl
def _none(*_):
    raise OSError(errno.ENOLCK, "No locks available")
fcntl.flock = fcntl.lockf = _none
"""


def run_where(workspace: Workspace, mounts: str, **changes: str | None) -> subprocess.CompletedProcess[str]:
    """A run among mounts of its own, in ``/mnt``, with environment variables that are set, or unset (None)."""
    environment: dict[str, str | None] = {**workspace.environment(), **changes}
    command = f"prunescope run --configfile study.yaml -- --snakefile {ROOT / 'Snakefile'} --cores 2"
    return subprocess.run(
        ["unshare", "-m", "sh", "-ec", f"mount --bind . /mnt; {mounts}; cd /mnt; exec {command}"],
        env={name: value for name, value in environment.items() if value is not None},
        cwd=workspace.folder,
        capture_output=True,
        text=True,
        timeout=900,
    )


def mended(workspace: Workspace, finished: Workspace, done: subprocess.CompletedProcess[str]) -> None:
    """One table was missing: it is there again, and nothing else has changed."""
    assert done.returncode == 0, done.stderr
    assert "done: nothing else to do" in done.stderr
    assert "Traceback" not in done.stderr
    assert tree(workspace.results) == tree(finished.results)


@pytest.mark.parametrize("home", [None, "/proc"])
def test_no_home_no_temporary_folder_no_locks_another_time_zone(
    home: str | None, workspace: Workspace, finished: Workspace
) -> None:
    """The home is unset, or one in which not even root can write."""
    (workspace.results / "tables/alpha.csv").unlink()
    (workspace.folder / "sitecustomize.py").write_text(NO_LOCKS)
    variables = dict.fromkeys(("TMPDIR", "TMP", "TEMP", "XDG_CACHE_HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME"))
    done = run_where(
        workspace,
        "for at in /tmp /var/tmp; do mount --bind $at $at; mount -o remount,ro,bind $at; done",
        **variables,
        HOME=home,
        TZ="Pacific/Auckland",
        PYTHONPATH=os.pathsep.join(["/mnt", *filter(None, [os.environ.get("PYTHONPATH")])]),
    )
    mended(workspace, finished, done)


def test_read_only_results(workspace: Workspace, finished: Workspace) -> None:
    (workspace.results / "tables/alpha.csv").unlink()
    before = tree(workspace.results)
    done = run_where(workspace, "mount --bind results /mnt/results; mount -o remount,ro,bind /mnt/results")
    assert done.returncode == 2
    (line,) = done.stderr.splitlines()
    assert line.startswith("prunescope: error: results/logs/run-")
    assert "could not be written (Read-only file system); free space or choose another results folder" in line
    assert tree(workspace.results) == before
    mended(workspace, finished, run(workspace))


def test_two_working_folders_share_a_results_tree(
    workspace: Workspace, finished: Workspace, tmp_path: Path
) -> None:
    other = Workspace(tmp_path / "other")
    study = (workspace.folder / "study.yaml").read_text()
    (other.folder / "study.yaml").write_text(f"{study}\nresults: {workspace.results}\n")
    (workspace.results / "tables/alpha.csv").unlink()
    # The one holds the tree until it is told to end.
    holder = subprocess.Popen(
        [sys.executable, "-c", f"""if True:
            import sys
            from pathlib import Path
            from prunescope.running.results_lock import ResultsLock
            lock = ResultsLock(Path({str(workspace.results)!r}))
            lock.take()
            print(flush=True)
            sys.stdin.read()
            lock.release()"""],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )  # fmt: skip
    assert holder.stdout is not None
    assert holder.stdin is not None
    holder.stdout.readline()
    refused = run(other)
    assert refused.returncode == 2
    (line,) = refused.stderr.splitlines()
    assert line.startswith(f"prunescope: error: {workspace.results}: in use by ")
    holder.stdin.close()
    assert holder.wait() == 0
    mended(workspace, finished, run(other))
    # And the first goes on with what the other has made.
    done = run(workspace)
    assert "done: nothing to do" in done.stderr, done.stderr
