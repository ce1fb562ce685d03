"""The singular values of a recurrent layer's temporal Jacobian."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

from ticketbench import OptionError, Points, Probe, option
from ticketbench_probes.layer import recurrent

if TYPE_CHECKING:
    from torch import Tensor

    from ticketbench import Recurrent, Trial


@dataclass(frozen=True)
class JacobianSpectrum(Probe):
    """The singular values σ of J_t = ∂h^{t+1}/∂h^t, of N hidden units, over training examples and transitions.

    "mean" and "largest" are those of σ, "near_zero" is the share of σ < `near`. "chi" is the mean of σ², that is
    E‖J‖²/N with the squared Frobenius norm, and "chi_ones" that of ‖J·1‖²/N. The paper's Eq. 3 defines χ as the second,
    averaged over all transitions, and equates it with the first, which holds for random signs in place of 1.
    "histogram" is the share of σ in each of `bins` bins of equal width from 0 to `reach`, at the middle of the bin; the
    last one also has what lies beyond.

    The examples are the same at every look; each is read from a state of zero, in float64 and evaluation mode, and the
    last `horizon` transitions into h^{S−horizon+1} … h^S of S steps are looked at. Where a memory is carried beside the
    hidden state (LSTM), J is of h^{t+1} by h^t with the memory held, as the paper defines J by h alone.

    Deviation: the paper does not say how many examples and transitions its Figure 2 shows, nor what is near zero.
    """

    name = "jacobian_spectrum"
    summary = "the singular values of ∂h(t+1)/∂h(t): their histogram, mean, and the share near zero"
    reference = "Zhang and Stadie 2020 (arXiv 1912.00120), Figure 2 and Eq. 3"

    examples: int = option(16, "training examples", at_least=1)
    horizon: int = option(4, "transitions from the end of the sequence", at_least=1)
    near: float = option(0.01, "below this a singular value is near zero", at_least=0.0)
    bins: int = option(100, "bins of the histogram", at_least=1)
    reach: float = option(2.0, "the right end of the histogram", at_least=1e-6)

    def measure(self, trial: Trial) -> Mapping[str, float | Points]:
        """Write out every Jacobian and decompose it."""
        network = recurrent(trial.module.eval().double().requires_grad_(False), self.name)
        inputs = next(trial.batches(1, self.examples)).inputs
        features = network.embed(inputs.double() if inputs.is_floating_point() else inputs)
        jacobians = list(self.jacobians(network, features))
        values = torch.cat([torch.linalg.svdvals(jacobian) for jacobian in jacobians])
        ones = torch.cat([jacobian.sum(1) for jacobian in jacobians])
        return {
            "mean": float(values.mean()),
            "largest": float(values.max()),
            "near_zero": float((values < self.near).double().mean()),
            "chi": float(values.square().mean()),
            "chi_ones": float(ones.square().mean()),
            "histogram": self.histogram(values),
        }

    def jacobians(self, network: Recurrent, features: Tensor) -> Iterator[Tensor]:
        """Every J, (hidden, hidden): a transition after the other, in it an example after the other."""
        length, carried = features.shape[1], network.start(len(features))
        if self.horizon > length - 1:
            ways = f"horizon = {length - 1}, or " if length > 1 else ""
            raise OptionError(
                f"'{self.name}' cannot look at {self.horizon} transitions of sequences with {length} steps, which have "
                f"{length - 1}. What would work: {ways}sequences of {self.horizon + 1} steps."
            )
        for step in range(length):
            if step >= length - self.horizon:
                for example in range(len(features)):
                    yield jacobian(network, features[example, step], [state[example] for state in carried])
            carried = network.transition(features[:, step], carried)

    def histogram(self, values: Tensor) -> Points:
        """The share of the values in each bin."""
        width = self.reach / self.bins
        places = (values / width).long().clamp(max=self.bins - 1)
        shares = torch.bincount(places, minlength=self.bins).double() / len(values)
        middles = [(at + 0.5) * width for at in range(self.bins)]
        return Points("singular value", tuple(zip(middles, shares.tolist(), strict=True)))


def jacobian(network: Recurrent, features: Tensor, carried: list[Tensor]) -> Tensor:
    """∂h^{t+1}/∂h^t of one example, all rows in one pass: a copy of the example for each unit."""
    units = len(carried[0])
    hidden, *memories = [state.expand(units, -1) for state in carried]
    hidden = hidden.clone().requires_grad_(True)
    following = network.transition(features.expand(units, -1), (hidden, *memories))[0]
    (rows,) = torch.autograd.grad(following, hidden, torch.eye(units).to(following))
    return rows
