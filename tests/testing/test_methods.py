"""Methods that keep their contract pass; each way to break it is found and named."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest
import torch

from ticketbench import Method, OptionError, Train
from ticketbench.testing import UncheckedError, check_method


@pytest.mark.parametrize("name", ["dense", "oneshot", "imp", "rigl", "filters", "gradual", "narang", "halfway"])
def test_registered_methods_keep_the_contract(plugins, name):
    """Built-in ones, two that need a longer schedule among them, and the stranger's."""
    method = plugins.find("method", name)
    assert check_method(method, plugins.find("scorer", method.ranks_by) if method.ranks_by else None).notes == ()


@dataclass(frozen=True)
class Random(Method):
    """Train a little, and keep weights at random: to be spoiled."""

    name = "spoiled"
    summary = "for tests"

    def draw(self, trial):
        yield trial.train(until=5)
        trial.prune(scores=self.scores(trial))

    def scores(self, trial):
        source = trial.generator("which")
        return {name: torch.rand(weight.shape, generator=source) for name, weight in trial.weights.items()}


def test_a_method_of_its_own_passes():
    """With random numbers from the trial."""
    assert check_method(Random()).said.startswith("exact density, nothing leaks, the same again")


class OneTooMany(Random):
    """Off by one."""

    def draw(self, trial):
        mask = {name: torch.zeros_like(part) for name, part in trial.mask.items()}
        next(iter(mask.values())).view(-1)[: int(trial.density * trial.total_weights) + 1] = True
        trial.set_mask(mask)


class Leaks(Random):
    """Sets pruned weights to something, behind the mask's back."""

    def draw(self, trial):
        yield trial.train(until=5)
        trial.prune(scores=self.scores(trial))
        trial._bench.stack.parameters["0.weight"].detach().add_(0.1)


class DrawsByChance(Random):
    """torch's global generator."""

    def scores(self, trial):
        return {name: torch.rand_like(weight) for name, weight in trial.weights.items()}


class TrainsByChance(Random):
    """A mask that is right, and weights that are moved by NumPy's global generator before they are trained."""

    def draw(self, trial):
        yield trial.train(until=5)
        trial.prune(scores=self.scores(trial))
        trial.set_weights({name: weight * np.random.uniform(0.5, 2) for name, weight in trial.weights.items()})
        yield trial.train(until=9)


class CountsTrials(Random):
    """A method with a memory: what it draws depends on how many it has drawn."""

    drawn: list[int] = []  # noqa: RUF012

    def scores(self, trial):
        self.drawn.append(1)
        return {name: weight.abs() * (-1) ** len(self.drawn) for name, weight in trial.weights.items()}


class SharesAmongMembers(Random):
    """What a fleet has in common: the scores of the first of all trials that are under way."""

    first: list[torch.Tensor] = []  # noqa: RUF012

    def draw(self, trial):
        self.first.append(trial.seed)
        yield trial.train(until=5)
        sign = 1 if len(self.first) == 1 else -1
        trial.prune(scores={name: sign * weight.abs() for name, weight in trial.weights.items()})
        yield trial.train(until=6)
        self.first.clear()


class YieldsNumbers(Random):
    """An epoch number."""

    def draw(self, trial):
        yield 5


class YieldsItsOwn(Random):
    """A request that it made itself."""

    def draw(self, trial):
        yield Train(7)
        trial.prune(scores=self.scores(trial))


class ReturnsMask(Random):
    """A mask where none is asked for."""

    def draw(self, trial):
        return {name: weight.abs() > 0.1 for name, weight in trial.weights.items()}


class Crashes(Random):
    """A misspelt name."""

    def draw(self, trial):
        trial.prunes(0.5)


class EndlessTrainings(Random):
    """No estimate."""

    def trainings(self, density):
        return float("inf")


class FewerThanNoScorings(Random):
    """No estimate either."""

    def scorings(self, density):
        return -1.0


@pytest.mark.parametrize(
    ("method", "says"),
    [
        (OneTooMany(), r"'spoiled' at density 0\.5: the method left 46 of 90 weights; density 0\.5 means 45"),
        (Leaks(), r"\d+ entries of the weight of '0\.weight' are masked but not zero"),
        (DrawsByChance(), r"another result the second time: the masks of '0\.weight' differ in \d+ of 60 places"),
        (TrainsByChance(), r"another result the second time: the trained weights differ by .* trial\.generator"),
        (CountsTrials(), r"another result the second time: the masks of"),
        (SharesAmongMembers(), r"another result in a fleet with other seeds than alone: the masks of"),
        (YieldsNumbers(), r"yields 5; yield nothing but what trial\.train\(\.\.\.\), trial\.remask"),
        (YieldsItsOwn(), r"yields Train\(until=7.*; yield nothing but what trial\.train"),
        (ReturnsMask(), r"draw\(\) returns dict\. It is either a plain function"),
        (Crashes(), r"fails at density 0\.5: AttributeError: .*prunes.* \(at .*test_methods\.py:\d+\)"),
        (EndlessTrainings(), r"trainings\(0\.5\) is inf; it must be how many full trainings"),
        (FewerThanNoScorings(), r"scorings\(0\.5\) is -1\.0; it must be how often weights are ranked"),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Method) else "",
)
def test_every_broken_promise_is_named(method, says):
    """What was wrong, and what would work."""
    with pytest.raises(AssertionError, match=says):
        check_method(method)


class Refuses(Random):
    """Wants more steps than there are."""

    def draw(self, trial):
        if trial.total_steps < 1000:
            raise OptionError(f"'spoiled' wants 1000 steps, not {trial.total_steps}")
        return super().draw(trial)


def test_a_refusal_is_no_fault_and_no_success():
    """Every network and schedule is tried first."""
    with pytest.raises(
        UncheckedError, match=r"a linear network, 40 steps: .* not 40; .*a recurrent network, 400 steps"
    ):
        check_method(Refuses())
