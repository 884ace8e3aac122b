"""The data set ``snli``: Stanford Natural Language Inference 1.0 (Bowman et al. 2015)."""

from __future__ import annotations

from prunescope.config.datasets import Snli
from prunescope.data import local
from prunescope.data.corpus import Examples, assemble, from_hub
from prunescope.data.splits import SPLITS
from prunescope.data.tables import DataSet

#: In the order of the hub's numbers.
CLASSES = ("entailment", "neutral", "contradiction")

HUB = "stanfordnlp/snli"

#: The commit of the hub's Parquet files that is read unless ``revision`` names another.
REVISION = "cdb5c3d5eed6ead6e5a341c8e56e669bb666725b"

#: How files say that the annotators did not agree.
_NO_GOLD = ("-", "-1", "", "none")

#: Names here, and in the original files.
_COLUMNS = (("premise", "sentence1"), ("hypothesis", "sentence2"), ("label", "gold_label"))


def build(name: str, spec: Snli) -> DataSet:
    """Pairs from ``path`` (original JSON lines, Parquet, CSV) or the hub; those without a gold label dropped.

    Raises:
        UserError: a file is missing or unusable, or the hub cannot be reached.
    """
    versions: dict[str, str] = {}
    reasons: list[str] = []
    dropped = 0

    def examples(split: str, rows: local.Rows) -> Examples:
        nonlocal dropped
        kept = [
            number
            for number, value in enumerate(rows.columns["label"])
            if str(value).strip().lower() not in _NO_GOLD
        ]
        dropped += len(rows) - len(kept)
        labels: list[tuple[int, ...]] = [
            (local.class_number(rows.columns["label"][n], CLASSES, f"{rows.path}: row {n + 1}"),)
            for n in kept
        ]
        texts = {column: local.text_column(rows, column) for column in ("premise", "hypothesis")}
        return Examples({column: [cells[n] for n in kept] for column, cells in texts.items()}, labels)

    if spec.path is None:
        found, versions = from_hub(
            HUB, spec.revision or REVISION, examples, SPLITS, ("premise", "hypothesis", "label")
        )
    else:
        folder = local.expanded(spec.path)
        if (folder / "snli_1.0").is_dir():
            # As the original archive unpacks.
            folder = folder / "snli_1.0"
        found = {}
        for split in SPLITS:
            path = local.split_file(folder, split, "snli_1.0_{}") or local.split_file(folder, split)
            if path is None:
                raise local.missing_split(folder, split)
            if local.is_subset(path):
                reasons.append(f"{path.name} is a part of the {split} split only.")
            found[split] = examples(split, local.read_rows(path, _COLUMNS))
    if dropped:
        reasons.append(f"{dropped:,} pairs without a gold label were dropped.")
    return assemble(name, "snli", "single-label", CLASSES, found, spec.max_examples, versions, reasons)
