"""The state of a fleet at a pause, as plain data and tensors of the host, and a fleet that goes on from it.

What is held: the stack (weights, statistics, masks, slots, averages, carried state, extras, the best validation), the
scores of masks that are trained, what mask rules remember, the offers; of each member that has a seat the request that
it has come to, its books, what its trial knows, and the journal of its drawing; the cells that wait, and the groups
that were being trained. Lives are generators: each begins again where it stood, a drawing by its journal.

On a CPU a fleet that goes on comes to the same as one that was never disturbed, bit for bit. A member whose journal is
incomplete, or whose method does not ask for the same again, begins anew in its seat, which changes how long it takes
and nothing of what it finds.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

import torch
from torch import Tensor
from typing_extensions import override

from ticketbench.engine.bench import Bench
from ticketbench.engine.fleet_run import Begin, FleetRun, out_of_memory
from ticketbench.engine.member import Member
from ticketbench.engine.offers import Offer
from ticketbench.engine.packed import as_plain, from_plain, packed_state, unpacked_state
from ticketbench.engine.shrinking import shrink
from ticketbench.engine.stack import Best, Stack
from ticketbench.engine.state import State
from ticketbench.engine.trial import MemberTrial
from ticketbench.masks.ticket import Ticket
from ticketbench.plan.cell import Cell
from ticketbench.plan.resolve import Cast
from ticketbench.plugin.mask_rule import MaskRule, MaskView
from ticketbench.plugin.regime import Regime
from ticketbench.store.schema import CurvePoint

BOOKS = (
    "densely",
    "sparsely",
    *("asked", "passed", "under_way", "unbooked", "status", "reason", "error", "drawing", "round"),
    *("draw_seconds", "train_seconds", "train_steps", "draw_flops", "train_flops", "energy"),
    *("headline", "headline_x", "sweep_best", "sweep_last", "overthinking"),
)
"""Fields of a member that are plain numbers and words."""
Casting = Callable[[Cell], Cast]


@dataclass(frozen=True)
class PastRule(MaskRule):
    """Stands for the rule of members that have drawn their tickets: what it remembers can still be read."""

    number: int

    @override
    def masks(self, view: MaskView) -> State:
        raise NotImplementedError("the ticket is drawn: no mask changes any more")


# -- what is held ----------------------------------------------------------------------------------------------


def state_of(run: FleetRun) -> dict[str, Any]:
    """Everything that a fleet needs to go on, at a pause."""
    bench = run.bench
    staying = run.staying()
    return {
        "seats": [cell.to_plain() for cell in bench.cells],
        "waiting": [cell.to_plain() for cell, _ in run.waiting],
        "stages": bench.passed,
        "shrunk": bench.shrunk,
        "stack": plain_stack(bench.stack),
        "supermasks": plain_supermasks(run),
        "memories": {
            "rules": [rule_number(bench, seat) for seat in range(len(bench.cells))],
            "stacks": [host(state) for _, state in bench.memories.stacks],
        },
        "offers": [
            [offer.member, offer.density, packed_state(offer.mask), as_plain(offer.start)] for offer in bench.offers
        ],
        "members": [plain_member(member) for member in staying],
        "training": [[member.index for member in group] for group in run.training],
    }


def plain_member(member: Member) -> dict[str, Any]:
    """What is held of a member."""
    journal = member.journal
    return {
        "seat": member.index,
        **{name: getattr(member, name) for name in BOOKS},
        "waits": member.request is not None,
        "asks": kind_of_request(member.request),
        "regime": regime_text(member.trial.regime),
        "drawn": packed_state(member.drawn),
        "curves": [list(point) for point in member.curves],
        "ticket": [packed_state(member.ticket.mask), packed_state(member.ticket.weights)] if member.ticket else None,
        "trial": member.trial.held(),
        "journal": None if journal is None or not member.drawing or journal.lost else journal.entries,
    }


def kind_of_request(request: Any) -> list[Any]:
    """What a request is, as far as two that are equal agree in words and numbers."""
    words = [] if request is None else [getattr(request, part.name) for part in fields(request)]
    return [type(request).__name__, *(word for word in words if isinstance(word, (str, int, float)))]


def regime_text(regime: Regime | None) -> str:
    """A regime in words that equal ones share; empty for none."""
    return "" if regime is None else f"{type(regime).__module__}.{regime!r}"


def rule_number(bench: Bench, seat: int) -> int:
    """Which of the memories is that of a seat; -1 for none."""
    rule = bench.memories.rules[seat]
    return next((at for at, (known, _) in enumerate(bench.memories.stacks) if known == rule), -1)


def host(state: Mapping[str, Tensor]) -> State:
    """Copies of tensors on the host, in order."""
    return {name: tensor.detach().cpu().contiguous().clone() for name, tensor in state.items()}


def plain_stack(stack: Stack) -> dict[str, Any]:
    """A stack as plain data, regimes left out."""
    stack.bring()
    best = stack.best
    return {
        "parameters": host(stack.parameters),
        "buffers": host(stack.buffers),
        "masks": host(stack.masks),
        "steps": list(stack.steps),
        "updates": list(stack.updates),
        "slots": {name: host(slot) for name, slot in stack.slots.items()},
        "averages": host(stack.averages),
        "carried": host(stack.carried),
        "extras": host(stack.extras),
        "trained": [key for key, tensor in stack.extras.items() if tensor.requires_grad],
        "born": {key: list(updates) for key, updates in stack.born.items()},
        "best": None if best is None else [host(best.parameters), host(best.buffers), list(best.values)],
        "totals": stack.totals.cpu().clone(),
        "noted": list(stack.noted),
    }


def plain_supermasks(run: FleetRun) -> dict[str, Any] | None:
    """The scores of masks that are trained, if there are any."""
    supermasks = run.bench.steppers.known_supermasks
    return None if supermasks is None else {"scores": plain_stack(supermasks.scores), "kept": list(supermasks.kept)}


# -- going on --------------------------------------------------------------------------------------------------


def cells_at_seats(state: Mapping[str, Any]) -> list[Cell]:
    """The cells of a fleet's seats, those that have ended included."""
    return [Cell.from_plain(cell) for cell in state["seats"]]


