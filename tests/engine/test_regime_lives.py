"""Regimes in the life of a cell: what begins, goes on and ends with them, and what is nobody else's business."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pytest
import torch
from torch import Tensor

from ticketbench import Regime, Split, StepView, Train, Trial
from ticketbench.plugin.contracts import Method, Sizes, Stages
from ticketbench.suite.recipe import Recipe
from ticketbench.testing import Blobs, run_method
from ticketbench.testing.outcome import Outcome

ADAM = Recipe(optimizer="adam", learning_rate=0.01, batch=16, steps=12, log_every=4)
MOMENTUM = Recipe(optimizer="sgd", learning_rate=0.05, momentum=0.9, batch=16, steps=12, log_every=4)


class Validated(Blobs):
    """Blobs with a validation split."""

    def sizes(self) -> Sizes:
        return Sizes(96, 32, 60)

    def training(self) -> tuple[Split, Split]:
        return self.draw("train", 96), self.draw("validation", 32)


class Elsewhere(Blobs):
    """Another task of the same shapes."""

    name = "elsewhere"


class Led(Method):
    """Does what it is told."""

    name = "led"
    summary = "for tests"

    def __init__(self, do: Callable[[Trial], Iterable[Train]]) -> None:
        self.do = do

    def draw(self, trial: Trial) -> Iterable[Train]:
        return self.do(trial)


@dataclass(frozen=True)
class Scaled(Regime):
    """The last layer is θ · scale · factor, and `scale` is trained."""

    factor: Any = 1

    def extras(self, weights: Mapping[str, Tensor], generator: torch.Generator) -> Mapping[str, Tensor]:
        return {"scale": torch.ones(())}

    def computed(self, step: StepView) -> Mapping[str, Tensor]:
        factor = sum(self.factor) if isinstance(self.factor, list) else self.factor
        return {"3.weight": step.weights["3.weight"] * step.extras["scale"] * factor}


def led(do: Callable[[Trial], Iterable[Train]], seeds: Sequence[int] = (0,), **parts: Any) -> list[Outcome]:
    """Dense cells of a method that does this."""
    return run_method(Led(do), densities=(1.0,), seeds=seeds, **{"recipe": ADAM, **parts})


def scales(outcomes: Sequence[Outcome]) -> list[float]:
    """What each method noted as its scale."""
    assert {one.status for one in outcomes} == {"ok"}, [one.reason for one in outcomes]
    return [finding.value for one in outcomes for finding in one.findings if finding.name == "scale"]


# -- fleets ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("factors", [(1, 1.0), ([1], [1.0])])
def test_equal_regimes_are_one_however_they_are_written(factors: tuple[Any, Any]):
    """1 and 1.0, for two members at once and one after the other; an option need not be hashable."""

    def together(trial: Trial) -> Iterable[Train]:
        yield trial.train(until=6, regime=Scaled(factors[trial.seed]))
        yield trial.train(until=9, regime=Scaled(factors[1 - trial.seed]))
        trial.note("scale", float(trial.extras["scale"]))

    alone = [scale for seed in (0, 1) for scale in scales(led(together, (seed,), recipe=MOMENTUM))]
    assert alone[0] != 1.0 != alone[1]
    assert scales(led(together, (0, 1), recipe=MOMENTUM)) == pytest.approx(alone, rel=1e-5)


@dataclass(frozen=True)
class Reading(Regime):
    """Reads a number out of a weight, which works for one network and not for a stack."""

    def penalty(self, step: StepView) -> Tensor:
        return step.weights["0.weight"].sum() * float(step.weights["0.weight"].detach().max())


def test_a_regime_that_raises_in_a_step_ends_those_alone_that_asked_for_it():
    """The other member of the fleet is trained and judged."""

    def one_reads(trial: Trial) -> Iterable[Train]:
        yield trial.train(regime=Reading() if trial.seed == 0 else None)

    first, second = led(one_reads, (0, 1))
    assert (first.status, second.status) == ("failed", "ok")
    assert "item" in first.reason


@dataclass(frozen=True)
class Writing(Regime):
    """Writes into everything that it is shown."""

    def extras(self, weights: Mapping[str, Tensor], generator: torch.Generator) -> Mapping[str, Tensor]:
        return {"held": torch.zeros(())}

    def rate(self, name: str) -> float:
        return 0.0

    def computed(self, step: StepView) -> Mapping[str, Tensor]:
        step.extras["held"].add_(1)
        step.mask["0.weight"].logical_not_()
        return {"0.weight": step.weights["0.weight"] * 1.0}

    def gradient(self, gradients: Mapping[str, Tensor], step: StepView) -> Mapping[str, Tensor]:
        step.weights["3.weight"].add_(1e6)
        return {}


def test_what_a_regime_is_shown_are_copies():
    """Masks, held extras and, outside of the forward, weights stay what they were."""
    seen = []

    def shown(trial: Trial) -> Iterable[Train]:
        yield trial.train(until=3, regime=Writing())
        seen.append((trial.present_density, float(trial.extras["held"]), float(trial.computed["3.weight"].abs().max())))

    assert [one.status for one in led(shown)] == ["ok"]
    assert seen[0][:2] == (1.0, 0.0)
    assert seen[0][2] < 10


# -- extras ------------------------------------------------------------------------------------------------------


def test_the_optimizer_of_extras_is_as_old_as_they_are():
    """Adam's first step is the learning rate, however long weights were trained before, alone and beside others."""

    def late(trial: Trial) -> Iterable[Train]:
        yield trial.train(until=(4, 6)[trial.seed])
        yield trial.train(until=7, regime=Scaled())
        trial.note("scale", float(trial.extras["scale"]))
        yield trial.train(until=10, regime=Scaled(1.5))
        trial.note("scale", float(trial.extras["scale"]))

    alone = [scale for seed in (0, 1) for scale in scales(led(late, (seed,)))]
    assert abs(alone[2] - 1) == pytest.approx(0.01, rel=5e-3)  # a little less than the rate: Adam's ε
    assert scales(led(late, (0, 1))) == pytest.approx(alone, rel=1e-5)


