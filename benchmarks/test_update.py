"""A masked update of a fleet by Adam, against torch's fused Adam after a product of gradients and mask.

    make bench

Units are weights updated. On a GPU the update is a kernel, and bytes bound both; on a CPU it is the kernel's twin,
which has a rate, an age and a decay for each member, and makes some twenty passes over memory where torch's fused Adam
makes one.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch

from ticketbench.kernels.pace import Pace, corrections_at
from ticketbench.kernels.presence import kernel_way
from ticketbench.kernels.update import adam_

DEVICE = torch.device("cuda", 0) if torch.cuda.is_available() else torch.device("cpu")
WEIGHTS = 784 * 300 + 300 * 100 + 100 * 10
BETAS, EPSILON, RATE = (0.9, 0.999), 1e-8, 1e-3


def repeated(step: Callable[[], None], weights: int) -> Callable[[], int]:
    """As many updates as take a while, waited for."""
    repeats = 200 if DEVICE.type == "cuda" else 5

    def work() -> int:
        for _ in range(repeats):
            step()
        if DEVICE.type == "cuda":
            torch.cuda.synchronize()
        return repeats * weights

    work()
    return work


@pytest.mark.benchmark(group="update")
@pytest.mark.parametrize("fleet", [4, 22, 88] if DEVICE.type == "cuda" else [4])
def test_masked_adam(benchmark, side_by_side, fleet: int):
    """The weights of 784-300-100-10, a fifth of them kept."""
    torch.set_num_threads(1)
    torch.manual_seed(0)
    mask = torch.rand(fleet, WEIGHTS, device=DEVICE) < 0.2
    gate, gradient = mask.float(), torch.randn(fleet, WEIGHTS, device=DEVICE)
    weight = torch.randn_like(gradient).mul_(gate)
    first, second = torch.zeros_like(weight), torch.zeros_like(weight)
    ones = torch.ones(fleet, device=DEVICE)
    pace = Pace(ones.bool(), RATE * ones, 0 * ones, ones, ones.long())

    parameter = weight.clone().requires_grad_()
    fused = torch.optim.Adam([parameter], lr=RATE, betas=BETAS, eps=EPSILON, fused=True)

    def torchs() -> None:
        parameter.grad = gradient.mul_(gate)
        fused.step()

    def ours() -> None:
        pace.age.add_(1)
        corrections = corrections_at(pace.age, BETAS)
        adam_(weight, gradient, mask, first, second, pace, betas=BETAS, epsilon=EPSILON, corrections=corrections)

    rates = side_by_side(
        f"masked Adam, {fleet} members of {WEIGHTS:,} weights, {DEVICE.type}; weights",
        {
            "torch's fused Adam and a product with the mask": repeated(torchs, fleet * WEIGHTS),
            f"the update of a fleet, by {kernel_way(DEVICE)}": repeated(ours, fleet * WEIGHTS),
        },
    )
    theirs, mine = rates.values()
    benchmark.extra_info.update(rates, over_torch=mine / theirs)
    benchmark.pedantic(ours, rounds=3)
