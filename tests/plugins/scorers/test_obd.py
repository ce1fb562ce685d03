"""Optimal brain damage by hand, by explicit Hessians and by finite differences."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn import functional

from ticketbench import OptionError, Trial
from ticketbench.testing import GivenExamples, GivenNetwork, check_scorer, trial_for
from ticketbench_scorers.obd import OptimalBrainDamage


class Loop(nn.Module):
    """One matrix used three times."""

    def __init__(self) -> None:
        super().__init__()
        self.inner = nn.Linear(3, 3)
        self.read = nn.Linear(3, 2)

    def forward(self, x: Tensor) -> Tensor:
        """Three rounds, and read out."""
        for _ in range(3):
            x = functional.relu(self.inner(x)) + x
        return self.read(x)


class Spare(nn.Module):
    """One of two layers is not read."""

    def __init__(self) -> None:
        super().__init__()
        self.spare = nn.Linear(2, 2)
        self.read = nn.Linear(3, 2)

    def forward(self, x: Tensor) -> Tensor:
        """The other one."""
        return self.read(x)


NETWORKS: dict[str, Callable[[], nn.Module]] = {
    "relu": lambda: nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 2)),
    "tanh": lambda: nn.Sequential(nn.Linear(3, 4, bias=False), nn.Tanh(), nn.Linear(4, 2)),
    "loop": Loop,
    "norm": lambda: nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.ReLU(), nn.Linear(4, 2)),
    "convolution": lambda: nn.Sequential(
        nn.Unflatten(1, (1, 3)), nn.Conv1d(1, 2, 2), nn.ReLU(), nn.Conv1d(2, 2, 1), nn.Flatten(), nn.Linear(4, 2)
    ),
    "positions": lambda: nn.Sequential(nn.Unflatten(1, (1, 3)), nn.Conv1d(1, 3, 1), nn.Tanh(), nn.Conv1d(3, 2, 1)),
}


def trial_with(module: nn.Module, inputs: Tensor, targets: Tensor) -> Trial:
    """A trial of any small network in float64, with its own examples."""
    return trial_for(model=GivenNetwork(module.double()), task=GivenExamples(inputs, targets))


def drawn(kind: str, examples: int = 5) -> tuple[nn.Module, Tensor, Tensor]:
    """A network and some examples; every weight is large, so that curvature is far from zero."""
    with torch.random.fork_rng():
        torch.manual_seed(11)
        module = NETWORKS[kind]().double()
        for weight in module.parameters():
            nn.init.normal_(weight)
        targets = (examples, 3) if kind == "positions" else (examples,)
        return module, torch.randn(examples, 3, dtype=torch.float64), torch.randint(0, 2, targets)


def matrices(module: nn.Module) -> dict[str, Tensor]:
    """The weights that may be pruned."""
    return {name: weight.detach() for name, weight in module.named_parameters() if weight.ndim >= 2}


def as_function(module: nn.Module, inputs: Tensor) -> Callable[[Tensor], Tensor]:
    """The outputs as a function of all prunable weights laid end to end."""
    own = matrices(module)
    others = {name: part.detach() for name, part in module.named_parameters() if name not in own}
    buffers = {name: part.clone() for name, part in module.named_buffers()}

    def outputs(flat: Tensor) -> Tensor:
        parts = flat.split([weight.numel() for weight in own.values()])
        weights = {name: part.view(own[name].shape) for name, part in zip(own, parts, strict=True)}
        return functional_call(module, {**others, **weights, **{k: b.clone() for k, b in buffers.items()}}, (inputs,))

    return outputs


def laid_out(parts: dict[str, Tensor]) -> Tensor:
    """All tensors end to end."""
    return torch.cat([part.flatten() for part in parts.values()])


def explicit_hessian(module: nn.Module, inputs: Tensor, targets: Tensor) -> Tensor:
    """The diagonal of the whole Hessian, written out by PyTorch's own routine."""
    outputs = as_function(module, inputs)
    point = laid_out(matrices(module))
    whole = torch.autograd.functional.hessian(lambda flat: functional.cross_entropy(outputs(flat), targets), point)
    return whole.diagonal()


