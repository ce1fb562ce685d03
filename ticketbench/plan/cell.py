"""Cells: one frozen point of the matrix each, with a key over everything that decides its result."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, fields
from functools import lru_cache
from typing import Any, NamedTuple

from ticketbench.errors import SuiteError
from ticketbench.plugin.options import canonical
from ticketbench.sparse.rule import PAYS
from ticketbench.store.schema import KEY_LENGTH, CellRecord
from ticketbench.suite.recipe import Recipe
from ticketbench.suite.suite import VALIDATED

CELL_FORMAT = 1
SPARSE_RULE = f"1, up to {', '.join(f'{pays:g} of {kind}' for kind, pays in PAYS.items())} weights"
"""Raised, too, whenever the numbers of the sparse engine change."""
ENGINE_VERSION = 1
"""Raised whenever the engine's numbers change; a test pins what version 1 computes."""


class Choice(NamedTuple):
    """A registered name with its resolved options as canonical JSON, and its source fingerprint."""

    name: str
    options: str = "{}"
    source: str = ""

    def __str__(self) -> str:
        return self.name if self.options == "{}" else f"{self.name} {self.options}"


@dataclass(frozen=True, slots=True)
class Setting:
    """What the cells of one row of a block share: all but density and seed."""

    suite: str
    suite_version: int
    tier: str
    row: str
    method: Choice
    scorer: Choice | None
    model: Choice
    task: Choice
    protocol: Choice
    initializer: Choice
    probes: tuple[Choice, ...]
    recipe_name: str
    recipe: str
    precision: str
    device_class: str
    stage_sources: tuple[tuple[str, str], ...] = ()
    """Further tasks that the protocol reaches, with their fingerprints."""
    engine: str = "full"
    """What computes trainings and judgements: "sparse" does so at live weights alone, where few are left."""
    headline: str = ""
    """How the headline is read off a sweep; empty where there is none, or where it is the last point."""

    @property
    def chooses(self) -> bool:
        """Whether the headline's budget is chosen on the choosing split."""
        return self.headline.startswith(f"{VALIDATED} ")

    def text(self) -> str:
        """The readable canonical text of everything but density and seed."""
        lines = [
            f"ticketbench cell {CELL_FORMAT}, engine {ENGINE_VERSION}",
            f"suite: {self.suite} {self.suite_version}, tier {self.tier}, row {self.row}",
            *(f"{kind}: {choice}" for kind, choice in self.choices()),
            f"recipe: {self.recipe}",
            f"precision: {self.precision}, device {self.device_class}",
            *([f"engine: {self.engine} {SPARSE_RULE}"] if self.engine != "full" else []),
            *([f"headline: {self.headline}"] if self.headline else []),
            *(f"source: {kind} {choice.name} {choice.source}" for kind, choice in self.choices()),
            *(f"source: stage {name} {source}" for name, source in self.stage_sources),
        ]
        return "\n".join(lines)

    def choices(self) -> list[tuple[str, Choice]]:
        """Every choice with the word for its kind, in a fixed order."""
        named = [("method", self.method), ("model", self.model), ("task", self.task)]
        named += [("protocol", self.protocol), ("initializer", self.initializer)]
        named += [("scorer", self.scorer)] if self.scorer else []
        return named + [("probe", probe) for probe in self.probes]

    def stack_text(self) -> str:
        """What cells must share to be trained as one stacked model: what decides the computation of a step."""
        return canonical([*self.stacked_by().values()])

    def stacked_by(self) -> dict[str, Choice | str]:
        """The same, part by part."""
        return {
            "model": self.model,
            "task": self.task,
            "protocol": self.protocol,
            "optimizer, batch or clipping": shared_recipe(self.recipe),
            "precision": self.precision,
            "device": self.device_class,
            "engine": self.engine,
        }

    def fleet_text(self) -> str:
        """What cells share that are trained as one stacked model and stop at the same steps."""
        kind = [self.precision, self.device_class, self.engine]
        return canonical([*self.model, *self.task, *self.protocol, self.recipe, self.method.name, *kind])


@dataclass(frozen=True, slots=True)
class Cell:
    """One point of a suite's matrix: a setting at a density with a seed, and the key that stands for all of it."""

    setting: Setting
    density: float
    seed: int
    key: str

    def text(self) -> str:
        """The canonical text that the key is the hash of."""
        return cell_text(self.setting.text(), self.density, self.seed)

    def to_plain(self) -> dict[str, Any]:
        """The cell as plain data, for a worker or a cluster."""
        return {"setting": asdict(self.setting), "density": self.density, "seed": self.seed, "key": self.key}

    @classmethod
    def from_plain(cls, data: Mapping[str, Any]) -> Cell:
        """The cell that `to_plain` made plain data of."""
        values = dict(data["setting"])
        for field in fields(Setting):
            if field.name not in values:
                continue  # of an older version, which did not have it
            value = values[field.name]
            if field.name in ("probes", "stage_sources"):
                make = Choice if field.name == "probes" else lambda *parts: tuple(parts)
                values[field.name] = tuple(make(*part) for part in value)
            elif isinstance(value, (list, tuple)):
                values[field.name] = Choice(*value)
        return cls(Setting(**values), data["density"], data["seed"], data["key"])


@lru_cache(maxsize=256)
def shared_recipe(recipe: str) -> str:
    """What recipes must agree in to share a stack, of a recipe's text."""
    return Recipe.model_validate_json(recipe).shared_text()


def check_one_stack(cells: Iterable[Cell]) -> None:
    """Refuse cells that cannot be trained as one stack, whatever seats they take and whenever they take them."""
    first, *others = {cell.setting.stack_text(): cell for cell in cells}.values()
    for other in others:
        mine, theirs = first.setting.stacked_by(), other.setting.stacked_by()
        kind = next(kind for kind, part in mine.items() if part != theirs[kind])
        raise SuiteError(
            f"cells {first.key} and {other.key} cannot be trained as one fleet: their {kind} is not the same "
            f"({mine[kind]}, {theirs[kind]}). Train them in fleets of their own, such as `Plan.fleets` makes"
        )


def cell_text(setting_text: str, density: float, seed: int) -> str:
    """The canonical text of a cell, from its setting's."""
    return f"{setting_text}\ndensity: {density!r}\nseed: {seed}\n"


def make_cell(setting: Setting, setting_text: str, density: float, seed: int) -> Cell:
    """A cell with its key; the setting's text is passed so that a large plan makes it once."""
    text = cell_text(setting_text, density, seed)
    return Cell(setting, density, seed, hashlib.sha256(text.encode()).hexdigest()[:KEY_LENGTH])


def describe(cell: Cell) -> CellRecord:
    """The record of a cell of which nothing is known but its axes."""
    setting = cell.setting
    axes: dict[str, Any] = {kind: str(choice) for kind, choice in setting.choices() if kind != "probe"}
    return CellRecord(
        key=cell.key,
        suite=setting.suite,
        suite_version=setting.suite_version,
        tier=setting.tier,
        row=setting.row,
        recipe=setting.recipe_name,
        precision=setting.precision,
        device_class=setting.device_class,
        density=cell.density,
        seed=cell.seed,
        definition=cell.text(),
        **axes,
    )


def ticket_facts(cell: Cell, kind: str) -> dict[str, Any]:
    """What a ticket says about itself: its cell's key, readable text and definition, and what it is.

    `kind` is "ticket" (mask and starting weights) or "solution" (mask and trained weights).
    """
    return {"key": cell.key, "kind": kind, "cell": cell.text(), "definition": cell.to_plain()}
