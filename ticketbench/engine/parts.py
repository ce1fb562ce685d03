"""What moves in a step: weights and a regime's extras, in groups that share a factor on their learning rate."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from ticketbench.engine.regimes import StackedRegime
from ticketbench.engine.stack import Stack
from ticketbench.errors import SuiteError
from ticketbench.suite.recipe import Recipe


@dataclass(frozen=True)
class MovingPart:
    """One stacked tensor that moves."""

    name: str
    """Of the parameter, or of the extras."""
    key: str
    """Where the stack has its slots."""
    tensor: Tensor
    factor: float
    """What the learning rate is multiplied by."""
    decays: bool
    """Whether weight decay is for it."""
    masked: bool


def moving_parts(recipe: Recipe, stack: Stack, regime: StackedRegime | None) -> list[MovingPart]:
    """The weights that the recipe trains, in the model's order, and after them what the regime trains beside them."""
    weights = [
        MovingPart(name, name, weight, recipe.factor(name), True, name in stack.masks)
        for name, weight in stack.parameters.items()
        if recipe.trains(name)
    ]
    if not weights:
        raise SuiteError(f"no parameter matches train_only = {list(recipe.train_only)}: {', '.join(stack.parameters)}")
    if regime is None:
        return weights
    extras = {name: regime.keys[name] for name in regime.trained}
    return weights + [
        MovingPart(name, key, stack.extras[key], regime.regime.rate(name), False, False) for name, key in extras.items()
    ]


def slot_names(recipe: Recipe) -> tuple[str, ...]:
    """The slots that the recipe's optimizer keeps for each weight."""
    if recipe.optimizer == "adam":
        return ("exp_avg", "exp_avg_sq")
    return ("momentum_buffer",) if recipe.momentum else ()


def adopt_slots(recipe: Recipe, stack: Stack, parts: list[MovingPart]) -> None:
    """There is a slot of the stack's own for everything that moves: zeros where it is new."""
    stack.bring()
    for slot in slot_names(recipe):
        mine = stack.slots.setdefault(slot, {})
        for part in parts:
            if part.key not in mine:
                mine[part.key] = part.tensor.detach().new_zeros(part.tensor.shape)


def age_of(stack: Stack, part: MovingPart, member: int) -> int:
    """How many optimizer updates a member's part has had: extras may be younger than the weights."""
    born = stack.born[part.key][member] if part.key in stack.born else 0
    return stack.updates[member] - born


def born_of(stack: Stack, part: MovingPart) -> list[int]:
    """Each member's updates when the part began."""
    return stack.born.get(part.key, [0] * len(stack))
