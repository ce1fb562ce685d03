"""The Hessian's spectrum by hand, by finite differences of gradients, and by Lanczos against the exact one."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn import functional

from ticketbench import Points, Trial
from ticketbench.testing import GivenExamples, GivenNetwork, trial_for
from ticketbench_probes.hessian import Hessian

NETWORKS: dict[str, Callable[[], nn.Module]] = {
    "tanh": lambda: nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 2)),
    "relu": lambda: nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 2)),
    "norm": lambda: nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Tanh(), nn.Linear(4, 2)),
    "pooled": lambda: nn.Sequential(
        nn.Unflatten(1, (1, 3)), nn.Conv1d(1, 4, 2), nn.ReLU(), nn.MaxPool1d(2), nn.Flatten(), nn.Linear(4, 2)
    ),
}


def trial_with(module: nn.Module, inputs: Tensor, targets: Tensor, prune: bool = True) -> Trial:
    """A trial of any small network with its own examples; a place in ten or so is pruned."""
    made = trial_for(model=GivenNetwork(module), task=GivenExamples(inputs, targets))
    mask = made.mask
    for part in mask.values():
        part.view(-1)[3::10] = not prune
    made.set_mask(mask)
    return made


def drawn(kind: str, examples: int = 6) -> tuple[nn.Module, Tensor, Tensor]:
    """A network with large weights and some examples, in float64."""
    with torch.random.fork_rng():
        torch.manual_seed(5)
        module = NETWORKS[kind]().double()
        for weight in module.parameters():
            nn.init.normal_(weight)
        return module, torch.randn(examples, 3, dtype=torch.float64), torch.randint(0, 2, (examples,))


def finite_differences(trial: Trial, module: nn.Module, inputs: Tensor, targets: Tensor, biases: bool) -> np.ndarray:
    """The Hessian from central differences of gradients, a live weight at a time, in training mode."""
    mask = trial.mask
    start = {name: part.clone() for name, part in trial.parameters.items()}
    places = [
        (name, place)
        for name, part in start.items()
        for place in range(part.numel())
        if (mask[name].flatten()[place] if name in mask else biases)
    ]

    def gradient(at: tuple[str, int], step: float) -> np.ndarray:
        leaves = {name: part.clone() for name, part in start.items()}
        leaves[at[0]].view(-1)[at[1]] += step
        for leaf in leaves.values():
            leaf.requires_grad_(True)
        buffers = {name: part.clone() for name, part in module.named_buffers()}
        outputs = functional_call(module.train(), {**leaves, **buffers}, (inputs,))
        functional.cross_entropy(outputs, targets).backward()
        return np.array([float(leaves[name].grad.view(-1)[place]) for name, place in places])

    step = 1e-5
    return np.array([(gradient(at, step) - gradient(at, -step)) / (2 * step) for at in places])


def test_one_layer_by_hand():
    """x = (2, 1), equal logits: H = ((¼, −¼), (−¼, ¼)) ⊗ xxᵀ has the eigenvalue ½·5 once and 0 three times."""
    module = nn.Sequential(nn.Linear(2, 2, bias=False))
    nn.init.ones_(module[0].weight)
    trial = trial_with(module, torch.tensor([[2.0, 1.0]]), torch.tensor([0]), prune=False)
    found = Hessian().measure(trial)
    assert found["largest"] == pytest.approx(2.5, rel=1e-12)
    assert found["smallest"] == pytest.approx(0, abs=1e-12)
    assert found["trace"] == pytest.approx(2.5, rel=1e-12)
    assert (found["weights"], found["negative"]) == (4, 0)


@pytest.mark.parametrize("biases", [False, True])
@pytest.mark.parametrize("kind", NETWORKS)
def test_exact_equals_finite_differences_of_gradients(kind: str, biases: bool):
    """Every number and the density, over live weights alone or with all that is never pruned."""
    case = drawn(kind)
    trial = trial_with(*case)
    matrix = finite_differences(trial, *case, biases)
    np.testing.assert_allclose(matrix, matrix.T, atol=1e-8)
    values = np.linalg.eigvalsh((matrix + matrix.T) / 2)
    found = Hessian(biases=biases).measure(trial)
    largest = abs(values).max()
    assert found["weights"] == len(values)
    assert found["largest"] == pytest.approx(values.max(), abs=1e-8 * largest)
    assert found["smallest"] == pytest.approx(values.min(), abs=1e-8 * largest)
    assert found["trace"] == pytest.approx(values.sum(), abs=1e-7 * largest)
    assert found["negative"] == pytest.approx((values < -1e-8 * largest).mean())
    low, high = values.min(), values.max()
    sigma = 0.01 * (high - low)
    assert isinstance(found["density"], Points)
    grid, heights = np.array(found["density"].values).T
    np.testing.assert_allclose(grid, np.linspace(low - 4 * sigma, high + 4 * sigma, 200), atol=1e-6 * largest)
    bells = np.exp(-(((grid[:, None] - values) / sigma) ** 2) / 2) / (sigma * math.sqrt(2 * math.pi))
    np.testing.assert_allclose(heights, bells.mean(1), rtol=1e-4, atol=1e-4 * heights.max())


def test_a_saddle_has_negative_eigenvalues():
    """The tanh network with random labels; what the finite differences say is not all positive."""
    found = Hessian().measure(trial_with(*drawn("tanh")))
    assert found["smallest"] < -1e-3
    assert 0 < found["negative"] < 1


@pytest.mark.parametrize(("exact_up_to", "rel"), [(100, 1e-3), (0, 1e-3)])
def test_the_density_has_an_area_of_one_and_the_mean_of_the_eigenvalues(exact_up_to: int, rel: float):
    """Exact, and by the shares of Lanczos: ∫ρ = 1 and ∫λρ = trace / n."""
    found = Hessian(exact_up_to=exact_up_to, width=0.02).measure(trial_with(*drawn("tanh")))
    assert found["density"].x_name == "eigenvalue"
    grid, heights = np.array(found["density"].values).T
    assert np.trapezoid(heights, grid) == pytest.approx(1, rel=rel)
    assert np.trapezoid(grid * heights, grid) == pytest.approx(found["trace"] / found["weights"], rel=rel)


def moments_of(density: Points) -> list[float]:
    """∫λᵏρ for k from 0 to 4."""
    grid, heights = np.array(density.values).T
    return [float(np.trapezoid(heights * grid**power, grid)) for power in range(5)]


def test_lanczos_agrees_with_the_exact_spectrum_of_a_larger_network():
    """1,900 live weights of float32: outermost eigenvalues, trace and second moment of the density."""
    with torch.random.fork_rng():
        torch.manual_seed(8)
        module = nn.Sequential(nn.Linear(20, 50), nn.Tanh(), nn.Linear(50, 20), nn.ReLU(), nn.Linear(20, 6))
        inputs, targets = torch.randn(100, 20), torch.randint(0, 6, (100,))
    trial = trial_with(module, inputs, targets)
    exact = Hessian(examples=100, exact_up_to=2000, width=0.02).measure(trial)
    starts = 20
    found = Hessian(examples=100, exact_up_to=0, iterations=50, starts=starts, width=0.02).measure(trial)
    assert found["weights"] == exact["weights"] == 1908
    assert "negative" not in found
    assert found["largest"] == pytest.approx(exact["largest"], rel=1e-9)
    assert found["smallest"] == pytest.approx(exact["smallest"], rel=1e-6)
    true, seen = moments_of(exact["density"]), moments_of(found["density"])
    assert seen[0] == pytest.approx(true[0], rel=1e-6)
    for power in (1, 2):  # vᵀAᵏv of a random unit vector has a variance of 2·tr(A²ᵏ) / n² about tr(Aᵏ) / n
        assert seen[power] == pytest.approx(true[power], abs=3 * math.sqrt(2 * true[2 * power] / 1908 / starts))
    assert found["trace"] / 1908 == pytest.approx(seen[1], rel=1e-3)


def test_a_network_without_weights_and_one_with_a_single_one():
    """Nothing to measure; one eigenvalue x²/4 = 1, which has no density."""
    module = nn.Sequential(nn.Linear(1, 2, bias=False))
    nn.init.zeros_(module[0].weight)
    trial = trial_with(module, torch.tensor([[2.0]]), torch.tensor([1]), prune=False)
    trial.set_mask({"0.weight": torch.tensor([[True], [False]])})
    for exact_up_to in (0, 1):
        found = Hessian(exact_up_to=exact_up_to).measure(trial)
        assert (found["weights"], found["largest"], found["smallest"]) == pytest.approx((1, 1, 1))
        assert found["trace"] == pytest.approx(1)
        assert "density" not in found
        assert ("negative" in found) is (exact_up_to == 1)
    trial.set_mask({"0.weight": torch.zeros(2, 1, dtype=torch.bool)})
    assert Hessian().measure(trial) == {"weights": 0.0}


def test_as_many_examples_as_asked(monkeypatch):
    """Three of thirty; all of them when more are asked for than there are."""
    trial = trial_with(*drawn("tanh", examples=30))
    seen: list[int] = []
    outputs = trial.outputs
    monkeypatch.setattr(trial, "outputs", lambda inputs, *rest: (seen.append(len(inputs)), outputs(inputs, *rest))[1])
    Hessian(examples=3).measure(trial)
    Hessian().measure(trial)
    assert seen == [3, 30]


@pytest.mark.parametrize("exact_up_to", [0, 100])
def test_a_linear_loss_has_no_curvature(monkeypatch, exact_up_to: int):
    """The mean of the outputs of one layer: all eigenvalues are zero."""
    trial = trial_with(nn.Sequential(nn.Linear(3, 2)), torch.rand(4, 3), torch.zeros(4, dtype=torch.int64))
    monkeypatch.setattr(trial, "criterion", lambda outputs, batch: outputs.mean())
    found = Hessian(exact_up_to=exact_up_to).measure(trial)
    numbers = {"weights": 5.0, "largest": 0.0, "smallest": 0.0, "trace": 0.0}
    assert found == numbers | ({"negative": 0.0} if exact_up_to else {})


def test_the_network_and_its_statistics_are_left_alone():
    """Parameters, buffers and mask, bit for bit, and no gradient is asked of them."""
    trial = trial_with(*drawn("norm"))
    before = (trial.parameters, trial.snapshot().buffers, trial.mask)
    Hessian(biases=True).measure(trial)
    for state, copy_of in zip((trial.parameters, trial.snapshot().buffers, trial.mask), before, strict=True):
        assert all(torch.equal(part, copy_of[name]) for name, part in state.items())
    assert not any(part.requires_grad for part in trial.parameters.values())


def test_a_run_looks_at_the_moments_it_is_asked_for(tiny_suite, records_of):
    """Before and after the mask is drawn, exactly or by Lanczos, with the same training as without it."""
    rows = '["dense", "magnitude"]', '["magnitude"]'
    wish = '{ name = "hessian", moments = ["masked", "trained"], examples = 20, exact_up_to = 40, points = 3 }'
    plain = records_of(tiny_suite(rows))
    probed = records_of(tiny_suite(rows, ('recipe = "plain"', f'recipe = "plain"\nprobes = [{wish}]')))
    for one, other in zip(plain, probed, strict=True):
        seen = [point for point in other["curves"] if point[0] == "probe"]
        assert one["curves"] == [point for point in other["curves"] if point[0] != "probe"]
        weights = {metric: value for _, _, metric, _, _, _, value in seen if "/weights" in metric}
        assert weights["hessian/weights before"] == 2 * weights["hessian/weights after"]
        lines = {metric: x_name for _, _, metric, _, x_name, _, _ in seen if "density" in metric}
        assert len(lines) == 3
        assert set(lines.values()) == {"eigenvalue"}
        assert {at for _, at, _, _ in other["probes"]} == {"trained"}
