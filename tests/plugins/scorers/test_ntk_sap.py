"""NTK-SAP in closed form for a linear layer, by finite differences for a deeper network, and against the kernel."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from ticketbench import OptionError, Trial, generator
from ticketbench.testing import GivenExamples, GivenNetwork, check_scorer, trial_for
from ticketbench_models.recurrent import GRU
from ticketbench_scorers.ntk_sap import NtkSap


def trial_on(*layers: nn.Module, inputs: Tensor | None = None) -> Trial:
    """A trial on five examples of three features, in float64."""
    given = torch.randn(5, 3, generator=torch.Generator().manual_seed(1)).double() if inputs is None else inputs
    examples = GivenExamples(given, torch.arange(5) % 2, outputs=2)
    return trial_for(model=GivenNetwork(nn.Sequential(*layers).double()), task=examples, seed=4)


def draws_of(trial: Trial, *shapes: tuple[int, ...]) -> list[Tensor]:
    """The normal numbers that the scorer draws for a cell, in their order."""
    source = generator(trial.seed, "ntk_sap")
    return [torch.randn(shape, generator=source, dtype=torch.float64) for shape in shapes]


def test_a_linear_layer_in_closed_form():
    """‖X(c ⊙ Δ)ᵀ‖² has the slope 2·Σ_b (XΔᵀ)_bi·Δ_ij·X_bj at c = 1; over ε² and five inputs, two draws on average."""
    trial = trial_on(nn.Linear(3, 2))
    scores = NtkSap(samples=2).score(trial)["0.weight"]
    numbers = draws_of(trial, (5, 3), (2, 3), (5, 3), (2, 3))
    expected = sum(
        2 * (inputs @ delta.T).T @ inputs * delta / 5 for inputs, delta in zip(numbers[::2], numbers[1::2], strict=True)
    )
    np.testing.assert_allclose(scores.numpy(), (expected / 2).abs().numpy(), rtol=1e-7)


def test_a_deeper_network_by_finite_differences():
    """On its examples, with a pruned weight, which scores what its coming back would change: only others matter."""
    trial = trial_on(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 2))
    mask = trial.mask
    mask["0.weight"][1, 2] = False
    trial.set_mask(mask)
    scores = NtkSap(inputs="examples", epsilon=0.1).score(trial)
    one, two = draws_of(trial, (4, 3), (2, 4))
    module = trial.module
    biases = {name: part.detach() for name, part in module.named_parameters() if name.endswith("bias")}
    (examples,) = trial.batches(0)
    weights = trial.weights
    moved = {"0.weight": weights["0.weight"] + 0.1 * one, "2.weight": weights["2.weight"] + 0.1 * two}

    def outputs(side: dict[str, Tensor], factors: dict[str, Tensor]) -> Tensor:
        hidden = torch.tanh(examples.inputs @ (side["0.weight"] * factors["0.weight"]).T + biases["0.bias"])
        return hidden @ (side["2.weight"] * factors["2.weight"]).T + biases["2.bias"]

    def distance(name: str, place: tuple[int, ...], step: float) -> float:
        factors = {key: part.double().clone() for key, part in mask.items()}
        factors[name][place] += step
        return float((outputs(weights, factors) - outputs(moved, factors)).square().sum() / (0.1**2 * 5))

    for name, score in scores.items():
        for place in np.ndindex(*score.shape):
            if mask[name][place]:
                slope = (distance(name, place, 1e-5) - distance(name, place, -1e-5)) / 2e-5
                assert float(score[place]) == pytest.approx(abs(slope), rel=1e-5, abs=1e-8)


def test_the_mean_distance_is_the_trace_of_the_kernel():
    """Σ c·∂/∂c of a linear layer is twice the distance: over many draws, twice Σ_b ‖x_b‖² for each of two outputs."""
    trial = trial_on(nn.Linear(3, 2))
    (examples,) = trial.batches(0)
    trace = 2 * float(examples.inputs.square().sum()) / 5
    # every weight's expected slope is positive here, so that sizes may be added up
    total = float(NtkSap(inputs="examples", samples=600).score(trial)["0.weight"].sum())
    assert total == pytest.approx(2 * trace, rel=0.1)


class Tokens(nn.Embedding):
    """Takes whole numbers of any type."""

    def forward(self, tokens: Tensor) -> Tensor:
        return super().forward(tokens.long())


def test_tokens_have_no_normal_draws():
    """The option that would work."""
    tokens = torch.randint(0, 4, (5, 3), generator=torch.Generator().manual_seed(0))
    layers = Tokens(4, 2), nn.Flatten(), nn.Linear(6, 2)
    with pytest.raises(
        OptionError, match=r"normal inputs where they are int64\. What would work: inputs = \"examples\""
    ):
        NtkSap().score(trial_on(*layers, inputs=tokens))
    assert NtkSap(inputs="examples").score(trial_on(*layers, inputs=tokens))["2.weight"].any()


def test_the_contract():
    """On a linear, a convolutional and a recurrent network, and on a GRU."""
    check_scorer(NtkSap())
    inputs = torch.randn(6, 4, 2, generator=torch.Generator().manual_seed(2))
    check_scorer(NtkSap(), model=GRU(hidden=3), task=GivenExamples(inputs, torch.arange(6) % 3, outputs=3))
