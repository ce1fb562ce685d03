"""Does a method keep its contract?"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import product
from typing import TYPE_CHECKING, Any

from ticketbench.errors import TicketError
from ticketbench.masks.scopes import kept_count
from ticketbench.plugin.contracts import Method, Scorer
from ticketbench.testing.demand import demand
from ticketbench.testing.faults import RefusedError, in_one_line, refusal
from ticketbench.testing.global_randomness import random_numbers_from
from ticketbench.testing.outcome import Outcome, distance
from ticketbench.testing.parts import RECIPE, Largest
from ticketbench.testing.passed import Passed, UncheckedError
from ticketbench.testing.trials import run_method
from ticketbench.testing.watched import Watched
from ticketbench.testing.worlds import WORLDS, World

if TYPE_CHECKING:
    from ticketbench import Request, Trial

DENSITIES = (0.5, 0.13)
OTHERS = (7, 8)
"""The seeds of those that a cell shares its fleet with."""
SCHEDULES = (40, 400)
"""Steps of a training; the longer one for methods that do nothing in a short one."""
AGAIN, ROUNDING = 1e-5, 1e-2
"""How far apart, as a share of their length, the trained weights of a cell may be: computed twice, or in two fleets."""


def check_method(method: Method, scorer: Scorer | None = None) -> Passed:
    """Exact density, no leak through the mask, and the same result for the same seed, alone or in a fleet.

    A method that ranks by a scorer gets the one given, or |θ|. The first of a linear, a convolutional and a recurrent
    network that it does not refuse is taken; if it refuses all: `UncheckedError`.
    """
    if scorer is None and method.ranks_by is not None:
        scorer = Largest()
    densities = DENSITIES if method.fixed_density is None else (method.fixed_density,)
    for density in densities:
        trainings, scorings = method.trainings(density), method.scorings(density)
        demand(
            math.isfinite(trainings) and trainings >= 0,
            f"method '{method.name}': trainings({density:g}) is {trainings}; it must be how many full trainings a cell "
            "takes, as a number of at least 0",
        )
        demand(
            math.isfinite(scorings) and scorings >= 0,
            f"method '{method.name}': scorings({density:g}) is {scorings}; it must be how often weights are ranked, as "
            "a number of at least 0",
        )
    refused = []
    for steps, world in product(SCHEDULES, WORLDS):
        try:
            for density in densities:
                check_method_on(method, scorer, world, steps, density, twice=density == densities[0])
        except RefusedError as refusal_of:
            refused.append(f"{world.words}, {steps} steps: {refusal_of}")
            continue
        exact = "no more weights than the density says" if method.removes_units else "exact density"
        return Passed(f"{exact}, nothing leaks, the same again, alone and in a fleet, on {world.words}")
    raise UncheckedError(f"method '{method.name}' refuses every network of the check. " + "; ".join(refused))


def check_method_on(
    method: Method, scorer: Scorer | None, world: World, steps: int, density: float, twice: bool
) -> None:
    """One density: in a fleet, alone, and alone once more."""
    (together, *_) = finished_outcomes(method, scorer, world, steps, density, (0, *OTHERS), 1)
    (alone,) = finished_outcomes(method, scorer, world, steps, density, (0,), 2)
    advice = (
        'Draw random numbers from trial.generator("purpose") alone, and keep nothing of one trial for another: draw() '
        "is called once a member, and all of them are under way at once."
    )
    if twice:
        (again,) = finished_outcomes(method, scorer, world, steps, density, (0,), 3)
        difference = unlike(alone, again, AGAIN)
        demand(not difference, f"method '{method.name}' gives another result the second time: {difference}. {advice}")
    difference = unlike(alone, together, ROUNDING)
    demand(
        not difference,
        f"method '{method.name}' gives another result in a fleet with other seeds than alone: {difference}. {advice}",
    )


def finished_outcomes(
    method: Method,
    scorer: Scorer | None,
    world: World,
    steps: int,
    density: float,
    seeds: Sequence[int],
    randomness: int,
) -> list[Outcome]:
    """A fleet led to its end under observation; an `AssertionError` says what went wrong with a member."""
    watch = MethodWatch(method)
    with random_numbers_from(randomness):
        outcomes = run_method(
            watch.method(),
            scorer,
            model=world.model,
            task=world.task,
            densities=(density,),
            seeds=seeds,
            recipe=RECIPE.model_copy(update={"steps": steps}),
        )
    if watch.errors and isinstance(watch.errors[0], AssertionError):
        raise watch.errors[0]
    if watch.errors:
        error = watch.errors[0]
        if refusal(error):
            raise RefusedError(str(error)) from error
        raise AssertionError(f"method '{method.name}' fails at density {density:g}: {in_one_line(error)}") from error
    for outcome in outcomes:
        trace = "" if outcome.reason.startswith("TicketError") else f"\n{outcome.error}"
        demand(
            outcome.status in ("ok", "collapsed"),
            f"method '{method.name}' at density {density:g}: {outcome.reason.removeprefix('TicketError: ')}{trace}",
        )
        check_mask(method, outcome)
    return outcomes


def check_mask(method: Method, outcome: Outcome) -> None:
    """As many weights as the density says, and zeros outside the mask."""
    kept = sum(int(part.sum()) for part in outcome.mask.values())
    total = sum(part.numel() for part in outcome.mask.values())
    target = kept_count(outcome.density, total)
    right = kept <= target if method.removes_units else kept == target
    demand(
        right,
        f"method '{method.name}' left {kept} of {total} weights; density {outcome.density:g} means {target}. "
        "trial.prune() keeps exactly as many, and kept_count(density, total) says how many that is.",
    )
    for ticket in (outcome.ticket, outcome.solution):
        assert ticket is not None
        try:
            ticket.check()
        except TicketError as error:
            raise AssertionError(f"method '{method.name}': {error}") from error


def unlike(one: Outcome, other: Outcome, share: float) -> str:
    """Where two outcomes of the same cell differ by more than rounding; "" if nowhere."""
    for name, mask in one.mask.items():
        differ = int((mask != other.mask[name]).sum())
        if differ:
            return f"the masks of '{name}' differ in {differ} of {mask.numel()} places"
    apart = distance(one.weights, other.weights)
    return f"the trained weights differ by {100 * apart:.2g} % of their length" if apart > share else ""


@dataclass
class MethodWatch:
    """Someone who stands between a method and its trials, and takes notes."""

    watched: Method
    errors: list[Exception] = field(default_factory=list)
    """What was raised while a ticket was drawn."""

    def method(self) -> Method:
        """The method, with an observer around `draw`."""
        owner, watch = type(self.watched), self

        def draw(method: Method, trial: Trial) -> Iterator[Request]:
            try:
                yield from watch.drawing(owner.draw, method, trial)
            except Exception as error:
                watch.errors.append(error)
                raise

        observed: Method = object.__new__(type(owner.__name__, (owner,), {"draw": draw, "__slots__": ()}))
        for name, value in vars(self.watched).items():
            object.__setattr__(observed, name, value)
        return observed

    def drawing(self, draw: Any, method: Method, trial: Trial) -> Iterator[Request]:
        """Let a trial's ticket be drawn, with a look at every request on the way."""
        seen = Watched(trial, f"method '{method.name}'")
        requests = draw(method, seen)
        if requests is not None:
            demand(
                isinstance(requests, Iterator),
                f"method '{method.name}': draw() returns {type(requests).__name__}. It is either a plain function that "
                "sets the mask and returns nothing, or a generator that yields trial.train(...).",
            )
            for request in requests:
                demand(
                    any(request is made for made in seen.requests),
                    f"method '{method.name}' yields {request!r}; yield nothing but what trial.train(...), "
                    "trial.remask(...) or trial.pruning(...) returns.",
                )
                yield request
