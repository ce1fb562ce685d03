"""A network traced once with torch.fx, and which of its modules nothing else calls, reads or shares."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Any

from torch import Tensor, fx, nn

PREFIX = "network."


class OneInput(nn.Module):
    """A method of a network called with one input alone, so that keywords have their defaults while it is traced."""

    def __init__(self, network: nn.Module, method: str) -> None:
        super().__init__()
        self.network = network
        self.method = method

    def forward(self, inputs: Tensor) -> Any:
        """What the method of the network returns for this input."""
        return getattr(self.network, self.method)(inputs)


class Tracer(fx.Tracer):
    """Names the modules of the network inside as they are named there."""

    def path_of_module(self, mod: nn.Module) -> str:
        """A module's name within the network itself, without the prefix of what is wrapped around it."""
        return super().path_of_module(mod).removeprefix(PREFIX)


@dataclass(frozen=True)
class Traced:
    """The graph of a method of a network."""

    graph: fx.Graph
    parts: dict[str, nn.Module]
    """The network's modules by name."""
    once: frozenset[str]
    """The modules that are called once, and whose parameters are read by no one else."""
    names: Counter[int]
    """The identity of a parameter -> how many names it has."""

    def alone(self, name: str) -> bool:
        """Whether a module is called once, and nothing else reads or shares its parameters."""
        return name in self.once and self.unshared(self.parts[name])

    def unshared(self, part: nn.Module) -> bool:
        """Whether the parameters that a module itself holds have one name each."""
        return all(self.names[id(own)] == 1 for own in part.parameters(recurse=False))


def traced(module: nn.Module, method: str = "__call__") -> Traced | None:
    """A network as torch.fx follows it; None where it cannot: a method that looks at its data, say."""
    try:
        graph = Tracer().trace(OneInput(module, method))
    except Exception:
        return None
    calls = Counter(str(node.target) for node in graph.nodes if node.op == "call_module")
    read = {str(node.target).removeprefix(PREFIX).rpartition(".")[0] for node in graph.nodes if node.op == "get_attr"}
    once = frozenset(name for name, count in calls.items() if count == 1 and name not in read)
    names = Counter(id(part) for _, part in module.named_parameters(remove_duplicate=False))
    return Traced(graph, dict(module.named_modules()), once, names)


def unhooked(part: nn.Module) -> bool:
    """Whether a module has no hook that could change what it computes."""
    return not part._forward_hooks and not part._forward_pre_hooks
