"""Units that are cut off, and units that never fire, counted by hand."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from ticketbench import Trial
from ticketbench.testing import RECIPE, GivenExamples, GivenNetwork, trial_for
from ticketbench_probes.dead_units import DeadUnits


class Shortcut(nn.Module):
    """A unit's result also goes around the layer that reads it."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second, self.last = nn.Linear(2, 4), nn.Linear(4, 4), nn.Linear(4, 3)

    def forward(self, x: Tensor) -> Tensor:
        """One residual block."""
        x = functional.relu(self.first(x))
        return self.last(functional.relu(self.second(x)) + x)


class Loop(nn.Module):
    """A layer that reads its own units, twice."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.inner, self.last = nn.Linear(2, 4), nn.Linear(4, 4), nn.Linear(4, 3)

    def forward(self, x: Tensor) -> Tensor:
        """Two rounds."""
        return self.last(self.inner(self.inner(self.first(x))))


class Branching(nn.Module):
    """A forward that looks at its data, which cannot be traced."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.last = nn.Linear(2, 4), nn.Linear(4, 3)

    def forward(self, x: Tensor) -> Tensor:
        """Doubles what is positive."""
        return self.last(self.first(2 * x if x.sum() > 0 else x))


def trial_with(module: nn.Module, inputs: Tensor, batch: int = 16, **cut: Callable[[Tensor], Tensor]) -> Trial:
    """A trial of any small network under any masks."""
    examples = GivenExamples(inputs, torch.zeros(len(inputs), dtype=torch.int64))
    recipe = RECIPE.model_copy(update={"batch": batch})
    trial = trial_for(model=GivenNetwork(module), task=examples, recipe=recipe)
    mask = trial.mask
    for name, places in cut.items():
        mask[f"{name.removeprefix('at_').replace('_', '.')}.weight"][places] = False
    trial.set_mask(mask)
    return trial


def masks_alone(found: dict[str, float]) -> dict[str, float]:
    """What does not depend on data."""
    return {name: value for name, value in found.items() if not name.startswith("silent")}


def test_a_perceptron_by_hand():
    """Units 0 and 2 of the first layer have no inputs, unit 2 and 3 no reader, output 1 no inputs."""
    module = nn.Sequential(nn.Flatten(), nn.Linear(2, 4), nn.ReLU(), nn.Linear(4, 3))
    trial = trial_with(module, torch.rand(5, 2), at_1=([0, 0, 2, 2, 3], [0, 1, 0, 1, 0]), at_3=slice(1, 2))
    mask = trial.mask
    mask["3.weight"][:, 2:] = False
    trial.set_mask(mask)
    assert masks_alone(DeadUnits().measure(trial)) == {
        "no_incoming": 3.0,
        "no_incoming 1.weight": 2.0,
        "no_incoming 3.weight": 1.0,
        "no_outgoing": 2.0,
        "no_outgoing 1.weight": 2.0,
    }


def test_a_dense_network_has_none():
    """Zero everywhere, and no number of outgoing weights for the outputs."""
    module = nn.Sequential(nn.Linear(2, 4), nn.Tanh(), nn.Linear(4, 3))
    assert DeadUnits().measure(trial_with(module, torch.rand(5, 2))) == {
        "no_incoming": 0.0,
        "no_incoming 0.weight": 0.0,
        "no_incoming 2.weight": 0.0,
        "no_outgoing": 0.0,
        "no_outgoing 0.weight": 0.0,
    }


def test_channels_by_hand():
    """1-3-2 channels of 4, pooled to 2 and flattened: channel c is inputs 2c and 2c + 1 of the linear layer."""
    module = nn.Sequential(
        nn.Conv1d(1, 3, 3, padding=1),
        nn.BatchNorm1d(3),
        nn.ReLU(),
        nn.Conv1d(3, 2, 1),
        nn.MaxPool1d(2),
        nn.Flatten(),
        nn.Linear(4, 5),
    )
    cut = {"at_0": (1, 0), "at_3": (slice(None), 2), "at_6": (slice(None), [0, 2, 3])}
    found = masks_alone(DeadUnits().measure(trial_with(module, torch.rand(5, 1, 4), **cut)))
    assert found == {
        "no_incoming": 1.0,
        "no_incoming 0.weight": 1.0,
        "no_incoming 3.weight": 0.0,
        "no_incoming 6.weight": 0.0,
        "no_outgoing": 2.0,
        "no_outgoing 0.weight": 1.0,
        "no_outgoing 3.weight": 1.0,
    }


@pytest.mark.parametrize(
    ("module", "traced"),
    [
        (Shortcut(), set()),
        (Loop(), set()),
        (Branching(), set()),
        (nn.Sequential(nn.Linear(2, 4), nn.Bilinear(4, 4, 4), nn.Linear(4, 3)), set()),
        (nn.Sequential(nn.Linear(2, 4), nn.LSTM(4, 4), nn.Linear(4, 3)), set()),
        (nn.Sequential(nn.Linear(2, 4), nn.Sequential(nn.Dropout(), nn.Linear(4, 3))), {"no_outgoing 0.weight"}),
    ],
    ids=lambda part: type(part).__name__,
)
def test_a_number_of_readers_only_where_there_is_one_reader(module: nn.Module, traced: set[str]):
    """Shortcuts, loops, layers of other kinds and branches on data give none, rather than a wrong one."""
    trial = trial_with(module, torch.rand(5, 2))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("ticketbench_probes.dead_units.silent", lambda *_: {})
        found = DeadUnits().measure(trial)
    assert {name for name in found if name.startswith("no_outgoing ")} == traced
    assert found["no_incoming"] == 0.0


