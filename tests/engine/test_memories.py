"""What rules hold of members."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from ticketbench import MaskRule
from ticketbench.engine.memories import Memories

CPU = torch.device("cpu")


@dataclass(frozen=True)
class Rule(MaskRule):
    """One of several."""

    number: int = 0

    def masks(self, view):
        return view.mask


def test_equal_rules_share_a_memory_and_others_do_not():
    """Rows are written and read by member; a member under another rule has nothing of the first one."""
    memories = Memories(3)
    memories.put(Rule(), [0, 2], {"count": torch.tensor([5, 7])})
    memories.put(Rule(1), [1], {"level": torch.tensor([[0.5, 1.5]])})
    assert [memories.goes_on(at, Rule()) for at in range(3)] == [True, False, True]
    assert memories.rows(Rule(), [2, 0], CPU)["count"].tolist() == [7, 5]
    assert memories.of(1)["level"].tolist() == [0.5, 1.5]
    memories.put(Rule(), [0, 1, 2], {"count": torch.tensor([1, 2, 3])})
    assert memories.of(1).keys() == {"count"}
    assert [rule for rule, _ in memories.stacks] == [Rule()]


def test_another_cell_begins_with_nothing():
    """Whatever rule the cell at its place was under."""
    memories = Memories(2)
    memories.put(Rule(), [0, 1], {"count": torch.tensor([5, 6])})
    memories.forget(0)
    assert not memories.goes_on(0, Rule())
    assert memories.of(0) == {}
    assert int(memories.of(1)["count"]) == 6


def test_what_is_handed_out_is_a_copy():
    """Nothing that is done to it changes what is held; and before the first change there is nothing."""
    memories = Memories(2)
    assert memories.of(0) == {}
    memories.put(Rule(), [0], {"count": torch.tensor([5])})
    memories.of(0)["count"].zero_()
    memories.rows(Rule(), [0, 1], CPU)["count"].zero_()
    assert int(memories.of(0)["count"]) == 5
