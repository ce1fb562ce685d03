"""What a kernel would misread is refused, by name."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from fleet_updates import drawn, pace_of

from ticketbench.kernels.checks import check_momentum, check_pace, check_stacked
from ticketbench.kernels.update import sgd_

WEIGHT = torch.zeros(3, 4)
WRONG = {
    "half": (torch.zeros(3, 4, dtype=torch.float16), r"not torch.float16 of \(3, 4\) on cpu"),
    "shape": (torch.zeros(3, 5), r"not torch.float32 of \(3, 5\) on cpu"),
    "strides": (torch.zeros(4, 3).T, r"not strided torch.float32 of \(3, 4\) on cpu"),
    "device": (torch.zeros(3, 4, device="meta"), r"not torch.float32 of \(3, 4\) on meta"),
}


@pytest.mark.parametrize("wrong", WRONG)
def test_a_tensor_that_is_not_like_the_weight_is_refused(wrong: str):
    """Type, shape, order in memory, device."""
    tensor, said = WRONG[wrong]
    right = r"a kernel needs 'gradient' as a contiguous torch.float32 tensor of shape \(3, 4\) on cpu, "
    with pytest.raises(ValueError, match=right + said):
        check_stacked({"weight": WEIGHT, "gradient": tensor}, None)


def test_a_mask_is_bool():
    """A mask of numbers would be read byte by byte."""
    check_stacked({"weight": WEIGHT}, torch.ones(3, 4, dtype=torch.bool))
    with pytest.raises(ValueError, match=r"needs 'mask' as a contiguous torch\.bool tensor"):
        check_stacked({"weight": WEIGHT}, torch.ones(3, 4))


@pytest.mark.parametrize("field", ["rate", "decay", "shrink", "live"])
def test_a_pace_has_a_number_for_each_member(field: str):
    """Neither one for all, nor of another type."""
    pace = pace_of(3)
    check_pace(pace, WEIGHT)
    for wrong in (getattr(pace, field)[:2], getattr(pace, field).double()):
        with pytest.raises(ValueError, match=f"a kernel needs '{field}'"):
            check_pace(replace(pace, **{field: wrong}), WEIGHT)
    with pytest.raises(ValueError, match=r"a kernel needs 'corrections.root' .* of shape \(3,\)"):
        check_pace(pace, WEIGHT, {"corrections.root": torch.ones(1)})


def test_momentum_needs_a_buffer():
    """In the kernel and in the twin."""
    check_momentum(None, 0.0, False)
    check_momentum(WEIGHT, 0.9, True)
    given = drawn(3, 4)
    for momentum, nesterov in ((0.9, False), (0.0, True)):
        with pytest.raises(ValueError, match="needs a momentum_buffer, zeros where it is fresh"):
            sgd_(given.weight, given.gradient, given.mask, None, pace_of(3), momentum=momentum, nesterov=nesterov)


def test_a_kernel_is_not_started_with_what_it_would_misread(interpreted):
    """The checks stand before the kernels."""
    given = drawn(3, 4)
    with pytest.raises(ValueError, match="a kernel needs 'gradient'"):
        interpreted(sgd_, given.weight, given.gradient.double(), given.mask, None, pace_of(3))
