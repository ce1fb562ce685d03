"""Models that keep their contract pass; each way to break it is found and named."""

from __future__ import annotations

import math
import random
from dataclasses import dataclass

import numpy as np
import pytest
import torch
from torch import nn

from ticketbench import Model, Shapes
from ticketbench.testing import UncheckedError, check_model


@pytest.mark.parametrize(("name", "inputs"), [("mlp", "6"), ("lenet5", "3×32×32"), ("lstm", "5×4"), ("conv2", "1×8×8")])
def test_registered_models_keep_the_contract(plugins, name, inputs):
    """The first shape that fits is taken, and said."""
    assert check_model(plugins.find("model", name)).said.endswith(f"on inputs of {inputs}")


def test_the_author_names_the_shapes(plugins):
    """And then no others are tried."""
    assert "on inputs of 1×9" in check_model(plugins.find("model", "dtnet1d"), Shapes((1, 9), 2)).said
    with pytest.raises(UncheckedError, match=r"'lenet5' takes none of the inputs .*numbers of shape 5"):
        check_model(plugins.find("model", "lenet5"), Shapes((5,), 2))


class Net(nn.Module):
    """Two layers, to be spoiled."""

    def __init__(self, shapes: Shapes) -> None:
        super().__init__()
        self.first, self.second = nn.Linear(math.prod(shapes.inputs), 5), nn.Linear(5, shapes.outputs)

    def forward(self, inputs):
        return self.second(self.between(self.first(inputs.flatten(1))))

    def between(self, hidden):
        return hidden.tanh()


@dataclass(frozen=True)
class Plain(Model):
    """A network of two layers."""

    name = "spoiled"
    summary = "for tests"
    net = Net

    def build(self, shapes):
        return self.net(shapes)


def test_a_model_of_its_own_passes():
    """Nothing spoiled yet."""
    assert check_model(Plain()).said.startswith("stacked members compute what single ones do, training can be repeated")


class Chancy(Net):
    """Noise of Python's generator, in training mode."""

    def between(self, hidden):
        return hidden.tanh() * (random.random() if self.training else 0.5)


class OwnGenerator(Net):
    """Noise of a generator that nobody seeds."""

    def between(self, hidden):
        return hidden * np.random.default_rng().random() if self.training else hidden


class Counting(Net):
    """Counts its calls, and uses the count."""

    calls = 0

    def between(self, hidden):
        self.calls += 1
        return hidden * self.calls


class Branching(Net):
    """A Python branch on the data."""

    def between(self, hidden):
        return hidden.tanh() if float(hidden.sum()) > 0 else hidden.relu()


class Unbatched(Net):
    """Writes into a tensor that has no member axis."""

    def between(self, hidden):
        return torch.zeros(hidden.shape, device=hidden.device).copy_(hidden).tanh()


class RandomBuild(Plain):
    """Weights of Python's generator."""

    def build(self, shapes):
        net = super().build(shapes)
        with torch.no_grad():
            net.first.weight.fill_(random.random())
        return net


class Misnamed(Plain):
    """A layer that is not there."""

    def prunable(self, module):
        return ["first.weigth"]


class PrunesBiases(Plain):
    """A bias."""

    def prunable(self, module):
        return ["first.weight", "first.bias"]


class PrunesNothing(Plain):
    """No weights."""

    def prunable(self, module):
        return []


class WrongStack(Plain):
    """A stacked form without the activation."""

    def stacked(self, module):
        def forward(parameters, buffers, inputs):
            hidden = torch.einsum("fbi,foi->fbo", inputs.flatten(2), parameters["first.weight"])
            hidden = hidden + parameters["first.bias"].unsqueeze(1)
            return torch.einsum("fbi,foi->fbo", hidden, parameters["second.weight"]) + parameters[
                "second.bias"
            ].unsqueeze(1)

        return forward


class WrongGradients(Plain):
    """A stacked form with the right values, through which no gradient reaches the first layer."""

    def stacked(self, module):
        def forward(parameters, buffers, inputs):
            weights = parameters["first.weight"].detach()
            hidden = torch.einsum("fbi,foi->fbo", inputs.flatten(2), weights) + parameters["first.bias"].unsqueeze(1)
            scores = torch.einsum("fbi,foi->fbo", hidden.tanh(), parameters["second.weight"])
            return scores + parameters["second.bias"].unsqueeze(1)

        return forward


class Repeated(Net):
    """The activation as often as `at` says, and outputs for each."""

    def forward(self, inputs, at=(1,)):
        hidden, found = self.first(inputs.flatten(1)), []
        for step in range(1, max(at) + 1):
            hidden = hidden.tanh()
            found += [self.second(hidden)] if step in at else []
        return torch.stack(found) if len(at) > 1 or at != (1,) else self.squeezed(found)

    def squeezed(self, found):
        return found[0]


class Sweeping(Plain):
    """A sweep that forgets the axis of a single budget of one."""

    sweeps = "repeats"
    net = Repeated

    def sweep_call(self, points):
        return {"at": tuple(points)}


