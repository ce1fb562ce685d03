"""A layer of many members: which way it is computed, and that a training step of it can be captured."""

from __future__ import annotations

import random
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
import torch
from no_host import NothingForTheHost
from torch import Tensor, nn
from torch.func import vmap
from torch.nn import functional

from ticketbench import Model, Shapes
from ticketbench_models import stacked_layer
from ticketbench_models.cells import GRUCell, LSTMCell, PeepholeCell, RNNCell
from ticketbench_models.language_model import LanguageModel
from ticketbench_models.recurrent import GRU, LSTM, RNN, Peephole
from ticketbench_models.sequence import written_sequence
from ticketbench_models.sequence_buffers import Lender
from ticketbench_models.stacked_layer import layer_states

MEMBERS, BATCH, STEPS, FEATURES, HIDDEN, CLASSES = 3, 4, 5, 2, 7, 6
MODELS: tuple[Model, ...] = (
    RNN(hidden=HIDDEN),
    LSTM(hidden=HIDDEN),
    Peephole(hidden=HIDDEN),
    GRU(hidden=HIDDEN),
    *(LanguageModel(cell=cell, hidden=HIDDEN, embedding=3) for cell in ("lstm", "gru")),
    LanguageModel(cell="gru", hidden=HIDDEN, embedding=3, softmax="sampled", samples=4),
)


def named(model: Model) -> str:
    """For the ids of tests."""
    return " ".join([model.name, *([model.cell, model.softmax] if isinstance(model, LanguageModel) else [])])


def training_step(model: Model, device: str = "cpu") -> tuple[Callable[[], None], dict[str, Tensor], dict[str, Tensor]]:
    """A step of plain gradient descent on a fleet with masks; beside it what it changes, and the masks."""
    torch.manual_seed(0)
    texts = isinstance(model, LanguageModel)
    shapes = Shapes((STEPS,) if texts else (STEPS, FEATURES), CLASSES)
    modules = [model.build(shapes) for _ in range(MEMBERS)]
    each = [{name: part.detach() for name, part in module.named_parameters()} for module in modules]
    parameters = {name: torch.stack([one[name] for one in each]).to(device) for name in each[0]}
    masks = {name: (torch.rand(parameters[name].shape) < 0.5).to(device) for name in model.prunable(modules[0])}
    for name, mask in masks.items():
        parameters[name] *= mask
    trained = {name: part.requires_grad_() for name, part in parameters.items() if name != "embedding.weight"}
    buffers = {name: torch.zeros(MEMBERS, BATCH, HIDDEN, device=device) for name in model.carried(modules[0])}
    call = {name: value.to(device) for name, value in model.training_call(random.Random(0)).items()}
    inputs = (
        torch.randint(0, CLASSES, (MEMBERS, BATCH, STEPS)) if texts else torch.randn(MEMBERS, BATCH, *shapes.inputs)
    )
    targets = torch.randint(0, CLASSES, inputs.shape if texts else (MEMBERS, BATCH)).to(device)
    inputs, forward = inputs.to(device), model.stacked(modules[0])
    assert forward is not None

    def loss(outputs: Any, target: Tensor, batch: Tensor) -> Tensor:
        return model.loss(outputs, target, batch, lambda scores, labels, _: functional.cross_entropy(scores, labels))

    def step() -> None:
        losses = vmap(loss)(forward(parameters, buffers, inputs, **call), targets, inputs)
        found = torch.autograd.grad(losses.sum(), list(trained.values()))
        for (name, part), gradient in zip(trained.items(), found, strict=True):
            part.detach().sub_(0.1 * gradient * masks[name] if name in masks else 0.1 * gradient)

    return step, {**parameters, **buffers}, masks


@pytest.mark.parametrize("together", [False, True], ids=["one by one", "together"])
@pytest.mark.parametrize("model", MODELS, ids=named)
def test_a_training_step_asks_the_host_for_nothing(model: Model, together: bool, monkeypatch):
    """No value is read, nothing is sought by value, and nothing moves to another device; weights and states change."""
    monkeypatch.setattr(stacked_layer, "written_sequence", partial(written_sequence, together=together))
    step, state, masks = training_step(model)
    step()
    before = {name: part.detach().clone() for name, part in state.items()}
    with NothingForTheHost() as watch:
        step()
    assert watch.seen > 100
    for name, part in state.items():
        assert bool(part.isfinite().all())
        assert part.equal(before[name]) == (name == "embedding.weight")
    for name, mask in masks.items():
        assert not bool(state[name][~mask].any())


@pytest.mark.cuda
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU")
@pytest.mark.parametrize("model", MODELS, ids=named)
def test_a_captured_training_step_does_what_a_cpu_does(model: Model):
    """Five steps: three eager ones on a GPU, and two replays of a graph."""
    step, expected, _ = training_step(model)
    for _ in range(5):
        step()
    step, state, masks = training_step(model, "cuda")
    stream = torch.cuda.Stream()
    stream.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(stream):
        for _ in range(3):
            step()
    torch.cuda.current_stream().wait_stream(stream)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        step()
    for _ in range(2):
        graph.replay()
    for name, part in state.items():
        torch.testing.assert_close(part.detach().cpu(), expected[name].detach(), rtol=1e-4, atol=1e-5)
    for name, mask in masks.items():
        assert not bool(state[name][~mask].any())


@pytest.mark.parametrize(
    "asks",
    [
        lambda x: x.sum().item(),
        lambda x: x.nonzero(),
        lambda x: x[x > 0],
        lambda x: x.to("meta"),
        lambda x: bool(x.any()),
    ],
)
def test_what_asks_the_host_is_seen(asks: Callable[[Tensor], Any]):
    """The watch of the test above is one that can fail."""
    with NothingForTheHost(), pytest.raises(AssertionError, match="the host"):
        asks(torch.arange(3.0))


@pytest.mark.parametrize(
    "cell", [RNNCell(), LSTMCell(), PeepholeCell(), GRUCell()], ids=lambda cell: type(cell).__name__
)
def test_the_written_pass_is_taken_where_it_pays(cell, monkeypatch):
    """Where a gradient will be asked for; without one, and under autocast, the cell's own step is."""
    taken: list[str] = []
    for name in ("written_sequence", "stepwise"):
        way = getattr(stacked_layer, name)
        monkeypatch.setattr(
            stacked_layer, name, lambda *given, way=way, name=name: (taken.append(name), way(*given))[1]
        )
    layer = nn.ParameterDict({f"from_{role}": torch.randn(2, len(cell.gates) * 3, 3) for role in cell.roles})
    parameters = {**layer, "bias": torch.zeros(2, len(cell.gates) * 3, requires_grad=True)}
    inputs = torch.randn(2, 4, 5, 3)
    one = layer_states(cell, parameters, inputs, Lender())
    with torch.no_grad():
        other = layer_states(cell, parameters, inputs, Lender())
    with torch.autocast("cpu", dtype=torch.bfloat16):
        low = layer_states(cell, parameters, inputs, Lender())
    assert taken == ["written_sequence", "stepwise", "stepwise"]
    for first, second, third in zip(one, other, low, strict=True):
        torch.testing.assert_close(first, second, rtol=1e-5, atol=1e-6)
        torch.testing.assert_close(first, third.float(), rtol=0.1, atol=0.1)
