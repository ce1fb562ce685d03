"""WikiText-2 and WikiText-103: two sizes of the same text."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from ticketbench import DataError, Remote, data_folder, verified_file
from ticketbench_tasks.lines import lines_of, text_file, zip_member
from ticketbench_tasks.streamed_text import StreamedText
from ticketbench_tasks.text import Counts, LanguageModelling, Part

ADDRESS = "https://wikitext.smerity.com/"
PARTS: tuple[Part, ...] = ("train", "valid", "test")


@dataclass(frozen=True)
class Corpus:
    """An archive, and the folder in it that holds the three parts."""

    remote: Remote
    folder: str


WIKITEXT_2 = Corpus(
    Remote(
        "wikitext-2-v1.zip",
        f"{ADDRESS}wikitext-2-v1.zip",
        sha256="92675f1d63015c1c8b51f1656a52d5bdbc33aafa60cc47a218a66e7ee817488c",
        size=4_475_746,
    ),
    "wikitext-2",
)
WIKITEXT_103 = Corpus(
    Remote(
        "wikitext-103-v1.zip",
        f"{ADDRESS}wikitext-103-v1.zip",
        sha256="242ba0f20b329cfdf1ccc61e9e9e5b59becf189db7f7a81cd2a0e2fc31539590",
        size=190_229_076,
    ),
    "wikitext-103",
)
"""Checksums and sizes as public lists of data sets have them; the archives themselves were not at hand. The address is
that of a mirror kept by an author of the data; the first one, at Amazon, is closed."""


@dataclass(frozen=True)
class Wikitext(LanguageModelling):
    """The archive in the data folder, or the user's own copy of its three parts in a folder there."""

    source: ClassVar[Corpus]

    def files(self) -> Sequence[Remote]:
        """The archive; none if the user's own copy is read."""
        return () if self.own_copy() else (self.source.remote,)

    def blocks(self, part: Part) -> Iterator[str]:
        """The lines of a part."""
        own = self.own_files(part)
        if self.own_copy() and own:
            return lines_of(own[0], text_file(own[0]))
        path, member = verified_file(self.source.remote, self.name), f"{self.source.folder}/wiki.{part}.tokens"
        return lines_of(f"'{member}' in {path}", zip_member(path, member))

    def own_copy(self) -> str:
        """The folder of the user's own copy, if there is one and no archive; it has to be whole."""
        archive, folder = data_folder() / self.source.remote.name, data_folder() / self.source.folder
        missing = [part for part in PARTS if not self.own_files(part)]
        if archive.is_file() or len(missing) == len(PARTS):
            return ""
        if missing:
            wanted = " and ".join(f"{part}.txt" for part in missing)
            raise DataError(f"{folder} lacks {wanted}: the copy for task '{self.name}' needs all of its three parts.")
        return str(folder)

    def own_files(self, part: Part) -> list[Path]:
        """The user's own copies of a part."""
        folder = data_folder() / self.source.folder
        names = [f"wiki.{part}.tokens", f"wiki.{part}.tokens.gz", f"{part}.txt", f"{part}.txt.gz"]
        return [folder / name for name in names if (folder / name).is_file()]


@dataclass(frozen=True)
class Wikitext2(Wikitext):
    """2,088,628 training, 217,646 validation and 245,569 test tokens of Wikipedia, 33,278 of them distinct.

    Capitals, punctuation and numbers are kept, rare words are `<unk>`. Words are what white space separates; each
    line, an empty one as well, ends in `<eos>`, which the counts include. "paper" judges 1 % of the training tokens
    that is not trained on, in stretches of 1,000. Metrics: cross-entropy of a window's tokens in nats, and perplexity.

    Instead of the archive the data folder may have the user's own copy in a folder `wikitext-2`: wiki.train.tokens,
    wiki.valid.tokens and wiki.test.tokens, or train.txt, valid.txt and test.txt, as they are or as .gz files. Its
    tokens are counted, and must be as many as those above.
    """

    name = "wikitext2"
    summary = "two million words of Wikipedia"
    reference = "Merity et al. 2016, Pointer sentinel mixture models (arXiv 1609.07843)"
    source = WIKITEXT_2
    counts = Counts(train=2_088_628, valid=217_646, test=245_569, vocabulary=33_278)


@dataclass(frozen=True)
class Wikitext103(StreamedText, Wikitext):
    """103,227,021 training, 217,646 validation and 245,569 test tokens of Wikipedia, 267,735 of them distinct.

    Capitals, punctuation and numbers are kept, rare words are `<unk>`. Words are what white space separates; each
    line, an empty one as well, ends in `<eos>`, which the counts include. "paper" judges 1 % of the training tokens
    that is not trained on, in stretches of 1,000. Metrics: cross-entropy of a window's tokens in nats, and perplexity.

    Instead of the archive the data folder may have the user's own copy in a folder `wikitext-103`: wiki.train.tokens,
    wiki.valid.tokens and wiki.test.tokens, or train.txt, valid.txt and test.txt, as they are or as .gz files. Its
    tokens are counted, and must be as many as those above. The tokens are kept in files of the data folder, 414 MB,
    and as much again for "paper", from which only batches are read.
    """

    name = "wikitext103"
    summary = "a hundred million words of Wikipedia"
    reference = "Merity et al. 2016, Pointer sentinel mixture models (arXiv 1609.07843)"
    source = WIKITEXT_103
    counts = Counts(train=103_227_021, valid=217_646, test=245_569, vocabulary=267_735)

    def identity(self) -> str:
        """The archive's checksum; sizes and times of change of the user's own copies."""
        if not self.own_copy():
            return self.source.remote.sha256
        abouts = [path.stat() for part in PARTS for path in self.own_files(part)[:1]]
        return " ".join(f"{about.st_size} {about.st_mtime_ns}" for about in abouts)
