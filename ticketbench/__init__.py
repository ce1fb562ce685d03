"""ticketbench: a benchmark harness for lottery tickets and pruning at initialization.

These are the public names, all that a plugin needs. They load on first use, so that importing ticketbench
imports neither torch nor anything heavy.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

_HOMES = {
    "Adaptation": "ticketbench.contracts",
    "hookimpl": "ticketbench.hookspecs",
    "option": "ticketbench.options",
    "Contract": "ticketbench.contracts",
    "Scorer": "ticketbench.contracts",
    "Method": "ticketbench.contracts",
    "Model": "ticketbench.contracts",
    "Task": "ticketbench.contracts",
    "Protocol": "ticketbench.contracts",
    "Initializer": "ticketbench.contracts",
    "Probe": "ticketbench.contracts",
    "Points": "ticketbench.contracts",
    "Remote": "ticketbench.examples",
    "Shapes": "ticketbench.examples",
    "Sizes": "ticketbench.examples",
    "Split": "ticketbench.examples",
    "Stages": "ticketbench.contracts",
    "Train": "ticketbench.contracts",
    "Trial": "ticketbench.trial",
    "Companion": "ticketbench.fleet",
    "Link": "ticketbench.link",
    "Recurrent": "ticketbench.recurrent",
    "Snapshot": "ticketbench.fleet",
    "Ticket": "ticketbench.ticket",
    "keep_top": "ticketbench.ticket",
    "unit_chain": "ticketbench.chain",
    "compact": "ticketbench.compaction",
    "allocate": "ticketbench.scopes",
    "kept_count": "ticketbench.scopes",
    "SCOPES": "ticketbench.scopes",
    "seed_of": "ticketbench.seeds",
    "stacked_linear": "ticketbench.stacked",
    "generator": "ticketbench.seeds",
    "verified_file": "ticketbench.datafiles",
    "data_folder": "ticketbench.datafiles",
    "TicketbenchError": "ticketbench.errors",
    "TicketError": "ticketbench.errors",
    "DataError": "ticketbench.errors",
    "OptionError": "ticketbench.errors",
}

__all__ = ["__version__", *sorted(_HOMES)]

if TYPE_CHECKING:
    from ticketbench.chain import unit_chain as unit_chain
    from ticketbench.compaction import compact as compact
    from ticketbench.contracts import (
        Adaptation as Adaptation,
    )
    from ticketbench.contracts import (
        Contract as Contract,
    )
    from ticketbench.contracts import (
        Initializer as Initializer,
    )
    from ticketbench.contracts import (
        Method as Method,
    )
    from ticketbench.contracts import (
        Model as Model,
    )
    from ticketbench.contracts import (
        Points as Points,
    )
    from ticketbench.contracts import (
        Probe as Probe,
    )
    from ticketbench.contracts import (
        Protocol as Protocol,
    )
    from ticketbench.contracts import (
        Scorer as Scorer,
    )
    from ticketbench.contracts import (
        Stages as Stages,
    )
    from ticketbench.contracts import (
        Task as Task,
    )
    from ticketbench.contracts import (
        Train as Train,
    )
    from ticketbench.datafiles import data_folder as data_folder
    from ticketbench.datafiles import verified_file as verified_file
    from ticketbench.errors import DataError as DataError
    from ticketbench.errors import OptionError as OptionError
    from ticketbench.errors import TicketbenchError as TicketbenchError
    from ticketbench.errors import TicketError as TicketError
    from ticketbench.examples import Remote as Remote
    from ticketbench.examples import Shapes as Shapes
    from ticketbench.examples import Sizes as Sizes
    from ticketbench.examples import Split as Split
    from ticketbench.fleet import Companion as Companion
    from ticketbench.fleet import Snapshot as Snapshot
    from ticketbench.hookspecs import hookimpl as hookimpl
    from ticketbench.link import Link as Link
    from ticketbench.options import option as option
    from ticketbench.recurrent import Recurrent as Recurrent
    from ticketbench.scopes import SCOPES as SCOPES
    from ticketbench.scopes import allocate as allocate
    from ticketbench.scopes import kept_count as kept_count
    from ticketbench.seeds import generator as generator
    from ticketbench.seeds import seed_of as seed_of
    from ticketbench.stacked import stacked_linear as stacked_linear
    from ticketbench.ticket import Ticket as Ticket
    from ticketbench.ticket import keep_top as keep_top
    from ticketbench.trial import Trial as Trial


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'ticketbench' has no attribute '{name}'")
    value = getattr(import_module(_HOMES[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return list(__all__)
