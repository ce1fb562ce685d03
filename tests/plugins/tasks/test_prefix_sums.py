"""Prefix sums."""

from __future__ import annotations

import math
from collections import Counter

import pytest
import torch

from ticketbench import Shapes, Sizes, Split
from ticketbench_tasks.prefix_sums import PrefixSums, as_split, distinct


def strings(split: Split) -> list[str]:
    """The inputs as text."""
    return ["".join("01"[int(value > 0)] for value in row) for row in split.inputs[:, 0].tolist()]


def splits(task: PrefixSums) -> list[Split]:
    """Training, validation and test."""
    return [*task.training(), task.test()]


def test_the_example_of_the_paper():
    """18 bits and their running parity, as printed."""
    bits = [1, 0, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 1, 0, 1, 1, 0, 1]
    target = [1, 1, 1, 0, 0, 1, 1, 0, 0, 1, 1, 0, 1, 1, 0, 1, 1, 0]
    split = as_split(torch.tensor([bits]))
    assert split.targets.tolist() == [target]
    assert split.inputs.tolist() == [[[bit - 0.5 for bit in bits]]]


@pytest.mark.parametrize("length", [2, 10, 70])
def test_every_target_is_the_parity_of_its_prefix(length: int):
    """Counted bit by bit, for every string of every split."""
    task = PrefixSums(length=length, examples=2 if length == 2 else 40, test_examples=2 if length == 2 else 20)
    for split in splits(task):
        for text, target in zip(strings(split), split.targets.tolist(), strict=True):
            assert target == [text[: at + 1].count("1") % 2 for at in range(length)]


def test_the_tensors_have_the_promised_layout():
    """Inputs (examples, 1, L) of ±½ in float32, targets (examples, L) in int64, as sizes and shapes say."""
    task = PrefixSums(length=10, examples=50, test_examples=30, validation=0.25)
    assert task.shapes() == Shapes((1, 10), 2)
    assert task.sizes() == Sizes(38, 12, 30, 6)  # 12.5 examples to validate are 12
    for split, count in zip(splits(task), (38, 12, 30), strict=True):
        assert (split.inputs.shape, split.inputs.dtype) == ((count, 1, 10), torch.float32)
        assert (split.targets.shape, split.targets.dtype) == ((count, 10), torch.int64)
        assert set(split.inputs.flatten().tolist()) == {-0.5, 0.5}


@pytest.mark.parametrize("length", [9, 40, 64])
def test_all_strings_are_distinct_also_between_the_splits(length: int):
    """300 + 200 of 512 strings without a repetition: no test string was trained or validated on."""
    task = PrefixSums(length=length, examples=300, test_examples=200)
    every = [text for split in splits(task) for text in strings(split)]
    assert len(every) == 500
    assert Counter(every).most_common(1)[0][1] == 1


def test_all_strings_there_are_can_be_asked_for():
    """12 + 4 of the 16 strings of four bits are all of them."""
    task = PrefixSums(length=4, examples=12, test_examples=4)
    every = {text for split in splits(task) for text in strings(split)}
    assert every == {f"{number:04b}" for number in range(16)}


def test_more_strings_than_there_are_is_refused():
    """17 of 16."""
    with pytest.raises(ValueError, match="17 distinct strings of 4 bits do not exist"):
        PrefixSums(length=4, examples=12, test_examples=5)
    with pytest.raises(ValueError, match="17 distinct strings of 4 bits do not exist"):
        PrefixSums(length=4, examples=10, test_examples=5, choosing_examples=2)


