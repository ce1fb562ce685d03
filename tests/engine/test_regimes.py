"""Regimes: methods of strangers that change the training step, alone, in fleets, in stretches, and under masks."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
import torch
from places import STRANGER, TESTS
from torch import Tensor

from ticketbench import Noise, Regime, StepView, TicketError
from ticketbench.engine.execute import execute
from ticketbench.engine.member import Member
from ticketbench.engine.network import Network
from ticketbench.engine.regimes import begin, seen
from ticketbench.engine.stack import Stack
from ticketbench.engine.state import states_of
from ticketbench.engine.stepper import Stepper
from ticketbench.plan.plan import Selection, make_plan
from ticketbench.plan.resolve import Resolver
from ticketbench.plugin.contracts import Method
from ticketbench.plugin.loading import load_plugins
from ticketbench.seeds import generator
from ticketbench.store.schema import CellRecord
from ticketbench.suite.recipe import Recipe
from ticketbench.suite.suite import read_suite
from ticketbench.testing import Blobs, Tiny, lives

FILES = ("shrinking_penalty", "noisy_gates", "steady_descent")
PLUGINS = [STRANGER, *(TESTS / "stranger" / f"{name}.py" for name in FILES)]
ROWS = ("shrinking", "gated", "steady")
OPTIMIZERS = {
    "adam": 'optimizer = "adam"\nlearning_rate = 1e-2',
    "momentum": 'optimizer = "sgd"\nmomentum = 0.9\nweight_decay = 1e-3\nlearning_rate = 2e-2\nclip = 1.0',
}


@pytest.fixture(scope="module")
def strangers():
    loaded = load_plugins(PLUGINS)
    assert loaded.broken == []
    return loaded


def computed(path: Path, strangers: Any, fleet: int, row: str, **selected: Any) -> list[CellRecord]:
    """The records of a row, in fleets of a size."""
    suite = read_suite(path)
    plan = make_plan(suite, "smoke", strangers, Selection(methods=(row,), **selected))
    found: list[CellRecord] = []
    for part in plan.fleets(plan.cells, "cpu", 1, fleet):
        found += execute(part.cells, Resolver(strangers), suite.headline)
    return found


def losses(record: CellRecord) -> list[float]:
    """The training losses of a cell."""
    return [point.value for point in record.curves if (point.split, point.metric) == ("train", "loss")]


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize("row", ROWS)
def test_a_fleet_of_eight_gives_the_results_of_eight_single_runs(tiny_suite, strangers, row: str, optimizer: str):
    """Four seeds at two densities: every loss to 1e-4, the kept weights exactly."""
    path = tiny_suite(
        ("seeds = [0, 1]", "seeds = [0, 1, 2, 3]"),
        ("densities = [0.5]", "densities = [0.5, 0.25]"),
        ("log_every = 5", "log_every = 1"),
        (OPTIMIZERS["adam"], OPTIMIZERS[optimizer]),
    )
    together, alone = (computed(path, strangers, fleet, row) for fleet in (8, 1))
    assert {record.status for record in (*together, *alone)} == {"ok"}, together[0].reason
    assert ({record.fleet_size for record in together}, len(alone)) == ({8}, 8)
    by_key = {record.key: record for record in alone}
    for record in together:
        other = by_key[record.key]
        assert losses(record) == pytest.approx(losses(other), rel=1e-4)
        assert (record.kept, record.headline) == (other.kept, pytest.approx(other.headline, abs=1e-4))
        notes = [[found.value for found in one.probes if found.name == "gates"] for one in (record, other)]
        assert notes[0] == pytest.approx(notes[1], rel=1e-4)


def test_a_run_that_was_stopped_goes_on_to_the_same_results(tiny_suite, ticketbench, strangers):
    """Two seeds of each method, then the same store with four: the records are those of four at once."""
    path = tiny_suite(("seeds = [0, 1]", "seeds = [0, 1, 2, 3]"))
    plugins = [word for plugin in PLUGINS for word in ("--plugin", plugin)]
    rows = [word for row in ROWS for word in ("--method", row)]
    words = ("run", "--suite", path, "--tier", "smoke", *plugins, *rows, "--workers", "1", "--json")
    ticketbench(*words, "--seeds", "2", "--store", "parts", "--fleet", "2")
    done = ticketbench(*words, "--store", "parts", "--fleet", "4")
    found = json.loads(done.stdout)
    assert found["computed"] == 6, done.stderr
    whole = {record.key: record for row in ROWS for record in computed(path, strangers, 4, row)}
    assert len(found["records"]) == len(whole) == 12
    for one in found["records"]:
        other = whole[one["key"]]
        assert (one["status"], one["kept"]) == ("ok", other.kept)
        assert one["headline"] == pytest.approx(other.headline, abs=1e-4)


# -- against steps written out by hand -------------------------------------------------------------------------


@dataclass(frozen=True)
class Everything(Regime):
    """w = θ·a + 0.1·ε; penalty ½‖θ‖² + a²; gradients of biases halved; a is trained at twice the rate, b is held."""

    def extras(self, weights: Mapping[str, Tensor], generator: torch.Generator) -> Mapping[str, Tensor]:
        return {"a": torch.tensor(1.5), "b": torch.tensor(7.0)}

    def rate(self, name: str) -> float:
        return {"a": 2.0, "b": 0.0}[name]

    def noise(self, weights: Mapping[str, Tensor]) -> Mapping[str, Noise]:
        return {"e": Noise("normal", (10, 6))}

    def computed(self, step: StepView) -> Mapping[str, Tensor]:
        noise = 0.0 if step.noise is None else 0.1 * step.noise["e"]
        return {"0.weight": step.weights["0.weight"] * step.extras["a"] + noise}

    def penalty(self, step: StepView) -> Tensor:
        return 0.5 * sum(w.square().sum() for w in step.weights.values()) + step.extras["a"].square()

    def gradient(self, gradients: Mapping[str, Tensor], step: StepView) -> Mapping[str, Tensor]:
        return {name: found / 2 for name, found in gradients.items() if name.endswith("bias")}


@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
def test_steps_are_those_written_out_for_one_network(optimizer: str):
    """Three steps of two members with a mask, each against a plain loop over one module with torch's optimizer."""
    recipe = Recipe(
        optimizer=optimizer,
        learning_rate=0.05,
        batch=4,
        steps=3,
        weight_decay=0.1,
        clip=2.0,
        **({"momentum": 0.9} if optimizer == "sgd" else {}),
    )
    modules = []
    for seed in (1, 2):
        torch.manual_seed(seed)
        modules.append(Tiny().build(Blobs().shapes()).double())
    stack = Stack.of([states_of(module) for module in modules], ["0.weight", "3.weight"])
    masks = [{name: torch.rand(part.shape[1:]) > 0.4 for name, part in stack.masks.items()} for _ in modules]
    regime = Everything()
    for member, mask in enumerate(masks):
        stack.set_mask(member, mask)
        begin(stack, member, regime, generator("check"))
    for key in list(stack.extras):  # in double precision, as everything else here
        stack.extras[key] = stack.extras[key].detach().double().requires_grad_(stack.extras[key].requires_grad)
    network = Network(Tiny(), modules[0], Blobs())
    stepper = Stepper(network, stack, recipe, regime=regime)
    split = Blobs().training()[0]
    inputs, targets = split.inputs.double()[:24].view(3, 2, 4, 6), split.targets[:24].view(3, 2, 4)
    with network.mode(training=True):
        for step in range(3):
            drawn = stepper.drawn(inputs[step], {}, [11, 12], [step, step], [3, 3])
            drawn = {name: part.double() for name, part in drawn.items()}
            stepper.step(inputs[step], targets[step], 0.05, {}, drawn)
        stepper.took(3)
    for member, module in enumerate(modules):
        expected, a = by_hand(module, masks[member], inputs[:, member], targets[:, member], 11 + member, recipe)
        for name, weight in stack.weights(member).items():
            torch.testing.assert_close(weight, expected[name], rtol=1e-9, atol=1e-10)
        assert {name: float(value) for name, value in stack.extras_of(member).items()} == pytest.approx(
            {"a": a, "b": 7}
        )
        shown = seen(stack, member)["0.weight"]
        torch.testing.assert_close(shown, expected["0.weight"] * a, rtol=1e-9, atol=1e-10)
        assert not shown[~masks[member]["0.weight"]].any()


