"""The end of a run: what the records say to the suite's questions, what is open and what would close it, what next."""

from __future__ import annotations

import shlex
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import rich_click as click

from ticketbench.suite.tiers import caution

if TYPE_CHECKING:
    from ticketbench.cli.crew import Crew
    from ticketbench.cli.deciding import LooksTaken
    from ticketbench.plan.plan import Plan
    from ticketbench.plugin.loading import Plugins
    from ticketbench.results.judgement import Judgement
    from ticketbench.results.results import Results
    from ticketbench.run import Summary
    from ticketbench.store.schema import CellRecord
    from ticketbench.store.store import Store

SYMBOLS = {"better": "▲", "as good": "≈", "worse": "▼", "cannot tell": "○"}
MARK_COLOURS = {"better": "green", "as good": "cyan", "worse": "red", "cannot tell": "yellow"}
LISTED = 12
"""Comparisons of a question that are listed; its answer in words has all."""


@dataclass(frozen=True)
class Ending:
    """A run that is over, and what it was to answer."""

    plan: Plan
    summary: Summary
    asked: str
    """The suite as the command line named it."""
    planned: Callable[[int], Plan]
    """The same plan with so many seeds."""
    seeds: int | None = None
    """How many seeds the command line asked for."""
    course: LooksTaken | None = None
    """The looks that were taken, where it went on until its questions were decided."""

    def records(self, store: Store) -> list[CellRecord]:
        """What is in the store of the plan's cells, and of those that more seeds added."""
        return store.records(dict.fromkeys([*(cell.key for cell in self.plan.cells), *self.summary.statuses]))

    def judged(self, results_of: Callable[[int | None], Results]) -> tuple[Results, Judgement] | None:
        """What the records say to the questions; None where the tier asks none, or there was no time for a look."""
        from ticketbench.cli.deciding import with_decisions
        from ticketbench.results.judgement import judge

        asked = any(question.asked_in(self.plan.tier) for question in self.plan.suite.questions)
        if not asked or not self.summary.statuses or (self.course is not None and not self.course.taken):
            return None
        results = results_of(self.course.looks[self.course.taken - 1].seeds if self.course else self.seeds)
        judgement = judge(results)
        return results, with_decisions(judgement, self.course.decisions) if self.course else judgement

    def show(self, store: Store, results_of: Callable[[int | None], Results], crew: Crew, plugins: Plugins) -> None:
        """The tables, the answers, what is open, and the next commands, for a person."""
        from ticketbench.cli.table import print_results

        print_results(self.plan.suite, self.records(store), self.summary, store.address)
        found = self.judged(results_of)
        if found is not None and show_answers(*found):
            show_open(found[1], self.plan, self.planned, crew, plugins, looked=self.course is not None)
        show_next(self.asked, self.plan.tier, store.address)

    def plain(self, store: Store, results_of: Callable[[int | None], Results]) -> dict[str, Any]:
        """The same for a program."""
        from ticketbench.render.answers import plain_answers

        found = self.judged(results_of)
        return {
            "counts": dict(self.summary.counts),
            "computed": self.summary.computed,
            "seconds": self.summary.seconds,
            "left": self.summary.left,
            "records": [record.as_row() for record in self.records(store)],
            "answers": plain_answers(*found) if found else [],
        }


def show_answers(results: Results, judgement: Judgement) -> int:
    """Print the answer to each question of which anything was computed; returns how many comparisons those have."""
    from ticketbench.board.words import p_text
    from ticketbench.render.answers import answer_words, told

    count = 0
    for answer in judgement.answers:
        known = replace(answer, compared=tuple(one for one in answer.compared if one.found is not None))
        if not known.compared:
            continue
        count += len(known.compared)
        click.echo(f"\n{click.style(answer.question.text, bold=True)}\n  {answer_words(results, known)}")
        lines = told(results, known)
        for line in lines[:LISTED]:
            mark = click.style(f"{SYMBOLS[line.mark]} {line.mark}", fg=MARK_COLOURS[line.mark])
            where = f"{line.side} at {100 * line.density:.3g} %"
            p = "" if line.p is None else f", p {p_text(line.p)}"
            note = f"; {line.note}" if line.note else ""
            click.echo(f"  {mark}: {where} against {line.than}: {line.difference}{p}, {line.seeds} seeds{note}")
        if len(lines) > LISTED:
            click.echo(f"  and {len(lines) - LISTED} more: see `ticketbench report`")
    return count


def show_open(
    judgement: Judgement,
    plan: Plan,
    more_seeds: Callable[[int], Plan],
    crew: Crew,
    plugins: Plugins,
    looked: bool = False,
) -> None:
    """Say how many comparisons are open, and how many seeds and minutes would decide those that seeds would."""
    from ticketbench.cli.open_cells import open_cells
    from ticketbench.render.numbers import duration
    from ticketbench.results.judgement import seeds_needed

    found = [one for answer in judgement.answers for one in answer.compared if one.found is not None]
    is_open = [one for one in found if not one.decided]
    if not is_open:
        click.echo(f"\nAll {len(found)} comparisons are decided." if found else "")
        return
    needed = {id(one): seeds_needed(judgement, one) for one in is_open}
    reachable = [one for one in is_open if needed[id(one)] is not None]
    click.echo(f"\nOpen: {len(is_open)} of {len(found)} comparisons.", nl=not reachable)
    if not reachable:
        click.echo("If their numbers stay, no number of seeds up to 1,000 would decide them.")
        return
    counts = sorted(seeds for one in reachable if (seeds := needed[id(one)]))
    enough = counts[len(counts) // 2]  # half of them
    half = [one for one in reachable if (needed[id(one)] or 0) <= enough]
    more = open_cells(more_seeds(enough), half)
    todo = [cell for cell in more.cells if cell.key not in {known.key for known in plan.cells}]
    resolver = crew.resolver(plugins)
    cost = crew.estimate(crew.fleets(more, todo, resolver), resolver)
    click.echo(
        f" If their numbers stay, {enough} seeds would decide {len(half)} of them: {len(todo)} more cells, about "
        f"{duration(cost.seconds)} on {len(crew.devices)} worker(s)."
        + ("" if looked else " `--until-decided` adds seeds where they matter.")
    )


def show_next(asked: str, tier: str, store_address: str) -> None:
    """The commands that come after a run."""
    where = "" if store_address == "./results" else f" --store {shlex.quote(store_address)}"
    name = shlex.quote(asked)
    if caution(tier):
        click.echo(f"\nNext: ticketbench run {name}{where}    the suite itself")
        return
    click.echo(f"\nNext: ticketbench report --suite {name} --tier {tier}{where}    the paper's figures and claims")
    click.echo(f"      ticketbench submit --suite {name} --tier {tier}{where} --name NAME --who YOU    for a board")
    click.echo("      ticketbench board build    the leaderboards' pages")
