"""How a forward's calls for random numbers are answered from uniform numbers, and which calls cannot be.

Each answer is the operation of PyTorch that it stands for, with its arguments, as a function of uniform numbers.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

Uniform = Callable[[Sequence[int]], Tensor]
"""Gives uniform numbers in [0, 1) of a shape."""


def dropout(uniform: Uniform, input: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False) -> Tensor:
    """x·[u ≥ p] / (1 − p)."""
    if not training or p == 0:
        return input
    return put_in_place(scaled(input, uniform(input.shape) >= p, p), input, inplace)


def raw_dropout(uniform: Uniform, input: Tensor, p: float, train: bool) -> Tensor:
    """`torch.dropout`, whose arguments go by other names."""
    return dropout(uniform, input, p, train)


def channel_dropout(spatial: int) -> Callable[..., Tensor]:
    """Whole channels are dropped, where an example has `spatial` axes behind them.

    With two axes PyTorch takes an input of three for examples, channels and one axis.
    """

    def drop(uniform: Uniform, input: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False) -> Tensor:
        if not training or p == 0:
            return input
        behind = 1 if spatial == 2 and input.ndim == 3 else spatial
        shape = (*input.shape[: input.ndim - behind], *[1] * behind)
        return put_in_place(scaled(input, uniform(shape) >= p, p), input, inplace)

    return drop


def put_in_place(result: Tensor, input: Tensor, inplace: bool) -> Tensor:
    """The result, in the place of the input if it is to be there."""
    return input.copy_(result) if inplace else result


def scaled(input: Tensor, kept: Tensor, p: float) -> Tensor:
    """What is kept, divided by its share."""
    return input * kept.to(input.dtype) / (1 - p) if p < 1 else input * 0


def alpha_dropout(
    uniform: Uniform, input: Tensor, p: float = 0.5, training: bool = False, inplace: bool = False
) -> Tensor:
    """Dropped values become −α′, then all are moved so that mean and variance stay (Klambauer et al., 2017)."""
    if not training or p == 0:
        return input
    saturated = -1.7580993408473766
    scale = ((1 - p) * (1 + p * saturated**2)) ** -0.5 if p < 1 else 0.0
    kept = uniform(input.shape) >= p
    moved: Tensor = scale * (torch.where(kept, input, saturated) - p * saturated)
    return put_in_place(moved, input, inplace)


def bernoulli(uniform: Uniform, input: Tensor, p: float | None = None, *, generator: Any = None) -> Tensor:
    """[u < p], p a number or a tensor of the result's shape."""
    return (uniform(input.shape) < (input if p is None else p)).to(input.dtype)


def normals(uniform: Uniform, shape: Sequence[int]) -> Tensor:
    """Normal numbers from uniform ones: √2·erf⁻¹(2u − 1)."""
    numbers = uniform(shape).clamp(min=2.0**-25)
    return math.sqrt(2) * torch.erfinv(2 * numbers - 1)


def size_of_call(sizes: Sequence[Any]) -> tuple[int, ...]:
    """The shape that `torch.rand(2, 3)` or `torch.rand((2, 3))` asks for."""
    return tuple(sizes[0]) if len(sizes) == 1 and not isinstance(sizes[0], int) else tuple(sizes)


def rand(uniform: Uniform, *sizes: Any, size: Any = None, dtype: Any = None, **words: Any) -> Tensor:
    """Uniform numbers in [0, 1) in a shape: `torch.rand`."""
    numbers = uniform(size_of_call(sizes) if size is None else tuple(size))
    return numbers if dtype is None else numbers.to(dtype)


def randn(uniform: Uniform, *sizes: Any, size: Any = None, dtype: Any = None, **words: Any) -> Tensor:
    """Normal numbers in a shape: `torch.randn`."""
    numbers = normals(uniform, size_of_call(sizes) if size is None else tuple(size))
    return numbers if dtype is None else numbers.to(dtype)


