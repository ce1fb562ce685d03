"""Does a model keep its contract?"""

from __future__ import annotations

import copy
import random
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.utils._pytree import tree_leaves

from ticketbench.errors import suggest
from ticketbench.plan.count import module_work
from ticketbench.plugin.contracts import Model, Shapes
from ticketbench.testing.blobs import Anything
from ticketbench.testing.demand import demand
from ticketbench.testing.faults import in_one_line
from ticketbench.testing.fleet import swept_alone
from ticketbench.testing.global_randomness import random_numbers_from
from ticketbench.testing.outcome import Outcome, distance
from ticketbench.testing.parts import RECIPE
from ticketbench.testing.passed import Passed, UncheckedError
from ticketbench.testing.stacking import MEMBERS, built, check_stacking, close, is_random
from ticketbench.testing.tapes import check_tapes
from ticketbench.testing.trials import train
from ticketbench.testing.watched import same

CANDIDATES = (
    Shapes((6,), 3),
    Shapes((1, 8, 8), 3),
    Shapes((3, 32, 32), 3),
    Shapes((1, 28, 28), 3),
    Shapes((5, 4), 3),
    Shapes((4, 32), 3),
)
"""What a model is tried with: a vector, images, a sequence, a string of bits."""
WORDS = Shapes((5,), 7)
"""Five tokens out of seven, as whole numbers."""
TRAINED_STEPS = 2
AGAIN, ROUNDING = 1e-4, 0.2
"""How far apart, as a share of the way that training goes, weights may be: trained twice, or in two fleets. In deep
networks rounding grows to a few hundredths of it within two steps; other random numbers are as far apart as the way."""
POINTS = (1, 2, 3)
"""The budgets at which a sweep is compared with single budgets."""


def check_model(model: Model, shapes: Shapes | None = None, batch: int = 4) -> Passed:
    """Stacked members compute what single ones do, training can be repeated, and evaluation keeps no state.

    With outputs and gradients, in evaluation and in training mode, alone and in a fleet. A tape, where there is one,
    computes what the forward does; that is left out, with a word, where the sparse engine is not compiled. Without
    `shapes` the first of some vectors, images, sequences and tokens is taken that the model can be built for; if there
    is none: `UncheckedError`.
    """
    task, module = fitting_task(model, shapes, batch)
    check_build(model, task.shapes())
    check_prunable(model, module)
    check_counting(model, module, task)
    check_evaluation(model, module, task)
    check_calls(model)
    check_sweep(model, module, task)
    check_stacking(model, task, batch)
    tapes = check_tapes(model, task, batch, POINTS)
    check_training(model, module, task, batch)
    found = ["stacked members compute what single ones do"] if model.stackable else ["its members run one by one"]
    found += ["training can be repeated, alone and in a fleet", "no state between calls"]
    found += ["a sweep equals single budgets"] if model.sweeps else []
    found += [tapes] if tapes else []
    kind = "×".join(map(str, task.shapes().inputs))
    return Passed(f"{', '.join(found)}, on inputs of {kind}")


def fitting_task(model: Model, shapes: Shapes | None, batch: int) -> tuple[Anything, nn.Module]:
    """A task that the model takes, and a network for it."""
    refused = []
    candidates = [(one, whole) for one in ((shapes,) if shapes else CANDIDATES) for whole in (False, True)]
    if shapes is None:
        candidates = [(WORDS, True), *((one, False) for one in CANDIDATES)]
    for one, whole in candidates:
        try:
            module = built(model, one)
            inputs = Anything(one, whole=whole).draw("fitting", batch).inputs
            outputs = tree_leaves(copy.deepcopy(module).eval()(inputs))
            call = model.training_call(random.Random(0))
            copy.deepcopy(module).train()(inputs, **call)
        except Exception as error:
            words = "whole numbers" if whole else "numbers"
            refused.append(f"{words} of shape {'×'.join(map(str, one.inputs))}: {in_one_line(error)}")
            continue
        return Anything(one, outputs[0].shape[2:], whole), module
    raise UncheckedError(
        f"model '{model.name}' takes none of the inputs of the check; give check_model(model, shapes) the shapes it is "
        f"for. " + "; ".join(refused)
    )


def check_build(model: Model, shapes: Shapes) -> None:
    """Two networks of one seed are the same."""
    with random_numbers_from(1):
        first = built(model, shapes)
    with random_numbers_from(2):
        second = built(model, shapes)
    demand(first is not second, f"model '{model.name}' hands out the same network twice: build() has to make a new one")
    others = second.state_dict()
    for name, part in first.state_dict().items():
        demand(
            same(part, others[name]),
            f"model '{model.name}' builds another '{name}' the second time from the same seed: draw with torch's own "
            "functions, which the engine seeds",
        )


def check_prunable(model: Model, module: nn.Module) -> None:
    """Every prunable name is a weight that is trained."""
    own, names = dict(module.named_parameters()), list(model.prunable(module))
    demand(
        names,
        f"model '{model.name}' has nothing to prune: prunable() names no weight. By default all with two or more "
        "dimensions are.",
    )
    for name in names:
        demand(
            name in own, f"model '{model.name}' calls '{name}' prunable, which is no parameter. {suggest(name, own)}"
        )
        ndim, trained = own[name].ndim, own[name].requires_grad
        demand(ndim >= 2, f"model '{model.name}' calls the {ndim}-dimensional '{name}' prunable, which is no weight")
        demand(trained, f"model '{model.name}' calls '{name}' prunable, which is not trained (requires_grad is False)")
        demand(names.count(name) == 1, f"model '{model.name}' calls '{name}' prunable twice")


