"""Suites: a matrix in one TOML file, read into typed and validated objects."""

from __future__ import annotations

import tomllib
from collections import Counter
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, Self, get_args

from pydantic import BeforeValidator, Field, ValidationError, field_validator, model_validator

from ticketbench.errors import SuiteError, UnknownNameError, suggest
from ticketbench.suite.base import Density, Name, TomlTable
from ticketbench.suite.complaints import complaints, toml_text
from ticketbench.suite.paper import Claim, Figure, Metric, Target, check_references
from ticketbench.suite.questions import FEWEST_SEEDS, Question
from ticketbench.suite.recipe import Recipe
from ticketbench.suite.tiers import TierName

SUITE_SCHEMA = 1
PrecisionName = Literal["fp32", "tf32", "bf16"]
"""What products of training and judging are computed in: float32, or fewer bits with sums in float32."""
PRECISIONS: tuple[str, ...] = get_args(PrecisionName)
VALIDATED = "validated"
"""The point of a sweep that is chosen on validation examples."""


class Entry(TomlTable):
    """A registered name with options: `"name"` or `{ name = "name", option = value }`."""

    written_as: ClassVar[str] = "a name, or a table with a name"

    name: str
    options: dict[str, Any] = Field(default_factory=dict)


def as_entry(value: Any) -> Any:
    """A string or a flat table as the fields of an `Entry`."""
    if isinstance(value, str):
        return {"name": value}
    if isinstance(value, dict) and "name" in value and "options" not in value:
        return {"name": value["name"], "options": {key: part for key, part in value.items() if key != "name"}}
    return value


EntryField = Annotated[Entry, BeforeValidator(as_entry)]
Entries = Annotated[tuple[EntryField, ...], Field(min_length=1, strict=False)]


Expected = Annotated[tuple[Literal["collapsed", "diverged"], ...], Field(strict=False)]


class Row(TomlTable):
    """A row of the leaderboard: a method, and the scorer it ranks by if it needs one."""

    method: EntryField
    scorer: EntryField | None = None
    expects: Expected = ()
    """What may become of its cells beside "ok", as a finding of the suite."""


def point_of_sweep(value: Any) -> Any:
    """Refuse what is no point of a budget sweep."""
    if value not in ("best", "validated", "last") and (not isinstance(value, int) or isinstance(value, bool)):
        raise ValueError(
            f"{toml_text(value)} is no point of a sweep: give 'validated', 'best', 'last' or a budget, a whole number"
        )
    return value


class Headline(TomlTable):
    """The one number a cell is compared by."""

    metric: str
    at: Annotated[Literal["best", "validated", "last"] | int, BeforeValidator(point_of_sweep)] = "last"
    """Which point of a budget sweep counts: the one at the budget that is best on the choosing split ("validated"), the
    best on the test split itself, the last, or the one at this budget."""
    higher_is_better: bool = True
    margin: Annotated[float, Field(ge=0)] = 0.0
    """Differences smaller than this do not matter: within it two sides are as good as each other. 0: all matter."""

    @property
    def chooses(self) -> bool:
        """Whether the budget is chosen on the choosing split."""
        return self.at == VALIDATED

    def text(self) -> str:
        """How it is read off a sweep, as keys of cells have it; empty for the last point, which chooses nothing."""
        better = "higher" if self.higher_is_better else "lower"
        return "" if self.at == "last" else f"{self.at} {self.metric}, {better} is better"


class Block(TomlTable):
    """A full cross product of its axes."""

    tasks: Entries
    models: Entries
    protocols: Entries
    initializers: Entries
    methods: Annotated[tuple[str, ...], Field(min_length=1, strict=False)]
    densities: Annotated[tuple[Density, ...], Field(min_length=1, strict=False)]
    recipe: str
    probes: Annotated[tuple[EntryField, ...], Field(strict=False)] = ()


class Tier(TomlTable):
    """One size of the suite: its blocks, its seeds, and how long a cell may take."""

    about: str
    seeds: Annotated[tuple[Annotated[int, Field(ge=0)], ...], Field(min_length=1, strict=False)]
    timeout: Annotated[float, Field(gt=0)]
    """Seconds of wall-clock after which a cell is stopped."""
    precision: dict[Literal["cuda"], PrecisionName] = Field(default_factory=dict)
    """Kind of device -> the precision of its products there, where it is not fp32. A CPU computes in fp32."""
    expects: Expected = ()
    """What may become of its cells beside "ok", as a finding of the suite: a run that finds it has not gone wrong."""
    blocks: Annotated[tuple[Block, ...], Field(min_length=1, strict=False)]

    @field_validator("seeds")
    @classmethod
    def _once_each(cls, seeds: tuple[int, ...]) -> tuple[int, ...]:
        twice = sorted(seed for seed, count in Counter(seeds).items() if count > 1)
        if twice:
            raise ValueError(f"{', '.join(map(str, twice))} stands more than once: each seed is one run. Give others")
        return seeds

    def precision_on(self, device_class: str) -> str:
        """The precision that the tier asks for on a kind of device."""
        return next((value for kind, value in self.precision.items() if kind == device_class), "fp32")


