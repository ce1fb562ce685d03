"""Columns: what is known of a field of a typed record besides its name and its type.

A record is a dataclass or a NamedTuple. A field that is written `Annotated[TYPE, column("…")]` is a column of a table;
everything that the core does with columns (schemas, limits, costs, measures, documentation) is made from these.
"""

from __future__ import annotations

import dataclasses
import re
from dataclasses import dataclass
from types import NoneType
from typing import Annotated, Any, Literal, get_args, get_origin, get_type_hints

Unit = Literal[
    "",
    "metric",
    "x",
    "density",
    "share",
    "seconds",
    "steps",
    "FLOPs",
    "joules",
    "bytes",
    "parameters",
    "weights",
    "cells",
    "cores",
    "threads",
    "Unix time",
]
COUNTS: tuple[Unit, ...] = ("steps", "FLOPs", "bytes", "parameters", "weights", "cells", "cores", "threads")
"""Units of which there is a whole number."""
Bounds = tuple[float, float]
MOST_REAL, MOST_WHOLE = 1e21, 2.0**53
"""No count, time or number of operations of one cell is larger; and every whole number below is a float, too."""
ANY: Bounds = (float("-inf"), float("inf"))
"""The bounds of a number that may be anything, also none: that of a cell that diverged."""
LONGEST = 2_000
"""Characters of a text, where its column does not say otherwise."""


@dataclass(frozen=True)
class Form:
    """What a text must look like, and how to say so."""

    pattern: re.Pattern[str]
    says: str


@dataclass(frozen=True)
class CostShown:
    """A column that boards show as what an entry has cost, or as its size."""

    heading: str
    shown: Literal["tables", "record"] = "tables"
    """In every table of a board, or only where one entry is looked at."""


@dataclass(frozen=True)
class Column:
    """What a column means, and which values it can have."""

    meaning: str
    unit: Unit = ""
    since: int = 1
    """The version of the schema that it came with."""
    required: bool = False
    """Whether a submission must have a value here although the field has a default."""
    bounds: Bounds | None = None
    longest: int = LONGEST
    lines: bool = False
    """Whether a text may have several lines."""
    form: Form | None = None
    cost: CostShown | None = None
    measure: bool = False
    """Whether claims, targets and figures of a suite may read it."""


def column(meaning: str, unit: Unit = "", **more: Any) -> Column:
    """A column: a sentence of what it means, its unit, and what else `Column` knows."""
    return Column(meaning, unit, **more)


@dataclass(frozen=True)
class TableColumn:
    """A column of a table: its name and type, and what is said of it."""

    name: str
    type: type
    """str, int, float or bool."""
    about: Column
    optional: bool
    """Whether it may be null in a submission: its field has a default and the column is not required."""

    @property
    def bounds(self) -> Bounds:
        """The least and the most that a number can be."""
        return self.about.bounds or (0.0, MOST_WHOLE if self.type is int else MOST_REAL)


def columns_of(kind: type) -> tuple[TableColumn, ...]:
    """The columns of a record's class, in the order of its fields; fields that are no columns are passed over."""
    found = []
    for name, hint in get_type_hints(kind, include_extras=True).items():
        about = next((part for part in get_args(hint)[1:] if isinstance(part, Column)), None)
        if get_origin(hint) is Annotated and about is not None:
            held = get_args(hint)[0]
            (plain,) = [part for part in get_args(held) or (held,) if part is not NoneType]
            found.append(TableColumn(name, plain, about, has_default(kind, name) and not about.required))
    return tuple(found)


def has_default(kind: type, name: str) -> bool:
    """Whether a record can be made without this field."""
    if not dataclasses.is_dataclass(kind):
        return name in getattr(kind, "_field_defaults", {})
    return next(field for field in dataclasses.fields(kind) if field.name == name).default is not dataclasses.MISSING
