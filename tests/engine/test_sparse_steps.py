"""Steps at live weights against the dense ones: losses, weights, slots, of every kind of layer and optimizer."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch
from machines import needs_machine
from sparse_fleets import IMAGES, MASKS, MAZES, SEQUENCES, STRINGS, ToldWalk, curves, fleet, train, whatever_is_left
from torch import Tensor

from ticketbench import Model, Shapes, Sizes, Split, Task
from ticketbench.engine.sparse_stepper import SparseStepper
from ticketbench.engine.stack import Stack
from ticketbench.suite.recipe import Recipe
from ticketbench.testing import Blobs
from ticketbench.testing.parts import Parts
from ticketbench_models.conv import Conv2
from ticketbench_models.dtnet import DTNet1D, DTNet2D
from ticketbench_models.feedforward import FeedForward1D, FeedForward2D
from ticketbench_models.language_model import LanguageModel
from ticketbench_models.lenet import LeNet5
from ticketbench_models.mlp import MLP
from ticketbench_models.recurrent import GRU, LSTM, RNN, Peephole

pytestmark = needs_machine

SGD = Recipe(optimizer="sgd", learning_rate=0.02, momentum=0.9, batch=12, steps=100, log_every=9)
ADAM = Recipe(optimizer="adam", learning_rate=2e-3, batch=12, steps=100, log_every=9)
VECTORS = Parts(model=MLP(hidden=(12, 7)), task=Blobs())
RELATIVE = 1e-4


def changed(recipe: Recipe, **changes: Any) -> Recipe:
    """A recipe with other values."""
    return Recipe.model_validate({**recipe.model_dump(), **changes})


def compare(parts: Parts, relative: float = RELATIVE, words: tuple[str, ...] = MASKS) -> None:
    """Train the same fleet by both engines, and hold each step's loss, the weights and the slots against each other."""
    with whatever_is_left():
        sparse, dense = (fleet(parts, engine, words) for engine in ("sparse", "full"))
        found, expected = curves(train(sparse)), curves(train(dense))
    assert found.keys() == expected.keys()
    for key, value in expected.items():
        assert found[key] == pytest.approx(value, rel=relative), key
    compare_stacks(sparse.stack, dense.stack)


def compare_stacks(sparse: Stack, dense: Stack, near: float = 2e-3) -> None:
    """Zero where the mask is, and near each other elsewhere; only the dense one holds slots of masked weights."""
    assert sparse.slots == {}
    stepper = sparse.away
    assert isinstance(stepper, SparseStepper)
    live = {member: sum(int(mask[member].sum()) for mask in sparse.masks.values()) for member in range(len(sparse))}
    rest = sum(weight[0].numel() for name, weight in sparse.parameters.items() if name not in sparse.masks)
    for member, held in stepper.lives.items():
        assert held.size <= live[member] + rest + 16 * len(held.names)
        assert all(len(slot) <= held.size + 16 for slot in held.slots.values())
    sparse.bring()
    sparse.check()
    assert (sparse.steps, sparse.updates) == (dense.steps, dense.updates)
    assert sparse.slots.keys() == dense.slots.keys()
    pairs = [(sparse.parameters, dense.parameters), *((sparse.slots[slot], dense.slots[slot]) for slot in dense.slots)]
    for mine, theirs in pairs:
        for name, tensor in theirs.items():
            one, other = (mine.get(name, torch.zeros_like(tensor)).detach(), tensor.detach())
            error = (one - other).abs().max()
            assert error <= near * other.abs().max().clamp(min=1e-2), f"{name} is off by {error:.2g}"
            if name in sparse.masks:
                assert not bool(one[~sparse.masks[name]].any())


def cells_of_a_model(model: Model, task: Task, recipe: Recipe = SGD) -> Parts:
    """A model on a task."""
    return Parts(model=model, task=task, recipe=recipe)


MODELS = {
    "mlp": cells_of_a_model(MLP(hidden=(12, 7)), Blobs(), changed(SGD, steps=200)),
    "mlp without biases": cells_of_a_model(MLP(hidden=(40,), bias=False), Blobs(Shapes((2, 5), 4)), ADAM),
    "rnn": cells_of_a_model(RNN(hidden=9), SEQUENCES),
    "lstm": cells_of_a_model(LSTM(hidden=6), SEQUENCES, changed(ADAM, steps=50)),
    "gru": cells_of_a_model(GRU(hidden=6), SEQUENCES),
    "peephole": cells_of_a_model(Peephole(hidden=6), SEQUENCES, changed(SGD, steps=40)),
    "dtnet1d": cells_of_a_model(DTNet1D(width=6, iterations=3, alpha=0.5), STRINGS, changed(ADAM, steps=60)),
    "dtnet2d": cells_of_a_model(DTNet2D(width=4, iterations=2), MAZES, changed(SGD, steps=20, batch=6)),
    "feedforward1d": cells_of_a_model(FeedForward1D(width=6, iterations=2), STRINGS, changed(SGD, steps=40)),
    "feedforward2d": cells_of_a_model(FeedForward2D(width=4, iterations=2), MAZES, changed(ADAM, steps=15, batch=6)),
    "language model": cells_of_a_model(
        LanguageModel(cell="lstm", hidden=8, embedding=6), ToldWalk(), changed(ADAM, batch=8, steps=50)
    ),
    "language model of gated units": cells_of_a_model(
        LanguageModel(cell="gru", hidden=8, embedding=6), ToldWalk(), changed(SGD, batch=9, steps=40)
    ),
}


