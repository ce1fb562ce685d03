"""Fewer bits: products of training and judging in tf32 or bf16, everything else as in fp32."""

from __future__ import annotations

import json
import random
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from places import STRANGER
from torch import Tensor, nn

from ticketbench import Initializer, Method, Model, Probe, Scorer, Shapes, stacked_linear
from ticketbench.engine.bench import Bench
from ticketbench.engine.execute import execute
from ticketbench.engine.network import Network
from ticketbench.engine.precision import exact, exactly, narrowed, set_precision, widened
from ticketbench.engine.stepper import Stepper
from ticketbench.errors import OptionError
from ticketbench.plan.plan import Selection, make_plan
from ticketbench.plan.resolve import Resolver
from ticketbench.suite.suite import PRECISIONS, read_suite
from ticketbench.tickets.draw import draw_tickets

MLP = (("hidden = [8]", "hidden = [40, 40]"),)
FULL, FEWER = ("highest", False), ("high", True)
"""What `flags` finds where float32 products are full, and where they are tf32."""
GRU = (
    ('tasks = ["blobs"]', 'tasks = ["seq_digits"]'),
    ('{ name = "mlp", hidden = [8] }', '{ name = "gru", hidden = 8 }'),
)
STRINGS = (
    ('tasks = ["blobs"]', 'tasks = [{ name = "prefix_sums", length = 8, examples = 60, test_examples = 20 }]'),
    ('{ name = "mlp", hidden = [8] }', '{ name = "dtnet1d", width = 8, iterations = 3 }'),
)


def flags() -> tuple[str, bool]:
    """What matrix products and convolutions of float32 numbers are computed in, on a GPU."""
    return torch.get_float32_matmul_precision(), torch.backends.cudnn.allow_tf32


@pytest.fixture(autouse=True)
def _as_before() -> Iterator[None]:
    """What a test switches is switched back."""
    yield
    set_precision("fp32")


def bench_in(precision: str, path, plugins, rows=("dense", "magnitude")) -> Bench:
    """The first fleet of some rows of a suite in a precision, with fresh weights."""
    plan = make_plan(read_suite(path), "smoke", plugins, Selection(methods=rows), precision=precision)
    cells = plan.fleets(plan.cells, "cpu", 1)[0].cells
    resolver = Resolver(plugins)
    return Bench(cells, [resolver.cast(cell.setting) for cell in cells], torch.device("cpu"))


# -- what is switched --------------------------------------------------------------------------------------


def test_a_precision_says_what_float32_products_are():
    """tf32 alone lowers them; sums of bf16 products stay in float32."""
    seen = {}
    for precision in PRECISIONS:
        set_precision(precision)
        seen[precision] = flags()
        assert not torch.backends.cuda.matmul.allow_bf16_reduced_precision_reduction
    assert seen == {"fp32": FULL, "tf32": FEWER, "bf16": FULL}
    with pytest.raises(OptionError, match=r"unknown precision 'tf23'\. Did you mean 'tf32'\?"):
        set_precision("tf23")


@pytest.mark.parametrize(("precision", "around"), [("fp32", FULL), ("tf32", FEWER)])
def test_exact_is_for_a_while(precision: str, around: tuple[str, bool]):
    """Whatever the process computes in, also one in another, and also where the block fails."""
    set_precision(precision)
    with exact():
        with exact():
            assert flags() == FULL
        assert flags() == FULL
    assert flags() == around
    with pytest.raises(ValueError, match="inside"), exact():
        raise ValueError("inside")
    assert flags() == around


def test_a_generator_is_exact_between_its_requests():
    """Its own stretches are, the first and the last, too; what happens while it waits is not."""
    own = []

    @exactly
    def life(count: int):
        for at in range(count):
            own.append(flags())
            yield at
        own.append(flags())

    set_precision("tf32")
    waiting = [(request, flags()) for request in life(3)]
    assert waiting == [(0, FEWER), (1, FEWER), (2, FEWER)]
    assert own == [FULL] * 4
    assert flags() == FEWER


def test_outputs_are_widened_wherever_they_are():
    """bfloat16 tensors alone; what is no tensor, and other kinds of numbers, stay as they are."""
    whole, double = torch.tensor([1, 2]), torch.zeros(2, dtype=torch.float64)
    found = widened({"a": torch.ones(2, dtype=torch.bfloat16), "b": (whole, double, 3)})
    assert found["a"].dtype == torch.float32
    assert (found["b"][0] is whole, found["b"][1] is double, found["b"][2]) == (True, True, 3)


