"""Compiles the machine of `ticketbench/sparse` when a wheel is built, or when `pip install -e .` runs.

Who has no C compiler, or one that fails, gets a wheel of Python alone, which `python -m ticketbench.sparse.build`
completes at any time.
"""

from __future__ import annotations

import importlib.util
import subprocess
import tempfile
from pathlib import Path
from types import ModuleType
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface
from packaging.tags import sys_tags

PLACE = "ticketbench/sparse/native/machine.so"


class CompiledMachine(BuildHookInterface):
    """Into the sources for an editable installation, else into the wheel alone."""

    PLUGIN_NAME = "custom"
    _folder: tempfile.TemporaryDirectory[str] | None = None

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Before the wheel is packed: with the library it is for this platform, and for any Python 3."""
        build = builder(Path(self.root))
        try:
            if version == "editable":
                if not build.current():
                    build.build()
                return
            self._folder = tempfile.TemporaryDirectory()
            library = build.build(library=Path(self._folder.name) / "machine.so")
        except (OSError, subprocess.CalledProcessError) as error:
            self.app.display_warning(f"The sparse engine is left out: {error}")
            return
        build_data["force_include"][str(library)] = PLACE
        build_data["pure_python"] = False
        build_data["tag"] = f"py3-none-{platform()}"

    def finalize(self, version: str, build_data: dict[str, Any], artifact_path: str) -> None:
        """What was compiled is in the wheel."""
        if self._folder is not None:
            self._folder.cleanup()


def builder(root: Path) -> ModuleType:
    """`ticketbench/sparse/build.py` by itself: what the package imports need not be there while it is built."""
    spec = importlib.util.spec_from_file_location("sparse_build", root / "ticketbench" / "sparse" / "build.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def platform() -> str:
    """Of this machine, which makes no promise of older ones: no manylinux."""
    return next(tag.platform for tag in sys_tags() if not tag.platform.startswith(("manylinux", "musllinux")))
