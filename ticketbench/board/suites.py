"""The suites that boards are of, as installed here: their tiers' seeds and metrics, and which cells they have."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from ticketbench.board.bundle.belonging import FOREIGN, belonging_of
from ticketbench.board.submission import Submission
from ticketbench.plan.cell import Cell
from ticketbench.plan.plan import find_suite, make_plan
from ticketbench.plugin.loading import Plugins
from ticketbench.suite.suite import Suite


@dataclass
class Suites:
    """Looks suites up by name; one that is not installed is None, and its board is made from the records alone."""

    plugins: Plugins | None = None
    _found: dict[str, Suite | None] = field(default_factory=dict)
    _plans: dict[tuple[str, ...], tuple[Cell, ...]] = field(default_factory=dict)

    def find(self, name: str) -> Suite | None:
        """The suite of that name, read once; None where no plugin offers it."""
        if name not in self._found:
            known: Mapping[str, object] = self.plugins.items["suite"] if self.plugins else {}
            self._found[name] = find_suite(name, self.plugins) if self.plugins and name in known else None
        return self._found[name]

    def belonging(self, submission: Submission) -> tuple[Submission, int]:
        """A submission without the cells that its tier does not have, and how many those are."""
        suite = self.find(submission.suite)
        if suite is None or suite.version != submission.version or submission.tier not in suite.tiers:
            return submission, 0
        assert self.plugins is not None
        key = (submission.suite, submission.tier, submission.precision, submission.device_class)
        if key not in self._plans:
            plan = make_plan(
                suite,
                submission.tier,
                self.plugins,
                device_class=submission.device_class,
                precision=submission.precision,
            )
            self._plans[key] = plan.cells
        found = belonging_of(submission.cells, self._plans[key], suite)
        kept = [cell for cell in submission.cells if found[cell.key] != FOREIGN]
        return replace(submission, cells=kept), len(submission.cells) - len(kept)
