"""Verdicts: intervals worked out by hand and by another route, and every reason why we cannot tell."""

from __future__ import annotations

import json
import math
from dataclasses import replace

import pytest
from plain_records import plain
from scipy import stats

from ticketbench.report.build import describe_claim
from ticketbench.results.results import CellResult, Results
from ticketbench.results.standard import Sample, compare_all
from ticketbench.results.stats import Interval, t_interval
from ticketbench.results.verdicts import ClaimFinding, claim_verdict, judge_claim
from ticketbench.store.schema import CurvePoint
from ticketbench.suite.paper import Claim
from ticketbench.suite.suite import read_suite

POINTS = (5.0, 20.0)


def entry(row, seed, value=0.5, *, density=0.9, status="ok", last=None, **options):
    """A cell whose accuracy is `value` at 5 iterations and `last` at 20; None for a missing one."""
    model = f"net {json.dumps({'recall': True, **options}, sort_keys=True)}"
    axes = plain(row=row, task="blobs", model=model, protocol="same", density=density, seed=seed)
    if value is None:
        return CellResult(axes)
    sweep = zip(POINTS, (value, value if last is None else last), strict=True)
    points = [CurvePoint("test", "b", "accuracy", 0, "iterations", x, y) for x, y in sweep]
    return CellResult(replace(axes, status=status, headline=value), points if status == "ok" else [])


@pytest.fixture
def judged(tiny_suite):
    """The findings of a claim about some cells."""

    def judge(entries, **parts):
        claim = Claim(text="t", source="s", **{"row": "a", "than": {"row": "dense"}, "expect": "higher", **parts})
        return judge_claim(Results(read_suite(tiny_suite()), "smoke", "fp32", "cpu", list(entries)), claim)

    return judge


def cells(ours, theirs):
    """A pruned row `a` and the row `dense`, seed by seed."""
    pruned = [entry("a", seed, value) for seed, value in enumerate(ours)]
    return pruned + [entry("dense", seed, value, density=1.0) for seed, value in enumerate(theirs)]


# -- intervals -----------------------------------------------------------------------------------------------


def test_an_interval_worked_out_by_hand():
    """1, 2, 3: mean 2, deviation 1, t(0.975, 2) = 4.302653, so 2 ± 4.302653 / √3."""
    found = t_interval([1.0, 2.0, 3.0])
    assert found.mean == 2.0
    assert found.high - found.mean == pytest.approx(2.4841377, abs=1e-6)
    assert found.mean - found.low == pytest.approx(2.4841377, abs=1e-6)


@pytest.mark.parametrize("values", [[0.1, 0.4], [3.0, -1.0, 2.5, 8.0], [0.2, 0.21, 0.19, 0.22, 0.18, 0.5]])
def test_an_interval_agrees_with_the_t_test(values):
    """scipy's one-sample test gives the same bounds by another route."""
    expected = stats.ttest_1samp(values, 0.0).confidence_interval(0.95)
    found = t_interval(values)
    assert (found.low, found.high) == pytest.approx((expected.low, expected.high))


def test_equal_values_have_no_width_and_one_value_no_bounds():
    """Neither is divided by."""
    assert t_interval([2.0, 2.0, 2.0]) == Interval(2.0, 2.0, 2.0)
    assert t_interval([2.0]) == Interval(2.0, -math.inf, math.inf)


WEIGHED = {
    "higher, above": ("higher", [0.1, 0.3], "supports"),
    "higher, below": ("higher", [-0.3, -0.1], "contradicts"),
    "higher, across": ("higher", [-0.1, 0.3], "cannot tell"),
    "lower, below": ("lower", [-0.3, -0.1], "supports"),
    "lower, above": ("lower", [0.1, 0.3], "contradicts"),
    "at least, above": ("at_least", [0.1, 0.3], "supports"),
    "at most, above": ("at_most", [0.1, 0.3], "contradicts"),
    "higher, no matter": ("higher", [-0.001, 0.001], "as good"),
}


@pytest.mark.parametrize(("expect", "sides", "verdict"), WEIGHED.values(), ids=WEIGHED)
def test_a_verdict_is_the_side_that_is_shown(expect, sides, verdict):
    """Six seeds around the middle of two sides, less the bound; within a margin of a hundredth both are as good."""
    bound = {"value": 0.5} if expect.startswith("at") else {"than": {"row": "b"}}
    claim = Claim(text="t", source="s", expect=expect, **bound)
    middle, half = sum(sides) / 2, (sides[1] - sides[0]) / 2
    sample = Sample(tuple(middle + half * part for part in (-1, 1, -0.8, 0.8, -0.9, 0.9)), tuple(range(6)), True, 0.01)
    (found,) = compare_all([sample])
    assert claim_verdict(claim, found) == verdict


