"""ticketbench: a benchmark harness for lottery tickets and pruning at initialization.

These are the public names, all that a plugin needs. They load on first use, so that importing ticketbench
imports neither torch nor anything heavy.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from ticketbench.version import __version__ as __version__

_HOMES = {
    "Adaptation": "ticketbench.plugin.contracts",
    "hookimpl": "ticketbench.plugin.hookspecs",
    "option": "ticketbench.plugin.options",
    "Contract": "ticketbench.plugin.contracts",
    "Scorer": "ticketbench.plugin.contracts",
    "Method": "ticketbench.plugin.contracts",
    "Model": "ticketbench.plugin.contracts",
    "Task": "ticketbench.plugin.contracts",
    "Protocol": "ticketbench.plugin.contracts",
    "Initializer": "ticketbench.plugin.contracts",
    "Probe": "ticketbench.plugin.contracts",
    "Points": "ticketbench.plugin.contracts",
    "Remote": "ticketbench.plugin.examples",
    "Shapes": "ticketbench.plugin.examples",
    "Sizes": "ticketbench.plugin.examples",
    "Split": "ticketbench.plugin.examples",
    "Stages": "ticketbench.plugin.contracts",
    "Train": "ticketbench.plugin.request",
    "Remask": "ticketbench.plugin.request",
    "Prune": "ticketbench.plugin.request",
    "Request": "ticketbench.plugin.request",
    "Trial": "ticketbench.plugin.trial",
    "TrialStack": "ticketbench.plugin.trial_stack",
    "MaskRule": "ticketbench.plugin.mask_rule",
    "MaskView": "ticketbench.plugin.mask_rule",
    "Examples": "ticketbench.plugin.mask_rule",
    "Regime": "ticketbench.plugin.regime",
    "Noise": "ticketbench.plugin.regime",
    "StepView": "ticketbench.plugin.regime",
    "Companion": "ticketbench.plugin.trial",
    "Link": "ticketbench.units.link",
    "Recurrent": "ticketbench.plugin.recurrent",
    "Snapshot": "ticketbench.plugin.trial",
    "Tape": "ticketbench.sparse.tape",
    "Value": "ticketbench.sparse.value",
    "Ticket": "ticketbench.masks.ticket",
    "keep_top": "ticketbench.masks.ticket",
    "top_mask": "ticketbench.masks.stackable",
    "mask_count": "ticketbench.masks.stackable",
    "shared_out": "ticketbench.masks.stackable",
    "best_left": "ticketbench.masks.stackable",
    "unit_chain": "ticketbench.units.chain",
    "compact": "ticketbench.units.compaction",
    "allocate": "ticketbench.masks.scopes",
    "kept_count": "ticketbench.masks.scopes",
    "SCOPES": "ticketbench.masks.scopes",
    "Scope": "ticketbench.masks.scopes",
    "seed_of": "ticketbench.seeds",
    "stacked_linear": "ticketbench.engine.stacked",
    "runs_kernels": "ticketbench.kernels.presence",
    "fleet_conv": "ticketbench.kernels.fleet_conv",
    "FleetConv": "ticketbench.kernels.fleet_conv",
    "criterion_roots": "ticketbench.engine.curvature",
    "pulled_back": "ticketbench.engine.curvature",
    "generator": "ticketbench.seeds",
    "verified_file": "ticketbench.datafiles.datafiles",
    "data_folder": "ticketbench.datafiles.datafiles",
    "TicketbenchError": "ticketbench.errors",
    "TicketError": "ticketbench.errors",
    "DataError": "ticketbench.errors",
    "OptionError": "ticketbench.errors",
}

__all__ = ["__version__", *sorted(_HOMES)]

if TYPE_CHECKING:
    from ticketbench.datafiles.datafiles import data_folder as data_folder
    from ticketbench.datafiles.datafiles import verified_file as verified_file
    from ticketbench.engine.curvature import criterion_roots as criterion_roots
    from ticketbench.engine.curvature import pulled_back as pulled_back
    from ticketbench.engine.stacked import stacked_linear as stacked_linear
    from ticketbench.errors import DataError as DataError
    from ticketbench.errors import OptionError as OptionError
    from ticketbench.errors import TicketbenchError as TicketbenchError
    from ticketbench.errors import TicketError as TicketError
    from ticketbench.kernels.fleet_conv import FleetConv as FleetConv
    from ticketbench.kernels.fleet_conv import fleet_conv as fleet_conv
    from ticketbench.kernels.presence import runs_kernels as runs_kernels
    from ticketbench.masks.scopes import SCOPES as SCOPES
    from ticketbench.masks.scopes import Scope as Scope
    from ticketbench.masks.scopes import allocate as allocate
    from ticketbench.masks.scopes import kept_count as kept_count
    from ticketbench.masks.stackable import best_left as best_left
    from ticketbench.masks.stackable import mask_count as mask_count
    from ticketbench.masks.stackable import shared_out as shared_out
    from ticketbench.masks.stackable import top_mask as top_mask
    from ticketbench.masks.ticket import Ticket as Ticket
    from ticketbench.masks.ticket import keep_top as keep_top
    from ticketbench.plugin.contracts import (
        Adaptation as Adaptation,
    )
    from ticketbench.plugin.contracts import (
        Contract as Contract,
    )
    from ticketbench.plugin.contracts import (
        Initializer as Initializer,
    )
    from ticketbench.plugin.contracts import (
        Method as Method,
    )
    from ticketbench.plugin.contracts import (
        Model as Model,
    )
    from ticketbench.plugin.contracts import (
        Points as Points,
    )
    from ticketbench.plugin.contracts import (
        Probe as Probe,
    )
    from ticketbench.plugin.contracts import (
        Protocol as Protocol,
    )
    from ticketbench.plugin.contracts import (
        Scorer as Scorer,
    )
    from ticketbench.plugin.contracts import (
        Stages as Stages,
    )
    from ticketbench.plugin.contracts import (
        Task as Task,
    )
    from ticketbench.plugin.examples import Remote as Remote
    from ticketbench.plugin.examples import Shapes as Shapes
    from ticketbench.plugin.examples import Sizes as Sizes
    from ticketbench.plugin.examples import Split as Split
    from ticketbench.plugin.hookspecs import hookimpl as hookimpl
    from ticketbench.plugin.mask_rule import Examples as Examples
    from ticketbench.plugin.mask_rule import MaskRule as MaskRule
    from ticketbench.plugin.mask_rule import MaskView as MaskView
    from ticketbench.plugin.options import option as option
    from ticketbench.plugin.recurrent import Recurrent as Recurrent
    from ticketbench.plugin.regime import Noise as Noise
    from ticketbench.plugin.regime import Regime as Regime
    from ticketbench.plugin.regime import StepView as StepView
    from ticketbench.plugin.request import Prune as Prune
    from ticketbench.plugin.request import Remask as Remask
    from ticketbench.plugin.request import Request as Request
    from ticketbench.plugin.request import Train as Train
    from ticketbench.plugin.trial import Companion as Companion
    from ticketbench.plugin.trial import Snapshot as Snapshot
    from ticketbench.plugin.trial import Trial as Trial
    from ticketbench.plugin.trial_stack import TrialStack as TrialStack
    from ticketbench.seeds import generator as generator
    from ticketbench.seeds import seed_of as seed_of
    from ticketbench.sparse.tape import Tape as Tape
    from ticketbench.sparse.value import Value as Value
    from ticketbench.units.chain import unit_chain as unit_chain
    from ticketbench.units.compaction import compact as compact
    from ticketbench.units.link import Link as Link


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'ticketbench' has no attribute '{name}'")
    value = getattr(import_module(_HOMES[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return list(__all__)
