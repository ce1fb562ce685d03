"""The kernels of correlations compile for GPUs, also where there is none, and multiply on tensor cores."""

from __future__ import annotations

import os
from importlib.util import find_spec

import pytest
from compiled import compiled_as

pytestmark = [
    pytest.mark.skipif(find_spec("triton") is None, reason="triton is not installed: pip install triton"),
    pytest.mark.skipif(os.environ.get("TRITON_INTERPRET") == "1", reason="kernels are interpreted, not compiled"),
]
TILE = {"tall": 1, "precision": "tf32", "widened": False, "block_rows": 128, "block_channels": 64, "block_outputs": 128}
STRIDES = ("channels", "outputs", "to_inputs", "to_added", "to_gate", "to_out", "to_gradients")


@pytest.mark.parametrize(
    ("kernel", "constants"),
    [
        ("correlation_pass", {**TILE, "relu": True, "gate": None}),
        ("correlation_pass", {**TILE, "tall": 3, "relu": False, "added": None}),
        ("taps_gradient_pass", {**TILE, "block_rows": 64, "block_channels": 128}),
    ],
    ids=["forward", "backward in two dimensions", "taps"],
)
@pytest.mark.parametrize(("kind", "capability"), [("*fp32", 80), ("*bf16", 90)])
def test_products_run_on_tensor_cores(kernel: str, constants, kind: str, capability: int, tmp_path, monkeypatch):
    """mma in TF32 on compute capability 8.0, wgmma in bf16 on 9.0."""
    monkeypatch.setenv("TRITON_CACHE_DIR", str(tmp_path))
    from ticketbench.kernels import correlation_passes

    function = getattr(correlation_passes, kernel)
    depth = "block_rows" if kernel == "taps_gradient_pass" else "block_channels"
    constants = {**constants, depth: 64 if kind == "*bf16" else 32}
    tensors = {"inputs", "taps", "added", "gate", "gradients", "out"}
    kinds = {name: kind if name in tensors else "i32" for name in function.arg_names}
    kinds |= {"out": "*fp32"} if kernel == "taps_gradient_pass" else {}
    code = compiled_as(function, kinds, constants, STRIDES, capability, num_warps=8, num_stages=3)
    assert ("wgmma.mma_async" if capability == 90 else "mma.sync") in code
