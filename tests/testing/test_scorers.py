"""Scorers that keep their contract pass; each way to break it is found and named."""

from __future__ import annotations

import random
from dataclasses import dataclass

import pytest
import torch

from ticketbench import OptionError, Scorer
from ticketbench.testing import UncheckedError, check_scorer


@pytest.mark.parametrize("name", ["random", "magnitude", "snip", "grasp", "synflow", "jacobian", "fisher"])
def test_registered_scorers_keep_the_contract(plugins, name):
    """Built-in ones, one for recurrent networks among them, and the stranger's."""
    assert check_scorer(plugins.find("scorer", name)).notes == ()


@dataclass(frozen=True)
class Absolute(Scorer):
    """|θ|, to be spoiled."""

    name = "spoiled"
    summary = "for tests"

    def score(self, trial):
        return {name: weight.abs() for name, weight in trial.weights.items()}


class NotANumber(Absolute):
    """One score is 0/0."""

    def score(self, trial):
        scores = super().score(trial)
        next(iter(scores.values())).view(-1)[3] = torch.nan
        return scores


class Infinite(Absolute):
    """1/θ, which is infinite once weights are pruned or zero."""

    def score(self, trial):
        return {name: weight.abs() / (trial.mask[name].all().float() - 0.0) for name, weight in trial.weights.items()}


class InfiniteOfAll(Absolute):
    """e^1000."""

    def score(self, trial):
        return {name: (weight + 1000).exp() for name, weight in trial.weights.items()}


class Flat(Absolute):
    """One row of scores for every weight."""

    def score(self, trial):
        return {name: weight.flatten() for name, weight in trial.weights.items()}


class Forgetful(Absolute):
    """No scores for the last weight."""

    def score(self, trial):
        return dict(list(super().score(trial).items())[:-1])


class Inventive(Absolute):
    """Scores for a misspelt weight, too."""

    def score(self, trial):
        return {**super().score(trial), "0.weigth": torch.zeros(10)}


class ChangesWeights(Absolute):
    """Doubles what it scores."""

    def score(self, trial):
        trial.set_weights({name: 2 * weight for name, weight in trial.weights.items()})
        return super().score(trial)


class ChangesMask(Absolute):
    """Turns a mask around."""

    def score(self, trial):
        trial.set_mask({name: ~part if name == "3.weight" else part for name, part in trial.mask.items()})
        return super().score(trial)


class ChangesData(Absolute):
    """Standardizes the training examples where they lie."""

    def score(self, trial):
        bench = trial._bench
        (bench.data if hasattr(bench, "data") else bench.stage.data).train.inputs.sub_(1)
        return super().score(trial)


class OfTorch(Absolute):
    """torch's global generator."""

    def score(self, trial):
        return {name: torch.rand_like(weight) for name, weight in trial.weights.items()}


class OfPython(Absolute):
    """Python's global generator."""

    def score(self, trial):
        return {name: weight.abs() * random.random() for name, weight in trial.weights.items()}


class OfNowhere(Absolute):
    """A generator that nobody seeds."""

    def score(self, trial):
        source = torch.Generator()
        source.seed()
        return {name: torch.rand(weight.shape, generator=source) for name, weight in trial.weights.items()}


class Crashes(Absolute):
    """Knows matrices alone, and says so by an accident."""

    def score(self, trial):
        return {name: weight @ weight.T @ weight for name, weight in trial.weights.items() if weight.shape[9]}


class ReturnsNothing(Absolute):
    """Forgets to return."""

    def score(self, trial):
        super().score(trial)


class LooksAtTest(Absolute):
    """Asks for the test split."""

    def score(self, trial):
        return {name: weight * float(trial.judged.inputs.mean()) for name, weight in trial.weights.items()}


@pytest.mark.parametrize(
    ("scorer", "says"),
    [
        (NotANumber(), r"'spoiled' on a linear network: 1 of 60 scores of '0\.weight' are not finite"),
        (Infinite(), r"with half of its weights pruned: \d+ of \d+ scores of '0\.weight' are not finite"),
        (InfiniteOfAll(), r"60 of 60 scores of '0\.weight' are not finite"),
        (Flat(), r"the score of '0\.weight' has shape \(60,\), not \(10, 6\)"),
        (Forgetful(), r"no score for '3\.weight'; scored: 0\.weight"),
        (Inventive(), r"scores '0\.weigth' on a linear network, which is no weight. Did you mean '0\.weight'\?"),
        (ChangesWeights(), r"scorer 'spoiled' changed the weights of '0\.weight' on a linear network\. It only looks"),
        (ChangesData(), r"changed the inputs of training batch 0 on a linear network"),
        (ChangesMask(), r"changed the (weights|mask) of '3\.weight'"),
        (OfTorch(), r"not deterministic for '0\.weight' .* trial\.generator\(\"purpose\"\)"),
        (OfPython(), r"not deterministic for '0\.weight'"),
        (OfNowhere(), r"not deterministic for '0\.weight'"),
        (
            Crashes(),
            r"fails on a linear network: IndexError: .* \(at .*test_scorers\.py:\d+\).* refuse by a .*OptionError",
        ),
        (ReturnsNothing(), r"returns NoneType on a linear network; it must be a table of tensors"),
        (LooksAtTest(), r"scorer 'spoiled' asks for the test split when there is none"),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Scorer) else "",
)
def test_every_broken_promise_is_named(scorer, says):
    """What was wrong, on what, and what would work."""
    with pytest.raises(AssertionError, match=says):
        check_scorer(scorer)


class ForConvolutions(Absolute):
    """Refuses every weight that is no kernel, in words."""

    def score(self, trial):
        if all(weight.ndim != 4 for weight in trial.weights.values()):
            raise OptionError("'spoiled' wants kernels")
        return super().score(trial)


class Refuses(Absolute):
    """Nothing is good enough."""

    def score(self, trial):
        raise OptionError("'spoiled' wants transformers")


def test_a_refusal_is_no_fault_and_no_success():
    """What goes with some networks is checked on those; what goes with none is said to be unchecked."""
    assert check_scorer(ForConvolutions()).said.endswith("on a convolutional network")
    with pytest.raises(
        UncheckedError, match=r"refuses every network of the check\..*a linear network: 'spoiled' wants tr"
    ):
        check_scorer(Refuses())


def test_global_random_numbers_are_left_as_they_were():
    """The check starts them elsewhere, for its own length."""
    torch.manual_seed(3)
    expected = torch.rand(2)
    torch.manual_seed(3)
    check_scorer(Absolute())
    assert torch.equal(torch.rand(2), expected)


class Scribbler(Absolute):
    """Computes in place on everything that it is handed."""

    def score(self, trial):
        for state in (trial.weights, trial.parameters, trial.computed, trial.origin):
            for weight in state.values():
                weight.mul_(2)
        for part in trial.mask.values():
            part.zero_()
        for batch in (*trial.batches(2), *trial.batches(0)):
            batch.inputs.zero_()
            batch.targets.zero_()
        return {name: weight.mul_(2).abs_() for name, weight in trial.weights.items()}


def test_a_scorer_may_compute_in_place_on_what_it_is_given():
    """All that a trial hands out are copies: neither the cell nor its data change."""
    assert check_scorer(Scribbler()).notes == ()
