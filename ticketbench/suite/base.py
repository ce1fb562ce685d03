"""What every table of a suite file has in common."""

from __future__ import annotations

from typing import Annotated, ClassVar

from pydantic import BaseModel, ConfigDict, Field

Density = Annotated[float, Field(gt=0, le=1)]
Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.+-]*$", max_length=60)]


class TomlTable(BaseModel):
    """A table of a suite file: every key known, every value of its type."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    written_as: ClassVar[str] = ""
    """What a file may have in its place, for messages, where that is more than a table of its keys."""
