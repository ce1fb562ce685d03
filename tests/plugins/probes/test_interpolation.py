"""The line between two solutions, by hand, by NumPy and in a run."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import nn

from ticketbench import Points, Trial
from ticketbench.testing import GivenExamples, GivenNetwork, trial_for
from ticketbench_models.mlp import MLP
from ticketbench_probes.interpolation import Interpolation, barrier

W1 = np.array([[1.0, 0.5], [-0.3, 0.8]])
W2 = np.array([[1.0, -1.0], [0.5, 2.0]])
INPUTS = np.array([[1.0, 2.0], [0.5, -1.0], [-2.0, 1.0]])
TARGETS = np.array([0, 1, 1])


def trial_on(inputs: torch.Tensor, targets: torch.Tensor) -> Trial:
    """A network of two inputs, two ReLU units and two classes, with biases, and training examples."""
    made = trial_for(model=MLP(hidden=(2,)), task=GivenExamples(inputs, targets, outputs=2))
    put(made, 1.0)
    return made


@pytest.fixture
def trial() -> Trial:
    """The network on three training examples."""
    return trial_on(torch.tensor(INPUTS).float(), torch.tensor(TARGETS))


def put(trial: Trial, factor: float) -> None:
    """The weights times a factor, and biases of 0.1 times it."""
    values = {"1.weight": W1, "3.weight": W2, "1.bias": np.full(2, 0.1), "3.bias": np.array([0.1, -0.1])}
    trial.set_weights({name: factor * torch.tensor(part).float() for name, part in values.items()})


def forward(factor: float) -> tuple[float, float]:
    """Loss and accuracy of the network with all parameters times a factor, in NumPy."""
    hidden = np.maximum(INPUTS @ (factor * W1).T + factor * 0.1, 0)
    logits = hidden @ (factor * W2).T + factor * np.array([0.1, -0.1])
    picked = logits[np.arange(3), TARGETS] - np.log(np.exp(logits).sum(1))
    return -picked.mean(), float((logits.argmax(1) == TARGETS).mean())


def test_every_point_is_the_loss_of_the_mixed_parameters(trial):
    """From −½ times the parameters to 1 times them: at α they are 1.5 α − ½ times, biases too."""
    put(trial, -0.5)
    trial.keep("prune end")
    put(trial, 1.0)
    found = Interpolation(examples=0).measure(trial)
    assert set(found) == {"loss from prune end", "accuracy from prune end", "barrier from prune end"}
    for at, name in enumerate(("loss from prune end", "accuracy from prune end")):
        assert isinstance(found[name], Points)
        assert found[name].x_name == "alpha"
        assert [x for x, _ in found[name].values] == pytest.approx(np.linspace(-0.2, 1.2, 29), abs=1e-9)
        expected = [forward(1.5 * x - 0.5)[at] for x in np.linspace(-0.2, 1.2, 29)]
        assert [value for _, value in found[name].values] == pytest.approx(expected, abs=1e-5)
    losses = np.array([forward(1.5 * x - 0.5)[0] for x in np.linspace(0, 1, 21)])
    above = losses - np.linspace(losses[0], losses[-1], 21)
    assert found["barrier from prune end"] == pytest.approx(above.max(), abs=1e-5)


def test_a_barrier_by_hand():
    """3 − (½·1 + ½·2) = 1.5 at ½; outside of 0 to 1 nothing counts; a sagging line has none."""
    assert barrier([(-0.2, 99.0), (0.0, 1.0), (0.25, 2.0), (0.5, 3.0), (1.0, 2.0), (1.2, 99.0)]) == 1.5
    assert barrier([(0.0, 1.0), (0.5, 1.2), (1.0, 2.0)]) == 0.0


def test_the_ends_are_there_whatever_the_points(trial):
    """Four points from −½ to 2 are −½, ⅓, 7/6 and 2, and 0 and 1 with them."""
    trial.keep("other end")
    found = Interpolation(low=-0.5, high=2.0, points=4, examples=0).measure(trial)
    xs = [x for x, _ in found["loss from other end"].values]
    assert xs == pytest.approx([-0.5, 0.0, 1 / 3, 1.0, 7 / 6, 2.0])
    assert {0.0, 1.0} <= set(xs)


def test_a_companion_of_another_mask_is_left_out(trial):
    """So is a start, unless asked for."""
    trial.keep("dense end")
    mask = trial.mask
    mask["3.weight"][0, 0] = False
    trial.set_mask(mask)
    trial.keep("sparse start")
    trial.keep("sparse end")
    one, both = Interpolation().measure(trial), Interpolation(starts=True).measure(trial)
    assert {name.partition("from ")[2] for name in one} == {"sparse end"}
    assert {name.partition("from ")[2] for name in both} == {"sparse start", "sparse end"}
    assert one["barrier from sparse end"] == pytest.approx(0.0, abs=1e-6)
    put(trial, 2.0)  # under the mask
    assert trial.mask.keys() == trial.companions["sparse end"].mask.keys()
    assert Interpolation().measure(trial)["loss from sparse end"] != one["loss from sparse end"]


def test_statistics_are_interpolated_and_counters_are_not():
    """One input through batch norm, (x − m) / √(v + ε): halfway m = 2 and v = 5, and the outputs follow."""
    module = nn.Sequential(nn.BatchNorm1d(2, affine=False), nn.Linear(2, 2, bias=False))
    module[0].running_mean.fill_(1.0), module[0].running_var.fill_(1.0)
    module[0].num_batches_tracked.fill_(7)
    with torch.no_grad():
        module[1].weight.copy_(torch.tensor([[1.0, 0.0], [0.0, 0.0]]))
    examples = GivenExamples(torch.tensor([[4.0, 0.0]]), torch.tensor([0]))
    trial = trial_for(model=GivenNetwork(module), task=examples)
    trial.keep("prune end")
    later = trial.snapshot()
    later.buffers["0.running_mean"].fill_(3.0), later.buffers["0.running_var"].fill_(9.0)
    trial.rewind(later)
    curve = dict(Interpolation(points=3, low=0.0, high=1.0).measure(trial)["loss from prune end"].values)
    for alpha, mean, variance in ((0.0, 1.0, 1.0), (0.5, 2.0, 5.0), (1.0, 3.0, 9.0)):
        logit = (4.0 - mean) / math.sqrt(variance + 1e-5)
        assert curve[alpha] == pytest.approx(math.log(1 + math.exp(-logit)), abs=1e-6)
    assert trial.snapshot().buffers["0.num_batches_tracked"].tolist() == 7
    assert trial.snapshot().buffers["0.running_mean"].tolist() == [3.0, 3.0]


def test_as_many_examples_as_asked_and_the_same_ones_for_all(trial, monkeypatch):
    """Two of three for each α of both companions; all three for 0, in forwards of at most a thousand."""
    trial.keep("a end")
    trial.keep("b end")
    seen: list[torch.Tensor] = []

    def watch(trial: Trial) -> None:
        outputs = trial.outputs

        def watched(inputs, *rest, **more):
            seen.append(inputs)
            return outputs(inputs, *rest, **more)

        monkeypatch.setattr(trial, "outputs", watched)

    watch(trial)
    Interpolation(examples=2, points=2).measure(trial)
    assert len(seen) == 2 * 4
    assert all(len(part) == 2 and torch.equal(part, seen[0]) for part in seen)
    seen.clear()
    Interpolation(examples=0, points=2).measure(trial)
    assert {len(part) for part in seen} == {3}
    seen.clear()
    many = trial_on(torch.ones(2500, 2), torch.zeros(2500, dtype=torch.int64))
    many.keep("a end")
    watch(many)
    found = Interpolation(examples=0, points=2).measure(many)
    assert [len(part) for part in seen[:3]] == [1000, 1000, 500]
    assert math.isfinite(found["barrier from a end"])


def test_without_companions_there_is_nothing(trial):
    """No names at all."""
    assert Interpolation().measure(trial) == {}


def test_probing_changes_nothing(trial):
    """Neither the network nor its companions, to the last bit."""
    trial.keep("prune end")
    put(trial, 3.0)
    before = {name: part.clone() for name, part in trial.parameters.items()}
    kept = {name: part.clone() for name, part in trial.companions["prune end"].weights.items()}
    Interpolation().measure(trial)
    assert all(torch.equal(part, trial.parameters[name]) for name, part in before.items())
    assert all(torch.equal(part, trial.companions["prune end"].weights[name]) for name, part in kept.items())


def test_a_run_leaves_curves_numbers_and_distances(tiny_suite, records_of):
    """A ticket, its pruning solution and a companion of each kind under all three probes; the training is as before."""
    changes = [
        ('dense = { method = "dense" }', 'dense = { method = { name = "restart", companions = 1, every = 2 } }'),
        ('["dense", "magnitude"]', '["dense"]'),
    ]
    probes = '"interpolation", "solution_distances", { name = "agreement", joins = "lottery" }'
    plain = records_of(tiny_suite(*changes))
    probed = records_of(tiny_suite(*changes, ('recipe = "plain"', f'recipe = "plain"\nprobes = [{probes}]')))
    for before, after in zip(plain, probed, strict=True):
        assert after["status"] == "ok", after["error"]
        assert [point for point in after["curves"] if point[0] != "probe"] == before["curves"]
        curves: dict[str, dict[float, float]] = {}
        for split, _, metric, _, x_name, x, value in after["curves"]:
            if split == "probe":
                assert x_name == "alpha"
                curves.setdefault(metric, {})[x] = value
        ends = ("prune end", "lottery 1 end", "scratch 1 end")
        assert set(curves) == {f"interpolation/{what} from {end}" for what in ("loss", "accuracy") for end in ends}
        here = {curve[1.0] for name, curve in curves.items() if name.startswith("interpolation/loss")}
        assert len(here) == 1, "all lines end in the same network"
        found = {f"{probe}/{moment}/{name}": value for probe, moment, name, value in after["probes"]}
        assert all(found[f"interpolation/trained/barrier from {end}"] >= 0 for end in ends)
        assert found["solution_distances/trained/prune start | lottery 1 start"] == 0.0
        assert found["solution_distances/trained/prune start | start"] == 0.0
        assert found["solution_distances/trained/start | end"] > 0
        own, companion = after["headline"], found["agreement/judged/accuracy of lottery 1 end"]
        assert found["agreement/judged/mean accuracy of lottery"] == pytest.approx((own + companion) / 2)
