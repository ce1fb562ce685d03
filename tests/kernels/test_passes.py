"""The passes over memory compile for GPUs, also where there is none."""

from __future__ import annotations

import os
import re
from importlib.util import find_spec
from typing import Any

import pytest
from compiled import compiled

from ticketbench.kernels.update import BLOCK, WARPS

pytestmark = [
    pytest.mark.skipif(find_spec("triton") is None, reason="triton is not installed: pip install triton"),
    pytest.mark.skipif(os.environ.get("TRITON_INTERPRET") == "1", reason="kernels are interpreted, not compiled"),
]

VARIANTS: dict[str, tuple[str, dict[str, Any], int]] = {
    "adam": ("adam_pass", {}, 4),
    "adam without a mask": ("adam_pass", {"mask": None}, 4),
    "sgd": ("sgd_pass", {"mask": None, "buffer": None, "nesterov": False}, 2),
    "sgd with momentum": ("sgd_pass", {"nesterov": False}, 3),
    "sgd with Nesterov's": ("sgd_pass", {"nesterov": True}, 3),
}
"""The kernel, its constants, and how many tensors of fp32 it reads; all but the gradient are written."""


@pytest.mark.parametrize("capability", [80, 90])
@pytest.mark.parametrize("variant", VARIANTS)
def test_a_pass_rounds_every_operation_by_itself(variant: str, capability: int, tmp_path, monkeypatch):
    """No multiplication is fused with an addition; each thread reads and writes 16 bytes of every tensor at once."""
    monkeypatch.setenv("TRITON_CACHE_DIR", str(tmp_path))
    from ticketbench.kernels import passes

    name, constants, tensors = VARIANTS[variant]
    code = compiled(getattr(passes, name), {**constants, "block": BLOCK}, capability, WARPS)
    assert re.findall(r"\bfma\.", code) == []
    assert len(re.findall(r"ld\.global\S*\.v4\.b32", code)) == tensors
    assert len(re.findall(r"st\.global\S*\.v4\.b32", code)) == tensors - 1
