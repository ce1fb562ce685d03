"""What someone else's code raised: a refusal in words of its own, or a fault."""

from __future__ import annotations

from pathlib import Path
from types import TracebackType

from ticketbench.errors import OptionError, TicketbenchError

CORE_FOLDER = Path(__file__).parent.parent
JUDGES = ("engine", "masks")
"""The rooms whose errors say that a plugin did something wrong, and not that it cannot do what is asked."""


class RefusedError(Exception):
    """A thing says by an error that it does not go with what it was tried on."""


def refusal(error: BaseException) -> bool:
    """Whether an error says that a thing does not go with what it was tried on.

    That is an `OptionError`, and any other error of ticketbench's that the engine did not raise itself.
    """
    if isinstance(error, OptionError):
        return True
    place = Path(last(error.__traceback__)[0])
    judged = any(place.is_relative_to(CORE_FOLDER / room) for room in JUDGES)
    return isinstance(error, TicketbenchError) and not judged


def last(trace: TracebackType | None) -> tuple[str, int]:
    """File and line of the innermost frame of a traceback."""
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    return (trace.tb_frame.f_code.co_filename, trace.tb_lineno) if trace else ("", 0)


def in_one_line(error: BaseException) -> str:
    """An error as a clause: its class, its message, and the last line outside ticketbench that it came through."""
    places, trace = [], error.__traceback__
    while trace is not None:
        places.append((trace.tb_frame.f_code.co_filename, trace.tb_lineno))
        trace = trace.tb_next
    own = [
        place for place in places if not Path(place[0]).is_relative_to(CORE_FOLDER) and "site-packages" not in place[0]
    ]
    where = f" (at {own[-1][0]}:{own[-1][1]})" if own else ""
    message = (str(error).strip().splitlines() or [""])[0]
    return f"{type(error).__name__}: {message}{where}"
