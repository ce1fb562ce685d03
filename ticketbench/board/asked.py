"""AskedBouts: the suite's questions as bouts, with the numbers and the costs of both sides."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Sequence
from typing import Any

from ticketbench.board.bout import Bout, Entrant, Party, WorkSpent
from ticketbench.render.answers import difference_words, other_words, side_words, telling_axes, words_of
from ticketbench.render.labels import option_text
from ticketbench.render.numbers import NONE, quantity
from ticketbench.render.sentences import Spoken
from ticketbench.results.judgement import Answer, Compared, Judgement
from ticketbench.results.measures import unit_of
from ticketbench.results.pairing import Side, number_of, setting_of
from ticketbench.results.results import CellResult, Results
from ticketbench.results.standard import Comparison, seeds_to_decide
from ticketbench.results.stats import Interval
from ticketbench.suite.paper import Aspect, Metric
from ticketbench.suite.questions import Question
from ticketbench.suite.where import FILTERED, Filter

COSTLY = ("draw_seconds", "train_seconds", "draw_flops", "train_flops")


class AskedBouts:
    """Makes bouts of the answers of one judgement."""

    def __init__(self, results: Results, judgement: Judgement) -> None:
        self.results, self.judgement = results, judgement
        self.cells: dict[Side, list[CellResult]] = {}
        for entry in results.entries:
            self.cells.setdefault(setting_of(entry), []).append(entry)
        compared = [one for answer in judgement.answers for one in answer.compared]
        self.still_open = sum(not one.decided for one in compared)
        self.scatters = {name: judgement.scatter(name) for name in judgement.samples}

    def bouts(self) -> list[Bout]:
        """One for each question that has something to compare."""
        return [self.bout(answer) for answer in self.judgement.answers if answer.compared]

    def bout(self, answer: Answer) -> Bout:
        """A question with all of its comparisons."""
        metric = self.metric(answer.question, answer.compared[0].gathered.setting)
        margins = [one.found.sample.margin for one in answer.compared if one.found]
        settings = [one.gathered.setting for one in answer.compared]
        others = [one.gathered.than for one in answer.compared if one.gathered.than]
        names = {other_words(one.gathered.setting, one.gathered.than, [*settings, *others]) for one in answer.compared}
        names.discard(NONE)
        than = names.pop() if len(names) == 1 else changed_words(answer.question)
        if answer.question.than.row is None and "row" in telling_axes(settings) and not than.startswith("with "):
            than = f"with {than}"
        return Bout(
            text=answer.question.text,
            than=than,
            stated=True,
            margin=max(margins, default=0.0),
            higher=metric.higher_is_better,
            percent=metric.percent,
            entrants=tuple(self.entrant(answer, one, settings, others, than) for one in answer.compared),
        )

    def metric(self, question: Question, setting: Side) -> Metric:
        """The metric that a question asks for."""
        headline = self.results.suite.headline_of(str(dict(setting).get("task", "")))
        return self.results.suite.metric(question.metric or headline.metric)

    def entrant(
        self, answer: Answer, one: Compared, settings: Sequence[Side], others: Sequence[Side], than: str
    ) -> Entrant:
        """One comparison with its sides."""
        question, gathered, found = answer.question, one.gathered, one.found
        metric = self.metric(question, gathered.setting)
        mean = found.interval.mean if found else math.nan
        difference = plain_zeros(difference_words(self.results, answer, one))
        name, context = named_apart(gathered.setting, settings, others)
        margin = found.sample.margin if found else 0.0
        unit = unit_of(question.measure or "headline", question.x_name or "")
        said = Spoken(
            name=name,
            context=context,
            density=density_asked(question, gathered.setting),
            than=than,
            mark=found.mark if found else "cannot tell",
            gain=-math.inf if math.isnan(mean) else mean if metric.higher_is_better else -mean,
            by=by_words(difference, "" if metric.percent or unit != "metric" else metric.title),
            margin=margin_words(quantity(margin, unit, metric, "", True)) if margin else "",
        )
        other = question.changed(question.than)
        notes = [gathered.said, found.note if found else ""]
        needed = ""
        if found is not None and not found.decided:
            scatter = self.scatters.get(gathered.metric)
            seeds = seeds_to_decide(found, scatter, max(1, self.still_open)) if scatter else None
            needed = f"about {seeds} seeds" if seeds else "more than 1,000 seeds"
        return Entrant(
            said=said,
            mine=self.side(question, name, gathered.setting, metric),
            theirs=self.side(other, than, gathered.than, metric),
            interval=interval_of(found) if found else None,
            difference=difference,
            p=(found.telling if found else None),
            seeds=len(found.seeds) if found else 0,
            note="; ".join(part for part in notes if part),
            needed=needed,
        )

    def side(self, aspect: Aspect, name: str, setting: Side, metric: Metric) -> Party:
        """One side's mean, costs and troubles."""
        cells = self.cells.get(setting, [])
        numbers = [value for cell in cells if (value := number_of(self.results, aspect, cell).value) is not None]
        level = sum(numbers) / len(numbers) if numbers else None
        unit = unit_of(aspect.measure or "headline", aspect.x_name or "")
        score = quantity(level, unit, metric, aspect.x_name or "x") if level is not None else NONE
        costs: dict[str, float] = {}
        for column in COSTLY:
            known = [float(value) for cell in cells if (value := getattr(cell.record, column)) is not None]
            if known:
                costs[column] = sum(known) / len(known)
        counts = Counter(cell.status for cell in cells)
        troubles = [f"{counts[status]} of {len(cells)} seeds {status}" for status in TROUBLES if counts[status]]
        return Party(name, level, score, WorkSpent.of(costs), ", ".join(troubles))


