"""Numbers as a reader wants them: only the digits that count, with their unit."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ticketbench.store.column import COUNTS, Unit

if TYPE_CHECKING:
    from ticketbench.suite.paper import Metric

NONE = "–"


def number(value: float | None, unit: Unit, metric: Metric, percent: bool = False) -> str:
    """A number without its unit, as it stands in a column; a density times 100 where asked."""
    if value is None:
        return NONE
    if unit == "metric":
        return f"{100 * value:.1f}" if metric.percent else f"{value:.4g}"
    if unit == "density":
        return f"{100 * value:.3g}" if percent else f"{value:.3g}"
    if unit in COUNTS and abs(value) < 1e15:
        return f"{value:,.0f}"
    return f"{value:.1f}".removesuffix(".0") if unit == "x" else f"{value:.3g}"


def quantity(value: float | None, unit: Unit, metric: Metric, x_title: str, difference: bool = False) -> str:
    """A number with its unit, and with its sign where it is a difference."""
    if value is None:
        return NONE
    sign = "+" if difference and value > 0 else ""
    word = {"x": x_title, "density": "of the weights", "seconds": "s", "joules": "J"}.get(unit, "")
    if unit == "metric" and metric.percent:
        word = "points" if difference else "%"
    return f"{sign}{number(value, unit, metric)} {word}".strip().replace("-", "−")


def level_text(level: float, metric: Metric) -> str:
    """A level of a metric: 98 %, or 0.5."""
    return f"{100 * level:g} %" if metric.percent else f"{level:g}"


def amount(value: float, unit: str = "") -> str:
    """A count with a prefix: 1.2 G."""
    for prefix, size in (("E", 1e18), ("P", 1e15), ("T", 1e12), ("G", 1e9), ("M", 1e6), ("k", 1e3)):
        if abs(value) >= size:
            return f"{value / size:.3g} {prefix}{unit}"
    return f"{value:.3g} {unit}".strip()


def duration(seconds: float) -> str:
    """A time as a person says it."""
    for unit, size in (("days", 86400.0), ("h", 3600.0), ("min", 60.0)):
        if seconds >= 1.5 * size:
            return f"{seconds / size:.1f} {unit}"
    return f"{seconds:.0f} s" if seconds >= 10 else f"{seconds:.1f} s"
