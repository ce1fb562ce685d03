"""Find plugins, validate them one by one, set the broken ones aside, and know where everything came from."""

from __future__ import annotations

import inspect
import os
import sys
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import partial
from importlib import metadata, util
from pathlib import Path
from types import ModuleType
from typing import Any

import pluggy

from ticketbench.errors import PluginError, UnknownNameError, suggest
from ticketbench.plugin import hookspecs
from ticketbench.plugin.contracts import KINDS
from ticketbench.plugin.hookspecs import OFFERS

GROUP = "ticketbench"
OWN_DISTRIBUTION = "ticketbench"
ALLOW_VARIABLE = "TICKETBENCH_PLUGINS"


@dataclass(frozen=True)
class Origin:
    """Where a plugin came from: its name, its distribution with the version, and the file or entry point."""

    plugin: str
    distribution: str
    version: str
    place: str

    @property
    def built_in(self) -> bool:
        """Whether ticketbench itself ships the plugin."""
        return self.distribution == OWN_DISTRIBUTION

    def __str__(self) -> str:
        return f"plugin '{self.plugin}' of {self.distribution} {self.version} ({self.place})".replace("  ", " ")


@dataclass(frozen=True)
class Registered:
    """A thing that a plugin offers, under its kind and name, with the plugin that it comes from."""

    kind: str
    name: str
    item: Any
    origin: Origin


@dataclass(frozen=True)
class Broken:
    """A plugin, or one of its registrations, that was set aside, and why."""

    origin: Origin
    reason: str


@dataclass
class Plugins:
    """Everything that loaded, and everything that did not."""

    manager: pluggy.PluginManager
    origins: dict[str, Origin] = field(default_factory=dict)
    broken: list[Broken] = field(default_factory=list)
    blocked: list[str] = field(default_factory=list)
    files: tuple[Path, ...] = ()
    items: dict[str, dict[str, Registered]] = field(default_factory=lambda: {kind: {} for kind in OFFERS})

    def find(self, kind: str, name: str, where: str = "") -> Any:
        """The registered thing of that name; an `UnknownNameError` suggests the nearest."""
        return self.registered(kind, name, where).item

    def registered(self, kind: str, name: str, where: str = "") -> Registered:
        """The thing of that name with its origin; an `UnknownNameError` suggests the nearest."""
        if name in self.items[kind]:
            return self.items[kind][name]
        error = UnknownNameError(kind, name, self.items[kind], where)
        if self.broken:
            error.args = (f"{error} ({len(self.broken)} broken plugin(s): see `ticketbench plugins`.)",)
        raise error

    def recipe(self) -> dict[str, Any]:
        """How another process loads the same plugins, as plain data."""
        return {"files": [str(path) for path in self.files], "blocked": self.blocked}


def load_plugins(
    files: Iterable[str | Path] = (),
    blocked: Iterable[str] = (),
    entry_points: Callable[[], Iterable[metadata.EntryPoint]] | None = None,
) -> Plugins:
    """Load entry points and files. Nothing a plugin does can stop the others from loading."""
    manager = pluggy.PluginManager("ticketbench")
    manager.add_hookspecs(hookspecs)
    paths = tuple(dict.fromkeys(Path(path).resolve() for path in files))
    plugins = Plugins(manager, blocked=sorted(set(blocked)), files=paths)
    found = entry_points() if entry_points else metadata.entry_points(group=GROUP)
    for entry, origin in admitted(list(found), plugins):
        add(plugins, origin, entry.load)
    for path in paths:
        if not path.is_file():
            raise PluginError(f"there is no plugin file at {path}. Give --plugin the path of a Python file.")
        origin = Origin(path.stem, "(file)", "", str(path))
        rival = next(other for other in paths if other.stem == path.stem)
        if rival != path:
            reason = f"the plugin name '{path.stem}' is taken: {rival}. Rename one of the files."
            plugins.broken.append(Broken(origin, reason))
        elif path.stem not in plugins.blocked:
            add(plugins, origin, partial(import_file, path))
    collect_offers(plugins)
    return plugins


def admitted(entries: list[metadata.EntryPoint], plugins: Plugins) -> list[tuple[metadata.EntryPoint, Origin]]:
    """The entry points that may load: not blocked, on the allow-list, and alone under their name."""
    allow = os.environ.get(ALLOW_VARIABLE)
    allowed = {name.strip() for name in allow.split(",")} if allow is not None else None
    known = {entry.name for entry in entries} | {path.stem for path in plugins.files}
    for name in plugins.blocked:
        if name not in known:
            raise PluginError(f"--no-plugin '{name}' blocks nothing. {suggest(name, known)}")
    for name in sorted((allowed or set()) - {""}):
        if name not in known:
            raise PluginError(f"{ALLOW_VARIABLE} names '{name}', which is not installed. {suggest(name, known)}")
    by_name: dict[str, dict[tuple[str, str], tuple[metadata.EntryPoint, Origin]]] = {}
    for entry in entries:
        origin = origin_of_entry(entry)
        outside = not origin.built_in and allowed is not None and entry.name not in allowed
        if entry.name in plugins.blocked or outside:
            continue
        by_name.setdefault(entry.name, {})[origin.distribution, entry.value] = (entry, origin)
    keep = []
    for name, rivals in by_name.items():
        pairs = list(rivals.values())
        winners = [pair for pair in pairs if pair[1].built_in] if len(pairs) > 1 else pairs
        keep += winners
        for _, origin in pairs:
            if origin not in [winner[1] for winner in winners]:
                others = "; ".join(str(other) for _, other in pairs if other != origin)
                reason = f"the plugin name '{name}' is taken: {others}. Rename the entry point, or use --no-plugin."
                plugins.broken.append(Broken(origin, reason))
    return keep


