"""Does a model's tape compute what its forward does?"""

from __future__ import annotations

import copy
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn import functional

from ticketbench.plugin.calls import form_of
from ticketbench.plugin.contracts import Model, Split
from ticketbench.seeds import generator
from ticketbench.sparse.code import Mode
from ticketbench.sparse.library import missing
from ticketbench.sparse.live import Live
from ticketbench.sparse.program import Runner
from ticketbench.sparse.tape import Tape
from ticketbench.testing.blobs import Anything
from ticketbench.testing.demand import demand
from ticketbench.testing.faults import in_one_line
from ticketbench.testing.stacking import built, close, in_double

PART_LEFT, LITTLE_LEFT = 0.6, 0.02
"""The share of the prunable weights that the compared networks have left, and that large ones have."""
SEEDS = range(3)
"""Of networks, of their masks, and of the training keywords that are tried with each."""
MUCH = 3e6
"""Multiplications of a forward of one example, above which one network is compared, and but once in each way."""


def check_tapes(model: Model, task: Anything, batch: int, points: Sequence[int]) -> str:
    """Outputs, losses and gradients of a tape are those of the forward, under a mask, in double precision.

    Without keywords, with those of training steps (also where places have shares of the loss), and with those of a
    sweep. What was found right, in words; "" for a model without tapes.
    """
    module = built(model, task.shapes())
    tape = model.tape(module, task.shapes().inputs, {})
    if tape is None:
        return ""
    if missing():
        return "its tape is not compared with its forward, as the sparse engine is not compiled here"
    check_tape_parameters(model, module, tape)
    large = sum(operation.work() for operation in tape.operations) > MUCH
    for seed in SEEDS[:1] if large else SEEDS:
        network, masks = sparse_network(model, module, seed, LITTLE_LEFT if large else PART_LEFT)
        one = TapedNetwork(model, network, masks, tape, task.draw(f"tape {seed}", batch))
        one.outputs({}, 1)
        if model.sweeps:
            one.outputs(model.sweep_call(points), len(points))
        call = model.training_call(random.Random(seed))
        if model.tape(module, task.shapes().inputs, call) is None:
            return "its tape is its forward without keywords; its training has none"
        one.training(call, one.shares())
        if not large:
            one.training(call, None)
    return "its tape computes what its forward does"


def check_tape_parameters(model: Model, module: nn.Module, tape: Tape) -> None:
    """A tape reads every weight that is trained, and multiplies by no other."""
    trained = [name for name, weight in module.named_parameters() if weight.requires_grad]
    left_out = [name for name in trained if name not in tape.parameters]
    demand(not left_out, f"model '{model.name}': its tape leaves out {', '.join(left_out)}, which is trained")
    frozen = [name for name in tape.parameters if name not in trained]
    demand(
        not frozen,
        f"model '{model.name}': its tape multiplies by {', '.join(frozen)}, which is never trained; such cells are "
        "computed densely, so that tape() has to return None",
    )


def sparse_network(model: Model, module: nn.Module, seed: int, left: float) -> tuple[nn.Module, dict[str, Tensor]]:
    """A copy in double precision with part of its prunable weights, and its mask. Weights are far from zero."""
    network, source = copy.deepcopy(module).double(), generator("check tape", seed)
    masks = {}
    with torch.no_grad():
        for name, weight in network.named_parameters():
            if weight.requires_grad:
                size = 0.7 * (weight[0].numel() if weight.ndim > 1 else 4) ** -0.5
                weight.add_(size * torch.randn(weight.shape, generator=source, dtype=torch.float64))
            if name in model.prunable(module):
                masks[name] = torch.rand(weight.shape, generator=source) < left
                weight.mul_(masks[name])
    return network, masks


