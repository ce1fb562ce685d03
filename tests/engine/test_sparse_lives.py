"""Whole lives at live weights: the same bits whoever is near, and what methods, probes and recipes ask for."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path
from typing import Any

import pytest
import torch
from interrupted import Interrupter, Left, Runs, assert_same, checkpoint_in
from machines import needs_machine, single_ways
from mixed_cells import mixed_cells
from sparse_fleets import ToldWalk

from ticketbench import Method, Probe, Regime, Request, Trial
from ticketbench.engine.bench import Bench
from ticketbench.engine.execute import execute
from ticketbench.engine.member import Member
from ticketbench.plan.resolve import Resolver
from ticketbench.sparse import library
from ticketbench.store.store import Store
from ticketbench.suite.recipe import Recipe
from ticketbench.suite.suite import Headline
from ticketbench.testing import Blobs, Untrained
from ticketbench.testing.fleet import bench_of, led
from ticketbench.testing.parts import Parts
from ticketbench_methods.filters import Filters
from ticketbench_methods.gradual import Gradual
from ticketbench_methods.imp import Imp
from ticketbench_methods.oneshot import OneShot
from ticketbench_methods.rigl import Rigl
from ticketbench_methods.set import Set
from ticketbench_methods.snfs import Snfs
from ticketbench_models.language_model import LanguageModel
from ticketbench_models.mlp import MLP
from ticketbench_scorers.magnitude import Magnitude
from ticketbench_scorers.random import Random

pytestmark = needs_machine

ADAM = Recipe(optimizer="adam", learning_rate=0.01, batch=16, steps=40, log_every=10)
MOMENTUM = Recipe(optimizer="sgd", learning_rate=0.05, momentum=0.9, weight_decay=1e-3, batch=16, steps=40, log_every=9)
ENGINES = ("sparse", "full")
ACCURACY = Headline(metric="accuracy")


def parts(method: Method, scorer: Any = None, recipe: Recipe = ADAM, **others: Any) -> Parts:
    """A method on the blobs, by the sparse engine if not said otherwise."""
    given = {"engine": "sparse", "model": MLP(hidden=(12, 7)), **others}
    return Parts(method, scorer, recipe=recipe, **given)


def both_ways(given: Parts, density: float = 0.2, seeds: Sequence[int] = (0, 1)) -> tuple[list[Member], list[Member]]:
    """Lives by the sparse engine and by the dense one."""
    sparse, dense = (led(bench_of(replace(given, engine=engine), (density,), seeds), ACCURACY) for engine in ENGINES)
    assert any(member.sparsely for member in sparse)
    assert not any(member.sparsely for member in dense)
    return sparse, dense


def assert_near(sparse: Sequence[Member], dense: Sequence[Member]) -> None:
    """The same ends, curves that are near, and the same masks."""
    for mine, theirs in zip(sparse, dense, strict=True):
        assert (mine.status, mine.reason) == (theirs.status, theirs.reason)
        assert [point[:-1] for point in mine.curves] == [point[:-1] for point in theirs.curves]
        values = [point[-1] for point in mine.curves if "loss" in point.metric]
        assert values == pytest.approx([point[-1] for point in theirs.curves if "loss" in point.metric], rel=1e-3)
        assert all(mask.equal(theirs.drawn[name]) for name, mask in mine.drawn.items())
        spent = [getattr(mine, what) for what in ("train_steps", "train_flops", "draw_flops")]
        assert spent == [getattr(theirs, what) for what in ("train_steps", "train_flops", "draw_flops")]


# -- the same bits -----------------------------------------------------------------------------------------------


def cells(recipe: Recipe = MOMENTUM) -> Runs:
    """Cells that are at their live weights from the first step on, and dense ones among them."""
    ranked = OneShot(scope="global")
    benches = [
        bench_of(parts(ranked, Magnitude(), recipe), (0.3, 0.05), (0,)),
        bench_of(parts(Untrained(), None, recipe), (1.0,), (0,)),
        bench_of(parts(Set(every=7), Random(), recipe), (0.2,), (0, 1)),
        bench_of(parts(Rigl(every=9), Random(), recipe), (0.2,), (3,)),
        bench_of(parts(Snfs(every=9), Random(), recipe), (0.2,), (3,)),
    ]
    return runs_of(benches)


def runs_of(benches: Sequence[Bench]) -> Runs:
    """What several benches were made of, as one fleet."""
    return Runs(list(chain(*(one.cells for one in benches))), list(chain(*(one.casts for one in benches))))


def some(runs: Runs, which: Sequence[int], seats: int = 0) -> dict[str, Left]:
    """What is left of some of the cells, in this order, with so many seats."""
    return Runs([runs.cells[at] for at in which], [runs.casts[at] for at in which], seats=seats).undisturbed()


DENSE = 2
"""The cell among them that nothing is pruned of."""


def test_the_same_bits_whoever_is_near():
    """Alone, in twos and fives in any order, in seats that others have left, beside dense members."""
    runs = cells()
    alone: dict[str, Left] = {}
    for at in range(len(runs.cells)):
        alone |= some(runs, [at])
    sparse = {cell.key for at, cell in enumerate(runs.cells) if at != DENSE}
    assert {one.status for one in alone.values()} <= {"ok", "collapsed"}
    orders = [([0, 3], 0), ([4, 1], 0), ([6, 1, 4, 3, 0], 0), ([2, 5, 0, 3, 1], 0), ([*range(7)], 2), ([5, 2, 6, 1], 1)]
    for order, seats in orders:
        found = some(runs, order, seats)
        mine = {key: one for key, one in found.items() if key in sparse}
        assert_same(mine, {key: alone[key] for key in mine})


def test_the_same_bits_by_every_way_to_compute(monkeypatch):
    """Whatever the processor has."""
    runs, found = cells(ADAM), []
    for way in single_ways():
        with monkeypatch.context() as patch:
            patch.setattr(library, "best", lambda way=way: way)
            found.append(some(runs, [0, 3, 5]))
    for other in found[1:]:
        assert_same(other, found[0])


def test_pauses_change_nothing(tmp_path: Path, plugins):
    """Ten cells in five seats, at their live weights or not yet; the best validation, masks that change."""
    planned = mixed_cells(tmp_path, "momentum", "auto")
    assert {cell.setting.engine for cell in planned} == {"full", "sparse"}
    sparse = [cell for cell in planned if cell.setting.engine == "sparse"]
    interrupted(Runs.of_plan(sparse, plugins, 5), tmp_path, 9, 10)


def test_every_pause_changes_nothing(tmp_path: Path):
    """At every other place where there may be one."""
    runs = cells(ADAM)
    few = [0, 2, 3, 5]
    interrupted(Runs([runs.cells[at] for at in few], [runs.casts[at] for at in few], seats=3), tmp_path, 2, 15)


def interrupted(runs: Runs, folder: Path, every: int, least: int) -> None:
    """Stopped at every so manyth pause, and gone on from the file alone."""
    expected = Runs(runs.cells, runs.casts, seats=runs.seats).undisturbed()
    keeper = Interrupter(checkpoint_in(folder), at=lambda number: number % every == 0)
    found = runs.interrupted(keeper)
    assert_same(found, expected)
    assert keeper.stopped >= least
    assert not runs.lost


def test_pauses_between_a_change_of_the_mask_and_the_next_training(tmp_path: Path):
    """Slots of dropped weights are nowhere, nor do they come back with the weights."""
    for every in (2, 3, 5):
        interrupted(Runs.of_bench(bench_of(parts(TwoChanges(), Magnitude()), (0.2,), (0, 1))), tmp_path, every, 2)


@dataclass(frozen=True)
class TwoChanges(Method):
    """Drops some weights and keeps them again before the next step: they begin with nothing."""

    name, summary, reference = "two changes", "changes its mind", "a test"

    def draw(self, trial: Trial) -> Iterator[Request]:
        trial.prune(scores={name: weight.abs() for name, weight in trial.weights.items()})
        yield trial.train(until=12)
        kept = trial.mask
        yield trial.pruning(0.1)
        trial.set_mask(kept)
        yield trial.train(until=25)


def test_state_that_is_carried_survives_a_pause(tmp_path: Path):
    """Streams of a text go on in the middle of an epoch."""
    recipe = Recipe(optimizer="adam", learning_rate=1e-2, batch=8, epochs=2, log_every=4)
    model = LanguageModel(cell="lstm", hidden=16, embedding=8)
    given = parts(OneShot(scope="global"), Magnitude(), recipe, model=model, task=ToldWalk())
    interrupted(Runs.of_bench(bench_of(given, (0.2,), (0, 1))), tmp_path, 2, 4)


def test_worker_processes_change_nothing(ticketbench, tmp_path: Path, tiny_suite, records_of):
    """Two workers with a cell each at a time find what this process finds of all of them at once."""
    path = tiny_suite(('["blobs"]', '["digits"]'), ('["dense", "magnitude"]', '["magnitude", "rigl"]'))
    expected = {record["key"]: record for record in records_of(path)}
    words = ("--workers", "2", "--fleet", "1", "--device", "cpu", "--store", "mine", "--json")
    done = ticketbench("run", "--suite", path, *words)
    assert done.returncode == 0, done.stderr
    found = {record["key"]: record for record in json.loads(done.stdout)["records"]}
    assert found.keys() == expected.keys()
    curves = Store(tmp_path / "mine").read("curves").to_pylist()
    for key, record in expected.items():
        assert record["engine"] == found[key]["engine"] == "sparse"
        assert record["headline"] == found[key]["headline"]
        mine = sorted((point["metric"], point["x"], point["value"]) for point in curves if point["key"] == key)
        assert mine == sorted((point.metric, point.x, point.value) for point in record["curves"])


# -- lives -------------------------------------------------------------------------------------------------------


def test_a_life_goes_from_dense_to_sparse(tmp_path: Path, plugins):
    """Iterative pruning begins with all weights; the record says both, and that of a ticket drawn at once says one."""
    cells = mixed_cells(tmp_path, "adam", "auto")
    wanted = {"imp", "snip", "gradual", "rigl", "dense"}
    some = [cell for cell in cells if cell.setting.row in wanted and cell.setting.recipe_name == "first"]
    said = {}
    for cell in some:
        (record,) = execute([cell], Resolver(plugins), ACCURACY)
        said[cell.setting.row] = set(record.as_dict()["engine"].split("+"))
        assert record.status == "ok"
    dense = said["dense"]
    assert "sparse" not in dense
    assert said["imp"] == said["gradual"] == {*dense, "sparse"}
    assert said["snip"] == said["rigl"] == {"sparse"}


@pytest.mark.parametrize("recipe", [ADAM, MOMENTUM], ids=["adam", "momentum"])
@pytest.mark.parametrize(
    "method", [Set(every=7), Rigl(every=9), Snfs(every=9), Gradual(every=6), TwoChanges(), Imp(fraction=0.6)]
)
def test_masks_change_and_what_is_kept_keeps_its_slots(method: Method, recipe: Recipe):
    """The same masks and losses as densely, where slots of dropped weights are dropped and new ones begin at zero."""
    scorer = Random() if isinstance(method, Set | Rigl | Snfs) else Magnitude()
    assert_near(*both_ways(parts(method, scorer, recipe)))


@dataclass(frozen=True)
class Between(Method):
    """Trains plainly, under a regime, and plainly again."""

    name, summary, reference = "between", "trains under a regime in between", "a test"

    def draw(self, trial: Trial) -> Iterator[Request]:
        trial.prune(scores={name: weight.abs() for name, weight in trial.weights.items()})
        yield trial.train(until=11)
        yield trial.train(until=20, regime=Ridge())
        yield trial.train(until=30)
        yield trial.train(until=34, average=0.9)


@dataclass(frozen=True)
class Ridge(Regime):
    """A penalty."""

    def penalty(self, step):
        return 1e-3 * sum(weight.square().sum() for weight in step.weights.values())


@pytest.mark.parametrize("recipe", [ADAM, MOMENTUM], ids=["adam", "momentum"])
def test_slots_go_from_one_engine_to_the_other_and_back(recipe: Recipe, tmp_path: Path):
    """A training under a regime, and one that averages gradients, are dense; the optimizer stays the same."""
    given = parts(Between(), recipe=recipe)
    sparse, dense = both_ways(given)
    assert_near(sparse, dense)
    assert all(member.densely and member.sparsely for member in sparse)
    interrupted(Runs.of_bench(bench_of(given, (0.2,), (0, 1))), tmp_path, 2, 3)


class Validated(Blobs):
    """With validation examples."""

    def sizes(self):
        return replace(super().sizes(), validation=30)

    def training(self):
        return self.draw("train", 96), self.draw("validation", 30)


def test_the_best_validation_is_judged():
    """Which is not the last."""
    recipe = Recipe.model_validate(
        {**ADAM.model_dump(), "steps": 60, "learning_rate": 0.2, "select": "best", "validate_every": 1}
    )
    given = parts(OneShot(scope="global"), Magnitude(), recipe, task=Validated())
    sparse, dense = both_ways(given, seeds=(0, 1, 2, 3))
    assert_near(sparse, dense)
    for mine, theirs in zip(sparse, dense, strict=True):
        assert mine.headline == pytest.approx(theirs.headline, abs=0.05)


def test_a_loss_that_is_not_finite_ends_a_life_as_it_does_densely():
    """At the same step, with the same words; the others go on."""
    bursting = Recipe.model_validate({**MOMENTUM.model_dump(), "learning_rate": 1e30})
    ended = {}
    for engine in ENGINES:
        benches = [
            bench_of(parts(OneShot(scope="global"), Magnitude(), recipe, engine=engine), (0.2,), (0,))
            for recipe in (bursting, MOMENTUM)
        ]
        ended[engine] = [(one.status, one.numbers[1]) for one in runs_of(benches).undisturbed().values()]
    assert ended["sparse"] == ended["full"]
    assert [status for status, _ in ended["sparse"]] == ["diverged", "ok"]


class Watching(Probe):
    """The length of each weight along the way, and the loss of a few examples."""

    name, summary, reference = "watching", "looks along the way", "a test"
    moments = ("started", "drawn", "masked", "trained", "judged")

    def steps(self, total: int) -> Collection[int]:
        return (0, 3, 17, total)

    def measure(self, trial: Trial) -> Mapping[str, float]:
        batch = next(trial.batches(size=8))
        with torch.no_grad():
            loss = float(trial.loss(batch))
        gradient = trial.gradient(batch, live=True)
        lengths = {f"gradient of {name}": float((part * trial.mask[name]).norm()) for name, part in gradient.items()}
        return {**{name: float(part.norm()) for name, part in trial.parameters.items()}, "loss": loss, **lengths}


@pytest.mark.parametrize("model", ["mlp", "language model"])
def test_probes_see_the_weights_on_the_way(model: str):
    """As they are at the step, not as they were when the training began."""
    given = parts(OneShot(scope="global"), Magnitude(), ADAM, probes=(Watching(),))
    if model != "mlp":
        given = replace(given, model=LanguageModel(cell="gru", hidden=8, embedding=6), task=ToldWalk())
    sparse, dense = both_ways(given)
    for mine, theirs in zip(sparse, dense, strict=True):
        assert mine.status == theirs.status == "ok", mine.error
        found, expected = (
            {(one.moment, one.name): one.value for one in member.trial.findings} for member in (mine, theirs)
        )
        found |= {point[:-1]: point[-1] for point in mine.trial.looks.points}
        expected |= {point[:-1]: point[-1] for point in theirs.trial.looks.points}
        assert found == {key: pytest.approx(value, rel=1e-3, abs=1e-4) for key, value in expected.items()}
        assert len({value for key, value in found.items() if "loss" in str(key)}) > 4


@pytest.mark.parametrize("then", ["finetune", "rewind"])
def test_units_that_are_removed(then: str):
    """The smaller network is trained at its live weights if few are left of it, and all of it if not."""
    given = parts(Filters(then=then), None, MOMENTUM, model=MLP(hidden=(24, 16)))
    for density in (0.5, 0.2):
        benches = (bench_of(replace(given, engine=engine), (density,), (0, 1)) for engine in ENGINES)
        assert_near(*(led(bench, ACCURACY) for bench in benches))
