"""Data sets of a study: what every one has, and the sources that can be named.

A source is a subclass of ``Dataset`` in a file of its own in ``prunescope/data/sources``, or in an installed
package, by the entry point ``prunescope.sources``. Both are found by name; nothing else lists them.
"""

from __future__ import annotations

import importlib
import pkgutil
from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache, reduce
from inspect import isabstract
from operator import or_
from typing import Annotated, Any, ClassVar, Literal, get_args

from pydantic import Field, GetCoreSchemaHandler, GetJsonSchemaHandler, TypeAdapter
from pydantic_core import core_schema

from prunescope.config.plugins import load_plugin, plugins
from prunescope.config.spec import Spec
from prunescope.errors import UserError

#: Each module of this package is one source, or several of one family.
_BUILT_IN = "prunescope.data.sources"

#: One or several classes; a number; a class of every token; a span of the text; a text of its own.
Answers = Literal["classes", "number", "tokens", "span", "text"]


@dataclass(frozen=True)
class Declared:
    """What a data set is declared to hold; the card of the built one says what was found.

    ``classes``, and examples of ``train``, ``validation`` and ``test``: upper bounds where they depend on what is
    found. ``tokens``: length of the longest text; ``mean_tokens``: mean length of texts cut there, in subwords of
    BERT (uncased), [CLS] and [SEP] included, where it is known. ``image``: (channels, height, width).

    ``several_labels``: whether an example has any number of classes. ``answer_length``: tokens (tags) or characters
    (spans, texts) of an answer, on average; ``accepted_answers``: accepted answers of a test example, on average.
    """

    classes: int
    train: int
    validation: int
    test: int
    tokens: int = 0
    image: tuple[int, int, int] | None = None
    mean_tokens: float | None = None
    several_labels: bool = False
    answer_length: float = 0.0
    accepted_answers: float = 1.0


def _by_source(value: Any) -> Dataset:
    """Settings checked by the class of their source."""
    if isinstance(value, Dataset):
        return value
    built_in = _built_in()
    known = isinstance(value, Mapping) and value.get("source") in built_in
    # Packages are looked for only where a source is not of this one: that takes time.
    return _union(tuple((built_in if known else sources()).values())).validate_python(value)


class Dataset(Spec):
    """Settings of a data set, what it is declared to hold, and how its tables are built.

    A subclass has ``source``, a ``Literal`` of the names that it is known by, and the methods ``declared`` and
    ``build``. Its module is imported whenever a study is read: numpy, pyarrow and all else that is slow to import
    is imported in functions.

    Validation of this class gives the subclass that ``source`` names.
    """

    source: str
    training: dict[str, dict[str, Any]] = Field(
        default_factory=dict, description="per arch: training settings that differ on this data set"
    )

    #: What the examples are, and so which architectures can take them.
    input: ClassVar[Literal["image", "text"]]

    #: The paper that studies the data set, by which plans sum up work.
    paper: ClassVar[str] = "other"

    @property
    def answers(self) -> Answers:
        """What a model says of an example, and so which architectures can say it."""
        return "classes"

    @abstractmethod
    def declared(self) -> Declared:
        """What the data set holds, before it is built."""

    @abstractmethod
    def build(self, name: str) -> Any:
        """The tables of the data set called ``name``, as a ``prunescope.data.dataset.DataSet``.

        Raises:
            UserError: a file is missing or unusable, or cannot be downloaded.
        """

    @classmethod
    def __get_pydantic_core_schema__(
        cls, source: Any, handler: GetCoreSchemaHandler
    ) -> core_schema.CoreSchema:
        if not isabstract(cls):
            return handler(source)
        return core_schema.no_info_plain_validator_function(_by_source)

    @classmethod
    def __get_pydantic_json_schema__(
        cls, schema: core_schema.CoreSchema, handler: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        if not isabstract(cls):
            return handler(schema)
        return handler(_union(tuple(sources().values())).core_schema)


@cache
def _union(classes: tuple[type[Dataset], ...]) -> TypeAdapter[Dataset]:
    union: Any = reduce(or_, classes)
    return TypeAdapter(Annotated[union, Field(discriminator="source")])


def sources() -> dict[str, type[Dataset]]:
    """Every source by name: those of this package, then those that installed packages add.

    Raises:
        UserError: a package's code cannot be loaded, is no source, or takes a name that is there already.
    """
    found = dict(_built_in())
    for name in sorted(plugins("sources")):
        if name in found:
            raise UserError(f"{name}: an installed package names its source as one of prunescope; rename it")
        found[name] = _plugin(name)
    return found


@cache
def _built_in() -> dict[str, type[Dataset]]:
    package = importlib.import_module(_BUILT_IN)
    modules = [
        importlib.import_module(f"{_BUILT_IN}.{module.name}")
        for module in pkgutil.iter_modules(package.__path__)
    ]
    classes = [value for module in modules for value in vars(module).values() if _is_source(value)]
    return {name: cls for cls in classes for name in names_of(cls)}


def _is_source(value: Any) -> bool:
    return isinstance(value, type) and issubclass(value, Dataset) and not isabstract(value)


def names_of(cls: type[Dataset]) -> tuple[str, ...]:
    """The names that a source is known by."""
    return get_args(cls.model_fields["source"].annotation)


def _plugin(name: str) -> type[Dataset]:
    cls = load_plugin("sources", name)
    if not _is_source(cls) or name not in names_of(cls):
        raise UserError(
            f"{name}: the installed package's {plugins('sources')[name].value} is no source of this name; it must be "
            f"a subclass of prunescope.config.datasets.Dataset with `source: Literal[{name!r}]`, `declared` and "
            "`build`"
        )
    found: type[Dataset] = cls
    return found
