"""Factors under a trace norm penalty, their truncation and the cut, against loops of plain torch."""

from __future__ import annotations

import pytest
import torch
from plain_loop import RATE, PlainLoop, given_trial, largest

from ticketbench import StepView
from ticketbench.testing import carry_out, check_method, reported_by
from ticketbench_methods.factors import Factors, balanced, rank_of
from ticketbench_methods.trace_norm import TraceNorm

PRUNABLE = ("0.weight", "2.weight")


def test_balanced_factors_make_the_penalty_a_trace_norm():
    """Singular values 3 and 1: U·V = W, ‖U‖² = ‖V‖² = 4, λ·4 in all. A scaled pair of the same product costs more."""
    turn = torch.tensor([[0.6, -0.8], [0.8, 0.6]], dtype=torch.float64)
    weight = turn @ torch.diag(torch.tensor([3.0, 1.0], dtype=torch.float64)) @ turn.T.flip(0)
    left, right = balanced(weight)
    torch.testing.assert_close(left @ right, weight)
    assert [float(part.square().sum()) for part in (left, right)] == pytest.approx([4, 4])
    regime = Factors(("w",), strength=0.5)
    extras = dict(regime.extras({"w": weight}, torch.Generator()))

    def penalty() -> float:
        step = StepView({"w": weight}, {"w": weight != 0}, extras, None, torch.tensor(0.0))
        return float(regime.penalty(step))

    assert penalty() == pytest.approx(0.5 * 4)
    extras |= {"left of w": 2 * left, "right of w": right / 2}
    assert penalty() == pytest.approx(0.5 * (16 + 1) / 2)
    extras["kept of w"] = torch.tensor([1.0, 0.0], dtype=torch.float64)
    assert penalty() == pytest.approx(0.5 * (4 * 3 + 3 / 4) / 2)


@pytest.mark.parametrize(("variance", "rank"), [(0.0, 1), (0.9, 1), (0.91, 2), (0.99, 2), (1.0, 3)])
def test_the_least_rank_that_explains_enough(variance: float, rank: int):
    """Squares 90, 9 and 1 of 100; a matrix of zeros has rank 1 here."""
    weight = torch.diag(torch.tensor([90.0, 9.0, 1.0], dtype=torch.float64).sqrt())
    assert rank_of(weight, variance) == rank
    assert rank_of(torch.zeros(3, 4), variance) == 1


def trained(loop: PlainLoop, factors: dict[str, list[torch.Tensor]], slots, steps: int, strength: float) -> None:
    """Steps of SGD with momentum on the factors and the biases."""
    for _ in range(steps):
        leaves = {name: [part.clone().requires_grad_() for part in pair] for name, pair in factors.items()}
        biases = {name: loop.weights[name].clone().requires_grad_() for name in ("0.bias", "2.bias")}
        seen = {**{name: left @ right for name, (left, right) in leaves.items()}, **biases}
        total = loop.loss(seen) + strength / 2 * sum(part.square().sum() for pair in leaves.values() for part in pair)
        moved = [part for pair in leaves.values() for part in pair] + list(biases.values())
        slots[:] = [0.9 * slot + slope for slot, slope in zip(slots, torch.autograd.grad(total, moved), strict=True)]
        after = [(part - RATE * slot).detach() for part, slot in zip(moved, slots, strict=True)]
        for at, name in enumerate(factors):
            factors[name] = after[2 * at : 2 * at + 2]
        loop.weights |= dict(zip(biases, after[-2:], strict=True))


@pytest.mark.parametrize("then", ["finetune", "stop"])
def test_one_stage_is_a_plain_loop_on_factors(then: str):
    """12 steps under the penalty, the rank cut at their end, and the 36 largest of what the factors make."""
    trial = given_trial()
    loop = PlainLoop(trial)
    method = TraceNorm(strength=0.05, transition=1.0, variance=0.8, then=then)
    for request in method.draw(trial):
        carry_out(trial, request)
    factors = {name: list(balanced(loop.weights[name])) for name in PRUNABLE}
    slots = [torch.zeros(())] * 6
    trained(loop, factors, slots, 12, 0.05)
    ranks, size = {}, 0
    for name, (left, right) in factors.items():
        u, values, v = torch.linalg.svd(left @ right, full_matrices=False)
        shares = values.square().cumsum(0) / values.square().sum()
        ranks[name] = int((shares < 0.8).sum()) + 1
        loop.weights[name] = u[:, : ranks[name]] * values[: ranks[name]] @ v[: ranks[name]]
        size += ranks[name] * sum(loop.weights[name].shape)
    assert ranks["0.weight"] < 6
    mask = largest({name: loop.weights[name].abs() for name in PRUNABLE}, 36)
    assert all(part.equal(mask[name]) for name, part in trial.mask.items())
    for name, part in trial.computed.items():
        expected = loop.weights[name].where(mask[name], 0) if name in mask else loop.weights[name]
        torch.testing.assert_close(part, expected, rtol=1e-7, atol=1e-10)
    noted = [(*(("rank of " + name, rank) for name, rank in ranks.items()), ("density of factors", size / 72))]
    assert [finding[2:] for finding in trial.findings] == list(noted[0])
    assert (len(reported_by(trial)), trial.step) == (1, 0 if then == "finetune" else 12)
    assert bool(trial.extras) == (then == "stop")  # a schedule that starts again trains single weights


def test_the_second_stage_has_no_penalty_and_keeps_the_rank():
    """Six steps on, directions that were dropped are still out, and the rest has moved."""
    trial = given_trial()
    requests = TraceNorm(strength=0.05, variance=0.5).draw(trial)
    first = next(requests)
    carry_out(trial, first)
    second = next(requests)
    before = trial.computed
    carry_out(trial, second)
    assert (first.until, first.regime.strength, second.until, second.regime.strength) == (6, 0.05, None, 0.0)
    for name in PRUNABLE:
        rank = int(trial.extras[f"kept of {name}"].sum())
        values = torch.linalg.svdvals(trial.computed[name])
        assert float(values[rank - 1]) > 1e-3
        assert not bool((values[rank:] > 1e-12).any())
        assert float((trial.computed[name] - before[name]).norm()) > 1e-3


def test_at_density_one_the_network_of_low_rank_is_trained_once():
    """Nothing is cut but the rank."""
    trial = given_trial(density=1.0)
    requests = [request.until for request in TraceNorm().draw(trial) if not carry_out(trial, request)]
    assert requests == [6, None]
    assert [TraceNorm().trainings(density) for density in (1.0, 0.5)] == [1, 2]
    assert TraceNorm(then="stop").trainings(0.5) == 1


def test_the_contract():
    """Exact density, nothing leaks, and the same alone and in a fleet."""
    check_method(TraceNorm())
