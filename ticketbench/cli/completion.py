"""What a shell offers at TAB: names of suites, tiers, rows, tasks and so on. It never fails, and says nothing else."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterable
from contextlib import redirect_stderr, redirect_stdout
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING

from click import Context, Parameter
from click.shell_completion import CompletionItem

if TYPE_CHECKING:
    from ticketbench.cli.known_names import Known
    from ticketbench.suite.suite import Block, Suite

Offers = Callable[[Context, Parameter, str], list[CompletionItem]]
Finds = Callable[[Context, str], Iterable[tuple[str, str]]]
"""Names that could stand where an incomplete word stands, each with a few words of help."""


def offering(find: Finds, other: str = "") -> Offers:
    """A function for click's `shell_complete`: what is found that the word begins; else files or folders (`other`)."""

    @wraps(find)
    def offers(ctx: Context, param: Parameter, incomplete: str) -> list[CompletionItem]:
        names: list[tuple[str, str]] = []
        try:
            with redirect_stdout(io.StringIO()), redirect_stderr(io.StringIO()):
                names = [pair for pair in find(ctx, incomplete) if pair[0].startswith(incomplete)]
        except (Exception, SystemExit):
            names = []
        if not names and other:
            return [CompletionItem(incomplete, type=other)]
        return [CompletionItem(name, help=about.replace("\n", " ")) for name, about in dict(names).items()]

    return offers


def known(ctx: Context) -> Known:
    """What is registered with the plugin files that the command line names."""
    from ticketbench.cli.known_names import known_names

    return known_names(tuple(ctx.params.get("plugin_files") or ()), tuple(ctx.params.get("blocked") or ()))


def summaries(ctx: Context, kind: str) -> list[tuple[str, str]]:
    """Everything of a kind with its summary."""
    return [(name, summary) for name, (summary, _) in known(ctx).get(kind, {}).items()]


def suite_named(ctx: Context) -> Suite | None:
    """The suite that the command line names so far."""
    from ticketbench.suite.suite import read_suite

    argued = any(param.name == "suite_argument" for param in ctx.command.params)
    loose = ctx.args[:1] if argued else []  # where an option lacks its value, click leaves arguments loose
    name = next((one for one in (ctx.params.get("suite_argument"), ctx.params.get("suite_name"), *loose) if one), "")
    if not name:
        return None
    return read_suite(Path(known(ctx).get("suite", {}).get(name, ("", name))[1]))


def blocks_named(ctx: Context) -> list[Block]:
    """The blocks of the suite's tier, or of all its tiers while none is named."""
    suite, tier = suite_named(ctx), ctx.params.get("tier")
    tiers = suite.tiers.items() if suite is not None else ()
    return [block for name, one in tiers if tier in (None, name) for block in one.blocks]


def tiers(ctx: Context, incomplete: str) -> Iterable[tuple[str, str]]:
    """Those of the suite, or all there can be."""
    from ticketbench.suite.tiers import TIERS

    suite = suite_named(ctx)
    return [(name, tier.about) for name, tier in suite.tiers.items()] if suite else [(name, "") for name in TIERS]


def rows(ctx: Context, incomplete: str) -> Iterable[tuple[str, str]]:
    """The suite's rows, then methods and scorers; behind a comma the next one."""
    suite = suite_named(ctx)
    before = incomplete[: incomplete.rfind(",") + 1]
    names = [(row, f"row of {suite.name}") for row in suite.methods] if suite else []
    taken = {name for name, _ in names}
    names += [pair for kind in ("method", "scorer") for pair in summaries(ctx, kind) if pair[0] not in taken]
    return [(before + name, about) for name, about in names]


def axis(kind: str) -> Offers:
    """The tasks, models and so on that the suite's blocks have, or all that are registered while no suite is named."""

    def find(ctx: Context, incomplete: str) -> Iterable[tuple[str, str]]:
        everything = dict(summaries(ctx, kind))
        blocks = blocks_named(ctx)
        names = [entry.name for block in blocks for entry in getattr(block, f"{kind}s")] if blocks else everything
        return [(name, everything.get(name, "")) for name in names]

    return offering(find)


def anything(kind: str) -> Offers:
    """Everything of a kind."""
    return offering(lambda ctx, incomplete: summaries(ctx, kind))


def devices(ctx: Context, incomplete: str) -> Iterable[tuple[str, str]]:
    """Words for devices, and the cards of this machine by number, as far as its files tell."""
    cards = sum(path.name.removeprefix("nvidia").isdecimal() for path in Path("/dev").glob("nvidia*"))
    return [(name, "") for name in ("auto", "cpu", "cuda", *(f"cuda:{at}" for at in range(cards)))]


def kinds_offered(ctx: Context, incomplete: str) -> Iterable[tuple[str, str]]:
    """The kinds of things that plugins offer; `show` can show a cell, too."""
    from ticketbench.plugin.hookspecs import OFFERS

    singular = ctx.info_name == "show"
    return [(kind if singular else f"{kind}s", "") for kind in (*OFFERS, *(["cell"] if singular else []))]


def names_of_kind(ctx: Context, incomplete: str) -> Iterable[tuple[str, str]]:
    """Everything of the kind that stands before."""
    return summaries(ctx, str(ctx.params.get("kind", "")).removesuffix("s"))


def precisions(ctx: Context, incomplete: str) -> Iterable[tuple[str, str]]:
    """All there are."""
    from ticketbench.suite.suite import PRECISIONS

    return [(name, "") for name in PRECISIONS]


def cards(ctx: Context, incomplete: str) -> Iterable[tuple[str, str]]:
    """The cards of the table."""
    from ticketbench.plan.card import CARDS

    return [(name, "") for name in CARDS]


SUITES = offering(lambda ctx, incomplete: summaries(ctx, "suite"), "file")
ANY_FILE = offering(lambda ctx, incomplete: (), "file")
ANY_FOLDER = offering(lambda ctx, incomplete: (), "dir")
