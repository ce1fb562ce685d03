"""Settings of boards: a `board.toml` beside a board, or one for all of them in the folder of the suites."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field, ValidationError

from ticketbench.errors import SuiteError
from ticketbench.suite.base import TomlTable
from ticketbench.suite.complaints import complaints

FILE = "board.toml"


class Settings(TomlTable):
    """What a board compares with, and on which seeds."""

    against: Annotated[tuple[str, ...], Field(strict=False, max_length=4)] = ()
    """Rows that all others are compared with. Default: the rows that are never pruned."""
    reference: str = "ticketbench"
    """The submission whose rows those are; where it has no such row, each submission's own."""
    seeds: Annotated[tuple[Annotated[int, Field(ge=0)], ...], Field(strict=False)] = ()
    """The seeds a complete entry has. Default: those of the suite's tier."""


def read_settings(board: Path, root: Path) -> Settings:
    """A board's settings: its own file's keys, and for the rest those of the file for all boards."""
    said: dict[str, Any] = {}
    for path in (root / FILE, board / FILE):
        if path.is_file():
            try:
                said |= tomllib.loads(path.read_text(encoding="utf-8"))
                Settings.model_validate(said)
            except (OSError, tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
                raise SuiteError(f"{path} cannot be read: {error}. It is a TOML file of at most three keys.") from None
            except ValidationError as error:
                raise SuiteError(f"{path}: {complaints(error, Settings)}") from None
    return Settings.model_validate(said)
