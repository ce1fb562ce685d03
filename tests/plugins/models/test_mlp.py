"""Multi-layer perceptrons."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from ticketbench import Shapes
from ticketbench_models.mlp import MLP


def test_300_100_has_the_size_of_the_papers():
    """784-300-100-10: 266,200 weights and 410 biases."""
    parameters = dict(MLP().build(Shapes((1, 28, 28), 10)).named_parameters())
    assert [tuple(part.shape) for part in parameters.values()] == [
        (300, 784),
        (300,),
        (100, 300),
        (100,),
        (10, 100),
        (10,),
    ]
    assert sum(part.numel() for part in parameters.values()) == 266_610
    assert sum(part.numel() for part in parameters.values() if part.ndim == 2) == 266_200


def test_the_weights_are_prunable_and_the_biases_are_not():
    """In the order of the layers."""
    model = MLP(hidden=(4,))
    assert list(model.prunable(model.build(Shapes((2,), 3)))) == ["1.weight", "3.weight"]


def test_without_biases_and_without_hidden_layers():
    """A linear map of six weights, and nothing else."""
    module = MLP(hidden=(), bias=False).build(Shapes((3,), 2))
    assert [tuple(part.shape) for part in module.parameters()] == [(2, 3)]


@pytest.mark.parametrize("bias", [True, False])
def test_the_forward_equals_numpy(bias: bool):
    """Flatten, then W₃·relu(W₂·relu(W₁x + b₁) + b₂) + b₃, with no ReLU after the last."""
    torch.manual_seed(0)
    module = MLP(hidden=(7, 5), bias=bias).build(Shapes((2, 3), 4)).double()
    inputs = torch.randn(9, 2, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    thought = inputs.numpy().reshape(9, 6)
    for at, layer in enumerate([module[1], module[3], module[5]]):
        thought = np.maximum(thought, 0) if at else thought
        thought = thought @ layer.weight.detach().numpy().T
        thought = thought + (layer.bias.detach().numpy() if bias else 0)
    np.testing.assert_allclose(module(inputs).detach().numpy(), thought, rtol=1e-12)
    assert (thought < 0).any()


@pytest.mark.parametrize("bias", [True, False])
def test_the_stacked_forward_equals_single_networks(bias: bool):
    """Three members with weights and inputs of their own, each as if it were alone."""
    model = MLP(hidden=(7, 5), bias=bias)
    modules = [model.build(Shapes((2, 3), 4)).double() for _ in range(3)]
    inputs = torch.randn(3, 9, 2, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    weights = [dict(module.named_parameters()) for module in modules]
    together = {name: torch.stack([one[name].detach() for one in weights]) for name in weights[0]}
    found = model.stacked(modules[0])(together, {}, inputs)
    for member, module in enumerate(modules):
        torch.testing.assert_close(found[member], module(inputs[member]).detach(), rtol=1e-12, atol=1e-14)
