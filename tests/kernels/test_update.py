"""Adam and SGD on stacked weights: against torch's optimizers member by member, and each kernel against its twin."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch
from fleet_updates import drawn, pace_of
from torch import Tensor

from ticketbench.kernels.pace import Corrections, Pace, corrections_at
from ticketbench.kernels.update import BLOCK, adam_, adam_twin_, sgd_, sgd_twin_

BETAS, EPSILON = (0.9, 0.999), 1e-8
SIZES = (1, 7, 1023, 4097)
FLEETS = (1, 3)
DECAYS: tuple[dict[str, bool], ...] = ({}, {"decay": True}, {"shrink": True}, {"decay": True, "shrink": True})


def nearly(found: Tensor, expected: Tensor) -> None:
    """Equal but for a few last places: torch's square root on a CPU is sometimes off by one."""
    torch.testing.assert_close(found, expected, rtol=5e-7, atol=5e-8)


def same_bits(found: Tensor, expected: Tensor) -> None:
    """Equal, the sign of zero included."""
    assert found.dtype == expected.dtype
    assert torch.equal(found.detach().view(torch.int32), expected.detach().view(torch.int32))


@pytest.mark.parametrize("decay", DECAYS, ids=str)
@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("fleet", FLEETS)
def test_the_kernel_of_adam_equals_its_twin(interpreted, fleet: int, size: int, decay: dict[str, bool]):
    """At sizes that fill no block; the averages bit for bit."""
    given, pace = drawn(fleet, size, seed=size), pace_of(fleet, **decay)
    state = (given.weight, given.gradient, given.mask, given.first, given.second)
    _, changed = interpreted(adam_, *state, pace, betas=BETAS, epsilon=EPSILON)
    adam_twin_(*state, pace, betas=BETAS, epsilon=EPSILON)
    nearly(changed[0], given.weight)
    same_bits(changed[3], given.first)
    same_bits(changed[4], given.second)
    for tensor in (changed[0], changed[3], changed[4]):
        same_bits(tensor[~given.mask], torch.zeros_like(tensor[~given.mask]))


@pytest.mark.parametrize("way", [(None, 0.0, False), (1, 0.0, False), (1, 0.9, False), (1, 0.9, True)], ids=str)
@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("fleet", FLEETS)
def test_the_kernel_of_sgd_equals_its_twin(interpreted, fleet: int, size: int, way: tuple[int | None, float, bool]):
    """Bit for bit, without momentum, with it, and with Nesterov's; each kind of decay."""
    has_buffer, momentum, nesterov = way
    for decay in DECAYS:
        given, pace = drawn(fleet, size, seed=size), pace_of(fleet, **decay)
        state = (given.weight, given.gradient, given.mask, given.first if has_buffer else None)
        _, changed = interpreted(sgd_, *state, pace, momentum=momentum, nesterov=nesterov)
        sgd_twin_(*state, pace, momentum=momentum, nesterov=nesterov)
        same_bits(changed[0], given.weight)
        same_bits(changed[0][~given.mask], torch.zeros_like(given.weight[~given.mask]))
        if has_buffer:
            same_bits(changed[3], given.first)


def test_without_a_mask_everything_moves(interpreted):
    """Weights of more axes; the kernels equal their twins, and no gradient is left out."""
    for seed, function, twin in ((1, adam_, adam_twin_), (2, sgd_, sgd_twin_)):
        given, pace = drawn(3, 5, 4, 3, 3, seed=seed), pace_of(3, decay=True)
        slots: list[Any] = [given.first, given.second] if function is adam_ else [given.first]
        keywords: dict[str, Any] = (
            {"betas": BETAS, "epsilon": EPSILON} if function is adam_ else {"momentum": 0.5, "nesterov": True}
        )
        before, gradient = given.weight.clone(), given.gradient.nan_to_num(1.0, neginf=-1.0)
        _, changed = interpreted(function, given.weight, gradient, None, *slots, pace, **keywords)
        twin(given.weight, gradient, None, *slots, pace, **keywords)
        nearly(changed[0], given.weight)
        assert bool((given.weight != before).all())


