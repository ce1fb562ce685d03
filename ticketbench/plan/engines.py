"""Which engine may compute a cell: a question of its model and tasks, and of what is installed here."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import nn

from ticketbench.errors import TicketbenchError
from ticketbench.plan.cell import Choice
from ticketbench.plan.fitting import fitting_size
from ticketbench.plan.resolve import Resolver
from ticketbench.plugin.contracts import Model, Task
from ticketbench.plugin.stacked_forms import has_form
from ticketbench.seeds import common
from ticketbench.sparse.library import missing
from ticketbench.sparse.tape import Tape


def has_tapes(resolver: Resolver, model: Choice, task: Choice, protocol: Choice) -> bool:
    """Whether a model has a tape at the first task of a protocol, and the machine that runs it is here."""
    if missing():
        return False
    key = ("tapes", f"{model}", f"{task} {protocol}")
    if key not in resolver.known:
        stages = resolver.chosen("protocol", protocol).stages(resolver.chosen("task", task), resolver.find_task)
        resolver.known[key] = is_on_tape(resolver.chosen("model", model), stages.draw_on)
    return bool(resolver.known[key])


def is_on_tape(model: Model, task: Task) -> bool:
    """Whether a model's training on a task can be written on a tape."""
    if not may_have_tapes(model, task):
        return False
    try:
        with torch.device("meta"):
            module = model.build(task.shapes())
    except TicketbenchError:  # such a cell fails, and says why
        return False
    try:
        return plain_tape(model, module, task) is not None
    except Exception:
        fitting_size(model, task)  # or it says that the two do not fit
        raise


def may_have_tapes(model: Model, task: Task) -> bool:
    """Whether a task's loss is a cross entropy by its own word, and a model's tape is that of its own loss.

    Whoever overrides a loss alone trains on something else than what is said of it.
    """
    own = type(model).tape is Model.tape or has_form(model, "tape", "loss")
    return own and bool(task.cross_entropy) and has_form(task, "cross_entropy", "loss")


def plain_tape(model: Model, module: nn.Module, task: Task) -> Tape | None:
    """The tape of a network's plain forward, if its training on a task is one, too, of the same weights or fewer."""
    if not may_have_tapes(model, task):
        return None
    calls: tuple[Mapping[str, Any], ...] = ({}, model.training_call(common("training call", 0)))
    plain, training = (model.tape(module, task.shapes().inputs, call) for call in calls)
    if plain is None or training is None:
        return None
    trained = {name for name, weight in module.named_parameters() if weight.requires_grad}
    return plain if set(training.parameters) <= set(plain.parameters) <= trained else None
