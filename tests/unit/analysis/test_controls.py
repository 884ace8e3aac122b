"""Controls: which one belongs to which pruner, what it trains, and rows of ``controls.csv`` worked by hand."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch
from tests.support.recipes import prune_and_train

from prunescope.analysis.controls import rows
from prunescope.analysis.tables.cell import CellResults
from prunescope.analysis.tables.per_cell import alpha, effectiveness
from prunescope.analysis.tables.registry import Control
from prunescope.analysis.tables.results import DenseModels, StudyResults
from prunescope.config.analysis import Analysis
from prunescope.config.architectures import Training
from prunescope.config.compression import DENSE, Compression
from prunescope.config.controls import control_of, named_controls
from prunescope.config.jobs import model_job
from prunescope.config.load import study_from
from prunescope.config.pruners import PRUNERS, Pruner
from prunescope.errors import UserError
from prunescope.models.registry import prunable
from prunescope.planning.plan import make_plan
from prunescope.planning.text import plan_text
from prunescope.site.controls import headline, sentence
from prunescope.training.loop import train
from prunescope.training.recipes import rewind, train_dense
from prunescope.training.state import Phase, TrainingState, copied_state


def names_for(*pruners: str) -> dict[str, str | None]:
    """The control of each pruner in a study that has these."""
    named = named_controls(PRUNERS[name] for name in pruners)
    found = {control: name for name, control in named.items()}
    return {name: None if (one := control_of(PRUNERS[name])) is None else found[one] for name in pruners}


def test_each_pruner_has_the_control_of_its_schedule_and_recovery() -> None:
    assert names_for("IIBP-FT", "IMP-FT", "IRP-FT", "IMP-WR", "IIBP-WR", "MP-AI", "RP-AI", "IBP-AI") == {
        **dict.fromkeys(("IIBP-FT", "IMP-FT", "IRP-FT"), "control-FT"),
        **dict.fromkeys(("IMP-WR", "IIBP-WR"), "control-WR"),
        **dict.fromkeys(("MP-AI", "RP-AI", "IBP-AI"), None),
    }
    one_shot = dict.fromkeys(("MP", "GP", "UP", "RP", "CHIP"), "control-FT")
    assert names_for(*one_shot, "LTH") == {**one_shot, "LTH": "control-WR"}
    gradual = ("PINS", "PINS-plain", "GMP", "PLATON", "SMvP", "PST", "L0", "sensitivity")
    assert names_for(*gradual) == dict.fromkeys(gradual, "control-gradual")
    # Beside three rounds, one round has a control of its own: it trains a third of the epochs.
    assert names_for("IMP-FT", "MP", "IMP-WR", "LTH") == {
        "IMP-FT": "control-FT", "MP": "control-FT-1", "IMP-WR": "control-WR", "LTH": "control-WR-1",
    }  # fmt: skip
    for name, control in named_controls(PRUNERS.values()).items():
        trained, pruned = control, next(p for p in PRUNERS.values() if control_of(p) == control)
        assert (trained.recovery, trained.rounds) == (pruned.recovery, pruned.rounds), name
        assert control_of(control) == control


def with_controls(study: dict[str, Any]) -> dict[str, Any]:
    first, second, third = study["grid"]
    grid = [
        {**first, "pruners": ["IMP-WR", "RP-AI", "IMP-FT"], "controls": True},
        {**second, "controls": True},
    ]
    return {**study, "grid": [*grid, third]}


def test_a_grid_asks_for_controls(study_dict: dict[str, Any]) -> None:
    study = study_from(with_controls(study_dict))
    found = {(cell.dataset, cell.pruner): cell for cell in study.cells if cell.control}
    # Seeds 0 to 2 of the first entry, 2 to 4 of the second, whose pruner MP has one round; none of the third.
    assert {key: cell.seeds for key, cell in found.items()} == {
        ("numbers", "control-FT"): (0, 1, 2),
        ("numbers", "control-WR"): (0, 1, 2),
        ("numbers", "control-FT-1"): (2, 3, 4),
    }
    assert {cell.compression for cell in found.values()} == {DENSE}
    job = model_job(study, found["numbers", "control-WR"], (0,))
    assert job.composition == control_of(PRUNERS["IMP-WR"])
    assert job.amount == "sparsity-0permille"
    plain = study_from(study_dict)
    assert not plain.controls
    assert not any(cell.control for cell in plain.cells)
    plan = make_plan(study)
    assert (plan["control_models"], plan["dense_models"]) == (9, 5 + 3)
    assert plan["models"] == plan["dense_models"] + plan["pruned_models"] + 9
    assert ", 9 controls)" in plan_text(plan)
    assert make_plan(plain)["control_models"] == 0
    # Nothing of them is removed, so they add no share.
    (network,) = [n for n in plan["networks"] if n["arch"] == "lenet5"]
    assert "0" not in network["share_removed"]


def test_the_names_of_controls_are_taken(study_dict: dict[str, Any]) -> None:
    mine = {**study_dict, "pruners": {"control-FT": {"criterion": "magnitude", "schedule": "one-shot"}}}
    with pytest.raises(UserError, match="names that begin with control- are of controls"):
        study_from(mine)
    study = with_controls(study_dict)
    study["grid"][0]["pruners"].append("control-FT")
    with pytest.raises(UserError, match="unknown name 'control-FT'"):
        study_from(study)


SETTINGS = Training(
    optimizer="sgd", lr=0.05, momentum=0.9, epochs=2, batch_size=8, finetune_epochs=1, rewind_epochs=3,
    finetune_lr_factor=0.3, weight_decay=5e-4,
)  # fmt: skip


@pytest.mark.parametrize("name", ["IMP-FT", "IMP-WR", "GMP", "LTH", "MP"])
def test_a_control_trains_as_its_pruner_does_and_prunes_nothing(
    make_state: Callable[..., TrainingState], name: str
) -> None:
    """To the bit what the pruner's phases are without any pruning."""
    pruner, controlled, plain = PRUNERS[name], make_state("lenet5", SETTINGS), make_state("lenet5", SETTINGS)
    control = control_of(pruner)
    assert control is not None
    start = copied_state(controlled.model)
    for state in (controlled, plain) if pruner.needs_trained else ():
        train_dense(state)
    prune_and_train(controlled, control, DENSE, start)
    for round_ in range(1, pruner.rounds + 1):
        if pruner.is_gradual:
            train(plain, Phase("gradual", 2))
        elif pruner.recovery == "rewind":
            rewind(plain, start)
            train(plain, Phase(f"round-{round_}", 3))
        else:
            train(plain, Phase(f"round-{round_}", 1, 0.3))
    for key, value in plain.model.state_dict().items():
        assert torch.equal(value, controlled.model.state_dict()[key]), key
    assert all(bool(w.all()) for w in prunable(controlled.model).values())
    assert controlled.examples_seen == plain.examples_seen