def test_extras_of_options_that_are_over_are_dropped():
    """A schedule of a regime's option holds the extras once, not once a stretch."""
    held = []

    def schedule(trial: Trial) -> Iterable[Train]:
        for step in range(1, 9):
            yield trial.train(until=step, regime=Scaled(1 + step / 10))
        stack = trial._bench.stack  # type: ignore[attr-defined]
        held.append([len(stack.extras), *(sum("Scaled" in key for key in slot) for slot in stack.slots.values())])

    assert [one.status for one in led(schedule, (0, 1))] == ["ok", "ok"]
    assert held == [[1, 1, 1], [1, 1, 1]]


# -- masks -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Roots(Regime):
    """Σ √|θ|, whose slope at zero is not finite."""

    def penalty(self, step: StepView) -> Tensor:
        return 1e-3 * sum((weight.abs().sqrt().sum() for weight in step.weights.values()), torch.zeros(()))


def test_slopes_that_are_not_finite_stay_outside_of_the_mask():
    """A half is pruned; what is left is trained and finite, what is not stays zero."""

    def rooted(trial: Trial) -> Iterable[Train]:
        trial.set_weights({name: part + 0.1 for name, part in trial.parameters.items() if name not in trial.mask})
        trial.prune(scores={name: weight.abs() for name, weight in trial.weights.items()})
        yield trial.train(regime=Roots())

    (cell,) = run_method(Led(rooted), densities=(0.5,), recipe=ADAM)
    assert cell.status == "ok", cell.reason
    for name, mask in cell.mask.items():
        assert not cell.weights[name][~mask].any()
        assert bool(cell.weights[name].isfinite().all())


def test_a_training_of_masks_after_one_of_weights_is_another_training():
    """Scores begin with a fresh optimizer: it counts, and its origin are the weights that it froze."""
    found = []

    def weights_then_masks(trial: Trial) -> Iterable[Train]:
        yield trial.train(until=4)
        before = trial.weights
        yield trial.train(until=8, masks="global")
        found.append((trial.trainings, all(trial.origin[name].equal(part) for name, part in before.items())))

    (cell,) = run_method(Led(weights_then_masks), densities=(0.5,), recipe=ADAM)
    assert cell.status == "ok", cell.reason
    assert found == [(2, True)]


# -- what is judged and offered ------------------------------------------------------------------------------------


BEST = Recipe(optimizer="adam", learning_rate=1.0, batch=16, steps=24, log_every=4, validate_every=1, select="best")


def validations(cell: Outcome) -> list[float]:
    """Every validation's accuracy, in order."""
    return [point.value for point in cell.curves if point[:3] == ("validation", "", "accuracy")]


def test_the_best_validation_of_a_regime_that_lasts_to_the_end_is_judged():
    """The network that the forward saw at the best validation, and not the last one."""

    def to_the_end(trial: Trial) -> Iterable[Train]:
        for step in (6, 12, 18, 24):
            yield trial.train(until=step, regime=Scaled())
            seen.append(trial.computed)

    seen: list[Mapping[str, Tensor]] = []
    (cell,) = led(to_the_end, task=Validated(), recipe=BEST)
    best = validations(cell).index(max(validations(cell)))
    assert best < 3, "the last validation is the best: nothing is shown"
    assert all(cell.weights[name].equal(part) for name, part in seen[best].items())


def test_extras_that_change_what_the_forward_sees_forget_the_best_validation():
    """What was validated is another network; a constant that only a penalty reads changes nothing."""

    @dataclass(frozen=True)
    class Both(Scaled):
        def extras(self, weights: Mapping[str, Tensor], generator: torch.Generator) -> Mapping[str, Tensor]:
            return {"scale": torch.ones(()), "strength": torch.zeros(())}

    known = []

    def changed(trial: Trial) -> Iterable[Train]:
        yield trial.train(until=12, regime=Both())
        for extras in ({"strength": torch.ones(())}, {"scale": torch.zeros(())}):
            trial.set_extras(extras)
            known.append(trial._bench.stack.best.values[0] is not None)  # type: ignore[attr-defined]

    assert [one.status for one in led(changed, task=Validated(), recipe=BEST)] == ["ok"]
    assert known == [True, False]


def test_a_ticket_offered_under_a_regime_is_what_its_forward_sees():
    """As the ticket at the end of drawing is: both points of the curve are one network trained twice."""

    def offering(trial: Trial) -> Iterable[Train]:
        yield trial.train(until=8, regime=Scaled(3.0))
        assert trial.offer()

    (cell,) = led(offering, stages=Stages(Blobs(), Elsewhere(), {"test": Elsewhere()}, {"learning_rate": 0.02}))
    assert cell.status == "ok", cell.reason
    offered, own = [point.value for point in cell.curves if point.metric == "accuracy"]
    assert offered == own
