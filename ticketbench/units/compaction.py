"""Unit removal: a smaller network that computes the same, because what is left out took no part.

Exact, not approximate: compaction never changes what a ticket is, only what it costs.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from ticketbench.masks.ticket import Mask
from ticketbench.units.chain import unit_chain
from ticketbench.units.link import Link

Cuts = tuple[tuple[str, int, Tensor, int], ...]
"""(parameter or buffer, axis, what stayed along it, how long it was), in any order."""


@dataclass(frozen=True)
class Compacted:
    """A network without its dead units, and what it takes to find the original shapes again."""

    module: nn.Module
    """A copy with smaller layers, zero outside the mask; its forward is the original one."""
    mask: Mask
    """The masks of its weights."""
    kept: dict[str, Tensor]
    """Weight -> the units (rows) that stayed, ascending, for every layer that may be shrunk."""
    cuts: Cuts = ()
    """What was taken out of which tensor; `expanded` puts it back as zeros."""


def compact(
    module: nn.Module, mask: Mapping[str, Tensor], *, fold: bool = True, least: Mapping[str, int] | None = None
) -> Compacted:
    """Remove the units that take no part, along the links of `unit_chain`, until none is left.

    (a) A unit without an outgoing weight goes, with its incoming ones. This is exact in training too: no
    gradient reaches it. (b) With `fold`, a unit without an incoming weight is a constant c, a function of its
    bias: b ← b + Σ W·c in its consumer, and it goes as well. That is exact in evaluation mode, and only done
    where it is: into a bias, and not past an average over padding or into a convolution that pads with zeros,
    unless c = 0. A layer that would become empty keeps its first unit, without a weight in or out.
    A recurrent layer's unit goes if neither the read-out nor a unit that stays reads it. A read-out without a mask
    does not read a unit whose columns and biases are zero, and whose incoming weights are masked: that it stays
    silent is exact in training too. A constant unit stays, as its state may change with time.

    What the mask has no entry for is kept; kept weights that happen to be zero are weights like others.
    Inputs and outputs of the network keep their size. `least` names layers (by weight) that keep at least so many
    units, dead ones if need be.

    >>> network = nn.Sequential(nn.Linear(4, 3), nn.ReLU(), nn.Linear(3, 2))
    >>> unread = torch.tensor([[True, False, True], [True, False, True]])  # the second unit
    >>> small = compact(network, {"2.weight": unread})
    >>> small.kept["0.weight"].tolist(), tuple(small.module[0].weight.shape)
    ([0, 2], (2, 4))
    """
    links = unit_chain(module)
    smaller = copy.deepcopy(module)
    weights = dict(smaller.named_parameters())
    masks = {name: part.clone() for name, part in mask.items()}
    with torch.no_grad():
        for name, part in masks.items():
            weights[name].masked_fill_(~part, 0)
        for link in links if fold else ():
            if not link.loops:
                fold_constants(smaller, link, masks)
        kept = {
            link.producer: kept_units(smaller, link, masks, (least or {}).get(link.producer, 1))
            for link in reversed(links)
        }
        cuts = [cut for link in links for cut in shrink_layer(smaller, link, masks, kept[link.producer])]
    return Compacted(smaller, masks, {link.producer: kept[link.producer] for link in links}, tuple(cuts))


def expanded(state: Mapping[str, Tensor], cuts: Cuts) -> dict[str, Tensor]:
    """Tensors of a smaller network in their original shapes, zero where units were."""
    found = dict(state)
    for name, axis, index, length in cuts:
        if name in found:
            small = found[name]
            shape = [*small.shape[:axis], length, *small.shape[axis + 1 :]]
            found[name] = small.new_zeros(shape).index_copy(axis, index.to(small.device), small)
    return found


def fold_constants(module: nn.Module, link: Link, masks: Mask) -> None:
    """Move the constant units of a layer into its consumer's bias, and cut their outgoing weights."""
    consumer = layer_of(module, link.consumer)
    value, exact = constants(module, link)
    if consumer.bias is None or pads_with_zeros(consumer):
        exact &= value == 0
    constant = exact & ~mask_of(module, link.producer, masks).flatten(1).any(dim=1)
    if consumer.bias is not None:
        by_unit = consumer.weight.double().reshape(len(consumer.weight), len(constant), -1).sum(dim=2)
        shift = (by_unit * value.where(constant, 0)).sum(dim=1)
        consumer.bias.copy_(consumer.bias.double() + shift)
        bias = beside(link.consumer, "bias")
        if bias in masks:
            masks[bias] |= shift != 0
    cut(module, link.consumer, masks, (slice(None), constant.repeat_interleave(link.positions)))


def constants(module: nn.Module, link: Link) -> tuple[Tensor, Tensor]:
    """What a consumer sees of units that no input reaches, in float64, and for which of them that is exact."""
    producer = layer_of(module, link.producer)
    value = torch.zeros(len(producer.weight), dtype=torch.float64, device=producer.weight.device)
    if producer.bias is not None:
        value += producer.bias
    exact = torch.ones_like(value, dtype=torch.bool)
    for step in link.between:
        if step.kind == "pointwise":
            value = step.apply(value.clone())
        elif step.kind == "norm":
            norm: Any = module.get_submodule(step.module)
            if norm.running_mean is None:
                return value, torch.zeros_like(exact)
            value = (value - norm.running_mean) / (norm.running_var.double() + norm.eps).sqrt()
            value = value * norm.weight + norm.bias if norm.affine else value
        elif not step.uniform:
            exact &= value == 0
    return value, exact & value.isfinite()


