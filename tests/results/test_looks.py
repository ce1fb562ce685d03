"""The plan of looks and its decisions, by hand."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ticketbench.results.looks import Decision, PlannedLook, course_of, look_at, plan_of
from ticketbench.results.scatter import scatter_of
from ticketbench.results.standard import Sample, compare_all
from ticketbench.results.stats import ALPHA

LARGE = (0.3, 0.31, 0.29, 0.32, 0.28)
SOME = (0.02, 0.05, 0.03, 0.04, 0.01)
NOTHING = (0.2, -0.3, 0.1, -0.1, 0.15)
OPEN = Decision("cannot tell", 5, 1.0, 1.0)
SHOWN = Decision("better", 5, 0.001, 1.0)
ALIKE = Decision("as good", 5, 0.7, 0.001)


def sample(*differences, margin=0.0):
    """A sample of seeds 0, 1, …"""
    return Sample(differences, tuple(range(len(differences))), margin=margin)


def test_the_plans_of_the_tiers():
    """Half of 5 % at the tier's own seeds, an eighth of it at each of four more looks, in whole seeds."""
    assert [look.seeds for look in plan_of(10)] == [10, 15, 20, 30, 40]
    assert [look.seeds for look in plan_of(8)] == [8, 12, 16, 24, 32]
    assert [look.seeds for look in plan_of(7)] == [7, 11, 14, 21, 28]
    assert [look.alpha for look in plan_of(10)] == pytest.approx([0.025, *[0.00625] * 4])
    assert plan_of(3) == plan_of(5) == plan_of(1), "fewer than five seeds decide nothing"


@given(st.integers(1, 500), st.floats(1e-4, 0.5))
def test_a_plan_spends_its_level_and_no_more(seeds, alpha):
    """Each look has more seeds than the one before."""
    plan = plan_of(seeds, alpha)
    assert sum(look.alpha for look in plan) == pytest.approx(alpha)
    assert all(one.seeds < other.seeds for one, other in pairwise(plan))


def test_a_first_look_is_what_a_board_says_at_the_looks_level():
    """Same marks, same corrected p."""
    family = [sample(*LARGE), sample(*SOME), sample(*NOTHING), sample(*SOME, margin=0.1)]
    for alpha in (ALPHA, 0.025, 1e-6):
        found = look_at(PlannedLook(5, alpha), family)
        boards = compare_all(family, alpha=alpha)
        assert [(one.mark, one.corrected, one.alike) for one in found] == [
            (one.mark, one.corrected, one.alike) for one in boards
        ]
    assert [one.mark for one in look_at(PlannedLook(5, ALPHA), family)] == [
        "better",
        "better",
        "cannot tell",
        "as good",
    ]


def test_what_is_decided_stays_and_counts_where_it_must():
    """Shown: one comparison less for differences. As good: still one of three, but one less for equivalence."""
    alone = compare_all([sample(*SOME, margin=0.1)])[0]
    family = [sample(*NOTHING), sample(*SOME, margin=0.1), sample(*NOTHING)]
    for earlier, times, alike in (
        ([OPEN, OPEN, OPEN], 3, 3),
        ([SHOWN, OPEN, OPEN], 2, 3),
        ([ALIKE, OPEN, OPEN], 3, 2),
        ([SHOWN, OPEN, ALIKE], 2, 2),
        ([SHOWN, OPEN, SHOWN], 1, 3),
    ):
        found = look_at(PlannedLook(5, 1e-9), family, earlier=earlier)
        assert found[1].corrected == pytest.approx(times * alone.p), earlier
        assert found[1].alike == pytest.approx(alike * alone.alike), earlier
        assert [one for one, before in zip(found, earlier, strict=True) if before.decided] == [
            before for before in earlier if before.decided
        ]


def test_a_mark_outlives_numbers_that_no_longer_show_it():
    """Nothing is taken back, and nothing that is decided is tested again."""
    first = look_at(PlannedLook(5, 0.025), [sample(*LARGE), sample(*NOTHING)])
    assert [one.mark for one in first] == ["better", "cannot tell"]
    later = look_at(PlannedLook(8, 0.00625), [sample(*NOTHING), sample(*SOME, *SOME)], earlier=first)
    assert later[0] is first[0]
    assert (later[1].mark, later[1].seeds) == ("better", 10)
    assert look_at(PlannedLook(10, 0.00625), [sample(*NOTHING), sample(*NOTHING)], earlier=later) == later


def test_decisions_follow_from_what_was_recorded():
    """Look by look the same as with its seeds alone; a seed without a number is left out; no look comes early."""
    seeds = (7, 3, *range(20, 38))
    middling = [0.3 + (-1) ** at * 0.1 * (at % 4) for at in range(20)]
    wild = [(-1) ** at * at / 30 for at in range(20)]
    family = [Sample(tuple(values), seeds) for values in ([*LARGE, *[-5.0] * 15], middling, wild)]
    gap = Sample(tuple(wild[:2] + wild[3:]), seeds[:2] + seeds[3:])
    plan = plan_of(5)

    def scatters(held):
        return scatter_of(one.differences for one in held)

    looks = list(course_of(plan, [*family, gap], seeds, scatters))
    assert [[one.mark for one in found].count("better") for found in looks] == [1, 1, 2, 2, 2]
    assert [one.seeds for one in looks[-1]] == [5, 10, 20, 19]
    found = ()
    for look, seen in zip(plan, looks, strict=True):
        counts = [one.seeds if one.decided else look.seeds for one in found] or [look.seeds] * 4
        held = [Sample(one.differences[:n], seeds[:n]) for one, n in zip(family, counts, strict=False)]
        held.append(Sample(gap.differences[: look.seeds - 1], gap.seeds[: look.seeds - 1]))
        found = look_at(look, held, scatters(held), found)
        assert found == seen
    assert list(course_of(plan, [*family, gap], seeds[:14], scatters)) == looks[:3]
    assert list(course_of(plan, family, seeds[:4], scatters)) == []
    assert len(list(course_of(plan, family[:1], seeds, scatters))) == 1
