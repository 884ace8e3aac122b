"""One cell of the grid, analysed: audits of its test and training split, and what its models were."""

from __future__ import annotations

import sys
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.abc import MetaPathFinder
from pathlib import Path
from typing import Any

from prunescope.analysis import el2n_file
from prunescope.analysis.audit import audit
from prunescope.analysis.audit_tables import Score
from prunescope.analysis.pairs import NothingToCompareError
from prunescope.analysis.pies.spearman import has_logits
from prunescope.analysis.tables.declared import write_table
from prunescope.config.compression import Compression
from prunescope.errors import BadFileError, DamagedFileError
from prunescope.files import atomic_directory, read_json, remove, write_json
from prunescope.predictions.arrow import Source
from prunescope.predictions.metadata import meta_of
from prunescope.predictions.scores import score_name


@dataclass(frozen=True)
class CellInputs:
    """Files of every block of the pruned models, and of the dense ones they are compared with.

    For the cell of the dense models themselves both sides are the same files. ``el2n``: scores of the
    training examples (``write_el2n``), None where answers are no classes. ``readability``: scores of the test
    texts, None for images. ``weights``: measures of the pruned models' weights, none where a study does without.
    ``groups``: columns of ``table``, the test examples' data, by which these are grouped.
    """

    dense_test: Sequence[Path]
    pruned_test: Sequence[Path]
    dense_train: Sequence[Path]
    pruned_train: Sequence[Path]
    el2n: Path | None
    metrics: Sequence[Path]
    readability: Path | None
    weights: Sequence[Path] = ()
    groups: Sequence[str] = ()
    table: Path | None = None


def analyse(inputs: CellInputs, out: Path, *, seeds: Collection[int], confidence: float, bins: int) -> None:
    """Write ``test/``, ``train/`` (audits without a page), ``weights.json`` and ``models.json`` into ``out``.

    ``models.json`` comes last and holds the metrics of the cell's models, by seed.

    Raises:
        UserError: a table is refused.
    """
    tables = (inputs.dense_test, inputs.pruned_test, inputs.dense_train, inputs.pruned_train)
    refuse_foreign(path for paths in tables for path in paths)
    models = _models(inputs.metrics, set(seeds))
    common: dict[str, Any] = {"confidence": confidence, "bins": bins, "seeds": seeds}
    # Snakemake takes away the files it knows before it runs a job again; the others are still there.
    common["replace"] = True
    with _empty_where_nothing_is_left(out, models, len(seeds)):
        audit(
            inputs.dense_test,
            inputs.pruned_test,
            out / "test",
            readability_scores=inputs.readability,
            groups=inputs.groups,
            group_table=inputs.table,
            **common,
        )
        # The training split serves EL2N; it can have hundreds of thousands of examples. Texts are not even
        # written for them.
        if models["task"] == "text":
            _write_empty(out / "train", models, 0)
        else:
            audit(
                inputs.dense_train,
                inputs.pruned_train,
                out / "train",
                el2n_scores=inputs.el2n,
                seed_statistics=False,
                find_slices=False,
                **common,
            )
    if inputs.weights:
        # Here: the import is a good part of a small cell, and most cells do without.
        from prunescope.analysis.weights.stored import join

        join(inputs.weights, out / "weights.json", seeds)
    else:
        remove(out / "weights.json")
    write_json(out / "models.json", models)


def write_el2n(early: Sequence[Path], out: Path, seeds: Collection[int], final: Sequence[Path] = ()) -> None:
    """Write the EL2N scores that cells of dense models with these seeds share.

    Args:
        early: every block's predictions of the dense models early in training.
        final: the same at its end, for the data map.

    Raises:
        UserError: as ``analyse``.
    """
    refuse_foreign([*early, *final])
    el2n_file.write_scores(early, out, seeds, [final] if final and has_logits(final) else [])


#: Of a prediction table by its name: split and epoch.
_TABLES = {"test": ("test", "final"), "train": ("train", "final"), "early": ("train", "early")}


