"""A process in which every access of the machine to memory is checked: random tapes, then an arena that is too short.

`python sanitized.py LIBRARY WAY COUNT`, with the address sanitizer loaded before all else. The library has one way.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import torch

from ticketbench.sparse import build, library, program

SHORT = 256
"""Numbers that the last arena lacks."""


def one_way(way: str) -> None:
    """Only this one is compiled, or looked for."""
    flags = {**build.WAYS, **build.X86_WAYS}[way]
    build.ways = lambda: {way: flags}


def main() -> None:
    """Says that the tapes ran, and does not survive the last one."""
    path, way, count = sys.argv[1:]
    one_way(way)
    library.MACHINE_FILE = Path(path)
    lacking = 0
    program.Runner.arena = lambda self: np.empty(self.compiled.arena - lacking, np.float32)
    program.check_arena = lambda *_: None
    torch.set_num_threads(1)
    from tape_agreement import Case

    for seed in range(int(count)):
        Case(seed).by_machine(way)
    print(f"{count} tapes", flush=True)
    lacking = SHORT
    Case(1).by_machine(way)
    print("nothing was noticed", flush=True)


if __name__ == "__main__":
    main()
