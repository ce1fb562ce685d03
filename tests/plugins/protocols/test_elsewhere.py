"""Judged on another data set, with the same head or with a probe's."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from ticketbench import OptionError, Protocol, Shapes, Sizes, Split, Stages, Task, generator
from ticketbench.plugin.options import configure
from ticketbench.suite.recipe import Recipe
from ticketbench.testing import Outcome, optimizer_of, run_method, trial_for
from ticketbench_initializers.default import Default
from ticketbench_methods.oneshot import OneShot
from ticketbench_models.recurrent_resnet import RecurrentResNet
from ticketbench_protocols.elsewhere import LinearProbe, OutOfDistribution
from ticketbench_scorers.magnitude import Magnitude

EXAMPLES = 9


@dataclass(frozen=True)
class Stripes(Task):
    """Noise with a stripe of one colour, across or down; the class is the colour.

    The metric is the probability of the right class, which two networks or two budgets hardly have in common.
    """

    name = "stripes"
    summary = "tiny images"

    down: bool = False
    classes: int = 3

    def shapes(self) -> Shapes:
        return Shapes((3, 32, 32), self.classes)

    def sizes(self) -> Sizes:
        return Sizes(EXAMPLES, 0, EXAMPLES)

    def training(self) -> tuple[Split, Split]:
        return self.draw("train", EXAMPLES), self.draw("validation", 0)

    def test(self) -> Split:
        return self.draw("test", EXAMPLES)

    def draw(self, split: str, count: int) -> Split:
        source = generator("stripes", self.down, split)
        images = 0.5 * torch.randn(count, 3, 32, 32, generator=source)
        targets = torch.arange(count) % self.classes
        for image, target in zip(images, targets, strict=True):
            (image.transpose(1, 2) if self.down else image)[target % 3, 8:16] += 3
        return Split(images, targets)

    def loss(self, outputs: Tensor, targets: Tensor, inputs: Tensor) -> Tensor:
        return functional.cross_entropy(outputs, targets)

    def metrics(self, outputs: Tensor, targets: Tensor, inputs: Tensor) -> Mapping[str, Tensor]:
        return {"confidence": outputs.softmax(dim=1).gather(1, targets.unsqueeze(1)).squeeze(1)}


@dataclass(frozen=True)
class Uprights(Stripes):
    """The other data set."""

    name = "uprights"

    down: bool = True


def finder(*known: Task) -> Callable[..., Task]:
    """A `find` that knows these tasks, with their default options."""

    def find(name: str, **options: Any) -> Task:
        (task,) = [task for task in known if task.name == name]
        return configure(task, options, "a test")

    return find


def test_out_of_distribution_judges_twice_with_one_training():
    """Own task first (the headline's), then the other, at the printed budgets; no other recipe, no adaptation."""
    stages = OutOfDistribution(other="uprights").stages(Stripes(), finder(Stripes(), Uprights()))
    assert stages == Stages(
        Stripes(), Stripes(), {"stripes": Stripes(), "uprights": Uprights()}, {}, (5, 7, 9, 11, 13, 15, 20)
    )
    assert list(stages.judge_on) == ["stripes", "uprights"]


def test_the_probe_is_judged_on_the_other_task_alone():
    """Drawn and trained on the task; then a fresh head and nothing else, ten epochs at a constant rate on the other."""
    stages = LinearProbe(other="uprights").stages(Stripes(), finder(Stripes(), Uprights()))
    assert (stages.draw_on, stages.train_on, stages.judge_on) == (Stripes(), Stripes(), {"uprights": Uprights()})
    assert stages.recipe == {}
    assert stages.sweep == (5, 7, 9, 11, 13, 15, 20)
    assert stages.adapt is not None
    assert (stages.adapt.task, stages.adapt.fresh) == (Uprights(), ("linear.*",))
    changed = Recipe.model_validate({**RECIPE.model_dump(), **stages.adapt.recipe})
    names = ("linear.weight", "linear.bias", "norm.weight", "layer1.0.conv1.weight")
    assert [changed.trains(name) for name in names] == [True, True, False, False]
    assert changed.total_steps(10 * changed.batch) == 100
    assert {changed.learning_rate_at(step, 10 * changed.batch) for step in range(100)} == {0.01}


def test_a_probe_replaces_every_kind_of_schedule():
    """Cosine, milestones and warm-up of the training are gone; optimizer, momentum and batch stay."""
    adapt = LinearProbe(other="uprights", epochs=3, learning_rate=0.5).stages(Stripes(), finder(Uprights())).adapt
    assert adapt is not None
    for schedule in (
        {"schedule": "cosine", "warmup": "linear", "warmup_epochs": 2.0},
        {"schedule": "step", "milestones": (1.0,)},
        {"warmup": "exponential", "warmup_epochs": 10.0, "epochs": None, "steps": 7},
    ):
        recipe = Recipe.model_validate(
            {"optimizer": "sgd", "learning_rate": 0.1, "epochs": 9, "batch": 4, "momentum": 0.9, **schedule}
        )
        changed = Recipe.model_validate({**recipe.model_dump(), **adapt.recipe})
        assert [changed.learning_rate_at(step, 40) for step in range(30)] == [0.5] * 30
        assert changed.total_steps(40) == 30
        assert (changed.optimizer, changed.momentum, changed.batch) == ("sgd", 0.9, 4)


def test_the_other_task_is_svhn_unless_asked_otherwise():
    """The name is what `find` is asked for, without options."""
    asked = []

    def find(name: str, **options: Any) -> Task:
        asked.append((name, options))
        return Uprights()

    for protocol in (OutOfDistribution(), LinearProbe(), OutOfDistribution(other="mnist"), LinearProbe(other="kmnist")):
        protocol.stages(Stripes(), find)
    assert asked == [("svhn", {}), ("svhn", {}), ("mnist", {}), ("kmnist", {})]


def test_budgets_and_head_can_be_chosen():
    """From a suite's lists; no head (all would be trained), no epochs or no learning rate are refused."""
    find = finder(Uprights())
    probe = configure(LinearProbe(), {"other": "uprights", "sweep": [2, 4], "head": ["end.*"], "epochs": 2}, "a test")
    stages = probe.stages(Stripes(), find)
    assert stages.sweep == (2, 4)
    assert stages.adapt is not None
    assert stages.adapt.fresh == stages.adapt.recipe["train_only"] == ("end.*",)
    assert (
        configure(OutOfDistribution(), {"other": "uprights", "sweep": []}, "a test").stages(Stripes(), find).sweep == ()
    )
    with pytest.raises(OptionError, match=r"'epochs'.*cannot be 0"):
        configure(LinearProbe(), {"epochs": 0}, "a test")
    for options, match in (({"head": []}, "head is empty"), ({"learning_rate": 0.0}, "learning_rate is 0")):
        with pytest.raises(OptionError, match=match):
            configure(LinearProbe(), options, "a test")


# -- a whole life on tiny images --------------------------------------------------------------------------------

RECIPE = Recipe(optimizer="sgd", learning_rate=0.05, momentum=0.9, weight_decay=1e-3, batch=EXAMPLES, steps=4)
SWEEP = (3, 1, 2)
SEEDS = (0, 1)
MODEL = RecurrentResNet(width=8, iterations=2)


def life(protocol: Protocol, other: Task) -> list[Outcome]:
    """Two seeds of a network with half of its weights, together."""
    return run_method(
        OneShot(),
        Magnitude(),
        model=MODEL,
        task=Stripes(),
        initializer=Default(),
        stages=protocol.stages(Stripes(), finder(other)),
        recipe=RECIPE,
        densities=(0.5,),
        seeds=SEEDS,
        headline="confidence",
    )


@pytest.fixture(scope="module")
def trained() -> list[Outcome]:
    """Judged on both data sets: the weights that training left."""
    torch.set_num_threads(1)
    return life(OutOfDistribution(other="uprights", sweep=SWEEP), Uprights())


@pytest.fixture(scope="module")
def probed() -> list[Outcome]:
    """The same training, and a probe of five steps."""
    torch.set_num_threads(1)
    return life(LinearProbe(other="uprights", epochs=5, sweep=SWEEP), Uprights())


def network(member: Outcome) -> nn.Module:
    """A member as an ordinary module."""
    return member.trial.module.eval()


def statistics(member: Outcome) -> dict[str, Tensor]:
    """What a member's network holds beside its parameters."""
    return member.trial.snapshot().buffers


def judged(member: Outcome) -> dict[tuple[str, float], float]:
    """(label, iterations) -> mean confidence on the test split."""
    return {
        (label, x): value
        for split, label, metric, _, axis, x, value in member.curves
        if (split, metric, axis) == ("test", "confidence", "iterations")
    }


def confidence(module: nn.Module, task: Task, iterations: int) -> float:
    """Of a network that runs this many iterations and no more."""
    module.iterations = iterations
    split = task.test()
    with torch.no_grad():
        losses = functional.cross_entropy(module(split.inputs), split.targets, reduction="none")
        return float((-losses).exp().mean())


def test_both_data_sets_are_judged_at_every_budget(trained):
    """Judgements are those of the trained networks, run anew for each budget; the headline is the own last one."""
    for member in trained:
        assert member.status == "ok"
        module = network(member)
        expected = {
            (task.name, float(at)): confidence(module, task, at) for task in (Stripes(), Uprights()) for at in SWEEP
        }
        assert judged(member) == pytest.approx(expected, rel=1e-5)
        assert member.headline == judged(member)["stripes", float(SWEEP[-1])]
    every = sorted(value for member in trained for value in judged(member).values())
    assert len(every) == 2 * 2 * 3
    assert min(two - one for one, two in pairwise(every)) > 1e-5


def test_everything_but_the_head_is_frozen_bit_for_bit(trained, probed):
    """The probe leaves every other weight and every batch-norm statistic as training left it, the head it moves."""
    assert [member.status for member in probed] == ["ok", "ok"]
    start = dict(MODEL.build(Stripes().shapes()).named_buffers())
    for before, after in zip(trained, probed, strict=True):
        for name, tensor in before.trial.parameters.items():
            assert torch.equal(after.trial.parameters[name], tensor) != name.startswith("linear."), name
        for name, tensor in statistics(before).items():
            assert torch.equal(statistics(after)[name], tensor), name
            assert not torch.equal(tensor, start[name]), name
        assert set(optimizer_of(after.trial).slots["momentum_buffer"]) == {"linear.weight", "linear.bias"}


def test_the_ticket_of_the_frozen_layers_holds(trained, probed):
    """Masks are those that were drawn, half of the weights, and nothing stands outside of them."""
    for before, member in zip(trained, probed, strict=True):
        assert member.ticket is not None
        masks = member.trial.mask
        for name, mask in masks.items():
            assert torch.equal(mask, member.ticket.mask[name])
            assert torch.equal(mask, before.trial.mask[name])
            assert not bool(member.trial.parameters[name][~mask].any())
        total = sum(mask.numel() for mask in masks.values())
        assert sum(int(mask.sum()) for mask in masks.values()) == round(total / 2)


def test_the_head_is_a_logistic_regression_on_frozen_features(trained, probed):
    """From a fresh head, five steps of momentum SGD on the features of the trained network, all by hand."""
    split = Uprights().training()[0]
    for before, after in zip(trained, probed, strict=True):
        module, features = network(before), []
        module.linear.register_forward_hook(lambda _, inputs, __, kept=features: kept.append(inputs[0]))
        with torch.no_grad():
            module(split.inputs)
        (frozen,) = features
        mask = after.trial.mask["linear.weight"]
        fresh = trial_for(model=MODEL, task=Uprights(), initializer=Default(), seed=after.seed).parameters
        weight = (fresh["linear.weight"] * mask).requires_grad_(True)
        bias = fresh["linear.bias"].clone().requires_grad_(True)
        optimizer = torch.optim.SGD([weight, bias], lr=0.01, momentum=0.9, weight_decay=1e-3)
        for _ in range(5):
            optimizer.zero_grad()
            functional.cross_entropy(functional.linear(frozen, weight, bias), split.targets).backward()
            weight.grad.mul_(mask)
            optimizer.step()
        for name, expected in (("linear.weight", weight), ("linear.bias", bias)):
            found = after.trial.parameters[name]
            torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-6)
            assert not torch.allclose(found, fresh[name] * (mask if name == "linear.weight" else 1), atol=1e-4)


def test_the_probe_reports_the_other_data_set_only(probed):
    """At every budget of the sweep, equal to the adapted network run anew; the headline is the last of them."""
    for member in probed:
        module = network(member)
        expected = {("uprights", float(at)): confidence(module, Uprights(), at) for at in SWEEP}
        assert judged(member) == pytest.approx(expected, rel=1e-5)
        assert member.headline == judged(member)["uprights", float(SWEEP[-1])]


def test_a_head_for_other_classes_is_dense():
    """Six classes instead of three: another head, without the old one's mask; the rest is frozen all the same."""
    other = Uprights(classes=6)
    members = life(LinearProbe(other="uprights", epochs=1, sweep=()), other)
    assert [member.status for member in members] == ["ok", "ok"]
    assert len(members) == 2
    for member in members:
        assert member.trial.parameters["linear.weight"].shape == (6, 8)
        assert bool(member.trial.mask["linear.weight"].all())
        assert not bool(member.trial.mask["layer1.0.conv1.weight"].all())
        assert judged(member) == {}
        assert member.headline == pytest.approx(confidence(network(member), other, MODEL.iterations), rel=1e-5)
