"""Tickets drawn in one place and trained in another, and what may be read before they are judged."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from itertools import chain
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from places import HELPERS, STRANGER
from torch.nn import functional

from ticketbench import Stages, Ticket
from ticketbench.engine.bench import Bench
from ticketbench.engine.execute import execute
from ticketbench.engine.fleet_run import lead
from ticketbench.plan.plan import make_plan
from ticketbench.plan.resolve import Cast, Resolver
from ticketbench.plugin.loading import load_plugins
from ticketbench.suite.suite import read_suite

PLUGIN = HELPERS / "telltale.py"
PROTOCOLS = {
    "halves": '{ name = "halves" }',
    "labels": '{ name = "labels", draw_labels = [0, 1], train_labels = [2, 3] }',
    "optimizers": '{ name = "optimizers", learning_rate = 0.05, momentum = 0.9 }',
    "other_dataset": '{ name = "other_dataset", other = "telltale_second", head = ["3.*"] }',
}
KINDS = [(name, kind) for name in PROTOCOLS for kind in ("transferred", "own")]


def protocol_text(name: str, ticket: str, more: str = "") -> str:
    """A protocol of a suite file."""
    return PROTOCOLS[name].replace(" }", f', ticket = "{ticket}"{more} }}')


@pytest.fixture(scope="module")
def world():
    loaded = load_plugins([STRANGER, PLUGIN])
    assert loaded.broken == []
    return loaded


@pytest.fixture
def telltale(world):
    """The class of the tasks that tell, with an empty journal."""
    kind = type(world.find("task", "telltale"))
    kind.journal.clear()
    return kind


@pytest.fixture
def suite_of(tiny_suite):
    """The tiny suite on the task that tells, under one protocol."""

    def suite(protocol: str, rows: str = '["snip", "imp"]', *changes: tuple[str, str]):
        path = tiny_suite(
            ('protocols = ["same"]', f"protocols = [{protocol}]"),
            ('methods = ["dense", "magnitude"]', f"methods = {rows}"),
            ('tasks = ["blobs"]', 'tasks = ["telltale"]'),
            ("steps = 20", "steps = 6"),
            *changes,
        )
        return read_suite(path)

    return suite


@pytest.fixture
def led(world, suite_of, monkeypatch, telltale):
    """The life of a fleet under a protocol: its members, and the bench before and after it moved on.

    `stages` changes what the protocol says, to draw the same cells elsewhere.
    """

    def lead_fleet(
        protocol: str, row: str, *changes: tuple[str, str], stages: Callable[[Stages], Stages] = lambda found: found
    ) -> SimpleNamespace:
        suite = suite_of(protocol, f'["{row}"]', *changes)
        cells = make_plan(suite, "smoke", world).cells
        casts: list[Cast] = []
        for cell in cells:
            cast = Resolver(world).cast(cell.setting)
            casts.append(dataclasses.replace(cast, stages=stages(cast.stages)))
        seen: list[SimpleNamespace] = []
        move_on = Bench.move_on

        def watched(bench: Bench) -> None:
            seen.append(state(bench))
            move_on(bench)
            seen.append(state(bench))

        monkeypatch.setattr(Bench, "move_on", watched)
        bench = Bench(cells, casts, torch.device("cpu"))
        start = [bench.stack.snapshot(member).weights for member in range(len(cells))]
        fresh = [bench.fresh(member, bench.stages.train_on) for member in range(len(cells))]
        members = lead(bench, suite.headline, lambda phase, steps: None, keep=True)
        monkeypatch.setattr(Bench, "move_on", move_on)
        assert [member.status for member in members] == ["ok"] * len(cells), members[0].error or members[0].reason
        return SimpleNamespace(bench=bench, members=members, seen=seen, start=start, fresh=fresh)

    return lead_fleet


def state(bench: Bench) -> SimpleNamespace:
    """A copy of what a bench holds."""
    stack = bench.stack
    return SimpleNamespace(
        task=bench.stage.data.task,
        recipe=bench.stage.recipe,
        slots=sorted(name for name, slot in stack.slots.items() if any(bool(part.any()) for part in slot.values())),
        updates=list(stack.updates),
        steps=list(stack.steps),
        weights=[stack.snapshot(member).weights for member in range(len(stack))],
        masks=[stack.mask(member) for member in range(len(stack))],
    )


def same_tensors(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> bool:
    """Bit for bit."""
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


# -- the ticket --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", PROTOCOLS)
@pytest.mark.parametrize("row", ["snip", "imp"])
def test_the_transferred_ticket_is_the_one_drawn_on_the_source(led, name, row):
    """Mask and weights are bit for bit what the same cell draws where it is trained on the source."""
    there = led(protocol_text(name, "transferred"), row)
    here = led(
        protocol_text(name, "transferred"),
        row,
        stages=lambda found: Stages(found.draw_on, found.draw_on, {"here": found.draw_on}),
    )
    assert (len(there.seen), len(here.seen)) == (2, 0)
    for index, (member, other) in enumerate(zip(there.members, here.members, strict=True)):
        assert same_tensors(member.ticket.mask, other.ticket.mask)
        assert same_tensors(member.ticket.weights, other.ticket.weights)
        for part, weight in member.ticket.weights.items():
            mask = member.ticket.mask.get(part, torch.ones_like(weight, dtype=torch.bool))
            assert torch.equal(weight, there.start[index][part] * mask)


@pytest.mark.parametrize("name", PROTOCOLS)
@pytest.mark.parametrize("row", ["snip", "imp"])
def test_training_on_the_target_starts_from_the_ticket(led, name, row):
    """After the move: mask and weights of the ticket, step 0, a fresh optimizer, and the target's task.

    In these cells the fresh head of the other data set has the ticket's shape and is the initialization, too.
    """
    life = led(protocol_text(name, "transferred"), row)
    before, after = life.seen
    assert (before.task, after.task) == (life.bench.stages.draw_on, life.bench.stages.train_on)
    assert (after.updates, after.steps, after.slots) == ([0, 0], [0, 0], [])
    for index, member in enumerate(life.members):
        assert same_tensors(after.masks[index], member.ticket.mask)
        assert same_tensors(after.weights[index], member.ticket.weights)
        assert not same_tensors(member.solution.weights, member.ticket.weights)
        assert same_tensors(member.solution.mask, member.ticket.mask)


@pytest.mark.parametrize("name", ["halves", "labels", "other_dataset"])
@pytest.mark.parametrize("row", ["snip", "imp"])
def test_the_own_ticket_is_drawn_on_the_target(led, name, row):
    """It is what the same cell draws on the target directly, and another one than the transferred."""
    own, moved = (led(protocol_text(name, ticket), row) for ticket in ("own", "transferred"))
    target = moved.bench.stages.train_on
    direct = led(
        protocol_text(name, "transferred"),
        row,
        stages=lambda found: Stages(target, target, {"target": target}),
    )
    assert own.seen == []
    for one, two, three in zip(own.members, direct.members, moved.members, strict=True):
        assert same_tensors(one.ticket.mask, two.ticket.mask)
        assert same_tensors(one.ticket.weights, two.ticket.weights)
        assert same_tensors(one.solution.weights, two.solution.weights)
        assert not same_tensors(one.ticket.mask, three.ticket.mask)
        assert same_tensors(one.trial._bench.fresh(0, target).state_dict(), moved.fresh[0].state_dict())


@pytest.mark.parametrize(("name", "ticket"), KINDS)
def test_only_the_target_is_judged(led, name, ticket):
    """Every point of the curve over densities has the target's label, and IMP leaves one a level and the last."""
    label = {"labels": "telltale labels 2,3", "other_dataset": "telltale_second"}.get(name, "telltale")
    for member in led(protocol_text(name, ticket), "imp", ("densities = [0.5]", "densities = [0.25]")).members:
        points = [point for point in member.curves if point[0] == "test"]
        assert {point[1] for point in points} == {label}
        assert [point[5] for point in points] == pytest.approx([1, 0.5, 0.25], abs=0.01)


