"""The manifest of a bundle: who submits what, and the hash of every file.

It is TOML, small and flat. `hash` is the bundle's own: sha256 of the canonical text of all other fields, the hashes
and sizes of the files among them. Nothing in a bundle can change without changing it.
"""

from __future__ import annotations

import hashlib
import json
import tomllib
import unicodedata
from collections.abc import Mapping
from typing import Annotated, Any, TypeVar

from pydantic import AfterValidator, Field, ValidationError

from ticketbench.board.bundle.address import web_address
from ticketbench.board.bundle.refusal import BundleError, shown_text, text_fault
from ticketbench.errors import suggest
from ticketbench.plugin.options import canonical
from ticketbench.store.schema import LONGEST_ROW, ROW_OPTIONS, SCHEMA_VERSION
from ticketbench.suite.base import TomlTable

_T = TypeVar("_T", bound=TomlTable)

MANIFEST = "manifest.toml"
MANIFEST_SCHEMA = SCHEMA_VERSION
"""Of the manifest and of the tables: a bundle has the schema of the store that it was made from."""
MOST_BYTES, LONGEST_LINE = 256 * 1024, 2000
MOST_METHODS = 1000
MOST_MARKS = 3
DEVICE_NAMES = {"con", "prn", "aux", "nul", *(f"{port}{number}" for port in ("com", "lpt") for number in range(10))}
"""Names that Windows takes for devices, in any folder and with any ending."""


def plain_text(value: str) -> str:
    """A text that can be printed on one line."""
    fault = text_fault(value, 300) or ("It stacks marks on a letter." if stacked(value) else "")
    if fault:
        raise ValueError(f"{shown_text(value)}. {fault}")
    return value


def stacked(value: str) -> bool:
    """Whether a letter has more marks than any script writes: they would cover the lines above and below."""
    run = 0
    for sign in unicodedata.normalize("NFC", value):
        run = run + 1 if unicodedata.combining(sign) else 0
        if run > MOST_MARKS:
            return True
    return False


def not_blank(value: str) -> str:
    """A text of which something can be seen."""
    if not value.strip():
        raise ValueError(f"{shown_text(value)} is blank. Write who or what it is.")
    return value


def folder_name(value: str) -> str:
    """A name that is a folder of the same name everywhere, and nothing else."""
    if value.partition(".")[0].lower() in DEVICE_NAMES:
        raise ValueError(f"{shown_text(value)} is the name of a device on Windows. Choose another.")
    if value.endswith("."):
        raise ValueError(f"{shown_text(value)} ends in a dot, which Windows drops. Leave it out.")
    return value


FolderName = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.+-]*$", max_length=60), AfterValidator(folder_name)]
Word = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$", max_length=60)]
RowName = Annotated[str, Field(pattern=rf"^[A-Za-z0-9][A-Za-z0-9_.-]*{ROW_OPTIONS}$", max_length=LONGEST_ROW)]
"""A word, and options in brackets behind it."""
Text = Annotated[str, AfterValidator(plain_text)]
OneLine = Annotated[str, Field(min_length=1), AfterValidator(plain_text), AfterValidator(not_blank)]
Address = Annotated[str, AfterValidator(web_address)]
Digest = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class SubmittedMethod(TomlTable):
    """A row of the leaderboard, and the distributions that its code came from."""

    row: RowName
    method: Word
    distribution: Text
    version: Text
    scorer: Word | None = None
    scorer_distribution: Text = ""
    scorer_version: Text = ""


class File(TomlTable):
    """What a file of a bundle must be, to be the one that the manifest was written for."""

    sha256: Digest
    size: Annotated[int, Field(ge=0, le=2**40)]


class Manifest(TomlTable):
    """A manifest; every field belongs to the hash but `hash` itself."""

    schema_version: Annotated[int, Field(alias="schema", ge=1, le=MANIFEST_SCHEMA)]
    name: FolderName
    who: OneLine
    suite: Word
    suite_version: Annotated[int, Field(ge=1, le=10**6)]
    tier: Word
    precision: Word
    device_class: Word
    ticketbench: OneLine
    """The version that made the bundle."""
    hash: Digest
    code: Address | None = None
    """Where the code of its methods can be read."""
    paper: Address | None = None
    """Where they are described."""
    methods: Annotated[tuple[SubmittedMethod, ...], Field(strict=False, min_length=1, max_length=MOST_METHODS)]
    files: Annotated[dict[str, File], Field(max_length=10)]


