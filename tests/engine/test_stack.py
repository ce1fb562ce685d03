"""The state of a fleet: what each change of masks and weights does, and to whom."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from ticketbench.engine.stack import Stack
from ticketbench.errors import TicketError

MASK = {"w": torch.tensor([[True, False, True], [False, True, True]])}


def stack_of(members: int = 3) -> Stack:
    """Members with a prunable weight, a bias and a running mean, all different, and one optimizer slot."""
    source = torch.Generator().manual_seed(1)

    def draw(*shape: int) -> Tensor:
        return torch.randn(shape, generator=source)

    states = [({"w": draw(2, 3), "b": draw(2)}, {"mean": draw(2)}) for _ in range(members)]
    stack = Stack.of(states, ["w"])
    stack.slots = {"momentum_buffer": {"w": draw(members, 2, 3), "b": draw(members, 2)}}
    stack.steps, stack.updates = [5] * members, [4] * members
    return stack


def copied(stack: Stack) -> dict[str, Tensor]:
    """Everything a stack holds, as copies."""
    parts = {f"weight {name}": tensor for name, tensor in stack.parameters.items()}
    parts |= {f"buffer {name}": tensor for name, tensor in stack.buffers.items()}
    parts |= {f"mask {name}": tensor for name, tensor in stack.masks.items()}
    parts |= {f"{slot} {name}": tensor for slot, state in stack.slots.items() for name, tensor in state.items()}
    return {name: tensor.detach().clone() for name, tensor in parts.items()}


def scribble(stack: Stack, member: int, by: float = 1.0) -> None:
    """Training, as far as the stack is concerned: weights, statistics and slots move inside the mask."""
    with torch.no_grad():
        stack.parameters["w"][member] += by * stack.masks["w"][member]
        stack.parameters["b"][member] += by
        stack.buffers["mean"][member] += by
        stack.slots["momentum_buffer"]["w"][member] += by * stack.masks["w"][member]
        stack.slots["momentum_buffer"]["b"][member] += by
    stack.steps[member] += 2
    stack.updates[member] += 2


def bits(tensor: Tensor) -> Tensor:
    """The bits of float32 numbers, which tell -0 from 0 and one NaN from another."""
    return tensor.detach().contiguous().view(torch.int32)


def test_a_new_stack_is_dense_and_at_step_zero():
    """Full masks for the prunable weights, no steps, no slots, gradients wanted."""
    stack = Stack.of([({"w": torch.ones(2, 3), "b": torch.ones(2)}, {})] * 2, ["w"])
    assert len(stack) == 2
    assert stack.dense
    assert {name: tuple(mask.shape) for name, mask in stack.masks.items()} == {"w": (2, 2, 3)}
    assert (stack.steps, stack.updates, stack.slots) == ([0, 0], [0, 0], {})
    assert all(tensor.requires_grad for tensor in stack.parameters.values())


def test_set_mask_zeroes_what_is_dropped_and_touches_nothing_else():
    """Weights and slots outside the mask become 0; inside, and in other members and the bias, not a bit moves."""
    stack = stack_of()
    before = copied(stack)
    stack.set_mask(1, MASK)
    for name, tensor in copied(stack).items():
        expected = before[name].clone()
        if name == "mask w":
            expected[1] = MASK["w"]
        elif name.endswith(" w"):
            expected[1][~MASK["w"]] = 0.0
        assert tensor.equal(expected), name
    assert stack.mask(1)["w"].equal(MASK["w"])
    assert not stack.dense
    assert (stack.steps, stack.updates) == ([5, 5, 5], [4, 4, 4])
    stack.check()


@pytest.mark.parametrize("members", [[0, 1, 2], [1], [2, 0]])
def test_masks_set_together_are_masks_set_one_by_one(members: list[int]):
    """All, one, and two in another order: every bit of the stack, and best validations that no longer count."""
    together, alone = stack_of(), stack_of()
    source = torch.Generator().manual_seed(2)
    masks = torch.rand(len(members), 2, 3, generator=source) < 0.5
    for stack in (together, alone):
        stack.keep_best({0: 1.0, 1: 2.0, 2: 3.0}, True)
    together.set_masks(members, {"w": masks})
    for row, member in enumerate(members):
        alone.set_mask(member, {"w": masks[row]})
    found, expected = copied(together), copied(alone)
    assert all(found[name].equal(part) for name, part in expected.items())
    assert all(bits(found[name]).equal(bits(part)) for name, part in expected.items() if part.is_floating_point())
    assert together.best is not None
    assert [value is None for value in together.best.values] == [member in members for member in range(3)]
    assert together.parameters["w"].requires_grad
    together.check()


@pytest.mark.parametrize("wrong", [torch.ones(2, 2, 3), torch.ones(2, 3, dtype=torch.bool)])
def test_masks_of_another_kind_or_shape_are_refused(wrong: Tensor):
    """And nothing changes."""
    stack = stack_of()
    before = copied(stack)
    with pytest.raises(TicketError, match=r"the masks of 'w' must be a bool tensor of shape \(2, 2, 3\)"):
        stack.set_masks([0, 2], {"w": wrong})
    assert all(part.equal(before[name]) for name, part in copied(stack).items())


def test_a_weight_that_grows_back_starts_at_zero_with_zero_slots():
    """Dropped and grown again, a weight has forgotten its value."""
    stack = stack_of()
    stack.set_mask(0, MASK)
    stack.set_mask(0, {"w": torch.ones(2, 3, dtype=torch.bool)})
    assert stack.parameters["w"][0][~MASK["w"]].tolist() == [0.0, 0.0]
    assert stack.slots["momentum_buffer"]["w"][0][~MASK["w"]].tolist() == [0.0, 0.0]


def test_a_weight_that_is_not_finite_is_dropped_to_zero():
    """0 · inf would be NaN: dropping is no product."""
    stack = stack_of()
    with torch.no_grad():
        stack.parameters["w"][0, 0, 1] = math.inf
        stack.slots["momentum_buffer"]["w"][0, 0, 1] = math.nan
    stack.set_mask(0, MASK)
    assert stack.parameters["w"][0, 0, 1].item() == 0.0
    assert stack.slots["momentum_buffer"]["w"][0, 0, 1].item() == 0.0


@pytest.mark.parametrize("wrong", [torch.ones(2, 3), torch.ones(3, 2, dtype=torch.bool)])
def test_a_mask_of_another_type_or_shape_is_refused_and_changes_nothing(wrong: Tensor):
    """Numbers are no mask, and a transposed one does not fit."""
    stack = stack_of()
    before = copied(stack)
    with pytest.raises(TicketError, match="must be a bool tensor of shape"):
        stack.set_mask(0, {"w": wrong})
    assert all(tensor.equal(before[name]) for name, tensor in copied(stack).items())


def test_masks_and_snapshots_are_copies():
    """What a method does to them does not reach the network."""
    stack = stack_of()
    snapshot, mask = stack.snapshot(0), stack.mask(0)
    before = copied(stack)
    snapshot.weights["w"].zero_()
    snapshot.buffers["mean"].zero_()
    mask["w"].zero_()
    assert all(tensor.equal(before[name]) for name, tensor in copied(stack).items())


def test_rewind_is_bit_exact():
    """Weights, -0 and the smallest number included, statistics and the step are those of the snapshot."""
    stack = stack_of()
    with torch.no_grad():
        stack.parameters["w"][1, 0, 0] = -0.0
        stack.parameters["w"][1, 0, 1] = 1e-45
    start, before = stack.snapshot(1), copied(stack)
    scribble(stack, 1, 0.1)
    scribble(stack, 1, 1e8)
    stack.rewind(1, start)
    after = copied(stack)
    for name in ("weight w", "weight b", "buffer mean"):
        assert bits(after[name]).equal(bits(before[name])), name
    assert stack.steps == [5, 5, 5]


def test_rewind_goes_under_the_present_mask_with_a_fresh_optimizer():
    """Kept weights come back bit for bit, masked ones are +0, and all slots of the member and its age are zero."""
    stack = stack_of()
    start, before = stack.snapshot(1), copied(stack)
    scribble(stack, 1)
    stack.set_mask(1, MASK)
    stack.rewind(1, start)
    after = copied(stack)
    kept = before["weight w"][1].where(MASK["w"], torch.tensor(0.0))
    assert bits(after["weight w"][1]).equal(bits(kept))
    assert after["mask w"][1].equal(MASK["w"])
    assert all(int(torch.count_nonzero(after[f"momentum_buffer {name}"][1])) == 0 for name in "wb")
    assert (stack.steps, stack.updates) == ([5, 5, 5], [4, 0, 4])
    for name, tensor in after.items():
        assert tensor[0].equal(before[name][0]), name
        assert tensor[2].equal(before[name][2]), name


def test_a_snapshot_can_be_rewound_to_again_and_again():
    """Rewinding does not hand out the snapshot's own tensors."""
    stack = stack_of()
    start = stack.snapshot(0)
    weights = {name: tensor.clone() for name, tensor in start.weights.items()}
    for _ in range(2):
        stack.rewind(0, start)
        scribble(stack, 0)
    assert all(start.weights[name].equal(weights[name]) for name in weights)


