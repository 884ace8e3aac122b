"""Jobs that are stopped anywhere, by anything, go on from there and leave what an undisturbed one leaves."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from safetensors import safe_open
from safetensors.numpy import save_file

from prunescope.config.architectures import Prunable, Training
from prunescope.config.jobs import ModelJob
from prunescope.config.pruners import NO_PRUNER, PRUNERS
from prunescope.errors import UserError
from prunescope.predictions.arrow import objects
from prunescope.predictions.store import SeedBlock
from prunescope.training import gradual, resume, snapshot
from prunescope.training.job import Kept, run_block
from prunescope.training.results import Results
from prunescope.training.resume import Progress, Stopped
from prunescope.training.write import BlockOutputs

SETTINGS = Training(optimizer="adam", lr=5e-3, epochs=3, batch_size=8, finetune_epochs=1)
FILES = ("test.parquet", "train.parquet", "early.parquet", "checkpoint.safetensors", "models.safetensors")


class Killed(BaseException):
    """The process is gone: nothing is done any more but what is on disk stays."""


@pytest.fixture(autouse=True)
def _denormals() -> Iterator[None]:
    yield
    torch.set_flush_denormal(False)  # jobs set it for their process


@pytest.fixture
def make(tmp_path: Path, tiny: Any) -> Callable[..., Callable[..., Path]]:
    """Settings of a job -> what runs it in a folder, with its progress in ``unfinished`` there."""

    def job(
        family: str,
        pruner: str = NO_PRUNER,
        *,
        seeds: tuple[int, ...] = (0, 1),
        task: str = "single-label",
        settings: Training = SETTINGS,
        dense: tuple[Path, ...] = (),
        compression: str = "sparsity-900permille",
        changed: Mapping[str, Any] = {},
        **running: Any,
    ) -> Callable[..., Path]:
        kind = {"lenet5": "image", "bilstm": "words", "encoder": "pieces"}[family]
        about = {"dataset": "d", "arch": family, "task": task, "classes": ["a", "b", "c"], "kind": kind}
        about |= (
            {"image_scale": 16} if kind == "image" else {"pad": 0, "vocabulary_size": 14, "max_tokens": 8}
        )
        if kind == "image":
            about["augment"] = "crop-flip"
        inputs = tmp_path / f"{family}-{task}.safetensors"
        save_file(tiny.arrays(family, task), inputs, metadata={"prunescope": json.dumps(about)})
        is_dense = pruner == NO_PRUNER
        composition = None if is_dense else PRUNERS[pruner].model_copy(update=changed)
        spec = ModelJob(
            dataset="d",
            arch=family,
            pruner=pruner,
            amount="sparsity-0permille" if is_dense else compression,
            seeds=seeds,
            architecture=tiny.arch(family).model_copy(update=running),
            training=settings,
            composition=composition,
        )

        def run(name: str, interval: float | None = 0.0) -> Path:
            folder = tmp_path / name
            folder.mkdir(exist_ok=True)
            outputs = BlockOutputs(
                test=folder / "test.parquet",
                train=folder / "train.parquet",
                metrics=folder / "metrics.json",
                early=folder / "early.parquet" if is_dense else None,
                checkpoint=folder / "checkpoint.safetensors" if is_dense else None,
                models=folder / "models.safetensors",
            )
            kept = None if interval is None else Kept(folder / "unfinished", interval)
            run_block(spec, inputs, outputs, dense=dense, device="cpu", kept=kept)
            return folder

        run.spec, run.inputs = spec, inputs  # type: ignore[attr-defined]
        return run

    return job


def same(one: Path, other: Path) -> None:
    """Every file byte for byte; of the metrics all but times and memory."""
    for file in FILES:
        assert (one / file).exists() == (other / file).exists()
        if (one / file).exists():
            assert (one / file).read_bytes() == (other / file).read_bytes(), file
    sides = []
    for folder in (one, other):
        metrics = json.loads((folder / "metrics.json").read_text())
        for model in metrics["models"]:
            assert model["seconds"] > 0
            for name in ("seconds", "samples_per_second", "peak_memory_mb"):
                del model[name]
        sides.append(metrics)
    assert sides[0] == sides[1]
    for folder in (one, other):
        assert not (folder / "unfinished").exists()


class Counted:
    """Counts the steps of a job; each is kept or not, and one of them is the last."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.steps, self.last, self.every = 0, 10**9, 1
        whole = Progress.step

        def step(progress: Progress) -> None:
            self.steps += 1
            if self.steps % self.every == 0:
                whole(progress)
            if self.steps == self.last:
                raise Killed

        monkeypatch.setattr(Progress, "step", step)

    def again(self, last: int, every: int = 1) -> None:
        self.steps, self.last, self.every = 0, last, every


