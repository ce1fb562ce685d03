"""The front page over all boards, in Markdown and as HTML."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import quote

from ticketbench.board.markdown import MARK, escaped
from ticketbench.board.pages import page, preface
from ticketbench.board.words import clean


@dataclass(frozen=True)
class Shown:
    """What the front page says of a board."""

    suite: str
    tier: str
    title: str
    counts: dict[str, int]
    troubles: tuple[str, ...]
    tasks: tuple[str, ...] = ()
    methods: tuple[str, ...] = ()
    """Names of plugins, without their options."""
    tables: tuple[str, ...] = ()
    """Version, precision and kind of device of each."""


FRONT_COUNTS = ("submissions", "places", "entries", "incomplete", "set aside")


def front_markdown(boards: Sequence[Shown], about: str) -> str:
    """The front page of the boards' folder as Markdown: a line with counts for each board."""
    lines = [
        f"| [{escaped(board.suite)}]({quote(board.suite)}/{quote(board.tier)}/README.md) | {escaped(board.tier)} "
        f"| {escaped(board.title)} | " + " | ".join(f"{board.counts[name]:,}" for name in FRONT_COUNTS) + " |"
        for board in boards
    ]
    head = ["suite", "tier", "title", *FRONT_COUNTS]
    table = [f"| {' | '.join(head)} |", f"|{' --- |' * len(head)}", *lines]
    parts = [MARK, "# Leaderboards", about.strip(), FRONT_WORDS, "\n".join(table)]
    return "\n\n".join(part for part in parts if part) + "\n"


FRONT_WORDS = (
    "A place is a task, model, protocol, initializer, recipe and density. An entry is a method's cells at a place, one "
    "a seed. Entries that lack a seed or its number are shown as incomplete and never ranked; suite versions, tiers, "
    "precisions and kinds of device never share a table."
)


def front_page(boards: Sequence[Shown], about: str) -> str:
    """The front page as HTML, with filters; it opens without a network."""
    rows = [
        {
            "suite": clean(board.suite),
            "tier": clean(board.tier),
            "title": clean(board.title),
            "address": f"{quote(board.suite)}/{quote(board.tier)}/index.html",
            "counts": board.counts,
            "tasks": board.tasks,
            "methods": board.methods,
            "tables": board.tables,
        }
        for board in boards
    ]
    return page(
        "front.html", title="Leaderboards", rows=rows, names=FRONT_COUNTS, words=FRONT_WORDS, about=preface(about)
    )