@dataclass(frozen=True)
class FakeCell(CellResults):
    values: Mapping[int, float] | None = None

    slope: float | None = None

    @property
    def metric(self) -> str:
        return "accuracy"

    @property
    def summary(self) -> dict[str, Any]:  # type: ignore[override]
        """Of a single-label task where there is a slope."""
        if self.slope is None:
            return {}
        alpha = {"mean": self.slope, "ci_low": None, "ci_high": None, "confidence": 0.95, "verdict": "?"}
        return {"alpha": {**alpha, "n_seeds": 1}, "pruned_score": 0.5, "alpha_null": {"mean": 0.6, "n": 2}}

    def scores(self, side: str) -> dict[int, float]:
        assert side == "pruned"
        return dict(self.values or {})


def cell(
    pruner: str,
    composition: Pruner | None,
    values: Mapping[int, float],
    sparsity: float = 0.5,
    arch: str = "net",
    slope: float | None = None,
) -> FakeCell:
    folder = Path("d", arch, pruner, Compression.of_sparsity(sparsity).token)
    dumped = None if composition is None else composition.model_dump(mode="json")
    return FakeCell(folder, [], {"composition": dumped}, values, slope)


def results(cells: list[FakeCell], controls: list[FakeCell]) -> StudyResults:
    dense = {("d", arch): DenseModels("accuracy", {0: 0.7, 1: 0.8, 2: 0.9}) for arch in ("net", "other")}
    return StudyResults(cells, dense, Analysis(confidence=0.95), controls=controls)


