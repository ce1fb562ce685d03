"""Tickets: exact masks, how they are made from scores, and how they travel as safetensors files."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ticketbench.errors import ScoreError, TicketError
from ticketbench.files import written
from ticketbench.masks.ranks import check_type, comparable, sortable
from ticketbench.masks.scopes import allocate

Mask = dict[str, Tensor]
"""Weight name -> bool tensor of the weight's shape; True = kept."""

MASK_PREFIX = "mask:"
FORMAT = "ticketbench-ticket-1"


def keep_top(scores: Tensor, count: int, allowed: Tensor | None = None) -> Tensor:
    """A mask of exactly `count` places with the highest scores, ties by lower flat index.

    `allowed` restricts the choice. Linear in the number of scores.
    """
    flat = sortable(scores.detach().reshape(-1))
    candidates = allowed.reshape(-1).nonzero().squeeze(1) if allowed is not None else None
    chosen = flat if candidates is None else flat[candidates]
    if count > chosen.numel():
        raise TicketError(f"cannot keep {count} of {chosen.numel()} candidate weights")
    mask = torch.zeros(flat.numel(), dtype=torch.bool, device=flat.device)
    if count == 0:
        return mask.view(scores.shape)
    threshold = torch.topk(chosen, count, sorted=False).values.min()
    above = chosen > threshold
    ties = (chosen == threshold).nonzero().squeeze(1)[: count - int(above.sum())]
    above[ties] = True
    mask[above if candidates is None else candidates[above]] = True
    return mask.view(scores.shape)


def mask_from_scores(
    scores: Mapping[str, Tensor], current: Mapping[str, Tensor], count: int, scope: str = "global"
) -> Mask:
    """The mask that keeps exactly `count` of the weights that `current` still has, best scores first."""
    check_scores(scores, current)
    alive = {name: int(mask.sum()) for name, mask in current.items()}
    if count > sum(alive.values()):
        raise TicketError(f"cannot keep {count} weights: only {sum(alive.values())} are left")
    if scope != "global":
        shapes = {name: tuple(mask.shape) for name, mask in current.items()}
        per_layer = allocate(scope, shapes, count, alive)
        return {name: keep_top(scores[name], per_layer[name], current[name]) for name in current}
    flat_scores = comparable([scores[name] for name in current])
    flat_mask = keep_top(flat_scores, count, torch.cat([mask.reshape(-1) for mask in current.values()]))
    pieces = torch.split(flat_mask, [mask.numel() for mask in current.values()])
    return {name: piece.view(current[name].shape) for name, piece in zip(current, pieces, strict=True)}


def check_scores(scores: Mapping[str, Tensor], expected: Mapping[str, Tensor]) -> None:
    """Every prunable weight has a finite score of its shape, or a `ScoreError` says which has not."""
    for name, mask in expected.items():
        if name not in scores:
            raise ScoreError(f"no score for '{name}'; scored: {', '.join(scores) or 'nothing'}")
        if scores[name].shape != mask.shape:
            raise ScoreError(f"the score of '{name}' has shape {tuple(scores[name].shape)}, not {tuple(mask.shape)}")
        check_type(name, scores[name])
        wrong = int((~torch.isfinite(scores[name][mask])).sum())
        if wrong:
            raise ScoreError(
                f"{wrong} of {int(mask.sum())} scores of '{name}' are not finite; "
                "an overflow? Score in float64, or rescale."
            )


def density_of(mask: Mapping[str, Tensor]) -> float:
    """The fraction of prunable weights that a mask keeps."""
    return sum(int(part.sum()) for part in mask.values()) / max(1, sum(part.numel() for part in mask.values()))


def collapsed_layers(mask: Mapping[str, Tensor]) -> list[str]:
    """The layers that keep no weight at all."""
    return [name for name, part in mask.items() if part.numel() and not bool(part.any())]


@dataclass
class Ticket:
    """A mask and the weights it starts from. Weights outside the mask are exactly zero."""

    mask: Mask
    weights: dict[str, Tensor]
    about: dict[str, Any] = field(default_factory=dict)

    def check(self) -> None:
        """Assert what a ticket promises: masks fit their weights, and nothing leaks through."""
        for name, mask in self.mask.items():
            if name not in self.weights:
                raise TicketError(f"the ticket masks '{name}', which it has no weight for")
            if mask.dtype != torch.bool or mask.shape != self.weights[name].shape:
                raise TicketError(f"the mask of '{name}' does not fit its weight")
            if not mask.ndim or not mask.numel():
                raise TicketError(f"the mask of '{name}' has no entries")
            leaks = int(torch.count_nonzero(self.weights[name][~mask]))
            if leaks:
                raise TicketError(f"{leaks} weights of '{name}' are masked but not zero")

    def save(self, path: str | Path) -> None:
        """Write a safetensors file: weights under their own names, masks as `mask:<name>`."""
        from safetensors.torch import save_file

        self.check()
        tensors = {name: weight.detach().cpu().contiguous() for name, weight in self.weights.items()}
        tensors |= {MASK_PREFIX + name: mask.cpu().contiguous() for name, mask in self.mask.items()}
        with written(Path(path)) as partial:
            save_file(tensors, partial, metadata={"format": FORMAT, "about": json.dumps(self.about, sort_keys=True)})

    @classmethod
    def load(cls, path: str | Path) -> Ticket:
        """Read a ticket back; a `TicketError` says why a file is not one."""
        from safetensors import SafetensorError, safe_open

        try:
            with safe_open(str(path), framework="pt") as file:
                metadata = file.metadata() or {}
                tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        except (OSError, SafetensorError) as error:
            raise TicketError(f"{path} is not a ticket: {error}") from error
        if metadata.get("format") != FORMAT:
            raise TicketError(f"{path} is not a ticket of format {FORMAT}")
        try:
            about = json.loads(metadata.get("about", "{}"))
        except (ValueError, RecursionError) as error:
            raise TicketError(f"{path} is not a ticket: what it says about itself is no JSON ({error})") from None
        if not isinstance(about, dict):
            raise TicketError(f"{path} is not a ticket: what it says about itself is no table")
        masks = {name[len(MASK_PREFIX) :]: part for name, part in tensors.items() if name.startswith(MASK_PREFIX)}
        weights = {name: part for name, part in tensors.items() if not name.startswith(MASK_PREFIX)}
        ticket = cls(masks, weights, about)
        ticket.check()
        return ticket
