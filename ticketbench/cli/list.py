"""`ticketbench list`: what is registered."""

from __future__ import annotations

import rich_click as click

from ticketbench.cli.common import load, plugin_options, print_json
from ticketbench.cli.completion import kinds_offered, offering
from ticketbench.cli.known_names import summary_of
from ticketbench.plugin.hookspecs import OFFERS


@click.command("list")
@click.argument("kind", metavar="[KIND]", default="", shell_complete=offering(kinds_offered))
@plugin_options
@click.option("--json", "as_json", is_flag=True, help="Print JSON for a program to read.")
def list_command(kind: str, plugin_files: tuple[str, ...], blocked: tuple[str, ...], as_json: bool) -> None:
    """List scorers, methods, models, tasks, protocols, initializers, probes or suites (default: all)."""
    from ticketbench.errors import UnknownNameError

    singular = kind.removesuffix("s")
    if kind and singular not in OFFERS:
        raise UnknownNameError("kind", kind, [f"{name}s" for name in OFFERS])
    plugins = load(plugin_files, blocked)
    rows = [
        {
            "kind": name,
            "name": entry.name,
            "summary": summary_of(entry.item),
            "plugin": entry.origin.plugin,
            "distribution": entry.origin.distribution,
            "version": entry.origin.version,
        }
        for name in ([singular] if kind else OFFERS)
        for entry in sorted(plugins.items[name].values(), key=lambda entry: entry.name)
    ]
    if as_json:
        print_json(rows)
        return
    width = max((len(row["name"]) for row in rows), default=0)
    shown = ""
    for row in rows:
        if row["kind"] != shown:
            shown = row["kind"]
            click.secho(f"{shown}s", bold=True)
        outside = (
            "" if row["distribution"] == "ticketbench" else f"  [{row['distribution']} {row['version']}".rstrip() + "]"
        )
        click.echo(f"  {row['name']:{width}}  {row['summary']}{outside}")
