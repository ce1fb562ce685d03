"""A recurrent layer is linked with its read-out where both are certain, and nowhere else."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from smaller_recurrent import GATES, NETWORKS, UNITS, built
from tiny_recurrent import Blocks, Straight
from torch import Tensor, nn

from ticketbench import Link, unit_chain


@pytest.mark.parametrize("kind", NETWORKS)
def test_every_recurrent_model_has_one_link(kind: str):
    """From the input's weights to the read-out; what reads states loops, and the states that are carried go along."""
    peephole = ("from_peephole",) if kind == "peephole" else ()
    states = {"language lstm": ("carried_hidden", "carried_memory"), "language gru": ("carried_hidden",)}
    loops = ("from_hidden", *peephole)
    expected = Link("from_input", "read_out.weight", gates=GATES[kind], loops=loops, states=states.get(kind, ()))
    assert unit_chain(built(kind)) == (expected,)
    assert expected.makers == ("from_input", *loops)
    assert expected.readers == {"read_out.weight": 1, **dict.fromkeys(loops, 1)}
    assert expected.units(GATES[kind] * UNITS) == UNITS


class Read(Straight):
    """Two units and a linear read-out of them."""

    def __init__(self) -> None:
        super().__init__([[1.0], [2.0]], [[0.5, 0.0], [0.0, 0.5]])
        self.full, self.other = nn.Linear(2, 3), nn.Linear(2, 3)

    def read(self, hidden: Tensor) -> Tensor:
        """One layer."""
        return self.full(hidden)


class Twice(Read):
    """Two layers read the states."""

    def read(self, hidden: Tensor) -> Tensor:
        """Their sum."""
        return self.full(hidden) + self.other(hidden)


class Direct(Read):
    """The states go to the outputs, too."""

    def read(self, hidden: Tensor) -> Tensor:
        """A layer and the mean."""
        return self.full(hidden) + hidden.mean(dim=-1, keepdim=True)


class Mixed(Read):
    """Units meet before the read-out."""

    def read(self, hidden: Tensor) -> Tensor:
        """Squashed together."""
        return self.full(torch.softmax(hidden, dim=-1))


class Looking(Read):
    """The read-out looks at its data."""

    def read(self, hidden: Tensor) -> Tensor:
        """One layer or none."""
        return self.full(hidden) if hidden.sum() > 0 else hidden


class Again(Read):
    """The read-out's weight is used once more."""

    def read(self, hidden: Tensor) -> Tensor:
        """As a penalty."""
        return self.full(hidden) + self.full.weight.sum()


def changed(change: Callable[[Read], object]) -> Read:
    """A network that would have a link, after a change; it has weights to spare."""
    module = Read()
    module.second, module.third = nn.Parameter(torch.ones(2, 2)), nn.Parameter(torch.ones(2, 2))
    change(module)
    for name in {"second", "third"} - {*module.layer.values()}:
        delattr(module, name)
    return module


REFUSED: dict[str, nn.Module] = {
    "no read-out": Straight([[1.0]], [[1.0]]),
    "two gates and no read-out": Blocks(),
    "two readers": Twice(),
    "states in the outputs": Direct(),
    "mixed units": Mixed(),
    "looks at data": Looking(),
    "a weight used twice": Again(),
    "a hooked read-out": changed(lambda own: own.full.register_forward_hook(lambda layer, inputs, outputs: outputs)),
    "a shared read-out": changed(lambda own: setattr(own.other, "weight", own.full.weight)),
    "an unknown parameter": changed(lambda own: own.register_parameter("scale", nn.Parameter(torch.ones(2)))),
    "a bias of another size": changed(lambda own: own.register_parameter("bias", nn.Parameter(torch.ones(3)))),
    "a buffer of another size": changed(lambda own: own.register_buffer("steps", torch.zeros(()))),
    "a weight in two roles": changed(lambda own: own.layer.update(peephole="kept")),
    "an unknown role": changed(lambda own: own.layer.update(peephole="second", context="third")),
    "no loop": changed(lambda own: own.layer.pop("hidden")),
    "a shared weight": changed(lambda own: own.other.register_parameter("again", own.kept)),
    "other rows": changed(lambda own: setattr(own, "gates", ("one", "two"))),
}


@pytest.mark.parametrize("module", REFUSED.values(), ids=REFUSED.keys())
def test_what_is_not_certain_is_no_link(module: nn.Module):
    """Another reader, another tensor that may hold units, or a weight that someone shares."""
    assert unit_chain(module) == ()


def test_a_strangers_layer_is_linked():
    """Without a bias, with one, and with a state that is carried."""
    assert unit_chain(Read()) == (Link("taken", "full.weight", loops=("kept",)),)
    own = changed(lambda own: own.register_parameter("bias", nn.Parameter(torch.ones(2))))
    own.register_buffer("last", torch.zeros(0, 2))
    assert unit_chain(own) == (Link("taken", "full.weight", loops=("kept",), states=("last",)),)