@pytest.mark.parametrize("name", MODELS)
def test_each_model_trains_as_it_does_densely(name: str):
    """Seven members under seven masks, step by step."""
    compare(MODELS[name])


@pytest.mark.parametrize(
    ("model", "task"), [(LeNet5(), Blobs(Shapes((3, 32, 32), 3))), (Conv2(), IMAGES)], ids=["lenet5", "conv2"]
)
def test_large_convolutions_train_as_they_do_densely(model: Model, task: Task):
    """Few steps of two members: they have hundreds of thousands of weights."""
    compare(cells_of_a_model(model, task, changed(SGD, steps=6, batch=4, clip=1.0)), words=("0.2", "an empty layer"))


RECIPES = {
    "plain": changed(SGD, momentum=0.0),
    "nesterov": changed(SGD, nesterov=True),
    "L2": changed(SGD, weight_decay=1e-2),
    "decoupled": changed(SGD, weight_decay=1e-1, decoupled=True),
    "adam with L2": changed(ADAM, weight_decay=1e-2),
    "adamw": changed(ADAM, weight_decay=1e-1, decoupled=True, betas=(0.8, 0.99), epsilon=1e-6),
    "clipped": changed(SGD, clip=0.2, weight_decay=1e-2),
    "clipped adam": changed(ADAM, clip=0.05),
    "factors": changed(ADAM, learning_rate_factors={"*.bias": 0.0, "*3*": 3.0}, weight_decay=1e-2),
    "a schedule": changed(
        SGD, steps=None, epochs=12, schedule="cosine", warmup="linear", warmup_epochs=2, learning_rate=0.05
    ),
    "steps down": changed(ADAM, schedule="step", milestones=(2, 5), warmup="exponential", warmup_epochs=1),
}


@pytest.mark.parametrize("name", RECIPES)
def test_each_recipe_moves_weights_as_it_does_densely(name: str):
    """Optimizers, decay, clipping, factors and schedules."""
    compare(replace(VECTORS, recipe=RECIPES[name]))


@pytest.mark.parametrize("clip", [None, 0.1])
def test_what_is_not_trained_stays_as_it_is(clip: float | None):
    """And does not count where gradients are clipped."""
    parts = replace(VECTORS, recipe=changed(SGD, train_only=("*.bias", "*5*"), weight_decay=1e-2, clip=clip))
    compare(parts)


def test_members_of_one_stack_have_rates_and_decay_of_their_own():
    """As their courses say."""
    with whatever_is_left():
        benches = [fleet(VECTORS, engine, ("0.2",) * 3) for engine in ("sparse", "full")]
        for bench in benches:
            bench.recipes = [changed(SGD, learning_rate=0.01 * (at + 1), weight_decay=0.01 * at) for at in range(3)]
        found, expected = (curves(train(bench)) for bench in benches)
    assert found == {key: pytest.approx(value, rel=RELATIVE) for key, value in expected.items()}


class Turned(Blobs):
    """Augmented: each point is moved a little."""

    augment_draws = 2

    def augment(self, inputs: Tensor, uniforms: Tensor) -> Tensor:
        return inputs + uniforms.sum(dim=1, keepdim=True)


class Stored(Blobs):
    """Points as whole numbers, which are prepared where they are used."""

    def prepare(self, inputs: Tensor) -> Tensor:
        return inputs.float() / 16

    def draw(self, split: str, count: int) -> Split:
        points = super().draw(split, count)
        return Split((16 * points.inputs).to(torch.int16), points.targets)


class Away(Stored):
    """They stay where they are until they are used."""

    resident = False


class Validated(Turned):
    """With validation examples, which are not augmented."""

    def sizes(self) -> Sizes:
        return replace(super().sizes(), validation=30)

    def training(self) -> tuple[Split, Split]:
        return self.draw("train", 96), self.draw("validation", 30)


@pytest.mark.parametrize("task", [Turned(), Stored(), Away(), Validated()], ids=lambda task: type(task).__name__)
def test_examples_are_prepared_and_augmented_as_they_are_densely(task: Task):
    """Each member's by its own numbers."""
    compare(Parts(model=MLP(hidden=(12, 7)), task=task, recipe=changed(SGD, steps=40, validate_every=2)))


class Narrow(ToldWalk):
    """Words as small whole numbers."""

    def windows(self, count: int, seed: int) -> Split:
        words = super().windows(count, seed)
        return Split(words.inputs.to(torch.int16), words.targets)


def test_words_may_be_stored_in_few_bytes():
    """They are read as what they are."""
    model = LanguageModel(cell="gru", hidden=8, embedding=6)
    compare(Parts(model=model, task=Narrow(), recipe=changed(SGD, batch=8, steps=5)), words=("0.2", "0.5"))


def test_a_lone_weight_takes_as_much_memory_as_one(monkeypatch):
    """Of a wide network: values, gradients and slots are counted by live weights and biases."""
    parts = Parts(model=MLP(hidden=(300, 100)), task=Blobs(), recipe=changed(ADAM, steps=2))
    bench = fleet(parts, "sparse", ("0.01",))
    train(bench)
    stepper = bench.stack.away
    assert isinstance(stepper, SparseStepper)
    held = stepper.lives[0]
    biases = 300 + 100 + 3
    live = sum(int(mask.sum()) for mask in bench.stack.masks.values())
    assert live + biases <= held.size <= live + biases + 6 * 16
    assert bench.stack.slots == {}
