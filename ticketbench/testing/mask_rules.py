"""Does a mask rule keep its contract?"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from ticketbench.plugin.mask_rule import MaskRule
from ticketbench.testing.demand import demand
from ticketbench.testing.faults import RefusedError
from ticketbench.testing.fleet import BothWays, remasked_both_ways
from ticketbench.testing.global_randomness import random_numbers_from
from ticketbench.testing.passed import Passed, UncheckedError
from ticketbench.testing.stacked_forms_agree import blamed, unlike_states
from ticketbench.testing.worlds import WORLDS, World, listed

if TYPE_CHECKING:
    from ticketbench import Trial

    Numbers = Callable[[Trial], Mapping[str, float]]


def no_numbers(trial: Trial) -> Mapping[str, float]:
    """A request that tells a rule nothing."""
    return {}


def check_mask_rule(rule: MaskRule, numbers: Numbers = no_numbers) -> Passed:
    """Bool masks of the right shapes, the same for members alone and together, the same again, and so its memory.

    `numbers` says what a request tells the rule of a trial. On a linear, a convolutional and a recurrent network; those
    that it refuses are left out; if all: `UncheckedError`.

    >>> from ticketbench import MaskRule, top_mask
    >>> class KeepHalf(MaskRule):
    ...     def masks(self, view):
    ...         return {name: top_mask(view.weights[name].abs(), mask.sum() // 2) for name, mask in view.mask.items()}
    >>> check_mask_rule(KeepHalf()).said.startswith("the same masks alone and together")
    True
    """
    taken: list[str] = []
    refused: list[str] = []
    for world in WORLDS:
        try:
            check_rule_on(rule, numbers, world)
            taken.append(world.words)
        except RefusedError as error:
            refused.append(f"{world.words}: {error}")
    if not taken:
        raise UncheckedError(f"the mask rule {type(rule).__name__} refuses every network. " + "; ".join(refused))
    return Passed(f"the same masks alone and together, and the same again, on {listed(taken)}")


def check_rule_on(rule: MaskRule, numbers: Numbers, world: World) -> None:
    """One network: two changes of three members, together and alone, and all of it once more."""
    who = f"the mask rule {type(rule).__name__}"
    first, again = (changed(rule, numbers, world, randomness) for randomness in (1, 2))
    for at, (together, alone) in enumerate(zip(first.together, first.alone, strict=True)):
        for what, one, other in zip(("mask", "memory"), together, alone, strict=True):
            name = unlike_states(one, other)
            demand(
                not name,
                f"{who} leaves another {what} of '{name}' where members change together than where each changes alone, "
                f"on {world.words} (change {at}). A view is of one network: use nothing else.",
            )
    for (mask, _), (other, _) in zip(first.alone, again.alone, strict=True):
        demand(
            not unlike_states(mask, other),
            f"{who} makes another mask the second time, on {world.words}. Ask for random numbers by `noise` alone.",
        )


def changed(rule: MaskRule, numbers: Numbers, world: World, randomness: int) -> BothWays:
    """What comes of the changes, or an `AssertionError` that says what the rule cannot do."""
    try:
        with random_numbers_from(randomness):
            return remasked_both_ways(rule, numbers, world.model, world.task)
    except Exception as error:
        raise blamed(error, f"the mask rule {type(rule).__name__} fails on {world.words}") from error
