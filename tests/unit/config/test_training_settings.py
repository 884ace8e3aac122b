"""Which training settings go with which architectures and answers, and what is stored of them."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from prunescope.config.architectures import Training
from prunescope.config.load import study_from
from prunescope.errors import Problems, UserError


def study(study_dict: dict[str, Any], arch: str, **training: Any) -> Any:
    raw = copy.deepcopy(study_dict)
    encoder = {"family": "encoder", "hidden": 8, "layers": 1, "heads": 2, "intermediate": 8, "positions": 64}
    raw["archs"]["encoder"] = encoder
    raw["archs"]["lm"] = {"family": "causal-lm", "hidden": 8, "layers": 1, "heads": 2, "positions": 64}
    for number, source in enumerate(("conll2003", "squad", "glue_stsb", "e2e")):
        raw["datasets"][source] = {"source": source, "path": "/nowhere", "max_tokens": 64}
        if source == "squad":
            raw["datasets"][source] |= {"max_question": 8, "stride": 8}
        raw["grid"].append({"datasets": [source], "archs": ["lm" if number == 3 else "encoder"]})
    raw["grid"].append({"datasets": ["prose"], "archs": ["encoder"]})
    raw["archs"][arch]["training"] = training
    return study_from(raw)


@pytest.mark.parametrize(
    ("arch", "training", "message"),
    [
        (
            "lenet5",
            {"precision": "bf16"},
            "'lenet5' on data set 'numbers': precision: bf16 is for the families resnet, encoder",
        ),
        (
            "bilstm",
            {"precision": "bf16"},
            "precision: bf16 is for the families resnet, encoder, causal-lm, torchvision, not bilstm",
        ),
        (
            "bilstm",
            {"padding": "none"},
            "padding: none is for the family encoder; bilstm reads padding like words",
        ),
        ("bilstm", {"order": "by-length"}, "bilstm reads padding like words; use shuffled"),
        ("lenet5", {"order": "by-length"}, "lenet5 reads images; use shuffled"),
        (
            "lm",
            {"padding": "none"},
            "padding: none is for the family encoder; causal-lm is none; use longest",
        ),
        ("encoder", {"padding": "none"}, "padding: none is for classes and scores, not for tokens"),
        ("encoder", {"precision": "fp16"}, "precision"),
        ("encoder", {"padding": "max"}, "padding"),
    ],
)
def test_settings_that_an_architecture_cannot_have(
    study_dict: dict[str, Any], arch: str, training: dict[str, Any], message: str
) -> None:
    with pytest.raises(UserError, match=message) as error:
        study(study_dict, arch, **training)
    assert isinstance(error.value, Problems)
    assert all(line.startswith("config: ") for line in error.value.lines)


def test_settings_that_it_can(study_dict: dict[str, Any]) -> None:
    for arch in ("encoder", "lm"):
        found = study(study_dict, arch, precision="bf16", order="by-length")
        assert found.archs[arch].training.precision == "bf16"


def test_a_data_set_may_have_its_own(study_dict: dict[str, Any]) -> None:
    raw = copy.deepcopy(study_dict)
    raw["archs"]["encoder"] = {"family": "encoder", "positions": 64, "training": {"precision": "bf16"}}
    raw["datasets"]["prose"]["training"] = {"encoder": {"padding": "none"}}
    raw["grid"].append({"datasets": ["prose"], "archs": ["encoder"]})
    training = study_from(raw).training("prose", "encoder")
    assert (training.precision, training.padding) == ("bf16", "none")


def test_what_is_not_set_is_not_stored() -> None:
    """Jobs' settings are the same text as before there were these, so nothing is rerun."""
    assert not {"precision", "padding", "order", "rewind_epochs"} & Training().model_dump().keys()
    stored = Training(precision="bf16", padding="none", order="by-length").model_dump()
    assert (stored["precision"], stored["padding"], stored["order"]) == ("bf16", "none", "by-length")
    assert Training.model_validate(stored).padding == "none"
