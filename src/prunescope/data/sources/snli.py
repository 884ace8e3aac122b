"""The data set ``snli``: Stanford Natural Language Inference 1.0 (Bowman et al. 2015)."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from prunescope.data import local
from prunescope.data.corpus import Examples, assemble, from_hub
from prunescope.data.dataset import DataSet
from prunescope.data.settings import CUT, LOCAL_OR_HUB, REVISION, Lengths, PieCorpus, Published
from prunescope.data.splits import SPLITS
from prunescope.files import expanded

#: In the order of the hub's numbers.
CLASSES = ("entailment", "neutral", "contradiction")

HUB = "stanfordnlp/snli"

#: The commit of the hub's Parquet files that is read unless ``revision`` names another.
COMMIT = "cdb5c3d5eed6ead6e5a341c8e56e669bb666725b"

#: How files say that the annotators did not agree.
_NO_GOLD = ("-", "-1", "", "none")

#: Names here, and in the original files.
_COLUMNS = (("premise", "sentence1"), ("hypothesis", "sentence2"), ("label", "gold_label"))


class Snli(PieCorpus):
    """Stanford Natural Language Inference 1.0 (Bowman et al. 2015), pairs of sentences, 3 classes."""

    source: Literal["snli"]
    path: str | None = Field(None, min_length=1, description=LOCAL_OR_HUB)
    revision: str | None = Field(None, min_length=1, description=REVISION)
    max_tokens: int | None = Field(128, ge=4, description=CUT)

    published = Published(
        "SNLI",
        (549_367, 9_842, 9_824),
        3,
        Lengths(23, 22, 5, 124, 7, 30),
        128,
        exception="the paper's exception: the rule gives less, but 128 tokens hold every pair whole",
    )
    mean_tokens = (128, 26.1)

    def build(self, name: str) -> DataSet:
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

        if self.path is None:
            found, versions = from_hub(
                HUB, self.revision or COMMIT, examples, SPLITS, ("premise", "hypothesis", "label")
            )
        else:
            folder = expanded(self.path)
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
        return assemble(
            name, self.published, "single-label", CLASSES, found, self.max_examples, versions, reasons
        )
