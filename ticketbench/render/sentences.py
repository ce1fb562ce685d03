"""Sentences: what comparisons came to, in English that can be read aloud.

Sides of one context and density that share a mark share a clause, and densities that say the same share a sentence:
"At 20 % of the weights a and b are as good as dense (within 1 point); c is worse by 1.0 points [0.6, 1.3]."
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from ticketbench.results.standard import Mark

NAMED_AT_MOST = 5
"""Sides that a clause names; it counts the others."""
MARK_ORDER: tuple[Mark, ...] = ("better", "as good", "worse", "cannot tell")
"""Marks as a reader wants them: the good news first."""


@dataclass(frozen=True)
class Spoken:
    """One side of a comparison, as far as a sentence speaks of it."""

    name: str
    context: str
    """What else it is, such as the task that it is on; empty where all are of one."""
    density: float | None
    """None where that goes without saying."""
    than: str
    mark: Mark
    gain: float
    """The mean difference, above zero where it is for the better."""
    by: str
    """How far both are apart, without a sign: "1.3 points [1.0, 1.6]"."""
    margin: str = ""
    """What does not matter: "1 point"."""


@dataclass(frozen=True)
class SameMarks:
    """Densities of one context at which the same sides have the same marks."""

    context: str
    levels: tuple[tuple[Spoken, ...], ...]
    """The sides of each density, the densest first, and of them the best first."""

    def marked(self, mark: Mark) -> list[list[Spoken]]:
        """Those with a mark, density by density."""
        return [[one for one in level if one.mark == mark] for level in self.levels]


def sentences(sides: Sequence[Spoken], than: str, brief: bool = False) -> str:
    """What the comparisons with one other side, or with each one's own, came to; in brief the first and the last."""
    parts: list[str] = []
    found = stretches(sides)
    for stretch in [found[0], found[-1]] if brief and len(found) > 2 else found:
        first = not parts
        parts.append(f"{place_words(stretch)}{body(stretch, than, first)}")
    return ". ".join(part[0].upper() + part[1:] if part.startswith(OPENINGS) else part for part in parts) + "."


OPENINGS = ("at ", "on ", "by ", "with ", "all ", "we ", "of ")
"""What a sentence of ours begins with; a name stays as it is written."""


def stretches(sides: Sequence[Spoken]) -> list[SameMarks]:
    """The sides by context; densities that follow each other and say the same together."""
    found: list[SameMarks] = []
    for context in dict.fromkeys(one.context for one in sides):
        mine = [one for one in sides if one.context == context]
        open_: list[tuple[Spoken, ...]] = []
        for density in sorted({one.density or 0.0 for one in mine}, reverse=True):
            level = tuple(sorted((one for one in mine if (one.density or 0.0) == density), key=lambda one: -one.gain))
            if open_ and said_of(open_[-1]) != said_of(level):
                found.append(SameMarks(context, tuple(open_)))
                open_ = []
            open_.append(level)
        found.append(SameMarks(context, tuple(open_)))
    return found


def said_of(level: Iterable[Spoken]) -> Mapping[str, Mark]:
    """The mark of each side."""
    return {one.name: one.mark for one in level}


def place_words(stretch: SameMarks) -> str:
    """Where it is said: the context and the densities."""
    densities = [share_words(level[0].density) for level in stretch.levels if level[0].density is not None]
    at = f"at {and_joined(densities)} of the weights" if densities else ""
    words = " ".join(part for part in (stretch.context, at) if part)
    return f"{words}, " if stretch.context else f"{words} " if words else ""


def body(stretch: SameMarks, than: str, first: bool) -> str:
    """The clauses of a stretch, one for each mark; the other side is named in the first sentence alone."""
    parts: list[str] = []
    whole = len(stretch.levels[0])
    for mark in MARK_ORDER:
        levels = stretch.marked(mark)
        if levels[0]:
            parts.append(clause(mark, levels, than if first and not parts else "", whole))
    return "; ".join(parts)


def clause(mark: Mark, levels: Sequence[Sequence[Spoken]], than: str, whole: int) -> str:
    """What the sides with one mark are, and by how much."""
    mine = levels[0]
    every = len(mine) == whole and whole > NAMED_AT_MOST - 2
    names = f"all {whole}" if every else some_named([one.name for one in mine])
    verb = "is" if len(mine) == 1 else "are"
    if mark == "cannot tell":
        if than:
            which = f"any of the {whole}" if every else names
            return f"we cannot tell whether {which} {'is' if every else verb} better or worse than {than}"
        return f"we cannot tell of {f'any of the {whole}' if every else names}"
    if mark == "as good":
        within = f" (within {mine[0].margin})" if mine[0].margin else ""
        return f"{names} {verb} as good{f' as {than}' if than else ''}{within}"
    compared = f"{names} {verb} {mark}{f' than {than}' if than else ''}"
    ends = [levels[0][0]] if len(levels) == 1 else [levels[0][0], levels[-1][0]]
    if len(mine) == 1:
        return f"{compared} by {amounts(ends)}"
    first = "most of all" if mark == "better" else "the best,"
    if len({one.name for one in ends}) == 1:
        return f"{compared}, {first} {ends[0].name}, by {amounts(ends)}"
    apart = [f"at {share_words(one.density)} {one.name} by {one.by}" for one in ends]
    return f"{compared}: {first.removesuffix(',')} {and_joined(apart)}"


def amounts(ends: Sequence[Spoken]) -> str:
    """By how much a side is apart, at the densest and at the sparsest of some densities."""
    return " and ".join(f"{one.by}{at_words(one, ends)}" for one in ends)


def at_words(one: Spoken, ends: Sequence[Spoken]) -> str:
    """The density, where several are spoken of."""
    return f" at {share_words(one.density)}" if len(ends) > 1 and one.density is not None else ""


def share_words(density: float | None) -> str:
    """A density as a person says it: 3.12 %."""
    return f"{100 * (density or 0.0):.3g} %"


def some_named(names: Sequence[str]) -> str:
    """Names in a row, of many the first."""
    if len(names) <= NAMED_AT_MOST + 1:
        return and_joined(names)
    return f"{', '.join(names[:NAMED_AT_MOST])} and {len(names) - NAMED_AT_MOST} more"


def and_joined(words: Sequence[str]) -> str:
    """Words with commas, and "and" before the last."""
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"
