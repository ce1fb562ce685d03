"""A stacked form counts where it belongs to the single one."""

from __future__ import annotations

import pytest

from ticketbench import Probe, Scorer
from ticketbench.plugin.stacked_forms import has_form


class Single(Probe):
    """One form."""

    def measure(self, trial):
        return {}


class Both(Single):
    """The other form, of what is inherited."""

    def measure_stacked(self, stack):
        return []


class Another(Both):
    """Something else is measured."""

    def measure(self, trial):
        return {"else": 1.0}


class AnotherBoth(Another):
    """And now both again."""

    def measure(self, trial):
        return {}

    def measure_stacked(self, stack):
        return []


class Heir(AnotherBoth):
    """Other options, say."""


@pytest.mark.parametrize(("kind", "has"), [(Single, False), (Both, True), (Another, False), (Heir, True)])
def test_who_overrides_the_single_form_alone_has_no_stacked_one(kind: type[Probe], has: bool):
    """Whatever was inherited."""
    assert has_form(kind(), "measure_stacked", "measure") == has


def test_nothing_has_a_form_of_another_contract():
    """Nor has what is no contract at all."""
    assert not has_form(Both(), "scores_of", "score")
    assert not has_form(None, "scores_of", "score")
    assert not has_form(type("Bare", (Scorer,), {"score": lambda self, trial: {}})(), "scores_of", "score")