def test_restart_keeps_the_weights_and_forgets_the_optimizer():
    """Step and slots go to their start; weights, statistics and the other members stay."""
    stack = stack_of()
    before = copied(stack)
    stack.restart(2, 0)
    after = copied(stack)
    assert (stack.steps, stack.updates) == ([5, 5, 0], [4, 4, 0])
    for name, tensor in after.items():
        expected = before[name].clone()
        if name.startswith("momentum"):
            expected[2] = 0.0
        assert tensor.equal(expected), name


def test_take_is_a_copy_and_put_brings_it_back():
    """A part is trained on its own; nothing reaches the stack before put, and put reaches only the part's members."""
    stack = stack_of()
    before = copied(stack)
    part = stack.take([2, 0])
    assert (len(part), part.steps, part.updates) == (2, [5, 5], [4, 4])
    for name, tensor in copied(part).items():
        assert tensor.equal(before[name][[2, 0]]), name
    scribble(part, 0, 3.0)
    part.set_mask(1, MASK)
    assert all(tensor.equal(before[name]) for name, tensor in copied(stack).items())
    trained = copied(part)
    trained.pop("mask w")
    stack.put([2, 0], part)
    for name, tensor in copied(stack).items():
        if name in trained:
            assert tensor[2].equal(trained[name][0]), name
            assert tensor[0].equal(trained[name][1]), name
        assert tensor[1].equal(before[name][1]), name
    assert (stack.steps, stack.updates) == ([5, 5, 7], [4, 4, 6])


