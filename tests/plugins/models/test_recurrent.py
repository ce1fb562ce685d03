"""Recurrent networks that classify sequences: sizes, shapes, and fleets."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor, nn

from ticketbench import OptionError, Shapes
from ticketbench.plan.count import work_of
from ticketbench.testing import Blobs, check_model, outputs_on_shared
from ticketbench_models.recurrent import GRU, LSTM, RNN, Peephole, SequenceModel

MODELS = (RNN, LSTM, Peephole, GRU)
ROWS = Shapes((28, 28), 10)


def state(modules: list[nn.Module]) -> dict[str, Tensor]:
    """The stacked parameters of several networks."""
    weights = [dict(module.named_parameters()) for module in modules]
    return {name: torch.stack([one[name].detach() for one in weights]).requires_grad_() for name in weights[0]}


@pytest.mark.parametrize(
    ("kind", "names", "weights"),
    [
        (RNN, ["from_input", "from_hidden"], 171_200),
        (LSTM, ["from_input", "from_hidden"], 684_800),
        (Peephole, ["from_input", "from_hidden", "from_peephole"], 1_324_800),
        (GRU, ["from_input", "from_hidden"], 513_600),
    ],
)
def test_the_sizes_of_the_paper(kind: type[SequenceModel], names: list[str], weights: int):
    """Weights of 400 units on rows of 28 pixels; neither biases nor the read-out can be pruned."""
    model = kind(hidden=400)
    with torch.device("meta"):
        module = model.build(ROWS)
    own = dict(module.named_parameters())
    assert list(model.prunable(module)) == names
    assert sum(own[name].numel() for name in names) == weights
    assert [name for name in own if name not in names] == ["bias", "read_out.weight", "read_out.bias"]
    assert own["read_out.weight"].shape == (10, 400)


@pytest.mark.parametrize("kind", MODELS)
def test_the_read_out_is_xaviers(kind: type[SequenceModel]):
    """U(±√(6/(100 + 10))) without a bias."""
    torch.manual_seed(0)
    read_out = kind().build(ROWS).read_out
    bound = math.sqrt(6 / 110)
    assert 0.97 * bound < float(read_out.weight.detach().abs().max()) <= bound
    assert not bool(read_out.bias.any())


@pytest.mark.parametrize("kind", MODELS)
@pytest.mark.parametrize("precision", [torch.float64, torch.float32])
def test_stacked_members_learn_what_single_ones_do(kind: type[SequenceModel], precision: torch.dtype):
    """Outputs and every gradient of three members, one of them masked; one step and many."""
    tolerance = 1e-11 if precision == torch.float64 else 1e-5
    for steps in (1, 2, 11):
        model = kind(hidden=6)
        torch.manual_seed(steps)
        modules = [model.build(Shapes((steps, 3), 4)).to(precision) for _ in range(3)]
        for name in model.prunable(modules[1]):
            weight = modules[1].get_parameter(name).detach()
            weight.mul_(torch.rand(weight.shape) < 0.2)
        inputs = torch.randn(3, 5, steps, 3, generator=torch.Generator().manual_seed(0)).to(precision).requires_grad_()
        together = state(modules)
        outputs = model.stacked(modules[0])(together, {}, inputs)
        found = torch.autograd.grad(outputs.square().sum(), [inputs, *together.values()])
        for member, module in enumerate(modules):
            single = module(inputs[member])
            torch.testing.assert_close(outputs[member], single, rtol=tolerance, atol=tolerance)
            own = torch.autograd.grad(single.square().sum(), [inputs, *module.parameters()])
            for mine, theirs in zip(found, (own[0][member], *own[1:]), strict=True):
                torch.testing.assert_close(
                    mine[member], theirs, rtol=tolerance, atol=tolerance * (1 + float(theirs.abs().max()))
                )


@pytest.mark.parametrize("kind", MODELS)
def test_stacked_members_compute_what_single_ones_do(kind: type[SequenceModel]):
    """Without gradients, and where all members share a batch."""
    model = kind(hidden=7)
    check_model(model, Shapes((5, 3), 4))
    check_model(model, Shapes((1, 1), 2))
    modules = [model.build(Shapes((5, 3), 4)) for _ in range(2)]
    inputs = torch.rand(3, 5, 3, generator=torch.Generator().manual_seed(0))
    (outputs,) = outputs_on_shared(model, modules, Blobs(Shapes((5, 3), 4)), inputs)
    for member, module in enumerate(modules):
        torch.testing.assert_close(outputs[member], module(inputs), rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("kind", MODELS)
def test_products_in_fewer_bits(kind: type[SequenceModel]):
    """Under autocast gradients come back in the weights' precision and point the same way."""
    model = kind(hidden=16)
    torch.manual_seed(0)
    modules = [model.build(Shapes((6, 8), 4)) for _ in range(2)]
    inputs = torch.randn(2, 9, 6, 8, generator=torch.Generator().manual_seed(0))
    together, forward = state(modules), model.stacked(modules[0])
    exact = torch.autograd.grad(forward(together, {}, inputs).square().sum(), list(together.values()))
    with torch.autocast("cpu", dtype=torch.bfloat16):
        outputs = forward(together, {}, inputs)
    assert outputs.dtype == torch.bfloat16
    for one, other in zip(torch.autograd.grad(outputs.float().square().sum(), together.values()), exact, strict=True):
        assert one.dtype == torch.float32
        assert float((one - other).norm() / other.norm()) < 0.05


@pytest.mark.parametrize(("kind", "gates", "matrices"), [(RNN, 1, 1), (LSTM, 4, 1), (Peephole, 4, 2), (GRU, 3, 1)])
def test_every_step_is_charged_to_its_weights(kind: type[SequenceModel], gates: int, matrices: int):
    """2 FLOPs a weight and step, for 6 steps of 3 features and 8 units."""
    work = work_of(kind(hidden=8), Shapes((6, 3), 4), {}).by_weight
    assert work["from_input"] == 2 * 6 * gates * 8 * 3
    assert work["from_hidden"] == 2 * 6 * gates * 8 * 8
    assert work.get("from_peephole", 0) == (matrices - 1) * 2 * 6 * gates * 8 * 8
    assert work["read_out.weight"] == 2 * 8 * 4


@pytest.mark.parametrize("kind", MODELS)
def test_inputs_that_are_no_sequences(kind: type[SequenceModel]):
    """The error names the shape and the one that would do."""
    for shape in ((784,), (1, 28, 28), ()):
        with pytest.raises(OptionError) as caught:
            kind().build(Shapes(shape, 10))
        assert str(caught.value) == f"'{kind.name}' takes sequences (steps, features), not inputs of shape {shape}"
    with pytest.raises(OptionError, match=r"0 steps of 28 features: it takes 1 at least"):
        kind().build(Shapes((0, 28), 10))
    with pytest.raises(OptionError, match=r"28 steps of 0 features"):
        kind().build(Shapes((28, 0), 10))
