"""From stage to stage: drawn here, trained there, adapted elsewhere."""

from __future__ import annotations

import pytest
import torch
from places import HELPERS, STRANGER

from ticketbench.engine.bench import Bench
from ticketbench.engine.fleet_run import lead
from ticketbench.errors import SuiteError
from ticketbench.plan.plan import make_plan
from ticketbench.plan.resolve import Resolver
from ticketbench.plugin.loading import load_plugins
from ticketbench.suite.suite import read_suite

PLUGIN = HELPERS / "travel.py"


@pytest.fixture(scope="module")
def world():
    return load_plugins([STRANGER, PLUGIN])


@pytest.fixture
def led(world, tiny_suite):
    """The bench and the members of a fleet under a protocol, after their lives."""

    def lead_protocol(protocol: str, rows: str = '["magnitude", "imp"]', densities: str = "[0.5, 0.25]"):
        suite = read_suite(
            tiny_suite(
                ('protocols = ["same"]', f'protocols = ["{protocol}"]'),
                ('methods = ["dense", "magnitude"]', f"methods = {rows}"),
                ("densities = [0.5]", f"densities = {densities}"),
            )
        )
        cells = make_plan(suite, "smoke", world).cells
        bench = Bench(cells, [Resolver(world).cast(cell.setting) for cell in cells], torch.device("cpu"))
        return bench, lead(bench, suite.headline, lambda phase, steps: None, keep=True)

    return lead_protocol


def test_a_ticket_moves_to_a_task_with_another_head(led):
    """The hidden layer keeps ticket and weights; the four-class head is new and dense; all members move together."""
    bench, members = led("more_classes")
    assert [member.status for member in members] == ["ok"] * 8
    assert bench.stack.parameters["3.weight"].shape == (8, 4, 8)
    assert bool(bench.stack.masks["3.weight"].all())
    for index, member in enumerate(members):
        assert member.ticket is not None
        assert torch.equal(bench.stack.masks["1.weight"][index], member.ticket.mask["1.weight"])
        assert [point[1] for point in member.curves if point[4] == "density"][-1] == "four"


def test_members_with_different_numbers_of_levels_wait_for_each_other(led):
    """IMP to a quarter needs one level more than to a half; both leave one final judgement after the move."""
    _, members = led("more_classes", rows='["imp"]')
    reports = {
        member.cell.density: sum(1 for point in member.curves if point[4] == "density" and point[2] == "accuracy")
        for member in members
    }
    assert reports == {0.5: 2, 0.25: 3}


def test_training_may_use_another_optimizer_than_drawing(led):
    """IMP draws with Adam and the final training has momentum only; the weights start from the ticket's."""
    bench, members = led("other_optimizer", rows='["imp"]', densities="[0.5]")
    assert [member.status for member in members] == ["ok", "ok"]
    assert set(bench.stack.slots) == {"momentum_buffer"}
    assert bench.stage.recipe.optimizer == "sgd"


def test_a_probe_trains_a_fresh_head_and_nothing_else(led):
    """After adapting, the first layer is bit for bit what training left, and the head moved from a fresh start."""
    bench, members = led("frozen", rows='["magnitude"]', densities="[0.5]")
    again, same = led("same", rows='["magnitude"]', densities="[0.5]")
    assert [member.status for member in members + same] == ["ok"] * 4
    for name in ("1.weight", "1.bias"):
        assert torch.equal(bench.stack.parameters[name], again.stack.parameters[name])
    assert not torch.equal(bench.stack.parameters["3.weight"], again.stack.parameters["3.weight"])
    assert set(bench.stack.slots["exp_avg"]) == {"3.weight", "3.bias"}
    assert min(member.headline for member in members) > 0.8


def test_masked_weights_of_a_fresh_head_stay_zero(led):
    """The head's mask of the drawn ticket still holds for the fresh head, and nothing leaks while it trains."""
    bench, members = led("frozen", rows='["magnitude"]', densities="[0.5]")
    for index, member in enumerate(members):
        assert member.ticket is not None
        mask = member.ticket.mask["3.weight"]
        assert torch.equal(bench.stack.masks["3.weight"][index], mask)
        assert int(torch.count_nonzero(bench.stack.parameters["3.weight"][index][~mask])) == 0


def test_a_head_that_no_parameter_matches_is_refused(world, tiny_suite):
    """A misspelt pattern would silently carry the old head along."""
    suite = read_suite(tiny_suite(('protocols = ["same"]', 'protocols = ["misspelt"]')))
    cells = make_plan(suite, "smoke", world).cells
    bench = Bench(cells, [Resolver(world).cast(cell.setting) for cell in cells], torch.device("cpu"))
    with pytest.raises(SuiteError, match=r"'linear\.\*' anew, which no parameter's name matches: 1\.weight"):
        lead(bench, suite.headline, lambda phase, steps: None, keep=False)


def test_a_fresh_head_on_the_same_task_is_a_stage_of_its_own(led):
    """The head starts anew under the ticket's mask, and is trained after the move."""
    _, members = led("same_task_new_head", rows='["imp"]', densities="[0.5]")
    assert {member.train_steps for member in members} == {60}  # dense to draw, dense offered, the ticket
    assert [member.status for member in members] == ["ok"] * 2
