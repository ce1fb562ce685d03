"""`ticketbench plugin`: a file to start from, and the checks that a plugin's things have to pass."""

from __future__ import annotations

import keyword
import sys
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path
from string import Template
from typing import TYPE_CHECKING

import rich_click as click

from ticketbench.errors import OptionError, PluginError, TicketbenchError
from ticketbench.files import write_bytes

if TYPE_CHECKING:
    from ticketbench.plugin.contracts import Model
    from ticketbench.plugin.loading import Plugins, Registered

SAMPLES = ("scorer", "method", "model")
INPUTS = ((6,), (3, 32, 32), (1, 28, 28), (5, 4), (4, 32))
"""Shapes of inputs that a model is tried with: a vector, images, a sequence, a string of bits."""


@click.group("plugin")
def command() -> None:
    """Begin a plugin of your own, and check it."""


@command.command("new")
@click.argument("kind", type=click.Choice(SAMPLES))
@click.argument("path", type=click.Path(path_type=Path), metavar="FILE.py")
@click.option("--name", help="What it is called in suites and on the command line. Default: the file's name.")
def new(kind: str, path: Path, name: str | None) -> None:
    """Write a plugin file that works as it is, to change."""
    name = name or path.stem
    if path.suffix != ".py" or not name.isidentifier() or keyword.iskeyword(name):
        raise PluginError(f"'{path}' with the name '{name}': give a file that ends in .py and a name of letters and _.")
    if path.exists():
        raise PluginError(f"{path} is there already, and is not written over. Give another name.")
    title = "".join(part.capitalize() for part in name.split("_")) or "Mine"
    text = (files("ticketbench") / "samples" / f"{kind}.txt").read_text(encoding="utf-8")
    try:
        write_bytes(path, Template(text).substitute({"name": name, "class": title}).encode())
    except OSError as error:
        raise PluginError(f"cannot write {path}: {error.strerror or error}.") from None
    click.echo(f"written to {path}; `ticketbench plugin check {path}` looks whether it keeps the contract")


@command.command("check")
@click.argument("paths", nargs=-1, metavar="[FILE.py]...")
def check(paths: tuple[str, ...]) -> None:
    """Load plugin files, or the installed plugins of others, and hold what they offer to its contract.

    Scorers: finite, the right shapes, deterministic. Methods: exact density, the same result alone and in a fleet.
    Models: stacked members compute what single ones do. Of the rest it is checked that it loads.
    """
    import torch

    from ticketbench.plugin.loading import load_plugins

    torch.set_num_threads(1)  # the networks of the checks are tiny
    plugins = load_plugins(paths)
    failed = len(plugins.broken)
    for broken in plugins.broken:
        click.secho(f"{broken.origin}: broken: {broken.reason}", fg="red")
    for one, verdict, right in checked(plugins):
        failed += not right
        click.secho(f"{one.kind} {one.name}: {verdict}", fg=None if right else "red")
    if not any(not origin.built_in for origin in plugins.origins.values()) and not failed:
        click.echo("nothing to check: no file was given, and no plugin of others is installed")
    sys.exit(1 if failed else 0)


def checked(plugins: Plugins) -> Iterator[tuple[Registered, str, bool]]:
    """Everything that is not built in, with a verdict and whether it is right."""
    for items in plugins.items.values():
        for one in items.values():
            if one.origin.built_in:
                continue
            try:
                yield one, verdict(one, plugins), True
            except TicketbenchError as error:
                yield one, f"not checked, it refuses the small network of the check: {error}", True
            except AssertionError as error:
                yield one, str(error), False
            except Exception as error:
                yield one, f"{type(error).__name__}: {error}", False


def verdict(one: Registered, plugins: Plugins) -> str:
    """What was found right; an `AssertionError` says what is wrong."""
    from ticketbench.testing import check_method, check_scorer

    if one.kind == "scorer":
        check_scorer(one.item)
        return "finite, the right shapes, deterministic, leaves the network alone"
    if one.kind == "method":
        check_method(one.item, plugins.find("scorer", one.item.ranks_by) if one.item.ranks_by else None)
        return "exact density, nothing leaks, the same alone and in a fleet"
    if one.kind == "model":
        return f"stacked members compute what single ones do, on inputs of {check_shapes(one.item)}"
    return "loads"


def check_shapes(model: Model) -> str:
    """Check a model on the first shape of inputs that it takes; its shape in words."""
    from ticketbench import Shapes
    from ticketbench.testing import check_model

    for inputs in INPUTS:
        shapes = Shapes(inputs, 3)
        try:
            model.build(shapes)
        except (OptionError, RuntimeError, ValueError, IndexError):
            continue
        check_model(model, shapes)
        return "×".join(map(str, inputs))
    raise OptionError(f"it takes none of the inputs {INPUTS}; use `check_model` in a test of your own")