# -- pairs ---------------------------------------------------------------------------------------------------


def test_seeds_are_paired(judged):
    """Differences of 0.1, 0.2, 0.3 over values that vary far more: 0.2 ± 0.2484; with five seeds they tell."""
    (finding,) = judged(cells([0.2, 0.6, 1.0], [0.1, 0.4, 0.7]))
    assert (finding.verdict, finding.seeds, finding.reason) == ("cannot tell", 3, "3 seeds; it takes 5")
    assert finding.interval.high == pytest.approx(0.2 + 0.24841377)
    more = cells([0.2, 0.5, 0.81, 0.62, 0.41], [0.1, 0.4, 0.7, 0.5, 0.3])
    (finding,) = judged(more)
    assert (finding.verdict, finding.reason) == ("supports", "")
    (finding,) = judged(more, expect="lower")
    assert finding.verdict == "contradicts"


def test_cells_are_judged_setting_by_setting(judged):
    """Two densities of a row make two findings, each against the dense row, whose density is always 1."""
    others = [entry("a", seed, 0.3 + seed / 100, density=0.5) for seed in range(5)]
    found = judged([*cells([0.8, 0.81, 0.83, 0.79, 0.82], [0.5] * 5), *others])
    verdicts = {dict(finding.setting)["density"]: finding.verdict for finding in found}
    assert verdicts == {0.9: "supports", 0.5: "contradicts"}
    (only,) = judged([*cells([0.8, 0.81, 0.83, 0.79, 0.82], [0.5] * 5), *others], density=0.9)
    assert only.verdict == "supports"


def test_rows_at_different_densities_are_not_compared(judged):
    """Both are pruned: a partner has the same density."""
    others = [entry("b", seed, 0.3, density=0.5) for seed in range(5)]
    (finding,) = judged([*cells([0.8, 0.81, 0.83, 0.79, 0.82], [0.5] * 5), *others], than={"row": "b"})
    assert (finding.verdict, finding.reason) == ("cannot tell", "tier smoke has no cells of b to compare with")
    (finding,) = judged([*cells([0.8, 0.81, 0.83, 0.79, 0.82], [0.5] * 5), *others], than={"row": "b", "density": 0.5})
    assert finding.verdict == "supports"


def test_the_other_side_may_be_another_model_option(judged):
    """The partner shares every other option; where that leaves two, the claim is too wide."""
    plain = [entry("dense", seed, 0.5 + seed / 100, density=1.0, width=8) for seed in range(5)]
    without = [entry("dense", seed, 0.3, density=1.0, width=8, recall=False) for seed in range(5)]
    wider = [entry("dense", seed, 0.9, density=1.0, width=9, recall=False) for seed in range(5)]
    parts = {"row": "dense", "model": {"recall": True}, "than": {"model": {"recall": False}}}
    (finding,) = judged([*plain, *without, *wider], **parts)
    assert (finding.verdict, round(finding.interval.mean, 6)) == ("supports", 0.22)
    parts["than"] = {"model": {"name": "net", "recall": False}}
    (finding,) = judged([*plain, *without, *wider], **parts)
    assert finding.verdict == "cannot tell"
    assert "2 cells of dense, model net recall=false answer for seed 0" in finding.reason


def test_the_other_side_may_be_another_point_of_the_same_curve(judged):
    """Accuracy at 20 iterations against that at 5, in the same cell."""
    fallen = [entry("a", seed, 0.9, last=0.2 + seed / 100) for seed in range(5)]
    (finding,) = judged(fallen, measure="value", x=20.0, than={"x": 5.0}, expect="lower")
    assert (finding.verdict, round(finding.interval.mean, 6)) == ("supports", -0.68)


def test_a_claim_about_one_number(judged):
    """No other side: the number itself against a bound."""
    (finding,) = judged(cells([0.95, 0.96, 0.955, 0.957, 0.953], [0.1] * 5), than=None, expect="at_least", value=0.94)
    assert (finding.verdict, finding.seeds) == ("supports", 5)


def test_that_all_seeds_agree_to_the_last_bit_is_said(judged):
    """An interval without width is no certainty: its p is that of exact sign flips, 2/2⁶, and of five seeds 2/2⁵."""
    (finding,) = judged(cells([0.75] * 6, [0.5] * 6))
    assert finding.verdict == "supports"
    (few,) = judged(cells([0.75] * 5, [0.5] * 5))
    assert few.verdict == "cannot tell"
    assert finding.reason == "every seed gives the same, which leaves no interval"


# -- curves over densities -----------------------------------------------------------------------------------


def pruned(row, seed, values, *, density, initializer="glorot"):
    """A cell judged at several densities: those of its rounds."""
    made = entry(row, seed, density=density)
    points = [CurvePoint("test", "b", "accuracy", at, "density", x, y) for at, (x, y) in enumerate(values.items())]
    return CellResult(replace(made.record, initializer=initializer), points)


