"""What searches leave: tables, the tuned study, the paper's values beside; and real evaluations."""

from __future__ import annotations

import csv
import json
import math
from pathlib import Path

import pytest
import torch
import yaml
from safetensors.numpy import save_file

from prunescope.config.architectures import Training
from prunescope.config.jobs import ModelJob
from prunescope.config.load import load_study, study_from
from prunescope.config.tuning import Space
from prunescope.errors import UserError
from prunescope.papers.pie.printed import searches
from prunescope.training.job import run_block
from prunescope.training.write import BlockOutputs
from prunescope.tuning.job import Evaluation, TuneJob, tune_job
from prunescope.tuning.outputs import write_search, write_tuned
from prunescope.tuning.run import run_search

ROOT = Path(__file__).parents[3]

STUDY = {
    "name": "s",
    "seeds": [0],
    "datasets": {"digits": {"source": "digits", "training": {"net": {"weight_decay": 0.1, "epochs": 9}}}},
    "archs": {"net": {"family": "lenet5", "training": {"lr": 0.3, "batch_size": 16}}},
    "grid": [{"datasets": ["digits"], "archs": ["net"]}],
    "tune": {
        "spaces": {"digits": {"net": {"epochs": {"min": 1, "max": 4}, "lr": {"min": 1e-4, "max": 1e-2}}}}
    },
}


@pytest.fixture(autouse=True)
def _denormals():
    yield
    torch.set_flush_denormal(False)  # jobs set it for their process


def read(path: Path) -> list[dict[str, str]]:
    with open(path, newline="") as stream:
        return list(csv.DictReader(stream))


def evaluation(number: int, epochs: int, lr: float, score: float | None) -> Evaluation:
    return Evaluation(number, epochs, lr, 16, score, 1.25)


def test_trials_and_best(tmp_path):
    job = tune_job(study_from(STUDY), "digits", "net")
    found = [evaluation(0, 2, 1e-3, 0.5), evaluation(1, 3, 1e-2, None), evaluation(2, 4, 2e-3, 0.75)]
    write_search(job, "single-label", "accuracy", found, tmp_path)
    assert (tmp_path / "trials.csv").read_text() == (
        "number,epochs,lr,batch_size,score,seconds,state,rank\n"
        "0,2,0.001,16,0.5,1.250,complete,2\n"
        "1,3,0.01,16,,1.250,diverged,3\n"
        "2,4,0.002,16,0.75,1.250,complete,1\n"
    )
    best = json.loads((tmp_path / "best.json").read_text())
    assert (best["number"], best["epochs"], best["lr"], best["score"]) == (2, 4, 2e-3, 0.75)
    assert (best["evaluations"], best["diverged"]) == (3, 1)


def test_all_diverged_is_one_line_and_no_best(tmp_path):
    job = tune_job(study_from(STUDY), "digits", "net")
    with pytest.raises(
        UserError, match=r"^digits net: all 1 evaluations diverged; lower tune.spaces.digits.net.lr"
    ):
        write_search(job, "single-label", "accuracy", [evaluation(0, 2, 1e-3, None)], tmp_path)
    assert not list(tmp_path.iterdir())


def test_tuned_study_is_the_study_with_the_best_filled_in(tmp_path):
    best = {"dataset": "digits", "arch": "net", "epochs": 4, "lr": 2.5e-05, "batch_size": 8, "score": 0.75}
    (tmp_path / "best.json").write_text(json.dumps(best))
    write_tuned(STUDY, [tmp_path / "best.json"], tmp_path)
    tuned = load_study(tmp_path / "tuned.yaml")
    expected = (
        study_from(STUDY)
        .training("digits", "net")
        .model_copy(update={"epochs": 4, "lr": 2.5e-5, "batch_size": 8})
    )
    assert tuned.training("digits", "net") == expected
    assert expected.weight_decay == 0.1  # what is not searched stays
    plain = yaml.safe_load((tmp_path / "tuned.yaml").read_text())
    del plain["datasets"]["digits"]["training"], plain["name"]
    assert plain == {
        **{k: v for k, v in STUDY.items() if k != "name"},
        "datasets": {"digits": {"source": "digits"}},
        "results": "results-tuned",
    }
    assert STUDY["datasets"]["digits"]["training"]["net"]["epochs"] == 9  # the study given is left alone
    # Searching the tuned study is the search that was done.
    assert tune_job(tuned, "digits", "net") == tune_job(study_from(STUDY), "digits", "net").model_copy(
        update={"training": expected.model_copy(update={"epochs": 3, "lr": 1e-3})}
    )