def rand_like(uniform: Uniform, input: Tensor, **words: Any) -> Tensor:
    """Uniform numbers in [0, 1) in another tensor's shape: `torch.rand_like`."""
    return uniform(input.shape).to(words.get("dtype") or input.dtype)


def randn_like(uniform: Uniform, input: Tensor, **words: Any) -> Tensor:
    """Normal numbers in another tensor's shape: `torch.randn_like`."""
    return normals(uniform, input.shape).to(words.get("dtype") or input.dtype)


def normal(uniform: Uniform, mean: Any = 0.0, std: Any = 1.0, size: Any = None, **words: Any) -> Tensor:
    """mean + std·N(0, 1), in the shape that is given, else in that of the mean and the deviation: `torch.normal`."""
    given = [part.shape for part in (mean, std) if isinstance(part, Tensor)]
    shape = tuple(size) if size is not None else torch.broadcast_shapes(*given)  # type: ignore[no-untyped-call]
    numbers: Tensor = mean + std * normals(uniform, shape)
    return numbers


def gumbel_softmax(
    uniform: Uniform, logits: Tensor, tau: float = 1, hard: bool = False, eps: float = 1e-10, dim: int = -1
) -> Tensor:
    """softmax((logits − log(−log u)) / τ); hard: its one-hot maximum, with the soft one's gradient."""
    numbers = uniform(logits.shape).to(logits.dtype).clamp(min=2.0**-25)
    soft: Tensor = ((logits - (-numbers.log()).log()) / tau).softmax(dim)
    if not hard:
        return soft
    one_hot = torch.zeros_like(soft).scatter(dim, soft.argmax(dim, keepdim=True), 1.0)
    straight: Tensor = one_hot - soft.detach() + soft
    return straight


ANSWERS: dict[Any, Callable[..., Tensor]] = {
    functional.dropout: dropout,
    torch.dropout: raw_dropout,
    functional.dropout1d: channel_dropout(1),
    functional.dropout2d: channel_dropout(2),
    functional.dropout3d: channel_dropout(3),
    functional.alpha_dropout: alpha_dropout,
    functional.gumbel_softmax: gumbel_softmax,
    torch.bernoulli: bernoulli,
    Tensor.bernoulli: bernoulli,
    torch.rand: rand,
    torch.randn: randn,
    torch.rand_like: rand_like,
    torch.randn_like: randn_like,
    torch.normal: normal,
}
OFFERED = (
    "nn.Dropout and its kin, torch.bernoulli, torch.rand, torch.randn, torch.rand_like, torch.randn_like or "
    "torch.normal"
)
"""What a forward may draw by, in words."""


class Refusal:
    """A call that cannot be answered, and when it would draw at all."""

    def __init__(self, name: str, draws: Callable[..., bool] = lambda *args, **words: True) -> None:
        self.draws = draws
        self.text = (
            f"the model draws random numbers by {name}, which cannot be drawn from a cell's seed. Use {OFFERED}."
        )


def attention_draws(
    query: Any, key: Any, value: Any, attn_mask: Any = None, dropout_p: float = 0.0, *rest: Any, **words: Any
) -> bool:
    """Whether a call of attention draws random numbers: it does where it has a dropout."""
    return bool(dropout_p)


REFUSED: dict[Any, Refusal] = {
    functional.scaled_dot_product_attention: Refusal("scaled_dot_product_attention with dropout_p", attention_draws),
    **{
        getattr(Tensor, name): Refusal(f"Tensor.{name}, in place")
        for name in (
            "uniform_",
            "normal_",
            "bernoulli_",
            "exponential_",
            "random_",
            "cauchy_",
            "geometric_",
            "log_normal_",
        )
    },
    **{
        getattr(torch, name): Refusal(f"torch.{name}")
        for name in ("randint", "randint_like", "randperm", "multinomial", "poisson", "binomial")
    },
    functional.rrelu: Refusal("rrelu", lambda *args, **words: bool(words.get("training"))),
    functional.feature_alpha_dropout: Refusal("feature_alpha_dropout"),
}
