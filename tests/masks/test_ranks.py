"""Scores of any numeric type are ranked exactly, for one network and for a stack."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor
from torch.func import vmap

from ticketbench.errors import ScoreError
from ticketbench.masks.ranks import comparable
from ticketbench.masks.stackable import best_left
from ticketbench.masks.ticket import mask_from_scores

LARGE = 2**24
CASES: dict[str, tuple[list[Tensor], list[int]]] = {
    "whole numbers beyond float32": ([torch.tensor([LARGE, LARGE + 1]), torch.tensor([LARGE + 2])], [2, 1, 0]),
    "the ends of int64": ([torch.tensor([2**63 - 1, -(2**63)]), torch.tensor([2**63 - 2])], [0, 2, 1]),
    "bool": ([torch.tensor([False, True]), torch.tensor([True])], [1, 2, 0]),
    "bool and float": ([torch.tensor([True, False]), torch.tensor([0.5])], [0, 2, 1]),
    "whole numbers between floats": ([torch.tensor([2**53 + 1, 2**53]), torch.tensor([2.0**53])], [0, 1, 2]),
    "the largest whole number and a float above": (
        [torch.tensor([2**63 - 1]), torch.tensor([2.0**63, 7.0])],
        [1, 0, 2],
    ),
    "half and double": (
        [torch.tensor([1.0, 2.0], dtype=torch.float16), torch.tensor([1 + 1e-12], dtype=torch.float64)],
        [1, 2, 0],
    ),
    "bytes": ([torch.tensor([3, 200], dtype=torch.uint8), torch.tensor([-1], dtype=torch.int16)], [1, 0, 2]),
}


@pytest.mark.parametrize("scope", ["global", "layerwise"])
@pytest.mark.parametrize("case", CASES)
def test_the_best_are_kept_in_order(case: str, scope: str):
    """One, two and three of three are left, as Python's own order has them; in a stack as alone."""
    parts, order = CASES[case]
    scores = dict(zip("ab", parts, strict=True))
    current = {name: torch.ones(part.shape, dtype=torch.bool) for name, part in scores.items()}
    values = [value for part in parts for value in part.tolist()]
    assert sorted(range(3), key=lambda at: (-values[at], at)) == order
    for count in (1, 2, 3):
        found = mask_from_scores(scores, current, count, scope)
        if scope == "global":
            assert torch.cat(list(found.values())).tolist() == [at in order[:count] for at in range(3)]
        stacked = vmap(lambda *given: best_left(*given, scope))(
            {name: torch.stack([part, part]) for name, part in scores.items()},
            {name: torch.stack([part, part]) for name, part in current.items()},
            torch.tensor([count, count]),
        )
        assert all(stacked[name][1].equal(mask) for name, mask in found.items())


def test_equal_scores_of_two_types_are_equal():
    """The earlier place is kept, whatever its type."""
    assert comparable([torch.tensor([2.0, 1.0]), torch.tensor([1, 2])]).tolist() == [1, 0, 0, 1]


def test_floats_are_what_they_were():
    """No rank takes their place."""
    found = comparable([torch.tensor([0.5, -2.0]), torch.tensor([1e-300], dtype=torch.float64)])
    assert (found.tolist(), found.dtype) == ([0.5, -2.0, 1e-300], torch.float64)


@pytest.mark.parametrize("dtype", [torch.complex64, torch.uint64])
def test_what_cannot_be_ranked_is_refused(dtype: torch.dtype):
    """The layer, the type, and the types that would do."""
    with pytest.raises(ScoreError, match=r"the scores of 'a' are (complex64|uint64), .*: float64, float32, int64"):
        mask_from_scores({"a": torch.ones(2, dtype=dtype)}, {"a": torch.ones(2, dtype=torch.bool)}, 1)