class Suite(TomlTable):
    """A suite file, read and checked: the matrix, and what the paper says of it."""

    schema_version: Annotated[Literal[1], Field(alias="schema")]
    name: Name
    version: Annotated[int, Field(ge=1)]
    title: str
    reference: str
    headline: Headline
    headlines: dict[Name, Headline] = Field(default_factory=dict)
    """Task -> the number its cells are compared by, where it is another."""
    scorers_run_as: EntryField
    """How `--method SCORER` draws with a scorer that the suite does not list."""
    methods: dict[Name, Row]
    recipes: dict[str, Recipe]
    tiers: Annotated[dict[TierName, Tier], Field(min_length=1)]
    metrics: dict[str, Metric] = Field(default_factory=dict)
    figures: Annotated[tuple[Figure, ...], Field(strict=False)] = ()
    claims: Annotated[tuple[Claim, ...], Field(strict=False)] = ()
    targets: Annotated[tuple[Target, ...], Field(strict=False)] = ()
    against: Annotated[tuple[Name, ...], Field(strict=False, max_length=4)] = ()
    """Rows that a board compares all others with. Default: the rows that are never pruned."""
    questions: Annotated[tuple[Question, ...], Field(strict=False)] = ()

    @model_validator(mode="after")
    def _references(self) -> Self:
        for tier_name, tier in self.tiers.items():
            for number, block in enumerate(tier.blocks, 1):
                where = f"tiers.{tier_name}.blocks (number {number})"
                for row in block.methods:
                    if row not in self.methods:
                        raise ValueError(f"{where}: no row [methods.{row}]. {suggest(row, self.methods)}")
                if block.recipe not in self.recipes:
                    raise ValueError(
                        f"{where}: no recipe [recipes.{block.recipe}]. {suggest(block.recipe, self.recipes)}"
                    )
        tasks = {entry.name for tier in self.tiers.values() for block in tier.blocks for entry in block.tasks}
        for task in self.headlines:
            if task not in tasks:
                raise ValueError(f"[headlines.{task}]: no block has this task. {suggest(task, tasks)}")
        return self

    @model_validator(mode="after")
    def _questions(self) -> Self:
        for row in self.against:
            if row not in self.methods:
                raise ValueError(f"against: no row [methods.{row}]. {suggest(row, self.methods)}")
        for number, question in enumerate(self.questions, 1):
            where = f"questions (number {number})"
            if question.name in [other.name for other in self.questions[: number - 1]]:
                raise ValueError(f"{where}: there are two questions '{question.name}'")
            for row in (*question.rows, *([question.than.row] if question.than.row else [])):
                if row not in self.methods:
                    raise ValueError(f"{where}: no row [methods.{row}]. {suggest(row, self.methods)}")
            for tier in question.tiers:
                if tier not in self.tiers:
                    raise ValueError(f"{where}: no tier '{tier}'. {suggest(tier, self.tiers)}")
            for name, tier_asked in self.tiers.items():
                if question.asked_in(name) and len(set(tier_asked.seeds)) < FEWEST_SEEDS:
                    raise ValueError(
                        f"{where}: tier '{name}' has {len(set(tier_asked.seeds))} seeds, which decide nothing. Give it "
                        f"{FEWEST_SEEDS} or more, or name the tiers that question '{question.name}' is asked in"
                    )
        return self

    @model_validator(mode="after")
    def _paper(self) -> Self:
        check_references(self.figures, self.claims, self.targets, self.methods, self.tiers)
        return self

    def headline_of(self, task: str) -> Headline:
        """The number that cells of a task, given by its name or as the store writes it, are compared by."""
        return self.headlines.get(task.partition(" ")[0], self.headline)

    def headline_in(self, metric: str) -> Headline | None:
        """A headline that is this metric."""
        return next((one for one in (self.headline, *self.headlines.values()) if one.metric == metric), None)

    def metric(self, name: str) -> Metric:
        """How a metric is read and shown."""
        headline = self.headline_in(name)
        plain = Metric(title=name, higher_is_better=headline.higher_is_better if headline else True)
        known = self.metrics.get(name, plain)
        return known if known.title else known.model_copy(update={"title": name})

    def tier(self, name: str) -> Tier:
        """A tier by name; an `UnknownNameError` lists those there are."""
        for known, tier in self.tiers.items():
            if known == name:
                return tier
        raise UnknownNameError("tier", name, self.tiers, f"suite '{self.name}'")


def read_suite(path: Path) -> Suite:
    """Read and check a suite file; a `SuiteError` names the line, the key and what would work."""
    try:
        data = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        remedy = "Give the path of a TOML file, or the name of a suite (`ticketbench list suites`)."
        raise SuiteError(f"cannot read the suite file {path}: {error.strerror or error}. {remedy}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SuiteError(f"{path} is not valid TOML: {error}") from error
    found = data.get("schema")
    if isinstance(found, int) and found > SUITE_SCHEMA:
        raise SuiteError(
            f"{path} is written for suite schema {found}; this ticketbench reads {SUITE_SCHEMA}. Update ticketbench."
        )
    try:
        return Suite.model_validate(data)
    except ValidationError as error:
        raise SuiteError(f"{path}: {complaints(error, Suite)}") from None
