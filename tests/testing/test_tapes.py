"""Tapes that are what they should be pass; each way in which one may be another network is found and named."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest
import torch
from machines import needs_machine
from torch import nn
from torch.nn import functional

from ticketbench import Model, Shapes, Tape, Value
from ticketbench.testing import Blobs, check_model, check_task, tapes
from ticketbench_models.cells import GRUCell
from ticketbench_models.dtnet import DTNet1D
from ticketbench_models.language_model import LanguageModel
from ticketbench_models.mlp import MLP

STRING = Shapes((1, 7), 2)
VECTOR = Shapes((6,), 3)
WINDOW = Shapes((4,), 6)


@dataclass(frozen=True)
class Layers(Model):
    """Two linear layers, whose tape can be spoiled."""

    name = "spoiled"
    summary = "for tests"
    spoil: str = ""

    def build(self, shapes: Shapes) -> nn.Module:
        return nn.Sequential(nn.Linear(*shapes.inputs, 5), nn.ReLU(), nn.Linear(5, shapes.outputs))

    def tape(self, module: nn.Module, inputs, call) -> Tape:
        tape = Tape.of(module)
        first = "" if self.spoil == "bias" else "0.bias"
        hidden = tape.linear("0.weight", tape.inputs(inputs), bias=first, relu=self.spoil != "relu")
        hidden = tape.stopped(hidden) if self.spoil == "stopped" else hidden
        share = 0.5 if self.spoil == "share" else 1.0
        for _ in range(2 if self.spoil == "twice" else 1):
            tape.answer(tape.linear("2.weight", hidden, bias="2.bias"), share=share)
        return tape


@needs_machine
def test_a_tape_that_is_the_forward():
    """Its own, and that of torch's layers in a row."""
    for model in (Layers(), MLP(hidden=(5,))):
        assert "its tape computes what its forward does" in check_model(model, VECTOR).said


@needs_machine
@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        ("bias", "its tape leaves out 0.bias"),
        ("relu", "without keywords the answers are others"),
        ("stopped", r"the gradient of '0\.(bias|weight)' is another one"),
        ("share", "the training loss is"),
        ("twice", "there are 2 answers instead of 1"),
    ],
)
def test_a_tape_that_is_something_else(spoil: str, said: str):
    """By what is wrong with it."""
    with pytest.raises(AssertionError, match=said):
        check_model(Layers(spoil), VECTOR)


@dataclass(frozen=True)
class Frozen(Layers):
    """A layer that is never trained."""

    def build(self, shapes: Shapes) -> nn.Module:
        module = super().build(shapes)
        module.get_parameter("0.bias").requires_grad_(False)
        return module


@needs_machine
def test_a_tape_does_not_multiply_by_what_is_never_trained():
    """The engine computes such a network densely."""
    with pytest.raises(AssertionError, match=r"its tape multiplies by 0\.bias, which is never trained"):
        check_model(Frozen(), VECTOR)


class Reversed(DTNet1D):
    """A sweep in another order."""

    def tape(self, module: nn.Module, inputs, call) -> Tape | None:
        return super().tape(module, inputs, {"at": call["at"][::-1]} if "at" in call else call)


class Unlike(DTNet1D):
    """Training thinks for one iteration only."""

    def tape(self, module: nn.Module, inputs, call) -> Tape | None:
        return super().tape(module, inputs, {**call, "start": 0, "steps": 1} if "steps" in call else call)


class NoSweep(DTNet1D):
    """A tape for everything but a sweep."""

    def tape(self, module: nn.Module, inputs, call) -> Tape | None:
        return None if "at" in call else super().tape(module, inputs, call)


@needs_machine
@pytest.mark.parametrize(
    ("kind", "said"),
    [
        (Reversed, "with .*at.* the answers are others"),
        (Unlike, "with .*steps.* the (training loss|gradient)"),
        (NoSweep, "with .*at.* there is none, but one without keywords"),
    ],
)
def test_tapes_of_keywords(kind: type[DTNet1D], said: str):
    """Those of a training step, and those of a sweep."""
    with pytest.raises(AssertionError, match=said):
        check_model(kind(width=4, iterations=3, alpha=0.4), STRING)


class Forgetful(LanguageModel):
    """Starts each window from zero on its tape, and carries nothing on."""

    def tape(self, module: nn.Module, inputs, call) -> Tape | None:
        tape, scores = Tape.of(module), []
        states: tuple[Value | None, ...] = (None,)
        for place in range(inputs[0]):
            states = GRUCell().taped.write(tape, tape.look_up("embedding.weight", place), states)
            assert states[0] is not None
            scores.append(tape.linear("read_out.weight", states[0], bias="read_out.bias"))
        tape.answer(*scores)
        return tape


@needs_machine
def test_state_that_is_carried():
    """From where the batch before it left it."""
    assert "its tape computes" in check_model(LanguageModel(cell="gru", hidden=4, embedding=3), WINDOW).said
    with pytest.raises(AssertionError, match="the answers are others"):
        check_model(Forgetful(cell="gru", hidden=4, embedding=3), WINDOW)


def test_without_the_machine_a_tape_is_not_compared(monkeypatch):
    """A word says so, and everything else is checked."""
    monkeypatch.setattr(tapes, "missing", lambda: "it has not been compiled")
    said = check_model(Layers("relu"), VECTOR).said
    assert "its tape is not compared with its forward, as the sparse engine is not compiled here" in said


class Says(Blobs):
    """Says something of its loss."""

    cross_entropy: Any = "mean"

    def loss(self, outputs, targets, inputs):
        return 1.5 * functional.cross_entropy(outputs, targets)


class ByShares(Blobs):
    """The sum over examples, by shares."""

    cross_entropy: Any = "shares"

    def shares(self, targets, inputs):
        return torch.arange(len(targets)) / 7.0

    def loss(self, outputs, targets, inputs):
        losses = functional.cross_entropy(outputs, targets, reduction="none")
        return (losses * ByShares.shares(self, targets, inputs)).sum()


def task_with(kind: type[Blobs], **parts: Any) -> Blobs:
    """A task of a class with other parts."""
    made: Blobs = type("Made", (kind,), parts)()
    return made


def test_what_a_task_says_of_its_loss():
    """The mean, or the sum by shares; a loss that is overridden alone belongs to no word."""
    for task in (Blobs(), ByShares(), task_with(Says, cross_entropy=""), task_with(Blobs, loss=Says.loss)):
        check_task(task)
    with pytest.raises(AssertionError, match=r'cross_entropy is "mean", and that of some outputs is .* but loss'):
        check_task(Says())
    with pytest.raises(AssertionError, match='cross_entropy is "sum"; it is "mean", "shares" or ""'):
        check_task(task_with(Says, cross_entropy="sum", loss=Says.loss))
    with pytest.raises(AssertionError, match=r"shares\(\) gives a tensor of shape \(1,\)"):
        check_task(task_with(ByShares, shares=lambda self, targets, inputs: torch.ones(1)))
    with pytest.raises(AssertionError, match='cross_entropy is "shares", and that of some outputs'):
        check_task(task_with(ByShares, loss=Blobs.loss, cross_entropy="shares"))
