"""Protocols that draw a ticket in one place and train it in another: their stages, and what they refuse.

What becomes of tickets under them is tested in `tests/engine/test_moving_on.py`.
"""

from __future__ import annotations

import pytest
from places import HELPERS
from telltale import TellTale

from ticketbench import OptionError, Stages, Task
from ticketbench.plan.plan import make_plan
from ticketbench.plugin.loading import load_plugins
from ticketbench.plugin.options import configure
from ticketbench.suite.recipe import Recipe
from ticketbench.suite.suite import read_suite
from ticketbench_protocols.transfer import Halves, Optimizers, OtherDataset, OtherLabels
from ticketbench_protocols.views import Half, Labels
from ticketbench_tasks.cifar import Cifar10
from ticketbench_tasks.svhn import Svhn


def test_halves_go_from_the_first_to_the_second():
    """The own ticket is drawn on the second; both are judged on the whole test split."""
    task = Cifar10()
    first, second = Half(task, "first"), Half(task, "second")
    assert Halves().stages(task, None) == Stages(first, second, {"cifar10": task})
    assert Halves(ticket="own").stages(task, None) == Stages(second, second, {"cifar10": task})


def test_labels_go_from_0_to_4_to_5_to_9():
    """As in the paper; only the target's labels are judged, and named so."""
    task = Cifar10()
    low, high = Labels(task, (0, 1, 2, 3, 4)), Labels(task, (5, 6, 7, 8, 9))
    judged = {"cifar10 labels 5,6,7,8,9": high}
    assert OtherLabels().stages(task, None) == Stages(low, high, judged)
    assert OtherLabels(ticket="own").stages(task, None) == Stages(high, high, judged)
    stages = OtherLabels(draw_labels=(7,), train_labels=(1, 0), relabel=True).stages(task, None)
    assert (stages.draw_on, stages.train_on) == (Labels(task, (7,), True), Labels(task, (1, 0), True))
    assert [part.shapes().outputs for part in (stages.draw_on, stages.train_on)] == [1, 2]


def test_labels_that_the_task_lacks_are_refused_in_the_plan(tiny_suite):
    """The default labels, on four classes: nothing has run yet."""
    world = load_plugins([HELPERS / "telltale.py"])
    suite = tiny_suite(
        ('protocols = ["same"]', 'protocols = ["labels"]'), ('tasks = ["blobs"]', 'tasks = ["telltale"]')
    )
    with pytest.raises(OptionError, match="task 'telltale' has no label 4: its labels are 0 to 3"):
        make_plan(read_suite(suite), "smoke", world)


def test_the_targets_optimizer_replaces_the_recipes():
    """Momentum and Nesterov's are those of the target; the rate is kept if none is given; the rest stays."""
    recipe = Recipe(
        optimizer="sgd", learning_rate=0.1, momentum=0.9, nesterov=True, weight_decay=0.01, batch=5, steps=9
    )
    stages = Optimizers(optimizer="adam").stages(Cifar10(), None)
    changed = Recipe.model_validate({**recipe.model_dump(), **stages.recipe})
    expected = {"optimizer": "adam", "momentum": 0.0, "nesterov": False}
    assert changed.model_dump() == {**recipe.model_dump(), **expected}
    stages = Optimizers(learning_rate=0.5, momentum=0.3).stages(Cifar10(), None)
    changed = Recipe.model_validate({**recipe.model_dump(), **stages.recipe})
    assert changed.model_dump() == {**recipe.model_dump(), "learning_rate": 0.5, "momentum": 0.3, "nesterov": False}
    assert (stages.draw_on, stages.train_on, stages.judge_on) == (Cifar10(), Cifar10(), {"cifar10": Cifar10()})


def test_adam_has_no_momentum_option():
    """The value and the option that it belongs to."""
    with pytest.raises(OptionError, match=r"'optimizers' in a test: momentum 0.9 belongs to optimizer = 'sgd'"):
        configure(Optimizers(), {"optimizer": "adam", "momentum": 0.9}, "a test")


def test_another_data_set_gets_a_fresh_head():
    """SVHN unless asked otherwise; the own ticket is drawn there, and has no head to replace."""
    asked: list[str] = []

    def find(name: str) -> Task:
        asked.append(name)
        return Svhn()

    stages = OtherDataset().stages(Cifar10(), find)
    assert stages == Stages(Cifar10(), Svhn(), {"svhn": Svhn()}, fresh=("linear.*",))
    assert OtherDataset(ticket="own", head=("end.*",)).stages(Cifar10(), find) == Stages(
        Svhn(), Svhn(), {"svhn": Svhn()}
    )
    assert OtherDataset(other="mnist", head=()).stages(Cifar10(), find).fresh == ()
    assert asked == ["svhn", "svhn", "mnist"]


def test_inputs_of_another_shape_are_refused():
    """Both tasks and both shapes are named; the own ticket moves nowhere."""
    narrow, wide = TellTale(), TellTale(features=7)
    match = r"cannot move a ticket from task 'telltale' with inputs of shape \(6,\) to 'telltale' with \(7,\)"
    with pytest.raises(OptionError, match=match):
        OtherDataset().stages(narrow, lambda name: wide)
    assert OtherDataset(ticket="own").stages(narrow, lambda name: wide).draw_on == wide
