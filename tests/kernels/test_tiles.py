"""The tiles of linear layers compile for GPUs, also where there is none."""

from __future__ import annotations

import os
import re
from importlib.util import find_spec

import pytest
from compiled import compiled

from ticketbench.kernels.product import COLUMNS, DEPTH, ROWS, TILE_WARPS

pytestmark = [
    pytest.mark.skipif(find_spec("triton") is None, reason="triton is not installed: pip install triton"),
    pytest.mark.skipif(os.environ.get("TRITON_INTERPRET") == "1", reason="kernels are interpreted, not compiled"),
]

PRODUCTS = {"ieee": r"\bfma\.rn\.f32 ", "tf32": r"\b(?:mma\.sync|wgmma\.mma_async)\S*\.f32\.tf32\.tf32"}
"""What multiplies: the ordinary units, or tensor cores."""


@pytest.mark.parametrize("capability", [80, 90])
@pytest.mark.parametrize("precision", PRODUCTS)
@pytest.mark.parametrize("name", ["adam_tile", "sgd_tile"])
def test_a_tile_multiplies_as_it_is_asked_to(name: str, precision: str, capability: int, tmp_path, monkeypatch):
    """In fp32 or in TF32, and by nothing else."""
    monkeypatch.setenv("TRITON_CACHE_DIR", str(tmp_path))
    from ticketbench.kernels import tiles

    constants = {"steps": 2, "rows": ROWS, "columns": COLUMNS, "depth": DEPTH, "precision": precision}
    if name == "sgd_tile":
        constants["nesterov"] = True
    code = compiled(getattr(tiles, name), constants, capability, TILE_WARPS)
    (other,) = PRODUCTS.keys() - {precision}
    assert re.findall(PRODUCTS[precision], code)
    assert not re.findall(PRODUCTS[other], code)
