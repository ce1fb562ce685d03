"""Where: which cells, and which of their curves, a figure, a claim or a target speaks of."""

from __future__ import annotations

import json
from typing import Annotated, Any, ClassVar, Self

from pydantic import BeforeValidator, Field, model_validator

from ticketbench.suite.base import Density, TomlTable

FILTERED = ("task", "model", "protocol", "initializer")
"""The axes that can be narrowed."""


class Filter(TomlTable):
    """Which choices of an axis count: `"name"`, or `{ name = "name", option = value }` with or without the name."""

    written_as: ClassVar[str] = "a name, or a table with or without one"

    name: str = ""
    options: dict[str, Any] = Field(default_factory=dict)

    def matches(self, choice: str) -> bool:
        """Whether a choice, as the store writes it, has this name and these option values."""
        name, _, options = choice.partition(" ")
        known = json.loads(options or "{}")
        right_name = self.name in ("", name)
        return right_name and all(key in known and known[key] == value for key, value in self.options.items())


def as_filter(value: Any) -> Any:
    """A string or a flat table as the fields of a `Filter`."""
    if isinstance(value, str):
        return {"name": value}
    if isinstance(value, dict) and "options" not in value:
        options = {key: part for key, part in value.items() if key != "name"}
        return {"name": value.get("name", ""), "options": options}
    return value


FilterField = Annotated[Filter, BeforeValidator(as_filter)]
Filters = Annotated[tuple[FilterField, ...], Field(strict=False)]


class Where(TomlTable):
    """Which cells, and which of their curves. What is left out is open."""

    task: FilterField | None = None
    model: FilterField | None = None
    protocol: FilterField | None = None
    initializer: FilterField | None = None
    density: Density | None = None
    """A row that is dense by nature takes part at every density."""
    judged_on: str | None = None
    """The label of a judgement. Default: the first, which the headline belongs to."""
    metric: str | None = None
    """Default: the headline's."""
    split: str | None = None
    """Default: test."""
    x_name: str | None = None
    """What a curve runs over: "step", "density", or what the model sweeps. Default: the sweep, if there is one."""

    def allowed(self, axis: str) -> tuple[Filter, ...]:
        """The filters of an axis, one of which must match; none where the axis is open."""
        wanted = getattr(self, axis)
        return () if wanted is None else (wanted,)

    def takes(self, axis: str, choice: str) -> bool:
        """Whether a choice of an axis counts."""
        wanted = self.allowed(axis)
        return not wanted or any(one.matches(choice) for one in wanted)


class Several(Where):
    """Which cells, where an axis may have any of several choices."""

    tasks: Filters = ()
    """Of this and the next three: cells of any of these, where `task` and so on names only one."""
    models: Filters = ()
    protocols: Filters = ()
    initializers: Filters = ()

    def allowed(self, axis: str) -> tuple[Filter, ...]:
        """The filters of an axis: those of the singular and of the plural key."""
        many: tuple[Filter, ...] = getattr(self, f"{axis}s")
        return (*super().allowed(axis), *many)

    @model_validator(mode="after")
    def _one_key_an_axis(self) -> Self:
        for axis in FILTERED:
            if getattr(self, axis) is not None and getattr(self, f"{axis}s"):
                raise ValueError(f"give either `{axis}` or `{axis}s`")
        return self