def explicit_gauss_newton(module: nn.Module, inputs: Tensor, targets: Tensor) -> Tensor:
    """The diagonal of JᵀAJ with J and A written out over all examples at once."""
    outputs = as_function(module, inputs)
    point = laid_out(matrices(module))
    at = outputs(point).detach()
    jacobian = torch.autograd.functional.jacobian(outputs, point).reshape(at.numel(), -1)
    criterion = torch.autograd.functional.hessian(lambda found: functional.cross_entropy(found, targets), at)
    return (jacobian.T @ criterion.reshape(at.numel(), at.numel()) @ jacobian).diagonal()


def close(found: dict[str, Tensor], expected: Tensor) -> None:
    """To 1e-6 of each value, and 1e-12 of the largest where a value is zero."""
    largest = float(expected.abs().max())
    torch.testing.assert_close(laid_out(found), expected, rtol=1e-6, atol=1e-12 * largest)


@pytest.mark.parametrize("curvature", ["exact", "gauss_newton"])
def test_the_score_by_hand(curvature: str):
    """One layer, x = (2, 1), equal logits: h = p(1 − p)·x² = (1, ¼) in both rows, times θ²/2 of ((1, −1), (3, −5))."""
    module = nn.Sequential(nn.Linear(2, 2, bias=False))
    with torch.no_grad():
        module[0].weight.copy_(torch.tensor([[1.0, -1.0], [3.0, -5.0]]))
    trial = trial_with(module, torch.tensor([[2.0, 1.0]], dtype=torch.float64), torch.tensor([0]))
    scores = OptimalBrainDamage(curvature=curvature).score(trial)["0.weight"]
    expected = torch.tensor([[1 / 2, 1 / 8], [9 / 2, 25 / 8]], dtype=torch.float64)
    torch.testing.assert_close(scores, expected, rtol=1e-12, atol=0)


@pytest.mark.parametrize("kind", NETWORKS)
def test_exact_equals_the_explicit_hessian(kind: str):
    """h·θ²/2 with the whole Hessian written out, in training mode."""
    case = drawn(kind)
    expected = explicit_hessian(*case) * laid_out(matrices(case[0])).square() / 2
    close(OptimalBrainDamage(curvature="exact", batches=0).score(trial_with(*case)), expected)


@pytest.mark.parametrize("kind", NETWORKS)
def test_gauss_newton_equals_jacobians_and_criterion_written_out(kind: str):
    """diag(JᵀAJ)·θ²/2, which is never negative, also where outputs have positions or examples meet in a norm."""
    case = drawn(kind)
    expected = explicit_gauss_newton(*case) * laid_out(matrices(case[0])).square() / 2
    scores = OptimalBrainDamage(batches=0).score(trial_with(*case))
    close(scores, expected)
    assert all(bool((score >= 0).all()) for score in scores.values())


def test_exact_equals_second_differences_of_the_loss():
    """(L(θ + ε) − 2L(θ) + L(θ − ε)) / ε² of one weight at a time."""
    module, inputs, targets = drawn("tanh")
    outputs, point, step = as_function(module, inputs), laid_out(matrices(module)), 1e-4
    curvature = []
    for place in range(len(point)):
        shift = torch.zeros_like(point)
        shift[place] = step
        losses = [functional.cross_entropy(outputs(point + sign * shift), targets) for sign in (-1, 0, 1)]
        curvature.append(float(losses[0] - 2 * losses[1] + losses[2]) / step**2)
    expected = torch.tensor(curvature, dtype=torch.float64) * point.square() / 2
    found = laid_out(OptimalBrainDamage(curvature="exact", batches=0).score(trial_with(module, inputs, targets)))
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize(("kind", "same"), [("relu", True), ("convolution", True), ("tanh", False), ("loop", False)])
def test_both_agree_where_the_output_is_piecewise_linear_in_each_weight(kind: str, same: bool):
    """ReLU networks without loops; tanh and loops have a curvature of their own."""
    case = drawn(kind)
    exact, approximate = (
        laid_out(OptimalBrainDamage(curvature=curvature, batches=0).score(trial_with(*case)))
        for curvature in ("exact", "gauss_newton")
    )
    assert torch.allclose(exact, approximate, rtol=1e-9, atol=1e-12) is same


def test_a_negative_saliency_goes_first():
    """Below zero as it is, not by its size: what is kept at one weight less has lost the lowest."""
    trial = trial_with(*drawn("tanh"))
    scores = OptimalBrainDamage(curvature="exact", batches=0).score(trial)
    flat = laid_out(scores)
    assert float(flat.min()) < 0
    trial.prune((len(flat) - 1) / len(flat), scores=scores)
    assert (~laid_out(trial.mask)).nonzero().flatten().tolist() == [int(flat.argmin())]


