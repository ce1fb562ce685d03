"""Many cells as one stacked model: weights, masks, optimizer slots and steps with a leading fleet axis.

What holds at all times: outside its mask a member's weight is exactly zero, and so is every slot of the
optimizer there. All changes of masks and weights go through this file.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from ticketbench.engine.network import State, member_of
from ticketbench.errors import TicketError, suggest


@dataclass(frozen=True)
class Snapshot:
    """A member's weights and statistics at a step, to rewind to."""

    weights: State
    buffers: State
    step: int


@dataclass(frozen=True)
class Companion:
    """A network that a method keeps beside its own: what others are compared with."""

    weights: State
    """Every trainable parameter; zero outside the mask."""
    buffers: State
    mask: State


@dataclass
class Best:
    """The weights of the best validation since the mask last changed, a row a member."""

    parameters: State
    buffers: State
    values: list[float | None]


@dataclass
class Stack:
    """The state of a fleet."""

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
    best: Best | None = None

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

    @property
    def dense(self) -> bool:
        """Whether no member has pruned anything."""
        return all(bool(mask.all()) for mask in self.masks.values())

    def weights(self, member: int) -> State:
        """A member's parameters, as views that do not ask for gradients."""
        return {name: tensor.detach()[member] for name, tensor in self.parameters.items()}

    def mask(self, member: int) -> dict[str, Tensor]:
        """A member's mask, as a copy."""
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
        """A fresh optimizer at a step of the schedule; the weights stay."""
        self.steps[member] = step
        self.updates[member] = 0
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
        self.forget_best(member)

    def forget_best(self, member: int) -> None:
        """The best validation so far no longer counts: it belongs to another mask or training."""
        if self.best is not None:
            self.best.values[member] = None

    def keep_best(self, values: Sequence[float], higher_is_better: bool) -> None:
        """Remember the members whose validation is the best since their mask last changed."""
        if self.best is None:
            self.best = Best(cloned(self.parameters), cloned(self.buffers), [None] * len(self))
        for member, value in enumerate(values):
            known = self.best.values[member]
            if known is None or (value > known if higher_is_better else value < known):
                self.best.values[member] = value
                for mine, theirs in ((self.best.parameters, self.parameters), (self.best.buffers, self.buffers)):
                    for name, tensor in mine.items():
                        tensor[member].copy_(theirs[name].detach()[member])

    def judged(self, member: int) -> tuple[State, State]:
        """Copies of the weights and statistics to judge: the best validated, else the present ones."""
        source = (self.parameters, self.buffers)
        if self.best is not None and self.best.values[member] is not None:
            source = (self.best.parameters, self.best.buffers)
        return cloned(member_of(source[0], member)), cloned(member_of(source[1], member))

    def take(self, members: Sequence[int]) -> Stack:
        """A stack of copies of some members."""
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
        )
        if self.best is not None:
            values = [self.best.values[member] for member in members]
            part.best = Best(pick(self.best.parameters), pick(self.best.buffers), values)
        return part

    def put(self, members: Sequence[int], part: Stack) -> None:
        """Copy a part back to where it was taken from."""
        for name, slot in part.slots.items():
            if name not in self.slots:
                self.slots[name] = {key: torch.zeros_like(self.parameters[key]) for key in slot}
        for name in part.averages:
            self.averages.setdefault(name, torch.zeros_like(self.masks[name], dtype=self.parameters[name].dtype))
        for name, state in part.carried.items():
            self.carried.setdefault(name, state.new_zeros(len(self), *state.shape[1:]))
        if part.best is not None and self.best is None:
            self.best = Best(cloned(self.parameters), cloned(self.buffers), [None] * len(self))
        pairs = [(self.parameters, part.parameters), (self.buffers, part.buffers), (self.averages, part.averages)]
        pairs += [(self.carried, part.carried)]
        pairs += [(self.slots[name], slot) for name, slot in part.slots.items()]
        if part.best is not None and self.best is not None:
            pairs += [(self.best.parameters, part.best.parameters), (self.best.buffers, part.best.buffers)]
        for at, member in enumerate(members):
            for mine, theirs in pairs:
                for name, tensor in theirs.items():
                    mine[name].detach()[member].copy_(tensor.detach()[at])
            self.steps[member], self.updates[member] = part.steps[at], part.updates[at]
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


def cloned(state: State) -> State:
    """Detached copies."""
    return {name: tensor.detach().clone() for name, tensor in state.items()}