def over_densities(**other):
    """IMP judged at 1, 0.5120 and 0.06872, and random drawn at 0.069 alone."""
    return [
        cell
        for seed in range(5)
        for cell in (
            pruned("a", seed, {1.0: 0.98, 0.512: 0.97 + seed / 1000, 0.06872: 0.95}, density=0.06872),
            pruned("b", seed, {0.069: 0.80 + seed / 100}, density=0.069),
            pruned("a", seed, {1.0: 0.98, 0.512: 0.90 - seed / 1000, 0.06872: 0.7}, density=0.06872, initializer="he"),
        )
    ]


def test_rows_are_compared_at_one_density(judged):
    """A point of the one's curve against a cell of the other, 0.4 % apart."""
    parts = {"measure": "value", "x": 0.069, "initializer": "glorot", "than": {"row": "b", "density": 0.069}}
    (finding,) = judged(over_densities(), **parts)
    assert (finding.verdict, round(finding.interval.mean, 6)) == ("supports", 0.13)


def test_a_density_is_compared_with_the_densest(judged):
    """The same cell's own start."""
    parts = {"measure": "value", "x": 0.512, "than": {"x": 1.0}, "expect": "lower", "initializer": "glorot"}
    (finding,) = judged(over_densities(), **parts)
    assert (finding.verdict, round(finding.interval.mean, 6)) == ("supports", -0.008)


def test_initializers_are_compared_by_how_far_they_hold(judged):
    """Within two points down to half the weights, against not at all; five equal differences show nothing."""
    parts = {"measure": "holds_to", "level": 0.02, "expect": "lower", "than": {"initializer": "he"}}
    (finding,) = judged(over_densities(), initializer="glorot", **parts)
    assert (finding.verdict, finding.interval.mean) == ("cannot tell", 0.512 - 1.0)


def test_a_probe_that_did_not_look_is_named(judged):
    """In the words of the suite file."""
    (finding,) = judged(cells([0.9] * 3, [0.8] * 3), measure="probe", probe="distance/drawn/l2")
    assert finding.reason.startswith("a: no probe distance/drawn/l2 (seed 0, 1, 2); dense: no probe")


# -- why we cannot tell --------------------------------------------------------------------------------------

REASONS = {
    "no common seeds": (
        [entry("a", 0), entry("dense", 1, density=1.0)],
        {},
        "tier smoke has no cells of dense to compare with",
    ),
    "all cells of the other side missing": (cells([0.9] * 2, [None] * 2), {}, "dense: missing (seed 0, 1)"),
    "a point that is not judged": (
        cells([0.9] * 3, [0.8] * 3),
        {"measure": "value", "x": 7.0},
        "a: no value at 7 (seed 0, 1, 2); dense: no value at 7 (seed 0, 1, 2)",
    ),
    "a row without cells": (cells([], [0.1] * 3), {}, "tier smoke has no cells of a"),
    "a task without cells": (
        cells([0.9] * 3, [0.1] * 3),
        {"task": "mazes"},
        "tier smoke has no cells of a, task mazes",
    ),
    "another tier": (cells([0.9] * 3, [0.1] * 3), {"tiers": ["paper"]}, "it speaks of tier paper, not of smoke"),
}


@pytest.mark.parametrize(("entries", "parts", "reason"), REASONS.values(), ids=REASONS)
def test_why_we_cannot_tell(judged, entries, parts, reason):
    """The reason names the cells, and there is no number."""
    (finding,) = judged(entries, **parts)
    assert (finding.verdict, finding.reason, finding.interval) == ("cannot tell", reason, None)


@pytest.mark.parametrize(
    ("entries", "left_out"),
    [
        (cells([0.9, 0.8, 0.85, 0.9, 0.87, None], [0.1] * 6), "a: missing (seed 5)"),
        (cells([0.9, 0.8, 0.85, 0.9, 0.87, 0.9], [0.1] * 5 + [None]), "dense: missing (seed 5)"),
        ([*cells([0.9, 0.8, 0.85, 0.9, 0.87], [0.1] * 6), entry("a", 5, status="failed")], "a: failed (seed 5)"),
    ],
)
def test_a_claim_is_judged_on_the_seeds_that_are_whole(judged, entries, left_out):
    """Five of six, and the finding says which and why."""
    (finding,) = judged(entries)
    assert (finding.verdict, finding.seeds) == ("supports", 5)
    assert finding.reason == f"on seed 0, 1, 2, 3, 4 alone, since {left_out}"


