"""What a study's architectures come to on its data sets: parameters, what a level removes, operations."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from prunescope.config.grid import Cell
from prunescope.config.study import Study
from prunescope.errors import UserError


def check_ratios(study: Study) -> None:
    """Refuse ratios that a model cannot reach. Costs nothing where a study gives none.

    Raises:
        UserError: the line names the model, the ratio and the largest possible one.
    """
    if any(cell.compression.kind == "ratio" for cell in study.cells):
        architectures_of(study)


def check_checkpoints(study: Study) -> None:
    """Refuse pretrained encoders whose sizes a study leaves out and that turn out to be other than assumed.

    Costs nothing where sizes are given or the checkpoint was at hand when the study was read. A package's own module
    is run once.

    Raises:
        UserError: the line names the checkpoint and its sizes.
    """
    for name in sorted({cell.arch for cell in study.cells}):
        if study.archs[name].sizes_unknown:
            from prunescope.models.registry import check

            check(study.archs[name])
    for dataset, arch in study.dense_cells:
        if study.archs[arch].family == "module":
            with _of_arch(study, arch):
                study.archs[arch].parameters(study.datasets[dataset].declared())


def architectures_of(study: Study) -> list[dict[str, Any]]:
    """What is counted of each architecture on each data set of the grid.

    Raises:
        UserError: a ratio that a model cannot reach.
    """
    from prunescope.models.registry import count_parameters, matrices, never_pruned, prunable, tied
    from prunescope.models.removal import removal

    architectures = []
    # One cell stands for all that remove as much: pruners of weights differ in what they remove alone.
    compressions: dict[tuple[str, str], dict[Any, Cell]] = {}
    for cell in study.cells:
        chosen = compressions.setdefault((cell.dataset, cell.arch), {})
        if not (cell.dense or cell.control):
            pruner = study.all_pruners[cell.pruner]
            chosen.setdefault((cell.compression, pruner.structure == "filters", pruner.step), cell)
    for (dataset, arch), chosen in compressions.items():
        spec, facts = study.archs[arch], study.datasets[dataset].declared()
        model, assumed = counted_on(study, dataset, arch)
        total = count_parameters(model)
        with _of_arch(study, arch):
            weights = prunable(model)
            flops = spec.forward_flops(facts, {n: w.numel() for n, w in matrices(model).items()})
        size = sum(weight.numel() for weight in weights.values())
        try:
            removals = {
                key: removal(study.all_pruners[chosen[key].pruner], chosen[key].compression, model)
                for key in sorted(chosen)
            }
        except UserError as error:
            raise UserError(f"grid: {arch} on {dataset}: {error}") from None
        architectures.append(
            {
                "dataset": dataset,
                "arch": arch,
                "n_parameters": total,
                "n_prunable": size,
                "share_removed": {
                    f"{float(one.share):g}": one.parameters / total for one in removals.values()
                },
                "removed": [
                    {
                        "kind": compression.kind,
                        "level": compression.value,
                        "structure": "filters" if filters else "weights",
                        "share_removed": one.parameters / total,
                    }
                    for (compression, filters, _), one in removals.items()
                ],
                **({"assumed": assumed} if assumed else {}),
                "_layers": {name: list(weight.shape) for name, weight in weights.items()},
                "_final": str(model.final_layer),
                "_apart": never_pruned(model),
                "_tied": tied(model),
                "_forward_flops": flops,
            }
        )
    return architectures


def counted_on(study: Study, dataset: str, arch: str) -> tuple[Any, str | None]:
    """The model of an arch on a data set, without memory for its weights; and what its sizes rest on (``counted``)."""
    # Meta tensors: counting BERT takes no time and no download.
    import torch

    from prunescope.models.measure import on_meta
    from prunescope.models.registry import counted
    from prunescope.models.shape import Shape

    spec, facts = study.archs[arch], study.datasets[dataset].declared()
    shape = Shape(
        classes=facts.classes,
        image=facts.image,
        vectors=torch.empty(2, spec.word_dimensions, device="meta") if spec.word_dimensions else None,
        vocabulary=spec.vocabulary_size,
        per_token=study.datasets[dataset].answers in ("tokens", "span"),
        writes=facts.writes,
    )
    with _of_arch(study, arch):
        return on_meta(lambda: counted(spec, shape))


@contextmanager
def _of_arch(study: Study, name: str) -> Iterator[None]:
    """Errors of an arch's model with the key in front: ``archs.net.checkpoint: ...``."""
    try:
        yield
    except UserError as error:
        key = re.match(r"(\w+):", str(error))
        joint = "." if key and key[1] in type(study.archs[name]).model_fields else ": "
        raise UserError(f"archs.{name}{joint}{error}") from None
