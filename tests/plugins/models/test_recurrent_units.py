"""Filter pruning and mean replacement on recurrent networks: strengths and scores of units, by hand and by loops."""

from __future__ import annotations

import pytest
import torch
from dropping import dropped
from recurrences import KINDS, arrays, states
from smaller_recurrent import GATES, NETWORKS, READ_OUT, UNITS, built, examples, layer_masks, masked, without
from tiny_recurrent import Straight, trial_with
from torch import Tensor, nn
from torch.nn import functional

from ticketbench import Link, Method, Task, TicketError, Train, Trial
from ticketbench.testing import GivenExamples, GivenNetwork, trial_for
from ticketbench_methods.filters import Filters, shrinkable, strengths, units_left
from ticketbench_methods.mean_replacement import MeanReplacement, folded
from ticketbench_methods.seen import observe
from ticketbench_models.language_model import LanguageModel
from ticketbench_scorers.magnitude import Magnitude


def task_of(kind: str) -> GivenExamples:
    """Examples for a network, and their cross-entropy."""
    inputs, language = examples(kind), "language" in kind
    classes, shape = 6 if language else 2, inputs.shape if language else (len(inputs),)
    return GivenExamples(inputs, torch.arange(int(torch.tensor(shape).prod())).view(shape) % classes, classes)


def trial_of(kind: str, density: float, method: Method) -> tuple[Trial, nn.Module, GivenExamples]:
    """A trial of a network in float64, the network, and its examples."""
    module, task = built(kind), task_of(kind)
    model = (
        KINDS[kind](hidden=UNITS) if kind in KINDS else LanguageModel(cell=kind.split()[1], hidden=UNITS, embedding=2)
    )
    network = GivenNetwork(module, model.prunable(module))
    return trial_for(Magnitude(), method=method, model=network, task=task, density=density), module, task


def loss_of(module: nn.Module, task: Task) -> float:
    """The mean cross-entropy."""
    with torch.no_grad():
        return float(functional.cross_entropy(module(task.examples.inputs), task.examples.targets))


@pytest.mark.parametrize("kind", NETWORKS)
def test_a_units_strength_is_over_all_gates_and_weights(kind: str):
    """Added up entry by entry."""
    module = built(kind)
    scores = {name: module.get_parameter(name).detach().abs() for name in module.layer.values()}
    (link,) = shrinkable(trial_of(kind, 0.5, Filters())[0]).values()
    found = strengths(scores, {"from_input": link})["from_input"]
    for unit in range(UNITS):
        rows = [gate * UNITS + unit for gate in range(GATES[kind])]
        assert float(found[unit]) == pytest.approx(float(sum(part[rows].sum() for part in scores.values())))


