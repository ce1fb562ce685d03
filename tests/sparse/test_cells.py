"""Recurrent cells on the sparse engine: against autograd, and the same on every processor."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from machines import needs_machine, single_ways
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn import functional

from ticketbench import Shapes, Tape
from ticketbench.sparse.library import Rule
from ticketbench.sparse.live import Live
from ticketbench.sparse.program import Rows, Runner
from ticketbench_models.language_model import LanguageModel
from ticketbench_models.recurrent import GRU, LSTM, RNN, Peephole, SequenceModel

pytestmark = needs_machine

MODELS = {"rnn": RNN, "lstm": LSTM, "peephole": Peephole, "gru": GRU}
WAYS = single_ways()
STEPS, FEATURES, UNITS, CLASSES = 5, 7, 12, 4


def pruned(model: SequenceModel | LanguageModel, shapes: Shapes, density: float) -> tuple[nn.Module, dict[str, Tensor]]:
    """A network in double precision with masks in which some rows are empty and some have one weight."""
    torch.manual_seed(3)
    module = model.build(shapes).double()
    masks = {}
    for name in model.prunable(module):
        weight = module.get_parameter(name)
        mask = torch.rand(weight.shape) < density
        mask[::5] = False
        mask[1::5] = False
        mask[1::5, 2] = True
        masks[name] = mask
        with torch.no_grad():
            weight.mul_(mask)
    return module, masks


def live_of(module: nn.Module, masks: dict[str, Tensor], names: tuple[str, ...], way: str, *slots: str) -> Live:
    """The live weights for a way to compute."""
    kind = torch.float64 if way == "twin" else torch.float32
    weights = {name: one.detach().to(kind) for name, one in module.named_parameters()}
    return Live(names, weights, masks, slots, factor=lambda name: 1.0, double=way == "twin")


def gradients_of(
    module: nn.Module, masks: dict[str, Tensor], lossy: Callable[[], Tensor]
) -> tuple[float, dict[str, Tensor]]:
    """The loss and its masked gradients by autograd."""
    module.zero_grad()
    loss = lossy()
    loss.backward()
    found = {name: one.grad for name, one in module.named_parameters() if one.grad is not None}
    return loss.item(), {name: grad * masks.get(name, 1) for name, grad in found.items()}


def put(live: Live, like: dict[str, Tensor]) -> dict[str, Tensor]:
    """The gradients that the engine found, as tensors."""
    found = {name: torch.zeros_like(like[name]) for name in live.names}
    live.put_gradients(found)
    return found


def farthest(ours: dict[str, Tensor], theirs: dict[str, Tensor]) -> float:
    """The largest difference, by the size of the largest number of its tensor."""
    assert ours.keys() == theirs.keys()
    scales = {name: one.abs().max().item() for name, one in theirs.items()}
    return max((ours[name] - theirs[name]).abs().max().item() / (scales[name] or 1.0) for name in theirs)


@pytest.mark.parametrize("density", [0.5, 0.2, 0.05, 0.01])
@pytest.mark.parametrize("name", MODELS)
def test_gradients_are_those_of_autograd(name: str, density: float) -> None:
    """In double precision to nine digits, in single precision to five; a batch has a tile that is not full."""
    model = MODELS[name](hidden=UNITS)
    module, masks = pruned(model, Shapes((STEPS, FEATURES), CLASSES), density)
    inputs, targets = torch.rand(21, STEPS, FEATURES), torch.randint(0, CLASSES, (21,))
    tape = model.tape(module, (STEPS, FEATURES), {})
    assert tape is not None
    loss, expected = gradients_of(module, masks, lambda: functional.cross_entropy(module(inputs.double()), targets))
    for way, close in (("twin", 1e-9), (WAYS[-1], 1e-5)):
        live = live_of(module, masks, tape.parameters, way)
        outputs = Runner.of(tape, 16, "forward", way=way).outputs(live, inputs)[0].view(21, CLASSES)
        assert (outputs - module(inputs.double())).abs().max().item() < close
        assert Runner.of(tape, 16, "train", way=way).gradients(live, inputs, targets) == pytest.approx(loss, rel=close)
        assert farthest(put(live, expected), expected) < close


@pytest.mark.parametrize("name", MODELS)
def test_every_processor_computes_the_same_bits(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Generic code, AVX2 and AVX-512, those that are here; with blocks of columns, too, and of rows that are full."""
    model = MODELS[name](hidden=UNITS)
    module, masks = pruned(model, Shapes((STEPS, FEATURES), CLASSES), 0.3)
    masks["from_hidden"][3:9] = True
    inputs, targets = torch.rand(70, STEPS, FEATURES), torch.randint(0, CLASSES, (70,))
    tape = model.tape(module, (STEPS, FEATURES), {})
    assert tape is not None
    found = set()
    for near in (96, 5):
        monkeypatch.setattr("ticketbench.sparse.arrangement.BLOCK_COLUMNS", near)
        monkeypatch.setattr("ticketbench.sparse.arrangement.WORTH", 0)
        for way in WAYS:
            live = live_of(module, masks, tape.parameters, way)
            loss = Runner.of(tape, 64, "train", way=way).gradients(live, inputs, targets)
            found.add((loss, live.gradients.tobytes()))
    assert len(found) == 1


