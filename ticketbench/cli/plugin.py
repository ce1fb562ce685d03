"""`ticketbench plugin`: files to start from, and the checks that a plugin's things have to pass."""

from __future__ import annotations

import rich_click as click

from ticketbench.cli.plugin_check import plugin_check
from ticketbench.cli.plugin_new import new


@click.group("plugin")
def plugin_command() -> None:
    """Begin a plugin of your own, and check it."""


plugin_command.add_command(new)
plugin_command.add_command(plugin_check)
