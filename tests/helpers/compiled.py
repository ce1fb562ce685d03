"""Kernels compiled for a GPU that need not be there, as PTX."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

NUMBERS, FLAGS = "*fp32", "*u8"
KINDS = (
    {"mask": FLAGS, "live": FLAGS}
    | dict.fromkeys(("size", "batch", "outs", "ins"), "i32")
    | dict.fromkeys(("fresh_first", "keep_second", "fresh_second", "epsilon", "momentum"), "fp32")
)
"""The types of arguments that are not tensors of fp32, by name."""


def compiled(kernel: Any, constants: dict[str, Any], capability: int, warps: int, sizes: Sequence[str] = ()) -> str:
    """The PTX of a kernel as the updates start it: addresses and sizes that are multiples of 16, nothing fused.

    `sizes` are arguments that are such sizes, too.
    """
    import triton
    from triton.backends.compiler import GPUTarget
    from triton.compiler import ASTSource

    names = kernel.arg_names
    kinds = KINDS | dict.fromkeys(sizes, "i32")
    signature = {name: "constexpr" if name in constants else kinds.get(name, NUMBERS) for name in names}
    aligned = [
        at
        for at, name in enumerate(names)
        if signature[name].startswith("*") or name in ("size", "outs", "ins", *sizes)
    ]
    source = ASTSource(
        kernel,
        signature,
        {(names.index(name),): value for name, value in constants.items()},
        {(at,): [["tt.divisibility", 16]] for at in aligned},
    )
    options = {"enable_fp_fusion": False, "num_warps": warps}
    code: str = triton.compile(source, target=GPUTarget("cuda", capability, 32), options=options).asm["ptx"]
    return code


def compiled_as(
    kernel: Any,
    kinds: dict[str, str],
    constants: dict[str, Any],
    aligned: Sequence[str],
    capability: int,
    **options: int,
) -> str:
    """The PTX of a kernel whose arguments have these types; addresses and those named are multiples of 16."""
    import triton
    from triton.backends.compiler import GPUTarget
    from triton.compiler import ASTSource

    names = kernel.arg_names
    signature = {name: "constexpr" if name in constants else kinds[name] for name in names}
    even = [at for at, name in enumerate(names) if signature[name].startswith("*") or name in aligned]
    source = ASTSource(
        kernel,
        signature,
        {(names.index(name),): value for name, value in constants.items()},
        {(at,): [["tt.divisibility", 16]] for at in even},
    )
    code: str = triton.compile(
        source, target=GPUTarget("cuda", capability, 32), options={"enable_fp_fusion": True, **options}
    ).asm["ptx"]
    return code
