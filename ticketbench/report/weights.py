"""Initial weights: how a suite's initializers spread the weights of each layer, drawn as its cells draw them."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ticketbench.plan.cell import Cell
from ticketbench.plan.resolve import Cast
from ticketbench.render.labels import short
from ticketbench.report.grids import Grid
from ticketbench.report.series import chosen_by
from ticketbench.results.results import Results
from ticketbench.suite.paper import Figure

if TYPE_CHECKING:
    from torch import Tensor

MOST_BINS, FEWEST_BINS = 60, 8
WIDTH, HEIGHT, ABREAST = 190, 170, 3


@dataclass(frozen=True)
class Spread:
    """The weights of one layer under one initializer."""

    initializer: str
    model: str
    layer: str
    count: int
    mean: float
    std: float
    largest: float
    """The largest |w|: the bound of a uniform distribution, but for 1 / count of it."""
    edges: tuple[float, ...]
    densities: tuple[float, ...]
    """The probability density in each bin."""


def spreads_of(results: Results, figure: Figure) -> list[Spread]:
    """Every layer of the figure's models under every initializer, from the network of the smallest seed."""
    entries = sorted(chosen_by(results, figure), key=lambda entry: entry.seed)
    initializers = list(dict.fromkeys(entry.record.initializer for entry in results.select(figure)))
    models = list(dict.fromkeys(entry.record.model for entry in results.select(figure)))
    drawn: dict[tuple[str, str], Mapping[str, Tensor]] = {}
    for entry in entries:
        place = (entry.record.model, entry.record.initializer)
        found = None if place in drawn else results.cast_of(entry)
        if found is not None:
            drawn[place] = initial_weights(*found)
    found_here: list[Spread] = []
    for model in models:
        alike = {one: drawn[model, one] for one in initializers if (model, one) in drawn}
        names = {one: short(one, list(alike)) for one in alike}
        shown = short(model, models) if len(models) > 1 else ""
        for layer in next(iter(alike.values()), {}):
            found_here += spread_of_weights(
                {names[one]: weights[layer] for one, weights in alike.items()}, shown, layer
            )
    return found_here


def initial_weights(cell: Cell, cast: Cast) -> dict[str, Tensor]:
    """The prunable weights of a cell before anything else happens."""
    from ticketbench.plan.fresh import fresh_module

    module = fresh_module(cell, cast, cast.stages.draw_on)
    own = dict(module.named_parameters())
    return {name: own[name].detach() for name in cast.model.prunable(module)}


def spread_of_weights(weights: Mapping[str, Tensor], model: str, layer: str) -> list[Spread]:
    """Histograms of one layer under several initializers, over the same bins around zero."""
    import numpy as np

    values = {name: part.double().flatten().numpy() for name, part in weights.items()}
    largest = max(float(np.abs(part).max()) for part in values.values()) or 1.0
    found = []
    for name, part in values.items():
        bins = min(MOST_BINS, max(FEWEST_BINS, round(math.sqrt(part.size))))
        shares, edges = np.histogram(part, bins=bins, range=(-largest, largest), density=True)
        found.append(
            Spread(
                name,
                model,
                layer,
                part.size,
                float(part.mean()),
                float(part.std()),
                float(np.abs(part).max()),
                tuple(edges.tolist()),
                tuple(shares.tolist()),
            )
        )
    return found


def spread_grid(figure: Figure, spreads: Sequence[Spread]) -> Grid:
    """A line for each layer and initializer: the numbers behind the histograms."""
    several = any(one.model for one in spreads)
    lines = []
    for one in spreads:
        numbers = (f"{one.count:,}", f"{one.mean:.2e}".replace("-", "−"), f"{one.std:.4g}", f"{one.largest:.4g}")
        lines.append((*([one.model] if several else []), one.layer, one.initializer, *numbers))
    columns = (*(["model"] if several else []), "layer", "initializer", "weights", "mean", "std", "largest |w|")
    notes = ["of the weights as the cells of the smallest seed draw them; no training is in it"]
    return Grid(figure.title, columns, lines, notes if lines else ["this tier plans no cell of this figure"])


def spread_chart(figure: Figure, spreads: Sequence[Spread]) -> dict[str, Any] | None:
    """A small chart for each layer, a stepped line for each initializer; None where there is nothing to draw."""
    import altair as alt

    from ticketbench.render.style import colour_of, finished

    if not spreads:
        return None
    data = [
        {"series": one.initializer, "layer": f"{one.model} {one.layer}".strip(), "x": x, "density": value}
        for one in spreads
        for x, value in zip((one.edges[0], *one.edges), (0.0, *one.densities, 0.0), strict=True)
    ]
    names = list(dict.fromkeys(one.initializer for one in spreads))
    layers = list(dict.fromkeys(str(point["layer"]) for point in data))
    columns = min(ABREAST, len(layers))
    pick = alt.selection_point(fields=["series"], bind="legend", name="pick")
    tips = [alt.Tooltip("series:N"), alt.Tooltip("x:Q", format=".4f"), alt.Tooltip("density:Q", format=".3f")]
    chart = (
        alt.Chart(alt.InlineData(values=data), width=WIDTH, height=HEIGHT)
        .mark_line(interpolate="step-after", strokeWidth=1.6)
        .encode(
            x=alt.X("x:Q", title=figure.x_title or "weight", axis=alt.Axis(tickCount=5)),
            y=alt.Y("density:Q", title="probability density"),
            color=colour_of(names),
            opacity=alt.condition(pick, alt.value(1.0), alt.value(0.1)),
            tooltip=tips,
        )
        .facet(alt.Facet("layer:N", title=None, sort=layers), columns=columns)
        .resolve_scale(x="independent", y="independent")
        .properties(title=figure.title)
        .add_params(pick)
    )
    return finished(chart, names, WIDTH * columns)
