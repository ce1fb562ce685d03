"""The link of a recurrent layer, whose units are read by the layer itself and by its read-out."""

from __future__ import annotations

from torch import nn

from ticketbench.plugin.recurrent import Recurrent
from ticketbench.units.link import Link
from ticketbench.units.traced import traced, unhooked


def recurrent_link(module: nn.Module) -> Link | None:
    """The link of a `Recurrent` module, if its states go into one linear layer and it holds nothing that is unknown."""
    if not isinstance(module, Recurrent) or not is_known(module):
        return None
    consumer = read_out(module)
    if consumer is None:
        return None
    layer = dict(module.layer)
    states = tuple(name for name, _ in module.named_buffers(recurse=False))
    producer = layer.pop("input")
    loops = (layer.pop("hidden"), *layer.values())
    return Link(producer, f"{consumer}.weight", gates=len(module.gates), loops=loops, states=states)


def is_known(module: nn.Module) -> bool:
    """Whether a `Recurrent` module itself holds its layer's weights, one bias of them and carried states, or less."""
    assert isinstance(module, Recurrent)
    layer, units, rows = dict(module.layer), module.hidden, len(module.gates) * module.hidden
    parameters = dict(module.named_parameters(recurse=False, remove_duplicate=False))
    if "input" not in layer or "hidden" not in layer or any(name not in parameters for name in layer.values()):
        return False
    if len(layer) > 3 or len({*layer.values()}) < len(layer):
        return False
    expected: dict[str, tuple[int, ...]] = dict.fromkeys(layer.values(), (rows, units))
    expected |= {layer["input"]: (rows, *parameters[layer["input"]].shape[1:]), "bias": (rows,)}
    fits = all(tuple(part.shape) == expected.get(name) for name, part in parameters.items())
    return fits and all(tuple(part.shape[1:]) == (units,) for part in module.buffers(recurse=False))


def read_out(module: nn.Module) -> str | None:
    """The linear layer that `read` gives the states to, if nothing else gets them; None if that is not certain."""
    trace = traced(module, "read")
    if trace is None or not trace.unshared(module):
        return None
    state = next(node for node in trace.graph.nodes if node.op == "placeholder")
    readers = list(state.users)
    if len(readers) != 1 or readers[0].op != "call_module":
        return None
    name = str(readers[0].target)
    part = trace.parts[name]
    return name if type(part) is nn.Linear and unhooked(part) and trace.alone(name) else None
