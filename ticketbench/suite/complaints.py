"""Complaints: what pydantic finds wrong with a file in TOML, in sentences for whoever wrote the file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, get_args, get_origin

from pydantic import BaseModel, ValidationError

from ticketbench.errors import suggest
from ticketbench.suite.base import TomlTable

Location = tuple[int | str, ...]
"""The keys and the numbers of list entries that lead from the top of a file to a value."""

SENTENCES: Mapping[str, str] = {
    "missing": "is missing",
    "literal_error": "must be {expected}",
    "string_type": "must be a text",
    "string_pattern_mismatch": "must match the pattern {pattern}",
    "string_too_short": "must have {min_length} characters or more",
    "string_too_long": "must have {max_length} characters or fewer",
    "bool_type": "must be true or false",
    "int_type": "must be a whole number",
    "float_type": "must be a number",
    "finite_number": "must be a finite number",
    "greater_than": "must be greater than {gt:g}",
    "greater_than_equal": "must be {ge:g} or more",
    "less_than": "must be less than {lt:g}",
    "less_than_equal": "must be {le:g} or less",
    "tuple_type": "must be a list",
    "too_short": "has too few entries ({actual_length}): it needs {min_length} or more",
    "too_long": "has too many entries ({actual_length}): it may have {max_length}",
    "dict_type": "must be a table",
}
"""The type of a finding -> what it says of a value; what stands in braces is the finding's context."""
SPEAK_OF_THE_WHOLE = ("missing", "too_short", "too_long")
"""Findings after which the value itself would say nothing more."""


def complaints(error: ValidationError, root: type[BaseModel]) -> str:
    """All that is wrong with a file that should have become `root`: what, where, and what would work."""
    found = error.errors(include_url=False)
    places = [finding["loc"] for finding in found]
    return "; ".join(
        complaint(finding, root)
        for finding in found
        if finding["type"] != "too_short" or not any(lies_within(place, finding["loc"]) for place in places)
    )


def lies_within(place: Location, whole: Location) -> bool:
    """Whether a place is a part of another. A list is too short, too, if an entry of it is wrong."""
    return len(place) > len(whole) and place[: len(whole)] == whole


def complaint(finding: Mapping[str, Any], root: type[BaseModel]) -> str:
    """One finding as a sentence; what `SENTENCES` does not know is said in pydantic's words."""
    location, kind = finding["loc"], finding["type"]
    place, context = place_of(location), finding.get("ctx", {})
    if kind == "extra_forbidden":
        known = keys_of(table_at(root, location[:-1]))
        return f"unknown key {place}. {suggest(str(location[-1]), known)}"
    if kind == "value_error":
        return f"{place}: {context['error']}" if location else str(context["error"])
    value = "" if kind in SPEAK_OF_THE_WHOLE else f" (it is {toml_text(finding['input'])})"
    if kind == "model_type":
        table = table_at(root, location)
        if issubclass(table, TomlTable) and table.written_as:
            return f"{place} must be {table.written_as}{value}"
        return f"{place} must be a table{value}. Its keys: {', '.join(keys_of(table))}."
    if kind in SENTENCES:
        return f"{place} {SENTENCES[kind].format(**context)}{value}"
    return f"{place}: {finding['msg']}{value}"


def place_of(location: Location) -> str:
    """Where a value stands: `'tiers.smoke.blocks (number 1).recipe'`. pydantic ends a key's own place with "[key]"."""
    keys = [part for part in location if part != "[key]"]
    path = "".join(f" (number {part + 1})" if isinstance(part, int) else f".{part}" for part in keys)
    return f"the key '{path[1:]}'" if "[key]" in location else f"'{path[1:]}'"


def toml_text(value: Any) -> str:
    """A value as a message shows it: a list and a table by their kind alone."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Mapping):
        return "a table"
    if isinstance(value, (list, tuple)):
        return "a list"
    return repr(value) if isinstance(value, str) else str(value)


def table_at(root: type[BaseModel], location: Location) -> type[BaseModel]:
    """The model of the table at a place, which the types of the fields on the way to it lead to."""
    kind: Any = root
    for part in location:
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            fields = {field.alias or name: field for name, field in kind.model_fields.items()}
            kind = bare(fields[str(part)].annotation)
        else:
            kind = bare(get_args(kind)[-1] if get_origin(kind) is dict else get_args(kind)[0])
    found: type[BaseModel] = kind
    return found


def bare(kind: Any) -> Any:
    """A type without what is annotated to it, and without the None of a field that may be left out."""
    while get_origin(kind) is Annotated or type(None) in get_args(kind):
        kind = get_args(kind)[0]
    return kind


def keys_of(table: type[BaseModel]) -> Sequence[str]:
    """The keys that a table may have, as a file writes them."""
    return sorted(field.alias or name for name, field in table.model_fields.items())