def test_a_search_in_which_all_score_alike_is_undecided(tmp_path, capsys):
    job = tune_job(study_from(STUDY), "digits", "net")
    alike = [evaluation(0, 2, 1e-3, 0.5), evaluation(1, 3, 1e-2, None), evaluation(2, 4, 2e-3, 0.5)]
    write_search(job, "single-label", "accuracy", alike, tmp_path)
    assert (
        "digits net: undecided: all evaluations that did not diverge score 0.5000" in capsys.readouterr().err
    )
    assert json.loads((tmp_path / "best.json").read_text())["undecided"] is True
    config = {**STUDY, "results": "here/results/"}
    write_tuned(config, [tmp_path / "best.json"], tmp_path)
    text = (tmp_path / "tuned.yaml").read_text()
    assert "# Undecided, as all evaluations score alike: net on digits.\n" in text
    tuned = load_study(tmp_path / "tuned.yaml")
    assert tuned.training("digits", "net") == study_from(STUDY).training("digits", "net")
    assert tuned.results == "here/results-tuned"
    (row,) = read(tmp_path / "tuning.csv")
    assert (row["score"], row["epochs"], row["lr"]) == ("0.5", "", "")
    # A tuned study that is tuned again stays where it is.
    write_tuned(yaml.safe_load(text), [tmp_path / "best.json"], tmp_path)
    assert load_study(tmp_path / "tuned.yaml").results == "here/results-tuned"
    # One evaluation alone is no tie.
    write_search(job, "single-label", "accuracy", alike[:2], tmp_path)
    assert "undecided" not in json.loads((tmp_path / "best.json").read_text())


def test_a_searched_batch_size_is_no_part_of_the_job():
    spaces = {"digits": {"net": {**STUDY["tune"]["spaces"]["digits"]["net"], "batch_size": [8, 16]}}}
    jobs = [
        tune_job(study_from({**STUDY, "archs": {"net": {"family": "lenet5", "training": {"batch_size": size}}},
                             "tune": {"spaces": spaces}}), "digits", "net")
        for size in (8, 64)
    ]  # fmt: skip
    assert jobs[0] == jobs[1]


def test_published_values_stand_beside_ours(tmp_path):
    config = yaml.safe_load((ROOT / "studies/pie.yaml").read_text())
    paths = []
    for arch in ("bert", "bilstm"):
        best = {"dataset": "reuters", "arch": arch, "epochs": 7, "lr": 1e-4, "batch_size": 32, "score": 0.9}
        paths.append(tmp_path / f"{arch}.json")
        paths[-1].write_text(json.dumps({**best, "metric": "macro_f1", "evaluations": 100}))
    write_tuned(config, paths, tmp_path)
    bert, bilstm = read(tmp_path / "tuning.csv")
    assert list(bert)[:8] == [
        "dataset", "arch", "epochs", "lr", "batch_size", "score", "published_epochs", "published_lr"
    ]  # fmt: skip
    assert (bert["published_epochs"], bert["published_lr"], bert["published_batch_size"]) == (
        "14",
        "5e-05",
        "128",
    )
    assert (bilstm["published_epochs"], bilstm["published_lr"]) == ("72", "0.00186")
    assert (bert["epochs"], bert["lr"], bert["metric"]) == ("7", "0.0001", "macro_f1")


def test_damaged_best_is_named(tmp_path):
    (tmp_path / "best.json").write_text('{"dataset": "digits", "arch": "net"}')
    with pytest.raises(UserError, match=r"best.json: has no 'score'; run again to rebuild it"):
        write_tuned(STUDY, [tmp_path / "best.json"], tmp_path)
    assert not (tmp_path / "tuned.yaml").exists()


