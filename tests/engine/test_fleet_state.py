"""A fleet goes on from a checkpoint as if nothing had been: at every other pause, to the last bit."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest
import torch
from interrupted import Interrupter, Runs, assert_same, checkpoint_in
from mixed_cells import mixed_cells
from places import STRANGER
from torch import Tensor
from walk import Walk

from ticketbench import (
    Adaptation,
    MaskRule,
    MaskView,
    Method,
    Noise,
    Regime,
    Request,
    Scorer,
    Stages,
    StepView,
    Trial,
    top_mask,
)
from ticketbench.masks.stackable import mask_count
from ticketbench.plan.plan import make_plan
from ticketbench.plugin.loading import load_plugins
from ticketbench.suite.recipe import Recipe
from ticketbench.suite.suite import read_suite
from ticketbench.testing import Blobs
from ticketbench.testing.fleet import bench_of
from ticketbench.testing.parts import Parts
from ticketbench_methods.edge_popup import EdgePopup
from ticketbench_methods.grow_and_prune import GrowAndPrune
from ticketbench_methods.l0 import L0
from ticketbench_methods.soft_threshold import SoftThreshold
from ticketbench_methods.surgery import DynamicSurgery
from ticketbench_methods.taylor_units import TaylorUnits
from ticketbench_methods.variational import VariationalDropout
from ticketbench_methods.weight_sharing import SoftWeightSharing
from ticketbench_methods.wirings import Wirings
from ticketbench_models.language_model import LanguageModel
from ticketbench_scorers.magnitude import Magnitude

ADAM = Recipe(optimizer="adam", learning_rate=0.01, batch=16, steps=40, log_every=10)


def check(runs: Runs, tmp_path: Path, least: int, every: int = 2, most: int = 10**6) -> None:
    """Killed at every so manyth pause, everything thrown away but the file: the same as in one go."""
    expected = Runs(runs.cells, runs.casts, seats=runs.seats, keep=runs.keep).undisturbed()
    assert {one.status for one in expected.values()} <= {"ok", "diverged"}
    keeper = Interrupter(checkpoint_in(tmp_path), at=lambda number: number % every == 0 and number <= most)
    found = runs.interrupted(keeper)
    assert_same(found, expected)
    assert keeper.stopped >= least
    assert bool(runs.lost) == (most < 10**6)
    assert not any(checkpoint_in(tmp_path).parent.iterdir())


@pytest.mark.parametrize(
    ("optimizer", "seats", "every", "least"),
    [("momentum", 0, 3, 50), ("clipped adam", 0, 17, 8), ("adam", 5, 11, 15)],
)
def test_a_mixed_fleet(tmp_path, plugins, optimizer: str, seats: int, every: int, least: int):
    """Twelve cells of six methods, one of which bursts; momenta, the best validation, averages, seats taken over."""
    cells = mixed_cells(tmp_path, optimizer)
    check(Runs.of_plan(cells, plugins, seats), tmp_path, least, every=every)


@pytest.mark.parametrize("then", ["stop", "train"])
@pytest.mark.parametrize("densities", [(0.5,), (0.5, 0.25)])
def test_masks_that_are_trained(tmp_path, then: str, densities: tuple[float, ...]):
    """Scores, their optimizer, and how many weights each keeps."""
    method = EdgePopup(then=then, scope="global")
    check(Runs.of_bench(bench_of(Parts(method, recipe=ADAM), densities, (0, 1))), tmp_path, 3)


@pytest.mark.parametrize(
    ("method", "scorer"), [(TaylorUnits(rounds=2, examples=40), None), (GrowAndPrune(every=4), Magnitude())]
)
def test_units_and_weights_that_come_and_go(tmp_path, method: Method, scorer: Scorer | None):
    """Two rounds of removing units by gates on them; a seed that grows and is pruned: nothing begins anew."""
    check(Runs.of_bench(bench_of(Parts(method, scorer, recipe=ADAM), (0.4,), (0, 1))), tmp_path, 4)


LEARNING = (DynamicSurgery(every=4), SoftThreshold(), L0(), VariationalDropout(), SoftWeightSharing(), Wirings())


@pytest.mark.parametrize("method", LEARNING, ids=lambda method: method.name)
def test_gates_thresholds_and_noise_that_are_trained(tmp_path, method: Method):
    """What a method's regime trains and holds beside the weights, at two densities."""
    check(Runs.of_bench(bench_of(Parts(method, recipe=ADAM), (0.5, 0.2), (0, 1))), tmp_path, 1)


def test_an_adaptation(tmp_path):
    """Drawn with one recipe, trained with another, then a head is trained that starts anew: a pause in each of them."""
    blobs = Blobs()
    adapt = Adaptation(Blobs(), {"steps": 30, "train_only": ["3.*"]}, ("3.*",))
    stages = Stages(blobs, blobs, {"blobs": blobs}, {"optimizer": "sgd", "momentum": 0.9, "steps": 30}, adapt=adapt)
    parts = Parts(Curious(), task=blobs, recipe=ADAM, stages=stages)
    check(Runs.of_bench(bench_of(parts, (0.5,), (0, 1))), tmp_path, 12, every=3)


def test_state_that_is_carried(tmp_path):
    """A language model's streams go on in the middle of an epoch."""
    model = LanguageModel(cell="lstm", hidden=16, embedding=8)
    recipe = Recipe(optimizer="adam", learning_rate=1e-2, batch=8, epochs=3, log_every=4)
    check(Runs.of_bench(bench_of(Parts(model=model, task=Walk(), recipe=recipe), (1.0,), (0, 1))), tmp_path, 4)


