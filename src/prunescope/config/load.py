"""Configuration files: read and checked, each problem one line that names the key; and their JSON schema."""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, ValidationError

from prunescope.config.analysis import Analysis
from prunescope.config.architectures import (
    Prunable,
    Training,
    family_named,
    family_names,
    with_checkpoint_sizes,
)
from prunescope.config.datasets import sources
from prunescope.config.gradual import Gradual
from prunescope.config.grid import Grid
from prunescope.config.grid_checks import unknown_names
from prunescope.config.pruners import PRUNERS, Pruner
from prunescope.config.spec import problem_lines
from prunescope.config.study import Study
from prunescope.config.tuning import EpochRange, RateRange, Space, Tune
from prunescope.errors import Problems, UserError

#: Bytes of a configuration, and values in it, at most. Those of the papers' grids have some ten thousand bytes.
LARGEST, MOST_VALUES = 4 << 20, 200_000


def load_study(path: Path | str) -> Study:
    """Read and check a YAML configuration.

    Raises:
        UserError: the file is missing, not YAML, or not a study; the line names the key.
    """
    return study_from(read_yaml(path), str(path))


def read_yaml(path: Path | str) -> Any:
    """A YAML file.

    Raises:
        UserError: it is missing, not YAML, or has a key twice or a number like 010; the line says where.
    """
    try:
        if (size := Path(path).stat().st_size) > LARGEST:
            raise UserError(
                f"{path}: {size >> 20} MB, no study; a configuration has at most {LARGEST >> 20} MB"
            )
        text = Path(path).read_text(encoding="utf-8")
    except FileNotFoundError:
        raise UserError(f"{path}: no such configuration file") from None
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"{path}: cannot be read ({error})") from None
    try:
        return yaml.load(text, Loader=_Loader)
    except _Refused as error:
        raise Problems(f"{path}: {line}" for line in error.lines) from None
    except yaml.YAMLError as error:
        raise UserError(f"{path}: not YAML ({' '.join(str(error).split())})") from None
    except RecursionError:
        raise UserError(f"{path}: nested too deep for a configuration; a study has some ten levels") from None


class _Refused(Problems):
    """What YAML would take, and nobody means."""


def _expanded(node: yaml.Node, known: dict[int, int]) -> int:
    """The values that a node stands for, where every alias is written out; 0 while they are counted."""
    if known.get(id(node)) == 0:
        line = node.start_mark.line + 1
        raise _Refused(
            [f"line {line}: its anchor (&) is used (*) inside what it names, without end; write it out"]
        )
    if id(node) not in known:
        known[id(node)] = 0
        children = [one for pair in node.value for one in pair] if isinstance(node, yaml.MappingNode) else []
        children = node.value if isinstance(node, yaml.SequenceNode) else children
        known[id(node)] = 1 + sum(_expanded(child, known) for child in children)
    return known[id(node)]


class _Loader(yaml.SafeLoader):
    """YAML in which no key stands twice, and ``010`` is no 8."""

    def get_single_node(self) -> Any:
        node = super().get_single_node()
        if node is not None and _expanded(node, {}) > MOST_VALUES:
            raise _Refused([f"its anchors (&, *) stand for more than {MOST_VALUES:,} values; write them out"])
        return node

    def get_single_data(self) -> Any:
        self._odd: list[str] = []
        value = super().get_single_data()
        if self._odd:
            raise _Refused(self._odd)
        return value

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        lines: dict[Any, int] = {}
        for key, _ in node.value:
            line = key.start_mark.line + 1
            if key.tag != "tag:yaml.org,2002:merge" and key.value in lines:
                self._odd.append(
                    f"{key.value}: given in line {lines[key.value]} and in line {line}; keep one of them"
                )
            lines[key.value if isinstance(key.value, str) else line] = line
        return super().construct_mapping(node, deep)

    def construct_yaml_int(self, node: yaml.ScalarNode) -> int:
        if re.fullmatch(r"[-+]?0[0-9_]+", node.value):
            plain = node.value.lstrip("+-0_") or "0"
            self._odd.append(
                f"line {node.start_mark.line + 1}: {node.value} is 8-based in YAML; write {plain}, or '{node.value}' "
                "for a name"
            )
            return 0
        return int(super().construct_yaml_int(node))


_Loader.add_constructor("tag:yaml.org,2002:int", _Loader.construct_yaml_int)


def study_from(raw: Any, name: str = "config") -> Study:
    """Check a configuration that is already parsed, as Snakemake hands it over.

    Raises:
        UserError: it is not a study; the line names the key and what is allowed.
    """
    if not isinstance(raw, Mapping):
        raise UserError(f"{name}: must be a mapping of settings (see config.yaml)")
    try:
        study = Study.model_validate(with_checkpoint_sizes(raw))
    except ValidationError as error:
        raise Problems(f"{name}: {line}" for line in [*problems(error), *_unknown_names(raw)]) from None
    for line in _renamed(raw):
        print(f"{name}: {line}", file=sys.stderr)
    return study


def _unknown_names(raw: Mapping[str, Any]) -> list[str]:
    """Names in the grid that nothing has, which are not looked at where a setting is wrong."""
    found: list[str] = []
    grid = raw.get("grid")
    for number, entry in enumerate(grid if isinstance(grid, list) else []):
        for field in ("datasets", "archs", "pruners"):
            chosen, there = (one.get(field) if isinstance(one, Mapping) else None for one in (entry, raw))
            names = [*(PRUNERS if field == "pruners" else ()), *(there if isinstance(there, Mapping) else ())]
            if isinstance(chosen, list):
                found += unknown_names(f"grid.{number}.{field}", chosen, names)
    return found


def _renamed(raw: Mapping[str, Any]) -> list[str]:
    """A line for each old name that the study uses and that is still read."""
    archs, pruners = raw["archs"], raw.get("pruners") or {}
    poolers = [
        f"archs.{arch}.prune_pooler: is now called `prunable: {{pooler: {str(settings['prune_pooler']).lower()}}}`; "
        "the old name is still read"
        for arch, settings in archs.items()
        if "prune_pooler" in settings
    ]
    return poolers + [
        f"pruners.{pruner}.schedule: `ladder` is now called `levels`; the old name is still read"
        for pruner, settings in pruners.items()
        if settings["schedule"] == "ladder"
    ]


def json_schema() -> dict[str, Any]:
    """The JSON schema of a configuration file."""
    schema = Study.model_json_schema()
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": "prunescope study", **schema}


#: What stands under which key, or which tag of a union, for messages on unknown keys.
_SPECS: dict[str, type[BaseModel]] = {
    "pruners": Pruner,
    "gradual": Gradual,
    "prunable": Prunable,
    "grid": Grid,
    "analysis": Analysis,
    "training": Training,
    "tune": Tune,
    "spaces": Space,
    "epochs": EpochRange,
    "lr": RateRange,
}


def problems(error: ValidationError) -> list[str]:
    """The problems of a study, or of a part of one, a line each: ``key: what is wrong and what is allowed``."""
    named = {part for problem in error.errors(include_url=False) for part in problem["loc"]}
    families = {name: family_named(name) for name in family_names() if name in named}
    known = sources()
    specs = {**_SPECS, **families, **known}
    return problem_lines(error, Study, specs, {"family": family_names(), "source": known})
