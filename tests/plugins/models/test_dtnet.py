"""The deep thinking network for strings, against a straightforward implementation."""

from __future__ import annotations

import random
from collections import Counter

import pytest
import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn import functional

from ticketbench import Shapes
from ticketbench_models.dtnet import DTNet1D

Weights = dict[str, Tensor]


def net(model: DTNet1D, dtype: torch.dtype = torch.float64) -> nn.Module:
    """The network with PyTorch's initial weights of seed 0, half as large again so that thoughts stay alive."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        module = model.build(Shapes((1, 9), 2)).to(dtype)
    with torch.no_grad():
        for weight in module.parameters():
            weight.mul_(1.5)
    return module


def problems(count: int = 5, length: int = 9, dtype: torch.dtype = torch.float64) -> Tensor:
    """Bit strings as inputs."""
    return torch.randint(0, 2, (count, 1, length), generator=torch.Generator().manual_seed(1)).to(dtype) - 0.5


def think(weights: Weights, thought: Tensor, problem: Tensor, iterations: int) -> Tensor:
    """Recall by concatenation (where there is a recall convolution), then two residual blocks, and again."""
    for _ in range(iterations):
        if "recall.weight" in weights:
            both = torch.cat([thought, problem], dim=1)
            thought = torch.relu(functional.conv1d(both, weights["recall.weight"], padding=1))
        for block in ("blocks.0", "blocks.1"):
            inner = torch.relu(functional.conv1d(thought, weights[f"{block}.conv1.weight"], padding=1))
            thought = torch.relu(functional.conv1d(inner, weights[f"{block}.conv2.weight"], padding=1) + thought)
    return thought


def project(weights: Weights, problem: Tensor) -> Tensor:
    """The first thought."""
    return torch.relu(functional.conv1d(problem, weights["projection.weight"], padding=1))


def read(weights: Weights, thought: Tensor) -> Tensor:
    """Three convolutions with ReLU between them."""
    thought = torch.relu(functional.conv1d(thought, weights["head1.weight"], padding=1))
    thought = torch.relu(functional.conv1d(thought, weights["head2.weight"], padding=1))
    return functional.conv1d(thought, weights["head3.weight"], padding=1)


def progressive(weights: Weights, problem: Tensor, start: int, steps: int) -> Tensor:
    """`start` iterations without gradient, then `steps` with; from the projection itself where `start` is 0."""
    thought = project(weights, problem)
    if start:
        with torch.no_grad():
            thought = think(weights, thought, problem, start)
    return read(weights, think(weights, thought, problem, steps))


def weights_of(module: nn.Module) -> Weights:
    """The parameters by name."""
    return dict(module.named_parameters())


def test_the_parameters_by_hand():
    """Width 6: kernels of 3, 7 inputs to the recall, 3 channels before the last; no bias anywhere."""
    shapes = {name: tuple(weight.shape) for name, weight in net(DTNet1D(width=6)).named_parameters()}
    square = (6, 6, 3)
    assert shapes == {
        "projection.weight": (6, 1, 3),
        "recall.weight": (6, 7, 3),
        "blocks.0.conv1.weight": square,
        "blocks.0.conv2.weight": square,
        "blocks.1.conv1.weight": square,
        "blocks.1.conv2.weight": square,
        "head1.weight": square,
        "head2.weight": (3, 6, 3),
        "head3.weight": (2, 3, 3),
    }


def test_projection_and_last_head_convolution_are_not_prunable():
    """Everything else is; without recall there is one weight less."""
    names = list(weights_of(net(DTNet1D(width=4))))
    assert list(DTNet1D(width=4).prunable(net(DTNet1D(width=4)))) == names[1:-1]
    plain = DTNet1D(width=4, recall=False)
    assert list(plain.prunable(net(plain))) == [name for name in names[1:-1] if name != "recall.weight"]


@pytest.mark.parametrize("recall", [True, False])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_thirty_iterations_equal_a_straightforward_implementation(recall: bool, dtype: torch.dtype):
    """To 1e-5 of the largest output in float32, to 1e-12 in float64."""
    module, problem = net(DTNet1D(width=16, recall=recall), dtype), problems(dtype=dtype)
    weights = weights_of(module)
    with torch.no_grad():
        expected = read(weights, think(weights, project(weights, problem), problem, 30))
        found = module(problem)
    assert expected.shape == (5, 2, 9)
    assert float(expected.abs().max()) > 1e-3
    tolerance = (1e-5 if dtype == torch.float32 else 1e-12) * float(expected.abs().max())
    torch.testing.assert_close(found, expected, rtol=0, atol=tolerance)


def test_strings_of_any_length_are_read():
    """The weights know no length: 21 bits with the network of 9."""
    module, problem = net(DTNet1D(width=8, iterations=12)), problems(length=21)
    weights = weights_of(module)
    expected = read(weights, think(weights, project(weights, problem), problem, 12))
    torch.testing.assert_close(module(problem), expected, rtol=1e-10, atol=1e-12)


def test_a_sweep_equals_separate_runs():
    """Outputs at 1, 4 and 11 iterations out of one pass, beyond the 6 of training."""
    model = DTNet1D(width=8, iterations=6)
    module, problem = net(model), problems()
    weights = weights_of(module)
    swept = module(problem, **model.sweep_call([1, 4, 11]))
    assert swept.shape == (3, 5, 2, 9)
    for at, iterations in enumerate((1, 4, 11)):
        expected = read(weights, think(weights, project(weights, problem), problem, iterations))
        torch.testing.assert_close(swept[at], expected, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("recall", [True, False])
@pytest.mark.parametrize("full", [True, False])
@pytest.mark.parametrize(("start", "steps"), [(0, 1), (0, 6), (2, 3), (5, 1)])
def test_the_progressive_output_is_start_iterations_without_gradient_and_then_steps(
    recall: bool, full: bool, start: int, steps: int
):
    """Output and every weight's gradient equal the two-stage computation, with the full pass beside it or not."""
    module, problem = net(DTNet1D(width=6, iterations=6, recall=recall)), problems()
    outputs = module(problem, full=full, start=start, steps=steps)
    assert list(outputs) == (["full", "progressive"] if full else ["progressive"])
    weights = weights_of(module)
    expected = progressive(weights, problem, start, steps)
    torch.testing.assert_close(outputs["progressive"], expected, rtol=1e-10, atol=1e-12)
    mine, theirs = (
        torch.autograd.grad(output.square().sum(), list(weights.values()), allow_unused=True, materialize_grads=True)
        for output in (outputs["progressive"], expected)
    )
    for name, one, other in zip(weights, mine, theirs, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-9, atol=1e-12, msg=lambda text, name=name: f"{name}: {text}")
    assert bool(mine[0].any()) == (start == 0)  # a detached thought says nothing about the projection


