"""Contract checks for plugin authors: call them from your own tests.

Each check builds a tiny network on a tiny task of its own, uses the plugin as a run would, and raises an
`AssertionError` that says which promise was broken.
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.utils._pytree import tree_leaves

from ticketbench.engine.bench import Bench
from ticketbench.engine.fleet_run import lead
from ticketbench.engine.member import Member
from ticketbench.engine.network import Network
from ticketbench.engine.trial import MemberTrial
from ticketbench.masks.scopes import kept_count
from ticketbench.masks.ticket import check_scores
from ticketbench.plan.cell import Cell, Choice, Setting, make_cell
from ticketbench.plan.resolve import Cast
from ticketbench.plugin.contracts import Initializer, Method, Model, Scorer, Shapes, Sizes, Split, Stages, Task
from ticketbench.plugin.options import canonical, options_of
from ticketbench.plugin.trial import Trial
from ticketbench.seeds import generator
from ticketbench.suite.recipe import Recipe
from ticketbench.suite.suite import Headline

RECIPE = Recipe(optimizer="sgd", learning_rate=0.05, momentum=0.9, weight_decay=1e-3, batch=16, steps=40, log_every=10)
DENSITIES = (0.5, 0.13)


def check_scorer(scorer: Scorer) -> None:
    """Finite scores of the right shapes, the same for the same seed, and nothing is disturbed."""
    trial, again = trial_for(scorer), trial_for(scorer)
    before = {name: weight.clone() for name, weight in trial.parameters.items()}
    scores = scorer.score(trial)
    check_scores(scores, trial.mask)
    for name, weight in trial.parameters.items():
        assert torch.equal(weight, before[name]), f"scorer '{scorer.name}' changed the weight '{name}'"
    for name, score in scorer.score(again).items():
        assert torch.equal(score, scores[name]), f"scorer '{scorer.name}' is not deterministic for '{name}'"


def check_method(method: Method, scorer: Scorer | None = None) -> None:
    """Exact density, no leak through the mask, and the same result for the same seed, alone or in a fleet."""
    densities = DENSITIES if method.fixed_density is None else (method.fixed_density,)
    for density in densities:
        together = lives(method, scorer, density, seeds=(0, 1))
        alone = lives(method, scorer, density, seeds=(0,))
        for member in together:
            assert member.status in ("ok", "collapsed"), f"method '{method.name}': {member.reason}\n{member.error}"
            mask = member.drawn if method.removes_units else member.trial.mask
            kept = sum(int(part.sum()) for part in mask.values())
            target = kept_count(density, sum(part.numel() for part in mask.values()))
            right = kept <= target if method.removes_units else kept == target
            assert right, f"method '{method.name}' kept {kept} weights at density {density}, not {target}"
        same = abs(together[0].headline - alone[0].headline) < 1e-3
        assert same, f"method '{method.name}' gives another result in another fleet: is all randomness the trial's?"


def check_model(model: Model, shapes: Shapes, batch: int = 4) -> None:
    """Stacked members compute what single ones do, and every prunable name is a weight."""
    modules = []
    for seed in range(3):
        torch.manual_seed(seed)
        modules.append(model.build(shapes))
    own = dict(modules[0].named_parameters())
    for name in model.prunable(modules[0]):
        assert name in own, f"model '{model.name}' calls '{name}' prunable, which is no parameter"
        assert own[name].ndim >= 2, f"model '{model.name}' calls the {own[name].ndim}-dimensional '{name}' prunable"
    network = Network(model, modules[0], Blobs(shapes=shapes))
    inputs = torch.rand(3, batch, *shapes.inputs, generator=generator("check model"))
    parameters = {name: torch.stack([dict(m.named_parameters())[name].detach() for m in modules]) for name in own}
    buffers = {
        name: torch.stack([dict(m.named_buffers())[name] for m in modules]) for name, _ in modules[0].named_buffers()
    }
    call = model.training_call(random.Random(0))
    with torch.no_grad(), network.mode(training=False):
        stacked = tree_leaves(network.outputs(parameters, buffers, inputs, call))
        for member, module in enumerate(modules):
            module.eval()
            for whole, single in zip(stacked, tree_leaves(module(inputs[member], **call)), strict=True):
                close = torch.allclose(whole[member], single, rtol=1e-4, atol=1e-5)
                assert close, f"model '{model.name}' computes something else when it is stacked"


# -- the tiny world the checks happen in -----------------------------------------------------------------------


@dataclass(frozen=True)
class Tiny(Model):
    """A linear layer, batch norm, ReLU and another linear layer."""

    name = "tiny"
    summary = "a network for checks"

    def build(self, shapes: Shapes) -> nn.Module:
        """6-10-3."""
        return nn.Sequential(nn.Linear(6, 10), nn.BatchNorm1d(10), nn.ReLU(), nn.Linear(10, shapes.outputs))


@dataclass(frozen=True)
class AsBuilt(Initializer):
    """The modules' own initialization."""

    name = "as built"
    summary = "leaves the module as it is"

    def initialize(self, module: nn.Module, mask: Mapping[str, Tensor], generator: torch.Generator) -> None:
        """Nothing to do."""


