"""What mask rules hold of each member from one change of its mask to the next."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from ticketbench.engine.state import State, cloned, index_of, member_of, member_rows, put_rows
from ticketbench.plugin.mask_rule import MaskRule


class Memories:
    """A stack of memories for each rule, a row for every member of the fleet, whether it is under the rule or not."""

    def __init__(self, members: int) -> None:
        self.rules: list[MaskRule | None] = [None] * members
        """The rule that each member's memory is of."""
        self.stacks: list[tuple[MaskRule, State]] = []

    def goes_on(self, member: int, rule: MaskRule) -> bool:
        """Whether a member's last change of the mask was under this rule."""
        return self.rules[member] == rule

    def rows(self, rule: MaskRule, members: Sequence[int], device: torch.device) -> State:
        """What a rule holds of some members, a row a member."""
        return member_rows(self._stack(rule), index_of(members, len(self.rules), device))

    def put(self, rule: MaskRule, members: Sequence[int], memory: Mapping[str, Tensor]) -> None:
        """What a rule holds of some members from here on."""
        stack = self._stack(rule)
        for name, rows in memory.items():
            if name not in stack:
                stack[name] = rows.new_zeros(len(self.rules), *rows.shape[1:])
            put_rows(stack[name], index_of(members, len(self.rules), rows.device), rows)
        for member in members:
            self.rules[member] = rule
        self.stacks = [(known, state) for known, state in self.stacks if known in self.rules]

    def forget(self, member: int) -> None:
        """Another cell is at the member's seat from here on."""
        self.rules[member] = None

    def of(self, member: int) -> State:
        """Copies of what is held of a member."""
        rule = self.rules[member]
        return {} if rule is None else cloned(member_of(self._stack(rule), member))

    def _stack(self, rule: MaskRule) -> State:
        for known, state in self.stacks:
            if known == rule:
                return state
        self.stacks.append((rule, {}))
        return self.stacks[-1][1]