def interval_of(found: Comparison) -> Interval | None:
    """A difference with its interval; a single seed has none."""
    if not found.seeds:
        return None
    return found.interval if len(found.seeds) > 1 else Interval(found.interval.mean, -math.inf, math.inf)


def plain_zeros(difference: str) -> str:
    """A difference whose zeros have no sign."""
    return re.sub(r"[−+](0\.0+)(?!\d)", r"\1", difference)


TROUBLES = ("diverged", "collapsed", "failed", "timeout")
"""What can become of a cell that a reader has to know of."""


def by_words(difference: str, unit: str = "") -> str:
    """A difference without its sign: "−1.3 points [−1.6, −1.0]" becomes "1.3 points [1.0, 1.6]"."""
    head, _, ends = difference.removesuffix("]").partition(" [")
    if head.startswith("−") and ends:
        low, high = (end.removeprefix("−") if end.startswith("−") else f"−{end}" for end in ends.split(", "))
        ends = f"{high}, {low}"
    amount = " ".join(part for part in (head.removeprefix("−"), unit) if part)
    return (f"{amount} [{ends}]" if ends else amount).replace("+", "")


def margin_words(amount: str) -> str:
    """What does not matter: "1 point"."""
    plain = amount.removeprefix("+").replace(".0 ", " ")
    return plain.removesuffix("s") if plain.startswith("1 ") else plain


def density_asked(question: Question, setting: Side) -> float | None:
    """The density that a comparison is at; None where it is of whole networks."""
    if question.x_name == "density" and question.x is not None:
        return question.x
    density = float(dict(setting).get("density", 1.0))
    return density if density < 1 and question.measure in (None, "headline") else None


def named_apart(setting: Side, sides: Sequence[Side], thans: Sequence[Side]) -> tuple[str, str]:
    """What a side is called, and its context: the row, and what else tells it apart; or that alone."""
    mine: dict[str, Any] = dict(setting)
    axes = telling_axes(sides)
    if "row" not in axes:
        return side_words(setting, sides, thans), ""
    rest = [words_of(mine, axis, [*sides, *thans]) for axis in axes if axis != "row"]
    return str(mine["row"]), " ".join(rest)


def changed_words(question: Question) -> str:
    """What the other side of each comparison has: "with ticket=own"."""
    parts = []
    for axis in FILTERED:
        choice: Filter | None = getattr(question.than, axis)
        if choice is not None:
            options = [f"{key}={option_text(value)}" for key, value in choice.options.items()]
            parts.append(" ".join([*([choice.name] if choice.name else []), *options]))
    return question.than.row or (f"with {', '.join(parts)}" if parts else "the other side")
