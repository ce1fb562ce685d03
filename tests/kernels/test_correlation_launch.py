"""How the kernels of correlations are started: sides of tiles that products need and that memory has room for."""

from __future__ import annotations

from importlib.util import find_spec

import pytest
import torch

if find_spec("triton") is None:
    pytest.skip("triton is not installed: pip install triton", allow_module_level=True)

from ticketbench.kernels.correlation_launch import depth_of, precision_of, sizes_of, stages_on, tile_side


def test_sides_are_powers_of_two_from_16_to_128():
    """The least that tensor cores multiply, and the most that a program holds."""
    assert [tile_side(size) for size in (1, 16, 17, 32, 100, 128, 400)] == [16, 16, 32, 32, 128, 128, 128]
    assert tile_side(400, 64) == 64


def test_strings_are_images_of_one_row():
    """Members, rows, height, width, channels on both sides."""
    assert sizes_of(torch.zeros(2, 3, 5, 7), torch.zeros(2, 9, 3, 7)) == (2, 15, 1, 5, 7, 9)
    assert sizes_of(torch.zeros(2, 3, 4, 5, 7), torch.zeros(2, 9, 3, 3, 7)) == (2, 60, 4, 5, 7, 9)


def test_fewer_factors_are_loaded_where_they_are_wider():
    """128 bytes of them; on a CPU, where kernels are interpreted, one tile at a time."""
    assert depth_of(torch.zeros(1, dtype=torch.bfloat16)) == 64
    assert depth_of(torch.zeros(1)) == 32
    assert stages_on(torch.device("cpu")) == 1


def test_fp32_is_rounded_where_torch_rounds_it():
    """TF32 by torch's own setting, and for no other type."""
    before = torch.get_float32_matmul_precision()
    try:
        torch.set_float32_matmul_precision("highest")
        assert precision_of(torch.zeros(1)) == "ieee"
        torch.set_float32_matmul_precision("high")
        assert precision_of(torch.zeros(1)) == "tf32"
        assert precision_of(torch.zeros(1, dtype=torch.bfloat16)) == "ieee"
    finally:
        torch.set_float32_matmul_precision(before)
