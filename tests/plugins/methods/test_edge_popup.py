"""Edge-popup: what it asks for, what it leaves alone, and what it finds."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from rewinding import pass_by

from ticketbench import Train
from ticketbench.testing import Outcome, carry_out, check_method, run_method, trial_for
from ticketbench_methods.edge_popup import EdgePopup
from ticketbench_scorers.magnitude import Magnitude

SEEDS = (0, 1, 2, 3)


def drawn(member: Outcome) -> dict[str, torch.Tensor]:
    """A member's weights as its initializer drew them, from its seed alone."""
    return trial_for(seed=member.seed).parameters


def judged(member: Outcome) -> list[float]:
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
        request = next(requests)
        assert request == Train(masks="layerwise", density=0.5)
        pass_by(trial, request)
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
    for member in run_method(EdgePopup(), seeds=SEEDS):
        assert member.status == "ok"
        assert [int(mask.sum()) for mask in member.solution.mask.values()] == [30, 15]
        assert list(member.solution.mask) == ["0.weight", "3.weight"]
        for name, weight in drawn(member).items():
            kept = member.solution.mask.get(name, torch.tensor(True))
            assert member.solution.weights[name].equal(weight.where(kept, 0))
        assert member.solution.weights["1.num_batches_tracked"] == 40
        assert member.steps == 40


def test_a_found_network_beats_the_one_of_untrained_scores(plugins, tiny_suite, cells_of, trial_of):
    """Three classes, 6-100-3: what the first scores keep guesses; what they keep after 100 steps is right."""
    path = tiny_suite(("hidden = [8]", "hidden = [100]"), ("steps = 20", "steps = 100"), ("[0, 1]", "[0, 1, 2, 3]"))
    accuracies, test = [], plugins.find("task", "blobs").test()
    for cell in cells_of(path, methods=["magnitude"])[1]:
        trial = trial_of(cell)
        accuracies.append([])
        for until in (0, 100):
            carry_out(trial, Train(until, masks="layerwise", density=0.5))
            outputs = trial.outputs(test.inputs, training=False)
            accuracies[-1].append(trial.metrics(outputs, test)["accuracy"])
    assert len(accuracies) == 4
    assert sum(before for before, _ in accuracies) / 4 < 0.5
    assert min(after for _, after in accuracies) > 0.9


def test_the_found_ticket_can_be_trained_from_where_it_was_drawn():
    """The ticket is the found mask on the drawn weights, with fresh statistics; two rounds are judged, at ½ each."""
    found = run_method(EdgePopup(), seeds=SEEDS)
    for member, other in zip(run_method(EdgePopup(then="train"), seeds=SEEDS), found, strict=True):
        for name, mask in member.ticket.mask.items():
            assert mask.equal(other.solution.mask[name])
            assert member.ticket.weights[name].equal(drawn(member)[name].where(mask, 0))
        assert member.ticket.weights["1.num_batches_tracked"] == 0
        assert not member.solution.weights["0.bias"].equal(member.ticket.weights["0.bias"])
        assert len(judged(member)) == 2
        assert judged(member)[0] == other.headline
        assert member.steps == 80
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
