"""The check of whatever a plugin has registered."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ticketbench.errors import UnknownNameError
from ticketbench.plan.resolve import Resolver
from ticketbench.plugin.contracts import Method, Scorer, Task
from ticketbench.plugin.loading import Plugins, Registered
from ticketbench.testing.initializers import check_initializer
from ticketbench.testing.methods import check_method
from ticketbench.testing.models import check_model
from ticketbench.testing.passed import Passed
from ticketbench.testing.probes import check_probe
from ticketbench.testing.protocols import check_protocol
from ticketbench.testing.scorers import check_scorer
from ticketbench.testing.suites import check_suite
from ticketbench.testing.tasks import check_task


def check_registered(one: Registered, plugins: Plugins) -> Passed:
    """Hold a registered thing to the contract of its kind, with the other plugins at hand."""
    item: Any = one.item
    if one.kind == "scorer":
        return check_scorer(item)
    if one.kind == "method":
        return check_method(item, scorer_to_rank_by(item, plugins))
    if one.kind == "model":
        return check_model(item)
    if one.kind == "task":
        return check_task(item)
    if one.kind == "protocol":
        return check_protocol(item, tasks_of(plugins), Resolver(plugins).find_task)
    if one.kind == "initializer":
        return check_initializer(item)
    if one.kind == "probe":
        return check_probe(item)
    return check_suite(item, plugins)


def scorer_to_rank_by(method: Method, plugins: Plugins) -> Scorer | None:
    """The scorer that a method ranks by where a row names none."""
    if not method.ranks_by:
        return None
    try:
        scorer: Scorer = plugins.find("scorer", method.ranks_by)
    except UnknownNameError as error:
        raise AssertionError(f"method '{method.name}': `ranks_by` names no scorer that there is: {error}") from error
    return scorer


def tasks_of(plugins: Plugins) -> Sequence[Task]:
    """Every registered task, as it is by default."""
    return [one.item for one in plugins.items["task"].values()]
