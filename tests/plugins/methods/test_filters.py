"""Filter pruning."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from rewinding import copied, kept, pretend, under
from torch import nn

from ticketbench import Link, Model, Shapes, Split, TicketbenchError, Train, Trial, generator
from ticketbench.testing import Blobs, check_method, reported_by, run_method, trial_for
from ticketbench_methods.filters import Filters, strongest, units_left, without_units
from ticketbench_models.lenet import LeNet5
from ticketbench_scorers.magnitude import Magnitude


class Pictures(Blobs):
    """16×16 pictures whose brightness tells the class."""

    def draw(self, split: str, count: int) -> Split:
        """Noise on three levels."""
        source = generator("check pictures", split)
        targets = torch.randint(0, 3, (count,), generator=source)
        return Split(torch.randn(count, 1, 16, 16, generator=source) + targets.view(count, 1, 1, 1), targets)


@dataclass(frozen=True)
class SmallConv(Model):
    """A 2×3 picture, 4 filters of 2×2 with a border, so that each has 12 positions, then 5 units and 3 outputs."""

    name = "small_conv"
    summary = "a network for tests"

    head: bool = True

    def build(self, shapes: Shapes) -> nn.Module:
        """16 + 240 + 15 weights."""
        return nn.Sequential(
            nn.Unflatten(1, (1, 2, 3)),
            nn.Conv2d(1, 4, 2, padding=1),
            nn.ReLU(),
            nn.Flatten(),
            nn.Linear(48, 5),
            nn.ReLU(),
            nn.Linear(5, shapes.outputs),
        )

    def prunable(self, module: nn.Module) -> Sequence[str]:
        """All weights, or all but those of the head."""
        return ["1.weight", "4.weight", "6.weight"][: 3 if self.head else 2]


@pytest.fixture
def mlp(tiny_suite, cells_of, trial_of) -> Callable[..., Trial]:
    """A trial of a multi-layer perceptron of 6 inputs and 3 outputs with some hidden layers."""

    def make(density: float, hidden: str = "[8, 4]") -> Trial:
        _, cells = cells_of(tiny_suite(("hidden = [8]", f"hidden = {hidden}"), ('["dense", "magnitude"]', '["imp"]')))
        trial = trial_of(cells[0])
        trial.density = density
        return trial

    return make


def conv(density: float, head: bool = True) -> Trial:
    """A trial of the small convolutional network."""
    return trial_for(Magnitude(), method=Filters(), model=SmallConv(head), density=density)


def drop(trial: Trial, method: Filters) -> dict[str, torch.Tensor]:
    """Let the method drop units, and give back the trained weights it saw."""
    requests = method.draw(trial)
    assert next(requests) == Train(None)
    pretend(trial, Train(None), 1)
    trained = copied(trial)
    assert next(requests, None) is None
    return trained


def test_the_right_units_are_dropped_with_what_reads_them(mlp):
    """8 and 4 units at density ½: 5 and 2 stay, 30 + 10 + 6 of 92 weights, just as many as 46.

    Strong is a large sum of absolute values: the largest single weight does not help unit 0, nor do signs that
    cancel harm unit 6, nor does it matter for the second layer which units of the first one go.
    """
    trial = mlp(0.5)
    requests = Filters().draw(trial)
    next(requests)
    first = torch.tensor([0.5, 3.0, 1.0, 4.0, 2.0, 0.6, 5.0, 0.7]).view(8, 1).repeat(1, 6)
    first[0] = torch.tensor([4.0, 0, 0, 0, 0, 0])
    first[6] = torch.tensor([5.0, -5.0, 5.0, -5.0, 5.0, -5.0])
    second = torch.tensor([1.0, 2.0, 0.5, 0.1]).view(4, 1).repeat(1, 8)
    second[2, 0] = 20.0  # read from a unit that goes
    trial.set_weights({"1.weight": first, "3.weight": second, "5.weight": torch.ones(3, 4)})
    assert next(requests, None) is None
    # sums of the first layer: 4, 18, 6, 24, 12, 3.6, 30, 4.2; of the second: 8, 16, 23.5, 0.8
    units = torch.tensor([False, True, True, True, True, False, True, False])
    readers = torch.tensor([False, True, True, False])
    assert trial.mask["1.weight"].equal(units.view(8, 1).expand(8, 6))
    assert trial.mask["3.weight"].equal(readers.view(4, 1) & units)
    assert trial.mask["5.weight"].equal(readers.expand(3, 4))
    assert kept(trial) == 46


def test_a_flattened_filter_goes_with_all_its_positions():
    """4 filters and 5 units at density ½: 3 and 3 stay, 12 + 3·36 + 9 = 129 of 136 weights; 4 units would be 168."""
    trial = conv(0.5)
    requests = Filters().draw(trial)
    next(requests)
    filters = torch.tensor([3.0, 1.0, -4.0, 2.0]).view(4, 1, 1, 1).expand(4, 1, 2, 2)
    units = torch.tensor([1.0, 5.0, 4.0, -3.0, 2.0]).view(5, 1).expand(5, 48)
    trial.set_weights({"1.weight": filters, "4.weight": units})
    assert next(requests, None) is None
    channels, rows = torch.tensor([True, False, True, True]), torch.tensor([False, True, True, True, False])
    assert trial.mask["1.weight"].equal(channels.view(4, 1, 1, 1).expand(4, 1, 2, 2))
    columns = torch.cat([stays.expand(12) for stays in channels])
    assert trial.mask["4.weight"].equal(rows.view(5, 1) & columns)
    assert trial.mask["6.weight"].equal(rows.expand(3, 5))
    assert kept(trial) == 129


def test_the_masked_network_is_the_smaller_network():
    """Its outputs are those of a network that was built with 3 filters and 3 units."""
    trial = conv(0.5)
    drop(trial, Filters())
    weights = trial.parameters
    channels = trial.mask["1.weight"].flatten(1).any(dim=1)
    rows = trial.mask["6.weight"].any(dim=0)
    small = nn.Sequential(
        nn.Unflatten(1, (1, 2, 3)),
        nn.Conv2d(1, 3, 2, padding=1),
        nn.ReLU(),
        nn.Flatten(),
        nn.Linear(36, 3),
        nn.ReLU(),
        nn.Linear(3, 3),
    )
    own = {
        "1.weight": weights["1.weight"][channels],
        "1.bias": weights["1.bias"][channels],
        "4.weight": weights["4.weight"].view(5, 4, 12)[rows][:, channels].reshape(3, 36),
        "4.bias": weights["4.bias"][rows],
        "6.weight": weights["6.weight"][:, rows],
        "6.bias": weights["6.bias"],
    }
    small.load_state_dict(own)
    inputs = next(trial.batches()).inputs
    torch.testing.assert_close(trial.outputs(inputs), small(inputs))


def test_a_layer_whose_reader_may_not_be_pruned_keeps_its_units():
    """Without the head, 256 weights: of density ½ 128; one filter less leaves 12 + 180, two 8 + 120 = 128."""
    trial = conv(0.5, head=False)
    drop(trial, Filters())
    assert kept(trial) == 128
    assert bool(trial.mask["4.weight"].any(dim=1).all())


def shapes_of(widths: Sequence[int], positions: int) -> dict[str, torch.Tensor]:
    """Weights of a chain of layers; the second reads `positions` inputs of each unit of the first."""
    sizes = [(outputs, inputs * (positions if at == 1 else 1)) for at, (inputs, outputs) in enumerate(pairwise(widths))]
    return {f"w{at}": torch.empty(size, device="meta") for at, size in enumerate(sizes)}


def weights_left(widths: Sequence[int], positions: int) -> int:
    """How many weights a chain of these widths has."""
    return sum(part.numel() for part in shapes_of(widths, positions).values())


@settings(deadline=None, max_examples=60)
@given(st.lists(st.integers(1, 7), min_size=3, max_size=5), st.sampled_from([1, 4]), st.floats(0.01, 1))
def test_the_fraction_is_the_best_of_all(widths: list[int], positions: int, density: float):
    """Against every fraction of a grid that no rounding falls between."""
    weights = shapes_of(widths, positions)
    links = {f"w{at}": Link(f"w{at}", f"w{at + 1}", positions if at == 0 else 1) for at in range(len(widths) - 2)}
    target = math.floor(density * weights_left(widths, positions) + 0.5)
    grid = 2 * math.lcm(*range(1, 8))
    candidates = []
    for at in range(0, grid + 1):
        hidden = [max(1, math.floor(Fraction(at * width, grid) + Fraction(1, 2))) for width in widths[1:-1]]
        candidates.append((weights_left([widths[0], *hidden, widths[-1]], positions), hidden))
    possible = [candidate for candidate in candidates if candidate[0] <= target]
    if possible:
        found = list(units_left(links, weights, target).values())
        assert (weights_left([widths[0], *found, widths[-1]], positions), found) == max(possible)
    else:
        with pytest.raises(TicketbenchError, match="one unit a layer is"):
            units_left(links, weights, target)


def test_of_equal_units_the_first_stay():
    """Ties by index."""
    found = strongest({"w": torch.ones(4)}, {"w": 2})
    assert found["w"].tolist() == [True, True, False, False]


def test_a_mask_that_was_pruned_before_stays_so():
    """Dropping units never brings a weight back, and the given mask is not written to."""
    mask = {"a": torch.tensor([[True], [False]]), "b": torch.tensor([[True, True]])}
    found = without_units(mask, {"a": Link("a", "b")}, {"a": torch.tensor([True, False])})
    assert {name: part.tolist() for name, part in found.items()} == {"a": [[True], [False]], "b": [[True, False]]}
    assert mask["b"].tolist() == [[True, True]]


def test_a_density_that_one_unit_a_layer_exceeds_names_the_smallest(mlp):
    """6 + 1 + 3 of 92 weights are 10: 0.108696 is possible, and a density that means 9 is not."""
    with pytest.raises(TicketbenchError, match=r"one unit a layer is 10 of 92 weights, .* smallest .* 0\.108696"):
        next(Filters().draw(mlp(0.1)))
    trial = mlp(0.108696)
    drop(trial, Filters())
    assert kept(trial) == 10


def test_a_model_without_such_layers_says_so(mlp):
    """A single layer has outputs only."""
    with pytest.raises(TicketbenchError, match="no units can be dropped"):
        next(Filters().draw(mlp(0.5, hidden="[]")))


@pytest.mark.parametrize("then", ["finetune", "rewind", "scratch"])
def test_what_the_small_network_starts_from(mlp, then: str):
    """The trained weights, the initial ones, or others, always under the mask and at step 0; dense is reported."""
    trial = mlp(0.5)
    start = copied(trial)
    trained = drop(trial, Filters(then=then))
    assert (trial.step, [report.density for report in reported_by(trial)]) == (0, [1.0])
    old = {"finetune": [trained], "rewind": [start], "scratch": []}[then]
    for known in (trained, start):
        expected = under(trial, known)
        same = all(weight.equal(expected[name]) for name, weight in trial.parameters.items())
        assert same == any(known is one for one in old)
    assert all((weight != 0).equal(trial.mask[name]) for name, weight in trial.weights.items())


def test_at_density_one_there_is_nothing_to_do(mlp):
    """No training before the one training."""
    trial = mlp(1.0)
    assert list(Filters().draw(trial)) == []
    assert (trial.step, kept(trial)) == (0, 92)
    assert [Filters().trainings(density) for density in (0.5, 1.0)] == [2, 1]


@pytest.mark.parametrize("then", ["finetune", "rewind", "scratch"])
def test_a_whole_run_trains_the_smaller_network(tiny_suite, records_of, then: str):
    """5 and 2 of 8 and 4 units, 46 of 92 weights, two trainings of 20 steps, judged dense and small."""
    path = tiny_suite(
        ('{ method = "dense" }', f'{{ method = {{ name = "filters", then = "{then}" }} }}'),
        ('["dense", "magnitude"]', '["dense"]'),
        ("hidden = [8]", "hidden = [8, 4]"),
    )
    for record in records_of(path):
        assert record["status"] == "ok", record["error"]
        assert record["train_steps"] == 40
        points = [point for point in record["curves"] if point[0] == "test" and point[4] == "density"]
        assert [point[5] for point in points] == [1.0, 0.5]


def test_a_fleet_of_lenets_trains_as_smaller_networks():
    """Of 6, 16, 120 and 84 units 3, 9, 65 and 45 stay at density 0.3, and 2, 5, 36 and 26 at 0.1.

    6,150 of at most 6,169 weights, and 2,034 of 2,056; both numbers are from a search over 100,801 fractions.
    Stacked, both have the shapes of the larger one; the other keeps its dead units masked.
    """
    pictures = Pictures(Shapes((1, 16, 16), 3))
    large, small = run_method(Filters(), Magnitude(), model=LeNet5(), task=pictures, densities=(0.3, 0.1))
    for member, units, weights in ((large, [3, 9, 65, 45, 3], 6150), (small, [2, 5, 36, 26, 3], 2034)):
        assert member.status == "ok", member.error
        assert member.steps == 80
        assert [int(mask.flatten(1).any(dim=1).sum()) for mask in member.ticket.mask.values()] == units
        assert sum(int(mask.sum()) for mask in member.ticket.mask.values()) == weights
        assert sum(int(torch.count_nonzero(member.solution.weights[name])) for name in member.solution.mask) == weights
    shapes = [tuple(weight.shape) for weight in small.trial.weights.values()]
    assert shapes == [(3, 1, 5, 5), (9, 3, 5, 5), (65, 36), (45, 65), (3, 45)]


def test_it_keeps_the_contract():
    """At most the density's count, no leak, the same result alone and in a fleet."""
    check_method(Filters(), Magnitude())
