"""Does a scorer keep its contract?"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, cast

import torch
from torch import Tensor

from ticketbench.errors import ScoreError, suggest
from ticketbench.masks.ticket import check_scores
from ticketbench.plugin.contracts import Model, Scorer, Task
from ticketbench.seeds import generator
from ticketbench.testing.blobs import Blobs
from ticketbench.testing.demand import demand
from ticketbench.testing.faults import RefusedError, in_one_line, refusal
from ticketbench.testing.global_randomness import random_numbers_from
from ticketbench.testing.passed import Passed, UncheckedError
from ticketbench.testing.stacked_forms_agree import check_stacked_scorer
from ticketbench.testing.trials import trial_for
from ticketbench.testing.watched import CellState, Watched, same
from ticketbench.testing.worlds import WORLDS, World, listed

if TYPE_CHECKING:
    from ticketbench import Trial


def check_scorer(scorer: Scorer, *, model: Model | None = None, task: Task | None = None) -> Passed:
    """Finite scores of the right shapes, the same for the same seed, and the cell is left as it was.

    Where it has a form for several members at once, that gives the same scores.

    On the model and the task that are given, else on a linear, a convolutional and a recurrent network, at
    initialization and with half of the weights pruned. A network that the scorer refuses by an error of ticketbench's
    is left out; if it refuses all: `UncheckedError`.
    """
    taken, refused = [], []
    worlds = WORLDS if model is None else (World(f"the model '{model.name}'", model, task or Blobs()),)
    for world in worlds:
        try:
            check_scorer_on(scorer, world)
            check_stacked_scorer(scorer, world)
            taken.append(world.words)
        except RefusedError as refusal_of:
            refused.append(f"{world.words}: {refusal_of}")
    if not taken:
        raise UncheckedError(f"scorer '{scorer.name}' refuses every network of the check. " + "; ".join(refused))
    return Passed(f"finite, the right shapes, deterministic, the cell is left alone, on {listed(taken)}")


def check_scorer_on(scorer: Scorer, world: World) -> None:
    """Hold a scorer to its contract on one network, before and after half of it is pruned."""
    for pruned in (False, True):
        scores = scored(scorer, world, pruned, 1)
        for name, other in scored(scorer, world, pruned, 2).items():
            demand(
                same(other, scores[name]),
                f"scorer '{scorer.name}' is not deterministic for '{name}' on {world.words}: the same trial was scored "
                'twice, with other results. Draw random numbers from trial.generator("purpose") alone, and keep '
                "nothing from one call to the next.",
            )


def fresh_trial(scorer: Scorer, world: World, pruned: bool) -> Trial:
    """A trial at its initialization, with half of its weights gone if it is to be pruned."""
    trial = trial_for(scorer, model=world.model, task=world.task)
    if pruned:
        half = generator("check scorer")
        trial.set_mask({name: torch.rand(part.shape, generator=half) < 0.5 for name, part in trial.mask.items()})
    return trial


def scored(scorer: Scorer, world: World, pruned: bool, randomness: int) -> Mapping[str, Tensor]:
    """The scores of a fresh trial, in order, or an `AssertionError` that says what is wrong with them."""
    trial, untouched = fresh_trial(scorer, world, pruned), fresh_trial(scorer, world, pruned)
    mask, owner = untouched.mask, f"scorer '{scorer.name}'"
    where = f"on {world.words}" + (" with half of its weights pruned" if pruned else "")
    with random_numbers_from(randomness):
        try:
            scores = scorer.score(cast("Trial", Watched(trial, owner)))
        except AssertionError:
            raise
        except Exception as error:
            if refusal(error) and not isinstance(error, ScoreError):
                raise RefusedError(str(error)) from error
            raise AssertionError(
                f"scorer '{scorer.name}' fails {where}: {in_one_line(error)}. What it does not go with it should "
                "refuse by a ticketbench.OptionError that says so."
            ) from error
    changed = CellState.of(untouched).changed(CellState.of(trial))
    demand(
        not changed, f"{owner} changed the {changed} {where}. It only looks: what it needs changed, it works out aside."
    )
    demand(
        isinstance(scores, Mapping) and all(isinstance(part, Tensor) for part in scores.values()),
        f"scorer '{scorer.name}' returns {type(scores).__name__} {where}; it must be a table of tensors, a score for "
        "every weight of trial.weights, under its name.",
    )
    for name in scores:
        demand(
            name in mask, f"scorer '{scorer.name}' scores '{name}' {where}, which is no weight. {suggest(name, mask)}"
        )
    try:
        check_scores(scores, mask)
    except ScoreError as error:
        raise AssertionError(f"scorer '{scorer.name}' {where}: {error}") from error
    return scores
