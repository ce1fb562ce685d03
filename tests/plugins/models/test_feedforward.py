"""The feed-forward counterparts of deep thinking networks, against a straightforward implementation."""

from __future__ import annotations

import random

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from ticketbench import Shapes
from ticketbench.testing import check_model
from ticketbench_models.dtnet import Progressive
from ticketbench_models.feedforward import FeedForward1D, FeedForward2D

Weights = dict[str, Tensor]
SMALL = {"one": FeedForward1D(width=6, iterations=5), "two": FeedForward2D(width=6, iterations=5)}
INPUTS = {"one": (1, 9), "two": (3, 8, 8)}


def net(model: Progressive) -> nn.Module:
    """The network with PyTorch's initial weights of seed 0, half as large again so that thoughts stay alive."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        module = model.build(Shapes(INPUTS[dimensions(model)], 2)).double()
    with torch.no_grad():
        for weight in module.parameters():
            weight.mul_(1.5)
    return module


def dimensions(model: Progressive) -> str:
    """In words."""
    return "one" if isinstance(model, FeedForward1D) else "two"


def problems(model: Progressive) -> Tensor:
    """Inputs of 0 and 1."""
    source = torch.Generator().manual_seed(1)
    return torch.randint(0, 2, (4, *INPUTS[dimensions(model)]), generator=source).double()


def weights_of(module: nn.Module) -> Weights:
    """The parameters by name."""
    return dict(module.named_parameters())


def conv(weight: Tensor, thought: Tensor) -> Tensor:
    """Kernels of three, the size is kept."""
    return (functional.conv1d if weight.ndim == 3 else functional.conv2d)(thought, weight, padding=1)


def think(weights: Weights, thought: Tensor, problem: Tensor, numbers: range) -> Tensor:
    """The iterations of these numbers, from 0: recall by concatenation without a ReLU, then this iteration's blocks."""
    for number in numbers:
        if "recall.weight" in weights:
            thought = conv(weights["recall.weight"], torch.cat([thought, problem], dim=1))
        for block in (f"blocks.{2 * number}", f"blocks.{2 * number + 1}"):
            inner = torch.relu(conv(weights[f"{block}.conv1.weight"], thought))
            thought = torch.relu(conv(weights[f"{block}.conv2.weight"], inner) + thought)
    return thought


def project(weights: Weights, problem: Tensor) -> Tensor:
    """The first thought."""
    return torch.relu(conv(weights["projection.weight"], problem))


def read(weights: Weights, thought: Tensor) -> Tensor:
    """Three convolutions with ReLU between them."""
    thought = torch.relu(conv(weights["head2.weight"], torch.relu(conv(weights["head1.weight"], thought))))
    return conv(weights["head3.weight"], thought)


@pytest.mark.parametrize(
    ("model", "inputs", "kernels", "kept", "size"),
    [
        # projection, recall, 30 times four convolutions, head; the projection and the end of the head stay dense
        (FeedForward1D(), (1, 32), [400, 401 * 400, *[400**2] * 120, 400**2, 400 * 200, 200 * 2], [400, 400], 3),
        (FeedForward2D(), (3, 24, 24), [384, 131 * 128, *[128**2] * 120, 128 * 32, 256, 16], [384, 256, 16], 9),
        (SMALL["one"], (1, 32), [6, 7 * 6, *[36] * 20, 36, 6 * 3, 6], [6, 6], 3),
        (SMALL["two"], (3, 24, 24), [18, 9 * 6, *[36] * 20, 6 * 32, 256, 16], [18, 256, 16], 9),
    ],
)
def test_the_parameters_by_hand(model: Progressive, inputs: tuple[int, ...], kernels: list[int], kept: list[int], size):
    """Every convolution in order, none with a bias; 58,803,600 and 17,888,400 at the papers' sizes."""
    with torch.device("meta"):
        module = model.build(Shapes(inputs, 2))
    weights = weights_of(module)
    assert [weight.numel() for weight in weights.values()] == [size * kernel for kernel in kernels]
    prunable = sum(weights[name].numel() for name in model.prunable(module))
    assert prunable == size * (sum(kernels) - sum(kept))


def test_the_papers_sizes():
    """As wide and as deep as the recurrent ones."""
    assert FeedForward1D() == FeedForward1D(width=400, iterations=30, recall=True, alpha=1.0, norm=False)
    assert FeedForward2D() == FeedForward2D(width=128, iterations=30, recall=True, alpha=0.01, norm=False)
    counts = []
    for model, inputs in ((FeedForward1D(), (1, 32)), (FeedForward2D(), (3, 24, 24))):
        with torch.device("meta"):
            counts.append(sum(weight.numel() for weight in model.build(Shapes(inputs, 2)).parameters()))
    assert counts == [58_803_600, 17_888_400]


