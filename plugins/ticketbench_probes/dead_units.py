"""Units that a ticket has cut off, and units that never fire."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, fx, nn

from ticketbench import Probe, option

if TYPE_CHECKING:
    from ticketbench import Trial

Layer = nn.Linear | nn.Conv1d | nn.Conv2d | nn.Conv3d


@dataclass(frozen=True)
class DeadUnits(Probe):
    """How many units of a layer are dead, by layer ("no_incoming 1.weight") and in all ("no_incoming").

    no_incoming: no weight of the unit is left. no_outgoing: the unit is read by one layer only, which has no weight
    left for it; a flattened channel is read at each of its places. Both are judged from masks alone, for the
    linear and convolutional layers whose weights may be pruned. Where a unit has more readers than one (a shortcut,
    a loop, a concatenation), or where its path cannot be traced, that layer has no number of no_outgoing.
    silent: the output of a `nn.ReLU` module is zero for every example (and at every place of a channel), in
    evaluation mode; by the module's name. A ReLU that is no module of its own is not seen; one that is called after
    layers of different widths counts the units of each width.
    """

    name = "dead_units"
    summary = "units without incoming weights, without outgoing weights, and units that never fire"
    reference = "Lu et al. 2020 (arXiv 1903.06733), for ReLU units that never fire"
    moments = ("drawn", "trained", "reported")

    examples: int = option(1000, "training examples a unit may fire on; 0 for the whole training split", at_least=0)

    def measure(self, trial: Trial) -> Mapping[str, float]:
        """The three counts, by layer and in all."""
        module, mask = trial.module, trial.mask
        layers = {name: part for name, part in module.named_modules() if isinstance(part, Layer)}
        found: dict[str, dict[str, int]] = {"no_incoming": {}, "no_outgoing": {}}
        for name in layers:
            if (weight := f"{name}.weight") in mask:
                found["no_incoming"][weight] = int((~mask[weight].flatten(1).any(1)).sum())
        for name, reader in only_readers(module, layers).items():
            weight, units = f"{name}.weight", layers[name].weight.shape[0]
            if weight in mask and f"{reader}.weight" in mask:
                found["no_outgoing"][weight] = unread(mask[f"{reader}.weight"], units)
        found["silent"] = silent(module, trial, self.examples)
        totals = {kind: float(sum(counts.values())) for kind, counts in found.items() if counts}
        return totals | {f"{kind} {name}": float(n) for kind, counts in found.items() for name, n in counts.items()}


def unread(reader: Tensor, units: int) -> int:
    """How many of the units before a layer its mask (outputs, inputs, *kernel) reads nowhere."""
    by_unit = reader.transpose(0, 1).reshape(units, -1)  # inputs that are a flattened channel lie side by side
    return int((~by_unit.any(1)).sum())


def only_readers(module: nn.Module, layers: Mapping[str, Layer]) -> dict[str, str]:
    """Layer -> the layer that reads its units, where there is one and no other, and both run once a forward."""
    try:
        nodes = list(fx.symbolic_trace(module).graph.nodes)
    except Exception:  # a forward that cannot be traced may raise anything
        return {}
    calls = Counter(node.target for node in nodes if node.op == "call_module")
    found = {}
    for node in nodes:
        if node.op == "call_module" and node.target in layers and calls[node.target] == 1:
            reader = follow(node, module, layers)
            if reader and calls[reader] == 1 and fits(layers[node.target], layers[reader]):
                found[node.target] = reader
    return found


def follow(node: fx.Node, module: nn.Module, layers: Mapping[str, Layer]) -> str | None:
    """The first layer downstream, along results that are used once, come from nowhere else and mix no units."""
    while len(node.users) == 1:
        node = next(iter(node.users))
        if len(node.all_input_nodes) != 1:
            return None
        if node.op == "call_module" and node.target in layers:
            return str(node.target)
        if node.op == "call_module" and any(
            weight.ndim >= 2 for weight in module.get_submodule(str(node.target)).parameters()
        ):
            return None
    return None


def fits(layer: Layer, reader: Layer) -> bool:
    """Whether a reader's inputs are the layer's units, or channels flattened, and each unit is read by all."""
    units, inputs = layer.weight.shape[0], reader.weight.shape[1]
    if isinstance(reader, nn.Linear):
        return inputs % units == 0
    return inputs == units and reader.groups == 1


def silent(module: nn.Module, trial: Trial, examples: int) -> dict[str, int]:
    """ReLU module -> how many of its units are zero for every example."""
    fired: dict[str, dict[int, Tensor]] = {}

    def watch(name: str) -> Any:
        """A hook that notes, for each width, which units have fired."""
        of_width = fired.setdefault(name, {})

        def note(_module: nn.Module, _inputs: Any, output: Tensor) -> None:
            fires = (output > 0).transpose(0, 1).flatten(1).any(1)
            of_width[len(fires)] = of_width[len(fires)] | fires if len(fires) in of_width else fires

        return note

    for name, part in module.named_modules():
        if isinstance(part, nn.ReLU):
            part.register_forward_hook(watch(name))
    module.eval()
    with torch.no_grad():
        for batch in trial.batches(1 if examples else 0, examples or None):
            module(batch.inputs)
    return {
        name: sum(int((~fires).sum()) for fires in by_width.values()) for name, by_width in fired.items() if by_width
    }
