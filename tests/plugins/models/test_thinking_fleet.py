"""Many deep thinkers by one hand-written pass, against autograd through each of them alone."""

from __future__ import annotations

import pytest
import torch
from on_the_host import NeverWaits
from torch import Tensor, nn
from torch.func import functional_call

from ticketbench import Shapes
from ticketbench_models import thinking, thinking_fleet
from ticketbench_models.dtnet import DTNet1D, DTNet2D, Progressive
from ticketbench_models.feedforward import FeedForward1D

MEMBERS, BATCH, MOST = 2, 2, 4
STRINGS, PICTURES = Shapes((1, 5), 2), Shapes((3, 3, 4), 2)
CALLS = [
    {},
    *(
        {"full": full, "start": start, "steps": steps}
        for full in (False, True)
        for start in range(MOST)
        for steps in range(1, MOST - start + 1)
    ),
]
"""α = 0, and every n and k of four iterations under α = 1 and in between."""
MODELS = [
    pytest.param(make(width=width, iterations=MOST, recall=recall), shapes, id=f"{make.name} {recall=}")
    for make, shapes, width in ((DTNet1D, STRINGS, 5), (DTNet2D, PICTURES, 4))
    for recall in (True, False)
]


def fleet(model: Progressive, shapes: Shapes) -> tuple[nn.Module, dict[str, Tensor], Tensor]:
    """A module for its forward, stacked weights in fp64 that keep thoughts alive, and bits."""
    modules = []
    for seed in range(MEMBERS):
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            modules.append(model.build(shapes).double())
    names = [name for name, _ in modules[0].named_parameters()]
    weights = {name: torch.stack([module.get_parameter(name).detach() for module in modules]) * 2 for name in names}
    bits = torch.randint(0, 2, (MEMBERS, BATCH, *shapes.inputs), generator=torch.Generator().manual_seed(1))
    return modules[0], {name: weight.requires_grad_() for name, weight in weights.items()}, bits.double()


def as_dict(outputs: Tensor | dict[str, Tensor]) -> dict[str, Tensor]:
    """Outputs by name."""
    return outputs if isinstance(outputs, dict) else {"after all": outputs}


def one_by_one(module: nn.Module, weights: dict[str, Tensor], problems: Tensor, call) -> dict[str, Tensor]:
    """What the members give alone."""
    each = [
        as_dict(functional_call(module, {name: weight[at] for name, weight in weights.items()}, (problem,), call))
        for at, problem in enumerate(problems)
    ]
    return {name: torch.stack([outputs[name] for outputs in each]) for name in each[0]}