def kept_units(module: nn.Module, link: Link, masks: Mask, least: int) -> Tensor:
    """The units of a layer that something reads, or more to make `least`; the incoming weights of others are cut."""
    read = read_units(module, link, masks)
    for maker in link.makers:
        cut(module, maker, masks, (link.to_rows(~read),))
    first_dead = (~read).nonzero().squeeze(1)[: max(0, least - int(read.sum()))]
    return torch.cat([read.nonzero().squeeze(1), first_dead]).sort().values


def read_units(module: nn.Module, link: Link, masks: Mask) -> Tensor:
    """Which units the consumer reads, or a unit that is read itself."""
    units = link.units(len(module.get_parameter(link.producer)))
    read = mask_of(module, link.consumer, masks).any(dim=0).reshape(units, -1).any(dim=1)
    if link.loops and link.consumer not in masks:
        read = module.get_parameter(link.consumer).any(dim=0) | speaking_units(module, link, masks)
    loops = [mask_of(module, loop, masks).reshape(link.gates, units, units).any(dim=0) for loop in link.loops]
    while loops:
        more = torch.stack([read, *(by_units[read].any(dim=0) for by_units in loops)]).any(dim=0)
        if more.equal(read):
            break
        read = more
    return read


def speaking_units(module: nn.Module, link: Link, masks: Mask) -> Tensor:
    """The units of a recurrent layer with an incoming weight or a bias; the others' states are zero."""
    rows = [mask_of(module, maker, masks).any(dim=1) for maker in link.makers]
    bias = getattr(layer_of(module, link.producer), "bias", None)
    if bias is not None:
        rows.append(bias != 0)
    return link.by_unit(torch.stack(rows).any(dim=0)).any(dim=0)


def cut(module: nn.Module, name: str, masks: Mask, where: tuple[slice | Tensor, ...]) -> None:
    """Set weights to zero, in the mask as well."""
    module.get_parameter(name)[where] = 0
    if name in masks:
        masks[name][where] = False


def shrink_layer(module: nn.Module, link: Link, masks: Mask, kept: Tensor) -> Iterator[tuple[str, int, Tensor, int]]:
    """Take the kept units alone: rows of their makers, entries of their norms and states, columns of their readers."""
    units = link.units(len(module.get_parameter(link.producer)))
    stays = torch.zeros(units, dtype=torch.bool, device=kept.device).index_fill(0, kept, True)
    rows = [*link.makers, beside(link.producer, "bias")]
    for norm in link.norms:
        rows += [f"{norm}.{part}" for part in ("weight", "bias", "running_mean", "running_var")]
        module.get_submodule(norm).num_features = len(kept)  # type: ignore[assignment]
    taken = [(row, 0, link.to_rows(stays)) for row in rows] + [(state, 1, stays) for state in link.states]
    taken += [(reader, 1, stays.repeat_interleave(positions)) for reader, positions in link.readers.items()]
    for name, axis, part in taken:
        index = part.nonzero().squeeze(1)
        length = keep(module, name, masks, axis, index)
        if length is not None:
            yield name, axis, index, length
    producer, consumer = layer_of(module, link.producer), layer_of(module, link.consumer)
    if link.loops:
        producer.hidden = len(kept)
    else:
        setattr(producer, "out_features" if isinstance(producer, nn.Linear) else "out_channels", len(kept))
    columns = len(kept) * link.positions
    setattr(consumer, "in_features" if isinstance(consumer, nn.Linear) else "in_channels", columns)


def keep(module: nn.Module, name: str, masks: Mask, axis: int, index: Tensor) -> int | None:
    """Select along an axis of a parameter or buffer, if there is one of this name, and of its mask; its old length."""
    owner, _, attribute = name.rpartition(".")
    part = getattr(module.get_submodule(owner), attribute, None)
    if part is None:
        return None
    chosen = part.detach().index_select(axis, index)
    chosen = nn.Parameter(chosen, part.requires_grad) if isinstance(part, nn.Parameter) else chosen
    setattr(module.get_submodule(owner), attribute, chosen)
    if name in masks:
        masks[name] = masks[name].index_select(axis, index)
    return int(part.shape[axis])


def pads_with_zeros(layer: nn.Module) -> bool:
    """Whether a convolution sees zeros beyond the border, where a constant map ends."""
    padding = getattr(layer, "padding", 0)
    return (
        getattr(layer, "padding_mode", "zeros") == "zeros"
        and padding != "valid"
        and (isinstance(padding, str) or any(padding if isinstance(padding, tuple) else (padding,)))
    )


def mask_of(module: nn.Module, name: str, masks: Mask) -> Tensor:
    """A weight's mask; all ones where it has none."""
    return masks[name] if name in masks else torch.ones_like(module.get_parameter(name), dtype=torch.bool)


def layer_of(module: nn.Module, name: str) -> Any:
    """The layer that a weight belongs to."""
    return module.get_submodule(name.rpartition(".")[0])


def beside(name: str, attribute: str) -> str:
    """The name of another parameter of a weight's layer."""
    return f"{name.rpartition('.')[0]}.{attribute}".removeprefix(".")
