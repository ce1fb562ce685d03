"""Gradient flow by hand and by finite differences in NumPy."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from ticketbench import Shapes, Trial
from ticketbench.testing import GivenExamples, GivenNetwork, trial_for
from ticketbench_models.mlp import MLP
from ticketbench_probes.gradient_flow import GradientFlow

PROBED = 'recipe = "plain"', 'recipe = "plain"\nprobes = [{ name = "gradient_flow", examples = 7, every = 5 }]'


class Spare(nn.Module):
    """One of two layers is not read."""

    def __init__(self) -> None:
        super().__init__()
        self.spare, self.read = nn.Linear(3, 2), nn.Linear(3, 2)

    def forward(self, x: Tensor) -> Tensor:
        """The other one."""
        return self.read(x)


def by_hand(inputs: Tensor, targets: Tensor) -> Trial:
    """A network of which x = (1, 2) makes (1, 1) and then logits of 0."""
    module = MLP(hidden=(2,)).build(Shapes((2,), 2))
    weights = {"1.weight": torch.tensor([[1.0, 0.0], [0.5, 0.25]]), "1.bias": torch.zeros(2)}
    module.load_state_dict(weights | {"3.weight": torch.tensor([[1.0, -1.0], [2.0, -2.0]]), "3.bias": torch.zeros(2)})
    return trial_for(model=GivenNetwork(module), task=GivenExamples(inputs, targets))


@pytest.fixture
def trial() -> Trial:
    """x = (1, 2), hidden (1, 1), both logits 0: the error of target 0 is (−½, ½)."""
    return by_hand(torch.tensor([[1.0, 2.0]]), torch.tensor([0]))


def trial_with(module: nn.Module, inputs: Tensor, targets: Tensor) -> Trial:
    """A trial of any small network in float64, with its own examples."""
    return trial_for(model=GivenNetwork(module.double()), task=GivenExamples(inputs, targets))


def test_by_hand(trial):
    """∂L/∂W₂ = (−½, ½)ᵀ(1, 1) and ∂L/∂W₁ = (½, −½)ᵀ(1, 2): 4·¼ + ¼ + 1 + ¼ + 1 = 3.5."""
    root = math.sqrt(3.5)
    expected = {"total": 3.5, "dense": 3.5, "norm": root, "dense_norm": root}
    assert GradientFlow().measure(trial) == pytest.approx(expected)


def test_what_is_pruned_counts_for_dense_only(trial):
    """The pruned weight was zero, so the function is the same; its squared gradient is 1."""
    mask = trial.mask
    mask["1.weight"][0, 1] = False
    trial.set_mask(mask)
    found = GradientFlow(per_tensor=True).measure(trial)
    assert found == pytest.approx(
        {
            "total": 2.5,
            "dense": 3.5,
            "norm": math.sqrt(2.5),
            "dense_norm": math.sqrt(3.5),
            "total 1.weight": 1.5,
            "dense 1.weight": 2.5,
            "norm 1.weight": math.sqrt(1.5),
            "dense_norm 1.weight": math.sqrt(2.5),
            "total 3.weight": 1.0,
            "dense 3.weight": 1.0,
            "norm 3.weight": 1.0,
            "dense_norm 3.weight": 1.0,
        }
    )


def test_biases_count_on_request(trial):
    """∂L/∂b₂ = (−½, ½), ∂L/∂b₁ = W₂ᵀ(−½, ½) = (½, −½): ½ each."""
    found = GradientFlow(biases=True, per_tensor=True).measure(trial)
    assert found["total"] == found["dense"] == pytest.approx(4.5)
    assert found["total 1.bias"] == found["dense 3.bias"] == pytest.approx(0.5)


def test_the_gradient_is_that_of_the_mean_over_the_examples():
    """Both targets for the same input cancel; three of one and one of the other leave half of the error."""
    inputs = torch.tensor([[1.0, 2.0]])
    trial = by_hand(inputs.repeat(2, 1), torch.tensor([0, 1]))
    assert GradientFlow().measure(trial)["total"] == pytest.approx(0.0)
    trial = by_hand(inputs.repeat(4, 1), torch.tensor([0, 0, 1, 0]))
    assert GradientFlow().measure(trial)["total"] == pytest.approx(3.5 / 4)


def test_as_many_examples_as_asked(monkeypatch):
    """Three of thirty; all of them when more are asked for than there are."""
    trial = by_hand(torch.ones(30, 2), torch.zeros(30, dtype=torch.int64))
    seen: list[int] = []
    outputs = trial.outputs
    monkeypatch.setattr(trial, "outputs", lambda inputs, *rest: (seen.append(len(inputs)), outputs(inputs, *rest))[1])
    GradientFlow(examples=3).measure(trial)
    GradientFlow().measure(trial)
    assert seen == [3, 30]


def test_finite_differences_of_a_norm_in_training_mode():
    """Linear, batch norm by the statistics of the examples, tanh, linear, cross-entropy: all of it in NumPy."""
    random = np.random.default_rng(3)
    first, second = random.normal(size=(4, 3)), random.normal(size=(2, 4))
    inputs, targets = random.normal(size=(6, 3)), np.array([0, 1, 1, 0, 1, 0])
    module = nn.Sequential(
        nn.Linear(3, 4, bias=False), nn.BatchNorm1d(4), nn.Tanh(), nn.Linear(4, 2, bias=False)
    ).double()
    with torch.no_grad():
        module[0].weight.copy_(torch.from_numpy(first))
        module[3].weight.copy_(torch.from_numpy(second))
    first[1, 2] = second[0, 3] = 0.0

    def loss(flat: np.ndarray) -> float:
        hidden = inputs @ flat[:12].reshape(4, 3).T
        hidden = (hidden - hidden.mean(0)) / np.sqrt(hidden.var(0) + 1e-5)
        logits = np.tanh(hidden) @ flat[12:].reshape(2, 4).T
        return float(np.mean(np.log(np.exp(logits).sum(1)) - logits[np.arange(6), targets]))

    point, step = np.concatenate([first.ravel(), second.ravel()]), 1e-5
    slope = [(loss(point + step * unit) - loss(point - step * unit)) / (2 * step) for unit in np.eye(len(point))]
    live = point != 0
    trial = trial_with(module, torch.from_numpy(inputs), torch.from_numpy(targets))
    mask = trial.mask
    mask["0.weight"][1, 2] = mask["3.weight"][0, 3] = False
    trial.set_mask(mask)
    found = GradientFlow().measure(trial)
    assert found["dense"] == pytest.approx(np.square(slope).sum(), rel=1e-8)
    assert found["total"] == pytest.approx(np.square(slope)[live].sum(), rel=1e-8)
    assert int(trial.snapshot().buffers["1.num_batches_tracked"]) == 0
    assert bool((trial.snapshot().buffers["1.running_mean"] == 0).all())


def test_a_layer_that_the_loss_does_not_read_counts_as_zero():
    """The sum over both is that of the one that is read."""
    trial = trial_with(Spare(), torch.ones(4, 3, dtype=torch.float64), torch.tensor([0, 1, 1, 1]))
    found = GradientFlow(per_tensor=True).measure(trial)
    assert found["total spare.weight"] == 0.0
    assert found["total"] == found["total read.weight"] > 0


def test_it_looks_every_so_often_from_the_start_to_the_end():
    """Steps 0, 5, 10 of ten; none without `every`."""
    assert list(GradientFlow(every=5).steps(10)) == [0, 5, 10]
    assert list(GradientFlow(every=4).steps(10)) == [0, 4, 8]
    assert list(GradientFlow().steps(10)) == []


def curve(record: dict, metric: str) -> list[tuple[float, float]]:
    """(x, value) of what the probe measured along steps."""
    return [(x, value) for split, _, name, _, _, x, value in record["curves"] if (split, name) == ("probe", metric)]


def test_the_examples_are_the_same_at_every_look(tiny_suite, records_of):
    """With a learning rate too small to move a weight, nothing changes over training."""
    path = tiny_suite(PROBED, ("learning_rate = 1e-2", "learning_rate = 1e-30"))
    for record in records_of(path):
        found = curve(record, "gradient_flow/total")
        assert [x for x, _ in found] == [0, 5, 10, 15, 20]
        assert len({value for _, value in found}) == 1
        at = {moment: value for _, moment, name, value in record["probes"] if name == "total"}
        assert at == {"drawn": found[0][1], "trained": found[0][1]}


def test_a_run_sees_the_change_of_the_mask(tiny_suite, records_of):
    """One-shot pruning: dense and total agree before it, not after it, where the ticket is drawn."""
    dense, pruned = sorted(records_of(tiny_suite(PROBED), seeds=1), key=lambda record: record["row"])
    assert curve(dense, "gradient_flow/total before") == curve(dense, "gradient_flow/total after") == []
    (before,) = curve(pruned, "gradient_flow/total before")
    (after,) = curve(pruned, "gradient_flow/total after")
    assert curve(pruned, "gradient_flow/dense before") == [before]
    assert before[0] == after[0] == 0
    assert 0 < after[1] < curve(pruned, "gradient_flow/dense after")[0][1]
    at = {(moment, name): value for _, moment, name, value in pruned["probes"]}
    assert at["drawn", "total"] == after[1]
    assert curve(dense, "gradient_flow/total")[0][1] == before[1]


def test_probing_does_not_change_the_training(tiny_suite, records_of):
    """With and without the probe: the same curves to the last bit."""
    plain, probed = records_of(tiny_suite()), records_of(tiny_suite(PROBED))
    for one, other in zip(plain, probed, strict=True):
        assert one["curves"] == [point for point in other["curves"] if point[0] != "probe"]
        assert one["headline"] == other["headline"]
