"""Worker processes before they are told anything. Nothing here imports torch, so that they can be started first."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
from contextlib import suppress
from dataclasses import dataclass
from typing import IO

# large blocks stay with the process instead of going back to the system at every training step
MALLOC = {"MALLOC_MMAP_THRESHOLD_": "33554432", "MALLOC_TRIM_THRESHOLD_": "1073741824", "MALLOC_TOP_PAD_": "67108864"}
THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")


@dataclass(frozen=True)
class Process:
    """A worker process that nobody has told anything yet: it imports what it will need, and waits."""

    process: subprocess.Popen[str]
    errors: IO[bytes]

    @classmethod
    def start(cls, threads: int = 1) -> Process:
        """In a process group of its own."""
        environment = {**os.environ, **MALLOC, **dict.fromkeys(THREADS, str(threads))}
        errors = tempfile.TemporaryFile()  # noqa: SIM115 - whoever ends the worker closes it
        process = subprocess.Popen(
            [sys.executable, "-m", "ticketbench.executors.worker"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
            start_new_session=True,
            env=environment,
        )
        return cls(process, errors)

    def end(self) -> None:
        """It is not needed."""
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        for pipe in (self.process.stdin, self.process.stdout, self.errors):
            if pipe is not None:
                with suppress(OSError):
                    pipe.close()
