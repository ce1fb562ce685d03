"""Do the forms of probes and scorers for several members at once say what their forms for one say?"""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch

from ticketbench.plugin.contracts import Points, Probe, Scorer
from ticketbench.plugin.stacked_forms import has_form
from ticketbench.testing.demand import demand
from ticketbench.testing.faults import RefusedError, in_one_line, refusal
from ticketbench.testing.fleet import BothWays, probed_both_ways, scored_both_ways
from ticketbench.testing.worlds import World

NEARLY, NOTHING = 1e-4, 1e-7
"""How far apart what is measured in two ways may be: as a share, and where it is close to zero."""


def check_stacked_probe(probe: Probe, world: World) -> None:
    """What it measures of members together is what it measures of each, but for rounding. Nothing without a form."""
    if not has_form(probe, "measure_stacked", "measure"):
        return
    who = f"measure_stacked of probe '{probe.name}'"
    try:
        found = probed_both_ways(probe, world.model, world.task)
    except Exception as error:
        raise blamed(error, f"{who} fails on {world.words}") from error
    for at, (together, alone) in enumerate(zip(found.together, found.alone, strict=True)):
        demand(
            together.keys() == alone.keys(),
            f"{who} finds {', '.join(together) or 'nothing'} of a member on {world.words}; `measure` finds "
            f"{', '.join(alone) or 'nothing'}",
        )
        for name, value in alone.items():
            demand(
                nearly(together[name], value),
                f"{who} finds {together[name]!r} as '{name}' at {at} on {world.words}, `measure` finds {value!r}",
            )


def check_stacked_scorer(scorer: Scorer, world: World) -> None:
    """The scores of members together are those of each, but for rounding. Nothing without a form."""
    if not has_form(scorer, "scores_of", "score"):
        return
    who = f"scores_of of scorer '{scorer.name}'"
    try:
        found: BothWays = scored_both_ways(scorer, world.model, world.task)
    except Exception as error:
        raise blamed(error, f"{who} fails on {world.words}") from error
    for together, alone in zip(found.together, found.alone, strict=True):
        for name, scores in alone.items():
            demand(name in together, f"{who} has no score for '{name}' on {world.words}; `score` has one")
            demand(
                together[name].shape == scores.shape and torch.allclose(together[name], scores, rtol=1e-6, atol=0),
                f"{who} scores '{name}' otherwise than `score` on {world.words}",
            )


def blamed(error: Exception, what: str) -> Exception:
    """A refusal where something refuses a network; else a complaint that says what a stacked form must be like."""
    if refusal(error):
        return RefusedError(str(error))
    return AssertionError(
        f"{what}: {in_one_line(error)}. It works on all members with operations on tensors: no value is read of one."
    )


def nearly(one: float | Points, other: float | Points) -> bool:
    """Whether two findings are the same but for rounding; what is no number equals itself."""
    if isinstance(one, Points) or isinstance(other, Points):
        both = isinstance(one, Points) and isinstance(other, Points)
        return both and same_points(one, other)  # type: ignore[arg-type]
    if math.isnan(one) or math.isnan(other):
        return math.isnan(one) and math.isnan(other)
    return math.isclose(one, other, rel_tol=NEARLY, abs_tol=NOTHING)


def same_points(one: Points, other: Points) -> bool:
    """Whether points are along the same thing, and each is nearly the other."""
    if one.x_name != other.x_name or len(one.values) != len(other.values):
        return False
    pairs = zip(one.values, other.values, strict=True)
    return all(nearly(left, right) for mine, theirs in pairs for left, right in zip(mine, theirs, strict=True))


def unlike_states(one: Mapping[str, torch.Tensor], other: Mapping[str, torch.Tensor]) -> str:
    """The first tensor that is another one there; "" if none is."""
    for name, part in one.items():
        if name not in other or part.shape != other[name].shape:
            return name
        floating = part.is_floating_point()
        if not (torch.allclose(part, other[name], rtol=1e-6, equal_nan=True) if floating else part.equal(other[name])):
            return name
    return next((name for name in other if name not in one), "")
