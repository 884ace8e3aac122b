"""What Tables 2 and 7 of the PIE paper say of a study's data sets: sizes, lengths and classes."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from prunescope.config.study import Study
from prunescope.data.published import covering_power_of_two, summary, token_counts
from prunescope.data.splits import SPLITS
from prunescope.data.tables import read_table
from prunescope.files import read_json
from prunescope.papers.pie.printed import PAPER
from prunescope.papers.printed import read_rows
from prunescope.papers.results import Inputs
from prunescope.papers.wording import count


def datasets(inputs: Inputs) -> list[dict[str, Any]]:
    """A record per data card, as the study lists its data sets; None where a value is unknown or has no meaning.

    ``mean`` to ``p85`` are of tokens: words of the texts of all splits, as the BiLSTM reads them, before they are cut;
    the separator of a pair counts as one. ``std`` uses ddof = 1. ``p85``: the number of tokens that 85 % of the texts
    do not exceed. ``truncation``: the tokens after which texts are cut.

    Raises:
        UserError: a card or a data table cannot be read.
    """
    study = inputs.study
    paths = {Path(card).parent.name: Path(card) for card in inputs.cards}
    names = [name for name in study.datasets if name in paths]
    names += sorted(name for name in paths if name not in study.datasets)
    return [_record(study, name, paths[name]) for name in names]


def _record(study: Study, name: str, path: Path) -> dict[str, Any]:
    value = read_json(path)
    card: Mapping[str, Any] = value if isinstance(value, Mapping) else {}
    settings, splits = study.datasets.get(name), card.get("splits") or {}
    purposes = {row["dataset"].casefold(): row["task"] for row in read_rows(PAPER, "datasets.csv")}
    paths = {split: path.with_name(f"{split}.parquet") for split in SPLITS}
    lengths: dict[str, np.ndarray] = {}
    if settings is not None and settings.input == "text" and all(table.exists() for table in paths.values()):
        lengths = {split: token_counts(read_table(table)) for split, table in paths.items()}
    cut = getattr(settings, "max_tokens", None)
    if cut is None and lengths:
        cut = covering_power_of_two(lengths["train"])
    # Keys of a data set without texts too.
    tokens = summary(np.concatenate(list(lengths.values())) if lengths else np.zeros(1, np.int64))
    of_tokens: dict[str, Any] = tokens if lengths else dict.fromkeys(tokens)
    return {
        "dataset": name,
        **{split: (splits.get(split) or {}).get("n_examples") for split in SPLITS},
        **of_tokens,
        "mean_median": f"{of_tokens['mean']:.0f} / {of_tokens['median']:g}" if lengths else "",
        "min_max": f"{count(of_tokens['min'])} / {count(of_tokens['max'])}" if lengths else "",
        "truncation": cut,
        "classes": len(card.get("classes") or ()) or None,
        "task": purposes.get(str(card.get("source", "")).casefold(), ""),
        "classification": str(card.get("task", "")),
    }
