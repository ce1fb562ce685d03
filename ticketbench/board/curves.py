"""What of a submission's curves and probes a board shows: the headline's sweep, and what drawing has cost."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from ticketbench.board.lines import Line

SPLIT, DENSITY, DRAWN = "test", "density", "drawn"
DRAW_FLOPS = "draw_flops"
"""The column of FLOPs until the ticket was drawn. Records of schema 1 do not have it; a probe may have counted them."""


def add_curves(lines: Sequence[Line], curves: pa.Table) -> None:
    """Each line's mean along its sweep: at every x that all of its seeds have, of the last round of training.

    As with figures, a cell's curve is that of its first judgement, and runs over what the model sweeps.
    """
    owners = {seed.key: line for line in lines for seed in line.seeds.values() if seed.counts}
    if not owners or not curves.num_rows:
        return
    wanted = pc.and_(pc.equal(curves["split"], SPLIT), pc.not_equal(curves["x_name"], DENSITY))
    known = pc.is_in(curves["key"], pa.array(list(owners), pa.string()))
    table = curves.filter(pc.and_(wanted, known))
    names = ("key", "judged_on", "metric", "x_name", "round", "x", "value")
    of_cell: dict[str, dict[str, Any]] = {}
    for key, label, metric, x_name, turn, x, value in zip(*(table[name].to_pylist() for name in names), strict=True):
        if metric != owners[key].metric or value is None or not math.isfinite(value):
            continue
        found = of_cell.setdefault(key, {"label": label, "x_name": x_name, "round": turn, "points": {}})
        if (found["label"], found["x_name"]) != (label, x_name) or turn < found["round"]:
            continue
        if turn > found["round"]:
            found["round"], found["points"] = turn, {}
        found["points"][float(x)] = float(value)
    for line in lines:
        parts = [of_cell[seed.key] for seed in line.seeds.values() if seed.key in of_cell]
        if not parts or len(parts) < len(line.seeds) or len({part["x_name"] for part in parts}) > 1:
            continue
        line.x_name = str(parts[0]["x_name"])
        shared = set.intersection(*(set(part["points"]) for part in parts))
        line.curve = [(x, sum(part["points"][x] for part in parts) / len(parts)) for x in sorted(shared)]


def add_drawing_costs(lines: Sequence[Line], probes: pa.Table) -> None:
    """FLOPs of drawing where the records lack them: the mean of probes' values `flops` when the ticket was drawn."""
    if not probes.num_rows:
        return
    table = probes.filter(pc.and_(pc.equal(probes["moment"], DRAWN), pc.equal(probes["name"], "flops")))
    spent = dict(zip(table["key"].to_pylist(), table["value"].to_pylist(), strict=True))
    for line in lines:
        found = [spent[seed.key] for seed in line.seeds.values() if spent.get(seed.key) is not None]
        if DRAW_FLOPS not in line.costs and found and len(found) == len(line.seeds):
            line.costs[DRAW_FLOPS] = sum(found) / len(found)
