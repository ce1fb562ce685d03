"""Provenance: the versions, the source and the hardware behind a record."""

from __future__ import annotations

import hashlib
import os
import platform
import subprocess
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

from ticketbench import version
from ticketbench.plugin.loading import Plugins
from ticketbench.plugin.options import canonical
from ticketbench.store.column import columns_of
from ticketbench.store.schema import Environment

ID_LENGTH = 16
GIT_VARIABLES = ("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE")
"""What git sets for hooks; they would make it look elsewhere."""


def environment_of(plugins: Plugins, threads: int = 1) -> Environment:
    """What is computed with here and now; its id is the hash of the rest."""
    import numpy
    import torch

    commit, dirty = source_commit()
    outside = sorted(f"{origin.distribution} {origin.version} ({origin.place})" for origin in plugins.origins.values())
    facts: dict[str, Any] = {
        "ticketbench": version.__version__,
        "commit": commit,
        "dirty": dirty,
        "python": platform.python_version(),
        "torch": torch.__version__,
        "numpy": numpy.__version__,
        "plugins": ", ".join(outside),
        "system": f"{platform.system()} {platform.release()}",
        "processor": processor(),
        "cores": available_cores(),
        "memory": memory(),
        "accelerators": ", ".join(torch.cuda.get_device_name(at) for at in range(torch.cuda.device_count())),
        "threads": threads,
    }
    return Environment(environment=environment_id(facts), **facts)


def environment_id(facts: Mapping[str, Any]) -> str:
    """The hash of an environment's other columns; one that came later counts where it says something."""
    new = {column.name for column in columns_of(Environment) if column.about.since > 1}
    said = {name: value for name, value in facts.items() if name not in new or value not in (None, "")}
    return hashlib.sha256(canonical(said).encode()).hexdigest()[:ID_LENGTH]


@lru_cache(maxsize=1)
def source_commit() -> tuple[str, bool]:
    """Commit and dirty flag of the checkout that ticketbench runs from, not of where the user stands."""
    root = Path(version.__file__).resolve().parent.parent
    if not (root / "pyproject.toml").is_file() or not (root / ".git").exists():
        return "", False
    try:
        commit = git(root, "rev-parse", "HEAD")
        return commit, bool(git(root, "status", "--porcelain", "--untracked-files=no"))
    except (OSError, subprocess.SubprocessError):
        return "", False


def git(root: Path, *words: str) -> str:
    """What git says of a checkout, whatever repository its variables point at."""
    free = {name: value for name, value in os.environ.items() if name not in GIT_VARIABLES}
    done = subprocess.run(
        ["git", "-C", str(root), *words], capture_output=True, text=True, check=True, timeout=10, env=free
    )
    return done.stdout.strip()


def available_cores() -> int:
    """The cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def processor() -> str:
    """The name of the processor, as the system tells it."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


def memory() -> int:
    """The main memory of this machine, in bytes."""
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
