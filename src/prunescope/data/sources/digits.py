"""The data set ``digits``: the 1,797 handwritten digits that scikit-learn carries."""

from __future__ import annotations

from typing import Literal

from prunescope.config.datasets import Dataset, Declared
from prunescope.data.dataset import DataSet, DataTable, TableInfo
from prunescope.data.splits import SPLITS, split_single

#: Pixels count dark points in 4 x 4 fields: 0 to 16.
_SCALE = 16.0


class Digits(Dataset):
    """scikit-learn's 1,797 handwritten digits, 8 x 8 pixels, 10 classes."""

    input = "image"
    source: Literal["digits"]

    def declared(self) -> Declared:
        return Declared(classes=10, train=1258, validation=178, test=361, image=(1, 8, 8))

    def build(self, name: str) -> DataSet:
        """Three tables of 8 x 8 grey images, uint8 pixels of 0 to 16, classes 0 to 9."""
        import importlib.metadata

        import numpy as np
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