def test_put_brings_slots_that_the_part_made():
    """A stack that never trained has no slots; those of a trained part start at zero for the others."""
    stack = stack_of()
    stack.slots = {}
    part = stack.take([1])
    part.slots = {"exp_avg": {"w": torch.full((1, 2, 3), 2.0), "b": torch.full((1, 2), 3.0)}}
    stack.put([1], part)
    assert stack.slots["exp_avg"]["w"].sum(dim=(1, 2)).tolist() == [0.0, 12.0, 0.0]
    assert stack.slots["exp_avg"]["b"].sum(dim=1).tolist() == [0.0, 6.0, 0.0]


def first_weight(stack: Stack, member: int) -> float:
    """The first weight that would be judged."""
    return float(stack.judged(member)[0]["b"][0])


@pytest.mark.parametrize("higher", [True, False])
def test_the_best_validation_is_judged_member_by_member(higher: bool):
    """Of three validations each member keeps its own best; an equal one later does not replace it."""
    stack = stack_of(2)
    start = [first_weight(stack, member) for member in range(2)]
    sign = 1.0 if higher else -1.0
    stack.keep_best(dict(enumerate([sign * 0.5, sign * 0.5])), higher)
    for member in range(2):
        scribble(stack, member)
    stack.keep_best(dict(enumerate([sign * 0.5, sign * 0.9])), higher)
    for member in range(2):
        scribble(stack, member)
    stack.keep_best(dict(enumerate([sign * 0.4, sign * 0.7])), higher)
    assert first_weight(stack, 0) == start[0]
    assert first_weight(stack, 1) == pytest.approx(start[1] + 1)
    assert stack.judged(1)[1]["mean"].equal(stack.buffers["mean"][1] - 1)


