"""Language modelling: what the tasks of text share."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from ticketbench import DataError, Shapes, Sizes, Split, Task, data_folder, generator, option
from ticketbench_tasks.words import RESERVED, WordCounts, encoded

Part = Literal["train", "valid", "test"]
Stream = Literal["train", "valid", "test", "rest", "sample"]
"""A part of the corpus; or the training part without the sample of it that is judged, and that sample."""

STRETCH = 1_000
"""Tokens in a row that are held out together."""


@dataclass(frozen=True)
class Counts:
    """What is known of a corpus: the tokens of each part, with an `<eos>` a line, and the first's distinct ones."""

    train: int
    valid: int
    test: int
    vocabulary: int


@dataclass(frozen=True)
class LanguageModelling(Task):
    """Each token from those before it: the text as windows of tokens in reading order, targets one token later.

    Words are what white space separates, and each line, an empty one as well, ends in `<eos>`. The vocabulary is that
    of the training part: `<unk>`, `<eos>`, then its words by falling frequency; every other word is `<unk>`. What is
    left behind the last whole window is not used. Outputs are (batch, vocabulary, window). "standard" trains and judges
    on the corpus's own parts. "paper" judges a random 1 % of the training part, which is not trained on: stretches of
    1,000 tokens, drawn once and for all; both they and the rest are read as one text.

    Deviation: the perplexities that Zhang and Stadie 2020 report "on a random 1% sample of the training set", 10.5 on
    WikiText-2, look like those of text that was trained on; here the sample is not.

    Metrics: cross-entropy in nats, the mean of a window, and perplexity, exp of the mean over all windows.
    """

    contiguous = True
    cross_entropy = "mean"
    counts: ClassVar[Counts]

    window: int = option(35, "tokens that are read in a row", at_least=1)
    vocabulary: int = option(0, "tokens at most, <unk> and <eos> among them; 0 for all", at_least=0)
    split: Literal["standard", "paper"] = option(
        "standard", "judge the corpus's test part, or 1 % held out of training"
    )
    data_seed: int = option(42, 'which stretches "paper" holds out', at_least=0)

    def __post_init__(self) -> None:
        if 0 < self.vocabulary <= len(RESERVED):
            raise ValueError(f"a vocabulary of {self.vocabulary} has no word beside <unk> and <eos>")

    @abstractmethod
    def blocks(self, part: Part) -> Iterator[str]:
        """A part of the corpus in blocks of whole lines."""

    def own_copy(self) -> str:
        """Where the text comes from, if it is a copy of the user's that no checksum has verified."""
        return ""

    def shapes(self) -> Shapes:
        """A window in, a score a word of the vocabulary for each of its positions."""
        return Shapes((self.window,), min(self.vocabulary or self.counts.vocabulary, self.counts.vocabulary))

    def sizes(self) -> Sizes:
        """How many windows each split has, from the published counts of tokens."""
        train, test = self.counts.train, self.counts.test
        if self.split == "paper":
            test = sample_size(train)
            train -= test
        return Sizes(*(max(0, tokens - 1) // self.window for tokens in (train, self.counts.valid, test)))

    def training(self) -> tuple[Split, Split]:
        """The corpus's training part, or what is left of it, and its validation part."""
        words = self.words()
        train = self.windows("train" if self.split == "standard" else "rest", words)
        return train, self.windows("valid", words)

    def test(self) -> Split:
        """The corpus's test part, or the sample that was held out."""
        return self.windows("test" if self.split == "standard" else "sample", self.words())

    def windows(self, name: Stream, words: Sequence[str]) -> Split:
        """A text as windows, and as the windows one token later; both share its memory."""
        tokens = self.stream(name, words)
        count = (len(tokens) - 1) // self.window
        if count < 1:
            needed = f"one window of {self.window} and the token after it"
            raise DataError(f"the text '{name}' of task '{self.name}' has {len(tokens):,} tokens, too few for {needed}")
        used = count * self.window
        return Split(tokens[:used].view(count, self.window), tokens[1 : used + 1].view(count, self.window))

    def stream(self, name: Stream, words: Sequence[str]) -> Tensor:
        """The tokens of a text."""
        return torch.from_numpy(np.concatenate([np.empty(0, np.int32), *self.pieces(name, words)])).long()

    def pieces(self, name: Stream, words: Sequence[str]) -> Iterator[np.ndarray]:
        """The tokens of a text, some at a time."""
        if name == "rest" or name == "sample":
            yield from self.cut_out(name == "sample", words)
            return
        length = 0
        for piece in encoded(self.blocks(name), words):
            length += len(piece)
            yield piece
        self.check_own(f"tokens in its part '{name}'", length, getattr(self.counts, name))

    def cut_out(self, sample: bool, words: Sequence[str]) -> Iterator[np.ndarray]:
        """The stretches of the training part that are in the sample, or all others."""
        tokens = self.stream("train", words).numpy()
        yield from (tokens[place] for place in stretches(len(tokens), sample, self.data_seed, self.name))

    def words(self) -> list[str]:
        """The vocabulary, counted in the training part."""
        with WordCounts(data_folder()) as counts:
            for block in self.blocks("train"):
                counts.add(block)
            self.check_own("tokens in its part 'train'", counts.words + counts.lines, self.counts.train)
            return counts.vocabulary(self.shapes().outputs)

    def check_own(self, what: str, found: int, known: int) -> None:
        """Refuse a copy of the user's that is not the known text."""
        if self.own_copy() and found != known:
            raise DataError(f"{self.own_copy()} is not the text of task '{self.name}': {found:,} {what}, not {known:,}")

    def loss(self, outputs: Tensor, targets: Tensor, inputs: Tensor) -> Tensor:
        """Mean cross-entropy over all positions."""
        return functional.cross_entropy(outputs.movedim(1, -1).flatten(0, -2), targets.long().flatten())

    def metrics(self, outputs: Tensor, targets: Tensor, inputs: Tensor) -> Mapping[str, Tensor]:
        """The mean cross-entropy of each window."""
        of_tokens = functional.cross_entropy(
            outputs.movedim(1, -1).flatten(0, -2), targets.long().flatten(), reduction="none"
        )
        return {"cross_entropy": of_tokens.view(targets.shape).mean(dim=1)}

    def summarize(self, means: Mapping[str, float]) -> Mapping[str, float]:
        """The means of the metrics, and the perplexity that follows from the cross-entropy."""
        perplexity = torch.tensor(means["cross_entropy"], dtype=torch.float64).exp().item()  # too much is inf
        return {**means, "perplexity": perplexity}


def sample_size(tokens: int) -> int:
    """How many tokens the sample of a training part has: a hundredth of its whole stretches, at least one of them."""
    return max(1, tokens // STRETCH // 100) * STRETCH


def stretches(tokens: int, sample: bool, seed: int, task: str) -> Iterator[slice]:
    """Where the stretches of the sample lie, or all others and what is behind the last; in reading order."""
    count, drawn = tokens // STRETCH, sample_size(tokens) // STRETCH
    if count < 2:
        needed = f'twice the {STRETCH:,} that "paper" holds out at least'
        raise DataError(f"the training text of task '{task}' has {tokens:,} tokens, fewer than {needed}")
    held = np.zeros(count + 1, dtype=bool)
    held[torch.randperm(count, generator=generator(seed, f"{task} sample"))[:drawn].numpy()] = True
    for number in np.flatnonzero(held == sample).tolist():
        yield slice(number * STRETCH, min((number + 1) * STRETCH, tokens))
