"""`ticketbench plugin check`: does a plugin keep its contracts?"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import rich_click as click

from ticketbench.errors import PluginError

if TYPE_CHECKING:
    from ticketbench.plugin.loading import Plugins
    from ticketbench.testing import Passed


class CheckLine(NamedTuple):
    """What a check has to say of one thing: a line of words, and its colour (red for a fault)."""

    words: str
    colour: str | None = None

    @property
    def right(self) -> bool:
        """Whether no fault was found; what could not be checked is no fault."""
        return self.colour != "red"


@click.command("check")
@click.argument("paths", nargs=-1, metavar="[FILE]...")
def plugin_check(paths: tuple[str, ...]) -> None:
    """Hold plugin files (.py), suite files (.toml), or the installed plugins of others to their contracts.

    Everything is tried on networks and tasks of seconds. Scorers: finite scores of the right shapes. Methods: exact
    density, nothing through the mask. Models: a stack computes what its members do. Tasks: the sizes and shapes they
    say, no test data in training. Protocols: recipe keys that exist, tasks that fit. Initializers: finite weights from
    the generator given. Probes: numbers, and the cell is not disturbed. Suites: every block can be planned, and figures
    and claims name what there is. All: the same again for the same seed.

    What refuses everything it is tried on is said to be "not checked". A fault makes the exit status 1.
    """
    import torch

    from ticketbench.plugin.loading import load_plugins

    torch.set_num_threads(1)  # the networks of the checks are tiny
    suites = [Path(path) for path in paths if path.endswith(".toml")]
    for suite in suites:
        if not suite.is_file():
            raise PluginError(f"there is no suite file at {suite}. Give the path of a TOML file.")
    plugins = load_plugins(path for path in paths if not path.endswith(".toml"))
    wanted = {str(Path(path).resolve()) for path in paths}
    verdicts = [CheckLine(f"{broken.origin}: broken: {broken.reason}", "red") for broken in plugins.broken]
    for verdict in verdicts:
        click.secho(verdict.words, fg=verdict.colour)
    for verdict in found(plugins, suites, wanted):
        click.secho(verdict.words, fg=verdict.colour)
        verdicts.append(verdict)
    if not verdicts:
        click.echo("nothing to check: no file was given that offers anything, and no plugin of others is installed")
    sys.exit(0 if all(verdict.right for verdict in verdicts) else 1)


def found(plugins: Plugins, suites: list[Path], wanted: set[str]) -> Iterator[CheckLine]:
    """The verdicts on suite files, and on everything of the files that were given; without any, of all others'."""
    from ticketbench.testing import check_registered, check_suite

    for suite in suites:
        yield from verdicts_on(f"suite {suite}", partial(check_suite, suite, plugins))
    for items in plugins.items.values():
        for one in items.values():
            if one.origin.built_in or (wanted and one.origin.place not in wanted):
                continue
            yield from verdicts_on(f"{one.kind} {one.name}", partial(check_registered, one, plugins))


def verdicts_on(words: str, look: Callable[[], Passed]) -> Iterator[CheckLine]:
    """What was found right, with its notes; or what is wrong; or why it could not be looked at."""
    from ticketbench.testing import UncheckedError
    from ticketbench.testing.faults import in_one_line

    try:
        checked = look()
    except UncheckedError as error:
        yield CheckLine(f"{words}: not checked: {error}", "yellow")
    except AssertionError as error:
        yield CheckLine(f"{words}: {error}", "red")
    except (Exception, SystemExit) as error:
        yield CheckLine(f"{words}: {in_one_line(error)}", "red")
    else:
        yield CheckLine(f"{words}: {checked.said}")
        for note in checked.notes:
            yield CheckLine(f"{words}: note: {note}")
