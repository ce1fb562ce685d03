"""An energy of hidden units, against loops over examples, positions and steps."""

from __future__ import annotations

import math

import pytest
import torch
from plain_loop import PlainLoop, given_trial
from torch import nn

from ticketbench import Shapes, unit_chain
from ticketbench.testing import carry_out, check_method, reported_by
from ticketbench_methods.activity import Listener
from ticketbench_methods.chauvin import Chauvin, energies
from ticketbench_models.recurrent import GRU


def test_energies_by_hand():
    """Outputs 1 and −2 of one unit, 0 and 3 of another: squares 1, 4 and 0, 9."""
    said = torch.tensor([[1.0, 0.0], [-2.0, 3.0]])
    assert energies(said, "linear").tolist() == pytest.approx([2.5, 4.5])
    assert energies(said, "logarithmic").tolist() == pytest.approx([(math.log(2) + math.log(5)) / 2, math.log(10) / 2])
    assert energies(said, "saturating").tolist() == pytest.approx([(0.5 + 0.8) / 2, 0.45])


def said_by(module: nn.Module, inputs: torch.Tensor) -> list[torch.Tensor]:
    """What a listener hears."""
    listener = Listener(module, tuple(unit_chain(module)))
    with torch.no_grad():
        return listener.said({name: part.detach() for name, part in module.named_parameters()}, inputs)


def test_a_channel_speaks_at_each_of_its_positions():
    """Two channels of 2×3 behind a ReLU, flattened channel by channel."""
    module = nn.Sequential(
        nn.Unflatten(1, (1, 2, 3)), nn.Conv2d(1, 2, 3, padding=1), nn.ReLU(), nn.Flatten(), nn.Linear(12, 3)
    )
    inputs = torch.randn(4, 6, generator=torch.Generator().manual_seed(0))
    maps = module[:3](inputs).detach()
    (said,) = said_by(module, inputs)
    assert said.shape == (24, 2)
    torch.testing.assert_close(said, maps.movedim(1, -1).reshape(24, 2))


def test_a_recurrent_unit_speaks_at_each_step():
    """Its states after steps 1 to 5, found by the layer's own transition; the read-out reads the last of them."""
    module = GRU(hidden=4).build(Shapes((5, 3), 2))
    inputs = torch.randn(3, 5, 3, generator=torch.Generator().manual_seed(0))
    (said,) = said_by(module, inputs)
    assert said.shape == (15, 4)
    with torch.no_grad():
        assert torch.equal(module.read(said[12:]), module(inputs))
        assert torch.equal(said[:3], module.transition(inputs[:, 0], module.start(3))[0])


def test_batch_norms_take_the_statistics_of_the_examples():
    """Each unit's mean over the examples is the shift, its deviation the scale."""
    module = nn.Sequential(nn.Linear(6, 5), nn.BatchNorm1d(5), nn.Identity(), nn.Linear(5, 3))
    (said,) = said_by(module, 3 + torch.randn(50, 6, generator=torch.Generator().manual_seed(0)))
    torch.testing.assert_close(said.mean(0), torch.zeros(5), rtol=0, atol=1e-5)
    torch.testing.assert_close(said.std(0, correction=0), torch.ones(5), rtol=0, atol=1e-3)


@pytest.mark.parametrize("then", ["finetune", "stop"])
def test_training_and_units_are_those_of_a_plain_loop(then: str):
    """The energy of the first 16 of 24 examples for 12 steps; the four of eight units that spend most stay."""
    trial = given_trial()
    loop = PlainLoop(trial)
    method = Chauvin(strength=0.5, examples=16, then=then)

    def spent(weights):
        said = torch.tanh(loop.inputs[:16] @ weights["0.weight"].T + weights["0.bias"])
        return (said**2 / (1 + said**2)).mean(dim=0)

    for request in method.draw(trial):
        carry_out(trial, request)
    loop.train(12, lambda weights: 0.5 * spent(weights).sum())
    found = spent(loop.weights)
    stays = torch.zeros(8, dtype=torch.bool)
    stays[found.argsort(descending=True)[:4]] = True
    loop.put({"0.weight": stays.view(8, 1).expand(8, 6), "2.weight": stays.expand(3, 8)})
    loop.check(trial)
    gone = float(found[~stays].sum() / found.sum())
    assert [finding[2:] for finding in trial.findings] == [("share of energy", pytest.approx(gone))]
    assert (len(reported_by(trial)), trial.step) == (1, 0 if then == "finetune" else 12)
    assert [Chauvin(then=then).trainings(density) for density in (0.5, 1.0)] == [1 + (then == "finetune"), 1]


def test_the_contract():
    """No more weights than the density says, nothing leaks, and the same alone and in a fleet."""
    check_method(Chauvin())