def test_what_never_reaches_a_level_is_later_than_what_does(judged):
    """Levels reached at 5 of the iterations 5 and 20; never counts as 35, a step beyond the last: 30 more than 5."""
    (finding,) = judged(cells([0.1] * 6, [0.8] * 6), measure="x_to", level=0.7, expect="lower")
    assert (finding.interval.mean, finding.verdict) == (30.0, "contradicts")
    assert "a: never reaches 0.7, which counts as later than all (seed 0, 1, 2, 3, 4, 5)" in finding.reason


def test_a_run_that_diverged_counts_as_the_worst(judged):
    """Without bounds the worst that any run came to, 0.8: five times 0.1 above it, and once not."""
    runs = [*cells([0.9] * 5, [0.8] * 6), replace(entry("a", 5), record=entry("a", 5, status="diverged").record)]
    (finding,) = judged(runs)
    assert finding.interval.mean == pytest.approx(5 * 0.1 / 6)
    assert finding.reason.startswith("a: diverged, which counts as the worst (seed 5)")


def test_a_run_that_diverged_reaches_nothing(judged):
    """Of convergence it is evidence: 0, 0, 0, 1 of four runs against four that do."""
    diverged = [entry("a", seed, status="diverged") for seed in range(5)]
    dense = [entry("dense", seed, 0.9, density=1.0) for seed in range(4)]
    (finding,) = judged([*diverged, entry("a", 3, 0.9), *dense], measure="reaches", level=0.8, expect="lower")
    assert finding.interval.mean == -0.75
    assert finding.interval.high == pytest.approx(-0.75 + stats.t.ppf(0.975, 3) * 0.5 / 2)
    assert finding.verdict == "cannot tell"


def test_a_setting_of_which_nothing_was_computed_is_told_from_one_with_gaps(judged):
    """All cells missing; against one that failed, and against one seed of two."""
    nothing = [entry("a", seed, None) for seed in (0, 1)] + [entry("dense", seed, None, density=1.0) for seed in (0, 1)]
    (absent,) = judged(nothing)
    assert absent.absent
    (failed,) = judged([entry("a", 0, 0.5, status="failed"), entry("dense", 0, None, density=1.0)])
    assert not failed.absent
    (partly,) = judged([*cells([0.5], [0.4]), entry("a", 1, None), entry("dense", 1, None, density=1.0)])
    assert not partly.absent


def test_settings_that_were_not_computed_share_a_line(tiny_suite):
    """Their places are named in it; a setting with numbers keeps its own."""
    claim = Claim(text="t", source="s", row="a", than={"row": "dense"}, expect="higher")
    places = [(("task", "blobs"), ("density", density)) for density in (0.5, 0.25, 0.1)]
    empty = [ClaimFinding(claim, "cannot tell", "a: missing (seed 0)", place, absent=True) for place in places[:2]]
    told = ClaimFinding(claim, "supports", "", places[2], Interval(1.0, 0.5, 1.5), 3)
    results = Results(read_suite(tiny_suite()), "smoke", "fp32", "cpu", [])
    lines = describe_claim(results, 4, [empty[0], told, empty[1]])
    assert [(line.verdict, line.setting, line.reason) for line in lines] == [
        ("supports", "blobs, density 0.1", ""),
        ("cannot tell", "2 more settings", "not computed: blobs, density 0.5; blobs, density 0.25"),
    ]
    assert len(describe_claim(results, 4, [told, empty[0]])) == 2


def test_ratios_are_compared_seed_by_seed(judged):
    """Of 2, 4 and 8 to 1: a geometric mean of 4, and exp(log 4 ± 4.303·log 2/√3); three seeds show nothing."""
    two, one = [2.0, 4.0, 8.0], [1.0, 1.0, 1.0]
    (found,) = judged(cells(two, one), compare="ratio")
    half = 4.30265 * math.log(2) / 3**0.5
    expected = (4.0, math.exp(math.log(4) - half), math.exp(math.log(4) + half))
    assert (found.interval.mean, found.interval.low, found.interval.high) == pytest.approx(expected, rel=1e-5)
    assert found.verdict == "cannot tell"
    assert found.reason == "3 seeds; it takes 5"
    more = cells([20.0, 30.0, 25.0, 22.0, 28.0], [1.0] * 5)
    (clear,) = judged(more, compare="ratio")
    assert clear.verdict == "supports"
    (bounded,) = judged(more, compare="ratio", expect="at_most", value=2.0)
    assert bounded.verdict == "contradicts"
    assert bounded.interval.mean == pytest.approx(clear.interval.mean)


def test_what_is_not_above_zero_has_no_ratio(judged):
    """It is a gap with its numbers, and no number."""
    (found,) = judged(cells([1.0, 0.0, 2.0], [1.0, 1.0, 1.0]), compare="ratio")
    assert found.verdict == "cannot tell"
    assert found.reason.startswith("on seed 0, 2 alone, since a: no ratio of 0 to 1 (seed 1)")
