"""What models draw at random: answered from given numbers, as often as their forward asks, and refused otherwise."""

from __future__ import annotations

import math
import random
from collections.abc import Callable
from typing import Any

import numpy
import pytest
import torch
from torch import Tensor, nn
from torch.func import vmap
from torch.nn import functional

from ticketbench import OptionError
from ticketbench.plugin.chance import answering, numbers_of, step_numbers, unmoved
from ticketbench.seeds import generator

X = torch.tensor([[1.0, 2.0], [3.0, 4.0]])
U = torch.tensor([0.1, 0.9, 0.5, 0.3])
"""A number for each value of X."""


@pytest.mark.parametrize(
    ("draw", "expected"),
    [
        (lambda: functional.dropout(X, 0.5), [[0, 4], [6, 0]]),
        (lambda: nn.Dropout(0.2)(X), [[0, 2.5], [3.75, 5]]),
        (lambda: functional.dropout(X, 0.5, training=False), [[1, 2], [3, 4]]),
        (lambda: torch.dropout(X, 0.5, True), [[0, 4], [6, 0]]),
        (lambda: functional.dropout1d(X.unsqueeze(2), 0.5).squeeze(2), [[0, 4], [6, 0]]),
        (lambda: functional.dropout2d(X.view(1, 4, 1, 1).expand(1, 4, 2, 3), 0.5)[0, :, 1, 2], [0, 4, 6, 0]),
        (lambda: functional.dropout2d(X.view(2, 2, 1).expand(2, 2, 3), 0.5)[..., 1], [[0, 4], [6, 0]]),
        (lambda: torch.bernoulli(torch.full((2, 2), 0.4)), [[1, 0], [0, 1]]),
        (lambda: torch.bernoulli(X, 0.4), [[1, 0], [0, 1]]),
        (lambda: torch.rand(2, 2), [[0.1, 0.9], [0.5, 0.3]]),
        (lambda: torch.rand((4,)), [0.1, 0.9, 0.5, 0.3]),
        (lambda: torch.rand_like(X), [[0.1, 0.9], [0.5, 0.3]]),
        (lambda: torch.randn(4), [-1.2815515, 1.2815515, 0.0, -0.5244005]),
        (lambda: torch.normal(X, 2.0), [[-1.5631031, 4.5631031], [3.0, 2.951199]]),
        (lambda: torch.normal(torch.zeros(()), torch.ones(4)), [-1.2815515, 1.2815515, 0.0, -0.5244005]),
        (lambda: functional.gumbel_softmax(X, hard=True), [[0, 1], [0, 1]]),
    ],
)
def test_answers_by_hand(draw: Callable[[], Tensor], expected: Any):
    """u ≥ p is kept and divided by 1 − p; u < p is a success; normal numbers are the inverse of their distribution."""
    with answering(U):
        found = draw()
    torch.testing.assert_close(found, torch.tensor(expected, dtype=torch.float32), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    ("drop", "shape", "expected"),
    [
        (functional.dropout, (2, 2), [0, 4, 6, 0]),
        (functional.dropout1d, (2, 2, 1), [0, 4, 6, 0]),
        (functional.dropout2d, (2, 2, 1, 1), [0, 4, 6, 0]),
        (functional.alpha_dropout, (2, 2), [-0.7791939, 2.5520037, 3.4384086, -0.7791939]),
    ],
)
def test_what_drops_in_place_changes_its_input(drop: Callable[..., Tensor], shape: tuple[int, ...], expected: Any):
    """A residual branch that reads the input afterwards sees what was dropped, as with PyTorch's own."""
    given = X.clone().view(shape)
    with answering(U):
        assert drop(given, 0.5, training=True, inplace=True) is given
    torch.testing.assert_close(given.flatten(), torch.tensor(expected, dtype=torch.float32), rtol=1e-5, atol=1e-6)


def test_alpha_dropout_keeps_mean_and_variance():
    """A million normal numbers: mean 0 and variance 1, as torch's own has."""
    numbers = torch.rand(1_000_000, generator=generator("alpha"))
    values = torch.randn(1_000_000, generator=generator("values"))
    with answering(numbers):
        found = functional.alpha_dropout(values, 0.3, training=True)
    assert float(found.mean()) == pytest.approx(0.0, abs=5e-3)
    assert float(found.var()) == pytest.approx(1.0, abs=1e-2)