@pytest.mark.parametrize("where", ["kernel", "twin"])
def test_a_member_that_is_not_live_keeps_every_bit(interpreted, where: str):
    """Also where its numbers are not finite, at an age of 0, and where its weights are outside of its mask."""
    given = drawn(3, 37)
    given.weight[1] = torch.tensor([torch.nan, -0.0, torch.inf, 3.0]).repeat(10)[:37]
    pace = pace_of(3, dead=(1,))
    assert pace.age is not None
    pace.age[1] = 0
    adam = [given.weight, given.gradient, given.mask, given.first, given.second]
    sgd = [given.weight, given.gradient, given.mask, given.first]
    for function, twin, state, keywords in (
        (adam_, adam_twin_, adam, {"betas": BETAS, "epsilon": EPSILON}),
        (sgd_, sgd_twin_, sgd, {"momentum": 0.9}),
    ):
        before = [tensor.clone() for tensor in state]
        if where == "kernel":
            _, after = interpreted(function, *state, pace, **keywords)
        else:
            after = tuple(before_one.clone() for before_one in before)
            twin(*after, pace, **keywords)
        for at in {0, *range(3, len(state))}:
            same_bits(after[at][1], before[at][1])
            assert not torch.equal(after[at][0], before[at][0])
            assert not torch.equal(after[at][2], before[at][2])


@pytest.mark.parametrize("where", ["kernel", "twin"])
def test_outside_the_mask_weights_and_slots_become_zero(interpreted, where: str):
    """Whatever they were before, so that a mask never leaks; 0.0, not -0.0."""
    for function, twin, slots, keywords in (
        (adam_, adam_twin_, 2, {"betas": BETAS, "epsilon": EPSILON}),
        (sgd_, sgd_twin_, 1, {"momentum": 0.9}),
    ):
        given = drawn(3, 37)
        mask, pace = given.mask, pace_of(3)
        stray = [torch.full_like(given.weight, -1.5) for _ in range(slots)]
        state = (torch.full_like(given.weight, -2.0), given.gradient, mask, *[tensor.abs() for tensor in stray])
        if where == "kernel":
            _, state = interpreted(function, *state, pace, **keywords)
        else:
            twin(*state, pace, **keywords)
        for at in {0, *range(3, 3 + slots)}:
            same_bits(state[at][~mask], torch.zeros_like(state[at][~mask]))
            assert bool(state[at][mask].isfinite().all())
            assert bool((state[at][mask] != 0).all())


def test_an_update_by_hand():
    """One weight: g = 2 + 0.5·4 = 4; m = 0.4, v = 0.016; m̂ = v̂^½ = 4, so that Adam goes by the rate, 0.5.

    SGD with decoupled decay 1 − 0.5·0.1: b = 0.5·6 + 2 = 5, Nesterov's g = 2 + 0.5·5 = 4.5; θ = 0.95·4 − 0.5·4.5.
    """
    one, half = torch.ones(1), torch.full((1,), 0.5)
    weight, first, second = torch.tensor([[4.0]]), torch.zeros(1, 1), torch.zeros(1, 1)
    pace = Pace(one.bool(), half, half, one, one)
    adam_(weight, torch.tensor([[2.0]]), None, first, second, pace, betas=BETAS, epsilon=0.0)
    assert (weight.item(), first.item(), second.item()) == pytest.approx((3.5, 0.4, 0.016), rel=1e-6)
    weight, buffer = torch.tensor([[4.0]]), torch.tensor([[6.0]])
    pace = Pace(one.bool(), half, 0 * one, 0.95 * one)
    sgd_(weight, torch.tensor([[2.0]]), None, buffer, pace, momentum=0.5, nesterov=True)
    assert (weight.item(), buffer.item()) == pytest.approx((1.55, 5.0), rel=1e-6)


STEPS = 9
BEGINS = (0, 2, 5)
"""The step at which each member's optimizer is fresh."""


def rates(step: int) -> list[float]:
    """A schedule a member."""
    return [0.1 / (1 + member + step) for member in range(3)]


def exactly(pace: Pace) -> tuple[Pace, Corrections]:
    """The same in fp64, for a comparison that is tight."""
    assert pace.age is not None
    age = pace.age.clamp(min=1).double()
    return (
        replace(pace, rate=pace.rate.double(), decay=pace.decay.double(), shrink=pace.shrink.double()),
        Corrections(1 - BETAS[0] ** age, (1 - BETAS[1] ** age).sqrt()),
    )


