"""Recurrent networks of seven units in float64, and the masks that take whole units out of them, for tests."""

from __future__ import annotations

import copy
from collections.abc import Sequence

import torch
from recurrences import KINDS, network, sequences
from torch import Tensor, nn

from ticketbench import Shapes
from ticketbench_models.language_model import LanguageModel

UNITS, WORDS = 7, 6
NETWORKS = (*KINDS, "language lstm", "language gru")
GATES = {"rnn": 1, "lstm": 4, "peephole": 4, "gru": 3, "language lstm": 4, "language gru": 3}
READ_OUT = "read_out.weight"

Mask = dict[str, Tensor]


def built(kind: str, seed: int = 1) -> nn.Module:
    """A network with random biases."""
    if kind in KINDS:
        return network(kind, UNITS, seed)
    cell = kind.removeprefix("language ")
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        module = LanguageModel(cell=cell, hidden=UNITS, embedding=2).build(Shapes((5,), WORDS)).double()  # type: ignore[arg-type]
        nn.init.normal_(module.bias)
        nn.init.normal_(module.read_out.bias)
    return module


def examples(kind: str) -> Tensor:
    """A batch of sequences of numbers, or of words."""
    if kind in KINDS:
        return sequences()
    return torch.randint(0, WORDS, (4, 5), generator=torch.Generator().manual_seed(3))


def layer_masks(module: nn.Module) -> Mask:
    """Full masks of the weights of the layer."""
    own = dict(module.named_parameters())
    return {name: torch.ones_like(own[name], dtype=torch.bool) for name in module.layer.values()}


def without(module: nn.Module, mask: Mask, gone: Sequence[int]) -> Mask:
    """A mask less a row of each gate, and less the columns that read states; entry by entry."""
    smaller = copy.deepcopy(mask)
    for role, name in module.layer.items():
        for unit in gone:
            for gate in range(len(module.gates)):
                smaller[name][gate * module.hidden + unit, :] = False
            if role != "input":
                smaller[name][:, unit] = False
    return smaller


def silenced(module: nn.Module, gone: Sequence[int]) -> nn.Module:
    """A copy without the biases of some units, and without what the read-out reads of them."""
    silent = copy.deepcopy(module)
    with torch.no_grad():
        for unit in gone:
            silent.bias.view(len(module.gates), -1)[:, unit] = 0
            silent.read_out.weight[:, unit] = 0
    return silent


def masked(module: nn.Module, mask: Mask) -> nn.Module:
    """The network that a mask means."""
    copied = copy.deepcopy(module)
    with torch.no_grad():
        for name, part in mask.items():
            copied.get_parameter(name).mul_(part)
    return copied
