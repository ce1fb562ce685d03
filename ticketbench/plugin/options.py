"""Typed options: the fields of a contract class, checked before anything runs.

A plugin author writes a frozen dataclass; its fields are its options. `option()` adds a sentence of help
and bounds to a field. `configure()` turns names and plain values (from TOML or the command line) into an
object of that class, or says which option is wrong and what it takes.
"""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Mapping
from functools import lru_cache
from typing import TYPE_CHECKING, Any, TypeVar, get_args, get_origin, get_type_hints

from ticketbench.errors import OptionError, suggest

if TYPE_CHECKING:
    from pydantic import TypeAdapter

_T = TypeVar("_T")
Plain = None | bool | int | float | str | list["Plain"] | dict[str, "Plain"]


def option(default: Any, help: str = "", *, at_least: float | None = None, at_most: float | None = None) -> Any:
    """A dataclass field with a sentence of help and, for numbers, bounds that are part of the type."""
    return dataclasses.field(default=default, metadata={"help": help, "at_least": at_least, "at_most": at_most})


def configure(prototype: _T, values: Mapping[str, Any], where: str) -> _T:
    """The prototype with some options changed; an `OptionError` names the wrong one."""
    owner = getattr(prototype, "name", type(prototype).__name__)
    fields = {field.name: field for field in dataclasses.fields(prototype)}  # type: ignore[arg-type]
    checked = {}
    for name, value in values.items():
        if name not in fields:
            known = suggest(name, fields) if fields else "It takes no options."
            raise OptionError(f"'{owner}' has no option '{name}' (in {where}). {known}")
        checked[name] = check_value(type(prototype), fields[name], value, f"'{owner}' in {where}")
    try:
        return dataclasses.replace(prototype, **checked)  # type: ignore[type-var]
    except ValueError as error:
        raise OptionError(f"'{owner}' in {where}: {error}") from error


def check_value(owner: type, field: dataclasses.Field[Any], value: Any, where: str) -> Any:
    """The value as the field's type; an `OptionError` says what the option takes."""
    from pydantic import ValidationError

    try:
        checked = adapter(owner, field.name).validate_python(as_tuples(value), strict=True)
    except ValidationError:
        takes = describe_type(owner, field)
        raise OptionError(f"option '{field.name}' of {where} cannot be {value!r}. It takes {takes}.") from None
    low, high = field.metadata.get("at_least"), field.metadata.get("at_most")
    number = isinstance(checked, (int, float)) and not isinstance(checked, bool)
    if number and not ((low is None or checked >= low) and (high is None or checked <= high)):
        takes = describe_type(owner, field)
        raise OptionError(f"option '{field.name}' of {where} cannot be {value!r}. It takes {takes}.")
    return checked


@lru_cache(maxsize=4096)
def adapter(owner: type, name: str) -> TypeAdapter[Any]:
    """pydantic's validator for the type of one field; made once for each."""
    from pydantic import ConfigDict, TypeAdapter

    return TypeAdapter(get_type_hints(owner)[name], config=ConfigDict(allow_inf_nan=False))


def as_tuples(value: Any) -> Any:
    """TOML's lists as tuples, so that a configured object stays hashable."""
    return tuple(as_tuples(part) for part in value) if isinstance(value, (list, tuple)) else value


def describe_type(owner: type, field: dataclasses.Field[Any]) -> str:
    """What a field takes, in words: `int, at least 1`, or its choices."""
    hint = get_type_hints(owner)[field.name]
    choices = [repr(choice) for choice in get_args(hint)] if str(get_origin(hint)).endswith("Literal") else []
    text = " or ".join(choices) if choices else getattr(hint, "__name__", str(hint))
    if "[" in str(hint) and not choices:
        text = str(hint).replace("typing.", "")
    low, high = field.metadata.get("at_least"), field.metadata.get("at_most")
    text += f", at least {low:g}" if low is not None else ""
    return text + (f", at most {high:g}" if high is not None else "")


def options_of(configured: object) -> dict[str, Plain]:
    """Every option with its value, defaults included, as plain data in the fields' order."""
    return {
        field.name: plain(getattr(configured, field.name))
        for field in dataclasses.fields(configured)  # type: ignore[arg-type]
    }


def plain(value: Any) -> Plain:
    """A value as JSON can hold it."""
    if isinstance(value, (tuple, list)):
        return [plain(part) for part in value]
    if isinstance(value, Mapping):
        return {str(key): plain(part) for key, part in value.items()}
    if value is None or isinstance(value, (bool, int, str)) or (isinstance(value, float) and math.isfinite(value)):
        return value
    raise OptionError(f"an option holds {value!r}, which is neither a finite number, a text, nor a list of them")


def canonical(value: Any) -> str:
    """The one text of plain data: sorted keys, no spaces, floats as Python prints them."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
