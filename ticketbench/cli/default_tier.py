"""The default tier, and what the other tiers of a suite would cost."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from ticketbench.suite.tiers import TIERS

if TYPE_CHECKING:
    from ticketbench.cli.crew import Crew
    from ticketbench.plan.estimate import Estimate
    from ticketbench.plan.plan import Plan
    from ticketbench.plan.resolve import Resolver
    from ticketbench.plugin.loading import Plugins
    from ticketbench.suite.suite import Suite

ASKED = "asked for"
"""Why a tier is the one, where somebody has named it."""
WITHIN = 3600.0
"""Seconds that the default tier may take on a card, by a first guess."""


def pick_tier(suite: Suite, tier: str | None, crew: Crew, plugins: Plugins, **arithmetic: Any) -> tuple[str, str]:
    """The tier that was asked for, or the default for the workers, and in a few words why it is that one.

    With a GPU it is the largest that a first guess puts within an hour on one card, whatever was measured and whatever
    a store has: the same command goes on with the same tier. Without one it is `small`.
    """
    if tier is not None:
        suite.tier(tier)
        return tier, ASKED
    if crew.speed.on_card:
        for name in (name for name in reversed(TIERS) if name in suite.tiers):
            if first_guess(suite, name, crew, plugins, **arithmetic).seconds <= WITHIN:
                return name, "the largest that takes about an hour or less on this GPU"
    if "small" in suite.tiers:
        return (
            "small",
            "none takes less than an hour on this GPU" if crew.speed.on_card else "the default without a GPU",
        )
    only = next(iter(suite.tiers))
    return only, "the first this suite has"


def first_guess(suite: Suite, tier: str, crew: Crew, plugins: Plugins, **arithmetic: Any) -> Estimate:
    """What a whole tier costs one worker, whatever was measured here before."""
    from ticketbench.plan.estimate import estimate
    from ticketbench.plan.plan import make_plan

    plan = make_plan(suite, tier, plugins, device_class=crew.devices[0].partition(":")[0], **arithmetic)
    resolver = crew.resolver(plugins)
    alone = crew.devices[:1]
    fleets = plan.fleets(plan.cells, alone[0], 1, room=crew.room(resolver))
    return estimate(fleets, resolver, crew.speed, alone)


def other_tiers(plan: Plan, crew: Crew, resolver: Resolver) -> Iterator[str]:
    """A line for each other tier of a plan's suite: how many cells it has, how long it takes, and how to ask for it.

    Without a GPU nobody is told how many days the tiers for one would take, and counting them takes seconds.
    """
    from ticketbench.plan.plan import make_plan
    from ticketbench.render.numbers import duration

    device_class = plan.cells[0].setting.device_class
    for other in plan.suite.tiers:
        if other == plan.tier:
            continue
        whole = make_plan(plan.suite, other, resolver.plugins, device_class=device_class)
        words = f"{len(whole.cells):,} cells"
        if crew.speed.on_card or other in ("smoke", "small"):
            cost = crew.estimate(crew.fleets(whole, whole.cells, resolver), resolver)
            words += f", about {duration(cost.seconds)}"
        yield f"tier {other}: {words}; ask with --tier {other}"