def test_rows_by_hand() -> None:
    three, one = (control_of(PRUNERS[name]) for name in ("IMP-FT", "MP"))
    controls = [
        cell("control-FT", three, {0: 0.8, 1: 0.9, 2: 0.9}, 0),
        cell("control-FT-1", one, {1: 0.75}, 0),
    ]
    cells = [
        cell("IMP-FT", PRUNERS["IMP-FT"], {0: 0.75, 1: 0.75, 3: 0.1}),
        cell("MP", PRUNERS["MP"], {0: 0.9, 1: 0.8}),
        cell("MP-AI", PRUNERS["MP-AI"], {2: 0.6}),
        cell("IMP-WR", PRUNERS["IMP-WR"], {0: 0.9}),  # its control is not there
        cell("IMP-FT", PRUNERS["IMP-FT"], {0: 0.9}, arch="other"),  # without any
        cell("old", None, {0: 0.9}),  # how it was pruned is not recorded
    ]
    study = results(cells, controls)
    rounds, shot, start = rows(study)
    assert (rounds.pruner, rounds.sparsity, rounds.metric, rounds.n_seeds) == ("IMP-FT", 0.5, "accuracy", 2)
    # Seeds 0 and 1: +.05 and -.05 from the dense model, -.05 and -.15 from the control.
    assert rounds.change_from_dense == pytest.approx(0)
    assert rounds.change_from_control == pytest.approx(-0.1)
    # t(.975, 1) = 12.7062; standard error .05.
    assert rounds.ci_low == pytest.approx(-0.1 - 12.7062 * 0.05, abs=1e-5)
    assert rounds.ci_high == pytest.approx(-0.1 + 12.7062 * 0.05, abs=1e-5)
    assert (shot.pruner, shot.n_seeds, shot.ci_low) == ("MP", 1, None)
    assert shot.change_from_control == pytest.approx(0.05)
    # At initialization the dense model trains as the pruned one does.
    assert (start.pruner, start.n_seeds) == ("MP-AI", 1)
    assert start.change_from_control == start.change_from_dense == pytest.approx(-0.3)
    scores = {row.pruner: row.mean for row in effectiveness(study) if row.arch == "net"}
    assert scores["control-FT"] == pytest.approx((0.8 + 0.9 + 0.9) / 3)


def test_alpha_of_pairs_that_share_their_seed_comes_from_controls() -> None:
    """Between other seeds .6, between dense models and controls of the same seed .8, where nothing is pruned."""
    control = cell("control-FT", control_of(PRUNERS["MP"]), {0: 0.8}, 0, slope=0.8)
    cells = [
        cell("MP", PRUNERS["MP"], {0: 0.75}, slope=0.9),
        cell("MP-AI", PRUNERS["MP-AI"], {0: 0.6}, slope=0.7),
        cell("LTH", PRUNERS["LTH"], {0: 0.6}, slope=0.7),
    ]
    found = {row.pruner: (row.alpha_null, row.alpha_control) for row in alpha(results(cells, [control]))}
    assert found == {"MP": (0.6, 0.8), "MP-AI": (0.6, None), "LTH": (0.6, None)}
    first = next(iter(rows(results(cells, [control]))))
    assert first.alpha_control == 0.8
    assert "α is 0.80 between dense models and controls of the same seed" in str(
        sentence(first, {"metric": "accuracy", "task": "single-label"})
    )
    assert not any(row.alpha_control for row in alpha(results(cells, [])))


@pytest.mark.parametrize(("metric", "least"), [("accuracy", 0.0), ("matthews", -1.0)])
def test_an_interval_ends_where_changes_do(
    metric: str, least: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two seeds that are .5 apart: t(.975, 1) = 12.7 standard errors of .25 pass what a score of .9 can change."""
    monkeypatch.setattr(FakeCell, "metric", metric)
    control = cell("control-FT", control_of(PRUNERS["IMP-FT"]), {0: 0.9, 1: 0.9}, 0)
    (row,) = rows(results([cell("IMP-FT", PRUNERS["IMP-FT"], {0: 0.9, 1: 0.4})], [control]))
    assert row.change_from_control == pytest.approx(-0.25)
    assert (row.ci_low, row.ci_high) == pytest.approx((least - 0.9, 0.1))


def test_what_the_pages_say() -> None:
    def row(from_dense: float | None, from_control: float | None, low: float | None = None) -> Control:
        high = None if low is None else 0.02
        return Control("d", "net", "MP", 0.5, "accuracy", from_dense, from_control, low, high, 3)

    shares, other = (
        {"task": "single-label", "metric": "accuracy"},
        {"metric": "pearson", "task": "regression"},
    )
    assert sentence(row(0.012, -0.01, -0.04), shares) == (
        "Change of accuracy from the dense model +1.2 points, from the control, which trains alike and is not pruned, "
        "−1.0 points (−4.0 to +2.0)."
    )
    assert sentence(row(None, None), shares) is None
    assert "+0.012, from" in str(sentence(row(0.012, -0.01), other))
    assert headline([row(None, None)]) is None
    found = headline([row(0.1, 0.1), row(0.1, -0.1), row(-0.1, -0.1)])
    assert found is not None
    assert found == (
        "2 of 3 pruned cells score above their dense model, 1 of these also above their control, which trains alike "
        "and is not pruned."
    )
    assert "0 of 1 pruned cell score" in str(headline([row(-0.1, 0.1)]))
