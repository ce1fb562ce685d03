"""`ticketbench data`: the public files that tasks read. Only `data fetch` ever uses the network."""

from __future__ import annotations

import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import TYPE_CHECKING

import rich_click as click

from ticketbench.cli.common import load, plugin_options, print_json
from ticketbench.render.numbers import amount, duration

if TYPE_CHECKING:
    from ticketbench.plugin.contracts import Remote, Task
    from ticketbench.plugin.loading import Plugins

AGAIN = 2.0
"""Seconds after which an interruption that was not heard strikes again."""
TENTH = 0.1
"""In a pipe, the share of a file after which a line says how far it is."""


@click.group("data")
def data_command() -> None:
    """List the public files that tasks read, and fetch them. A run never does."""


@data_command.command("list")
@plugin_options
@click.option("--json", "as_json", is_flag=True, help="Print JSON for a program to read.")
def list_files(plugin_files: tuple[str, ...], blocked: tuple[str, ...], as_json: bool) -> None:
    """List every task's files: verified, partial, missing, or wrong (there, but another file)."""
    from ticketbench.datafiles.datafiles import data_folder, file_state

    folder = data_folder()
    found = [(name, remote, file_state(remote, folder)) for name, remote in files_of(load(plugin_files, blocked))]
    if as_json:
        files = [
            {
                "task": name,
                "file": remote.name,
                "state": state,
                "present": state in ("verified", "wrong"),
                "verified": state == "verified",
                "size": remote.size,
                "sha256": remote.sha256,
                "url": remote.url,
            }
            for name, remote, state in found
        ]
        print_json({"folder": str(folder), "files": files})
        return
    click.echo(f"data folder: {folder}")
    wide = max((len(name) for name, _, _ in found), default=0)
    wider = max((len(remote.name) for _, remote, _ in found), default=0)
    for name, remote, state in found:
        size = amount(remote.size, "B")
        click.echo(f"  {name:{wide}}  {remote.name:{wider}}  {state:8}  {size:>7}  {remote.url}")


@data_command.command("fetch")
@click.argument("names", nargs=-1, required=True, metavar="TASK...")
@plugin_options
def fetch_files(names: tuple[str, ...], plugin_files: tuple[str, ...], blocked: tuple[str, ...]) -> None:
    """Fetch the files of tasks into the data folder, and verify them. An interrupted fetch goes on where it was."""
    from ticketbench.datafiles.datafiles import data_folder, file_state
    from ticketbench.datafiles.download import fetch

    plugins = load(plugin_files, blocked)
    tasks: list[Task] = [plugins.find("task", name) for name in dict.fromkeys(names)]
    folder = data_folder()
    for task in tasks:
        remotes = task.files()
        if not remotes:
            click.echo(f"{task.name}: nothing to fetch")
        for remote in remotes:
            if file_state(remote, folder) == "verified":
                click.echo(f"{task.name}: {folder / remote.name} was there, verified")
                continue
            try:
                with insistent(), shown_state(remote) as progress:
                    path = fetch(remote, folder, progress)
            except KeyboardInterrupt:
                print("ticketbench: interrupted; the same command goes on from there", file=sys.stderr)
                sys.exit(130)
            click.echo(f"{task.name}: {path} verified")


@contextmanager
def insistent() -> Iterator[None]:
    """Ctrl-C strikes again until it is heard: Python loses a KeyboardInterrupt that strikes in a callback."""

    def handle(number: int, frame: FrameType | None) -> None:
        signal.setitimer(signal.ITIMER_REAL, AGAIN)
        raise KeyboardInterrupt

    before = {number: signal.signal(number, handle) for number in (signal.SIGINT, signal.SIGALRM)}
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        for number, handler in before.items():
            signal.signal(number, handler)


def files_of(plugins: Plugins) -> Iterator[tuple[str, Remote]]:
    """Every file of every task, in order of the tasks' names; a task that cannot say is set aside."""
    for name, entry in sorted(plugins.items["task"].items()):
        try:
            remotes = list(entry.item.files())
        except Exception as error:
            click.echo(f"ticketbench: warning: task '{name}' cannot list its files: {error}", err=True)
            continue
        yield from ((name, remote) for remote in remotes)


@contextmanager
def shown_state(remote: Remote) -> Iterator[Callable[[int], None]]:
    """Show how a download goes on: a bar in a terminal, lines in a pipe. All on standard error."""
    if not sys.stderr.isatty():
        yield FetchLines(remote)
        return
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn, TransferSpeedColumn

    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn())
    with Progress(*columns, TextColumn("left"), TimeRemainingColumn(), console=Console(stderr=True)) as progress:
        bar = None

        def move(done: int) -> None:
            nonlocal bar
            if bar is None:  # what was there before does not count as speed
                bar = progress.add_task(remote.name, total=remote.size, completed=done)
            progress.update(bar, completed=done)

        yield move


class FetchLines:
    """A line at the start and after every tenth of a file."""

    def __init__(self, remote: Remote) -> None:
        self.remote = remote
        self.began = time.monotonic()
        self.first = self.spoken = -1

    def __call__(self, done: int) -> None:
        """Bytes that are there now."""
        size = self.remote.size
        if self.first < 0:
            self.first = self.spoken = done
            there = f", {amount(done, 'B')} of it are there" if done else ""
            self.say(f"{amount(size, 'B')} from {self.remote.url}{there}")
        elif done - self.spoken >= TENTH * size or (done == size and self.spoken < size):
            self.spoken = done
            rate = max(1, done - self.first) / max(1e-9, time.monotonic() - self.began)
            left = f"about {duration((size - done) / rate)} left"
            self.say(f"{amount(done, 'B')}, {100 * done // size} %, {amount(rate, 'B')}/s, {left}")

    def say(self, line: str) -> None:
        """A line for the person who waits."""
        print(f"{self.remote.name}: {line}", file=sys.stderr, flush=True)