def check_counting(model: Model, module: nn.Module, task: Anything) -> None:
    """Its FLOPs can be counted, as the plan does: by one forward of zeros on a device without numbers."""
    try:
        module_work(module, task.shapes().inputs, {})
    except Exception as error:
        remedy = "no Python branch may depend on the data"
        if task.whole:
            remedy += ", and tokens have to be made of any numbers, by inputs.long()"
        raise AssertionError(
            f"model '{model.name}': its FLOPs cannot be counted, by a forward of zeros on torch's meta device: "
            f"{in_one_line(error)}. New tensors belong on the device of their inputs, {remedy}."
        ) from error


def check_evaluation(model: Model, module: nn.Module, task: Anything) -> None:
    """In evaluation mode outputs depend on the inputs alone."""
    network = copy.deepcopy(module).eval()
    inputs, others = task.draw("one", 4).inputs, task.draw("other", 4).inputs
    with torch.no_grad(), random_numbers_from(1):
        first = [part.clone() for part in tree_leaves(network(inputs))]
        network(others)
    with torch.no_grad(), random_numbers_from(2):
        for before, after in zip(first, tree_leaves(network(inputs)), strict=True):
            demand(
                same(before, after),
                f"model '{model.name}' gives other outputs for the same inputs in evaluation mode, once it saw others: "
                "no state may go from one call to the next, nor may its outputs be random there. State of a contiguous "
                "task belongs into the buffers that carried() names.",
            )


def check_calls(model: Model) -> None:
    """The keywords of a training step follow from the draws alone."""
    first, second = (model.training_call(random.Random(5)) for _ in range(2))
    equal = first.keys() == second.keys() and all(
        same(value, second[name]) if isinstance(value, Tensor) else value == second[name]
        for name, value in first.items()
    )
    demand(equal, f"model '{model.name}': training_call() must draw from `draws` alone; the same gave other keywords")


def check_sweep(model: Model, module: nn.Module, task: Anything) -> None:
    """Outputs at several budgets in one pass are those of single passes."""
    if not model.sweeps:
        return
    network, inputs = copy.deepcopy(module).eval(), task.draw("sweep", 4).inputs
    with torch.no_grad():
        together = tree_leaves(network(inputs, **model.sweep_call(POINTS)))
        for at, point in enumerate(POINTS):
            alone = tree_leaves(network(inputs, **model.sweep_call((point,))))
            for whole, single in zip(together, alone, strict=True):
                lengths = (len(whole), len(single))
                demand(
                    lengths == (len(POINTS), 1),
                    f"model '{model.name}': outputs under sweep_call() have a leading axis of {lengths[0]} for "
                    f"{len(POINTS)} budgets, and of {lengths[1]} for one; it must be one entry a budget",
                )
                demand(
                    close(whole[at], single[0]),
                    f"model '{model.name}' gives other outputs at {model.sweeps} = {point} in a sweep over {POINTS} "
                    "than in a sweep over that budget alone",
                )
    if model.stacked(network) is None:
        return
    for at, (point, outputs) in enumerate(zip(POINTS, swept_alone(model, network, task, inputs, POINTS), strict=True)):
        for whole, single in zip(together, outputs, strict=True):
            demand(
                close(whole[at], single),
                f"model '{model.name}': its own stacked() form gives other outputs at {model.sweeps} = {point} than "
                "the single form",
            )


def check_training(model: Model, module: nn.Module, task: Anything, batch: int) -> None:
    """A few steps of training give the same weights again; in a fleet, too, where the forward draws random numbers."""
    advice = (
        "In training mode its forward must draw with torch's own functions (nn.Dropout, torch.rand_like), which the "
        "engine seeds for every cell, not from Python, NumPy or a generator of its own; nor may it keep state in "
        "attributes."
    )
    alone, again = (trained(model, task, batch, (0,), randomness) for randomness in (1, 2))
    share = distance_on_the_way(alone, again)
    demand(
        share <= AGAIN,
        f"model '{model.name}', trained twice for {TRAINED_STEPS} steps from the same seed, has other weights the "
        f"second time: they are {100 * share:.2g} % of the way apart. {advice}",
    )
    if not is_random(module, task.draw("fitting", batch).inputs, model.training_call(random.Random(0))):
        return
    together = trained(model, task, batch, tuple(range(MEMBERS)), 3)
    share = distance_on_the_way(alone, together)
    demand(
        share <= ROUNDING,
        f"model '{model.name}', trained for {TRAINED_STEPS} steps in a fleet of {MEMBERS}, has other weights than "
        f"alone: they are {100 * share:.2g} % of the way apart. {advice}",
    )


def trained(model: Model, task: Anything, batch: int, seeds: Sequence[int], randomness: int) -> Outcome:
    """The first of a fleet after a few steps."""
    recipe = RECIPE.model_copy(update={"steps": TRAINED_STEPS, "batch": batch, "momentum": 0.0, "weight_decay": 0.0})
    fleet = f"a fleet of {len(seeds)}" if len(seeds) > 1 else "a fleet of its own"
    try:
        with random_numbers_from(randomness):
            outcome = train(model, task, recipe=recipe, seeds=seeds, headline="output")[0]
    except Exception as error:
        raise AssertionError(f"model '{model.name}' cannot be trained in {fleet}: {in_one_line(error)}") from error
    demand(
        outcome.status in ("ok", "collapsed"),
        f"model '{model.name}' cannot be trained in {fleet}: {outcome.reason}\n{outcome.error}".rstrip(),
    )
    return outcome


def distance_on_the_way(one: Outcome, other: Outcome) -> float:
    """How far the trained weights of two outcomes are apart, as a share of the way from the start to the first's."""
    assert one.ticket is not None
    apart = distance(one.weights, other.weights)
    way = distance(one.weights, one.ticket.weights)
    return apart / max(way, 1e-6)