@dataclass(frozen=True)
class Scaled(Regime):
    """w = θ · s with noise on s, which is trained; it begins at random."""

    strength: float = 0.1

    def extras(self, weights: Mapping[str, Tensor], generator: torch.Generator) -> Mapping[str, Tensor]:
        return {"scale": 1 + 0.1 * torch.randn((), generator=generator)}

    def noise(self, weights: Mapping[str, Tensor]) -> Mapping[str, Noise]:
        return {"scale": Noise("normal", ())}

    def computed(self, step: StepView) -> Mapping[str, Tensor]:
        scale = step.extras["scale"]
        scale = scale if step.noise is None else scale + self.strength * step.noise["scale"]
        return {"3.weight": step.weights["3.weight"] * scale}


@dataclass(frozen=True)
class Shuffle(MaskRule):
    """Other seats, as many, at random; it counts how often."""

    @property
    def stream(self) -> str:
        return "seats"

    def noise(self, weights: Mapping[str, Tensor]) -> Mapping[str, Noise]:
        return {name: Noise("uniform", tuple(weight.shape)) for name, weight in weights.items()}

    def memory(self, view: MaskView) -> Mapping[str, Tensor]:
        return {"times": torch.zeros((), dtype=torch.int64)}

    def masks(self, view: MaskView) -> Mapping[str, Tensor]:
        return {name: top_mask(view.noise[name], mask_count(mask)) for name, mask in view.mask.items()}

    def remember(self, view: MaskView, masks: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
        return {"times": view.memory["times"] + 1}


@dataclass(frozen=True)
class Curious(Method):
    """Asks for whatever a file can hold, draws from a generator that the engine draws from, too."""

    name, summary, reference = "curious", "asks for much", "a test"
    asks_for_loss: bool = False
    drifts: bool = False

    def draw(self, trial: Trial) -> Iterator[Request]:
        own = trial.generator("seats")
        start = trial.snapshot()
        trial.keep("start")
        if self.drifts:
            Curious.fate += 1
            for _ in range(Curious.fate):
                trial.present_density  # noqa: B018
        if self.asks_for_loss:
            leaves = {name: weight.requires_grad_() for name, weight in trial.weights.items()}
            trial.note("loss", float(trial.loss(next(trial.batches()), leaves).detach()))
        trial.prune(scores={name: torch.rand(part.shape, generator=own) for name, part in trial.weights.items()})
        for until in (9, 18):
            yield trial.train(until=until, regime=Scaled())
            trial.note("scale", float(trial.extras["scale"]))
            trial.set_extras({"scale": trial.extras["scale"] * float(torch.rand((), generator=own))})
            yield trial.remask(Shuffle())
            trial.note("times", int(trial.remembered["times"]))
            trial.note("drawn", float(torch.rand((), generator=own)))
        yield trial.train(until=30, average=0.9)
        gradient = trial.gradient(next(trial.batches(size=5)))
        trial.note("average", float(sum(part.abs().sum() for part in trial.average_gradient.values())))
        trial.note("gradient", float(sum(part.abs().sum() for part in gradient.values())))
        trial.note("kept", float(trial.companions["start"].weights["1.weight"].sum()))
        trial.note("spent", trial.spent.steps + trial.step + trial.trainings + trial.learning_rate())
        trial.note("module", float(sum(part.detach().double().sum() for part in trial.module.parameters())))
        trial.note("changed", float((trial.origin["1.weight"] - trial.computed["1.weight"]).abs().sum()))
        trial.report()
        trial.rewind(start)
        yield trial.train(order=1)
        trial.reinitialize()
        trial.set_weights({"3.bias": torch.ones_like(trial.parameters["3.bias"])})


Curious.fate = 0


def test_whatever_a_method_may_ask(tmp_path):
    """Regimes, rules with memories, generators in many hands, gradients, companions: the answers come from the file."""
    check(Runs.of_bench(bench_of(Parts(Curious(), recipe=ADAM), (0.5, 0.3), (0, 1))), tmp_path, 10)


@pytest.mark.parametrize("method", [Curious(asks_for_loss=True), Curious(drifts=True)])
def test_what_cannot_be_led_again_begins_anew(tmp_path, method: Method):
    """A graph that no file holds, and a method that asks for other things each time: the result is the same."""
    runs = Runs.of_bench(bench_of(Parts(method, recipe=ADAM), (0.5,), (0, 1)))
    check(runs, tmp_path, 2, every=3, most=6)
    reasons = " ".join(runs.lost)
    assert ("told what no file can hold" in reasons) or ("asked for trial." in reasons) or ("left out" in reasons)


@pytest.mark.parametrize(
    ("protocol", "rows"),
    [("halves", '["dense", "imp"]'), ("halves", '["small"]'), ("same", '["small"]')],
)
def test_stages_and_smaller_networks(tiny_suite, tmp_path, protocol: str, rows: str):
    """A fleet that has moved on, has offered tickets, or has dropped units goes on at that stage."""
    path = tiny_suite(
        ("hidden = [8]", "hidden = [8, 5]"),
        ('["dense", "magnitude"]', rows),
        ("densities = [0.5]", "densities = [0.25]"),
        ("random = {", 'small = { method = "filters" }\nrandom = {'),
        ('protocols = ["same"]', f'protocols = ["{protocol}"]'),
        ("steps = 20", "steps = 40"),
    )
    world = load_plugins([STRANGER])
    by_method: dict[str, list] = {}
    for cell in make_plan(read_suite(path), "smoke", world).cells:
        by_method.setdefault(cell.setting.method.name, []).append(cell)
    for number, cells in enumerate(by_method.values()):
        folder = tmp_path / str(number)
        folder.mkdir()
        check(Runs.of_plan(cells, world, keep=True), folder, 4, every=3)
