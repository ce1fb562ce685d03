"""The records: of a cell, of the points of its curves, of what probes found, and of where it was computed.

Every column of every table of a store is a field here, with what it means. The Parquet schemas, the limits on
submissions, the costs on boards, the measures of suites and docs/records.md are made from it: a new column is a field
here, and a value where the records are made. `SCHEMA_VERSION` is raised once for all columns between two releases, and
each of them says `since`.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, NamedTuple

from ticketbench.store.column import ANY, CostShown, Form, column

SCHEMA_VERSION = 3
MARKER = "ticketbench-store.json"
PROBE_SPLIT = "probe"
"""The split of curves that probes measured along something."""

STATUSES = ("ok", "failed", "collapsed", "diverged", "timeout", "skipped")
"""ok: judged. collapsed: judged, but a layer lost all weights. diverged: the loss stopped being finite.
failed: something raised. timeout: stopped by the clock. skipped: the method or model says it cannot."""
JUDGED = ("ok", "collapsed")
"""The statuses of cells that came to a judgement."""
MISSING = "missing"
"""The status of a cell that was never computed; no store has it."""

KEY_LENGTH = 20
KEY = Form(re.compile(rf"[0-9a-f]{{{KEY_LENGTH}}}"), f"A key is {KEY_LENGTH} of the signs 0-9 and a-f.")
NAMING = "It must be a name of letters, digits, _ . + and -, and options in braces behind it."
NAME = Form(re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.+-]*( \{.*\})?"), NAMING)
"""A registered name, and its options where it has any."""
LONGEST_ROW = 120
"""Characters of a row's name, as long as boards show it."""
ROW_OPTIONS = r"(\[[A-Za-z0-9_.,=+\"\[\] -]+\])?"
ROW = Form(
    re.compile(rf"[A-Za-z0-9_][A-Za-z0-9_.+-]*{ROW_OPTIONS}"),
    'It must be a name of letters, digits, _ . + and -, and options in brackets behind it, of these and , = " [ ].',
)
"""A row's name, and in brackets the options that `--method` gave it."""
NAME_OR_NONE = Form(re.compile(rf"({NAME.pattern.pattern})?"), NAMING)
STATUS = Form(re.compile("|".join(STATUSES)), f"Valid: {', '.join(STATUSES)}.")
FARTHEST = 1e100
"""No result of a judged cell and no place on an axis is farther from zero: sums and squares of these have an end."""
ONE_OR_MORE = (1.0, 2.0**53)


class CurvePoint(NamedTuple):
    """A point of a learning curve, of a judgement, or of what a probe measured along something."""

    split: Annotated[str, column(f'"train", "validation", "test", or "{PROBE_SPLIT}" for what a probe measured')]
    judged_on: Annotated[str, column("the label of the judgement, as the protocol names it; empty while training")]
    metric: Annotated[str, column("the task's metric, or the probe and its value")]
    round: Annotated[int, column("the training it belongs to, counted from 0; each judgement ends one")]
    x_name: Annotated[str, column('what x is: "step", "density", or what the model sweeps')]
    x: Annotated[float, column("where the value was measured", "x", bounds=(-FARTHEST, FARTHEST))]
    value: Annotated[float, column("the value; no number where it diverged", "metric", bounds=ANY)]


class Finding(NamedTuple):
    """A single number that a probe measured, or that a method noted."""

    probe: Annotated[str, column('the probe, the method, or "layers" for the kept share of each layer')]
    moment: Annotated[str, column('when: "started", "drawn", "trained", "judged", or a round')]
    name: Annotated[str, column("what was measured")]
    value: Annotated[float, column("the number", bounds=ANY)]


class Layer(NamedTuple):
    """What a mask keeps of a layer; the table `probes` has the share."""

    name: str
    kept: int
    total: int

    def finding(self) -> Finding:
        """The kept share as a row of the table `probes`."""
        return Finding("layers", "trained", self.name, self.kept / self.total)


