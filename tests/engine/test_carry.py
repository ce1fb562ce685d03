"""State carried from batch to batch, held against a loop written by hand in float64."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import pytest
import torch
from stepping import train_members
from torch import Tensor, nn
from walk import Walk

from ticketbench import Model, OptionError, Shapes, Sizes, Split, Stages, Task, Ticket
from ticketbench.engine.bench import Bench
from ticketbench.engine.data import Order, in_streams
from ticketbench.engine.judge import evaluate
from ticketbench.engine.network import Network
from ticketbench.engine.train import Goal
from ticketbench.engine.trial import MemberTrial
from ticketbench.suite.recipe import Recipe
from ticketbench.testing import Blobs, Untrained, bench_for, train
from ticketbench_models.language_model import LanguageModel

CPU = torch.device("cpu")
WINDOW, BATCH, RATE = 3, 4, 0.3
RECIPE = Recipe(optimizer="sgd", learning_rate=RATE, batch=BATCH, epochs=3, judge_batch=3, log_every=1)
GOAL = Goal("error", higher_is_better=False)
Pair = tuple[Tensor, Tensor]


class Follower(nn.Module):
    """h ← tanh(W·(x, h)), and v·h at every step."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(3, 4))
        self.read = nn.Parameter(torch.randn(3))
        self.register_buffer("last", torch.zeros(0, 3))

    def forward(self, inputs: Tensor) -> Tensor:
        """Outputs (batch, window)."""
        state = self.last.clone() if len(self.last) else inputs.new_zeros(len(inputs), 3)
        outputs = []
        for value in inputs.unbind(1):
            state = torch.tanh(torch.cat([value.unsqueeze(1), state], dim=1) @ self.weight.mT)
            outputs.append(state @ self.read)
        if len(self.last):
            self.last.copy_(state.detach())
        return torch.stack(outputs, dim=1)


@dataclass(frozen=True)
class Following(Model):
    """The follower."""

    name = "following"
    summary = "carries three numbers"
    names: tuple[str, ...] = ("last",)

    def build(self, shapes: Shapes) -> nn.Module:
        """Small."""
        return Follower()

    def carried(self, module: nn.Module) -> Sequence[str]:
        """Its state."""
        return self.names


class Wave(Task):
    """The next number of a series: 14 windows to train on, 7 to validate on, 8 to judge."""

    name = "wave"
    summary = "numbers in a row"
    contiguous = True

    def shapes(self) -> Shapes:
        """A window."""
        return Shapes((WINDOW,), 1)

    def sizes(self) -> Sizes:
        """Few."""
        return Sizes(14, 7, 8)

    def training(self) -> tuple[Split, Split]:
        """Two stretches."""
        return self.windows(14, 0.0), self.windows(7, 9.0)

    def test(self) -> Split:
        """A third."""
        return self.windows(8, 17.0)

    def windows(self, count: int, start: float) -> Split:
        """Windows, and those one number later."""
        numbers = (start + torch.arange(count * WINDOW + 1, dtype=torch.float64)).square().mul(0.7).sin()
        return Split(numbers[:-1].view(count, WINDOW), numbers[1:].view(count, WINDOW))

    def loss(self, outputs: Tensor, targets: Tensor, inputs: Tensor) -> Tensor:
        """Mean squared error."""
        return (outputs - targets).square().mean()

    def metrics(self, outputs: Tensor, targets: Tensor, inputs: Tensor) -> Mapping[str, Tensor]:
        """The same of each window."""
        return {"error": (outputs - targets).square().mean(dim=1)}


class Shuffled(Wave):
    """The same windows, each for itself."""

    contiguous = False


def bench_of(members: int, task: Task | None = None) -> Bench:
    """Members in float64 at their initialization."""
    base, task = bench_for(Untrained(), None, 1.0, range(members)), task or Wave()
    changed = {"model": Following(), "recipe": RECIPE, "stages": Stages(task, task, {"wave": task})}
    bench = Bench(base.cells, [replace(cast, **changed) for cast in base.casts], CPU)
    stack = bench.stack
    stack.parameters = {name: part.detach().double().requires_grad_(True) for name, part in stack.parameters.items()}
    stack.buffers = {name: part.double() for name, part in stack.buffers.items()}
    return bench


def go(bench: Bench, until: int, members: Sequence[int] = ()) -> None:
    """Train some members as the engine would."""
    chosen = list(members or range(len(bench.stack)))
    train_members(bench, chosen, until, GOAL)


def read(weights: Pair, inputs: Tensor, state: Tensor) -> Pair:
    """The follower's outputs and last state, by hand."""
    outputs = []
    for at in range(inputs.shape[1]):
        state = torch.tanh(weights[0][:, 0] * inputs[:, at, None] + state @ weights[0][:, 1:].T)
        outputs.append((state * weights[1]).sum(dim=1))
    return torch.stack(outputs, dim=1), state


