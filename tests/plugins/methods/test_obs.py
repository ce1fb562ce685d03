"""Optimal brain surgeon, held against constrained least squares, brute force and the paper's recursion."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import pytest
import torch
from curved import trial_with
from rewinding import pass_by
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn import functional

from ticketbench import OptionError, Split, TicketbenchError, Trial
from ticketbench.testing import GivenExamples, check_method, reported_by
from ticketbench_methods.hessians import exact_hessian, outer_products
from ticketbench_methods.obs import OptimalBrainSurgeon, surgery

FEATURES, EXAMPLES = 6, 40


class Numbers(GivenExamples):
    """Regression: two numbers, and half their squared error, a mean over examples and outputs."""

    def loss(self, outputs: Tensor, targets: Tensor, inputs: Tensor) -> Tensor:
        """½ (o − t)²."""
        return functional.mse_loss(outputs, targets) / 2


def regression(density: float, bias: bool = True) -> tuple[Trial, np.ndarray, np.ndarray]:
    """A linear layer at the minimum of its loss, its design matrix (a column of ones for biases) and targets."""
    draws = np.random.default_rng(5)
    inputs = draws.normal(size=(EXAMPLES, FEATURES)) @ draws.normal(size=(FEATURES, FEATURES)) + 0.5
    targets = inputs @ draws.normal(size=(FEATURES, 2)) + draws.normal(size=(EXAMPLES, 2)) + 2.0
    design = np.hstack([inputs, np.ones((EXAMPLES, 1))]) if bias else inputs
    best = np.linalg.lstsq(design, targets, rcond=None)[0]
    layer = nn.Linear(FEATURES, 2, bias=bias)
    examples = Numbers(torch.from_numpy(inputs), torch.from_numpy(targets))
    trial = trial_with(nn.Sequential(layer), examples, density)
    trial.set_weights({"0.weight": torch.from_numpy(best[:FEATURES].T.copy())})
    if bias:
        trial.set_weights({"0.bias": torch.from_numpy(best[FEATURES].copy())})
    return trial, design, targets


def half_error(design: np.ndarray, targets: np.ndarray, weights: np.ndarray) -> float:
    """The loss, step by step."""
    return float(((design @ weights - targets) ** 2).mean() / 2)


def constrained(design: np.ndarray, targets: np.ndarray, gone: Sequence[tuple[int, int]]) -> np.ndarray:
    """The least squares solution with zeros at (output, input) places, (inputs, outputs), an output at a time."""
    weights = np.zeros((design.shape[1], targets.shape[1]))
    for output in range(targets.shape[1]):
        free = [place for place in range(design.shape[1]) if (output, place) not in gone]
        weights[free, output] = np.linalg.lstsq(design[:, free], targets[:, output], rcond=None)[0]
    return weights


def by_brute_force(design: np.ndarray, targets: np.ndarray, count: int) -> list[tuple[int, int]]:
    """The greedy order: each time the weight without which a new least squares fit is best; never a bias."""
    gone: list[tuple[int, int]] = []
    for _ in range(count):
        left = [(o, i) for o in range(2) for i in range(FEATURES) if (o, i) not in gone]
        losses = [half_error(design, targets, constrained(design, targets, [*gone, place])) for place in left]
        gone.append(left[int(np.argmin(losses))])
    return gone


def operated(trial: Trial, method: OptimalBrainSurgeon) -> Trial:
    """The trial after surgery, without training before it."""
    requests = method.draw(trial)
    request = next(requests)
    assert request.until is None
    pass_by(trial, request)
    assert next(requests, None) is None
    return trial


@pytest.mark.parametrize("refresh", [0, 1, 4])
@pytest.mark.parametrize("hessian", ["outer", "exact"])
@pytest.mark.parametrize("bias", [True, False])
def test_on_a_quadratic_loss_it_is_exact(hessian: str, refresh: int, bias: bool):
    """Every weight, bias included, is at the least squares solution under the mask, whose loss rose by Σ L_q."""
    trial, design, targets = regression(5 / 12, bias)
    before = half_error(design, targets, constrained(design, targets, []))
    operated(trial, OptimalBrainSurgeon(hessian=hessian, damping=0.0, examples=0, refresh=refresh))
    gone = by_brute_force(design, targets, 7)
    expected = constrained(design, targets, gone)
    weight = trial.parameters["0.weight"].numpy()
    assert sorted(map(tuple, np.argwhere(~trial.mask["0.weight"].numpy()).tolist())) == sorted(gone)
    np.testing.assert_allclose(weight, expected[:FEATURES].T, rtol=1e-9, atol=1e-12)
    assert all(weight[place] == 0 for place in gone)
    if bias:
        np.testing.assert_allclose(trial.parameters["0.bias"].numpy(), expected[FEATURES], rtol=1e-9)
    ((_, _, name, rise),) = trial.findings
    assert name == "predicted_rise"
    assert rise == pytest.approx(half_error(design, targets, expected) - before, rel=1e-9)


def test_one_removal_by_hand():
    """H⁻¹ = ((2, 1), (1, 2)) and w = (3, 2): L = (9/4, 1), so the second goes and the first becomes 3 − 1 = 2."""
    inverse = torch.tensor([[2.0, 1.0], [1.0, 2.0]], dtype=torch.float64)
    weights, removed, rise = surgery(torch.tensor([3.0, 2.0]).double(), inverse, torch.tensor([True, True]), 1)
    assert (weights.tolist(), removed.tolist(), rise) == ([pytest.approx(2.0), 0.0], [1], pytest.approx(1.0))


def test_of_equal_weights_the_first_goes_and_what_may_not_go_stays():
    """The identity, equal sizes: place 0 is not prunable, so 1 goes first and 2 next."""
    eye, prunable = torch.eye(4, dtype=torch.float64), torch.tensor([False, True, True, True])
    weights, removed, rise = surgery(torch.ones(4, dtype=torch.float64), eye, prunable, 2)
    assert (weights.tolist(), removed.tolist()) == ([1.0, 0.0, 0.0, 1.0], [1, 2])
    assert rise == pytest.approx(1.0)


def test_a_long_operation_is_the_textbook_one():
    """150 of 200 weights, more than are held back together, against one elimination of the matrix after the other."""
    draws = np.random.default_rng(0)
    root = draws.normal(size=(200, 300))
    inverse, weights = root @ root.T / 300, draws.normal(size=200)
    prunable = np.arange(200) % 9 != 0
    found, removed, rise = surgery(
        torch.from_numpy(weights), torch.from_numpy(inverse.copy()), torch.from_numpy(prunable), 150
    )
    left, order, total = prunable.copy(), [], 0.0
    for _ in range(150):
        with np.errstate(all="ignore"):
            saliency = np.where(left, weights**2 / (2 * np.diag(inverse)), np.inf)
        lowest = int(saliency.argmin())
        total += saliency[lowest]
        column = inverse[:, lowest].copy()
        weights = weights - column * weights[lowest] / column[lowest]
        inverse = inverse - np.outer(column, column) / column[lowest]
        left[lowest] = False
        order.append(lowest)
    assert removed.tolist() == order
    assert [float(found[place]) for place in order] == [0.0] * 150
    np.testing.assert_allclose(
        found.numpy(), np.where(np.isin(np.arange(200), order), 0, weights), rtol=1e-8, atol=1e-9
    )
    assert rise == pytest.approx(total, rel=1e-9)


def network(kind: str) -> nn.Module:
    """A small network; batch norm has statistics of its own, and dropout is not to be felt."""
    with torch.random.fork_rng():
        torch.manual_seed(3)
        middle = [nn.BatchNorm1d(4), nn.Tanh()] if kind == "norm" else [nn.Tanh(), nn.Dropout(0.5)]
        module = nn.Sequential(nn.Linear(3, 4), *middle, nn.Linear(4, 3))
        for part in module.parameters():
            nn.init.normal_(part)
        if kind == "norm":
            module[1].running_mean.normal_()
            module[1].running_var.uniform_(0.5, 2.0)
    return module


def classified(kind: str, count: int = 7) -> tuple[Trial, nn.Module, Split]:
    """A trial of a small network in three classes."""
    source = torch.Generator().manual_seed(8)
    inputs = torch.randn(count, 3, generator=source, dtype=torch.float64)
    examples, module = Split(inputs, torch.randint(0, 3, (count,), generator=source)), network(kind)
    task = GivenExamples(examples.inputs, examples.targets, outputs=3)
    return trial_with(module, task, 0.5), module.double().eval(), examples


def as_function(module: nn.Module, weights: Mapping[str, Tensor], inputs: Tensor):
    """The outputs as a function of all parameters laid end to end."""

    def outputs(flat: Tensor) -> Tensor:
        parts = flat.split([weight.numel() for weight in weights.values()])
        own = {name: part.view(weights[name].shape) for (name, part) in zip(weights, parts, strict=True)}
        return functional_call(module, own, (inputs,))

    return outputs


@pytest.mark.parametrize("kind", ["norm", "dropout"])
def test_the_exact_hessian(kind: str):
    """As PyTorch's own routine writes it out, over all parameters, in evaluation mode."""
    trial, module, examples = classified(kind)
    outputs = as_function(module, trial.parameters, examples.inputs)
    flat = torch.cat([part.flatten() for part in trial.parameters.values()])
    expected = torch.autograd.functional.hessian(
        lambda point: functional.cross_entropy(outputs(point), examples.targets), flat
    )
    torch.testing.assert_close(exact_hessian(trial, trial.parameters, 0), expected, rtol=1e-9, atol=1e-12)


