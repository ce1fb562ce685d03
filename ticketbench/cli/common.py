"""What several commands share: options, plans, and output for programs."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

import rich_click as click

if TYPE_CHECKING:
    from ticketbench.cli.crew import Crew
    from ticketbench.plan.plan import Plan, Selection
    from ticketbench.plugin.loading import Plugins

TIER_HELP = "smoke, small, hour, paper or wide. Default: with a GPU the largest of about an hour, small without."

F = TypeVar("F", bound=Callable[..., Any])
ENGINE_HELP = "auto computes at live weights where few are left, on a CPU; full never does. Part of a key."
PRECISION_HELP = "fp32, tf32 or bf16; part of a key. Default: what the tier says for the device; fp32 on a CPU."


def plugin_options(command: F) -> F:
    """Give a command the options --plugin and --no-plugin."""
    decorators = [
        click.option("--plugin", "plugin_files", multiple=True, metavar="FILE", help="Load a plugin file; repeatable."),
        click.option("--no-plugin", "blocked", multiple=True, metavar="NAME", help="Do not load a plugin; repeatable."),
    ]
    return decorate(command, decorators)


def matrix_options(command: F) -> F:
    """What selects the cells of a run."""
    decorators = [
        click.option("--suite", "suite_name", required=True, metavar="NAME|FILE", help="A suite, or a TOML file."),
        click.option("--tier", help=TIER_HELP),
        click.option("--method", "methods", multiple=True, help="A row of the suite, a method or a scorer."),
        click.option("--task", "tasks", multiple=True, help="Only this task; repeatable."),
        click.option("--model", "models", multiple=True, help="Only this model; repeatable."),
        click.option("--protocol", "protocols", multiple=True, help="Only this protocol; repeatable."),
        click.option("--initializer", "initializers", multiple=True, help="Only this initializer; repeatable."),
        click.option("--density", "densities", multiple=True, type=float, help="The share of weights kept."),
        click.option("--seeds", type=int, help="How many seeds, instead of the suite's."),
        click.option("--device", default="auto", show_default=True, help="auto, cpu, cuda or cuda:N."),
        click.option("--precision", default="", help=PRECISION_HELP),
        click.option(
            "--engine", type=click.Choice(["auto", "full"]), default="auto", show_default=True, help=ENGINE_HELP
        ),
        click.option("--workers", type=click.IntRange(1), help="Worker processes. Default: one a core, or one a GPU."),
        click.option("--fleet", "fleet_size", type=click.IntRange(1), help="Cells stacked into one model, at most."),
        click.option("--store", "store_address", default="./results", show_default=True, help="Where records go."),
        click.option("--json", "as_json", is_flag=True, help="Print JSON for a program to read."),
    ]
    return plugin_options(decorate(command, decorators))


def decorate(command: F, decorators: Sequence[Callable[[Any], Any]]) -> F:
    """Apply decorators so that they show in the order written."""
    for decorator in reversed(decorators):
        command = decorator(command)
    return command


def load(plugin_files: tuple[str, ...] = (), blocked: tuple[str, ...] = ()) -> Plugins:
    """The plugins, with a line on standard error for every broken one."""
    from ticketbench.plugin.loading import load_plugins

    plugins = load_plugins(plugin_files, blocked)
    for broken in plugins.broken:
        click.echo(f"ticketbench: warning: {broken.origin} is set aside: {broken.reason}", err=True)
    return plugins


def prepare(
    plugins: Plugins,
    suite_name: str,
    tier: str | None,
    crew: Crew,
    timeout: float | None,
    precision: str,
    engine: str = "auto",
    **selected: Any,
) -> tuple[Plan, str]:
    """The plan that the options describe, and why its tier was picked."""
    from dataclasses import replace

    from ticketbench.cli.default_tier import pick_tier
    from ticketbench.plan.plan import Selection, find_suite, make_plan

    if precision:
        check_precision(precision, "--precision")
    suite = find_suite(suite_name, plugins)
    chosen, why = pick_tier(suite, tier, crew, plugins, precision=precision)
    selection: Selection = Selection(**selected)
    plan = make_plan(suite, chosen, plugins, selection, crew.devices[0].partition(":")[0], precision, engine)
    return (replace(plan, timeout=timeout) if timeout else plan), why


def check_precision(name: str, option: str) -> None:
    """The precision exists, or an `OptionError` says which do."""
    from ticketbench.errors import OptionError, suggest
    from ticketbench.suite.suite import PRECISIONS

    if name not in PRECISIONS:
        raise OptionError(f"unknown {option} '{name}'. {suggest(name, PRECISIONS)}")


def finished_in(store_address: str) -> set[str]:
    """The keys that a store has, none if there is no store yet."""
    from pathlib import Path

    from ticketbench.store.store import Store

    if "://" not in store_address:
        folder = Path(store_address)
        if not folder.exists() or (folder.is_dir() and not any(folder.iterdir())):
            return set()
    return set(Store(store_address).statuses())


def print_json(value: Any) -> None:
    """One JSON document on standard output; numbers that are not finite become null."""
    click.echo(json.dumps(finite(value), indent=2, ensure_ascii=False))


def finite(value: Any) -> Any:
    """A value for JSON, which knows neither NaN nor infinity: each becomes None, however deep it lies."""
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, dict):
        return {key: finite(part) for key, part in value.items()}
    if isinstance(value, (list, tuple)):
        return [finite(part) for part in value]
    return value