@pytest.mark.parametrize("higher", [True, False])
@pytest.mark.parametrize("wrong", [float("nan"), float("inf"), float("-inf")])
def test_a_first_validation_that_is_no_number_gives_way_to_the_first_that_is(higher: bool, wrong: float):
    """However bad it is; and one that is no number replaces none."""
    stack = stack_of(1)
    stack.keep_best({0: wrong}, higher)
    scribble(stack, 0)
    found = first_weight(stack, 0) + 1
    stack.keep_best({0: -9.0 if higher else 9.0}, higher)
    assert first_weight(stack, 0) == pytest.approx(found)
    scribble(stack, 0)
    stack.keep_best({0: wrong}, higher)
    assert first_weight(stack, 0) == pytest.approx(found)


def test_without_a_validation_the_present_weights_are_judged():
    """And what is judged is a copy."""
    stack = stack_of()
    parameters, buffers = stack.judged(1)
    assert parameters["w"].equal(stack.weights(1)["w"])
    assert buffers["mean"].equal(stack.buffers["mean"][1])
    parameters["w"].zero_()
    assert int(torch.count_nonzero(stack.weights(1)["w"])) == 6


@pytest.mark.parametrize("change", ["mask", "rewind", "restart"])
def test_the_best_is_forgotten_when_the_mask_or_the_training_changes(change: str):
    """A best validation belongs to one mask and one training; the other members keep theirs."""
    stack = stack_of()
    start, best = stack.snapshot(1), first_weight(stack, 0)
    stack.keep_best(dict(enumerate([0.9, 0.9, 0.9])), True)
    for member in range(3):
        scribble(stack, member)
    if change == "mask":
        stack.set_mask(1, MASK)
    elif change == "rewind":
        stack.rewind(1, start)
    else:
        stack.restart(1, 0)
    now = float(stack.weights(1)["b"][0])
    assert first_weight(stack, 1) == now
    assert first_weight(stack, 0) == best
    stack.keep_best(dict(enumerate([0.1, 0.1, 0.1])), True)  # a worse one: the first under the new mask
    scribble(stack, 1)
    assert first_weight(stack, 1) == now
    assert first_weight(stack, 0) == best


def test_the_best_travels_with_a_part():
    """Taken, validated again and put back, a member's best is that of its own history."""
    stack = stack_of()
    start = [first_weight(stack, member) for member in range(3)]
    stack.keep_best(dict(enumerate([0.5, 0.5, 0.5])), True)
    for member in range(3):
        scribble(stack, member)
    part = stack.take([2, 0])
    part.keep_best(dict(enumerate([0.9, 0.1])), True)
    scribble(part, 0)
    stack.put([2, 0], part)
    found = [first_weight(stack, member) for member in range(3)]
    assert found == pytest.approx([start[0], start[1], start[2] + 1])


def test_a_best_that_only_the_part_knows_is_no_best_of_the_others():
    """A part validated first: the members outside it are judged by their present weights."""
    stack = stack_of()
    part = stack.take([1])
    part.keep_best(dict(enumerate([0.5])), True)
    scribble(part, 0)
    best = first_weight(part, 0)
    stack.put([1], part)
    scribble(stack, 0)
    assert first_weight(stack, 1) == best
    assert first_weight(stack, 0) == float(stack.weights(0)["b"][0])


@pytest.mark.parametrize("kind", ["weight", "momentum_buffer"])
def test_a_leak_is_found_wherever_it_is(kind: str):
    """One entry outside the mask, in a weight or a slot, is counted and named."""
    stack = stack_of()
    stack.set_mask(1, MASK)
    stack.check()
    where = stack.parameters if kind == "weight" else stack.slots[kind]
    with torch.no_grad():
        where["w"][1, 0, 1] = 1e-30
    with pytest.raises(TicketError, match=f"1 entries of the {kind} of 'w' are masked but not zero"):
        stack.check()
