"""Submissions: the records of one setting (suite, version, tier, precision, device) under one name, as plain data."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pyarrow as pa

from ticketbench.board.bundle.manifest import MANIFEST
from ticketbench.board.bundle.reading import Bundle, read_bundle
from ticketbench.board.verdict import verdict_of
from ticketbench.errors import StoreError
from ticketbench.store.column import LONGEST, columns_of
from ticketbench.store.schema import MARKER, CellRecord, Environment
from ticketbench.store.store import Store
from ticketbench.store.tables import environments_of, records_of
from ticketbench.suite.suite import Suite

SHOWN = tuple(one.name for one in columns_of(CellRecord) if one.about.longest <= LONGEST)
"""The columns of `cells` that a board reads: all but traces and definitions, which are long."""

LINKED = ("repository", "paper")
"""The facts that are addresses, of the code and of the paper; boards show them as links."""


@dataclass(frozen=True)
class Submission:
    """The cells of one setting, with what belongs to them."""

    name: str
    suite: str
    version: int
    tier: str
    precision: str
    device_class: str
    cells: Sequence[CellRecord]
    """With the columns `SHOWN`."""
    curves: pa.Table
    """As in the store; may hold points of other cells too."""
    probes: pa.Table
    environments: Sequence[Environment]
    facts: Mapping[str, str] = field(default_factory=dict)
    """What the submitter says of it: who, which method, where it is described. Text, as it came."""

    @property
    def setting(self) -> tuple[str, int, str, str, str]:
        """What all its cells share: suite, version, tier, precision and kind of device."""
        return (self.suite, self.version, self.tier, self.precision, self.device_class)


def from_tables(
    name: str,
    cells: pa.Table,
    curves: pa.Table,
    probes: pa.Table,
    environments: pa.Table,
    facts: Mapping[str, str] | None = None,
) -> list[Submission]:
    """A submission for each setting that the cells have, in a fixed order."""
    made = environments_of(environments)
    found = []
    groups: dict[tuple[str, int, str, str, str], list[CellRecord]] = {}
    for record in records_of(cells.select(SHOWN)):
        setting = (record.suite, record.suite_version, record.tier, record.precision, record.device_class)
        groups.setdefault(setting, []).append(record)
    for setting, records in sorted(groups.items(), key=lambda group: repr(group[0])):
        used = {record.environment for record in records}
        own = [one for one in made if one.environment in used]
        found.append(Submission(name, *setting, records, curves, probes, own, facts or {}))
    return found


def from_store(store: Store, name: str) -> list[Submission]:
    """A store's cells as submissions, one for each setting."""
    tables = (store.read(table) for table in ("cells", "curves", "probes", "environments"))
    return from_tables(name, *tables)


def from_bundle(bundle: Bundle, name: str = "") -> list[Submission]:
    """What a board reads of it: one submission, as a bundle has one setting."""
    said = bundle.manifest
    facts = {"who": said.who, "hash": said.hash, "ticketbench": said.ticketbench}
    rows_of: dict[str, list[str]] = {}
    for method in said.methods:
        code = {f"{method.distribution} {method.version}".strip(): ""}
        if method.scorer:
            code[f"{method.scorer_distribution} {method.scorer_version}".strip()] = ""
        rows_of.setdefault(" and ".join(code), []).append(method.row)
    several = len(rows_of) > 1
    facts["code"] = "; ".join(f"{code} ({', '.join(rows)})" if several else code for code, rows in rows_of.items())
    facts["verdict"] = verdict_of(bundle)
    facts |= dict(zip(LINKED, (said.code or "", said.paper or ""), strict=True))
    held = bundle.tables
    return from_tables(name or said.name, held["cells"], held["curves"], held["probes"], held["environments"], facts)


def read_submissions(
    folder: Path, name: str = "", find: Callable[[str], Suite | None] = lambda name: None
) -> list[Submission]:
    """What lies in a folder: a store, or a submission, which is held against its suite where `find` knows that."""
    name = name or folder.name
    if (folder / MARKER).is_file():
        return from_store(Store(folder), name)
    if (folder / MANIFEST).is_file():
        bundle = read_bundle(folder)
        suite = find(bundle.manifest.suite)
        if suite is not None and bundle.manifest.suite_version == suite.version:
            bundle.check_against(suite)
        return from_bundle(bundle, name)
    raise StoreError(
        f"{folder} is neither a store (it has no {MARKER}) nor a submission (it has no {MANIFEST}). "
        "`ticketbench run --store` makes the one, `ticketbench submit` the other."
    )


def submission_folders(board: Path) -> Iterator[Path]:
    """The folders under `submissions/` of a board, by name; whatever is hidden or no folder is passed over."""
    place = board / "submissions"
    if place.is_dir():
        for folder in sorted(place.iterdir(), key=lambda path: path.name):
            if folder.is_dir() and not folder.name.startswith("."):
                yield folder
