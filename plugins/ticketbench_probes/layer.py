"""The recurrent layer of a trial's network, for probes that look into one."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from ticketbench import Recurrent, TicketError

if TYPE_CHECKING:
    from torch import Tensor, nn

    from ticketbench import Trial


def recurrent(module: nn.Module, probe: str) -> Recurrent:
    """The same network, if it is recurrent; else an error in the name of a probe."""
    if not isinstance(module, Recurrent):
        raise TicketError(
            f"'{probe}' looks into a recurrent layer, and a network of class {type(module).__name__} has none. "
            "Leave the probe out of this model's block, or give its module the members of ticketbench.Recurrent."
        )
    return module


def kept_by_role(trial: Trial, probe: str) -> tuple[Recurrent, dict[str, Tensor]]:
    """The network, and the kept places of its layer's weights by role; all of a weight that is never pruned."""
    module, mask = trial.module, trial.mask
    own = dict(module.named_parameters())
    network = recurrent(module, probe)
    return network, {
        role: mask[name] if name in mask else torch.ones_like(own[name], dtype=torch.bool)
        for role, name in network.layer.items()
    }
