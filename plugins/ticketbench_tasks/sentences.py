"""Generated sentences: a small language that needs no download and whose perplexity is known."""

from __future__ import annotations

import math
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import ClassVar

from ticketbench import seed_of
from ticketbench_tasks.text import Counts, LanguageModelling, Part

NOUNS = [
    "river",
    "stone",
    "garden",
    "window",
    "letter",
    "bridge",
    "forest",
    "candle",
    "mirror",
    "road",
    "tower",
    "harbour",
    "village",
    "kettle",
    "ladder",
    "orchard",
    "pocket",
    "shadow",
    "thread",
    "wagon",
]
VERBS = [
    "bear",
    "follow",
    "answer",
    "cover",
    "lead",
    "hold",
    "turn",
    "hear",
    "keep",
    "join",
    "bend",
    "meet",
    "pull",
    "wake",
    "find",
]
ADJECTIVES = ["old", "quiet", "narrow", "bright", "heavy", "small", "green", "distant", "broken", "warm"]
DETERMINERS = (("this", "every", "one"), ("these", "many", "two"))
SENTENCES = {"train": 6000, "valid": 600, "test": 1000}
DEEPER = 0.3
"""The chance that a noun is followed by a clause, or a verb by an object; a clause has half of it."""


class Writer:
    """Draws sentences and adds up the logarithm of how likely each was."""

    def __init__(self, seed: int) -> None:
        self.draws = random.Random(seed)
        self.log_probability = 0.0

    def happens(self, chance: float) -> bool:
        """Whether something of this chance happens; how likely the outcome was is added up."""
        found = self.draws.random() < chance
        self.log_probability += math.log(chance if found else 1 - chance)
        return found

    def one_of(self, words: Sequence[str]) -> str:
        """A word of a list, the k-th with a chance in proportion to 1/k."""
        weights = [1 / rank for rank in range(1, len(words) + 1)]
        at = self.draws.choices(range(len(words)), weights)[0]
        self.log_probability += math.log(weights[at] / sum(weights))
        return words[at]

    def sentence(self) -> list[str]:
        """A subject and what it does."""
        many = self.happens(0.5)
        return [*self.subject(many, DEEPER), *self.action(many, DEEPER)]

    def subject(self, many: bool, chance: float) -> list[str]:
        """Determiner, perhaps an adjective, noun, perhaps a clause; the number is heard in each of them."""
        words = [self.one_of(DETERMINERS[many])]
        words += [self.one_of(ADJECTIVES)] if self.happens(DEEPER) else []
        words.append(self.one_of(NOUNS) + "s" * many)
        return words + (["that", *self.action(many, chance / 2)] if self.happens(chance) else [])

    def action(self, many: bool, chance: float) -> list[str]:
        """A verb that agrees with its subject, perhaps with an object."""
        words = [self.one_of(VERBS) + "s" * (not many)]
        if self.happens(0.5):
            several = self.happens(0.5)
            words += self.subject(several, chance / 2)
        return words


@dataclass(frozen=True)
class Sentences(LanguageModelling):
    """Sentences of a small grammar, one a line, in which a verb agrees with a noun that may stand far in front of it.

    sentence = subject action; subject = determiner [adjective] noun [that action]; action = verb [subject]; each
    part in brackets by chance, clauses ever more rarely with depth; the k-th word of a kind is 1/k as likely as the
    first. Singular and plural are as likely; determiner, noun and verb show it. Every part is drawn with a seed
    of its own. As the likelihood of each sentence is known, so is the least perplexity that any model can have on
    average: `floor` computes it for a part's own sentences.
    """

    name = "sentences"
    summary = "generated sentences whose verbs agree with nouns far away; no download"
    reference = "Elman 1991, on agreement across clauses; this grammar is ticketbench's own"
    counts: ClassVar[Counts] = Counts(train=39_618, valid=4_005, test=6_543, vocabulary=89)

    def blocks(self, part: Part) -> Iterator[str]:
        """All sentences at once: they are few."""
        yield written(part)[0]


def written(part: str) -> tuple[str, float]:
    """A part's text, and the logarithm of how likely it was."""
    writer = Writer(seed_of(0, "sentences", part) % 2**32)
    lines = [" ".join(writer.sentence()) for _ in range(SENTENCES[part])]
    return "".join(f"{line}\n" for line in lines), writer.log_probability


def floor(part: str) -> float:
    """The perplexity that a part's text has under the grammar itself, ends of lines counted."""
    text, log_probability = written(part)
    tokens = len(text.split()) + text.count("\n")
    return math.exp(-log_probability / tokens)
