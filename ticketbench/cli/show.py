"""`ticketbench show`: one registered thing, or one finished cell."""

from __future__ import annotations

import dataclasses
import inspect
from typing import TYPE_CHECKING, Any

import rich_click as click

from ticketbench.cli.common import load, plugin_options, print_json
from ticketbench.cli.completion import kinds_offered, names_of_kind, offering
from ticketbench.plugin.hookspecs import OFFERS

if TYPE_CHECKING:
    from ticketbench.plugin.loading import Registered


@click.command("show")
@click.argument("kind", shell_complete=offering(kinds_offered))
@click.argument("name", shell_complete=offering(names_of_kind))
@plugin_options
@click.option(
    "--store", "store_address", default="./results", show_default=True, metavar="DIR", help="Where `show cell` looks."
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON for a program to read.")
def show_command(
    kind: str, name: str, plugin_files: tuple[str, ...], blocked: tuple[str, ...], store_address: str, as_json: bool
) -> None:
    """Show a thing's formula, reference, options and origin (`show scorer snip`), or a cell (`show cell KEY`)."""
    from ticketbench.errors import UnknownNameError

    if kind == "cell":
        show_cell(name, store_address, as_json)
        return
    singular = kind.removesuffix("s")
    if singular not in OFFERS:
        raise UnknownNameError("kind", kind, [*OFFERS, "cell"])
    facts = facts_of(load(plugin_files, blocked).registered(singular, name))
    if as_json:
        print_json(facts)
        return
    click.secho(f"{singular} {facts['name']}", bold=True)
    for line in ("summary", "reference", "origin"):
        if facts[line]:
            click.echo(f"{line}: {facts[line]}")
    click.echo(f"\n{facts['text']}\n")
    for option in facts["options"]:
        help_text = f"  {option['help']}" if option["help"] else ""
        click.echo(f"  {option['name']} = {option['default']!r}  ({option['takes']}){help_text}")


def facts_of(entry: Registered) -> dict[str, Any]:
    """Everything there is to say about a registered thing."""
    from ticketbench.plugin.options import describe_type
    from ticketbench.suite.suite import read_suite

    facts: dict[str, Any] = {"kind": entry.kind, "name": entry.name, "origin": str(entry.origin), "options": []}
    if entry.kind == "suite":
        suite = read_suite(entry.item)
        tiers = "\n".join(f"tier {name}: {tier.about}" for name, tier in suite.tiers.items())
        rows = ", ".join(suite.methods)
        return {
            **facts,
            "summary": suite.title,
            "reference": suite.reference,
            "text": f"{tiers}\nrows: {rows}\nfile: {entry.item}",
        }
    item = entry.item
    facts["options"] = [
        {
            "name": field.name,
            "default": getattr(item, field.name),
            "takes": describe_type(type(item), field),
            "help": field.metadata.get("help", ""),
        }
        for field in dataclasses.fields(item)
    ]
    return {**facts, "summary": item.summary, "reference": item.reference, "text": inspect.getdoc(type(item)) or ""}


def show_cell(key: str, store_address: str, as_json: bool) -> None:
    """A record of the store by its key, or the beginning of it."""
    from ticketbench.errors import StoreError
    from ticketbench.store.store import Store

    store = Store(store_address)
    found = [known for known in store.statuses() if known.startswith(key)]
    if len(found) != 1:
        what = f"{len(found)} cells begin with '{key}'" if found else f"no cell begins with '{key}'"
        raise StoreError(f"{what} in the store {store_address}, which has {len(store.statuses())} cells")
    record = store.records(found)[0].as_row()
    if as_json:
        print_json(record)
        return
    for name, value in record.items():
        if value not in (None, "") and name not in ("definition", "error"):
            click.echo(f"{name:16} {value}")
    for name in ("definition", "error"):
        if record[name]:
            click.echo(f"\n{name}:\n{record[name]}")