def go_on_from(state: Mapping[str, Any], run: FleetRun, begin: Begin, cast: Casting) -> list[str]:
    """Bring a fleet's run to where a state was held; what begins anew there all the same, and why.

    The run's bench is freshly made, of `cells_at_seats`.
    """
    bench, device = run.bench, run.bench.device
    for _ in range(state["stages"]):
        bench.move_on()
    if state["shrunk"] is not None:
        living, before = state["shrunk"]["living"], state["shrunk"]["before"]
        overwrite(bench.stack.parameters, before["parameters"])
        overwrite(bench.stack.buffers, before["buffers"])
        overwrite(bench.stack.masks, before["masks"])
        shrink(bench, living)
        bench.shrunk = state["shrunk"]
    lives = [led_again(run, one, begin) for one in state["members"]]
    bench.stack = stack_from(state["stack"], device)
    bench.steppers = bench.steppers_for(bench.stage, bench.stack)
    if state["supermasks"] is not None:
        supermasks = bench.steppers.supermasks
        supermasks.scores = stack_from(state["supermasks"]["scores"], device)
        supermasks.kept = list(state["supermasks"]["kept"])
    take_up_memories(bench, state["memories"], [member for member, reason in lives if not reason])
    bench.offers = [
        Offer(member, density, unpacked_state(mask, device), from_plain(start, device))
        for member, density, mask, start in state["offers"]
    ]
    lost = []
    for (member, reason), held in zip(lives, state["members"], strict=True):
        if reason:
            lost.append(f"{member.cell.key} begins anew: {reason}")
            bench.offers = [offer for offer in bench.offers if offer.member != member.index]
            bench.take_in(member.index, member.cell, member.cast)
            run.begin_life(begin, member.index, member.cell, member.cast)
            continue
        take_up_member(bench, member, held)
        run.members.append(member)
        run.occupants[member.index] = member
    anew = {member.index for member, reason in lives if reason}
    groups = [[seat for seat in group if seat not in anew] for group in state["training"]]
    run.training = [[run.occupants[seat] for seat in group] for group in groups if group]
    run.waiting = deque((cell, cast(cell)) for cell in (Cell.from_plain(plain) for plain in state["waiting"]))
    return lost


