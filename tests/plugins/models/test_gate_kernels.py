"""The kernels of gates compile for GPUs, also where there is none."""

from __future__ import annotations

import os
import re
from importlib.util import find_spec

import pytest
from compiled import compiled

pytestmark = [
    pytest.mark.skipif(find_spec("triton") is None, reason="triton is not installed: pip install triton"),
    pytest.mark.skipif(os.environ.get("TRITON_INTERPRET") == "1", reason="kernels are interpreted, not compiled"),
]
VARIANTS = {
    "state forward": ("state_pass", {"backward": False}, 1, 1),
    "state backward": ("state_pass", {"backward": True}, 2, 1),
    "gated forward": ("gated_pass", {"backward": False}, 5, 4),
    "gated backward": ("gated_pass", {"backward": True}, 6, 5),
    "memory forward": ("memory_forward_pass", {"enters": True, "leaves": True}, 5, 6),
    "enter forward": ("memory_forward_pass", {"enters": True, "leaves": False}, 4, 4),
    "leave forward": ("memory_forward_pass", {"enters": False, "leaves": True}, 2, 2),
    "memory backward": ("memory_backward_pass", {"enters": True, "leaves": True}, 8, 5),
    "enter backward": ("memory_backward_pass", {"enters": True, "leaves": False}, 5, 4),
    "leave backward": ("memory_backward_pass", {"enters": False, "leaves": True}, 4, 2),
}
"""Kernel, what is constant, and how many blocks of units it reads and writes."""


@pytest.mark.parametrize("variant", VARIANTS)
def test_a_kernel_compiles_and_reads_every_value_once(variant: str, tmp_path, monkeypatch):
    """For compute capability 8.0; four values at a time where sizes allow it."""
    monkeypatch.setenv("TRITON_CACHE_DIR", str(tmp_path))
    from ticketbench_models import gate_kernels
    from ticketbench_models.gate_launches import MOST_UNITS

    name, kinds, reads, writes = VARIANTS[variant]
    kernel = getattr(gate_kernels, name)
    sizes = [arg for arg in kernel.arg_names if arg.endswith(("_fleet", "_row")) or arg == "units"]
    code = compiled(kernel, {**kinds, "block": MOST_UNITS}, capability=80, warps=4, sizes=sizes)
    assert len(re.findall(r"ld\.global\S*\.v4\.b32", code)) == reads
    assert len(re.findall(r"st\.global\S*\.v4\.b32", code)) == writes
    assert len(re.findall(r"(?:ld|st)\.global", code)) == reads + writes
