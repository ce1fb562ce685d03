"""What one fleet cannot do is no reason to leave the others out: it is noted, and the section goes on."""

from __future__ import annotations

import traceback
from collections.abc import Iterator
from contextlib import contextmanager

from benchmarks.gpu.machine import Machine
from benchmarks.gpu.results import Section


@contextmanager
def going_on(machine: Machine, section: Section, what: str) -> Iterator[None]:
    """Note what is raised in a block; what breaks the device ends the section."""
    try:
        yield
    except Exception as error:
        section.troubles.append(f"{what}: {in_a_line(error)}")
        if not machine.works():
            raise
    machine.forget()


def in_a_line(error: BaseException) -> str:
    """An error, and where it was raised."""
    last = traceback.extract_tb(error.__traceback__)[-1:]
    where = f" ({last[0].filename}:{last[0].lineno})" if last else ""
    return f"{type(error).__name__}: {(str(error).splitlines() or [''])[0]}{where}"
