"""The kernels compile for GPUs, also where there is none."""

from __future__ import annotations

import os
import re
from importlib.util import find_spec
from typing import Any

import pytest

pytestmark = [
    pytest.mark.skipif(find_spec("triton") is None, reason="triton is not installed: pip install triton"),
    pytest.mark.skipif(os.environ.get("TRITON_INTERPRET") == "1", reason="kernels are interpreted, not compiled"),
]

NUMBERS, FLAGS, HYPER = "*fp32", "*u8", "fp32"
KINDS = {"mask": FLAGS, "live": FLAGS, "size": "i32"} | dict.fromkeys(
    ("fresh_first", "keep_second", "fresh_second", "epsilon", "momentum"), HYPER
)
VARIANTS: dict[str, tuple[str, dict[str, Any]]] = {
    "adam": ("adam_pass", {}),
    "adam without a mask": ("adam_pass", {"mask": None}),
    "sgd": ("sgd_pass", {"mask": None, "buffer": None, "nesterov": False}),
    "sgd with momentum": ("sgd_pass", {"nesterov": False}),
    "sgd with Nesterov's": ("sgd_pass", {"nesterov": True}),
}


@pytest.mark.parametrize("capability", [80, 90])
@pytest.mark.parametrize("variant", VARIANTS)
def test_a_pass_compiles_and_rounds_every_operation_by_itself(variant: str, capability: int, tmp_path, monkeypatch):
    """No multiplication is fused with an addition, and tensors are read and written 16 bytes at a time."""
    monkeypatch.setenv("TRITON_CACHE_DIR", str(tmp_path))
    import triton
    from triton.backends.compiler import GPUTarget
    from triton.compiler import ASTSource

    from ticketbench.kernels import passes
    from ticketbench.kernels.update import BLOCK, WARPS

    name, constants = VARIANTS[variant]
    kernel, constants = getattr(passes, name), {**constants, "block": BLOCK}
    names = kernel.arg_names
    signature = {arg: "constexpr" if arg in constants else KINDS.get(arg, NUMBERS) for arg in names}
    aligned = [at for at, arg in enumerate(names) if signature[arg].startswith("*") or arg == "size"]
    source = ASTSource(
        kernel,
        signature,
        {(names.index(arg),): value for arg, value in constants.items()},
        {(at,): [["tt.divisibility", 16]] for at in aligned},
    )
    options = {"enable_fp_fusion": False, "num_warps": WARPS}
    code = triton.compile(source, target=GPUTarget("cuda", capability, 32), options=options).asm["ptx"]
    tensors = [arg for arg in ("weight", "gradient", "first", "second", "buffer") if signature.get(arg) == NUMBERS]
    assert re.findall(r"\bfma\.", code) == []
    assert len(re.findall(r"ld\.global\S*\.v4\.b32", code)) == len(tensors)
    assert len(re.findall(r"st\.global\S*\.v4\.b32", code)) == len(tensors) - 1
