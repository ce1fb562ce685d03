"""The kernels of gates compile for GPUs, also where there is none."""

from __future__ import annotations

import os
import re
from importlib.util import find_spec

import pytest

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
    import triton
    from triton.backends.compiler import GPUTarget
    from triton.compiler import ASTSource

    from ticketbench_models import gate_kernels
    from ticketbench_models.gate_launches import MOST_UNITS

    name, kinds, reads, writes = VARIANTS[variant]
    kernel, constants = getattr(gate_kernels, name), {**kinds, "block": MOST_UNITS}
    names = kernel.arg_names
    sizes = [arg for arg in names if arg.endswith(("_fleet", "_row")) or arg in ("batch", "units")]
    kind = dict.fromkeys(names, "*fp32") | dict.fromkeys(sizes, "i32") | dict.fromkeys(constants, "constexpr")
    aligned = [at for at, arg in enumerate(names) if arg not in constants and arg != "batch"]
    source = ASTSource(
        kernel,
        kind,
        {(names.index(arg),): value for arg, value in constants.items()},
        {(at,): [["tt.divisibility", 16]] for at in aligned},
    )
    code = triton.compile(source, target=GPUTarget("cuda", 80, 32), options={"enable_fp_fusion": False})
    assert len(code.asm["cubin"]) > 0
    assert len(re.findall(r"ld\.global\S*\.v4\.b32", code.asm["ptx"])) == reads
    assert len(re.findall(r"st\.global\S*\.v4\.b32", code.asm["ptx"])) == writes
    assert len(re.findall(r"(?:ld|st)\.global", code.asm["ptx"])) == reads + writes