def test_the_exact_hessian_of_more_examples_and_weights_than_go_together():
    """230 examples in three pieces, 43 parameters in two chunks."""
    trial, module, examples = classified("norm", 230)
    outputs = as_function(module, trial.parameters, examples.inputs)
    flat = torch.cat([part.flatten() for part in trial.parameters.values()])
    expected = torch.autograd.functional.hessian(
        lambda point: functional.cross_entropy(outputs(point), examples.targets), flat
    )
    torch.testing.assert_close(exact_hessian(trial, trial.parameters, 0), expected, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("kind", ["norm", "dropout"])
def test_the_outer_products_by_the_papers_recursion(kind: str):
    """From α⁻¹I, one Sherman–Morrison step for each example and class: X = Jᵀ(diag(p) − ppᵀ)^½ e_c.

    This root of the criterion's Hessian is another one than the method's; the sum over the roots is the same.
    """
    trial, module, examples = classified(kind)
    outputs = as_function(module, trial.parameters, examples.inputs)
    flat = torch.cat([part.flatten() for part in trial.parameters.values()])
    jacobian = torch.autograd.functional.jacobian(outputs, flat).numpy()
    logits, alpha = outputs(flat).detach().numpy(), 0.01
    inverse = np.eye(len(flat)) / alpha
    for at in range(7):
        share = np.exp(logits[at]) / np.exp(logits[at]).sum()
        for place in range(3):
            root = np.sqrt(share[place]) * (np.eye(3)[place] - share)  # Σ rrᵀ = diag(p) − ppᵀ
            vector = jacobian[at].T @ root
            inverse -= np.outer(inverse @ vector, vector @ inverse) / (7 + vector @ inverse @ vector)
    method = OptimalBrainSurgeon(damping=alpha, examples=0)
    found = method.inverse(trial, dict(trial.parameters), torch.arange(len(flat)))
    np.testing.assert_allclose(found.numpy(), inverse, rtol=1e-9, atol=1e-9)


def test_outer_products_are_added_up_over_many_examples():
    """150 examples and two roots each are more than are added together: the sum over parts of the examples."""
    trial, _, examples = classified("norm", 150)
    whole = outer_products(trial, trial.parameters, 0)
    parts = torch.zeros_like(whole)
    for at in range(0, 150, 50):
        part = GivenExamples(examples.inputs[at : at + 50], examples.targets[at : at + 50], outputs=3)
        parts += outer_products(trial_with(network("norm"), part, 0.5), trial.parameters, 0) / 3
    torch.testing.assert_close(whole, parts, rtol=1e-9, atol=1e-12)


def test_the_hessian_is_of_the_parameters_that_are_left():
    """With a refresh for each weight, the loss rises by what a Hessian at the network of the moment predicts."""
    trial, _, _ = classified("norm")
    start = {name: part.clone() for name, part in trial.parameters.items()}
    operated(trial, OptimalBrainSurgeon(refresh=1, damping=0.1, examples=0))
    flat, like = torch.cat([part.flatten() for part in start.values()]).numpy(), start
    names = np.concatenate([np.full(part.numel(), name in trial.mask) for name, part in start.items()])
    alive = np.ones(len(flat), dtype=bool)
    again, _, _ = classified("norm")
    for _ in range(12):
        parts = torch.from_numpy(flat.copy()).split([part.numel() for part in like.values()])
        point = {name: part.view(like[name].shape) for name, part in zip(like, parts, strict=True)}
        hessian = outer_products(again, point, 0).numpy() + 0.1 * np.eye(len(flat))
        live = np.flatnonzero(alive)
        inverse = np.zeros_like(hessian)
        inverse[np.ix_(live, live)] = np.linalg.inv(hessian[np.ix_(live, live)])
        with np.errstate(all="ignore"):
            saliency = np.where(alive & names, flat**2 / (2 * np.diag(inverse)), np.inf)
        lowest = int(saliency.argmin())
        flat = flat - inverse[:, lowest] * flat[lowest] / inverse[lowest, lowest]
        flat[lowest], alive[lowest] = 0.0, False
    found = torch.cat([part.flatten() for part in trial.parameters.values()]).numpy()
    np.testing.assert_allclose(found, flat, rtol=1e-8, atol=1e-10)


def test_the_slice_decides_the_hessian():
    """Three examples of seven, drawn from the cell's seed; 1000 of seven are all."""
    trial, _, _ = classified("norm")
    whole, few = (outer_products(trial, trial.parameters, count) for count in (0, 3))
    assert not torch.allclose(whole, few)
    torch.testing.assert_close(outer_products(trial, trial.parameters, 1000), whole, rtol=1e-9, atol=1e-12)


def test_a_hessian_that_is_not_positive_definite_says_what_would_do():
    """Away from a minimum the exact one has a negative eigenvalue; outer products without damping lack examples."""
    trial, _, _ = classified("norm")
    least = float(torch.linalg.eigvalsh(exact_hessian(trial, trial.parameters, 0))[0])
    assert least < -1e-3
    method, places = OptimalBrainSurgeon(hessian="exact", damping=0.0, examples=0), torch.arange(39)
    with pytest.raises(OptionError, match=rf'a damping above {-least:.3g} or hessian = "outer"'):
        method.inverse(trial, dict(trial.parameters), places)
    replace(method, damping=-1.01 * least).inverse(trial, dict(trial.parameters), places)


def test_weights_that_are_not_numbers_are_an_error():
    """A training that diverged."""
    trial, _, _ = classified("dropout")
    weight = trial.parameters["0.weight"]
    weight[0, 0] = torch.inf
    trial.set_weights({"0.weight": weight})
    with pytest.raises(TicketbenchError, match="not finite"):
        operated(trial, OptimalBrainSurgeon())


def test_a_network_that_is_too_large_is_refused_before_it_is_trained():
    """12 weights and 2 biases."""
    trial, _, _ = regression(0.5)
    with pytest.raises(OptionError, match=r"all 14 trainable parameters \(12 may be pruned\).*allows 13.*limit = 14 "):
        next(OptimalBrainSurgeon(limit=13).draw(trial))
    assert next(OptimalBrainSurgeon(limit=14).draw(trial)).until is None
    assert OptimalBrainSurgeon().limit == 5000


@pytest.mark.parametrize(("then", "step"), [("stop", 40), ("finetune", 0)])
def test_what_comes_after(then: str, step: int):
    """The weights stay, with none or all of the schedule ahead; the dense network is reported; the count is exact."""
    trial, _, _ = regression(0.5)
    operated(trial, OptimalBrainSurgeon(then=then))
    expected, _, _ = regression(0.5)
    operated(expected, OptimalBrainSurgeon())
    assert (trial.step, int(trial.mask["0.weight"].sum())) == (step, 6)
    assert all(part.equal(expected.parameters[name]) for name, part in trial.parameters.items())
    assert [report.density for report in reported_by(trial)] == [1.0]


def test_at_density_one_there_is_nothing_to_do():
    """No training before the one training."""
    trial, _, _ = regression(1.0)
    assert list(OptimalBrainSurgeon().draw(trial)) == []
    assert [OptimalBrainSurgeon(then=then).trainings(at) for then in ("stop", "finetune") for at in (0.5, 1.0)] == [
        1,
        1,
        2,
        1,
    ]


@pytest.mark.parametrize("then", ["stop", "finetune"])
def test_it_keeps_the_contract(then: str):
    """Exact density, no leak, the same result alone and in a fleet."""
    check_method(OptimalBrainSurgeon(then=then, examples=20))


def test_a_whole_run(tiny_suite, records_of):
    """36 of 72 weights after one training, judged dense and pruned."""
    path = tiny_suite(
        ('{ method = "dense" }', '{ method = { name = "obs", examples = 20 } }'),
        ('["dense", "magnitude"]', '["dense"]'),
    )
    for record in records_of(path):
        assert (record["status"], record["kept"], record["train_steps"]) == ("ok", 36, 20), record["error"]
        points = [point for point in record["curves"] if point[0] == "test" and point[4] == "density"]
        assert [point[5] for point in points] == [1.0, 0.5]
