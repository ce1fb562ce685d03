"""SNIP scores by hand and by finite differences."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import nn

from ticketbench import Model, Shapes, Trial
from ticketbench.testing import RECIPE, GivenExamples, GivenNetwork, trial_for, trial_of_cell
from ticketbench_models.mlp import MLP
from ticketbench_scorers.snip import Snip

Array = NDArray[np.float64]


def trial_with(weights: dict[str, Array], inputs: Array, targets: NDArray[np.int64]) -> Trial:
    """A trial of two classes with chosen weights and training examples, in float64; batches of three."""
    examples = GivenExamples(torch.tensor(inputs), torch.tensor(targets), outputs=2)
    hidden = (len(weights["1.weight"]),)
    module = MLP(hidden=hidden, bias="1.bias" in weights).build(examples.shapes()).double()
    module.load_state_dict({name: torch.tensor(weight) for name, weight in weights.items()})
    return trial_for(model=GivenNetwork(module), task=examples, recipe=RECIPE.model_copy(update={"batch": 3}))


def loss(weights: dict[str, Array], inputs: Array, targets: NDArray[np.int64]) -> float:
    """The mean cross-entropy of two layers with ReLU between them."""
    hidden = np.maximum(inputs @ weights["1.weight"].T + weights.get("1.bias", 0), 0)
    logits = hidden @ weights["3.weight"].T + weights.get("3.bias", 0)
    return float(np.mean(np.log(np.exp(logits).sum(axis=1)) - logits[np.arange(len(targets)), targets]))


def sensitivities(weights: dict[str, Array], inputs: Array, targets: NDArray[np.int64]) -> dict[str, Array]:
    """|∂L/∂c| at c = 1 for every weight, by central differences in the connection c itself."""
    found = {}
    for name in ("1.weight", "3.weight"):
        found[name] = np.zeros_like(weights[name])
        for place in np.ndindex(*weights[name].shape):
            sides = []
            for connection in (1 + 1e-5, 1 - 1e-5):
                scaled = weights[name].copy()
                scaled[place] *= connection
                sides.append(loss({**weights, name: scaled}, inputs, targets))
            found[name][place] = abs(sides[0] - sides[1]) / 2e-5
    return found


def drawn(bias: bool, examples: int = 7) -> tuple[dict[str, Array], Array, NDArray[np.int64]]:
    """A 3-4-2 network and examples that stay away from the kinks of ReLU."""
    source = np.random.default_rng(2)
    weights = {"1.weight": source.normal(size=(4, 3)), "3.weight": source.normal(size=(2, 4))}
    if bias:
        weights = {
            "1.weight": weights["1.weight"],
            "1.bias": source.normal(size=4),
            "3.weight": weights["3.weight"],
            "3.bias": source.normal(size=2),
        }
    inputs, targets = source.normal(size=(examples, 3)), source.integers(0, 2, size=examples)
    assert np.abs(inputs @ weights["1.weight"].T + weights.get("1.bias", 0)).min() > 1e-3
    return weights, inputs, targets


def hand() -> tuple[dict[str, Array], Array, NDArray[np.int64]]:
    """x = (1, 2), hidden (1, 1), both logits 0: the softmax is (½, ½) and the error of target 0 is (−½, ½)."""
    weights = {"1.weight": np.array([[1.0, 0.0], [0.5, 0.25]]), "3.weight": np.array([[1.0, -1.0], [2.0, -2.0]])}
    return weights, np.array([[1.0, 2.0]]), np.array([0])


def test_the_score_by_hand():
    """∂L/∂W₂ = (−½, ½)ᵀ(1, 1); ∂L/∂h = (½, −½), ∂L/∂W₁ = (½, −½)ᵀ(1, 2); times the weights, without sign."""
    scores = Snip(batches=0).score(trial_with(*hand()))
    assert scores["1.weight"].tolist() == [[0.5, 0.0], [0.25, 0.25]]
    assert scores["3.weight"].tolist() == [[0.5, 0.5], [1.0, 1.0]]


@pytest.mark.parametrize("bias", [True, False])
def test_the_score_equals_the_derivative_in_the_connection(bias: bool):
    """Seven examples in batches of 3, 3 and 1: |∂L/∂c| of the mean loss over all of them, to 1e-6."""
    case = drawn(bias)
    scores, expected = Snip(batches=0).score(trial_with(*case)), sensitivities(*case)
    assert scores.keys() == expected.keys()
    for name, score in scores.items():
        np.testing.assert_allclose(score.numpy(), expected[name], rtol=1e-6, atol=1e-10)


def test_signs_cancel_before_the_absolute_value():
    """The same example with both targets: the errors cancel, and no connection matters."""
    weights, inputs, _ = hand()
    scores = Snip(batches=0, batch=1).score(trial_with(weights, np.repeat(inputs, 2, axis=0), np.array([0, 1])))
    assert all(not score.any() for score in scores.values())


def test_as_many_examples_are_scored_as_asked(monkeypatch):
    """Default: one batch of the recipe's size; options: two batches of four."""
    trial = trial_with(*drawn(False, examples=40))
    seen: list[int] = []
    gradient = trial.gradient
    monkeypatch.setattr(trial, "gradient", lambda batch, live: (seen.append(len(batch)), gradient(batch, live=live))[1])
    Snip().score(trial)
    Snip(batches=2, batch=4).score(trial)
    assert seen == [3, 4, 4]