@dataclass(frozen=True)
class TapedNetwork:
    """A network, its mask, its tape of the plain forward, and a batch."""

    model: Model
    network: nn.Module
    masks: dict[str, Tensor]
    tape: Tape
    batch: Split

    @property
    def inputs(self) -> Tensor:
        """As the machine reads them."""
        return self.batch.inputs.to(torch.int64 if self.tape.reads_words else torch.float32).contiguous()

    def live(self) -> Live:
        """The weights that are left."""
        weights = {name: weight.detach() for name, weight in self.network.named_parameters()}
        return Live(self.tape.parameters, weights, self.masks, double=True)

    def outside(self) -> dict[str, Tensor]:
        """What is never trained, and state that was carried here."""
        found = {name: part.detach() for name, part in self.network.named_parameters() if not part.requires_grad}
        for name in self.model.carried(self.network):
            shape = (len(self.inputs), *self.network.get_buffer(name).shape[1:])
            found[name] = torch.randn(shape, generator=generator("check tape", name), dtype=torch.float64)
        return found

    def runner(self, call: Mapping[str, Any], mode: Mode, weighted: bool = False) -> Runner:
        """The program of the tape with these keywords; what goes wrong there is the tape's fault."""
        try:
            tape = self.model.tape(self.network, tuple(self.inputs.shape[1:]), call)
            demand(tape is not None, f"{self.who(call)} there is none, but one without keywords")
            assert tape is not None
            return Runner.of(tape, tape.tile, mode, weighted, "twin", self.tape.parameters)
        except (ValueError, KeyError, IndexError) as error:
            raise AssertionError(f"{self.who(call)} no program can be made: {in_one_line(error)}") from error

    def who(self, call: Mapping[str, Any]) -> str:
        """The beginning of a complaint."""
        return f"model '{self.model.name}': of its tape {f'with {form_of(call)}' if call else 'without keywords'}"

    def forward(self, weights: Mapping[str, Tensor], outside: Mapping[str, Tensor], call: Mapping[str, Any]) -> Any:
        """By PyTorch; state that is carried is left in `outside`."""
        states = {**dict(self.network.named_buffers()), **weights, **outside}
        return functional_call(self.network, states, (in_double(self.inputs),), dict(call))

    def outputs(self, call: Mapping[str, Any], answers: int) -> None:
        """Compare the answers, and the state that is carried on."""
        mine, theirs = self.outside(), self.outside()
        self.network.eval()
        with torch.no_grad():
            expected = self.forward({}, theirs, call)
        found = self.runner(call, "forward").outputs(self.live(), self.inputs, outside=mine)
        demand(len(found) == answers, f"{self.who(call)} there are {len(found)} answers instead of {answers}")
        for answer, output in zip(found, expected if call else [expected], strict=True):
            demand(
                close(answer.flatten(1), output.flatten(1)),
                f"{self.who(call)} the answers are others than the forward's outputs",
            )
        for name in mine:
            demand(close(mine[name], theirs[name]), f"{self.who(call)} other state is carried on in '{name}'")

    def shares(self) -> Tensor:
        """What each target counts."""
        found = torch.rand(self.batch.targets.shape, generator=generator("check tape", "shares"))
        return found / found.sum()

    def training(self, call: Mapping[str, Any], shares: Tensor | None) -> None:
        """Compare the loss of a training step and its gradients at the weights that are left."""
        leaves = {name: part for name, part in self.network.named_parameters() if part.requires_grad}
        self.network.train()
        outputs = self.forward({}, self.outside(), call)
        loss = self.model.loss(outputs, self.batch.targets, in_double(self.inputs), criterion_of(shares))
        found = torch.autograd.grad(loss, list(leaves.values()), allow_unused=True, materialize_grads=True)
        live, words = self.live(), self.who(call)
        words += "" if shares is None else ", where places have shares of the loss,"
        mine = self.runner(call, "train", shares is not None).gradients(
            live, self.inputs, self.batch.targets.long(), shares, outside=self.outside()
        )
        demand(
            close(loss.new_tensor(mine), loss),
            f"{words} the training loss is {mine:.6g}, and that of the forward's outputs {loss.item():.6g}",
        )
        gradients = {name: torch.zeros(leaf.shape, dtype=torch.float64) for name, leaf in leaves.items()}
        live.put_gradients(gradients)
        for (name, gradient), theirs in zip(gradients.items(), found, strict=True):
            wanted = theirs * self.masks[name] if name in self.masks else theirs
            demand(close(gradient, wanted), f"{words} the gradient of '{name}' is another one")


def criterion_of(shares: Tensor | None) -> Callable[[Tensor, Tensor, Tensor], Tensor]:
    """The mean of the cross entropies, or their sum by shares."""

    def criterion(outputs: Tensor, targets: Tensor, inputs: Tensor) -> Tensor:
        if shares is None:
            return functional.cross_entropy(outputs, targets)
        return (functional.cross_entropy(outputs, targets, reduction="none") * shares.double()).sum()

    return criterion
