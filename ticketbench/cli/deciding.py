"""`run --until-decided`: more seeds for the questions that are open, at planned looks, until there are none."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ticketbench.plan.plan import Plan
    from ticketbench.results.judgement import Judgement
    from ticketbench.results.looks import Decision, PlannedLook
    from ticketbench.results.pairing import Side
    from ticketbench.results.results import Results
    from ticketbench.run import Summary

AskedSide = tuple[str, "Side"]
"""A question's name and the side that it is about."""


@dataclass
class LooksTaken:
    """How far a run that goes on until its questions are decided has come."""

    looks: tuple[PlannedLook, ...]
    taken: int = 0
    """Looks that were taken."""
    decisions: dict[AskedSide, Decision] = field(default_factory=dict)

    @property
    def open(self) -> list[AskedSide]:
        """What is not decided."""
        return [asked for asked, one in self.decisions.items() if not one.decided]


def check_questions(plan: Plan, seeds: int | None) -> None:
    """There is something to decide, by seeds that are this run's to choose; else an `OptionError`."""
    from ticketbench.errors import OptionError

    asked = [question.name for question in plan.suite.questions if question.asked_in(plan.tier)]
    if not asked:
        tiers = [tier for tier in plan.suite.tiers if any(one.asked_in(tier) for one in plan.suite.questions)]
        where = f"It does in {', '.join(tiers)}." if tiers else "It asks none at all."
        raise OptionError(f"--until-decided: suite '{plan.suite.name}' asks no question in tier '{plan.tier}'. {where}")
    if seeds is not None:
        raise OptionError("--until-decided chooses how many seeds there are: leave out --seeds")


def run_until_decided(
    planned: Callable[[int], Plan],
    compute: Callable[[Plan], Summary],
    results_at: Callable[[int], Results],
    looks: tuple[PlannedLook, ...],
    tell: Callable[[str], None],
) -> tuple[Summary, LooksTaken]:
    """Compute the cells of each look, and look; what is still open gets the seeds of the next one.

    A look that is cut short by the time decides nothing: it would be another look than the planned one.
    """
    from ticketbench.cli.open_cells import open_cells

    course = LooksTaken(looks)
    summaries: list[Summary] = []
    judged: Judgement | None = None
    for number, look in enumerate(looks, 1):
        plan = planned(look.seeds)
        if judged is not None:
            is_open = set(course.open)
            compared = [
                one
                for answer in judged.answers
                for one in answer.compared
                if (answer.question.name, one.gathered.setting) in is_open
            ]
            plan = open_cells(plan, compared)
            tell(f"look {number} of {len(looks)}: {look.seeds} seeds for {len(compared)} comparisons that are open")
        summaries.append(compute(plan))
        if summaries[-1].left:
            break
        judged = look_once(results_at(look.seeds), look, course)
        tell(look_words(course, look, number))
        if not course.open:
            break
    return together(summaries), course


def look_once(results: Results, look: PlannedLook, course: LooksTaken) -> Judgement:
    """Take one look: what it decides goes into the course; returns what the records say by themselves."""
    from ticketbench.results.judgement import judge
    from ticketbench.results.looks import look_at

    judgement = judge(results)
    held = {
        (answer.question.name, one.gathered.setting): one.gathered
        for answer in judgement.answers
        for one in answer.compared
        if one.gathered.sample is not None
    }
    found = look_at(
        look,
        [one.sample for one in held.values() if one.sample is not None],
        [judgement.scatter(one.metric) for one in held.values()],
        [course.decisions.get(asked) for asked in held],
    )
    course.decisions |= dict(zip(held, found, strict=True))
    course.taken += 1
    return judgement


def look_words(course: LooksTaken, look: PlannedLook, number: int) -> str:
    """What stands decided after a look, in a line."""
    from ticketbench.render.answers import MARK_WORDS

    marks = [one.mark for one in course.decisions.values()]
    counts = ", ".join(f"{marks.count(mark)} {word}" for mark, word in MARK_WORDS.items())
    return f"look {number} of {len(course.looks)}, at {look.seeds} seeds and {100 * look.alpha:.3g} %: {counts}"


def together(summaries: list[Summary]) -> Summary:
    """What became of all cells that were computed, one look after the other."""
    whole = summaries[0]
    for one in summaries[1:]:
        whole = replace(
            one,
            statuses={**whole.statuses, **one.statuses},
            expected={**whole.expected, **one.expected},
            computed=whole.computed + one.computed,
            seconds=whole.seconds + one.seconds,
            fleets=[*whole.fleets, *one.fleets],
        )
    return whole


def with_decisions(judgement: Judgement, decisions: Mapping[AskedSide, Decision]) -> Judgement:
    """A judgement whose questions have the marks that the looks gave them, in place of those of one look at 5 %."""
    answers = []
    for answer in judgement.answers:
        compared = []
        for one in answer.compared:
            decision = decisions.get((answer.question.name, one.gathered.setting))
            if one.found is not None and decision is not None:
                found = replace(
                    one.found, mark=decision.mark, corrected=decision.corrected, alike=decision.alike, note=""
                )
                one = replace(one, found=found)
            compared.append(one)
        answers.append(replace(answer, compared=tuple(compared)))
    return replace(judgement, answers=tuple(answers))
