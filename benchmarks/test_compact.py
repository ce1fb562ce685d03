"""What unit removal is worth: a dense network with zeros against its compacted version, in the same run.

    .venv/bin/python -m pytest benchmarks/test_compact.py

Units are examples through a forward and a backward pass on one thread. Random masks leave most units alive until
very few weights are left; dropping whole units pays at once.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from plain import mlp
from torch import Tensor, nn

from ticketbench import compact, unit_chain

BATCH, STEPS = 60, 40


def lenet() -> nn.Module:
    """Convolutions of 6 and 16 channels, linear layers of 120 and 84."""
    return nn.Sequential(
        nn.Conv2d(1, 6, 5, padding=2),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(6, 16, 5),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Linear(400, 120),
        nn.ReLU(),
        nn.Linear(120, 84),
        nn.ReLU(),
        nn.Linear(84, 10),
    )


def random_mask(module: nn.Module, density: float) -> dict[str, Tensor]:
    """Exactly this share of all matrices and kernels, wherever it falls."""
    weights = {name: part for name, part in module.named_parameters() if part.ndim > 1}
    total = sum(part.numel() for part in weights.values())
    flat = torch.zeros(total, dtype=torch.bool)
    flat[torch.randperm(total)[: round(density * total)]] = True
    pieces = flat.split([part.numel() for part in weights.values()])
    return {name: piece.view(part.shape) for (name, part), piece in zip(weights.items(), pieces, strict=True)}


def filter_mask(module: nn.Module, share: float) -> dict[str, Tensor]:
    """The first units of every layer that may be shrunk."""
    masks = {name: torch.ones_like(part, dtype=torch.bool) for name, part in module.named_parameters() if part.ndim > 1}
    for link in unit_chain(module):
        count = max(1, round(share * len(masks[link.producer])))
        masks[link.producer][count:] = False
        masks[link.consumer][:, count * link.positions :] = False
    return masks


def held(module: nn.Module, inputs: Tensor) -> int:
    """Bytes of parameters, their gradients, and what a forward keeps for the backward pass."""
    kept: dict[int, int] = {}

    def note(tensor: Tensor) -> Tensor:
        kept[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage().nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(note, lambda tensor: tensor):
        module(inputs)
    parameters = {
        part.untyped_storage().data_ptr(): 2 * part.untyped_storage().nbytes() for part in module.parameters()
    }
    return sum((kept | parameters).values())


def passes(module: nn.Module, inputs: Tensor) -> Callable[[], int]:
    """Forward and backward passes."""

    def work() -> int:
        for _ in range(STEPS):
            module(inputs).square().sum().backward()
        return STEPS * len(inputs)

    return work


@pytest.mark.benchmark(group="compaction")
@pytest.mark.parametrize(
    ("build", "shape"), [(mlp, (784,)), (lenet, (1, 28, 28))], ids=["784-300-100-10", "6-16-120-84"]
)
def test_compacted(benchmark, side_by_side, capsys, build: Callable[[], nn.Module], shape: tuple[int, ...]):
    """Dense with zeros against compacted: random masks at 10, 2 and 1 %, and a quarter of the units of each layer."""
    torch.set_num_threads(1)
    torch.manual_seed(0)
    module, inputs = build(), torch.randn(BATCH, *shape)
    masks = {f"random, {density:.0%}": random_mask(module, density) for density in (0.1, 0.02, 0.01)}
    masks["a quarter of the units"] = filter_mask(module, 0.25)
    networks = {"dense with zeros": module}
    networks |= {name: compact(module, mask, fold=False).module for name, mask in masks.items()}
    rates = side_by_side(
        f"{'-'.join(map(str, shape))} inputs, batch {BATCH}; examples",
        {name: passes(network, inputs) for name, network in networks.items()},
        rounds=9,
    )
    bytes_held = {name: held(network, inputs) for name, network in networks.items()}
    benchmark.extra_info.update(rates, bytes=bytes_held)
    benchmark.pedantic(passes(networks["a quarter of the units"], inputs), rounds=1)
    with capsys.disabled():
        for name, size in bytes_held.items():
            units = [len(part) for part in networks[name].parameters() if part.ndim > 1]
            print(f"  {name:58} {size / 1e6:8.2f} MB   units {units}")
