"""Protocols that keep their contract pass; each way to break it is found and named."""

from __future__ import annotations

import random
from dataclasses import dataclass

import pytest

from ticketbench import Adaptation, OptionError, Protocol, Stages
from ticketbench.testing import UncheckedError, check_protocol
from ticketbench.testing.blobs import Classes


@pytest.mark.parametrize("name", ["same", "halves", "labels", "optimizers", "other_dataset", "linear_probe"])
def test_registered_protocols_keep_the_contract(plugins, name):
    """On blobs as vectors, images and sequences."""
    assert check_protocol(plugins.find("protocol", name)).said.endswith("for classes")


def test_a_protocol_for_some_tasks_is_checked_on_those(plugins):
    """Extrapolation needs a task with a length."""
    extrapolation, bits = plugins.find("protocol", "extrapolation"), plugins.find("task", "prefix_sums")
    assert check_protocol(extrapolation, [Classes(), bits]).said.endswith("for prefix_sums")
    with pytest.raises(
        UncheckedError, match=r"refuses every task .* varies 'length', which task 'classes' does not have"
    ):
        check_protocol(extrapolation)


@dataclass(frozen=True)
class Plain(Protocol):
    """Everything on one task, to be spoiled."""

    name = "spoiled"
    summary = "for tests"

    def stages(self, task, find):
        return Stages(task, task, {task.name: task})


class Wavering(Plain):
    """A learning rate by chance."""

    def stages(self, task, find):
        return Stages(task, task, {task.name: task}, recipe={"learning_rate": random.uniform(0.1, 1)})


class JudgesNothing(Plain):
    """No task to judge on."""

    def stages(self, task, find):
        return Stages(task, task, {})


class Misspelt(Plain):
    """A key that recipes do not have."""

    def stages(self, task, find):
        return Stages(task, task, {task.name: task}, draw_recipe={"learning_rat": 0.1})


class Impossible(Plain):
    """A value that no recipe can have."""

    def stages(self, task, find):
        return Stages(task, task, {task.name: task}, recipe={"learning_rate": -1.0})


class MisspeltAdaptation(Plain):
    """The same, in the adaptation."""

    def stages(self, task, find):
        return Stages(task, task, {task.name: task}, adapt=Adaptation(task, {"epoch": 3}))


class OtherInputs(Plain):
    """Another width."""

    def stages(self, task, find):
        return Stages(task, Classes((9,)), {"nine": Classes((9,))})


class OtherOutputs(Plain):
    """Another number of classes, adapted to."""

    def stages(self, task, find):
        other = Classes(task.shapes().inputs, 4)
        return Stages(task, task, {"four": other}, adapt=Adaptation(other))


class JudgedElsewhere(Plain):
    """Judged on other classes than trained on."""

    def stages(self, task, find):
        return Stages(task, task, {"four": Classes(task.shapes().inputs, 4)})


class ReturnsTask(Plain):
    """A task."""

    def stages(self, task, find):
        return task


class Falling(Plain):
    """Budgets that fall."""

    def stages(self, task, find):
        return Stages(task, task, {task.name: task}, sweep=(5, 3))


class Crashes(Plain):
    """An option that the task does not have."""

    def stages(self, task, find):
        return Stages(task, task, {str(task.length): task})


@pytest.mark.parametrize(
    ("protocol", "says"),
    [
        (Wavering(), r"stages\(\) returns something else the second time for task 'classes'"),
        (JudgesNothing(), r"judges on nothing: `judge_on` is empty"),
        (Misspelt(), r"`draw_recipe` changes 'learning_rat', which no recipe has\. Did you mean 'learning_rate'\?"),
        (Impossible(), r"`recipe` = .* goes with no recipe: 'learning_rate' must be greater than 0"),
        (MisspeltAdaptation(), r"`adapt\.recipe` changes 'epoch', which no recipe has"),
        (OtherInputs(), r"inputs of shape \(6,\), and they have \(9,\): name what starts anew in `fresh`"),
        (OtherOutputs(), r"adapted to task 'classes', but it has 10 outputs, and 4 are needed"),
        (JudgedElsewhere(), r"judged, as 'four', on task 'classes', but .*: judge on a task of the same shapes"),
        (ReturnsTask(), r"stages\(\) returns Classes; return a `Stages`"),
        (Falling(), r"the budgets of `sweep` must rise from 1 or more, not \(5, 3\)"),
        (Crashes(), r"fails for task 'classes': AttributeError: .*should refuse by a ticketbench\.OptionError"),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Protocol) else "",
)
def test_every_broken_promise_is_named(protocol, says):
    """What was wrong, and what would work."""
    with pytest.raises(AssertionError, match=says):
        check_protocol(protocol)


class ForImages(Plain):
    """Fails for what has no height, and refuses sequences in words."""

    def stages(self, task, find):
        if len(task.shapes().inputs) == 2:
            raise OptionError("'spoiled' is not for sequences")
        assert task.shapes().inputs[2]
        return super().stages(task, find)


def test_failing_for_some_tasks_is_a_note():
    """It would be better said in words."""
    (note,) = check_protocol(ForImages()).notes
    assert "it fails for task 'classes': IndexError: tuple index out of range" in note


class FreshHead(Plain):
    """Other classes, under a head that starts anew."""

    def stages(self, task, find):
        other = Classes(task.shapes().inputs, 4)
        return Stages(task, other, {"four": other}, fresh=("head.*",))


def test_what_starts_anew_need_not_fit():
    """`fresh` says so."""
    assert check_protocol(FreshHead()).notes == ()