def test_grouped_channels_have_no_single_reader():
    """Each group reads a part of the channels."""
    module = nn.Sequential(nn.Conv1d(1, 4, 1), nn.Conv1d(4, 4, 1, groups=4), nn.Flatten(), nn.Linear(12, 2))
    found = DeadUnits().measure(trial_with(module, torch.rand(5, 1, 3)))
    assert {name for name in found if name.startswith("no_outgoing ")} == {"no_outgoing 1.weight"}


@pytest.fixture
def gates() -> Trial:
    """x over {1, 2, −3}: units 3x, x − 2, x − 4, −1 fire on {1, 2}, nothing, nothing, nothing; then one that does."""
    module = nn.Sequential(nn.Linear(1, 4), nn.ReLU(), nn.Linear(4, 1), nn.ReLU())
    with torch.no_grad():
        module[0].weight.copy_(torch.tensor([[3.0], [1.0], [1.0], [0.0]]))
        module[0].bias.copy_(torch.tensor([0.0, -2.0, -4.0, -1.0]))
        module[2].weight.fill_(1.0)
        module[2].bias.fill_(0.5)
    return trial_with(module, torch.tensor([[1.0], [2.0], [-3.0]]))


def test_silent_units_by_hand(gates):
    """Zero at every example is silent, x − 2 = 0 at x = 2 included."""
    found = DeadUnits().measure(gates)
    assert {name: value for name, value in found.items() if name.startswith("silent")} == {
        "silent": 3.0,
        "silent 1": 3.0,
        "silent 3": 0.0,
    }


def test_a_unit_that_fires_on_one_example_of_any_batch_is_not_silent(gates):
    """The whole split in batches of two; the second one holds the only example above 4."""
    again = trial_with(gates.module, torch.tensor([[1.0], [1.0], [5.0]]), batch=2)
    assert DeadUnits(examples=0).measure(again)["silent 1"] == 1.0


def test_a_channel_is_silent_if_it_fires_nowhere():
    """Channel 0 fires at one place of one example, channel 1 nowhere; statistics are those of evaluation."""
    module = nn.Sequential(nn.Conv1d(1, 2, 1), nn.BatchNorm1d(2), nn.ReLU(), nn.Flatten(), nn.Linear(6, 2))
    with torch.no_grad():
        module[0].weight.fill_(1.0)
        module[0].bias.copy_(torch.tensor([-4.0, -6.0]))
    inputs = torch.tensor([[[1.0, 2.0, 3.0]], [[1.0, 5.0, 2.0]]])
    assert DeadUnits().measure(trial_with(module, inputs))["silent 2"] == 1.0


def test_a_relu_used_twice_is_silent_if_it_is_both_times():
    """x and −x: each unit fires in one of the two calls, but for the last one, which is always zero."""
    relu = nn.ReLU()
    module = nn.Sequential(nn.Linear(1, 3), relu, nn.Linear(3, 3), relu)
    with torch.no_grad():
        module[0].weight.copy_(torch.tensor([[1.0], [-1.0], [0.0]]))
        module[2].weight.copy_(torch.tensor([[0.0, 0.0, 0.0], [1.0, 0.0, 0.0], [0.0, 0.0, 0.0]]))
        module[0].bias.zero_()
        module[2].bias.zero_()
    assert DeadUnits().measure(trial_with(module, torch.tensor([[2.0]])))["silent"] == 1.0


def test_a_relu_after_layers_of_different_widths_counts_the_units_of_each():
    """x, 0 and 0 of the first layer, and −x and x of the second: three of the five never fire at x = 2."""
    relu = nn.ReLU()
    module = nn.Sequential(nn.Linear(1, 3), relu, nn.Linear(3, 2), relu)
    with torch.no_grad():
        module[0].weight.copy_(torch.tensor([[1.0], [0.0], [0.0]]))
        module[2].weight.copy_(torch.tensor([[-1.0, 0.0, 0.0], [1.0, 0.0, 0.0]]))
        module[0].bias.zero_()
        module[2].bias.zero_()
    found = DeadUnits().measure(trial_with(module, torch.tensor([[2.0]])))
    assert (found["silent"], found["silent 1"]) == (3.0, 3.0)


def test_a_run_notes_it_and_is_not_disturbed(tiny_suite, records_of):
    """At every moment, finite and within the 8 hidden units and 3 outputs; the curves are the same to the last bit."""
    rows = ('["dense", "magnitude"]', '["dense", "imp"]'), ("densities = [0.5]", "densities = [0.125]")
    plain = records_of(tiny_suite(*rows))
    probed = records_of(tiny_suite(*rows, ('recipe = "plain"', 'recipe = "plain"\nprobes = ["dead_units"]')))
    assert [record["curves"] for record in plain] == [record["curves"] for record in probed]
    for record in probed:
        found: dict[str, dict[str, float]] = {}
        for probe, moment, name, value in record["probes"]:
            if probe == "dead_units":
                found.setdefault(moment, {})[name] = value
        assert {"drawn", "trained", "round 0"} <= found.keys()
        for numbers in found.values():
            assert set(numbers) == {
                "no_incoming",
                "no_incoming 1.weight",
                "no_incoming 3.weight",
                "no_outgoing",
                "no_outgoing 1.weight",
                "silent",
                "silent 2",
            }
            assert 0 <= numbers["no_outgoing"] <= 8
            assert 0 <= numbers["silent"] <= 8
            assert 0 <= numbers["no_incoming"] <= 11
        if record["row"] == "imp":
            assert found["trained"]["no_incoming"] == found["drawn"]["no_incoming"]
