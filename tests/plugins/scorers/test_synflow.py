"""SynFlow scores by hand, by differences, and in a deep recurrent network."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import nn
from trainings import trainings

from ticketbench import Model, Shapes, Trial
from ticketbench.plan.plan import Selection, find_suite, make_plan
from ticketbench.plan.resolve import Resolver
from ticketbench.suite.suite import Entry
from ticketbench.testing import carry_out, trial_of_cell
from ticketbench_methods.iterative import Iterative
from ticketbench_models.dtnet import DTNet1D
from ticketbench_scorers.synflow import Synflow

Array = NDArray[np.float64]


@pytest.fixture
def mlp_of(tiny_suite, cells_of, trial_of):
    """A perceptron between 2 features and 2 classes."""

    def make(hidden: list[int], bias: bool) -> Trial:
        path = tiny_suite(
            ('"blobs"', '{ name = "blobs", features = 2, classes = 2 }'),
            ("hidden = [8]", f"hidden = {hidden}, bias = {str(bias).lower()}"),
        )
        _, cells = cells_of(path)
        return trial_of(cells[0])

    return make


@pytest.fixture
def thinker_of(tiny_suite, cells_of, trial_of):
    """A deep thinker on short strings."""

    def make(width: int, iterations: int, length: int) -> Trial:
        path = tiny_suite(
            ('"blobs"', f'{{ name = "prefix_sums", length = {length}, examples = 2, test_examples = 2 }}'),
            ('{ name = "mlp", hidden = [8] }', f'{{ name = "dtnet1d", width = {width}, iterations = {iterations} }}'),
        )
        _, cells = cells_of(path)
        return trial_of(cells[0])

    return make


def by_hand(trial: Trial) -> None:
    """W₁ = ((1, −2), (3, 4)) and W₂ = ((−1, 2), (0, −5))."""
    trial.set_weights({"1.weight": torch.tensor([[1.0, -2.0], [3.0, 4.0]])})
    trial.set_weights({"3.weight": torch.tensor([[-1.0, 2.0], [0.0, -5.0]])})


def test_the_score_by_hand(mlp_of):
    """|W₁|·1 = (3, 7) flows into the columns of |W₂|, whose sums (1, 7) flow back into the rows of |W₁|."""
    trial = mlp_of([2], bias=False)
    by_hand(trial)
    scores = Synflow().score(trial)
    assert scores["1.weight"].tolist() == [[1.0, 2.0], [21.0, 28.0]]
    assert scores["3.weight"].tolist() == [[3.0, 14.0], [0.0, 35.0]]
    assert {score.dtype for score in scores.values()} == {torch.float64}


def test_a_mask_stops_the_flow(mlp_of):
    """Without the 4, |W₁|·1 = (3, 3): what lay behind it gets less, and the 4 itself nothing."""
    trial = mlp_of([2], bias=False)
    by_hand(trial)
    mask = trial.mask
    mask["1.weight"][1, 1] = False
    trial.set_mask(mask)
    scores = Synflow().score(trial)
    assert scores["1.weight"].tolist() == [[1.0, 2.0], [21.0, 0.0]]
    assert scores["3.weight"].tolist() == [[3.0, 6.0], [0.0, 15.0]]


@pytest.mark.parametrize(
    ("biases", "first", "second"),
    [
        ("absolute", [[1.0, 2.0], [21.0, 28.0]], [[8.0, 22.0], [0.0, 55.0]]),
        ("zero", [[1.0, 2.0], [21.0, 28.0]], [[3.0, 14.0], [0.0, 35.0]]),
    ],
)
def test_biases_by_hand(mlp_of, biases, first, second):
    """b₁ = (−5, 4): what flows into |W₂| is (3, 7) + (5, 4) = (8, 11), or (3, 7) without them; b₂ changes no slope."""
    trial = mlp_of([2], bias=True)
    by_hand(trial)
    trial.set_weights({"1.bias": torch.tensor([-5.0, 4.0]), "3.bias": torch.tensor([-6.0, 7.0])})
    scores = Synflow(biases=biases).score(trial)
    assert list(scores) == ["1.weight", "3.weight"]
    assert scores["1.weight"].tolist() == first
    assert scores["3.weight"].tolist() == second
    assert trial.parameters["1.bias"].tolist() == [-5.0, 4.0]


def test_the_authors_reading_is_the_default():
    """|b|."""
    assert Synflow() == Synflow(biases="absolute")


@pytest.mark.parametrize("bias", [True, False])
def test_the_scores_of_every_layer_add_up_to_the_flow(mlp_of, bias: bool):
    """R = 1ᵀ|W₄||W₃||W₂||W₁|1 by NumPy, and the sum of each layer's scores equals it, without biases or zero ones."""
    trial = mlp_of([7, 5, 6], bias)
    flow = np.ones(2)
    for weight in trial.weights.values():
        flow = np.abs(weight.double().numpy()) @ flow
    sums = [float(score.sum()) for score in Synflow(biases="zero").score(trial).values()]
    assert sums == pytest.approx([float(flow.sum())] * 4, rel=1e-12)


