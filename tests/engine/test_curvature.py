"""Batched products with Jacobians, and the roots of a criterion's Hessian."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from ticketbench import Split, criterion_roots, pulled_back


class Spot:
    """A trial as far as roots look at it."""

    def __init__(self, kind: str) -> None:
        self.kind = kind

    def criterion(self, outputs: Tensor, examples: Split) -> Tensor:
        """Cross-entropy, the squared error, or what is linear in the outputs."""
        if self.kind == "cross_entropy":
            return functional.cross_entropy(outputs, examples.targets)
        wanted = functional.one_hot(examples.targets, outputs.shape[1])
        error = outputs - wanted
        return error.square().sum(1).mean() if self.kind == "squared" else error.sum(1).mean()


def test_products_by_hand():
    """found = (a·b, a²) at a = 2, b = 3: rows (1, 0), (0, 1) and (1, 1) of it; nothing depends on c."""
    a, b, c = (torch.tensor([value], requires_grad=True) for value in (2.0, 3.0, 5.0))
    found = torch.cat([a * b, a.square()])
    rows = pulled_back(found, [a, b, c], torch.tensor([[1.0, 0.0], [0.0, 1.0], [1.0, 1.0]]))
    assert [row.tolist() for row in rows] == [[[3.0], [4.0], [7.0]], [[2.0], [0.0], [2.0]], [[0.0]] * 3]


def test_a_constant_and_an_empty_stack_give_zeros():
    """Of the leaves' shapes, a row a vector."""
    leaf = torch.ones(2, 3, requires_grad=True)
    (rows,) = pulled_back(torch.ones(4), [leaf], torch.ones(5, 4))
    assert rows.equal(torch.zeros(5, 2, 3))
    (none,) = pulled_back(leaf.sum(0), [leaf], torch.ones(0, 3))
    assert none.shape == (0, 2, 3)


@pytest.mark.parametrize(("kind", "roots_each"), [("cross_entropy", 39), ("squared", 40), ("linear", 0)])
def test_roots_add_up_to_the_hessian_of_each_example(kind: str, roots_each: int):
    """Σ rrᵀ against torch's Hessian, for more outputs than go together; softmax has one flat direction."""
    draws = torch.Generator().manual_seed(1)
    outputs = torch.randn(3, 40, generator=draws, dtype=torch.float64)
    examples, spot = Split(outputs, torch.tensor([0, 39, 5])), Spot(kind)
    owners, roots = criterion_roots(spot, outputs, examples)
    assert owners.tolist() == sorted([0, 1, 2] * roots_each)
    whole = torch.autograd.functional.hessian(lambda point: spot.criterion(point, examples), outputs)
    for example in range(3):
        own = roots[owners == example]
        torch.testing.assert_close(own.T @ own, whole[example, :, example], rtol=1e-9, atol=1e-12)


def test_negative_curvature_has_no_root():
    """−y² of one output, y² of another."""

    class Saddle:
        """L = b² − a²."""

        def criterion(self, outputs: Tensor, examples: Split) -> Tensor:
            """The criterion."""
            return (outputs[:, 1].square() - outputs[:, 0].square()).mean()

    outputs = torch.tensor([[1.0, 2.0]])
    owners, roots = criterion_roots(Saddle(), outputs, Split(outputs, outputs))
    assert owners.tolist() == [0]
    assert roots.abs().tolist() == [[0.0, pytest.approx(2**0.5)]]
