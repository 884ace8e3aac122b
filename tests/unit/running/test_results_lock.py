"""The lock on a results tree."""

from __future__ import annotations

import json
import multiprocessing
import os
import subprocess
from pathlib import Path

import pytest

from prunescope.errors import UserError
from prunescope.running.results_lock import Holder, ResultsLock, process_lives, process_started


def written(lock: ResultsLock, **changes: object) -> None:
    holder = {**vars(Holder.me()), **changes}
    lock.path.parent.mkdir(parents=True, exist_ok=True)
    lock.path.write_text(json.dumps(holder))


def ended_process() -> int:
    process = subprocess.Popen(["true"])
    process.wait()
    return process.pid


def test_a_tree_is_held_until_it_is_released(tmp_path: Path) -> None:
    lock = ResultsLock(tmp_path / "results")
    assert lock.take() is None
    with pytest.raises(UserError, match=rf"in use by .*process {os.getpid()}, since .*prunescope unlock"):
        ResultsLock(tmp_path / "results").take()
    lock.release()
    assert lock.take() is None


def test_a_holder_that_is_gone_is_replaced(tmp_path: Path) -> None:
    lock = ResultsLock(tmp_path)
    written(lock, pid=ended_process(), snakemake=17)
    last = lock.take()
    assert last is not None
    assert last.snakemake == 17
    assert lock.holder().pid == os.getpid()


def test_another_process_of_the_same_number_is_not_the_holder(tmp_path: Path) -> None:
    lock = ResultsLock(tmp_path)
    written(lock, pid_started="1")
    assert lock.take() is not None


def test_a_holder_on_another_machine_is_believed_until_cleared(tmp_path: Path) -> None:
    lock = ResultsLock(tmp_path)
    written(lock, host="elsewhere", pid=ended_process())
    with pytest.raises(UserError, match="on elsewhere"):
        lock.take()
    cleared = lock.clear()
    assert cleared is not None
    assert cleared.host == "elsewhere"
    assert lock.take() is None


def test_the_lock_of_a_living_holder_is_not_cleared(tmp_path: Path) -> None:
    lock = ResultsLock(tmp_path)
    lock.take()
    with pytest.raises(UserError, match="stop that process first"):
        lock.clear()


def test_a_damaged_lock_is_named(tmp_path: Path) -> None:
    lock = ResultsLock(tmp_path)
    lock.path.parent.mkdir(parents=True)
    lock.path.write_text("{")
    with pytest.raises(UserError, match=r"lock\.json.*prunescope unlock"):
        lock.take()


def _take(folder: Path, barrier: object, outcomes: object) -> None:
    barrier.wait()
    try:
        ResultsLock(folder).take()
    except UserError:
        outcomes.put(False)
    else:
        outcomes.put(True)
        barrier.wait()
        return
    barrier.wait()


def test_of_several_at_once_one_gets_it(tmp_path: Path) -> None:
    context = multiprocessing.get_context("fork")
    barrier, outcomes = context.Barrier(4), context.Queue()
    processes = [context.Process(target=_take, args=(tmp_path, barrier, outcomes)) for _ in range(4)]
    for process in processes:
        process.start()
    taken = [outcomes.get(timeout=300) for _ in processes]
    for process in processes:
        process.join()
    assert sorted(taken) == [False, False, False, True]


def test_a_process_lives_until_it_has_ended() -> None:
    process = subprocess.Popen(["sleep", "600"])
    started = process_started(process.pid)
    assert process_lives(process.pid, started)
    process.kill()
    # Not yet waited for: a zombie holds nothing.
    os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
    assert not process_lives(process.pid, started)
    process.wait()
    assert not process_lives(process.pid, started)