@pytest.mark.parametrize("together", [1, 3])
@pytest.mark.parametrize(("model", "shapes"), MODELS)
def test_every_pass_equals_the_single_forms(model: Progressive, shapes: Shapes, together: int, monkeypatch):
    """Outputs, and gradients of all weights and of the problems, to the rounding of fp64; without gradients, too."""
    monkeypatch.setattr(thinking, "together_on", lambda device, kept: together)
    monkeypatch.setattr(thinking_fleet, "left_to_vmap", lambda problems, both: False)
    module, weights, problems = fleet(model, shapes)
    problems.requires_grad_()
    forward = model.stacked(module)
    for call in CALLS:
        found, expected = as_dict(forward(weights, {}, problems, **call)), one_by_one(module, weights, problems, call)
        assert found.keys() == expected.keys()
        wanted = [*weights.values(), problems]
        upstream = [torch.randn_like(part) for part in expected.values()]
        mine, theirs = (
            torch.autograd.grad(list(outputs.values()), wanted, upstream, allow_unused=True, materialize_grads=True)
            for outputs in (found, expected)
        )
        for one, other in zip((*found.values(), *mine), (*expected.values(), *theirs), strict=True):
            torch.testing.assert_close(
                one, other, rtol=0, atol=1e-11 * max(1, float(other.detach().abs().max())), msg=str(call)
            )
        with torch.no_grad():
            for name, outputs in as_dict(forward(weights, {}, problems, **call)).items():
                torch.testing.assert_close(outputs, found[name], rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("points", [(1, 3, 7), (5, 2, 5), (4,)], ids=str)
@pytest.mark.parametrize(("model", "shapes"), MODELS)
def test_a_sweep_gives_answers_one_by_one_in_the_order_asked_for(model, shapes, points):
    """Below and beyond the iterations of training."""
    module, weights, problems = fleet(model, shapes)
    answers = model.stacked(module)(weights, {}, problems, **model.sweep_call(points))
    assert iter(answers) is answers
    expected = one_by_one(module, weights, problems, model.sweep_call(points))["after all"]
    for at, answer in enumerate(answers):
        torch.testing.assert_close(answer, expected[:, at], rtol=1e-11, atol=1e-11)
    assert at == len(points) - 1


def test_one_pass_writes_a_graph_of_a_few_nodes():
    """Not of hundreds: autograd sees projection, share, the pass, and two heads."""
    module, weights, problems = fleet(DTNet1D(width=5, iterations=30), STRINGS)
    outputs = DTNet1D(width=5, iterations=30).stacked(module)(weights, {}, problems, full=True, start=7, steps=9)
    waiting, seen = [output.grad_fn for output in outputs.values()], set()
    while waiting:
        node = waiting.pop()
        if node is not None and node not in seen:
            seen.add(node)
            waiting += [following for following, _ in node.next_functions]
    assert len(seen) < 60


@pytest.mark.parametrize(("model", "shapes"), MODELS)
def test_nothing_waits_for_the_device(model, shapes, monkeypatch):
    """Neither a training step nor a sweep reads a number on the host."""
    monkeypatch.setattr(thinking_fleet, "left_to_vmap", lambda problems, both: False)
    module, weights, problems = fleet(model, shapes)
    forward = model.stacked(module)
    with NeverWaits():
        for call in ({"full": True, "start": 1, "steps": 2}, {"full": False, "start": 1, "steps": 2}):
            outputs = forward(weights, {}, problems, **call)
            loss = sum(output.square().mean() for output in outputs.values())
            torch.autograd.grad(loss, list(weights.values()), allow_unused=True)
        answers = [answer.argmax(dim=2) for answer in forward(weights, {}, problems, at=(1, 3))]
    assert len(answers) == 2
    with pytest.raises(AssertionError, match="makes the host wait"), NeverWaits():
        float(problems.sum())


def test_two_dimensions_on_a_cpu_are_left_to_vmap_unless_both_outputs_are_wanted():
    """The result is the same."""
    module, weights, problems = fleet(DTNet2D(width=4, iterations=3), PICTURES)
    assert thinking_fleet.left_to_vmap(problems, both=False)
    assert not thinking_fleet.left_to_vmap(problems, both=True)
    assert not thinking_fleet.left_to_vmap(problems[..., 0], both=False)
    for call in ({}, {"full": False, "start": 1, "steps": 2}):
        found = as_dict(DTNet2D(width=4, iterations=3).stacked(module)(weights, {}, problems, **call))
        for name, expected in one_by_one(module, weights, problems, call).items():
            torch.testing.assert_close(found[name], expected, rtol=1e-11, atol=1e-11)


def test_what_has_a_norm_or_blocks_of_its_own_is_left_to_vmap():
    """It has no pass of its own."""
    for model in (DTNet1D(width=8, norm=True), FeedForward1D(width=4, iterations=2)):
        assert model.stacked(model.build(STRINGS)) is None


def test_more_iterations_than_training_has_are_refused():
    """A training step never asks for them."""
    module, weights, problems = fleet(DTNet1D(width=5, iterations=4), STRINGS)
    with pytest.raises(ValueError, match="3 and 2 iterations are more than the 4 of training"):
        DTNet1D(width=5, iterations=4).stacked(module)(weights, {}, problems, full=True, start=3, steps=2)
