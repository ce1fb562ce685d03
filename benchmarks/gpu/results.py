"""What was found: sections of rows, and targets; printed as tables as they come, and written to a JSON file each time.

The file is an object. `schema` is 1; `rehearsal` says that nothing of it was measured on a GPU; `ok` that nothing
contradicted a CPU and no section failed; `started` is when (seconds since 1970), `seconds` how long it took; `facts` is
the machine. `sections` is a list of objects: `name`, `title`, `status` ("done"; "cut" where time did not suffice, with
`left_out` saying for what; "failed" where something raised an error), `error`, `seconds`, `share` (the seconds it had),
`columns` and `rows` (objects with these keys; null where there is no number), `notes`, `mismatches`, a sentence for
everything that CUDA and the CPU disagree about, and `troubles`, a sentence for each part that raised an error while
others went on. `targets` is a list of objects: `name`, `wanted` ("at most" or "at least"), `limit`, `found`, `unit`,
`reached` (null where nothing was found).
"""

from __future__ import annotations

import json
import math
import os
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

SCHEMA = 1
Wanted = Literal["at most", "at least"]


@dataclass
class Section:
    """One part of the check."""

    name: str
    title: str
    columns: tuple[str, ...]
    rows: list[dict[str, Any]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    mismatches: list[str] = field(default_factory=list)
    troubles: list[str] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)
    status: Literal["running", "done", "cut", "failed"] = "running"
    error: str = ""
    share: float = 0.0
    seconds: float = 0.0

    def add(self, **values: Any) -> None:
        """A row; a column without a value is null."""
        unknown = set(values) - set(self.columns)
        if unknown:
            raise KeyError(f"section '{self.name}' has no column {', '.join(sorted(unknown))}")
        self.rows.append({column: plain(values.get(column)) for column in self.columns})

    def table(self) -> str:
        """The section as text."""
        cells = [list(self.columns)] + [[shown(row[column]) for column in self.columns] for row in self.rows]
        widths = [max(len(line[at]) for line in cells) for at in range(len(self.columns))]
        numeric = [all(is_number(row[column]) for row in self.rows) for column in self.columns]
        lines = [
            "  "
            + "  ".join(
                text.rjust(width) if right else text.ljust(width)
                for text, width, right in zip(line, widths, numeric, strict=True)
            ).rstrip()
            for line in cells
        ]
        words = {"done": "", "cut": ", cut short", "failed": ", FAILED", "running": ", under way"}[self.status]
        said = [f"{self.title} ({self.seconds:.1f} s of {self.share:.0f} s{words})"]
        said += lines if self.rows else []
        said += [f"  {note}" for note in self.notes]
        said += [f"  MISMATCH: {mismatch}" for mismatch in self.mismatches]
        said += [f"  FAILED: {trouble}" for trouble in self.troubles]
        said += [f"  left out: {', '.join(self.left_out)}"] if self.left_out else []
        said += [f"  {self.error.strip().splitlines()[-1]}"] if self.error else []
        return "\n".join(said)


@dataclass(frozen=True)
class Target:
    """A number that is hoped for, and the one that was found."""

    name: str
    wanted: Wanted
    limit: float
    unit: str
    found: float | None = None

    @property
    def reached(self) -> bool | None:
        """Whether it was; None where nothing was found."""
        if self.found is None:
            return None
        return self.found <= self.limit if self.wanted == "at most" else self.found >= self.limit


@dataclass
class Results:
    """Everything that was found so far, in a file."""

    path: Path
    rehearsal: bool
    facts: dict[str, Any] = field(default_factory=dict)
    sections: list[Section] = field(default_factory=list)
    targets: list[Target] = field(default_factory=list)
    started: float = field(default_factory=time.time)
    clock: float = field(default_factory=time.monotonic)
    """When it started, on the clock that the time is kept by."""

    @property
    def ok(self) -> bool:
        """Whether no section failed, and nothing contradicted a CPU."""
        return not any(section.mismatches or section.status == "failed" for section in self.sections)

    def target(self, name: str, wanted: Wanted, limit: float, unit: str, found: float | None) -> None:
        """Note a target beside what was found; a rehearsal finds nothing that could reach it."""
        self.targets.append(Target(name, wanted, limit, unit, None if self.rehearsal else plain(found)))

    @classmethod
    def read(cls, path: Path) -> Results:
        """What another process has written, to go on with."""
        content = json.loads(path.read_text(encoding="utf-8"))
        sections = [Section(**{**section, "columns": tuple(section["columns"])}) for section in content["sections"]]
        given = [{name: target[name] for name in target if name != "reached"} for target in content["targets"]]
        targets = [Target(**target) for target in given]
        return cls(path, content["rehearsal"], content["facts"], sections, targets, content["started"])

    def write(self) -> None:
        """Replace the file: it is there whole, or as it was before."""
        content = {
            "schema": SCHEMA,
            "rehearsal": self.rehearsal,
            "ok": self.ok,
            "started": self.started,
            "seconds": time.time() - self.started,
            "facts": self.facts,
            "sections": [asdict(section) for section in self.sections],
            "targets": [{**asdict(target), "reached": target.reached} for target in self.targets],
        }
        self.path.parent.mkdir(parents=True, exist_ok=True)
        beside = self.path.with_name(f".{self.path.name}.part")
        beside.write_text(json.dumps(content, indent=1, allow_nan=False) + "\n", encoding="utf-8")
        os.replace(beside, self.path)

    def targets_table(self) -> str:
        """All targets as text."""
        table = Section("targets", "Targets, set for one H200", ("target", "wanted", "found", "unit", "verdict"))
        words = {True: "reached", False: "missed", None: "not measured"}
        for target in self.targets:
            wanted, verdict = f"{target.wanted} {shown(target.limit)}", words[target.reached]
            table.add(target=target.name, wanted=wanted, found=target.found, unit=target.unit, verdict=verdict)
        return "\n".join([table.title, *table.table().splitlines()[1:]])


def plain(value: Any) -> Any:
    """A value as JSON has it: numbers that are not finite become null."""
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, Mapping):
        return {str(key): plain(part) for key, part in value.items()}
    return value


def is_number(value: Any) -> bool:
    """Whether a column with it is set to the right."""
    return value is None or (isinstance(value, int | float) and not isinstance(value, bool))


def shown(value: Any) -> str:
    """A value in a table.

    >>> shown(12345.6), shown(0.01234), shown(None), shown(True), shown("x")
    ('12,346', '0.0123', '-', 'yes', 'x')
    """
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"
    return f"{value:,}" if isinstance(value, int) else str(value)
