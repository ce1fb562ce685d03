"""Precision: what may be computed in fewer bits, and what is always computed in full float32.

Training steps, validations and judgements compute products in the cell's precision: fp32, tf32 (products of float32
numbers rounded to 10 bits of mantissa, on a GPU that has them) or bf16 (products of bfloat16 numbers). Sums,
outputs, losses, gradients, weights and optimizer slots are float32 in all of them. Whatever a method, a scorer, an
initializer or a probe computes is `exact`, so that a mask drawn at initialization is the same in every precision.

What tf32 switches is one state of the process: `set_precision` says it for all that follows, and `exact` changes it
for a while. A CUDA graph keeps what it was captured with, and steps are captured outside `exact`. Threads that compute
at the same time share that state; what runs beside a training belongs into a process of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import wraps
from typing import Any, ParamSpec, TypeVar

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode
from torch.utils._pytree import tree_map
from typing_extensions import override

from ticketbench.errors import OptionError, suggest
from ticketbench.suite.suite import PRECISIONS

NARROWED: tuple[Any, ...] = (
    *(torch.conv1d, torch.conv2d, torch.conv3d),
    *(torch.conv_transpose1d, torch.conv_transpose2d, torch.conv_transpose3d),
)
"""What autocast lowers on a CPU, but not under vmap."""
Yielded = TypeVar("Yielded")
Inputs = ParamSpec("Inputs")


def set_precision(precision: str) -> None:
    """From here on float32 products of this process are what a cell of that precision says they are."""
    if precision not in PRECISIONS:
        raise OptionError(f"unknown precision '{precision}'. {suggest(precision, PRECISIONS)}")
    torch.set_float32_matmul_precision("high" if precision == "tf32" else "highest")
    torch.backends.cudnn.allow_tf32 = precision == "tf32"
    torch.backends.cuda.matmul.allow_bf16_reduced_precision_reduction = False  # sums of bf16 products are float32


@contextmanager
def exact() -> Iterator[None]:
    """Full float32 products for the length of a block, whatever the process computes in otherwise."""
    matrices, convolutions = torch.get_float32_matmul_precision(), torch.backends.cudnn.allow_tf32
    set_precision("fp32")
    try:
        yield
    finally:
        torch.set_float32_matmul_precision(matrices)
        torch.backends.cudnn.allow_tf32 = convolutions


def exactly(generate: Callable[Inputs, Iterator[Yielded]]) -> Callable[Inputs, Iterator[Yielded]]:
    """A generator whose own stretches are computed under `exact`, and what happens while it waits is not."""

    @wraps(generate)
    def stretches(*values: Inputs.args, **words: Inputs.kwargs) -> Iterator[Yielded]:
        inner = generate(*values, **words)
        while True:
            with exact():
                try:
                    request = next(inner)
                except StopIteration:
                    return
            yield request

    return stretches


def narrowed(precision: str, device: torch.device) -> AbstractContextManager[None]:
    """bf16 products with float32 weights, where a cell asks for them."""
    if precision != "bf16":
        return nullcontext()
    return torch.autocast("cuda", dtype=torch.bfloat16) if device.type == "cuda" else narrowed_on_cpu()


@contextmanager
def narrowed_on_cpu() -> Iterator[None]:
    """Autocast to bfloat16, and what it leaves out on a CPU."""
    with torch.autocast("cpu", dtype=torch.bfloat16), NarrowConvolutions():
        yield


class NarrowConvolutions(TorchFunctionMode):
    """Convolutions of bfloat16 numbers on a CPU, also under vmap, where autocast leaves them in float32."""

    @override
    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        """The function itself, and of a convolution with its float32 tensors in bfloat16."""
        words = dict(kwargs or {})
        if func in NARROWED:
            args, words = tree_map(narrow, (args, words))
        return func(*args, **words)


def narrow(part: Any) -> Any:
    """A float32 tensor in bfloat16; anything else as it is."""
    return part.bfloat16() if isinstance(part, Tensor) and part.dtype == torch.float32 else part


def widened(outputs: Any) -> Any:
    """Outputs of a forward with every bfloat16 tensor as float32; others are left alone."""
    return tree_map(
        lambda part: part.float() if isinstance(part, Tensor) and part.dtype == torch.bfloat16 else part, outputs
    )