def convolved(kernel: Array, values: Array) -> Array:
    """A convolution of three positions with a zero on either side, (channels, positions)."""
    padded = np.pad(values, ((0, 0), (1, 1)))
    return sum(kernel[:, :, at] @ padded[:, at : at + values.shape[1]] for at in range(3))


def recurrent_flow(weights: dict[str, Array], iterations: int, length: int) -> float:
    """The summed output of a deep thinker of absolute weights for an input of ones: ReLU does nothing."""
    size = {name: np.abs(weight) for name, weight in weights.items()}
    problem = np.ones((1, length))
    thought = convolved(size["projection.weight"], problem)
    for _ in range(iterations):
        thought = convolved(size["recall.weight"], np.concatenate([thought, problem]))
        for block in ("blocks.0", "blocks.1"):
            inner = convolved(size[f"{block}.conv1.weight"], thought)
            thought = convolved(size[f"{block}.conv2.weight"], inner) + thought
    for head in ("head1.weight", "head2.weight", "head3.weight"):
        thought = convolved(size[head], thought)
    return float(thought.sum())


def test_a_recurrent_network_by_finite_differences(thinker_of):
    """|θ · ∂R/∂θ| of every shared weight, over all iterations, against (R(θ·(1+h)) − R(θ·(1−h))) / 2h."""
    trial = thinker_of(2, 3, 4)
    weights = {name: weight.double().numpy() for name, weight in trial.parameters.items()}
    scores = Synflow().score(trial)
    assert list(scores) == [name for name in weights if name not in ("projection.weight", "head3.weight")]
    for name, score in scores.items():
        expected = np.zeros_like(weights[name])
        for place in np.ndindex(*expected.shape):
            sides = []
            for factor in (1 + 1e-4, 1 - 1e-4):
                scaled = weights[name].copy()
                scaled[place] *= factor
                sides.append(recurrent_flow({**weights, name: scaled}, 3, 4))
            expected[place] = (sides[0] - sides[1]) / 2e-4
        np.testing.assert_allclose(score.numpy(), expected, rtol=1e-6, atol=1e-9 * expected.max())


def test_the_papers_network_overflows_float32_but_not_the_score(thinker_of):
    """Width 400, 30 iterations, 2 bits: the scores reach past 10^150, are finite, and prune exactly."""
    trial = thinker_of(400, 30, 2)
    scores = Synflow().score(trial)
    assert max(float(score.max()) for score in scores.values()) > 1e150
    assert all(bool(torch.isfinite(score).all()) for score in scores.values())
    trial.prune(0.9, scores=scores)
    assert sum(int(mask.sum()) for mask in trial.mask.values()) == 2_809_080