@pytest.mark.parametrize(("target", "outputs", "dense"), [("[2, 3]", 2, False), ("[2, 3, 1]", 3, True)])
def test_labels_numbered_anew_have_heads_of_their_own(led, target, outputs, dense):
    """Two labels to two: the whole ticket moves. Two to three: the head of three is new and dense."""
    text = protocol_text("labels", "transferred", ", relabel = true").replace("[2, 3]", target)
    life = led(text, "snip")
    for index, member in enumerate(life.members):
        after = life.seen[1]
        assert member.ticket.weights["3.weight"].shape == (2, 8)
        assert after.weights[index]["3.weight"].shape == (outputs, 8)
        assert torch.equal(after.masks[index]["1.weight"], member.ticket.mask["1.weight"])
        assert bool(after.masks[index]["3.weight"].all()) == dense
        assert same_tensors(after.weights[index], member.ticket.weights) != dense


# -- optimizers --------------------------------------------------------------------------------------------------


def test_the_optimizer_changes_between_drawing_and_training(led):
    """IMP draws with Adam at 0.01, and the last training is SGD with momentum at 0.05."""
    life = led(protocol_text("optimizers", "transferred"), "imp")
    before, after = life.seen
    assert (before.recipe.optimizer, before.recipe.learning_rate) == ("adam", 0.01)
    assert (after.recipe.optimizer, after.recipe.learning_rate, after.recipe.momentum) == ("sgd", 0.05, 0.9)
    assert set(life.bench.stack.slots) == {"momentum_buffer"}


