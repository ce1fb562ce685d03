"""Singular values of temporal Jacobians: by hand, and against finite differences on the built-in cells."""

from __future__ import annotations

import copy
import math

import numpy as np
import pytest
import torch
from tiny_recurrent import Remembering, Squared, Straight, trial_with
from torch import Tensor, nn

from ticketbench import OptionError, Points, Shapes, TicketError, Trial
from ticketbench_models.recurrent import GRU, LSTM, RNN, Peephole, SequenceModel
from ticketbench_probes.jacobian_spectrum import JacobianSpectrum

EYE = [[1.0, 0.0], [0.0, 1.0]]


@pytest.fixture
def trial(tiny_suite, cells_of, trial_of) -> Trial:
    """Any trial."""
    _, cells = cells_of(tiny_suite())
    return trial_of(cells[0])


def test_by_hand(trial):
    """U = (1 2; 0 0) has the singular values √5 and 0, and U·1 = (3, 0), whatever the examples are."""
    spot = trial_with(Straight(EYE, [[1.0, 2.0], [0.0, 0.0]]), torch.rand(3, 5, 2))
    found = JacobianSpectrum(examples=3, bins=4).measure(spot)
    histogram = found.pop("histogram")
    expected = {"mean": math.sqrt(5) / 2, "largest": math.sqrt(5), "near_zero": 0.5, "chi": 2.5, "chi_ones": 4.5}
    assert found == pytest.approx(expected)
    # bins of width ½; √5 lies beyond 2 and counts in the last one
    assert histogram == Points("singular value", ((0.25, 0.5), (0.75, 0.0), (1.25, 0.0), (1.75, 0.5)))


def test_near_zero_is_strictly_below(trial):
    """Singular values ¼ and ¾: neither below ¼, one below ½, both below 1; in the bins [¼, ½) and [¾, 1)."""
    spot = trial_with(Straight(EYE, [[0.25, 0.0], [0.0, 0.75]]), torch.rand(3, 5, 2))
    shares = [JacobianSpectrum(near=near).measure(spot)["near_zero"] for near in (0.25, 0.5, 1.0)]
    assert shares == [0.0, 0.5, 1.0]
    histogram = JacobianSpectrum(bins=4, reach=1.0).measure(spot)["histogram"]
    assert histogram.values == ((0.125, 0.0), (0.375, 0.5), (0.625, 0.0), (0.875, 0.5))


@pytest.mark.parametrize(("horizon", "mean"), [(1, 0.42), (2, (0.42 + 0.2) / 2)])
def test_the_last_transitions_count(trial, horizon: int, mean: float):
    """h = 0.1, then 0.2 + 0.1², then …: the last J is 2·0.21, the one before it 2·0.1, both in all units."""
    spot = trial_with(Squared(EYE, EYE), torch.tensor([[[0.1, 0.1], [0.2, 0.2], [0.9, 0.9]]]))
    found = JacobianSpectrum(horizon=horizon).measure(spot)
    assert found["mean"] == pytest.approx(mean)
    assert found["chi_ones"] == pytest.approx(found["chi"])  # J is diagonal


def test_every_example_counts(trial):
    """2·h₁ of two examples, 0.1 and 0.3, and of one alone."""
    spot = trial_with(Squared(EYE, EYE), torch.tensor([[[0.1, 0.1], [0.0, 0.0]], [[0.3, 0.3], [0.0, 0.0]]]))
    assert JacobianSpectrum(horizon=1).measure(spot)["mean"] == pytest.approx(0.4)
    assert JacobianSpectrum(horizon=1, examples=1).measure(spot)["mean"] in (pytest.approx(0.2), pytest.approx(0.6))


def test_the_memory_is_held(trial):
    """It passes the state on, five times as large, but not within a step: J = U, 3 and 4 on the diagonal."""
    spot = trial_with(Remembering(EYE, [[3.0, 0.0], [0.0, 4.0]]), torch.rand(2, 5, 2))
    found = JacobianSpectrum().measure(spot)
    assert (found["mean"], found["largest"]) == (pytest.approx(3.5), pytest.approx(4.0))


def test_masked_weights_are_zero(trial):
    """U = (1 2; 3 4) without its first row has the singular values 5 and 0."""
    mask = {"kept": torch.tensor([[False, False], [True, True]])}
    spot = trial_with(Straight(EYE, [[1.0, 2.0], [3.0, 4.0]]), torch.rand(2, 5, 2), mask)
    found = JacobianSpectrum().measure(spot)
    assert (found["largest"], found["near_zero"]) == (pytest.approx(5.0), 0.5)


