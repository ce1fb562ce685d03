"""Evidence: the curves and the values of probes in a store that a suite's figures, claims and targets speak of."""

from __future__ import annotations

from collections.abc import Sequence, Set

import pyarrow as pa
import pyarrow.compute as pc

from ticketbench.results.records import Records
from ticketbench.store.schema import PROBE_SPLIT, CurvePoint
from ticketbench.store.tables import parts_of
from ticketbench.suite.paper import Aspect
from ticketbench.suite.suite import Suite
from ticketbench.suite.where import Where


def splits(suite: Suite) -> list[str]:
    """The splits whose curves the suite's figures, claims and targets speak of."""
    wheres: list[Where] = [*suite.figures, *suite.claims, *suite.targets]
    wheres += [claim.than for claim in suite.claims if claim.than]
    train = {"train" for figure in suite.figures if figure.kind == "size"}
    return sorted({"test", *train, *(where.split for where in wheres if where.split)})


def addresses(suite: Suite) -> set[str]:
    """The values of probes that the suite's figures, claims and targets speak of; "probe/moment/" means all of them."""
    aspects: list[Aspect] = [*suite.claims, *suite.targets, *(claim.than for claim in suite.claims if claim.than)]
    named = {aspect.probe for aspect in aspects if aspect.probe}
    whole = {f"{figure.distances}/" for figure in suite.figures if figure.distances}
    return named | whole | {probe for figure in suite.figures for probe in figure.probes}


def probe_curves(suite: Suite) -> set[str]:
    """The metrics of curves of probes that the suite's figures, claims and targets speak of."""
    others = [claim.changed(claim.than) for claim in suite.claims if claim.than]
    wheres: list[Where] = [*suite.figures, *suite.claims, *suite.targets, *others]
    return {where.metric for where in wheres if where.split == PROBE_SPLIT and where.metric}


def probes_of(store: Records, keys: Sequence[str], wanted: Set[str]) -> dict[str, dict[str, float]]:
    """Values of probes by cell and by "probe/moment/value"."""
    found: dict[str, dict[str, float]] = {}
    if not wanted:
        return found
    table = store.read("probes")
    known = pc.is_in(table["key"], pa.array(keys, pa.string()))
    address = pc.binary_join_element_wise(table["probe"], table["moment"], table["name"], "/")
    whole = pc.binary_join_element_wise(table["probe"], table["moment"], "", "/")
    table = table.append_column("address", address)
    names = pa.array(sorted(wanted), pa.string())
    table = table.filter(pc.and_(known, pc.or_(pc.is_in(address, names), pc.is_in(whole, names))))
    for row in table.to_pylist():
        found.setdefault(row["key"], {})[row["address"]] = row["value"]
    return found


def points_of(
    store: Records, keys: Sequence[str], wanted: Sequence[str], probed: Set[str] = frozenset()
) -> dict[str, list[CurvePoint]]:
    """The points of all curves of some splits, by cell, in the order they were recorded; of probes, of some metrics."""
    table = store.read("curves")
    known = pc.is_in(table["key"], pa.array(keys, pa.string()))
    meant = pc.is_in(table["metric"], pa.array(sorted(probed), pa.string()))
    shown = pc.and_(
        pc.is_in(table["split"], pa.array(wanted, pa.string())),
        pc.or_(pc.not_equal(table["split"], PROBE_SPLIT), meant),
    )
    return parts_of(CurvePoint, table.filter(pc.and_(known, shown)))