def test_training_is_momentum_sgd_by_hand(led):
    """Six whole-batch steps from SNIP's ticket, in plain PyTorch: v ← 0.9 v + g, θ ← θ − 0.05 v, under the mask."""
    life = led(protocol_text("optimizers", "transferred"), "snip", ("batch = 20", "batch = 80"))
    split = life.bench.stage.data.task.training()[0]
    for member in life.members:
        weights = {name: weight.double().requires_grad_(True) for name, weight in member.ticket.weights.items()}
        optimizer = torch.optim.SGD(list(weights.values()), lr=0.05, momentum=0.9)
        for _ in range(6):
            hidden = functional.linear(split.inputs.double(), weights["1.weight"], weights["1.bias"]).relu()
            outputs = functional.linear(hidden, weights["3.weight"], weights["3.bias"])
            optimizer.zero_grad()
            functional.cross_entropy(outputs, split.targets).backward()
            for name, mask in member.ticket.mask.items():
                weights[name].grad.mul_(mask)
            optimizer.step()
        for name, weight in weights.items():
            torch.testing.assert_close(member.solution.weights[name].double(), weight.detach(), rtol=1e-4, atol=1e-5)


def test_the_own_ticket_is_drawn_with_the_targets_optimizer(led):
    """It is what the cell draws under `same` with that recipe, and is trained without a move."""
    own, moved = (led(protocol_text("optimizers", ticket), "imp") for ticket in ("own", "transferred"))
    recipe = ('optimizer = "adam"\nlearning_rate = 1e-2', 'optimizer = "sgd"\nlearning_rate = 0.05\nmomentum = 0.9')
    direct = led('"same"', "imp", recipe)
    assert own.seen == []
    assert own.bench.stage.recipe == direct.bench.stage.recipe
    for one, two, three in zip(own.members, direct.members, moved.members, strict=True):
        assert same_tensors(one.ticket.mask, two.ticket.mask)
        assert same_tensors(one.solution.weights, two.solution.weights)
        assert not same_tensors(one.ticket.mask, three.ticket.mask)


# -- another data set --------------------------------------------------------------------------------------------

TRAINED = ('"imp", fraction = 0.5', '"imp", fraction = 0.5, rewind = "none"')
"""IMP that keeps the trained weights, so that a fresh head can be told from an old one."""


def test_a_head_of_the_same_shape_is_fresh_under_the_tickets_mask(led):
    """The hidden layer moves as trained; the head is the target's initialization, where the mask keeps it."""
    life = led(protocol_text("other_dataset", "transferred"), "imp", TRAINED)
    _, after = life.seen
    for index, member in enumerate(life.members):
        fresh, mask = dict(life.fresh[index].named_parameters()), member.ticket.mask
        for name in ("1.weight", "1.bias"):
            assert torch.equal(after.weights[index][name], member.ticket.weights[name])
            assert not torch.equal(after.weights[index][name], life.start[index][name])
        assert same_tensors(after.masks[index], mask)
        assert torch.equal(after.weights[index]["3.weight"], fresh["3.weight"] * mask["3.weight"])
        assert torch.equal(after.weights[index]["3.bias"], fresh["3.bias"])
        assert not torch.equal(after.weights[index]["3.bias"], member.ticket.weights["3.bias"])


