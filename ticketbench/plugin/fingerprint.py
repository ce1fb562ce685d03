"""Fingerprints: the hash of what all plugin source does that a cell's result can depend on.

Starting at the module that defines a scorer (or a model, a task …), every import is followed as long as it
leads to the same top-level package, to another module of its distribution, to a working tree, or to a package
that is itself a plugin. Nothing is executed. The standard library and installed third-party libraries are left
to the environment record, the engine to its version. What counts of a file is its meaning (see
`ticketbench.plugin.meaning`): what it does, not how it is laid out, commented or explained.
"""

from __future__ import annotations

import ast
import hashlib
import sys
import sysconfig
import tokenize
from collections.abc import Iterable, Iterator
from functools import lru_cache
from importlib import metadata, util
from importlib.machinery import ModuleSpec, PathFinder
from pathlib import Path

from ticketbench.plugin.meaning import DISPLAYED, PLANNED, executed, meaning, mentioned

CORE = "ticketbench"
LIBRARIES = tuple(Path(sysconfig.get_path(name)).resolve() for name in ("stdlib", "platstdlib", "purelib", "platlib"))
INSTALLED_IN = frozenset({"site-packages", "dist-packages"})
"""Folders with libraries wherever they lie: an environment may see those of the one that it was made over."""


def fingerprint(item: object, plugin_packages: Iterable[str] = ()) -> str:
    """Sixteen hexadecimal digits that change when what the source behind this object does changes."""
    return fingerprint_module(type(item).__module__, tuple(sorted(set(plugin_packages))))


@lru_cache(maxsize=1024)
def fingerprint_module(module: str, plugin_packages: tuple[str, ...]) -> str:
    """The hash of a module's source and of all plugin source that it imports."""
    digest = hashlib.sha256()
    for name, source in sorted(closure(module, plugin_packages).items()):
        digest.update(f"{name}\n{len(source)}\n{source}\n".encode())
    return digest.hexdigest()[:16]


def closure(module: str, plugin_packages: Iterable[str]) -> dict[str, str]:
    """Module name -> the meaning of its source, for a module and all plugin modules it leads to.

    A file that this Python cannot parse counts as its text: it was written for another one, and is imported only there.
    """
    home = module.split(".")[0]
    followed = {home, *plugin_packages, *installed_beside(home)} - {CORE}
    sources: dict[str, ast.Module | str] = {}
    waiting = [module]
    while waiting:
        name = waiting.pop()
        path = source_of(name)
        if name in sources or path is None or not belongs(name, path, followed):
            continue
        with tokenize.open(path) as file:
            sources[name] = parsed(file.read())
        waiting += imports(name, sources[name], is_package=path.name == "__init__.py")
    trees = [source for source in sources.values() if isinstance(source, ast.Module)]
    unseen = (DISPLAYED | PLANNED).difference(*map(mentioned, trees))
    return {
        name: meaning(source, unseen) if isinstance(source, ast.Module) else source for name, source in sources.items()
    }


@lru_cache(maxsize=1024)
def parsed(text: str) -> ast.Module | str:
    """What a file executes; its text itself if this Python cannot parse it."""
    try:
        return executed(text)
    except (SyntaxError, ValueError):
        return text


@lru_cache(maxsize=64)
def installed_beside(package: str) -> frozenset[str]:
    """The top-level modules that the distribution of an installed package installs."""
    path = source_of(package)
    if path is None or not is_installed(path):
        return frozenset()
    owners = metadata.packages_distributions()
    own = set(owners.get(package, ()))
    return frozenset(name for name, distributions in owners.items() if own & set(distributions))


def belongs(name: str, path: Path, followed: set[str]) -> bool:
    """Whether a module is plugin source: a followed package, or a file of a working tree."""
    top = name.split(".")[0]
    if top == CORE:
        return False
    return top in followed or not is_installed(path)


def is_installed(path: Path) -> bool:
    """Whether a file is of the standard library or of a library that was installed, not of a working tree."""
    return any(path.is_relative_to(library) for library in LIBRARIES) or not INSTALLED_IN.isdisjoint(path.parts)


def source_of(module: str) -> Path | None:
    """The file that a module name stands for, without importing it."""
    loaded = sys.modules.get(module)
    origin = getattr(loaded, "__file__", None)
    if origin is None:
        spec = spec_of(module)
        origin = spec.origin if spec else None
    path = Path(origin).resolve() if origin and origin.endswith(".py") else None
    return path if path and path.is_file() else None


def spec_of(module: str) -> ModuleSpec | None:
    """Where a module would be imported from; unlike `importlib.util.find_spec`, its parents are not imported."""
    parent = module.rpartition(".")[0]
    if not parent:
        try:
            return util.find_spec(module)
        except (ImportError, ValueError):
            return None
    above = spec_of(parent)
    places = above.submodule_search_locations if above else None
    return None if places is None else PathFinder.find_spec(module, places)


def imports(module: str, source: ast.Module | str, is_package: bool) -> Iterator[str]:
    """The names of the modules that a file imports, relative ones made absolute."""
    package = module if is_package else module.rpartition(".")[0]
    for node in ast.walk(source) if isinstance(source, ast.Module) else ():
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                parents = package.split(".")[: len(package.split(".")) - node.level + 1]
                base = ".".join([*parents, base] if base else parents)
            yield base
            yield from (f"{base}.{alias.name}" for alias in node.names)
