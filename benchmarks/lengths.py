"""Lengths of the PIE paper's texts in BERT's subwords: what batches without padding hold.

    PRUNESCOPE_DATA=FOLDER python benchmarks/lengths.py [--out FILE]

FOLDER holds the data sets' texts as Parquet files and `bert_base_uncased_vocab/vocab.txt`. Texts are as they come,
cut to the paper's length with [CLS] and [SEP]; of SNLI and AAPD only a part, or another split, of the training
texts may be there, and the result says what was counted. The data sets' sources have these numbers
(`mean_tokens`).
"""

from __future__ import annotations

import argparse
import datetime
import json
import os
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
from tokenizers import BertWordPieceTokenizer

from prunescope.config.datasets import sources

#: Of the lengths as cut; made texts of benchmarks have lengths between them.
PERCENTS = (*range(0, 100, 5), 98, 100)

#: source -> folder, files, columns
TEXTS = {
    "imdb": ("imdb", ["train.parquet"], ["text"]),
    "snli": ("snli", ["train_subset.parquet"], ["premise", "hypothesis"]),
    "reuters": ("reuters21578", ["train.parquet"], ["text"]),
    "aapd": ("aapd", ["validation.parquet", "test.parquet"], ["text"]),
}


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--data", type=Path, default=Path(os.environ.get("PRUNESCOPE_DATA", "data")))
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results" / "lengths.json")
    args = parser.parse_args()
    result = {
        "what": "word pieces of a text with [CLS] and [SEP], cut to the longest length the paper takes",
        "percents": PERCENTS,
        "lengths": {source: counted(args.data, source) for source in TEXTS},
        "command": " ".join(["python", "benchmarks/lengths.py", *sys.argv[1:]]),
        "date": f"{datetime.date.today():%Y-%m-%d}",
        "versions": {"tokenizers": version("tokenizers")},
    }
    args.out.parent.mkdir(parents=True, exist_ok=True)
    args.out.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    print(json.dumps(result, indent=2))
    return 0


def counted(data: Path, source: str) -> dict[str, Any]:
    """Mean length of one source's texts."""
    folder, files, columns = TEXTS[source]
    tokenizer = BertWordPieceTokenizer(str(data / "bert_base_uncased_vocab" / "vocab.txt"), lowercase=True)
    longest = sources()[source].published.max_tokens
    lengths: list[int] = []
    for name in files:
        table = pq.read_table(data / folder / name, columns=columns).to_pydict()
        rows = list(zip(*(table[column] for column in columns), strict=True))
        texts = [row if len(row) > 1 else row[0] for row in rows]
        lengths += [len(encoding.ids) for encoding in tokenizer.encode_batch(texts)]
    return {
        "files": files,
        "texts": len(lengths),
        "max_tokens": longest,
        "mean_uncut": round(sum(lengths) / len(lengths), 1),
        "mean": round(sum(min(length, longest) for length in lengths) / len(lengths), 1),
        "percentiles": [
            round(float(value)) for value in np.percentile(np.minimum(lengths, longest), PERCENTS)
        ],
    }


if __name__ == "__main__":
    sys.exit(main())
