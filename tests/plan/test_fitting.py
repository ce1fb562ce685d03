"""What does not go together is refused in the plan, by name: model and task, density and model, metric and task."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
from torch import nn

from ticketbench import Model, Shapes
from ticketbench.errors import OptionError, SuiteError
from ticketbench.masks.scopes import kept_count
from ticketbench.plan.cost import count
from ticketbench.plan.engines import is_on_tape
from ticketbench.plan.fitting import check_left, fitting_size
from ticketbench.plan.resolve import Resolver
from ticketbench.testing import Blobs, Untrained, run_method


@dataclass(frozen=True)
class Rigid(Model):
    """A model that takes five features, whatever the task has."""

    name = "rigid"
    summary = "five inputs"

    def build(self, shapes: Shapes) -> nn.Module:
        """One layer in a row."""
        return nn.Sequential(nn.Linear(5, shapes.outputs))


def test_a_model_that_does_not_take_the_inputs_of_its_task():
    """Both names, the shapes, and what torch says, in one line."""
    with pytest.raises(OptionError) as refused:
        fitting_size(Rigid(), Blobs())
    assert str(refused.value).startswith(
        "model 'rigid' does not fit task 'blobs', whose examples are of shape (6,) with 3 outputs: RuntimeError: "
    )
    assert "\n" not in str(refused.value)


def test_a_tape_of_a_model_that_does_not_fit_is_no_traceback():
    """Where the sparse engine would write down layers that do not read one another: the same message."""
    with pytest.raises(OptionError, match=r"^model 'rigid' does not fit task 'blobs', .*: RuntimeError: "):
        is_on_tape(Rigid(), Blobs())


def test_an_estimate_of_a_model_that_does_not_fit(tiny_suite, cells_of, plugins):
    """What the model says of the shape, with the task beside it."""
    _, cells = cells_of(tiny_suite(('{ name = "mlp", hidden = [8] }', '"lenet5"')))
    with pytest.raises(OptionError, match=r"^model 'lenet5' does not fit task 'blobs', .*: 'lenet5' takes images"):
        count(Resolver(plugins).cast(cells[0].setting))


@pytest.mark.parametrize("total", [1, 72, 61_470, 3_121_200])
def test_the_least_density_that_is_named_leaves_a_weight(total: int):
    """To three digits, and never less than half a weight."""
    with pytest.raises(OptionError, match=rf"none of the {total:,} weights of model 'm' .* leaves one is \S+$") as said:
        check_left(0.499 / total, total, "m")
    least = float(str(said.value).rpartition(" ")[2])
    assert kept_count(least, total) == 1
    assert least < 0.506 / total
    check_left(least, total, "m")


def test_a_density_that_leaves_nothing_is_refused_in_the_plan(tiny_suite, cells_of):
    """72 weights, a billionth of them."""
    path = tiny_suite()
    with pytest.raises(OptionError, match=r"^density 1e-09 leaves none of the 72 weights of model 'mlp'.* 0\.00695$"):
        cells_of(path, densities=(0.5, 1e-9))
    assert len(cells_of(path, densities=(0.00695,), methods=("magnitude",))[1]) == 2


def test_a_density_that_leaves_nothing_of_a_small_network_fails_the_cell():
    """90 weights at 0.0055: above what the plan looks at in every model."""
    (outcome,) = run_method(Untrained(), densities=(0.005,))
    assert outcome.status == "failed"
    assert outcome.reason.startswith("OptionError: density 0.005 leaves none of the 90 weights of model 'tiny'")


@pytest.mark.parametrize("place", ["headline", "headlines.blobs"])
def test_a_metric_that_nothing_computes_is_refused(tiny_suite, cells_of, place: str):
    """The block, the task, the metric, where it stands, and the metrics that there are."""
    change = ('metric = "accuracy"', 'metric = "acuracy"')
    if place != "headline":
        change = ("[methods]", '[headlines.blobs]\nmetric = "acuracy"\n\n[methods]')
    with pytest.raises(SuiteError) as refused:
        cells_of(tiny_suite(change))
    assert str(refused.value) == (
        "suite 'tiny', tiers.smoke.blocks (number 1): task 'blobs' does not compute the metric 'acuracy' of "
        f"[{place}]. Did you mean 'accuracy'? Valid: accuracy."
    )


def test_where_no_plan_sees_it_the_cell_fails():
    """Judged by a metric that the task does not have."""
    (outcome,) = run_method(Untrained(), densities=(1.0,), headline="acuracy")
    assert (outcome.status, outcome.reason) == (
        "failed",
        "SuiteError: nothing computes the headline's metric. Did you mean 'accuracy'? Valid: accuracy.",
    )
