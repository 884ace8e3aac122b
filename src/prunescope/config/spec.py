"""The base of all settings, and what is wrong with given ones, in one plain line."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any, get_args

from pydantic import BaseModel, ConfigDict, ValidationError, model_validator

from prunescope.errors import listed, nearest


class Spec(BaseModel):
    """Settings: typed, frozen, without unknown keys, infinities or NaN."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    @model_validator(mode="before")
    @classmethod
    def _no_yes_for_a_number(cls, values: Any) -> Any:
        """YAML's yes and no are no numbers, though Python takes them for 1 and 0."""
        for name, value in values.items() if isinstance(values, Mapping) else ():
            field = cls.model_fields.get(name)
            items = value if isinstance(value, list | tuple) else [value]
            if field and field.annotation is not bool and any(isinstance(item, bool) for item in items):
                raise ValueError(f"{name}: must not be true or false (in YAML also: yes, no, on, off)")
        return values


#: pydantic's words for wrong types, without Python's names of types.
_PLAIN = {
    "tuple_type": "must be a list, such as [a, b]",
    "dict_type": "must be a mapping of keys to values",
    "model_type": "must be a mapping of keys to values",
    "model_attributes_type": "must be a mapping of keys to values",
    "too_short": "must not be empty",
    "string_too_short": "must not be empty",
    "int_parsing": "must be a whole number",
    "int_type": "must be a whole number",
    "int_from_float": "must be a whole number",
    "float_parsing": "must be a number",
    "float_type": "must be a number",
    "string_type": "must be a text",
    "bool_parsing": "must be true or false",
    "bool_type": "must be true or false",
}


def problem_line(
    error: ValidationError,
    root: type[BaseModel],
    specs: Mapping[str, type[BaseModel]],
    unions: Mapping[str, Iterable[str]],
) -> str:
    """The problems of ``error`` in one line."""
    lines = problem_lines(error, root, specs, unions)
    return lines[0] + (f" (and {len(lines) - 1} more)" if len(lines) > 1 else "")


def problem_lines(
    error: ValidationError,
    root: type[BaseModel],
    specs: Mapping[str, type[BaseModel]],
    unions: Mapping[str, Iterable[str]],
) -> list[str]:
    """Each problem of ``error`` as ``key: what is wrong and what is allowed``.

    Args:
        root: what was checked.
        specs: what stands under a key, and what a tag of a union stands for.
        unions: the tags that a union knows, by the key that tells them apart.
    """
    lines: list[str] = []
    found = error.errors(include_url=False)
    within = {problem["loc"][:depth] for problem in found for depth in range(len(problem["loc"]))}
    for problem in found:
        if problem["type"] == "too_short" and problem["loc"] in within:
            continue  # of what is wrong in it nothing was left
        # A check of a whole study has a line for each thing it finds.
        for line in problem["msg"].splitlines() if problem["type"] == "value_error" else [problem["msg"]]:
            lines.append(_problem({**problem, "msg": line}, root, specs, unions))
    return lines


def _problem(
    problem: Any,
    root: type[BaseModel],
    specs: Mapping[str, type[BaseModel]],
    unions: Mapping[str, Iterable[str]],
) -> str:
    location = problem["loc"]
    context = problem.get("ctx", {})
    kind = problem["type"]
    if kind.startswith("union_tag"):
        discriminator = str(context["discriminator"]).strip("'")
        what = f"unknown {context['tag']!r}" if "tag" in context else "required, but not given"
        near = nearest(context["tag"], unions[discriminator]) if "tag" in context else ""
        message = f"{what}{near}; one of {listed(unions[discriminator], 40)}"
        return _line(".".join(map(str, (*location, discriminator))), message)
    if kind == "extra_forbidden":
        keys = _keys(root, specs, location)
        message = f"unknown key{nearest(location[-1], keys)}; allowed here: {listed(keys, 40)}"
    elif kind == "missing":
        message = "required, but not given"
    elif kind == "value_error":
        message = problem["msg"].removeprefix("Value error, ")
    else:
        message = _PLAIN.get(kind, problem["msg"].replace("Input should be", "must be"))
        if not isinstance(problem["input"], Mapping | list | tuple):
            message += f" (not {problem['input']!r})"
        if kind == "less_than" and "sparsities" in location and 2 <= float(problem["input"]) < 100:
            message += f"; did you mean {float(problem['input']) / 100:g}?"
    # Members of a union stand in the location by their tag, after the thing's name: no key.
    tags = {tag for known in unions.values() for tag in known}
    tagged = bool(location) and location[0] != "tune"
    parts = [str(part) for i, part in enumerate(location) if not (tagged and i == 2 and part in tags)]
    key = ".".join(parts)
    if kind == "value_error" and key and re.match(r"[\w.-]+: ", message):
        # A check of several settings together names the one it is about: join the two.
        return _line("", f"{key}.{message}")
    return _line(key, message)


def _line(key: str, message: str) -> str:
    return " ".join((f"{key}: {message}" if key else message).split())


def _keys(
    root: type[BaseModel], specs: Mapping[str, type[BaseModel]], location: tuple[int | str, ...]
) -> list[str]:
    """The keys allowed at ``location``, whose last part is the unknown one."""
    owner = root
    named = {"grid": (), "tune": (2, 3)}.get(str(location[0]), (1,))
    for index, part in enumerate(location[:-1]):
        if index in named:
            continue  # the name of a data set, arch or pruner
        owner = specs.get(str(part)) or _settings_at(owner, str(part)) or owner
    return list(owner.model_fields)


def _settings_at(owner: type[BaseModel], key: str) -> type[BaseModel] | None:
    """The settings that stand under a key of ``owner``, where these are settings of their own."""
    field = owner.model_fields.get(key)
    kinds = (field.annotation, *get_args(field.annotation)) if field else ()
    return next((kind for kind in kinds if isinstance(kind, type) and issubclass(kind, BaseModel)), None)


def distinct(key: str, values: tuple[Any, ...]) -> None:
    """Refuse a list that names something twice.

    Raises:
        ValueError: it does; pydantic makes it a message of its own.
    """
    doubles = sorted({value for value in values if values.count(value) > 1})
    if doubles:
        raise ValueError(f"{f'{key}: ' if key else ''}{listed(doubles)} is listed twice; name each once")
