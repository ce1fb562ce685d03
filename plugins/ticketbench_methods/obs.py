"""Optimal brain surgeon: remove weights one at a time, and let all others make up for each."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import torch

from ticketbench import Method, OptionError, TicketError, Train, kept_count, option
from ticketbench_methods.hessians import exact_hessian, outer_products

if TYPE_CHECKING:
    from torch import Tensor

    from ticketbench import Trial

BLOCK = 64
"""Eliminations that are held back and subtracted from the inverse together."""


@dataclass(frozen=True)
class OptimalBrainSurgeon(Method):
    """Train to the end; then remove the weight that costs least, change all others to make up for it, and again.

    Removing w_q raises the loss by L_q = w_q² / (2·[H⁻¹]_qq), if the others change by δw = −(w_q / [H⁻¹]_qq)·H⁻¹e_q:
    the minimum of the quadratic model δwᵀHδw / 2 under w_q + δw_q = 0. The weight with the least L_q goes, of equal
    ones the first, until exactly as many are left as the density says. The inverse for the weights that remain is
    H⁻¹ − H⁻¹e_q·e_qᵀH⁻¹ / [H⁻¹]_qq, whose row and column q are zero: what is pruned stays zero while the next go.

    L is the mean criterion over `examples` training examples, in evaluation mode, as the network is judged; its
    gradient counts as zero, as at a minimum, and weight decay is no part of it. All of this is float64.
    hessian = "outer": H = (1/P)·Σ XXᵀ + αI over P examples, X the derivatives of the network's outputs by its weights
    times the roots of the criterion's Hessian by the outputs (the squared error's is a constant, as in the paper;
    cross-entropy's as in Hassibi, Stork and Wolff 1993). α is `damping`. The paper builds the inverse of this H from
    α⁻¹I by a recursion over the examples; here H is inverted at once, which is the same matrix.
    hessian = "exact": H = ∇²L + αI, one Hessian-vector product a weight. It must be positive definite.
    Biases and other parameters that may not be pruned are never removed, but H spans them too, and δw moves them.
    refresh: how many weights go between two computations of H at the network of the moment. The paper computes it
    anew for each (1); 0 computes it once, which is the same where the loss is quadratic, and otherwise cheaper.
    then: "stop" = the network is judged as pruned, and trained again only where the protocol trains elsewhere;
    "finetune" = the weights stay and the schedule restarts. The dense network is a point of the curve.
    Noted: "predicted_rise", the sum of L_q over all that was removed.
    Deviations: the paper stops by the size of L_q, here the count decides. Its α lies between 1e-8 and 1e-4, but a
    small α lets δw run far where H is flat, and there the quadratic model fails: an MLP of 20 hidden units on 8×8
    digits with a fifth of its weights, one seed, had a test accuracy of 0.22, 0.31, 0.85, 0.94 and 0.94 for α = 1e-8,
    1e-6, 1e-4, 0.01 and 0.1 (by magnitude: 0.83). Hence the default. FLOPs book the passes through the network and
    not the algebra, which takes in the order of n³ for n parameters; hence `limit`.
    At density 1 there is nothing to prune, and the network is trained once.
    """

    name = "obs"
    summary = "train, then remove weights one by one while the others make up for each (optimal brain surgeon)"
    reference = "Hassibi and Stork 1993 (Second order derivatives for network pruning), equations 3 to 5"

    hessian: Literal["outer", "exact"] = option("outer", "which matrix stands for the curvature")
    damping: float = option(0.01, "α, what is added to the diagonal of the Hessian", at_least=0.0)
    examples: int = option(1000, "training examples the Hessian is taken over; 0 for all", at_least=0)
    refresh: int = option(0, "weights removed between two computations of the Hessian; 0 for one in all", at_least=0)
    then: Literal["stop", "finetune"] = option("stop", "what comes after pruning")
    limit: int = option(5000, "trainable parameters a network may have", at_least=1)

    def draw(self, trial: Trial) -> Iterator[Train]:
        """Train the dense network, judge it, remove weights one by one, and start again if that is asked for."""
        if trial.density == 1:
            return
        self.check_size(trial)
        yield trial.train()
        trial.report()
        weights, mask, rise = self.operate(trial)
        trial.set_weights(weights)
        trial.set_mask(mask)
        trial.note("predicted_rise", rise)
        if self.then == "finetune":
            trial.restart()

    def trainings(self, density: float) -> float:
        """Two, unless there is nothing to prune or nothing after pruning."""
        return 1.0 if density == 1 or self.then == "stop" else 2.0

    def check_size(self, trial: Trial) -> None:
        """Refuse a matrix that would not fit or take hours, with the ways out."""
        size = sum(weight.numel() for weight in trial.parameters.values())
        if size > self.limit:
            raise OptionError(
                f"'obs' inverts the Hessian of all {size} trainable parameters ({trial.total_weights} may be pruned), "
                f"and its option 'limit' allows {self.limit}. What would work: a smaller model, limit = {size} (about "
                f"{3 * 8 * size**2 / 2**30:.1f} GiB), or a method that needs the Hessian's diagonal alone or none"
            )

    def operate(self, trial: Trial) -> tuple[dict[str, Tensor], dict[str, Tensor], float]:
        """The weights and the mask after surgery, and what it costs by the quadratic model."""
        like, mask = trial.parameters, trial.mask
        flat = laid_out(like).double()
        if not bool(flat.isfinite().all()):
            raise TicketError("'obs' found trained weights that are not finite: the training diverged")
        prunable = laid_out(
            {name: torch.full_like(part, name in mask, dtype=torch.bool) for name, part in like.items()}
        )
        alive = laid_out({name: mask.get(name, torch.ones_like(part, dtype=torch.bool)) for name, part in like.items()})
        excess = int((prunable & alive).sum()) - kept_count(trial.density, trial.total_weights)
        rise = 0.0
        while excess > 0:
            some = min(excess, self.refresh or excess)
            places = alive.nonzero().squeeze(1)
            inverse = self.inverse(trial, taken_apart(flat, like), places)
            flat[places], removed, cost = surgery(flat[places], inverse, prunable[places], some)
            alive[places[removed]] = False
            excess, rise = excess - some, rise + cost
        after = taken_apart(alive, like)
        return taken_apart(flat, like), {name: after[name] for name in mask}, rise

    def inverse(self, trial: Trial, weights: Mapping[str, Tensor], places: Tensor) -> Tensor:
        """The inverse of the damped Hessian of the parameters at some places, the others held fixed."""
        find = exact_hessian if self.hessian == "exact" else outer_products
        whole = find(trial, weights, self.examples)[places][:, places]
        whole.diagonal().add_(self.damping)
        factor, failed = torch.linalg.cholesky_ex(whole)
        if int(failed):
            least = float(torch.linalg.eigvalsh(whole)[0]) - self.damping
            other = ' or hessian = "outer"' if self.hessian == "exact" else ""
            raise OptionError(
                f"the Hessian of 'obs' with hessian = \"{self.hessian}\" has the eigenvalue {least:.3g}, and with "
                f"damping = {self.damping:g} it is not positive definite. What would work: a damping above "
                f"{max(0.0, -least):.3g}{other}"
            )
        return torch.cholesky_inverse(factor)


def surgery(weights: Tensor, inverse: Tensor, prunable: Tensor, count: int) -> tuple[Tensor, Tensor, float]:
    """Remove so many weights one by one: (the weights after, which went in their order, the sum of all L_q).

    Each elimination subtracts uuᵀ from the inverse, u = H⁻¹e_q / √[H⁻¹]_qq. The diagonal follows at once; the rest
    is held back and made up for where a row is read, so that one product does the work of many.
    """
    weights, inverse, diagonal = weights.clone(), inverse.clone(), inverse.diagonal().clone()
    candidates, alive = prunable.clone(), torch.ones_like(prunable)
    held = inverse.new_zeros(BLOCK, len(weights))
    removed: list[int] = []
    rise = 0.0
    for number in range(count):
        at = number % BLOCK
        saliency = (weights.square() / (2 * diagonal)).where(candidates, torch.inf)
        lowest = int(saliency.argmin())
        row = inverse[lowest] - held[:at, lowest] @ held[:at]
        root = float(row[lowest]) ** 0.5
        change = row.where(alive, 0) / root
        rise += float(saliency[lowest])
        weights -= change * (weights[lowest] / root)
        diagonal -= change.square()
        candidates[lowest] = alive[lowest] = False
        weights[lowest] = 0
        held[at] = change
        removed.append(lowest)
        if at == BLOCK - 1:
            inverse.addmm_(held.T, held, alpha=-1)
    return weights, torch.tensor(removed, device=weights.device), rise


def laid_out(parts: Mapping[str, Tensor]) -> Tensor:
    """All tensors end to end."""
    return torch.cat([part.flatten() for part in parts.values()])


def taken_apart(flat: Tensor, like: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """What `laid_out` put together, in the shapes of other tensors."""
    parts = torch.split(flat, [part.numel() for part in like.values()])
    return {name: part.view(shape.shape) for (name, shape), part in zip(like.items(), parts, strict=True)}
