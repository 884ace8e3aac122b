"""What installed packages add to prunescope, by entry point: criteria, architectures, modules, data sources, figures.

A configuration names an addition; only the installation of a package makes its code run.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from typing import Any, Literal, TypeVar

from pydantic import (
    BaseModel,
    GetCoreSchemaHandler,
    GetJsonSchemaHandler,
    TypeAdapter,
    ValidatorFunctionWrapHandler,
)
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, SchemaValidator, core_schema

from prunescope.errors import UserError

Group = Literal["criteria", "architectures", "sources", "figures", "modules"]

S = TypeVar("S", bound=BaseModel)


@cache
def plugins(group: Group) -> dict[str, EntryPoint]:
    """Entry points of ``prunescope.<group>`` by name; nothing is loaded.

    Raises:
        UserError: two installed packages give the same name.
    """
    found: dict[str, EntryPoint] = {}
    for point in entry_points(group=f"prunescope.{group}"):
        other = found.setdefault(point.name, point)
        if other.value != point.value:
            raise UserError(
                f"{point.name}: two installed packages give prunescope.{group} this name ({other.value}, "
                f"{point.value}); uninstall one of them"
            )
    return found


def load_plugin(group: Group, name: str) -> Any:
    """The object that the entry point ``name`` refers to.

    Raises:
        UserError: the package's code cannot be imported.
    """
    point = plugins(group)[name]
    try:
        return point.load()
    except Exception as error:
        raise UserError(
            f"{name}: the installed package's {point.value} cannot be loaded "
            f"({type(error).__name__}: {error}); repair or uninstall it"
        ) from error


def load_settings(group: Group, name: str, kind: type[S]) -> type[S]:
    """The settings class that the entry point ``name`` refers to.

    Raises:
        UserError: it cannot be loaded, or is no ``kind``.
    """
    found = load_plugin(group, name)
    if not (isinstance(found, type) and issubclass(found, kind)):
        raise UserError(
            f"{name}: the installed package's {plugins(group)[name].value} is no subclass of {kind.__module__}."
            f"{kind.__name__}; correct its entry point or uninstall it"
        )
    return found


@dataclass(frozen=True)
class Installed:
    """Annotation of a union of settings that ``tag`` tells apart: those of installed packages belong to it too.

    A package's code runs only where its name is given.
    """

    group: Group
    tag: str
    kind: type[BaseModel]

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        def check(value: Any, own: ValidatorFunctionWrapHandler) -> Any:
            name = value.get(self.tag) if isinstance(value, Mapping) else getattr(value, self.tag, None)
            if not isinstance(name, str) or name not in plugins(self.group):
                return own(value)
            settings = TypeAdapter(load_settings(self.group, name, self.kind)).core_schema
            # As a union of one, so that problems are placed as those of the built-in ones are.
            union = core_schema.tagged_union_schema({name: settings}, self.tag)
            return SchemaValidator(union).validate_python(value)

        as_it_is = core_schema.wrap_serializer_function_ser_schema(
            lambda value, dump: dump(value), schema=core_schema.any_schema()
        )
        return core_schema.no_info_wrap_validator_function(check, handler(source), serialization=as_it_is)

    def __get_pydantic_json_schema__(
        self, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        union = handler(schema)
        for name in plugins(self.group):
            tagged = {"properties": {self.tag: {"const": name}}, "required": [self.tag], "type": "object"}
            union["oneOf"].append(tagged)
        return union
