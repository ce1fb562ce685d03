"""Judgement: everything that is decided about the records of a tier, at once and by one standard.

Three families are corrected each for itself: the suite's questions, the claims of its paper, and what a board shows
besides (which is exploratory). A comparison that belongs to two of them is decided once, in the first, so that a page
that asks a question and a page that judges a claim cannot answer differently. All share one scatter a metric.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, field

from ticketbench.results.pairing import settings_of
from ticketbench.results.results import CellResult, Results
from ticketbench.results.sampling import Gathered, PairKey, gather_sample
from ticketbench.results.scatter import UNKNOWN, Scatter, scatter_of
from ticketbench.results.standard import Comparison, Sample, compare_all, seeds_to_decide
from ticketbench.results.stats import ALPHA
from ticketbench.results.verdicts import ClaimFinding, claim_samples, finding_of
from ticketbench.suite.paper import Aspect
from ticketbench.suite.questions import Question


@dataclass(frozen=True)
class Compared:
    """One comparison of a question: what was compared, and what came of it."""

    gathered: Gathered
    found: Comparison | None
    """None where there is nothing to compare yet."""

    @property
    def decided(self) -> bool:
        """Whether it has a mark other than that we cannot tell."""
        return self.found is not None and self.found.decided


@dataclass(frozen=True)
class Answer:
    """What the records say to a question."""

    question: Question
    compared: tuple[Compared, ...]

    @property
    def decided(self) -> int:
        """How many of its comparisons are decided."""
        return sum(one.decided for one in self.compared)


@dataclass(frozen=True)
class Judgement:
    """The answers to a suite's questions and the findings on its claims, with what other comparisons need."""

    answers: tuple[Answer, ...]
    claims: tuple[tuple[ClaimFinding, ...], ...]
    """For each claim of the suite a finding a setting."""
    stated: Mapping[PairKey, Comparison] = field(default_factory=dict)
    """What is decided in the questions or the claims about headlines of two sides."""
    samples: Mapping[str, Sequence[Sample]] = field(default_factory=dict)
    """Metric -> what the scatter of its comparisons comes from."""
    family: int = 0
    """How many comparisons the questions are."""

    def of_pair(self, key: PairKey) -> Comparison | None:
        """What is stated of two sides, whichever of them was asked about."""
        return pair_in(self.stated, key)

    def scatter(self, metric: str) -> Scatter:
        """What the comparisons of a metric have in common."""
        return scatter_of(one.differences for one in self.samples.get(metric, ()))


def pair_in(stated: Mapping[PairKey, Comparison], key: PairKey) -> Comparison | None:
    """What is known of two sides, in the order in which they are asked for."""
    if key in stated:
        return stated[key]
    other = stated.get((key[1], key[0]))
    return other.mirrored() if other else None


EMPTY = Judgement((), ())


def judge(results: Results, alpha: float = ALPHA) -> Judgement:
    """Answer every question that the tier is asked, and judge every claim."""
    asked = [question for question in results.suite.questions if question.asked_in(results.tier)]
    gathered = [sides_of(results, question) for question in asked]
    claimed = [claim_samples(results, claim) for claim in results.suite.claims]
    samples = pool(results, [one for group in (*gathered, *claimed) for one in group])
    scatters = {name: scatter_of(one.differences for one in held) for name, held in samples.items()}
    decided = decide([one for group in gathered for one in group], scatters, alpha)
    stated: dict[PairKey, Comparison] = {}
    answers = []
    for question, group in zip(asked, gathered, strict=True):
        compared = tuple(Compared(one, decided.get(id(one))) for one in group)
        answers.append(Answer(question, compared))
        stated |= {
            key: one.found
            for one in compared
            if one.found and of_headlines(question, question.than) and (key := one.gathered.key())
        }
    rest, known = [], {}
    for claim, group in zip(results.suite.claims, claimed, strict=True):
        for one in group:
            key = one.key()
            plain = claim.than is not None and claim.plain and of_headlines(claim, claim.than)
            if plain and key and (same := pair_in(stated, key)):
                known[id(one)] = same
            else:
                rest.append(one)
    judged = decide(rest, scatters, alpha) | known
    claims = []
    for claim, group in zip(results.suite.claims, claimed, strict=True):
        claims.append(tuple(finding_of(results, claim, one, judged.get(id(one))) for one in group))
        if claim.than is not None and claim.plain and of_headlines(claim, claim.than):
            for one in group:
                if (key := one.key()) and (found := judged.get(id(one))):
                    stated.setdefault(key, found)
    return Judgement(tuple(answers), tuple(claims), stated, samples, len(decided))


def seeds_needed(judgement: Judgement, one: Compared) -> int | None:
    """About how many seeds would decide what is open; None where none would, or nothing is known of it."""
    if one.found is None or one.decided:
        return None
    still_open = judgement.family - sum(answer.decided for answer in judgement.answers)
    return seeds_to_decide(one.found, judgement.scatter(one.gathered.metric), still_open)


def of_headlines(aspect: Aspect, than: Aspect | None) -> bool:
    """Whether both sides are headlines."""
    return aspect.measure in (None, "headline") and (than is None or than.measure in (None, "headline"))


def sides_of(results: Results, question: Question) -> list[Gathered]:
    """What a question compares: a sample a setting that the tier has of it."""
    found = []
    for entries in settings_of(asked_cells(results, question)).values():
        one = gather_sample(results, question, question.than, entries, margin=question.margin)
        if one is not None:
            found.append(one)
    return found


def asked_cells(results: Results, question: Question) -> list[CellResult]:
    """The cells on the left side of a question."""
    rows = question.rows or [row for row in results.rows() if row != question.than.row]
    densities = question.densities
    return [
        entry
        for entry in results.select(question)
        if entry.row in rows and (not densities or any(abs(entry.density - one) <= 1e-9 for one in densities))
    ]


def decide(gathered: Sequence[Gathered], scatters: Mapping[str, Scatter], alpha: float) -> dict[int, Comparison]:
    """The comparisons of one family by the identity of what was gathered, each with the scatter of its metric."""
    held = [one for one in gathered if one.sample is not None]
    samples = [one.sample for one in held if one.sample is not None]
    found = compare_all(samples, [scatters.get(one.metric, UNKNOWN) for one in held], alpha)
    return {id(one): comparison for one, comparison in zip(held, found, strict=True)}


def pool(results: Results, gathered: Sequence[Gathered]) -> dict[str, list[Sample]]:
    """What the scatter of each metric comes from: what is stated, and every row beside those it is compared with.

    Two sides may be compared by several of their numbers; the same numbers count once, from whichever side.
    """
    beside = [
        gather_sample(results, Aspect(), Aspect(row=row), entries)
        for row in references_of(results)
        for entries in settings_of([entry for entry in results.entries if entry.row != row]).values()
    ]
    found: dict[str, dict[Hashable, Sample]] = {}
    for one in (*gathered, *beside):
        if one is None or one.sample is None or not one.metric or one.than in ((), one.setting):
            continue
        numbers = frozenset((one.setting, one.than)), tuple(abs(value) for value in one.sample.differences)
        found.setdefault(one.metric, {}).setdefault(numbers, one.sample)
    return {metric: list(held.values()) for metric, held in found.items()}


def references_of(results: Results) -> tuple[str, ...]:
    """The rows that all others are compared with: the suite's, or those that are never pruned."""
    known = results.rows()
    return tuple(row for row in results.suite.against if row in known) or tuple(sorted(results.dense_rows))[:2]