def to_plain(manifest: Manifest) -> dict[str, Any]:
    """The manifest as plain data, with the names of the file."""
    return manifest.model_dump(mode="json", by_alias=True, exclude_none=True)


def hash_of(fields: Mapping[str, Any]) -> str:
    """A bundle's hash, from the plain data of its manifest."""
    own = {name: value for name, value in fields.items() if name != "hash"}
    return hashlib.sha256(canonical(own).encode()).hexdigest()


def to_toml(fields: Mapping[str, Any]) -> str:
    """Plain data as TOML: values, then a table or a list of tables for each that is one, in the order given."""
    lines = [f"{name} = {toml_value(value)}" for name, value in fields.items() if is_value(value)]
    for name, value in fields.items():
        if isinstance(value, dict) and all(isinstance(part, dict) for part in value.values()):
            for key, table in value.items():
                lines += ["", f"[{name}.{toml_value(key)}]", *toml_lines(table)]
        elif isinstance(value, dict):
            lines += ["", f"[{name}]", *toml_lines(value)]
        elif isinstance(value, list):
            for table in value:
                lines += ["", f"[[{name}]]", *toml_lines(table)]
    return "\n".join(lines) + "\n"


def is_value(value: Any) -> bool:
    """Whether TOML writes it behind an equals sign."""
    return not isinstance(value, (dict, list))


def toml_lines(table: Mapping[str, Any]) -> list[str]:
    """A flat table as lines of TOML, one a key."""
    return [f"{name} = {toml_value(value)}" for name, value in table.items()]


def toml_value(value: str | int | float | bool) -> str:
    """A value as TOML writes it: JSON's way, but for the characters that only TOML refuses."""
    if isinstance(value, float):
        return repr(value)
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")


def read_toml(file: str, content: bytes, most: int = MOST_BYTES) -> dict[str, Any]:
    """TOML from outside: its size and its depth are limited before it is parsed."""
    if len(content) > most:
        raise BundleError(f"{file} has {len(content)} bytes; it may have {most}")
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError as error:
        raise BundleError(f"{file} is not UTF-8 from byte {error.start} on. `ticketbench submit` writes it.") from None
    for number, line in enumerate(text.split("\n"), 1):
        if len(line) > LONGEST_LINE:
            raise BundleError(
                f"{file}, line {number} has {len(line)} characters; {LONGEST_LINE} are the most a line may have"
            )
    try:
        return tomllib.loads(text)
    except RecursionError:
        raise BundleError(f"{file} is nested too deeply. It has values and flat tables only.") from None
    except ValueError as error:
        raise BundleError(f"{file} is not valid TOML: {shown_text(str(error))}") from None


def parse_manifest(content: bytes) -> Manifest:
    """A checked manifest; its hash is that of its fields."""
    data = read_toml(MANIFEST, content)
    found = data.get("schema")
    if isinstance(found, int) and found > MANIFEST_SCHEMA:
        raise BundleError(
            f"{MANIFEST} has schema {shown_text(found)}; this ticketbench reads up to {MANIFEST_SCHEMA}. "
            "Update ticketbench."
        )
    manifest = validated(MANIFEST, Manifest, data)
    right = hash_of(to_plain(manifest))
    if manifest.hash != right:
        raise BundleError(
            f"{MANIFEST}: hash is {manifest.hash}, but its fields have {right}. "
            "It was changed after `ticketbench submit` wrote it; submit again."
        )
    return manifest


def validated(file: str, kind: type[_T], data: Mapping[str, Any]) -> _T:
    """Plain data as a typed table, or the first thing that is wrong with it."""
    try:
        return kind.model_validate(data)
    except ValidationError as error:
        found = error.errors(include_url=False)[0]
    except (RecursionError, OverflowError):
        raise BundleError(f"{file} is nested too deeply. It has values and flat tables only.") from None
    place = shown_text(".".join(str(part) for part in found["loc"]))
    if found["type"] == "missing":
        raise BundleError(f"{file}: {place} is missing")
    if found["type"] == "extra_forbidden":
        known = [field.alias or name for name, field in kind.model_fields.items()] if len(found["loc"]) == 1 else []
        raise BundleError(f"{file}: unknown key {place}. {suggest('', known) if known else ''}".rstrip())
    message = found["msg"].removeprefix("Value error, ")
    value = "" if found["type"] == "value_error" else f" (it is {shown_text(found['input'])})"
    raise BundleError(f"{file}: {place}: {message}{value}")
