"""Keywords of a forward: what makes a step another one, and where their tensors go."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from ticketbench.engine.accelerate import Graphs
from ticketbench.plugin.calls import form_of, placed_on


def test_plain_values_make_another_form_and_numbers_of_tensors_do_not():
    """Their shape and type do; the order of keywords does not."""
    first = {"steps": 3, "draws": torch.rand(5)}
    assert form_of(first) == form_of({"draws": torch.zeros(5), "steps": 3})
    others = [{"steps": 4}, {"draws": torch.zeros(6)}, {"draws": torch.zeros(5, dtype=torch.float64)}, {"full": True}]
    assert len({form_of(first), *(form_of({**first, **other}) for other in others)}) == 5
    assert form_of({}) == "[]"


def test_only_tensors_are_moved():
    """The rest is as it was."""
    found = placed_on(torch.device("meta"), {"steps": 3, "draws": torch.rand(5)})
    assert found["steps"] == 3
    assert found["draws"].device.type == "meta"


@pytest.mark.cuda
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_a_captured_step_takes_the_tensors_of_every_call():
    """Captured at the fourth step and replayed: each time with the numbers given."""
    scale = torch.ones(1, device="cuda")

    def step(inputs: Tensor, targets: Tensor, call: dict[str, Tensor]) -> Tensor:
        return (inputs * call["draws"] * scale).sum(dim=1)

    graphs, inputs = Graphs(step), torch.ones(2, 5, device="cuda")
    for number in range(8):
        found = graphs(inputs, inputs, {"draws": torch.full((5,), float(number), device="cuda")})
        assert found.tolist() == [5.0 * number] * 2
    assert graphs.how == "graph"
    assert len(graphs.captured) == 1
