"""Generated sentences: their counts, their agreement, and the least perplexity there is."""

from __future__ import annotations

import math
import random
import re

import pytest

from ticketbench_tasks.sentences import (
    ADJECTIVES,
    DETERMINERS,
    NOUNS,
    SENTENCES,
    VERBS,
    Sentences,
    Writer,
    floor,
    written,
)


@pytest.mark.parametrize("part", SENTENCES)
def test_counts_are_those_of_the_text(part):
    """So that a plan knows them without writing a word."""
    text, _ = written(part)
    assert len(text.split()) + SENTENCES[part] == getattr(Sentences.counts, part)


def test_the_vocabulary_is_whole_in_the_training_part():
    """Every other part has no unknown word; with <unk> and <eos> there are 89."""
    words = {part: set(written(part)[0].split()) for part in SENTENCES}
    assert len(words["train"]) + 2 == Sentences.counts.vocabulary == Sentences().shapes().outputs
    assert words["valid"] <= words["train"] >= words["test"]


def test_the_first_verb_after_a_clauseless_subject_agrees():
    """Plural nouns end in s and their verbs do not; singular ones the other way round."""
    verbs = "|".join(VERBS)
    for line in written("test")[0].splitlines():
        simple = re.match(rf"(?:\w+) (?:(?:{'|'.join(ADJECTIVES)}) )?(\w+) ((?:{verbs})s?)\b", line)
        if simple:
            noun, verb = simple.groups()
            assert (noun not in NOUNS) == (verb in VERBS)


def test_a_sentences_likelihood_by_hand():
    """One without brackets: number, determiner, no adjective, noun, no clause, verb, no object."""
    for seed in range(200):
        writer = Writer(seed)
        words = writer.sentence()
        if len(words) == 3:
            break
    many = words[0] in DETERMINERS[1]
    shares = [
        (DETERMINERS[many], words[0]),
        (NOUNS, words[1].removesuffix("s") if many else words[1]),
        (VERBS, words[2] if many else words[2].removesuffix("s")),
    ]
    chance = 0.5 * 0.7 * 0.7 * 0.5
    for words_of, word in shares:
        chance *= 1 / (list(words_of).index(word) + 1) / sum(1 / rank for rank in range(1, len(words_of) + 1))
    assert writer.log_probability == pytest.approx(math.log(chance))


def test_the_floor_is_what_the_grammar_gives_on_average():
    """Close for all parts, as they are drawn alike; fresh text has it too."""
    assert floor("test") == pytest.approx(8.404, abs=1e-3)
    assert floor("train") == pytest.approx(8.513, abs=1e-3)
    writer = Writer(random.Random(5).getrandbits(32))
    tokens = sum(len(writer.sentence()) + 1 for _ in range(4000))
    assert math.exp(-writer.log_probability / tokens) == pytest.approx(8.5, rel=0.03)


def test_the_splits_are_windows_of_the_text():
    """35 tokens each, the targets one later, the same every time."""
    task = Sentences()
    train, validation = task.training()
    assert [len(train), len(validation), len(task.test())] == [
        task.sizes().train,
        task.sizes().validation,
        task.sizes().test,
    ]
    assert train.inputs[0, 1:].tolist() == train.targets[0, :-1].tolist()
    assert Sentences().training()[0].inputs.equal(train.inputs)
