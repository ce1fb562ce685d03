"""GraSP scores by hand, and against an explicit Hessian."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from ticketbench import Trial
from ticketbench.testing import RECIPE, GivenExamples, GivenNetwork, trial_for
from ticketbench_models.mlp import MLP
from ticketbench_scorers.grasp import Grasp

Weights = dict[str, Tensor]


def trial_with(weights: Weights, inputs: Tensor, targets: Tensor) -> Trial:
    """A trial with chosen weights and training examples, in float64; batches of three."""
    matrices = [weight for weight in weights.values() if weight.ndim == 2]
    hidden = tuple(weight.shape[0] for weight in matrices[:-1])
    examples = GivenExamples(inputs, targets, outputs=matrices[-1].shape[0])
    module = MLP(hidden=hidden, bias="1.bias" in weights).build(examples.shapes()).double()
    module.load_state_dict(weights)
    return trial_for(model=GivenNetwork(module), task=examples, recipe=RECIPE.model_copy(update={"batch": 3}))


def drawn(bias: bool, examples: int = 7) -> tuple[Weights, Tensor, Tensor]:
    """A 3-4-2 network and some examples."""
    source = torch.Generator().manual_seed(5)

    def draw(*shape: int) -> Tensor:
        return torch.randn(shape, generator=source, dtype=torch.float64)

    weights = {"1.weight": draw(4, 3), "1.bias": draw(4), "3.weight": draw(2, 4), "3.bias": draw(2)}
    kept = {name: weight for name, weight in weights.items() if bias or weight.ndim == 2}
    return kept, draw(examples, 3), torch.randint(0, 2, (examples,), generator=source)


def loss(flat: Tensor, weights: Weights, inputs: Tensor, targets: Tensor, temperature: float) -> Tensor:
    """The mean cross-entropy of the outputs over T, as a function of the matrices laid end to end."""
    first, second = weights["1.weight"].shape, weights["3.weight"].shape
    cut = first.numel()
    hidden = torch.clamp(inputs @ flat[:cut].view(first).T + weights.get("1.bias", 0.0), min=0)
    logits = (hidden @ flat[cut:].view(second).T + weights.get("3.bias", 0.0)) / temperature
    shares = torch.exp(logits) / torch.exp(logits).sum(dim=1, keepdim=True)
    return -torch.log(shares[torch.arange(len(targets)), targets]).mean()


def by_hessian(weights: Weights, inputs: Tensor, targets: Tensor, temperature: float) -> Tensor:
    """θ·Hg with the whole Hessian written out, and the gradient by central differences of the loss."""
    flat = torch.cat([weights["1.weight"].flatten(), weights["3.weight"].flatten()])

    def at(point: Tensor) -> Tensor:
        return loss(point, weights, inputs, targets, temperature)

    hessian = torch.autograd.functional.hessian(at, flat)
    steps = 1e-5 * torch.eye(len(flat), dtype=torch.float64)
    gradient = torch.stack([(at(flat + step) - at(flat - step)) / 2e-5 for step in steps])
    return flat * (hessian @ gradient)


@pytest.mark.parametrize("temperature", [1.0, 200.0])
def test_the_score_by_hand(temperature: float):
    """One layer, x = (2, 1), equal logits: Hg = (−¼, ¼)ᵀ(2, 1)·‖x‖² / T³, ‖x‖² = 5, times W = ((1, −1), (1, −1)).

    The error is e = (−½, ½)/T, the gradient exᵀ, and H applied to it (S·e)(x·x)xᵀ with the softmax's
    S = ((¼, −¼), (−¼, ¼))/T².
    """
    weights = {"1.weight": torch.tensor([[1.0, -1.0], [1.0, -1.0]], dtype=torch.float64)}
    trial = trial_with(weights, torch.tensor([[2.0, 1.0]], dtype=torch.float64), torch.tensor([0]))
    scores = Grasp(batches=0, temperature=temperature).score(trial)["1.weight"] * temperature**3
    expected = torch.tensor([[-2.5, 1.25], [2.5, -1.25]], dtype=torch.float64)
    torch.testing.assert_close(scores, expected, rtol=1e-12, atol=1e-12)


def test_the_default_temperature_is_the_papers():
    """200."""
    assert Grasp().temperature == 200.0


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("temperature", [1.0, 200.0])
def test_the_score_equals_the_explicit_hessian(bias: bool, temperature: float):
    """All seven examples in one batch: θ·Hg over the prunable weights alone, to 1e-6."""
    case = drawn(bias)
    scores = Grasp(batches=0, batch=7, temperature=temperature).score(trial_with(*case))
    expected = by_hessian(*case, temperature).numpy()
    found = torch.cat([score.flatten() for score in scores.values()]).numpy()
    largest = np.abs(expected).max()
    np.testing.assert_allclose(found / largest, expected / largest, rtol=1e-6, atol=1e-9)


def test_several_batches_are_one_large_one():
    """Batches of 3, 3 and 1 give the Hessian and the gradient of the mean over all seven examples."""
    case = drawn(True)
    scores = Grasp(batches=0, batch=3, temperature=1.0).score(trial_with(*case))
    expected = by_hessian(*case, 1.0).numpy()
    np.testing.assert_allclose(
        torch.cat([score.flatten() for score in scores.values()]).numpy(), expected, rtol=1e-6, atol=1e-9
    )


def test_the_weights_whose_removal_raises_the_gradient_flow_most_go_first():
    """‖g(θ − ε·θ_q·e_q)‖² − ‖g(θ)‖² ≈ −2ε·score: the lowest score is the largest rise, and it is pruned first."""
    weights, inputs, targets = drawn(False)
    trial = trial_with(weights, inputs, targets)
    flat = torch.cat([weights["1.weight"].flatten(), weights["3.weight"].flatten()])

    def flow(point: Tensor) -> float:
        leaf = point.clone().requires_grad_(True)
        (gradient,) = torch.autograd.grad(loss(leaf, weights, inputs, targets, 1.0), leaf)
        return float(gradient.square().sum())

    rises = []
    for place in range(len(flat)):
        shrunk = flat.clone()
        shrunk[place] *= 1 - 1e-5
        rises.append((flow(shrunk) - flow(flat)) / 1e-5)
    scores = Grasp(batches=0, batch=7, temperature=1.0).score(trial)
    found = torch.cat([score.flatten() for score in scores.values()])
    np.testing.assert_allclose(-2 * found.numpy(), rises, rtol=1e-3, atol=1e-4)
    trial.prune(19 / 20, scores=scores)
    gone = (~torch.cat([mask.flatten() for mask in trial.mask.values()])).nonzero().flatten().tolist()
    assert gone == [int(np.argmax(rises))]


def test_a_pruned_weight_scores_zero_and_the_others_are_scored_without_it():
    """The Hessian and the gradient of the pruned network, over all places."""
    weights, inputs, targets = drawn(False)
    trial = trial_with(weights, inputs, targets)
    mask = trial.mask
    mask["1.weight"][1, 2] = mask["3.weight"][0, 3] = False
    trial.set_mask(mask)
    pruned = {name: weight * mask[name] for name, weight in weights.items()}
    scores = Grasp(batches=0, batch=7, temperature=1.0).score(trial)
    assert scores["1.weight"][1, 2].item() == scores["3.weight"][0, 3].item() == 0.0
    expected = by_hessian(pruned, inputs, targets, 1.0).numpy()
    found = torch.cat([score.flatten() for score in scores.values()]).numpy()
    np.testing.assert_allclose(found, expected, rtol=1e-6, atol=1e-9)


def test_scoring_changes_nothing():
    """Weights, masks and step are what they were."""
    trial = trial_with(*drawn(True))
    before = {name: weight.clone() for name, weight in trial.parameters.items()}
    Grasp().score(trial)
    assert all(weight.equal(before[name]) for name, weight in trial.parameters.items())
    assert trial.step == 0
    assert trial.present_density == 1.0
