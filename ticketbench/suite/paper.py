"""What a suite file says of its paper: figures and tables to draw again, claims to judge, numbers to stand beside ours.

Values are in our units (an accuracy of 82.9 % is 0.829); `[metrics.NAME] percent = true` shows them as printed.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from ticketbench.errors import suggest
from ticketbench.suite.base import Name, TomlTable
from ticketbench.suite.measures import MEASURES, known_measure
from ticketbench.suite.tiers import TIERS
from ticketbench.suite.where import Several, Where

MeasureName = Annotated[str, AfterValidator(known_measure)]
Levels = Annotated[tuple[float, ...], Field(strict=False)]
PrintedPoint = Annotated[tuple[float, float], Field(strict=False)]
Tiers = Annotated[tuple[str, ...], Field(strict=False)]


def probe_address(value: str) -> str:
    """A probe's value by three names: which probe, when it looked, what it found."""
    if value.count("/") < 2 or not all(value.split("/", 2)):
        raise ValueError(f"'{value}' names no value of a probe: write 'probe/moment/value', as in 'name/trained/norm'")
    return value


def probe_moment(value: str) -> str:
    """A probe and a moment at which it looked, by two names; a `ValueError` says how to write them."""
    if value.count("/") != 1 or not all(value.split("/")):
        raise ValueError(f"'{value}' names no moment of a probe: write 'probe/moment', as in 'name/trained'")
    return value


ProbeAddress = Annotated[str, AfterValidator(probe_address)]


class Metric(TomlTable):
    """How a metric is read and shown."""

    title: str = ""
    percent: bool = False
    """Shown times 100."""
    higher_is_better: bool = True
    bounds: PrintedPoint | None = None
    """The least and the largest value that there can be. Default: 0 and 1 for what is shown as percent."""

    @property
    def span(self) -> tuple[float, float] | None:
        """Its bounds, as given or as those of a share."""
        return self.bounds or ((0.0, 1.0) if self.percent else None)

    @property
    def most(self) -> float:
        """The largest difference that two values can have."""
        return self.span[1] - self.span[0] if self.span else math.inf

    @property
    def bottom(self) -> float | None:
        """The worst value that there can be; None where there is none."""
        if self.span is None:
            return None
        worst = self.span[0] if self.higher_is_better else self.span[1]
        return worst if math.isfinite(worst) else None


class Aspect(Where):
    """One number of each cell: which cells, which of their curves or probes, and how it is read off."""

    row: str | None = None
    measure: MeasureName | None = None
    """Default: the headline."""
    x: float | None = None
    level: float | None = None
    from_level: float | None = None
    probe: ProbeAddress | None = None
    """The value that `measure = "probe"` reads: "probe/moment/value"."""

    def changed(self, other: Aspect) -> Aspect:
        """This aspect, with what the other one says instead."""
        parts = {name: getattr(self, name) for name in Aspect.model_fields}
        return Aspect(**{**parts, **{name: getattr(other, name) for name in other.said()}})

    def said(self) -> set[str]:
        """The keys that the file gives here."""
        return {name for name in Aspect.model_fields if getattr(self, name) is not None}

    def lacks(self) -> list[str]:
        """The keys that the measure needs and that are not given."""
        return [name for name in MEASURES[self.measure or "headline"].needs if getattr(self, name) is None]


class Reference(TomlTable):
    """What the paper prints for a row: points (x, value) of its curve."""

    row: str
    points: Annotated[tuple[PrintedPoint, ...], Field(strict=False, min_length=1)]


class Figure(Several):
    """A figure or a table of the paper."""

    name: Name
    title: str
    kind: Literal["curve", "table", "size", "initial_weights", "map"] = "curve"
    """curve: drawn, with a table beside it. table: only a table. size: the weights that remain while a cell is
    trained. initial_weights: how the initializers spread the weights of each layer. map: solutions in two dimensions,
    as far apart as a probe of one cell found them."""
    rows: Annotated[tuple[str, ...], Field(strict=False)] = ()
    """Default: all."""
    at: Levels = ()
    """The table has a column for the value at each of these x."""
    levels: Levels = ()
    """The table has a column for the x at which each of these values is reached."""
    probes: Annotated[tuple[ProbeAddress, ...], Field(strict=False)] = ()
    """The table has a column for each of these values of probes, and a line for each density."""
    distances: Annotated[str, AfterValidator(probe_moment)] | None = None
    """Of a map: the probe whose values "A | B" are distances, and when it looked: "probe/moment"."""
    band: Literal["range", "std"] = "range"
    """What is drawn around the mean: smallest to largest seed, or one standard deviation to each side."""
    x_title: str = ""
    x_scale: Literal["linear", "log"] = "linear"
    x_percent: bool = False
    """x is shown times 100."""
    x_reversed: bool = False
    """x falls to the right, as density does in most papers."""
    y_scale: Literal["linear", "log"] = "linear"
    y_range: PrintedPoint | None = None
    """The part of the y axis that is drawn. Default: what the values need; 0 to 1 for shares."""
    references: Annotated[tuple[Reference, ...], Field(strict=False)] = ()
    source: str = ""
    """Where the references were printed, or how they were read off."""
    comparable: Tiers = ("paper",)
    """The tiers in the paper's own setting: only there are its points drawn among ours."""

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if self.y_range and self.y_range[0] >= self.y_range[1]:
            raise ValueError(f"y_range = [{self.y_range[0]:g}, {self.y_range[1]:g}] does not rise")
        if self.y_range and self.y_range[0] <= 0 and self.y_scale == "log":
            raise ValueError(f"y_range starts at {self.y_range[0]:g}, which a logarithmic axis does not have")
        if (self.kind == "map") != (self.distances is not None):
            raise ValueError("kind = 'map' and `distances`, the probe and the moment they are of, belong together")
        return self