# -- bf16 --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("precision", ["bf16", "tf32"])
@pytest.mark.parametrize("changes", [MLP, GRU], ids=["mlp", "gru"])
def test_masks_at_initialization_are_those_of_fp32(precision: str, changes, tiny_suite, plugins):
    """Of every built-in scorer that can score the network, bit for bit, with the weights below them."""
    built_in = [name for name, entry in plugins.items["scorer"].items() if entry.origin.built_in]
    rows = tuple(
        name for name in built_in if changes is GRU or name not in ("jacobian", "snip_normalised", "grasp_normalised")
    )
    assert len(rows) >= 7
    suite, resolver = read_suite(tiny_suite(*changes)), Resolver(plugins)
    drawn = {}
    for one in ("fp32", precision):
        plan = make_plan(suite, "smoke", plugins, Selection(methods=rows, densities=(0.3,)), precision=one)
        for fleet in plan.fleets(plan.cells, "cpu", 1):
            for cell, ticket in zip(fleet.cells, draw_tickets(fleet.cells, resolver, suite.headline), strict=True):
                drawn[cell.setting.row, cell.seed, one] = ticket
    assert len(drawn) == 2 * 2 * len(rows)
    for row, seed, one in drawn:
        mine, other = drawn[row, seed, one], drawn[row, seed, "fp32"]
        assert all(mask.equal(other.mask[name]) for name, mask in mine.mask.items()), row
        assert all(weight.equal(other.weights[name]) for name, weight in mine.weights.items()), row


@pytest.mark.parametrize("changes", [(), GRU, STRINGS], ids=["mlp", "gru", "dtnet1d"])
def test_a_step_in_bf16_leaves_float32_everywhere(changes, tiny_suite, plugins, monkeypatch):
    """Outputs before the criterion, losses, gradients, weights and slots; and the products are bf16 all the same."""
    found = {}
    for precision in ("fp32", "bf16"):
        bench = bench_in(precision, tiny_suite(*changes), plugins)
        criterion, seen = bench.stage.network.task.loss, []

        def loss(outputs: Tensor, *rest: Tensor, seen=seen, criterion=criterion) -> Tensor:
            seen.append((outputs.dtype, torch.is_autocast_enabled("cpu")))
            return criterion(outputs, *rest)

        monkeypatch.setattr(type(bench.stage.network.task), "loss", staticmethod(loss))
        stepper = Stepper(bench.stage.network, bench.stack, bench.stage.recipe)
        data, members = bench.stage.data.train, len(bench.stack)
        inputs, targets = (part[:20].expand(members, *part[:20].shape) for part in (data.inputs, data.targets))
        call = bench.stage.network.model.training_call(random.Random(0))
        losses, gradients = stepper.gradients(inputs, targets, call, {})
        for _ in range(3):
            losses = stepper.step(inputs, targets, 1e-2, call)
        monkeypatch.undo()
        assert seen == [(torch.float32, False)] * 4
        kept = [
            *gradients,
            *bench.stack.parameters.values(),
            *(s for k in bench.stack.slots.values() for s in k.values()),
        ]
        assert {part.dtype for part in (losses, *kept)} == {torch.float32}
        found[precision] = losses
    assert not found["bf16"].equal(found["fp32"])
    assert torch.allclose(found["bf16"], found["fp32"], rtol=0.05)


@pytest.mark.parametrize("dimensions", [1, 2, 3])
@pytest.mark.parametrize("kind", ["conv", "conv_transpose"])
def test_convolutions_under_vmap_are_of_bf16_numbers(kind: str, dimensions: int):
    """As they are without vmap; gradients are float32, and outside nothing is changed."""
    source = torch.Generator().manual_seed(0)
    size = (5,) * dimensions
    inputs, weights = (torch.randn(3, 4, 4, *part, generator=source) for part in (size, (3,) * dimensions))
    weights.requires_grad_(True)
    convolution = getattr(torch.nn.functional, f"{kind}{dimensions}d")
    with narrowed("bf16", torch.device("cpu")):
        found = torch.func.vmap(convolution)(inputs, weights)
        single = convolution(inputs[1], weights[1])
    assert (found.dtype, single.dtype) == (torch.bfloat16, torch.bfloat16)
    assert torch.allclose(found[1].float(), single.float(), atol=0.1)
    (gradient,) = torch.autograd.grad(found.float().sum(), weights)
    assert gradient.dtype == torch.float32
    assert convolution(inputs[1], weights[1]).dtype == torch.float32


def test_judging_in_bf16_reads_bf16_products_as_float32(tiny_suite, plugins):
    """Each output is the bf16 product, and metrics are taken of float32 numbers."""
    bench = bench_in("bf16", tiny_suite(), plugins)
    network, inputs = bench.stage.network, bench.stage.data.train.inputs[:7]
    with torch.no_grad():
        outputs = network.outputs(bench.stack.parameters, bench.stack.buffers, inputs, {}, shared=True)
        full = Network(network.model, network.module, network.task)
        others = full.outputs(bench.stack.parameters, bench.stack.buffers, inputs, {}, shared=True)
    assert outputs.dtype == others.dtype == torch.float32
    assert outputs.equal(outputs.bfloat16().float())
    assert not others.equal(others.bfloat16().float())


def test_a_suite_runs_in_bf16(tiny_suite, ticketbench):
    """Every cell is computed, and its record says how; accuracies are those of fp32 but for rounding."""
    path, means = tiny_suite(("steps = 20", "steps = 100")), {}
    for precision in ("fp32", "bf16"):
        found = ticketbench(
            "run", "--suite", path, "--tier", "smoke", "--plugin", STRANGER, "--precision", precision, "--json"
        )
        assert found.returncode == 0, found.stderr
        records = json.loads(found.stdout)["records"]
        assert {record["precision"] for record in records} == {precision}
        means[precision] = sum(record["headline"] for record in records) / len(records)
    assert means["bf16"] == pytest.approx(means["fp32"], abs=0.05)


