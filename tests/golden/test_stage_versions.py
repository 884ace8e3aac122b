"""A stage that writes something else for the same inputs has a new version: studies know it by that number alone.

``stages.json`` has each stage's version and a digest of what it writes from inputs made here. After a change that is
meant: raise the stage's number in ``workflow/rules/common.smk`` and run ``python -m tests.golden.test_stage_versions``.
"""

from __future__ import annotations

import ast
import hashlib
import json
import re
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from tests.support.fake_study import results_tree, study

from prunescope.analysis.audit import audit
from prunescope.data.build import build as build_dataset
from prunescope.data.sources.digits import Digits
from prunescope.papers.against_papers import collect_all
from prunescope.site.printed import build as build_paper

ROOT = Path(__file__).parents[2]
GOLDEN = Path(__file__).with_name("stages.json")


def versions() -> dict[str, int]:
    text = (ROOT / "workflow/rules/common.smk").read_text(encoding="utf-8")
    found = re.search(r"^VERSION = (\{.*?^\})", text, re.MULTILINE | re.DOTALL)
    assert found
    value: dict[str, int] = ast.literal_eval(found[1])
    return value


def data(folder: Path) -> None:
    build_dataset("digits", Digits(source="digits"), folder / "digits")


def cell(folder: Path) -> None:
    rng = np.random.default_rng(0)
    label = rng.integers(0, 3, 90)
    for side, wrong in (("dense", 0.1), ("pruned", 0.3)):
        rows = ["seed,example,label,prediction"]
        for seed in range(4):
            said = np.where(rng.random(90) < wrong, (label + 1) % 3, label)
            rows += [f"{seed},{i},{label[i]},{said[i]}" for i in range(90)]
        (folder / f"{side}.csv").write_text("\n".join(rows) + "\n", encoding="utf-8")
    audit([folder / "dense.csv"], [folder / "pruned.csv"], folder / "audit", seeds=range(4))
    summary = json.loads((folder / "audit/summary.json").read_text(encoding="utf-8"))
    summary.pop("sources", None)  # the paths of the inputs
    summary.pop("read", None)  # how a user's tables were read: a study's cells have none
    (folder / "audit/summary.json").write_text(json.dumps(summary), encoding="utf-8")


def tables(folder: Path) -> None:
    found = results_tree(folder / "in", study())
    collect_all(found["cells"], folder / "tables")
    _drop(folder / "in")


def paper(folder: Path) -> None:
    settings = study()
    tree = folder / "in"
    found = results_tree(tree, settings)
    build_paper(
        study=settings,
        cells=found["dense"] + found["cells"],
        tables=tree / "tables",
        figures=tree / "figures",
        cards=found["cards"],
        out=folder / "paper",
    )
    _drop(tree)


STAGES: dict[str, Callable[[Path], None]] = {"data": data, "cell": cell, "tables": tables, "paper": paper}


def _drop(folder: Path) -> None:
    for path in sorted(folder.rglob("*"), reverse=True):
        path.rmdir() if path.is_dir() else path.unlink()


def digest(stage: str) -> str:
    """Of all that the stage writes, numbers to nine digits: the last ones differ between processors."""
    total = hashlib.sha256()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        STAGES[stage](folder)
        for path in sorted(path for path in folder.rglob("*") if path.is_file()):
            total.update(f"{path.relative_to(folder)}\n{_text(path, name)}\n".encode())
    return total.hexdigest()[:16]


def _text(path: Path, folder: str) -> str:
    if path.suffix == ".parquet":
        table = pq.read_table(path)
        text = f"{table.schema.names} {table.schema.metadata} {table.to_pylist()}"
    else:
        text = path.read_bytes().decode("utf-8", errors="replace")
    return re.sub(
        r"-?\d+\.\d{6,}(e-?\d+)?", lambda number: f"{float(number[0]):.9g}", text.replace(folder, "")
    )


@pytest.mark.parametrize("stage", STAGES)
def test_other_output_has_another_version(stage: str) -> None:
    version, known = json.loads(GOLDEN.read_text(encoding="utf-8"))[stage]
    found = digest(stage)
    if version == versions()[stage]:
        assert found == known, (
            f"{stage} writes something else: raise VERSION[{stage!r}], or restore what it wrote"
        )
    else:
        pytest.fail(
            f"{stage} has version {versions()[stage]}: run `python -m tests.golden.test_stage_versions`"
        )


if __name__ == "__main__":
    GOLDEN.write_text(
        json.dumps({stage: [versions()[stage], digest(stage)] for stage in STAGES}, indent=2) + "\n",
        encoding="utf-8",
    )
