"""Which layer reads which layer's units, and nothing else does: the links along which units can be removed.

A network is traced once with torch.fx; a recurrent layer is known by the members of its module. Only what is certain
becomes a link: a layer whose units feed a sum, two readers, a grouped convolution or an operation that is not listed
here is not part of one, and is never shrunk.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import fx, nn
from torch.nn import functional

from ticketbench.units.link import Link, Passage
from ticketbench.units.recurrent_link import recurrent_link
from ticketbench.units.traced import traced, unhooked

CONVOLUTIONS: dict[type[nn.Module], int] = {nn.Conv1d: 1, nn.Conv2d: 2, nn.Conv3d: 3}
"""Class -> spatial dimensions. Subclasses do not count: their forward may be another."""
NORMS: dict[type[nn.Module], int] = {nn.BatchNorm1d: 1, nn.BatchNorm2d: 2, nn.BatchNorm3d: 3}
POINTWISE = (
    nn.ReLU,
    nn.ReLU6,
    nn.LeakyReLU,
    nn.ELU,
    nn.SELU,
    nn.CELU,
    nn.GELU,
    nn.SiLU,
    nn.Mish,
    nn.Tanh,
    nn.Sigmoid,
    nn.Softplus,
    nn.Softsign,
    nn.LogSigmoid,
    nn.Hardtanh,
    nn.Hardswish,
    nn.Hardsigmoid,
    nn.Identity,
)
DROPOUTS = (nn.Dropout, nn.Dropout1d, nn.Dropout2d, nn.Dropout3d, nn.AlphaDropout)
POINTWISE_FUNCTIONS = (
    functional.relu,
    functional.relu6,
    functional.leaky_relu,
    functional.elu,
    functional.selu,
    functional.celu,
    functional.gelu,
    functional.silu,
    functional.mish,
    functional.tanh,
    functional.sigmoid,
    functional.softplus,
    functional.softsign,
    functional.logsigmoid,
    functional.hardtanh,
    functional.hardswish,
    functional.hardsigmoid,
    torch.relu,
    torch.tanh,
    torch.sigmoid,
)
POINTWISE_METHODS = ("relu", "tanh", "sigmoid")
DROPOUT_FUNCTIONS = (functional.dropout, functional.dropout1d, functional.dropout2d, functional.alpha_dropout)
POOLS: dict[Any, int] = {
    getattr(home, name.format(size)): size
    for size in (1, 2, 3)
    for home, name in (
        (nn, "MaxPool{}d"),
        (nn, "AvgPool{}d"),
        (nn, "AdaptiveMaxPool{}d"),
        (nn, "AdaptiveAvgPool{}d"),
        (functional, "max_pool{}d"),
        (functional, "avg_pool{}d"),
        (functional, "adaptive_max_pool{}d"),
        (functional, "adaptive_avg_pool{}d"),
        (torch, "max_pool{}d"),
    )
}
"""Class or function -> spatial dimensions."""


def unit_chain(module: nn.Module) -> tuple[Link, ...]:
    """The links of a network, in the order of its forward; none where torch.fx cannot follow the forward.

    Inputs have a batch axis first. Features of a linear layer are (batch, features) if a batch norm reads them.
    The layer of a `Recurrent` module comes first; its forward need not be followed, but its read-out.

    >>> network = nn.Sequential(nn.Linear(4, 3), nn.ReLU(), nn.Linear(3, 2))
    >>> [(link.producer, link.consumer) for link in unit_chain(network)]
    [('0.weight', '2.weight')]
    """
    recurrent, trace = recurrent_link(module), traced(module)
    nodes = trace.graph.nodes if trace is not None else ()
    found = (link_from(node, trace.parts, trace.alone) for node in nodes if trace and node.op == "call_module")
    return tuple(link for link in (recurrent, *found) if link is not None)


def link_from(start: fx.Node, parts: dict[str, nn.Module], alone: Callable[[str], bool]) -> Link | None:
    """The link that begins at a layer, if every operation up to the next layer keeps units apart."""
    name = str(start.target)
    if name not in parts or not is_layer(parts[name]) or not alone(name):
        return None
    layer: Any = parts[name]
    units, size = len(layer.weight), CONVOLUTIONS.get(type(layer), 0)
    flat, node = False, start
    steps: list[Passage] = []
    while True:
        readers = [user for user in node.users if not reads_batch_size(user)]
        if len(readers) != 1 or not node.users or fed_by(readers[0]) is not node:
            return None
        node = readers[0]
        target = parts[str(node.target)] if node.op == "call_module" else None
        if target is not None and is_layer(target):
            consumer = str(node.target)
            positions = positions_of(target, units, size, flat) if alone(consumer) else 0
            return Link(f"{name}.weight", f"{consumer}.weight", positions, tuple(steps)) if positions else None
        step = step_of(node, target, units, 0 if flat else size, alone)
        if step is None:
            return None
        flat = flat or step.kind == "flatten"
        steps.append(step)


def is_layer(part: Any) -> bool:
    """A linear layer or a convolution without groups, and without a hook that could change what it computes."""
    plain = type(part) is nn.Linear or (type(part) in CONVOLUTIONS and part.groups == 1)
    return plain and unhooked(part)


def positions_of(consumer: Any, units: int, size: int, flat: bool) -> int:
    """How many inputs of a consumer a unit occupies; 0 where its inputs are not the producer's units."""
    inputs = int(consumer.weight.shape[1])
    if type(consumer) in CONVOLUTIONS:
        return int(CONVOLUTIONS[type(consumer)] == size and not flat and inputs == units)
    if size and flat:
        return inputs // units if inputs % units == 0 else 0
    return int(size == 0 and inputs == units)