class Drifting(Repeated):
    """Outputs that depend on which other budgets are asked for."""

    def forward(self, inputs, at=None):
        if at is None:
            return self.second(self.first(inputs.flatten(1)))
        return torch.stack([self.second(self.first(inputs.flatten(1)) * point * len(at)) for point in at])


class DriftingSweep(Sweeping):
    """Its model."""

    net = Drifting


class Steady(Repeated):
    """Outputs that know nothing of other budgets."""

    def forward(self, inputs, at=None):
        outputs = self.second(self.first(inputs.flatten(1)))
        return outputs if at is None else torch.stack([outputs * point for point in at])


class OneByOne(Sweeping):
    """A stacked form that gives outputs budget by budget, those of its `shift`-th budget after."""

    net = Steady
    shift = 0

    def stacked(self, module):
        def forward(parameters, buffers, inputs, at=()):
            def outputs(one, batch, point):
                return torch.func.functional_call(module, one, (batch,)) * point

            every = torch.func.vmap(outputs, in_dims=(0, 0, None))
            if at:
                return (every(parameters, inputs, point + self.shift) for point in at)
            return every(parameters, inputs, 1)

        return forward


class OthersOneByOne(OneByOne):
    """One budget too many."""

    shift = 1


def test_outputs_of_a_sweep_one_by_one_pass():
    """An iterator in the place of a tensor."""
    assert "a sweep equals single budgets" in check_model(OneByOne()).said


class DrawsElsewhere(Plain):
    """Keywords of Python's global generator."""

    def training_call(self, draws):
        return {"scale": random.random()}

    def build(self, shapes):
        class Scaled(Net):
            def forward(self, inputs, scale=1.0):
                return super().forward(inputs) * scale

        return Scaled(shapes)


def with_net(net: type[nn.Module]) -> Model:
    """A model of such networks."""
    return type("Spoiled", (Plain,), {"net": net})()


@pytest.mark.parametrize(
    ("model", "says"),
    [
        (with_net(Chancy), r"trained twice .* has other weights the second time: .*nn\.Dropout|draws from Python's"),
        (with_net(OwnGenerator), r"trained twice .* has other weights the second time"),
        (with_net(Counting), r"gives other outputs for the same inputs in evaluation mode, once it saw others"),
        (with_net(Branching), r"FLOPs cannot be counted, .*no Python branch may depend on the data"),
        (with_net(Unbatched), r"cannot be stacked by torch\.func\.vmap in evaluation mode: .* `stackable = False`"),
        (RandomBuild(), r"builds another 'first\.weight' the second time from the same seed"),
        (Misnamed(), r"calls 'first\.weigth' prunable, which is no parameter\. Did you mean 'first\.weight'\?"),
        (PrunesBiases(), r"calls the 1-dimensional 'first\.bias' prunable, which is no weight"),
        (PrunesNothing(), r"has nothing to prune"),
        (WrongStack(), r"computes something else when it is stacked: other outputs in evaluation mode"),
        (WrongGradients(), r"something else when it is stacked: other gradients of 'first\.weight' in evaluation mode"),
        (Sweeping(), r"have a leading axis of 3 for 3 budgets, and of 4 for one; it must be one entry a budget"),
        (DriftingSweep(), r"gives other outputs at repeats = 1 in a sweep over \(1, 2, 3\) than in a sweep over that"),
        (OthersOneByOne(), r"own stacked\(\) form gives other outputs at repeats = 1 than the single form"),
        (DrawsElsewhere(), r"training_call\(\) must draw from `draws` alone"),
    ],
    ids=lambda value: (value.net if value.net is not Net else type(value)).__name__ if isinstance(value, Model) else "",
)
def test_every_broken_promise_is_named(model, says):
    """What was wrong, and what would work."""
    with pytest.raises(AssertionError, match=says):
        check_model(model)


def test_a_model_that_says_it_cannot_be_stacked_is_not_blamed():
    """Its members run one by one."""
    model = type("Alone", (Plain,), {"net": Unbatched, "stackable": False})()
    assert check_model(model).said.startswith("its members run one by one")


class Words(nn.Module):
    """An embedding, which takes whole numbers and nothing else, and a read-out."""

    def __init__(self) -> None:
        super().__init__()
        self.table, self.read = nn.Embedding(7, 4), nn.Linear(4, 7)

    def forward(self, inputs):
        return self.read(self.table(self.tokens(inputs))).movedim(-1, 1)

    def tokens(self, inputs):
        return inputs


class AllNumbers(Words):
    """Takes every number as a token."""

    def tokens(self, inputs):
        return inputs.long()


def test_tokens_are_tried_too():
    """Whole numbers below the number of outputs; zeros that are none have to be taken, too."""
    assert check_model(type("Language", (Plain,), {"build": lambda model, shapes: AllNumbers()})()).said.endswith(
        "on inputs of 5"
    )
    with pytest.raises(AssertionError, match=r"FLOPs cannot be counted, .* by inputs\.long\(\)"):
        check_model(type("Language", (Plain,), {"build": lambda model, shapes: Words()})())
