"""A finished study as its results folder has it."""

from __future__ import annotations

import filecmp
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from prunescope.analysis.leading import led
from prunescope.analysis.studies.rows import Key
from prunescope.analysis.tables.cell import CellResults
from prunescope.config.load import load_study
from prunescope.config.study import Study
from prunescope.errors import BadFileError, UserError
from prunescope.files import read_json


@dataclass(frozen=True)
class Tree:
    """A study's results. ``study``: its configuration, where that was given."""

    name: str
    root: Path
    study: Study | None = None

    @classmethod
    def at(cls, path: Path, name: str) -> Tree:
        """Of a study's YAML file, its results folder, or the folder that holds ``results``.

        Raises:
            UserError: there is no such file or folder, or no cell is analysed in it.
        """
        study, root = None, path
        if path.is_file():
            study = load_study(path)
            beside = path.parent / study.results
            root = beside if (beside / "cells").is_dir() else Path(study.results)
        elif not path.exists():
            raise UserError(f"{path}: no such file or folder; give a results folder or a study's YAML file")
        elif not (path / "cells").is_dir() and (path / "results" / "cells").is_dir():
            root = path / "results"
        tree = cls(name, root, study)
        if not tree.cells:
            raise UserError(f"{root}: holds no analysed cell; give a results folder or a study's YAML file")
        return tree

    @cached_property
    def _recorded(self) -> dict[Key, tuple[CellResults, dict[str, Any]]]:
        """The cells, and of each record of models what else it says."""
        listed = self.root / "cells.txt"
        wanted = (
            {Path(line).parts[-4:] for line in listed.read_text().split("\n")} if listed.exists() else None
        )
        found: dict[Key, tuple[CellResults, dict[str, Any]]] = {}
        for summary in sorted(self.root.glob("cells/*/*/*/*/test/summary.json")):
            folder = summary.parents[1]
            if wanted is not None and folder.parts[-4:] not in wanted:
                continue
            path = folder / "models.json"
            record = read_json(path) if path.exists() else {}
            if not isinstance(record, dict):
                raise BadFileError(path, "not a JSON object")
            cell = CellResults(folder, record.get("models") or [], record.get("settings") or {})
            key = cell.dataset, cell.arch, cell.pruner, folder.name
            found[key] = (cell, _made_with(record))
        return found

    @cached_property
    def cells(self) -> dict[Key, CellResults]:
        """Analysed cells, those that ``cells.txt`` lists where there is one, with the records of their models."""
        return {key: cell for key, (cell, _) in self._recorded.items()}

    def predictions(self, key: Key) -> list[Path]:
        """The cell's prediction tables of the test split; none where one is missing."""
        names = dict.fromkeys(
            Path(str(model.get("file", ""))).parent.name for model in self.cells[key].models
        )
        paths = [self.root.joinpath("models", *key, name, "test.parquet") for name in names]
        return paths if all(path.is_file() for path in paths) else []

    def seeds(self, key: Key) -> list[int]:
        return [int(model["seed"]) for model in self.cells[key].models]

    def settings(self, key: Key) -> dict[str, str]:
        """What the cell was made with: settings, seeds, software and device, flat."""
        cell, made_with = self._recorded[key]
        named = ("dataset", "arch", "pruner", "amount", "seeds")
        own = {name: value for name, value in cell.settings.items() if name not in named}
        confidence = (led(cell.summary).get("change") or {}).get("confidence")
        return flat(own | {"seeds": self.seeds(key), "confidence": confidence} | made_with)

    def data(self) -> dict[str, str]:
        """Checksums of the data tables, as the cards record them."""
        cards = {card.parent.name: read_json(card) for card in sorted(self.root.glob("data/*/card.json"))}
        splits = {name: card["splits"] for name, card in cards.items() if "splits" in card}
        sums = {name: {split: one.get("sha256") for split, one in of.items()} for name, of in splits.items()}
        return flat({"data": sums})


def _made_with(record: Mapping[str, Any]) -> dict[str, Any]:
    """Software and devices of a cell's models."""
    software = _joined(record.get("versions") or [])
    return {"software": software, "code": record.get("revisions"), "device": record.get("devices")}


def _joined(versions: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Versions of each package, of all blocks."""
    names = dict.fromkeys(name for one in versions for name in one)
    return {name: list(dict.fromkeys(str(one.get(name)) for one in versions)) for name in names}


def flat(value: Any, at: str = "") -> dict[str, str]:
    """Nested settings by the dotted key of each value, the values as JSON; lists of plain values are values.

    >>> flat({"training": {"lr": 0.1, "milestones": [1, 2]}, "grid": [{"archs": ["a"]}]})
    {'training.lr': '0.1', 'training.milestones': '[1, 2]', 'grid.0.archs': '["a"]'}
    """
    if isinstance(value, Mapping) and value:
        parts = value.items()
    elif isinstance(value, list | tuple) and any(isinstance(one, Mapping) for one in value):
        parts = dict(enumerate(value)).items()
    else:
        return {at: json.dumps(value, ensure_ascii=False, default=str)}
    return {
        key: text
        for name, part in parts
        for key, text in flat(part, f"{at}.{name}" if at else str(name)).items()
    }


def same_bytes(first: Sequence[Path], other: Sequence[Path]) -> bool:
    return (
        len(first) == len(other) > 0
        and [path.parent.name for path in first] == [path.parent.name for path in other]
        and all(map(equal, first, other))
    )


def equal(first: Path, other: Path) -> bool:
    return first.is_file() and other.is_file() and filecmp.cmp(first, other, shallow=False)