def step_of(node: fx.Node, part: Any, units: int, size: int, alone: Callable[[str], bool]) -> Passage | None:
    """What a node does to units whose maps have `size` dimensions, or None where they would not stay apart."""
    name = str(node.target) if part is not None else ""
    what: Any = type(part) if part is not None else node.target
    if any(isinstance(value, fx.Node) for value in others(node)) and not flattens(node):
        return None
    if what in DROPOUTS or what in DROPOUT_FUNCTIONS:
        return Passage("dropout", name)
    if what in POOLS:
        return Passage("pool", name, uniform=stays_uniform(node, part)) if POOLS[what] == size else None
    if what in NORMS:
        fits = NORMS[what] == (size or 1) and part is not None and part.num_features == units and alone(name)
        return Passage("norm", name) if fits else None
    if flattens(node) or (isinstance(part, nn.Flatten) and (part.start_dim, part.end_dim) == (1, -1)):
        return Passage("flatten", name)
    if what in POINTWISE and part is not None:
        return Passage("pointwise", name, apply=part)
    if (node.op == "call_function" and what in POINTWISE_FUNCTIONS) or (
        node.op == "call_method" and what in POINTWISE_METHODS
    ):
        function = getattr(torch, what) if isinstance(what, str) else what
        return Passage("pointwise", apply=lambda values: function(values, *node.args[1:], **rest(node)))
    return None


def stays_uniform(node: fx.Node, part: Any) -> bool:
    """Whether pooling a constant map gives that constant: all do but averages that count what is not there."""
    if part is not None:
        averages = isinstance(part, (nn.AvgPool1d, nn.AvgPool2d, nn.AvgPool3d))
        if not averages:
            return True
        padded = any(part.padding if isinstance(part.padding, tuple) else (part.padding,))
        return not padded and not part.ceil_mode and getattr(part, "divisor_override", None) is None
    averaging = (functional.avg_pool1d, functional.avg_pool2d, functional.avg_pool3d, torch.avg_pool1d)
    return node.target not in averaging or (len(node.args) <= 3 and set(rest(node)) <= {"kernel_size", "stride"})


def flattens(node: fx.Node) -> bool:
    """Whether everything but the batch goes into one axis: flatten(x, 1), x.flatten(1), x.view(len(x), -1)."""
    if node.target in (torch.flatten, "flatten"):
        given = dict(zip(("start_dim", "end_dim"), node.args[1:], strict=False)) | rest(node)
        return (given.get("start_dim", 0), given.get("end_dim", -1)) == (1, -1)
    if node.op == "call_method" and node.target in ("view", "reshape"):
        shape = node.args[1:]
        return len(shape) == 2 and isinstance(shape[0], fx.Node) and is_batch_size(shape[0]) and shape[1:] == (-1,)
    return False


def is_batch_size(node: fx.Node) -> bool:
    """Whether an operation asks for the length of the batch: x.size(0) or x.shape[0]."""
    if node.op == "call_method" and node.target == "size":
        return node.args[1:] == (0,) or node.kwargs == {"dim": 0}
    shape = node.args[0] if node.args else None
    return node.target is operator.getitem and node.args[1:] == (0,) and isinstance(shape, fx.Node) and is_shape(shape)


def is_shape(node: fx.Node) -> bool:
    """Whether an operation asks for the whole shape of a tensor: x.shape."""
    return node.target is getattr and node.args[1:] == ("shape",)


def reads_batch_size(node: fx.Node) -> bool:
    """Whether a reader of units takes no more than the length of the batch from them."""
    return is_batch_size(node) or (is_shape(node) and all(is_batch_size(user) for user in node.users))


def fed_by(node: fx.Node) -> Any:
    """The first input of an operation, by position or as the keyword `input`; None where it has none."""
    return node.args[0] if node.args else node.kwargs.get("input")


def others(node: fx.Node) -> Iterator[Any]:
    """All inputs of an operation but the first."""
    yield from node.args[1:]
    yield from rest(node).values()


def rest(node: fx.Node) -> dict[str, Any]:
    """The keywords of an operation without its first input."""
    return {name: value for name, value in node.kwargs.items() if name != "input"}