def test_a_stacked_product_under_autocast_has_the_gradients_of_fp32_to_three_digits():
    """The backward pass runs outside autocast, on what the forward pass saved."""
    source = torch.Generator().manual_seed(0)
    inputs, weight, bias = (torch.randn(shape, generator=source) for shape in ((2, 5, 8), (2, 4, 8), (2, 4)))
    found = {}
    for enabled in (False, True):
        leaves = [tensor.clone().requires_grad_(True) for tensor in (inputs, weight, bias)]
        with torch.autocast("cpu", torch.bfloat16, enabled=enabled):
            outputs = stacked_linear(*leaves)
        assert outputs.dtype == (torch.bfloat16 if enabled else torch.float32)
        outputs.float().square().sum().backward()
        found[enabled] = [leaf.grad for leaf in leaves]
    for full, rounded in zip(found[False], found[True], strict=True):
        assert rounded.dtype == torch.float32
        assert torch.allclose(full, rounded, rtol=0.05, atol=0.3)


# -- tf32 --------------------------------------------------------------------------------------------------

Looks = list[tuple[str, tuple[str, bool]]]


class Watched(nn.Linear):
    """A layer that notes the flags of its forwards, and who asked for them."""

    def __init__(self, shapes: Shapes, looks: Looks) -> None:
        super().__init__(*shapes.inputs, shapes.outputs)
        self.looks = looks

    def forward(self, inputs: Tensor) -> Tensor:
        if inputs.device.type != "meta":  # where costs are counted
            self.looks.append(("with gradient" if torch.is_grad_enabled() else "without", flags()))
        return super().forward(inputs)


@dataclass(frozen=True)
class WatchedModel(Model):
    name = "watched"
    summary = "a layer whose forwards are noted"
    looks: Looks = field(default_factory=list)
    stackable = False

    def build(self, shapes: Shapes) -> nn.Module:
        return Watched(shapes, self.looks)


@dataclass(frozen=True)
class Spy(Scorer, Initializer, Probe):
    """A scorer, initializer and probe that notes the flags that it finds."""

    name = "spy"
    summary = "notes the flags"
    looks: Looks = field(default_factory=list)
    sparse_aware = True
    moments = ("started", "drawn", "trained", "reported", "masked", "judged")

    def steps(self, total: int) -> list[int]:
        return [0, total // 2, total]

    def noted(self, who: str) -> None:
        self.looks.append((who, flags()))

    def score(self, trial: Any) -> dict[str, Tensor]:
        self.noted("score")
        trial.gradient(next(trial.batches()))
        return dict(trial.weights)

    def initialize(self, module: nn.Module, mask: Mapping[str, Tensor], generator: torch.Generator) -> None:
        self.noted("initializer")

    def measure(self, trial: Any) -> dict[str, float]:
        self.noted("probe")
        return {"loss": float(trial.loss(next(trial.batches())))}


@dataclass(frozen=True)
class Drawing(Method):
    name = "drawing"
    summary = "trains, scores, and computes on its own"
    spy: Spy = field(default_factory=Spy)

    def draw(self, trial: Any):
        trial.prune()
        self.spy.noted("method")
        yield trial.train(until=7)
        self.spy.noted("method")


def test_only_steps_and_judgements_are_in_fewer_bits(tiny_suite, plugins):
    """A whole life of a cell: what scores, looks, initializes or draws finds full products, also between steps."""
    suite = read_suite(tiny_suite())
    (cell, *_) = make_plan(suite, "smoke", plugins, Selection(methods=("magnitude",)), precision="tf32").cells
    spy, looks = Spy(), []
    parts = {"scorer": spy, "initializer": spy, "probes": (spy,), "method": Drawing(spy), "model": WatchedModel(looks)}
    resolver = SimpleNamespace(cast=lambda setting: replace(Resolver(plugins).cast(setting), **parts))
    (record,) = execute([cell], resolver, suite.headline)
    assert (record.status, record.reason) == ("ok", "")
    assert set(spy.looks) == {(who, FULL) for who in ("score", "initializer", "probe", "method")}
    own = sum(who in ("score", "probe") for who, _ in spy.looks)  # one forward each
    assert own > 10
    assert Counter(looks) == {("with gradient", FULL): own, ("with gradient", FEWER): 20, ("without", FEWER): 1}
    assert flags() == FEWER


def test_tickets_are_drawn_in_full(tiny_suite, plugins):
    """`ticketbench ticket draw` lives the same life up to the ticket."""
    suite = read_suite(tiny_suite())
    (cell, *_) = make_plan(suite, "smoke", plugins, Selection(methods=("magnitude",)), precision="tf32").cells
    spy = Spy()
    resolver = SimpleNamespace(cast=lambda setting: replace(Resolver(plugins).cast(setting), scorer=spy))
    draw_tickets([cell], resolver, suite.headline)
    assert spy.looks == [("score", FULL)]
