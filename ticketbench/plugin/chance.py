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
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode

from ticketbench.errors import OptionError
from ticketbench.plugin.answers import ANSWERS, OFFERED, REFUSED
from ticketbench.seeds import generator


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
        """The next uniform numbers, as float32, in a shape."""
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


def step_numbers(count: int, seeds: Sequence[int], steps: Sequence[int], device: torch.device) -> Tensor:
    """Each member's uniform numbers for the training step that it is at, (fleet, count)."""
    each = zip(seeds, steps, strict=True)
    drawn = [torch.rand(count, generator=generator(seed, "model", step)) for seed, step in each]
    return torch.stack(drawn).to(device)
