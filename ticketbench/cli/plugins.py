"""`ticketbench plugins`: what loaded, what did not, and why."""

from __future__ import annotations

import sys

import rich_click as click

from ticketbench.cli.common import plugin_options, print_json


@click.command("plugins")
@plugin_options
@click.option("--json", "as_json", is_flag=True, help="Print JSON for a program to read.")
def plugins_command(plugin_files: tuple[str, ...], blocked: tuple[str, ...], as_json: bool) -> None:
    """Show every plugin with its origin and what it offers; exit status 1 if any is broken."""
    from ticketbench.plugin.loading import describe_items, load_plugins

    plugins = load_plugins(plugin_files, blocked)
    rows = describe_items(plugins)
    if as_json:
        print_json(rows)
    else:
        for row in rows:
            origin = f"{row['distribution']} {row['version']}".strip()
            color = "red" if row["state"] == "broken" else None
            click.secho(f"{row['plugin']} ({origin}, {row['place']}): {row['state']}", fg=color)
            click.echo(f"  {row['detail']}")
        for name in plugins.blocked:
            click.echo(f"{name}: blocked")
    sys.exit(1 if plugins.broken else 0)