@pytest.mark.parametrize(
    "model", [*SMALL.values(), FeedForward1D(6, 5, recall=False), FeedForward2D(6, 5, recall=False)]
)
def test_the_output_equals_a_straightforward_implementation(model: Progressive):
    """Blocks of its own for every iteration, one recall convolution for all of them."""
    module, problem = net(model), problems(model)
    weights = weights_of(module)
    assert sum(name.startswith("blocks.") for name in weights) == 2 * 2 * 5
    assert len({weight.data_ptr() for weight in weights.values()}) == len(weights)
    assert sum(name.startswith("recall") for name in weights) == model.recall
    expected = read(weights, think(weights, project(weights, problem), problem, range(5)))
    assert float(expected.detach().abs().max()) > 1e-3
    torch.testing.assert_close(module(problem), expected, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("model", SMALL.values(), ids=SMALL)
def test_it_starts_as_the_recurrent_network_of_its_blocks(model: Progressive):
    """With the same two blocks copied to every iteration nothing but the depth is left: a repeated pair of blocks."""
    module, problem = net(model), problems(model)
    weights = weights_of(module)
    with torch.no_grad():
        for name, weight in weights.items():
            if name.startswith("blocks."):
                number = int(name.split(".")[1])
                weight.copy_(weights[name.replace(f"blocks.{number}.", f"blocks.{number % 2}.")])
        thought = project(weights, problem)
        for _ in range(5):
            thought = think(weights, thought, problem, range(1))
        torch.testing.assert_close(module(problem), read(weights, thought), rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("full", [True, False])
@pytest.mark.parametrize(("start", "steps"), [(0, 1), (0, 5), (2, 2), (4, 1)])
@pytest.mark.parametrize("model", SMALL.values(), ids=SMALL)
def test_the_progressive_output_uses_the_blocks_that_come_next(model: Progressive, start: int, steps: int, full: bool):
    """`start` iterations without gradient, then the `steps` after them: value, every gradient, and whose are zero."""
    module, problem = net(model), problems(model)
    outputs = module(problem, full=full, start=start, steps=steps)
    assert list(outputs) == (["full", "progressive"] if full else ["progressive"])
    weights = weights_of(module)
    thought = project(weights, problem)
    if start:
        thought = think(weights, thought, problem, range(start)).detach()
    expected = read(weights, think(weights, thought, problem, range(start, start + steps)))
    torch.testing.assert_close(outputs["progressive"], expected, rtol=1e-10, atol=1e-12)
    mine, theirs = (
        torch.autograd.grad(output.square().sum(), list(weights.values()), allow_unused=True, materialize_grads=True)
        for output in (outputs["progressive"], expected)
    )
    for one, other in zip(mine, theirs, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-9, atol=1e-12)
    moved = {name for name, gradient in zip(weights, mine, strict=True) if bool(gradient.any())}
    used = {f"blocks.{2 * number + at}" for number in range(start, start + steps) for at in (0, 1)}
    assert {name.rsplit(".", 2)[0] for name in moved if name.startswith("blocks.")} == used


@pytest.mark.parametrize("model", SMALL.values(), ids=SMALL)
def test_the_loss_of_a_step(model: Progressive):
    """α of the progressive part and the rest of the full pass, for the n and k that were drawn."""
    module, problem = net(model), problems(model)
    weights = weights_of(module)
    targets = torch.randint(0, 2, (4, *problem.shape[2:]), generator=torch.Generator().manual_seed(2))
    call = model.training_call(random.Random(3))
    loss = model.loss(
        module(problem, **call), targets, problem, lambda out, right, _: functional.cross_entropy(out, right)
    )
    early = think(weights, project(weights, problem), problem, range(call["start"]))
    part = read(weights, think(weights, early, problem, range(call["start"], call["start"] + call["steps"])))
    complete = read(weights, think(weights, project(weights, problem), problem, range(5)))
    parts = [functional.cross_entropy(output, targets) for output in (part, complete)]
    expected = model.alpha * parts[0] + (1 - model.alpha) * parts[1]
    torch.testing.assert_close(loss, expected, rtol=1e-12, atol=0)


@pytest.mark.parametrize("model", SMALL.values(), ids=SMALL)
def test_stacked_members_compute_what_single_ones_do(model: Progressive):
    """With the progressive call of training."""
    check_model(model, Shapes(INPUTS[dimensions(model)], 2))


def test_its_depth_is_its_only_budget(tiny_suite, records_of):
    """Under a protocol that sweeps, each harder task is judged once, at the depth that was trained."""
    path = tiny_suite(
        ('"blobs"', '{ name = "prefix_sums", length = 8, examples = 75, test_examples = 20 }'),
        ('{ name = "mlp", hidden = [8] }', '{ name = "feedforward1d", width = 4, iterations = 3 }'),
        ('"same"', '{ name = "extrapolation", judge_at = [12, 9], sweep_from = 2, sweep_to = 6, sweep_every = 2 }'),
        ("steps = 20", "steps = 2"),
        ("seeds = [0, 1]", "seeds = [0]"),
        ('metric = "accuracy"', 'metric = "bit_accuracy"'),
    )
    for record in records_of(path):
        assert record["status"] == "ok"
        judged = [point for point in record["curves"] if point[0] == "test" and point[2] == "bit_accuracy"]
        assert [(point[1], point[4]) for point in judged] == [("length=12", "density"), ("length=9", "density")]
        assert record["headline"] == judged[0][6]
