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
from functools import cache
from inspect import isabstract
from typing import Any, ClassVar, Literal, get_args

from pydantic import Field, GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic_core import SchemaValidator, core_schema

from prunescope.config.plugins import load_plugin, plugins
from prunescope.config.spec import Spec
from prunescope.errors import UserError
from prunescope.files import expanded

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
    ``writes``: answers are texts that a model writes.
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
    writes: bool = False


def _by_source(value: Any) -> Dataset:
    """Settings checked by the class of their source."""
    if isinstance(value, Dataset):
        return value
    name = value.get("source") if isinstance(value, Mapping) else None
    known = _built_in_like(name) if isinstance(name, str) else {}
    # The other files, and installed packages, are looked at only where that is needed: it takes time.
    classes = known if name in known else sources()
    found: Dataset = _validator(tuple(classes.items())).validate_python(value)
    return found


class Dataset(Spec):
    """Settings of a data set, what it is declared to hold, and how its tables are built.

    A subclass has ``source``, a ``Literal`` of the names that it is known by, and the methods ``declared`` and
    ``build``. Its module is imported whenever a study that names it is read: numpy, pyarrow and all else that is
    slow to import is imported in functions.

    Validation of this class gives the subclass that ``source`` names.
    """

    source: str
    training: dict[str, dict[str, Any]] = Field(
        default_factory=dict, description="per arch: training settings that differ on this data set"
    )

    #: What the examples are, and so which architectures can take them.
    input: ClassVar[Literal["image", "text"]]

    #: Whether ``declared`` knows the counts without the data.
    counts_published: ClassVar[bool] = True

    #: The paper that studies the data set, by which plans sum up work.
    paper: ClassVar[str] = "other"

    #: Where its files come from, for whoever lacks them; empty where they are downloaded.
    obtained: ClassVar[str] = ""

    @property
    def answers(self) -> Answers:
        """What a model says of an example, and so which architectures can say it."""
        return "classes"

    @abstractmethod
    def declared(self) -> Declared:
        """What the data set holds, before it is built."""

    def checked(self) -> tuple[list[str], list[str]]:
        """Notes and warnings for people, from all that can be known of the data before a job starts.

        Raises:
            UserError: the data is not there, or unusable.
        """
        path = getattr(self, "path", None)
        if path is not None:
            expanded(path)
        return [], []

    def check_arch(self, name: str, arch: Any) -> None:
        """Refuse an arch that cannot learn from this data.

        Raises:
            UserError: it cannot; the line says what can.
        """

    def class_names(self) -> list[str] | None:
        """The classes in their order, where they are known before the data is built."""
        return None

    def fingerprint(self) -> str | None:
        """SHA-256 of the files that the data set is built from, where other files make it another data set."""
        return None

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
        return handler(_tagged(sources()))


def _tagged(classes: Mapping[str, type[Dataset]]) -> core_schema.CoreSchema:
    schemas = {name: cls.__pydantic_core_schema__ for name, cls in classes.items()}
    return core_schema.tagged_union_schema(schemas, discriminator="source")


@cache
def _validator(classes: tuple[tuple[str, type[Dataset]], ...]) -> SchemaValidator:
    return SchemaValidator(_tagged(dict(classes)))


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


def _built_in() -> dict[str, type[Dataset]]:
    return {name: cls for module in _modules() for name, cls in _sources_in(module).items()}


def _built_in_like(name: str) -> dict[str, type[Dataset]]:
    """The sources of the files by whose names ``name`` begins: most often, the one file that has it."""
    likely = [module for module in _modules() if name.startswith(module)]
    return {name: cls for module in likely for name, cls in _sources_in(module).items()}


@cache
def _modules() -> tuple[str, ...]:
    package = importlib.import_module(_BUILT_IN)
    return tuple(module.name for module in pkgutil.iter_modules(package.__path__))


@cache
def _sources_in(module: str) -> dict[str, type[Dataset]]:
    there = vars(importlib.import_module(f"{_BUILT_IN}.{module}")).values()
    return {name: cls for cls in there if _is_source(cls) for name in names_of(cls)}


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
