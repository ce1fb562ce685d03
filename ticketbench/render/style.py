"""How charts look in this house."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import altair as alt

Datum = dict[str, Any]
"""A row of a chart's data."""
WIDTH, HEIGHT = 640, 320
FEW = 30
"""Up to so many x, the reported points are marked."""
COLOURS = ("#0069ff", "#c38700", "#b40fc3", "#2d7887", "#f05ac3", "#69691e", "#2d96ff", "#789678")
"""Three to one from a light and from a dark ground, and as far apart as eight can be for eyes that lack red, green or
blue."""


def finished(chart: alt.LayerChart | alt.FacetChart, names: Sequence[str], width: int) -> dict[str, Any]:
    """A chart with the house's looks, as plain data; six names side by side, or as many as a fifth more width takes.

    `usermeta` tells the page the pixels of the longest name with its symbol.
    """
    room = 16 + 26 * max(map(len, names), default=0) // 5
    columns = max(1, min(6, width * 6 // 5 // room))
    plain: dict[str, Any] = (
        chart.configure_legend(
            orient="bottom",
            columns=columns,
            labelLimit=400,
            symbolType="stroke",
            symbolOpacity=1,
            symbolStrokeWidth=2.5,
        )
        .configure_axis(gridOpacity=0.4, labelFontSize=12, titleFontSize=12)
        .configure_title(anchor="start", fontSize=14)
        .configure_view(stroke=None)
        .to_dict()
    )
    plain.pop("$schema", None)
    plain["usermeta"] = {"room": room}
    return plain


def colour_of(names: Sequence[str]) -> alt.Color:
    """The colour of a chart's series: one for each name, in the order given."""
    return alt.Color("series:N", title=None, scale=alt.Scale(domain=list(names), range=ranged(len(names))))


def ranged(count: int) -> list[str]:
    """So many colours, again from the start where there are more lines than colours."""
    return [COLOURS[at % len(COLOURS)] for at in range(count)]