def refuse_foreign(tables: Iterable[Path]) -> None:
    """Refuse prediction tables that say they are another cell's than the one in whose folder they lie.

    Their own metadata tells, in trees whose files have no records too.

    Raises:
        DamagedFileError: a table is another cell's, split's or epoch's.
    """
    for path in tables:
        if len(path.parts) < 6 or not path.parts[-2].startswith("seeds-") or path.stem not in _TABLES:
            continue
        dataset, arch, pruner, amount = path.parts[-6:-2]
        split, epoch = _TABLES[path.stem]
        meta = meta_of(Source(path))
        if meta is None:
            continue
        asked: dict[str, Any] = {
            "dataset": dataset,
            "arch": arch,
            "pruner": pruner,
            "split": split,
            "epoch": epoch,
        }
        said = {name: getattr(meta, name) for name in asked}
        compression = Compression.parse(amount)
        if compression.kind == "sparsity":
            asked, said = {**asked, "sparsity": compression.value}, {**said, "sparsity": meta.sparsity}
        wrong = {name for name in asked if said[name] is not None and said[name] != asked[name]}
        if wrong:
            own = ", ".join(f"{name} {said[name]}" for name in sorted(wrong))
            here = ", ".join(f"{name} {asked[name]}" for name in sorted(wrong))
            raise DamagedFileError(path, f"{path}: says {own}, but lies where {here} is")


def _refuse_foreign_metrics(path: Path, record: Mapping[str, Any]) -> None:
    if len(path.parts) < 6 or not path.parts[-2].startswith("seeds-"):
        return
    asked = dict(zip(("dataset", "arch", "pruner", "amount"), path.parts[-6:-2], strict=True))
    wrong = [name for name in asked if record.get(name, asked[name]) != asked[name]]
    if wrong:
        raise DamagedFileError(
            path,
            f"{path}: says {wrong[0]} {record[wrong[0]]}, but lies where {wrong[0]} {asked[wrong[0]]} is",
        )


@contextmanager
def without_pandas() -> Iterator[None]:
    """Keep pyarrow from loading pandas, which it does to ask whether an array is one of pandas' own.

    Nothing of the analysis of a cell uses pandas; loading it takes as long as a small cell. For a process that does
    nothing else: pyarrow does not ask again.
    """
    finder = _NoPandas()
    sys.meta_path.insert(0, finder)
    try:
        yield
    finally:
        sys.meta_path.remove(finder)


class _NoPandas(MetaPathFinder):
    def find_spec(self, fullname: str, path: Any, target: Any = None) -> None:
        if fullname == "pandas":
            raise ModuleNotFoundError("pandas is not loaded here")


@contextmanager
def _empty_where_nothing_is_left(out: Path, models: dict[str, Any], n_seeds: int) -> Iterator[None]:
    """That no seed can be compared is a result, not a failure: the cell is there and says so."""
    try:
        yield
    except NothingToCompareError:
        for split in ("test", "train"):
            _write_empty(out / split, models, n_seeds)


def _write_empty(folder: Path, models: dict[str, Any], n_seeds: int) -> None:
    """The audit of a cell that has no seed to compare: what is known, and nulls."""
    unknown = ("n_examples", "n_pies", "pie_share", "dense_score", "pruned_score", "n_flips_mean")
    on_pies = ("dense_score_on_pies", "pruned_score_on_pies")
    summary: dict[str, Any] = {"task": models["task"], "metric": score_name(models["task"])}
    summary |= {"n_seeds": 0, "n_seeds_dropped": n_seeds, "seeds": []}
    summary |= dict.fromkeys((*unknown, *on_pies))
    with atomic_directory(folder) as temporary:
        write_table(temporary, Score, [])
        write_json(temporary / "summary.json", summary)


def _models(paths: Sequence[Path], seeds: set[int]) -> dict[str, Any]:
    """The blocks' metrics as one record; what differs between blocks (device, versions) as lists."""
    records = [read_json(path) for path in paths]
    for path, record in zip(paths, records, strict=True):
        if not isinstance(record, dict) or not isinstance(record.get("models"), list):
            raise BadFileError(path, "not the metrics of a block of models")
        _refuse_foreign_metrics(path, record)
    models = [
        {**model, "file": str(path)}
        for path, record in zip(paths, records, strict=True)
        for model in record["models"]
        if model["seed"] in seeds
    ]
    first = records[0]
    return {
        **{key: first[key] for key in ("dataset", "arch", "pruner", "amount", "task", "classes", "settings")},
        "devices": sorted({record["device"] for record in records}),
        "versions": _distinct([record["versions"] for record in records]),
        "revisions": sorted({record["revision"] for record in records}),
        "models": sorted(models, key=lambda model: int(model["seed"])),
    }


def _distinct(values: Sequence[Any]) -> list[Any]:
    kept: list[Any] = []
    for value in values:
        if value not in kept:
            kept.append(value)
    return kept
