"""Does a probe keep its contract?"""

from __future__ import annotations

import math
from collections.abc import Mapping
from numbers import Real
from typing import TYPE_CHECKING, cast

from ticketbench.errors import suggest
from ticketbench.plugin.contracts import Points, Probe
from ticketbench.testing.demand import demand
from ticketbench.testing.faults import RefusedError, in_one_line, refusal
from ticketbench.testing.global_randomness import random_numbers_from
from ticketbench.testing.outcome import Outcome, distance
from ticketbench.testing.parts import Halfway
from ticketbench.testing.passed import Passed, UncheckedError
from ticketbench.testing.stacked_forms_agree import check_stacked_probe
from ticketbench.testing.trials import run_method
from ticketbench.testing.watched import Watched
from ticketbench.testing.worlds import WORLDS, World, listed

if TYPE_CHECKING:
    from ticketbench import Trial

PROBED_MOMENTS = ("started", "drawn", "trained", "reported", "masked", "judged")
PROBED_STEPS = 40


def check_probe(probe: Probe) -> Passed:
    """Numbers, the same every time, and the cell goes on as if nobody had looked.

    It looks at a cell that is trained, pruned twice and judged, with networks to compare with, and where it has a form
    for several members at once, at three of them. On a linear, a
    convolutional and a recurrent network; those that it refuses are left out; if all: `UncheckedError`.
    """
    check_times(probe)
    taken: list[str] = []
    refused: list[str] = []
    notes: dict[str, list[str]] = {}
    for world in WORLDS:
        try:
            for note in check_probe_on(probe, world):
                notes.setdefault(note, []).append(world.words)
            check_stacked_probe(probe, world)
            taken.append(world.words)
        except RefusedError as error:
            refused.append(f"{world.words}: {error}")
    if not taken:
        raise UncheckedError(f"probe '{probe.name}' refuses every network of the check. " + "; ".join(refused))
    return Passed(
        f"numbers, the same every time, and it disturbs nothing, on {listed(taken)}",
        tuple(f"{note} on {listed(words)}" for note, words in notes.items()),
    )


def check_times(probe: Probe) -> None:
    """It looks at some time, and at none that does not exist."""
    for moment in probe.moments:
        demand(
            moment in PROBED_MOMENTS,
            f"probe '{probe.name}' looks at the moment '{moment}', which never comes. "
            f"{suggest(moment, PROBED_MOMENTS)}",
        )
    steps = list(probe.steps(PROBED_STEPS))
    demand(probe.moments or steps, f"probe '{probe.name}' never looks: it names neither `moments` nor steps()")
    outside = [step for step in steps if not 0 <= step <= PROBED_STEPS]
    demand(
        not outside,
        f"probe '{probe.name}': steps({PROBED_STEPS}) names step {outside[0] if outside else 0}, which never comes",
    )


def check_probe_on(probe: Probe, world: World) -> list[str]:
    """One network: with the probe, with it once more, and without. What is worth a note."""
    watch = ProbeWatch(probe)
    alone = lived(world, (), 1)
    seen = lived(world, (watch.probe(),), 2)
    if watch.errors:
        error = watch.errors[0]
        if isinstance(error, AssertionError):
            raise error
        if refusal(error):
            raise RefusedError(str(error)) from error
        raise AssertionError(
            f"probe '{probe.name}' fails on {world.words}: {in_one_line(error)}. What it does not go with it should "
            "refuse by a ticketbench.OptionError that says so."
        ) from error
    demand(
        seen.status == alone.status,
        f"probe '{probe.name}' disturbs the cell it looks at, on {world.words}: with the probe it is {seen.status}, "
        f"without it {alone.status}. {seen.reason}",
    )
    again = lived(world, (watch.probe(),), 3)
    demand(
        measured_by(seen) == measured_by(again),
        f"probe '{probe.name}' is not deterministic on {world.words}: it measured something else the second time. Draw "
        'random numbers from trial.generator("purpose") alone.',
    )
    difference = disturbed(alone, seen)
    demand(
        not difference,
        f"probe '{probe.name}' disturbs the cell it looks at, on {world.words}: {difference}. Work on trial.module, "
        'which is a copy, and draw from trial.generator("purpose").',
    )
    odd = [(name, moment, value) for _, moment, name, value in seen.findings if not math.isfinite(value)]
    notes = [f"it measures {value} as '{name}' at '{moment}'" for name, moment, value in odd[:1]]
    return notes if measured_by(seen) else ["it measures nothing"]


def lived(world: World, probes: tuple[Probe, ...], randomness: int) -> Outcome:
    """A cell that does everything there is to look at."""
    with random_numbers_from(randomness):
        (outcome,) = run_method(Halfway(), model=world.model, task=world.task, probes=probes)
    return outcome


def measured_by(outcome: Outcome) -> list[str]:
    """Everything that was found, as text, so that what is not a number equals itself."""
    return [repr(found) for found in (*outcome.findings, *(point for point in outcome.curves if point[0] == "probe"))]


def disturbed(alone: Outcome, seen: Outcome) -> str:
    """What is different about a cell that was looked at; "" if nothing."""
    if any(not mask.equal(seen.mask[name]) for name, mask in alone.mask.items()):
        return "its mask is another than without the probe"
    if distance(alone.weights, seen.weights):
        return "its trained weights are others than without the probe"
    curves = [[point for point in outcome.curves if point[0] != "probe"] for outcome in (alone, seen)]
    return "" if curves[0] == curves[1] else "its curves are others than without the probe"


class ProbeWatch:
    """Someone who stands between a probe and its trials, and takes notes."""

    def __init__(self, watched: Probe) -> None:
        self.watched = watched
        self.errors: list[Exception] = []

    def probe(self) -> Probe:
        """The probe, with an observer around `measure`."""
        owner, watch = type(self.watched), self

        def measure(probe: Probe, trial: Trial) -> Mapping[str, float | Points]:
            try:
                found = owner.measure(probe, cast("Trial", Watched(trial, f"probe '{probe.name}'", still=True)))
                watch.check(found)
            except Exception as error:
                watch.errors.append(error)
                raise
            return found

        observed: Probe = object.__new__(type(owner.__name__, (owner,), {"measure": measure, "__slots__": ()}))
        for name, value in vars(self.watched).items():
            object.__setattr__(observed, name, value)
        return observed

    def check(self, found: object) -> None:
        """Refuse whatever a probe returned that is no table of named numbers and points."""
        name = self.watched.name
        if not isinstance(found, Mapping):
            raise AssertionError(f"probe '{name}' returns {type(found).__name__}; return a table of named numbers")
        for word, value in found.items():
            demand(isinstance(word, str), f"probe '{name}' names a number {word!r}, which is no text")
            if isinstance(value, Points):
                wrong = [part for point in value.values for part in point if not is_number(part)]
                demand(
                    all(len(point) == 2 for point in value.values) and not wrong,
                    f"probe '{name}': the points of '{word}' must be pairs of numbers (x, value)",
                )
            else:
                demand(
                    is_number(value),
                    f"probe '{name}' measures {value!r} as '{word}'; it must be a number (float(…)) or `Points`",
                )


def is_number(value: object) -> bool:
    """Whether something is a real number and no truth value."""
    return isinstance(value, Real) and not isinstance(value, bool)
