"""Randomness inside models: what a forward draws while it trains belongs to the cell and the step.

Dropout, drop-connect and noise are written as everywhere in PyTorch (`nn.Dropout`, `torch.bernoulli`,
`torch.randn_like` and so on), which draw from one generator of the process: a result would depend on the fleet, the
worker, and what ran before. Here the forward runs under a mode that answers every such call from uniform numbers that
are an argument of the forward, as many as it needs, in the order of the calls. They are drawn from the cell's seed and
the step; a stacked forward gets every member's own.
"""

from __future__ import annotations

import copy
import math
import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import numpy
import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode

from ticketbench.errors import OptionError
from ticketbench.seeds import generator

Uniform = Callable[[Sequence[int]], Tensor]
"""Gives uniform numbers in [0, 1) of a shape."""


class Answers(TorchFunctionMode):
    """Answers every call for random numbers from `take`, and refuses those that it cannot answer."""

    def __init__(self, take: Callable[[tuple[int, ...]], Tensor]) -> None:
        super().__init__()
        self.take = take

    def __torch_function__(
        self, func: Any, types: Any, args: Sequence[Any] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        words = dict(kwargs or {})
        answer = ANSWERS.get(func)
        if answer is not None:
            return answer(self.uniform, *args, **words)
        refusal = REFUSED.get(func)
        if refusal is not None and refusal.draws(*args, **words):
            raise OptionError(refusal.text)
        return func(*args, **words)

    def uniform(self, shape: Sequence[int]) -> Tensor:
        """Numbers of a shape, as float32."""
        return self.take(tuple(int(size) for size in shape))


def answering(numbers: Tensor, stacked: bool = False) -> Answers:
    """A mode that reads one member's numbers in order; every member's, in a stacked forward."""
    at = [0]

    def take(shape: tuple[int, ...]) -> Tensor:
        own = shape[1:] if stacked else shape
        count = math.prod(own)
        start, at[0] = at[0], at[0] + count
        if stacked and (not shape or shape[0] != len(numbers)):
            raise OptionError(
                f"the model's own stacked forward draws numbers of shape {shape}; they need the {len(numbers)} members "
                "as their first axis, each member's drawn as in the single forward"
            )
        if at[0] > numbers.shape[-1]:
            raise OptionError(
                "the model's forward draws more numbers than it did when it was looked at: how many must follow from "
                "the shapes and keywords alone"
            )
        return numbers[..., start : at[0]].reshape(shape)

    return Answers(take)


def numbers_of(module: nn.Module, example: Tensor, call: Mapping[str, Any], training: bool = True) -> int:
    """How many random numbers a network's forward draws on a batch like the example; nothing is computed.

    What draws in a way that cannot be answered is an `OptionError`, and so is a network that draws while it is judged.
    """
    total = [0]

    def take(shape: tuple[int, ...]) -> Tensor:
        total[0] += math.prod(shape)
        return torch.zeros(shape, device="meta")

    shadow = copy.deepcopy(module).to("meta").train(training)
    words = {name: value.to("meta") if isinstance(value, Tensor) else value for name, value in call.items()}
    before = foreign_states()
    with torch.no_grad(), Refusing(), Answers(take):
        shadow(shadow_of(example, shadow), **words)
    if before != foreign_states():
        raise OptionError(
            "the model's forward draws from Python's or NumPy's own random numbers, which belong to no cell. "
            f"Use {OFFERED}."
        )
    if total[0] and not training:
        raise OptionError(
            "the model's forward draws random numbers in evaluation mode, too: it has no one result. Draw them where "
            "`self.training` is true"
        )
    return total[0]


def shadow_of(example: Tensor, module: nn.Module) -> Tensor:
    """A batch of the example's shape, in the precision of the module: who looks may compute in another one."""
    precision = next((part.dtype for part in module.parameters() if part.is_floating_point()), example.dtype)
    return torch.empty_like(example, device="meta", dtype=precision if example.is_floating_point() else None)


def foreign_states() -> tuple[object, ...]:
    """Where Python's and NumPy's own random numbers stand."""
    numbers = numpy.random.get_state(legacy=False)["state"]
    return random.getstate(), numbers["key"].tobytes(), numbers["pos"]


class Refusing(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Refuses whatever still draws from PyTorch's own generators."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]

    def __torch_dispatch__(  # type: ignore[no-untyped-def]
        self, func, types, args=(), kwargs=None
    ) -> Any:
        words = kwargs or {}
        if torch.Tag.nondeterministic_seeded in func.tags and not quiet(words):
            raise OptionError(
                f"its forward draws random numbers by {func._schema.name}, which cannot be drawn from a cell's seed. "
                f"Use {OFFERED}."
            )
        return func(*args, **words)


def quiet(words: Mapping[str, Any]) -> bool:
    """Whether an attention kernel was asked for no dropout, which draws nothing."""
    return "dropout_p" in words and not words["dropout_p"]


@contextmanager
def unmoved(owner: str) -> Iterator[None]:
    """PyTorch's own generator is where it was afterwards, or a plugin has drawn from it: no result comes out twice."""
    before = torch.get_rng_state()
    yield
    if not torch.equal(before, torch.get_rng_state()):
        torch.set_rng_state(before)
        raise OptionError(
            f"{owner} drew random numbers from PyTorch's own generator while a fleet was trained: the result would "
            "depend on the fleet and on what ran before. In a model's forward use the operations that "
            f"`ticketbench plugin check` accepts ({OFFERED}); elsewhere the generators that are handed over."
        )


def step_numbers(count: int, seeds: Sequence[int], step: int, device: torch.device) -> Tensor:
    """Each member's uniform numbers for a training step, (fleet, count)."""
    each = [torch.rand(count, generator=generator(seed, "model", step)) for seed in seeds]
    return torch.stack(each).to(device)


# -- how calls are answered ------------------------------------------------------------------------------------


def dropout(uniform: Uniform, input: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False) -> Tensor:
    """x·[u ≥ p] / (1 − p)."""
    if not training or p == 0:
        return input
    return scaled(input, uniform(input.shape) >= p, p)


def raw_dropout(uniform: Uniform, input: Tensor, p: float, train: bool) -> Tensor:
    """`torch.dropout`, whose arguments go by other names."""
    return dropout(uniform, input, p, train)


def channel_dropout(spatial: int) -> Callable[..., Tensor]:
    """Whole channels are dropped, where an example has `spatial` axes behind them."""

    def drop(uniform: Uniform, input: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False) -> Tensor:
        if not training or p == 0:
            return input
        shape = (*input.shape[: input.ndim - spatial], *[1] * spatial)
        return scaled(input, uniform(shape) >= p, p)

    return drop


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
    return moved


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
    """u."""
    numbers = uniform(size_of_call(sizes) if size is None else tuple(size))
    return numbers if dtype is None else numbers.to(dtype)


def randn(uniform: Uniform, *sizes: Any, size: Any = None, dtype: Any = None, **words: Any) -> Tensor:
    """Normal numbers."""
    numbers = normals(uniform, size_of_call(sizes) if size is None else tuple(size))
    return numbers if dtype is None else numbers.to(dtype)


def rand_like(uniform: Uniform, input: Tensor, **words: Any) -> Tensor:
    """u in a tensor's shape."""
    return uniform(input.shape).to(words.get("dtype") or input.dtype)


def randn_like(uniform: Uniform, input: Tensor, **words: Any) -> Tensor:
    """Normal numbers in a tensor's shape."""
    return normals(uniform, input.shape).to(words.get("dtype") or input.dtype)


def normal(uniform: Uniform, mean: Any = 0.0, std: Any = 1.0, size: Any = None, **words: Any) -> Tensor:
    """mean + std·N(0, 1)."""
    shape = tuple(size) if size is not None else (mean if isinstance(mean, Tensor) else std).shape
    numbers: Tensor = mean + std * normals(uniform, shape)
    return numbers


def gumbel_softmax(uniform: Uniform, logits: Tensor, tau: float = 1, hard: bool = False, eps: float = 1e-10,
                   dim: int = -1) -> Tensor:  # fmt: skip
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


def attention_draws(query: Any, key: Any, value: Any, attn_mask: Any = None, dropout_p: float = 0.0,
                    *rest: Any, **words: Any) -> bool:  # fmt: skip
    """Attention draws where it drops."""
    return bool(dropout_p)


REFUSED: dict[Any, Refusal] = {
    functional.scaled_dot_product_attention: Refusal(
        "scaled_dot_product_attention with dropout_p", attention_draws
    ),
    **{
        getattr(Tensor, name): Refusal(f"Tensor.{name}, in place")
        for name in ("uniform_", "normal_", "bernoulli_", "exponential_", "random_", "cauchy_", "geometric_",
                     "log_normal_")
    },
    **{
        getattr(torch, name): Refusal(f"torch.{name}")
        for name in ("randint", "randint_like", "randperm", "multinomial", "poisson", "binomial")
    },
    functional.rrelu: Refusal("rrelu", lambda *args, **words: bool(words.get("training"))),
    functional.feature_alpha_dropout: Refusal("feature_alpha_dropout"),
}  # fmt: skip