def trained(start: Pair, steps: int) -> tuple[Pair, Tensor]:
    """Gradient descent on the first 12 windows as 4 streams of 3; the state goes on within each round of 3 steps."""
    split, weights = Wave().training()[0], start
    for step in range(steps):
        at = step % 3
        state = torch.zeros(4, 3, dtype=torch.float64) if at == 0 else state  # noqa: F821
        where = [at, 3 + at, 6 + at, 9 + at]
        leaves = tuple(part.clone().requires_grad_(True) for part in weights)
        outputs, state = read((leaves[0], leaves[1]), split.inputs[where], state)
        found = torch.autograd.grad((outputs - split.targets[where]).square().mean(), leaves)
        weights = (weights[0] - RATE * found[0], weights[1] - RATE * found[1])
        state = state.detach()
    return weights, state


def weights_of(bench: Bench, member: int) -> Pair:
    """Copies of a member's weights."""
    own = bench.stack.weights(member)
    return own["weight"].clone(), own["read"].clone()


def assert_close(found: object, expected: object) -> None:
    """To the rounding of float64."""
    torch.testing.assert_close(found, expected, rtol=1e-9, atol=1e-11)


def assert_trained(bench: Bench, starts: Sequence[Pair], steps: int) -> None:
    """Weights and states of all members are those of the loop."""
    for member, start in enumerate(starts):
        weights, state = trained(start, steps)
        assert_close(weights_of(bench, member), weights)
        assert_close(bench.stack.carried["last"][member], state)


def test_streams_of_training():
    """Of 14 windows 12 are used, four streams of three; every epoch and every seed alike."""
    order = Order((5, 6), 14, BATCH, CPU, contiguous=True)
    assert order.per_epoch == 3
    rows = [[0, 3, 6, 9], [1, 4, 7, 10], [2, 5, 8, 11]]
    for step in range(6):
        assert order.batch_at(step).tolist() == [rows[step % 3]] * 2
    assert Order((5,), 3, 500, CPU, contiguous=True).batch_at(1).tolist() == [[0, 1, 2]]


@pytest.mark.parametrize(
    ("examples", "batch", "expected"),
    [
        (8, 3, [[0, 3, 6], [1, 4, 7], [2, 5]]),
        (11, 4, [[0, 3, 6, 9], [1, 4, 7, 10], [2, 5, 8]]),
        (6, 2, [[0, 3], [1, 4], [2, 5]]),
        (3, 5, [[0, 1, 2]]),
        (4, 1, [[0], [1], [2], [3]]),
        (0, 5, []),
    ],
)
def test_streams_of_judging(examples: int, batch: int, expected: list[list[int]]):
    """Every window once, in streams that differ by one window at most."""
    assert [index.tolist() for index in in_streams(examples, batch, CPU)] == expected


@pytest.mark.parametrize("members", [1, 3])
@pytest.mark.parametrize("steps", [1, 3, 5, 7])
def test_training_carries_state_within_an_epoch(members: int, steps: int):
    """One step, one epoch, and ends in the middle of the second and third: alone, and in a fleet."""
    bench = bench_of(members)
    starts = [weights_of(bench, member) for member in range(members)]
    go(bench, steps)
    assert_trained(bench, starts, steps)


def test_training_that_goes_on_in_groups_keeps_each_member_s_state():
    """Stops in the middle of an epoch, between them parts of the fleet in turns: as in one go."""
    bench = bench_of(3)
    starts = [weights_of(bench, member) for member in range(3)]
    for until, groups in [(2, [[2], [0, 1]]), (4, [[0, 1, 2]]), (5, [[0, 2], [1]]), (8, [[0, 1, 2]])]:
        for members in groups:
            go(bench, until, members)
    assert_trained(bench, starts, 8)


def test_a_training_begins_with_no_state():
    """Rewound to the middle of an epoch, a member reads on from zero; its neighbour keeps its state."""
    bench = bench_of(2)
    start, other = bench.stack.snapshot(0), weights_of(bench, 1)
    go(bench, 2)
    kept = bench.stack.carried["last"][1].clone()
    assert bool(kept.any())
    bench.stack.rewind(0, start)
    assert not bool(bench.stack.carried["last"][0].any())
    assert_close(bench.stack.carried["last"][1], kept)
    go(bench, 3, [0])
    go(bench, 3, [1])
    for member, begun in enumerate([(start.weights["weight"], start.weights["read"]), other]):
        assert_close(weights_of(bench, member), trained(begun, 3)[0])


@pytest.mark.parametrize("batch", [1, 3, 4, 500])
def test_judging_reads_streams_from_zero(batch: int):
    """Each stream in one go over all its windows; nothing is taken from training or left to it."""
    bench, split = bench_of(2), Wave().test()
    go(bench, 2)
    before = bench.stack.carried["last"].clone()
    lengths = {1: [8], 3: [3, 3, 2], 4: [2] * 4, 500: [1] * 8}[batch]
    found = evaluate(bench.stage.network, bench.stack.parameters, bench.stack.buffers, split, batch)
    for member in range(2):
        total, at = 0.0, 0
        for length in lengths:
            numbers, targets = (side[at : at + length].reshape(1, -1) for side in (split.inputs, split.targets))
            outputs, _ = read(weights_of(bench, member), numbers, torch.zeros(1, 3, dtype=torch.float64))
            total, at = total + float((outputs - targets).square().sum()), at + length
        assert at == 8
        assert found[member] == {"error": [pytest.approx(total / 24, rel=1e-12)]}
    assert bench.stack.carried["last"].equal(before)
    assert evaluate(bench.stage.network, bench.stack.parameters, bench.stack.buffers, split, batch) == found


