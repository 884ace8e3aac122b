"""The images of a data set as PNG, for pages that show examples."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from prunescope.data.dataset import DataTable
from prunescope.data.tables import read_table
from prunescope.errors import UserError

#: Images are shown at about this size, in CSS pixels, scaled by a whole factor.
_SHOWN = 88
_MODES = {1: "L", 3: "RGB"}


@dataclass(frozen=True)
class ImageTable:
    """The test split ``table`` of an image data set, read from ``path``."""

    path: Path
    table: DataTable

    @property
    def shown_size(self) -> tuple[int, int]:
        """Width and height on a page: every pixel becomes a square of whole CSS pixels."""
        assert self.table.info.image_shape is not None
        _, height, width = self.table.info.image_shape
        factor = max(1, round(_SHOWN / max(height, width)))
        return width * factor, height * factor

    def image(self, example: int, label: str) -> np.ndarray:
        """(channels, height, width) uint8, brightest at 255.

        Args:
            example: its number in the data table.
            label: its class by name, as the votes have it.

        Raises:
            UserError: the data table has no such example, or one of another class.
        """
        info = self.table.info
        own = info.classes[self.table.labels[example]] if 0 <= example < len(self.table) else None
        if own != label:
            here = "is not there" if own is None else f"is {own!r}"
            raise UserError(
                f"{self.path}: example {example} {here}, but votes were counted on one that is {label!r}; "
                "run the study again: it builds the data set and what is made of it"
            )
        assert self.table.images is not None
        assert info.image_scale is not None
        return levels(self.table.images[example], info.image_scale)

    def address(self, example: int, label: str) -> str:
        """A ``data:`` address with the PNG of one example, checked as by ``picture``."""
        raw = base64.b64encode(png(self.image(example, label)))
        return f"data:image/png;base64,{raw.decode('ascii')}"


def images_of_test(folder: Path | None) -> ImageTable | None:
    """The images of a test split; None where there is no data table."""
    return images_of(folder, "test")


def images_of(folder: Path | None, split: str) -> ImageTable | None:
    """The images of a split; None where there is no data table.

    Args:
        folder: the data set's, with ``<split>.parquet``.

    Raises:
        UserError: the table cannot be read, or has no images that can be shown.
    """
    path = folder / f"{split}.parquet" if folder is not None else None
    if path is None or not path.exists():
        return None
    table = read_table(path)
    if table.images is None or table.images.shape[1] not in _MODES:
        raise UserError(
            f"{path}: has no images of one or three channels; is it the table of another data set?"
        )
    return ImageTable(path, table)


def levels(image: np.ndarray, scale: float) -> np.ndarray:
    """Pixels of an image as uint8 brightness; ``scale``: the pixel value that is shown as full brightness."""
    return np.clip(np.rint(image.astype(np.float64) * (255 / scale)), 0, 255).astype(np.uint8)


def png(image: np.ndarray) -> bytes:
    """An image, pixel for pixel; the same image always gives the same bytes.

    Args:
        image: (channels, height, width) uint8; one channel is grey, three are red, green, blue.
    """
    from PIL import Image

    pixels = image[0] if len(image) == 1 else image.transpose(1, 2, 0)
    stream = io.BytesIO()
    # The mode follows from the shape: grey for two dimensions, colour for three.
    Image.fromarray(np.ascontiguousarray(pixels)).save(stream, format="PNG", compress_level=9)
    return stream.getvalue()


def tiled(images: Sequence[np.ndarray], columns: int) -> np.ndarray:
    """Images of one shape side by side, row by row, in one; unused positions are black.

    >>> tiled([np.full((1, 1, 1), n, np.uint8) for n in (7, 8, 9)], 2).tolist()
    [[[7, 8], [9, 0]]]
    """
    channels, height, width = images[0].shape
    rows = -(-len(images) // columns)
    whole = np.zeros((channels, rows * height, columns * width), dtype=np.uint8)
    for position, image in enumerate(images):
        top, left = position // columns * height, position % columns * width
        whole[:, top : top + height, left : left + width] = image
    return whole