def test_the_paper_s_grid_has_the_spaces_of_table_8():
    study = load_study(ROOT / "studies/pie.yaml")
    assert (study.tune.evaluations, study.tune.sampler) == (100, "random")
    printed = searches()
    assert sorted(study.tuned) == sorted(printed)
    for dataset, arch in study.tuned:
        space, row = study.tune.spaces[dataset][arch], printed[dataset, arch]
        assert (space.epochs.min, space.epochs.max) == (row.min_epochs, row.max_epochs)
        assert (space.lr.min, space.lr.max) == (row.min_lr, row.max_lr)
        # The study trains with what the paper found.
        training = study.training(dataset, arch)
        assert (training.epochs, training.batch_size) == (row.best_epoch, row.batch_size)
        assert math.isclose(training.lr, row.best_lr, rel_tol=0.12)


@pytest.mark.parametrize(
    ("family", "task", "split"),
    [
        ("lenet5", "single-label", "train"),
        ("bilstm", "multi-label", "train"),
        ("encoder", "multi-label", "validation"),
    ],
)
def test_score_is_the_one_a_study_s_model_has(tiny, tmp_path, family, task, split):
    kind = {"lenet5": "image", "bilstm": "words", "encoder": "pieces"}[family]
    about = {"dataset": "d", "arch": family, "task": task, "classes": ["a", "b", "c"], "kind": kind}
    about |= {"image_scale": 16} if kind == "image" else {"pad": 0, "vocabulary_size": 14, "max_tokens": 8}
    inputs = tmp_path / "inputs.safetensors"
    save_file(tiny.arrays(family, task), inputs, metadata={"prunescope": json.dumps(about)})
    training = Training(lr=5e-3, epochs=3, batch_size=8, threshold_split=split)
    job = ModelJob(
        dataset="d", arch=family, pruner="none", amount="sparsity-0permille", seeds=(5,),
        architecture=tiny.arch(family), training=training,
    )  # fmt: skip
    names = {name: tmp_path / name for name in ("test", "train", "metrics")}
    run_block(job, inputs, BlockOutputs(**names), device="cpu")
    (scores,) = json.loads(names["metrics"].read_text())["models"][0]["scores"]["validation"].values()
    space = {"epochs": {"min": 3, "max": 3}, "lr": {"min": 5e-3, "max": 5e-3}}
    search = TuneJob(
        dataset="d", arch=family, architecture=tiny.arch(family), training=training, space=space,
        evaluations=1, sampler="random", seed=5,
    )  # fmt: skip
    run_search(search, inputs, tmp_path / "out", device="cpu")
    assert read(tmp_path / "out/trials.csv")[0]["score"] == str(scores)
    assert {path.name for path in (tmp_path / "out/figure").iterdir()} == {
        "search.svg",
        "search.pdf",
        "search.png",
    }


def inputs_file(tiny, folder: Path) -> Path:
    about = {"dataset": "d", "arch": "net", "task": "single-label", "classes": ["a", "b", "c"]}
    about |= {"kind": "image", "image_scale": 16}
    path = folder / "inputs.safetensors"
    save_file(tiny.arrays("lenet5", "single-label"), path, metadata={"prunescope": json.dumps(about)})
    return path


def test_models_that_diverge_come_last(tiny, tmp_path):
    space = {"epochs": {"min": 1, "max": 2}, "lr": {"min": 1e-3, "max": 1e30}}
    training = Training(optimizer="sgd", batch_size=8)
    job = tune_job(study_from(STUDY), "digits", "net").model_copy(
        update={"space": Space.model_validate(space), "training": training, "evaluations": 8}
    )
    run_search(job, inputs_file(tiny, tmp_path), tmp_path / "out", device="cpu")
    rows = read(tmp_path / "out/trials.csv")
    by_rank = sorted(rows, key=lambda row: int(row["rank"]))
    states = [row["state"] for row in by_rank]
    assert set(states) == {"complete", "diverged"}
    assert states == sorted(states)
    assert [row["score"] == "" for row in by_rank] == [state == "diverged" for state in states]
    assert all(float(row["lr"]) > 1 for row in rows if row["state"] == "diverged")
    best = json.loads((tmp_path / "out/best.json").read_text())
    assert best["diverged"] == states.count("diverged")
    assert best["number"] == int(by_rank[0]["number"])