def test_a_pruned_weight_scores_zero_and_the_others_are_scored_without_it():
    """The derivative of the pruned network."""
    weights, inputs, targets = drawn(False)
    trial = trial_with(weights, inputs, targets)
    mask = trial.mask
    mask["1.weight"][1, 2] = mask["3.weight"][0, 3] = False
    trial.set_mask(mask)
    pruned = {name: weight * mask[name].numpy() for name, weight in weights.items()}
    scores, expected = Snip(batches=0).score(trial), sensitivities(pruned, inputs, targets)
    assert scores["1.weight"][1, 2].item() == scores["3.weight"][0, 3].item() == 0.0
    for name, score in scores.items():
        np.testing.assert_allclose(score.numpy(), expected[name], rtol=1e-6, atol=1e-10)


def test_scoring_changes_nothing():
    """Weights, masks and step are what they were."""
    trial = trial_with(*drawn(True))
    before = {name: weight.clone() for name, weight in trial.parameters.items()}
    Snip().score(trial)
    assert all(weight.equal(before[name]) for name, weight in trial.parameters.items())
    assert trial.step == 0
    assert trial.present_density == 1.0


@dataclass(frozen=True)
class Normed(Model):
    """A perceptron with batch norm."""

    name = "normed"
    summary = "linear, batch norm, ReLU, linear"

    def build(self, shapes: Shapes) -> nn.Module:
        """Five hidden units."""
        return nn.Sequential(nn.Linear(shapes.inputs[0], 5), nn.BatchNorm1d(5), nn.ReLU(), nn.Linear(5, shapes.outputs))


def test_batch_norm_sees_the_batch_and_forgets_it(plugins, tiny_suite, cells_of):
    """The gradient is that of torch in training mode; running statistics and the module's mode stay as they were."""
    _, cells = cells_of(tiny_suite())
    trial = trial_of_cell(cells[0], plugins, model=Normed())
    module, before = Normed().build(Shapes((6,), 3)).train(), trial.snapshot().buffers
    module.load_state_dict({**trial.parameters, **before})
    (split,) = trial.batches(0, 1000)
    module(split.inputs)  # other statistics than those at initialization change no gradient in training mode
    nn.functional.cross_entropy(module(split.inputs), split.targets).backward()
    scores = Snip(batches=0, batch=len(split)).score(trial)
    assert list(scores) == ["0.weight", "3.weight"]
    for name, score in scores.items():
        part = module.get_parameter(name)
        torch.testing.assert_close(score, (part.detach() * part.grad).abs())
    assert all(buffer.equal(before[name]) for name, buffer in trial.snapshot().buffers.items())
