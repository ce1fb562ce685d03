"""The compiled machine: its structures, as `native/machine.h` has them, and its functions."""

from __future__ import annotations

import ctypes
from ctypes import POINTER, Structure, c_char_p, c_double, c_float, c_int64, c_void_p
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, ClassVar

from ticketbench.errors import TicketbenchError
from ticketbench.sparse.build import MACHINE_FILE, compiler, sources_digest

INSTRUCTION_WORDS = 24
"""Numbers of an instruction, the first of which says what it does."""
BEST = ("generic", "avx2", "avx512")
"""Ways to compute lanes, as the library counts them."""

COMPILE = "python -m ticketbench.sparse.build"


class NativePart(Structure):
    """A tensor of weights of which the live ones are kept."""

    _fields_: ClassVar[Any] = [
        ("row", c_void_p),
        ("column", c_void_p),
        ("blocks", c_int64),
        ("down", c_void_p),
        ("turned", c_void_p),
        ("downs", c_int64),
        ("place", c_void_p),
        ("at", c_int64),
        ("count", c_int64),
        ("factor", c_double),
        ("decays", c_int64),
    ]


class NativeMember(Structure):
    """The live weights of one network."""

    _fields_: ClassVar[Any] = [
        ("parts", c_int64),
        ("part", POINTER(NativePart)),
        ("size", c_int64),
        ("value", c_void_p),
        ("gradient", c_void_p),
        ("first", c_void_p),
        ("second", c_void_p),
    ]


class Stream(Structure):
    """Rows outside of the machine."""

    _fields_: ClassVar[Any] = [("at", c_void_p), ("stride", c_int64), ("index", c_void_p)]


class Program(Structure):
    """A tape of instructions."""

    _fields_: ClassVar[Any] = [
        ("count", c_int64),
        ("instruction", c_void_p),
        ("pool", c_void_p),
        ("arena", c_int64),
        ("tile", c_int64),
    ]


class Rule(Structure):
    """How an optimizer moves weights."""

    _fields_: ClassVar[Any] = [
        ("adam", c_int64),
        ("first_keep", c_double),
        ("second_keep", c_double),
        ("epsilon", c_double),
        ("nesterov", c_int64),
        ("decoupled", c_int64),
        ("decay", c_double),
        ("clip", c_double),
    ]


SIZES = (INSTRUCTION_WORDS * 8, *(ctypes.sizeof(part) for part in (NativePart, NativeMember, Stream)))


@dataclass(frozen=True)
class Native:
    """The functions of the library, by one way to compute lanes."""

    way: str
    run: Any
    train: Any
    update: Any
    lanes: Any

    @property
    def double(self) -> bool:
        """Whether its numbers are in double precision, as those of the twin are."""
        return self.way == "twin"


def machine(way: str = "") -> Native:
    """The machine, by the best way of this processor where none is named; an error says what is missing."""
    problem = missing()
    if problem:
        raise TicketbenchError(f"the sparse engine is not here: {problem}")
    return loaded(way or best())


def best() -> str:
    """The fastest way to compute lanes on this processor."""
    return BEST[shared_library().best_way()]


def present() -> bool:
    """Whether there is a library at all, of whatever use it is."""
    return MACHINE_FILE.exists()


@lru_cache
def missing() -> str:
    """Why there is no machine, or "" if there is one."""
    if not MACHINE_FILE.exists():
        if not compiler():
            return f"there is no C compiler (cc, gcc, clang or $CC). Install one, then: {COMPILE}"
        return f"it has not been compiled. Do it by: {COMPILE}"
    try:
        carried = shared_library().sources().decode()
    except (OSError, AttributeError) as error:
        return f"{MACHINE_FILE} cannot be loaded ({error}). Compile it anew by: {COMPILE}"
    if carried != sources_digest():
        return f"{MACHINE_FILE} is of other sources. Compile it anew by: {COMPILE}"
    return ""


@lru_cache
def shared_library() -> Any:
    """The shared library."""
    found = ctypes.CDLL(str(MACHINE_FILE))
    found.best_way.restype = c_int64
    found.sources.restype = c_char_p
    return found


@lru_cache
def loaded(way: str) -> Native:
    """Its functions for one way."""
    one, all_of_it = c_int64, shared_library()
    run, train, update, lanes, sizes = (
        getattr(all_of_it, f"{name}_{way}") for name in ("run", "train", "update", "lanes", "sizes")
    )
    run.argtypes = [POINTER(Program), POINTER(NativeMember), POINTER(Stream), one, c_void_p, POINTER(c_double)]
    train.argtypes = [
        *(POINTER(Program), POINTER(NativeMember), POINTER(Stream), one, one, c_void_p, POINTER(Rule), one),
        *(c_void_p, one, c_void_p, one, POINTER(c_float)),
    ]
    update.argtypes = [POINTER(NativeMember), POINTER(Rule), c_double, one]
    lanes.argtypes = [one, c_void_p, c_void_p]
    sizes.restype = c_int64
    expected = sum(size * 1000**at for at, size in enumerate(SIZES))
    expected += 1000**4 * (ctypes.sizeof(Program) + ctypes.sizeof(Rule))
    if sizes() != expected:
        raise TicketbenchError(f"{MACHINE_FILE} has other structures than library.py")
    for function in (run, train, update, lanes):
        function.restype = None
    return Native(way, run, train, update, lanes)
