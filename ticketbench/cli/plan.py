"""`ticketbench plan`: what a run would do, and what it would cost."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import rich_click as click

from ticketbench.cli.common import finished_in, load, matrix_options, prepare, print_json
from ticketbench.cli.completion import cards, offering
from ticketbench.render.numbers import amount, duration

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ticketbench.cli.crew import Crew
    from ticketbench.plan.cell import Cell
    from ticketbench.plan.plan import Plan
    from ticketbench.plugin.loading import Plugins


@click.command("plan")
@matrix_options
@click.option(
    "--card",
    metavar="NAME",
    shell_complete=offering(cards),
    help="Plan for this GPU, which need not be here: h200, h100, a100, l40s, rtx4090, l4 or t4. Default: the one that "
    "is here, else h200.",
)
def plan_command(
    suite_name: str,
    tier: str | None,
    device: str,
    workers: int | None,
    fleet_size: int | None,
    store_address: str,
    as_json: bool,
    plugin_files: tuple[str, ...],
    blocked: tuple[str, ...],
    card: str | None,
    **selected: Any,
) -> None:
    """Show the cells of a run, the fleets they form, and an estimate of FLOPs, memory and time."""
    plugins = load(plugin_files, blocked)
    from ticketbench.cli.crew import planned_crew

    crew = planned_crew(device, workers, card)
    plan, why = prepare(plugins, suite_name, tier, crew, None, **selected)
    show_plan(plan, why, plugins, crew, store_address, as_json, fleet_size or 0)


def show_plan(
    plan: Plan,
    why: str,
    plugins: Plugins,
    crew: Crew,
    store_address: str,
    as_json: bool,
    fleet_size: int = 0,
) -> None:
    """Print a plan for a person, or as JSON: its cells, fleets, FLOPs, memory and time."""
    from ticketbench.cli.default_tier import other_tiers
    from ticketbench.plan.plan import count_by

    finished = finished_in(store_address)
    todo = [cell for cell in plan.cells if cell.key not in finished]
    resolver = crew.resolver(plugins)
    fleets = crew.fleets(plan, todo, resolver, fleet_size)
    cost = crew.estimate(fleets, resolver)
    if as_json:
        print_json(
            {
                "suite": plan.suite.name,
                "version": plan.suite.version,
                "tier": plan.tier,
                "precision": plan.cells[0].setting.precision,
                "devices": crew.devices,
                "cells": [
                    {
                        "key": cell.key,
                        "row": cell.setting.row,
                        "task": str(cell.setting.task),
                        "density": cell.density,
                        "seed": cell.seed,
                        "finished": cell.key in finished,
                    }
                    for cell in plan.cells
                ],
                "fleets": [{"name": fleet.name, "cells": [cell.key for cell in fleet.cells]} for fleet in fleets],
                "estimate": {
                    "flops": cost.flops,
                    "memory": cost.memory,
                    "seconds": cost.seconds,
                    "basis": cost.basis,
                    "computed_for": crew.speed.about,
                },
            }
        )
        return
    click.echo(
        f"suite {plan.suite.name} {plan.suite.version}, tier {plan.tier} ({why}): {plan.suite.tier(plan.tier).about}"
    )
    for axis in ("row", "task", "model", "density", "seed"):
        counts = count_by(plan.cells, axis)
        click.echo(f"  {axis:8} " + ", ".join(f"{name} ({count})" for name, count in counts.items()))
    click.echo(f"{len(plan.cells)} cells, {len(plan.cells) - len(todo)} already in {store_address}")
    if not todo:
        return
    sizes = sorted({len(fleet.cells) for fleet in fleets})
    click.echo(
        f"{len(fleets)} fleets of {' or '.join(map(str, sizes))} cells "
        f"on {len(crew.devices)} worker(s): {', '.join(sorted(set(crew.devices)))}, {plan.cells[0].setting.precision}"
        f"{at_live_weights(todo)}"
    )
    click.echo(
        f"estimate: {amount(cost.flops, 'FLOP')}, {amount(cost.memory, 'B')} for the largest fleet, "
        f"about {duration(cost.seconds)} ({cost.basis}) on {crew.speed.about}"
    )
    if cost.memory > crew.memory:
        click.echo(f"a fleet of one cell needs more than the {amount(crew.memory, 'B')} that a worker may take")
    for line in other_tiers(plan, crew, resolver):
        click.echo(line)


def at_live_weights(cells: Sequence[Cell]) -> str:
    """How many cells may be computed at their live weights, and why none is where the machine is not here."""
    from ticketbench.sparse.library import missing

    sparse = sum(cell.setting.engine == "sparse" for cell in cells)
    if sparse:
        return f"; {sparse} at live weights where few are left"
    on_cpu = bool(cells) and cells[0].setting.device_class == "cpu"
    return "; none at live weights: the sparse engine is not compiled, as doctor says" if on_cpu and missing() else ""
