"""Language modelling: windows, splits and metrics of a text that is given as a string."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest
import torch

from ticketbench import DataError, OptionError, Shapes, Sizes
from ticketbench.plugin.options import configure
from ticketbench_tasks.text import Counts, LanguageModelling, sample_size

SMALL = {"train": "b a b\n\nc b\n", "valid": "a x\n", "test": "c c\nb <unk>\n"}
"""Vocabulary <unk> <eos> b a c; 8 training tokens, 3 to validate, 6 to test."""


@dataclass(frozen=True)
class Given(LanguageModelling):
    """A text that a test has put into `texts`."""

    name = "given"
    summary = "a text in memory"
    counts = Counts(train=8, valid=3, test=6, vocabulary=5)
    texts: ClassVar[dict[str, str]] = SMALL

    def blocks(self, part: str) -> Iterator[str]:
        """The whole text in one block."""
        if self.texts[part]:
            yield self.texts[part]


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty data folder."""
    monkeypatch.setenv("TICKETBENCH_DATA", str(tmp_path))
    return tmp_path


def lists(split) -> tuple[list, list]:
    """Inputs and targets."""
    return split.inputs.tolist(), split.targets.tolist()


def test_windows_by_hand():
    """b a b . . c b . in windows of 3: two of them, each with its text one token later; the last two are not used."""
    task = Given(window=3)
    train = task.windows("train", task.words())
    assert lists(train) == ([[2, 3, 2], [1, 1, 4]], [[3, 2, 1], [1, 4, 2]])
    assert (train.inputs.dtype, train.targets.dtype) == (torch.int64, torch.int64)
    train, validation = Given(window=2).training()
    assert lists(train) == ([[2, 3], [2, 1], [1, 4]], [[3, 2], [1, 1], [4, 2]])
    assert lists(validation) == ([[3, 0]], [[0, 1]])  # x is not in the vocabulary
    assert lists(Given(window=5).test()) == ([[4, 4, 1, 2, 0]], [[4, 1, 2, 0, 1]])


def test_sizes_and_shapes_agree_with_the_splits():
    """Whatever the window; a cap of the vocabulary makes the outputs fewer."""
    for window in (1, 2):
        task = Given(window=window)
        train, validation = task.training()
        assert task.sizes() == Sizes(len(train), len(validation), len(task.test()))
        assert task.shapes() == Shapes((window,), 5)
    assert Given(window=1).sizes() == Sizes(7, 2, 5)
    assert Given(window=2).sizes() == Sizes(3, 1, 2)
    assert Given(window=100).sizes() == Sizes(0, 0, 0)
    assert Given(vocabulary=4).shapes().outputs == 4
    assert Given(vocabulary=500).shapes().outputs == 5
    assert Given.contiguous is True


def test_a_capped_vocabulary_makes_rare_words_unknown():
    """b a b . . c b . with three tokens: only b is left."""
    task = configure(Given(), {"vocabulary": 3, "window": 7}, "a test")
    assert task.words() == ["<unk>", "<eos>", "b"]
    assert task.windows("train", task.words()).inputs.tolist() == [[2, 0, 2, 1, 1, 0, 2]]
    for wrong in (1, 2):
        with pytest.raises(OptionError, match=f"a vocabulary of {wrong} has no word beside <unk> and <eos>"):
            configure(Given(), {"vocabulary": wrong}, "a test")


def test_a_text_smaller_than_a_window_is_refused():
    """A window needs a token after it; the text and its length are named."""
    with pytest.raises(
        DataError, match=r"the text 'train' of task 'given' has 8 tokens, too few for one window of 8 and"
    ):
        Given(window=8).training()
    with pytest.raises(DataError, match=r"the text 'valid' of task 'given' has 3 tokens, too few for one window of 3"):
        Given(window=3).training()


def test_an_empty_text_is_refused(monkeypatch: pytest.MonkeyPatch):
    """No token at all."""
    monkeypatch.setattr(Given, "texts", {**SMALL, "test": ""})
    with pytest.raises(DataError, match="the text 'test' of task 'given' has 0 tokens"):
        Given(window=1).test()


# -- the sample that is held out ---------------------------------------------------------------------------------

LENGTH = 205_300


