"""A ticket as a plain state dict, for programs that know nothing of tickets."""

from __future__ import annotations

import json
from pathlib import Path

import torch
from torch import nn

from ticketbench.errors import OptionError
from ticketbench.files import written
from ticketbench.masks.ticket import Ticket
from ticketbench.units.compaction import compact


def export(module: nn.Module, ticket: Ticket, path: Path, smaller: bool, dtype: str | None = None) -> nn.Module:
    """Write the state dict of a ticket's network, compacted if asked; the network as written.

    The metadata names every layer with its shape. Constants are folded where nothing will be trained any more.
    """
    from safetensors import SafetensorError
    from safetensors.torch import save_file

    if smaller:
        module = compact(module, ticket.mask, fold=ticket.about.get("kind") == "solution").module
    if dtype is not None:
        module = module.to(getattr(torch, dtype))
    state = {name: part.detach().cpu().contiguous().clone() for name, part in module.state_dict().items()}
    try:
        with written(path) as place:
            save_file(state, place, metadata={"format": "pt", "layers": json.dumps(layers_of(module), sort_keys=True)})
    except (OSError, SafetensorError) as error:
        raise OptionError(f"--out: cannot write {path}: {error}") from None
    return module


def layers_of(module: nn.Module) -> dict[str, str]:
    """Every layer that holds parameters or statistics, as PyTorch writes it, by name."""
    return {
        name or "(the network)": f"{type(layer).__name__}({layer.extra_repr()})"
        for name, layer in module.named_modules()
        if any(True for _ in (*layer.parameters(recurse=False), *layer.buffers(recurse=False)))
    }
