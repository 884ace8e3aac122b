"""Settings of a data set of one's own: what the columns of a table hold."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any, Literal, Self

from pydantic import Field, SerializerFunctionWrapHandler, field_validator, model_serializer, model_validator

from prunescope.config.datasets import Dataset
from prunescope.config.spec import Spec, distinct
from prunescope.data.settings import AUGMENT, CUT, Augment

Task = Literal["single-label", "multi-label", "regression", "tokens"]

#: Columns of a data table that are made here.
_TAKEN = ("example", "label", "id", "answer_start")


class Splits(Spec):
    """Which examples are of which split, where no files say it."""

    column: str | None = Field(None, description="column that says train, validation or test")
    validation: float | None = Field(None, gt=0, description="share of the examples, or (from 1 on) how many")
    test: float | None = Field(None, gt=0, description="share of the examples, or (from 1 on) how many")
    seed: int = Field(0, ge=0, description="another one draws other examples")

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        if self.column is not None and self.sizes:
            raise ValueError("column: it says which examples are of which split; leave out the sizes")
        for name, size in self.sizes.items():
            if size >= 1 and not size.is_integer():
                raise ValueError(f"{name}: {size:g} is neither a share below 1 nor a whole number")
        return self

    @property
    def sizes(self) -> dict[str, float]:
        """Sizes by split, the test split first, as it is drawn."""
        return {name: size for name in ("test", "validation") if (size := getattr(self, name)) is not None}


class Columns(Dataset):
    """A data set of one's own, in a table: a row an example."""

    counts_published = False

    text: str | tuple[str, ...] | None = Field(None, description="column of the text, or columns of a pair")
    image: str | None = Field(None, description="column of images: paths, or the bytes of image files")
    label: str = Field(
        "label", description="column of the label: a class, several, a number, a tag for each word"
    )
    task: Task | None = Field(None, description="null: what the labels look like, which is said")
    classes: tuple[str, ...] | None = Field(None, min_length=2, description="all classes, in their order")
    id: str | None = Field(None, description="column of the examples' own names")
    groups: tuple[str, ...] = Field(
        (), description="columns that are kept for the analysis by group; `length` is made if there is none"
    )
    splits: Splits | None = Field(None, description="null: as the files say; what they lack is drawn")
    limit: int | None = Field(None, ge=2, description="examples kept of each split, at most")
    max_tokens: int | None = Field(None, ge=4, description=CUT)
    language: str | None = Field(
        None, description="of the texts, such as `en` or `de`; null: English or not is found"
    )
    size: int | None = Field(
        None,
        ge=8,
        description="pixels of a side of the images; null: their own if they are alike and small, else 64",
    )
    augment: Augment = Field("none", description=AUGMENT)
    content: str | None = Field(
        None, description="SHA-256 of the files, which the workflow fills in; other files are refused"
    )

    @field_validator("classes", mode="before")
    @classmethod
    def _names(cls, value: Any) -> Any:
        """Numbers in YAML are names of classes here."""
        return (
            [str(one) if isinstance(one, int | float) else one for one in value]
            if isinstance(value, list)
            else value
        )

    @model_validator(mode="after")
    def _columns(self) -> Self:
        if self.text is not None and self.image is not None:
            raise ValueError("image: `text` is given too; a model takes one of them")
        if self.text == ():
            raise ValueError("text: must not be empty")
        for key in ("classes", "groups"):
            distinct(key, getattr(self, key) or ())
        distinct("text", self.text_columns)
        for group in self.groups:
            if group in _TAKEN or group in self.text_columns:
                raise ValueError(f"groups: {group!r} is a column of its own already; rename the column")
        return self

    @model_serializer(mode="wrap")
    def _given(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        # Settings that are added later are left out at their defaults, so that data sets stand.
        values: dict[str, Any] = handler(self)
        return {key: value for key, value in values.items() if value is not None and value != ()}

    @property
    def text_columns(self) -> tuple[str, ...]:
        return (self.text,) if isinstance(self.text, str) else self.text or ()

    @property
    def image_column(self) -> str:
        return self.image or "image"

    @property
    def input(self) -> Literal["image", "text"]:  # type: ignore[override]
        return "text" if self.text else "image"

    @property
    def wanted(self) -> list[str]:
        """The columns that are read."""
        inputs = self.text_columns or (self.image_column,)
        column = self.splits.column if self.splits else None
        further = [name for name in (self.id, column, *self.groups) if name is not None]
        return list(dict.fromkeys([*inputs, self.label, *further]))

    @property
    @abstractmethod
    def origin(self) -> str:
        """What messages call the data."""