def test_validating_in_an_epoch_does_not_disturb_it():
    """A validation an epoch, and the best one kept: the training is that of the loop, and what is kept has no state."""
    bench = bench_of(2)
    recipe = RECIPE.model_copy(update={"validate_every": 1, "select": "best"})
    bench.recipes = [recipe, recipe]
    starts = [weights_of(bench, member) for member in range(2)]
    go(bench, 8)
    assert_trained(bench, starts, 8)
    assert bench.stack.best is not None
    assert bench.stack.best.buffers["last"].shape == (2, 0, 3)


@pytest.mark.parametrize("examples", [1, 4, 6])
def test_looking_and_scoring_read_from_zero(examples: int):
    """Whatever the batch's size, in the middle of an epoch; the state stays."""
    bench = bench_of(2)
    go(bench, 2)
    before, trial = bench.stack.carried["last"].clone(), MemberTrial(bench, 1)
    batch = Split(bench.stage.data.train.inputs[:examples], bench.stage.data.train.targets[:examples])
    expected, _ = read(weights_of(bench, 1), batch.inputs, torch.zeros(examples, 3, dtype=torch.float64))
    for _ in range(2):
        assert_close(trial.outputs(batch.inputs), expected)
        assert trial.gradient(batch).keys() == {"weight"}
    torch.testing.assert_close(trial.module(batch.inputs.float()), expected.float(), rtol=1e-4, atol=1e-6)
    assert bench.stack.carried["last"].equal(before)


def test_nothing_that_is_kept_has_state(tmp_path):
    """Snapshots, networks to judge and tickets, and what comes back from a file."""
    bench = bench_of(2)
    go(bench, 2)
    snapshot = bench.stack.snapshot(0)
    bench.report(0, 1.0, final=True)
    ticket = Ticket(bench.stack.mask(0), snapshot.weights | snapshot.buffers)
    ticket.save(tmp_path / "ticket.safetensors")
    loaded = Ticket.load(tmp_path / "ticket.safetensors")
    for last in (snapshot.buffers["last"], bench.judge.waiting[0].buffers["last"], loaded.weights["last"]):
        assert last.shape == (0, 3)
    assert bench.stack.carried["last"].shape == (2, BATCH, 3)
    assert bench.judge.judge(bench.stage.network, 500)[0][1]["wave"].keys() == {"error"}


@pytest.mark.parametrize(("cell", "softmax"), [("lstm", "full"), ("gru", "sampled")])
def test_a_language_model_s_state_has_a_row_for_every_stream_of_every_member(cell: str, softmax: str):
    """Two members, batches of eight windows, 16 units."""
    model = LanguageModel(cell=cell, hidden=16, embedding=8, softmax=softmax, samples=4)
    recipe = Recipe(optimizer="adam", learning_rate=1e-2, batch=8, steps=12)
    members = train(model, Walk(), recipe=recipe, seeds=(0, 1))
    assert [member.status for member in members] == ["ok", "ok"]
    for member in members:
        assert member.trial._bench.stack.carried["carried_hidden"].shape == (2, 8, 16)


def test_shuffled_windows_carry_nothing():
    """Each is read from zero, in training and judging."""
    bench = bench_of(2, Shuffled())
    go(bench, 5)
    assert bench.stack.carried == {}
    assert sorted(Order((0,), 12, BATCH, CPU).batch_at(step)[0].tolist() for step in range(3)) != [
        [0, 3, 6, 9],
        [1, 4, 7, 10],
        [2, 5, 8, 11],
    ]
    split = Wave().test()
    outputs, _ = read(weights_of(bench, 0), split.inputs, torch.zeros(8, 3, dtype=torch.float64))
    expected = float((outputs - split.targets).square().mean())
    found = evaluate(bench.stage.network, bench.stack.parameters, bench.stack.buffers, split, 3)
    assert found[0]["error"] == [pytest.approx(expected, rel=1e-12)]


def test_what_cannot_carry_state_is_refused():
    """A name that is no buffer, and a buffer that is built with rows; a model without state needs none."""
    with pytest.raises(OptionError, match=r"model 'following' carries 'first', which is no buffer: last"):
        Network(Following(("first",)), Follower(), Wave())
    module = Follower()
    module.last = torch.zeros(1, 3)
    with pytest.raises(OptionError, match=r"carries 'last' of shape \(1, 3\): it has to be built with no rows"):
        Network(Following(), module, Wave())
    assert Network(Following(()), Follower(), Wave()).carried == ()
    assert not Blobs.contiguous
