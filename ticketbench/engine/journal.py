"""A journal of what a method was told while it drew, and the drawing again by it.

A drawing is a generator, which no file can hold. But it is a function of what its trial answers: told the same, it asks
the same, and arrives where it stood. So the trial that a method gets writes down each call that the method itself makes
and what came of it. Later the same drawing is led through those calls with the answers at hand and no effects at all:
nothing is masked, trained, reported or looked at.

What has no plain answer (`outputs`, `loss`: a graph; whatever raised) makes a journal incomplete, and so does its size
beyond a bound. Such a drawing can only begin anew, until it has ended: then nobody needs its journal any more.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

import torch
from torch import Tensor, nn
from typing_extensions import override

from ticketbench.engine.packed import UnpackableError, as_plain, bytes_of, from_plain
from ticketbench.engine.trial import MemberTrial
from ticketbench.plugin.regime import Regime
from ticketbench.plugin.request import Train
from ticketbench.plugin.trial import Spent, Trial

JOURNAL_BYTES = 2**30
"""What the journals of a fleet may take together, in memory and in a checkpoint."""
ENGINE = "the engine"
"""Who acts between two requests, and may draw from generators that a method holds."""
UNCHANGING = frozenset({"shapes", "device", "total_weights", "total_steps", "steps_per_epoch", "pruning", "remask"})
"""What a trial answers the same at any time: asked again instead of written down."""

Told = TypeVar("Told")


class ReplayError(Exception):
    """A drawing that does not ask again what it asked before."""


@dataclass
class Journal:
    """Calls and their answers as plain data, in the order of the calls."""

    limit: int = JOURNAL_BYTES
    entries: list[list[Any]] = field(default_factory=list)
    """(name, answer, purpose -> state of each generator that the call moved)."""
    lost: str = ""
    """Why the journal is incomplete."""
    bytes: int = 0
    read: int = 0
    """How many entries have been read again."""
    replaying: bool = False

    def note(self, name: str, answer: Any, moved: Mapping[str, Tensor]) -> None:
        """Write a call down, unless something is missing anyhow."""
        if self.lost:
            return
        try:
            entry = [name, as_plain(answer), dict(moved)]
        except UnpackableError as error:
            self.lose(f"trial.{name} gave {error}")
            return
        self.bytes += bytes_of(entry)
        if self.bytes > self.limit:
            self.lose(f"it would take more than {self.limit} bytes")
        else:
            self.entries.append(entry)

    def lose(self, reason: str) -> None:
        """Something cannot be written down: the rest is of no use."""
        self.lost = self.lost or reason
        self.entries.clear()

    def next_is(self, name: str) -> bool:
        """Whether this call comes next."""
        return self.read < len(self.entries) and self.entries[self.read][0] == name

    def next(self, name: str) -> tuple[Any, dict[str, Tensor]]:
        """What came of the call that comes next, which must be this one."""
        if not self.next_is(name):
            raise ReplayError(f"the method asked for trial.{name}, which it had not asked for at this point before")
        self.read += 1
        _, answer, moved = self.entries[self.read - 1]
        return answer, moved

    def begin_again(self, entries: Sequence[list[Any]]) -> None:
        """The calls that come have been made before, and these were their answers."""
        self.entries, self.read, self.replaying = list(entries), 0, True
        self.bytes = bytes_of(self.entries)

    def arrive(self) -> None:
        """The drawing stands where it stood: from here on calls are carried out and written down."""
        if self.read != len(self.entries):
            raise ReplayError(f"the method left out trial.{self.entries[self.read][0]}, which it had asked for before")
        self.replaying = False


class RecordedTrial(Trial):
    """A trial that writes down what its method asks of it, or answers from what was written down."""

    def __init__(self, trial: MemberTrial, journal: Journal) -> None:
        self._trial = trial
        self._journal = journal
        self.seed, self.density, self.scorer = trial.seed, trial.density, trial.scorer
        self._handed_out: dict[str, torch.Generator] = {}
        self._at_the_request: dict[str, Tensor] = {}

    @property
    def spent(self) -> Spent:  # type: ignore[override]  # as it is at the moment: nobody but the engine books
        """A copy of what the cell has cost up to now."""
        return self.ask("spent", lambda: Spent(**vars(self._trial.spent)))

    @property
    @override
    def module(self) -> nn.Module:
        journal = self._journal
        found = self._trial.module
        own = {**dict(found.named_parameters()), **dict(found.named_buffers())}
        if journal.replaying:
            answer, _ = journal.next("module")
            with torch.no_grad():
                for name, tensor in from_plain(answer, self._trial.device).items():
                    own[name].copy_(tensor)
        else:
            journal.note("module", {name: tensor.detach() for name, tensor in own.items()}, {})
        return found

    @override
    def generator(self, purpose: str) -> torch.Generator:
        source = self._trial.generator(purpose)
        if self._journal.replaying:
            _, moved = self._journal.next("generator")
            source.set_state(moved[purpose])
        else:
            self._journal.note("generator", None, {purpose: source.get_state()})
        self._handed_out[purpose] = source
        return source

    @override
    def batches(self, count: int = 1, size: int | None = None) -> Any:
        if self._journal.replaying:
            self._trial.scoring_calls, _ = self._journal.next("batches")
        else:
            self._journal.note("batches", self._trial.scoring_calls, {})
        return self._trial.batches(count, size)

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
        if self._journal.replaying:  # at another step now, but what was asked for was right
            return self._trial.training(until, average, order, masks, density, regime)
        return self._sound("train", lambda: self._trial.train(until, average, order, masks, density, regime))

    def ask(self, name: str, act: Callable[[], Told]) -> Told:
        """Carry a call out and write it down, or answer it from the journal."""
        if self._journal.replaying:
            answer, moved = self._journal.next(name)
            self._move(moved)
            found: Told = from_plain(answer, self._trial.device)
            return found
        before = self._states()
        found = self._sound(name, act)
        self._journal.note(name, found, self._moved_since(before))
        return found

    def ask_again(self, name: str, act: Callable[[], Told]) -> Told:
        """Carry a call out, now as ever."""
        return self._sound(name, act)

    def _sound(self, name: str, act: Callable[[], Told]) -> Told:
        try:
            return act()
        except BaseException:  # the method may catch it and go another way
            self._journal.lose(f"trial.{name} raised")
            raise

    # -- generators that the method holds ----------------------------------------------------------------

    def hand_over(self) -> None:
        """The method has yielded a request: the engine acts."""
        self._at_the_request = self._states()

    def take_back(self) -> None:
        """The engine has acted: the method goes on."""
        if self._journal.replaying:
            if self._journal.next_is(ENGINE):
                self._move(self._journal.next(ENGINE)[1])
        elif moved := self._moved_since(self._at_the_request):
            self._journal.note(ENGINE, None, moved)

    def _states(self) -> dict[str, Tensor]:
        if self._journal.lost:
            return {}
        return {purpose: source.get_state() for purpose, source in self._handed_out.items()}

    def _moved_since(self, before: Mapping[str, Tensor]) -> dict[str, Tensor]:
        return {purpose: state for purpose, state in self._states().items() if not state.equal(before[purpose])}

    def _move(self, moved: Mapping[str, Tensor]) -> None:
        for purpose, state in moved.items():
            self._trial.generator(purpose).set_state(state)


def answered(name: str) -> Any:
    """The member of that name of a recorded trial: as a trial has it, by way of the journal."""
    if isinstance(getattr(Trial, name), property):

        def read(self: RecordedTrial) -> Any:
            way = self.ask_again if name in UNCHANGING else self.ask
            return way(name, lambda: getattr(self._trial, name))

        return property(read)

    def call(self: RecordedTrial, *values: Any, **words: Any) -> Any:
        way = self.ask_again if name in UNCHANGING else self.ask
        return way(name, lambda: getattr(self._trial, name)(*values, **words))

    return call


for _name in RecordedTrial.__abstractmethods__:
    setattr(RecordedTrial, _name, answered(_name))
RecordedTrial.__abstractmethods__ = frozenset()


def recorded(trial: MemberTrial, journal: Journal) -> RecordedTrial:
    """A trial that writes into a journal, or answers from it."""
    return RecordedTrial(trial, journal)  # type: ignore[abstract]  # its other members are made above