def as_aspect(value: Any) -> Any:
    """The other side of a claim as a table: a string names the row that is another there."""
    return {"row": value} if isinstance(value, str) else value


class Claim(Aspect):
    """A sentence of the paper as an inequality: of one number, or of two that share all but what `than` names."""

    text: str
    source: str
    expect: Literal["higher", "lower", "at_least", "at_most"]
    than: Annotated[Aspect, BeforeValidator(as_aspect)] | None = None
    """The other side: `"row"`, or a table of what is different there (`{ x = 5 }`, `{ model = { … } }`)."""
    value: float = 0.0
    """The bound of at_least and at_most."""
    compare: Literal["difference", "ratio"] = "difference"
    """How the two sides are compared, seed by seed. Numbers that span powers of ten are compared by their ratio, whose
    mean is geometric; `value` and `paper` are ratios then."""
    paper: float | None = None
    """The paper's number, or its difference to the other side."""
    tiers: Tiers = ()
    """The tiers the claim can be judged in. Default: all."""

    @property
    def plain(self) -> bool:
        """Whether it only says which of two sides is higher, by their difference."""
        return self.expect in ("higher", "lower") and self.compare == "difference"

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if self.compare == "ratio" and self.than is None:
            raise ValueError("compare = 'ratio' needs `than`, the side it is a multiple of")
        if self.than is None and self.expect in ("higher", "lower"):
            raise ValueError(f"expect = '{self.expect}' needs `than`, the side it is {self.expect} than")
        if self.expect in ("higher", "lower") and self.value:
            raise ValueError(f"`value` belongs to at_least and at_most, not to '{self.expect}'")
        if self.expect in ("at_least", "at_most") and "value" not in self.model_fields_set:
            raise ValueError(f"expect = '{self.expect}' needs a `value`")
        complain(self)
        if self.than:
            complain(self.changed(self.than))
        return self


class Target(Aspect):
    """A number of the paper, to stand beside ours."""

    tier: str
    row: str
    value: float
    source: str

    @model_validator(mode="after")
    def _whole(self) -> Self:
        complain(self)
        return self


def complain(aspect: Aspect) -> None:
    """Refuse a measure without what it needs."""
    if aspect.lacks():
        needed = " and ".join(f"`{name}`" for name in aspect.lacks())
        raise ValueError(f"measure = '{aspect.measure}' needs {needed}")


def check_references(
    figures: tuple[Figure, ...],
    claims: tuple[Claim, ...],
    targets: tuple[Target, ...],
    rows: Mapping[str, Any],
    tiers: Mapping[Any, Any],
) -> None:
    """Every row and tier that a figure, a claim or a target names exists; each figure has a name of its own."""
    for number, figure in enumerate(figures, 1):
        if figure.name in [other.name for other in figures[: number - 1]]:
            raise ValueError(f"figures (number {number}): there are two figures '{figure.name}'")
    for place, word, value in named_references(figures, claims, targets):
        if word == "row":
            known = set(rows)
        elif place.startswith("targets"):
            known = set(tiers)
        else:
            known = {*tiers, *TIERS}
        if value not in known:
            raise ValueError(f"{place}: no {word} '{value}'. {suggest(value, known)}")


def named_references(
    figures: tuple[Figure, ...], claims: tuple[Claim, ...], targets: tuple[Target, ...]
) -> Iterator[tuple[str, str, str]]:
    """(place, "row" or "tier", name) of every reference."""
    for number, figure in enumerate(figures, 1):
        place = f"figures (number {number})"
        yield from ((place, "row", row) for row in (*figure.rows, *(part.row for part in figure.references)))
        yield from ((place, "tier", tier) for tier in figure.comparable)
    for number, claim in enumerate(claims, 1):
        place = f"claims (number {number})"
        sides = [claim, *([claim.than] if claim.than else [])]
        yield from ((place, "row", side.row) for side in sides if side.row is not None)
        yield from ((place, "tier", tier) for tier in claim.tiers)
    for number, target in enumerate(targets, 1):
        place = f"targets (number {number})"
        yield from ((place, word, value) for word, value in (("tier", target.tier), ("row", target.row)))
