"""A part of a classification task as a task of its own."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pytest
import torch
from torch import Tensor

from ticketbench import DataError, OptionError, Remote, Shapes, Sizes, Split, Task, generator
from ticketbench.testing import Blobs
from ticketbench_protocols.views import Half, Labels
from ticketbench_tasks.cifar import Cifar10
from ticketbench_tasks.prefix_sums import PrefixSums

TRAIN = (3, 0, 3, 1, 0, 3, 4, 0, 1, 3, 0, 4, 3)
VALIDATION = (1, 4, 1, 0, 3)
TEST = (4, 4, 0, 1, 3, 3)
NOTES = Remote("notes", "https://example.org/notes", "0" * 64, 1)


@dataclass(frozen=True)
class Numbered(Task):
    """Example i of a split is the number i plus the split's offset; the label 2 of five occurs nowhere."""

    name = "numbered"
    summary = "numbers with labels"

    resident = False
    contiguous = True

    @property
    def augment_draws(self) -> int:
        return 2

    def shapes(self) -> Shapes:
        return Shapes((1,), 5)

    def sizes(self) -> Sizes:
        return Sizes(len(TRAIN), len(VALIDATION), len(TEST))

    def training(self) -> tuple[Split, Split]:
        return split_of(TRAIN, 0), split_of(VALIDATION, 100)

    def test(self) -> Split:
        return split_of(TEST, 200)

    def loss(self, outputs: Tensor, targets: Tensor, inputs: Tensor) -> Tensor:
        return (outputs * targets + inputs).sum()

    def metrics(self, outputs: Tensor, targets: Tensor, inputs: Tensor) -> Mapping[str, Tensor]:
        return {"sum": outputs + targets + inputs}

    def summarize(self, means: Mapping[str, float]) -> Mapping[str, float]:
        return {name: 2 * mean for name, mean in means.items()}

    def files(self) -> Sequence[Remote]:
        return (NOTES,)

    def prepare(self, inputs: Tensor) -> Tensor:
        return inputs / 10

    def augment(self, inputs: Tensor, uniforms: Tensor) -> Tensor:
        return inputs + uniforms.sum(dim=1, keepdim=True)


def split_of(labels: Sequence[int], offset: int) -> Split:
    """Numbers and labels as a split."""
    return Split(torch.arange(len(labels)).unsqueeze(1) + float(offset), torch.tensor(labels))


def numbers(split: Split) -> list[int]:
    """Which examples a split holds."""
    return [int(value) for value in split.inputs.flatten()]


def halves(at: int) -> tuple[Split, Split]:
    """Both halves of the training (0) or the validation (1) split."""
    return Half(Numbered(), "first").training()[at], Half(Numbered(), "second").training()[at]


# -- halves ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("at", "labels", "offset"), [(0, TRAIN, 0), (1, VALIDATION, 100)])
def test_halves_are_disjoint_and_complete(at, labels, offset):
    """Every example once, with its own label, in the split's order."""
    first, second = halves(at)
    assert sorted(numbers(first) + numbers(second)) == [offset + index for index in range(len(labels))]
    for part in (first, second):
        assert numbers(part) == sorted(numbers(part))
        assert part.targets.tolist() == [labels[number - offset] for number in numbers(part)]


@pytest.mark.parametrize("at", [0, 1])
def test_halves_are_balanced_within_one_example_a_label(at):
    """Thirteen examples of 5, 4, 2 and 2 a label; in all the first half has the odd one."""
    first, second = halves(at)
    counts = [Counter(part.targets.tolist()) for part in (first, second)]
    assert all(abs(counts[0][label] - counts[1][label]) <= 1 for label in range(5))
    assert len(first) - len(second) == 1


def test_sizes_of_halves_are_exact():
    """13 = 7 + 6 and 5 = 3 + 2, and the test split is whole."""
    for part, expected in (("first", Sizes(7, 3, 6)), ("second", Sizes(6, 2, 6))):
        half = Half(Numbered(), part)
        train, validation = half.training()
        assert half.sizes() == Sizes(len(train), len(validation), len(half.test())) == expected
        assert numbers(half.test()) == [200, 201, 202, 203, 204, 205]


def test_halves_are_dealt_from_a_fixed_order():
    """By hand: label by label, in the order of a permutation drawn from the names alone, in turn to either half."""
    order = torch.randperm(len(TRAIN), generator=generator("halves", "numbered", "train")).tolist()
    hands: list[list[int]] = [[], []]
    for turn, number in enumerate(number for label in range(5) for number in order if TRAIN[number] == label):
        hands[turn % 2].append(number)
    for seed in (1, 2):
        torch.manual_seed(seed)
        assert [numbers(half) for half in halves(0)] == [sorted(hand) for hand in hands]
    unmixed = sorted(range(len(TRAIN)), key=lambda number: TRAIN[number])
    assert sorted(hands[0]) != sorted(unmixed[::2])


