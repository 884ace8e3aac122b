"""The check of PINS-12, on ranks and concentrations by hand."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from prunescope.analysis.tables.declared import CELL, Key, columns, write_table
from prunescope.analysis.tables.registry import Weights
from prunescope.papers.claims import Finding
from prunescope.papers.measured import Measured
from prunescope.papers.pins.claims import CLAIMS

#: As the paper describes it.
AS_CLAIMED = {"PINS": (200.0, 0.5), "sensitivity": (400.0, 0.4), "GMP": (760.0, 0.06)}


def checked(
    weights: dict[str, tuple[float, float]],
    *,
    family: str = "encoder",
    also: dict[Key, tuple[float, ...]] | None = None,
) -> Finding:
    """``weights``: rank and row Gini by pruner, at 80 %; that of random positions is 0.05."""
    found = {Key("sst2", "enc", name, 0.8): (*values, 0.05) for name, values in weights.items()} | (
        also or {}
    )
    values = {
        quantity: {cell: of_cell[i] for cell, of_cell in found.items()}
        for i, quantity in enumerate(("rank", "row_gini", "row_gini_random"))
    }
    return CLAIMS.findings(Measured(values=values, families={"enc": family}))["PINS-12"]


def test_ranks_in_the_claimed_order_hold() -> None:
    assert checked(AS_CLAIMED) == Finding(
        "holds",
        "ranks rise from PINS to sensitivity to GMP in 1 of 1 comparisons; GMP is nearest to random positions in 1 of "
        "1 comparisons; PINS / sensitivity / GMP: sst2, enc at 80%: mean rank 200.0 / 400.0 / 760.0, row Gini (of "
        "random positions) 0.50 (0.05) / 0.40 (0.05) / 0.06 (0.05)",
    )


def test_another_order_fails() -> None:
    for pruner, values in (
        ("PINS", (400.0, 0.5)),  # equal is not lower
        ("sensitivity", (761.0, 0.4)),
        ("GMP", (100.0, 0.06)),
        ("GMP", (760.0, 0.45)),  # not the nearest to random places
        ("GMP", (760.0, 0.9)),
        ("sensitivity", (400.0, 0.05)),
    ):
        assert checked(AS_CLAIMED | {pruner: values}).verdict == "fails", (pruner, values)


def test_one_exception_is_one_too_many() -> None:
    other = {
        Key("cola", "enc", name, 0.9): (rank, 0.3, 0.2)
        for name, rank in (("PINS", 5.0), ("sensitivity", 4.0), ("GMP", 9.0))
    }
    finding = checked(AS_CLAIMED, also=other)
    assert finding.verdict == "fails"
    assert "in 1 of 2 comparisons" in finding.evidence


def test_what_lacks_is_not_measured() -> None:
    for name in AS_CLAIMED:
        assert checked({n: v for n, v in AS_CLAIMED.items() if n != name}).verdict == "not measured"
    # The claim is about transformers.
    assert checked(AS_CLAIMED, family="lenet5").verdict == "not measured"


def test_rows_of_whole_models_are_read(tmp_path: Path) -> None:
    halves = {column.field: 0.5 for column in columns(Weights) if column.name not in CELL} | {"layer": None}
    cell = {"dataset": "sst2", "arch": "enc", "pruner": "PINS", "sparsity": 0.8}
    whole = Weights(**cell, **(halves | {"rank": 3.5, "row_gini_random": 0.1, "megabytes": 0.25}))
    rows = [
        replace(row, n_matrices=1, n_seeds=1, rows=1, columns=1)
        for row in (whole, replace(whole, layer=1, rank=9.0), replace(whole, pruner="GMP", row_gini=None))
    ]
    write_table(tmp_path, Weights, rows)
    study = Measured.read(tmp_path, [])
    pins, gmp = (Key("sst2", "enc", name, 0.8) for name in ("PINS", "GMP"))
    assert (study["rank"], study["row_gini_random"]) == ({pins: 3.5, gmp: 3.5}, {pins: 0.1, gmp: 0.1})
    # Nothing is left of GMP's model: it has no concentration, and takes room all the same.
    assert (study["row_gini"], study["megabytes"]) == ({pins: 0.5}, {pins: 0.25, gmp: 0.25})
