"""From names and plain options to configured objects, and back to the choices that a cell records."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from ticketbench.datafiles.datafiles import verified_file
from ticketbench.plan.cell import Choice, Setting
from ticketbench.plugin.contracts import Initializer, Method, Model, Probe, Protocol, Scorer, Stages, Task
from ticketbench.plugin.fingerprint import fingerprint
from ticketbench.plugin.loading import Plugins
from ticketbench.plugin.options import canonical, configure, options_of
from ticketbench.suite.recipe import Recipe


class Resolver:
    """Configures registered things, once for each name and options."""

    def __init__(self, plugins: Plugins) -> None:
        self.plugins = plugins
        self._cache: dict[tuple[str, str, str], Any] = {}
        self.known: dict[tuple[str, str, str], object] = {}
        """What was found out of choices, so that it is found out once."""
        self.costs: dict[str, Any] = {}
        """What settings were found to cost, for the plan's estimate."""

    def item(self, kind: str, name: str, options: Mapping[str, Any], where: str = "") -> Any:
        """The registered thing of that name with these options; the error names a wrong one and where it stands."""
        prototype = self.plugins.find(kind, name, where)
        return configure(prototype, options, where or f"{kind} '{name}'")

    def choice(self, kind: str, name: str, options: Mapping[str, Any], where: str = "") -> Choice:
        """Name, resolved options and source fingerprint, as a cell records them."""
        item = self.item(kind, name, options, where)
        return Choice(name, canonical(options_of(item)), fingerprint(item, self.plugin_packages))

    def require_data(self, settings: Iterable[Setting]) -> None:
        """Every public file that the settings' tasks read is there, or a `DataError` says how to bring it."""
        for task in {repr(task): task for setting in settings for task in self.cast(setting).stages.tasks()}.values():
            for remote in task.files():
                verified_file(remote, task.name)

    def chosen(self, kind: str, choice: Choice) -> Any:
        """The object that a cell's choice stands for."""
        at = (kind, choice.name, choice.options)
        if at not in self._cache:
            self._cache[at] = self.item(kind, choice.name, json.loads(choice.options), f"a cell's {kind}")
        return self._cache[at]

    def find_task(self, name: str, **options: Any) -> Task:
        """Any registered task, for protocols that need a second one."""
        task: Task = self.item("task", name, options)
        return task

    @cached_property
    def plugin_packages(self) -> tuple[str, ...]:
        """The top-level packages that hold plugins; fingerprints follow imports into them."""
        modules = (type(entry.item).__module__ for items in self.plugins.items.values() for entry in items.values())
        return tuple(sorted({module.split(".")[0] for module in modules} - {"ticketbench", "pathlib", "builtins"}))

    def cast(self, setting: Setting) -> Cast:
        """The objects that a setting's choices stand for, its recipe, and the stages that its protocol makes."""
        protocol: Protocol = self.chosen("protocol", setting.protocol)
        task: Task = self.chosen("task", setting.task)
        return Cast(
            method=self.chosen("method", setting.method),
            scorer=self.chosen("scorer", setting.scorer) if setting.scorer else None,
            model=self.chosen("model", setting.model),
            initializer=self.chosen("initializer", setting.initializer),
            probes=tuple(self.chosen("probe", probe) for probe in setting.probes),
            stages=protocol.stages(task, self.find_task),
            recipe=Recipe.model_validate_json(setting.recipe),
        )


@dataclass(frozen=True)
class Cast:
    """The objects that play a cell's parts."""

    method: Method
    scorer: Scorer | None
    model: Model
    initializer: Initializer
    probes: tuple[Probe, ...]
    stages: Stages
    recipe: Recipe

    def changed_recipe(self, changes: Mapping[str, Any]) -> Recipe:
        """The recipe with the changes that a stage of the protocol makes to it."""
        return Recipe.model_validate({**self.recipe.model_dump(), **changes})
