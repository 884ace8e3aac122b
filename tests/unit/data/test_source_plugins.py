"""Data set sources that installed packages add by an entry point."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from prunescope.cli import main
from prunescope.config.datasets import Dataset, sources
from prunescope.config.load import json_schema, study_from
from prunescope.config.plugins import plugins
from prunescope.data.encoding.encode import load_inputs
from prunescope.errors import UserError

#: One file: settings, declared counts, tables.
SPOTS = """
from typing import Literal

from pydantic import Field

from prunescope.config.datasets import Dataset, Declared
from prunescope.data.dataset import DataSet, DataTable, TableInfo
from prunescope.data.splits import SPLITS


class Spots(Dataset):
    input = "image"
    source: Literal["spots"]
    each: int = Field(4, ge=2)

    def declared(self):
        return Declared(2, self.each, self.each, self.each, image=(1, 8, 8))

    def build(self, name):
        import numpy as np

        tables = {}
        for split in SPLITS:
            labels = np.arange(self.each, dtype=np.int32) % 2
            images = np.full((self.each, 1, 8, 8), 7, dtype=np.uint8) * labels[:, None, None, None].astype(np.uint8)
            info = TableInfo(name, split, "single-label", ("dark", "light"), ("image",), (1, 8, 8), 7.0)
            tables[split] = DataTable(info, labels, images=images)
        return DataSet(tables, {"spots": "1.0"})


class Half(Dataset):
    input = "image"
    source: Literal["half"]
"""

Install = Callable[..., None]


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Install]:
    """Makes an installed package ``spots_package`` with the given entry points."""

    def made(**points: str) -> None:
        folder = tmp_path / "site"
        about = folder / "spots_package-1.0.dist-info"
        about.mkdir(parents=True)
        (folder / "spots_package.py").write_text(SPOTS)
        (about / "METADATA").write_text("Metadata-Version: 2.1\nName: spots-package\nVersion: 1.0\n")
        lines = "".join(f"{name} = {value}\n" for name, value in points.items())
        (about / "entry_points.txt").write_text(f"[prunescope.sources]\n{lines}")
        monkeypatch.syspath_prepend(str(folder))
        monkeypatch.delitem(sys.modules, "spots_package", raising=False)
        plugins.cache_clear()

    yield made
    plugins.cache_clear()


def study(**settings: object) -> dict[str, object]:
    return {
        "name": "s",
        "seeds": [0],
        "datasets": {"d": {"source": "spots", **settings}},
        "archs": {"lenet5": {"family": "lenet5"}},
        "grid": [{"datasets": ["d"], "archs": ["lenet5"], "pruners": ["LTH"], "levels": 1}],
    }


def test_a_source_of_another_package_is_built_and_encoded(install: Install, tmp_path: Path) -> None:
    install(spots="spots_package:Spots")
    spec = study_from(study(each=6)).datasets["d"]
    assert (spec.declared().train, spec.paper) == (6, "other")
    settings, data = json.dumps(spec.model_dump(mode="json")), tmp_path / "data"
    assert main(["dataset", "--name", "d", "--settings", settings, "--out", str(data)]) == 0
    card = json.loads((data / "card.json").read_text())
    assert (card["source"], card["n_examples"], card["versions"]) == ("spots", 18, {"spots": "1.0"})
    out = data / "inputs.safetensors"
    arguments = ["--dataset", "d", "--dataset-settings", settings, "--arch", "a"]
    arguments += ["--arch-settings", json.dumps({"family": "lenet5"}), "--out", str(out)]
    assert main(["encode", "--data", str(data), *arguments]) == 0
    inputs = load_inputs(out)
    assert np.array_equal(inputs.splits["test"].labels, [0, 1, 0, 1, 0, 1])
    assert inputs.image_scale == 7


def test_messages_and_the_schema_know_it(install: Install) -> None:
    with pytest.raises(UserError, match=r"datasets\.d\.source: unknown 'spots'; one of aapd, cifar10"):
        study_from(study())
    install(spots="spots_package:Spots")
    with pytest.raises(UserError, match=r"datasets\.d\.each: must be greater than or equal to 2 \(not 1\)"):
        study_from(study(each=1))
    with pytest.raises(UserError, match=r"datasets\.d\.size: unknown key; allowed here: .*each"):
        study_from(study(size=1))
    assert "each" in json_schema()["$defs"]["Spots"]["properties"]


@pytest.mark.parametrize(
    ("name", "value", "line"),
    [
        (
            "spots",
            "spots_package:Absent",
            "spots: the installed package's spots_package:Absent cannot be loaded",
        ),
        ("spots", "spots_package:SPLITS", "spots: the installed package's .* is no source of this name"),
        (
            "half",
            "spots_package:Half",
            "half: .* must be a subclass of .*Dataset with .* `declared` and `build`",
        ),
        ("dots", "spots_package:Spots", r"dots: .* with `source: Literal\['dots'\]`"),
        ("digits", "spots_package:Spots", "digits: an installed package .*rename"),
    ],
)
def test_unusable_packages_are_named_in_one_line(install: Install, name: str, value: str, line: str) -> None:
    install(**{name: value})
    with pytest.raises(UserError, match=line) as error:
        sources()
    assert "\n" not in str(error.value)
    # Studies of this package's own sources do without it.
    assert Dataset.model_validate({"source": "digits"}).source == "digits"


def test_the_manual_lists_every_source() -> None:
    manual = (Path(__file__).parents[3] / "docs" / "configuration.md").read_text(encoding="utf-8")
    assert not [name for name in sources() if f"`{name}`" not in manual]
