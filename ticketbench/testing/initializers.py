"""Does an initializer keep its contract?"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from ticketbench.plugin.contracts import Initializer
from ticketbench.seeds import generator
from ticketbench.testing.demand import demand
from ticketbench.testing.faults import RefusedError, in_one_line, refusal
from ticketbench.testing.global_randomness import random_numbers_from
from ticketbench.testing.passed import Passed, UncheckedError
from ticketbench.testing.watched import same
from ticketbench.testing.worlds import WORLDS, World, listed


def check_initializer(initializer: Initializer) -> Passed:
    """Finite weights in the shapes there were, drawn from the generator it is given and from nothing else.

    A `sparse_aware` one must leave zeros outside the mask. On a linear, a convolutional and a recurrent network; those
    that it refuses are left out; if all: `UncheckedError`.
    """
    taken, refused, constant = [], [], []
    for world in WORLDS:
        try:
            drawn = check_initializer_on(initializer, world)
        except RefusedError as error:
            refused.append(f"{world.words}: {error}")
            continue
        taken.append(world.words)
        constant += [world.words] if drawn else []
    if not taken:
        raise UncheckedError(
            f"initializer '{initializer.name}' refuses every network of the check. " + "; ".join(refused)
        )
    said = "finite, in place, drawn from its generator alone"
    said += ", zero outside the mask" if initializer.sparse_aware else ""
    notes = [f"it overwrites all weights of {listed(constant)} with the same ones for every seed"] if constant else []
    return Passed(f"{said}, on {listed(taken)}", tuple(notes))


@dataclass(frozen=True)
class Drawn:
    """What an initializer made of a network."""

    built: dict[str, Tensor]
    weights: dict[str, Tensor]


def check_initializer_on(initializer: Initializer, world: World) -> bool:
    """One network; whether all of its weights are drawn anew and yet the same for every seed."""
    name = initializer.name
    first = initialized(initializer, world, 1, 1, 1)
    again = initialized(initializer, world, 1, 1, 2)
    for part, weight in first.weights.items():
        demand(
            same(weight, again.weights[part]),
            f"initializer '{name}' gives other values of '{part}' for the same generator, on {world.words}: draw from "
            "the generator it is given alone (torch.nn.init takes it as `generator=`).",
        )
    if initializer.sparse_aware:
        initialized(initializer, world, 1, 1, 1, share=0.5)
    other = initialized(initializer, world, 1, 2, 1)
    elsewhere = initialized(initializer, world, 2, 1, 1)
    constant = all(same(weight, other.weights[part]) for part, weight in first.weights.items())
    replaced = all(same(weight, elsewhere.weights[part]) for part, weight in first.weights.items())
    return constant and replaced


def initialized(
    initializer: Initializer, world: World, build: int, seed: int, randomness: int, share: float = 1.0
) -> Drawn:
    """A network built from one seed and initialized from another, under a mask that keeps a share."""
    name, shapes = initializer.name, world.task.shapes()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(build)
        module = world.model.build(shapes)
    own = dict(module.named_parameters())
    built = {part: weight.detach().clone() for part, weight in own.items()}
    source = generator("check mask")
    mask = {part: torch.rand(own[part].shape, generator=source) < share for part in world.model.prunable(module)}
    given = {part: kept.clone() for part, kept in mask.items()}
    with torch.no_grad(), random_numbers_from(randomness):
        for part, kept in mask.items():
            own[part].copy_(own[part].where(kept, 0))
        try:
            initializer.initialize(module, mask, generator("check initializer", seed))
        except Exception as error:
            if refusal(error):
                raise RefusedError(str(error)) from error
            raise AssertionError(
                f"initializer '{name}' fails on {world.words}: {in_one_line(error)}. What it does not go with it "
                "should refuse by a ticketbench.OptionError that says so."
            ) from error
    for part, kept in given.items():
        demand(part in mask and same(mask[part], kept), f"initializer '{name}' writes into the mask of '{part}'")
    check_parameters(name, world, module, own, built)
    if share < 1:
        for part, kept in mask.items():
            outside = int(torch.count_nonzero(own[part].detach()[~kept]))
            demand(
                not outside,
                f"initializer '{name}' is `sparse_aware` and writes {outside} weights of '{part}' outside the mask, on "
                f"{world.words}: they have to be zero, as in weight.copy_(drawn.where(mask[name], 0)).",
            )
    return Drawn(built, {part: weight.detach().clone() for part, weight in own.items()})


def check_parameters(
    name: str, world: World, module: nn.Module, own: dict[str, nn.Parameter], built: dict[str, Tensor]
) -> None:
    """The same parameters as before, with finite numbers in them."""
    now = dict(module.named_parameters())
    demand(now.keys() == own.keys(), f"initializer '{name}' adds or removes parameters of {world.words}")
    for part, weight in now.items():
        before = built[part]
        demand(
            weight.shape == before.shape and weight.dtype == before.dtype,
            f"initializer '{name}' makes '{part}' a {weight.dtype} of shape {tuple(weight.shape)}; it was a "
            f"{before.dtype} of {tuple(before.shape)}, and has to stay one",
        )
        demand(
            weight is own[part],
            f"initializer '{name}' puts another parameter in the place of '{part}': fill it in place, as with copy_()",
        )
        wrong = int((~weight.isfinite()).sum())
        demand(not wrong, f"initializer '{name}' leaves {wrong} of {weight.numel()} values of '{part}' not finite")
