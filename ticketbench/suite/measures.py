"""The registry of measures: what a claim, a target or a figure can ask of a cell, and what it needs to be asked.

Columns of the record that say so are measures as they stand. All others are derived from a curve or read from a probe;
`ticketbench.results.measures` has how, under the same names.
"""

from __future__ import annotations

from dataclasses import dataclass

from ticketbench.errors import suggest
from ticketbench.store.column import Unit, columns_of
from ticketbench.store.schema import CellRecord

PROBE = "probe"
"""The measure that reads a value of a probe."""


@dataclass(frozen=True)
class Measure:
    """A number that a claim, a target or a figure can ask of a cell: what it means, and what it needs."""

    meaning: str
    unit: Unit
    needs: tuple[str, ...] = ()
    """The keys of a suite file that it cannot do without."""


COLUMNS: dict[str, Measure] = {
    one.name: Measure(one.about.meaning, one.about.unit) for one in columns_of(CellRecord) if one.about.measure
}
"""Measures that stand in the record."""
DERIVED: dict[str, Measure] = {
    "value": Measure("the curve's value at x", "metric", ("x",)),
    "best": Measure("the curve's best value", "metric"),
    "last": Measure("the curve's value at its last x; over densities, at the sparsest", "metric"),
    "mean": Measure("the mean of the curve's values over all reported x", "metric"),
    "at_budget": Measure("the curve's value at the budget that the model was trained with", "metric"),
    "overthinking": Measure("how much worse the curve's last value is than its best", "metric"),
    "x_to": Measure(
        "the first x at which the level is reached; over densities, the last until it is lost", "x", ("level",)
    ),
    "holds_to": Measure("the last x up to which no value is more than `level` worse than the first", "x", ("level",)),
    "rise": Measure("how much x goes by from reaching `from_level` to reaching `level`", "x", ("level", "from_level")),
    "reaches": Measure("1 where the level is reached, else 0", "share", ("level",)),
    "flops_to": Measure(
        "floating-point operations of one forward pass at the x that reaches the level", "FLOPs", ("level",)
    ),
    "parameters_to": Measure("the parameters, where the level is reached", "parameters", ("level",)),
}
"""Measures that are derived from a curve."""
MEASURES: dict[str, Measure] = {
    **COLUMNS,
    **DERIVED,
    PROBE: Measure("a number that a probe found", "share", ("probe",)),
}
"""Name -> what it is."""


def known_measure(name: str) -> str:
    """The name of a measure that there is."""
    if name not in MEASURES:
        raise ValueError(f"no measure '{name}'. {suggest(name, MEASURES)}")
    return name


def measures_markdown() -> str:
    """The registry as a page of Markdown."""
    lines = [
        "# Measures",
        "",
        'What `measure = "…"` of a claim or a target in a suite file can be. Made from the registry in',
        "`ticketbench/suite/measures.py` and the schema of records by `make docs`; edit those, not this file.",
        "",
        "| measure | needs | unit | what it is |",
        "| --- | --- | --- | --- |",
    ]
    for name, one in MEASURES.items():
        needs = ", ".join(f"`{key}`" for key in one.needs)
        lines.append(f"| `{name}` | {needs} | {one.unit} | {one.meaning} |")
    return "\n".join(lines) + "\n"
