"""The One Billion Word benchmark."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import ClassVar

from ticketbench import Remote, Split, option, verified_file
from ticketbench_tasks.lines import lines_of, tar_members
from ticketbench_tasks.streamed_text import StreamedText
from ticketbench_tasks.text import Counts, Part

ARCHIVE = Remote(
    "1-billion-word-language-modeling-benchmark-r13output.tar.gz",
    "http://www.statmt.org/lm-benchmark/1-billion-word-language-modeling-benchmark-r13output.tar.gz",
    sha256="01ba60381110baf7f189dfd2b8374de371e8c9a340835793f190bdae9e90a34e",
    size=1_792_209_805,
)
"""Checksum and size as public lists of data sets have them; the archive itself was not at hand."""

TRAINING_SHARDS = 99
TRAINING = r".*/training-monolingual\.tokenized\.shuffled/news\.en-\d{5}-of-00100"
TEST = r".*/heldout-monolingual\.tokenized\.shuffled/news\.en\.heldout-00000-of-00050"


@dataclass(frozen=True)
class OneBillion(StreamedText):
    """768,648,884 training words of news in 30,301,028 sentences that are in no order, with an `<eos>` each.

    The test part is the first of the fifty held-out shards, 159,658 tokens; nothing is there to validate on. Words are
    what white space separates. The text has 2.4 million distinct words and no `<unk>`: of `vocabulary` tokens two are
    `<unk>`, for every other word, and `<eos>`, and the rest are the most frequent words of the training part. "paper"
    judges 1 % of the training tokens that is not trained on, in stretches of 1,000. Metrics: cross-entropy of a
    window's tokens in nats, and perplexity.

    The archive is read from end to end to count words, again to write the training tokens, and up to its test shard to
    write that; nothing is unpacked. The tokens are kept in files of the data folder, 3.2 GB, and as much again for
    "paper", from which only batches are read.
    """

    name = "one_billion"
    summary = "0.8 billion words of news, streamed"
    reference = "Chelba et al. 2013, One billion word benchmark for measuring progress (arXiv 1312.3005)"
    source: ClassVar[Remote] = ARCHIVE
    shards: ClassVar[int] = TRAINING_SHARDS
    counts = Counts(train=798_949_912, valid=0, test=159_658, vocabulary=2_425_339)

    vocabulary: int = option(100_000, "tokens at most, <unk> and <eos> among them", at_least=3)

    def files(self) -> Sequence[Remote]:
        """The one archive that holds all of the text."""
        return (self.source,)

    def identity(self) -> str:
        """The checksum of the archive that the text comes from."""
        return self.source.sha256

    def training(self) -> tuple[Split, Split]:
        """The training shards, or what is left of them; nothing to validate on."""
        train = self.windows("train" if self.split == "standard" else "rest", self.words())
        return train, Split(train.inputs[:0], train.targets[:0])

    def blocks(self, part: Part) -> Iterator[str]:
        """The sentences of the training shards, or of the test shard."""
        path = verified_file(self.source, self.name)
        pattern, shards = (TRAINING, self.shards) if part == "train" else (TEST, 1)
        return lines_of(path, tar_members(path, pattern, shards))
