"""Many cells as one stacked model: weights, masks, optimizer slots and steps with a leading fleet axis.

What holds at all times: outside its mask a member's weight is exactly zero, and so is every slot of the
optimizer there. All changes of masks and weights go through this file.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import torch
from torch import Tensor

from ticketbench.engine.state import State, cloned, index_of, member_of, put_rows
from ticketbench.errors import TicketError, suggest
from ticketbench.plugin.regime import Regime
from ticketbench.plugin.trial import Snapshot


@dataclass
class Best:
    """The weights of the best validation since the mask last changed, a row a member."""

    parameters: State
    buffers: State
    values: list[float | None]


class Away(Protocol):
    """Who has taken slots with him."""

    def bring(self) -> None:
        """Put everything back."""
        ...

    def drop(self, member: int) -> None:
        """A member's mask is another one: slots of weights that it does not keep are zero."""
        ...


@dataclass
class Stack:
    """The state of a fleet: weights, masks, optimizer slots and counters, with a leading axis over members."""

    parameters: State
    buffers: State
    masks: dict[str, Tensor]
    steps: list[int]
    updates: list[int] = field(default_factory=list)
    """Optimizer updates of each member since its optimizer was fresh."""
    slots: dict[str, State] = field(default_factory=dict)
    """Slot name -> parameter name -> tensor, such as momentum_buffer or exp_avg."""
    averages: State = field(default_factory=dict)
    """Prunable weight -> the running average of its dense gradient, where a training keeps one."""
    carried: State = field(default_factory=dict)
    """Buffer -> the state (fleet, batch, ...) that a training carries from batch to batch, where a model has any."""
    extras: State = field(default_factory=dict)
    """What regimes train or hold beside the weights, by the regime and the name that it gives."""
    born: dict[str, list[int]] = field(default_factory=dict)
    """Key of extras -> each member's updates when they began: their optimizer is as old as they are."""
    regimes: list[Regime | None] = field(default_factory=list)
    """What is different about each member's steps; equal ones are one object."""
    best: Best | None = None
    totals: Tensor = field(default_factory=lambda: torch.empty(0))
    """Each member's losses since its training curve had its last point, added up."""
    away: Away | None = None
    """Who has the slots of some members, if they are not here."""
    noted: list[int] = field(default_factory=list)
    """The step of each member at which its curve had that point, or at which its training began."""

    def __post_init__(self) -> None:
        self.regimes = self.regimes or [None] * len(self.steps)
        if not self.noted:
            self.totals = torch.zeros(len(self), device=next(iter(self.parameters.values())).device)
            self.noted = list(self.steps)

    @classmethod
    def of(cls, members: Sequence[tuple[State, State]], prunable: Sequence[str]) -> Stack:
        """A stack of freshly initialized members with full masks."""
        parameters = {name: torch.stack([one[0][name] for one in members]) for name in members[0][0]}
        buffers = {name: torch.stack([one[1][name] for one in members]) for name in members[0][1]}
        for tensor in parameters.values():
            tensor.requires_grad_(True)
        masks = {name: torch.ones_like(parameters[name], dtype=torch.bool) for name in prunable}
        return cls(parameters, buffers, masks, [0] * len(members), [0] * len(members))

    def __len__(self) -> int:
        return len(self.steps)

    def bring(self) -> None:
        """Have all slots here."""
        if self.away is not None:
            away, self.away = self.away, None
            away.bring()

    @property
    def dense(self) -> bool:
        """Whether no member has pruned anything, so that no mask need be applied."""
        return all(bool(mask.all()) for mask in self.masks.values())

    def weights(self, member: int) -> State:
        """A member's parameters, as views that do not ask for gradients."""
        return {name: tensor.detach()[member] for name, tensor in self.parameters.items()}

    def statistics(self, member: int) -> State:
        """A member's buffers and whatever else is not trained, as views."""
        return member_of(self.buffers, member)

    def mask(self, member: int) -> dict[str, Tensor]:
        """A copy of a member's mask, which nothing that is done to it changes."""
        return {name: mask[member].clone() for name, mask in self.masks.items()}

    def snapshot(self, member: int) -> Snapshot:
        """A copy of a member's weights and statistics."""
        weights = {name: tensor.clone() for name, tensor in self.weights(member).items()}
        buffers = {name: tensor.clone() for name, tensor in member_of(self.buffers, member).items()}
        return Snapshot(weights, buffers, self.steps[member])

    def rewind(self, member: int, start: Snapshot) -> None:
        """Back to a snapshot's weights, statistics and step, under the present mask, with a fresh optimizer."""
        for name, weight in self.weights(member).items():
            mask = self.masks[name][member] if name in self.masks else None
            # where, not a product: a negative weight times zero would be -0, and a snapshot may hold inf
            weight.copy_(start.weights[name] if mask is None else start.weights[name].where(mask, 0))
        for name, buffer in member_of(self.buffers, member).items():
            buffer.copy_(start.buffers[name])
        self.restart(member, start.step)

    def restart(self, member: int, step: int) -> None:
        """A fresh optimizer at a step of the schedule; the weights stay, what a regime trained beside them does not."""
        self.end(member)
        self.steps[member] = self.noted[member] = step
        self.updates[member] = 0
        self.totals[member] = 0
        for state in (*self.slots.values(), self.averages, self.carried):
            for tensor in state.values():
                tensor[member].zero_()
        self.forget_best(member)

    def set_weights(self, member: int, weights: Mapping[str, Tensor]) -> None:
        """Other values for some parameters, under the present mask. Step and slots stay."""
        own = self.weights(member)
        for name, values in weights.items():
            if name not in own:
                raise TicketError(f"there is no parameter '{name}' to set. {suggest(name, own)}")
            if values.shape != own[name].shape:
                raise TicketError(
                    f"the values of '{name}' have shape {tuple(values.shape)}, not {tuple(own[name].shape)}"
                )
            values = values.to(own[name])
            own[name].copy_(values.where(self.masks[name][member], 0) if name in self.masks else values)
        self.forget_best(member)

    def extra_keys(self, regime: Regime) -> dict[str, str]:
        """The name of each of a regime's extras -> its key in `extras`."""
        start = f"{type(regime).__module__}.{regime!r} "
        return {key.removeprefix(start): key for key in self.extras if key.startswith(start)}

    def extras_of(self, member: int) -> State:
        """A member's extras by their own names, as views."""
        regime = self.regimes[member]
        keys = {} if regime is None else self.extra_keys(regime)
        return {name: self.extras[key].detach()[member] for name, key in keys.items()}

    def ages(self, member: int) -> tuple[int, ...]:
        """How many optimizer updates each of a member's extras has had."""
        regime = self.regimes[member]
        keys = {} if regime is None else self.extra_keys(regime)
        return tuple(self.updates[member] - self.born[key][member] for key in keys.values())

    def begin(self, member: int, regime: Regime, extras: State) -> None:
        """A member is trained under a regime; what the same class of regime trained beside its weights goes on."""
        before = self.regimes[member]
        regime = next((known for known in self.regimes if known == regime), regime)
        old = self.extra_keys(before) if before is not None and type(before) is type(regime) else {}
        for name, value in extras.items():
            key = f"{type(regime).__module__}.{regime!r} {name}"
            if key not in self.extras:
                rows = torch.zeros(len(self), *value.shape, dtype=value.dtype, device=value.device)
                self.extras[key] = rows.requires_grad_(bool(regime.rate(name)))
                self.born[key] = [0] * len(self)
            goes_on = name in old and self.extras[old[name]].shape == self.extras[key].shape
            self.born[key][member] = self.born[old[name]][member] if goes_on else self.updates[member]
            places = [(self.extras, value)]
            places += [
                (slot, torch.zeros_like(value))
                for slot in self.slots.values()
                if key in slot or (goes_on and old[name] in slot)
            ]
            for state, fresh in places:
                mine = state.setdefault(key, torch.zeros_like(self.extras[key]))
                mine.detach()[member].copy_(state[old[name]].detach()[member] if goes_on else fresh)
        self.regimes[member] = regime
        self.drop_unused()

    def set_extras(self, member: int, extras: Mapping[str, Tensor]) -> None:
        """Other values for some of a member's extras. Slots stay."""
        own = self.extras_of(member)
        for name, values in extras.items():
            if name not in own:
                raise TicketError(f"there are no extras '{name}' to set. {suggest(name, own)}")
            if values.shape != own[name].shape:
                raise TicketError(f"the extras '{name}' have shape {tuple(own[name].shape)}, not {tuple(values.shape)}")
            own[name].copy_(values)

    def end(self, member: int) -> None:
        """A member's regime is over."""
        self.regimes[member] = None
        self.drop_unused()

    def fold(self, member: int, seen: State) -> None:
        """A member's regime is over, and what its forward saw are its weights.

        What the network computes stays as it is: its best validation still counts.
        """
        self.end(member)
        for name, weight in self.weights(member).items():
            weight.copy_(seen[name])

    def drop_unused(self) -> None:
        """Drop the extras that no member's regime uses any more."""
        regimes = {id(regime): regime for regime in self.regimes if regime is not None}
        used = {key for regime in regimes.values() for key in self.extra_keys(regime).values()}
        for key in self.extras.keys() - used:
            del self.extras[key], self.born[key]
            for slot in self.slots.values():
                slot.pop(key, None)

    def set_mask(self, member: int, mask: Mapping[str, Tensor]) -> None:
        """A new mask. Dropped weights and slots become zero; grown ones start at zero; the rest stay."""
        for name, current in self.masks.items():
            new = mask[name]
            if new.dtype != torch.bool or new.shape != current[member].shape:
                raise TicketError(
                    f"the mask of '{name}' must be a bool tensor of shape {tuple(current[member].shape)}, "
                    f"not {new.dtype} of {tuple(new.shape)}"
                )
        with torch.no_grad():
            for name, current in self.masks.items():
                new = mask[name].to(current.device)
                current[member] = new
                stale = ~new
                self.parameters[name][member].masked_fill_(stale, 0)
                for slot in self.slots.values():
                    if name in slot:
                        slot[name][member].masked_fill_(stale, 0)
        self._changed(member)

    def set_masks(self, members: Sequence[int], masks: Mapping[str, Tensor]) -> None:
        """New masks of some members, a row a member: `set_mask` for all, with as many operations as for one."""
        index_m = index_of(members, len(self), next(iter(self.parameters.values())).device)
        for name, current in self.masks.items():
            shape = (len(members), *current.shape[1:])
            if masks[name].dtype != torch.bool or masks[name].shape != shape:
                raise TicketError(
                    f"the masks of '{name}' must be a bool tensor of shape {shape}, not {masks[name].dtype} of "
                    f"{tuple(masks[name].shape)}"
                )
        for name, current in self.masks.items():
            put_rows(current, index_m, masks[name])
            stale = ~masks[name]
            for state in (self.parameters, *self.slots.values()):
                if name in state:
                    rows = state[name].detach() if index_m is None else state[name].detach().index_select(0, index_m)
                    put_rows(state[name], index_m, rows.masked_fill(stale, 0))
        for member in members:
            self._changed(member)

    def _changed(self, member: int) -> None:
        """A member has another mask."""
        if self.away is not None:
            self.away.drop(member)
        self.forget_best(member)

    def forget_best(self, member: int) -> None:
        """The best validation so far no longer counts: it belongs to another mask or training."""
        if self.best is not None:
            self.best.values[member] = None

    def keep_best(self, values: Mapping[int, float], higher_is_better: bool, seen: State | None = None) -> None:
        """Remember the members whose validation is the best since their mask last changed.

        `seen` are the parameters as the forward saw them, where a regime computes some of them.
        """
        seen = self.parameters if seen is None else seen
        if self.best is None:
            self.best = Best(cloned(seen), cloned(self.buffers), [None] * len(self))
        better = []
        for member, value in values.items():
            known = self.best.values[member]
            if known is None or is_better(value, known, higher_is_better):
                self.best.values[member] = value
                better.append(member)
        if better:
            for mine, theirs in ((self.best.parameters, seen), (self.best.buffers, self.buffers)):
                for name, tensor in mine.items():
                    index = torch.tensor(better, device=tensor.device)
                    tensor.index_copy_(0, index, theirs[name].detach().index_select(0, index))

    def judged(self, member: int, seen: State | None = None) -> tuple[State, State]:
        """Copies of the weights and statistics to judge: the best validated, else the present ones.

        `seen` are a member's parameters as the forward sees them, where a regime computes some of them.
        """
        if self.best is None or self.best.values[member] is None:
            return cloned(self.weights(member) if seen is None else seen), cloned(self.statistics(member))
        return cloned(member_of(self.best.parameters, member)), cloned(member_of(self.best.buffers, member))

    def take(self, members: Sequence[int]) -> Stack:
        """A stack of copies of some members."""
        self.bring()
        index = torch.tensor(members, device=next(iter(self.parameters.values())).device)

        def pick(state: State) -> State:
            return {name: tensor.detach().index_select(0, index) for name, tensor in state.items()}

        part = Stack(
            {name: tensor.requires_grad_(True) for name, tensor in pick(self.parameters).items()},
            pick(self.buffers),
            pick(self.masks),
            [self.steps[member] for member in members],
            [self.updates[member] for member in members],
            {name: pick(slot) for name, slot in self.slots.items()},
            pick(self.averages),
            pick(self.carried),
            {key: tensor.requires_grad_(self.extras[key].requires_grad) for key, tensor in pick(self.extras).items()},
            {key: [updates[member] for member in members] for key, updates in self.born.items()},
            [self.regimes[member] for member in members],
            totals=self.totals[index],
            noted=[self.noted[member] for member in members],
        )
        if self.best is not None:
            values = [self.best.values[member] for member in members]
            part.best = Best(pick(self.best.parameters), pick(self.best.buffers), values)
        return part

    def put(self, members: Sequence[int], part: Stack) -> None:
        """Copy a part back to where it was taken from."""
        for key, tensor in part.extras.items():
            rows = tensor.detach().new_zeros(len(self), *tensor.shape[1:])
            self.extras.setdefault(key, rows.requires_grad_(tensor.requires_grad))
            self.born.setdefault(key, [0] * len(self))
        for name, slot in part.slots.items():
            if name not in self.slots:
                self.slots[name] = {}
            for key, tensor in slot.items():
                self.slots[name].setdefault(key, tensor.new_zeros(len(self), *tensor.shape[1:]))
        for name in part.averages:
            self.averages.setdefault(name, torch.zeros_like(self.masks[name], dtype=self.parameters[name].dtype))
        for name, state in part.carried.items():
            self.carried.setdefault(name, state.new_zeros(len(self), *state.shape[1:]))
        if part.best is not None and self.best is None:
            self.best = Best(cloned(self.parameters), cloned(self.buffers), [None] * len(self))
        pairs = [(self.parameters, part.parameters), (self.buffers, part.buffers), (self.averages, part.averages)]
        pairs += [(self.carried, part.carried), (self.extras, part.extras)]
        pairs += [(self.slots[name], slot) for name, slot in part.slots.items()]
        if part.best is not None and self.best is not None:
            pairs += [(self.best.parameters, part.best.parameters), (self.best.buffers, part.best.buffers)]
        for at, member in enumerate(members):
            for mine, theirs in pairs:
                for name, tensor in theirs.items():
                    mine[name].detach()[member].copy_(tensor.detach()[at])
            self.steps[member], self.updates[member] = part.steps[at], part.updates[at]
            self.noted[member] = part.noted[at]
            self.totals[member] = part.totals[at]
            self.regimes[member] = part.regimes[at]
            for key, updates in part.born.items():
                self.born[key][member] = updates[at]
            if part.best is not None and self.best is not None:
                self.best.values[member] = part.best.values[at]

    def check(self) -> None:
        """Assert that nothing leaks through a mask, neither a weight nor an optimizer slot."""
        for name, mask in self.masks.items():
            tensors = {"weight": self.parameters[name]} | {
                slot: state[name] for slot, state in self.slots.items() if name in state
            }
            for kind, tensor in tensors.items():
                leaks = int(torch.count_nonzero(tensor.detach().masked_fill(mask, 0)))
                if leaks and bool(torch.isfinite(tensor).all()):
                    raise TicketError(f"{leaks} entries of the {kind} of '{name}' are masked but not zero")


def is_better(value: float, known: float, higher_is_better: bool) -> bool:
    """Whether a validation is better than another; one that is a finite number is better than one that is not.

    >>> is_better(0.1, float("nan"), higher_is_better=True), is_better(float("nan"), 0.1, higher_is_better=True)
    (True, False)
    """
    if math.isfinite(value) != math.isfinite(known):
        return math.isfinite(value)
    return value > known if higher_is_better else value < known