def by_hand(
    module: torch.nn.Module, mask: dict[str, Tensor], inputs: Tensor, targets: Tensor, seed: int, recipe: Recipe
) -> tuple[dict[str, Tensor], float]:
    """The same three steps of one network, with nothing of the engine."""
    module.train()
    a = torch.tensor(1.5, dtype=torch.float64, requires_grad=True)
    named = dict(module.named_parameters())
    with torch.no_grad():
        for name, part in mask.items():
            named[name].mul_(part)
    groups: list[dict[str, Any]] = [{"params": list(named.values())}, {"params": [a], "lr": 0.1, "weight_decay": 0.0}]
    if recipe.optimizer == "adam":
        optimizer: torch.optim.Optimizer = torch.optim.Adam(groups, lr=0.05, weight_decay=0.1)
    else:
        optimizer = torch.optim.SGD(groups, lr=0.05, momentum=0.9, weight_decay=0.1)
    for step in range(3):
        noise = torch.randn(10, 6, generator=generator(seed, "regime", step)).double()
        optimizer.zero_grad()
        first = (named["0.weight"] * a + 0.1 * noise) * mask["0.weight"]
        outputs = torch.func.functional_call(module, {"0.weight": first}, (inputs[step],))
        loss = torch.nn.functional.cross_entropy(outputs, targets[step])
        loss = loss + 0.5 * sum(part.square().sum() for part in named.values()) + a.square()
        loss.backward()  # type: ignore[no-untyped-call]
        with torch.no_grad():
            for name, part in named.items():
                assert part.grad is not None
                part.grad.mul_(mask.get(name, torch.ones(()))).mul_(0.5 if name.endswith("bias") else 1)
        torch.nn.utils.clip_grad_norm_([*named.values(), a], 2.0)
        optimizer.step()
    return {name: part.detach() for name, part in named.items()}, float(a.detach())


