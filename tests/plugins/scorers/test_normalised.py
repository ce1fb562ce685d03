"""SNIP and GraSP over γ, against NumPy and an explicit Hessian."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from recurrences import (
    FEATURES,
    KINDS,
    STEPS,
    Array,
    Weights,
    arrays,
    differences,
    examples_of,
    gammas,
    given,
    network,
    sequences,
    states,
    trial_with,
)
from torch import Tensor, nn
from torch.func import functional_call

from ticketbench import Scorer, Shapes
from ticketbench.testing import Tiny, UncheckedError, check_scorer
from ticketbench_scorers.normalised import GraspNormalised, SnipNormalised

__all__ = ["trial_with"]


def loss(kind: str, weights: Weights, inputs: Array, targets: Array) -> Array:
    """The mean cross-entropy of the read-out of the last hidden state."""
    last = states(kind, weights, inputs)[-1][0]
    logits = last @ weights["read_out.weight"].T + weights["read_out.bias"]
    return np.mean(np.log(np.exp(logits).sum(axis=1)) - logits[np.arange(len(targets)), targets])


def by_hessian(module: nn.Module, inputs: Tensor, targets: Tensor, temperature: float) -> dict[str, Array]:
    """θ·Hg with the whole Hessian over the layer's weights written out."""
    own = {name: weight.detach() for name, weight in module.named_parameters()}
    prunable = {name: weight for name, weight in own.items() if name.startswith("from_")}
    sizes = [weight.numel() for weight in prunable.values()]

    def at(flat: Tensor) -> Tensor:
        parts = dict(zip(prunable, flat.split(sizes), strict=True))
        moved = {name: part.view(own[name].shape) for name, part in parts.items()}
        return nn.functional.cross_entropy(functional_call(module, {**own, **moved}, (inputs,)) / temperature, targets)

    point = torch.cat([weight.flatten() for weight in prunable.values()])
    hessian = torch.autograd.functional.hessian(at, point)
    product = point * (hessian @ torch.autograd.functional.jacobian(at, point))
    parts = zip(prunable.items(), product.split(sizes), strict=True)
    return {name: part.view(weight.shape).numpy() for (name, weight), part in parts}


@pytest.mark.parametrize("gamma", ["signed", "absolute"])
@pytest.mark.parametrize("kind", KINDS)
def test_snip_is_divided_by_gamma(trial_with, kind: str, gamma: str):
    """|θ·∂L/∂θ| by finite differences in NumPy, over γ of the examples plus 0.01."""
    module, inputs = network(kind), sequences()
    scorer = SnipNormalised(gamma=gamma, gamma_inputs="data", epsilon=0.01)
    scores = scorer.score(trial_with(module, inputs, scorer))
    weights, targets = arrays(module), np.arange(len(inputs)) % 2
    slopes = differences(weights, lambda moved: loss(kind, moved, inputs.numpy(), targets))
    divisors = gammas(kind, weights, inputs.numpy(), gamma == "absolute")
    assert scores.keys() == slopes.keys()
    for name, score in scores.items():
        expected = np.abs(weights[name] * slopes[name]) / (divisors[name] + 0.01)
        np.testing.assert_allclose(score.numpy(), expected, rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize("temperature", [1.0, 200.0])
@pytest.mark.parametrize("kind", KINDS)
def test_grasp_is_divided_by_gamma_and_keeps_its_sign(trial_with, kind: str, temperature: float):
    """θ·Hg of the Hessian written out, over γ of the examples plus 0.01: some scores are negative, and go first."""
    module, inputs = network(kind), sequences()
    scorer = GraspNormalised(gamma_inputs="data", epsilon=0.01, temperature=temperature)
    trial = trial_with(module, inputs, scorer)
    scores = dict(scorer.score(trial))
    above = by_hessian(module, inputs, torch.arange(len(inputs)) % 2, temperature)
    divisors = gammas(kind, arrays(module), inputs.numpy())
    largest = max(np.abs(part).max() for part in above.values())
    for name, score in scores.items():
        expected = above[name] / (divisors[name] + 0.01)
        np.testing.assert_allclose(score.numpy() / largest, expected / largest, rtol=1e-6, atol=1e-8)
    flat = torch.cat([score.flatten() for score in scores.values()])
    assert float(flat.min()) < 0 < float(flat.max())
    trial.prune((len(flat) - 1) / len(flat), scores=scores)
    gone = (~torch.cat([mask.flatten() for mask in trial.mask.values()])).nonzero().flatten().tolist()
    assert gone == [int(flat.argmin())]


@pytest.mark.parametrize("scorer", [SnipNormalised(), GraspNormalised()], ids=lambda scorer: scorer.name)
def test_gamma_is_of_noise_by_default(trial_with, scorer: Scorer):
    """Inputs that the layer cannot tell from zero in the loss change nothing of γ: noise has its own."""
    module, inputs = network("rnn"), sequences()
    same = [scorer.score(trial_with(module, inputs, scorer)) for _ in range(2)]
    steps = type(scorer)(gamma_steps=1).score(trial_with(module, inputs, scorer))
    for name, score in same[0].items():
        assert torch.equal(score, same[1][name])
        assert not torch.equal(score, steps[name])


def test_as_many_examples_are_scored_as_asked(trial_with):
    """One batch of `batch` sequences for the loss, twice for GraSP, and as many for γ: 3 of 4, 5 steps, 45 weights."""
    for scorer, passes in ((SnipNormalised(batch=3), 1), (GraspNormalised(batch=3), 2)):
        trial, once = (trial_with(network("gru"), sequences(), scorer) for _ in range(2))
        once.outputs(sequences()[:3])
        forward = once.spent.flops
        scorer.score(trial)
        assert trial.spent.flops == passes * forward + 2 * 45 * 3 * (3 * STEPS)


def test_a_pruned_weight_scores_zero(trial_with):
    """θ = 0, whatever γ is."""
    for scorer in (SnipNormalised(), GraspNormalised()):
        trial = trial_with(network("lstm"), sequences(), scorer)
        trial.prune(0.5, scores={name: weight.abs() for name, weight in trial.weights.items()})
        for name, score in scorer.score(trial).items():
            assert not score[~trial.mask[name]].any()
            assert score[trial.mask[name]].ne(0).all()


@pytest.mark.parametrize("scorer", [SnipNormalised(), GraspNormalised()], ids=lambda scorer: scorer.name)
def test_what_is_not_recurrent_is_refused(scorer: Scorer):
    """By name, with what a network needs to be."""
    message = rf"'{scorer.name}'.*Sequential has none.*members of ticketbench.Recurrent"
    with pytest.raises(UncheckedError, match=message):
        check_scorer(scorer, model=Tiny())


@pytest.mark.parametrize("scorer", [SnipNormalised(), GraspNormalised()], ids=lambda scorer: scorer.name)
@pytest.mark.parametrize("kind", KINDS)
def test_normalised_scorers_keep_the_contract(kind: str, scorer: Scorer):
    """Finite, right shapes, deterministic, leaves the network alone; the models as they are, in float32."""
    module = KINDS[kind](hidden=8).build(Shapes((STEPS, FEATURES), 2))
    check_scorer(scorer, model=given(module), task=examples_of(sequences().float()))


def test_the_defaults_are_the_papers():
    """One mini-batch of 64; GraSP's own temperature."""
    assert SnipNormalised().batch == GraspNormalised().batch == 64
    assert GraspNormalised().temperature == 200.0
    assert GraspNormalised(temperature=3.0).plain().temperature == 3.0
