"""Small networks, stacks and batches that steps are tried on."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from ticketbench.engine.bench import Bench
from ticketbench.engine.stack import Stack
from ticketbench.engine.train import Goal, Log, train_to_the_end
from ticketbench.plugin.request import Train

GOAL = Goal("accuracy", higher_is_better=True)

STEPS = 30


MEMBERS = 4


BATCH = 9


class CrossEntropy:
    """As much of a task as a network asks for."""

    name = "cross entropy"

    def loss(self, outputs: Tensor, targets: Tensor, inputs: Tensor) -> Tensor:
        """The mean over the batch."""
        return functional.cross_entropy(outputs, targets)


def plain() -> nn.Sequential:
    """5-7-3, as anyone would write it."""
    return nn.Sequential(nn.Flatten(), nn.Linear(5, 7), nn.ReLU(), nn.Linear(7, 3)).double()


def networks() -> list[nn.Sequential]:
    """Differently initialized networks in float64."""
    made = []
    with torch.random.fork_rng(devices=[]):
        for seed in range(MEMBERS):
            torch.manual_seed(seed)
            made.append(plain())
    return made


def batches() -> list[tuple[Tensor, Tensor]]:
    """Each step's own batch for each member; one member sees large inputs, so that clipping tells members apart."""
    source = torch.Generator().manual_seed(7)
    scale = torch.tensor([0.1, 1.0, 3.0, 10.0], dtype=torch.float64).view(-1, 1, 1)
    return [
        (
            torch.randn(MEMBERS, BATCH, 5, generator=source, dtype=torch.float64) * scale,
            torch.randint(0, 3, (MEMBERS, BATCH), generator=source),
        )
        for _ in range(STEPS)
    ]


def stack_of(singles: list[nn.Sequential]) -> Stack:
    """Copies of the networks as a stack."""
    states = [({name: part.detach().clone() for name, part in one.named_parameters()}, {}) for one in singles]
    return Stack.of(states, ["1.weight", "3.weight"])


def train_members(bench: Bench, members: Sequence[int], until: int, goal: Goal = GOAL) -> Log:
    """Train some members of a bench until a step, as the engine would."""
    courses = [bench.course(member, until=until) for member in members]
    stepper, given, copied = bench.steppers.for_members(members, [Train()] * len(members), courses)
    log = train_to_the_end(stepper, bench.stage.data, given, goal)
    if copied:
        bench.stack.put(members, stepper.stack)
    return log