@pytest.fixture
def counted(monkeypatch: pytest.MonkeyPatch) -> Counted:
    return Counted(monkeypatch)


BEST = SETTINGS.model_copy(update={"keep": "best-validation", "epochs": 4})
SGD = SETTINGS.model_copy(update={"optimizer": "sgd", "momentum": 0.9, "lr": 0.05, "clip_norm": 1.0})
EVERYTHING = Prunable(biases=True, normalization=True, embeddings=True, classifier=True)
JOBS = {
    "dense, images that are changed": ("lenet5", NO_PRUNER, {"settings": SGD}),
    "dense, dropout, best epoch": ("encoder", NO_PRUNER, {"settings": BEST}),
    "one-shot, fine-tuned": ("lenet5", "UP", {"settings": SGD}),
    "iterative, rewound, several labels": ("bilstm", "IMP-WR", {"task": "multi-label", "settings": BEST}),
    "iterative, fine-tuned, gradients": ("encoder", "IIBP-FT", {}),
    "at initialization": ("bilstm", "RP-AI", {}),
    "with gains and biases": ("encoder", "IMP-WR", {"prunable": EVERYTHING}),
    "gradual, with gains and biases": ("encoder", "PLATON", {"prunable": EVERYTHING}),
    "filters": ("lenet5", "CHIP", {"compression": "ratio-200percent"}),
    "a first level": ("lenet5", "LTH", {"compression": "level-1"}),
    "gradual, its own teacher": ("encoder", "PINS", {}),
    "gradual, its own teacher, by the script": (
        "encoder",
        "PINS-authors",
        {"changed": {"objective_steps": 2}},
    ),
    "gradual, averages": ("bilstm", "PLATON", {}),
    "gradual, learned scores": ("lenet5", "SMvP", {}),
    "gradual, low rank": ("encoder", "PST", {}),
    "gradual, gates and noise": ("bilstm", "L0", {}),
    "distilled from what it was": ("lenet5", "MP", {"changed": {"objective": "distilled"}, "settings": SGD}),
    "distilled at initialization": ("encoder", "RP-AI", {"changed": {"objective": "distilled"}}),
    "together": ("lenet5", "IMP-FT", {"settings": BEST, "replicas": "together"}),
    "together in parts": ("bilstm", NO_PRUNER, {"seeds": (0, 1, 2), "replicas": "together", "together": 2}),
}


