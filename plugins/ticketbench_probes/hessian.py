"""The spectrum of the Hessian of the training loss."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import torch

from ticketbench import Points, Probe, Split, option
from ticketbench_probes.counted import counted
from ticketbench_probes.lanczos import quadrature

if TYPE_CHECKING:
    from torch import Tensor

    from ticketbench import Trial

Moment = Literal["started", "drawn", "masked", "trained", "reported"]


@dataclass(frozen=True)
class Hessian(Probe):
    """The eigenvalues of ∇²L over the live weights: "largest", "smallest", "trace", "negative" and "density".

    L is the mean criterion over training examples, the same at every look, without a regulariser and in training mode;
    "weights" says how many weights are live. All is computed in float64.

    Up to `exact_up_to` weights the matrix is written out, a Hessian-vector product a row, and "negative" is the share
    of eigenvalues below zero by more than rounding (n · machine epsilon · the largest in size). Beyond, Lanczos with
    full reorthogonalisation from a few random vectors gives the outermost eigenvalues, an estimate of the trace and
    one of the density (stochastic Lanczos quadrature); "negative" is left out, as a share cannot be told from it.

    "density" is Σ w·N(x; λ, σ²) over a grid, w = 1/n for the exact eigenvalues and the quadrature's shares otherwise,
    σ = `width` of the range from smallest to largest. Where all eigenvalues are the same it is left out.

    Deviations: the authors write out the matrix whatever its size, biases included; here they are on request.
    """

    name = "hessian"
    summary = "the spectrum of the Hessian over the live weights: exact for few, by Lanczos for many"
    reference = "Evci et al. 2022 (arXiv 2010.03533), section 4.3; Ghorbani et al. 2019 (arXiv 1901.10159), Lanczos"

    moments: tuple[Moment, ...] = option(  # type: ignore[misc]  # of the class in the contract, here an option
        ("drawn", "trained"), "when it looks; masked: at each change of the mask"
    )
    examples: int = option(1000, "training examples the loss is taken over", at_least=1)
    biases: bool = option(False, "count biases and other parameters that are never pruned too")
    exact_up_to: int = option(1000, "weights up to which the whole matrix is written out", at_least=0)
    iterations: int = option(80, "Lanczos iterations from each random vector", at_least=1)
    starts: int = option(2, "random vectors that Lanczos starts from", at_least=1)
    points: int = option(200, "points of the density's grid", at_least=2)
    width: float = option(0.01, "σ of the density, as a share of the range of eigenvalues", at_least=1e-6)

    def measure(self, trial: Trial) -> Mapping[str, float | Points]:
        """The numbers and the density."""
        places = counted(trial, self.biases)
        count = sum(int(live.sum()) for live in places.values())
        if not count:
            return {"weights": 0.0}
        product, like = hessian_product(trial, places, next(trial.batches(1, self.examples)))
        exact = count <= self.exact_up_to
        if exact:
            values = torch.linalg.eigvalsh(written_out(product, count, like))
            shares = torch.full_like(values, 1 / count)
        else:
            source = trial.generator("starts")
            values, shares = quadrature(product, count, self.iterations, self.starts, source, like)
        found: dict[str, float | Points] = {
            "weights": float(count),
            "largest": float(values.max()),
            "smallest": float(values.min()),
            "trace": count * float(values @ shares),
        }
        if exact:
            noise = count * torch.finfo(values.dtype).eps * float(values.abs().max())
            found["negative"] = int((values < -noise).sum()) / count
        if found["largest"] != found["smallest"]:
            found["density"] = self.density(values, shares)
        return found

    def density(self, values: Tensor, shares: Tensor) -> Points:
        """The eigenvalues, each as a normal distribution, added up on a grid that reaches 4σ beyond them."""
        low, high = float(values.min()), float(values.max())
        sigma = self.width * (high - low)
        grid = torch.linspace(low - 4 * sigma, high + 4 * sigma, self.points, dtype=values.dtype, device=values.device)
        bells = torch.exp(-((grid.unsqueeze(1) - values) / sigma).square() / 2) / (sigma * math.sqrt(2 * math.pi))
        return Points("eigenvalue", tuple(zip(grid.tolist(), (bells @ shares).tolist(), strict=True)))


def hessian_product(
    trial: Trial, places: Mapping[str, Tensor], batch: Split
) -> tuple[Callable[[Tensor], Tensor], Tensor]:
    """v -> ∇²L·v over these places laid end to end, by differentiating the gradient; and a tensor like v, empty."""
    parameters = {name: part.to(torch.float64, copy=True) for name, part in trial.parameters.items()}
    leaves = [parameters[name].requires_grad_(True) for name in places]
    inputs, targets = (part.double() if part.is_floating_point() else part for part in (batch.inputs, batch.targets))
    loss = trial.criterion(trial.outputs(inputs, parameters), Split(inputs, targets))

    def slope(of: Tensor, along: Tensor | None) -> Tensor:
        """alongᵀ·∂of/∂places; a graph of it is kept where `of` is the loss, which is along nothing."""
        parts = torch.autograd.grad(
            of, leaves, along, retain_graph=True, create_graph=along is None, allow_unused=True, materialize_grads=True
        )
        return torch.cat([part[live] for part, live in zip(parts, places.values(), strict=True)])

    gradient = slope(loss, None)

    def product(vector: Tensor) -> Tensor:
        """∇²L·v, by differentiating the gradient along v."""
        if not gradient.requires_grad:  # the loss is linear in all of them
            return torch.zeros_like(vector)
        return slope(gradient, vector)

    return product, gradient.detach()[:0]


def written_out(product: Callable[[Tensor], Tensor], size: int, like: Tensor) -> Tensor:
    """The whole matrix, row by row, made symmetric to the last bit."""
    matrix = like.new_zeros(size, size)
    for row in range(size):
        unit = like.new_zeros(size)
        unit[row] = 1
        matrix[row] = product(unit)
    return (matrix + matrix.T) / 2