def test_same_bytes_but_for_the_seconds(tiny, tmp_path):
    inputs = inputs_file(tiny, tmp_path)
    job = tune_job(study_from({**STUDY, "tune": {**STUDY["tune"], "evaluations": 3}}), "digits", "net")
    for name in ("a", "b"):
        run_search(job, inputs, tmp_path / name, device="cpu")
    for file in ("best.json", "figure/search.svg"):
        assert (tmp_path / "a" / file).read_bytes() == (tmp_path / "b" / file).read_bytes()
    rows = [[{**row, "seconds": ""} for row in read(tmp_path / name / "trials.csv")] for name in ("a", "b")]
    assert rows[0] == rows[1]


def changed(**space) -> dict:
    given = {**STUDY["tune"]["spaces"]["digits"]["net"], **space}
    return {**STUDY, "tune": {"spaces": {"digits": {"net": given}}}}


SPACE = "tune.spaces.digits.net"


@pytest.mark.parametrize(
    ("study", "line"),
    [
        (changed(epochs={"min": 5, "max": 2}), f"{SPACE}.epochs.min: 5 is above max (2); exchange them"),
        (changed(lr={"min": 0.1, "max": 0.01}), f"{SPACE}.lr.min: 0.1 is above max (0.01); exchange them"),
        (changed(lr={"min": 0, "max": 1}), f"{SPACE}.lr.min: must be greater than 0 (not 0)"),
        (changed(epochs={"min": 1}), f"{SPACE}.epochs.max: required, but not given"),
        (changed(epochs={"min": 1.5, "max": 2}), f"{SPACE}.epochs.min: must be a whole number (not 1.5)"),
        (changed(batch_size=[8, 8]), f"{SPACE}.batch_size: 8 is listed twice; name each once"),
        (changed(rate=1), f"{SPACE}.rate: unknown key; allowed here: epochs, lr, batch_size"),
        (
            changed(lr={"min": 1, "max": 2, "log2": True}),
            f"{SPACE}.lr.log2: unknown key (did you mean 'log'?); allowed here: min, max, log",
        ),
        (
            {**STUDY, "tune": {"spaces": {"digits": {"bert": STUDY["tune"]["spaces"]["digits"]["net"]}}}},
            "tune.spaces.digits.bert: unknown arch; there are net",
        ),
        (
            {**STUDY, "tune": {"spaces": {"imdb": {"net": {"epoch": 1}}}}},
            "tune.spaces.imdb.net.epochs: required, but not given\n"
            "config: tune.spaces.imdb.net.lr: required, but not given\n"
            "config: tune.spaces.imdb.net.epoch: unknown key (did you mean 'epochs'?); allowed here: epochs, lr, "
            "batch_size",
        ),
        (
            {**STUDY, "tune": {"spaces": {"imdb": STUDY["tune"]["spaces"]["digits"]}}},
            "tune.spaces.imdb: unknown data set; there are digits",
        ),
        ({**STUDY, "tune": {"spaces": {}}}, "tune.spaces: must not be empty"),
        (
            {**STUDY, "tune": {**STUDY["tune"], "sampler": "grid"}},
            "tune.sampler: must be 'random' or 'tpe' (not 'grid')",
        ),
        (
            {**STUDY, "tune": {**STUDY["tune"], "trials": 3}},
            "tune.trials: unknown key; allowed here: evaluations, sampler, seed, spaces",
        ),
    ],
)
def test_bad_sections_are_a_line_a_problem(study, line):
    with pytest.raises(UserError) as caught:
        study_from(study)
    assert str(caught.value) == f"config: {line}"


def test_a_space_outside_the_grid_is_not_searched():
    study = {**STUDY, "archs": {**STUDY["archs"], "other": {"family": "lenet5"}}}
    study["tune"] = {"spaces": {"digits": {"other": STUDY["tune"]["spaces"]["digits"]["net"]}}}
    assert study_from(study).tuned == ()
    assert study_from(STUDY).tuned == (("digits", "net"),)
    assert study_from({k: v for k, v in STUDY.items() if k != "tune"}).tuned == ()