def differences(module: nn.Module, inputs: Tensor, horizon: int) -> list[np.ndarray]:
    """Every J by central differences, a column at a time, with states from the module's own steps."""
    found = []
    for sequence in inputs:
        carried, states = module.start(1), []
        for features in sequence:
            states.append(carried)
            carried = module.transition(features[None], carried)
        for features, (hidden, *memories) in list(zip(sequence, states, strict=True))[-horizon:]:
            columns = []
            for unit in range(module.hidden):
                nudge = torch.zeros_like(hidden)
                nudge[0, unit] = 1e-6
                up, down = (module.transition(features[None], (hidden + at * nudge, *memories))[0] for at in (1, -1))
                columns.append((up - down)[0].detach().numpy() / 2e-6)
            found.append(np.stack(columns, axis=1))
    return found


@pytest.mark.parametrize("kind", [RNN, LSTM, Peephole, GRU])
def test_built_in_cells_against_finite_differences(trial, kind: type[SequenceModel]):
    """Five units, three examples, the last two transitions of six steps."""
    torch.manual_seed(1)
    module = kind(hidden=5).build(Shapes((6, 3), 2))
    with torch.no_grad():
        for weight in module.parameters():
            weight.normal_(0, 0.7)
    inputs = torch.randn(3, 6, 3)
    spot = trial_with(module, inputs)
    found = JacobianSpectrum(horizon=2).measure(spot)
    jacobians = differences(copy.deepcopy(module).double(), inputs.double(), 2)
    values = np.concatenate([np.linalg.svd(jacobian, compute_uv=False) for jacobian in jacobians])
    ones = np.concatenate([jacobian @ np.ones(5) for jacobian in jacobians])
    assert len(values) == 3 * 2 * 5
    expected = (values.mean(), values.max(), (values**2).mean(), (ones**2).mean())
    assert tuple(found[name] for name in ("mean", "largest", "chi", "chi_ones")) == pytest.approx(expected, rel=1e-6)
    heights, _ = np.histogram(np.minimum(values, 1.999), bins=100, range=(0, 2))
    assert [share for _, share in found["histogram"].values] == pytest.approx(heights / len(values))


def test_too_few_steps_are_said_with_the_way_out(trial):
    """Three steps have two transitions between states of the network; a single step has none."""
    spot = trial_with(Straight(EYE, EYE), torch.rand(2, 3, 2))
    with pytest.raises(OptionError, match=r"cannot look at 4 transitions .* 3 steps, which have 2.*horizon = 2, or "):
        JacobianSpectrum().measure(spot)
    assert JacobianSpectrum(horizon=2).measure(spot)["mean"] == pytest.approx(1.0)
    spot = trial_with(Straight(EYE, EYE), torch.rand(2, 1, 2))
    with pytest.raises(OptionError, match=r"which have 0\. What would work: sequences of 2 steps"):
        JacobianSpectrum(horizon=1).measure(spot)


def test_a_network_without_a_recurrent_layer_is_refused(trial):
    """A perceptron has no steps."""
    with pytest.raises(TicketError, match=r"'jacobian_spectrum' looks into a recurrent layer.*Sequential has none"):
        JacobianSpectrum().measure(trial)


def test_a_run_looks_when_drawn_and_trained_and_disturbs_nothing(tiny_suite, records_of):
    """A GRU on rows of digits: numbers at both moments, a histogram that adds up to one, the same training."""
    changes = (
        ('"blobs"', '"seq_digits"'),
        ('{ name = "mlp", hidden = [8] }', '{ name = "gru", hidden = 6 }'),
        ("seeds = [0, 1]", "seeds = [0]"),
    )
    probed = 'recipe = "plain"', 'recipe = "plain"\nprobes = ["jacobian_spectrum"]'
    plain, found = records_of(tiny_suite(*changes)), records_of(tiny_suite(*changes, probed))
    for before, record in zip(plain, found, strict=True):
        assert record["status"] == "ok", record["reason"]
        moments = {(at, name) for probe, at, name, _ in record["probes"] if probe == "jacobian_spectrum"}
        names = {"mean", "largest", "near_zero", "chi", "chi_ones"}
        assert moments == {(at, name) for at in ("drawn", "trained") for name in names}
        for label in (" drawn", ""):
            shares = [point[6] for point in record["curves"] if point[2] == f"jacobian_spectrum/histogram{label}"]
            assert len(shares) == 100
            assert sum(shares) == pytest.approx(1)
        assert [point for point in record["curves"] if point[0] != "probe"] == before["curves"]