def origin_of_entry(entry: metadata.EntryPoint) -> Origin:
    """The distribution and version behind an entry point."""
    distribution = entry.dist
    name = distribution.metadata["Name"] if distribution else "(unknown)"
    return Origin(entry.name, name, distribution.version if distribution else "", entry.value)


def import_file(path: Path) -> ModuleType:
    """A Python file as a module of its own; files beside it can be imported from it."""
    name = f"ticketbench_file_{path.stem}"
    if str(path.parent) not in sys.path:
        sys.path.insert(0, str(path.parent))
    spec = util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise ImportError(f"{path} is not a Python file")
    module = util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise
    return module


def add(plugins: Plugins, origin: Origin, load: Callable[[], Any]) -> None:
    """Load one plugin and register it, or note why not."""
    try:
        module = load()
        plugins.manager.register(module, name=f"{origin.distribution}:{origin.plugin}")
    except (Exception, SystemExit) as error:
        plugins.broken.append(Broken(origin, f"{type(error).__name__}: {error}{raised_at(error)}"))
        return
    known = [name for name, _ in inspect.getmembers(hookspecs, inspect.isfunction) if name.startswith(GROUP)]
    callers = plugins.manager.get_hookcallers(module) or []
    unknown = [caller.name for caller in callers if not caller.has_spec()]
    unmarked = [
        name
        for name, value in vars(module).items()
        if name.startswith(f"{GROUP}_") and inspect.isfunction(value) and not hasattr(value, f"{GROUP}_impl")
    ]
    if unknown or unmarked or not callers:
        plugins.manager.unregister(module)
        reasons = [f"there is no hook '{name}'. {suggest(name, known)}" for name in unknown]
        reasons += [f"'{name}' is not marked with @ticketbench.hookimpl" for name in unmarked]
        plugins.broken.append(Broken(origin, " ".join(reasons) or "it implements no hook of ticketbench"))
        return
    plugins.origins[f"{origin.distribution}:{origin.plugin}"] = origin


def raised_at(error: BaseException) -> str:
    """The last place of a traceback, so that a plugin's author knows where to look."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    return f" (at {trace.tb_frame.f_code.co_filename}:{trace.tb_lineno})" if trace else ""


def collect_offers(plugins: Plugins) -> None:
    """Call every offering hook plugin by plugin; refuse what is malformed or named twice."""
    offers: dict[tuple[str, str], list[Registered]] = {}
    for kind, hook in OFFERS.items():
        for implementation in getattr(plugins.manager.hook, hook).get_hookimpls():
            origin = plugins.origins[implementation.plugin_name]
            try:
                items = list(implementation.function())
            except (Exception, SystemExit) as error:
                reason = f"{hook}: {type(error).__name__}: {error}{raised_at(error)}"
                plugins.broken.append(Broken(origin, reason))
                continue
            for item in items:
                try:
                    offer = check_item(kind, item, origin)
                    offers.setdefault((kind, offer.name), []).append(offer)
                except Exception as error:
                    plugins.broken.append(Broken(origin, f"{hook}: {error}"))
    for (kind, name), rivals in offers.items():
        winners = [offer for offer in rivals if offer.origin.built_in] if len(rivals) > 1 else rivals
        for offer in rivals:
            if offer in winners[:1]:
                plugins.items[kind][name] = offer
            else:
                others = "; ".join(str(rival.origin) for rival in rivals if rival is not offer)
                reason = f"the {kind} name '{name}' is taken: {others}. Give yours another name."
                plugins.broken.append(Broken(offer.origin, reason))


def check_item(kind: str, item: Any, origin: Origin) -> Registered:
    """One offered thing with its origin, or an error that says what is wrong with it."""
    if kind == "suite":
        path = Path(item)
        return Registered(kind, path.stem, path, origin)
    if isinstance(item, type):
        raise PluginError(f"offers the class {item.__name__}; offer an object: {item.__name__}()")
    if not isinstance(item, KINDS[kind]):
        raise PluginError(f"offers {item!r}, which is not a ticketbench.{KINDS[kind].__name__}")
    for attribute in ("name", "summary"):
        if not isinstance(getattr(item, attribute, None), str):
            raise PluginError(f"{type(item).__name__} has no `{attribute}` text")
    parameters = vars(type(item)).get("__dataclass_params__")  # its own: a plain subclass would lose its options
    if parameters is None or not parameters.frozen:
        raise PluginError(f"{type(item).__name__} must be a @dataclass(frozen=True)")
    return Registered(kind, item.name, item, origin)


def describe_items(plugins: Plugins) -> list[Mapping[str, str]]:
    """A row a plugin, for `ticketbench plugins`."""
    rows = []
    for origin in plugins.origins.values():
        offered = [
            f"{kind} {name}"
            for kind, items in plugins.items.items()
            for name, registered in items.items()
            if registered.origin == origin
        ]
        rows.append(row(origin, "ok", ", ".join(offered) or "observes"))
    return rows + [row(broken.origin, "broken", broken.reason) for broken in plugins.broken]


def row(origin: Origin, state: str, detail: str) -> Mapping[str, str]:
    """One line of the table of plugins."""
    return {
        "plugin": origin.plugin,
        "distribution": origin.distribution,
        "version": origin.version,
        "place": origin.place,
        "state": state,
        "detail": detail,
    }
