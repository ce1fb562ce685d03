"""Counting: parameters and FLOPs, with shared weights counted once in size and every time in FLOPs.

One forward pass on the meta device (no memory, no arithmetic) is watched operation by operation. Each
product is charged to the weight it reads, so that the FLOPs of a ticket are each weight's FLOPs times the
density of its mask; products of activations are never discounted.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import flop_registry

from ticketbench.errors import OptionError
from ticketbench.plugin.chance import numbers_of
from ticketbench.plugin.contracts import Model, Shapes

BACKWARD = 3.0
"""A training step costs about three forward passes."""


@dataclass
class Work:
    """What one forward pass of one example costs."""

    by_weight: dict[str, float] = field(default_factory=dict)
    other: float = 0.0
    operations: int = 0
    activations: float = 0.0
    """Bytes of all results, an upper bound of what a backward pass keeps."""

    def flops(self, densities: Mapping[str, float] | None = None) -> float:
        """FLOPs of one example when each weight has the given density (default: dense)."""
        known = densities or {}
        return self.other + sum(cost * known.get(name, 1.0) for name, cost in self.by_weight.items())


@dataclass(frozen=True)
class Size:
    """How large a model is: all its parameters, and the shapes of the weights that may be pruned."""

    parameters: int
    prunable: dict[str, tuple[int, ...]]

    @property
    def prunable_total(self) -> int:
        """How many weights may be pruned, over all layers."""
        return sum(math.prod(shape) for shape in self.prunable.values())


class Watch(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Charges every product to the weight whose memory it reads."""

    def __init__(self, owners: Mapping[Any, str]) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.owners = owners
        self.work = Work()

    def __torch_dispatch__(  # type: ignore[no-untyped-def]
        self, func, types, args=(), kwargs=None
    ) -> Any:
        result = func(*args, **(kwargs or {}))
        results = result if isinstance(result, (tuple, list)) else [result]
        fresh = [part for part in results if isinstance(part, Tensor)]
        if not func.is_view:
            self.work.operations += 1
            self.work.activations += sum(part.numel() * part.element_size() for part in fresh)
        packet = func._overloadpacket
        if packet in flop_registry:
            flops = float(flop_registry[packet](*args, **(kwargs or {}), out_val=result))
            names = {self.owners.get(storage(arg)) for arg in args if isinstance(arg, Tensor)} - {None}
            if names:
                for name in names:
                    assert name is not None
                    self.work.by_weight[name] = self.work.by_weight.get(name, 0.0) + flops / len(names)
            else:
                self.work.other += flops
        return result


def storage(tensor: Tensor) -> int:
    """The identity of the memory behind a tensor, the same for all views of a weight."""
    return int(tensor.untyped_storage()._cdata)


def model_size(model: Model, shapes: Shapes) -> Size:
    """Parameters and prunable shapes, without allocating the weights."""
    with torch.device("meta"):
        module = model.build(shapes)
    return module_size(model, module)


def module_size(model: Model, module: nn.Module) -> Size:
    """Parameters (each shared one once) and prunable shapes of a built module."""
    parameters = dict(module.named_parameters())
    prunable = {name: tuple(parameters[name].shape) for name in model.prunable(module)}
    return Size(sum(weight.numel() for weight in parameters.values()), prunable)


def work_of(model: Model, shapes: Shapes, call: Mapping[str, Any], inputs: Sequence[int] = ()) -> Work:
    """What one forward pass costs per example, under the forward's keywords `call`."""
    with torch.device("meta"):
        module = model.build(shapes)
    return module_work(module, inputs or shapes.inputs, call)


def check_chance(model: Model, shapes: Shapes, call: Mapping[str, Any], swept: Mapping[str, Any]) -> None:
    """What the model draws at random in training can be drawn from a cell's seed, and in judging it draws nothing.

    `call` are the forward's keywords at a training step, `swept` those of judging. If not, an `OptionError` says why.
    """
    with torch.device("meta"):
        module = model.build(shapes)
    example = torch.zeros((2, *shapes.inputs), device="meta")
    try:
        if numbers_of(module, example, call, training=True):
            numbers_of(module, example, swept, training=False)
    except OptionError as error:
        raise OptionError(f"model '{model.name}': {error}") from None


def module_work(module: nn.Module, inputs: Sequence[int], call: Mapping[str, Any]) -> Work:
    """The floating-point operations of a built module's forward on inputs of a shape, by weight.

    They are those of its forward in float32, whatever precision its weights have.
    """
    module = copy.deepcopy(module).to("meta").float().eval()
    example = torch.zeros((1, *inputs), device="meta")
    owners = {storage(weight): name for name, weight in module.named_parameters() if weight.ndim >= 2}
    watch = Watch(owners)
    with torch.no_grad(), watch:
        module(example, **call)
    return watch.work
