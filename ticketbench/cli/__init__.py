"""The command line: a file per command, imported when it is asked for, so that `--help` is fast and cannot fail."""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from importlib import import_module
from typing import Any

import rich_click as click

from ticketbench import version
from ticketbench.errors import TicketbenchError, suggest

COMMANDS = (
    "run",
    "plan",
    "report",
    "list",
    "show",
    "data",
    "ticket",
    "board",
    "submit",
    "verify",
    "equivalence",
    "plugin",
    "plugins",
    "doctor",
)


COMPLETE = "_TICKETBENCH_COMPLETE"
"""The variable by which a shell asks, as click names it."""


class LazyGroup(click.RichGroup):
    """A group whose commands live in modules of the same name."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """All commands, in the order a newcomer needs them."""
        return [*COMMANDS]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command of that name; only its own module is imported for it."""
        if cmd_name not in COMMANDS:
            return None
        command: click.Command = getattr(import_module(f"ticketbench.cli.{cmd_name}"), f"{cmd_name}_command")
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """As click does, with a suggestion for a misspelt command."""
        if args and args[0] not in COMMANDS and not args[0].startswith("-") and not ctx.resilient_parsing:
            raise click.UsageError(f"there is no command '{args[0]}'. {suggest(args[0], COMMANDS)}")
        return super().resolve_command(ctx, args)

    def invoke(self, ctx: click.Context) -> Any:
        """As click does; it would report an interruption as a mistake of the user, with exit status 1."""
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:
            print("ticketbench: interrupted; the store keeps what was finished", file=sys.stderr)
            sys.exit(130)


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(version.__version__, "-V", "--version", package_name="ticketbench")
def cli() -> None:
    """Benchmarks for lottery tickets and pruning at initialization.

    Start with `ticketbench run SUITE`, such as drn; `ticketbench plan SUITE` says what it would do and cost.
    """


def main() -> None:
    """The entry point: a user's mistake is one message and exit status 2, never a traceback.

    A shell that asks what could stand where the cursor is gets names, or nothing.
    """
    try:
        if COMPLETE in os.environ:
            with suppress(Exception):
                cli(prog_name="ticketbench")
            sys.exit(1)
        cli(prog_name="ticketbench")
    except TicketbenchError as error:
        print(f"ticketbench: error: {error}", file=sys.stderr)
        sys.exit(2)