def test_nobody_reads_sums_that_are_gates_by_then() -> None:
    """Who read them before is right, and who does afterwards is told."""
    module, _ = pruned(RNN(hidden=UNITS), Shapes((STEPS, FEATURES), CLASSES), 0.5)
    for late in (False, True):
        tape = Tape.of(module)
        features = tape.inputs((FEATURES,))
        sums = tape.linear("from_input", features, bias="bias")
        memory = tape.tanh(sums if not late else tape.linear("from_input", features, bias="bias"))
        hidden = tape.reveal(sums, memory)
        tape.answer(tape.linear("read_out.weight", tape.tanh(sums) if late else hidden))
        if late:
            tape.answer(tape.linear("read_out.weight", hidden))
            with pytest.raises(ValueError, match="the sums of a recurrent cell are read by it alone"):
                tape.program(16, "train")
        else:
            tape.program(16, "train")


def test_gates_of_what_a_convolution_gives_or_reads_are_refused() -> None:
    """There are zeros around it, which gates know nothing of."""
    for padding, after in ((0, False), (1, True)):
        tape = Tape({"first": (3, 2, 3), "second": (3, 3, 3)})
        value = tape.convolution("first", tape.inputs((2, 8)), padding=padding)
        value = tape.tanh(value)
        if after:
            value = tape.convolution("second", value, padding=padding)
        tape.answer(value)
        with pytest.raises(ValueError, match="no convolution gives or reads it"):
            tape.program(16, "train")


def language(cell: str, window: int) -> tuple[LanguageModel, nn.Module, dict[str, Tensor]]:
    """A small language model."""
    model = LanguageModel(cell=cell, hidden=UNITS, embedding=18)  # type: ignore[arg-type]
    return model, *pruned(model, Shapes((window,), 11), 0.3)


@pytest.mark.parametrize("cell", ["lstm", "gru"])
def test_language_model(cell: str) -> None:
    """The scores of all places of windows, their mean cross entropy, and its gradients."""
    model, module, masks = language(cell, 4)
    words, targets = torch.randint(0, 11, (2, 21, 4))
    tape = model.tape(module, (4,), {})
    assert tape is not None
    assert "embedding.weight" not in tape.parameters
    loss, expected = gradients_of(module, masks, lambda: functional.cross_entropy(module(words), targets))
    for way, close in (("twin", 1e-9), (WAYS[-1], 1e-5)):
        live = live_of(module, masks, tape.parameters, way)
        table = module.get_parameter("embedding.weight").detach().to(torch.float64 if way == "twin" else torch.float32)
        outside = {"embedding.weight": table}
        scores = Runner.of(tape, 16, "forward", way=way).outputs(live, words, outside=outside)[0]
        assert (scores.squeeze(2) - module(words)).abs().max().item() < close
        trained = Runner.of(tape, 16, "train", way=way).gradients(live, words, targets, outside=outside)
        assert trained == pytest.approx(loss, rel=close)
        assert farthest(put(live, expected), expected) < close