@pytest.mark.parametrize("name", JOBS)
def test_a_job_that_is_killed_again_and_again_leaves_the_same_bytes(make, counted, name):
    family, pruner, more = JOBS[name]
    run = make(family, pruner, **more)
    whole = run("whole", None)
    total = counted.steps
    assert total >= 10
    # Killed again and again; not every step was kept: what was not is done again.
    for every, between in ((1, total // 3 + 1), (3, total // 4 + 4)):
        folder = f"killed-{every}"
        for _ in range(2 * total):
            counted.again(between, every)
            try:
                run(folder)
                break
            except Killed:
                pass
        same(whole, whole.parent / folder)


@pytest.mark.parametrize(
    ("name", "steps"),
    [("gradual, its own teacher", [3, 6, 9]), ("gradual, gates and noise", [4, 8, 12])],
)
def test_a_point_of_the_loss_while_pruned_may_be_half_gathered(make, counted, monkeypatch, name, steps):
    monkeypatch.setattr(gradual, "MOST", 3)
    family, pruner, more = JOBS[name]
    run = make(family, pruner, **more)
    whole = run("whole", None)
    total = counted.steps
    for last in (1, 2, 3, 8, total // 2 + 2):
        counted.again(last)
        with pytest.raises(Killed):
            run(f"killed-{last}")
        counted.again(10**9)
        same(whole, run(f"killed-{last}"))
    for model in json.loads((whole / "metrics.json").read_text())["models"]:
        assert model["pruning_curve"]["step"] == steps
        assert len(model["pruning_curve"]["loss"]) == len(model["pruning_curve"]["sparsity"]) == 3
        assert model["pruning_curve"]["sparsity"][-1] == pytest.approx(0.9, abs=1e-3)


def test_what_was_trained_before_is_not_trained_again(make, counted, capfd):
    run = make("lenet5", "IMP-WR", seeds=(0, 1, 2))
    whole = run("whole", None)
    total = counted.steps
    each = total // 3
    counted.again(2 * each + 4)
    with pytest.raises(Killed):
        run("killed")
    kept = {path.name for path in (whole.parent / "killed" / "unfinished").iterdir()}
    assert kept == {"seeds-0-0.safetensors", "seeds-1-1.safetensors", "in-training.safetensors"}
    counted.again(10**9)
    same(whole, run("killed"))
    assert counted.steps == each - 4
    assert "(1 of 3) in an earlier run" in capfd.readouterr().err


def test_a_job_that_is_asked_to_end_while_models_are_looked_at(make, counted, monkeypatch, capfd):
    """In a validation, in the predictions of a finished model, and while outputs are written."""
    from prunescope.training import job, predict, write

    run = make("encoder", settings=BEST)
    looked = 0
    count = {"at": 0}

    def signalling(whole: Callable[..., Any]) -> Callable[..., Any]:
        def logits_of(*arguments: Any, **named: Any) -> Any:
            count["at"] -= 1
            if count["at"] == 0:
                os.kill(os.getpid(), signal.SIGUSR1)
            return whole(*arguments, **named)

        return logits_of

    whole = run("whole", None)
    monkeypatch.setattr(predict, "logits_of", signalling(predict.logits_of))
    monkeypatch.setattr(job, "logits_of", signalling(job.logits_of))
    for at in (1, 3, 4, 7, 6, 10**6):
        count["at"] = at
        if at < 10**6:
            with pytest.raises(Stopped) as stop:
                run("stopped", 10**6)
            assert stop.value.code == 128 + signal.SIGUSR1
            looked += 1
        else:
            run("stopped", 10**6)
    same(whole, whole.parent / "stopped")
    lines = capfd.readouterr().err.splitlines()
    assert sum("stopped by SIGUSR1; progress is in" in line for line in lines) == looked
    monkeypatch.undo()
    write_json = write.write_json
    monkeypatch.setattr(write, "write_json", lambda *_: os.kill(os.getpid(), signal.SIGTERM))
    with pytest.raises(Stopped):
        run("late", 10**6)
    assert not (whole.parent / "late" / "metrics.json").exists()
    monkeypatch.setattr(write, "write_json", write_json)
    same(whole, run("late"))


def test_a_signal_in_the_middle_of_a_step_waits_for_its_end(make, monkeypatch):
    from prunescope.training import loop

    run = make("lenet5", "UP", settings=SGD)
    whole = run("whole", None)
    calls = 0
    clip = loop.nn.utils.clip_grad_norm_

    def signalling(*arguments: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls == 13:
            os.kill(os.getpid(), signal.SIGTERM)
        return clip(*arguments)

    monkeypatch.setattr(loop.nn.utils, "clip_grad_norm_", signalling)
    with pytest.raises(Stopped):
        run("stopped", 10**6)
    assert calls == 13
    same(whole, run("stopped"))
    # One more step of the dense model, and what follows: none is done twice.
    assert calls == 2 * (3 + 1) * 5


def test_a_signal_while_a_model_is_pruned_waits_for_training(make, monkeypatch):
    from prunescope.training import recipes

    run = make("lenet5", "IMP-WR")
    whole = run("whole", None)
    scores, prunings = recipes._weight_scores, 0

    def signalling(*arguments: Any) -> Any:
        nonlocal prunings
        prunings += 1
        if prunings == 2:
            os.kill(os.getpid(), signal.SIGTERM)
        return scores(*arguments)

    monkeypatch.setattr(recipes, "_weight_scores", signalling)
    with pytest.raises(Stopped):
        run("stopped", 10**6)
    same(whole, run("stopped"))
    assert prunings == 6


def test_a_diverged_seed_stays_one(make, counted, monkeypatch):
    """Of seeds that are trained together, one diverges before the job is killed."""
    from prunescope.training import together

    run = make("lenet5", "IMP-FT", seeds=(0, 1, 2), replicas="together")
    store = together.Stack._store_weights

    def broken(stack, number):
        store(stack, number)
        state = stack.states[number]
        if state.seed == 1 and {one.phase for one in state.curve} == {"train"}:
            next(state.model.parameters()).data.fill_(float("nan"))

    monkeypatch.setattr(together.Stack, "_store_weights", broken)
    whole = run("whole", None)
    total = counted.steps
    counted.again(total - 7)
    with pytest.raises(Killed):
        run("killed")
    counted.again(10**9)
    same(whole, run("killed"))
    assert [m["diverged"] for m in json.loads((whole / "metrics.json").read_text())["models"]] == [
        False,
        True,
        False,
    ]


@pytest.mark.parametrize(
    "damage", ["cut", "changed", "empty", "of other settings", "of other inputs", "of other software"]
)
def test_what_is_of_no_use_is_named_and_not_used(make, counted, capfd, monkeypatch, damage, tiny):
    run = make("lenet5", "UP")
    whole = run("whole", None)
    counted.again(9)
    with pytest.raises(Killed):
        run("killed")
    (path,) = (whole.parent / "killed" / "unfinished").iterdir()
    content = path.read_bytes()
    if damage == "cut":
        path.write_bytes(content[:-10])
    elif damage == "changed":
        path.write_bytes(content[:-100] + bytes([content[-100] ^ 1]) + content[-99:])
    elif damage == "empty":
        path.write_bytes(b"")
    elif damage == "of other settings":
        other = make("lenet5", "UP", settings=SETTINGS.model_copy(update={"lr": 1e-3}))
        run = other
        whole = run("other", None)
    elif damage == "of other inputs":
        other = dict(tiny.arrays("lenet5", seed=1))
        with safe_open(run.inputs, framework="numpy") as file:
            save_file(other, run.inputs, metadata=file.metadata())
        whole = run("other", None)
    else:
        monkeypatch.setattr("prunescope.training.job.code_revision", lambda: "later")
        whole = run("other", None)
    counted.again(10**9)
    same(whole, run("killed"))
    line = next(line for line in capfd.readouterr().err.splitlines() if str(path) in line)
    what = (
        "is damaged" if damage in ("cut", "changed", "empty") else f"is {damage[:2]} a job with {damage[3:]}"
    )
    assert line == f"{path}: {what}; training starts again"


def test_a_full_disk_is_a_line_and_training_goes_on(make, counted, capfd, monkeypatch):
    def full(*_: Any) -> None:
        raise UserError("x: could not be written (No space left on device)")

    run = make("lenet5")
    whole = run("whole", None)
    monkeypatch.setattr(snapshot, "write", full)
    same(whole, run("full"))
    lines = capfd.readouterr().err.splitlines()
    assert (
        "progress is not saved: x: could not be written (No space left on device); training goes on" in lines
    )


def test_progress_is_saved_soon_and_then_at_growing_intervals(tmp_path, monkeypatch):
    now = 0
    saved = []
    monkeypatch.setattr(resume, "time", SimpleNamespace(monotonic=lambda: now))
    whole = Progress.save
    monkeypatch.setattr(Progress, "save", lambda self: (saved.append(now), whole(self)))
    for interval, expected in ((300.0, [30, 90, 210, 450, 750, 1050]), (20.0, list(range(20, 1051, 20)))):
        now = 0
        saved.clear()
        progress = Progress(tmp_path, interval)
        for now in range(1051):  # noqa: B007
            progress.step()
        assert saved == expected


def test_what_finished_seeds_leave_comes_back_whole():
    tags = objects([np.array([0, 2], np.int32), np.array([], np.int32), np.array([1], np.int32)])
    texts = objects(["naïve \ud800", "", "two\nlines"])
    for answers in (tags, texts):
        before = Results(
            predictions={"test": [SeedBlock(3, "labels", prediction=answers)]},
            diverged=[4],
            records=[{"seed": 3, "loss": 0.1}],
            replicas={"trained": "alone"},
            trained={"3/model/w": torch.ones(2)},
        )
        after = Results.restored(before.capture(), lambda split: f"labels of {split}")
        (block,) = after.predictions["test"]
        assert (block.seed, block.label, block.logits) == (3, "labels of test", None)
        assert len(block.prediction) == 3
        for mine, theirs in zip(block.prediction, answers, strict=True):
            assert np.array_equal(mine, theirs)
            assert type(mine) is type(theirs)
        assert (after.diverged, after.records, after.replicas) == ([4], before.records, before.replicas)
        assert torch.equal(after.trained["3/model/w"], torch.ones(2))


#: The command, which says when it has saved its progress some times, and goes on when its input ends.
HELD = """
import sys
from prunescope.cli import main
from prunescope.training import snapshot
write, written = snapshot.write, []
def held(*arguments):
    write(*arguments)
    written.append(1)
    if len(written) == 7:
        print("held", flush=True)
        sys.stdin.read()
snapshot.write = held
sys.exit(main(sys.argv[1:]))
"""


def test_a_process_that_is_ended_goes_on(make, capfd):
    """The command itself, ended from outside by each signal."""
    settings = SETTINGS.model_copy(update={"epochs": 6})
    run = make("lenet5", seeds=(0, 1), settings=settings)
    whole = run("whole", None)
    for number in (signal.SIGKILL, signal.SIGTERM, signal.SIGUSR1):
        folder = run.inputs.parent / number.name
        folder.mkdir()
        command = ["model", "--settings", run.spec.model_dump_json()]
        command += ["--device", "cpu", "--inputs", str(run.inputs), "--progress", str(folder / "unfinished")]
        for name, file in zip(("test", "train", "early", "checkpoint", "models"), FILES, strict=True):
            command += [f"--{name}", str(folder / file)]
        command += ["--metrics", str(folder / "metrics.json")]
        command += ["--interval", "0"]
        process = subprocess.Popen(
            [sys.executable, "-c", HELD, *command],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert process.stdout.readline() == "held\n"
        process.send_signal(number)
        said = process.communicate()[1].splitlines()
        if number == signal.SIGKILL:
            assert process.returncode == -number
        else:
            assert process.returncode == 128 + number
            assert said[-1] == (
                f"prunescope: stopped by {number.name}; progress is in {folder / 'unfinished'}: "
                "run the same command to resume"
            )
        assert not any((folder / file).exists() for file in (*FILES, "metrics.json"))
        capfd.readouterr()
        same(whole, run(number.name))
        assert "resumes in phase" in capfd.readouterr().err
