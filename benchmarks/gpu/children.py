"""Parts of the check in processes of their own: what is cold there, or might take the rest with it."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from benchmarks.gpu.budget import Allowance

ROOT = Path(__file__).resolve().parents[2]


LATE = "left out"
"""The key of a line that says what there was no time for."""


class ChildError(Exception):
    """A child process ended with an error."""


def lines_of(
    module: str, words: list[str], until: Allowance, environment: Mapping[str, str]
) -> Iterator[dict[str, Any]]:
    """What `python -m module` prints, an object a line; a line of its own if it took too long.

    A `ChildError` at the end if it failed.
    """
    seconds = until.left()
    command = [sys.executable, "-m", module, *words]
    try:
        done = subprocess.run(
            command,
            cwd=ROOT,
            env=dict(environment),
            capture_output=True,
            text=True,
            timeout=max(1.0, seconds),
            check=False,
        )
        output, errors, code = done.stdout, done.stderr, done.returncode
    except subprocess.TimeoutExpired as stopped:
        late = json.dumps({LATE: f"stopped after {seconds:.0f} s"})
        output, errors, code = f"{text_of(stopped.stdout)}{late}\n", "", 0
    for line in output.splitlines():
        if line.startswith("{"):
            yield json.loads(line)
    if code:
        raise ChildError(f"{module} ended with {code}: {errors.strip()[-1500:]}")


def text_of(output: bytes | str | None) -> str:
    """What a process that was stopped had printed, of whole lines."""
    text = output.decode(errors="replace") if isinstance(output, bytes) else output or ""
    return text[: text.rfind("\n") + 1]


def say(facts: Mapping[str, Any]) -> None:
    """A line for whoever started this process."""
    print(json.dumps(facts), flush=True)