def test_a_hundred_rounds_on_thirty_iterations_are_exact_and_leave_no_layer_empty(thinker_of):
    """Width 48: 45,072 weights to a tenth; scores begin past float32 and stay finite (or pruning fails)."""
    trial = thinker_of(48, 30, 3)
    trial.scorer, trial.density = Synflow(), 0.1
    assert trial.total_weights == 45_072
    assert max(float(score.max()) for score in Synflow().score(trial).values()) > torch.finfo(torch.float32).max
    list(trainings(Iterative(rounds=100), trial))
    assert sum(int(mask.sum()) for mask in trial.mask.values()) == 4_507
    assert all(bool(mask.any()) for mask in trial.mask.values())


@pytest.mark.parametrize("biases", ["absolute", "zero"])
def test_a_hundred_rounds_equal_an_independent_computation(mlp_of, biases):
    """By NumPy in float64, written out as matrix products: the same 24 of 238 weights after each twentieth round."""
    trial = mlp_of([20, 9], bias=True)
    trial.set_weights({name: torch.randn(trial.parameters[name].shape) for name in ("1.bias", "3.bias", "5.bias")})
    trial.scorer, trial.density = Synflow(biases=biases), 0.1
    sizes = {name: np.abs(part.double().numpy()) for name, part in trial.parameters.items()}
    layers, shifts = ([sizes[f"{at}.{kind}"] for at in (1, 3, 5)] for kind in ("weight", "bias"))
    shifts = [shift * (biases == "absolute") for shift in shifts]
    masks = [np.ones_like(layer, dtype=bool) for layer in layers]
    total = sum(layer.size for layer in layers)
    for number, request in enumerate(Iterative(rounds=100).draw(trial), 1):
        carry_out(trial, request)
        live = [layer * mask for layer, mask in zip(layers, masks, strict=True)]
        into, out = [np.ones(2)], [np.ones(2)]
        for layer, shift in zip(live, shifts, strict=True):
            into.append(layer @ into[-1] + shift)
        for layer in reversed(live):
            out.insert(0, layer.T @ out[0])
        scores = np.concatenate([(live[at] * np.outer(out[at + 1], into[at])).ravel() for at in range(3)])
        scores[~np.concatenate([mask.ravel() for mask in masks])] = -1
        kept = int(0.1 ** (number / 100) * total + 0.5)
        flat = np.zeros(total, dtype=bool)
        flat[np.argsort(-scores, kind="stable")[:kept]] = True
        masks = [part.reshape(layer.shape) for part, layer in zip(np.split(flat, [40, 220]), layers, strict=True)]
        if number % 20 == 0:
            assert all(
                mine.numpy().tolist() == own.tolist() for mine, own in zip(trial.mask.values(), masks, strict=True)
            )
    assert (total, int(flat.sum())) == (238, 24)


def test_one_round_collapses_layers_that_a_hundred_rounds_keep(thinker_of):
    """Width 24 to a hundredth: in one round at least one layer loses every weight."""
    trial = thinker_of(24, 30, 3)
    trial.scorer, trial.density = Synflow(), 0.01
    list(trainings(Iterative(rounds=1), trial))
    assert not all(bool(mask.any()) for mask in trial.mask.values())


@dataclass(frozen=True)
class Normed(Model):
    """A perceptron with batch norm."""

    name = "normed"
    summary = "linear, batch norm, ReLU, linear"

    def build(self, shapes: Shapes) -> nn.Module:
        """Three hidden units, and statistics and scales of a network that has seen data."""
        module = nn.Sequential(
            nn.Linear(shapes.inputs[0], 3), nn.BatchNorm1d(3), nn.ReLU(), nn.Linear(3, shapes.outputs)
        )
        with torch.no_grad():
            module[1].weight.copy_(torch.tensor([-2.0, 1.0, 0.5]))
            module[1].bias.copy_(torch.tensor([1.0, -1.0, 3.0]))
            module[1].running_mean.copy_(torch.tensor([-0.5, -1.0, -2.0]))
            module[1].running_var.copy_(torch.tensor([4.0, 1.0, 0.25]))
        return module


