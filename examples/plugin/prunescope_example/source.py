"""A data set source: settings, declared counts and the tables. Heavy imports stand in ``build``."""

from typing import Literal

from prunescope.config.datasets import Dataset, Declared
from prunescope.data.dataset import DataSet, DataTable, TableInfo
from prunescope.data.splits import SPLITS, split_single


class Parity(Dataset):
    """scikit-learn's handwritten digits, labelled even or odd."""

    input = "image"
    source: Literal["parity"]

    def declared(self):
        """What ``prunescope plan`` counts with before the data set is built."""
        return Declared(classes=2, train=1258, validation=179, test=360, image=(1, 8, 8))

    def build(self, name):
        """Three tables of 8 x 8 grey images, pixels of 0 to 16."""
        import numpy as np
        import sklearn
        from sklearn.datasets import load_digits

        bunch = load_digits()
        images = bunch.images.astype(np.uint8).reshape(-1, 1, 8, 8)
        labels = (bunch.target % 2).astype(np.int32)
        numbers = split_single([image.tobytes() for image in images], labels.tolist())
        tables = {}
        for number, split in enumerate(SPLITS):
            rows = np.flatnonzero(numbers == number)
            info = TableInfo(name, split, "single-label", ("even", "odd"), ("image",), (1, 8, 8), 16)
            tables[split] = DataTable(info, labels[rows], images=images[rows])
        return DataSet(tables, {"scikit-learn": sklearn.__version__})
