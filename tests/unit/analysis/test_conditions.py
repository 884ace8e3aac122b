"""Conditions and margins of continuous integration, and their exit codes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from prunescope import cli
from prunescope.analysis.conditions import NAMES, parse, value_of
from prunescope.errors import UserError


def table(path: Path, answers: list[tuple[str, str]]) -> str:
    rows = "".join(f"{i},{label},{said}\n" for i, (label, said) in enumerate(answers))
    path.write_text(f"example,label,prediction\n{rows}", encoding="utf-8")
    return str(path)


def audit(folder: Path, label: list[str], dense: list[str], pruned: list[str], *more: str) -> int:
    files = [
        table(folder / f"{i}.csv", list(zip(label, side, strict=True)))
        for i, side in enumerate((dense, pruned))
    ]
    return cli.main(["audit", "--dense", files[0], "--pruned", files[1], "--out", str(folder / "out"), *more])


def harmed(folder: Path, *more: str) -> int:
    """500 examples, 33 to wrong and 2 to right."""
    label = ["a", "b"] * 250
    dense, pruned = list(label), list(label)
    for i in range(33):
        pruned[i] = "b" if label[i] == "a" else "a"
    for i in (100, 101):
        dense[i] = "b" if label[i] == "a" else "a"
    return audit(folder, label, dense, pruned, *more)


def test_one_pair_of_models_is_tested(tmp_path: Path) -> None:
    assert harmed(tmp_path) == 0
    summary = json.loads((tmp_path / "out" / "summary.json").read_text(encoding="utf-8"))
    assert summary["mcnemar"] == {"to_wrong": 33, "to_right": 2, "p_value": pytest.approx(3.67e-8, rel=1e-2)}
    assert summary["change"]["ci_high"] < 0
    page = (tmp_path / "out" / "report.html").read_text(encoding="utf-8")
    assert "33 become wrong and 2 right: more harm than chance explains" in page


def test_a_shift_between_classes_at_the_same_mean_is_found(tmp_path: Path) -> None:
    """A small language model on SST-2: recall of neg -7.2 points, of pos +7.0, accuracy as before."""
    label = ["neg"] * 428 + ["pos"] * 444
    right = {"dense": (340, 336), "pruned": (309, 367)}
    sides = {
        name: ["neg" if i < neg else "pos" for i in range(428)]
        + ["pos" if i < pos else "neg" for i in range(444)]
        for name, (neg, pos) in right.items()
    }
    assert audit(tmp_path, label, sides["dense"], sides["pruned"]) == 0
    page = (tmp_path / "out" / "report.html").read_text(encoding="utf-8")
    assert (
        "“neg” pays: 31 answers become wrong, 0 right; its recall goes from 79.4% to 72.2% (−7.2 points"
        in page
    )
    assert (
        "“pos” gains: 0 answers become wrong, 31 right; its recall goes from 75.7% to 82.7% (+7.0 points"
        in page
    )
    assert "Errors shift from one class to another." in page
    assert "pays most" not in page


def test_chance_is_not_called_harm(tmp_path: Path) -> None:
    label = ["a", "b", "c"] * 30
    pruned = list(label)
    pruned[2] = pruned[5] = "a"
    assert audit(tmp_path, label, label, pruned) == 0
    page = (tmp_path / "out" / "report.html").read_text(encoding="utf-8")
    assert "No class&#39;s recall changes beyond chance" in page
    assert " pays" not in page.split("</head>")[1].replace("Who pays", "").split('class="tiles"')[0]


@pytest.mark.parametrize(
    ("demand", "code"),
    [
        (["--fail-on", "harm > 0.06"], 3),
        (["--fail-on", "harm > 7%"], 0),
        (["--fail-on", "harm > 7%", "p_value < 0.001"], 3),
        (["--margin", "0.2"], 0),
        (["--margin", "0.01"], 3),
        (["--fail-on", "harm >> 1"], 2),
        (["--fail-on", "hram > 1"], 2),
        (["--fail-on", "kl > 1"], 2),
        (["--margin", "-1"], 2),
    ],
)
def test_exit_codes(tmp_path: Path, demand: list[str], code: int, capsys: pytest.CaptureFixture[str]) -> None:
    assert harmed(tmp_path, *demand) == code
    said = capsys.readouterr().err
    assert (demand[0] in said) == (code != 0)
    assert (tmp_path / "out" / "summary.json").exists() == (code != 2)


def test_forms_of_conditions() -> None:
    assert parse(" class_harm>=.5e1 % ").text == "class_harm >= 0.05"
    with pytest.raises(UserError, match="write one like"):
        parse("harm")
    with pytest.raises(UserError, match="there are harm, class_harm"):
        parse("damage > 1")
    assert all(value_of(name, {}) is None for name in NAMES)