@pytest.mark.parametrize("curvature", ["exact", "gauss_newton"])
def test_several_batches_are_one_large_one(curvature: str):
    """Batches of 2, 2 and 1 give the mean over five examples."""
    case = drawn("tanh")
    whole = explicit_hessian if curvature == "exact" else explicit_gauss_newton
    expected = whole(*case) * laid_out(matrices(case[0])).square() / 2
    close(OptimalBrainDamage(curvature=curvature, batches=0, batch=2).score(trial_with(*case)), expected)


@pytest.mark.parametrize("curvature", ["exact", "gauss_newton"])
def test_a_pruned_weight_scores_zero_and_the_others_are_scored_without_it(curvature: str):
    """The curvature of the network with zeros in these places."""
    module, inputs, targets = drawn("tanh")
    trial = trial_with(module, inputs, targets)
    mask = trial.mask
    mask["0.weight"][1, 2] = mask["2.weight"][0, 3] = False
    trial.set_mask(mask)
    scores = OptimalBrainDamage(curvature=curvature, batches=0).score(trial)
    assert scores["0.weight"][1, 2].item() == scores["2.weight"][0, 3].item() == 0.0
    with torch.no_grad():
        module[0].weight[1, 2] = module[2].weight[0, 3] = 0.0
    whole = explicit_hessian if curvature == "exact" else explicit_gauss_newton
    close(scores, whole(module, inputs, targets) * laid_out(matrices(module)).square() / 2)


def test_more_weights_than_one_batched_pass_takes():
    """45 weights in a layer and 26 outputs: several passes for each curvature."""
    module = nn.Sequential(nn.Linear(3, 15), nn.Tanh(), nn.Linear(15, 26)).double()
    _, inputs, _ = drawn("relu")
    case = module, inputs, torch.tensor([3, 25, 0, 7, 7])
    squares = laid_out(matrices(module)).square() / 2
    for curvature, whole in (("exact", explicit_hessian), ("gauss_newton", explicit_gauss_newton)):
        close(OptimalBrainDamage(curvature=curvature, batches=0).score(trial_with(*case)), whole(*case) * squares)


def test_a_layer_that_the_loss_does_not_read_scores_zero():
    """Its curvature is zero, whichever it is."""
    _, inputs, targets = drawn("relu")
    module = Spare()
    for curvature in ("exact", "gauss_newton"):
        scores = OptimalBrainDamage(curvature=curvature).score(trial_with(module, inputs, targets))
        assert int(scores["spare.weight"].count_nonzero()) == 0
        assert int(scores["read.weight"].count_nonzero()) > 0


def test_what_would_take_too_long_is_refused_with_the_ways_out():
    """20 weights and two batches are 40 passes; 3 outputs of 2 batches of up to 3 examples are 12."""
    module, inputs, targets = drawn("tanh")
    trial = trial_with(module, inputs, targets)
    with pytest.raises(OptionError, match=r"exact.*needs 40 .*allows 39.*gauss_newton.*passes = 40"):
        OptimalBrainDamage(curvature="exact", batches=0, batch=3, passes=39).score(trial)
    OptimalBrainDamage(curvature="exact", batches=0, batch=3, passes=40).score(trial)
    with pytest.raises(OptionError, match=r"gauss_newton.*needs 12 .*allows 11.*a smaller batch"):
        OptimalBrainDamage(batches=0, batch=3, passes=11).score(trial)
    OptimalBrainDamage(batches=0, batch=3, passes=12).score(trial)
    assert OptimalBrainDamage().passes == 50_000


def test_pruned_weights_cost_no_pass():
    """With half of the 20 weights gone, ten passes are enough."""
    trial = trial_with(*drawn("tanh"))
    trial.prune(0.5, scores=trial.weights)
    OptimalBrainDamage(curvature="exact", batches=0, passes=10).score(trial)


@pytest.mark.parametrize("curvature", ["exact", "gauss_newton"])
def test_obd_keeps_the_contract(curvature: str):
    """Finite, right shapes, deterministic, leaves the network alone."""
    check_scorer(OptimalBrainDamage(curvature=curvature))