@pytest.mark.parametrize("length", [9, 40, 64])
def test_strings_to_choose_on_are_others(length: int):
    """None of training, validation or test; the same every time; and these are the same with more of them, or fewer."""
    few, many = (PrefixSums(length=length, examples=100, test_examples=50, choosing_examples=n) for n in (0, 300))
    assert (
        [len(task.choosing()) for task in (few, many)] == [task.sizes().choosing for task in (few, many)] == [10, 300]
    )
    assert strings(many.choosing())[:10] == strings(few.choosing())
    assert strings(many.choosing()) == strings(PrefixSums(**vars(many)).choosing())
    assert [strings(split) for split in splits(many)] == [strings(split) for split in splits(few)]
    others = {text for split in splits(many) for text in strings(split)}
    assert len({*strings(many.choosing())}) == 300
    assert not others & {*strings(many.choosing())}
    assert PrefixSums(length=4, examples=10, test_examples=6).sizes().to_choose_on == 0


def test_bits_are_fair():
    """Of 2,000 strings of 20 bits each position is 1 half of the time, and neighbours agree half of the time."""
    task = PrefixSums(length=20, examples=1000, test_examples=1000)
    bits = torch.cat([split.inputs[:, 0] for split in splits(task)]) > 0
    assert len(bits) == 2000
    error = 5 * 0.5 / math.sqrt(2000)
    assert float((bits.double().mean(dim=0) - 0.5).abs().max()) < error
    assert float(((bits[:, 1:] == bits[:, :-1]).double().mean(dim=0) - 0.5).abs().max()) < error


def test_the_strings_belong_to_the_data_seed():
    """The same seed gives the same strings in the same split; another seed, or another length, gives others."""
    one, same, other = (PrefixSums(length=30, examples=60, test_examples=20, data_seed=seed) for seed in (1, 1, 2))
    assert [strings(split) for split in splits(one)] == [strings(split) for split in splits(same)]
    assert not set(strings(one.test())) & set(strings(other.test()))
    longer = PrefixSums(length=31, examples=60, test_examples=20, data_seed=1)
    assert [text[:30] for text in strings(longer.test())] != strings(one.test())
    assert [text[1:] for text in strings(longer.test())] != strings(one.test())


def test_more_training_strings_do_not_leave_the_validation_share():
    """The split is a random one: the validation strings are not the last ones drawn."""
    task = PrefixSums(length=30, examples=100, test_examples=10)
    drawn = strings(as_split(task.bits()))
    _, validation = task.training()
    places = sorted(drawn.index(text) for text in strings(validation))
    assert len(places) == 20
    assert places != list(range(80, 100))
    assert max(places) < 100


def test_no_validation_is_possible():
    """A share of 0 leaves all strings for training."""
    train, validation = PrefixSums(length=10, examples=20, test_examples=5, validation=0.0).training()
    assert (len(train), len(validation)) == (20, 0)


def test_a_string_counts_only_when_every_bit_is_right():
    """Two strings of four bits: one entirely right, one with a single wrong bit."""
    targets = torch.tensor([[0, 1, 1, 0], [1, 1, 0, 0]])
    answers = torch.tensor([[0, 1, 1, 0], [1, 1, 0, 1]])
    outputs = torch.stack([1.0 - answers, answers.float()], dim=1)
    found = PrefixSums().metrics(outputs, targets, torch.zeros(2, 1, 4))
    assert {name: values.tolist() for name, values in found.items()} == {
        "accuracy": [1.0, 0.0],
        "bit_accuracy": [1.0, 0.75],
    }


def test_the_loss_is_the_mean_cross_entropy_over_all_positions():
    """Logits 0 and ln 3 give the second class 3/4: −(3·ln ¾ + ln ¼) / 4 for the targets 1, 1, 1, 0."""
    outputs = torch.tensor([0.0, math.log(3)], dtype=torch.float64).view(1, 2, 1).expand(2, 2, 2)
    loss = PrefixSums().loss(outputs, torch.tensor([[1, 1], [1, 0]]), torch.zeros(2, 1, 2))
    assert float(loss) == pytest.approx(-(3 * math.log(3 / 4) + math.log(1 / 4)) / 4, rel=1e-12)


def test_distinct_keeps_first_appearances_in_order():
    """5, 3, 5, 1, 3 -> 5, 3, 1."""
    assert distinct(torch.tensor([5, 3, 5, 1, 3])).tolist() == [5, 3, 1]