def test_the_full_output_of_a_training_step_is_the_output_after_all_iterations():
    """Value and gradient, whatever the progressive part does."""
    module, problem = net(DTNet1D(width=6, iterations=6)), problems()
    weights = weights_of(module)
    found = module(problem, full=True, start=2, steps=3)["full"]
    expected = read(weights, think(weights, project(weights, problem), problem, 6))
    torch.testing.assert_close(found, expected, rtol=1e-10, atol=1e-12)
    mine, theirs = (torch.autograd.grad(out.square().sum(), list(weights.values())) for out in (found, expected))
    for one, other in zip(mine, theirs, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-9, atol=1e-12)


def test_the_gradient_is_that_of_finite_differences():
    """torch's gradcheck over every weight of a width-2 network, three iterations and the problem's own share."""
    module, problem = net(DTNet1D(width=2, iterations=3)), problems(2, 4)
    names = list(weights_of(module))

    def outputs(*parts: Tensor) -> Tensor:
        return functional_call(module, dict(zip(names, parts, strict=True)), (problem,))

    leaves = tuple(weight.detach().clone().requires_grad_(True) for weight in weights_of(module).values())
    assert torch.autograd.gradcheck(outputs, leaves, eps=1e-6, atol=1e-7, rtol=1e-5)


def cross_entropy(outputs: Tensor, targets: Tensor, inputs: Tensor) -> Tensor:
    """The task's criterion."""
    return functional.cross_entropy(outputs, targets)


@pytest.mark.parametrize("alpha", [0.0, 0.01, 1.0])
def test_the_loss_mixes_the_full_and_the_progressive_one(alpha: float):
    """(1−α)·CE after all iterations + α·CE of n and k iterations, value and gradient, for the drawn n and k."""
    model = DTNet1D(width=6, iterations=6, alpha=alpha)
    module, problem = net(model), problems()
    targets = torch.randint(0, 2, (5, 9), generator=torch.Generator().manual_seed(2))
    call = model.training_call(random.Random(3))
    loss = model.loss(module(problem, **call), targets, problem, cross_entropy)
    weights = weights_of(module)
    complete = functional.cross_entropy(read(weights, think(weights, project(weights, problem), problem, 6)), targets)
    expected = (1 - alpha) * complete
    if alpha:
        part = progressive(weights, problem, call["start"], call["steps"])
        expected = expected + alpha * functional.cross_entropy(part, targets)
    torch.testing.assert_close(loss, expected, rtol=1e-12, atol=0)
    mine, theirs = (
        torch.autograd.grad(value, list(weights.values()), allow_unused=True, materialize_grads=True)
        for value in (loss, expected)
    )
    for one, other in zip(mine, theirs, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-9, atol=1e-13)


def test_what_is_not_needed_is_not_computed():
    """α = 0 asks for the plain forward, α = 1 for no full pass, anything between for both."""
    assert DTNet1D(alpha=0.0).training_call(random.Random(0)) == {}
    assert DTNet1D(alpha=1.0).training_call(random.Random(0))["full"] is False
    assert DTNet1D(alpha=0.01).training_call(random.Random(0))["full"] is True


def test_n_and_k_are_uniform():
    """Of 6,000 draws at 4 iterations n is 0..3 equally often, and k is 1..4−n equally often for each n."""
    draws = random.Random(0)
    calls = [DTNet1D(iterations=4).training_call(draws) for _ in range(6000)]
    pairs = Counter((call["start"], call["steps"]) for call in calls)
    assert set(pairs) == {(n, k) for n in range(4) for k in range(1, 5 - n)}
    for (n, _), count in pairs.items():
        expected = 6000 / 4 / (4 - n)
        assert abs(count - expected) < 5 * expected**0.5


def test_the_papers_sizes_are_the_defaults():
    """Width 400, 30 iterations, recall, and the configurations' α = 1."""
    assert DTNet1D() == DTNet1D(width=400, iterations=30, recall=True, alpha=1.0)
