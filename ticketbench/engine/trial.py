"""A trial of one member of a fleet."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import wraps
from typing import Any, Concatenate, ParamSpec, TypeVar

import torch
from torch import Tensor, nn
from torch.func import functional_call
from typing_extensions import override

from ticketbench import seeds
from ticketbench.engine.bench import Bench
from ticketbench.engine.data import scoring_batches, scoring_order
from ticketbench.engine.looks import Looks
from ticketbench.engine.packed import as_plain, from_plain, packed_state, unpacked_state
from ticketbench.engine.precision import exact
from ticketbench.engine.regimes import begin, seen
from ticketbench.engine.state import State, cloned
from ticketbench.errors import OptionError, TicketError, suggest
from ticketbench.masks.scopes import SCOPES, kept_count
from ticketbench.masks.ticket import Mask, density_of, mask_from_scores
from ticketbench.plugin.chance import answering
from ticketbench.plugin.contracts import Points, Probe, Split, Task
from ticketbench.plugin.examples import Shapes
from ticketbench.plugin.mask_rule import MaskRule
from ticketbench.plugin.regime import Regime
from ticketbench.plugin.request import Prune, Remask, Train
from ticketbench.plugin.trial import Companion, Ranking, Snapshot, Spent, Trial
from ticketbench.sparse.live import Live
from ticketbench.store.schema import CurvePoint, Finding
from ticketbench.suite.recipe import Recipe


@dataclass(frozen=True)
class Memory:
    """What a trial knows beside the network itself: what onlookers share with it."""

    origin: State = field(default_factory=dict)
    """The parameters that the present training started from."""
    companions: Mapping[str, Companion] = field(default_factory=dict)
    judged: tuple[Task, Split] | None = None
    """The task and the test split that the network was judged on, once it was."""
    trainings: int = 0
    untouched: bool = True
    """Whether the weights are as the initializer drew them."""


Given = ParamSpec("Given")
Found = TypeVar("Found")


def acting(
    act: Callable[Concatenate[MemberTrial, Given], Found],
) -> Callable[Concatenate[MemberTrial, Given], Found]:
    """Something that changes the cell: for methods, and refused while a scorer scores or a probe looks."""

    @wraps(act)
    def guarded_act(self: MemberTrial, /, *values: Given.args, **words: Given.kwargs) -> Found:
        if self.looker:
            raise TicketError(
                f"{self.looker} called trial.{act.__name__}(), which would change the cell: whoever scores or looks "
                "only reads. Work on the copies that the trial hands out, or on trial.module; a method may change it."
            )
        return act(self, *values, **words)

    return guarded_act


class MemberTrial(Trial):
    """One member of a fleet, as if it were alone."""

    def __init__(self, bench: Bench, index: int, scorer: Ranking | None = None) -> None:
        self._bench = bench
        self._member = index
        cell = bench.cells[index]
        self.seed, self.density = cell.seed, cell.density
        self.scorer = scorer or bench.casts[index].scorer
        self.looker = ""
        """Who looks at the moment and may change nothing: a scorer or a probe, in words; empty while a method acts."""
        self.spent = Spent()
        self.looks = Looks()
        self._draws = cell.seed
        """The seed of what is drawn here: an onlooker has another."""
        self._generators: dict[str, torch.Generator] = {}
        self.scoring_calls = 0
        """How often examples to score on were asked for: each time others are drawn."""
        self._forwards = 0
        self._reports = 0
        self._offers = 0
        self._redrawn = 0
        self._settled: Mask = {}
        self._seen = Memory()

    @property
    def seat(self) -> int:
        """The member's place in the fleet: its row of the stack."""
        return self._member

    # -- the network -------------------------------------------------------------------------------------

    @property
    @override
    def weights(self) -> State:
        every = self._bench.stack.weights(self._member)
        return cloned({name: every[name] for name in self._bench.stack.masks})

    @property
    @override
    def parameters(self) -> State:
        return cloned(self._bench.stack.weights(self._member))

    @property
    @override
    def extras(self) -> State:
        return cloned(self._bench.stack.extras_of(self._member))

    @property
    @override
    def computed(self) -> State:
        return cloned(seen(self._bench.stack, self._member))

    @property
    @override
    def mask(self) -> Mask:
        return self._bench.stack.mask(self._member)

    @property
    @override
    def shapes(self) -> Shapes:
        return self._bench.stage.data.task.shapes()

    @property
    @override
    def device(self) -> torch.device:
        return self._bench.stage.data.device

    @property
    @override
    def total_weights(self) -> int:
        return sum(mask.numel() for mask in self._bench.stack.masks.values()) // len(self._bench.stack)

    @property
    @override
    def present_density(self) -> float:
        return density_of(self.mask)

    @property
    @override
    def module(self) -> nn.Module:
        return self._bench.module_of(self._member)

    @override
    def outputs(
        self,
        inputs: Tensor,
        weights: Mapping[str, Tensor] | None = None,
        buffers: Mapping[str, Tensor] | None = None,
        *,
        training: bool = True,
    ) -> Any:
        self.spent.flops += self._bench.stage.flops(self.mask, len(inputs))
        parameters = {**seen(self._bench.stack, self._member), **(weights or {})}
        dtype = next(iter(parameters.values())).dtype
        statistics = {
            name: (buffer.to(dtype) if buffer.is_floating_point() else buffer).clone()
            for name, buffer in {**self._bench.stack.statistics(self._member), **(buffers or {})}.items()
        }
        network = self._bench.stage.network
        if (live := self.live(parameters, inputs)) is not None:
            assert network.sparse is not None
            return network.sparse.outputs(live, statistics, inputs, {})[0]
        with network.mode(training):
            count = network.numbers(inputs, {}) if training else 0
            if not count:
                return functional_call(network.module, (parameters, statistics), (inputs,))
            with answering(self.drawn_forward(count).to(inputs.device)):
                return functional_call(network.module, (parameters, statistics), (inputs,))

    def live(self, parameters: State, inputs: Tensor) -> Live | None:
        """What is left of the network, where a forward without gradients is to be computed at that alone."""
        form = self._bench.stage.network.sparse
        single = all(part.dtype == torch.float32 for part in (*parameters.values(), inputs) if part.is_floating_point())
        return None if form is None or torch.is_grad_enabled() or not single else form.live(parameters)

    def drawn_forward(self, count: int) -> Tensor:
        """What the next forward that is asked for draws at random, on the host."""
        self._forwards += 1
        return torch.rand(count, generator=seeds.generator(self._draws, "forward", self._forwards))

    @override
    def loss(self, batch: Split, weights: Mapping[str, Tensor] | None = None) -> Tensor:
        return self.criterion(self.outputs(batch.inputs, weights), batch)

    @override
    def criterion(self, outputs: Tensor, batch: Split) -> Tensor:
        return self._task.loss(outputs, batch.targets, batch.inputs)

    @override
    def metrics(self, outputs: Tensor, batch: Split) -> dict[str, float]:
        found = self._task.metrics(outputs, batch.targets, batch.inputs)
        return dict(self._task.summarize({name: float(values.double().mean()) for name, values in found.items()}))

    @override
    def bill(self, passes: float, examples: int) -> None:
        self.spent.flops += self._bench.stage.flops(self.mask, examples) * passes * 2 / 3

    @override
    def gradient(self, batch: Split, *, live: bool = False) -> State:
        every = self.computed
        if live and (at_live_weights := self.live_gradient(every, batch)) is not None:
            return at_live_weights
        leaves = {name: every[name].requires_grad_(True) for name in self._bench.stack.masks}
        found = torch.autograd.grad(self.loss(batch, leaves), list(leaves.values()), allow_unused=True)
        return {
            name: torch.zeros_like(leaf) if part is None else part
            for (name, leaf), part in zip(leaves.items(), found, strict=True)
        }

    def live_gradient(self, weights: State, batch: Split) -> State | None:
        """The gradient at live weights alone, where the network is computed so."""
        form, mask = self._bench.stage.network.sparse, self.mask
        if form is None or not form.is_sparse({name: float(part.float().mean()) for name, part in mask.items()}):
            return None
        self.spent.flops += self._bench.stage.flops(mask, len(batch))
        statistics = self._bench.stack.statistics(self._member)
        found = form.gradient(Live(form.tape.parameters, weights, mask), statistics, batch)
        return {name: found.get(name, torch.zeros_like(weights[name])) for name in mask}

    @property
    @override
    def average_gradient(self) -> State:
        averages = self._bench.stack.averages
        if not averages:
            raise TicketError("no average of the gradient is kept: ask for one by train(average=0.9)")
        return {name: part[self._member].clone() for name, part in averages.items()}

    # -- data and randomness -----------------------------------------------------------------------------

    @override
    def batches(self, count: int = 1, size: int | None = None) -> Iterator[Split]:
        self.asked_for_examples()
        stage = self._bench.stage
        return scoring_batches(stage.data.train, self._draws, self.scoring_calls, count, size or stage.recipe.batch)

    def drawn_examples(self, size: int) -> Tensor:
        """The numbers of the examples that the next batch to score on has, on the host."""
        self.asked_for_examples()
        return next(scoring_order(len(self._bench.stage.data.train), self._draws, self.scoring_calls, 1, size))

    def asked_for_examples(self) -> None:
        """Count a call for examples to score on: the next batch is another one."""
        self.scoring_calls += 1

    @override
    def generator(self, purpose: str) -> torch.Generator:
        if purpose not in self._generators:
            self._generators[purpose] = seeds.generator(self._draws, purpose)
        return self._generators[purpose]

    @property
    @override
    def origin(self) -> State:
        return cloned(self._seen.origin) or self.parameters

    @property
    def start(self) -> State:
        """`origin` without copies."""
        return self._seen.origin or self._bench.stack.weights(self._member)

    @property
    @override
    def companions(self) -> Mapping[str, Companion]:
        return {
            name: Companion(cloned(one.weights), cloned(one.buffers), cloned(one.mask))
            for name, one in self._seen.companions.items()
        }

    @property
    @override
    def judged(self) -> Split:
        if self._seen.judged is None:
            raise TicketError("the judged examples are there for probes only, and at the moment 'judged' only")
        split = self._seen.judged[1]
        if isinstance(split.inputs, Tensor) and isinstance(split.targets, Tensor):
            return Split(split.inputs.clone(), split.targets.clone())
        return split  # whose examples are read anew at every look

    @property
    def _task(self) -> Task:
        return self._seen.judged[0] if self._seen.judged else self._bench.stage.data.task

    # -- the schedule ------------------------------------------------------------------------------------

    @property
    def _recipe(self) -> Recipe:
        return self._bench.recipes[self._member]

    @property
    @override
    def step(self) -> int:
        return self._bench.stack.steps[self._member]

    @property
    @override
    def total_steps(self) -> int:
        return self._recipe.total_steps(len(self._bench.stage.data.train))

    @property
    @override
    def steps_per_epoch(self) -> int:
        return self._recipe.steps_per_epoch(len(self._bench.stage.data.train))

    @property
    @override
    def trainings(self) -> int:
        return self._seen.trainings

    @property
    def untouched(self) -> bool:
        """Whether the weights are as the initializer drew them."""
        return self._seen.untouched

    @override
    def learning_rate(self, step: int | None = None) -> float:
        return self._recipe.learning_rate_at(self.step if step is None else step, len(self._bench.stage.data.train))

    @override
    def train(
        self,
        until: int | None = None,
        average: float | None = None,
        order: int = 0,
        masks: str = "",
        density: float | None = None,
        regime: Regime | None = None,
    ) -> Train:
        if until is not None and not self.step <= until <= self.total_steps:
            raise TicketError(f"cannot train until step {until}: at step {self.step} of {self.total_steps}")
        if average is not None and not 0 <= average < 1:
            raise TicketError(f"an average decays by a factor of at least 0 and less than 1, not {average:g}")
        if masks and masks not in SCOPES:
            raise OptionError(f"cannot train masks in the scope '{masks}'. {suggest(masks, SCOPES)}")
        if masks and average is not None:
            raise TicketError("where masks are trained, no average of the gradient is kept: drop `average`")
        if masks and regime is not None:
            raise TicketError("where masks are trained, the weights are frozen and a regime has no step: drop `regime`")
        if regime is not None and not isinstance(regime, Regime):
            raise TicketError(f"a regime is an object of a subclass of `Regime`, not {regime!r}")
        if masks:
            kept_count(self.density if density is None else density, self.total_weights)  # or it says what a density is
        return self.training(until, average, order, masks, density, regime)

    def training(
        self,
        until: int | None,
        average: float | None,
        order: int,
        masks: str,
        density: float | None,
        regime: Regime | None,
    ) -> Train:
        """The request of `train`, whose values are sound."""
        if not masks:
            return Train(until, average, order, regime=regime)
        return Train(until, average, order, masks, self.density if density is None else density)

    @override
    def snapshot(self) -> Snapshot:
        return self._bench.stack.snapshot(self._member)

    @override
    @acting
    def rewind(self, start: Snapshot) -> None:
        self._bench.stack.rewind(self._member, start)
        self._seen = replace(self._seen, untouched=False)

    @override
    @acting
    def restart(self) -> None:
        self._bench.fold(self._member)
        self._bench.stack.restart(self._member, 0)

    @override
    @acting
    def reinitialize(self) -> None:
        self._redrawn += 1
        self._bench.reinitialize(self._member, f" {self._redrawn}")
        self._seen, self._settled = replace(self._seen, untouched=True), {}
        self.settle()

    def settle(self) -> None:
        """Let a sparse-aware initializer act under the mask, if the weights are as it drew them and pruned since.

        Once for each mask: what it has drawn for this one stays.
        """
        aware = self._bench.casts[self._member].initializer.sparse_aware
        if aware and self.untouched and self.present_density < 1:
            mask = self.mask
            if not self._settled or any(not part.equal(self._settled[name]) for name, part in mask.items()):
                self._bench.initialize_again(self._member, f" {self._redrawn}" if self._redrawn else "")
                self._settled = mask

    @override
    @acting
    def set_weights(self, weights: Mapping[str, Tensor]) -> None:
        self._bench.stack.set_weights(self._member, weights)
        self._seen = replace(self._seen, untouched=False)

    @override
    @acting
    def set_extras(self, extras: Mapping[str, Tensor]) -> None:
        before = self.computed
        self._bench.stack.set_extras(self._member, extras)
        if any(not part.equal(before[name]) for name, part in self.computed.items()):
            self._bench.stack.forget_best(self._member)

    def enter(self, regime: Regime | None) -> None:
        """The training that comes is under a regime, or plain: then another one ends. The engine says so."""
        if regime is None:
            self._bench.fold(self._member)
        else:
            begin(self._bench.stack, self._member, regime, self.generator("regime"))

    @property
    def regime(self) -> Regime | None:
        """The regime that the member is under at the moment."""
        return self._bench.stack.regimes[self._member]

    def set_out(self) -> None:
        """A training begins: note where from, if it is not the continuation of one. The engine says so."""
        self._seen = replace(self._seen, untouched=False)
        if self._bench.stack.updates[self._member] == 0:
            self.start_from(self.parameters)
            self._seen = replace(self._seen, trainings=self.trainings + 1)

    def start_from(self, weights: Mapping[str, Tensor]) -> None:
        """Remember where the present training started from."""
        self._seen = replace(self._seen, origin=cloned(dict(weights)))

    @override
    @acting
    def keep(self, name: str) -> None:
        if name in self._seen.companions:
            raise TicketError(f"a network is kept as '{name}' already")
        self.meet(name, Companion(*self._bench.best_or_present(self._member), self.mask))

    def meet(self, name: str, companion: Companion) -> None:
        """Add a network to those that probes compare this one with."""
        self._seen = replace(self._seen, companions={**self._seen.companions, name: companion})

    # -- a checkpoint --------------------------------------------------------------------------------------

    def held(self) -> dict[str, Any]:
        """Everything that this trial knows beside the stack, as plain data and tensors of the host."""
        seen, looks = self._seen, self.looks
        return {
            "counters": [self.scoring_calls, self._forwards, self._reports, self._offers, self._redrawn],
            "spent": [self.spent.seconds, self.spent.steps, self.spent.flops],
            "generators": {purpose: source.get_state() for purpose, source in self._generators.items()},
            "settled": packed_state(self._settled),
            "origin": packed_state(seen.origin),
            "companions": as_plain(seen.companions),
            "trainings": seen.trainings,
            "untouched": seen.untouched,
            "findings": [list(finding) for finding in looks.findings],
            "points": [list(point) for point in looks.points],
        }

    def hold(self, held: Mapping[str, Any]) -> None:
        """Know again what another trial of the same cell knew."""
        self.scoring_calls, self._forwards, self._reports, self._offers, self._redrawn = held["counters"]
        seconds, steps, flops = held["spent"]
        self.spent.seconds, self.spent.steps, self.spent.flops = seconds, steps, flops
        for purpose, state in held["generators"].items():
            self.generator(purpose).set_state(state)
        self._settled = unpacked_state(held["settled"], self.device)
        self._seen = Memory(
            origin=unpacked_state(held["origin"], self.device),
            companions=from_plain(held["companions"], self.device),
            trainings=held["trainings"],
            untouched=held["untouched"],
        )
        self.looks = Looks(
            [Finding(*finding) for finding in held["findings"]], [CurvePoint(*point) for point in held["points"]]
        )

    # -- what is reported ----------------------------------------------------------------------------------

    @override
    @acting
    def report(self) -> None:
        self._bench.report(self._member, self.present_density)
        self.look("reported")
        self._reports += 1

    @override
    @acting
    def offer(self) -> bool:
        taken = self._bench.offer(self._member, self.present_density)
        self._offers += taken
        return taken

    @override
    @acting
    def note(self, name: str, value: float) -> None:
        method = self._bench.casts[self._member].method
        at = max(0, self._reports - 1, self._offers - 1)
        self.looks.findings.append(Finding(method.name, f"round {at}", name, float(value)))

    # -- probes ----------------------------------------------------------------------------------------------

    @property
    def findings(self) -> list[Finding]:
        """The single numbers that probes measured and the method noted."""
        return self.looks.findings

    @property
    def probes(self) -> Sequence[Probe]:
        """The probes that look at this cell."""
        return self._bench.casts[self._member].probes

    def look(self, moment: str) -> None:
        """Let the probes of a moment measure. Each gets random numbers of its own; its time is nobody's."""
        label = f"round {self._reports}" if moment == "reported" else moment
        self._let(
            lambda probe: moment in probe.moments,
            lambda name, found: self.looks.at_moment(name, label, self.trainings, found),
        )

    def steps_to_look_at(self) -> set[int]:
        """The steps of a training at which probes look."""
        return {step for probe in self.probes for step in probe.steps(self.total_steps)}

    def look_at_mask(self, when: str) -> None:
        """Let the probes measure that look before and after every change of the mask."""
        self._let(
            lambda probe: "masked" in probe.moments,
            lambda name, found: self.looks.at_step(name, when, self.trainings, self.step, found),
        )

    def look_back(self, task: Task, split: Split) -> None:
        """Let probes look at the judged network and at what it was judged on. The engine says when."""
        self._seen = replace(self._seen, judged=(task, split))
        self.look("judged")

    def _let(self, looks: Callable[[Probe], bool], store: Callable[[str, Mapping[str, float | Points]], None]) -> None:
        for probe in self.probes:
            if looks(probe):
                self.let_measure(probe, store)

    def let_measure(self, probe: Probe, store: Callable[[str, Mapping[str, float | Points]], None]) -> None:
        """Let a probe measure now. Its time is nobody's."""
        start = time.perf_counter()
        with exact(), torch.random.fork_rng(devices=[]):
            found = probe.measure(self.onlooker(probe.name))
        store(probe.name, found)
        self.spent.looking += time.perf_counter() - start

    def onlooker(self, purpose: str) -> MemberTrial:
        """The same network for someone who must not disturb: other random numbers, a copy of the bill."""
        other = MemberTrial(self._bench, self._member, self.scorer)
        other.looker = f"probe '{purpose}'"
        other._draws = seeds.seed_of(self.seed, "probe", purpose)
        other._seen = self._seen
        other.spent = replace(self.spent)
        return other

    # -- the mask ----------------------------------------------------------------------------------------

    @override
    def score(self, scorer: Ranking | None = None) -> dict[str, Tensor]:
        chosen = scorer or self.scorer
        if chosen is None:
            raise TicketError("this row names no scorer: give score() one, or prune() the scores")
        before, self.looker = self.looker, f"scorer '{chosen.name}'"
        try:
            return dict(chosen.score(self))
        finally:
            self.looker = before

    @override
    @acting
    def prune(
        self, density: float | None = None, scope: str = "global", scores: Mapping[str, Tensor] | None = None
    ) -> None:
        count = kept_count(self.density if density is None else density, self.total_weights)
        self.set_mask(mask_from_scores(self.score() if scores is None else scores, self.mask, count, scope))

    @override
    @acting
    def set_mask(self, mask: Mapping[str, Tensor]) -> None:
        missing = [name for name in self._bench.stack.masks if name not in mask]
        if missing:
            raise TicketError(f"the mask lacks '{missing[0]}'")
        self.look_at_mask("before")
        self._bench.stack.set_mask(self._member, mask)
        self.look_at_mask("after")

    @override
    def pruning(self, density: float | None = None, scope: str = "global") -> Prune:
        wanted = self.density if density is None else density
        kept_count(wanted, self.total_weights)  # or it says what a density is
        if self.scorer is None:
            raise TicketError("this row names no scorer to prune by: prune(scores=…), or remask() by a rule")
        if scope not in SCOPES:
            raise OptionError(f"cannot prune in the scope '{scope}'. {suggest(scope, SCOPES)}")
        return Prune(wanted, scope)

    @override
    def remask(self, rule: MaskRule, **numbers: float) -> Remask:
        if not isinstance(rule, MaskRule):
            raise TicketError(f"a mask is changed by an object of a subclass of `MaskRule`, not by {rule!r}")
        return Remask(rule, numbers)

    @property
    @override
    def remembered(self) -> State:
        return self._bench.memories.of(self._member)
