"""Judging a sweep: budget by budget, with the numbers of all outputs at once, in memory that knows no budgets."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest
import torch
from on_the_host import Living, NeverWaits
from torch import Tensor, nn

from ticketbench import Model, Shapes, Split
from ticketbench.engine.judge import evaluate, metrics
from ticketbench.engine.network import Network
from ticketbench.plan.resolve import Resolver

MEMBERS, EXAMPLES, BATCH = 3, 7, 3


@dataclass(frozen=True)
class Bits:
    """A task of bits with a target each: whether a string is right as a whole, and the loss of each."""

    length: int = 12
    contiguous = False

    def prepare(self, inputs: Tensor) -> Tensor:
        return inputs

    def loss(self, outputs: Tensor, targets: Tensor, inputs: Tensor) -> Tensor:
        return nn.functional.cross_entropy(outputs, targets)

    def metrics(self, outputs: Tensor, targets: Tensor, inputs: Tensor) -> dict[str, Tensor]:
        each = nn.functional.cross_entropy(outputs, targets, reduction="none").mean(dim=1)
        return {"accuracy": (outputs.argmax(dim=1) == targets).float().mean(dim=1), "loss": each}

    def summarize(self, means: dict[str, float]) -> dict[str, float]:
        return means


def thinkers(plugins, precision: str = "fp32", **options: Any) -> tuple[Network, dict[str, Tensor], Split]:
    """Deep thinkers whose thoughts stay alive, and bits to judge them on."""
    model: Model = Resolver(plugins).item("model", "dtnet1d", {"width": 8, "iterations": 4, **options})
    modules = []
    for seed in range(MEMBERS):
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            modules.append(model.build(Shapes((1, 12), 2)))
    names = [name for name, _ in modules[0].named_parameters()]
    weights = {name: torch.stack([module.get_parameter(name).detach() for module in modules]) * 2 for name in names}
    source = torch.Generator().manual_seed(1)
    inputs, targets = (torch.randint(0, 2, shape, generator=source) for shape in ((EXAMPLES, 1, 12), (EXAMPLES, 12)))
    return Network(model, modules[0], Bits(), precision), weights, Split(inputs.float(), targets)


@pytest.mark.parametrize("points", [(1, 4, 9), (5, 2, 5)], ids=str)
@pytest.mark.parametrize("norm", [False, True])
def test_a_sweep_has_the_numbers_of_outputs_at_single_budgets(plugins, points: tuple[int, ...], norm: bool):
    """Of every member at every budget, in the order asked for: with an own stacked form, and without."""
    network, weights, split = thinkers(plugins, norm=norm)
    assert (network.own_stacked is None) == norm
    found = evaluate(network, weights, {}, split, BATCH, points)
    for member, scores in enumerate(found):
        own = {name: weight[member] for name, weight in weights.items()}
        with torch.no_grad():
            outputs = torch.func.functional_call(network.module, own, (split.inputs,), {"at": points})
        for name, values in scores.items():
            assert len(values) == len(points)
            for at, value in enumerate(values):
                expected = network.task.metrics(outputs[at], split.targets, split.inputs)[name].double().mean()
                assert value == pytest.approx(float(expected), rel=1e-5)
    assert len({tuple(scores["loss"]) for scores in found}) == MEMBERS


def test_without_a_sweep_there_is_one_point(plugins):
    """That of the plain forward."""
    network, weights, split = thinkers(plugins)
    plain, swept = (evaluate(network, weights, {}, split, BATCH, points) for points in ((), (4,)))
    assert [len(scores["loss"]) for scores in plain] == [1] * MEMBERS
    assert [scores["loss"] for scores in plain] == [pytest.approx(scores["loss"]) for scores in swept]


def test_memory_does_not_grow_with_budgets_or_iterations(plugins):
    """The most that is alive at once: a few thoughts and one answer, at 3 budgets as at 60 of ten times as many."""
    network, weights, split = thinkers(plugins, width=16)
    most = []
    for points in ((2, 4, 6), tuple(range(1, 61))):
        with Living() as living:
            evaluate(network, weights, {}, split, EXAMPLES, points)
        most.append(living.most)
    thought = MEMBERS * EXAMPLES * 12 * 16 * 4
    assert most[0] > thought
    assert most[1] < most[0] + thought
    assert most[1] < 12 * thought


def test_watching_sees_what_is_kept():
    """Sixty tensors that are kept are sixty tensors, and one after another are one."""
    with Living() as kept:
        _ = [torch.zeros(100) for _ in range(60)]
    with Living() as dropped:
        for _ in range(60):
            torch.zeros(100)
    assert kept.most == 60 * 400
    assert dropped.most <= 2 * 400


def test_autocast_holds_at_every_budget(plugins):
    """Outputs that are computed later are computed in the cell's precision, too, and handed over in float32."""
    network, weights, split = thinkers(plugins, "bf16")
    with torch.no_grad():
        found = list(network.swept(weights, {}, split.inputs, (1, 3)))
    assert all(outputs.dtype == torch.float32 and outputs.equal(outputs.bfloat16().float()) for outputs in found)
    assert not torch.is_autocast_enabled("cpu")


def test_judging_a_batch_waits_for_nothing(plugins):
    """Sums of metrics stay on the device."""
    network, weights, split = thinkers(plugins)
    with torch.no_grad(), NeverWaits():
        swept = network.swept(weights, {}, split.inputs, (1, 3))
        found = [metrics(network, outputs, split.targets, split.inputs) for outputs in swept]
    assert [scores["loss"].shape for scores in found] == [(MEMBERS,)] * 2
