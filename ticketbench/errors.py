"""Named errors that teach: what was wrong, where it stands, and what would work."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches


class TicketbenchError(Exception):
    """A mistake the user can mend. The command line prints it without a traceback and exits with 2."""


class UnknownNameError(TicketbenchError):
    """A name that nothing is registered under."""

    def __init__(self, kind: str, value: str, valid: Iterable[str], where: str = "") -> None:
        known = sorted(valid)
        super().__init__(f"unknown {kind} '{value}'{at(where)}. {suggest(value, known)}")


class OptionError(TicketbenchError):
    """An option that does not exist, or a value that it does not take."""


class SuiteError(TicketbenchError):
    """A suite file that cannot be read, or says something impossible."""


class PluginError(TicketbenchError):
    """A plugin that cannot be loaded, or whose registrations clash."""


class StoreError(TicketbenchError):
    """A store that cannot be opened, read or written."""


class TicketError(TicketbenchError):
    """A mask that cannot be made as asked, or a ticket file that is not one."""


class ScoreError(TicketError):
    """Scores that cannot rank weights: missing, of another shape, or not finite."""


class DataError(TicketbenchError):
    """A data file that is missing, is another than it should be, or cannot be fetched."""


class DeviceError(TicketbenchError):
    """A device that this machine does not have."""


def at(where: str) -> str:
    """The place of a mistake, as the middle of a sentence."""
    return f" in {where}" if where else ""


def suggest(value: str, valid: Iterable[str]) -> str:
    """A sentence that names the nearest valid name, or all of them."""
    known = sorted(valid)
    near = get_close_matches(value, known, n=1, cutoff=0.55)
    hint = f"Did you mean '{near[0]}'? " if near else ""
    return hint + (f"Valid: {', '.join(known)}." if known else "None are registered.")
