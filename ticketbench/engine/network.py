"""One architecture, any number of members: the forward and the loss of stacked networks.

Everything above this file knows stacked weights, masks, a step and an evaluation, and nothing of how a product
with a masked weight is computed: densely here, at the live weights alone in `sparse_form.py`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from functools import cached_property
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call, vmap
from torch.utils._pytree import tree_map

from ticketbench.engine.carry import carried_by
from ticketbench.engine.keywords import Keywords
from ticketbench.engine.precision import narrowed, widened
from ticketbench.engine.sparse_form import SparseForm
from ticketbench.engine.state import State, members_of
from ticketbench.plugin.calls import form_of
from ticketbench.plugin.chance import answering, numbers_of, step_numbers
from ticketbench.plugin.contracts import Model, Task
from ticketbench.plugin.stacked_forms import has_form


class Network:
    """A model's forward as a function of weights, for one member or for many at once."""

    def __init__(
        self, model: Model, module: nn.Module, task: Task, precision: str = "fp32", engine: str = "full"
    ) -> None:
        self.model = model
        self.task = task
        self.module = module
        self.precision = precision
        self.sparse = SparseForm.of(model, module, task) if engine == "sparse" else None
        """The same at live weights, for cells that may be computed so."""
        self.own_stacked = model.stacked(module)
        self.prunable = tuple(model.prunable(module))
        self.carried = carried_by(model, module, task)
        """The buffers that hold state from batch to batch."""
        self._others: dict[int, Network] = {}
        """For other tasks, which hold what was made for theirs, such as programs."""
        self._numbers: dict[str, int] = {}
        self._random: bool | None = None

    @cached_property
    def keywords(self) -> Keywords:
        """How the keywords of the forward behave from training step to training step."""
        return Keywords.of(self.model)

    def on(self, task: Task) -> Network:
        """The same network for another task's examples."""
        if task is self.task:
            return self
        if id(task) not in self._others:
            engine = "full" if self.sparse is None else "sparse"
            self._others[id(task)] = Network(self.model, self.module, task, self.precision, engine)
        return self._others[id(task)]

    def engine(self, members: int) -> str:
        """How members are computed, for the record."""
        if self.own_stacked is not None:
            return "stacked"
        return "vmap" if self.model.stackable and members > 1 else "loop"

    def numbers(self, example: Tensor, call: Mapping[str, Any]) -> int:
        """How many random numbers the forward of one member draws in training on a batch like the example.

        A network that draws none when it is first looked at is not looked at again: whether a forward draws at all
        does not depend on its keywords. Where it does all the same, the training refuses to be one.
        """
        if self._random is False:
            return 0
        form = f"{tuple(example.shape)} {form_of(call)}"
        if form not in self._numbers:
            self._numbers[form] = numbers_of(self.module, example, call)
            self._random = self._random or self._numbers[form] > 0
        return self._numbers[form]

    def chance(
        self, inputs: Tensor, call: Mapping[str, Any], seeds: Sequence[int], steps: Sequence[int]
    ) -> Tensor | None:
        """What members draw at random in the training steps that they are at on these batches; None if nothing."""
        count = self.numbers(inputs[0], call)
        return step_numbers(count, seeds, steps, inputs.device) if count else None

    def single(
        self, parameters: State, buffers: State, inputs: Tensor, call: Mapping[str, Any], chance: Tensor | None = None
    ) -> Any:
        """The forward of one member alone, on its own parameters and buffers."""
        with nullcontext() if chance is None else answering(chance):
            return functional_call(self.module, (parameters, buffers), (inputs,), dict(call))

    def outputs(
        self,
        parameters: State,
        buffers: State,
        inputs: Tensor,
        call: Mapping[str, Any],
        shared: bool = False,
        chance: Tensor | None = None,
    ) -> Any:
        """The forward of all members, in float32 whatever its products were computed in.

        `shared` inputs have no fleet axis, `chance` is what each member draws at random. At several budgets take
        `swept`: an own stacked form may give an iterator.
        """
        with narrowed(self.precision, inputs.device):
            found = self.forward(parameters, buffers, inputs, call, shared, chance)
        return found if self.precision == "fp32" else widened(found)

    def forward(
        self,
        parameters: State,
        buffers: State,
        inputs: Tensor,
        call: Mapping[str, Any],
        shared: bool,
        chance: Tensor | None,
    ) -> Any:
        """The forward of all members in the precision that surrounds it: stacked, under vmap, or one by one."""
        members = len(next(iter(parameters.values())))
        if self.own_stacked is not None:
            fleet_inputs = inputs.expand(members, *inputs.shape) if shared else inputs
            with nullcontext() if chance is None else answering(chance, stacked=True):
                return self.own_stacked(parameters, buffers, fleet_inputs, **call)
        if self.engine(members) == "vmap":

            def one(weights: State, statistics: State, batch: Tensor, numbers: Tensor | None) -> Any:
                return self.single(weights, statistics, batch, call, numbers)

            axes = (0, 0, None if shared else 0, None if chance is None else 0)
            return vmap(one, in_dims=axes)(parameters, buffers, inputs, chance)
        each = [
            self.single(
                weights,
                statistics,
                inputs if shared else inputs[index],
                call,
                None if chance is None else chance[index],
            )
            for index, (weights, statistics) in enumerate(
                zip(members_of(parameters, members), members_of(buffers, members), strict=True)
            )
        ]
        if members == 1:  # a view: outputs may be large
            return tree_map(lambda part: part.unsqueeze(0), each[0])
        return tree_map(lambda *parts: torch.stack(parts), each[0], *each[1:])

    def swept(self, parameters: State, buffers: State, inputs: Tensor, points: Sequence[int]) -> Iterator[Any]:
        """The outputs of all members on shared inputs, budget by budget; without budgets, those of the plain forward.

        An own stacked form may compute them one after the other, so that no two are there at once.
        """
        if not points:
            yield self.outputs(parameters, buffers, inputs, {}, shared=True)
            return
        with narrowed(self.precision, inputs.device):
            found = self.forward(parameters, buffers, inputs, self.model.sweep_call(points), True, None)
        for at in range(len(points)):
            if isinstance(found, Iterator):
                with narrowed(self.precision, inputs.device):
                    outputs = next(found)
            else:
                outputs = tree_map(lambda part, at=at: part[:, at], found)
            yield outputs if self.precision == "fp32" else widened(outputs)
            del outputs

    def sums_losses_up(self, device: torch.device) -> bool:
        """Whether the task gives all members' losses at once: on a GPU, where the model's objective is the criterion.

        On a CPU nothing is won, and the means would be taken in another order.
        """
        plain = type(self.model).loss is Model.loss
        return device.type == "cuda" and plain and has_form(self.task, "losses", "loss")

    def losses(
        self,
        parameters: State,
        buffers: State,
        inputs: Tensor,
        targets: Tensor,
        call: Mapping[str, Any],
        chance: Tensor | None = None,
    ) -> Tensor:
        """The training objective of each member, a vector over the fleet, in float32."""
        outputs = self.outputs(parameters, buffers, inputs, call, chance=chance)

        def one(output: Any, target: Tensor, batch: Tensor) -> Tensor:
            return self.model.loss(output, target, batch, self.task.loss)

        if self.sums_losses_up(inputs.device):
            together: Tensor | None = self.task.losses(outputs, targets, inputs)
            assert together is not None
            return together
        if len(targets) == 1:
            return one(tree_map(lambda part: part[0], outputs), targets[0], inputs[0]).unsqueeze(0)
        losses: Tensor = vmap(one)(outputs, targets, inputs)
        return losses

    @contextmanager
    def mode(self, training: bool) -> Iterator[None]:
        """The module in training or evaluation mode, for the length of a block."""
        before = self.module.training
        self.module.train(training)
        try:
            yield
        finally:
            self.module.train(before)
