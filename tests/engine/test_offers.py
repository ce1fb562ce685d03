"""Tickets that are offered while drawing: trained where the protocol trains, a point of the curve each."""

from __future__ import annotations

import pytest
import torch
from places import HELPERS, STRANGER

from ticketbench.engine.bench import Bench
from ticketbench.engine.fleet_run import lead
from ticketbench.masks.ticket import density_of
from ticketbench.plan.plan import make_plan
from ticketbench.plan.resolve import Resolver
from ticketbench.plugin.loading import load_plugins
from ticketbench.suite.suite import read_suite

PLUGIN = HELPERS / "travel.py"


@pytest.fixture(scope="module")
def world():
    return load_plugins([STRANGER, PLUGIN])


@pytest.fixture
def members_of(world, tiny_suite):
    """The members of fleets under a protocol, after their lives."""

    def members(protocol: str, rows: str, densities: str, seeds: str = "[0, 1]", *changes: tuple[str, str]):
        suite = read_suite(
            tiny_suite(
                ('protocols = ["same"]', f'protocols = ["{protocol}"]'),
                ('methods = ["dense", "magnitude"]', f"methods = {rows}"),
                ("densities = [0.5]", f"densities = {densities}"),
                ("seeds = [0, 1]", f"seeds = {seeds}"),
                *changes,
            )
        )
        cells = make_plan(suite, "smoke", world).cells
        bench = Bench(cells, [Resolver(world).cast(cell.setting) for cell in cells], torch.device("cpu"))
        found = lead(bench, suite.headline, lambda phase, steps: None, keep=True)
        assert [member.status for member in found] == ["ok"] * len(cells)
        return {(member.cell.setting.row, member.cell.density, member.cell.seed): member for member in found}

    return members


def curve(member) -> dict[float, float]:
    """The judged accuracy by density."""
    return {
        point[5]: point[6] for point in member.curves if point[0] == "test" and point[2:5:2] == ("accuracy", "density")
    }


@pytest.mark.parametrize("protocol", ["more_classes", "other_optimizer"])
def test_every_level_is_trained_as_a_cell_of_that_density_would_be(members_of, protocol: str):
    """Halving to an eighth passes 1, ½, ¼: each point equals the result of a cell of its own, trained elsewhere too."""
    passing = members_of(protocol, '["imp"]', "[0.125]")
    alone = members_of(protocol, '["imp"]', "[1.0, 0.5, 0.25, 0.125]")
    for seed in (0, 1):
        points = curve(passing["imp", 0.125, seed])
        own = [curve(alone["imp", density, seed]) for density in (1.0, 0.5, 0.25, 0.125)]
        assert len(points) == 4
        assert [*points.values()] == pytest.approx([[*part.values()][-1] for part in own], rel=1e-5)
        assert [*points][-1] == [*own[-1]][-1]


def test_the_headline_is_the_last_tickets(members_of):
    """Points on the way do not count as the result."""
    for member in members_of("more_classes", '["imp"]', "[0.125]").values():
        accuracies = [point[6] for point in member.curves if point[2] == "accuracy" and point[4] == "density"]
        assert member.headline == accuracies[-1]
        assert len(accuracies) == 4


def test_offers_are_counted_as_training(members_of):
    """Three trainings to draw, three offered and the last one: 7 × 20 steps."""
    found = members_of("other_optimizer", '["imp"]', "[0.125]")
    assert {member.train_steps for member in found.values()} == {140}
    assert {member.trial.spent.steps for member in found.values()} == {140}


def test_nothing_is_offered_where_tickets_are_trained_where_they_are_drawn(members_of):
    """Under `same` the method's own trainings are judged: 4 × 20 steps."""
    found = members_of("same", '["imp"]', "[0.125]")
    assert {member.train_steps for member in found.values()} == {80}
    assert all(len(curve(member)) == 4 for member in found.values())


def test_controls_need_no_training_where_they_are_drawn(members_of):
    """Reshuffled tickets are offered at once: as many steps as the found ones take, and other results."""
    change = (
        'imp = { method = { name = "imp", fraction = 0.5 }',
        'imp = { method = { name = "imp", fraction = 0.5, ticket = "reshuffled" }',
    )
    found = members_of("other_optimizer", '["imp"]', "[0.125]")
    controls = members_of("other_optimizer", '["imp"]', "[0.125]", "[0, 1]", change)
    for at, member in controls.items():
        assert member.train_steps == 140
        assert [*curve(member)] == [*curve(found[at])]
        assert curve(member)[1.0] == curve(found[at])[1.0]
    assert any(curve(member) != curve(found[at]) for at, member in controls.items())


def test_an_offer_that_diverges_is_no_point_of_the_curve(members_of, monkeypatch):
    """It is found beside the probes, with the step; the points of the others stay."""
    import ticketbench.engine.fleet_run as life

    real = life.train_to_the_end

    def broken(stepper, *rest):
        log = real(stepper, *rest)
        half = 0.4 < density_of(stepper.stack.mask(0)) < 0.6
        if half and stepper.recipe.optimizer == "sgd":  # the second pair of offers
            log.diverged[0] = 7
        return log

    monkeypatch.setattr(life, "train_to_the_end", broken)
    both = members_of("other_optimizer", '["imp"]', "[0.25]", "[0, 1]")
    lost = [finding for member in both.values() for finding in member.trial.findings if finding[0] == "engine"]
    assert [finding[1:3] for finding in lost] == [("trained", "offer diverged at density 0.5")]
    assert sorted(len(curve(member)) for member in both.values()) == [2, 3]