@pytest.fixture
def numbered(monkeypatch: pytest.MonkeyPatch) -> np.ndarray:
    """205 stretches and 300 tokens of words that are drawn from 50, in lines of 9; and these tokens."""
    drawn = np.random.default_rng(0).integers(0, 50, LENGTH)
    words = [f"{number:02d}" if at % 10 != 9 else "\n" for at, number in enumerate(drawn)]
    text = " ".join(words)
    monkeypatch.setattr(Given, "texts", {**SMALL, "train": text})
    monkeypatch.setattr(Given, "counts", Counts(train=LENGTH, valid=3, test=6, vocabulary=52))
    assert len(text.replace("\n", "<eos>").split()) == LENGTH
    return np.array(text.replace("\n", "<eos>").split())


def read(split, words: list[str]) -> np.ndarray:
    """A split as words."""
    return np.array(words)[split.inputs.flatten().numpy()]


def test_the_sample_and_the_rest_are_the_training_part(numbered: np.ndarray):
    """Two stretches of 1,000 are judged, all other tokens trained on, each in reading order and nothing twice."""
    task = Given(window=1, split="paper")
    words = task.words()
    (rest, _), sample = task.training(), task.test()
    assert task.sizes() == Sizes(LENGTH - 2001, 2, 1999)
    assert (len(rest), len(sample)) == (LENGTH - 2001, 1999)
    judged = read(sample, words)
    starts = [at for at in range(0, 205_000, 1000) if (numbered[at : at + 999] == judged[:999]).all()]
    later = [at for at in range(0, 205_000, 1000) if (numbered[at : at + 999] == judged[1000:]).all()]
    assert len(starts) == len(later) == 1
    assert starts < later
    left = np.delete(numbered, [*range(starts[0], starts[0] + 1000), *range(later[0], later[0] + 1000)])
    assert (read(rest, words) == left[:-1]).all()
    assert (np.array(words)[rest.targets.flatten().numpy()] == left[1:]).all()


def test_the_sample_is_drawn_once_and_for_all(numbered: np.ndarray):
    """By the data seed, and not by the window."""
    task = Given(window=1, split="paper")
    sample = task.test().inputs.flatten()
    assert torch.equal(task.test().inputs.flatten(), sample)
    assert torch.equal(replace(task, window=27).test().inputs.flatten(), sample[: 1999 // 27 * 27])
    assert not torch.equal(replace(task, data_seed=1).test().inputs.flatten(), sample)


def test_the_size_of_the_sample():
    """A hundredth of the whole stretches, rounded down, and one at least."""
    assert [sample_size(tokens) for tokens in (2_000, 199_999, 200_000, 2_088_628)] == [1000, 1000, 2000, 20_000]


def test_a_text_too_small_for_a_sample_is_refused():
    """Two stretches are needed."""
    with pytest.raises(DataError, match='has 8 tokens, fewer than twice the 1,000 that "paper" holds out'):
        Given(split="paper").test()


# -- loss and metrics --------------------------------------------------------------------------------------------


def test_loss_and_metrics_in_float64():
    """−log softmax over the vocabulary axis at the target, its mean over all positions and over each window."""
    generator = torch.Generator().manual_seed(0)
    outputs = torch.randn(3, 7, 4, generator=generator, dtype=torch.float64)
    targets = torch.randint(0, 7, (3, 4), generator=generator)
    scores = outputs.numpy()
    each = np.zeros((3, 4))
    for example in range(3):
        for step in range(4):
            of_word = scores[example, :, step]
            each[example, step] = np.log(np.exp(of_word).sum()) - of_word[targets[example, step]]
    for given in (targets, targets.int()):
        assert Given().loss(outputs, given, targets).item() == pytest.approx(each.mean(), abs=1e-12)
        found = Given().metrics(outputs, given, targets)
        np.testing.assert_allclose(found["cross_entropy"].numpy(), each.mean(axis=1), atol=1e-12)


def test_the_loss_can_be_stacked():
    """vmap over a fleet of two: the losses of each."""
    outputs = torch.randn(2, 3, 7, 4, generator=torch.Generator().manual_seed(0))
    targets = torch.arange(24).view(2, 3, 4) % 7
    found = torch.vmap(Given().loss)(outputs, targets, targets)
    expected = [Given().loss(outputs[member], targets[member], targets[member]) for member in range(2)]
    torch.testing.assert_close(found, torch.stack(expected))


def test_perplexity_is_the_exponential_of_the_mean():
    """Over windows together, not the mean of their perplexities; too large is infinite, and nan stays."""
    found = Given().summarize({"cross_entropy": math.log(50), "other": 3.0})
    assert found == {"cross_entropy": math.log(50), "other": 3.0, "perplexity": pytest.approx(50)}
    assert Given().summarize({"cross_entropy": 1e4})["perplexity"] == math.inf
    assert math.isnan(Given().summarize({"cross_entropy": math.nan})["perplexity"])