def each_member(kind: str, weight: Tensor, decays: list[float], coupled: bool) -> list[torch.optim.Optimizer]:
    """torch's optimizer for every member, over its own parameter."""
    made: list[torch.optim.Optimizer] = []
    for member, decay in enumerate(decays):
        alone = [torch.nn.Parameter(weight[member].clone())]
        if kind == "adam":
            adam = torch.optim.Adam if coupled else torch.optim.AdamW
            made.append(adam(alone, betas=BETAS, eps=EPSILON, weight_decay=decay))
        else:
            settings = {"momentum": 0.9 if kind != "plain" else 0.0, "nesterov": kind == "nesterov"}
            made.append(torch.optim.SGD(alone, lr=1.0, weight_decay=decay if coupled else 0.0, **settings))
    return made


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32], ids=str)
@pytest.mark.parametrize("coupled", [True, False], ids=["coupled", "decoupled"])
@pytest.mark.parametrize("kind", ["adam", "plain", "momentum", "nesterov"])
def test_a_fleet_moves_as_its_members_would_under_torch(kind: str, coupled: bool, dtype: torch.dtype):
    """Several steps, members that begin later, a rate and a decay of their own; in fp64 to the last places."""
    given, decays = drawn(3, 11, 3), [0.3, 0.0, 0.1]
    weight = given.weight.to(dtype)
    first, second = torch.zeros_like(weight), torch.zeros_like(weight)
    alone = each_member(kind, weight, decays, coupled)
    source = torch.Generator().manual_seed(5)
    for step in range(STEPS):
        gradient = torch.randn(weight.shape, generator=source, dtype=dtype)
        now = rates(step)
        for member, optimizer in enumerate(alone):
            if step < BEGINS[member]:
                continue
            (parameter,) = optimizer.param_groups[0]["params"]
            optimizer.param_groups[0]["lr"] = now[member]
            parameter.grad = gradient[member] * given.mask[member]
            if kind != "adam" and not coupled:
                with torch.no_grad():
                    parameter.mul_(1 - now[member] * decays[member])
            optimizer.step()
        decay, shrink = torch.tensor(decays, dtype=dtype), torch.ones(3, dtype=dtype)
        if not coupled:
            decay, shrink = 0 * decay, 1 - torch.tensor(now, dtype=dtype) * decay
        age = torch.tensor([step + 1 - begin for begin in BEGINS])
        pace = Pace(age > 0, torch.tensor(now, dtype=dtype), decay, shrink, age)
        corrections = None
        if dtype == torch.float64:
            pace, corrections = exactly(pace)
        gradient = gradient.masked_fill(~given.mask, torch.nan)
        if kind == "adam":
            adam_(
                weight,
                gradient,
                given.mask,
                first,
                second,
                pace,
                betas=BETAS,
                epsilon=EPSILON,
                corrections=corrections,
            )
        elif kind == "plain":
            sgd_(weight, gradient, given.mask, None, pace)
        else:
            sgd_(weight, gradient, given.mask, first, pace, momentum=0.9, nesterov=kind == "nesterov")
    tight = {"rtol": 1e-13, "atol": 1e-14} if dtype == torch.float64 else {"rtol": 2e-6, "atol": 2e-7}
    for member, optimizer in enumerate(alone):
        (parameter,) = optimizer.param_groups[0]["params"]
        torch.testing.assert_close(weight[member], parameter.detach(), **tight)


def test_corrections_that_are_given_are_those_of_the_age(interpreted):
    """Computed once for several tensors, or by each update: the same bits."""
    given, pace = drawn(3, 50), pace_of(3)
    state = (given.weight, given.gradient, given.mask, given.first, given.second)
    assert pace.age is not None
    corrections = corrections_at(pace.age, BETAS)
    _, own = interpreted(adam_, *state, pace, betas=BETAS, epsilon=EPSILON)
    ageless = replace(pace, age=None)
    _, shared = interpreted(adam_, *state, ageless, betas=BETAS, epsilon=EPSILON, corrections=corrections)
    for at in (0, 3, 4):
        same_bits(own[at], shared[at])


def test_a_leaf_that_asks_for_gradients_is_updated_in_place():
    """Memory and leaf stay what they are."""
    given, pace = drawn(2, 9), pace_of(2)
    weight = given.weight.clone().requires_grad_()
    address = weight.data_ptr()
    sgd_(weight, given.gradient, given.mask, None, pace)
    assert weight.is_leaf
    assert weight.data_ptr() == address
    assert not torch.equal(weight.detach(), given.weight)


@pytest.mark.cuda
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU")
@pytest.mark.parametrize("size", [*SIZES, 64 * BLOCK])
def test_on_a_gpu_kernels_equal_their_twins_bit_for_bit(size: int):
    """Compiled, over several blocks and members, one of them not live."""
    for decay in DECAYS:
        given = [tensor.cuda() for tensor in vars(drawn(3, size)).values()]
        pace = Pace(*(tensor.cuda() for tensor in vars(pace_of(3, dead=(1,), **decay)).values()))
        for function, twin, count, keywords in (
            (adam_, adam_twin_, 5, {"betas": BETAS, "epsilon": EPSILON}),
            (sgd_, sgd_twin_, 4, {"momentum": 0.9, "nesterov": True}),
        ):
            one, other = ([tensor.clone() for tensor in given[:count]] for _ in range(2))
            function(*one, pace, **keywords)
            twin(*other, pace, **keywords)
            for at in {0, *range(3, count)}:
                same_bits(one[at], other[at])