def test_blobs_are_halved_kind_by_kind():
    """96 blobs of three kinds: each half has half of every kind, rounded up or down, and 48 in all."""
    whole = Counter(Blobs().training()[0].targets.tolist())
    for part in ("first", "second"):
        counts = Counter(Half(Blobs(), part).training()[0].targets.tolist())
        assert all(counts[label] in (whole[label] // 2, -(-whole[label] // 2)) for label in range(3))
        assert sum(counts.values()) == 48


# -- labels ------------------------------------------------------------------------------------------------------


def test_labels_are_kept_in_every_split():
    """0 and 4: the examples counted by hand, in their order; labels and outputs are the task's."""
    view = Labels(Numbered(), (4, 0))
    (train, validation), test = view.training(), view.test()
    assert numbers(train) == [1, 4, 6, 7, 10, 11]
    assert train.targets.tolist() == [0, 0, 4, 0, 0, 4]
    assert (numbers(validation), validation.targets.tolist()) == ([101, 103], [4, 0])
    assert (numbers(test), test.targets.tolist()) == ([200, 201, 202], [4, 4, 0])
    assert view.shapes() == Shapes((1,), 5)


def test_labels_can_be_numbered_anew():
    """In the order they are listed: 4 becomes 0 and 0 becomes 1, with two outputs."""
    view = Labels(Numbered(), (4, 0), relabel=True)
    assert view.training()[0].targets.tolist() == [1, 1, 0, 1, 1, 0]
    assert view.training()[1].targets.tolist() == [0, 1]
    assert view.test().targets.tolist() == [0, 0, 1]
    assert view.test().targets.dtype == torch.int64
    assert view.shapes() == Shapes((1,), 2)


def test_sizes_of_labels_are_the_share_of_labels():
    """Two labels of five: 13 · 2/5 = 5.2, 5 · 2/5 = 2 and 6 · 2/5 = 2.4; CIFAR-10's are exact, without its files."""
    assert Labels(Numbered(), (4, 0)).sizes() == Sizes(5, 2, 2)
    assert Labels(Cifar10(validation=0.0), (0, 1, 2, 3, 4)).sizes() == Sizes(25_000, 0, 5_000)


def test_labels_without_examples_are_refused_where_they_are_missing():
    """Label 2 occurs nowhere, and an empty validation split is nothing wrong."""
    with pytest.raises(DataError, match=r"task 'numbered' has no training example of the labels \[2\]"):
        Labels(Numbered(), (2,)).training()
    with pytest.raises(DataError, match=r"task 'numbered' has no test example of the labels \[2\]"):
        Labels(Numbered(), (2,)).test()
    train, validation = Labels(Blobs(), (0, 1)).training()
    assert (len(train) > 0, len(validation)) == (True, 0)


@pytest.mark.parametrize(
    ("keep", "match"),
    [
        ((0, 5), "task 'numbered' has no label 5: its labels are 0 to 4"),
        ((-1,), "task 'numbered' has no label -1: its labels are 0 to 4"),
        ((), r"the labels \[\] of task 'numbered': name at least one"),
        ((1, 1), r"the labels \[1, 1\] of task 'numbered': .* each once"),
    ],
)
def test_impossible_labels_are_refused_without_loading(keep, match):
    """The label, the task, and the labels that there are."""
    with pytest.raises(OptionError, match=match):
        Labels(Numbered(), keep)


# -- both --------------------------------------------------------------------------------------------------------

VIEWS = [Half(Numbered(), "first"), Labels(Numbered(), (0, 4))]


@pytest.mark.parametrize("view", VIEWS, ids=lambda view: type(view).__name__)
def test_everything_else_is_the_tasks(view):
    """Loss, metrics, their summary, files, augmentation: two uniform numbers that are added."""
    outputs, targets, inputs = torch.tensor([2.0, 3.0]), torch.tensor([4, 5]), torch.tensor([6.0, 7.0])
    assert view.loss(outputs, targets, inputs).item() == 2 * 4 + 3 * 5 + 6 + 7
    assert view.metrics(outputs, targets, inputs)["sum"].tolist() == [12, 15]
    assert view.summarize({"sum": 1.5}) == {"sum": 3.0}
    assert list(view.files()) == [NOTES]
    assert view.augment_draws == 2
    assert (view.resident, view.contiguous) == (False, True)
    assert view.prepare(torch.tensor([[20.0]])).tolist() == [[2.0]]
    assert view.augment(torch.zeros(1, 1), torch.tensor([[0.5, 0.25]])).item() == 0.75


def test_augmentation_follows_the_tasks_options():
    """Three numbers an image for CIFAR-10, none without augmentation."""
    assert [Half(Cifar10(augmentation=on), "first").augment_draws for on in (True, False)] == [3, 0]


def test_views_are_values():
    """Equal if task and part are: a protocol's draw_on and train_on can be compared; each has a name."""
    assert Half(Numbered(), "first") == Half(Numbered(), "first") != Half(Numbered(), "second")
    assert Labels(Numbered(), (0, 1)) != Labels(Numbered(), (0, 1), relabel=True)
    assert len({Half(Numbered(), "first"), Half(Numbered(), "first"), *VIEWS}) == 2
    assert [view.name for view in VIEWS] == ["numbered first half", "numbered labels 0,4"]


BITS = PrefixSums(length=8, examples=20, test_examples=10)


@pytest.mark.parametrize("view", [Half(BITS, "first"), Labels(BITS, (0,))], ids=lambda view: type(view).__name__)
def test_a_task_without_one_label_an_example_is_refused(view):
    """Prefix sums have a row of bits an example."""
    with pytest.raises(OptionError, match=r"task 'prefix_sums' has targets of .* one int64 label an example"):
        view.training()


def test_labels_that_are_no_integers_are_refused():
    """A regression's targets, or labels as bytes."""

    class Real(Blobs):
        def training(self) -> tuple[Split, Split]:
            train, validation = super().training()
            return Split(train.inputs, train.targets.float()), validation

    with pytest.raises(OptionError, match=r"task 'blobs' has targets of torch.float32 and shape \(96,\)"):
        Half(Real(), "first").training()