class Noisy(nn.Module):
    """Dropout on the inputs, drop-connect on a weight, noise on the outputs."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(3, 2)
        self.dropout = nn.Dropout(0.5)

    def forward(self, inputs: Tensor) -> Tensor:
        weight = functional.dropout(self.layer.weight, 0.3, self.training)
        outputs = functional.linear(self.dropout(inputs), weight, self.layer.bias)
        return outputs + 0.1 * torch.randn_like(outputs) if self.training else outputs


def test_numbers_are_counted_in_training_and_there_are_none_in_judging():
    """Of a batch of 5: 6 of the weight, 15 of the inputs, 10 of the outputs; nothing is computed or drawn."""
    module, plain, example = Noisy(), nn.Linear(3, 2), torch.empty(5, 3)
    before = torch.get_rng_state()
    assert numbers_of(module, example, {}) == 6 + 15 + 10
    assert numbers_of(module, example, {}, training=False) == 0
    assert numbers_of(plain, example, {}) == 0
    assert torch.equal(torch.get_rng_state(), before)


def test_stacked_members_draw_their_own():
    """`vmap` over three members' numbers gives what each gives alone."""
    module = Noisy()
    inputs = torch.randn(3, 5, 3, generator=generator("inputs"))
    numbers = step_numbers(31, [1, 2, 3], [0, 0, 0], torch.device("cpu"))

    def one(batch: Tensor, own: Tensor) -> Tensor:
        with answering(own):
            return module(batch)

    together = vmap(one)(inputs, numbers)
    for at in range(3):
        torch.testing.assert_close(together[at], one(inputs[at], numbers[at]))
    assert not torch.allclose(one(inputs[0], numbers[0]), one(inputs[0], numbers[1]))


def test_a_stacked_forward_draws_every_members_numbers():
    """Written with a fleet axis, the same three draws in the same order give the same."""
    numbers = step_numbers(6, [1, 2], [0, 0], torch.device("cpu"))
    values = torch.ones(2, 2, 3)
    with answering(numbers, stacked=True):
        together = functional.dropout(values, 0.5)
    for at in range(2):
        with answering(numbers[at]):
            assert functional.dropout(values[at], 0.5).equal(together[at])
    with answering(numbers, stacked=True), pytest.raises(OptionError, match="need the 2 members as their first axis"):
        torch.rand(3, 2)


def test_a_forward_that_draws_more_than_it_did_is_refused():
    """How many numbers are drawn may not depend on the data."""
    with answering(U), pytest.raises(OptionError, match="draws more numbers than it did"):
        torch.rand(5)


def test_numbers_of_a_step_are_the_cells():
    """Another seed or step has others; the fleet does not matter."""
    whole = step_numbers(7, [5, 6], [3, 3], torch.device("cpu"))
    assert whole[1].equal(step_numbers(7, [6], [3], torch.device("cpu"))[0])
    assert whole[1].equal(torch.rand(7, generator=generator(6, "model", 3)))
    assert not whole[1].equal(step_numbers(7, [6], [4], torch.device("cpu"))[0])


class Doing(nn.Module):
    """A forward that does something."""

    def __init__(self, what: Callable[[Tensor], Any], always: bool = False) -> None:
        super().__init__()
        self.what, self.always = what, always

    def forward(self, inputs: Tensor) -> Tensor:
        if self.training or self.always:
            self.what(inputs)
        return inputs


@pytest.mark.parametrize(
    ("what", "message"),
    [
        (lambda x: torch.empty_like(x).uniform_(), "Tensor.uniform_, in place"),
        (lambda x: torch.randperm(4), "torch.randperm"),
        (lambda x: torch.multinomial(x.softmax(1), 1), "torch.multinomial"),
        (lambda x: functional.rrelu(x, training=True), "rrelu"),
        (lambda x: nn.LSTM(3, 3, 2, dropout=0.5, device="meta")(x), "nn.Dropout and its kin"),
        (lambda x: functional.scaled_dot_product_attention(x, x, x, dropout_p=0.1), "with dropout_p"),
        (lambda x: random.random(), "Python's or NumPy's own"),
        (lambda x: numpy.random.rand(), "Python's or NumPy's own"),
    ],
)
def test_what_cannot_be_drawn_from_a_seed_is_refused(what: Callable[[Tensor], Any], message: str):
    """With the operation's name, and what to use in its place."""
    with pytest.raises(OptionError, match=message) as caught:
        numbers_of(Doing(what), torch.empty(5, 3), {})
    assert "torch.bernoulli" in str(caught.value)


def test_attention_without_dropout_draws_nothing():
    """It is refused for its dropout alone."""
    module = Doing(lambda x: functional.scaled_dot_product_attention(x, x, x))
    assert numbers_of(module, torch.empty(5, 3), {}) == 0


def test_a_network_that_draws_while_it_is_judged_is_refused():
    """It has no one result."""
    with pytest.raises(OptionError, match="in evaluation mode, too"):
        numbers_of(Doing(lambda x: torch.rand(3), always=True), torch.empty(5, 3), {}, training=False)


def test_whoever_draws_from_the_process_is_told():
    """And the generator is set back, so that others do not notice."""
    before = torch.get_rng_state()
    message = "the culprit drew random numbers from PyTorch's own generator"
    with pytest.raises(OptionError, match=message), unmoved("the culprit"):
        torch.rand(1)
    assert torch.equal(torch.get_rng_state(), before)
    assert math.isfinite(torch.initial_seed())
