"""Does a protocol keep its contract?"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

from pydantic import ValidationError

from ticketbench.errors import TicketbenchError, suggest
from ticketbench.plugin.contracts import Protocol, Shapes, Stages, Task
from ticketbench.suite.complaints import complaints
from ticketbench.suite.recipe import Recipe
from ticketbench.testing.blobs import Classes
from ticketbench.testing.demand import demand
from ticketbench.testing.faults import in_one_line
from ticketbench.testing.global_randomness import random_numbers_from
from ticketbench.testing.passed import Passed, UncheckedError

Find = Callable[..., Task]
RECIPES = (
    {"optimizer": "sgd", "learning_rate": 0.1, "batch": 10, "epochs": 5},
    {"optimizer": "sgd", "learning_rate": 0.1, "momentum": 0.9, "batch": 10, "epochs": 5},
    {"optimizer": "adam", "learning_rate": 1e-3, "batch": 10, "epochs": 5},
    {"optimizer": "sgd", "learning_rate": 0.1, "batch": 10, "steps": 50},
)
"""Recipes as suites have them; the changes of a protocol must go with one of them."""


def check_protocol(protocol: Protocol, tasks: Sequence[Task] = (), find: Find | None = None) -> Passed:
    """The same stages every time, something to judge on, recipe keys that exist, and tasks that fit one another.

    It is tried on the tasks given, or on blobs as vectors, images and sequences; `find` gives it others, which without
    `find` are blobs, too. Those that it refuses by an error of ticketbench's are left out; if all: `UncheckedError`.
    """
    candidates = list(tasks) or [Classes(), Classes((1, 8, 8)), Classes((5, 4))]
    taken: list[str] = []
    refused: list[str] = []
    failed: list[str] = []
    for task in candidates:
        try:
            check_protocol_on(protocol, task, find or partial(stand_in, task))
            taken.append(task.name)
        except TicketbenchError as error:
            refused.append(f"{task.name}: {error}")
        except MisfitError as error:
            failed.append(str(error))
        except AssertionError:
            raise
        except Exception as error:
            failed.append(f"it fails for task '{task.name}': {in_one_line(error)}")
    refuse = "What it does not go with it should refuse by a ticketbench.OptionError that says so."
    if failed and not taken:
        raise AssertionError(f"protocol '{protocol.name}': {failed[0]}. {refuse}")
    if not taken:
        raise UncheckedError(
            f"protocol '{protocol.name}' refuses every task that there is to check it on. {refused[0]}"
        )
    return Passed(
        "the same stages every time, recipe keys that exist, tasks that fit one another, for "
        + ", ".join(dict.fromkeys(taken)),
        (f"not for all tasks: {failed[0]}. {refuse}",) if failed else (),
    )


class MisfitError(Exception):
    """The stages that a protocol makes of a task do not fit one another."""


def stand_in(task: Task, name: str, **options: Any) -> Task:
    """Blobs in the shapes of a task, for whatever task a protocol asks for."""
    return Classes(task.shapes().inputs, task.shapes().outputs)


def check_protocol_on(protocol: Protocol, task: Task, find: Find) -> None:
    """Ask a protocol for its stages on one task, twice, and hold them to the contract."""
    name = protocol.name
    with random_numbers_from(1):
        stages = protocol.stages(task, find)
    demand(
        isinstance(stages, Stages), f"protocol '{name}': stages() returns {type(stages).__name__}; return a `Stages`"
    )
    with random_numbers_from(2):
        again = protocol.stages(task, find)
    demand(
        facts(stages) == facts(again),
        f"protocol '{name}': stages() returns something else the second time for task '{task.name}'. They are part of "
        "a cell's definition: they must follow from the protocol's options and the task alone.",
    )
    judged = dict(stages.judge_on)
    demand(
        judged,
        f"protocol '{name}' judges on nothing: `judge_on` is empty. Give it a label and a task, as in "
        "Stages(task, task, {task.name: task}).",
    )
    for part in stages.tasks():
        demand(isinstance(part, Task), f"protocol '{name}': a stage's task is {part!r}, which is no `Task`")
    changes = {"recipe": stages.recipe, "draw_recipe": stages.draw_recipe}
    changes |= {"adapt.recipe": stages.adapt.recipe} if stages.adapt else {}
    for place, changed in changes.items():
        check_recipe(name, place, changed)
    check_shapes_fit(stages)
    demand(
        list(stages.sweep) == sorted(set(stages.sweep)) and all(point >= 1 for point in stages.sweep),
        f"protocol '{name}': the budgets of `sweep` must rise from 1 or more, not {stages.sweep}",
    )


def facts(stages: Stages) -> tuple[Any, ...]:
    """What makes two stages the same: options, not identities."""

    def told(task: Task) -> tuple[str, str, str]:
        options = repr(task) if hasattr(task, "__dataclass_fields__") else type(task).__name__
        return task.name, options, repr(task.shapes())

    adapt = stages.adapt
    return (
        told(stages.draw_on),
        told(stages.train_on),
        [(label, told(task)) for label, task in stages.judge_on.items()],
        dict(stages.recipe),
        dict(stages.draw_recipe),
        stages.sweep,
        stages.fresh,
        (told(adapt.task), dict(adapt.recipe), adapt.fresh) if adapt else None,
    )


def check_recipe(name: str, place: str, changes: Mapping[str, Any]) -> None:
    """Keys of a recipe, with values that some recipe can have."""
    for key in changes:
        demand(
            key in Recipe.model_fields,
            f"protocol '{name}': `{place}` changes '{key}', which no recipe has. {suggest(key, Recipe.model_fields)}",
        )
    problems = []
    for recipe in RECIPES:
        try:
            Recipe.model_validate({**recipe, **changes})
        except ValidationError as error:
            problems.append(complaints(error, Recipe))
        else:
            return
    raise AssertionError(f"protocol '{name}': `{place}` = {dict(changes)} goes with no recipe: {problems[0]}")


def check_shapes_fit(stages: Stages) -> None:
    """A network goes from stage to stage: what it reads and returns must fit, unless parts of it start anew."""
    trained = stages.adapt.task if stages.adapt else stages.train_on
    moves = [("drawn on", stages.draw_on, "trained on", stages.train_on, stages.fresh)]
    if stages.adapt:
        moves.append(("trained on", stages.train_on, "adapted to", stages.adapt.task, stages.adapt.fresh))
    moves += [("trained on", trained, f"judged, as '{label}', on", task, ()) for label, task in stages.judge_on.items()]
    for before, source, after, target, fresh in moves:
        misfit = unfitting(source.shapes(), target.shapes())
        if misfit and not fresh:
            remedy = "judge on a task of the same shapes" if "judged" in after else "name what starts anew in `fresh`"
            raise MisfitError(
                f"what is {before} task '{source.name}' is {after} task '{target.name}', but {misfit}: {remedy}"
            )


def unfitting(one: Shapes, other: Shapes) -> str:
    """Why a network for some shapes cannot take others; images and sequences may be larger or longer."""
    first, second = tuple(one.inputs), tuple(other.inputs)
    if one.outputs != other.outputs:
        return f"it has {one.outputs} outputs, and {other.outputs} are needed"
    if len(first) != len(second) or (first != second and len(first) == 1):
        return f"it reads inputs of shape {first}, and they have {second}"
    return ""
