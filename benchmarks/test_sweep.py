"""Judging at many budgets in one pass, against one pass a budget and against reading the answer at every iteration.

    make bench

Units are examples judged at all reported budgets. All contenders judge the same network with the same metrics on one
thread, as a worker process does. The weights are initial ones with a gain, so that thoughts neither vanish nor stand
still and every budget has another answer.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import pytest
import torch
from torch import Tensor

from ticketbench.engine.judge import evaluate
from ticketbench.engine.network import Network
from ticketbench.engine.state import State
from ticketbench.plugin.contracts import Model, Split, Task
from ticketbench_models.dtnet import DTNet1D, DTNet2D
from ticketbench_tasks.mazes import Mazes
from ticketbench_tasks.prefix_sums import PrefixSums

BATCH = 50


class Judge:
    """One member, a test split, and the budgets that a figure reports."""

    def __init__(self, model: Model, task: Task, budgets: Sequence[int], gain: float) -> None:
        torch.manual_seed(0)
        module = model.build(task.shapes())
        self.network = Network(model, module, task)
        self.parameters: State = {
            name: gain * weight.detach().unsqueeze(0) for name, weight in module.named_parameters()
        }
        self.split: Split = task.test()
        self.budgets = tuple(budgets)
        self.found: dict[str, dict[str, list[float]]] = {}

    def scores(self, budgets: Sequence[int]) -> dict[str, list[float]]:
        """As a run judges."""
        return evaluate(self.network, self.parameters, {}, self.split, BATCH, budgets)[0]

    def one_pass(self) -> int:
        """The head where it is asked for."""
        self.found["one pass"] = self.scores(self.budgets)
        return len(self.split)

    def separately(self) -> int:
        """A pass a budget."""
        each = [self.scores((budget,)) for budget in self.budgets]
        self.found["separately"] = {name: [one[name][0] for one in each] for name in each[0]}
        return len(self.split)

    def every_iteration(self) -> int:
        """One pass, and the head after each iteration, as the authors' code does."""
        found = self.scores(range(1, max(self.budgets) + 1))
        at_budgets = {name: [values[budget - 1] for budget in self.budgets] for name, values in found.items()}
        self.found["every iteration"] = at_budgets
        return len(self.split)

    def outputs(self, budgets: Sequence[int]) -> Tensor:
        """The outputs of one batch, (budgets, batch, ...)."""
        with torch.no_grad(), self.network.mode(training=False):
            swept = self.network.swept(self.parameters, {}, self.split.inputs[:BATCH], budgets)
            return torch.stack([outputs[0] for outputs in swept])


def compare(title: str, judge: Judge, benchmark, side_by_side, rounds: int) -> None:
    """Ratios of the three ways; their outputs and scores must agree."""
    torch.set_num_threads(1)
    together = judge.outputs(judge.budgets)
    size = float(together.abs().max())
    assert all(float((one - other).abs().max()) > 1e-3 * size for one, other in pairwise(together))
    everywhere = judge.outputs(range(1, max(judge.budgets) + 1))[[budget - 1 for budget in judge.budgets]]
    torch.testing.assert_close(everywhere, together, rtol=0, atol=1e-5 * size)
    for at in (0, len(judge.budgets) // 2, -1):
        (apart,) = judge.outputs((judge.budgets[at],))
        torch.testing.assert_close(apart, together[at], rtol=0, atol=1e-5 * size)
    rates = side_by_side(
        title,
        {
            "a pass a budget": judge.separately,
            "one pass, the head at every iteration": judge.every_iteration,
            "one pass, the head at the budgets": judge.one_pass,
        },
        rounds=rounds,
    )
    for name, values in judge.found["one pass"].items():
        assert values == pytest.approx(judge.found["separately"][name], abs=1e-3)
        assert values == pytest.approx(judge.found["every iteration"][name], abs=1e-3)
    separate, every, ours = rates.values()
    benchmark.extra_info.update(rates, over_separate=ours / separate, over_every=ours / every)
    benchmark.pedantic(judge.one_pass, rounds=1)
    print(f"\n  ticketbench: {ours / separate:.2f}x a pass a budget, {ours / every:.2f}x the head at every iteration")


@pytest.mark.benchmark(group="sweep")
def test_dtnet1d(benchmark, side_by_side):
    """DT-Net 1D width 32, 64 bits, batch 50: 30 to 600 iterations, every 30."""
    task = PrefixSums(length=64, examples=2, test_examples=BATCH)
    judge = Judge(DTNet1D(width=32), task, range(30, 601, 30), gain=1.7)
    title = f"DT-Net 1D width 32, {BATCH} strings of 64 bits at 30, 60 .. 600 iterations; strings"
    compare(title, judge, benchmark, side_by_side, rounds=2)


@pytest.mark.benchmark(group="sweep")
def test_dtnet2d(benchmark, side_by_side):
    """DT-Net 2D width 16, mazes of 24×24 pixels, batch 50: 30 to 120 iterations, every 30."""
    task = Mazes(size=9, examples=2, test_examples=BATCH)
    judge = Judge(DTNet2D(width=16), task, range(30, 121, 30), gain=1.6)
    title = f"DT-Net 2D width 16, {BATCH} mazes of size 9 at 30, 60, 90, 120 iterations; mazes"
    compare(title, judge, benchmark, side_by_side, rounds=3)
