"""What a method, a scorer or a probe gets of a cell: one network, its mask, training data, and no test data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from torch import Tensor

from ticketbench import seeds
from ticketbench.engine.looks import Looks
from ticketbench.engine.stack import Companion, Snapshot
from ticketbench.engine.view import View
from ticketbench.errors import OptionError, TicketError, suggest
from ticketbench.masks.scopes import SCOPES, kept_count
from ticketbench.masks.ticket import Mask, mask_from_scores
from ticketbench.plugin.contracts import Probe, Scorer, Split, Task, Train
from ticketbench.store.schema import Finding

if TYPE_CHECKING:
    from ticketbench.engine.bench import Bench


class Trial(View):
    """One member of a fleet, as if it were alone, for someone who acts."""

    def __init__(self, bench: Bench, member: int, seed: int, density: float, scorer: Scorer | None) -> None:
        super().__init__(bench, member, seed, density, scorer)
        self._reports = 0
        self._offers = 0
        self._redrawn = 0
        self.trainings = 0
        """How many trainings have begun."""
        self.untouched = True
        """Whether the weights are as the initializer drew them."""
        self._settled: Mask = {}
        self.looks = Looks()
        """What probes measured and the method noted."""

    @property
    def findings(self) -> list[Finding]:
        """The single numbers that probes measured and the method noted."""
        return self.looks.findings

    # -- the schedule ------------------------------------------------------------------------------------

    @property
    def step(self) -> int:
        """The step of the schedule that the network has reached."""
        return self._bench.stack.steps[self._member]

    @property
    def total_steps(self) -> int:
        """How many steps one training takes."""
        return self._bench.recipe.total_steps(len(self._bench.data.train))

    @property
    def steps_per_epoch(self) -> int:
        """How many steps one epoch takes."""
        return self._bench.recipe.steps_per_epoch(len(self._bench.data.train))

    def learning_rate(self, step: int | None = None) -> float:
        """The learning rate of a step (default: the next one)."""
        at = self.step if step is None else step
        return self._bench.recipe.learning_rate_at(at, len(self._bench.data.train))

    def train(
        self, until: int | None = None, average: float | None = None, order: int = 0, masks: str = "",
        density: float | None = None,
    ) -> Train:  # fmt: skip
        """A request to yield: train until this step, or to the end of the schedule.

        `average`: the decay of a running average of the dense gradient that is kept on the way, from zero at the start
        of a training. `order`: another order of the examples. `masks`: a scope; what is trained is not weights but
        which of them to keep, at the density given or the cell's.
        """
        if until is not None and not self.step <= until <= self.total_steps:
            raise TicketError(f"cannot train until step {until}: at step {self.step} of {self.total_steps}")
        if average is not None and not 0 <= average < 1:
            raise TicketError(f"an average decays by a factor of at least 0 and less than 1, not {average:g}")
        if masks and masks not in SCOPES:
            raise OptionError(f"cannot train masks in the scope '{masks}'. {suggest(masks, SCOPES)}")
        if masks and average is not None:
            raise TicketError("where masks are trained, no average of the gradient is kept: drop `average`")
        if not masks:
            return Train(until, average, order)
        wanted = self.density if density is None else density
        kept_count(wanted, self.total_weights)  # or it says what a density is
        return Train(until, average, order, masks, wanted)

    def snapshot(self) -> Snapshot:
        """A copy of the present weights, statistics and step."""
        return self._bench.stack.snapshot(self._member)

    def rewind(self, start: Snapshot) -> None:
        """Back to a snapshot under the present mask: its weights bit for bit, its step, a fresh optimizer."""
        self._bench.stack.rewind(self._member, start)
        self.untouched = False

    def restart(self) -> None:
        """The schedule from its start with a fresh optimizer, on the present weights."""
        self._bench.stack.restart(self._member, 0)

    def reinitialize(self) -> None:
        """All weights drawn anew by the cell's initializer, under the present mask, at step 0, each time others."""
        self._redrawn += 1
        self._bench.reinitialize(self._member, f" {self._redrawn}")
        self.untouched, self._settled = True, {}
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

    def set_weights(self, weights: Mapping[str, Tensor]) -> None:
        """Other values for some parameters; outside the mask they become zero. Step and optimizer slots stay."""
        self._bench.stack.set_weights(self._member, weights)
        self.untouched = False

    def set_out(self) -> None:
        """A training begins: note where from, if it is not the continuation of one. The engine says so."""
        self.untouched = False
        if self._bench.stack.updates[self._member] == 0:
            self.start_from(self.parameters)
            self.trainings += 1

    def start_from(self, weights: Mapping[str, Tensor]) -> None:
        """Remember where the present training started from."""
        self._origin = {name: weight.clone() for name, weight in weights.items()}

    def keep(self, name: str) -> None:
        """Keep a copy of the present network under a name, for probes to compare with.

        Where the recipe selects the best validation, that network is kept, as it is the one that would be judged.
        """
        if name in self._companions:
            raise TicketError(f"a network is kept as '{name}' already")
        self.meet(name, Companion(*self._bench.stack.judged(self._member), self.mask))

    def meet(self, name: str, companion: Companion) -> None:
        """Have a network to compare with."""
        self._companions[name] = companion

    # -- what is reported ----------------------------------------------------------------------------------

    def report(self) -> None:
        """Have the present network judged as a point of the accuracy-density curve. Nothing comes back."""
        self._bench.report(self._member, self.present_density)
        self.look("reported")
        self._reports += 1

    def offer(self) -> bool:
        """Have the present ticket trained where the protocol trains, as a point of the accuracy-density curve.

        False, and nothing happens, where a ticket is trained where it is drawn: there the method trains it and
        reports. What it reports elsewhere is no result and is not judged.
        """
        taken = self._bench.offer(self._member, self.present_density)
        self._offers += taken
        return taken

    def note(self, name: str, value: float) -> None:
        """Record a number of the method's own; it is stored with the probes, under the round last reported."""
        method = self._bench.casts[self._member].method
        at = max(0, self._reports - 1, self._offers - 1)
        self.looks.findings.append(Finding(method.name, f"round {at}", name, float(value)))

    @property
    def probes(self) -> Sequence[Probe]:
        """The probes that look at this cell."""
        return self._bench.casts[self._member].probes

    def look(self, moment: str) -> None:
        """Let the probes of a moment measure. Each gets random numbers of its own; its time is nobody's."""
        self.looks.at(self, moment, f"round {self._reports}" if moment == "reported" else moment)

    def onlooker(self, purpose: str) -> Trial:
        """The same network for someone who must not disturb: other random numbers, a copy of the bill."""
        other = Trial(self._bench, self._member, self.seed, self.density, self.scorer)
        other._draws = seeds.seed_of(self.seed, "probe", purpose)
        other._origin, other._companions, other._judged = self._origin, self._companions, self._judged
        other.trainings, other.untouched = self.trainings, self.untouched
        other.spent = replace(self.spent)
        return other

    def look_back(self, task: Task, split: Split) -> None:
        """Let probes look at the judged network and at what it was judged on. The engine says when."""
        self._judged = (task, split)
        self.look("judged")

    # -- the mask ----------------------------------------------------------------------------------------

    def score(self, scorer: Scorer | None = None) -> dict[str, Tensor]:
        """Scores of the weights as they are now, by the row's scorer or another one."""
        chosen = scorer or self.scorer
        if chosen is None:
            raise TicketError("this row names no scorer: give score() one, or prune() the scores")
        return dict(chosen.score(self))

    def prune(
        self, density: float | None = None, scope: str = "global", scores: Mapping[str, Tensor] | None = None
    ) -> None:
        """Keep exactly the best weights that are left, by the row's scorer (or given scores) and a scope."""
        count = kept_count(self.density if density is None else density, self.total_weights)
        self.set_mask(mask_from_scores(self.score() if scores is None else scores, self.mask, count, scope))

    def set_mask(self, mask: Mapping[str, Tensor]) -> None:
        """A mask of the method's own making. Dropped weights and slots become zero, grown ones start there."""
        missing = [name for name in self._bench.stack.masks if name not in mask]
        if missing:
            raise TicketError(f"the mask lacks '{missing[0]}'")
        self.looks.at_mask(self, "before")
        self._bench.stack.set_mask(self._member, mask)
        self.looks.at_mask(self, "after")