@pytest.mark.parametrize("kind", NETWORKS)
def test_the_weakest_units_go_and_as_many_stay_as_fit(kind: str):
    """Rows and columns go at the largest number of units whose g·u·(2 + r·u) weights fit; r loops, two features."""
    trial, module, _ = trial_of(kind, 0.5, Filters())
    requests = Filters().draw(trial)
    assert next(requests) == Train(None)
    assert next(requests, None) is None
    each = [GATES[kind] * units * (2 + (len(module.layer) - 1) * units) for units in range(UNITS + 1)]
    count = max(units for units, weights in enumerate(each) if weights <= (each[UNITS] + 1) // 2)
    weights = [module.get_parameter(name).detach().abs().sum(dim=1) for name in module.layer.values()]
    order = sum(weights).view(GATES[kind], UNITS).sum(dim=0).argsort(descending=True)
    expected = without(module, layer_masks(module), order[count:].tolist())
    assert all(part.equal(expected[name]) for name, part in trial.mask.items())
    assert sum(int(part.sum()) for part in trial.mask.values()) == each[count]


def test_units_left_counts_a_loop_twice_by_hand():
    """4 units of 2 gates on 3 features: 2·u·(3 + u) = 8, 20, 36, 56; a read-out that is prunable adds 5 u."""
    link = {"in": Link("in", "out", gates=2, loops=("loop",))}
    weights = {"in": torch.empty(8, 3), "loop": torch.empty(8, 4)}
    for target, units in ((56, 4), (55, 3), (36, 3), (35, 2), (20, 2), (19, 1), (8, 1)):
        assert units_left(link, weights, target) == {"in": units}
    weights["out"] = torch.empty(5, 4)  # 13, 30, 51, 76
    for target, units in ((76, 4), (75, 3), (51, 3), (50, 2), (30, 2), (29, 1), (13, 1)):
        assert units_left(link, weights, target) == {"in": units}
    with pytest.raises(TicketError, match="one unit a layer is 13 of 76 weights"):
        units_left(link, weights, 12)


def moved(kind: str, module: nn.Module, unit: int, means: dict[str, Tensor], share: float) -> nn.Module:
    """The share of a unit's outgoing weights gone, and as much of its means in the biases that stand beside."""
    changed = masked(module, {})
    with torch.no_grad():
        for name in [*list(module.layer.values())[1:], READ_OUT]:
            weight, bias = changed.get_parameter(name), changed.read_out.bias if name == READ_OUT else changed.bias
            bias += share * means[name][unit] * module.get_parameter(name)[:, unit]
            weight[:, unit] *= 1 - share
    return changed


def means_of(kind: str, module: nn.Module, inputs: Tensor) -> dict[str, Tensor]:
    """What each weight reads on average, from the equations in NumPy: a loop the states before each step.

    The read-out reads all states after a step, or the last ones.
    """
    each = states(kind.split()[-1], arrays(module), module.embed(inputs).detach().numpy())
    names = list(module.layer.values())[1:]
    means = {name: torch.tensor(sum(one[at].mean(0) for one in each[:-1]) / 5) for at, name in enumerate(names)}
    last = each[1:] if "language" in kind else each[-1:]
    return means | {READ_OUT: torch.tensor(sum(one[0].mean(0) for one in last) / len(last))}


@pytest.mark.parametrize("replace", ["mean", "zero"])
@pytest.mark.parametrize("kind", NETWORKS)
def test_the_score_is_the_slope_of_the_loss_on_the_way(kind: str, replace: str):
    """By finite differences of a unit's share in all weights that read it, and of the biases beside them."""
    trial, module, task = trial_of(kind, 0.5, MeanReplacement())
    means = means_of(kind, module, task.examples.inputs)
    if replace == "zero":
        means = {name: torch.zeros_like(part) for name, part in means.items()}
    ((name, link),) = shrinkable(trial).items()
    seen = observe(trial, {name: link}, 0)
    scores = MeanReplacement(replace=replace).score(seen[name], 1, *(seen[loop] for loop in link.loops))
    for unit in range(UNITS):
        losses = [loss_of(moved(kind, module, unit, means, sign * 1e-5), task) for sign in (1, -1)]
        assert float(scores[unit]) == pytest.approx(abs(losses[0] - losses[1]) / 2e-5, rel=1e-5, abs=1e-9)


@pytest.mark.parametrize("kind", NETWORKS)
def test_biases_take_over_the_means_of_the_units_that_go(kind: str):
    """All dropped units' at once, in the layer and in the read-out."""
    trial, module, task = trial_of(kind, 0.5, MeanReplacement())
    links = shrinkable(trial)
    gone = torch.tensor([True, False, False, True, False, False, True])
    means, found = (
        means_of(kind, module, task.examples.inputs),
        folded(trial, links, {"from_input": ~gone}, observe(trial, links, 0)),
    )
    expected = module
    for unit in (0, 3, 6):
        expected = moved(kind, expected, unit, means, 1.0)
    torch.testing.assert_close(found["bias"], expected.bias.detach(), rtol=1e-11, atol=1e-12)
    torch.testing.assert_close(found["read_out.bias"], expected.read_out.bias.detach(), rtol=1e-11, atol=1e-12)


@pytest.mark.parametrize("kind", NETWORKS)
def test_units_that_say_nothing_go_without_a_trace(kind: str):
    """Units 1 and 4 have neither weights nor biases: their score is zero, they go first, and all outputs stay."""
    trial, module, task = trial_of(kind, 0.7, MeanReplacement())
    weights = trial.parameters
    for name in (*module.layer.values(), "bias"):
        weights[name].view(GATES[kind], UNITS, -1)[:, [1, 4]] = 0
    trial.set_weights(weights)
    before = trial.outputs(task.examples.inputs, training=False)
    dropped(trial, MeanReplacement(examples=0, scope="global"))
    stays = trial.mask["from_input"].any(dim=1).view(GATES[kind], UNITS)
    assert not bool(stays[:, [1, 4]].any())
    assert int(stays[0].sum()) == 5
    torch.testing.assert_close(trial.outputs(task.examples.inputs, training=False), before, rtol=1e-12, atol=1e-12)


def test_a_network_without_a_linear_read_out_says_so():
    """The error names units, and is the same for both methods."""
    trial = trial_with(Straight([[1.0]], [[1.0]]), torch.ones(4, 5, 1))
    trial.density = 0.5
    for method in (Filters(), MeanReplacement()):
        with pytest.raises(TicketError, match=r"no units can be dropped: .* recurrent with a linear read-out"):
            next(method.draw(trial))
