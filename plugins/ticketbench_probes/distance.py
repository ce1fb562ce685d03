"""How far training has moved the weights."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

from ticketbench import Probe, option
from ticketbench_probes.counted import counted, counted_stacked, read_together

if TYPE_CHECKING:
    from torch import Tensor

    from ticketbench import Trial, TrialStack


@dataclass(frozen=True)
class Distance(Probe):
    """From θ₀, where the present training started, to θ: "l2" = ‖θ − θ₀‖₂ and "cosine" = 1 − θ·θ₀ / (‖θ‖‖θ₀‖).

    Over the live weights, and tensor by tensor on request ("l2 1.weight"). A rewind, a restart and a new draw of the
    weights each start a training of their own. A weight that was grown on the way has θ₀ = 0. Where either vector is
    zero there is no angle, and "cosine" is left out.

    Deviations: the authors' sums include biases, here on request, and weights that were pruned on the way, which
    here count no more.
    """

    name = "distance"
    summary = "L2 and cosine distance of the live weights to where their training started"
    reference = "Evci et al. 2022 (arXiv 2010.03533), section 4.3"
    moments = ("trained",)

    biases: bool = option(False, "count biases and other parameters that are never pruned too")
    per_tensor: bool = option(False, "the distances of each tensor too")
    every: int = option(0, "steps between looks while the network trains; 0 for none", at_least=0)

    def steps(self, total: int) -> Collection[int]:
        """Every so often, from the start on."""
        return range(0, total + 1, self.every) if self.every else ()

    def measure(self, trial: Trial) -> Mapping[str, float]:
        """The L2 and the cosine distance, over all live weights and, on request, tensor by tensor."""
        present, origin = trial.parameters, trial.origin
        parts = {
            name: (present[name][live].double(), origin[name][live].double())
            for name, live in counted(trial, self.biases).items()
        }
        found = distances("", *(torch.cat(side) for side in zip(*parts.values(), strict=True)))
        for name in parts if self.per_tensor else ():
            found |= distances(f" {name}", *parts[name])
        return found

    def measure_stacked(self, stack: TrialStack) -> Sequence[Mapping[str, float]]:
        """The same of several members, whose sums are read from the device together."""
        present, origin = stack.parameters, stack.origin
        sums = {}
        for name, live in counted_stacked(stack, self.biases).items():
            now, then = (state[name].where(live, 0).flatten(1).double() for state in (present, origin))
            products = ((now - then).square(), now.square(), then.square(), now * then)
            sums[name] = torch.stack([product.sum(1) for product in products], dim=1)
        return read_together(sums, self.per_tensor, of_sums)


def distances(of: str, now: Tensor, then: Tensor) -> dict[str, float]:
    """L2 and cosine distance of two vectors."""
    return named(of, float((now - then).norm()), float(now.norm()) * float(then.norm()), float(now @ then))


def of_sums(of: str, apart: float, now: float, then: float, product: float) -> dict[str, float]:
    """L2 and cosine distance of sums of squares and of products."""
    return named(of, math.sqrt(apart), math.sqrt(now) * math.sqrt(then), product)


def named(of: str, apart: float, lengths: float, product: float) -> dict[str, float]:
    """Both distances by their names; no angle where a vector is zero."""
    found = {f"l2{of}": apart}
    if lengths:
        found[f"cosine{of}"] = 1 - product / lengths
    return found