@dataclass(frozen=True, kw_only=True)
class Environment:
    """The versions, the source and the hardware that cells were computed with."""

    environment: Annotated[str, column("the hash of the other columns")]
    ticketbench: Annotated[str, column("version of ticketbench")] = ""
    commit: Annotated[str, column("commit of the checkout that it ran from; empty where it was installed")] = ""
    dirty: Annotated[bool, column("whether files of that checkout had been changed since")] = False
    python: Annotated[str, column("version of Python")] = ""
    torch: Annotated[str, column("version of PyTorch")] = ""
    numpy: Annotated[str, column("version of NumPy")] = ""
    plugins: Annotated[str, column("the plugins that were loaded: name, version, and place of each")] = ""
    system: Annotated[str, column("operating system and its version")] = ""
    processor: Annotated[str, column("the processor's name")] = ""
    cores: Annotated[int | None, column("cores that the process might use", "cores")] = None
    memory: Annotated[int | None, column("main memory", "bytes")] = None
    accelerators: Annotated[str, column("names of the GPUs")] = ""
    threads: Annotated[int | None, column("threads of each worker", "threads")] = None

    def as_dict(self) -> dict[str, Any]:
        """Every column by its name, as plain data."""
        return dict(vars(self))


@dataclass(frozen=True, kw_only=True)
class CellRecord:
    """What is known of one cell: its axes and, once it was computed, what became of it and what it cost."""

    key: Annotated[str, column("the cell: the hash of its definition", form=KEY)]
    attempt: Annotated[int, column("which computation of the cell it is", bounds=ONE_OR_MORE, required=True)] = 1
    suite: Annotated[str, column("the suite")]
    suite_version: Annotated[int, column("the suite's version", bounds=ONE_OR_MORE)]
    tier: Annotated[str, column("the suite's tier")]
    row: Annotated[str, column("the row of the leaderboard", form=ROW)]
    method: Annotated[str, column("the method, with its options where it has any", form=NAME)]
    scorer: Annotated[str, column("the scorer that the row ranks by; empty where none", form=NAME_OR_NONE)] = ""
    model: Annotated[str, column("the model, with its options", form=NAME)]
    task: Annotated[str, column("the task that is drawn on, with its options", form=NAME)]
    protocol: Annotated[str, column("where is drawn, trained and judged", form=NAME)]
    initializer: Annotated[str, column("the initializer, with its options", form=NAME)]
    recipe: Annotated[str, column("the suite's name for the training recipe", form=NAME)]
    density: Annotated[float, column("the share of prunable weights that was asked for", "density")]
    seed: Annotated[int, column("the seed of all randomness")]
    precision: Annotated[str, column("the numbers that were computed with")]
    device_class: Annotated[str, column("the kind of device")]
    status: Annotated[str, column(f"what became of it: {', '.join(STATUSES)}", form=STATUS, required=True)] = MISSING
    reason: Annotated[str, column("why it is not ok, in one sentence", lines=True)] = ""
    error: Annotated[str, column("the end of the trace of what was raised", lines=True, longest=20_000)] = ""
    headline_metric: Annotated[str, column("the metric that cells of this task are compared by")] = ""
    headline: Annotated[float | None, column("the result", "metric", bounds=ANY, measure=True)] = None
    headline_x: Annotated[
        float | None,
        column(
            "the budget that the result was read at; null without a sweep",
            "x",
            since=3,
            bounds=(-FARTHEST, FARTHEST),
            measure=True,
            cost=CostShown("budget", "record"),
        ),
    ] = None
    sweep_best: Annotated[
        float | None,
        column(
            "the best result over the sweep, on the test split, which only hindsight finds",
            "metric",
            since=3,
            bounds=(-FARTHEST, FARTHEST),
            measure=True,
            cost=CostShown("best of the sweep", "record"),
        ),
    ] = None
    sweep_last: Annotated[
        float | None,
        column(
            "the result at the last budget of the sweep",
            "metric",
            since=3,
            bounds=ANY,
            measure=True,
            cost=CostShown("last of the sweep", "record"),
        ),
    ] = None
    overthinking: Annotated[
        float | None,
        column(
            "how much worse the last of the sweep is than its best",
            "metric",
            since=3,
            bounds=(0.0, 2 * FARTHEST),
            cost=CostShown("overthinking", "record"),
        ),
    ] = None
    exact_density: Annotated[
        float | None,
        column(
            "weights that are left, as a share of the prunable ones",
            "share",
            bounds=(0.0, 1.0),
            measure=True,
            cost=CostShown("exact density", "record"),
        ),
    ] = None
    kept: Annotated[int | None, column("prunable weights that are left", "weights")] = None
    prunable: Annotated[int | None, column("prunable weights that there were", "weights")] = None
    parameters: Annotated[
        int | None, column("parameters that are left", "parameters", measure=True, cost=CostShown("parameters"))
    ] = None
    parameters_dense: Annotated[int | None, column("parameters of the unpruned model", "parameters")] = None
    draw_flops: Annotated[
        float | None,
        column(
            "floating-point operations to draw the ticket, training on the way included",
            "FLOPs",
            since=2,
            measure=True,
            cost=CostShown("draw, FLOPs"),
        ),
    ] = None
    train_flops: Annotated[
        float | None,
        column(
            "floating-point operations to train the ticket, forward and backward, at the densities of the moment",
            "FLOPs",
            since=2,
            measure=True,
            cost=CostShown("train, FLOPs"),
        ),
    ] = None
    flops: Annotated[
        float | None,
        column(
            "floating-point operations of one forward pass of one example, at the ticket's density",
            "FLOPs",
            measure=True,
            cost=CostShown("FLOPs a pass"),
        ),
    ] = None
    flops_dense: Annotated[float | None, column("the same of the unpruned model", "FLOPs")] = None
    draw_seconds: Annotated[
        float | None,
        column(
            "seconds to draw the ticket, training on the way included",
            "seconds",
            measure=True,
            cost=CostShown("draw, s"),
        ),
    ] = None
    train_seconds: Annotated[
        float | None, column("seconds to train the ticket", "seconds", measure=True, cost=CostShown("train, s"))
    ] = None
    first_step_seconds: Annotated[
        float | None,
        column(
            "seconds from the start of its fleet to the end of the first training step",
            "seconds",
            since=2,
            measure=True,
            cost=CostShown("first step, s", "record"),
        ),
    ] = None
    train_steps: Annotated[
        int | None,
        column("steps of the optimizer, drawing and training together", "steps", measure=True, cost=CostShown("steps")),
    ] = None
    peak_memory: Annotated[
        int | None,
        column("memory that the process, or on a GPU the device's allocator, held at most", "bytes", measure=True),
    ] = None
    device_memory: Annotated[
        int | None,
        column(
            "memory of the GPU that its fleet held at most; null on a CPU",
            "bytes",
            since=2,
            measure=True,
            cost=CostShown("GPU memory, bytes", "record"),
        ),
    ] = None
    energy: Annotated[
        float | None,
        column(
            "what the GPU consumed during its fleet, divided by the fleet's cells; null where none tells",
            "joules",
            since=2,
            measure=True,
            cost=CostShown("energy, J"),
        ),
    ] = None
    engine: Annotated[str, column("how the fleet was computed")] = ""
    fleet_size: Annotated[int | None, column("cells in its fleet", "cells", bounds=ONE_OR_MORE)] = None
    started: Annotated[float | None, column("when its fleet began", "Unix time")] = None
    finished: Annotated[float | None, column("when it was finished", "Unix time", required=True)] = None
    environment: Annotated[str, column("the environment that it was computed in", required=True)] = ""
    definition: Annotated[
        str, column("the text that the key is the hash of", required=True, lines=True, longest=20_000)
    ] = ""

    curves: tuple[CurvePoint, ...] = ()
    """The rows of the table `curves`."""
    probes: tuple[Finding, ...] = ()
    """The rows of the table `probes`, but for those of the layers."""
    layers: tuple[Layer, ...] = ()

    @property
    def judged(self) -> bool:
        """Whether the cell came to a judgement, so that it has a headline."""
        return self.status in JUDGED

    def as_dict(self) -> dict[str, Any]:
        """Every field as plain data, for observers and for the way between processes."""
        values = {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}
        return {name: [*value] if isinstance(value, tuple) else value for name, value in values.items()}

    def as_row(self) -> dict[str, Any]:
        """Its row of the table `cells`, as plain data."""
        return {name: value for name, value in self.as_dict().items() if name not in ("curves", "probes", "layers")}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> CellRecord:
        """The record back from plain data, in which tuples may have become lists."""
        made = {"curves": CurvePoint, "probes": Finding, "layers": Layer}
        parts = {name: tuple(kind(*part) for part in data.get(name, ())) for name, kind in made.items()}
        return cls(**{**data, **parts})
