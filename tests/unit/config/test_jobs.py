"""A job depends on the settings that change what it leaves, and on no others."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from pydantic import TypeAdapter, ValidationError

from prunescope.config.jobs import ModelJob, model_job
from prunescope.config.load import study_from
from prunescope.errors import UserError
from prunescope.tuning.job import tune_job


def jobs(study_dict: dict[str, Any]) -> dict[tuple[str, str, str], str]:
    study = study_from(study_dict)
    return {
        (cell.dataset, cell.pruner, cell.compression.token): model_job(
            study, cell, cell.seeds[:2]
        ).model_dump_json()
        for cell in study.cells
    }


def differing(study_dict: dict[str, Any], path: str, value: Any) -> set[str]:
    """``dataset pruner`` of the jobs that a change of one setting would run again."""
    after = copy.deepcopy(study_dict)
    place: Any = after
    *parents, last = path.split(".")
    for part in parents:
        place = place[part]
    place[last] = value
    before, now = jobs(study_dict), jobs(after)
    assert set(before) == set(now)
    return {f"{key[0]} {key[1]}" for key in before if before[key] != now[key]}


NUMBERS = {f"numbers {name}" for name in ("none", "IMP-WR", "RP-AI", "MP")}
PROSE = {"prose none", "prose mine"}


@pytest.mark.parametrize(
    ("path", "value", "expected"),
    [
        ("archs.lenet5.block", 7, set()),
        # The last bits of results.
        ("archs.lenet5.replicas", "together", NUMBERS),
        ("archs.lenet5.together", 5, NUMBERS),
        ("keep_models", False, set()),
        ("results", "elsewhere", set()),
        ("title", "x", set()),
        ("analysis", {"bins": 5}, set()),
        ("archs.lenet5.training.lr", 0.5, NUMBERS),
        ("archs.lenet5.training.epochs", 9, NUMBERS),
        ("datasets.numbers.training", {"lenet5": {"lr": 0.5}}, NUMBERS),
        ("datasets.prose.training", {"bilstm": {"lr": 0.5}}, PROSE),
        ("archs.bilstm.hidden", 5, PROSE),
        ("pruners.mine.rounds", 3, {"prose mine"}),
        # Only models that are fine-tuned.
        ("archs.lenet5.training.finetune_epochs", 2, {"numbers MP"}),
        ("archs.lenet5.training.finetune_lr_factor", 0.1, {"numbers MP"}),
        # Only dense models leave early predictions.
        ("archs.lenet5.training.early_fraction", 0.5, {"numbers none"}),
    ],
)
def test_what_a_change_runs_again(study_dict, path, value, expected):
    assert differing(study_dict, path, value) == expected


def test_settings_survive_the_command_line(study_dict):
    study = study_from(study_dict)
    for cell in study.cells:
        job = model_job(study, cell, cell.seeds)
        again = TypeAdapter(ModelJob).validate_json(job.model_dump_json())
        assert again == job
        assert again.target == cell.compression
        assert (again.composition is None) == cell.dense


def test_unknown_settings_are_refused(study_dict):
    study = study_from(study_dict)
    raw = model_job(study, study.cells[0], (0,)).model_dump(mode="json")
    with pytest.raises(ValidationError):
        ModelJob.model_validate({**raw, "more": 1})


def test_how_replicas_are_trained_is_in_a_job_only_where_it_is_chosen(study_dict):
    # Models trained from settings that do without stay up to date.
    study = study_from(study_dict)
    job = model_job(study, study.cells[0], (0, 1))
    assert not {"replicas", "together"} & set(job.model_dump(mode="json")["architecture"])
    study_dict["archs"]["lenet5"] |= {"replicas": "alone", "together": 4}
    study = study_from(study_dict)
    job = model_job(study, study.cells[0], (0, 1))
    chosen = job.model_dump(mode="json")["architecture"]
    assert (chosen["replicas"], chosen["together"]) == ("alone", 4)
    assert TypeAdapter(ModelJob).validate_json(job.model_dump_json()) == job


def test_encoders_have_no_choice(study_dict):
    study_dict["archs"]["bert"] = {"family": "encoder", "replicas": "together"}
    with pytest.raises(UserError, match="replicas"):
        study_from(study_dict)


def test_searches_do_not_depend_on_how_replicas_are_trained(study_dict):
    study_dict["tune"] = {
        "spaces": {"numbers": {"lenet5": {"epochs": {"min": 1, "max": 2}, "lr": {"min": 0.1, "max": 1}}}}
    }
    before = tune_job(study_from(study_dict), "numbers", "lenet5")
    study_dict["archs"]["lenet5"] |= {"replicas": "together", "block": 9}
    assert tune_job(study_from(study_dict), "numbers", "lenet5") == before