# -- what a method sees, and what is refused -------------------------------------------------------------------


@dataclass(frozen=True)
class Doubled(Regime):
    """w = factor · θ everywhere, and a count of how it began."""

    factor: float = 2.0

    def extras(self, weights: Mapping[str, Tensor], generator: torch.Generator) -> Mapping[str, Tensor]:
        return {"began": torch.randn((), generator=generator), "trained": torch.zeros(2)}

    def rate(self, name: str) -> float:
        return float(name == "trained")

    def computed(self, step: StepView) -> Mapping[str, Tensor]:
        return {name: self.factor * weight for name, weight in step.weights.items()}

    def penalty(self, step: StepView) -> Tensor:
        return -step.extras["trained"].sum()


@dataclass(frozen=True)
class Watching(Method):
    """Trains in stretches under regimes and keeps what it sees."""

    name = "watching"
    summary = "for tests"
    fixed_density = 1.0

    def draw(self, trial):
        for at, regime in enumerate(UNDER):
            yield trial.train(until=10 * (at + 1), regime=regime)
            SEEN.append((trial.extras, trial.parameters, trial.computed))


UNDER: list[Regime | None] = []
SEEN: list[tuple[dict[str, Tensor], dict[str, Tensor], dict[str, Tensor]]] = []


def watched(*regimes: Regime | None) -> list[tuple[dict[str, Tensor], dict[str, Tensor], dict[str, Tensor]]]:
    """What a method sees after each stretch."""
    member = watching(*regimes)
    assert member.status == "ok", member.reason
    return list(SEEN)


