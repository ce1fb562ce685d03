"""The spread of outputs by hand, and that of noise through known networks."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from ticketbench import OptionError, Trial
from ticketbench.testing import GivenExamples, GivenNetwork, trial_for
from ticketbench_probes.output_spread import OutputSpread

PROBED = 'recipe = "plain"', 'recipe = "plain"\nprobes = ["output_spread"]'


class Tokens(nn.Module):
    """Reads whole numbers."""

    def __init__(self) -> None:
        super().__init__()
        self.embed = nn.Embedding(5, 2)

    def forward(self, x: Tensor) -> Tensor:
        """A row of a table for each."""
        return self.embed(x.long())


def trial_with(module: nn.Module, inputs: Tensor) -> Trial:
    """A trial of any small network with its own examples."""
    examples = GivenExamples(inputs, torch.zeros(len(inputs), dtype=torch.int64))
    return trial_for(model=GivenNetwork(module), task=examples)


def linear(*rows: tuple[float, ...]) -> nn.Module:
    """A linear layer without bias."""
    module = nn.Sequential(nn.Linear(len(rows[0]), len(rows), bias=False))
    with torch.no_grad():
        module[0].weight.copy_(torch.tensor(rows))
    return module


def test_by_hand():
    """x = 1, 3 through (1, 2): outputs 1, 2, 3, 6 of mean 3 and variance 14/4; by class 1 and 2."""
    trial = trial_with(linear((1.0,), (2.0,)), torch.tensor([[1.0], [3.0]]))
    assert OutputSpread(inputs="training").measure(trial) == pytest.approx({"outputs": 3.5**0.5, "examples": 1.5})


def test_a_constant_output_spreads_over_classes_only():
    """Biases 0 and 2 alone: a deviation of 1 over classes, of 0 over examples."""
    module = nn.Sequential(nn.Linear(1, 2))
    with torch.no_grad():
        module[0].weight.zero_()
        module[0].bias.copy_(torch.tensor([0.0, 2.0]))
    found = OutputSpread().measure(trial_with(module, torch.ones(3, 1)))
    assert found == pytest.approx({"outputs": 1.0, "examples": 0.0})


def test_noise_is_standard_normal_whatever_the_examples():
    """100 inputs of deviation 1 times 0.2: an output of deviation 2, from examples that are all zero."""
    trial = trial_with(linear((0.2,) * 100), torch.zeros(3, 100))
    found = OutputSpread(examples=20_000).measure(trial)
    assert found == pytest.approx({"outputs": 2.0, "examples": 2.0}, rel=0.02)


def test_as_many_inputs_as_asked(monkeypatch):
    """500 of noise in the shape of an input; 2 of 3 examples."""
    trial = trial_with(nn.Sequential(nn.Flatten(), nn.Linear(6, 2)), torch.rand(3, 2, 3))
    seen: list[tuple[int, ...]] = []
    outputs = trial.outputs
    monkeypatch.setattr(trial, "outputs", lambda inputs: (seen.append(tuple(inputs.shape)), outputs(inputs))[1])
    OutputSpread().measure(trial)
    OutputSpread(inputs="training", examples=2).measure(trial)
    assert seen == [(500, 2, 3), (2, 2, 3)]


def test_batch_norm_takes_the_statistics_of_the_inputs():
    """In training mode a normalised output has a deviation of one, whatever came before; nothing is kept of it."""
    trial = trial_with(nn.Sequential(nn.Linear(4, 3), nn.BatchNorm1d(3, affine=False)), torch.zeros(2, 4))
    assert OutputSpread().measure(trial) == pytest.approx({"outputs": 1.0, "examples": 1.0}, rel=1e-3)
    assert int(trial.snapshot().buffers["1.num_batches_tracked"]) == 0


def test_noise_of_tokens_is_refused_with_the_way_out():
    """Whole numbers are no place for noise."""
    trial = trial_with(Tokens(), torch.tensor([[1], [4]]))
    with pytest.raises(OptionError, match=r'noise of torch.int64 inputs.*inputs = "training"'):
        OutputSpread().measure(trial)
    assert OutputSpread(inputs="training").measure(trial)["outputs"] > 0


def test_a_run_compares_the_ticket_with_the_dense_start(tiny_suite, records_of):
    """On the same noise: a dense network spreads alike at both moments, a tenth of it less; training is the same."""
    changes = ('["dense", "magnitude"]', '["dense", "random"]'), ("densities = [0.5]", "densities = [0.1]")
    plain, probed = records_of(tiny_suite(*changes)), records_of(tiny_suite(*changes, PROBED))
    starts = {}
    for record in probed:
        found = {(at, name): value for _, at, name, value in record["probes"]}
        assert {at for at, _ in found} == {"started", "drawn"}
        for name in ("outputs", "examples"):
            start = found["started", name]
            assert start == starts.setdefault((record["seed"], name), start)
            if record["row"] == "dense":
                assert found["drawn", name] == start
        if record["row"] == "random":
            assert found["drawn", "examples"] < 0.5 * found["started", "examples"]
    assert [record["curves"] for record in plain] == [record["curves"] for record in probed]
