"""Tasks that keep their contract pass; each way to break it is found and named."""

from __future__ import annotations

import random
from dataclasses import dataclass, replace

import pytest
import torch
from torch.nn import functional

from ticketbench import DataError, Shapes, Sizes, Split, Task, generator
from ticketbench.testing import UncheckedError, check_task


@pytest.mark.parametrize("name", ["digits", "prefix_sums", "sentences", "blobs"])
def test_registered_tasks_keep_the_contract(plugins, name):
    """Images, bits, text, and the stranger's points."""
    assert check_task(plugins.find("task", name)).notes == ()


@dataclass(frozen=True)
class Good(Task):
    """Points in four dimensions, stored as bytes, three classes, one uniform number for the augmentation."""

    name = "spoiled"
    summary = "for tests"
    augment_draws = 1

    def shapes(self):
        return Shapes((4,), 3)

    def sizes(self):
        return Sizes(200, 20, 200)

    def training(self):
        return self.points("training", 200), self.points("validation", 20)

    def test(self):
        return self.points("test", 200)

    def points(self, split, count):
        source = generator("points", split)
        inputs = torch.randint(0, 256, (count, 4), generator=source, dtype=torch.uint8)
        return Split(inputs, torch.randint(0, 3, (count,), generator=source))

    def prepare(self, inputs):
        return inputs.float() / 255

    def augment(self, inputs, uniforms):
        return inputs + uniforms

    def loss(self, outputs, targets, inputs):
        return functional.cross_entropy(outputs, targets)

    def metrics(self, outputs, targets, inputs):
        return {"accuracy": (outputs.argmax(dim=1) == targets).float()}


def test_a_task_of_its_own_passes():
    """With stored bytes, a preparation and an augmentation."""
    assert check_task(Good()).notes == ()


class Shuffled(Good):
    """A split that torch's global generator draws."""

    def points(self, split, count):
        found = super().points(split, count)
        order = torch.randperm(count)
        return Split(found.inputs[order], found.targets[order])


class Miscounted(Good):
    """One example more than there is."""

    def sizes(self):
        return Sizes(201, 20, 200)


class Misshapen(Good):
    """Images, it says."""

    def shapes(self):
        return Shapes((1, 2, 2), 3)


class TooManyClasses(Good):
    """Classes 0 to 2 in two outputs."""

    def shapes(self):
        return Shapes((4,), 2)


class Empty(Good):
    """Nothing to train on."""

    def sizes(self):
        return Sizes(0, 20, 200)

    def training(self):
        return self.points("training", 0), self.points("validation", 20)


class LeakedTraining(Good):
    """Ten test examples are training examples."""

    def test(self):
        test, training = super().test(), self.points("training", 200)
        return Split(torch.cat([test.inputs[:190], training.inputs[:10]]), test.targets)


class LeakedValidation(Good):
    """The validation split is the beginning of the test split."""

    def training(self):
        return self.points("training", 200), self.points("test", 20)


class LeakedChoosing(Good):
    """The budget would be chosen on the test split."""

    def choosing(self):
        return self.test()

    def sizes(self):
        return replace(super().sizes(), choosing=200)


class MiscountedChoosing(Good):
    """Twenty to choose on, it says, as there are to validate."""

    def choosing(self):
        return self.points("choosing", 21)


class Undefined(Good):
    """Inputs that are not numbers."""

    def prepare(self, inputs):
        return inputs.float() * torch.inf * 0


class RandomPreparation(Good):
    """Noise, of torch's global generator."""

    def prepare(self, inputs):
        return inputs.float() + torch.rand(inputs.shape)


class Standardizing(Good):
    """Subtracts the mean of the batch."""

    def prepare(self, inputs):
        return inputs.float() - inputs.float().mean(dim=0)


class RandomAugmentation(Good):
    """Random numbers of its own."""

    def augment(self, inputs, uniforms):
        return inputs * random.random()


class WritingAugmentation(Good):
    """In place."""

    def augment(self, inputs, uniforms):
        return inputs.add_(uniforms)


class Cropping(Good):
    """Leaves a column out."""

    def augment(self, inputs, uniforms):
        return inputs[:, 1:]


class LossByExample(Good):
    """A number an example."""

    def loss(self, outputs, targets, inputs):
        return functional.cross_entropy(outputs, targets, reduction="none")


class LossOfErrors(Good):
    """What cannot be differentiated."""

    def loss(self, outputs, targets, inputs):
        return (outputs.argmax(dim=1) != targets).float().mean()


