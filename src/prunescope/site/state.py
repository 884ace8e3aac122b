"""Models of a study by state: done, diverged, running, failed or missing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from prunescope.analysis.layer_collapse import Collapsed, collapsed
from prunescope.config.grid import Cell
from prunescope.errors import UserError
from prunescope.report.sentences import count
from prunescope.site.findings import CellNumbers

Key = tuple[str, str, str, str]

#: In the order of reports.
STATES = ("done", "diverged", "running", "failed", "not analysed", "missing")

#: Of models whose cell is not analysed: what their files say, by cell and seed (one of ``STATES``).
Live = Mapping[Key, Mapping[int, str]]


def key_of(cell: Cell | CellNumbers) -> Key:
    return (cell.dataset, cell.arch, cell.pruner, cell.compression.token)


@dataclass(frozen=True)
class ModelsFile:
    """A cell's ``models.json``: the metrics of its models."""

    path: Path
    value: Mapping[str, Any]

    @property
    def key(self) -> tuple[str, str, str, str]:
        return tuple(str(self.value.get(name)) for name in ("dataset", "arch", "pruner", "amount"))  # type: ignore[return-value]

    @property
    def models(self) -> list[dict[str, Any]]:
        """One row per model; quantities that were not recorded are None."""
        names = ("diverged", "sparsity", "ratio", "seconds", "samples_per_second", "peak_memory_mb")
        return [
            {"seed": model["seed"], **{name: model.get(name) for name in names}}
            for model in self.value.get("models", [])
        ]

    @property
    def collapsed(self) -> list[Collapsed]:
        """Layers without any weight left; none where the record does not say."""
        try:
            return collapsed(self.value.get("models", []), self.path)
        except UserError:
            return []

    @property
    def blocks(self) -> list[str]:
        """Folders of the blocks of seeds that the models are in, as recorded."""
        files = (model.get("file") for model in self.value.get("models", []))
        return list(dict.fromkeys(str(Path(file).parent) for file in files if file))


@dataclass(frozen=True)
class CellCount:
    """``seeds``: of each state of ``STATES`` that a cell's models are in."""

    cell: Cell
    seeds: dict[str, list[int]] = field(default_factory=dict)

    @property
    def name(self) -> str:
        what = "dense" if self.cell.dense else f"{self.cell.pruner} at {self.cell.compression.text}"
        return f"{self.cell.dataset} · {self.cell.arch} · {what}"

    def number(self, state: str) -> int:
        return len(self.seeds.get(state, ()))


def counted(
    cells: Sequence[Cell], records: Mapping[Key, ModelsFile], live: Live | None = None
) -> list[CellCount]:
    """The state of every model that a study asks for."""
    found = []
    for cell in cells:
        key = key_of(cell)
        record = records.get(key)
        diverged = {
            int(model["seed"]): bool(model["diverged"]) for model in (record.models if record else ())
        }
        seeds: dict[str, list[int]] = {}
        for seed in cell.seeds:
            if seed in diverged:
                state = "diverged" if diverged[seed] else "done"
            else:
                state = ((live or {}).get(key) or {}).get(seed, "missing")
            seeds.setdefault(state, []).append(seed)
        found.append(CellCount(cell, seeds))
    return found


def totals(counts: Sequence[CellCount]) -> Counter[str]:
    """Models by state."""
    return sum((Counter({state: one.number(state) for state in STATES}) for one in counts), Counter())


def is_whole(counts: Sequence[CellCount]) -> bool:
    """Whether every model is there, done or diverged."""
    by_state = totals(counts)
    return by_state["done"] + by_state["diverged"] == by_state.total()


def sentence(counts: Sequence[CellCount]) -> str:
    """How many models are in each state."""
    by_state = totals(counts)
    total = by_state.total()
    if not total:
        return "The study asks for no model."
    if by_state["done"] == total:
        return (
            f"All {count(total, 'model')} of the study {'is' if total == 1 else 'are'} done; none diverged, "
            "none is missing."
        )
    parts = [f"{count(by_state[state])} {state}" for state in STATES if by_state[state]]
    return f"Of {count(total, 'model')} of the study, {', '.join(parts)}. Results cover the models that are done."


def problems(counts: Sequence[CellCount]) -> list[str]:
    """A line for each cell and state but ``done``, with the seeds."""
    found = []
    for one in counts:
        for state in STATES[1:]:
            seeds = one.seeds.get(state)
            if seeds:
                found.append(
                    f"{one.name}: {count(len(seeds), 'model')} of {len(one.cell.seeds)} {state} "
                    f"(seed{'s' if len(seeds) > 1 else ''} {', '.join(map(str, seeds))})"
                )
    return found
