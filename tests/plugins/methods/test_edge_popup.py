"""Edge-popup: what it asks for, what it leaves alone, and what it finds."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from ticketbench import Train
from ticketbench.engine.member import Member
from ticketbench.engine.state import states_of
from ticketbench.engine.train import Goal, train_stack
from ticketbench.plan.fresh import fresh_module
from ticketbench.testing import bench_for, check_method, lives, trial_for
from ticketbench_methods.edge_popup import EdgePopup
from ticketbench_scorers.magnitude import Magnitude

SEEDS = (0, 1, 2, 3)


def drawn(member: Member) -> dict[str, torch.Tensor]:
    """A member's weights as its initializer drew them, from its seed alone."""
    bench = bench_for(EdgePopup(), None, 0.5, (member.cell.seed,))
    return states_of(fresh_module(bench.cells[0], bench.casts[0], bench.stages.draw_on))[0]


def judged(member: Member) -> list[float]:
    """The test accuracy of each round."""
    return [value for split, _, name, *_, value in member.curves if (split, name) == ("test", "accuracy")]


@pytest.mark.parametrize("then", ["stop", "train"])
@pytest.mark.parametrize("scope", ["layerwise", "global"])
def test_it_keeps_the_contract(then: Any, scope: Any):
    """Exact density, no leak, the same alone and in a fleet."""
    check_method(EdgePopup(then=then, scope=scope))


def test_it_asks_for_one_training_of_masks():
    """A whole schedule, in each layer, at the cell's density; and then nothing, or the way back."""
    for then, step in (("stop", 40), ("train", 0)):
        trial = trial_for(Magnitude())
        requests = EdgePopup(then=then).draw(trial)  # type: ignore[arg-type]
        assert next(requests) == Train(masks="layerwise", density=0.5)
        trial._bench.stack.steps[0] = trial.total_steps
        assert list(requests) == []
        assert trial.step == step


def test_at_density_one_there_is_nothing_to_find():
    """No mask is trained, and the network is trained as usual."""
    trial = trial_for(Magnitude())
    trial.density = 1.0
    assert list(EdgePopup(then="train").draw(trial)) == []
    assert [EdgePopup(then=then).trainings(1.0) for then in ("stop", "train")] == [1, 1]  # type: ignore[arg-type]
    assert [EdgePopup(then=then).trainings(0.5) for then in ("stop", "train")] == [1, 2]  # type: ignore[arg-type]


def test_the_found_network_has_the_weights_that_were_drawn_and_half_of_each_layer():
    """30 of 60 and 15 of 30, bit for bit; biases and norm scales too. Only the norm's statistics have moved."""
    for member in lives(EdgePopup(), None, 0.5, SEEDS):
        assert member.status == "ok"
        assert [int(mask.sum()) for mask in member.solution.mask.values()] == [30, 15]
        assert list(member.solution.mask) == ["0.weight", "3.weight"]
        for name, weight in drawn(member).items():
            kept = member.solution.mask.get(name, torch.tensor(True))
            assert member.solution.weights[name].equal(weight.where(kept, 0))
        assert member.solution.weights["1.num_batches_tracked"] == 40
        assert member.train_steps == 40


def test_a_found_network_beats_the_one_of_untrained_scores(tiny_suite, cells_of, trial_of):
    """Three classes, 6-100-3: what the first scores keep guesses; what they keep after 100 steps is right."""
    path = tiny_suite(("hidden = [8]", "hidden = [100]"), ("steps = 20", "steps = 100"), ("[0, 1]", "[0, 1, 2, 3]"))
    accuracies = []
    for cell in cells_of(path, methods=["magnitude"])[1]:
        trial = trial_of(cell)
        bench = trial._bench
        stepper, _ = bench.steppers.for_members([0], [Train(masks="layerwise", density=0.5)])
        for until in (0, 100):
            train_stack(stepper, bench.stage.data, [cell.seed], until, Goal("accuracy", True))
            bench.report(0, 0.5)
        accuracies.append([found["blobs"]["accuracy"][-1] for _, found in bench.judge.judge(bench.stage.network, 500)])
    assert len(accuracies) == 4
    assert sum(before for before, _ in accuracies) / 4 < 0.5
    assert min(after for _, after in accuracies) > 0.9


def test_the_found_ticket_can_be_trained_from_where_it_was_drawn():
    """The ticket is the found mask on the drawn weights, with fresh statistics; two rounds are judged, at ½ each."""
    found = lives(EdgePopup(), None, 0.5, SEEDS)
    for member, other in zip(lives(EdgePopup(then="train"), None, 0.5, SEEDS), found, strict=True):
        for name, mask in member.ticket.mask.items():
            assert mask.equal(other.solution.mask[name])
            assert member.ticket.weights[name].equal(drawn(member)[name].where(mask, 0))
        assert member.ticket.weights["1.num_batches_tracked"] == 0
        assert not member.solution.weights["0.bias"].equal(member.ticket.weights["0.bias"])
        assert len(judged(member)) == 2
        assert judged(member)[0] == other.headline
        assert member.train_steps == 80
        places = [x for split, _, name, _, x_name, x, _ in member.curves if (split, x_name) == ("test", "density")]
        assert set(places) == {0.5}


def rows(tiny_suite, optimizer: str) -> Any:
    """A suite of four seeds at two densities, 30 steps with a point of the curve each."""
    return tiny_suite(
        ("seeds = [0, 1]", "seeds = [0, 1, 2, 3]"),
        ("densities = [0.5]", "densities = [0.5, 0.2]"),
        ("[methods]\n", '[methods]\npopup = { method = { name = "edge_popup", then = "train" } }\n'),
        ('methods = ["dense", "magnitude"]', 'methods = ["popup"]'),
        ("steps = 20\nlog_every = 5", "steps = 30\nlog_every = 1"),
        ('optimizer = "adam"\nlearning_rate = 1e-2', optimizer),
    )


@pytest.mark.parametrize(
    "optimizer",
    ['optimizer = "adam"\nlearning_rate = 1e-2', 'optimizer = "sgd"\nmomentum = 0.9\nlearning_rate = 5e-2'],
)
def test_a_fleet_equals_single_runs(tiny_suite, records_of, optimizer: str):
    """Eight cells of two densities as one stack and each alone: the same losses at all 60 steps, masks and weights."""
    path = rows(tiny_suite, optimizer)
    together, alone = records_of(path), records_of(path, fleet=1)
    assert ({r["fleet_size"] for r in together}, {r["fleet_size"] for r in alone}) == ({8}, {1})
    for one, other in zip(together, alone, strict=True):
        assert (one["status"], one["layers"]) == ("ok", other["layers"])
        curves = [
            torch.tensor([value for split, *_, value in record["curves"] if split == "train"], dtype=torch.float64)
            for record in (one, other)
        ]
        assert len(curves[0]) == 60
        torch.testing.assert_close(curves[0], curves[1], rtol=1e-4, atol=0)


def test_validations_and_the_best_of_them_are_of_the_found_network(tiny_suite, records_of):
    """A recipe that selects the best validation judges a network of exact density: the one under its last mask."""
    path = tiny_suite(
        ("[methods]\n", '[methods]\npopup = { method = "edge_popup" }\n'),
        ('methods = ["dense", "magnitude"]', 'methods = ["popup"]'),
        ("log_every = 5", 'log_every = 5\nselect = "best"\nvalidate_every = 1'),
    )
    for record in records_of(path):
        assert (record["status"], record["kept"]) == ("ok", 36)
        assert any(split == "validation" for split, *_ in record["curves"])
