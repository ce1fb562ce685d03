"""A network at its live weights, where its model has a tape and its task's loss is a cross entropy."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from ticketbench.engine.state import State
from ticketbench.errors import OptionError
from ticketbench.plan.engines import plain_tape
from ticketbench.plugin.calls import form_of
from ticketbench.plugin.contracts import Model, Split, Task
from ticketbench.sparse.code import Mode
from ticketbench.sparse.library import missing
from ticketbench.sparse.live import Live
from ticketbench.sparse.program import Runner
from ticketbench.sparse.rule import is_sparse
from ticketbench.sparse.tape import Tape


class SparseForm:
    """Programs of one network, made when they are first asked for."""

    def __init__(self, model: Model, module: nn.Module, task: Task, tape: Tape) -> None:
        self.model, self.module, self.task = model, module, task
        self.tape = tape
        """Of the plain forward."""
        self.shape = task.shapes().inputs
        self.prunable = frozenset(model.prunable(module))
        self.weighted = task.cross_entropy == "shares"
        self._runners: dict[tuple[str, Mode, tuple[int, ...]], Runner | None] = {}
        self._arena = np.empty(0, np.float32)

    @classmethod
    def of(cls, model: Model, module: nn.Module, task: Task) -> SparseForm | None:
        """The form of a network on a task, or None where there is none."""
        tape = None if missing() else plain_tape(model, module, task)
        return None if tape is None else cls(model, module, task, tape)

    def tape_of(self, call: Mapping[str, Any], shape: Sequence[int]) -> Tape | None:
        """The tape for keywords of the forward and an example of this shape."""
        return self.model.tape(self.module, tuple(shape), call)

    def is_sparse(self, densities: Mapping[str, float]) -> bool:
        """Whether a network of these densities is computed here."""
        return is_sparse(self.tape, densities)

    def runner(self, call: Mapping[str, Any], mode: Mode, shape: Sequence[int]) -> Runner | None:
        """A program for keywords and an example of this shape; None if the model has no tape for them."""
        key = (form_of(call), mode, tuple(shape))
        if key not in self._runners:
            if len(self._runners) >= KEPT_PROGRAMS:
                self._runners.pop(next(iter(self._runners)))
            tape = self.tape_of(call, shape)
            self._runners[key] = None if tape is None else self.made(tape, mode)
        return self._runners[key]

    def made(self, tape: Tape, mode: Mode) -> Runner:
        """A program of a tape, which may read fewer parameters than the plain forward, and never others."""
        others = set(tape.parameters) - set(self.tape.parameters)
        if others:
            raise OptionError(
                f"model '{self.model.name}' reads {', '.join(sorted(others))} with some keywords, and not without any: "
                "such a network has no tape"
            )
        return Runner.of(tape, tape.tile, mode, self.weighted, parameters=self.tape.parameters)

    def arena(self, runner: Runner) -> np.ndarray:
        """Room for a program's activations, which the next program may use again."""
        if len(self._arena) < runner.compiled.arena:
            self._arena = runner.arena()
        return self._arena

    def outputs(self, live: Live, outside: State, inputs: Tensor, call: Mapping[str, Any]) -> list[Tensor]:
        """The answers of a network to a batch; `outside` has what is never trained, and carried state."""
        runner = self.runner(call, "forward", inputs.shape[1:])
        if runner is None:
            raise OptionError(f"model '{self.model.name}' has a tape, but none for {form_of(call)}")
        found = runner.outputs(live, self.as_numbers(inputs), self.arena(runner), outside)
        return [self.shaped(outputs) for outputs in found]

    def gradient(self, live: Live, outside: State, batch: Split) -> State:
        """∂L/∂θ of the plain forward on a batch, for every weight, zero where none is live."""
        runner = self.runner({}, "train", batch.inputs.shape[1:])
        assert runner is not None
        shares = self.task.shares(batch.targets, batch.inputs).float().contiguous() if self.weighted else None
        live.gradients[:] = 0
        runner.gradients(
            live, self.as_numbers(batch.inputs), batch.targets.long().contiguous(), shares, outside=outside
        )
        found = {name: torch.zeros(live.shapes[name]) for name in live.names}
        live.put_gradients(found)
        return found

    def as_numbers(self, inputs: Tensor) -> Tensor:
        """Examples as the tape reads them, row by row: words as whole numbers, all else in single precision."""
        return inputs.to(torch.int64 if self.tape.reads_words else torch.float32).contiguous()

    def shaped(self, outputs: Tensor) -> Tensor:
        """An answer (batch, channels, lines, places) in the shape of the forward's: a vector, a string, an image."""
        return outputs if self.axes == 4 else outputs.squeeze(2) if self.axes == 3 else outputs.flatten(1)

    @cached_property
    def axes(self) -> int:
        """How many the outputs of the forward have, the examples' included."""
        module = copy.deepcopy(self.module).to("meta").eval()
        with torch.no_grad():
            outputs: Tensor = module(torch.zeros((1, *self.shape), device="meta"))
        return outputs.ndim

    def live(self, weights: State) -> Live | None:
        """What is not zero of a network's prunable weights, and all of the others; None if it is computed densely."""
        masks = {name: weights[name] != 0 for name in self.tape.parameters if name in self.prunable}
        if not self.is_sparse({name: float(mask.float().mean()) for name, mask in masks.items()}):
            return None
        return Live(self.tape.parameters, weights, masks)


KEPT_PROGRAMS = 1024
"""Programs that are kept: a network that draws how far it thinks has hundreds."""