class Blobs(Task):
    """Three Gaussian blobs."""

    name = "blobs"
    summary = "points to classify"

    def __init__(self, shapes: Shapes | None = None) -> None:
        self._shapes = shapes or Shapes((6,), 3)

    def shapes(self) -> Shapes:
        """Six numbers in, three logits out."""
        return self._shapes

    def sizes(self) -> Sizes:
        """Small."""
        return Sizes(96, 0, 60)

    def training(self) -> tuple[Split, Split]:
        """No validation."""
        return self.draw("train", 96), self.draw("validation", 0)

    def test(self) -> Split:
        """Points of their own."""
        return self.draw("test", 60)

    def draw(self, split: str, count: int) -> Split:
        """Points around three corners."""
        source = generator("check blobs", split)
        targets = torch.randint(0, 3, (count,), generator=source)
        corners = 2 * torch.eye(3, 6)
        return Split(corners[targets] + torch.randn(count, 6, generator=source), targets)

    def loss(self, outputs: Tensor, targets: Tensor, inputs: Tensor) -> Tensor:
        """Cross-entropy."""
        return functional.cross_entropy(outputs, targets)

    def metrics(self, outputs: Tensor, targets: Tensor, inputs: Tensor) -> Mapping[str, Tensor]:
        """Right or wrong."""
        return {"accuracy": (outputs.argmax(dim=1) == targets).float()}


@dataclass(frozen=True)
class Untrained(Method):
    """No pruning."""

    name = "untrained"
    summary = "keeps everything"

    def draw(self, trial: Trial) -> None:
        """Nothing to draw."""


def bench_for(method: Method, scorer: Scorer | None, density: float, seeds: Sequence[int]) -> Bench:
    """A bench of one cell a seed."""
    nothing = Choice("check", "{}")
    options = Choice(method.name, canonical(options_of(method)))
    setting = Setting(
        "check", 1, "check", "check", options, None, nothing, nothing, nothing, nothing, (), "check", RECIPE.text(),
        "fp32", "cpu",
    )  # fmt: skip
    cells: list[Cell] = [make_cell(setting, setting.text(), density, seed) for seed in seeds]
    task = Blobs()
    cast = Cast(method, scorer, Tiny(), AsBuilt(), (), Stages(task, task, {"blobs": task}), RECIPE)
    return Bench(cells, [replace(cast) for _ in cells], torch.device("cpu"))


def trial_for(scorer: Scorer) -> MemberTrial:
    """A trial at initialization."""
    return MemberTrial(bench_for(Untrained(), scorer, 0.5, (0,)), 0)


def lives(method: Method, scorer: Scorer | None, density: float, seeds: Sequence[int]) -> list[Member]:
    """The lives of a fleet with these seeds."""
    bench = bench_for(method, scorer, density, seeds)
    return lead(bench, Headline(metric="accuracy"), lambda phase, steps: None, keep=True)
