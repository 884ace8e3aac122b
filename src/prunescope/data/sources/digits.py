"""The data set ``digits``: the 1,797 handwritten digits that scikit-learn carries."""

from __future__ import annotations

import importlib.metadata

import numpy as np

from prunescope.data.splits import SPLITS, split_single
from prunescope.data.tables import DataSet, DataTable, TableInfo

#: Pixels count dark points in 4 x 4 fields: 0 to 16.
_SCALE = 16.0


def build(name: str) -> DataSet:
    """Three tables of 8 x 8 grey pictures, uint8 pixels of 0 to 16, classes 0 to 9."""
    from sklearn.datasets import load_digits

    bunch = load_digits()
    images = bunch.images.astype(np.uint8).reshape(-1, 1, 8, 8)
    labels = bunch.target.astype(np.int32)
    numbers = split_single([image.tobytes() for image in images], labels.tolist())
    classes = tuple(str(c) for c in bunch.target_names)
    tables = {}
    for number, split in enumerate(SPLITS):
        rows = np.flatnonzero(numbers == number)
        info = TableInfo(name, split, "single-label", classes, ("image",), (1, 8, 8), _SCALE)
        tables[split] = DataTable(info, labels[rows], images=images[rows])
    return DataSet(tables, {"scikit-learn": importlib.metadata.version("scikit-learn")})
