"""A fleet without its dropped units: after a method that removes whole units, the networks become smaller.

Members must keep one shape to stay stacked: a layer becomes as small as the member that keeps most of it allows,
and the others keep as many dead units beside their own, masked as before.

A recurrent layer's dropped unit would go on speaking through its biases to a read-out that no mask covers. It is
silenced as soon as it is drawn: with zeros there it stays silent in training, and is dead for `compact`.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch

from ticketbench.engine.bench import Bench
from ticketbench.engine.stack import Stack
from ticketbench.engine.state import states_of
from ticketbench.errors import TicketError
from ticketbench.units.chain import unit_chain
from ticketbench.units.compaction import beside, compact


def check_fresh(bench: Bench, member: int) -> None:
    """A method that removes units must not leave an optimizer in the middle of its work."""
    if bench.stack.updates[member]:
        name = bench.casts[member].method.name
        raise TicketError(f"method '{name}' removes units: its draw has to end with a rewind, a restart or new weights")


def silence(bench: Bench, member: int) -> None:
    """Set the biases and the read-out's columns of a recurrent layer's dropped units to zero.

    Dropped is a unit if none of its weights in the layer is left, to it or from it.
    """
    module, masks = bench.module_of(member), bench.stack.mask(member)
    for link in unit_chain(module):
        if not link.loops or not masks.keys() >= set(link.makers):
            continue
        left = [link.by_unit(masks[maker].any(dim=1)).any(dim=0) for maker in link.makers]
        left += [masks[loop].any(dim=0) for loop in link.loops]
        stays = torch.stack(left).any(dim=0)
        silent = {beside(link.producer, "bias"): link.to_rows(stays), link.consumer: stays}
        own = bench.stack.weights(member)
        bench.stack.set_weights(member, {name: own[name].where(silent[name], 0) for name in silent.keys() & own.keys()})


def shrink(bench: Bench, living: Sequence[int]) -> None:
    """Take the units out that no living member reads; from here on the fleet trains the smaller network.

    Optimizers are fresh (`check_fresh`): what they remember would belong to the larger network.
    """
    stack = bench.stack
    modules = {member: bench.module_of(member) for member in living}
    alive = [compact(module, stack.mask(member), fold=False).kept for member, module in modules.items()]
    least = {name: max(len(kept[name]) for kept in alive) for name in alive[0]}
    smaller = {
        member: compact(module, stack.mask(member), fold=False, least=least) for member, module in modules.items()
    }
    # the dead keep their place in the fleet
    each = [smaller.get(member, smaller[living[0]]) for member in range(len(stack))]
    stage = bench.stage.with_module(each[0].module)
    stack = Stack.of([states_of(one.module) for one in each], stage.network.prunable)
    stack.steps = list(bench.stack.steps)
    for member, one in enumerate(each):
        stack.set_mask(member, one.mask)
    bench.use(stage, stack)
    bench.cuts = [one.cuts for one in each]