class InfiniteLoss(Good):
    """A logarithm of zero."""

    def loss(self, outputs, targets, inputs):
        return (outputs * 0).sum().log() * -1


class ConstantGradient(Good):
    """A square root at zero, whose slope is infinite."""

    def loss(self, outputs, targets, inputs):
        return (outputs * 0).sum().sqrt()


class BranchingLoss(Good):
    """A Python branch on the outputs."""

    def loss(self, outputs, targets, inputs):
        return functional.cross_entropy(outputs, targets) if bool(outputs.sum() > -1e9) else outputs.sum()


class MeanMetric(Good):
    """The mean, where every example is asked for."""

    def metrics(self, outputs, targets, inputs):
        return {"accuracy": (outputs.argmax(dim=1) == targets).float().mean()}


class NoMetrics(Good):
    """None at all."""

    def metrics(self, outputs, targets, inputs):
        return {}


class OneSplit(Good):
    """No validation split."""

    def training(self):
        return self.points("training", 200)


@pytest.mark.parametrize(
    ("task", "says"),
    [
        (
            Shuffled(),
            r"the inputs of its training split are others when the task is made anew\. .*ticketbench\.generator",
        ),
        (Miscounted(), r"sizes\(\) says \(201, 20, 200\) examples .*; the splits hold \(200, 20, 200\)"),
        (Misshapen(), r"its training split has shape \(4,\), but shapes\(\) says \(1, 2, 2\)"),
        (TooManyClasses(), r"targets of its training split go from 0 to 2, but shapes\(\) says 2 outputs"),
        (Empty(), r"has an empty training split"),
        (LeakedTraining(), r"10 of 200 test examples looked at are in the training split, too, input for input"),
        (LeakedValidation(), r"20 of 200 test examples looked at are in the validation split, too"),
        (LeakedChoosing(), r"200 of 200 test examples looked at are in the choosing split, too"),
        (MiscountedChoosing(), r"and to choose on; the splits hold \(200, 20, 200, 21\)"),
        (Undefined(), r"inputs of its training split are not finite"),
        (RandomPreparation(), r"prepare\(\) gives something else for the same arguments"),
        (Standardizing(), r"prepare\(\) makes something else of an example when others are in its batch"),
        (RandomAugmentation(), r"augment\(\) gives something else for the same arguments; .*uniform numbers"),
        (WritingAugmentation(), r"augment\(\) writes into the batch it is given"),
        (Cropping(), r"augment\(\) changes the shape from \(4, 4\) to \(4, 3\)"),
        (LossByExample(), r"loss\(\) returns a tensor of shape \(4,\); it must be the mean of the batch, one number"),
        (LossOfErrors(), r"loss\(\) cannot be differentiated by the outputs"),
        (InfiniteLoss(), r"loss\(\) of ordinary outputs is not finite"),
        (ConstantGradient(), r"the gradient of loss\(\) is not finite"),
        (BranchingLoss(), r"loss\(\) cannot be stacked by torch\.func\.vmap"),
        (MeanMetric(), r"'accuracy' is a tensor of shape \(\) for a batch of 4; it must be one number an example"),
        (NoMetrics(), r"metrics\(\) returns a dict; it must be a table with at least one metric"),
        (OneSplit(), r"training\(\) has to return two `Split`s"),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Task) else "",
)
def test_every_broken_promise_is_named(task, says):
    """What was wrong, and what would work."""
    with pytest.raises(AssertionError, match=says):
        check_task(task)


class Coinciding(Good):
    """Two of 200 test examples are training examples: by chance, perhaps."""

    def test(self):
        test, training = super().test(), self.points("training", 200)
        return Split(torch.cat([test.inputs[:198], training.inputs[:2]]), test.targets)


class Returned(Good):
    """Outputs that nobody could guess."""

    def loss(self, outputs, targets, inputs):
        return outputs["scores"].sum()


def test_what_may_be_is_a_note():
    """One test example in a hundred, and a loss of other outputs than were tried."""
    assert check_task(Coinciding()).notes == (
        "2 of 200 test examples looked at are in the training split, too, input for input: by chance?",
    )
    (note,) = check_task(Returned()).notes
    assert note.startswith("its loss and its metrics are not checked: they take none of the outputs that were tried")


class Remote(Good):
    """Data that are not here."""

    def training(self):
        raise DataError("fetch me")


def test_missing_data_are_no_fault_and_no_success():
    """The task says how to bring them."""
    with pytest.raises(UncheckedError, match="task 'spoiled' has no data here: fetch me"):
        check_task(Remote())
