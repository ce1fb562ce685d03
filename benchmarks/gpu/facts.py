"""The machine: card, driver, versions, and what data is there."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
from importlib import metadata
from typing import Any

import torch

from benchmarks.gpu.machine import Machine
from ticketbench.datafiles.datafiles import data_folder, file_state
from ticketbench.plugin.loading import Plugins
from ticketbench.version import __version__

VERSIONS = ("torch", "triton", "numpy", "pydantic", "pluggy", "scikit-learn")
TASKS = ("mnist", "cifar10")
"""Whose files change what is measured: where they are not there, random numbers stand in for them."""


def facts_of(machine: Machine, plugins: Plugins) -> dict[str, Any]:
    """Everything that numbers of this machine depend on."""
    found: dict[str, Any] = {
        "ticketbench": __version__,
        "python": platform.python_version(),
        **{name: version_of(name) for name in VERSIONS},
        "system": platform.platform(),
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "data": {name: is_there(plugins, name) for name in TASKS},
        "broken plugins": [f"{broken.origin}: {broken.reason}" for broken in plugins.broken],
    }
    if machine.device.type == "cuda":
        cudnn: Any = torch.backends.cudnn
        card = torch.cuda.get_device_properties(machine.device)
        found |= {
            "card": card.name,
            "memory": card.total_memory,
            "multiprocessors": card.multi_processor_count,
            "capability": f"{card.major}.{card.minor}",
            "cuda": torch.version.cuda,
            "cudnn": cudnn.version(),
            "driver": driver(),
        }
    return found


def version_of(name: str) -> str | None:
    """The version of an installed distribution; None where there is none."""
    try:
        return metadata.metadata(name)["Version"]
    except metadata.PackageNotFoundError:
        return None


def is_there(plugins: Plugins, task: str) -> bool:
    """Whether all files of a task lie in the data folder."""
    files = plugins.find("task", task).files()
    return all(file_state(file, data_folder()) == "verified" for file in files)


def driver() -> str | None:
    """The version of the driver, if its tool tells."""
    tool = shutil.which("nvidia-smi")
    if tool is None:
        return None
    query = [tool, "--query-gpu=driver_version", "--format=csv,noheader"]
    try:
        done = subprocess.run(query, capture_output=True, text=True, timeout=10, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.splitlines()[0].strip() if done.returncode == 0 and done.stdout else None
