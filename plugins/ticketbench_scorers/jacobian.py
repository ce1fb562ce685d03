"""The Jacobian-spectrum criterion for recurrent networks."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import torch
from torch.func import jvp, vmap

from ticketbench import OptionError, option
from ticketbench_scorers.gamma import NormalisedScorer
from ticketbench_scorers.layer import Layer

if TYPE_CHECKING:
    from torch import Tensor

    from ticketbench import Trial
    from ticketbench_scorers.layer import Carried

CHUNK = 16
"""How many unit vectors go together through the exact Frobenius norm."""


@dataclass(frozen=True)
class Jacobian(NormalisedScorer):
    """d_n = Σ_u |∂/∂θ_n E‖J_u·1‖²| / |γ_n| over transitions u: how much a weight changes the spectrum of J.

    J_t = ∂h^{t+1}/∂h^t is the temporal Jacobian of the hidden state and ‖·‖² a sum of squares. E is the mean over
    one mini-batch, from h⁰ = 0; |·| is taken of each transition's own derivative, after that mean. γ is the expected
    sum of ∂h/∂θ (see `NormalisedScorer`), for which the sequences are normal noise by default.

    The paper can be read in several ways, and each is an option. Its Eq. 3 equates E‖J·1‖² with the squared Frobenius
    norm, which holds for random signs in place of 1: "jvp" is J·1 as it is written, "rademacher" J·v with v = ±1 drawn
    for every example and transition, "frobenius" the exact sum, and "vjp" Jᵀ·1. Its algorithm scores the last U = 4
    transitions into h^{S−3}…h^S of S steps; "all" takes all S − 1. The derivative goes through h^t(θ) too, unless it
    is "explicit": then states are constants, and only what a step itself does with θ counts. γ is always the full one.

    Where a memory is carried beside the hidden state (LSTM), J is of h^{t+1} by h^t with the memory held, as the paper
    defines J by h alone; the full derivative goes through the memory as well.

    Memory is linear in the weights: J is never written out. In forward passes of a step, the cost is one for each step
    and, for each transition, six for the product and, if full, two for each step before it; "frobenius" takes three for
    each hidden unit in place of six, 16 units at a time. All is computed in the weights' own precision.

    Deviations: χ's factors 1/N and 1/(S − 1) are left out, as they change no ranking; ε is added to |γ|.
    """

    name = "jacobian"
    summary = "how much the connection changes the singular values of ∂h(t+1)/∂h(t), over how much it changes h"
    reference = "Zhang and Stadie 2020 (arXiv 1912.00120), Eq. 5 and Algorithm 1"

    product: Literal["jvp", "rademacher", "frobenius", "vjp"] = option("jvp", "J·1, J·(±1), every J·e_i, or Jᵀ·1")
    transitions: Literal["last", "all"] = option("last", "which transitions: the last `horizon`, or all")
    horizon: int = option(4, "transitions from the end of the sequence (U), where they are the last", at_least=1)
    derivative: Literal["full", "explicit"] = option("full", "through the states before the transition, or not")

    def score(self, trial: Trial) -> Mapping[str, Tensor]:
        """Σ_u |∂E‖J_u·1‖²/∂θ| / (|γ| + ε)."""
        layer = Layer(trial, self.name)
        features = layer.module.embed(next(trial.batches(1, self.batch)).inputs)
        return self.normalised(trial, layer, features, self.sensitivity(trial, layer, features))

    def sensitivity(self, trial: Trial, layer: Layer, features: Tensor) -> dict[str, Tensor]:
        """Σ_u |∂E‖J_u·1‖²/∂θ|."""
        steps = self.chosen(features.shape[1])
        with torch.set_grad_enabled(self.derivative == "full"):
            states = layer.states(features[:, : max(steps)])
        total = {name: torch.zeros_like(weight) for name, weight in layer.weights.items()}
        for step in steps:
            for name, slope in self.slope(trial, layer, features[:, step], states[step]).items():
                total[name] += slope.abs()
        self.bill(layer, steps, len(features))
        return total

    def chosen(self, length: int) -> range:
        """The steps, counted from 0, that read the state before them and are scored: h⁰ is no state of the network."""
        wanted = self.horizon if self.transitions == "last" else max(1, length - 1)
        if wanted > length - 1:
            ways = f"horizon = {length - 1}, or " if length > 1 and self.transitions == "last" else ""
            raise OptionError(
                f"'{self.name}' cannot score {wanted} transitions of sequences with {length} steps, which have "
                f"{length - 1}. What would work: {ways}sequences of {wanted + 1} steps."
            )
        return range(length - wanted, length)

    def slope(self, trial: Trial, layer: Layer, features: Tensor, carried: Carried) -> dict[str, Tensor]:
        """∂/∂θ E‖J·1‖² of one transition."""
        states = [state.detach().requires_grad_(True) for state in carried]

        def step(hidden: Tensor) -> Tensor:
            return layer.module.transition(features, (hidden, *states[1:]))[0]

        total = {name: torch.zeros_like(weight) for name, weight in layer.weights.items()}
        through = [torch.zeros_like(state) for state in states]
        for square in self.squares(trial, step, states[0]):
            direct, behind = layer.slopes([square], states)
            total = {name: total[name] + direct[name] for name in total}
            through = [before + part for before, part in zip(through, behind, strict=True)]
        if self.derivative == "full":
            total = {name: total[name] + part for name, part in layer.slopes(carried, along=through)[0].items()}
        return total

    def squares(self, trial: Trial, step: Callable[[Tensor], Tensor], hidden: Tensor) -> Iterator[Tensor]:
        """Parts whose sum is the batch mean of the product's squared norm."""
        if self.product == "vjp":
            (found,) = torch.autograd.grad(step(hidden).sum(), hidden, create_graph=True)
            yield found.square().sum() / len(hidden)
            return
        for vectors in self.vectors(trial, hidden):
            found = vmap(lambda vector: jvp(step, (hidden,), (vector,))[1])(vectors)
            yield found.square().sum() / len(hidden)

    def vectors(self, trial: Trial, hidden: Tensor) -> Iterator[Tensor]:
        """What J is multiplied by, (vectors, batch, hidden), some at a time."""
        if self.product == "frobenius":
            for units in torch.split(torch.eye(hidden.shape[1], dtype=hidden.dtype, device=hidden.device), CHUNK):
                yield units.unsqueeze(1).expand(-1, len(hidden), -1)
        elif self.product == "rademacher":
            signs = torch.randint(0, 2, (1, *hidden.shape), generator=trial.generator("signs")) * 2 - 1
            yield signs.to(hidden)
        else:
            yield torch.ones_like(hidden).unsqueeze(0)

    def bill(self, layer: Layer, steps: range, examples: int) -> None:
        """A pass through the states; a product forward and backward a transition; what comes before, backward."""
        products = layer.module.hidden if self.product == "frobenius" else 1
        before = 2 * sum(steps) if self.derivative == "full" else 0
        layer.bill(max(steps) + len(steps) * 3 * (1 + products) + before, examples)
