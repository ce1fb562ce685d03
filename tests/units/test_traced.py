"""A network as it is followed, and whose parameters are used in one place alone."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ticketbench.units.traced import traced, unhooked


class Parts(nn.Module):
    """A layer called once, one called twice, one whose weight is read, and two that share a weight."""

    def __init__(self) -> None:
        super().__init__()
        self.once, self.twice, self.looked_at, self.shared, self.other = (nn.Linear(2, 2) for _ in range(5))
        self.other.weight = self.shared.weight

    def forward(self, inputs: Tensor, extra: bool = False) -> Tensor:
        """A keyword has its default."""
        values = self.twice(self.twice(self.once(inputs)))
        values = self.looked_at(values) * self.looked_at.weight.sum()
        return self.once(values) if extra else self.shared(values)

    def read(self, hidden: Tensor) -> Tensor:
        """Another method."""
        return self.twice(hidden)

    def look(self, hidden: Tensor) -> Tensor:
        """One that looks at its data."""
        return hidden if hidden.sum() > 0 else -hidden


def test_a_layer_is_alone_if_it_is_called_once_and_nobody_else_has_its_parameters():
    """Of five layers one in the forward, and another one in `read`."""
    module = Parts()
    trace, other = traced(module), traced(module, "read")
    assert trace is not None
    assert other is not None
    assert [name for name, _ in module.named_children() if trace.alone(name)] == ["once"]
    assert [name for name, _ in module.named_children() if other.alone(name)] == ["twice"]
    assert [node.target for node in other.graph.nodes if node.op == "call_module"] == ["twice"]


def test_what_looks_at_its_data_cannot_be_followed():
    """None, and no error."""
    assert traced(Parts(), "look") is None


def test_hooks_are_seen():
    """Before or after the forward."""
    for register in ("register_forward_hook", "register_forward_pre_hook"):
        layer = nn.Linear(2, 2)
        assert unhooked(layer)
        getattr(layer, register)(lambda layer, *values: None)
        assert not unhooked(layer)
    assert layer(torch.zeros(1, 2)).shape == (1, 2)