@pytest.mark.parametrize("cell", ["lstm", "gru"])
def test_state_goes_on_from_window_to_window(cell: str) -> None:
    """What one batch leaves, the next takes up, and no gradient goes back into it."""
    model, module, masks = language(cell, 4)
    tape = model.tape(module, (4,), {})
    assert tape is not None
    names = model.carried(module)
    for name in names:
        module.register_buffer(name, torch.zeros(21, UNITS, dtype=torch.float64))
    outside = {name: torch.zeros(21, UNITS, dtype=torch.float64) for name in names}
    outside["embedding.weight"] = module.get_parameter("embedding.weight").detach()
    runner = Runner.of(tape, 16, "train", way="twin")
    for _ in range(3):
        words, targets = torch.randint(0, 11, (2, 21, 4))
        live = live_of(module, masks, tape.parameters, "twin")
        loss, expected = gradients_of(module, masks, lambda: functional.cross_entropy(module(words), targets))  # noqa: B023
        assert runner.gradients(live, words, targets, outside=outside) == pytest.approx(loss, rel=1e-9)
        assert farthest(put(live, expected), expected) < 1e-9
        for name in names:
            torch.testing.assert_close(outside[name], module.get_buffer(name), rtol=0, atol=1e-12)


def test_a_word_that_is_not_in_the_table_spoils_the_loss() -> None:
    """Rather than reading what lies behind it."""
    model, module, masks = language("gru", 2)
    tape = model.tape(module, (2,), {})
    assert tape is not None
    words, outside = torch.tensor([[3, 11]]), {"embedding.weight": module.get_parameter("embedding.weight").detach()}
    live = live_of(module, masks, tape.parameters, "twin")
    loss = Runner.of(tape, 16, "train", way="twin").gradients(live, words, words.clamp(max=10), outside=outside)
    assert np.isnan(loss)


@pytest.mark.parametrize("optimizer", ["adam", "sgd"])
@pytest.mark.parametrize("name", MODELS)
def test_two_hundred_steps(name: str, optimizer: str) -> None:
    """Losses of training with clipped gradients stay with those of torch."""
    model = MODELS[name](hidden=UNITS)
    module, masks = pruned(model, Shapes((STEPS, FEATURES), CLASSES), 0.5)
    module.float()
    inputs, targets = torch.rand(96, STEPS, FEATURES), torch.randint(0, CLASSES, (96,))
    tape = model.tape(module, (STEPS, FEATURES), {})
    assert tape is not None
    order = torch.stack([torch.randperm(96)[:32] for _ in range(200)])
    slots = ("exp_avg", "exp_avg_sq") if optimizer == "adam" else ("momentum_buffer",)
    live = live_of(module, masks, tape.parameters, WAYS[-1], *slots)
    rule = Rule(1, 0.9, 0.999, 1e-8, 0, 0, 0.0, 0.25) if optimizer == "adam" else Rule(0, 0.9, 0, 0, 0, 0, 0.0, 0.25)
    runner, rates = Runner.of(tape, 32, "train", way=WAYS[-1]), np.full(1, 0.003 if optimizer == "adam" else 0.05)
    rows, arena = {0: Rows(inputs, picked=True), 1: Rows(targets, picked=True)}, runner.arena()
    parameters = dict(module.named_parameters())
    kind = torch.optim.Adam(parameters.values(), lr=0.003) if optimizer == "adam" else None
    other = kind or torch.optim.SGD(parameters.values(), lr=0.05, momentum=0.9)
    for step, picked in enumerate(order):
        ours = np.zeros(1, np.float32)
        runner.train(live, rows, 32, rule, picked.numpy()[None], rates, step, ours, arena)
        other.zero_grad()
        loss = functional.cross_entropy(functional_call(module, parameters, (inputs[picked],)), targets[picked])
        loss.backward()  # type: ignore[no-untyped-call]
        for weight, mask in masks.items():
            parameters[weight].grad *= mask
        nn.utils.clip_grad_norm_(parameters.values(), 0.25)
        other.step()
        assert float(ours[0]) == pytest.approx(loss.item(), abs=1e-4)