def led_again(run: FleetRun, held: Mapping[str, Any], begin: Begin) -> tuple[Member, str]:
    """A member whose life stands where it stood, before its row is in the stack; or why it cannot."""
    bench, seat = run.bench, held["seat"]
    member = Member(seat, bench.cells[seat], bench.casts[seat], MemberTrial(bench, seat))
    for name in BOOKS:
        setattr(member, name, held[name])
    if held["ticket"] is not None:
        mask, weights = (unpacked_state(part, bench.device) for part in held["ticket"])
        member.ticket = Ticket(mask, weights)
    under_way = bool(held["asked"] or held["passed"])
    if member.drawing:
        member.journal = run.pauses.journal()
        if member.journal is not None and under_way and held["journal"] is not None:
            member.journal.begin_again(held["journal"])
    member.life = begin(bench, member)
    if not under_way or (member.status and not held["waits"]):
        return member, ""
    if member.drawing and held["journal"] is None:
        return member, "its method was told what no file can hold"
    try:
        request = next(member.life)
    except (Exception, SystemExit) as error:
        if out_of_memory(error):
            raise
        return member, f"{type(error).__name__}: {error}"
    if held["waits"]:
        if kind_of_request(request) != held["asks"]:
            return member, f"its method asks for {request}, where it had asked for {held['asks']} before"
        member.request = request
    if held["regime"] and held["regime"] != regime_text(member.regime):
        return member, f"its method names the regime {member.regime!r}, where it had named {held['regime']} before"
    return member, ""


def take_up_member(bench: Bench, member: Member, held: Mapping[str, Any]) -> None:
    """What a member and its trial knew, and its regime, now that its row is in the stack."""
    stack = bench.stack
    member.drawn = unpacked_state(held["drawn"], bench.device)
    member.curves = [CurvePoint(*point) for point in held["curves"]]
    member.trial.hold(held["trial"])
    if held["regime"]:
        regime = next((known for known in stack.regimes if known == member.regime), member.regime)
        stack.regimes[member.index] = regime


def take_up_memories(bench: Bench, held: Mapping[str, Any], members: Sequence[Member]) -> None:
    """What mask rules remember: of members that go on drawing under their rules, of others under a stand-in."""
    memories, drawing = bench.memories, {member.index: member for member in members if member.drawing}
    for number, state in enumerate(held["stacks"]):
        seats = [seat for seat, known in enumerate(held["rules"]) if known == number]
        rules = [drawing[seat].rule for seat in seats if seat in drawing and drawing[seat].rule is not None]
        rule: MaskRule = next((rule for rule in rules if rule is not None), PastRule(number))
        memories.stacks.append((rule, {name: tensor.to(bench.device) for name, tensor in state.items()}))
        for seat in seats:
            memories.rules[seat] = rule


def stack_from(plain: Mapping[str, Any], device: torch.device) -> Stack:
    """The stack that `plain_stack` made plain data of; nobody is under a regime yet."""

    def placed(state: Mapping[str, Tensor]) -> State:
        return {name: tensor.clone().to(device) for name, tensor in state.items()}

    trained = set(plain["trained"])
    best = plain["best"]
    return Stack(
        {name: tensor.requires_grad_(True) for name, tensor in placed(plain["parameters"]).items()},
        placed(plain["buffers"]),
        placed(plain["masks"]),
        list(plain["steps"]),
        list(plain["updates"]),
        {name: placed(slot) for name, slot in plain["slots"].items()},
        placed(plain["averages"]),
        placed(plain["carried"]),
        {key: tensor.requires_grad_(key in trained) for key, tensor in placed(plain["extras"]).items()},
        {key: list(updates) for key, updates in plain["born"].items()},
        best=None if best is None else Best(placed(best[0]), placed(best[1]), list(best[2])),
        totals=plain["totals"].clone().to(device),
        noted=list(plain["noted"]),
    )


def overwrite(mine: Mapping[str, Tensor], theirs: Mapping[str, Tensor]) -> None:
    """Other values in the place of those that are there."""
    for name, tensor in mine.items():
        tensor.detach().copy_(theirs[name])