def watching(*regimes: Regime | None) -> Member:
    """A life of stretches under these regimes."""
    SEEN.clear()
    UNDER[:] = regimes
    (member,) = lives(Watching(), None, 1.0, seeds=(0,))
    return member


def test_extras_go_on_while_the_class_of_the_regime_stays():
    """Another option of the same class keeps them and their optimizer's slots; another class begins anew."""
    first, second, third = watched(Doubled(), Doubled(3.0), Everything())
    assert second[0]["began"] == first[0]["began"]
    gone = first[0]["trained"][0], second[0]["trained"][0] - first[0]["trained"][0]
    assert 0 < gone[0] < gone[1]  # with the momentum of the first stretch it goes farther
    assert second[2]["0.weight"].equal(3 * second[1]["0.weight"])
    assert set(third[0]) == {"a", "b"}


def test_training_plainly_after_a_regime_goes_on_from_what_the_forward_saw():
    """The doubled weights become the weights, and there are no extras any more."""
    under, plain = watched(Doubled(), None)
    assert set(under[0]) == {"began", "trained"}
    assert plain[0] == {}
    assert plain[1]["0.weight"].equal(plain[2]["0.weight"])
    moved = (plain[1]["0.weight"] - under[2]["0.weight"]).abs().max()
    assert moved < 0.5 * under[1]["0.weight"].abs().max()


def test_what_the_forward_saw_is_judged_and_kept():
    """A method whose regime lasts to the end leaves the computed weights, as its ticket, too."""
    member = watching(Doubled(), Doubled(), Doubled(), Doubled())
    assert member.ticket is not None
    assert member.ticket.weights["0.weight"].equal(SEEN[-1][2]["0.weight"])
    assert member.trial.extras == {}


@dataclass(frozen=True)
class Broken(Regime):
    """One thing wrong."""

    what: str = ""

    def extras(self, weights: Mapping[str, Tensor], generator: torch.Generator) -> Mapping[str, Tensor]:
        return {"0.weight": torch.zeros(1)} if self.what == "name" else {}

    def computed(self, step: StepView) -> Mapping[str, Tensor]:
        return {"nothing": {"0.wieght": torch.zeros(10, 6)}, "shape": {"0.weight": torch.zeros(6)}}.get(self.what, {})

    def penalty(self, step: StepView) -> Tensor | None:
        return torch.zeros(2) if self.what == "vector" else None

    def gradient(self, gradients: Mapping[str, Tensor], step: StepView) -> Mapping[str, Tensor]:
        return {"of nothing": {"weight": torch.zeros(1)}, "of shape": {"0.bias": torch.zeros(3)}}.get(self.what, {})


@pytest.mark.parametrize(
    ("what", "message"),
    [
        ("name", "calls one of its extras '0.weight', as a weight is called"),
        ("nothing", "computes '0.wieght', no parameter. Did you mean '0.weight'"),
        ("shape", r"computes '0.weight' of shape \(6,\), not \(10, 6\)"),
        ("vector", r"penalty of the regime Broken has shape \(2,\); it must be a scalar"),
        ("of nothing", "changes the gradient of 'weight', of nothing"),
        ("of shape", r"gives '0.bias' a gradient of shape \(3,\), not \(10,\)"),
    ],
)
def test_a_regime_that_does_not_fit_is_refused_before_it_is_trained(what: str, message: str):
    """The cell fails with what is wrong and where."""
    member = watching(Broken(what))
    assert member.status == "failed"
    with pytest.raises(TicketError, match=message):
        raise TicketError(member.reason)


def test_a_regime_and_a_training_of_masks_exclude_each_other(trial_of, tiny_suite, cells_of):
    """Frozen weights take no step, and an object that is no regime is none."""
    trial = trial_of(cells_of(tiny_suite())[1][0])
    with pytest.raises(TicketError, match="the weights are frozen"):
        trial.train(masks="global", regime=Doubled())
    with pytest.raises(TicketError, match="an object of a subclass of `Regime`"):
        trial.train(regime=replace)
