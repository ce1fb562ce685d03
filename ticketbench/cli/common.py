"""What several commands share: options, plans, and output for programs."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Sequence
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, cast

import rich_click as click
from click import get_current_context

from ticketbench.cli.completion import ANY_FILE, ANY_FOLDER, SUITES, axis, devices, offering, precisions, rows, tiers

if TYPE_CHECKING:
    from ticketbench.cli.crew import Crew
    from ticketbench.plan.plan import Plan, Selection
    from ticketbench.plugin.loading import Plugins

TIER_HELP = "smoke, small, hour, paper or wide. Default: with a GPU the largest of about an hour, small without."

F = TypeVar("F", bound=Callable[..., Any])
ENGINE_HELP = "auto computes at live weights where few are left, on a CPU; full never does. Part of a key."
METHOD_HELP = (
    "A row of the suite, a method or a scorer; repeatable, or with commas. Options go in brackets, as in "
    "'ROW[fraction=0.5, scope=erk]': those of the row's method, or else of its scorer; scorer=NAME ranks by another."
)
PRECISION_HELP = "fp32, tf32 or bf16; part of a key. Default: what the tier says for the device; fp32 on a CPU."


PLUGIN = click.option(
    "--plugin",
    "plugin_files",
    multiple=True,
    metavar="FILE",
    help="Load a plugin file; repeatable.",
    shell_complete=ANY_FILE,
)
TIER = click.option("--tier", help=TIER_HELP, shell_complete=offering(tiers))
DEVICE = click.option(
    "--device", default="auto", show_default=True, help="auto, cpu, cuda or cuda:N.", shell_complete=offering(devices)
)
PRECISION = click.option("--precision", default="", help=PRECISION_HELP, shell_complete=offering(precisions))


def plugin_options(command: F) -> F:
    """Give a command the options --plugin and --no-plugin."""
    decorators = [
        PLUGIN,
        click.option("--no-plugin", "blocked", multiple=True, metavar="NAME", help="Do not load a plugin; repeatable."),
    ]
    return decorate(command, decorators)


def suite_option(help_text: str, **more: Any) -> Callable[[F], F]:
    """The option --suite."""
    return click.option("--suite", "suite_name", metavar="NAME|FILE", help=help_text, shell_complete=SUITES, **more)


def suite_options(command: F) -> F:
    """Give a command a suite, as its argument or as --suite; it is called with the one that was named."""

    @wraps(command)
    def with_suite(*, suite_argument: str | None, suite_name: str | None, **others: Any) -> Any:
        named = one_suite(suite_argument, suite_name, others["plugin_files"], others["blocked"])
        return command(suite_name=named, **others)

    decorators = [
        click.argument("suite_argument", required=False, metavar="SUITE", shell_complete=SUITES),
        suite_option("A suite, or a TOML file: another way to write SUITE."),
    ]
    return decorate(cast("F", with_suite), decorators)


def one_suite(argument: str | None, option: str | None, plugin_files: tuple[str, ...], blocked: tuple[str, ...]) -> str:
    """The suite that was named, once or twice alike; else an `OptionError` that says which there are."""
    from ticketbench.errors import OptionError

    if argument and option and argument != option:
        raise OptionError(f"two suites are named: {argument} and --suite {option}. Leave one of them out.")
    named = argument or option
    if not named:
        known = ", ".join(sorted(load(plugin_files, blocked).items["suite"]))
        where = get_current_context().command_path
        raise OptionError(f"no suite is named: write `{where} SUITE`. SUITE is one of {known}, or a TOML file.")
    return named


def only_option(axis_name: str) -> Callable[[F], F]:
    """An option that keeps some values of an axis."""
    return click.option(
        f"--{axis_name}",
        f"{axis_name}s",
        multiple=True,
        help=f"Only this {axis_name}; repeatable.",
        shell_complete=axis(axis_name),
    )


def matrix_options(command: F) -> F:
    """What selects the cells of a run."""
    decorators = [
        TIER,
        click.option(
            "--method", "methods", multiple=True, metavar="ROW", help=METHOD_HELP, shell_complete=offering(rows)
        ),
        *map(only_option, ("task", "model", "protocol", "initializer")),
        click.option("--density", "densities", multiple=True, type=float, help="The share of weights kept."),
        click.option("--seeds", type=int, help="How many seeds, instead of the suite's."),
        DEVICE,
        PRECISION,
        click.option(
            "--engine", type=click.Choice(["auto", "full"]), default="auto", show_default=True, help=ENGINE_HELP
        ),
        click.option("--workers", type=click.IntRange(1), help="Worker processes. Default: one a core, or one a GPU."),
        click.option("--fleet", "fleet_size", type=click.IntRange(1), help="Cells stacked into one model, at most."),
        click.option(
            "--store",
            "store_address",
            default="./results",
            show_default=True,
            help="Where records go.",
            shell_complete=ANY_FOLDER,
        ),
        click.option("--json", "as_json", is_flag=True, help="Print JSON for a program to read."),
    ]
    return suite_options(plugin_options(decorate(command, decorators)))


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
