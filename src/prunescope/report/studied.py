"""What a study covers, in a sentence."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from prunescope.config.compression import Compression
from prunescope.config.grid import Cell
from prunescope.report.sentences import count


def studied(cells: Sequence[Cell]) -> str:
    """Data sets, networks, pruners, amounts, seeds and models of a study, from its cells."""
    pruned = [cell for cell in cells if not cell.dense]
    datasets = list(dict.fromkeys(cell.dataset for cell in cells))
    archs = list(dict.fromkeys(cell.arch for cell in cells))
    pruners = list(dict.fromkeys(cell.pruner for cell in pruned))
    compressions = compressions_text({cell.compression for cell in pruned})
    seeds = sorted({len(cell.seeds) for cell in cells})
    models = sum(len(cell.seeds) for cell in cells)
    text = (
        f"{count(len(datasets), 'data set')} ({', '.join(datasets)}), "
        f"{count(len(archs), 'kind of network', 'kinds of network')} ({', '.join(archs)})"
    )
    if pruners:
        text += f", {count(len(pruners), 'pruner')} ({', '.join(pruners)}), pruned to {compressions}"
    spans = f"{seeds[0]} to {seeds[-1]} seeds" if len(seeds) > 1 else count(seeds[0], "seed")
    return f"{text}; {spans} each, {count(models, 'model')} in all."


def compressions_text(compressions: Collection[Compression]) -> str:
    """``50%, 90%, level 1 to level 20``: the levels of a ladder, which are never left out, as a range."""
    levels = [compression.text for compression in sorted(compressions) if compression.kind == "level"]
    texts = [compression.text for compression in sorted(compressions) if compression.kind != "level"]
    return ", ".join([*texts, *(levels if len(levels) < 3 else [f"{levels[0]} to {levels[-1]}"])])