@pytest.mark.parametrize("biases", ["absolute", "zero"])
def test_batch_norm_is_read_in_evaluation_mode_and_its_statistics_stay_as_they_are(
    plugins, tiny_suite, cells_of, biases
):
    """z = |γ|(|W₁|1 + |b| − μ)/√(σ² + ε) + |β| with μ's sign kept, or without b and β; the network is not changed."""
    _, cells = cells_of(tiny_suite())
    trial = trial_of_cell(cells[0], plugins, model=Normed())
    parameters = {name: part.clone() for name, part in trial.parameters.items()}
    buffers = trial.snapshot().buffers
    scores = Synflow(biases=biases).score(trial)
    first, second = (np.abs(parameters[name].double().numpy()) for name in ("0.weight", "3.weight"))
    scale = np.array([2.0, 1.0, 0.5]) / np.sqrt(np.array([4.0, 1.0, 0.25]) + 1e-5)
    bias, shift = np.abs(parameters["0.bias"].double().numpy()), np.array([1.0, 1.0, 3.0])
    bias, shift = (bias, shift) if biases == "absolute" else (0.0, 0.0)
    hidden = scale * (first.sum(axis=1) + bias - np.array([-0.5, -1.0, -2.0])) + shift
    assert (hidden > 0).all()
    np.testing.assert_allclose(scores["3.weight"].numpy(), second * hidden, rtol=1e-9)
    np.testing.assert_allclose(scores["0.weight"].numpy(), first * (second.sum(axis=0) * scale)[:, None], rtol=1e-9)
    assert all(part.equal(parameters[name]) for name, part in trial.parameters.items())
    assert all(part.equal(buffers[name]) for name, part in trial.snapshot().buffers.items())


def test_the_flow_of_the_papers_network_leaves_float32_within_seven_iterations(thinker_of):
    """By NumPy, at width 400: R is within float32's range after three iterations, beyond it after seven."""
    weights = {name: weight.double().numpy() for name, weight in thinker_of(400, 30, 2).parameters.items()}
    assert recurrent_flow(weights, 3, 2) < torch.finfo(torch.float32).max < recurrent_flow(weights, 7, 2)


def test_a_deep_thinker_is_scored_at_its_training_iterations(thinker_of):
    """More iterations, more flow: the sum of the last head layer's scores is R itself."""
    for iterations in (1, 5):
        trial = thinker_of(3, iterations, 4)
        weights = {name: weight.double().numpy() for name, weight in trial.parameters.items()}
        total = float(Synflow().score(trial)["head2.weight"].sum())
        assert total == pytest.approx(recurrent_flow(weights, iterations, 4), rel=1e-12)
    assert DTNet1D().iterations == 30


def test_rounds_on_the_papers_network_are_finite_and_exact(plugins):
    """DT-Net 1D of width 400 at 30 iterations down to a tenth: 312,120 of 3,121,200 weights, every score finite.

    Ten of the suite's hundred rounds: more of them take a minute, and lose less at once.
    """
    suite = find_suite("drn", plugins)
    block = suite.tier("paper").blocks[0]
    short = Entry(name="prefix_sums", options={"length": 2, "examples": 2, "test_examples": 2, "validation": 0.0})
    tier = suite.tier("paper").model_copy(update={"blocks": (block.model_copy(update={"tasks": (short,)}),)})
    recipe = suite.recipes["paper"].model_copy(update={"select": "last"})
    suite = suite.model_copy(update={"tiers": {"paper": tier}, "recipes": {"paper": recipe}})
    (cell,) = make_plan(suite, "paper", plugins, Selection(methods=("synflow",), densities=(0.1,), seeds=1)).cells
    method = Resolver(plugins).cast(cell.setting).method
    trial = trial_of_cell(cell, plugins)
    assert method.rounds == 100
    list(trainings(replace(method, rounds=10), trial))
    assert sum(int(part.sum()) for part in trial.mask.values()) == 312_120
    assert all(bool(torch.isfinite(score).all()) for score in trial.score().values())