def test_a_head_that_is_not_named_moves_where_it_fits(led):
    """Without `head` the trained head goes along."""
    text = protocol_text("other_dataset", "transferred").replace('["3.*"]', "[]")
    life = led(text, "imp", TRAINED)
    for index, member in enumerate(life.members):
        assert same_tensors(life.seen[1].weights[index], member.ticket.weights)


def test_other_classes_bring_a_dense_head(led):
    """Four kinds to three: the hidden layer's mask moves, and all 8 × 3 weights of the head are new."""
    text = protocol_text("other_dataset", "transferred").replace("telltale_second", "telltale_three")
    life = led(text, "snip")
    for index, member in enumerate(life.members):
        masks, weights = life.seen[1].masks[index], life.seen[1].weights[index]
        assert torch.equal(masks["1.weight"], member.ticket.mask["1.weight"])
        assert (masks["3.weight"].shape, bool(masks["3.weight"].all())) == ((3, 8), True)
        assert torch.equal(weights["3.weight"], dict(life.fresh[index].named_parameters())["3.weight"])
        assert member.trial.present_density > 0.5


# -- nothing of the test split -----------------------------------------------------------------------------------


def test_the_task_that_tells_does_tell(telltale):
    """Its test split is refused at first, after loading, and one step before a training has ended."""
    task, split = telltale(), None
    for losses in (0, 0, 5):
        with pytest.raises(RuntimeError, match="was read before a training had ended"):
            task.test()
        split = task.training()[0]
        for _ in range(losses):
            task.loss(torch.zeros(80, 4), split.targets, split.inputs)
    with pytest.raises(RuntimeError, match="was read before a training had ended"):
        task.test()
    task.loss(torch.zeros(80, 4), split.targets, split.inputs)
    assert len(task.test()) == 40


@pytest.mark.parametrize(("name", "ticket"), KINDS)
def test_nothing_of_the_test_split_comes_near_drawing(suite_of, world, telltale, monkeypatch, tmp_path, name, ticket):
    """With another test split, saved tickets and trained networks are the same bit for bit, and results differ.

    The task itself fails every cell that reads the test split before a training on the target has ended, planning
    included; and the source's test split is never read.
    """
    suite = suite_of(protocol_text(name, ticket), '["dense", "snip", "imp"]')
    plan = make_plan(suite, "smoke", world)
    found: list[tuple[dict[tuple[str, str], bytes], list[float]]] = []
    for variant in (0, 1):
        monkeypatch.setattr(telltale, "variant", variant)
        folder, records = tmp_path / str(variant), []
        for fleet in plan.fleets(plan.cells, "cpu", 1):
            telltale.journal.clear()
            left = execute(fleet.cells, Resolver(world), suite.headline, keep_in=folder)
            records += [record.as_dict() for record in left]
            assert [task for task, event in telltale.journal if event == "test"] == [judged(name)]
        assert [(record["status"], record["reason"]) for record in records] == [("ok", "")] * 6
        points = chain.from_iterable(record["curves"] for record in records)
        results = [value for split, *_, value in points if split == "test"]
        found.append((saved(folder), results))
    (tickets, results), (others, other_results) = found
    assert len({name for name, _ in tickets}) == 2 * 6
    assert tickets == others
    assert results != other_results


def judged(name: str) -> str:
    """The task whose test split a protocol judges on."""
    return "telltale_second" if name == "other_dataset" else "telltale"


def saved(folder: Path) -> dict[tuple[str, str], bytes]:
    """(file, weight or mask) -> its bytes, for all tickets and solutions of a folder."""
    tickets = {path.name: Ticket.load(path) for path in folder.iterdir()}
    tensors = {
        (name, kind + part): tensor
        for name, ticket in tickets.items()
        for kind, state in (("mask:", ticket.mask), ("", ticket.weights))
        for part, tensor in state.items()
    }
    return {place: tensor.numpy().tobytes() for place, tensor in tensors.items()}
