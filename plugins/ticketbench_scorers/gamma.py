"""γ: how much the hidden states of a recurrent layer depend on each weight, and what scorers divide by it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import torch

from ticketbench import OptionError, Scorer, option
from ticketbench_scorers.layer import Layer

if TYPE_CHECKING:
    from torch import Tensor

    from ticketbench import Trial


@dataclass(frozen=True)
class NormalisedScorer(Scorer):
    """A scorer that divides by |γ| + ε, γ_n = E[Σ_t Σ_i ∂h̃_i^(t)/∂θ_n] over sequences of a distribution of its own.

    The sums run over the steps and the hidden units, and the derivative goes through all earlier states, from h = 0.
    "absolute" takes |·| of every sequence before the mean, at a backward pass a sequence instead of one for all.

    The paper draws γ's inputs from N(0, 0.1), read here as a standard deviation of 0.1. γ is of first order in them
    for the candidate's input weights of a GRU, and of second order for the gates'. With inputs that are smaller than
    what the layer reads, the former are divided by far too much and pruned almost entirely: a network whose data has a
    spread of 1 wants `gamma_deviation = 1`. The signed mean of 64 sequences is mostly the noise of drawing them where
    biases are zero: two draws of a GRU of 100 units shared 36 % of a 5 % mask.
    """

    batch: int = option(64, "sequences in the one scoring batch, and as many for γ", at_least=1)
    gamma: Literal["signed", "absolute"] = option("signed", "|·| after the mean over sequences, or before it")
    gamma_inputs: Literal["normal", "data"] = option(
        "normal", "what the layer reads for γ: N(0, gamma_deviation²) at every step, or training examples"
    )
    gamma_deviation: float = option(0.1, "standard deviation of normal inputs", at_least=0)
    gamma_steps: int = option(0, "steps of the sequences for γ; 0 for as many as a training example has", at_least=0)
    epsilon: float = option(1e-8, "added to |γ|, which may be 0", at_least=1e-20)

    def normalised(
        self, trial: Trial, layer: Layer, features: Tensor, scores: Mapping[str, Tensor]
    ) -> dict[str, Tensor]:
        """Scores over |γ| + ε; `features` are what the layer reads of a scoring batch."""
        sequences = self.sequences(trial, features)
        layer.bill(3 * sequences.shape[1], len(sequences))
        divisors = self.expected(layer, sequences)
        return {name: scores[name] / (divisors[name] + self.epsilon) for name in scores}

    def sequences(self, trial: Trial, features: Tensor) -> Tensor:
        """The sequences that γ is the mean over."""
        steps = self.gamma_steps or features.shape[1]
        if self.gamma_inputs == "data":
            if steps > features.shape[1]:
                raise OptionError(
                    f"'{self.name}' cannot take gamma_steps = {steps} of training examples with {features.shape[1]}. "
                    f'What would work: gamma_inputs = "normal", or at most {features.shape[1]}.'
                )
            return features[:, :steps]
        shape = (len(features), steps, features.shape[2])
        return self.gamma_deviation * torch.randn(shape, generator=trial.generator("gamma")).to(features)

    def expected(self, layer: Layer, sequences: Tensor) -> dict[str, Tensor]:
        """|γ| of every weight, the mean over the sequences."""
        total = {name: torch.zeros_like(weight) for name, weight in layer.weights.items()}
        for part in torch.split(sequences, 1 if self.gamma == "absolute" else len(sequences)):
            hidden = torch.stack([carried[0].sum() for carried in layer.states(part)]).sum()
            for name, slope in layer.slopes([hidden])[0].items():
                total[name] += slope.abs() / len(sequences)
        return total
