"""Names and numbers as a reader wants them: only the options that tell choices apart, only the digits that count."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ticketbench.figures import Metric
    from ticketbench.measures import Unit

NONE = "–"


def short(choice: str, others: Sequence[str]) -> str:
    """A name, with only those options that tell it from other choices of the same name."""
    name, _, options = choice.partition(" ")
    rivals = [json.loads(other.partition(" ")[2] or "{}") for other in others if other.partition(" ")[0] == name]
    own = json.loads(options or "{}")
    telling = {key: value for key, value in own.items() if any(rival.get(key) != value for rival in rivals)}
    return " ".join([name, *(f"{key}={plain(value)}" for key, value in telling.items())])


def telling(choice: str, others: Sequence[str]) -> str:
    """As `short`, without the name where all have the same one; empty where there is nothing to tell."""
    name = choice.partition(" ")[0]
    text = short(choice, others)
    return text.removeprefix(name).strip() if all(other.partition(" ")[0] == name for other in others) else text


def plain(value: Any) -> str:
    """An option's value as the suite file writes it."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def number(value: float | None, unit: Unit, metric: Metric, percent: bool = False) -> str:
    """A number without its unit, as it stands in a column; a density times 100 where asked."""
    if value is None:
        return NONE
    if unit == "metric":
        return f"{100 * value:.1f}" if metric.percent else f"{value:.4g}"
    if unit == "density":
        return f"{100 * value:.3g}" if percent else f"{value:.3g}"
    if unit == "count" and abs(value) < 1e15:
        return f"{value:,.0f}"
    return f"{value:.1f}".removesuffix(".0") if unit == "x" else f"{value:.3g}"


def quantity(value: float | None, unit: Unit, metric: Metric, x_title: str, difference: bool = False) -> str:
    """A number with its unit, and with its sign where it is a difference."""
    if value is None:
        return NONE
    sign = "+" if difference and value > 0 else ""
    word = {"x": x_title, "density": "of the weights", "seconds": "s"}.get(unit, "")
    if unit == "metric" and metric.percent:
        word = "points" if difference else "%"
    return f"{sign}{number(value, unit, metric)} {word}".strip().replace("-", "−")


def level_text(level: float, metric: Metric) -> str:
    """A level of a metric: 98 %, or 0.5."""
    return f"{100 * level:g} %" if metric.percent else f"{level:g}"
