"""The names of everything that is registered, remembered in the user's cache folder: shells ask at every TAB.

To know them all plugins are imported, and PyTorch with them. So they are remembered with a stamp: what is installed,
and when the files of the plugins' packages were changed. Another stamp, and they are found anew.
"""

from __future__ import annotations

import hashlib
import json
import os
import sys
from collections.abc import Iterator
from contextlib import suppress
from importlib import metadata, util
from pathlib import Path

from ticketbench.files import cache_folder, write_bytes

Known = dict[str, dict[str, tuple[str, str]]]
"""Kind -> name -> a summary, and of a suite the path of its file."""


def known_names(files: tuple[str, ...] = (), blocked: tuple[str, ...] = ()) -> Known:
    """Everything that is registered with these plugin files, as it is remembered or found now."""
    stamp, place = stamp_of(files, blocked), cache_folder() / "names.json"
    with suppress(OSError, ValueError, TypeError, KeyError, AttributeError):
        remembered = json.loads(place.read_text(encoding="utf-8"))
        if remembered["stamp"] == stamp:
            return {
                kind: {name: (str(summary), str(path)) for name, (summary, path) in items.items()}
                for kind, items in remembered["names"].items()
            }
    names = registered_names(files, blocked)
    with suppress(OSError):
        place.parent.mkdir(parents=True, exist_ok=True)
        write_bytes(place, json.dumps({"stamp": stamp, "names": names}).encode())
    return names


def registered_names(files: tuple[str, ...], blocked: tuple[str, ...]) -> Known:
    """Load all plugins and ask; broken ones have no names, and are not spoken of here."""
    from ticketbench.plugin.loading import load_plugins

    items = load_plugins(files, blocked).items
    return {
        kind: {
            name: (summary_of(entry.item), str(entry.item) if isinstance(entry.item, Path) else "")
            for name, entry in sorted(entries.items())
        }
        for kind, entries in items.items()
    }


def summary_of(item: object) -> str:
    """One line; a suite's is its title."""
    from ticketbench.errors import TicketbenchError
    from ticketbench.suite.suite import read_suite

    if isinstance(item, Path):
        try:
            suite = read_suite(item)
        except TicketbenchError as error:
            return f"broken: {error}"
        return f"{suite.title} (tiers: {', '.join(suite.tiers)})"
    return str(getattr(item, "summary", ""))


def stamp_of(files: tuple[str, ...], blocked: tuple[str, ...]) -> str:
    """What changes whenever other names may be registered; nothing of a plugin is imported for it."""
    from ticketbench.plugin.loading import ALLOW_VARIABLE, GROUP

    parts = [sys.prefix, os.environ.get(ALLOW_VARIABLE, ""), *sorted(blocked)]
    packages = set()
    for entry in metadata.entry_points(group=GROUP):
        parts.append(f"{entry.name} {entry.value} {entry.dist.version if entry.dist else ''}")
        packages.add(entry.module.partition(".")[0])
    sources = [Path(file) for file in files]
    sources += [file for package in sorted(packages) for file in sources_of(package)]
    for file in sources:
        with suppress(OSError):
            parts.append(f"{file.resolve()} {file.stat().st_mtime_ns}")
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()


def sources_of(package: str) -> Iterator[Path]:
    """The source and suite files of a top-level package or module, without importing it."""
    with suppress(ImportError, ValueError):
        spec = util.find_spec(package)
        if spec is not None and spec.submodule_search_locations is None and spec.origin:
            yield Path(spec.origin)
        for folder in (spec.submodule_search_locations if spec is not None else None) or ():
            yield from sorted(path for ending in ("*.py", "*.toml") for path in Path(folder).rglob(ending))
